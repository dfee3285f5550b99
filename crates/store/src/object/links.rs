//! What is below what. No object is below itself, as whoever goes below another is looked for above that one first.

use crate::{
    device::unlinked,
    effects::{Done, Refused},
    engine::sql::{Sql, SqlResult, Value, query_all},
    object::{find, number, object_id},
    stream::record::Malformed,
};
use landfall_model::{Cause, ChildKind, Error, ObjectId};
use std::collections::BTreeSet;

/// What unlinked links are of.
pub(crate) const OBJECT: &str = "object";
/// Links of one direction that go with an object; the rows of more go in slices.
const AT_ONCE: i64 = 200;
/// Objects above one, over all ways up.
const ABOVE: usize = 100;

pub(super) fn kind_number(kind: ChildKind) -> i64 {
    match kind {
        ChildKind::Device => 0,
        ChildKind::Asset => 1,
        ChildKind::Addition => 2,
    }
}

pub(super) fn kind_of(number: i64) -> SqlResult<ChildKind> {
    ChildKind::ALL.into_iter().find(|kind| kind_number(*kind) == number).ok_or_else(|| Malformed.into())
}

/// One object goes below another.
pub(crate) fn put(sql: &mut dyn Sql, parent: ObjectId, kind: ChildKind, child: ObjectId) -> Done {
    const PUT: &str = "INSERT INTO object_link (parent, kind, child, device) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let (above, below) = (find(sql, parent)?, find(sql, child)?);
    let (Some((of, _)), Some((account, device))) = (above, below) else { return Err(gone()) };
    if of != account {
        return Err(gone());
    }
    check_above(sql, parent, child)?;
    let device = Value::opt_bytes(device.as_ref().map(|id| id.0.as_bytes().as_slice()));
    sql.execute(PUT, &[Value::Int(number(parent)), Value::Int(kind_number(kind)), Value::Int(number(child)), device])?;
    Ok(())
}

fn gone() -> Refused {
    Refused::Batch(Error::new(Cause::ResourceNotFound, "the object or its parent is gone"))
}

/// Refuses a child that is its parent or above it.
fn check_above(sql: &mut dyn Sql, parent: ObjectId, child: ObjectId) -> Done {
    let refused = |cause, detail: &'static str| Err(Refused::Batch(Error::new(cause, detail)));
    let (mut seen, mut next) = (BTreeSet::from([parent]), vec![parent]);
    while let Some(one) = next.pop() {
        if one == child {
            return refused(Cause::ChildNotAllowed, "an object cannot be below itself");
        }
        let text = "SELECT parent FROM object_link WHERE child = ?1 LIMIT ?2";
        let limit = Value::Int(ABOVE as i64 + 1);
        for above in query_all(sql, text, &[Value::Int(number(one)), limit], |row| row.int(0).map(object_id))? {
            if seen.insert(above) {
                next.push(above);
            }
        }
        if seen.len() > ABOVE {
            return refused(Cause::TooMany, "there are too many objects above the parent");
        }
    }
    Ok(())
}

/// One object is below another no longer.
pub(crate) fn remove(sql: &mut dyn Sql, parent: ObjectId, kind: ChildKind, child: ObjectId) -> Done {
    let text = "DELETE FROM object_link WHERE parent = ?1 AND kind = ?2 AND child = ?3";
    sql.execute(text, &[Value::Int(number(parent)), Value::Int(kind_number(kind)), Value::Int(number(child))])?;
    Ok(())
}

/// The links of an object that is gone go, if they are not more than usual.
pub(super) fn object_gone(sql: &mut dyn Sql, id: ObjectId) -> SqlResult<()> {
    if delete_some(sql, id, AT_ONCE)? >= AT_ONCE {
        unlinked::put(sql, &id.0.to_be_bytes(), OBJECT)?;
    }
    Ok(())
}

/// Deletes at most `limit` links of an object that is gone; returns how many.
pub(crate) fn delete_slice(sql: &mut dyn Sql, owner: &[u8], limit: i64) -> SqlResult<i64> {
    let id = owner.try_into().map(u64::from_be_bytes).map_err(|_| Malformed)?;
    delete_some(sql, ObjectId(id), limit)
}

fn delete_some(sql: &mut dyn Sql, id: ObjectId, limit: i64) -> SqlResult<i64> {
    const BELOW: &str = "SELECT parent, kind, child FROM object_link WHERE parent = ?1 LIMIT ?2";
    const ABOVE: &str = "SELECT parent, kind, child FROM object_link WHERE child = ?1 LIMIT ?2";
    let mut deleted = 0;
    for text in [ABOVE, BELOW] {
        let params = [Value::Int(number(id)), Value::Int(limit - deleted)];
        let rows = query_all(sql, text, &params, |row| Ok([row.int(0)?, row.int(1)?, row.int(2)?]))?;
        for row in &rows {
            let text = "DELETE FROM object_link WHERE parent = ?1 AND kind = ?2 AND child = ?3";
            sql.execute(text, &row.map(Value::Int))?;
        }
        deleted += rows.len() as i64;
    }
    Ok(deleted)
}
