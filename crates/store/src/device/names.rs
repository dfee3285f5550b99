//! Names of devices: each [`DeviceName`] is held by one device, written with it and looked up by whoever knows the device by name.
//!
//! Databases that are older than the rule of identities may have devices with a name that an older device holds. Such a device waits: it is not
//! found by that name, may be changed all the same, and gets the name when it becomes free.

use crate::{
    engine::{
        documents::parse,
        sql::{Row, Sql, SqlResult, Value, insert_new, parameters, query_all, query_one, storable, to_db},
    },
    stream::replay,
};
use landfall_core::NameClash;
use landfall_model::{AccountId, DeviceId, DeviceName, Identity, Page, PageRequest};
use std::{collections::HashMap, sync::Arc};

/// Scope, kind and name, as the tables have them.
fn key(name: &DeviceName) -> [Value<'_>; 3] {
    let scope = name.account().map_or(&[][..], |account| account.0.as_bytes());
    [Value::Bytes(scope), Value::Text(name.kind()), Value::Text(name.as_str())]
}

fn key_of<'n>(name: &'n DeviceName, device: &'n DeviceId) -> [Value<'n>; 4] {
    let [scope, kind, text] = key(name);
    [scope, kind, text, Value::Bytes(device.0.as_bytes())]
}

/// The device that holds a name.
pub(crate) fn holder(sql: &mut dyn Sql, name: &DeviceName) -> SqlResult<Option<DeviceId>> {
    let text = "SELECT device FROM device_name WHERE scope = ?1 AND kind = ?2 AND name = ?3";
    query_one(sql, text, &key(name), |row| replay::id(row.bytes(0)?).map(DeviceId))
}

/// The device that holds each of these names.
pub(crate) fn holders(sql: &mut dyn Sql, names: &[DeviceName]) -> SqlResult<Vec<Option<DeviceId>>> {
    /// Names that one statement asks for; the last one fills up what is missing.
    const AT_ONCE: usize = 100;
    let text =
        format!("SELECT name, device FROM device_name WHERE scope = ?1 AND kind = ?2 AND name IN {}", parameters(3, AT_ONCE));
    let mut wanted: Vec<&DeviceName> = names.iter().filter(|name| storable(name.as_str())).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut found = HashMap::new();
    for alike in wanted.chunk_by(|a, b| (a.account(), a.kind()) == (b.account(), b.kind())) {
        for some in alike.chunks(AT_ONCE) {
            let [scope, kind, _] = key(some[0]);
            let mut params = vec![scope, kind];
            params.extend(some.iter().map(|name| Value::Text(name.as_str())));
            params.resize(2 + AT_ONCE, params[params.len() - 1]);
            let rows = query_all(sql, &text, &params, |row| Ok((row.text(0)?.to_owned(), DeviceId(replay::id(row.bytes(1)?)?))))?;
            let by_text: HashMap<String, DeviceId> = rows.into_iter().collect();
            found.extend(some.iter().filter_map(|name| Some((*name, *by_text.get(name.as_str())?))));
        }
    }
    Ok(names.iter().map(|name| found.get(name).copied()).collect())
}

/// The first of these names that another device holds and that this one does not wait for since before.
pub(crate) fn taken<'n>(sql: &mut dyn Sql, id: DeviceId, wanted: &'n [DeviceName]) -> SqlResult<Option<&'n DeviceName>> {
    const TEXT: &str = "SELECT 1 FROM device_name n WHERE n.scope = ?1 AND n.kind = ?2 AND n.name = ?3 AND n.device <> ?4 \
         AND NOT EXISTS (SELECT 1 FROM name_clash c WHERE c.scope = ?1 AND c.kind = ?2 AND c.name = ?3 AND c.device = ?4)";
    for name in wanted {
        if query_one(sql, TEXT, &key_of(name, &id), |_| Ok(()))?.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// The first of these new devices that wants a name which another one has, or which one before it wants, and that name.
pub(crate) fn taken_among<'n>(
    sql: &mut dyn Sql,
    devices: &'n [(DeviceId, Vec<DeviceName>)],
) -> SqlResult<Option<(usize, &'n DeviceName)>> {
    let names: Vec<DeviceName> = devices.iter().flat_map(|(_, names)| names).cloned().collect();
    let mut held: HashMap<&DeviceName, DeviceId> =
        names.iter().zip(holders(sql, &names)?).filter_map(|(name, holder)| Some((name, holder?))).collect();
    for (at, (id, wanted)) in devices.iter().enumerate() {
        for name in wanted {
            if *held.entry(name).or_insert(*id) != *id {
                return Ok(Some((at, name)));
            }
        }
    }
    Ok(None)
}

/// Gives new devices these names, none of which is taken.
pub(crate) fn give(sql: &mut dyn Sql, devices: &[(DeviceId, Vec<DeviceName>)]) -> SqlResult<()> {
    let mut rows: Vec<_> = devices.iter().flat_map(|(id, names)| names.iter().map(move |name| (name, id))).collect();
    rows.sort_unstable();
    let rows: Vec<_> = rows.into_iter().map(|(name, id)| key_of(name, id).to_vec()).collect();
    insert_new(sql, "device_name (scope, kind, name, device)", &rows)?;
    Ok(())
}

/// The names of a device as the database has them: what it holds or waits for. Empty for one that is not there.
pub(crate) fn stored(sql: &mut dyn Sql, id: DeviceId) -> SqlResult<Vec<DeviceName>> {
    let text = "SELECT node_id, psk_identity, account, node_name FROM device WHERE id = ?1";
    let names = |row: &dyn Row| {
        let account = AccountId(replay::id(row.bytes(2)?)?);
        let node = row.opt_text(3)?.map(|name| DeviceName::Node(account, name.into()));
        let identities = Identity::of_device(row.text(0)?, Some(row.text(1)?));
        Ok(identities.into_iter().map(DeviceName::Identity).chain(node).collect())
    };
    Ok(query_one(sql, text, &[Value::Bytes(id.0.as_bytes())], names)?.unwrap_or_default())
}

/// Gives a device exactly these names, none of which is [`taken`], in place of those `before`.
pub(crate) fn set(sql: &mut dyn Sql, id: DeviceId, before: &[DeviceName], wanted: &[DeviceName]) -> SqlResult<()> {
    leave(sql, id, before.iter().filter(|name| !wanted.contains(name)))?;
    for name in wanted.iter().filter(|name| !before.contains(name)) {
        let text = "INSERT INTO device_name (scope, kind, name, device) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        sql.execute(text, &key_of(name, &id))?;
    }
    Ok(())
}

/// Takes these names from a device that holds them or waits for them. Who waits for one the longest holds it next.
pub(crate) fn leave<'n>(sql: &mut dyn Sql, id: DeviceId, names: impl Iterator<Item = &'n DeviceName>) -> SqlResult<()> {
    for name in names {
        let key = key_of(name, &id);
        sql.execute("DELETE FROM name_clash WHERE scope = ?1 AND kind = ?2 AND name = ?3 AND device = ?4", &key)?;
        let held = "DELETE FROM device_name WHERE scope = ?1 AND kind = ?2 AND name = ?3 AND device = ?4";
        if sql.execute(held, &key)? > 0 {
            pass_on(sql, name)?;
        }
    }
    Ok(())
}

fn pass_on(sql: &mut dyn Sql, name: &DeviceName) -> SqlResult<()> {
    const NEXT: &str = "INSERT INTO device_name (scope, kind, name, device) SELECT scope, kind, name, device FROM name_clash \
                        WHERE scope = ?1 AND kind = ?2 AND name = ?3 ORDER BY created_at, device LIMIT 1";
    const HOLDS: &str = "DELETE FROM name_clash WHERE scope = ?1 AND kind = ?2 AND name = ?3 AND device = \
                         (SELECT device FROM device_name WHERE scope = ?1 AND kind = ?2 AND name = ?3)";
    if sql.execute(NEXT, &key(name))? > 0 {
        sql.execute(HOLDS, &key(name))?;
    }
    Ok(())
}

/// Says at the start that devices wait for names.
pub(crate) fn report(sql: &mut dyn Sql) -> SqlResult<()> {
    let count = waiting(sql)?;
    if count > 0 {
        tracing::warn!(count, "names of devices are those of older devices too; `landfall device clashes` lists them");
    }
    Ok(())
}

fn waiting(sql: &mut dyn Sql) -> SqlResult<u64> {
    Ok(query_one(sql, "SELECT COUNT(*) FROM name_clash", &[], |row| row.seq(0))?.unwrap_or(0))
}

/// A page of the devices that wait for a name, and who holds it. Only identities have been held by several.
pub(crate) fn clashes(sql: &mut dyn Sql, page: PageRequest) -> SqlResult<Page<NameClash>> {
    const TEXT: &str = "SELECT c.name, d.doc, h.doc FROM name_clash c JOIN device d ON d.id = c.device \
                        JOIN device_name n ON n.scope = c.scope AND n.kind = c.kind AND n.name = c.name JOIN device h ON h.id = n.device \
                        ORDER BY c.scope, c.kind, c.name, c.created_at, c.device LIMIT ?1 OFFSET ?2";
    sql.begin_read()?;
    let total = waiting(sql)?;
    let params = [Value::Int(i64::from(page.size)), Value::Int(to_db(page.offset()))];
    let items = query_all(sql, TEXT, &params, |row| {
        let (device, holder) = (Arc::new(parse(row, 1)?), Arc::new(parse(row, 2)?));
        Ok(NameClash { identity: Identity::of(row.text(0)?), device, holder })
    })?;
    sql.batch("COMMIT")?;
    Ok(Page { total, items })
}
