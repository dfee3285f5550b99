//! The real world: the system's clock and randomness.

use landfall_core::World;
use landfall_model::Time;
use std::time::{SystemTime, UNIX_EPOCH};

/// The clock and randomness of the operating system.
#[derive(Debug, Default)]
pub struct RealWorld;

impl World for RealWorld {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock for the domain")]
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    #[allow(clippy::expect_used, reason = "without randomness no key may be made; stopping is the only safe answer")]
    fn random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }
}
