//! Device groups (1.9.1 to 1.9.8): the groups of an application, and who is in them.
//!
//! Groups that another dialect or an operator made for the application are shown with the names that they have there.

use super::{
    Errors, Fault,
    request::{Inbound, answer, device_id, taken},
    row,
    wire::{GroupBody, GroupListBody, GroupMembers, MemberListBody, MembersBody, ModifyGroup, NewGroupBody},
};
use axum::{http::StatusCode, response::Response};
use landfall_core::{GroupChange, NewGroup, Scope};
use landfall_model::{Cause, DeviceId, Error, Group, GroupId, PageRequest};

/// Characters of a name.
const NAME: usize = 50;
/// Greatest number of devices that a group can be bounded to: what an Integer holds.
const MAX_DEV_NUM: u32 = i32::MAX as u32;

const UNKNOWN: row::Row = (200, "100603", "The device group is not existed.");
const NAME_USED: row::Row = (200, "100602", "The device group name has been used.");
const FULL: row::Row = (200, "100601", "The number of device in the group has reach the max.");
const MEMBERS_INVALID: row::Row = (400, "100604", "The device group request parameter is invalid.");

/// A device that is unknown is an invalid input here (contract section 12).
pub(super) const CREATE: Errors = Errors::of(&[
    row::NO_APP_200,
    row::NOT_AUTHORIZED_200,
    NAME_USED,
    (200, "100607", "The devGroup has reached the limit."),
    (400, "100609", "Too much devices to add."),
    row::INVALID,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::INTERNAL,
]);

/// 1.9.1
pub(super) async fn create(inbound: Inbound) -> Result<Response, Fault> {
    let request: NewGroupBody = inbound.json()?;
    let scope = inbound.scope_of(request.app_id.as_deref()).await?;
    let name = request.name.ok_or(Fault::Missing("name"))?;
    check_name(&name)?;
    let given = request.device_ids.unwrap_or_default();
    let ids: Option<Vec<DeviceId>> = given.iter().map(|id| device_id(id)).collect();
    let devices = ids.ok_or_else(|| Fault::invalid("deviceIds", "one of them is no id of a device"))?;
    let max_members = bound(request.max_dev_num)?.unwrap_or_default();
    let new = NewGroup { name, description: request.description, max_members, devices };
    let made = inbound.core().create_group(&scope, new).await.map_err(|error| match error.cause {
        Cause::DeviceNotFound | Cause::DeviceForeign => Error::invalid("deviceIds", error.detail),
        _ => error,
    })?;
    let size = inbound.core().group_size(&scope, made.id).await?;
    answer(StatusCode::OK, &GroupBody { device_ids: Some(&given), ..body(&made, size) })
}

/// Its own spelling.
pub(super) const DELETE: Errors = Errors::of(&[
    row::NO_APP_200,
    (200, "100217", "The application hasn't been authorized"),
    (200, "100603", "The device group is not existed"),
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::INTERNAL,
]);

/// 1.9.2
pub(super) async fn delete(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    inbound.core().delete_group(&scope, group_id(inbound.segment("devGroupId"))?).await?;
    taken()
}

pub(super) const MODIFY: Errors = Errors::of(&[
    row::NO_APP_200,
    row::NOT_AUTHORIZED_200,
    FULL,
    NAME_USED,
    UNKNOWN,
    row::INVALID,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::INTERNAL,
]);

/// 1.9.3. What is absent stays as it is [A 23]; so does a name that this dialect could not have given.
pub(super) async fn modify(inbound: Inbound) -> Result<Response, Fault> {
    let request: ModifyGroup = inbound.json()?;
    let scope = inbound.scope().await?;
    let max_members = bound(request.max_dev_num)?;
    let id = group_id(inbound.segment("devGroupId"))?;
    let name = request.name.ok_or(Fault::Missing("name"))?;
    if let Err(fault) = check_name(&name)
        && inbound.core().group(&scope, id).await?.name != name
    {
        return Err(fault);
    }
    let change = GroupChange { name: Some(name), description: request.description.map(Some), max_members };
    let changed = inbound.core().change_group(&scope, id, change).await?;
    let size = inbound.core().group_size(&scope, id).await?;
    answer(StatusCode::OK, &body(&changed, size))
}

/// 50400, which the printed table lacks, for bad paging (contract section 12).
pub(super) const LIST: Errors =
    Errors::of(&[row::NO_APP_200, row::NOT_AUTHORIZED_200, row::INVALID, row::THROTTLED, row::UNAUTHENTICATED, row::INTERNAL]);

/// 1.9.4
pub(super) async fn list(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let (core, query) = (inbound.core(), inbound.query());
    let page_no = query.number("pageNo", 0, u32::MAX.into())?;
    let page_size = query.number("pageSize", 1, u32::MAX.into())?.unwrap_or(1);
    let most = core.settings().groups;
    let size = if page_no.is_some() { page_size.min(most) } else { most };
    let page = PageRequest { no: page_no.unwrap_or(0), size: u32::try_from(size).unwrap_or(u32::MAX) };
    let found = core.groups(&scope, query.text("name"), page).await?;
    let ids: Vec<GroupId> = found.items.iter().map(|group| group.id).collect();
    let sizes = core.group_sizes(&scope, &ids).await?;
    let mut list = Vec::with_capacity(ids.len());
    for (group, size) in found.items.iter().zip(sizes) {
        list.push(GroupBody { creator: Some(creator(&inbound, &scope, group).await?), ..body(group, size) });
    }
    let page_size = if page_no.is_some() { page_size } else { found.total };
    answer(StatusCode::OK, &GroupListBody { total_count: found.total, page_no: page.no, page_size, list })
}

pub(super) const GET: Errors =
    Errors::of(&[row::NO_APP_200, row::NOT_AUTHORIZED_200, UNKNOWN, row::THROTTLED, row::UNAUTHENTICATED, row::INTERNAL]);

/// 1.9.5
pub(super) async fn get(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let found = inbound.core().group(&scope, group_id(inbound.segment("devGroupId"))?).await?;
    let size = inbound.core().group_size(&scope, found.id).await?;
    let creator = Some(creator(&inbound, &scope, &found).await?);
    answer(StatusCode::OK, &GroupBody { creator, ..body(&found, size) })
}

/// 100603 in place of the codes of shadows that its printed table has [A 33], 50400 as in [`LIST`].
pub(super) const MEMBERS: Errors =
    Errors::of(&[UNKNOWN, row::INVALID, row::NO_APP, row::NOT_AUTHORIZED, row::THROTTLED, row::UNAUTHENTICATED, row::INTERNAL]);

/// 1.9.6
pub(super) async fn members(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let query = inbound.query();
    let page_no = query.number("pageNo", 0, u32::MAX.into())?.unwrap_or(0);
    let page_size = query.number("pageSize", 1, Group::SLICE as u64)?.unwrap_or(10) as u32;
    let id = group_id(query.text("devGroupId").ok_or(Fault::Missing("devGroupId"))?)?;
    let found = inbound.core().group_page(&scope, id, PageRequest { no: page_no, size: page_size }).await?;
    answer(StatusCode::OK, &MemberListBody { total_count: found.total, page_no, page_size, device_ids: found.items })
}

const CHANGE_MEMBERS: &[row::Row] = &[
    FULL,
    UNKNOWN,
    MEMBERS_INVALID,
    row::INVALID,
    row::NO_APP,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::INTERNAL,
];
pub(super) const ADD: Errors = Errors::of(CHANGE_MEMBERS);
pub(super) const REMOVE: Errors = Errors::of(CHANGE_MEMBERS);

/// 1.9.7
pub(super) async fn add(inbound: Inbound) -> Result<Response, Fault> {
    let (scope, id, given) = some_of_a_group(&inbound).await?;
    inbound.core().join_group(&scope, id, &member_ids(&given)?).await?;
    answer(StatusCode::OK, &MembersBody { dev_group_id: id, device_ids: &given })
}

/// 1.9.8
pub(super) async fn remove(inbound: Inbound) -> Result<Response, Fault> {
    let (scope, id, given) = some_of_a_group(&inbound).await?;
    inbound.core().leave_group(&scope, id, &member_ids(&given)?).await?;
    taken()
}

/// A group, and devices that are to join or leave it.
async fn some_of_a_group(inbound: &Inbound) -> Result<(Scope, GroupId, Vec<String>), Fault> {
    let request: GroupMembers = inbound.json()?;
    let scope = inbound.scope().await?;
    let id = request.dev_group_id.ok_or(Fault::Missing("devGroupId"))?;
    let given = request.device_ids.ok_or(Fault::Missing("deviceIds"))?;
    Ok((scope, group_id(&id)?, given))
}

/// 100604 for more than a thousand, and for what is no id.
fn member_ids(given: &[String]) -> Result<Vec<DeviceId>, Fault> {
    let bad = |why: &str| Fault::Coded(MEMBERS_INVALID.1, format!("deviceIds: {why}"));
    if given.len() > Group::SLICE {
        return Err(bad("must be at most 1000"));
    }
    let ids: Option<Vec<DeviceId>> = given.iter().map(|id| device_id(id)).collect();
    ids.ok_or_else(|| bad("one of them is no id of a device"))
}

/// One that is no id does not exist.
fn group_id(text: &str) -> Result<GroupId, Fault> {
    text.parse().map_err(|_| Error::new(Cause::ResourceNotFound, "there is no such group").into())
}

fn check_name(name: &str) -> Result<(), Fault> {
    if name.is_empty() || name.len() > NAME || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Fault::invalid("name", format!("must be 1 to {NAME} letters and digits")));
    }
    Ok(())
}

fn bound(given: Option<i64>) -> Result<Option<u32>, Fault> {
    let bound = |given| u32::try_from(given).ok().filter(|bound| *bound <= MAX_DEV_NUM);
    let wrong = || Fault::invalid("maxDevNum", format!("must be 0 to {MAX_DEV_NUM}"));
    given.map(|given| bound(given).ok_or_else(wrong)).transpose()
}

fn body(group: &Group, size: u64) -> GroupBody<'_> {
    GroupBody {
        name: &group.name,
        description: group.description.as_deref(),
        id: group.id,
        app_id: group.owner,
        max_dev_num: group.max_members,
        cur_dev_num: size,
        device_ids: None,
        creator: None,
    }
}

/// The name of the application that made it, or whose it is where that was not noted.
async fn creator(inbound: &Inbound, scope: &Scope, group: &Group) -> Result<String, Fault> {
    match group.owner {
        Some(owner) if group.creator.is_empty() => Ok(inbound.core().app(scope, owner).await?.name.clone()),
        _ => Ok(group.creator.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_and_digits() {
        for (name, good) in [
            ("a", true),
            ("Floor2", true),
            (&"x".repeat(50), true),
            ("", false),
            (&"x".repeat(51), false),
            ("a-b", false),
            ("ä", false),
        ] {
            assert_eq!(check_name(name).is_ok(), good, "{name:?}");
        }
    }

    #[test]
    fn bounds_are_integers() {
        assert_eq!((bound(None).unwrap(), bound(Some(0)).unwrap()), (None, Some(0)));
        assert_eq!(bound(Some(2_147_483_647)).unwrap(), Some(MAX_DEV_NUM));
        assert!(bound(Some(-1)).is_err() && bound(Some(2_147_483_648)).is_err());
    }

    #[test]
    fn a_thousand_ids_are_taken() {
        let ids = |n| vec!["92d3f8da-200a-4143-8d0d-591a7e11de6c".to_owned(); n];
        assert_eq!(member_ids(&ids(1_000)).unwrap().len(), 1_000);
        for bad in [ids(1_001), vec!["92d3f8da200a41438d0d591a7e11de6c".to_owned()]] {
            assert!(matches!(member_ids(&bad), Err(Fault::Coded("100604", _))));
        }
    }
}
