//! Bodies of the shadow (1.4.8, 1.4.9, 1.5.4).

use crate::oceanconnect::info::DeviceInfoBody;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Request of 1.4.8; its table and its example name the field differently (contract row 26).
#[derive(Deserialize)]
pub(in crate::oceanconnect) struct ModifyShadow<'a> {
    #[serde(borrow, rename = "serviceDesireds", alias = "serviceDesires")]
    pub services: Option<Vec<ServiceDesired<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct ServiceDesired<'a> {
    pub service_id: Option<String>,
    #[serde(borrow)]
    pub desired: Option<&'a RawValue>,
}

/// Answer of 1.4.9.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct ShadowBody<'a> {
    pub device_id: String,
    pub gateway_id: String,
    pub node_type: &'static str,
    pub create_time: String,
    pub last_modified_time: String,
    pub device_info: DeviceInfoBody<'a>,
    pub services: Vec<ServiceShadowBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct ServiceShadowBody<'a> {
    pub service_id: &'a str,
    pub reported_props: &'a RawValue,
    pub desired_props: &'a RawValue,
    pub event_time: String,
    pub service_type: &'a str,
}

/// Answer of 1.5.4.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct ShadowHistoryBody<'a> {
    pub total_count: u64,
    pub page_no: u64,
    pub page_size: u32,
    #[serde(rename = "DeviceDesiredHistoryDTO")]
    pub settings: Vec<SettingBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct SettingBody<'a> {
    pub service_id: &'a str,
    pub device_id: String,
    pub gateway_id: String,
    pub app_id: String,
    pub desired: &'a RawValue,
    pub timestamp: String,
}
