//! Registrations and secure sessions: what a sleeping device's presence outlives a restart by.
//!
//! Both are written on nearly each contact, so a record that is there is changed by one statement that touches as little as it can.

use crate::{
    effects::Done,
    engine::{
        documents::parse,
        sql::{Row, Sql, SqlResult, Value, query_all, query_one},
    },
    stream::{record::decode_registration, replay::id},
};
use landfall_model::{DeviceId, Observed, Registration, Secret, SecureSession, StoredSession, Time};

pub(crate) fn put_session(sql: &mut dyn Sql, r: &StoredSession, doc: &str) -> Done {
    sql.execute(
        "INSERT INTO mqtt_session (device, expires_at, doc) VALUES (?1, ?2, ?3) ON CONFLICT (device) DO UPDATE \
         SET expires_at = excluded.expires_at, doc = excluded.doc",
        &[Value::Bytes(r.device.0.as_bytes()), Value::Int(r.expires_at.0), Value::Text(doc)],
    )?;
    Ok(())
}

/// A registration of a device that is gone is not kept.
pub(crate) fn put_registration(sql: &mut dyn Sql, r: &Registration, doc: &[u8]) -> Done {
    let params = [Value::Bytes(r.device.0.as_bytes()), Value::Int(r.expires_at.0), Value::Bytes(doc)];
    if sql.execute("UPDATE registration SET expires_at = ?2, doc = ?3, observed = NULL WHERE device = ?1", &params)? == 0 {
        sql.execute("INSERT INTO registration (device, expires_at, doc) SELECT id, ?2, ?3 FROM device WHERE id = ?1", &params)?;
    }
    Ok(())
}

/// Written beside the record, so that nobody has to read it for that.
pub(crate) fn put_observed(sql: &mut dyn Sql, device: DeviceId, doc: &str) -> Done {
    let params = [Value::Bytes(device.0.as_bytes()), Value::Text(doc)];
    sql.execute("UPDATE registration SET observed = ?2 WHERE device = ?1", &params)?;
    Ok(())
}

/// A session of a device that is gone is not kept.
pub(crate) fn put_secure_session(sql: &mut dyn Sql, r: &SecureSession) -> Done {
    let params = [Value::Int(number(r.id)), Value::Bytes(r.device.0.as_bytes()), Value::Text(r.state.expose())];
    if sql.execute("UPDATE secure_session SET state = ?3 WHERE id = ?1 AND device = ?2", &params)? == 0 {
        // The number may have been another device's.
        sql.execute("DELETE FROM secure_session WHERE id = ?1", &params[..1])?;
        sql.execute("INSERT INTO secure_session (id, device, state) SELECT ?1, id, ?3 FROM device WHERE id = ?2", &params)?;
    }
    Ok(())
}

pub(crate) fn delete_secure_session(sql: &mut dyn Sql, session: u64) -> Done {
    sql.execute("DELETE FROM secure_session WHERE id = ?1", &[Value::Int(number(session))])?;
    Ok(())
}

/// The number of a session as the databases keep it: the same 64 bits.
fn number(session: u64) -> i64 {
    session.cast_signed()
}

fn read_registration(row: &dyn Row) -> SqlResult<Registration> {
    let kept = decode_registration(DeviceId(id(row.bytes(0)?)?), row.bytes(1)?)?;
    let beside: Option<Observed> = if row.opt_text(2)?.is_some() { Some(parse(row, 2)?) } else { None };
    let observed = beside.filter(|beside| beside.generation == kept.observed.generation);
    Ok(Registration { observed: observed.unwrap_or(kept.observed), ..kept })
}

pub(crate) fn registration(sql: &mut dyn Sql, device: DeviceId) -> SqlResult<Option<Registration>> {
    let text = "SELECT device, doc, observed FROM registration WHERE device = ?1";
    query_one(sql, text, &[Value::Bytes(device.0.as_bytes())], read_registration)
}

pub(crate) fn registrations(sql: &mut dyn Sql, after: Option<DeviceId>, limit: u32) -> SqlResult<Vec<Registration>> {
    let after = after.as_ref().map_or(&[][..], |id| id.0.as_bytes());
    let text = "SELECT device, doc, observed FROM registration WHERE device > ?1 ORDER BY device LIMIT ?2";
    query_all(sql, text, &[Value::Bytes(after), Value::Int(i64::from(limit))], read_registration)
}

/// Registrations that are over at `now`, the longest over first.
pub(crate) fn expired(sql: &mut dyn Sql, now: Time, limit: u32) -> SqlResult<Vec<Registration>> {
    let text = "SELECT device, doc, observed FROM registration WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
    query_all(sql, text, &[Value::Int(now.0), Value::Int(i64::from(limit))], read_registration)
}

/// Sessions in the order of their numbers read as signed: those with the highest bit come first, then the others, ascending in each half.
pub(crate) fn secure_sessions(sql: &mut dyn Sql, after: Option<u64>, limit: u32) -> SqlResult<Vec<SecureSession>> {
    let first = match after {
        None => i64::MIN,
        Some(after) => match number(after).checked_add(1) {
            Some(next) => next,
            None => return Ok(Vec::new()),
        },
    };
    let text = "SELECT id, device, state FROM secure_session WHERE id >= ?1 ORDER BY id LIMIT ?2";
    query_all(sql, text, &[Value::Int(first), Value::Int(i64::from(limit))], |row| {
        let device = DeviceId(id(row.bytes(1)?)?);
        Ok(SecureSession { id: row.int(0)?.cast_unsigned(), device, state: Secret::new(row.text(2)?) })
    })
}
