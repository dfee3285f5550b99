//! The world of a measurement: as the machine's clock goes, and bytes that need not be random.

use landfall_model::Time;
use landfall_testkit::{World, world::START_MS};
use std::{sync::Arc, time::SystemTime};

/// The machine's time.
pub fn now() -> Time {
    Time(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64)
}

/// A world at the machine's time.
pub fn world() -> Arc<World> {
    Arc::new(World::paced(1, || now().0 - START_MS))
}
