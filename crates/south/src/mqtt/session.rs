//! What an accepted connection does: subscribe, publish, take commands, end.

use landfall_core::{DeviceCaller, Downlink};
use landfall_model::{CallId, Error, ErrorKind};
use landfall_mqtt::{
    CloseKind, CloseReason, Connection, Delivery, DisconnectReason, DropReason, Publish, PublishRefusal, Qos, SavedSession,
    SubscribeGrant, SubscribeRefusal, Subscription, Will,
};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    Mqtt, Note,
    access::Role,
    connections::{Handle, Turn},
    count, kept,
    publishing::{self, Job},
    topics::{Commands, Own},
};
use crate::driver::pause;

/// A device's connection between CONNACK and its end.
pub(crate) struct Session {
    caller: DeviceCaller,
    own: Own,
    peer: SocketAddr,
    handle: Arc<Handle>,
    /// To write the kept session.
    turn: Option<Turn>,
    /// Commands on their way: token, call and whether a PUBACK is to come.
    calls: Vec<(u64, CallId, Qos)>,
    next_token: u64,
    /// Whether the core keeps a session of the device.
    is_kept: bool,
    /// QoS 2 identifiers in the kept session.
    kept_qos2: Vec<u16>,
}

impl Session {
    pub(super) fn new(
        caller: DeviceCaller,
        own: Own,
        peer: SocketAddr,
        (handle, turn): (Arc<Handle>, Option<Turn>),
        resumed: kept::Resumed,
    ) -> Self {
        handle.listen(resumed.commands);
        let calls = resumed.calls.into_iter().enumerate();
        let calls: Vec<_> = calls.map(|(token, call)| (token as u64, call, Qos::AtLeastOnce)).collect();
        let kept_qos2 = resumed.session.as_ref().map(|session| session.qos2_received.clone()).unwrap_or_default();
        let (next_token, is_kept) = (calls.len() as u64, resumed.session.is_some());
        Self { caller, own, peer, handle, turn, calls, next_token, is_kept, kept_qos2 }
    }

    fn note(&self, mqtt: &Mqtt, step: &'static str, check: &'static str, detail: String) {
        let of = (self.caller.account(), self.caller.device());
        mqtt.note(Some(of), Note { identity: &self.own.text, peer: Some(self.peer), step, check, detail });
    }

    /// Decides about filters; where the session is kept, what was granted is durable before this returns.
    async fn subscribe(
        &mut self,
        mqtt: &Mqtt,
        machine: &Connection,
        asked: &[Subscription],
    ) -> Result<Vec<SubscribeGrant>, DisconnectReason> {
        let mut grants = Vec::with_capacity(asked.len());
        let (mut granted, mut commands) = (vec![], vec![]);
        for subscription in asked {
            grants.push(match self.grant(mqtt, subscription.filter.as_str()).await? {
                Ok(heard) => {
                    let qos = subscription.qos.min(Qos::AtLeastOnce);
                    granted.push(Subscription { qos, ..subscription.clone() });
                    commands.push(heard);
                    SubscribeGrant::Granted(qos)
                }
                Err(refusal) => SubscribeGrant::Refused(refusal),
            });
        }
        if machine.session_expiry_s() > 0 && !granted.is_empty() {
            let mut subscriptions = machine.subscriptions().to_vec();
            subscriptions.retain(|existing| granted.iter().all(|new| new.filter != existing.filter));
            subscriptions.append(&mut granted);
            self.save(mqtt, machine, subscriptions, &[]).await?;
        }
        self.handle.listen_also(commands);
        Ok(grants)
    }

    /// What a filter stands for, if the device may have it.
    async fn grant(&self, mqtt: &Mqtt, filter: &str) -> Result<Result<Commands, SubscribeRefusal>, DisconnectReason> {
        let commands = match self.own.subscribe(filter) {
            Ok(commands) => commands,
            Err(why) => return Ok(Err(self.refuse_filter(mqtt, "topic.form", filter, why))),
        };
        match mqtt.core.reachable(&self.caller, commands.device.unwrap_or(self.own.device)).await {
            Ok(_) => Ok(Ok(commands)),
            Err(error) => match error.kind() {
                ErrorKind::NotFound => Ok(Err(self.refuse_filter(mqtt, "topic.device", filter, &error.to_string()))),
                kind => {
                    self.note(mqtt, "mqtt.subscribe", error.cause.as_str(), format!("{filter:.256}: {error}"));
                    Err(if kind == ErrorKind::Denied { DisconnectReason::NotAuthorized } else { DisconnectReason::ServerBusy })
                }
            },
        }
    }

    fn refuse_filter(&self, mqtt: &Mqtt, check: &'static str, filter: &str, why: &str) -> SubscribeRefusal {
        self.note(mqtt, "mqtt.subscribe", check, format!("{filter:.256}: {why}"));
        SubscribeRefusal::NotAuthorized
    }

    /// Keeps the session as it will be once the machine is told.
    async fn save(
        &mut self,
        mqtt: &Mqtt,
        machine: &Connection,
        subscriptions: Vec<Subscription>,
        new_qos2: &[u16],
    ) -> Result<(), DisconnectReason> {
        let qos2_received = [machine.qos2_received(), new_qos2].concat();
        self.kept_qos2.clone_from(&qos2_received);
        let session = SavedSession { subscriptions, qos2_received, ..SavedSession::default() };
        let stored = kept::stored(&self.own, session, |_| None);
        self.is_kept = true;
        mqtt.core.keep_session(&self.caller, stored, machine.session_expiry_s()).await.map_err(|error| {
            self.note(mqtt, "mqtt.session", error.cause.as_str(), error.to_string());
            DisconnectReason::ServerBusy
        })
    }

    fn publish(&self, mqtt: &Arc<Mqtt>, publish: Publish) -> Result<Job, Result<(), PublishRefusal>> {
        let topic = Arc::clone(&publish.topic);
        match self.own.publish(&topic) {
            Ok(Some(target)) => Ok(publishing::take(mqtt, &self.caller, self.peer, publish, target)),
            Ok(None) => Err(Ok(())),
            Err(why) => {
                count(&mqtt.tally.publishes_refused);
                publishing::note_topic(mqtt, &self.caller, self.peer, "topic.form", &topic, why);
                Err(Err(PublishRefusal::NotAuthorized))
            }
        }
    }

    /// A command as a message; `None` when the device is not subscribed to its topic any more.
    fn command(&mut self, mqtt: &Mqtt, machine: &Connection, message: Downlink) -> Option<Delivery> {
        let topic = self.own.command(message.call.device, message.binary);
        let Some(subscription) = machine.subscription_for(&topic) else {
            let call = &message.call;
            let detail = format!("{} {}: not subscribed to {topic:.256}", call.service_id, call.method);
            self.note(mqtt, "mqtt.command", "topic.not-subscribed", detail);
            return None;
        };
        let (token, qos) = (self.next_token, subscription.qos);
        self.next_token += 1;
        self.calls.push((token, message.call.id, qos));
        count(&mqtt.tally.commands);
        Some(Delivery::new(token, topic, message.payload, qos))
    }

    /// The end of a command's way. A QoS 0 message has no acknowledgement, so nothing is known of its arrival.
    fn delivered(&mut self, mqtt: &Arc<Mqtt>, token: u64, code: u8) -> Option<Job> {
        let (call, qos) = self.take_call(token)?;
        if code >= 0x80 {
            self.note(mqtt, "mqtt.command", "puback.code", format!("the device refused the command with PUBACK {code:#04x}"));
            return None;
        }
        if qos == Qos::AtMostOnce {
            return None;
        }
        count(&mqtt.tally.commands_delivered);
        let (mqtt, device) = (Arc::clone(mqtt), self.caller.device());
        let task = Box::pin(async move {
            if let Err(error) = mqtt.core.call_delivered(call).await {
                tracing::warn!(%device, %call, %error, "the PUBACK of a command could not be stored");
            }
            Ok(())
        });
        Some(Job { message: None, alone: false, task })
    }

    fn dropped(&mut self, mqtt: &Mqtt, token: u64, reason: DropReason) {
        let check = match reason {
            DropReason::QueueFull => "command.queue-full",
            DropReason::TooLarge => "command.too-large",
            DropReason::NotConnected => "command.not-connected",
            DropReason::Expired => "command.expired",
        };
        if self.take_call(token).is_some() {
            self.note(mqtt, "mqtt.command", check, "the command was not sent".into());
        }
    }

    fn take_call(&mut self, token: u64) -> Option<(CallId, Qos)> {
        let at = self.calls.iter().position(|(kept, ..)| *kept == token)?;
        let (_, call, qos) = self.calls.swap_remove(at);
        if self.calls.is_empty() {
            self.calls = Vec::new();
        }
        Some((call, qos))
    }

    /// Takes no more calls; those that waited are lost.
    fn leave(&self, mqtt: &Mqtt) {
        for message in self.handle.ending() {
            let detail =
                format!("{} {}: the connection ended before the command was sent", message.call.service_id, message.call.method);
            self.note(mqtt, "mqtt.command", "command.not-connected", detail);
        }
    }

    /// Keeps or forgets the session, tells the core that the device is gone (unless the server is), and makes room for its next connection.
    async fn end(self, mqtt: &Mqtt, machine: Connection, stopping: bool) {
        if let Err(error) = self.settle(mqtt, machine).await {
            tracing::warn!(device = %self.caller.device(), %error, "the session of a device could not be kept");
        }
        if !stopping {
            self.gone(mqtt).await;
        }
        mqtt.connections.leave(self.caller.device(), &self.handle, self.turn);
    }

    async fn settle(&self, mqtt: &Mqtt, machine: Connection) -> Result<(), Error> {
        let seconds = machine.session_expiry_s();
        if seconds == 0 {
            return if self.is_kept { mqtt.core.drop_session(&self.caller).await } else { Ok(()) };
        }
        if mqtt.core.store().device(self.caller.device()).await?.is_none() {
            return Ok(());
        }
        let session = machine.into_session();
        let stored = kept::stored(&self.own, session, |token| self.calls.iter().find(|(t, ..)| *t == token).map(|(_, c, _)| *c));
        mqtt.core.keep_session(&self.caller, stored, seconds).await
    }

    /// The status must not stay ONLINE because the store was busy for a moment.
    async fn gone(&self, mqtt: &Mqtt) {
        for wait_s in [1, 5, 0] {
            match mqtt.core.disconnected(&self.caller).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(device = %self.caller.device(), %error, "the end of a connection could not be stored")
                }
            }
            pause(Duration::from_secs(wait_s)).await;
        }
    }
}

impl Role {
    /// Where calls for this connection arrive.
    pub(crate) fn handle(&self) -> Option<&Arc<Handle>> {
        match self {
            Self::Device(session) => Some(&session.handle),
            Self::Claim(_) => None,
        }
    }

    /// Decides about the filters of a SUBSCRIBE, or ends the connection.
    pub(crate) async fn subscribe(
        &mut self,
        mqtt: &Mqtt,
        machine: &Connection,
        asked: &[Subscription],
    ) -> Result<Vec<SubscribeGrant>, DisconnectReason> {
        match self {
            Self::Device(session) => session.subscribe(mqtt, machine, asked).await,
            Self::Claim(claim) => claim.subscribe(mqtt, asked).await,
        }
    }

    /// Takes filters out of the kept session.
    pub(crate) async fn unsubscribe(
        &mut self,
        mqtt: &Mqtt,
        machine: &Connection,
        filters: &[Box<str>],
    ) -> Result<(), DisconnectReason> {
        let Self::Device(session) = self else { return Ok(()) };
        if machine.session_expiry_s() == 0 {
            return Ok(());
        }
        let mut left = machine.subscriptions().to_vec();
        left.retain(|subscription| filters.iter().all(|filter| **filter != *subscription.filter.as_str()));
        session.save(mqtt, machine, left, &[]).await
    }

    /// To be called when the machine has new subscriptions. Gives a message that is due now.
    pub(crate) fn subscribed(&mut self) -> Option<Delivery> {
        match self {
            Self::Device(_) => None,
            Self::Claim(claim) => claim.secret(),
        }
    }

    /// To be called when the machine has fewer subscriptions.
    pub(crate) fn unsubscribed(&self, machine: &Connection) {
        if let Self::Device(session) = self {
            let commands = machine.subscriptions().iter().filter_map(|s| session.own.subscribe(s.filter.as_str()).ok());
            session.handle.listen(commands);
        }
    }

    /// A message of the client: work to be done, or the answer at once.
    pub(crate) fn publish(&self, mqtt: &Arc<Mqtt>, publish: Publish) -> Result<Job, Result<(), PublishRefusal>> {
        count(&mqtt.tally.publishes);
        mqtt.tally.publish_bytes.fetch_add(publish.payload.len() as u64, Relaxed);
        match self {
            Self::Device(session) => session.publish(mqtt, publish),
            Self::Claim(claim) => Err(claim.publish(mqtt, &publish.topic)),
        }
    }

    /// The will as the message it is; nothing where its topic is not the client's.
    pub(crate) fn will(&self, mqtt: &Arc<Mqtt>, will: Will) -> Option<Job> {
        let job = self.publish(mqtt, will.into()).ok()?;
        Some(Job { message: None, ..job })
    }

    /// Makes QoS 2 identifiers durable where the session is kept: those that are new before their PUBREC, and those that were released
    /// before their PUBCOMP, or a message of the same identifier would be taken for its repetition after a crash.
    pub(crate) async fn keep_qos2(&mut self, mqtt: &Mqtt, machine: &Connection, new: &[u16]) -> Result<(), DisconnectReason> {
        let Self::Device(session) = self else { return Ok(()) };
        if machine.session_expiry_s() == 0 {
            return Ok(());
        }
        session.save(mqtt, machine, machine.subscriptions().to_vec(), new).await
    }

    /// Whether an identifier of the kept session was released.
    pub(crate) fn released_qos2(&self, machine: &Connection) -> bool {
        match self {
            Self::Device(session) => session.kept_qos2.iter().any(|id| !machine.qos2_received().contains(id)),
            Self::Claim(_) => false,
        }
    }

    /// A command for the client.
    pub(crate) fn command(&mut self, mqtt: &Mqtt, machine: &Connection, message: Downlink) -> Option<Delivery> {
        match self {
            Self::Device(session) => session.command(mqtt, machine, message),
            Self::Claim(_) => None,
        }
    }

    /// PUBACK of a message.
    pub(crate) fn delivered(&mut self, mqtt: &Arc<Mqtt>, token: u64, code: u8) -> Option<Job> {
        match self {
            Self::Device(session) => session.delivered(mqtt, token, code),
            Self::Claim(_) => None,
        }
    }

    /// A message that was not sent.
    pub(crate) fn dropped(&mut self, mqtt: &Mqtt, token: u64, reason: DropReason) {
        if let Self::Device(session) = self {
            session.dropped(mqtt, token, reason);
        }
    }

    /// Leaves a why record of an end that the client did not mean.
    pub(crate) fn closed(&self, mqtt: &Mqtt, why: &CloseReason) {
        if is_fault(why) {
            self.note(mqtt, "mqtt.connection", why.check, fault(why));
        }
    }

    /// Leaves a why record.
    pub(crate) fn note(&self, mqtt: &Mqtt, step: &'static str, check: &'static str, detail: String) {
        match self {
            Self::Device(session) => session.note(mqtt, step, check, detail),
            Self::Claim(claim) => claim.note(mqtt, None, step, check, &detail),
        }
    }

    /// The connection is over: no more calls are taken.
    pub(crate) fn leave(&self, mqtt: &Mqtt) {
        if let Self::Device(session) = self {
            session.leave(mqtt);
        }
    }

    /// The end, after [`Role::leave`]. `stopping`: the server's, not the device's.
    pub(crate) async fn end(self, mqtt: &Mqtt, machine: Connection, stopping: bool) {
        if let Self::Device(session) = self {
            session.end(mqtt, machine, stopping).await;
        }
    }
}

/// Leaves a why record of a connection that ended before its CONNECT was decided.
pub(crate) fn never_connected(mqtt: &Mqtt, peer: SocketAddr, why: &CloseReason) {
    if is_fault(why) {
        let step = if why.kind == CloseKind::Refused { "mqtt.connect" } else { "mqtt.connection" };
        mqtt.note(None, Note { identity: "", peer: Some(peer), step, check: why.check, detail: fault(why) });
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
