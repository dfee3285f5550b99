//! Objects of the inventory: their records, the fragments by which they are found, links between them and their other names.
//!
//! An object that goes leaves its names and a usual number of links with it; the rows of more links go in slices. Ids are never used again, so
//! that a link to what is gone leads nowhere.

pub(crate) mod links;
mod list;
mod names;
pub(crate) mod read;

pub(crate) use names::{drop_name, put_names};

use crate::{
    effects::{Done, Refused},
    engine::{
        documents::parse,
        sql::{Sql, SqlResult, Value, insert_new, query_all, query_in, query_one},
    },
    stream::replay,
    versioned::{Cell, Kind, Table, doc, key, moves, stays, stays_or_null, version},
};
use landfall_model::{AccountId, Cause, DeviceId, Error, GroupId, Object, ObjectId, ObjectOf};
use std::{collections::BTreeSet, sync::OnceLock};

const ITSELF: i64 = 0;
const GROUP: i64 = 1;
const DEVICE: i64 = 2;

pub(crate) static OBJECT: Table<Object> = Table {
    name: "object",
    columns: &[
        key("id", |r| Cell::int(number(r.id))),
        version(),
        stays("account", |r| Cell::bytes(r.account.0.as_bytes())),
        stays("what", |r| Cell::int(what(r.of))),
        stays_or_null("subject", |r| Cell::opt_bytes(subject(&r.of))),
        moves("kind", |r| Cell::opt_text(r.kind.as_deref())),
        moves("name", |r| Cell::opt_text(r.name.as_deref())),
        moves("owner", |r| Cell::opt_text(r.owner.as_deref())),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::Registry { unique: &[], taken: Cause::Stale, detail: "the device or group has an object" },
    statements: OnceLock::new(),
};

/// An id as the database has it.
pub(crate) fn number(id: ObjectId) -> i64 {
    id.0.cast_signed()
}

fn object_id(number: i64) -> ObjectId {
    ObjectId(number.cast_unsigned())
}

fn what(of: ObjectOf) -> i64 {
    match of {
        ObjectOf::Itself => ITSELF,
        ObjectOf::Group(_) => GROUP,
        ObjectOf::Device(_) => DEVICE,
    }
}

fn subject(of: &ObjectOf) -> Option<&[u8]> {
    match of {
        ObjectOf::Itself => None,
        ObjectOf::Group(id) => Some(id.0.as_bytes()),
        ObjectOf::Device(id) => Some(id.0.as_bytes()),
    }
}

/// Writes a record and the names of its fragments.
pub(crate) fn put_object(sql: &mut dyn Sql, r: &Object, doc: &str) -> Done {
    let before = if r.version == 1 { BTreeSet::new() } else { stored(sql, r.id)?.map(|(_, names)| names).unwrap_or_default() };
    if r.version == 1 && !has_subject(sql, r)? {
        return Err(subject_gone());
    }
    OBJECT.put(sql, r, doc)?;
    let after = indexed(r);
    for name in before.difference(&after) {
        drop_fragment(sql, r.account, name, r.id)?;
    }
    for name in after.difference(&before) {
        const TEXT: &str = "INSERT INTO object_fragment (account, name, object) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        sql.execute(TEXT, &[Value::Bytes(r.account.0.as_bytes()), Value::Text(name), Value::Int(number(r.id))])?;
    }
    Ok(())
}

/// As [`put_object`] for new records, together.
pub(crate) fn put_new(sql: &mut dyn Sql, objects: &[(&Object, &str)]) -> Done {
    const DEVICES: &str = "SELECT id, account FROM device WHERE id IN @keys";
    let devices: Vec<Value<'_>> =
        objects.iter().filter(|(r, _)| what(r.of) == DEVICE).map(|(r, _)| Value::opt_bytes(subject(&r.of))).collect();
    let there: BTreeSet<_> =
        query_in(sql, DEVICES, &[], &devices, |row| Ok((replay::id(row.bytes(0)?)?, replay::id(row.bytes(1)?)?)))?
            .into_iter()
            .collect();
    for (r, _) in objects {
        let known = match r.of {
            ObjectOf::Device(id) => there.contains(&(id.0, r.account.0)),
            ObjectOf::Group(_) | ObjectOf::Itself => has_subject(sql, r)?,
        };
        if !known {
            return Err(subject_gone());
        }
    }
    OBJECT.put_new(sql, objects)?;
    let mut fragments: Vec<_> =
        objects.iter().flat_map(|(r, _)| indexed(r).into_iter().map(|name| (&r.account, name, number(r.id)))).collect();
    fragments.sort_unstable();
    let rows: Vec<_> = fragments
        .iter()
        .map(|(account, name, id)| vec![Value::Bytes(account.0.as_bytes()), Value::Text(name), Value::Int(*id)])
        .collect();
    insert_new(sql, "object_fragment (account, name, object)", &rows)?;
    Ok(())
}

fn subject_gone() -> Refused {
    Refused::Batch(Error::new(Cause::ResourceNotFound, "what the object is of is gone"))
}

fn has_subject(sql: &mut dyn Sql, r: &Object) -> SqlResult<bool> {
    let (text, id) = match &r.of {
        ObjectOf::Itself => return Ok(true),
        ObjectOf::Group(id) => ("SELECT 1 FROM device_group WHERE id = ?1 AND account = ?2", id.0.as_bytes()),
        ObjectOf::Device(id) => ("SELECT 1 FROM device WHERE id = ?1 AND account = ?2", id.0.as_bytes()),
    };
    let params = [Value::Bytes(id), Value::Bytes(r.account.0.as_bytes())];
    Ok(query_one(sql, text, &params, |_| Ok(()))?.is_some())
}

/// The names of fragments by which an object is found.
fn indexed(r: &Object) -> BTreeSet<String> {
    let names: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&r.fragments).unwrap_or_default();
    let mut names: BTreeSet<String> = names.into_iter().map(|(name, _)| name).filter(|name| !name.contains('\0')).collect();
    if let Some(beyond) = names.iter().nth(Object::INDEXED).cloned() {
        drop(names.split_off(&beyond));
    }
    names
}

/// The account of a stored record, and the names of its fragments.
fn stored(sql: &mut dyn Sql, id: ObjectId) -> SqlResult<Option<(AccountId, BTreeSet<String>)>> {
    let found: Option<Object> =
        query_one(sql, "SELECT doc FROM object WHERE id = ?1", &[Value::Int(number(id))], |row| parse(row, 0))?;
    Ok(found.map(|r| (r.account, indexed(&r))))
}

fn drop_fragment(sql: &mut dyn Sql, account: AccountId, name: &str, id: ObjectId) -> SqlResult<()> {
    let text = "DELETE FROM object_fragment WHERE account = ?1 AND name = ?2 AND object = ?3";
    sql.execute(text, &[Value::Bytes(account.0.as_bytes()), Value::Text(name), Value::Int(number(id))])?;
    Ok(())
}

/// Deletes the record of an object, if there is one, with its links and names.
pub(crate) fn delete_object(sql: &mut dyn Sql, id: ObjectId) -> SqlResult<()> {
    if let Some((account, fragments)) = stored(sql, id)? {
        for name in &fragments {
            drop_fragment(sql, account, name, id)?;
        }
        sql.execute("DELETE FROM object WHERE id = ?1", &[Value::Int(number(id))])?;
    }
    sql.execute("DELETE FROM external_id WHERE object = ?1", &[Value::Int(number(id))])?;
    links::object_gone(sql, id)
}

/// Deletes the object of a group that is gone, if it has one.
pub(crate) fn delete_of_group(sql: &mut dyn Sql, group: GroupId) -> SqlResult<()> {
    match of_group(sql, group)? {
        Some(id) => delete_object(sql, id),
        None => Ok(()),
    }
}

fn of_group(sql: &mut dyn Sql, group: GroupId) -> SqlResult<Option<ObjectId>> {
    let text = "SELECT id FROM object WHERE subject = ?1";
    query_one(sql, text, &[Value::Bytes(group.0.as_bytes())], |row| row.int(0).map(object_id))
}

/// The devices whose object has this id, with their accounts: one, unless two ids begin alike.
fn devices_of(sql: &mut dyn Sql, id: ObjectId) -> SqlResult<Vec<(DeviceId, AccountId)>> {
    let Some(ranges) = id.devices() else { return Ok(vec![]) };
    let mut found = vec![];
    for (first, last) in &ranges {
        let text = "SELECT id, account FROM device WHERE id >= ?1 AND id <= ?2 LIMIT 2";
        found.extend(query_all(sql, text, &[Value::Bytes(first.0.as_bytes()), Value::Bytes(last.0.as_bytes())], |row| {
            Ok((DeviceId(replay::id(row.bytes(0)?)?), AccountId(replay::id(row.bytes(1)?)?)))
        })?);
    }
    Ok(found)
}

/// The account of an object that is there, and its device if it is one.
fn find(sql: &mut dyn Sql, id: ObjectId) -> SqlResult<Option<(AccountId, Option<DeviceId>)>> {
    if id.devices().is_some() {
        return Ok(devices_of(sql, id)?.pop().map(|(device, account)| (account, Some(device))));
    }
    let text = "SELECT account FROM object WHERE id = ?1";
    query_one(sql, text, &[Value::Int(number(id))], |row| Ok((AccountId(replay::id(row.bytes(0)?)?), None)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versioned::tests::check;

    #[test]
    fn object_statements_are_these() {
        check(
            &OBJECT,
            "INSERT INTO object (id, version, account, what, subject, kind, name, owner, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT DO NOTHING",
            "UPDATE object SET version = ?2, kind = ?6, name = ?7, owner = ?8, doc = ?9 WHERE id = ?1 AND version + 1 = ?2 AND account = ?3 \
             AND what = ?4 AND subject IS NOT DISTINCT FROM ?5",
            "SELECT version FROM object WHERE id = ?1",
        );
    }
}
