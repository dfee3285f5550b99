//! Messages from the client: aliases, duplicates, acknowledgements in order. Absent: what the messages mean.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::{Connection, Phase, UNKNOWN_ID};
use crate::check;
use crate::event::{Output, Publish, PublishRefusal, Ticket};
use crate::packet::Incoming;
use crate::read::Parse;
use crate::{Qos, Version, write};

const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBCOMP: u8 = 0x70;

/// The inbound half of the state.
#[derive(Default)]
pub(super) struct Inbound {
    /// Messages in the order they came, until acknowledged.
    queue: VecDeque<Waiting>,
    pub(super) qos2_received: Vec<u16>,
    /// Topic per alias, alias 1 first.
    aliases: Vec<Option<Arc<str>>>,
    /// QoS 1 and 2 messages of this connection that count against the receive maximum [MQTT-3.3.4-7].
    quota_used: u16,
    pub(super) announce_keep_alive: bool,
}

struct Waiting {
    ticket: Ticket,
    qos: Qos,
    id: u16,
    /// Reason code, once answered.
    code: Option<u8>,
}

impl Inbound {
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn unanswered(&self) -> usize {
        self.queue.iter().filter(|waiting| waiting.code.is_none()).count()
    }

    pub(super) fn shrink(&mut self) {
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }

    fn is_waiting(&self, id: u16) -> bool {
        self.queue.iter().any(|waiting| waiting.qos == Qos::ExactlyOnce && waiting.id == id)
    }
}

impl Connection {
    pub(super) fn publish(&mut self, version: Version, incoming: Incoming<'_>) -> Parse<()> {
        if incoming.qos > self.limits.qos_in {
            return Err(&check::PUBLISH_QOS_LIMIT);
        }
        if incoming.retain && !self.limits.retain_available {
            return Err(&check::PUBLISH_RETAIN);
        }
        let topic = self.resolve_topic(&incoming)?;
        if incoming.qos == Qos::ExactlyOnce && self.is_duplicate(&incoming) {
            return Ok(());
        }
        if incoming.qos != Qos::AtMostOnce {
            if version == Version::V5 && self.inbound.quota_used >= self.limits.inflight.max(1) {
                return Err(&check::RECEIVE_MAXIMUM);
            }
            self.inbound.quota_used = self.inbound.quota_used.saturating_add(1);
        }
        if incoming.qos == Qos::ExactlyOnce && self.inbound.qos2_received.len() >= self.limits.qos2_received {
            return Err(&check::QOS2_LIMIT);
        }
        let ticket = self.ticket();
        self.inbound.queue.push_back(Waiting { ticket, qos: incoming.qos, id: incoming.id.unwrap_or(0), code: None });
        self.events.push_back(Output::Publish(Publish {
            ticket,
            topic,
            payload: Bytes::copy_from_slice(incoming.payload),
            qos: incoming.qos,
            dup: incoming.dup,
            retain: incoming.retain,
            packet_id: incoming.id,
            properties: incoming.properties.as_ref().and_then(|found| found.message()),
        }));
        Ok(())
    }

    /// Topic aliases [MQTT-3.3.2-8] to [MQTT-3.3.2-12].
    fn resolve_topic(&mut self, incoming: &Incoming<'_>) -> Parse<Arc<str>> {
        let Some(alias) = incoming.properties.as_ref().and_then(|found| found.topic_alias) else {
            return Ok(incoming.topic.into());
        };
        if alias == 0 || alias > self.limits.topic_aliases {
            return Err(&check::PUBLISH_ALIAS_RANGE);
        }
        let at = usize::from(alias) - 1;
        if incoming.topic.is_empty() {
            return self.inbound.aliases.get(at).cloned().flatten().ok_or(&check::PUBLISH_ALIAS_UNSET);
        }
        let topic: Arc<str> = incoming.topic.into();
        if self.inbound.aliases.len() <= at {
            self.inbound.aliases.resize(at + 1, None);
        }
        if let Some(slot) = self.inbound.aliases.get_mut(at) {
            *slot = Some(Arc::clone(&topic));
        }
        Ok(topic)
    }

    /// A QoS 2 identifier taken over and not released is acknowledged again and not passed on [MQTT-4.3.3-2]. One that still waits for its
    /// answer is not acknowledged yet: that will come with the answer.
    fn is_duplicate(&mut self, incoming: &Incoming<'_>) -> bool {
        let Some(id) = incoming.id else { return false };
        if self.inbound.is_waiting(id) {
            return true;
        }
        if !self.inbound.qos2_received.contains(&id) {
            return false;
        }
        let ticket = self.ticket();
        self.inbound.queue.push_back(Waiting { ticket, qos: Qos::ExactlyOnce, id, code: Some(0) });
        self.acknowledge();
        true
    }

    pub(super) fn publish_done(&mut self, ticket: Ticket, result: Result<(), PublishRefusal>) {
        let Ok(at) = self.inbound.queue.binary_search_by_key(&ticket, |waiting| waiting.ticket) else { return };
        let Some(waiting) = self.inbound.queue.get_mut(at).filter(|waiting| waiting.code.is_none()) else { return };
        let code = match (self.version, result) {
            (Some(Version::V5), Err(refusal)) => refusal as u8,
            _ => 0,
        };
        waiting.code = Some(code);
        // From here on the message is the owner's, even if the connection ended meanwhile.
        if waiting.qos == Qos::ExactlyOnce && code == 0 {
            self.inbound.qos2_received.push(waiting.id);
        }
        self.acknowledge();
    }

    /// Sends the acknowledgements that are due, in the order the messages came [MQTT-4.6.0-2], [MQTT-4.6.0-3].
    fn acknowledge(&mut self) {
        let Some(version) = self.version else { return };
        while let Some(code) = self.inbound.queue.front().and_then(|waiting| waiting.code) {
            let Some(waiting) = self.inbound.queue.pop_front() else { break };
            let first = match waiting.qos {
                Qos::AtMostOnce => continue,
                Qos::AtLeastOnce => PUBACK,
                Qos::ExactlyOnce => PUBREC,
            };
            if waiting.qos == Qos::AtLeastOnce || code >= 0x80 {
                self.inbound.quota_used = self.inbound.quota_used.saturating_sub(1);
            }
            if self.phase == Phase::Open {
                self.emit(|tx| write::ack(tx, first, version, waiting.id, code));
            }
        }
    }

    /// PUBREL: the identifier is free again [MQTT-4.3.3-2]. An unknown one is answered too, or the client would never end.
    pub(super) fn release(&mut self, version: Version, id: u16) {
        let known = self.inbound.qos2_received.iter().position(|received| *received == id);
        if let Some(at) = known {
            self.inbound.qos2_received.swap_remove(at);
            if self.inbound.qos2_received.is_empty() {
                self.inbound.qos2_received = Vec::new();
            }
            self.inbound.quota_used = self.inbound.quota_used.saturating_sub(1);
        }
        let code = if known.is_some() { 0 } else { UNKNOWN_ID };
        self.emit(|tx| write::ack(tx, PUBCOMP, version, id, code));
    }
}
