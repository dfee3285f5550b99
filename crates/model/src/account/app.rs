//! Northbound applications (1.3).

use crate::{AccountId, AppId, Digest, Originator, SubscribedFilter, Time};
use serde::{Deserialize, Serialize};

/// An application: a principal of an account with `appId` and secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct App {
    /// `appId`, which is also the `app_key` header.
    pub id: AppId,
    /// Its account.
    pub account: AccountId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// Name for people, unique in the account, 1 to 256 characters.
    pub name: String,
    /// Of its generated secret (256 random bits).
    pub secret: Digest,
    /// Frozen applications get no tokens (100449).
    pub frozen: bool,
    /// Applications of the same account that may act for this one (remarks of 100217).
    pub authorized: Vec<AppId>,
    /// Its limits.
    pub limits: AppLimits,
    /// The newest token pair, the only valid one (1.3.1).
    pub token: Option<TokenSlot>,
    /// As whom it comes to the resource tree, if it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub originator: Option<Originator>,
    /// The session that it keeps with the listener over which it receives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<ReceiverSession>,
    /// When it was made.
    pub created_at: Time,
}

/// Limits of one application; `None` takes the server's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppLimits {
    /// Calls a minute and operation (1010009); 0 switches flow control off.
    pub calls_per_minute: Option<u32>,
    /// Devices it may own (100412).
    pub devices: Option<u64>,
}

/// What is kept of the session of an application that receives over MQTT. What is on its way to it is not: the push has a durable cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverSession {
    /// Subscriptions, with the QoS granted: 1 or 2.
    pub subscriptions: Vec<SubscribedFilter>,
    /// When it ends; none while the application is connected.
    pub expires_at: Option<Time>,
}

/// A token pair, kept as digests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenSlot {
    /// Of the access token.
    pub access: Digest,
    /// When the access token ends.
    pub access_until: Time,
    /// Of the refresh token.
    pub refresh: Digest,
    /// When the refresh token ends.
    pub refresh_until: Time,
}
