//! What goes into a connection and what comes out of it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::{CloseReason, Delivery, Limits, PublishProperties, Qos, SavedSession, Subscription, Version};

/// Names one question of this connection until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something that happened outside the machine.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes from the client, in any portions.
    Data(&'a [u8]),
    /// The network connection is gone.
    Closed,
    /// The time of [`crate::Connection::poll_timeout`] has come.
    Timeout,
    /// Answer to [`Output::Connect`].
    Accept(Accept),
    /// Answer to [`Output::Connect`]: CONNACK with the code, then close.
    Refuse(ConnectRefusal),
    /// Answer to [`Output::Publish`]; only now PUBACK or PUBREC is sent, in the order the messages came.
    PublishDone {
        /// From [`Publish::ticket`].
        ticket: Ticket,
        /// A refusal reaches MQTT 5 clients as reason code; MQTT 3.1.1 has none, so there the message is acknowledged and gone.
        /// For a passing fault use [`Input::Disconnect`], so that the client sends it again.
        result: Result<(), PublishRefusal>,
    },
    /// Answer to [`Output::Subscribe`], one grant per filter in its order; missing ones count as refused.
    SubscribeDone {
        /// From [`Subscribe::ticket`].
        ticket: Ticket,
        /// Decisions.
        grants: Vec<SubscribeGrant>,
    },
    /// Answer to [`Output::Unsubscribe`].
    UnsubscribeDone {
        /// From [`Unsubscribe::ticket`].
        ticket: Ticket,
    },
    /// A message for the client.
    Deliver(Delivery),
    /// End the connection from this side.
    Disconnect(DisconnectReason),
}

/// How a CONNECT is accepted.
#[derive(Clone, Debug, Default)]
pub struct Accept {
    /// Told to the client; false for a clean start [MQTT-3.2.2-1].
    pub session_present: bool,
    /// State of the kept session.
    pub resume: Option<Box<SavedSession>>,
    /// Identifier given to an MQTT 5 client that sent none.
    pub assigned_client_id: Option<String>,
    /// Session expiry if it differs from the one asked for, seconds; told to MQTT 5 clients.
    pub session_expiry_s: Option<u32>,
    /// The identifier of outbound messages after which new ones go on, as [`crate::Connection::last_packet_id`] gave it; 0: at 1.
    pub last_packet_id: u16,
    /// Limits that hold from here on instead of those of [`crate::Connection::new`], for a client of another kind.
    pub limits: Option<Arc<Limits>>,
}

/// Why a CONNECT is refused: return code of MQTT 3.1.1 (3.2.2.3) and reason code of MQTT 5 (3.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectRefusal {
    /// 2, 0x85.
    ClientIdentifierNotValid,
    /// 3, 0x88.
    ServerUnavailable,
    /// 3, 0x89.
    ServerBusy,
    /// 4, 0x86.
    BadUserNameOrPassword,
    /// 5, 0x87.
    NotAuthorized,
    /// 5, 0x8A.
    Banned,
    /// 3, 0x97.
    QuotaExceeded,
}

impl ConnectRefusal {
    /// The code for a client of `version`.
    pub fn code(self, version: Version) -> u8 {
        let (v311, v5) = match self {
            Self::ClientIdentifierNotValid => (2, 0x85),
            Self::ServerUnavailable => (3, 0x88),
            Self::ServerBusy => (3, 0x89),
            Self::BadUserNameOrPassword => (4, 0x86),
            Self::NotAuthorized => (5, 0x87),
            Self::Banned => (5, 0x8a),
            Self::QuotaExceeded => (3, 0x97),
        };
        if version == Version::V5 { v5 } else { v311 }
    }
}

/// Why a message is refused (MQTT 5, 3.4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishRefusal {
    /// Unspecified error.
    Unspecified = 0x80,
    /// Implementation specific error.
    ImplementationSpecific = 0x83,
    /// Not authorized.
    NotAuthorized = 0x87,
    /// Topic name invalid.
    TopicNameInvalid = 0x90,
    /// Quota exceeded.
    QuotaExceeded = 0x97,
    /// Payload format invalid.
    PayloadFormatInvalid = 0x99,
}

/// Why the owner ends a connection (MQTT 5, 3.14.2.1); MQTT 3.1.1 clients just see the connection close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectReason {
    /// Unspecified error.
    Unspecified = 0x80,
    /// Not authorized any more.
    NotAuthorized = 0x87,
    /// Server busy.
    ServerBusy = 0x89,
    /// Server shutting down.
    ServerShuttingDown = 0x8b,
    /// The same client has connected anew.
    SessionTakenOver = 0x8e,
    /// Message rate too high.
    MessageRateTooHigh = 0x96,
    /// Quota exceeded.
    QuotaExceeded = 0x97,
    /// Administrative action.
    AdministrativeAction = 0x98,
}

/// Why one filter is refused (MQTT 5, 3.9.3); MQTT 3.1.1 clients see 0x80.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeRefusal {
    /// Unspecified error.
    Unspecified = 0x80,
    /// The filter would do, and what was asked for with it does not.
    ImplementationSpecific = 0x83,
    /// Not authorized.
    NotAuthorized = 0x87,
    /// Filter well formed and not accepted.
    TopicFilterInvalid = 0x8f,
    /// Quota exceeded.
    QuotaExceeded = 0x97,
}

/// Decision about one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeGrant {
    /// Granted with at most this quality of service; the request and [`crate::Limits::qos_out`] lower it further.
    Granted(Qos),
    /// Refused.
    Refused(SubscribeRefusal),
}

/// Something to do outside the machine, in this order.
#[derive(Debug)]
pub enum Output {
    /// Bytes for the client.
    Send(Vec<u8>),
    /// A client wants to connect: answer with [`Input::Accept`] or [`Input::Refuse`].
    Connect(Box<ConnectRequest>),
    /// A message: answer with [`Input::PublishDone`], whatever its quality of service.
    Publish(Publish),
    /// A request to subscribe: answer with [`Input::SubscribeDone`].
    Subscribe(Subscribe),
    /// Filters that this machine refuses by itself; its SUBACK says so. At most one for each SUBSCRIBE, before the question about the others.
    SubscribeRefused {
        /// The first of them, cut to 256 bytes.
        filter: Box<str>,
        /// A stable name of what is wrong with it, such as `filter.shared`.
        check: &'static str,
        /// How many more of the packet were refused.
        further: usize,
    },
    /// A request to unsubscribe: answer with [`Input::UnsubscribeDone`].
    Unsubscribe(Unsubscribe),
    /// The client has taken the message over: PUBACK (QoS 1) or PUBREC (QoS 2) was received. For QoS 0: the bytes were handed out before this.
    ///
    /// PUBREL is handed out after this: an owner that promises exactly once over its own crash makes the state durable in between. A client may
    /// pass a QoS 2 message on only once it has PUBREL (4.3.3, method A): until [`Output::Completed`] it may still lose it with its session.
    Delivered {
        /// From [`Delivery::token`].
        token: u64,
        /// Reason code of PUBACK or PUBREC, 0x80 and above when the client refused the message. Always 0 from MQTT 3.1.1 clients.
        code: u8,
    },
    /// The exchange of a QoS 2 message is over: PUBCOMP was received.
    Completed {
        /// From [`Delivery::token`].
        token: u64,
    },
    /// A delivery was not taken.
    Dropped {
        /// From [`Delivery::token`].
        token: u64,
        /// Why.
        reason: DropReason,
    },
    /// The will is to be published, because the connection ended without a proper DISCONNECT [MQTT-3.1.2-8].
    Will(Box<Will>),
    /// Close the network connection after the bytes before this were written. Nothing follows.
    Close {
        /// Why.
        why: CloseReason,
    },
}

/// Why a [`Delivery`] was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// [`crate::Limits::outbound_queue`] is full.
    QueueFull,
    /// The packet would be larger than the client accepts [MQTT-3.1.2-24].
    TooLarge,
    /// The connection is not open.
    NotConnected,
    /// Its life time was over before it could be sent for the first time [MQTT-3.3.2-5].
    Expired,
}

/// Bytes that never show in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The content of a CONNECT.
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    /// Protocol version.
    pub version: Version,
    /// Client identifier; empty when the client leaves the choice to the server.
    pub client_id: Box<str>,
    /// User name.
    pub username: Option<Box<str>>,
    /// Password; may come without user name in MQTT 5.
    pub password: Option<Secret>,
    /// Whether to start without old state.
    pub clean_start: bool,
    /// Keep-alive as asked for, seconds; what is used is [`crate::Connection::keep_alive_s`].
    pub keep_alive_s: u16,
    /// How long to keep the session after the connection, seconds; `u32::MAX`: for ever. MQTT 3.1.1: 0 or `u32::MAX`.
    pub session_expiry_s: u32,
    /// Largest packet that the client takes (MQTT 5), bytes; `u32::MAX`: any.
    pub maximum_packet_bytes: u32,
    /// Will message.
    pub will: Option<Box<Will>>,
    /// MQTT 5 user properties.
    pub user: Vec<(Box<str>, Box<str>)>,
}

/// A will message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// Topic name.
    pub topic: Arc<str>,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service.
    pub qos: Qos,
    /// RETAIN flag.
    pub retain: bool,
    /// MQTT 5 will delay, seconds; [`crate::DelayedWills`] waits, not the machine.
    pub delay_s: u32,
    /// MQTT 5 properties.
    pub properties: Option<Arc<PublishProperties>>,
}

/// A message from the client.
#[derive(Clone, Debug)]
pub struct Publish {
    /// For the answer.
    pub ticket: Ticket,
    /// Topic name, aliases resolved.
    pub topic: Arc<str>,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service.
    pub qos: Qos,
    /// The client says it may have been sent before.
    pub dup: bool,
    /// RETAIN flag.
    pub retain: bool,
    /// Packet identifier, for diagnosis.
    pub packet_id: Option<u16>,
    /// MQTT 5 properties.
    pub properties: Option<Arc<PublishProperties>>,
}

impl From<Will> for Publish {
    /// The will as the message it is; nobody waits for an answer to it.
    fn from(will: Will) -> Self {
        let Will { topic, payload, qos, retain, properties, .. } = will;
        Self { ticket: Ticket(0), topic, payload, qos, dup: false, retain, packet_id: None, properties }
    }
}

/// A request to subscribe, only the filters that are well formed and within limits.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// For the answer.
    pub ticket: Ticket,
    /// Filters with what was asked for.
    pub filters: Vec<Subscription>,
}

/// A request to unsubscribe.
#[derive(Clone, Debug)]
pub struct Unsubscribe {
    /// For the answer.
    pub ticket: Ticket,
    /// Filters as sent, existing or not.
    pub filters: Vec<Box<str>>,
}
