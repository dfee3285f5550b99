//! Bodies of device groups (1.9).

use landfall_model::{AppId, DeviceId, GroupId};
use serde::{Deserialize, Serialize};

/// Request of 1.9.1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct NewGroupBody {
    pub name: Option<String>,
    pub description: Option<String>,
    pub app_id: Option<String>,
    pub max_dev_num: Option<i64>,
    pub device_ids: Option<Vec<String>>,
}

/// Request of 1.9.3.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct ModifyGroup {
    pub name: Option<String>,
    pub description: Option<String>,
    pub max_dev_num: Option<i64>,
}

/// Answer of 1.9.1 with `deviceIds`, of 1.9.3, of 1.9.5 and in 1.9.4 with `creator`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct GroupBody<'a> {
    pub name: &'a str,
    pub description: Option<&'a str>,
    pub id: GroupId,
    pub app_id: Option<AppId>,
    pub max_dev_num: u32,
    pub cur_dev_num: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_ids: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
}

/// Answer of 1.9.4.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct GroupListBody<'a> {
    pub total_count: u64,
    pub page_no: u64,
    pub page_size: u64,
    pub list: Vec<GroupBody<'a>>,
}

/// Answer of 1.9.6.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct MemberListBody {
    pub total_count: u64,
    pub page_no: u64,
    pub page_size: u32,
    pub device_ids: Vec<DeviceId>,
}

/// Request of 1.9.7 and 1.9.8.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct GroupMembers {
    pub dev_group_id: Option<String>,
    pub device_ids: Option<Vec<String>>,
}

/// Answer of 1.9.7.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::oceanconnect) struct MembersBody<'a> {
    pub dev_group_id: GroupId,
    pub device_ids: &'a [String],
}
