//! Calls that wait for devices.

use crate::{
    effects::Done,
    engine::sql::{Sql, Value},
    subscription::addresses,
};
use landfall_model::ServiceCall;

pub(crate) fn put_call(sql: &mut dyn Sql, r: &ServiceCall, doc: &str) -> Done {
    if let (Some(url), Some(app)) = (&r.callback_url, r.app) {
        addresses::hold(sql, &r.id.0, r.device, (app, r.by), url)?;
    }
    sql.execute(
        "INSERT INTO service_call (id, device, created_at, expires_at, doc) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE \
         SET device = excluded.device, created_at = excluded.created_at, expires_at = excluded.expires_at, doc = excluded.doc",
        &[
            Value::Bytes(r.id.0.as_bytes()),
            Value::Bytes(r.device.0.as_bytes()),
            Value::Int(r.created_at.0),
            Value::Int(r.expires_at.0),
            Value::Text(doc),
        ],
    )?;
    Ok(())
}
