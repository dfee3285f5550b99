//! MQTT sessions that outlive their connection.

use crate::{CallId, DeviceId, Time};
use serde::{Deserialize, Serialize};

/// A kept session, one a device whatever its clientId (device-side, section 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSession {
    /// The device.
    pub device: DeviceId,
    /// Its subscriptions.
    pub subscriptions: Vec<SubscribedFilter>,
    /// Packet ids of QoS 2 publishes that wait for PUBREL.
    pub qos2_received: Vec<u16>,
    /// Messages that wait for PUBACK.
    pub outbound: Vec<OutboundMessage>,
    /// When it ends if the device stays away.
    pub expires_at: Time,
}

/// A subscription of a kept session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribedFilter {
    /// Topic filter.
    pub filter: String,
    /// Granted QoS, 0 or 1.
    pub qos: u8,
}

/// A message on its way to the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundMessage {
    /// Packet id it was sent with.
    pub packet_id: u16,
    /// The call it carries.
    pub call: Option<CallId>,
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
}
