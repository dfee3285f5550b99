//! Lists of devices: with filters and pages, and those that background work looks at.

use crate::{
    device::{counts, record},
    engine::documents::{arcs, parse},
    engine::sql::{Row, Sql, SqlResult, Value, query_all, query_one},
    stream::replay::id,
};
use landfall_core::{DeviceFilter, Due};
use landfall_model::{Device, DeviceId, Page, PageRequest, ProductId, Sort, Time};
use std::sync::Arc;

/// Rows that a short list passes over at most.
const SHORT: u64 = 10_000;

/// Whether a page of devices is found without reading much: by a name, behind one gateway, or counted and near the beginning.
pub(crate) fn is_short(filter: &DeviceFilter, page: PageRequest) -> bool {
    let few = filter.node_id.is_some() || filter.gateway.is_some();
    let walked = filter.status.is_none() && filter.node_type.is_none() && page.offset() <= SHORT && record::counters_know(filter);
    few || walked
}

/// The next devices after one.
pub(crate) fn devices_after(
    sql: &mut dyn Sql,
    filter: &DeviceFilter,
    after: Option<(Time, DeviceId)>,
    limit: u32,
) -> SqlResult<Vec<Arc<Device>>> {
    let after = after.as_ref().map(|(at, id)| (*at, &id.0.as_bytes()[..]));
    record::conditions(filter).after(sql, "device", filter.sort, after, limit)
}

/// A page of devices.
pub(crate) fn devices(sql: &mut dyn Sql, filter: &DeviceFilter, page: PageRequest) -> SqlResult<Page<Arc<Device>>> {
    let order = match filter.sort {
        Sort::Ascending => "created_at, id",
        Sort::Descending => "created_at DESC, id DESC",
    };
    sql.begin_read()?;
    let total = if record::counters_know(filter) { Some(counts::of(sql, filter)?) } else { None };
    let found = record::conditions(filter).page_within(sql, "device", order, page, total)?;
    sql.batch("COMMIT")?;
    Ok(arcs(found))
}

/// Devices of a product, by id after `after`.
pub(crate) fn product_devices(
    sql: &mut dyn Sql,
    product: ProductId,
    after: Option<DeviceId>,
    limit: u32,
) -> SqlResult<Vec<Arc<Device>>> {
    let after = after.as_ref().map_or(&[][..], |id| id.0.as_bytes());
    let text = "SELECT doc FROM device WHERE product = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    let params = [Value::Bytes(product.0.as_bytes()), Value::Bytes(after), Value::Int(i64::from(limit))];
    query_all(sql, text, &params, |row| parse(row, 0).map(Arc::new))
}

/// The device whose id begins so.
pub(crate) fn device_by_prefix(sql: &mut dyn Sql, first: [u8; 11]) -> SqlResult<Option<DeviceId>> {
    let (mut from, mut to) = ([0; 16], [u8::MAX; 16]);
    from[..11].copy_from_slice(&first);
    to[..11].copy_from_slice(&first);
    let text = "SELECT id FROM device WHERE id >= ?1 AND id <= ?2 ORDER BY id LIMIT 1";
    query_one(sql, text, &[Value::Bytes(&from), Value::Bytes(&to)], |row| id(row.bytes(0)?).map(DeviceId))
}

/// Devices that the database knows to be due, each with the time since when, the longest due first, after `after`.
pub(crate) fn due(sql: &mut dyn Sql, due: Due, after: (Time, DeviceId), limit: u32) -> SqlResult<Vec<(Time, Device)>> {
    const SILENT: &str = "SELECT COALESCE(last_seen, created_at), doc FROM device WHERE status = ?1 \
         AND COALESCE(last_seen, created_at) < ?2 AND COALESCE(last_seen, created_at) >= ?3 AND (COALESCE(last_seen, created_at), id) > (?3, ?4) \
         ORDER BY COALESCE(last_seen, created_at), id LIMIT ?5";
    const EXPIRED: &str = "SELECT code_expires_at, doc FROM device WHERE activated = 0 AND code_expires_at IS NOT NULL \
         AND code_expires_at < ?1 AND code_expires_at >= ?2 AND (code_expires_at, id) > (?2, ?3) ORDER BY code_expires_at, id LIMIT ?4";
    let (since, id, limit) = (Value::Int(after.0.0), Value::Bytes(after.1.0.as_bytes()), Value::Int(i64::from(limit)));
    let found = |row: &dyn Row| Ok((Time(row.int(0)?), parse(row, 1)?));
    match due {
        Due::Silent(status, before) => {
            query_all(sql, SILENT, &[Value::Text(status.as_str()), Value::Int(before.0), since, id, limit], found)
        }
        Due::Expired(before) => query_all(sql, EXPIRED, &[Value::Int(before.0), since, id, limit], found),
    }
}

/// Devices that are marked as connected, by id after `after`.
pub(crate) fn connected(sql: &mut dyn Sql, after: Option<DeviceId>, limit: u32) -> SqlResult<Vec<Arc<Device>>> {
    let after = after.as_ref().map_or(&[][..], |id| id.0.as_bytes());
    let text = "SELECT doc FROM device WHERE connected = 1 AND id > ?1 ORDER BY id LIMIT ?2";
    query_all(sql, text, &[Value::Bytes(after), Value::Int(i64::from(limit))], |row| parse(row, 0).map(Arc::new))
}

#[cfg(test)]
mod tests;
