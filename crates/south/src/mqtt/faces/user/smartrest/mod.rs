//! SmartREST 2.0: lines of values for devices with few bytes to spare (contract section 7). Pure: what is said is carried out elsewhere.

pub(super) mod collection;
pub(super) mod csv;
pub(super) mod downstream;
pub(super) mod upstream;

#[cfg(test)]
mod tests;

use super::said::Said;
use std::borrow::Cow;

/// Largest payload of this kind of client, bytes.
pub(super) const PAYLOAD_MAX_BYTES: usize = 16_184;

/// A line of a message as it is to be answered: its message id, and what it says or what is wrong with it.
pub(super) struct Heard<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) said: Result<Said, String>,
}

/// What the lines of a message say by the static templates.
pub(super) fn heard(text: &str) -> impl Iterator<Item = Heard<'_>> {
    csv::lines(text).map(|line| match line {
        Ok(line) => Heard { id: Cow::Owned(line.id().to_owned()), said: upstream::read(&line) },
        Err(unread) => Heard { id: unread.id, said: Err(unread.why.to_owned()) },
    })
}

/// Reads anything as a message; must never panic. What is written of its values must be read as the same.
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for line in csv::lines(text).flatten() {
        let written = csv::written(line.rest(0));
        match csv::lines(&written).next() {
            Some(again) => assert_eq!(again.as_ref(), Ok(&line), "{written:?}"),
            None => assert!(line.rest(0).iter().all(|value| value.is_empty()), "{written:?}"),
        }
    }
    if let Ok(own) = collection::Collection::read(text) {
        for line in csv::lines(text).flatten() {
            let _ = own.call(&line, landfall_model::Time(0));
        }
        let _ = own.answers(&serde_json::json!({"a": {"b": [1, "c"]}}), Some("s"));
    }
    for heard in heard(text) {
        let _ = (heard.id, heard.said);
    }
    if let Ok(serde_json::Value::Object(operation)) = serde_json::from_str(text) {
        for line in downstream::lines("s", &operation) {
            assert!(csv::lines(&line).all(|line| line.is_ok_and(|line| line.value(1) == Some("s"))), "{line:?}");
        }
    }
}
