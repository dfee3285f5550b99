//! The connection machine: input, packet dispatch, timers, the end. Absent: what each packet means, see the sibling files.

mod inbound;
mod opening;
mod outbound;
mod subscribing;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::check::{self, Check, CloseKind, CloseReason};
use crate::event::{DisconnectReason, Input, Output, Ticket, Will};
use crate::frame::{self, Header};
use crate::limits::Limits;
use crate::packet::{self, Packet};
use crate::read::Parse;
use crate::session::{OutboundMessage, ReleasedMessage, SavedSession};
use crate::{Subscription, Version, write};

/// One network connection of one client, from its first byte to its end.
///
/// Call [`Connection::handle`] for everything that happens, then [`Connection::poll`] until it gives `None`, then wait for bytes (only while
/// [`Connection::wants_read`]), for an answer to one of its questions, or for [`Connection::poll_timeout`]. After [`Output::Close`] the answers
/// to open questions are still worth feeding, because they belong into [`Connection::into_session`].
pub struct Connection {
    limits: Arc<Limits>,
    phase: Phase,
    version: Option<Version>,
    /// The version is really MQTT 3.1.
    v31: bool,
    keep_alive_s: u16,
    session_expiry_s: u32,
    deadline: Duration,
    will: Option<Box<Will>>,
    next_ticket: u64,
    /// Bytes not yet consumed: part of a packet, or whole packets held back.
    rx: Vec<u8>,
    tx: Vec<u8>,
    events: VecDeque<Output>,
    inbound: inbound::Inbound,
    pending: Vec<subscribing::Pending>,
    subscriptions: Vec<Subscription>,
    outbound: outbound::Outbound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing but a CONNECT may come.
    Connecting,
    /// CONNECT was passed on and is not yet answered.
    Deciding,
    Open,
    Closed,
}

impl Connection {
    /// A connection accepted at `now`, a time since any fixed point; all later times count from the same point.
    pub fn new(limits: Arc<Limits>, now: Duration) -> Self {
        let deadline = now + limits.connect_timeout;
        Self {
            limits,
            phase: Phase::Connecting,
            version: None,
            v31: false,
            keep_alive_s: 0,
            session_expiry_s: 0,
            deadline,
            will: None,
            next_ticket: 0,
            rx: Vec::new(),
            tx: Vec::new(),
            events: VecDeque::new(),
            inbound: inbound::Inbound::default(),
            pending: Vec::new(),
            subscriptions: Vec::new(),
            outbound: outbound::Outbound::default(),
        }
    }

    /// Takes in one happening at `now`.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        match input {
            Input::PublishDone { ticket, result } => self.publish_done(ticket, result),
            Input::SubscribeDone { ticket, grants } => self.subscribe_done(ticket, &grants),
            Input::UnsubscribeDone { ticket } => self.unsubscribe_done(ticket),
            Input::Deliver(delivery) => self.deliver(now, delivery),
            _ if self.phase == Phase::Closed => {}
            Input::Data(bytes) => return self.data(now, bytes),
            Input::Closed => self.fail_silently(&check::NETWORK_LOST),
            Input::Timeout => self.timeout(now),
            Input::Accept(accept) => self.accept(now, accept),
            Input::Refuse(refusal) => self.refuse(refusal),
            Input::Disconnect(reason) => self.disconnect(reason),
        }
        self.resume(now);
    }

    /// The next thing to do; `None` when there is nothing left.
    pub fn poll(&mut self) -> Option<Output> {
        if !self.tx.is_empty() {
            return Some(Output::Send(std::mem::take(&mut self.tx)));
        }
        let next = self.events.pop_front();
        if next.is_none() {
            // An idle connection keeps no empty buffers: there are many of them.
            self.events = VecDeque::new();
            self.inbound.shrink();
        }
        next
    }

    /// When to call with [`Input::Timeout`]; `None` after the end. Moves with every packet, so ask again after it.
    pub fn poll_timeout(&self) -> Option<Duration> {
        (self.phase != Phase::Closed).then(|| self.outbound.next_expiry().map_or(self.deadline, |at| at.min(self.deadline)))
    }

    /// Whether to read from the network. While false, leave the bytes in the socket: the client feels the back-pressure.
    pub fn wants_read(&self) -> bool {
        match self.phase {
            Phase::Connecting => true,
            Phase::Deciding | Phase::Closed => false,
            Phase::Open => {
                self.inbound.waiting() < usize::from(self.limits.inflight.max(1))
                    && self.pending.len() < self.limits.pending_subscribes
            }
        }
    }

    /// Whether CONNECT was accepted and the connection has not ended.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// The client's protocol version once its CONNECT was read.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// The keep-alive in force, seconds; 0: none, and before CONNECT.
    pub fn keep_alive_s(&self) -> u16 {
        self.keep_alive_s
    }

    /// How long the session is to outlive the connection, seconds; a client may change it with its DISCONNECT.
    pub fn session_expiry_s(&self) -> u32 {
        self.session_expiry_s
    }

    /// Subscriptions in force.
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// Inbound QoS 2 identifiers taken over and not yet released, in no order: the owner that keeps them durable must do so before it hands out
    /// the bytes that answer a PUBREL.
    pub fn qos2_received(&self) -> &[u16] {
        &self.inbound.qos2_received
    }

    /// Outbound QoS 1 and 2 messages that the client has not taken over, oldest first: what [`SavedSession::outbound`] would be now.
    pub fn outbound(&self) -> impl Iterator<Item = &OutboundMessage> {
        self.outbound.messages()
    }

    /// Outbound QoS 2 messages between PUBREC and PUBCOMP: what [`SavedSession::qos2_released`] would be now.
    pub fn qos2_released(&self) -> &[ReleasedMessage] {
        self.outbound.released()
    }

    /// The newest identifier that an outbound message was given; 0: none was.
    pub fn last_packet_id(&self) -> u16 {
        self.outbound.last_id()
    }

    /// The subscription that takes messages of `topic`, with the highest quality of service if there are several [MQTT-3.3.5-1]; none that is
    /// shared. [`crate::matched`] says more.
    pub fn subscription_for(&self, topic: &str) -> Option<&Subscription> {
        self.subscriptions
            .iter()
            .filter(|subscription| subscription.filter.group().is_none() && subscription.filter.matches(topic))
            .max_by_key(|subscription| subscription.qos)
    }

    /// Questions not yet answered. Wait for 0 before [`Connection::into_session`], or a QoS 2 message may be taken twice.
    pub fn outstanding(&self) -> usize {
        self.inbound.unanswered() + self.pending.len()
    }

    /// The state to keep.
    pub fn into_session(self) -> SavedSession {
        let (outbound, qos2_released) = self.outbound.into_saved();
        SavedSession { subscriptions: self.subscriptions, qos2_received: self.inbound.qos2_received, outbound, qos2_released }
    }

    fn data(&mut self, now: Duration, bytes: &[u8]) {
        if self.rx.is_empty() {
            let used = self.consume(now, bytes);
            if self.phase != Phase::Closed {
                self.rx.extend_from_slice(bytes.get(used..).unwrap_or_default());
            }
        } else {
            self.rx.extend_from_slice(bytes);
            self.resume(now);
        }
        if self.rx.len() > self.limits.packet_bytes.max(self.limits.control_bytes) + OVERRUN_BYTES {
            self.fail(&check::INPUT_OVERRUN);
        }
    }

    /// Goes on with bytes held back, if there is room again.
    fn resume(&mut self, now: Duration) {
        if self.rx.is_empty() {
            return;
        }
        let mut bytes = std::mem::take(&mut self.rx);
        let used = self.consume(now, &bytes);
        if self.phase == Phase::Closed || used == bytes.len() {
            return;
        }
        bytes.drain(..used);
        if used > 0 {
            bytes.shrink_to_fit();
        }
        self.rx = bytes;
    }

    /// Handles whole packets at the start of `bytes`; gives how many bytes they took.
    fn consume(&mut self, now: Duration, bytes: &[u8]) -> usize {
        let mut used = 0;
        while self.wants_read() {
            let Some(rest) = bytes.get(used..) else { break };
            match frame::header(rest) {
                Header::Incomplete => {
                    self.check_start(rest);
                    break;
                }
                Header::Bad(failed) => self.fail(failed),
                Header::Known { first, header, body } => {
                    if let Err(failed) = self.check_header(first, header + body) {
                        self.fail(failed);
                        break;
                    }
                    let Some(body) = rest.get(header..header + body) else { break };
                    used += header + body.len();
                    self.packet(now, first, body);
                }
            }
        }
        used
    }

    /// A wrong first byte is known before its length is.
    fn check_start(&mut self, rest: &[u8]) {
        if let Some(first) = rest.first()
            && let Err(failed) = self.check_header(*first, 0)
        {
            self.fail(failed);
        }
    }

    /// What the fixed header alone forbids, before any byte of the body is kept.
    fn check_header(&self, first: u8, packet_bytes: usize) -> Parse<()> {
        let packet_type = first >> 4;
        match self.phase {
            Phase::Connecting if packet_type != packet::CONNECT => return Err(&check::CONNECT_FIRST),
            Phase::Open if packet_type == packet::CONNECT => return Err(&check::CONNECT_TWICE),
            _ => packet::check_first(first, self.version, self.v31)?,
        }
        let limit = if packet_type == packet::PUBLISH { self.limits.packet_bytes } else { self.limits.control_bytes };
        if packet_bytes > limit { Err(&check::PACKET_TOO_LARGE) } else { Ok(()) }
    }

    fn packet(&mut self, now: Duration, first: u8, body: &[u8]) {
        let Some(version) = self.version else { return self.connect(now, body) };
        self.deadline = now + self.silence_allowed();
        let limits = Arc::clone(&self.limits);
        let handled = packet::decode(first, body, version, &limits).and_then(|packet| self.dispatch(now, version, packet));
        if let Err(failed) = handled {
            self.fail(failed);
        }
    }

    fn dispatch(&mut self, now: Duration, version: Version, packet: Packet<'_>) -> Parse<()> {
        match packet {
            Packet::Publish(incoming) => return self.publish(version, incoming),
            Packet::Puback { id, code } => self.acknowledged(now, version, id, code),
            Packet::Pubrec { id, code } => self.received(now, version, id, code),
            Packet::Pubcomp { id } => self.completed(now, version, id),
            Packet::Pubrel { id } => self.release(version, id),
            Packet::Subscribe { id, subscription_id, filters } => self.subscribe(version, id, subscription_id, &filters),
            Packet::Unsubscribe { id, filters } => self.unsubscribe(id, &filters),
            Packet::Pingreq => self.emit(|tx| tx.extend_from_slice(&write::PINGRESP)),
            Packet::Disconnect { code, session_expiry_s } => return self.client_disconnect(code, session_expiry_s),
            Packet::Auth => return Err(&check::AUTH_PACKET),
        }
        Ok(())
    }

    /// Reason code 0 discards the will [MQTT-3.14.4-3]; 0x04 and errors keep it (MQTT 5, 3.14.2.1).
    fn client_disconnect(&mut self, code: u8, session_expiry_s: Option<u32>) -> Parse<()> {
        if let Some(seconds) = session_expiry_s {
            if self.session_expiry_s == 0 && seconds != 0 {
                return Err(&check::DISCONNECT_EXPIRY);
            }
            self.session_expiry_s = seconds;
        }
        if code == 0 {
            self.will = None;
        }
        self.end(CloseReason { code, ..check::CLIENT_DISCONNECT.reason(self.version) });
        Ok(())
    }

    fn disconnect(&mut self, reason: DisconnectReason) {
        match self.phase {
            Phase::Deciding => self.refuse(crate::ConnectRefusal::ServerUnavailable),
            _ => self.fail_with(CloseReason { code: reason as u8, ..check::SERVER_DISCONNECT.reason(self.version) }),
        }
    }

    fn timeout(&mut self, now: Duration) {
        self.expire(now);
        if now < self.deadline {
            return;
        }
        match self.phase {
            Phase::Connecting => self.fail_silently(&check::CONNECT_TIMEOUT),
            Phase::Deciding => self.fail(&check::ACCEPT_TIMEOUT),
            // The client cannot be heard while it is held back.
            Phase::Open if !self.wants_read() => self.deadline = now + self.silence_allowed(),
            Phase::Open if self.keep_alive_s == 0 => self.fail(&check::SILENCE),
            Phase::Open => self.fail(&check::KEEP_ALIVE),
            Phase::Closed => {}
        }
    }

    /// One and a half times the keep-alive [MQTT-3.1.2-24]; the owner's limit where there is none.
    fn silence_allowed(&self) -> Duration {
        match self.keep_alive_s {
            0 => self.limits.silence,
            seconds => Duration::from_millis(u64::from(seconds) * 1_500),
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// Writes one packet, unless the connection is over or the packet is larger than the client takes [MQTT-3.1.2-24].
    fn emit(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.phase == Phase::Closed {
            return;
        }
        let start = self.tx.len();
        write(&mut self.tx);
        if self.tx.len() - start > self.outbound.packet_bytes() {
            self.tx.truncate(start);
            self.fail(&check::PEER_PACKET_LIMIT);
        }
    }

    /// Writes a packet that must not be handed out before the events of now.
    fn emit_after_events(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        write(&mut bytes);
        if bytes.len() > self.outbound.packet_bytes() {
            return self.fail(&check::PEER_PACKET_LIMIT);
        }
        match self.events.back_mut() {
            Some(Output::Send(before)) => before.extend(bytes),
            _ => self.events.push_back(Output::Send(bytes)),
        }
    }

    fn fail(&mut self, failed: &Check) {
        self.fail_with(failed.reason(self.version));
    }

    fn fail_silently(&mut self, failed: &Check) {
        self.end(failed.reason(self.version));
    }

    /// Tells an MQTT 5 client why, then ends. Before CONNACK was sent the word is CONNACK.
    fn fail_with(&mut self, reason: CloseReason) {
        if self.version == Some(Version::V5) && reason.code != 0 {
            let start = self.tx.len();
            match self.phase {
                Phase::Open => write::disconnect(&mut self.tx, reason.code),
                Phase::Deciding => write::connack(&mut self.tx, Version::V5, false, reason.code, &[]),
                Phase::Connecting | Phase::Closed => {}
            }
            if self.tx.len() - start > self.outbound.packet_bytes() {
                self.tx.truncate(start);
            }
        }
        self.end(reason);
    }

    fn end(&mut self, why: CloseReason) {
        if self.phase == Phase::Closed {
            return;
        }
        let was_open = self.phase == Phase::Open;
        self.phase = Phase::Closed;
        self.rx = Vec::new();
        if let Some(will) = self.will.take()
            && was_open
        {
            self.events.push_back(Output::Will(will));
        }
        self.events.push_back(Output::Close { why });
        debug_assert!(why.kind != CloseKind::Refused || !was_open, "only a CONNECT can be refused");
    }
}

/// Bytes a driver may hand over in one read although the connection does not want any.
const OVERRUN_BYTES: usize = 65_536;
/// Packet identifier not found (MQTT 5).
const UNKNOWN_ID: u8 = 0x92;
