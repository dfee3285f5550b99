//! What of the tree was deleted at once for all readers, and whose rows go later.

use crate::{
    device::unlinked::put,
    engine::sql::{Sql, SqlResult, Value, query_one},
    onem2m::{instances::resource_id, resources},
};
use landfall_model::ResourceId;

/// A resource, whether it is a container or not.
const RESOURCE: &str = "container";
/// A resource with its labels and container costs as much as so many of the other rows.
const ROWS_OF_RESOURCE: i64 = 5;

/// The instances of a container before its first one are to go; of a resource that is gone all of them, and what is below it.
pub(crate) fn put_resource(sql: &mut dyn Sql, resource: ResourceId) -> SqlResult<()> {
    put(sql, &resource.0, RESOURCE)
}

/// Deletes resources of a device that is gone; returns the rows.
pub(crate) fn delete_of_device(sql: &mut dyn Sql, device: &[u8], limit: i64, dropped: &mut Vec<ResourceId>) -> SqlResult<i64> {
    Ok(resources::delete_some_of_device(sql, device, resources_within(limit), dropped)? * ROWS_OF_RESOURCE)
}

/// Instances that are not of the container any more; of one that is gone all, then what is below it.
pub(crate) fn delete_of_resource(sql: &mut dyn Sql, owner: &[u8], limit: i64, dropped: &mut Vec<ResourceId>) -> SqlResult<i64> {
    let (key, resource) = (Value::Bytes(owner), resource_id(owner)?);
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
