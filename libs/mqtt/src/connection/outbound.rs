//! Messages for the client: packet identifiers, receive maximum, the exchanges of QoS 1 (4.3.2) and QoS 2 (4.3.3), redelivery (4.4).
//! Absent: what of it is durable; the owner keeps [`crate::SavedSession`].

use std::collections::VecDeque;
use std::time::Duration;

use super::{Connection, Phase, UNKNOWN_ID};
use crate::event::{DropReason, Output};
use crate::limits::Limits;
use crate::session::{Delivery, OutboundMessage, ReleasedMessage};
use crate::{Qos, Version, write};

/// Below the number of packet identifiers.
const QUEUE_MAX: usize = 60_000;
/// PUBREL with its flags.
const PUBREL: u8 = 0x62;

/// The outbound half of the state. What a connection without a message under way does not need is behind a pointer: most are such.
#[derive(Default)]
pub(super) struct Outbound {
    flight: Option<Box<Flight>>,
    last_id: u16,
    receive_maximum: u16,
    window: u16,
    peer_packet_bytes: Option<u32>,
}

/// Messages under way or waiting for it.
#[derive(Default)]
struct Flight {
    /// Not taken over by the client. First those with an identifier, of which the first `sent` were sent on this connection.
    queue: VecDeque<OutboundMessage>,
    sent: usize,
    /// QoS 2 messages between PUBREC and PUBCOMP, in the order of the PUBRECs.
    released: Vec<ReleasedMessage>,
    /// No later than the first end of a message that waits.
    next_expiry: Option<Duration>,
}

impl Outbound {
    pub(super) fn set_peer(&mut self, limits: &Limits, receive_maximum: u16, packet_bytes: u32) {
        self.receive_maximum = receive_maximum;
        self.set_limits(limits);
        self.peer_packet_bytes = Some(packet_bytes);
    }

    pub(super) fn set_limits(&mut self, limits: &Limits) {
        self.window = self.receive_maximum.min(limits.outbound_inflight).max(1);
    }

    pub(super) fn go_on_after(&mut self, id: u16) {
        self.last_id = id;
    }

    pub(super) fn last_id(&self) -> u16 {
        self.last_id
    }

    pub(super) fn packet_bytes(&self) -> usize {
        self.peer_packet_bytes.map_or(usize::MAX, |bytes| bytes as usize)
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &OutboundMessage> {
        self.flight.iter().flat_map(|flight| &flight.queue)
    }

    pub(super) fn released(&self) -> &[ReleasedMessage] {
        self.flight.as_ref().map_or(&[], |flight| &flight.released)
    }

    pub(super) fn into_saved(self) -> (Vec<OutboundMessage>, Vec<ReleasedMessage>) {
        self.flight.map(|flight| (flight.queue.into(), flight.released)).unwrap_or_default()
    }

    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.flight.as_ref().and_then(|flight| flight.next_expiry)
    }

    fn queued(&self) -> usize {
        self.flight.as_ref().map_or(0, |flight| flight.queue.len())
    }

    fn flight(&mut self) -> &mut Flight {
        self.flight.get_or_insert_default()
    }

    /// Takes the message that was sent with `id` and `qos` out of the queue.
    fn take_sent(&mut self, id: u16, qos: Qos) -> Option<OutboundMessage> {
        let flight = self.flight.as_mut()?;
        let is_meant = |message: &OutboundMessage| message.packet_id == Some(id) && message.delivery.qos == qos;
        let at = flight.queue.iter().take(flight.sent).position(is_meant)?;
        flight.sent -= 1;
        flight.queue.remove(at)
    }

    /// The next message that the client's receive maximum lets through (MQTT 5, 4.9), with its identifier and whether that is an old one.
    /// A QoS 2 exchange counts until its PUBCOMP.
    fn next(&mut self) -> Option<(&Delivery, u16, bool)> {
        let flight = self.flight.as_mut()?;
        if flight.sent + flight.released.len() >= usize::from(self.window) {
            return None;
        }
        let given = flight.queue.get(flight.sent)?.packet_id;
        let id = given.unwrap_or_else(|| flight.free_id(&mut self.last_id));
        let message = flight.queue.get_mut(flight.sent)?;
        message.packet_id = Some(id);
        flight.sent += 1;
        Some((&message.delivery, id, given.is_some()))
    }

    /// Gives memory back when nothing is under way.
    fn shrink(&mut self) {
        if self.flight.as_ref().is_some_and(|flight| flight.queue.is_empty() && flight.released.is_empty()) {
            self.flight = None;
        }
    }
}

impl Flight {
    fn push(&mut self, message: OutboundMessage) {
        let ends = [self.next_expiry, message.delivery.expires_at];
        self.next_expiry = ends.into_iter().flatten().min();
        self.queue.push_back(message);
    }

    /// Takes out what waits and is over; what was sent before stays, as its exchange goes on.
    fn expire(&mut self, now: Duration) -> Vec<u64> {
        let mut over = Vec::new();
        self.queue.retain(|message| {
            let stays = message.packet_id.is_some() || !message.delivery.is_over(now);
            if !stays {
                over.push(message.delivery.token);
            }
            stays
        });
        let waiting = self.queue.iter().filter(|message| message.packet_id.is_none());
        self.next_expiry = waiting.filter_map(|message| message.delivery.expires_at).min();
        over
    }

    /// An identifier not in use, never 0 [MQTT-2.2.1-4]. Ends, because fewer than the window are in use, and so fewer than there are.
    fn free_id(&self, last: &mut u16) -> u16 {
        let in_use = |id| {
            let mut numbered = self.queue.iter().map_while(|message| message.packet_id);
            numbered.any(|used| used == id) || self.released.iter().any(|released| released.packet_id == id)
        };
        loop {
            *last = last.wrapping_add(1).max(1);
            if !in_use(*last) {
                return *last;
            }
        }
    }
}

impl Connection {
    /// How many more messages [`crate::Input::Deliver`] takes now. Those of QoS 1 and 2 go up to what the client's receive maximum lets through
    /// and [`Limits::outbound_waiting`] behind it; any more are dropped with [`DropReason::QueueFull`].
    ///
    /// An owner with a durable cursor feeds so many, and asks again after each [`Output::Delivered`] and [`Output::Dropped`]: nothing waits
    /// here that the cursor could not give again. 0 also while more bytes than a packet wait for [`Connection::poll`].
    pub fn deliveries_wanted(&self) -> usize {
        if self.phase == Phase::Open && self.tx.len() <= self.limits.packet_bytes { self.room() } else { 0 }
    }

    fn room(&self) -> usize {
        let most = usize::from(self.outbound.window).saturating_add(self.limits.outbound_waiting);
        most.min(self.queue_max()).saturating_sub(self.outbound.queued())
    }

    fn queue_max(&self) -> usize {
        self.limits.outbound_queue.min(QUEUE_MAX)
    }

    pub(super) fn deliver(&mut self, now: Duration, delivery: Delivery) {
        let token = delivery.token;
        if let Err(reason) = self.try_deliver(now, delivery) {
            self.events.push_back(Output::Dropped { token, reason });
        }
    }

    fn try_deliver(&mut self, now: Duration, mut delivery: Delivery) -> Result<(), DropReason> {
        let (Phase::Open, Some(version)) = (self.phase, self.version) else { return Err(DropReason::NotConnected) };
        delivery.start_expiry(now);
        if delivery.is_over(now) {
            return Err(DropReason::Expired);
        }
        self.check_size(now, version, &delivery)?;
        self.expire(now);
        if delivery.qos == Qos::AtMostOnce {
            if self.tx.len() > self.limits.packet_bytes {
                return Err(DropReason::QueueFull);
            }
            write::publish(&mut self.tx, now, version, &delivery, None, false);
            self.events.push_back(Output::Delivered { token: delivery.token, code: 0 });
            return Ok(());
        }
        if self.room() == 0 {
            return Err(DropReason::QueueFull);
        }
        self.outbound.flight().push(OutboundMessage { delivery, packet_id: None });
        self.fill_window(now, version);
        Ok(())
    }

    /// A kept session may hold more than is taken anew: the client's receive maximum may have become smaller.
    fn check_kept(&self) -> Result<(), DropReason> {
        if self.outbound.queued() < self.queue_max() { Ok(()) } else { Err(DropReason::QueueFull) }
    }

    /// Measured, not written: a message may be far larger than the client takes.
    fn check_size(&self, now: Duration, version: Version, delivery: &Delivery) -> Result<(), DropReason> {
        let properties = write::publish_properties(now, version, delivery).len();
        let (topic, payload) = (delivery.topic.len(), delivery.payload.len());
        let size = write::publish_bytes(version, delivery.qos, topic, properties, payload);
        if size.is_some_and(|bytes| bytes <= self.outbound.packet_bytes()) { Ok(()) } else { Err(DropReason::TooLarge) }
    }

    /// A message that has an identifier already was sent on an earlier connection: it keeps it and gets DUP [MQTT-4.4.0-1], [MQTT-3.3.1-1].
    fn fill_window(&mut self, now: Duration, version: Version) {
        self.expire(now);
        while self.phase == Phase::Open
            && let Some((delivery, id, again)) = self.outbound.next()
        {
            write::publish(&mut self.tx, now, version, delivery, Some(id), again);
        }
        self.outbound.shrink();
    }

    /// Drops what waits behind the window and is over [MQTT-3.3.2-5].
    pub(super) fn expire(&mut self, now: Duration) {
        let Some(flight) = self.outbound.flight.as_mut().filter(|flight| flight.next_expiry.is_some_and(|at| at <= now)) else {
            return;
        };
        for token in flight.expire(now) {
            self.events.push_back(Output::Dropped { token, reason: DropReason::Expired });
        }
        self.outbound.shrink();
    }

    /// PUBACK; one for an unknown identifier is ignored.
    pub(super) fn acknowledged(&mut self, now: Duration, version: Version, id: u16, code: u8) {
        let Some(message) = self.outbound.take_sent(id, Qos::AtLeastOnce) else { return };
        self.events.push_back(Output::Delivered { token: message.delivery.token, code });
        self.fill_window(now, version);
    }

    /// PUBREC: the client has the message, or refuses it, which ends the exchange. PUBREL leaves after the owner was told, in the order of
    /// the PUBRECs [MQTT-4.3.3-4], [MQTT-4.6.0-4]; a repeated PUBREC gets it again. An unknown identifier is answered too, or the client would
    /// never end.
    pub(super) fn received(&mut self, now: Duration, version: Version, id: u16, code: u8) {
        if let Some(message) = self.outbound.take_sent(id, Qos::ExactlyOnce) {
            let token = message.delivery.token;
            self.events.push_back(Output::Delivered { token, code });
            if code >= 0x80 {
                return self.fill_window(now, version);
            }
            self.outbound.flight().released.push(ReleasedMessage { packet_id: id, token });
        }
        if code < 0x80 {
            let is_known = self.outbound.released().iter().any(|released| released.packet_id == id);
            let code = if is_known { 0 } else { UNKNOWN_ID };
            self.emit_after_events(|tx| write::ack(tx, PUBREL, version, id, code));
        }
    }

    /// PUBCOMP: the identifier is free again [MQTT-4.3.3-6]; an unknown one is ignored.
    pub(super) fn completed(&mut self, now: Duration, version: Version, id: u16) {
        let Some(flight) = &mut self.outbound.flight else { return };
        let Some(at) = flight.released.iter().position(|released| released.packet_id == id) else { return };
        let ReleasedMessage { token, .. } = flight.released.remove(at);
        self.events.push_back(Output::Completed { token });
        self.fill_window(now, version);
    }

    /// A kept session goes on: PUBREL for what the client has, then unacknowledged messages in their order [MQTT-4.4.0-1], [MQTT-4.6.0-1].
    /// What the limits no longer allow is dropped.
    pub(super) fn redeliver(
        &mut self,
        now: Duration,
        version: Version,
        mut saved: Vec<OutboundMessage>,
        released: Vec<ReleasedMessage>,
    ) {
        saved.sort_by_key(|message| message.packet_id.is_none());
        for mut message in saved {
            message.delivery.start_expiry(now);
            let token = message.delivery.token;
            if message.delivery.qos == Qos::AtMostOnce {
                self.deliver(now, message.delivery);
                continue;
            }
            match self.check_size(now, version, &message.delivery).and(self.check_kept()) {
                Ok(()) => self.outbound.flight().push(message),
                Err(reason) => self.events.push_back(Output::Dropped { token, reason }),
            }
        }
        for ReleasedMessage { packet_id, .. } in &released {
            self.emit(|tx| write::ack(tx, PUBREL, version, *packet_id, 0));
        }
        if !released.is_empty() {
            self.outbound.flight().released = released;
        }
        self.fill_window(now, version);
    }
}
