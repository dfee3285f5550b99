//! Messages for the client: packet identifiers, receive maximum, redelivery. Absent: QoS 2 towards the client.

use std::collections::VecDeque;

use super::{Connection, Phase};
use crate::event::{DropReason, Output};
use crate::limits::Limits;
use crate::session::{Delivery, OutboundMessage};
use crate::{Qos, Version, write};

/// Below the number of packet identifiers, so that a free one always exists.
const QUEUE_MAX: usize = 60_000;

/// The outbound half of the state.
#[derive(Default)]
pub(super) struct Outbound {
    /// QoS 1 messages; the first `sent` of them are on their way.
    pub(super) queue: VecDeque<OutboundMessage>,
    sent: usize,
    last_id: u16,
    window: u16,
    peer_packet_bytes: Option<u32>,
}

impl Outbound {
    pub(super) fn set_peer(&mut self, limits: &Limits, receive_maximum: u16, packet_bytes: u32) {
        self.window = receive_maximum.min(limits.outbound_inflight).max(1);
        self.peer_packet_bytes = Some(packet_bytes);
    }

    pub(super) fn packet_bytes(&self) -> usize {
        self.peer_packet_bytes.map_or(usize::MAX, |bytes| bytes as usize)
    }

    fn in_use(&self, id: u16) -> bool {
        self.queue.iter().any(|message| message.packet_id == Some(id))
    }

    /// An identifier not in flight, never 0 [MQTT-2.3.1-1]. Ends, because the queue is shorter than the number of identifiers.
    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            if !self.in_use(self.last_id) {
                return self.last_id;
            }
        }
    }
}

impl Connection {
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        let token = delivery.token;
        if let Err(reason) = self.try_deliver(delivery) {
            self.events.push_back(Output::Dropped { token, reason });
        }
    }

    fn try_deliver(&mut self, delivery: Delivery) -> Result<(), DropReason> {
        let (Phase::Open, Some(version)) = (self.phase, self.version) else { return Err(DropReason::NotConnected) };
        self.check_size(version, &delivery)?;
        if delivery.qos == Qos::AtMostOnce {
            if self.tx.len() > self.limits.packet_bytes {
                return Err(DropReason::QueueFull);
            }
            write::publish(&mut self.tx, version, &delivery, None, false);
            self.events.push_back(Output::Delivered { token: delivery.token, code: 0 });
            return Ok(());
        }
        self.check_room()?;
        self.outbound.queue.push_back(OutboundMessage { delivery, packet_id: None });
        self.fill_window(version);
        Ok(())
    }

    fn check_room(&self) -> Result<(), DropReason> {
        if self.outbound.queue.len() < self.limits.outbound_queue.min(QUEUE_MAX) { Ok(()) } else { Err(DropReason::QueueFull) }
    }

    /// Measured, not written: a message may be far larger than the client takes.
    fn check_size(&self, version: Version, delivery: &Delivery) -> Result<(), DropReason> {
        let mut properties = Vec::new();
        if let Some(found) = delivery.properties.as_ref().filter(|_| version == Version::V5) {
            found.write(&mut properties);
        }
        let (topic, payload) = (delivery.topic.len(), delivery.payload.len());
        let size = write::publish_bytes(version, delivery.qos, topic, properties.len(), payload);
        if size.is_some_and(|bytes| bytes <= self.outbound.packet_bytes()) { Ok(()) } else { Err(DropReason::TooLarge) }
    }

    /// Sends what the client's receive maximum lets through [MQTT-3.3.4-9]. A message that has an identifier already was sent on an earlier
    /// connection: it keeps it and gets DUP [MQTT-4.4.0-1], [MQTT-3.3.1-1].
    fn fill_window(&mut self, version: Version) {
        while self.outbound.sent < usize::from(self.outbound.window) && self.outbound.sent < self.outbound.queue.len() {
            let given = self.outbound.queue.get(self.outbound.sent).and_then(|message| message.packet_id);
            let id = given.unwrap_or_else(|| self.outbound.free_id());
            let Some(message) = self.outbound.queue.get_mut(self.outbound.sent) else { break };
            message.packet_id = Some(id);
            write::publish(&mut self.tx, version, &message.delivery, Some(id), given.is_some());
            self.outbound.sent += 1;
        }
    }

    /// PUBACK; one for an unknown identifier is ignored.
    pub(super) fn acknowledged(&mut self, id: u16, code: u8) {
        let Some(version) = self.version else { return };
        let found = self.outbound.queue.iter().take(self.outbound.sent).position(|message| message.packet_id == Some(id));
        let Some(message) = found.and_then(|at| self.outbound.queue.remove(at)) else { return };
        self.outbound.sent -= 1;
        if self.outbound.queue.is_empty() {
            self.outbound.queue = VecDeque::new();
        }
        self.events.push_back(Output::Delivered { token: message.delivery.token, code });
        self.fill_window(version);
    }

    /// A kept session goes on: unacknowledged messages first, in their order [MQTT-4.6.0-1]. What the limits no longer allow is dropped.
    pub(super) fn redeliver(&mut self, mut saved: Vec<OutboundMessage>) {
        let (Phase::Open, Some(version)) = (self.phase, self.version) else { return };
        saved.sort_by_key(|message| message.packet_id.is_none());
        for message in saved {
            let token = message.delivery.token;
            match self.check_size(version, &message.delivery).and(self.check_room()) {
                Ok(()) => self.outbound.queue.push_back(message),
                Err(reason) => self.events.push_back(Output::Dropped { token, reason }),
            }
        }
        self.fill_window(version);
    }
}
