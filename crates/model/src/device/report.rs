//! What devices report, and how it is kept.

use crate::{AccountId, AppId, DeviceId, Seq, Time};
use serde::{Deserialize, Serialize};

/// One message of a device, checked against its product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The device.
    pub device: DeviceId,
    /// Its account.
    pub account: AccountId,
    /// The application that registered it; none for a device of the account itself.
    pub app: Option<AppId>,
    /// Its gateway, or itself.
    pub gateway: DeviceId,
    /// When the server took it.
    pub received_at: Time,
    /// What it says, at most 100 services; none for a frame that no codec could read.
    pub services: Vec<ServiceReport>,
    /// The frame before the codec, when there was one.
    pub raw: Option<Frame>,
}

/// What a device sent in its product's own format, before the codec. Kept with the history, so that it can be decoded again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The JSON object that the codec is given beside the bytes; `{}` where the access protocol has nothing to say.
    pub meta: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A frame that was kept, and the points of history that came from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFrame {
    /// The place of its report in the stream.
    pub seq: Seq,
    /// When the server took it.
    pub received_at: Time,
    /// The frame.
    pub frame: Frame,
    /// The points that history has of it, in order; their service types are not kept, hence `None`.
    pub points: Vec<ServiceReport>,
}

/// Frames of one device that were decoded again: what history is to have of each instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redecoded {
    /// The device.
    pub device: DeviceId,
    /// The place of each frame, ascending, with its services; none where the frame turned out to say nothing.
    pub frames: Vec<(Seq, Vec<ServiceReport>)>,
}

/// The values of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// Service id.
    pub service_id: String,
    /// Service type, where it differs from the id.
    pub service_type: Option<String>,
    /// The JSON object of property values.
    pub data: String,
    /// When the device measured it; the time of receipt where it gave none.
    pub event_time: Time,
    /// What its dialect keeps beside the values, a JSON object that no other one shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<String>,
}

impl ServiceReport {
    /// The type of the service: its id where the model gives none (device-side, row 23).
    pub fn service_type(&self) -> &str {
        self.service_type.as_deref().unwrap_or(&self.service_id)
    }
}

/// The newest values of one service of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// Service id.
    pub service_id: String,
    /// Service type, where it differs from the id.
    pub service_type: Option<String>,
    /// The JSON object of property values.
    pub data: String,
    /// When the device measured it.
    pub event_time: Time,
}

/// One entry of a device's history (1.5.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPoint {
    /// The place of its report in the stream, which all points of the report have.
    pub seq: Seq,
    /// The device.
    pub device: DeviceId,
    /// Its gateway at that time, or itself.
    pub gateway: DeviceId,
    /// The application that had registered it, if one had.
    pub app: Option<AppId>,
    /// Service id.
    pub service_id: String,
    /// The JSON object of property values.
    pub data: String,
    /// When the device measured it.
    pub event_time: Time,
    /// What its dialect keeps beside the values.
    pub meta: Option<String>,
}
