//! Calls of device services (1.7.7): never cached, answered by `mid`.

use crate::{AccountId, AppId, CallId, DeviceId, Time};
use serde::{Deserialize, Serialize};

/// A call that waits for its device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceCall {
    /// Id.
    pub id: CallId,
    /// Account of the device.
    pub account: AccountId,
    /// The application in whose name it was asked for; none: an operator asked, of a device of the account itself.
    pub app: Option<AppId>,
    /// The application that asked, where it acted for another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<AppId>,
    /// The device it is for.
    pub device: DeviceId,
    /// Number on the device side, 1 to 65535, unique among the device's waiting calls.
    pub mid: u16,
    /// `header.requestId`, given or made; up to 128 characters.
    pub request_id: String,
    /// `header.from`: who asked; the `to` of the pushes.
    pub from: String,
    /// Whether the application wants confirmations (`header.mode` ACK).
    pub ack: bool,
    /// Service.
    pub service_id: String,
    /// Service type.
    pub service_type: String,
    /// Command.
    pub method: String,
    /// The product's name for the response; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// The JSON object of parameters.
    pub paras: String,
    /// `header.callbackURL`: takes every change of status.
    pub callback_url: Option<String>,
    /// How far it came.
    pub state: CallState,
    /// When it was made.
    pub created_at: Time,
    /// When its `mid` is freed.
    pub expires_at: Time,
}

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallState {
    /// Handed to the connection.
    Sent,
    /// The device's PUBACK came.
    Delivered,
}
