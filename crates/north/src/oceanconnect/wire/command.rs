//! Bodies of cached commands and of their revocation (1.7.1 to 1.7.6).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Request of 1.7.1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct CreateCommand<'a> {
    pub device_id: Option<String>,
    #[serde(borrow)]
    pub command: Option<WantedCommand<'a>>,
    pub callback_url: Option<String>,
    pub expire_time: Option<i64>,
    pub max_retransmit: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct WantedCommand<'a> {
    pub service_id: Option<String>,
    pub method: Option<String>,
    #[serde(borrow)]
    pub paras: Option<&'a RawValue>,
}

/// `DeviceCommandResp` of 1.7.2 to 1.7.6; without `result` it is the answer of 1.7.1. Unset fields are null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct DeviceCommandBody<'a> {
    pub command_id: String,
    pub app_id: String,
    pub device_id: String,
    pub command: SentCommand<'a>,
    pub callback_url: Option<&'a str>,
    pub expire_time: Option<u32>,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Option<CommandResultBody<'a>>>,
    pub creation_time: String,
    pub execute_time: Option<String>,
    pub platform_issued_time: Option<String>,
    pub delivered_time: Option<String>,
    pub issued_times: Option<u32>,
    pub max_retransmit: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct SentCommand<'a> {
    pub service_id: &'a str,
    pub method: &'a str,
    pub paras: &'a RawValue,
}

/// `result` of a command and of its callback (1.6.7.12).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct CommandResultBody<'a> {
    pub result_code: &'static str,
    pub result_detail: Option<&'a RawValue>,
}

/// Page of 1.7.2 and 1.7.6.
#[derive(Serialize)]
pub(in crate::oceanconnect) struct Paged<T> {
    pub pagination: Pagination,
    pub data: Vec<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct Pagination {
    pub page_no: u64,
    pub page_size: u32,
    pub total_size: u64,
}

/// Page of commands of version 1.2.0 (contract section 16).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct OlderCommandsBody<'a> {
    pub total_count: u64,
    pub page_no: u64,
    pub page_size: u32,
    pub list: Vec<DeviceCommandBody<'a>>,
}

/// Request of 1.7.3; version 1.2.0 calls the state `resultCode`, in `result` or beside it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct ModifyCommand {
    status: Option<String>,
    result_code: Option<String>,
    result: Option<WantedResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WantedResult {
    result_code: Option<String>,
}

impl ModifyCommand {
    /// The state that is wanted.
    pub fn wanted(&self) -> Option<&str> {
        let older = self.result.as_ref().and_then(|result| result.result_code.as_deref());
        self.status.as_deref().or(self.result_code.as_deref()).or(older)
    }
}

/// Request of 1.7.5.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct CreateRevocation {
    pub device_id: Option<String>,
}

/// Answer of 1.7.5, and an entry of 1.7.6.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct RevocationBody<'a> {
    pub task_id: String,
    pub app_id: String,
    pub device_id: String,
    pub status: &'static str,
    pub total_count: usize,
    pub device_commands: Vec<DeviceCommandBody<'a>>,
}
