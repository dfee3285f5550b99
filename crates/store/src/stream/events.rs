//! Reads the stream table, for consumers that are behind the ring.

use crate::{
    engine::sql::{Sql, SqlResult, Value, query_all, query_one, to_db},
    stream::{record::decode_events, replay::row_start},
};
use landfall_model::{Seq, StoredEvent, Time};
use std::{ops::ControlFlow, sync::Arc};

/// Rows looked at, and bytes of them read, at once.
const ROWS: i64 = 512;
const BYTES: u64 = 4 * 1024 * 1024;

/// At most `limit` events after `after`; at least one, if there is one.
pub(crate) fn after(sql: &mut dyn Sql, after: u64, limit: u64) -> SqlResult<Vec<StoredEvent>> {
    let from = row_start(sql, after + 1)?;
    let rows = query_all(
        sql,
        "SELECT first_seq, last_seq, CAST(length(events) AS BIGINT) FROM stream WHERE first_seq >= ?1 ORDER BY first_seq LIMIT ?2",
        &[Value::Int(to_db(from)), Value::Int(ROWS)],
        |row| Ok((row.seq(0)?, row.seq(1)?, row.seq(2)?)),
    )?;
    let (mut events, mut bytes, mut until) = (0, 0, None);
    for (first, last, length) in rows {
        if until.is_some() && (events >= limit || bytes + length > BYTES) {
            break;
        }
        events += last - first.max(after + 1) + 1;
        bytes += length;
        until = Some(first);
    }
    let Some(until) = until else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    sql.query(
        "SELECT first_seq, events FROM stream WHERE first_seq >= ?1 AND first_seq <= ?2 ORDER BY first_seq",
        &[Value::Int(to_db(from)), Value::Int(to_db(until))],
        &mut |row| {
            let first = row.seq(0)?;
            let room = limit - found.len() as u64;
            let start = first.max(after + 1);
            decode_events(
                row.bytes(1)?,
                |i| first + i >= start && first + i - start < room,
                |i, event, _| found.push(StoredEvent { seq: Seq(first + i), event: Arc::new(event) }),
            )?;
            Ok(if found.len() as u64 >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        },
    )?;
    Ok(found)
}

/// These events, ascending; those that are gone are left out.
pub(crate) fn at(sql: &mut dyn Sql, seqs: &[u64]) -> SqlResult<Vec<StoredEvent>> {
    let mut found: Vec<StoredEvent> = Vec::new();
    let mut rest = seqs;
    while let Some(&seq) = rest.first() {
        let row = query_one(
            sql,
            "SELECT first_seq, last_seq, events FROM stream WHERE first_seq <= ?1 ORDER BY first_seq DESC LIMIT 1",
            &[Value::Int(to_db(seq))],
            |row| {
                let (first, last) = (row.seq(0)?, row.seq(1)?);
                let here = rest.partition_point(|s| *s <= last);
                decode_events(
                    row.bytes(2)?,
                    |i| rest[..here].binary_search(&(first + i)).is_ok(),
                    |i, event, _| found.push(StoredEvent { seq: Seq(first + i), event: Arc::new(event) }),
                )?;
                Ok(here)
            },
        )?;
        rest = &rest[row.unwrap_or(1).max(1)..];
    }
    Ok(found)
}

/// The place before the first row that was written at `time` or later.
pub(crate) fn before(sql: &mut dyn Sql, time: Time) -> SqlResult<Option<u64>> {
    let text = "SELECT first_seq FROM stream WHERE at >= ?1 ORDER BY at, first_seq LIMIT 1";
    query_one(sql, text, &[Value::Int(time.0)], |row| Ok(row.seq(0)?.saturating_sub(1)))
}
