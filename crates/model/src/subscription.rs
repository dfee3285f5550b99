//! Subscriptions and their durable cursors (1.6).

use crate::{AccountId, AppId, NotifyType, ResourceId, Seq, SubscriptionId, Time};
use serde::{Deserialize, Serialize};

/// A wish to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Id.
    pub id: SubscriptionId,
    /// Account.
    pub account: AccountId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// The application that owns the callback address.
    pub owner: AppId,
    /// The application whose devices are meant.
    pub target: AppId,
    /// The application that made it; none: the target itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<AppId>,
    /// What is told.
    pub kind: SubscriptionKind,
    /// How.
    pub channel: Channel,
    /// Where, up to 1024 characters: http or https, where the channel calls it.
    pub callback_url: String,
    /// When it was made.
    pub created_at: Time,
}

/// What a subscription selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SubscriptionKind {
    /// One of the notifications of 1.6.1 and 1.6.2.
    Notify(NotifyType),
    /// The pushes of calls that name this address in `header.callbackURL` (1.7.7); made by the server, not listed by 1.6.4.
    CallAddress,
    /// The notices of a subscription to a resource, by its id, to one of its addresses; made by the server, not listed by 1.6.4.
    Resource(ResourceId, u8),
}

/// How a subscriber is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Channel {
    /// POST to the callback address.
    #[default]
    Http,
    /// A message to the connection that the owner holds to the MQTT listener; the callback address is kept as it was given.
    Mqtt,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Http, Self::Mqtt];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Mqtt => "MQTT",
        }
    }
}

/// How far a subscriber has been served. Everything up to `read_to` was confirmed by a 2xx or did not concern it, except `open`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Whose.
    pub subscription: SubscriptionId,
    /// Events up to here were looked at.
    pub read_to: Seq,
    /// Events up to `read_to` that were not confirmed yet, ascending, at most 1,000.
    pub open: Vec<Seq>,
}
