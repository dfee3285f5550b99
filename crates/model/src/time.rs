//! Points in time, always an argument, never read here.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// This time plus `seconds`, saturating.
    pub fn plus_s(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// This time minus `seconds`, saturating.
    pub fn minus_s(self, seconds: i64) -> Self {
        self.plus_s(seconds.saturating_neg())
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn unix_s(self) -> i64 {
        self.0.div_euclid(1000)
    }
}
