//! Connections that are open because a test says so, and that write down what they are asked.

use landfall_core::{Access, CloseCause, Downlink, Obstacle, Purpose, Takes, Undelivered, Wake};
use landfall_model::DeviceId;
use parking_lot::Mutex;
use std::collections::HashSet;

/// Calls that the connections take together before they are full.
pub const SENT_MAX: usize = 64;

/// All connections of a test.
#[derive(Default)]
pub struct Connections {
    open: Mutex<HashSet<DeviceId>>,
    /// Calls that went out.
    pub sent: Mutex<Vec<Downlink>>,
    /// What was closed, and why.
    pub closed: Mutex<Vec<(DeviceId, CloseCause)>>,
    /// Devices that take commands and desired values piece by piece.
    pub registered: Mutex<HashSet<DeviceId>>,
    /// Devices that there was said to be work for.
    pub woken: Mutex<Vec<DeviceId>>,
}

impl Connections {
    /// The device holds a connection from now on.
    pub fn open(&self, device: DeviceId) {
        self.open.lock().insert(device);
    }

    /// Its connection is gone.
    pub fn shut(&self, device: DeviceId) {
        self.open.lock().remove(&device);
    }
}

impl Access for Connections {
    fn holds(&self, device: DeviceId) -> Option<Takes> {
        let open = self.open.lock().contains(&device).then_some(Takes::Calls);
        open.or_else(|| self.registered.lock().contains(&device).then_some(Takes::Work))
    }

    fn accepts(&self, _: DeviceId, _: DeviceId, _: Option<&Downlink>) -> std::result::Result<(), Undelivered> {
        Ok(())
    }

    fn deliver(&self, via: DeviceId, message: Downlink) -> std::result::Result<(), Undelivered> {
        if message.purpose == Purpose::Dismissal && via == message.device {
            self.close(via, CloseCause::Deleted);
        }
        let mut sent = self.sent.lock();
        if sent.len() >= SENT_MAX {
            return Err(Undelivered { obstacle: Obstacle::Full, step: "pretended.command", detail: "full".into() });
        }
        sent.push(message);
        Ok(())
    }

    fn wake(&self, device: DeviceId, why: Wake) -> bool {
        if why == Wake::Work {
            self.woken.lock().push(device);
        }
        why != Wake::LifetimeOver
    }

    fn close(&self, device: DeviceId, why: CloseCause) {
        self.shut(device);
        self.registered.lock().remove(&device);
        self.closed.lock().push((device, why));
    }
}
