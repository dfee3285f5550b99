//! Lists of objects: those with records and devices without one, two tables one after the other.

use crate::{
    device::counts,
    engine::{
        documents::{Conditions, id_value, parse},
        sql::{Row, Sql, SqlResult, Value, parameters, query_all, query_one, storable, to_db},
    },
    object::DEVICE,
};
use landfall_core::{
    DeviceFilter,
    store::{Listed, ObjectFilter},
};
use landfall_model::{Device, Object, ObjectOf, Page, PageRequest};
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

/// The greatest character: what begins with a text comes before the text and this.
const LAST: char = char::MAX;

/// A page of objects.
pub(super) fn objects(sql: &mut dyn Sql, filter: &ObjectFilter, page: PageRequest) -> SqlResult<Page<Listed>> {
    let texts = [&filter.kind, &filter.owner, &filter.name, &filter.prefix].into_iter().flatten().chain(&filter.fragments);
    if texts.into_iter().any(|text| !storable(text)) {
        return Ok(Page { total: 0, items: vec![] });
    }
    sql.begin_read()?;
    let found = within(sql, filter, page)?;
    sql.batch("COMMIT")?;
    Ok(found)
}

fn within(sql: &mut dyn Sql, filter: &ObjectFilter, page: PageRequest) -> SqlResult<Page<Listed>> {
    let of_device = |row: &dyn Row| parse::<Device>(row, 0).map(Arc::new);
    let of_record = |row: &dyn Row| parse::<Object>(row, 0).map(Arc::new);
    let (from, size) = (page.offset(), u64::from(page.size));
    let (mut total, mut items) = (0, vec![]);
    if filter.needs_record() || filter.devices != Some(true) {
        let found = part(sql, "object", "id", records(filter), (from, size), None, of_record)?;
        total = found.total;
        items = with_devices(sql, found.items)?;
    }
    if !filter.needs_record() && filter.devices != Some(false) {
        let (skip, left) = (from.saturating_sub(total), size - items.len() as u64);
        let all = filter.name.is_none() && filter.prefix.is_none() && !filter.roots;
        let known = if all { Some(counts::of(sql, &DeviceFilter::of(filter.account))?) } else { None };
        let found = part(sql, "device", "created_at, id", devices(filter), (skip, left), known, of_device)?;
        total += found.total;
        items.extend(with_records(sql, found.items)?);
    }
    Ok(Page { total, items })
}

/// Conditions on records.
fn records(filter: &ObjectFilter) -> Conditions<'_> {
    let mut conditions = Conditions::new();
    conditions.and_id("account", Some(&filter.account.0));
    conditions.and_text("kind", filter.kind.as_deref());
    conditions.and_text("owner", filter.owner.as_deref());
    for fragment in &filter.fragments {
        conditions.and("id IN (SELECT object FROM object_fragment WHERE account = ?1 AND name = #)", Value::Text(fragment));
    }
    // The account is the first parameter. Names of devices stand with them.
    let named = |test: &str| match filter.needs_record() {
        true => format!("({test} OR subject IN (SELECT id FROM device WHERE account = ?1 AND {test}))"),
        false => test.to_owned(),
    };
    if let Some(name) = &filter.name {
        conditions.and(&named("name = #"), Value::Text(name));
    }
    if let Some(prefix) = &filter.prefix {
        conditions.and(&named(&begins()), Value::Text(prefix));
    }
    match filter.devices {
        Some(true) => conditions.and_also(&format!("what = {DEVICE}")),
        Some(false) => conditions.and_also(&format!("what < {DEVICE}")),
        None if filter.needs_record() => (),
        None => conditions.and_also(&format!("what < {DEVICE}")),
    }
    if filter.roots {
        conditions.and_also("NOT EXISTS (SELECT 1 FROM object_link l WHERE l.child = object.id)");
        conditions.and_also("NOT EXISTS (SELECT 1 FROM group_member m WHERE m.device = object.subject)");
        conditions.and_also("NOT EXISTS (SELECT 1 FROM device d WHERE d.id = object.subject AND d.gateway <> d.id)");
    }
    conditions
}

/// Conditions on devices.
fn devices(filter: &ObjectFilter) -> Conditions<'_> {
    let mut conditions = Conditions::new();
    conditions.and_id("account", Some(&filter.account.0));
    conditions.and_text("name", filter.name.as_deref());
    if let Some(prefix) = &filter.prefix {
        conditions.and(&begins(), Value::Text(prefix));
    }
    if filter.roots {
        conditions.and_also("gateway = id");
        conditions.and_also("NOT EXISTS (SELECT 1 FROM object_link l WHERE l.device = device.id)");
        conditions.and_also("NOT EXISTS (SELECT 1 FROM group_member m WHERE m.device = device.id)");
    }
    conditions
}

/// That the name begins with a text.
fn begins() -> String {
    format!("(name >= # AND name < # || '{LAST}')")
}

/// Documents that match, from a place on, and how many there are.
fn part<T>(
    sql: &mut dyn Sql,
    table: &str,
    order: &str,
    conditions: Conditions<'_>,
    (from, size): (u64, u64),
    known: Option<u64>,
    read: impl FnMut(&dyn Row) -> SqlResult<T>,
) -> SqlResult<Page<T>> {
    let (text, mut params) = conditions.into_parts();
    let total = match known {
        Some(total) => total,
        None => {
            let count = format!("SELECT COUNT(*) FROM {table} WHERE {text}");
            query_one(sql, &count, &params, |row| row.seq(0))?.unwrap_or(0)
        }
    };
    let left = total.saturating_sub(from).min(size);
    if left == 0 {
        return Ok(Page { total, items: vec![] });
    }
    let n = params.len();
    params.extend([Value::Int(to_db(left)), Value::Int(to_db(from))]);
    // The inner query walks the index alone.
    let text = format!(
        "SELECT doc FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {text} ORDER BY {order} LIMIT ?{} OFFSET ?{}) ORDER BY {order}",
        n + 1,
        n + 2
    );
    Ok(Page { total, items: query_all(sql, &text, &params, read)? })
}

/// Records with the devices that they are of; one whose device is gone is passed over.
fn with_devices(sql: &mut dyn Sql, records: Vec<Arc<Object>>) -> SqlResult<Vec<Listed>> {
    let ids: Vec<Uuid> = records.iter().filter_map(|record| device_of(record)).collect();
    let found: HashMap<Uuid, Arc<Device>> =
        by_ids(sql, "SELECT doc FROM device WHERE id IN", &ids, |device: &Device| Some(device.id.0))?;
    let listed = |object: Arc<Object>| {
        let wanted = device_of(&object);
        let device = wanted.and_then(|id| found.get(&id).cloned());
        (device.is_some() || wanted.is_none()).then_some(Listed { object: Some(object), device })
    };
    Ok(records.into_iter().filter_map(listed).collect())
}

/// Devices with the records that they have.
fn with_records(sql: &mut dyn Sql, devices: Vec<Arc<Device>>) -> SqlResult<Vec<Listed>> {
    let ids: Vec<Uuid> = devices.iter().map(|device| device.id.0).collect();
    let found: HashMap<Uuid, Arc<Object>> = by_ids(sql, "SELECT doc FROM object WHERE subject IN", &ids, device_of)?;
    let listed = |device: Arc<Device>| Listed { object: found.get(&device.id.0).cloned(), device: Some(device) };
    Ok(devices.into_iter().map(listed).collect())
}

fn device_of(record: &Object) -> Option<Uuid> {
    match record.of {
        ObjectOf::Device(id) => Some(id.0),
        ObjectOf::Group(_) | ObjectOf::Itself => None,
    }
}

fn by_ids<T: serde::de::DeserializeOwned>(
    sql: &mut dyn Sql,
    text: &str,
    ids: &[Uuid],
    key: impl Fn(&T) -> Option<Uuid>,
) -> SqlResult<HashMap<Uuid, Arc<T>>> {
    /// Ids that one statement asks for; the last one fills up what is missing.
    const AT_ONCE: usize = 50;
    let text = format!("{text} {}", parameters(1, AT_ONCE));
    let mut found = HashMap::new();
    for some in ids.chunks(AT_ONCE) {
        let mut params: Vec<Value<'_>> = some.iter().map(id_value).collect();
        params.resize(AT_ONCE, params[some.len() - 1]);
        let rows = query_all(sql, &text, &params, |row| parse::<T>(row, 0).map(Arc::new))?;
        found.extend(rows.into_iter().filter_map(|one| Some((key(&one)?, one))));
    }
    Ok(found)
}
