//! Which devices may have open commands, desired values or outgoing messages, so that those that have none need no read; and in the same way those
//! that may have open alarms.
//!
//! The writer stamps a device with each command, shadow and outgoing message (each open alarm) that it commits; whoever reads and finds nothing open takes the stamp away, unless a
//! newer one was set meanwhile.

use crate::engine::sql::{Row, Sql, SqlResult, query_all};
use landfall_model::DeviceId;
use parking_lot::Mutex;
use std::collections::HashMap;
use uuid::Uuid;

/// Devices that have commands that are not over, a shadow, or outgoing messages.
pub(crate) const WORK: &str = "SELECT device FROM command WHERE state IN ('PENDING', 'SENT', 'DELIVERED') UNION SELECT device FROM shadow \
     UNION SELECT device FROM container WHERE part = 4 AND instances > 0 AND device IS NOT NULL";

/// Stamps by device; as many as devices have open work.
#[derive(Default)]
pub(crate) struct Work(Mutex<Stamps>);

#[derive(Default)]
struct Stamps {
    of: HashMap<DeviceId, u64>,
    last: u64,
}

impl Work {
    /// Reads which devices a statement finds.
    pub(crate) fn load(&self, sql: &mut dyn Sql, text: &str) -> SqlResult<()> {
        let id = |row: &dyn Row| Ok(Uuid::from_slice(row.bytes(0)?).ok().map(DeviceId));
        let devices = query_all(sql, text, &[], id)?;
        self.set(devices.into_iter().flatten());
        Ok(())
    }

    /// These devices have got work.
    pub(crate) fn set(&self, devices: impl IntoIterator<Item = DeviceId>) {
        let mut stamps = self.0.lock();
        for device in devices {
            stamps.last += 1;
            let last = stamps.last;
            stamps.of.insert(device, last);
        }
    }

    /// The device is gone.
    pub(crate) fn forget(&self, device: DeviceId) {
        self.0.lock().of.remove(&device);
    }

    pub(crate) fn stamp(&self, device: DeviceId) -> Option<u64> {
        self.0.lock().of.get(&device).copied()
    }

    pub(crate) fn none(&self, device: DeviceId, stamp: u64) {
        let mut stamps = self.0.lock();
        if stamps.of.get(&device) == Some(&stamp) {
            stamps.of.remove(&device);
        }
    }
}
