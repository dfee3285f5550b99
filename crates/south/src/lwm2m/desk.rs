//! Where the rest of the program leaves word for LwM2M devices: what the core asks of this protocol, and what operators ask of devices directly.
//!
//! Absent: the devices' state. The hub alone has that; it is rung when there is word.

use super::{
    acknowledging::ACKNOWLEDGEMENTS,
    direct::{Direct, Order, not_registered},
};
use landfall_core::{Access, CloseCause, Downlink, Obstacle, Takes, Undelivered, Wake};
use landfall_model::{Cause, DeviceId, Error, Result};
use parking_lot::Mutex;
use serde_json::Value as Json;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use tokio::sync::{Notify, oneshot};

/// Direct requests that wait for one device.
const PLACES_OF_DEVICE: usize = 8;
/// Direct requests that wait in all.
const PLACES: usize = 10_000;

/// Word for devices, each kind at most once a device, direct requests within their limits.
#[derive(Default)]
pub struct Desk {
    registered: Mutex<HashSet<DeviceId>>,
    word: Mutex<Word>,
    bell: Notify,
    places: Arc<Mutex<Places>>,
    looks: Arc<Mutex<HashMap<DeviceId, Looks>>>,
}

/// Readings of what is wanted of a device that are under way.
#[derive(Default)]
struct Looks {
    open: usize,
    changes: u64,
}

/// A reading of what is wanted of a device.
pub(crate) struct Look {
    looks: Arc<Mutex<HashMap<DeviceId, Looks>>>,
    device: DeviceId,
    changes: u64,
}

/// Direct requests that wait.
#[derive(Default)]
struct Places {
    of_device: HashMap<DeviceId, usize>,
    all: usize,
}

/// The place of one direct request, free again when this is dropped.
pub(super) struct Place {
    places: Arc<Mutex<Places>>,
    device: DeviceId,
}

/// Tells the hub that a caller left before its answer came.
struct Caller<'a> {
    desk: &'a Desk,
    device: DeviceId,
    answered: bool,
}

/// What was left since the hub looked last; bounded by the number of devices.
#[derive(Default)]
pub(crate) struct Word {
    pub(crate) wake: HashSet<DeviceId>,
    pub(crate) close: HashMap<DeviceId, CloseCause>,
    pub(crate) lifetime_over: HashSet<DeviceId>,
    /// Devices of which something else is wanted now.
    pub(super) anew: HashSet<DeviceId>,
    pub(super) orders: Vec<(DeviceId, Order)>,
    /// Frames that acknowledge reports, few for each device.
    pub(super) frames: HashMap<DeviceId, Vec<Vec<u8>>>,
    /// Devices whose callers left.
    pub(super) abandoned: HashSet<DeviceId>,
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
    pub(super) fn is_registered(&self, device: DeviceId) -> bool {
        self.registered.lock().contains(&device)
    }

    /// Asks a device directly and waits for its answer: `code`, and `values`, `links`, `location` or `diagnostic`. A device that refuses
    /// has answered.
    ///
    /// # Errors
    /// `InvalidField` for what cannot be asked, `TooMany` where 8 requests wait for the device or 10,000 in all, `DeviceOffline` with the
    /// reason where no answer came in time.
    pub async fn request(&self, device: DeviceId, direct: Direct) -> Result<Json> {
        if !self.is_registered(device) {
            return Err(not_registered());
        }
        let (reply, answer) = oneshot::channel();
        let order = Order::new(&direct, reply, Place::take(&self.places, device)?)?;
        self.word.lock().orders.push((device, order));
        self.bell.notify_one();
        let mut caller = Caller { desk: self, device, answered: false };
        let outcome = answer.await.unwrap_or_else(|_| Err(not_registered()));
        caller.answered = true;
        outcome
    }

    /// Waits until there is word.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    pub(crate) fn take(&self) -> Word {
        std::mem::take(&mut self.word.lock())
    }

    /// To be taken before what is wanted of a device is read, and asked once what was read counts.
    pub(crate) fn look(&self, device: DeviceId) -> Look {
        let mut all = self.looks.lock();
        let looks = all.entry(device).or_default();
        looks.open += 1;
        Look { looks: Arc::clone(&self.looks), device, changes: looks.changes }
    }

    pub(crate) fn enter(&self, device: DeviceId) {
        self.registered.lock().insert(device);
    }

    pub(crate) fn leave(&self, device: DeviceId) {
        self.registered.lock().remove(&device);
    }
}

impl Access for Desk {
    fn holds(&self, device: DeviceId) -> Option<Takes> {
        self.is_registered(device).then_some(Takes::Work)
    }

    /// The acknowledgement of a report; commands wait in the store.
    fn deliver(&self, via: DeviceId, message: Downlink) -> std::result::Result<(), Undelivered> {
        if !self.is_registered(via) {
            return Err(unacknowledged(Obstacle::Gone, "the registration has just ended"));
        }
        let mut word = self.word.lock();
        let frames = word.frames.entry(via).or_default();
        if frames.len() >= ACKNOWLEDGEMENTS {
            return Err(unacknowledged(Obstacle::Full, "as many acknowledgements of reports wait for the device as may"));
        }
        frames.push(message.payload);
        drop(word);
        self.bell.notify_one();
        Ok(())
    }

    /// Where something else is to be observed, observations that are wanted now begin and those that no longer are end; the others go on.
    /// At a device that sleeps this waits until it wakes.
    fn wake(&self, device: DeviceId, why: Wake) -> bool {
        // Also before it is registered: what is wanted of it may be read already.
        if why == Wake::ObserveAnew
            && let Some(looks) = self.looks.lock().get_mut(&device)
        {
            looks.changes += 1;
        }
        if !self.is_registered(device) {
            return false;
        }
        let mut word = self.word.lock();
        match why {
            Wake::Work => word.wake.insert(device),
            Wake::LifetimeOver => word.lifetime_over.insert(device),
            Wake::ObserveAnew => word.anew.insert(device),
        };
        drop(word);
        self.bell.notify_one();
        true
    }

    /// Ends the registration and the secure session of the device. A device without a registration may have a session.
    fn close(&self, device: DeviceId, why: CloseCause) {
        self.word.lock().close.insert(device, why);
        self.bell.notify_one();
    }
}

fn unacknowledged(obstacle: Obstacle, detail: &str) -> Undelivered {
    Undelivered { obstacle, step: "lwm2m.acknowledge", detail: detail.into() }
}

impl Look {
    /// Whether something else is wanted meanwhile.
    pub(crate) fn is_stale(&self) -> bool {
        self.looks.lock().get(&self.device).is_some_and(|looks| looks.changes != self.changes)
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        let mut all = self.looks.lock();
        if let Some(looks) = all.get_mut(&self.device) {
            looks.open = looks.open.saturating_sub(1);
            if looks.open == 0 {
                all.remove(&self.device);
            }
        }
    }
}

impl Place {
    fn take(places: &Arc<Mutex<Places>>, device: DeviceId) -> Result<Self> {
        let mut taken = places.lock();
        let mine = taken.of_device.get(&device).copied().unwrap_or_default();
        if mine >= PLACES_OF_DEVICE || taken.all >= PLACES {
            return Err(Error::new(Cause::TooMany, "too many requests wait already"));
        }
        taken.all += 1;
        taken.of_device.insert(device, mine + 1);
        Ok(Self { places: Arc::clone(places), device })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        let left = taken.of_device.get(&self.device).map_or(0, |mine| mine.saturating_sub(1));
        if left == 0 {
            taken.of_device.remove(&self.device);
        } else {
            taken.of_device.insert(self.device, left);
        }
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.desk.word.lock().abandoned.insert(self.device);
            self.desk.bell.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_stale_once_something_else_is_wanted() {
        let desk = Desk::default();
        let (device, other) = (DeviceId::from_random([1; 16]), DeviceId::from_random([2; 16]));
        let (first, elsewhere) = (desk.look(device), desk.look(other));
        desk.wake(device, Wake::ObserveAnew);
        let second = desk.look(device);
        assert!(first.is_stale() && !second.is_stale() && !elsewhere.is_stale());
        desk.wake(device, Wake::ObserveAnew);
        assert!(first.is_stale() && second.is_stale() && !elsewhere.is_stale());
        assert!(desk.take().anew.is_empty(), "it is not registered");
        drop((first, second, elsewhere));
        assert!(desk.looks.lock().is_empty());
        desk.enter(device);
        desk.wake(device, Wake::ObserveAnew);
        desk.wake(device, Wake::ObserveAnew);
        assert_eq!(desk.take().anew.into_iter().collect::<Vec<_>>(), [device]);
    }
}
