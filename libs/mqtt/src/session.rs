//! The state that outlives a connection (MQTT 4.1), as plain data for any store. Absent: its key and its expiry, which the owner knows.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::subscription::{Matched, Subscription};
use crate::{Publish, PublishProperties, Qos};

/// A message for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The owner's name for it, given back in [`crate::Output::Delivered`] or [`crate::Output::Dropped`].
    pub token: u64,
    /// Topic name, at most 65,535 bytes.
    pub topic: Arc<str>,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service it is sent with.
    pub qos: Qos,
    /// The RETAIN flag to show.
    pub retain: bool,
    /// MQTT 5 properties; not sent to MQTT 3.1.1 clients.
    pub properties: Option<Arc<PublishProperties>>,
    /// Identifiers of the subscriptions it belongs to (MQTT 5, 3.3.2.3.8).
    pub subscription_ids: Box<[NonZeroU32]>,
    /// When it is over, on the clock of the connection: once that has come it is not sent for the first time [MQTT-3.3.2-5]. `None`: when
    /// [`PublishProperties::message_expiry_s`] have gone by since the machine took it.
    pub expires_at: Option<Duration>,
}

impl Delivery {
    /// A message without RETAIN and properties.
    pub fn new(token: u64, topic: impl Into<Arc<str>>, payload: impl Into<Bytes>, qos: Qos) -> Self {
        Self {
            token,
            topic: topic.into(),
            payload: payload.into(),
            qos,
            retain: false,
            properties: None,
            subscription_ids: Box::default(),
            expires_at: None,
        }
    }

    /// A copy of a message that was published at `now`, for a session whose subscriptions matched it.
    pub fn of(now: Duration, token: u64, publish: &Publish, matched: Matched) -> Self {
        let mut copy = Self {
            retain: publish.retain && matched.retain_as_published,
            properties: publish.properties.clone(),
            subscription_ids: matched.ids,
            ..Self::new(token, Arc::clone(&publish.topic), publish.payload.clone(), publish.qos.min(matched.qos))
        };
        copy.start_expiry(now);
        copy
    }
}

impl Delivery {
    /// Its life begins at `now`, unless it has begun.
    pub(crate) fn start_expiry(&mut self, now: Duration) {
        let life_s = self.properties.as_ref().and_then(|properties| properties.message_expiry_s);
        self.expires_at = self.expires_at.or(life_s.map(|seconds| now + Duration::from_secs(seconds.into())));
    }

    pub(crate) fn is_over(&self, now: Duration) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// What is left of its life, in begun seconds [MQTT-3.3.2-6].
    pub(crate) fn expiry_left_s(&self, now: Duration) -> Option<u32> {
        let left = self.expires_at?.saturating_sub(now);
        Some(u32::try_from(left.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX))
    }
}

/// A QoS 1 message without its PUBACK, or a QoS 2 message without its PUBREC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundMessage {
    /// The message.
    pub delivery: Delivery,
    /// The identifier it was sent with; `None` when it was never sent.
    pub packet_id: Option<u16>,
}

/// A QoS 2 message between its PUBREC and its PUBCOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleasedMessage {
    /// The identifier it was sent with.
    pub packet_id: u16,
    /// The owner's name for it, given back in [`crate::Output::Completed`].
    pub token: u64,
}

/// Everything to keep for a client that comes back without a clean start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedSession {
    /// Subscriptions in the order they were made.
    pub subscriptions: Vec<Subscription>,
    /// Inbound QoS 2 identifiers taken over and not yet released [MQTT-4.3.3-2].
    pub qos2_received: Vec<u16>,
    /// Outbound QoS 1 and 2 messages that the client has not taken over, oldest first.
    pub outbound: Vec<OutboundMessage>,
    /// Outbound QoS 2 messages between PUBREC and PUBCOMP, in the order of the PUBRECs [MQTT-4.3.3-8].
    pub qos2_released: Vec<ReleasedMessage>,
}

impl SavedSession {
    /// Takes out the messages that were never sent and whose token `is_meant`: what a member of a shared subscription did not get goes to
    /// another one so (MQTT 5, 4.8.2). What was sent stays, as the client may have it.
    pub fn take_unsent(&mut self, is_meant: impl Fn(u64) -> bool) -> Vec<Delivery> {
        let taken = self.outbound.extract_if(.., |message| message.packet_id.is_none() && is_meant(message.delivery.token));
        taken.map(|message| message.delivery).collect()
    }
}
