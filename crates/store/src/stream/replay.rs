//! What a start reads: the stream since the last flush, and nothing else.

use crate::{
    engine::sql::{Sql, SqlError, SqlResult, Value, query_all, query_one, to_db},
    shared::Shared,
    stream::record::decode_reports,
};
use landfall_model::{DeviceId, EventBody, Time};
use std::{collections::HashMap, ops::ControlFlow};
use uuid::Uuid;

pub(crate) const ANOTHER_WRITER: &str = "the database has had another writer, so this server must not write any more";
/// Rows of the stream read at once.
const ROWS: i64 = 64;

/// Where a store begins.
pub(crate) struct Start {
    pub(crate) epoch: i64,
    pub(crate) newest: u64,
    pub(crate) at: Time,
    /// When the database was surely in use last; `None` for a new one.
    pub(crate) known_at: Option<Time>,
}

/// Notes this start in the database and finds the newest place.
pub(crate) fn start(sql: &mut dyn Sql) -> SqlResult<Start> {
    sql.batch("INSERT INTO meta (key, value) VALUES ('epoch', 1) ON CONFLICT (key) DO UPDATE SET value = meta.value + 1")?;
    let (newest, at) = newest(sql)?;
    let known_at = known_at(sql)?.or((newest > 0).then_some(at));
    Ok(Start { epoch: epoch(sql)?, newest, at, known_at })
}

pub(crate) fn known_at(sql: &mut dyn Sql) -> SqlResult<Option<Time>> {
    query_one(sql, "SELECT value FROM meta WHERE key = 'known_at'", &[], |row| row.int(0).map(Time))
}

pub(crate) fn epoch(sql: &mut dyn Sql) -> SqlResult<i64> {
    meta(sql, "epoch").map(to_db)
}

fn newest(sql: &mut dyn Sql) -> SqlResult<(u64, Time)> {
    let last = query_one(sql, "SELECT last_seq, at FROM stream ORDER BY first_seq DESC LIMIT 1", &[], |row| {
        Ok((row.seq(0)?, Time(row.int(1)?)))
    })?;
    Ok(last.unwrap_or_default())
}

pub(crate) fn meta(sql: &mut dyn Sql, key: &str) -> SqlResult<u64> {
    Ok(query_one(sql, "SELECT value FROM meta WHERE key = ?1", &[Value::Text(key)], |row| row.seq(0))?.unwrap_or(0))
}

/// Fills memory with the reports that are not flushed yet.
pub(crate) fn replay(sql: &mut dyn Sql, shared: &Shared) -> SqlResult<()> {
    let flushed = meta(sql, "flushed_seq")?;
    let covered = if meta(sql, "flushing_seq")? > flushed { flushed_devices(sql, flushed)? } else { HashMap::new() };
    let oldest = feed(sql, shared, flushed, &covered)?;
    let Some(oldest) = oldest else { return Ok(()) };
    let deleted = query_all(sql, "SELECT device FROM tombstone WHERE deleted_at >= ?1", &[Value::Int(oldest.0)], |row| {
        Ok(DeviceId(id(row.bytes(0)?)?))
    })?;
    let mut pending = shared.pending.lock();
    deleted.into_iter().for_each(|device| pending.forget(device));
    Ok(())
}

/// After a lost connection: takes up a group whose commit was not heard of, and makes sure that nobody else wrote.
pub(crate) fn resume(sql: &mut dyn Sql, shared: &Shared, my_epoch: i64, known: u64) -> SqlResult<(u64, Time)> {
    if epoch(sql)? != my_epoch {
        return Err(SqlError::wrong(ANOTHER_WRITER));
    }
    let (newest, at) = newest(sql)?;
    if newest > known {
        feed(sql, shared, known, &HashMap::new())?;
        shared.ring.lock().begin_after(newest);
        shared.newest.send_replace(newest);
    }
    shared.load_work(sql)?;
    shared.caches.forget_all();
    shared.caches.subscribers.load(sql)?;
    shared.caches.telling.load(sql)?;
    Ok((newest, at))
}

/// How far each device is flushed that is flushed beyond `seq`.
fn flushed_devices(sql: &mut dyn Sql, seq: u64) -> SqlResult<HashMap<DeviceId, u64>> {
    let params = [Value::Int(to_db(seq))];
    let rows = query_all(sql, "SELECT device, flushed_seq FROM device_state WHERE flushed_seq > ?1", &params, |row| {
        Ok((DeviceId(id(row.bytes(0)?)?), row.seq(1)?))
    })?;
    Ok(rows.into_iter().collect())
}

/// Reads the reports of the stream after `after` into memory; returns the earliest time of a row.
fn feed(sql: &mut dyn Sql, shared: &Shared, after: u64, covered: &HashMap<DeviceId, u64>) -> SqlResult<Option<Time>> {
    let mut oldest = None;
    let mut next = row_start(sql, after + 1)?;
    loop {
        let mut rows = 0;
        let mut last = next;
        let sql_text = "SELECT first_seq, last_seq, at, events FROM stream WHERE first_seq >= ?1 ORDER BY first_seq LIMIT ?2";
        sql.query(sql_text, &[Value::Int(to_db(next)), Value::Int(ROWS)], &mut |row| {
            let (first_seq, at) = (row.seq(0)?, Time(row.int(2)?));
            oldest = Some(oldest.map_or(at, |oldest: Time| oldest.min(at)));
            last = row.seq(1)?;
            rows += 1;
            take_row(shared, row.bytes(3)?, first_seq, at, after, covered)?;
            Ok(ControlFlow::Continue(()))
        })?;
        if rows < ROWS {
            return Ok(oldest);
        }
        next = last + 1;
    }
}

fn take_row(shared: &Shared, blob: &[u8], first: u64, at: Time, after: u64, covered: &HashMap<DeviceId, u64>) -> SqlResult<()> {
    let mut pending = shared.pending.lock();
    decode_reports(
        blob,
        |i| first + i > after,
        |i, event| {
            let seq = first + i;
            if let EventBody::Reported(report) = &event.body
                && covered.get(&report.device).is_none_or(|done| seq > *done)
            {
                pending.add(report, seq, at);
            }
        },
    )?;
    Ok(())
}

/// The first place of the row that holds `seq`, or `seq` itself.
pub(crate) fn row_start(sql: &mut dyn Sql, seq: u64) -> SqlResult<u64> {
    let sql_text = "SELECT first_seq, last_seq FROM stream WHERE first_seq <= ?1 ORDER BY first_seq DESC LIMIT 1";
    let row = query_one(sql, sql_text, &[Value::Int(to_db(seq))], |row| Ok((row.seq(0)?, row.seq(1)?)))?;
    Ok(row.filter(|(_, last)| *last >= seq).map_or(seq, |(first, _)| first))
}

pub(crate) fn id(bytes: &[u8]) -> SqlResult<Uuid> {
    Uuid::from_slice(bytes).map_err(|_| SqlError::wrong("a stored id has the wrong length"))
}
