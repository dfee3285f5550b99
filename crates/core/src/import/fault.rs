//! Why a row failed: one text that people read and that can be taken apart again.

use landfall_model::{Cause, Error};
use std::fmt;

/// Why a row failed. Its text is `COLUMN: CAUSE: REASON`, without the column where the row as a whole is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// The column in which it is wrong.
    pub column: Option<String>,
    /// The cause.
    pub cause: Cause,
    /// For people.
    pub reason: String,
}

impl RowFault {
    /// What is wrong in a column.
    pub fn new(cause: Cause, column: &str, reason: impl Into<String>) -> Self {
        Self { column: Some(column.to_owned()), cause, reason: reason.into() }
    }

    /// Takes its text apart.
    pub fn read(text: &str) -> Self {
        let cause = |word: &str| Cause::ALL.iter().copied().find(|cause| cause.as_str() == word);
        let parts = |text: &str| text.split_once(": ").and_then(|(word, rest)| Some((cause(word)?, rest.to_owned())));
        if let Some((cause, reason)) = parts(text) {
            return Self { column: None, cause, reason };
        }
        let (column, rest) = text.split_once(": ").unwrap_or(("", text));
        match parts(rest) {
            Some((cause, reason)) => Self { column: Some(column.to_owned()), cause, reason },
            None => Self { column: None, cause: Cause::Internal, reason: text.to_owned() },
        }
    }
}

impl From<Error> for RowFault {
    fn from(error: Error) -> Self {
        Self { column: error.path.map(Into::into), cause: error.cause, reason: error.detail.into() }
    }
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = &self.column {
            // A column is named by its file.
            write!(f, "{}: ", column.replace(": ", ":"))?;
        }
        write!(f, "{}: {}", self.cause.as_str(), self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_was_written() {
        let whole = RowFault { column: None, cause: Cause::DeviceLimit, reason: "too many: of them".into() };
        for fault in [whole, RowFault::new(Cause::NodeIdTaken, "nodeId", "is taken"), Error::invalid("a:b", "is: odd").into()] {
            assert_eq!(RowFault::read(&fault.to_string()), fault);
        }
        let unknown = RowFault { column: None, cause: Cause::Internal, reason: "whatever: it says".into() };
        assert_eq!(RowFault::read("whatever: it says"), unknown);
        assert_eq!(RowFault::new(Cause::InvalidField, "x: y", "z").to_string(), "x:y: InvalidField: z");
    }
}
