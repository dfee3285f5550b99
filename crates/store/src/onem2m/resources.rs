//! Resources of the oneM2M tree: rows that know their parent, so that a subtree goes with its top: some of it at once, a large rest later.
//!
//! A resource never moves. Absent: places of accounts and parts of devices, which have no rows.

use crate::{
    device::{counts::Counts, groups},
    effects::{Counted, Done, Effects, Refused},
    engine::{
        documents::{self, Conditions, arcs, parse},
        sql::{Sql, SqlResult, Value, query_all, query_one, to_db},
    },
    onem2m::{
        instances::{containers_of, delete_container, resource_id},
        labels, unlinked,
    },
    versioned::{Cell, Kind, Table, doc, key, moves, stays, stays_or_null, version},
};
use landfall_core::ResourceFilter;
use landfall_model::{Cause, DeviceId, Error, IdKind, Page, PageRequest, Resource, ResourceId, ResourceKind, Sort, Time};
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
};

/// Resources below a deleted one that go in the same transaction.
const AT_ONCE: i64 = 200;

/// Whether what a resource or container is below, or belongs to, is there.
pub(crate) fn has_owner(sql: &mut dyn Sql, parent: ResourceId, device: Option<DeviceId>) -> SqlResult<bool> {
    let mut there = |text: &str, id: &[u8]| Ok(query_one(sql, text, &[Value::Bytes(id)], |_| Ok(()))?.is_some());
    match (parent.kind(), device) {
        (Some(IdKind::Record), _) => there("SELECT version FROM resource WHERE id = ?1", &parent.0),
        (Some(IdKind::Device(first, _)), Some(device)) if device.0.as_bytes().starts_with(&first) => {
            there("SELECT version FROM device WHERE id = ?1", device.0.as_bytes())
        }
        (Some(IdKind::Account(..)), _) => Ok(true),
        (Some(IdKind::Device(..) | IdKind::Outcome(_)) | None, _) => Ok(false),
    }
}

pub(crate) static RESOURCE: Table<Resource> = Table {
    name: "resource",
    columns: &[
        key("id", |r| Cell::bytes(&r.id.0)),
        version(),
        stays("account", |r| Cell::bytes(r.account.0.as_bytes())),
        stays("parent", |r| Cell::bytes(&r.parent.0)),
        moves("name", |r| Cell::text(&r.name)),
        stays("kind", |r| Cell::int(r.kind.ty())),
        stays_or_null("device", |r| Cell::opt_bytes(r.device.as_ref().map(|id| id.0.as_bytes().as_slice()))),
        stays_or_null("originator", |r| Cell::opt_text(r.attributes.get("aei").and_then(serde_json::Value::as_str))),
        moves("expires_at", |r| Cell::opt_int(r.expires_at.map(|t| t.0))),
        stays("created_at", |r| Cell::int(r.created_at.0)),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::Registry {
        unique: &[&["parent", "name"]],
        taken: Cause::ResourceExists,
        detail: "another resource below the same parent has this name",
    },
    statements: OnceLock::new(),
};

pub(crate) fn put_resource(sql: &mut dyn Sql, r: &Resource, doc: &str) -> Done {
    if r.version == 1 && !has_owner(sql, r.parent, r.device)? {
        return Err(Refused::Batch(Error::new(Cause::ResourceNotFound, "the parent is gone")));
    }
    RESOURCE.put(sql, r, doc)
}

/// Counts a notice of a subscription; with the last one that it allows it goes.
pub(crate) fn count_notice(sql: &mut dyn Sql, id: ResourceId, effects: &mut Effects) -> Done {
    let found: Option<Resource> = documents::one(sql, "SELECT doc FROM resource WHERE id = ?1", &id.0)?;
    let Some(mut r) = found else {
        effects.counted.push((id, Counted::Over));
        return Ok(());
    };
    let left = r.attributes.get("exc").and_then(serde_json::Value::as_u64);
    effects.counted.push((id, if left.is_some_and(|left| left <= 1) { Counted::Last } else { Counted::Sent }));
    match left {
        None => {}
        Some(0 | 1) => delete_resource(sql, id, effects)?,
        Some(left) => {
            r.attributes.insert("exc".to_owned(), (left - 1).into());
            r.version += 1;
            let doc = serde_json::to_string(&r).map_err(|_| Error::new(Cause::Internal, "a record cannot be written as JSON"));
            RESOURCE.put(sql, &r, &doc.map_err(Refused::Batch)?)?;
            effects.resources.push(Arc::new(r));
        }
    }
    Ok(())
}

/// Deletes a resource and what is below it.
pub(crate) fn delete_resource(sql: &mut dyn Sql, top: ResourceId, effects: &mut Effects) -> Done {
    delete_all(sql, &[top], &mut effects.dropped)?;
    delete_below(sql, top, AT_ONCE, &mut effects.dropped)?;
    Ok(())
}

/// Deletes at most `limit` resources below one that is gone, and returns how many; those whose children may be left are unlinked.
pub(crate) fn delete_below(sql: &mut dyn Sql, top: ResourceId, limit: i64, dropped: &mut Vec<ResourceId>) -> SqlResult<i64> {
    let text = "SELECT id FROM resource WHERE parent = ?1 ORDER BY created_at, id LIMIT ?2";
    let mut gone = VecDeque::from([top]);
    let mut left = limit;
    while left > 0
        && let Some(parent) = gone.front()
    {
        let children = query_all(sql, text, &[Value::Bytes(&parent.0), Value::Int(left)], |row| resource_id(row.bytes(0)?))?;
        left -= children.len() as i64;
        if left > 0 {
            gone.pop_front();
        }
        delete_all(sql, &children, dropped)?;
        gone.extend(children);
    }
    for parent in gone {
        unlinked::put_resource(sql, parent)?;
    }
    Ok(limit - left)
}

fn delete_all(sql: &mut dyn Sql, ids: &[ResourceId], dropped: &mut Vec<ResourceId>) -> SqlResult<()> {
    for id in ids {
        delete_container(sql, *id)?;
        labels::delete(sql, *id)?;
        sql.execute("DELETE FROM resource WHERE id = ?1", &[Value::Bytes(&id.0)])?;
    }
    dropped.extend(ids);
    Ok(())
}

/// Deletes what is below a device, which is unlinked, and by what its parts are found.
pub(crate) fn delete_of_device(sql: &mut dyn Sql, device: DeviceId, effects: &mut Effects) -> Done {
    delete_some_of_device(sql, device.0.as_bytes(), AT_ONCE, &mut effects.dropped)?;
    for container in containers_of(sql, device)? {
        delete_container(sql, container)?;
    }
    labels::delete_of_device(sql, device)?;
    Ok(())
}

/// Deletes at most `limit` resources below a device, and returns how many.
pub(crate) fn delete_some_of_device(
    sql: &mut dyn Sql,
    device: &[u8],
    limit: i64,
    dropped: &mut Vec<ResourceId>,
) -> SqlResult<i64> {
    let text = "SELECT id FROM resource WHERE device = ?1 LIMIT ?2";
    let ids = query_all(sql, text, &[Value::Bytes(device), Value::Int(limit)], |row| resource_id(row.bytes(0)?))?;
    delete_all(sql, &ids, dropped)?;
    Ok(ids.len() as i64)
}

/// Deletes the next resources that are over, each with what is below it; true when more may be left.
pub(crate) fn prune(sql: &mut dyn Sql, now: Time, limit: i64, dropped: &mut Vec<ResourceId>) -> SqlResult<bool> {
    let text = "SELECT id FROM resource WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
    let over = query_all(sql, text, &[Value::Int(now.0), Value::Int(limit)], |row| resource_id(row.bytes(0)?))?;
    delete_all(sql, &over, dropped)?;
    let mut counts = Counts::default();
    for id in &over {
        groups::delete_group(sql, id.as_group(), &mut counts)?;
    }
    counts.end(true);
    counts.write(sql)?;
    let mut left = AT_ONCE;
    for id in &over {
        left -= delete_below(sql, *id, left, dropped)?;
    }
    Ok(over.len() as i64 == limit)
}

/// A page of resources, oldest first.
pub(crate) fn list(sql: &mut dyn Sql, filter: &ResourceFilter, page: PageRequest) -> SqlResult<Page<Arc<Resource>>> {
    conditions(filter).page(sql, "resource", "created_at, id", page).map(arcs)
}

/// The next resources after one, oldest first.
pub(crate) fn after(
    sql: &mut dyn Sql,
    filter: &ResourceFilter,
    after: Option<(Time, ResourceId)>,
    limit: u32,
) -> SqlResult<Vec<Arc<Resource>>> {
    let after = after.as_ref().map(|(at, id)| (*at, &id.0[..]));
    conditions(filter).after(sql, "resource", Sort::Ascending, after, limit)
}

fn conditions(filter: &ResourceFilter) -> Conditions<'_> {
    let equal = [
        ("parent", filter.parent.as_ref().map(|id| Value::Bytes(&id.0))),
        ("device", filter.device.as_ref().map(|id| Value::Bytes(id.0.as_bytes()))),
        ("account", Some(Value::Bytes(filter.account.0.as_bytes()))),
    ];
    let mut conditions = Conditions::first_of(equal);
    match filter.kinds[..] {
        [] => (),
        [kind] if filter.parent.is_none() && filter.device.is_none() => {
            conditions.and("kind = #", Value::Int(i64::from(kind.ty())));
        }
        _ => conditions.sift_any("kind", filter.kinds.iter().map(|kind| Value::Int(i64::from(kind.ty())))),
    }
    conditions
}

/// At most `limit` resources below one, level by level.
pub(crate) fn below(sql: &mut dyn Sql, top: ResourceId, limit: usize) -> SqlResult<Vec<Arc<Resource>>> {
    let text = "SELECT doc FROM resource WHERE parent = ?1 ORDER BY created_at, id LIMIT ?2";
    let mut found: Vec<Arc<Resource>> = Vec::new();
    let mut parents = VecDeque::from([top]);
    sql.begin_read()?;
    while let Some(parent) = parents.pop_front()
        && found.len() < limit
    {
        let room = Value::Int(to_db((limit - found.len()) as u64));
        let children: Vec<Arc<Resource>> =
            query_all(sql, text, &[Value::Bytes(&parent.0), room], |row| parse(row, 0).map(Arc::new))?;
        parents.extend(children.iter().map(|child| child.id));
        found.extend(children);
    }
    sql.batch("COMMIT")?;
    Ok(found)
}

/// Every resource of the kind that tells changes.
pub(crate) fn subscriptions(sql: &mut dyn Sql) -> SqlResult<Vec<Resource>> {
    const { assert!(ResourceKind::Subscription as u8 == 23) };
    query_all(sql, "SELECT doc FROM resource WHERE kind = 23", &[], |row| parse(row, 0))
}
