//! Bodies of the contract as serde types. Field names, order and null rules are those of its schemas; limits are checked by the readers.

mod batch;
mod command;
mod group;
mod shadow;

pub(super) use batch::*;
pub(super) use command::*;
pub(super) use group::*;
pub(super) use shadow::*;

use super::info::DeviceInfoBody;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

/// Request of 1.3.1 and, with `refreshToken`, of 1.3.2.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenRequest {
    pub app_id: Option<String>,
    pub secret: Option<String>,
    pub refresh_token: Option<String>,
}

/// Answer of 1.3.1 and 1.3.2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenBody<'a> {
    pub scope: &'static str,
    pub token_type: &'static str,
    pub expires_in: u32,
    pub access_token: &'a str,
    pub refresh_token: &'a str,
}

/// Request of 1.4.1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegisterByCode {
    pub device_info: Option<RegisterInfo>,
    pub end_user_id: Option<String>,
    pub imsi: Option<String>,
    pub is_secure: Option<bool>,
    pub node_id: Option<String>,
    pub psk: Option<String>,
    pub timeout: Option<i64>,
    pub verify_code: Option<String>,
    pub product_id: Option<String>,
}

/// Request of 1.4.2.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegisterBySecret {
    pub device_info: Option<RegisterInfo>,
    pub end_user_id: Option<String>,
    pub organization: Option<String>,
    pub region: Option<String>,
    pub timezone: Option<String>,
    pub mqtt_connect: Option<bool>,
    pub product_id: Option<String>,
    pub secret: Option<String>,
}

/// `deviceInfo` of 1.4.1 and, with `nodeId`, of 1.4.2.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegisterInfo {
    pub node_id: Option<String>,
    pub manufacturer_id: Option<String>,
    pub manufacturer_name: Option<String>,
    pub device_type: Option<String>,
    pub model: Option<String>,
    pub protocol_type: Option<String>,
    pub name: Option<String>,
}

/// Answer of 1.4.1 and of 1.4.2: what the way of access gives.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegisteredBody<'a> {
    pub device_id: String,
    pub psk: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_code: Option<&'a str>,
}

/// Request of 1.4.3.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefreshKeyBody {
    pub node_id: Option<String>,
    pub timeout: Option<i64>,
    pub verify_code: Option<String>,
}

/// Answer of 1.4.3.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewKeyBody<'a> {
    pub verify_code: &'a str,
    pub timeout: u32,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomField {
    pub field_name: Option<String>,
    pub field_type: Option<String>,
    #[serde(default)]
    pub field_value: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceConfig {
    pub data_config: Option<DataConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DataConfig {
    pub data_aging_time: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagBody {
    pub tag_name: String,
    pub tag_value: String,
    pub tag_type: Option<i64>,
}

/// Answer of 1.4.7.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActivationBody<'a> {
    pub device_id: String,
    pub activated: bool,
    pub name: Option<&'a str>,
}

/// `QueryDeviceDTO4Cloud2NA` of 1.5.1 and 1.5.2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceBody<'a> {
    pub device_id: String,
    pub gateway_id: String,
    pub node_type: &'static str,
    pub create_time: String,
    pub last_modified_time: String,
    pub device_info: DeviceInfoBody<'a>,
    pub services: Vec<ServiceBody<'a>>,
    /// The newest alarm that is not cleared.
    pub alarm_info: Option<AlarmBody>,
}

/// `AlarmInfoDTO` of 1.5.1 and 1.5.2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlarmBody {
    pub alarm_severity: &'static str,
    pub alarm_status: bool,
    pub alarm_time: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceBody<'a> {
    pub service_id: &'a str,
    pub service_type: &'a str,
    pub service_info: ServiceInfoBody<'a>,
    pub data: &'a RawValue,
    pub event_time: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceInfoBody<'a> {
    pub mute_cmds: Vec<&'a str>,
}

/// Answer of 1.5.2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceListBody<'a> {
    pub total_count: u64,
    pub page_no: u64,
    pub page_size: u32,
    pub devices: Vec<DeviceBody<'a>>,
}

/// Answer of 1.5.3.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryBody<'a> {
    pub total_count: u64,
    pub page_no: u64,
    pub page_size: u32,
    #[serde(rename = "deviceDataHistoryDTOs")]
    pub points: Vec<PointBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PointBody<'a> {
    pub service_id: &'a str,
    pub device_id: String,
    pub gateway_id: String,
    pub app_id: String,
    pub data: &'a RawValue,
    pub timestamp: String,
}

/// Answer of 1.5.5; `serviceCapabilities` are rendered once a product.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CapabilitiesBody<'a> {
    pub device_capabilities: Vec<DeviceCapabilityBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceCapabilityBody<'a> {
    pub device_id: String,
    pub service_capabilities: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CapabilityBody<'a> {
    pub service_id: &'a str,
    pub service_type: &'a str,
    pub option: &'a str,
    pub description: &'a str,
    pub commands: Vec<CommandBody<'a>>,
    pub properties: Vec<PropertyBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommandBody<'a> {
    pub command_name: &'a str,
    pub paras: Vec<ParaBody<'a>>,
    pub responses: Vec<ResponseBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResponseBody<'a> {
    pub response_name: &'a str,
    pub paras: Vec<ParaBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParaBody<'a> {
    pub para_name: &'a str,
    #[serde(flatten)]
    pub limits: LimitsBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PropertyBody<'a> {
    pub property_name: &'a str,
    #[serde(flatten)]
    pub limits: LimitsBody<'a>,
    pub method: &'a str,
}

/// Type and limits of a property or parameter; what the model leaves open is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LimitsBody<'a> {
    pub data_type: &'a str,
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub enum_list: &'a [String],
}

/// Request of 1.6.1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscribeBody {
    pub app_id: Option<String>,
    pub notify_type: Option<String>,
    pub callback_url: Option<String>,
    pub channel: Option<String>,
}

/// Answer of 1.6.1 and 1.6.3, and an entry of 1.6.4.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionBody<'a> {
    pub subscription_id: String,
    pub notify_type: &'static str,
    pub callback_url: &'a str,
    /// Told in 1.6.1, where the channel is MQTT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ids: Option<[landfall_model::AppId; 1]>,
}

/// Answer of 1.6.4.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionListBody<'a> {
    pub total_count: usize,
    pub page_no: u64,
    pub page_size: usize,
    pub subscriptions: Vec<SubscriptionBody<'a>>,
}

/// Request of 1.7.7.
#[derive(Deserialize)]
pub(super) struct CallBody<'a> {
    pub header: Option<CallHeader>,
    #[serde(borrow)]
    pub body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallHeader {
    pub request_id: Option<String>,
    pub mode: Option<String>,
    pub from: Option<String>,
    pub to_type: Option<String>,
    pub to: Option<String>,
    pub method: Option<String>,
    #[serde(rename = "callbackURL")]
    pub callback_url: Option<String>,
}

/// Answer of 1.7.7.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallTakenBody<'a> {
    pub status: &'static str,
    pub timestamp: String,
    pub request_id: &'a str,
}
