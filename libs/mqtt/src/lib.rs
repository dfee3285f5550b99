//! The broker side of one MQTT 3.1.1 or 5.0 connection, and the session state that outlives it, as a pure machine.
//!
//! [`Connection`] is fed [`Input`] and drained of [`Output`]; bytes, time and decisions are arguments. It frames and checks every packet,
//! keeps packet identifiers, acknowledges in MQTT order and only after the owner said so, enforces [`Limits`] on everything that can grow,
//! and names the exact check that ended a connection ([`CloseReason`]).
//!
//! Beside it are the pure parts that owners of many sessions put between their machines: [`matched`], [`RetainedMessages`],
//! [`SharedSubscriptions`], [`DelayedWills`]. The example `broker` puts them together.
//!
//! Absent on purpose: sockets, TLS, WebSocket framing, clocks, threads; what is durable; enhanced authentication.
#![forbid(unsafe_code)]

mod check;
mod connection;
mod event;
mod filter;
mod frame;
pub mod fuzz;
mod limits;
mod packet;
mod property;
mod read;
mod retained;
mod session;
mod shared;
mod subscription;
mod wills;
mod write;

pub use check::{Check, CloseKind, CloseReason};
pub use connection::Connection;
pub use event::{
    Accept, ConnectRefusal, ConnectRequest, DisconnectReason, DropReason, Input, Output, Publish, PublishRefusal, Secret,
    Subscribe, SubscribeGrant, SubscribeRefusal, Ticket, Unsubscribe, Will,
};
pub use filter::{Filter, FilterError, topic_is_valid};
pub use limits::Limits;
pub use property::PublishProperties;
pub use retained::{Retained, RetainedFull, RetainedMessages};
pub use session::{Delivery, OutboundMessage, ReleasedMessage, SavedSession};
pub use shared::{Chosen, SharedFull, SharedSubscriptions};
pub use subscription::{Matched, Subscription, matched};
pub use wills::DelayedWills;
pub use write::publish_bytes;

/// The protocol version a client asked for in its CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4; also 3.1 (`MQIsdp`, level 3), which differs in nothing that is sent to a client.
    V311,
    /// MQTT 5.0, protocol level 5.
    V5,
}

/// Quality of service of a message or a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    /// 0: at most once.
    AtMostOnce = 0,
    /// 1: at least once.
    AtLeastOnce = 1,
    /// 2: exactly once.
    ExactlyOnce = 2,
}

impl Qos {
    /// The level for its number on the wire; `None` for 3 and above.
    pub fn from_level(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}
