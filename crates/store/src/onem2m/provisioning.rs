//! Requests to provision nodes: the request, its list in parts, and the nodes that failed.

use crate::{
    effects::Done,
    engine::{
        documents::{Conditions, one, parse},
        sql::{Sql, SqlResult, Value, query_all, query_one, to_db},
    },
    versioned::{Cell, Kind, Table, doc, key, moves, version},
};
use landfall_model::{
    AccountId, AppId, Cause, Page, PageRequest, Provisioning, ProvisioningFailure, ProvisioningPart, ResourceId, Time,
};
use std::sync::OnceLock;

/// How long a request that is finished can be read.
const KEPT_DAYS: i64 = 90;
/// How long parts and failures wait for their request.
const ORPHAN_DAYS: i64 = 1;
const DAY_S: i64 = 86_400;
/// Requests deleted at once; each may have thousands of failures.
const REQUESTS: i64 = 20;

pub(crate) static PROVISIONING: Table<Provisioning> = Table {
    name: "provisioning",
    columns: &[
        key("id", |r| Cell::bytes(&r.id.0)),
        version(),
        moves("account", |r| Cell::bytes(r.account.0.as_bytes())),
        moves("app", |r| Cell::bytes(r.app.0.as_bytes())),
        moves("name", |r| Cell::text(&r.name)),
        moves("created_at", |r| Cell::int(r.created_at.0)),
        moves("finished_at", |r| Cell::opt_int(r.finished_at.map(|t| t.0))),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::Registry {
        unique: &[&["account", "name"]],
        taken: Cause::ResourceExists,
        detail: "another request of the account has this name",
    },
    statements: OnceLock::new(),
};

/// A part may be written before its request, so that a large request appears whole.
pub(crate) fn put_part(sql: &mut dyn Sql, r: &ProvisioningPart, doc: &str) -> Done {
    sql.execute(
        "INSERT INTO provisioning_part (request, first, doc) VALUES (?1, ?2, ?3) ON CONFLICT (request, first) DO UPDATE SET doc = excluded.doc",
        &[Value::Bytes(&r.request.0), Value::Int(i64::from(r.first)), Value::Text(doc)],
    )?;
    Ok(())
}

pub(crate) fn put_failure(sql: &mut dyn Sql, r: &ProvisioningFailure, doc: &str) -> Done {
    sql.execute(
        "INSERT INTO provisioning_failure (request, place, doc) VALUES (?1, ?2, ?3) \
         ON CONFLICT (request, place) DO UPDATE SET doc = excluded.doc",
        &[Value::Bytes(&r.request.0), Value::Int(i64::from(r.place)), Value::Text(doc)],
    )?;
    Ok(())
}

pub(crate) fn delete_request(sql: &mut dyn Sql, id: ResourceId) -> Done {
    delete(sql, &id.0)?;
    Ok(())
}

fn delete(sql: &mut dyn Sql, id: &[u8]) -> SqlResult<()> {
    sql.execute("DELETE FROM provisioning WHERE id = ?1", &[Value::Bytes(id)])?;
    sql.execute("DELETE FROM provisioning_part WHERE request = ?1", &[Value::Bytes(id)])?;
    sql.execute("DELETE FROM provisioning_failure WHERE request = ?1", &[Value::Bytes(id)])?;
    Ok(())
}

/// Deletes the next requests that were finished long ago, and what has no request; true when more may be left.
pub(crate) fn prune(sql: &mut dyn Sql, now: Time, limit: i64) -> SqlResult<bool> {
    let text = "SELECT id FROM provisioning WHERE finished_at < ?1 ORDER BY finished_at LIMIT ?2";
    let params = [Value::Int(now.minus_s(KEPT_DAYS * DAY_S).0), Value::Int(REQUESTS)];
    let over = query_all(sql, text, &params, |row| Ok(row.bytes(0)?.to_vec()))?;
    for id in &over {
        delete(sql, id)?;
    }
    // Ids of requests are in the order of time.
    let before = ResourceId::new(now.minus_s(ORPHAN_DAYS * DAY_S), [0; 16]);
    let params = [Value::Bytes(&before.0), Value::Int(limit)];
    let parts = sql.execute(
        "DELETE FROM provisioning_part WHERE (request, first) IN (SELECT p.request, p.first FROM provisioning_part p WHERE p.request < ?1 \
         AND NOT EXISTS (SELECT 1 FROM provisioning r WHERE r.id = p.request) LIMIT ?2)",
        &params,
    )?;
    let failures = sql.execute(
        "DELETE FROM provisioning_failure WHERE (request, place) IN (SELECT f.request, f.place FROM provisioning_failure f \
         WHERE f.request < ?1 AND NOT EXISTS (SELECT 1 FROM provisioning r WHERE r.id = f.request) LIMIT ?2)",
        &params,
    )?;
    Ok(over.len() as i64 >= REQUESTS || parts.max(failures) >= limit.unsigned_abs())
}

pub(crate) fn request(sql: &mut dyn Sql, id: ResourceId) -> SqlResult<Option<Provisioning>> {
    one(sql, "SELECT doc FROM provisioning WHERE id = ?1", &id.0)
}

pub(crate) fn named(sql: &mut dyn Sql, account: AccountId, name: &str) -> SqlResult<Option<Provisioning>> {
    let text = "SELECT doc FROM provisioning WHERE account = ?1 AND name = ?2";
    query_one(sql, text, &[Value::Bytes(account.0.as_bytes()), Value::Text(name)], |row| parse(row, 0))
}

/// A page of requests, newest first.
pub(crate) fn list(
    sql: &mut dyn Sql,
    account: AccountId,
    app: Option<AppId>,
    page: PageRequest,
) -> SqlResult<Page<Provisioning>> {
    let mut conditions = Conditions::new();
    conditions.and_id("account", Some(&account.0));
    conditions.and_id("app", app.as_ref().map(|id| &id.0));
    conditions.page(sql, "provisioning", "created_at DESC, id DESC", page)
}

/// Requests that are not finished, oldest first.
pub(crate) fn open(sql: &mut dyn Sql, limit: u32) -> SqlResult<Vec<Provisioning>> {
    let text = "SELECT doc FROM provisioning WHERE finished_at IS NULL ORDER BY created_at, id LIMIT ?1";
    query_all(sql, text, &[Value::Int(i64::from(limit))], |row| parse(row, 0))
}

/// The part that holds a place.
pub(crate) fn part(sql: &mut dyn Sql, request: ResourceId, place: u32) -> SqlResult<Option<ProvisioningPart>> {
    let text = "SELECT doc FROM provisioning_part WHERE request = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1";
    let params = [Value::Bytes(&request.0), Value::Int(i64::from(place))];
    let found: Option<ProvisioningPart> = query_one(sql, text, &params, |row| parse(row, 0))?;
    Ok(found.filter(|part| ((place - part.first.min(place)) as usize) < part.nodes.len()))
}

/// A page of failures in the order of the list.
pub(crate) fn failures(sql: &mut dyn Sql, request: ResourceId, page: PageRequest) -> SqlResult<Page<ProvisioningFailure>> {
    let key = Value::Bytes(&request.0);
    sql.begin_read()?;
    let count = "SELECT COUNT(*) FROM provisioning_failure WHERE request = ?1";
    let total = query_one(sql, count, &[key], |row| row.seq(0))?.unwrap_or(0);
    let text = "SELECT doc FROM provisioning_failure WHERE request = ?1 ORDER BY place LIMIT ?2 OFFSET ?3";
    let params = [key, Value::Int(i64::from(page.size)), Value::Int(to_db(page.offset()))];
    let items = query_all(sql, text, &params, |row| parse(row, 0))?;
    sql.batch("COMMIT")?;
    Ok(Page { total, items })
}
