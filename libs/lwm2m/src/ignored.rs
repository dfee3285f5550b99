//! What of a message was passed over because it could not be used, in words. Absent: what was refused as a whole.

use std::fmt;

/// Longest words of one thing, characters.
const TEXT_MAX: usize = 160;

/// The first things that were passed over, and how many more there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    told: Vec<String>,
    untold: usize,
}

impl Ignored {
    /// Most things that are told one by one.
    pub const TOLD_MAX: usize = 8;

    /// Whether everything could be used.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty() && self.untold == 0
    }

    pub(crate) fn add(&mut self, what: impl fmt::Display) {
        if self.told.len() < Self::TOLD_MAX {
            self.told.push(what.to_string().chars().take(TEXT_MAX).collect());
        } else {
            self.untold += 1;
        }
    }

    pub(crate) fn add_untold(&mut self, count: usize) {
        self.untold += count;
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.join("; "))?;
        if self.untold > 0 { write!(f, "; and {} more", self.untold) } else { Ok(()) }
    }
}
