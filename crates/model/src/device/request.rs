//! Requests of an account for the credentials of a device that is going to ask for them.

use crate::{AccountId, Time};
use serde::{Deserialize, Serialize};

/// A device that an account expects (Cumulocity, newDeviceRequest).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// What the device calls itself, 1 to 1,000 characters; unique on the server, as the device names no account.
    pub id: String,
    /// The account that expects it.
    pub account: AccountId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// How far it is.
    pub state: RequestState,
    /// Name of the user that made it.
    pub owner: String,
    /// What else was given with it, as a JSON object of at most 16,384 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extras: Option<String>,
    /// The token that the device must show, if it must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<crate::Digest>,
    /// The passwords that were issued for it, the newest last, at most [`DeviceRequest::ISSUED`]. Any is good for the first login, which ends the
    /// request and the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issued: Vec<crate::PasswordHash>,
    /// When it was made.
    pub created_at: Time,
}

impl DeviceRequest {
    /// Passwords that are good at once for a device that asks again and again.
    pub const ISSUED: usize = 5;
}

/// States of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RequestState {
    /// The device has not asked yet.
    WaitingForConnection,
    /// The device asked, and nobody accepted it yet.
    PendingAcceptance,
    /// Its credentials are issued when it asks again.
    Accepted,
}

impl RequestState {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WaitingForConnection => "WAITING_FOR_CONNECTION",
            Self::PendingAcceptance => "PENDING_ACCEPTANCE",
            Self::Accepted => "ACCEPTED",
        }
    }
}
