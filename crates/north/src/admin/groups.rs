//! /groups: groups of devices, who is in them, and who joins and leaves.

use super::{
    caller::{JsonBody, Over, device_id},
    error::{Answer, Refusal},
    query::id,
};
use axum::{Json, extract::Path};
use landfall_model::{Cause, DeviceId, Error, Group, GroupId};
use serde::Deserialize;
use serde_json::{Value, json};

/// Groups by name: all, those of one name, or those of one application.
pub(super) async fn list(over: Over) -> Answer {
    let page = over.params.paged(&["app", "name"])?;
    let scope = match over.params.text("app") {
        Some(text) => {
            let app = over.app(text).await.map_err(|error| error.at("app"))?.id;
            over.core.narrow(&over.scope, app).await?
        }
        None => over.scope.clone(),
    };
    let found = over.core.groups(&scope, over.params.text("name"), page).await?;
    let ids: Vec<GroupId> = found.items.iter().map(|group| group.id).collect();
    let sizes = over.core.group_sizes(&scope, &ids).await?;
    let items: Vec<Value> = found.items.iter().zip(sizes).map(|(group, size)| shown(group, size)).collect();
    Ok(Json(json!({ "total": found.total, "items": items })))
}

pub(super) async fn show(over: Over, Path(which): Path<String>) -> Answer {
    over.params.only(&[])?;
    let found = over.core.group(&over.scope, group_id(&which)?).await?;
    Ok(Json(shown(&found, over.core.group_size(&over.scope, found.id).await?)))
}

/// Ids of members in their order, after `after`; `next` where there are more.
pub(super) async fn members(over: Over, Path(which): Path<String>) -> Answer {
    const SIZES: &str = "must be 1 to 1000";
    over.params.only(&["after", "pageSize"])?;
    let after = over.params.parsed::<DeviceId>("after", "must be the id of a device")?;
    let limit = over.params.parsed("pageSize", SIZES)?.unwrap_or(50);
    if !(1..=Group::SLICE as u32).contains(&limit) {
        return Err(Error::invalid("pageSize", SIZES).into());
    }
    let found = over.core.group_members(&over.scope, group_id(&which)?, after, limit).await?;
    Ok(Json(json!({ "items": found.devices, "next": found.next })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MembersBody {
    device_ids: Vec<String>,
}

/// All of the devices join, at most 1,000, or none.
pub(super) async fn add(over: Over, Path(which): Path<String>, JsonBody(body): JsonBody<MembersBody>) -> Answer {
    over.params.only(&[])?;
    let (group, devices) = (group_id(&which)?, ids(&body)?);
    over.core.join_group(&over.scope, group, &devices).await?;
    size(&over, group).await
}

/// All of the devices leave, at most 1,000, or none.
pub(super) async fn remove(over: Over, Path(which): Path<String>, JsonBody(body): JsonBody<MembersBody>) -> Answer {
    over.params.only(&[])?;
    let (group, devices) = (group_id(&which)?, ids(&body)?);
    over.core.leave_group(&over.scope, group, &devices).await?;
    size(&over, group).await
}

async fn size(over: &Over, group: GroupId) -> Answer {
    Ok(Json(json!({ "members": over.core.group_size(&over.scope, group).await? })))
}

fn ids(body: &MembersBody) -> Result<Vec<DeviceId>, Refusal> {
    body.device_ids.iter().map(|text| device_id(text)).collect()
}

fn group_id(text: &str) -> Result<GroupId, Refusal> {
    id(text, Cause::ResourceNotFound)
}

fn shown(group: &Group, members: u64) -> Value {
    json!({
        "groupId": group.id,
        "name": group.name,
        "description": group.description,
        "appId": group.owner,
        "maxMembers": group.max_members,
        "members": members,
        "creator": group.creator,
        "createdAt": group.created_at.iso(),
    })
}
