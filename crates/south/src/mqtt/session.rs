//! What an accepted connection does: subscribe, publish, take calls, end. Absent: what its topics and payloads mean (`faces/`).

use landfall_core::{DeviceCaller, Downlink, Purpose};
use landfall_model::{CallId, Error};
use landfall_mqtt::{
    CloseKind, CloseReason, Connection, Delivery, DisconnectReason, DropReason, Publish, PublishRefusal, Qos, SavedSession,
    SubscribeGrant, Subscription, Will,
};
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use super::{
    Mqtt, Peer,
    connections::{Handle, Mail, Turn},
    count,
    faces::Client,
    flow::Job,
    kept,
    outbox::Outbox,
    receivers::Seat,
};
use crate::{driver::pause, note::About};

/// What a connection may do once it is accepted.
pub(crate) struct Role {
    client: Client,
    /// Of a client that is a device.
    session: Option<Session>,
    /// Of a client that is an application.
    seat: Option<Box<Seat>>,
    /// Of a client to whom its own work writes.
    outbox: Option<Arc<Outbox>>,
}

/// A device's session between CONNACK and the end of the connection.
pub(crate) struct Session {
    handle: Arc<Handle>,
    /// To write the kept session.
    turn: Option<Turn>,
    /// Calls on their way: token, call and whether a PUBACK is to come.
    calls: Vec<(u64, CallId, Qos)>,
    next_token: u64,
    /// Whether the core keeps a session of the device.
    is_kept: bool,
    /// QoS 2 identifiers in the kept session.
    kept_qos2: Vec<u16>,
}

impl Session {
    pub(super) fn new(handle: Arc<Handle>, turn: Option<Turn>, resumed: kept::Resumed) -> Self {
        handle.listen(resumed.commands);
        let calls = resumed.calls.into_iter().enumerate();
        let calls: Vec<_> = calls.map(|(token, call)| (token as u64, call, Qos::AtLeastOnce)).collect();
        let kept_qos2 = resumed.session.as_ref().map(|session| session.qos2_received.clone()).unwrap_or_default();
        let (next_token, is_kept) = (calls.len() as u64, resumed.session.is_some());
        Self { handle, turn, calls, next_token, is_kept, kept_qos2 }
    }

    fn take_call(&mut self, token: u64) -> Option<(CallId, Qos)> {
        let at = self.calls.iter().position(|(kept, ..)| *kept == token)?;
        let (_, call, qos) = self.calls.swap_remove(at);
        if self.calls.is_empty() {
            self.calls = Vec::new();
        }
        Some((call, qos))
    }

    /// Keeps or forgets the session.
    async fn settle(&self, mqtt: &Mqtt, client: &Client, caller: &DeviceCaller, machine: Connection) -> Result<(), Error> {
        let seconds = machine.session_expiry_s();
        if seconds == 0 {
            return if self.is_kept { mqtt.core.drop_session(caller).await } else { Ok(()) };
        }
        if mqtt.core.store().device(caller.device()).await?.is_none() {
            return Ok(());
        }
        let session = machine.into_session();
        let call = |token| self.calls.iter().find(|(t, ..)| *t == token).map(|(_, c, _)| *c);
        let stored = kept::stored(caller.device(), client, session, call);
        mqtt.core.keep_session(caller, stored, seconds).await
    }
}

impl Role {
    /// Of a client that is no device.
    pub(super) fn guest(client: Client) -> Self {
        let outbox = client.outbox().map(Arc::clone);
        Self { client, session: None, seat: None, outbox }
    }

    /// Of a device.
    pub(super) fn seated(client: Client, session: Session) -> Self {
        Self { client, session: Some(session), seat: None, outbox: None }
    }

    /// Of an application.
    pub(super) fn receiving(client: Client, seat: Seat) -> Self {
        Self { client, session: None, seat: Some(Box::new(seat)), outbox: None }
    }

    /// The connection is open, or was granted or lost subscriptions.
    pub(crate) fn listen(&self, peer: &Peer, machine: &Connection) {
        self.seat.iter().for_each(|seat| seat.listen(&peer.mqtt, machine));
    }

    /// Ready when there is word for the client or its connection; else wakes the task once there is some.
    pub(crate) fn poll_rung(&self, cx: &Context<'_>, machine: &Connection) -> Poll<()> {
        match (&self.session, &self.seat) {
            (Some(session), _) => session.handle.poll_rung(cx),
            (None, Some(seat)) => seat.poll_rung(cx, machine),
            (None, None) => self.outbox.as_ref().map_or(Poll::Pending, |outbox| outbox.poll_rung(cx, machine)),
        }
    }

    /// Takes calls that wait, and why the connection is to end.
    pub(crate) fn take_mail(&self) -> Mail {
        match (&self.session, &self.seat) {
            (Some(session), _) => session.handle.take(),
            (None, Some(seat)) => Mail { close: seat.take_close(), calls: VecDeque::new() },
            (None, None) => Mail { close: self.outbox.as_ref().and_then(|outbox| outbox.take_close()), calls: VecDeque::new() },
        }
    }

    /// The next notifications or messages of its own work, at most as many as the machine takes.
    pub(crate) fn notifications(&mut self, peer: &Peer, machine: &Connection) -> Vec<Delivery> {
        match (&mut self.seat, &self.outbox) {
            (Some(seat), _) => seat.take(&peer.mqtt, machine),
            (None, Some(outbox)) => outbox.take(machine),
            (None, None) => Vec::new(),
        }
    }

    /// What is to be fetched for the client.
    pub(crate) fn errand(&self, peer: &Peer) -> Option<Job> {
        self.outbox.as_ref().filter(|outbox| outbox.fetches())?;
        self.client.errand(peer)
    }

    /// Whether a message says that the device of this connection was deleted.
    pub(crate) fn is_dismissed_by(&self, message: &Downlink) -> bool {
        let own = self.client.device().map(|caller| caller.device());
        message.purpose == Purpose::Dismissal && own == Some(message.device)
    }

    /// Where calls for this connection arrive.
    fn handle(&self) -> Option<&Arc<Handle>> {
        self.session.as_ref().map(|session| &session.handle)
    }

    /// Decides about the filters of a SUBSCRIBE, or ends the connection. Where the session is kept, what was granted is durable before this returns.
    pub(crate) async fn subscribe(
        &mut self,
        peer: &Peer,
        machine: &Connection,
        asked: &[Subscription],
    ) -> Result<Vec<SubscribeGrant>, DisconnectReason> {
        let mut grants = Vec::with_capacity(asked.len());
        let (mut granted, mut commands) = (vec![], vec![]);
        for subscription in asked {
            grants.push(match self.client.subscribe(peer, subscription).await? {
                Ok(grant) => {
                    granted.push(Subscription { qos: grant.qos, ..subscription.clone() });
                    commands.extend(grant.commands);
                    SubscribeGrant::Granted(grant.qos)
                }
                Err(refusal) => SubscribeGrant::Refused(refusal),
            });
        }
        if machine.session_expiry_s() > 0 && !granted.is_empty() {
            let mut subscriptions = machine.subscriptions().to_vec();
            subscriptions.retain(|existing| granted.iter().all(|new| new.filter != existing.filter));
            subscriptions.append(&mut granted);
            self.save(peer, machine, subscriptions, &[]).await?;
        }
        if let Some(handle) = self.handle() {
            handle.listen_also(commands);
        }
        Ok(grants)
    }

    /// Takes filters out of the kept session.
    pub(crate) async fn unsubscribe(
        &mut self,
        peer: &Peer,
        machine: &Connection,
        filters: &[Box<str>],
    ) -> Result<(), DisconnectReason> {
        if machine.session_expiry_s() == 0 {
            return Ok(());
        }
        let mut left = machine.subscriptions().to_vec();
        left.retain(|subscription| filters.iter().all(|filter| **filter != *subscription.filter.as_str()));
        self.save(peer, machine, left, &[]).await
    }

    /// Keeps the session as it will be once the machine is told.
    async fn save(
        &mut self,
        peer: &Peer,
        machine: &Connection,
        subscriptions: Vec<Subscription>,
        new_qos2: &[u16],
    ) -> Result<(), DisconnectReason> {
        if let Some(seat) = &self.seat {
            let kept = seat.keep(&peer.mqtt, &subscriptions, None).await;
            return kept.map_err(|error| self.unkept(peer, &error));
        }
        let (Some(session), Some(caller)) = (&mut self.session, self.client.device()) else { return Ok(()) };
        let qos2_received = [machine.qos2_received(), new_qos2].concat();
        session.kept_qos2.clone_from(&qos2_received);
        session.is_kept = true;
        let saved = SavedSession { subscriptions, qos2_received, ..SavedSession::default() };
        let stored = kept::stored(caller.device(), &self.client, saved, |_| None);
        peer.mqtt.core.keep_session(caller, stored, machine.session_expiry_s()).await.map_err(|error| self.unkept(peer, &error))
    }

    fn unkept(&self, peer: &Peer, error: &Error) -> DisconnectReason {
        self.note(peer, "mqtt.session", error.cause.as_str(), error.to_string());
        DisconnectReason::ServerBusy
    }

    /// To be called when the machine has new subscriptions. Gives a message that is due now.
    pub(crate) fn subscribed(&mut self, peer: &Peer, machine: &Connection) -> Option<Delivery> {
        self.listen(peer, machine);
        self.client.subscribed()
    }

    /// To be called when the machine has fewer subscriptions.
    pub(crate) fn unsubscribed(&self, peer: &Peer, machine: &Connection) {
        self.listen(peer, machine);
        if let Some(handle) = self.handle() {
            handle.listen(machine.subscriptions().iter().filter_map(|s| self.client.commands(s.filter.as_str())));
        }
    }

    /// A message of the client: work to be done, or the answer at once.
    pub(crate) fn publish(&self, peer: &Peer, publish: Publish) -> Result<Job, Result<(), PublishRefusal>> {
        self.count_publish(peer, publish.payload.len());
        self.client.publish(peer, publish)
    }

    /// What is to be done with the will; nothing where its topic is not the client's.
    pub(crate) fn will(&self, peer: &Peer, will: Will) -> Option<Job> {
        self.count_publish(peer, will.payload.len());
        let job = self.client.will(peer, will)?;
        Some(Job { message: None, ..job })
    }

    fn count_publish(&self, peer: &Peer, bytes: usize) {
        count(&peer.mqtt.tally.publishes);
        peer.mqtt.tally.publish_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Makes QoS 2 identifiers durable where the session is kept: those that are new before their PUBREC, and those that were released
    /// before their PUBCOMP, or a message of the same identifier would be taken for its repetition after a crash.
    pub(crate) async fn keep_qos2(&mut self, peer: &Peer, machine: &Connection, new: &[u16]) -> Result<(), DisconnectReason> {
        if machine.session_expiry_s() == 0 {
            return Ok(());
        }
        self.save(peer, machine, machine.subscriptions().to_vec(), new).await
    }

    /// Whether an identifier of the kept session was released.
    pub(crate) fn released_qos2(&self, machine: &Connection) -> bool {
        let kept = self.session.iter().flat_map(|session| &session.kept_qos2);
        kept.into_iter().any(|id| !machine.qos2_received().contains(id))
    }

    /// A call, or the acknowledgement of a report, as a message for the client; `None` when it is not subscribed to its topic any more.
    pub(crate) fn command(&mut self, peer: &Peer, machine: &Connection, message: &Downlink) -> Option<Delivery> {
        let (topic, payload) = self.client.message(message)?;
        let Some(subscription) = machine.subscription_for(&topic) else {
            let detail = format!("{}: not subscribed to {topic:.256}", message.what());
            self.note(peer, "mqtt.command", "topic.not-subscribed", detail);
            return None;
        };
        let session = self.session.as_mut()?;
        let token = session.next_token;
        session.next_token += 1;
        let qos = match &message.purpose {
            Purpose::Call(call) => {
                session.calls.push((token, call.id, subscription.qos));
                count(&peer.mqtt.tally.commands);
                subscription.qos
            }
            // A device that misses it reports again: nothing waits for it.
            Purpose::Acknowledgement => Qos::AtMostOnce,
            Purpose::Dismissal => subscription.qos,
        };
        Some(Delivery::new(token, topic, payload.into_owned(), qos))
    }

    /// PUBACK of a call, PUBACK or PUBREC of a notification. A QoS 0 message has no acknowledgement, so nothing is known of its arrival.
    pub(crate) fn delivered(&mut self, peer: &Peer, token: u64, code: u8) -> Option<Job> {
        if let Some(seat) = &mut self.seat {
            let unconfirmed = seat.delivered(&peer.mqtt, token, code)?;
            self.note(peer, "mqtt.notification", unconfirmed.check, unconfirmed.detail);
            return None;
        }
        let (call, qos) = self.session.as_mut()?.take_call(token)?;
        if code >= 0x80 {
            self.note(peer, "mqtt.command", "puback.code", format!("the device refused the command with PUBACK {code:#04x}"));
            return None;
        }
        if qos == Qos::AtMostOnce {
            return None;
        }
        count(&peer.mqtt.tally.commands_delivered);
        let (mqtt, device) = (Arc::clone(&peer.mqtt), self.client.device()?.device());
        let task = Box::pin(async move {
            if let Err(error) = mqtt.core.call_delivered(call).await {
                tracing::warn!(%device, %call, %error, "the PUBACK of a command could not be stored");
            }
            Ok(())
        });
        Some(Job { message: None, alone: false, task })
    }

    /// PUBCOMP of a notification.
    pub(crate) fn completed(&mut self, peer: &Peer, token: u64) {
        self.seat.iter_mut().for_each(|seat| seat.completed(&peer.mqtt, token));
    }

    /// A message that was not sent.
    pub(crate) fn dropped(&mut self, peer: &Peer, token: u64, reason: DropReason) {
        if let Some(seat) = &mut self.seat {
            let unconfirmed = seat.dropped(token, reason);
            return self.note(peer, "mqtt.notification", unconfirmed.check, unconfirmed.detail);
        }
        let check = match reason {
            DropReason::QueueFull => "command.queue-full",
            DropReason::TooLarge => "command.too-large",
            DropReason::NotConnected => "command.not-connected",
            DropReason::Expired => "command.expired",
        };
        if self.outbox.is_some() || self.session.as_mut().and_then(|session| session.take_call(token)).is_some() {
            self.note(peer, "mqtt.command", check, "the command was not sent".into());
        }
    }

    /// Leaves a why record of an end that the client did not mean.
    pub(crate) fn closed(&self, peer: &Peer, why: &CloseReason) {
        if is_fault(why) {
            self.note(peer, "mqtt.connection", why.check, fault(why));
        }
    }

    /// Leaves a why record.
    pub(crate) fn note(&self, peer: &Peer, step: &'static str, check: &'static str, detail: String) {
        let device = self.client.device().map(|caller| About::Device(caller.account(), caller.device()));
        let app = self.client.receiver().map(|(caller, _)| caller.app());
        let app = app.map(|app| About::App { account: app.account, app: app.id, proven: true });
        peer.note(device.or(app), self.client.identity(), step, check, detail);
    }

    /// The connection is over: no more calls are taken; those that waited are lost.
    pub(crate) fn leave(&self, peer: &Peer) {
        self.seat.iter().for_each(|seat| seat.part());
        self.outbox.iter().for_each(|outbox| outbox.ending());
        for message in self.handle().into_iter().flat_map(|handle| handle.ending()) {
            let detail = format!("{}: the connection ended before it was sent", message.what());
            self.note(peer, "mqtt.command", "command.not-connected", detail);
        }
    }

    /// The end, after [`Role::leave`]: the session is kept or forgotten, the core told that the device is gone, unless the server is
    /// (`stopping`), and there is room for its next connection.
    pub(crate) async fn end(self, mqtt: &Mqtt, machine: Connection, stopping: bool) {
        if let Some(seat) = self.seat {
            return seat.end(mqtt, machine).await;
        }
        if self.outbox.is_some() {
            return self.client.gone(mqtt, stopping).await;
        }
        let (Some(session), Some(caller)) = (self.session, self.client.device()) else { return };
        if let Err(error) = session.settle(mqtt, &self.client, caller, machine).await {
            tracing::warn!(device = %caller.device(), %error, "the session of a device could not be kept");
        }
        if !stopping {
            gone(mqtt, caller).await;
        }
        mqtt.connections.leave(caller.device(), &session.handle, session.turn);
    }
}

/// The status must not stay ONLINE because the store was busy for a moment.
pub(super) async fn gone(mqtt: &Mqtt, caller: &DeviceCaller) {
    for wait_s in [1, 5, 0] {
        match mqtt.core.disconnected(caller).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(device = %caller.device(), %error, "the end of a connection could not be stored"),
        }
        pause(Duration::from_secs(wait_s)).await;
    }
}

/// Leaves a why record of a connection that ended before its CONNECT was decided.
pub(crate) fn never_connected(peer: &Peer, why: &CloseReason) {
    if is_fault(why) {
        let step = if why.kind == CloseKind::Refused { "mqtt.connect" } else { "mqtt.connection" };
        peer.note(None, "", step, why.check, fault(why));
    }
}

/// Refused CONNECTs have left their record already, except those that the machine itself refused.
fn is_fault(why: &CloseReason) -> bool {
    match why.kind {
        CloseKind::Malformed | CloseKind::Protocol | CloseKind::Limit | CloseKind::Timeout => true,
        CloseKind::Refused => why.check != "connect.refused",
        CloseKind::ClientDisconnect | CloseKind::NetworkLost | CloseKind::ServerDisconnect => false,
    }
}

fn fault(why: &CloseReason) -> String {
    format!("the connection was closed: {} ({})", why.check, why.paragraph)
}
