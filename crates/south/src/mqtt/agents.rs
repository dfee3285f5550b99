//! Which devices are here over connections that fetch what they are to do: those of clients which speak for devices as users.
//!
//! Absent: what they are told (the face), sockets. A device that is behind another one is here over its connection.

use landfall_core::{Access, CloseCause, Takes, UserCaller, UserSessions, Wake};
use landfall_model::{AccountId, DeviceId};
use landfall_mqtt::DisconnectReason;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use super::outbox::Outbox;

/// The devices that are connected to this process in this way.
#[derive(Default)]
pub(crate) struct Agents {
    devices: Mutex<HashMap<DeviceId, Place>>,
    /// The connections of each user.
    users: Mutex<HashMap<(AccountId, String), Connections>>,
}

type Connections = Vec<Weak<Outbox>>;

struct Place {
    outbox: Arc<Outbox>,
    /// Whether the connection is the device's own.
    own: bool,
}

impl Agents {
    /// Enters a connection of a user. From here on it ends when the user may not come any more.
    pub(crate) fn sign_in(&self, user: &UserCaller, outbox: &Arc<Outbox>) {
        let name = (user.account(), user.user().name.clone());
        self.users.lock().entry(name).or_default().push(Arc::downgrade(outbox));
    }

    /// Takes out a connection of a user.
    pub(crate) fn sign_out(&self, user: &UserCaller, outbox: &Arc<Outbox>) {
        let name = (user.account(), user.user().name.clone());
        let mut users = self.users.lock();
        if let Some(all) = users.get_mut(&name) {
            all.retain(|one| one.strong_count() > 0 && one.as_ptr() != Arc::as_ptr(outbox));
            if all.is_empty() {
                users.remove(&name);
            }
        }
    }

    /// Enters the connection of a device, and closes another one that it had.
    pub(crate) fn enter(&self, device: DeviceId, outbox: &Arc<Outbox>) {
        let place = Place { outbox: Arc::clone(outbox), own: true };
        let before = self.devices.lock().insert(device, place);
        if let Some(before) = before.filter(|before| before.own && !Arc::ptr_eq(&before.outbox, outbox)) {
            before.outbox.close(DisconnectReason::SessionTakenOver);
        }
    }

    /// A device behind it is here, too, unless it has a connection of its own.
    pub(crate) fn enter_behind(&self, device: DeviceId, outbox: &Arc<Outbox>) {
        let mut devices = self.devices.lock();
        if devices.get(&device).is_none_or(|place| !place.own) {
            devices.insert(device, Place { outbox: Arc::clone(outbox), own: false });
        }
    }

    /// Takes out what is here over a connection that ends. Gives those of the devices that were.
    pub(crate) fn leave(&self, devices: impl IntoIterator<Item = DeviceId>, outbox: &Arc<Outbox>) -> Vec<DeviceId> {
        let mut places = self.devices.lock();
        let mut left = vec![];
        for device in devices {
            if places.get(&device).is_some_and(|place| Arc::ptr_eq(&place.outbox, outbox)) {
                places.remove(&device);
                left.push(device);
            }
        }
        left
    }

    fn find(&self, device: DeviceId) -> Option<Arc<Outbox>> {
        self.devices.lock().get(&device).map(|place| Arc::clone(&place.outbox))
    }
}

impl Access for Agents {
    fn holds(&self, device: DeviceId) -> Option<Takes> {
        self.devices.lock().get(&device).filter(|place| place.own).map(|_| Takes::Work)
    }

    fn connects(&self, device: DeviceId) -> bool {
        self.holds(device).is_some()
    }

    fn wake(&self, device: DeviceId, why: Wake) -> bool {
        let Some(outbox) = self.find(device) else { return false };
        if why == Wake::Work {
            outbox.want();
        }
        true
    }

    fn close(&self, device: DeviceId, why: CloseCause) {
        let own = self.devices.lock().get(&device).filter(|place| place.own).map(|place| Arc::clone(&place.outbox));
        own.into_iter().for_each(|outbox| outbox.close(reason(why)));
    }
}

impl UserSessions for Agents {
    fn close(&self, account: AccountId, name: &str, why: CloseCause) {
        let found = self.users.lock().get(&(account, name.to_owned())).cloned().unwrap_or_default();
        found.iter().filter_map(Weak::upgrade).for_each(|outbox| outbox.close(reason(why)));
    }
}

fn reason(why: CloseCause) -> DisconnectReason {
    match why {
        CloseCause::Deleted => DisconnectReason::NotAuthorized,
        CloseCause::CredentialsChanged => DisconnectReason::AdministrativeAction,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_here_over_one_connection() {
        let (agents, first, second) = (Agents::default(), Arc::<Outbox>::default(), Arc::<Outbox>::default());
        let [device, child] = [1, 2].map(|n| DeviceId::from_random([n; 16]));
        assert!(agents.holds(device).is_none() && !agents.wake(device, Wake::Work));
        agents.enter(device, &first);
        agents.enter_behind(child, &first);
        assert_eq!((agents.holds(device), agents.holds(child)), (Some(Takes::Work), None));
        assert!(agents.wake(child, Wake::Work) && first.fetches());
        agents.enter(device, &second);
        assert_eq!((first.take_close(), second.take_close()), (Some(DisconnectReason::SessionTakenOver), None));
        assert_eq!(agents.leave([device, child], &first), [child], "the second one stays");
        assert!(agents.wake(device, Wake::Work) && second.fetches() && !agents.wake(child, Wake::Work));
        Access::close(&agents, device, CloseCause::Deleted);
        assert_eq!(second.take_close(), Some(DisconnectReason::NotAuthorized));
        assert_eq!(agents.leave([device], &second), [device]);
        assert!(agents.holds(device).is_none());
    }

    #[test]
    fn a_child_with_a_connection_of_its_own_keeps_it() {
        let (agents, gateway, own) = (Agents::default(), Arc::<Outbox>::default(), Arc::<Outbox>::default());
        let child = DeviceId::from_random([2; 16]);
        agents.enter_behind(child, &gateway);
        agents.enter(child, &own);
        assert_eq!((gateway.take_close(), agents.holds(child)), (None, Some(Takes::Work)));
        agents.enter_behind(child, &gateway);
        Access::close(&agents, child, CloseCause::Deleted);
        assert_eq!((gateway.take_close(), own.take_close()), (None, Some(DisconnectReason::NotAuthorized)));
    }
}
