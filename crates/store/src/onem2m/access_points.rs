//! Application entities of older databases: the program that wrote them called no points of access, so these have no pushes yet.

use super::older::{each_resource, json};
use crate::engine::sql::{Sql, SqlResult, Value, query_one, storable, to_db};
use landfall_model::{Cursor, Resource, ResourceKind, Seq};

/// Addresses of one entity.
const ADDRESSES: u8 = 10;

/// Makes the pushes, which begin with what happens from now on. Those that are there stay as they are.
pub(crate) fn fill(sql: &mut dyn Sql) -> SqlResult<()> {
    const NEWEST: &str = "SELECT last_seq FROM stream ORDER BY first_seq DESC LIMIT 1";
    let newest = query_one(sql, NEWEST, &[], |row| row.seq(0))?.unwrap_or(0);
    each_resource(sql, ResourceKind::ApplicationEntity, |sql, entity| serve(sql, &entity, newest))
}

fn serve(sql: &mut dyn Sql, entity: &Resource, newest: u64) -> SqlResult<()> {
    let list = entity.attributes.get("poa").and_then(serde_json::Value::as_array);
    for (place, address) in (0..ADDRESSES).zip(list.into_iter().flatten()) {
        let url = address.as_str().unwrap_or_default();
        if (url.starts_with("http://") || url.starts_with("https://")) && storable(url) {
            put(sql, entity, (place, url), newest)?;
        }
    }
    Ok(())
}

fn put(sql: &mut dyn Sql, entity: &Resource, (place, url): (u8, &str), newest: u64) -> SqlResult<()> {
    const KIND: &str = "*resource";
    const PUSH: &str = "INSERT INTO subscription (id, version, account, owner, target, kind, scope, callback_url, created_at, doc) \
                        VALUES (?1, 1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
    const CURSOR: &str = "INSERT INTO read_cursor (subscription, doc, done_to) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let push = entity.push_to(place, url);
    let (scope, doc) = (json(&(KIND, entity.id, place))?, json(&push)?);
    let (id, app) = (Value::Bytes(push.id.0.as_bytes()), Value::Bytes(entity.app.0.as_bytes()));
    let account = Value::Bytes(entity.account.0.as_bytes());
    let (at, doc) = (Value::Int(push.created_at.0), Value::Text(&doc));
    let made = sql.execute(PUSH, &[id, account, app, Value::Text(KIND), Value::Text(&scope), Value::Text(url), at, doc])?;
    if made > 0 {
        let doc = json(&Cursor { subscription: push.id, read_to: Seq(newest), open: vec![] })?;
        sql.execute(CURSOR, &[id, Value::Text(&doc), Value::Int(to_db(newest))])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
