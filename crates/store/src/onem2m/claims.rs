//! What stands in the way of new devices, read for a whole list at once.

use crate::{
    device::{identities, lists, lists::parse},
    engine::sql::{Sql, SqlResult, Value, query_one},
};
use landfall_core::{Claim, TakenNames};
use landfall_model::{AccountId, AccountPart, Device, DeviceId, Identity, ResourceId};
use std::sync::Arc;

pub(crate) fn taken(sql: &mut dyn Sql, account: AccountId, claims: &[Claim]) -> SqlResult<Vec<TakenNames>> {
    sql.begin_read()?;
    let taken = claims.iter().map(|claim| one(sql, account, claim)).collect::<SqlResult<Vec<_>>>()?;
    sql.batch("COMMIT")?;
    Ok(taken)
}

fn one(sql: &mut dyn Sql, owner: AccountId, claim: &Claim) -> SqlResult<TakenNames> {
    let account = Value::Bytes(owner.0.as_bytes());
    let node_id = match holder(sql, &claim.node_id)? {
        Some(id) => lists::one(sql, "SELECT doc FROM device WHERE id = ?1", id.0.as_bytes())?.map(Arc::new),
        None => None,
    };
    let by_name = "SELECT doc FROM device WHERE account = ?1 AND node_name = ?2";
    let name = device(sql, by_name, &[account, Value::Text(&claim.name)], &claim.name)?;
    let psk_identity = holder(sql, &claim.psk_identity)?.is_some();
    let base = ResourceId::of_account(owner, AccountPart::Base);
    let below_base = "SELECT version FROM resource WHERE parent = ?1 AND name = ?2";
    let resource = storable(&claim.name)
        && query_one(sql, below_base, &[Value::Bytes(&base.0), Value::Text(&claim.name)], |_| Ok(()))?.is_some();
    Ok(TakenNames { node_id, name, psk_identity, resource })
}

fn holder(sql: &mut dyn Sql, name: &str) -> SqlResult<Option<DeviceId>> {
    if storable(name) { identities::holder(sql, &Identity::of(name)) } else { Ok(None) }
}

fn device(sql: &mut dyn Sql, text: &str, params: &[Value<'_>], name: &str) -> SqlResult<Option<Arc<Device>>> {
    if !storable(name) {
        return Ok(None);
    }
    Ok(query_one(sql, text, params, |row| parse(row, 0))?.map(Arc::new))
}

/// A text that no record has is not asked for: not every database takes it.
pub(crate) fn storable(text: &str) -> bool {
    !text.contains('\0')
}
