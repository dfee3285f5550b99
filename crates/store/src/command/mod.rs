//! Cached commands and the tasks that revoke them.
//!
//! A command never changes its device or its place. Absent: what a state means, which is the domain's.

pub(crate) mod calls;
mod operations;
mod read;
pub(crate) mod work;

use crate::{
    device::{principals, unlinked},
    effects::{Done, delete},
    engine::{
        documents::{Conditions, parse},
        sql::{Sql, SqlResult, Value, query_all, query_one, to_db},
    },
    job::targets::{self, JobCounters},
    subscription::addresses,
    versioned::{Cell, Kind, Table, doc, key, moves, stays, version},
};
use landfall_core::{CommandFilter, RevokeFilter};
use landfall_model::{Command, DeviceId, Page, PageRequest, RevokeTask, TargetEnd, TargetState, Time};
use serde::de::DeserializeOwned;
use std::sync::OnceLock;

/// The newest first.
const BY_AGE: &str = "created_at DESC, id DESC";

/// Open commands of a device that are read at once.
const OPEN_LIMIT: i64 = 1_000;

/// Open commands of some devices, by device and place.
pub(crate) const OPEN_OF: &str =
    "SELECT doc FROM command WHERE device IN (#) AND state IN ('PENDING', 'SENT', 'DELIVERED') ORDER BY device, place";
/// The highest places of some devices' commands.
pub(crate) const LAST_PLACES: &str = "SELECT device, MAX(place) FROM command WHERE device IN (#) GROUP BY device";

/// Version 1 needs a free place, each later one the version before it.
pub(crate) static COMMAND: Table<Command> = Table {
    name: "command",
    columns: &[
        key("id", |r| Cell::bytes(r.id.0.as_bytes())),
        version(),
        stays("device", |r| Cell::bytes(r.device.0.as_bytes())),
        moves("account", |r| Cell::bytes(r.account.0.as_bytes())),
        moves("app", |r| Cell::bytes(principals::or_account(r.app.as_ref(), &r.account))),
        stays("place", |r| Cell::int(to_db(r.place))),
        moves("state", |r| Cell::text(r.state.as_str())),
        moves("created_at", |r| Cell::int(r.created_at.0)),
        moves("names", |r| Cell::Text(operations::names(r))),
        moves("due_at", |r| Cell::opt_int(r.due_at.filter(|_| !r.state.is_final()).map(|t| t.0))),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::OfDevice("device"),
    statements: OnceLock::new(),
};

/// The target of a job's command that is not kept, because its device is gone, ends.
pub(crate) fn put_command(sql: &mut dyn Sql, r: &Command, doc: &str, counters: &mut JobCounters) -> Done {
    let kept = COMMAND.keep(sql, r, doc)?;
    follow(sql, r, kept, counters)
}

/// As [`put_command`] for new commands, together.
pub(crate) fn put_new(sql: &mut dyn Sql, commands: &[(&Command, &str)], counters: &mut JobCounters) -> Done {
    let kept = COMMAND.keep_new(sql, commands)?;
    commands.iter().zip(kept).try_for_each(|((r, _), kept)| follow(sql, r, kept, counters))
}

fn follow(sql: &mut dyn Sql, r: &Command, kept: bool, counters: &mut JobCounters) -> Done {
    if !kept {
        return end_target(sql, r, counters);
    }
    match (&r.callback_url, r.app) {
        (Some(_), _) if r.state.is_final() => addresses::let_go(sql, &r.id.0),
        (Some(url), Some(app)) => addresses::hold(sql, &r.id.0, r.device, (app, r.by), url),
        _ => Ok(()),
    }
}

/// The commands of a device that are not over go with it, and end their targets.
pub(crate) fn delete_open(sql: &mut dyn Sql, device: DeviceId, counters: &mut JobCounters) -> Done {
    loop {
        let some = open(sql, device)?;
        for command in &some {
            end_target(sql, command, counters)?;
            delete(sql, "DELETE FROM command WHERE id = ?1", command.id.0.as_bytes())?;
        }
        if some.len() < OPEN_LIMIT as usize {
            return Ok(());
        }
    }
}

fn end_target(sql: &mut dyn Sql, command: &Command, counters: &mut JobCounters) -> Done {
    let Some((job, place)) = command.job else { return Ok(()) };
    let detail = Some("the device was deleted".to_owned());
    targets::end(sql, &TargetEnd { job, place, state: TargetState::Failed, detail }, counters)
}

/// A task of a device that is gone is not kept.
pub(crate) fn put_revoke_task(sql: &mut dyn Sql, r: &RevokeTask, doc: &str) -> Done {
    sql.execute(
        "INSERT INTO revoke_task (id, account, app, device, state, created_at, doc) SELECT ?1, ?2, ?3, id, ?5, ?6, ?7 FROM device \
         WHERE id = ?4 ON CONFLICT (id) DO UPDATE SET state = excluded.state, doc = excluded.doc",
        &[
            Value::Bytes(r.id.0.as_bytes()),
            Value::Bytes(r.account.0.as_bytes()),
            Value::Bytes(principals::or_account(r.app.as_ref(), &r.account)),
            Value::Bytes(r.device.0.as_bytes()),
            Value::Text(r.state.as_str()),
            Value::Int(r.created_at.0),
            Value::Text(doc),
        ],
    )?;
    Ok(())
}

/// Commands that are not over, by place.
pub(crate) fn open(sql: &mut dyn Sql, device: DeviceId) -> SqlResult<Vec<Command>> {
    query_all(
        sql,
        "SELECT doc FROM command WHERE device = ?1 AND state IN ('PENDING', 'SENT', 'DELIVERED') ORDER BY place LIMIT ?2",
        &[Value::Bytes(device.0.as_bytes()), Value::Int(OPEN_LIMIT)],
        |row| parse(row, 0),
    )
}

/// The highest place of a device's commands; 0: none.
pub(crate) fn last_place(sql: &mut dyn Sql, device: DeviceId) -> SqlResult<u64> {
    let text = "SELECT place FROM command WHERE device = ?1 ORDER BY place DESC LIMIT 1";
    Ok(query_one(sql, text, &[Value::Bytes(device.0.as_bytes())], |row| row.seq(0))?.unwrap_or(0))
}

/// Commands whose state is due to end, the longest due first.
pub(crate) fn due(sql: &mut dyn Sql, now: Time, limit: u32) -> SqlResult<Vec<Command>> {
    query_all(
        sql,
        "SELECT doc FROM command WHERE due_at IS NOT NULL AND due_at <= ?1 ORDER BY due_at, id LIMIT ?2",
        &[Value::Int(now.0), Value::Int(i64::from(limit))],
        |row| parse(row, 0),
    )
}

/// A page of commands, newest first.
pub(crate) fn list(sql: &mut dyn Sql, filter: &CommandFilter, page: PageRequest) -> SqlResult<Page<Command>> {
    let equal = [
        ("device", filter.device.as_ref().map(|id| Value::Bytes(id.0.as_bytes()))),
        ("app", filter.app.as_ref().map(|id| Value::Bytes(id.0.as_bytes()))),
    ];
    let mut conditions = Conditions::first_of(equal);
    conditions.and_id("account", Some(&filter.account.0));
    conditions.and_between("created_at", filter.after, filter.before);
    visible_page(sql, conditions, "command", BY_AGE, page)
}

/// A page of revocation tasks, newest first.
pub(crate) fn revoke_tasks(sql: &mut dyn Sql, filter: &RevokeFilter, page: PageRequest) -> SqlResult<Page<RevokeTask>> {
    let equal = [
        ("id", filter.task.as_ref().map(|id| Value::Bytes(id.0.as_bytes()))),
        ("device", filter.device.as_ref().map(|id| Value::Bytes(id.0.as_bytes()))),
        ("state", filter.state.map(|s| Value::Text(s.as_str()))),
        ("app", filter.app.as_ref().map(|id| Value::Bytes(id.0.as_bytes()))),
    ];
    let mut conditions = Conditions::first_of(equal);
    let account = Value::Bytes(filter.account.0.as_bytes());
    match filter.task.is_some() || filter.device.is_some() {
        true => conditions.sift("account", account),
        false => conditions.and("account = #", account),
    }
    conditions.and_between("created_at", filter.after, filter.before);
    visible_page(sql, conditions, "revoke_task", BY_AGE, page)
}

/// A page of what belongs to devices that are there. The index alone tells it where nothing has to be hidden.
pub(crate) fn visible_page<T: DeserializeOwned>(
    sql: &mut dyn Sql,
    mut conditions: Conditions<'_>,
    table: &str,
    order: &str,
    page: PageRequest,
) -> SqlResult<Page<T>> {
    sql.begin_read()?;
    if unlinked::any(sql)? {
        conditions.and_also(&unlinked::visible(&format!("{table}.device")));
    }
    let found = conditions.page_within(sql, table, order, page, None)?;
    sql.batch("COMMIT")?;
    Ok(found)
}
