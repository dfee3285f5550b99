//! The seam to access protocols: what the core asks of each, and how it asks all of them.
//!
//! Absent: sockets, listeners and whatever else a protocol is to its own side.

use landfall_model::{Cause, DeviceId, Error, ServiceCall};
use parking_lot::RwLock;
use std::sync::{Arc, Weak};

/// The devices that are here by one access protocol.
pub trait Access: Send + Sync {
    /// What the device takes over the connection or registration that it holds here; `None` where it holds none.
    fn holds(&self, device: DeviceId) -> Option<Takes>;

    /// Whether what it holds here is a connection, whose end makes the device OFFLINE.
    fn connects(&self, device: DeviceId) -> bool {
        self.holds(device) == Some(Takes::Calls)
    }

    /// Whether a call would go through to `device` over the connection `via` (its own or its gateway's): its message, where there is one yet.
    fn accepts(&self, _via: DeviceId, _device: DeviceId, _message: Option<&Downlink>) -> Result<(), Undelivered> {
        Err(Undelivered::gone())
    }

    /// Hands a message to the connection or registration `via`. The acknowledgement of a call comes back through `Core::call_delivered`; a
    /// dismissal of the device whose connection it is ends that, once the device has it or some seconds later.
    fn deliver(&self, _via: DeviceId, _message: Downlink) -> Result<(), Undelivered> {
        Err(Undelivered::gone())
    }

    /// Something is wanted of the device. False: it is not held here, or nothing is ever wanted over this protocol.
    fn wake(&self, _device: DeviceId, _why: Wake) -> bool {
        false
    }

    /// Closes the connection or registration of the device, if there is one.
    fn close(&self, device: DeviceId, why: CloseCause);
}

/// What a device takes over its connection or registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Calls, at once.
    Calls,
    /// Commands, messages and desired values that wait in the store, by `Core::next_work`.
    Work,
}

/// What is wanted of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// There may be work for it.
    Work,
    /// The lifetime of its registration may be over.
    LifetimeOver,
    /// What is to be observed at it changed.
    ObserveAnew,
}

/// A message for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downlink {
    /// The device it is for.
    pub device: DeviceId,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether the payload is the product codec's or JSON.
    pub binary: bool,
    /// Payload.
    pub payload: Vec<u8>,
}

/// What a message to a device is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It carries a call.
    Call(Box<ServiceCall>),
    /// It acknowledges a report.
    Acknowledgement,
    /// It says that the device was deleted.
    Dismissal,
}

impl Downlink {
    /// The call it carries.
    pub fn call(&self) -> Option<&ServiceCall> {
        match &self.purpose {
            Purpose::Call(call) => Some(call),
            Purpose::Acknowledgement | Purpose::Dismissal => None,
        }
    }

    /// What it is, for people.
    pub fn what(&self) -> String {
        match &self.purpose {
            Purpose::Call(call) => format!("{} {}", call.service_id, call.method),
            Purpose::Acknowledgement => "the acknowledgement of a report".into(),
            Purpose::Dismissal => "the word that the device was deleted".into(),
        }
    }
}

/// Why the platform closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// The device was deleted.
    Deleted,
    /// Its credentials changed.
    CredentialsChanged,
}

/// Why a call does not reach a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// What is in the way.
    pub obstacle: Obstacle,
    /// The step of its why record, in the protocol's words.
    pub step: &'static str,
    /// What an operator reads.
    pub detail: String,
}

/// What keeps a call from a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no such connection, or it ends.
    Gone,
    /// The device does not listen to commands, or not to those of this form.
    NotSubscribed,
    /// As many calls wait for the connection as may.
    Full,
    /// The device takes no message of this size.
    TooLarge,
}

impl Undelivered {
    /// No connection is known.
    fn gone() -> Self {
        Self { obstacle: Obstacle::Gone, step: "call.send", detail: "the connection has just ended".into() }
    }

    /// What an application is told, and the check of the why record.
    pub(crate) fn error(&self) -> Error {
        let detail = self.detail.clone();
        match self.obstacle {
            Obstacle::Gone | Obstacle::NotSubscribed => Error::new(Cause::DeviceOffline, detail),
            Obstacle::Full => Error::new(Cause::Overloaded, detail),
            Obstacle::TooLarge => Error::invalid("body", detail),
        }
    }
}

/// All accesses of this process. They alone know which devices they hold, so each is asked in turn; one that was dropped holds none.
#[derive(Default)]
pub(crate) struct Live {
    accesses: RwLock<Vec<Weak<dyn Access>>>,
}

impl Live {
    pub(crate) fn enlist(&self, access: Weak<dyn Access>) {
        let mut accesses = self.accesses.write();
        accesses.retain(|known| known.strong_count() > 0);
        accesses.push(access);
    }

    fn first<T>(&self, ask: impl FnMut(Arc<dyn Access>) -> Option<T>) -> Option<T> {
        self.accesses.read().iter().filter_map(Weak::upgrade).find_map(ask)
    }

    /// Whether the device holds a connection or registration that takes this.
    pub(crate) fn takes(&self, device: DeviceId, what: Takes) -> bool {
        self.caller(device, what).is_some()
    }

    /// [`Access::connects`] of any.
    pub(crate) fn connects(&self, device: DeviceId) -> bool {
        self.first(|access| access.connects(device).then_some(())).is_some()
    }

    fn caller(&self, device: DeviceId, what: Takes) -> Option<Arc<dyn Access>> {
        self.first(|access| (access.holds(device) == Some(what)).then_some(access))
    }

    /// [`Access::accepts`] of the protocol that the connection `via` is of.
    pub(crate) fn accepts(&self, via: DeviceId, device: DeviceId, message: Option<&Downlink>) -> Result<(), Undelivered> {
        self.caller(via, Takes::Calls).ok_or_else(Undelivered::gone)?.accepts(via, device, message)
    }

    /// [`Access::deliver`] of the protocol that the connection `via` is of.
    pub(crate) fn deliver(&self, via: DeviceId, message: Downlink) -> Result<(), Undelivered> {
        self.caller(via, Takes::Calls).ok_or_else(Undelivered::gone)?.deliver(via, message)
    }

    /// Hands the acknowledgement of a report to the protocol over which it came.
    pub(crate) fn acknowledge(&self, via: DeviceId, message: Downlink) -> Result<(), Undelivered> {
        let held = self.first(|access| access.holds(via).map(|takes| (access, takes)));
        let (access, takes) = held.ok_or_else(Undelivered::gone)?;
        if takes == Takes::Calls {
            access.accepts(via, message.device, Some(&message))?;
        }
        access.deliver(via, message)
    }

    /// Tells every protocol; whether any holds the device and looks after it.
    pub(crate) fn wake(&self, device: DeviceId, why: Wake) -> bool {
        let mut held = false;
        self.first(|access| {
            held |= access.wake(device, why);
            None::<()>
        });
        held
    }

    pub(crate) fn close(&self, device: DeviceId, why: CloseCause) {
        self.first(|access| {
            access.close(device, why);
            None::<()>
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    /// Holds one device.
    struct Holds(DeviceId, Takes, Mutex<Vec<CloseCause>>);

    impl Access for Holds {
        fn holds(&self, device: DeviceId) -> Option<Takes> {
            (device == self.0).then_some(self.1)
        }

        fn wake(&self, device: DeviceId, why: Wake) -> bool {
            device == self.0 && why == Wake::Work
        }

        fn close(&self, device: DeviceId, why: CloseCause) {
            self.2.lock().extend(self.holds(device).map(|_| why));
        }
    }

    #[test]
    fn each_access_is_asked_until_it_is_gone() {
        let live = Live::default();
        let [caller, worker, nobody] = [1, 2, 3].map(|n| DeviceId::from_random([n; 16]));
        let calls = Arc::new(Holds(caller, Takes::Calls, Mutex::default()));
        let work = Arc::new(Holds(worker, Takes::Work, Mutex::default()));
        live.enlist(Arc::downgrade(&calls) as _);
        live.enlist(Arc::downgrade(&work) as _);
        assert!(live.takes(caller, Takes::Calls) && live.takes(worker, Takes::Work));
        assert!(!live.takes(worker, Takes::Calls) && !live.takes(nobody, Takes::Work));
        assert!(live.wake(worker, Wake::Work) && !live.wake(nobody, Wake::Work) && !live.wake(worker, Wake::LifetimeOver));
        live.close(worker, CloseCause::Deleted);
        assert_eq!((calls.2.lock().len(), work.2.lock().len()), (0, 1));
        assert_eq!(live.accepts(nobody, nobody, None).unwrap_err().obstacle, Obstacle::Gone);
        drop(work);
        assert!(!live.takes(worker, Takes::Work) && live.takes(caller, Takes::Calls));
    }

    #[test]
    fn what_is_in_the_way_tells_the_check() {
        let error = |obstacle| Undelivered { obstacle, step: "any.command", detail: "words".into() }.error();
        let causes = [Obstacle::Gone, Obstacle::NotSubscribed, Obstacle::Full, Obstacle::TooLarge].map(|one| error(one).cause);
        assert_eq!(causes, [Cause::DeviceOffline, Cause::DeviceOffline, Cause::Overloaded, Cause::InvalidField]);
        assert_eq!(error(Obstacle::TooLarge).path.as_deref(), Some("body"));
        assert_eq!(error(Obstacle::Full).detail, "words");
    }
}
