//! What was deleted at once for all readers, and whose rows go later, a slice at a time between commits.
//!
//! Ids are never used again, so that a row whose owner is unlinked cannot come back. Absent: what belongs to nobody, which retention deletes.

use crate::{
    engine::sql::{Sql, SqlResult, Value, query_all, query_one},
    onem2m::{instances::resource_id, resources},
    write::Done,
};
use landfall_model::{DeviceId, ResourceId};

const DEVICE: &str = "device";
/// A resource, whether it is a container or not.
const RESOURCE: &str = "container";
/// A resource with its labels and container costs as much as so many of the other rows.
const ROWS_OF_RESOURCE: i64 = 5;
/// Owners of one slice; most have few rows.
const OWNERS: i64 = 200;
/// A condition that hides rows of unlinked devices; `#` stands for the column of the device.
const VISIBLE: &str = "NOT EXISTS (SELECT 1 FROM unlinked u WHERE u.owner = #)";

/// Rows of a device that may be many; those of which it has few are deleted with it.
const OF_DEVICE: [&str; 4] = [
    "DELETE FROM chunk WHERE device = ?1 AND first_seq IN (SELECT first_seq FROM chunk WHERE device = ?1 LIMIT ?2)",
    "DELETE FROM command WHERE id IN (SELECT id FROM command WHERE device = ?1 LIMIT ?2)",
    "DELETE FROM revoke_task WHERE id IN (SELECT id FROM revoke_task WHERE device = ?1 LIMIT ?2)",
    "DELETE FROM setting WHERE id IN (SELECT id FROM setting WHERE device = ?1 LIMIT ?2)",
];

/// The history, commands, settings and resources of a device that is gone are to go.
pub(crate) fn put_device(sql: &mut dyn Sql, device: DeviceId) -> Done {
    put(sql, device.0.as_bytes(), DEVICE)?;
    Ok(())
}

/// The instances of a container before its first one are to go; of a resource that is gone all of them, and what is below it.
pub(crate) fn put_resource(sql: &mut dyn Sql, resource: ResourceId) -> SqlResult<()> {
    put(sql, &resource.0, RESOURCE)
}

fn put(sql: &mut dyn Sql, owner: &[u8], kind: &str) -> SqlResult<()> {
    let text = "INSERT INTO unlinked (owner, kind) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    sql.execute(text, &[Value::Bytes(owner), Value::Text(kind)])?;
    Ok(())
}

/// The condition that hides what belongs to unlinked devices; `column` names the device.
pub(crate) fn visible(column: &str) -> String {
    VISIBLE.replace('#', column)
}

/// Whether there may be rows to hide.
pub(crate) fn any(sql: &mut dyn Sql) -> SqlResult<bool> {
    Ok(query_one(sql, "SELECT kind FROM unlinked LIMIT 1", &[], |_| Ok(()))?.is_some())
}

/// Deletes at most `limit` rows, a few more than that at the end; true when more may be left. Adds resources that went to `dropped`.
pub(crate) fn slice(sql: &mut dyn Sql, limit: i64, dropped: &mut Vec<ResourceId>) -> SqlResult<bool> {
    let text = "SELECT owner, kind FROM unlinked ORDER BY owner LIMIT ?1";
    let owners = query_all(sql, text, &[Value::Int(OWNERS)], |row| Ok((row.bytes(0)?.to_vec(), row.text(1)? == DEVICE)))?;
    let mut left = limit;
    for (owner, is_device) in &owners {
        left -= match is_device {
            true => delete_of_device(sql, owner, left, dropped)?,
            false => delete_of_resource(sql, resource_id(owner)?, left, dropped)?,
        };
        if left <= 0 {
            return Ok(true);
        }
        sql.execute("DELETE FROM unlinked WHERE owner = ?1", &[Value::Bytes(owner)])?;
    }
    Ok(owners.len() as i64 == OWNERS)
}

fn delete_of_device(sql: &mut dyn Sql, device: &[u8], limit: i64, dropped: &mut Vec<ResourceId>) -> SqlResult<i64> {
    let mut deleted = 0;
    for text in OF_DEVICE {
        deleted += sql.execute(text, &[Value::Bytes(device), Value::Int(limit - deleted)])?.cast_signed();
        if deleted >= limit {
            return Ok(deleted);
        }
    }
    let resources = resources::delete_some_of_device(sql, device, resources_within(limit - deleted), dropped)?;
    Ok(deleted + resources * ROWS_OF_RESOURCE)
}

/// Instances that are not of the container any more; of one that is gone all, then what is below it.
fn delete_of_resource(sql: &mut dyn Sql, resource: ResourceId, limit: i64, dropped: &mut Vec<ResourceId>) -> SqlResult<i64> {
    let key = Value::Bytes(&resource.0);
    let first = query_one(sql, "SELECT first FROM container WHERE id = ?1", &[key], |row| row.int(0))?;
    let text = "DELETE FROM instance WHERE id IN (SELECT id FROM instance WHERE container = ?1 AND n < ?2 ORDER BY n LIMIT ?3)";
    let params = [key, Value::Int(first.unwrap_or(i64::MAX)), Value::Int(limit)];
    let deleted = sql.execute(text, &params)?.cast_signed();
    if first.is_some() || deleted >= limit {
        return Ok(deleted);
    }
    let resources = resources::delete_below(sql, resource, resources_within(limit - deleted), dropped)?;
    Ok(deleted + resources * ROWS_OF_RESOURCE)
}

/// How many resources may go where so many rows may; at least one.
fn resources_within(rows: i64) -> i64 {
    (rows + ROWS_OF_RESOURCE - 1) / ROWS_OF_RESOURCE
}
