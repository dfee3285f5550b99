//! What stands in the way of new devices, read for a whole list at once.

use crate::{
    device::names,
    engine::{
        documents,
        sql::{Sql, SqlResult, Value, query_one, storable},
    },
};
use landfall_core::{Claim, TakenNames};
use landfall_model::{AccountId, AccountPart, Device, DeviceId, DeviceName, Identity, ResourceId};
use std::sync::Arc;

pub(crate) fn taken(sql: &mut dyn Sql, account: AccountId, claims: &[Claim]) -> SqlResult<Vec<TakenNames>> {
    sql.begin_read()?;
    let taken = claims.iter().map(|claim| one(sql, account, claim)).collect::<SqlResult<Vec<_>>>()?;
    sql.batch("COMMIT")?;
    Ok(taken)
}

fn one(sql: &mut dyn Sql, owner: AccountId, claim: &Claim) -> SqlResult<TakenNames> {
    let identity = |name: &str| DeviceName::Identity(Identity::of(name));
    let node_id = device(sql, &identity(&claim.node_id))?;
    let name = device(sql, &DeviceName::Node(owner, claim.name.as_str().into()))?;
    let psk_identity = holder(sql, &identity(&claim.psk_identity))?.is_some();
    let base = ResourceId::of_account(owner, AccountPart::Base);
    let below_base = "SELECT version FROM resource WHERE parent = ?1 AND name = ?2";
    let resource = storable(&claim.name)
        && query_one(sql, below_base, &[Value::Bytes(&base.0), Value::Text(&claim.name)], |_| Ok(()))?.is_some();
    Ok(TakenNames { node_id, name, psk_identity, resource })
}

fn holder(sql: &mut dyn Sql, name: &DeviceName) -> SqlResult<Option<DeviceId>> {
    if storable(name.as_str()) { names::holder(sql, name) } else { Ok(None) }
}

fn device(sql: &mut dyn Sql, name: &DeviceName) -> SqlResult<Option<Arc<Device>>> {
    match holder(sql, name)? {
        Some(id) => Ok(documents::one(sql, "SELECT doc FROM device WHERE id = ?1", id.0.as_bytes())?.map(Arc::new)),
        None => Ok(None),
    }
}
