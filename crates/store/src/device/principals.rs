//! Which principals see a device: an entry for each of them, in the order in which its devices are listed.
//!
//! The device's own row tells its entries, and they are written with it where they changed: a registration writes one for each principal, what
//! changes presence, keys or names none.

use crate::{
    device::counts::Counted,
    engine::sql::{Sql, SqlResult, Value, insert_new},
};
use landfall_model::{AccountId, AppId, DeviceId};

/// Bytes of an id.
const ID: usize = 16;

/// The ids one after the other, as the device's row has them.
pub(crate) fn bytes(principals: &[AppId]) -> Vec<u8> {
    principals.iter().flat_map(|app| *app.0.as_bytes()).collect()
}

/// The other way.
pub(crate) fn each(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks_exact(ID)
}

/// The condition that a principal sees a device that is there; `column` names the device, `principal` is the number of its parameter.
pub(crate) fn seen(column: &str, principal: usize) -> String {
    format!(
        "EXISTS (SELECT 1 FROM device d JOIN device_principal p ON p.account = d.account AND p.principal = ?{principal} \
         AND p.created_at = d.created_at AND p.id = d.id WHERE d.id = {column})"
    )
}

/// The application, or else the account itself, where a column has to say one.
pub(crate) fn or_account<'a>(app: Option<&'a AppId>, account: &'a AccountId) -> &'a [u8] {
    app.map_or(account.0.as_bytes(), |app| app.0.as_bytes())
}

/// Brings the entries of a device from what it was to what it is.
pub(crate) fn follow(sql: &mut dyn Sql, id: DeviceId, before: Option<&Counted>, after: Option<&Counted>) -> SqlResult<()> {
    const TAKE: &str = "DELETE FROM device_principal WHERE account = ?1 AND principal = ?2 AND created_at = ?3 AND id = ?4";
    const GIVE: &str = "INSERT INTO device_principal (account, principal, created_at, id, node_type) VALUES (?1, ?2, ?3, ?4, ?5)";
    if before.map(entries) == after.map(entries) {
        return Ok(());
    }
    for (text, columns, device) in [(TAKE, 4, before), (GIVE, 5, after)] {
        let Some(device) = device else { continue };
        for principal in each(&device.principals) {
            let params = [
                Value::Bytes(&device.account),
                Value::Bytes(principal),
                Value::Int(device.created_at),
                Value::Bytes(id.0.as_bytes()),
                Value::Text(&device.node_type),
            ];
            sql.execute(text, &params[..columns])?;
        }
    }
    Ok(())
}

/// Gives new devices their entries.
pub(crate) fn give(sql: &mut dyn Sql, devices: &[(DeviceId, Counted)]) -> SqlResult<()> {
    let mut rows = Vec::with_capacity(devices.len());
    for (id, device) in devices {
        for principal in each(&device.principals) {
            rows.push(vec![
                Value::Bytes(&device.account),
                Value::Bytes(principal),
                Value::Int(device.created_at),
                Value::Bytes(id.0.as_bytes()),
                Value::Text(&device.node_type),
            ]);
        }
    }
    insert_new(sql, "device_principal (account, principal, created_at, id, node_type)", &rows)?;
    Ok(())
}

/// What of a device its entries go by.
fn entries(device: &Counted) -> (&[u8], &[u8], i64, &str) {
    (&device.account, &device.principals, device.created_at, &device.node_type)
}
