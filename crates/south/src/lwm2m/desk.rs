//! Where the rest of the program leaves word for LwM2M devices: the core's [`Live`](landfall_core::Live) of this protocol.
//!
//! Absent: the devices' state. The hub alone has that; it is rung when there is word.

use landfall_core::CloseCause;
use landfall_model::DeviceId;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use tokio::sync::Notify;

/// Word for devices, each kind at most once a device.
#[derive(Default)]
pub struct Desk {
    registered: Mutex<HashSet<DeviceId>>,
    word: Mutex<Word>,
    bell: Notify,
}

/// What was left since the hub looked last; bounded by the number of devices.
#[derive(Default)]
pub(crate) struct Word {
    pub(crate) wake: HashSet<DeviceId>,
    pub(crate) close: HashMap<DeviceId, CloseCause>,
    pub(crate) lifetime_over: HashSet<DeviceId>,
}

impl Desk {
    /// Devices that are registered.
    pub fn len(&self) -> usize {
        self.registered.lock().len()
    }

    /// Whether no device is registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the device is registered here.
    pub fn is_registered(&self, device: DeviceId) -> bool {
        self.registered.lock().contains(&device)
    }

    /// There may be work for the device.
    pub fn wake(&self, device: DeviceId) {
        if self.is_registered(device) {
            self.word.lock().wake.insert(device);
            self.bell.notify_one();
        }
    }

    /// Ends the registration and the secure session of the device. A device without a registration may have a session.
    pub fn close(&self, device: DeviceId, why: CloseCause) {
        self.word.lock().close.insert(device, why);
        self.bell.notify_one();
    }

    /// Looks after a lifetime. False: the device is not registered here.
    pub fn lifetime_over(&self, device: DeviceId) -> bool {
        let known = self.is_registered(device);
        if known {
            self.word.lock().lifetime_over.insert(device);
            self.bell.notify_one();
        }
        known
    }

    /// Waits until there is word.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    pub(crate) fn take(&self) -> Word {
        std::mem::take(&mut self.word.lock())
    }

    pub(crate) fn enter(&self, device: DeviceId) {
        self.registered.lock().insert(device);
    }

    pub(crate) fn leave(&self, device: DeviceId) {
        self.registered.lock().remove(&device);
    }
}
