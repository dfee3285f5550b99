//! Which devices hold a connection in this process, and the way to each of them.
//!
//! Absent: sockets. A connection has a bounded inbox and a bell; its driver empties the one when the other rings.

use futures_util::task::AtomicWaker;
use landfall_core::{Access, CloseCause, Downlink, Obstacle, Takes, Undelivered};
use landfall_model::DeviceId;
use landfall_mqtt::{DisconnectReason, Qos, Version, publish_bytes};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::{Mutex as Lock, OwnedMutexGuard};

use super::{
    faces::Client,
    listening::{Commands, Listening},
};

/// Calls that may wait for a connection's attention.
const INBOX: usize = 64;

/// The devices that are connected to this process.
#[derive(Default)]
pub struct Connections {
    devices: Mutex<HashMap<DeviceId, Place>>,
}

/// The place of a device: its newest connection, and its session, which one connection at a time may write.
pub(crate) struct Place {
    handle: Arc<Handle>,
    session: Arc<Lock<()>>,
}

/// The right to write the session of a device, until it is dropped.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// One device's connection as the others see it.
#[derive(Default)]
pub(crate) struct Handle {
    inbox: Mutex<Inbox>,
    bell: AtomicWaker,
}

#[derive(Default)]
struct Inbox {
    /// At most [`INBOX`].
    calls: VecDeque<Box<Downlink>>,
    /// Why it must end.
    close: Option<DisconnectReason>,
    /// At most as many as a session may have subscriptions.
    listening: Listening,
    /// What the client takes, where it has said so.
    largest: Option<Box<Largest>>,
    /// Set once it takes no more part: calls go elsewhere, and the device counts as gone unless it came back.
    ending: bool,
}

/// The Maximum Packet Size of a client of MQTT 5.
pub(crate) struct Largest {
    pub(crate) client: Client,
    pub(crate) packet_bytes: u32,
}

impl Largest {
    /// Whether a command fits, sent with QoS 1.
    fn takes(&self, message: &Downlink) -> bool {
        let Some((topic, payload)) = self.client.message(message) else { return false };
        let bytes = publish_bytes(Version::V5, Qos::AtLeastOnce, topic.len(), 0, payload.len());
        bytes.is_some_and(|bytes| bytes <= self.packet_bytes as usize)
    }
}

/// What is in an inbox.
pub(crate) struct Mail {
    pub(crate) calls: VecDeque<Box<Downlink>>,
    pub(crate) close: Option<DisconnectReason>,
}

impl Connections {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Devices with a connection.
    pub fn len(&self) -> usize {
        self.devices.lock().len()
    }

    /// Whether no device is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Enters a new connection of a device and closes the one it had. Before it reads or writes the session it must hold the lock.
    pub(crate) fn enter(&self, device: DeviceId) -> (Arc<Handle>, Arc<Lock<()>>) {
        let handle = Arc::new(Handle::default());
        let mut devices = self.devices.lock();
        match devices.entry(device) {
            Entry::Occupied(mut place) => {
                let place = place.get_mut();
                std::mem::replace(&mut place.handle, Arc::clone(&handle)).close(DisconnectReason::SessionTakenOver);
                (handle, Arc::clone(&place.session))
            }
            Entry::Vacant(free) => {
                let place = free.insert(Place { handle: Arc::clone(&handle), session: Arc::default() });
                (handle, Arc::clone(&place.session))
            }
        }
    }

    /// Takes a connection out whose end is complete. The place stays while another connection of the device is in it, also one that still ends.
    pub(crate) fn leave(&self, device: DeviceId, handle: &Handle, turn: Option<Turn>) {
        handle.ending();
        drop(turn);
        let mut devices = self.devices.lock();
        let is_over = |place: &Place| place.handle.inbox.lock().ending && Arc::strong_count(&place.session) == 1;
        if devices.get(&device).is_some_and(is_over) {
            devices.remove(&device);
        }
    }

    fn find(&self, device: DeviceId) -> Option<Arc<Handle>> {
        self.devices.lock().get(&device).map(|place| Arc::clone(&place.handle))
    }
}

impl Access for Connections {
    fn holds(&self, device: DeviceId) -> Option<Takes> {
        self.find(device).filter(|handle| !handle.inbox.lock().ending).map(|_| Takes::Calls)
    }

    fn accepts(&self, via: DeviceId, device: DeviceId, message: Option<&Downlink>) -> Result<(), Undelivered> {
        self.find(via).ok_or_else(gone)?.accepts(device, message)
    }

    fn deliver(&self, via: DeviceId, message: Downlink) -> Result<(), Undelivered> {
        self.find(via).ok_or_else(gone)?.put(message)
    }

    fn close(&self, device: DeviceId, why: CloseCause) {
        let reason = match why {
            CloseCause::Deleted => DisconnectReason::NotAuthorized,
            CloseCause::CredentialsChanged => DisconnectReason::AdministrativeAction,
        };
        if let Some(handle) = self.find(device) {
            handle.close(reason);
        }
    }
}

fn undelivered(obstacle: Obstacle, detail: impl Into<String>) -> Undelivered {
    Undelivered { obstacle, step: "mqtt.command", detail: detail.into() }
}

fn gone() -> Undelivered {
    undelivered(Obstacle::Gone, "the connection has just ended")
}

impl Handle {
    /// Ready while there is mail; else wakes the task once there is.
    pub(crate) fn poll_rung(&self, cx: &Context<'_>) -> Poll<()> {
        self.bell.register(cx.waker());
        let inbox = self.inbox.lock();
        if inbox.calls.is_empty() && inbox.close.is_none() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Empties the inbox.
    pub(crate) fn take(&self) -> Mail {
        let mut inbox = self.inbox.lock();
        Mail { calls: std::mem::take(&mut inbox.calls), close: inbox.close.take() }
    }

    /// The command topics that are subscribed from now on.
    pub(crate) fn listen(&self, commands: impl IntoIterator<Item = Commands>) {
        let listening = Listening::new(commands);
        self.inbox.lock().listening = listening;
    }

    /// Further ones.
    pub(crate) fn listen_also(&self, commands: Vec<Commands>) {
        let mut inbox = self.inbox.lock();
        commands.into_iter().for_each(|commands| inbox.listening.add(commands));
    }

    /// Nothing larger is to be sent.
    pub(crate) fn limit(&self, largest: Largest) {
        self.inbox.lock().largest = Some(Box::new(largest));
    }

    /// No more calls are taken; those that wait are returned.
    pub(crate) fn ending(&self) -> VecDeque<Box<Downlink>> {
        let mut inbox = self.inbox.lock();
        inbox.ending = true;
        inbox.listening = Listening::default();
        std::mem::take(&mut inbox.calls)
    }

    fn close(&self, reason: DisconnectReason) {
        self.inbox.lock().close.get_or_insert(reason);
        self.bell.wake();
    }

    fn accepts(&self, device: DeviceId, message: Option<&Downlink>) -> Result<(), Undelivered> {
        self.inbox.lock().accepts(device, message)
    }

    fn put(&self, message: Downlink) -> Result<(), Undelivered> {
        let mut inbox = self.inbox.lock();
        inbox.accepts(message.device, Some(&message))?;
        inbox.calls.push_back(Box::new(message));
        drop(inbox);
        self.bell.wake();
        Ok(())
    }
}

impl Inbox {
    fn accepts(&self, device: DeviceId, message: Option<&Downlink>) -> Result<(), Undelivered> {
        if self.ending || self.close.is_some() {
            return Err(gone());
        }
        if !self.listening.hears(device) {
            return Err(undelivered(Obstacle::NotSubscribed, "the device has not subscribed to its command topic"));
        }
        let Some(message) = message else { return Ok(()) };
        if self.calls.len() >= INBOX {
            return Err(undelivered(Obstacle::Full, "the connection has as many commands before this one as it may"));
        }
        if !self.listening.hears_form(device, message.binary) {
            let form = if message.binary { "binary" } else { "JSON" };
            let detail = format!("the device has not subscribed to its topic of {form} commands");
            return Err(undelivered(Obstacle::NotSubscribed, detail));
        }
        if self.largest.as_ref().is_some_and(|largest| !largest.takes(message)) {
            let bytes = message.payload.len();
            let detail = format!("the message of {bytes} bytes is more than the device takes (Maximum Packet Size)");
            return Err(undelivered(Obstacle::TooLarge, detail));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use landfall_core::Purpose;
    use landfall_model::{AccountId, AppId, CallId, CallState, ServiceCall, Time};

    fn device(n: u8) -> DeviceId {
        DeviceId::from_random([n; 16])
    }

    fn call(for_device: DeviceId, binary: bool) -> Downlink {
        let call = ServiceCall {
            id: CallId::from_random([1; 16]),
            account: AccountId::from_random([2; 16]),
            app: Some(AppId::from_random([3; 16])),
            by: None,
            device: for_device,
            mid: 1,
            request_id: String::new(),
            from: String::new(),
            ack: true,
            service_id: "switch".into(),
            service_type: "switch".into(),
            method: "SET".into(),
            response: None,
            paras: "{}".into(),
            callback_url: None,
            state: CallState::Sent,
            created_at: Time(0),
            expires_at: Time(1),
        };
        Downlink { device: for_device, purpose: Purpose::Call(Box::new(call)), binary, payload: vec![] }
    }

    fn json(device: DeviceId) -> Commands {
        Commands { device: Some(device), json: true, binary: false }
    }

    #[test]
    fn calls_reach_those_who_listen() {
        let connections = Connections::new();
        let (gateway, child) = (device(1), device(2));
        let obstacle = |outcome: Result<(), Undelivered>| outcome.unwrap_err().obstacle;
        assert_eq!(connections.holds(gateway), None);
        assert_eq!(obstacle(connections.deliver(gateway, call(gateway, false))), Obstacle::Gone);
        let handle = connections.enter(gateway).0;
        assert_eq!(connections.holds(gateway), Some(Takes::Calls));
        assert_eq!(obstacle(connections.accepts(gateway, gateway, None)), Obstacle::NotSubscribed);
        assert_eq!(obstacle(connections.deliver(gateway, call(gateway, false))), Obstacle::NotSubscribed);
        handle.listen([json(gateway), json(child)]);
        assert_eq!(connections.accepts(gateway, child, None), Ok(()));
        assert_eq!(obstacle(connections.accepts(gateway, device(3), None)), Obstacle::NotSubscribed);
        assert_eq!(connections.deliver(gateway, call(child, false)), Ok(()));
        let binary = connections.deliver(gateway, call(child, true)).unwrap_err();
        assert_eq!((binary.obstacle, binary.step), (Obstacle::NotSubscribed, "mqtt.command"));
        assert!(binary.detail.contains("binary"), "{}", binary.detail);
        assert_eq!(handle.take().calls.len(), 1);
    }

    #[test]
    fn the_inbox_is_bounded() {
        let connections = Connections::new();
        let handle = connections.enter(device(1)).0;
        handle.listen([json(device(1))]);
        let full = || connections.deliver(device(1), call(device(1), false)).unwrap_err().obstacle;
        let taken = (0..INBOX + 10).filter(|_| connections.deliver(device(1), call(device(1), false)).is_ok()).count();
        assert_eq!((taken, full(), handle.take().calls.len()), (INBOX, Obstacle::Full, INBOX));
        connections.deliver(device(1), call(device(1), false)).unwrap();
        assert_eq!(handle.ending().len(), 1);
        assert_eq!(connections.holds(device(1)), None);
        assert_eq!(connections.deliver(device(1), call(device(1), false)), Err(gone()));
    }

    #[tokio::test]
    async fn a_second_connection_takes_over_and_waits() {
        let connections = Connections::new();
        let (first, session) = connections.enter(device(1));
        let turn = session.lock_owned().await;
        let (second, session) = connections.enter(device(1));
        assert_eq!(first.take().close, Some(DisconnectReason::SessionTakenOver));
        assert!(second.take().close.is_none());
        first.ending();
        assert!(connections.holds(device(1)).is_some(), "the second one counts");
        let waiting = session.lock_owned();
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        connections.leave(device(1), &first, Some(turn));
        let turn = waiting.await;
        assert_eq!(connections.len(), 1, "the first one takes only itself out");
        connections.leave(device(1), &second, Some(turn));
        assert!(connections.is_empty());
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_wait_to_the_next() {
        let connections = Connections::new();
        let (first, session) = connections.enter(device(1));
        let turn = session.lock_owned().await;
        let (second, session) = connections.enter(device(1));
        drop(session);
        connections.leave(device(1), &second, None);
        assert!(connections.holds(device(1)).is_none() && connections.len() == 1, "the first one still ends");
        let (third, session) = connections.enter(device(1));
        assert!(Arc::clone(&session).lock_owned().now_or_never().is_none(), "two would write one session");
        connections.leave(device(1), &first, Some(turn));
        let turn = session.lock_owned().now_or_never();
        assert!(turn.is_some());
        connections.leave(device(1), &third, turn);
        assert!(connections.is_empty());
    }

    #[test]
    fn the_first_reason_to_close_counts() {
        let connections = Connections::new();
        let handle = connections.enter(device(1)).0;
        connections.close(device(1), CloseCause::Deleted);
        connections.close(device(1), CloseCause::CredentialsChanged);
        assert_eq!(handle.take().close, Some(DisconnectReason::NotAuthorized));
        connections.close(device(2), CloseCause::Deleted);
    }
}
