//! The real world: the system's clocks and randomness.

use landfall_core::{Clock, ClockChange, ClockDoubt, TimeBounds, World};
use landfall_model::Time;
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// The clocks and the randomness of the operating system.
#[derive(Debug)]
pub struct RealWorld(Mutex<Clock>);

impl Default for RealWorld {
    fn default() -> Self {
        Self(Mutex::new(Clock::new(wall(), monotonic_ms())))
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock for the domain")]
fn wall() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Goes on while the machine sleeps.
fn monotonic_ms() -> i64 {
    let since = clock_gettime(ClockId::Boottime);
    since.tv_sec.saturating_mul(1_000).saturating_add(since.tv_nsec / 1_000_000)
}

impl World for RealWorld {
    fn now(&self) -> Time {
        wall()
    }

    #[allow(clippy::expect_used, reason = "without randomness no key may be made; stopping is the only safe answer")]
    fn random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }

    fn bounds(&self) -> TimeBounds {
        let (bounds, change) = self.0.lock().read(wall(), monotonic_ms());
        match change {
            None => (),
            Some(ClockChange::Doubted(ClockDoubt { ahead_ms, left_ms })) => tracing::warn!(
                ahead_s = ahead_ms / 1_000,
                "the clock jumped: nothing is deleted for its age and nothing expires for {} hours, or until `landfall clock accept`",
                left_ms / 3_600_000
            ),
            Some(ClockChange::Agreed) => tracing::info!("the clock is back where it was expected"),
            Some(ClockChange::Accepted) => tracing::warn!("the clock stayed where it had jumped to, so it is taken for right"),
        }
        bounds
    }

    fn known(&self, at: Time) {
        self.0.lock().known(at, monotonic_ms());
    }

    fn clock_doubt(&self) -> Option<ClockDoubt> {
        self.bounds();
        self.0.lock().doubt(wall(), monotonic_ms())
    }

    fn accept_clock(&self) {
        tracing::warn!("an operator says that the clock is right");
        self.0.lock().accept(wall(), monotonic_ms());
    }
}
