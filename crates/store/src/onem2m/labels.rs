//! The labels by which resources, and nodes of devices, are found.

use crate::{
    effects::Done,
    engine::{
        documents::Conditions,
        sql::{Sql, SqlResult, Value, query_all},
    },
    onem2m::instances::resource_id,
};
use landfall_model::{AccountId, DeviceId, ResourceId};

pub(crate) fn put_labels(sql: &mut dyn Sql, account: AccountId, subject: ResourceId, labels: &[String]) -> Done {
    delete(sql, subject)?;
    for label in labels {
        sql.execute(
            "INSERT INTO label (account, label, subject) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            &[Value::Bytes(account.0.as_bytes()), Value::Text(label), Value::Bytes(&subject.0)],
        )?;
    }
    Ok(())
}

pub(crate) fn delete(sql: &mut dyn Sql, subject: ResourceId) -> SqlResult<()> {
    sql.execute("DELETE FROM label WHERE subject = ?1", &[Value::Bytes(&subject.0)])?;
    Ok(())
}

/// Deletes the labels of each part of a device: ids that differ in their last byte.
pub(crate) fn delete_of_device(sql: &mut dyn Sql, device: DeviceId) -> SqlResult<()> {
    let (mut first, mut last) = ([0; 12], [u8::MAX; 12]);
    first[..11].copy_from_slice(&device.0.as_bytes()[..11]);
    last[..11].copy_from_slice(&first[..11]);
    sql.execute("DELETE FROM label WHERE subject >= ?1 AND subject <= ?2", &[Value::Bytes(&first), Value::Bytes(&last)])?;
    Ok(())
}

/// Subjects with one of these labels, of which there is at least one, by id after `after`.
pub(crate) fn find(
    sql: &mut dyn Sql,
    account: AccountId,
    labels: &[String],
    after: Option<ResourceId>,
    limit: u32,
) -> SqlResult<Vec<ResourceId>> {
    let mut conditions = Conditions::new();
    conditions.and_id("account", Some(&account.0));
    conditions.and_any("label", labels.iter().map(|label| Value::Text(label)));
    if let Some(after) = &after {
        conditions.and("subject > #", Value::Bytes(&after.0));
    }
    let (condition, mut params) = conditions.into_parts();
    params.push(Value::Int(i64::from(limit)));
    let text = format!("SELECT DISTINCT subject FROM label WHERE {condition} ORDER BY subject LIMIT ?{}", params.len());
    query_all(sql, &text, &params, |row| resource_id(row.bytes(0)?))
}
