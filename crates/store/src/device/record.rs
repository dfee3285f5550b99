//! The record of a device: its row, what hangs on it, and how many may be added.

use crate::{
    device::{
        counts::{Counted, Counts},
        members, names, principals, unlinked,
    },
    effects::{Done, Refused, delete},
    engine::{
        documents::{Conditions, id_value, text},
        sql::{Sql, Value},
    },
    versioned::{Cell, Kind, Table, doc, key, moves, newest, placed, placed_or_null, stale, version},
};
use landfall_core::DeviceFilter;
use landfall_model::{Cause, Device, DeviceId, DeviceLimit, DeviceName, Error, Identity, Principals, Time};
use std::sync::OnceLock;

pub(crate) static DEVICE: Table<Device> = Table {
    name: "device",
    columns: &[
        key("id", |r| Cell::bytes(r.id.0.as_bytes())),
        version(),
        placed("account", |r| Cell::bytes(r.account.0.as_bytes())),
        placed("principals", |r| Cell::Bytes(principals::bytes(&r.principals))),
        placed("node_id", |r| Cell::text(&r.node_id)),
        placed_or_null("product", |r| Cell::opt_bytes(r.product.as_ref().map(|id| id.0.as_bytes().as_slice()))),
        // A device without a gateway is its own, as 1.4.9 has it: one equality finds a gateway and what is behind it.
        placed("gateway", |r| Cell::bytes(r.gateway.as_ref().unwrap_or(&r.id).0.as_bytes())),
        placed("node_type", |r| Cell::text(r.node_type.as_str())),
        placed_or_null("device_type", |r| Cell::opt_text(r.info.device_type.as_deref())),
        placed_or_null("name", |r| Cell::opt_text(r.info.name.as_deref())),
        placed_or_null("location", |r| Cell::opt_text(r.info.location.as_deref())),
        moves("status", |r| Cell::text(r.status.as_str())),
        moves("connected", |r| Cell::int(r.connected)),
        moves("activated", |r| Cell::int(r.activated)),
        placed_or_null("code_expires_at", |r| Cell::opt_int(r.credentials.code_expires_at.map(|t| t.0))),
        placed_or_null("aging_days", |r| Cell::opt_int(r.data_aging_days)),
        placed("created_at", |r| Cell::int(r.created_at.0)),
        newest("last_seen", |r| Cell::opt_int(r.heard_at.map(|t| t.0))),
        doc(),
        placed("psk_identity", |r| Cell::text(r.psk_identity())),
        placed_or_null("node_name", |r| Cell::opt_text(node_name(r))),
    ],
    version: |r| r.version,
    kind: Kind::Registry {
        // Its names are in a table of their own; what it calls itself is also a filter of lists.
        unique: &[&["node_id"]],
        taken: Cause::NodeIdTaken,
        detail: "another device has this nodeId",
    },
    statements: OnceLock::new(),
};

/// That a principal sees a device, where another filter chooses the index: the usual device, with one, is decided in that index.
pub(crate) const SEEN_BY: &str = "CASE WHEN LENGTH(principals) = 16 THEN principals = # ELSE EXISTS (SELECT 1 FROM device_principal p \
     WHERE p.account = device.account AND p.principal = # AND p.created_at = device.created_at AND p.id = device.id) END";

/// What lists filter by: the filter that likely leaves fewest chooses the index, in which the others are looked at.
pub(crate) fn conditions(filter: &DeviceFilter) -> Conditions<'_> {
    let equal = [
        ("node_id", text(filter.node_id.as_ref())),
        ("name", text(filter.name.as_ref())),
        ("location", text(filter.location.as_ref())),
        ("gateway", filter.gateway.as_ref().map(|one| id_value(&one.0))),
        ("product", filter.product.as_ref().map(|one| id_value(&one.0))),
        ("device_type", text(filter.device_type.as_ref())),
        ("status", filter.status.map(|s| Value::Text(s.as_str()))),
    ];
    let chosen = equal.iter().any(|(_, value)| value.is_some());
    let mut conditions = Conditions::first_of(equal);
    match &filter.principal {
        Some(app) if chosen => conditions.and(SEEN_BY, id_value(&app.0)),
        Some(app) => {
            conditions.and_id("principal", Some(&app.0));
            conditions.walk("device_principal");
        }
        None => (),
    }
    conditions.and_id("account", Some(&filter.account.0));
    if let Some(node_type) = filter.node_type {
        conditions.sift("node_type", Value::Text(node_type.as_str()));
    }
    conditions.and_between("created_at", filter.created_after, filter.created_before);
    conditions
}

/// Whether counters say how many devices fit: they tell status and kind of what one owner has. A new filter must say here that they do not.
pub(crate) fn counters_know(filter: &DeviceFilter) -> bool {
    let DeviceFilter {
        account: _,
        principal,
        gateway,
        node_type: _,
        device_type,
        location,
        name,
        node_id,
        product,
        status: _,
        created_after,
        created_before,
        sort: _,
    } = filter;
    let owners = [principal.is_some(), product.is_some(), gateway.is_some()];
    [device_type, location, name, node_id].iter().all(|text| text.is_none())
        && created_after.is_none()
        && created_before.is_none()
        && owners.iter().filter(|given| **given).count() <= 1
}

pub(crate) fn check_device_limit(sql: &mut dyn Sql, r: &DeviceLimit, counts: &Counts) -> Done {
    if counts.total(sql, r.account, r.owner)?.saturating_add(r.adding) > r.most {
        return Err(Refused::Batch(r.error.clone()));
    }
    Ok(())
}

pub(crate) fn put_device(sql: &mut dyn Sql, r: &Device, doc: &str, counts: &mut Counts) -> Done {
    let before = if r.version > 1 { Counted::stored(sql, r.id)? } else { None };
    check_principals(r)?;
    write_device(sql, r, doc)?;
    let after = Counted::of(r);
    principals::follow(sql, r.id, before.as_ref(), Some(&after))?;
    counts.change(before.as_ref(), Some(&after));
    Ok(())
}

/// As [`put_device`] for new devices, together.
pub(crate) fn put_new(sql: &mut dyn Sql, devices: &[(&Device, &str)], counts: &mut Counts) -> Done {
    devices.iter().try_for_each(|(r, _)| check_principals(r))?;
    let wanted: Vec<_> = devices.iter().map(|(r, _)| (r.id, r.names())).collect();
    if let Some((at, taken)) = names::taken_among(sql, &wanted)? {
        let r = devices[at].0;
        let next = DEVICE.is_next(sql, &[Value::Bytes(r.id.0.as_bytes())], r.version)?;
        return Err(if next { Refused::Batch(name_taken(r, taken)) } else { stale() });
    }
    DEVICE.put_new(sql, devices)?;
    names::give(sql, &wanted)?;
    let counted: Vec<_> = devices.iter().map(|(r, _)| (r.id, Counted::of(r))).collect();
    principals::give(sql, &counted)?;
    counted.iter().for_each(|(_, after)| counts.change(None, Some(after)));
    Ok(())
}

fn check_principals(r: &Device) -> Done {
    if r.principals.len() <= Principals::MOST {
        return Ok(());
    }
    let detail = format!("a device is seen by at most {} applications", Principals::MOST);
    Err(Refused::Batch(Error::new(Cause::InvalidField, detail)))
}

fn write_device(sql: &mut dyn Sql, r: &Device, doc: &str) -> Done {
    if DEVICE.put_in_place(sql, r, doc)? {
        return Ok(());
    }
    let before = if r.version > 1 { names::stored(sql, r.id)? } else { vec![] };
    let wanted = r.names();
    if let Some(taken) = names::taken(sql, r.id, &wanted)? {
        let next = DEVICE.is_next(sql, &[Value::Bytes(r.id.0.as_bytes())], r.version)?;
        return Err(if next { Refused::Batch(name_taken(r, taken)) } else { stale() });
    }
    DEVICE.put(sql, r, doc)?;
    Ok(names::set(sql, r.id, &before, &wanted)?)
}

/// Says which name of the device another one has, in this or another form.
fn name_taken(r: &Device, taken: &DeviceName) -> Error {
    let (what, name) = match taken {
        DeviceName::Node(..) => return Error::new(Cause::ResourceExists, "another device of the account has this node name"),
        DeviceName::Identity(taken) if Identity::of(&r.node_id) == *taken => ("nodeId", r.node_id.as_str()),
        DeviceName::Identity(_) => ("PSK identity", r.psk_identity()),
    };
    Error::new(Cause::NodeIdTaken, format!("another device has a name that means the same as the {what} {name}"))
}

/// What the device's node is called.
fn node_name(device: &Device) -> Option<&str> {
    device.node.as_ref().map(|node| node.name.as_str())
}

/// Deletes a device's records; whether it was there.
pub(crate) fn delete_device(
    sql: &mut dyn Sql,
    id: DeviceId,
    now: Time,
    counts: &mut Counts,
) -> std::result::Result<bool, Refused> {
    let key = id.0.as_bytes();
    let Some(before) = Counted::stored(sql, id)? else { return Ok(false) };
    let names = names::stored(sql, id)?;
    sql.execute("DELETE FROM device WHERE id = ?1", &[Value::Bytes(key)])?;
    principals::follow(sql, id, Some(&before), None)?;
    counts.change(Some(&before), None);
    sql.execute(
        "INSERT INTO tombstone (device, deleted_at) VALUES (?1, ?2) ON CONFLICT (device) DO NOTHING",
        &[Value::Bytes(key), Value::Int(now.0)],
    )?;
    names::leave(sql, id, names.iter())?;
    delete(sql, "DELETE FROM device_state WHERE device = ?1", key)?;
    delete(sql, "DELETE FROM service_call WHERE device = ?1", key)?;
    delete(sql, "DELETE FROM address_use WHERE device = ?1", key)?;
    delete(sql, "DELETE FROM mqtt_session WHERE device = ?1", key)?;
    delete(sql, "DELETE FROM shadow WHERE device = ?1", key)?;
    delete(sql, "DELETE FROM registration WHERE device = ?1", key)?;
    delete(sql, "DELETE FROM secure_session WHERE device = ?1", key)?;
    members::device_gone(sql, id, counts)?;
    unlinked::put_device(sql, id)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versioned::tests::check;

    #[test]
    fn device_statements_are_these() {
        check(
            &DEVICE,
            "INSERT INTO device (id, version, account, principals, node_id, product, gateway, node_type, device_type, name, location, status, \
             connected, activated, code_expires_at, aging_days, created_at, last_seen, doc, psk_identity, node_name) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21) ON CONFLICT DO NOTHING",
            "UPDATE device SET version = ?2, account = ?3, principals = ?4, node_id = ?5, product = ?6, gateway = ?7, node_type = ?8, \
             device_type = ?9, name = ?10, location = ?11, status = ?12, connected = ?13, activated = ?14, code_expires_at = ?15, \
             aging_days = ?16, created_at = ?17, \
             last_seen = CASE WHEN last_seen IS NULL OR last_seen < ?18 THEN COALESCE(?18, last_seen) ELSE last_seen END, doc = ?19, \
             psk_identity = ?20, node_name = ?21 WHERE id = ?1 AND version + 1 = ?2 \
             AND NOT EXISTS (SELECT 1 FROM device o WHERE o.node_id = ?5 AND o.id <> ?1)",
            "SELECT version FROM device WHERE id = ?1",
        );
        // A device has ten indexes; presence, keys and settings write none of them.
        assert_eq!(
            DEVICE.statements().in_place.as_deref().unwrap(),
            "UPDATE device SET version = ?2, status = ?12, connected = ?13, activated = ?14, \
             last_seen = CASE WHEN last_seen IS NULL OR last_seen < ?18 THEN COALESCE(?18, last_seen) ELSE last_seen END, doc = ?19 \
             WHERE id = ?1 AND version + 1 = ?2 AND account = ?3 AND principals = ?4 AND node_id = ?5 AND product IS NOT DISTINCT FROM ?6 AND gateway = ?7 \
             AND node_type = ?8 AND device_type IS NOT DISTINCT FROM ?9 AND name IS NOT DISTINCT FROM ?10 AND location IS NOT DISTINCT FROM ?11 \
             AND code_expires_at IS NOT DISTINCT FROM ?15 AND aging_days IS NOT DISTINCT FROM ?16 AND created_at = ?17 AND psk_identity = ?20 \
             AND node_name IS NOT DISTINCT FROM ?21"
        );
    }
}
