//! The clocks of this machine. A measuring program reads them; nothing else of Landfall does it this way.

use landfall_model::Time;
use landfall_testkit::{World, world::START_MS};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now, for durations.
#[allow(clippy::disallowed_methods, reason = "durations are what is measured here")]
pub fn now() -> Instant {
    Instant::now()
}

/// Now, UTC.
#[allow(clippy::disallowed_methods, reason = "the date of a measurement belongs to its conditions")]
pub fn utc() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Lets time pass, so that a process settles or a file is looked for again.
#[allow(clippy::disallowed_methods, reason = "other processes are watched here, and they ring no bell")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// The world of a store that is filled before a measurement.
pub fn world() -> World {
    World::paced(1, || utc().0 - START_MS)
}
