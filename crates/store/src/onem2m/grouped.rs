//! Device groups of older databases: their records named their devices, which now are the groups' own.
//!
//! A name without a device is not kept: nothing was ever told of it.

use super::older::{each_resource, json};
use crate::engine::sql::{Sql, SqlResult, Value, query_one};
use landfall_model::{AccountPart, DeviceId, DevicePart, Group, IdKind, Resource, ResourceId, ResourceKind};

/// Makes the groups, and lets the records say no more than how the devices were named.
pub(crate) fn fill(sql: &mut dyn Sql) -> SqlResult<()> {
    each_resource(sql, ResourceKind::FlexContainer, |sql, record| {
        if record.parent == ResourceId::of_account(record.account, AccountPart::Groups) {
            take_over(sql, record)?;
        }
        Ok(())
    })
}

fn take_over(sql: &mut dyn Sql, mut record: Resource) -> SqlResult<()> {
    const GROUP: &str =
        "INSERT INTO device_group (id, version, account, owner, name, created_at, doc) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6)";
    const MEMBER: &str = "INSERT INTO group_member (member_of, device) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let group = Group {
        id: record.id.as_group(),
        account: record.account,
        version: 1,
        name: record.name.clone(),
        description: None,
        owner: Some(record.app),
        max_members: 0,
        creator: String::new(),
        created_at: record.created_at,
    };
    let account = Value::Bytes(record.account.0.as_bytes());
    let doc = json(&group)?;
    let (id, owner) = (Value::Bytes(group.id.0.as_bytes()), Value::Bytes(record.app.0.as_bytes()));
    sql.execute(GROUP, &[id, account, owner, Value::Text(&group.name), Value::Int(group.created_at.0), Value::Text(&doc)])?;
    let named = record.attributes.remove("nds");
    let mut by_id = false;
    for text in named.iter().flat_map(|nds| nds.as_array().into_iter().flatten()).filter_map(serde_json::Value::as_str) {
        if let Some((device, is_id)) = device(sql, &record, text)? {
            by_id = is_id;
            sql.execute(MEMBER, &[id, Value::Bytes(&device)])?;
        }
    }
    if by_id {
        record.attributes.insert("nds".to_owned(), "ids".into());
    }
    let doc = json(&record)?;
    sql.execute("UPDATE resource SET doc = ?2 WHERE id = ?1", &[Value::Bytes(&record.id.0), Value::Text(&doc)])?;
    Ok(())
}

/// The device that a text names in the record's account, and whether by the id of its node.
fn device(sql: &mut dyn Sql, record: &Resource, text: &str) -> SqlResult<Option<(Vec<u8>, bool)>> {
    const NAMED: &str = "SELECT device FROM device_name WHERE scope = ?1 AND kind = 'node' AND name = ?2";
    const WITHIN: &str = "SELECT id FROM device WHERE account = ?1 AND id >= ?2 AND id <= ?3";
    let account = Value::Bytes(record.account.0.as_bytes());
    if let Some(found) = query_one(sql, NAMED, &[account, Value::Text(text)], |row| Ok(row.bytes(0)?.to_vec()))? {
        return Ok(Some((found, false)));
    }
    let (from, to, by_id) = match (text.parse::<ResourceId>().ok().and_then(ResourceId::kind), text.parse::<DeviceId>()) {
        (Some(IdKind::Device(first, DevicePart::Node)), _) => {
            ([&first[..], &[0; 5]].concat(), [&first[..], &[0xff; 5]].concat(), true)
        }
        (_, Ok(id)) => (id.0.as_bytes().to_vec(), id.0.as_bytes().to_vec(), false),
        _ => return Ok(None),
    };
    let found = query_one(sql, WITHIN, &[account, Value::Bytes(&from), Value::Bytes(&to)], |row| Ok(row.bytes(0)?.to_vec()))?;
    Ok(found.map(|found| (found, by_id)))
}
