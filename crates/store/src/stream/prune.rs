//! Deletes what retention no longer keeps, a bounded number of rows at a time.
//!
//! The stream is shared by all accounts, so its rows are kept for the longest `event_retention_days` of any account. History goes by the
//! arrival of its points, to a day: a chunk is deleted when its newest point is too old. Settings of shadows, alarms that are over and events go with the
//! history of their account.

use crate::{
    binary,
    device::unlinked,
    engine::sql::{Sql, SqlResult, Value, query_all, query_one, to_db},
    extension,
    shared::Shared,
    stream::replay::{self, meta},
};
use landfall_model::{AccountSettings, Time};
use std::sync::atomic::Ordering;

const ROWS: i64 = 1_000;
const TOMBSTONE_DAYS: i64 = 90;
/// How long commands that are over and revocation tasks can be listed.
const COMMAND_DAYS: i64 = 30;
const DAY_S: i64 = 86_400;
/// Files that are deleted at once.
const FILES: i64 = 10;
/// How often the time is noted.
const NOTED_MS: i64 = 600_000;
/// Events outlive their retention by so long, that a push gives them up by age and counts them rather than find them gone.
const EVENT_GRACE_S: i64 = 3_600;

/// Deletes the next rows of each kind; true when more may be left.
pub(crate) fn prune(sql: &mut dyn Sql, now: Time, shared: &Shared) -> SqlResult<bool> {
    sql.begin_write()?;
    if now.0 - replay::known_at(sql)?.unwrap_or_default().0 >= NOTED_MS {
        note_time(sql, now)?;
    }
    let mut more = prune_stream(sql, now)?;
    more |= prune_history(sql, now)?;
    more |= prune_small(sql, now)?;
    more |= prune_commands(sql, now)?;
    more |= prune_of_accounts(sql, now)?;
    more |= binary::prune(sql, now, FILES)?;
    let mut dropped = Vec::new();
    more |= extension::prune(sql, now, ROWS, &mut dropped)?;
    more |= unlinked::slice(sql, ROWS, &mut dropped)?;
    sql.batch("COMMIT")?;
    shared.caches.drop_resources(&dropped);
    shared.commits.fetch_add(1, Ordering::Relaxed);
    Ok(more)
}

/// Remembers what time it surely was, for the next start.
pub(crate) fn note_time(sql: &mut dyn Sql, earliest: Time) -> SqlResult<()> {
    let text = "INSERT INTO meta (key, value) VALUES ('known_at', ?1) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    sql.execute(text, &[Value::Int(earliest.0)]).map(|_| ())
}

fn prune_stream(sql: &mut dyn Sql, now: Time) -> SqlResult<bool> {
    let days = query_one(sql, "SELECT MAX(event_days) FROM account", &[], |row| row.opt_int(0))?.flatten();
    let days = days.unwrap_or(i64::from(AccountSettings::default().event_retention_days));
    let flushed = meta(sql, "flushed_seq")?;
    // The newest row stays: it says where the stream goes on.
    let deleted = sql.execute(
        "DELETE FROM stream WHERE first_seq IN (SELECT first_seq FROM stream WHERE at < ?1 AND last_seq <= ?2 \
         AND first_seq < (SELECT MAX(first_seq) FROM stream) ORDER BY at, first_seq LIMIT ?3)",
        &[Value::Int(now.minus_s(days * DAY_S + EVENT_GRACE_S).0), Value::Int(to_db(flushed)), Value::Int(ROWS)],
    )?;
    Ok(full(deleted))
}

fn prune_history(sql: &mut dyn Sql, now: Time) -> SqlResult<bool> {
    let mut more = false;
    for (account, days) in history_days(sql)? {
        let deleted = sql.execute(
            "DELETE FROM chunk WHERE (device, first_seq) IN \
             (SELECT device, first_seq FROM chunk WHERE account = ?1 AND arrived_at < ?2 LIMIT ?3)",
            &[Value::Bytes(&account), Value::Int(now.minus_s(days * DAY_S).0), Value::Int(ROWS)],
        )?;
        if full(deleted) {
            return Ok(true);
        }
        more |= full(deleted);
    }
    let deleted = sql.execute(
        "DELETE FROM chunk WHERE (device, first_seq) IN (SELECT c.device, c.first_seq FROM device d JOIN chunk c ON c.device = d.id \
         WHERE d.aging_days IS NOT NULL AND c.arrived_at <= ?1 - d.aging_days * 86400000 LIMIT ?2)",
        &[Value::Int(now.0), Value::Int(ROWS)],
    )?;
    Ok(more || full(deleted))
}

fn prune_small(sql: &mut dyn Sql, now: Time) -> SqlResult<bool> {
    let tombstones = sql.execute(
        "DELETE FROM tombstone WHERE device IN (SELECT device FROM tombstone WHERE deleted_at < ?1 LIMIT ?2)",
        &[Value::Int(now.minus_s(TOMBSTONE_DAYS * DAY_S).0), Value::Int(ROWS)],
    )?;
    let sessions = sql.execute(
        "DELETE FROM mqtt_session WHERE device IN (SELECT device FROM mqtt_session WHERE expires_at <= ?1 LIMIT ?2)",
        &[Value::Int(now.0), Value::Int(ROWS)],
    )?;
    Ok(full(tombstones) || full(sessions))
}

fn prune_commands(sql: &mut dyn Sql, now: Time) -> SqlResult<bool> {
    let params = [Value::Int(now.minus_s(COMMAND_DAYS * DAY_S).0), Value::Int(ROWS)];
    let commands = sql.execute(
        "DELETE FROM command WHERE id IN (SELECT id FROM command WHERE state NOT IN ('PENDING', 'SENT', 'DELIVERED') \
         AND created_at < ?1 ORDER BY created_at LIMIT ?2)",
        &params,
    )?;
    let tasks = sql.execute(
        "DELETE FROM revoke_task WHERE id IN (SELECT id FROM revoke_task WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)",
        &params,
    )?;
    Ok(full(commands) || full(tasks))
}

/// What goes with the history of its account.
const OF_ACCOUNTS: [&str; 3] = [
    "DELETE FROM setting WHERE id IN (SELECT id FROM setting WHERE account = ?1 AND at < ?2 ORDER BY at LIMIT ?3)",
    "DELETE FROM alarm WHERE id IN (SELECT id FROM alarm WHERE account = ?1 AND over_at < ?2 ORDER BY over_at LIMIT ?3)",
    "DELETE FROM device_event WHERE id IN \
     (SELECT id FROM device_event WHERE account = ?1 AND created_at < ?2 ORDER BY created_at LIMIT ?3)",
];

fn prune_of_accounts(sql: &mut dyn Sql, now: Time) -> SqlResult<bool> {
    for (account, days) in history_days(sql)? {
        let params = [Value::Bytes(&account), Value::Int(now.minus_s(days * DAY_S).0), Value::Int(ROWS)];
        for text in OF_ACCOUNTS {
            if full(sql.execute(text, &params)?) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Each account, and for how many days it keeps history.
fn history_days(sql: &mut dyn Sql) -> SqlResult<Vec<(Vec<u8>, i64)>> {
    query_all(sql, "SELECT id, history_days FROM account", &[], |row| Ok((row.bytes(0)?.to_vec(), row.int(1)?)))
}

fn full(deleted: u64) -> bool {
    deleted >= ROWS.unsigned_abs()
}
