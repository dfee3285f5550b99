//! Alarms and events of devices.
//!
//! The writer sees to it that a device has one open alarm of a kind. Absent: what raising one means, which is the domain's.

mod read;

use crate::{
    command::visible_page,
    device::shadows,
    effects::{Done, Refused},
    engine::{
        documents::{Conditions, id_value, parse},
        sql::{Sql, SqlResult, Value, query_one, storable},
    },
    versioned::{Cell, Kind, Table, doc, key, moves, stays, version},
};
use landfall_core::{AlarmFilter, DeviceEventFilter};
use landfall_model::{Alarm, Cause, DeviceEvent, DeviceId, Error, Page, PageRequest, Sort};
use std::sync::OnceLock;

/// Devices that have open alarms.
pub(crate) const ALARMED: &str = "SELECT DISTINCT device FROM alarm WHERE over_at IS NULL";

pub(crate) static ALARM: Table<Alarm> = Table {
    name: "alarm",
    columns: &[
        key("id", |r| Cell::bytes(r.id.0.as_bytes())),
        version(),
        stays("account", |r| Cell::bytes(r.account.0.as_bytes())),
        stays("device", |r| Cell::bytes(r.device.0.as_bytes())),
        stays("kind", |r| Cell::text(&r.kind)),
        moves("status", |r| Cell::text(r.status.as_str())),
        moves("severity", |r| Cell::text(r.severity.as_str())),
        moves("at", |r| Cell::int(r.at.0)),
        moves("over_at", |r| Cell::opt_int((!r.status.is_open()).then_some(r.modified_at.0))),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::OfDevice("device"),
    statements: OnceLock::new(),
};

pub(crate) static DEVICE_EVENT: Table<DeviceEvent> = Table {
    name: "device_event",
    columns: &[
        key("id", |r| Cell::bytes(r.id.0.as_bytes())),
        version(),
        stays("account", |r| Cell::bytes(r.account.0.as_bytes())),
        stays("device", |r| Cell::bytes(r.device.0.as_bytes())),
        stays("kind", |r| Cell::text(&r.kind)),
        stays("at", |r| Cell::int(r.at.0)),
        stays("created_at", |r| Cell::int(r.created_at.0)),
        moves("names", |r| Cell::Text(shadows::names(&r.fragments))),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::OfDevice("device"),
    statements: OnceLock::new(),
};

/// `Stale` where another one of its kind is open.
pub(crate) fn put_alarm(sql: &mut dyn Sql, r: &Alarm, doc: &str) -> Done {
    const OTHER: &str = "SELECT version FROM alarm WHERE device = ?1 AND kind = ?2 AND over_at IS NULL AND id <> ?3";
    let params = [id_value(&r.device.0), Value::Text(&r.kind), id_value(&r.id.0)];
    if r.status.is_open() && query_one(sql, OTHER, &params, |_| Ok(()))?.is_some() {
        return Err(Refused::Batch(Error::new(Cause::Stale, "another alarm of this kind is open")));
    }
    ALARM.put(sql, r, doc)
}

/// A page of alarms, by the time they were last raised.
pub(crate) fn alarms(sql: &mut dyn Sql, filter: &AlarmFilter, page: PageRequest) -> SqlResult<Page<Alarm>> {
    if !filter.kinds.iter().all(|kind| storable(kind)) {
        return Ok(Page { total: 0, items: vec![] });
    }
    let device = filter.device.as_ref().map(|id| id_value(&id.0));
    let mut conditions = Conditions::first_of([("device", device), ("account", Some(id_value(&filter.account.0)))]);
    if !filter.statuses.is_empty() {
        // What is open has indexes of its own.
        if filter.statuses.iter().all(|status| status.is_open()) {
            conditions.and_also("over_at IS NULL");
        }
        conditions.sift_any("status", filter.statuses.iter().map(|status| Value::Text(status.as_str())));
    }
    if !filter.severities.is_empty() {
        conditions.sift_any("severity", filter.severities.iter().map(|severity| Value::Text(severity.as_str())));
    }
    if !filter.kinds.is_empty() {
        conditions.sift_any("kind", filter.kinds.iter().map(|kind| Value::Text(kind)));
    }
    if let Some(from) = filter.from {
        conditions.and("at >= #", Value::Int(from.0));
    }
    conditions.and_between("at", None, filter.to);
    visible_page(sql, conditions, "alarm", by_time(filter.sort), page)
}

/// The newest open alarm of each of these devices that has one.
pub(crate) fn newest_open(sql: &mut dyn Sql, devices: &[DeviceId]) -> SqlResult<Vec<Alarm>> {
    const TEXT: &str = "SELECT doc FROM alarm WHERE device = ?1 AND over_at IS NULL ORDER BY at DESC, id DESC LIMIT 1";
    let mut found = Vec::new();
    for device in devices {
        found.extend(query_one(sql, TEXT, &[id_value(&device.0)], |row| parse(row, 0))?);
    }
    Ok(found)
}

/// A page of events, by time.
pub(crate) fn device_events(sql: &mut dyn Sql, filter: &DeviceEventFilter, page: PageRequest) -> SqlResult<Page<DeviceEvent>> {
    if filter.kind.as_deref().is_some_and(|kind| !storable(kind)) {
        return Ok(Page { total: 0, items: vec![] });
    }
    let fragment = filter.fragment.as_deref().map(shadows::line);
    let device = filter.device.as_ref().map(|id| id_value(&id.0));
    let mut conditions = Conditions::first_of([("device", device), ("account", Some(id_value(&filter.account.0)))]);
    if let Some(kind) = &filter.kind {
        conditions.sift("kind", Value::Text(kind));
    }
    if let Some(fragment) = &fragment {
        conditions.and("replace(names, #, '') <> names", Value::Text(fragment));
    }
    if let Some(from) = filter.from {
        conditions.and("at >= #", Value::Int(from.0));
    }
    conditions.and_between("at", None, filter.to);
    visible_page(sql, conditions, "device_event", by_time(filter.sort), page)
}

fn by_time(sort: Sort) -> &'static str {
    match sort {
        Sort::Ascending => "at, id",
        Sort::Descending => "at DESC, id DESC",
    }
}
