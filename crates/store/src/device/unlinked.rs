//! What was deleted at once for all readers, and whose rows go later, a slice at a time between commits.
//!
//! Ids are never used again, so that a row whose owner is unlinked cannot come back. Absent: what belongs to nobody, which retention deletes.

use crate::{
    device::members,
    effects::Done,
    engine::sql::{Sql, SqlResult, Value, query_all, query_one},
    extension, job,
    object::links,
};
use landfall_model::{DeviceId, GroupId, JobId, ResourceId};

const DEVICE: &str = "device";
const GROUP: &str = "group";
const JOB: &str = "job";
/// Owners of one slice; most have few rows.
const OWNERS: i64 = 200;
/// A condition that hides rows of unlinked devices; `#` stands for the column of the device.
const VISIBLE: &str = "NOT EXISTS (SELECT 1 FROM unlinked u WHERE u.owner = #)";

/// Rows of a device that may be many; those of which it has few are deleted with it.
const OF_DEVICE: [&str; 6] = [
    "DELETE FROM chunk WHERE device = ?1 AND first_seq IN (SELECT first_seq FROM chunk WHERE device = ?1 LIMIT ?2)",
    "DELETE FROM command WHERE id IN (SELECT id FROM command WHERE device = ?1 LIMIT ?2)",
    "DELETE FROM revoke_task WHERE id IN (SELECT id FROM revoke_task WHERE device = ?1 LIMIT ?2)",
    "DELETE FROM setting WHERE id IN (SELECT id FROM setting WHERE device = ?1 LIMIT ?2)",
    "DELETE FROM alarm WHERE id IN (SELECT id FROM alarm WHERE device = ?1 LIMIT ?2)",
    "DELETE FROM device_event WHERE id IN (SELECT id FROM device_event WHERE device = ?1 LIMIT ?2)",
];

/// The history, commands, settings, alarms, events and resources of a device that is gone are to go.
pub(crate) fn put_device(sql: &mut dyn Sql, device: DeviceId) -> Done {
    put(sql, device.0.as_bytes(), DEVICE)?;
    Ok(())
}

/// The devices of a group that is gone are to leave it.
pub(crate) fn put_group(sql: &mut dyn Sql, group: GroupId) -> SqlResult<()> {
    put(sql, group.0.as_bytes(), GROUP)
}

/// The targets of a job that is gone are to go.
pub(crate) fn put_job(sql: &mut dyn Sql, job: JobId) -> SqlResult<()> {
    put(sql, job.0.as_bytes(), JOB)
}

/// What belongs to an owner of this kind is to go.
pub(crate) fn put(sql: &mut dyn Sql, owner: &[u8], kind: &str) -> SqlResult<()> {
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
    let owners = query_all(sql, text, &[Value::Int(OWNERS)], |row| Ok((row.bytes(0)?.to_vec(), row.text(1)?.to_owned())))?;
    let mut left = limit;
    for (owner, kind) in &owners {
        left -= match kind.as_str() {
            DEVICE => rows_of_device(sql, owner, left, dropped)?,
            GROUP => rows_of_group(sql, owner, left)?,
            JOB => job::delete_rows(sql, owner, left)?,
            links::OBJECT => links::delete_slice(sql, owner, left)?,
            _ => extension::delete_of_owner(sql, owner, left, dropped)?,
        };
        if left <= 0 {
            return Ok(true);
        }
        sql.execute("DELETE FROM unlinked WHERE owner = ?1", &[Value::Bytes(owner)])?;
    }
    Ok(owners.len() as i64 == OWNERS)
}

fn rows_of_device(sql: &mut dyn Sql, device: &[u8], limit: i64, dropped: &mut Vec<ResourceId>) -> SqlResult<i64> {
    let mut deleted = 0;
    for text in OF_DEVICE {
        deleted += sql.execute(text, &[Value::Bytes(device), Value::Int(limit - deleted)])?.cast_signed();
        if deleted >= limit {
            return Ok(deleted);
        }
    }
    deleted += members::slice_of_device(sql, device, limit - deleted)?;
    if deleted >= limit {
        return Ok(deleted);
    }
    Ok(deleted + extension::delete_of_device(sql, device, limit - deleted, dropped)?)
}

fn rows_of_group(sql: &mut dyn Sql, group: &[u8], limit: i64) -> SqlResult<i64> {
    let text = "DELETE FROM group_member WHERE member_of = ?1 AND device IN (SELECT device FROM group_member WHERE member_of = ?1 LIMIT ?2)";
    Ok(sql.execute(text, &[Value::Bytes(group), Value::Int(limit)])?.cast_signed())
}
