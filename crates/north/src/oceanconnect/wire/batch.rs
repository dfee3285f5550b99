//! Bodies of batch tasks (1.8.1 to 1.8.3).

use super::{CommandResultBody, SentCommand, WantedCommand};
use serde::{Deserialize, Serialize};

/// Request of 1.8.1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct CreateBatchTask<'a> {
    pub app_id: Option<String>,
    pub timeout: Option<i64>,
    pub task_name: Option<String>,
    pub task_type: Option<String>,
    #[serde(borrow)]
    pub param: Option<WantedBatch<'a>>,
    pub tags: Option<Vec<WantedTag>>,
}

/// `param` of 1.8.1 for DeviceCmd.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct WantedBatch<'a> {
    pub r#type: Option<String>,
    pub device_list: Option<Vec<String>>,
    pub device_type: Option<String>,
    pub manufacturer_id: Option<String>,
    pub model: Option<String>,
    pub device_location: Option<String>,
    pub group_list: Option<Vec<String>>,
    #[serde(borrow)]
    pub command: Option<WantedCommand<'a>>,
    pub callback_url: Option<String>,
    pub max_retransmit: Option<i64>,
    pub group_tag: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct WantedTag {
    pub tag_name: Option<String>,
    pub tag_value: Option<String>,
}

/// Answer of 1.8.1, which alone has a capital ID.
#[derive(Serialize)]
pub(in crate::oceanconnect) struct BatchTaskMade {
    #[serde(rename = "taskID")]
    pub task_id: String,
}

/// Answer of 1.8.2; `tags` only where they were asked for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct BatchTaskBody<'a> {
    pub task_id: String,
    pub task_name: &'a str,
    pub app_id: String,
    pub operator: &'a str,
    pub task_from: &'static str,
    pub task_type: &'static str,
    pub status: &'static str,
    pub start_time: String,
    pub timeout: u32,
    pub progress: u64,
    pub total_cnt: u64,
    pub success_cnt: u64,
    pub fail_cnt: u64,
    pub timeout_cnt: u64,
    pub expired_cnt: u64,
    pub complete_cnt: u64,
    pub success_rate: u64,
    pub param: BatchBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<BatchTag<'a>>>,
}

/// `param` of 1.8.2: what was given of what fits `type`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct BatchBody<'a> {
    pub r#type: &'static str,
    #[serde(flatten)]
    pub selection: SelectionBody<'a>,
    pub command: SentCommand<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<&'a str>,
    pub max_retransmit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_tag: Option<&'a str>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct SelectionBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_list: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_location: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_list: Option<&'a [String]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct BatchTag<'a> {
    pub tag_name: &'a str,
    pub tag_value: &'a str,
}

/// Answer of 1.8.3.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct SubTasksBody {
    pub total_count: u64,
    pub page_no: u64,
    pub page_size: u32,
    pub task_details: Vec<SubTaskBody>,
}

/// A sub-task; `output` and `error` are JSON packed in texts.
#[derive(Serialize)]
pub(in crate::oceanconnect) struct SubTaskBody {
    pub status: &'static str,
    pub output: Option<String>,
    pub error: Option<String>,
    pub param: SubTaskParam,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct SubTaskParam {
    pub device_id: String,
    pub command_id: Option<String>,
}

/// `output` of a sub-task.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct OutputBody<'a> {
    pub request_id: String,
    pub command_result: Option<CommandResultBody<'a>>,
}

/// `error` of a sub-task.
#[derive(Serialize)]
pub(in crate::oceanconnect) struct RefusalBody<'a> {
    pub error_code: &'a str,
    pub error_desc: &'a str,
}
