//! Every bound of a connection in one place. Absent: rates; those belong to the driver, which has a clock.

use std::time::Duration;

use crate::Qos;

/// What one connection may use. Shared by all connections of a listener.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest whole PUBLISH, fixed header included; announced to MQTT 5 clients.
    pub packet_bytes: usize,
    /// Largest whole packet of any other type; MQTT 5 cannot announce it apart from [`Limits::packet_bytes`].
    pub control_bytes: usize,
    /// Largest property block of one MQTT 5 packet.
    pub property_bytes: usize,
    /// Most user properties in one MQTT 5 packet.
    pub user_properties: usize,
    /// Longest topic name or topic filter.
    pub topic_bytes: usize,
    /// Most inbound messages waiting for [`crate::Input::PublishDone`]; also the receive maximum announced to MQTT 5 clients, 1 or more.
    pub inflight: u16,
    /// Most inbound SUBSCRIBE and UNSUBSCRIBE packets waiting for their answer.
    pub pending_subscribes: usize,
    /// Most subscriptions of one session.
    pub subscriptions: usize,
    /// Most packet identifiers waiting for PUBREL.
    pub qos2_received: usize,
    /// Most outbound QoS 1 and 2 messages kept, sent or not, also from a kept session; above 60,000 counts as 60,000.
    pub outbound_queue: usize,
    /// Most outbound QoS 1 and 2 messages taken beside those that the client's receive maximum lets through.
    pub outbound_waiting: usize,
    /// Most outbound QoS 1 and 2 exchanges under way; the client's receive maximum may lower it.
    pub outbound_inflight: u16,
    /// Highest topic alias a client may use.
    pub topic_aliases: u16,
    /// Time from the start of the connection to a whole CONNECT.
    pub connect_timeout: Duration,
    /// Time from CONNECT to the owner's answer.
    pub accept_timeout: Duration,
    /// Longest keep-alive, seconds, 1 or more; longer ones are lowered to it. Only MQTT 5 clients can be told.
    pub keep_alive_max_s: u16,
    /// How long a client that asked for no keep-alive (0) may be silent.
    pub silence: Duration,
    /// Highest quality of service a client may publish with.
    pub qos_in: Qos,
    /// Highest quality of service granted to a subscription.
    pub qos_out: Qos,
    /// Whether clients may set RETAIN (what it means is the owner's business).
    pub retain_available: bool,
    /// Whether clients may subscribe with `+` and `#`.
    pub wildcards_available: bool,
    /// Whether clients may give their subscriptions identifiers.
    pub subscription_ids_available: bool,
    /// Whether clients may share subscriptions.
    pub shared_available: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packet_bytes: 1_048_576 + 16_384,
            control_bytes: 65_536 + 4_096,
            property_bytes: 8_192,
            user_properties: 32,
            topic_bytes: 1_024,
            inflight: 64,
            pending_subscribes: 8,
            subscriptions: 64,
            qos2_received: 1_024,
            outbound_queue: 64,
            outbound_waiting: 64,
            outbound_inflight: 16,
            topic_aliases: 16,
            connect_timeout: Duration::from_secs(10),
            accept_timeout: Duration::from_secs(10),
            keep_alive_max_s: u16::MAX,
            silence: Duration::from_secs(176_400),
            qos_in: Qos::ExactlyOnce,
            qos_out: Qos::AtLeastOnce,
            retain_available: true,
            wildcards_available: true,
            subscription_ids_available: false,
            shared_available: false,
        }
    }
}
