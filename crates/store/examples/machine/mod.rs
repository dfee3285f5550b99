//! The world of a measurement: the machine's clock, and bytes that need not be random.

use landfall_core::World;
use landfall_model::Time;
use std::time::SystemTime;

pub struct Now;

impl World for Now {
    fn now(&self) -> Time {
        Time(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64)
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(1);
    }
}
