//! The desired half of a device's shadow (1.4.8); the reported half is what the device last said.

use crate::{AccountId, AppId, DeviceId, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What applications want a device's properties to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// The device.
    pub device: DeviceId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// By service id, ascending; at most as many as the product has.
    pub services: Vec<Desired>,
}

/// The desired values of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Service id.
    pub service_id: String,
    /// The JSON object of property values, merged from all settings.
    pub desired: String,
    /// When it was last set.
    pub set_at: Time,
    /// Names of the properties that the device has not taken yet.
    pub open: Vec<String>,
    /// The applications that set open properties; of one that is not in it, an operator.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by: BTreeMap<String, AppId>,
}

/// One setting of one service, as history shows it (1.5.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Account.
    pub account: AccountId,
    /// The application that registered the device; none for a device of the account itself.
    pub app: Option<AppId>,
    /// The device.
    pub device: DeviceId,
    /// Its gateway at that time, or itself.
    pub gateway: DeviceId,
    /// Service id.
    pub service_id: String,
    /// The JSON object that was asked for.
    pub desired: String,
    /// When.
    pub at: Time,
}
