//! Spans of history, the newest first: chunks of the database and points that still wait in memory, of one device, or of a gateway and what is
//! behind it. Absent: which of their points are wanted. However many spans there are, a few rows of them are held at a time.

use crate::{
    device::principals,
    engine::sql::{Row, Sql, SqlResult, Value, query_all, query_one, to_db},
    stream::{
        pending::Waiting,
        record::{Malformed, POINTS_VERSION, decode_points},
        replay::id,
    },
};
use landfall_core::{HistoryOf, HistoryQuery};
use landfall_model::{DeviceId, Time};
use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    ops::{ControlFlow, RangeInclusive},
};

/// Rows that are read at once: few at first, as the newest are mostly enough, then twice as many each time.
const ROWS_FIRST: usize = 16;
const ROWS_MAX: usize = 512;
const DAY_MS: i64 = 86_400_000;

const COLUMNS: &str = "SELECT device, first_seq, last_seq, t0, t1, n, arrived_at FROM chunk";
/// Spans of one device do not overlap, so that the order of their first places is that of their last.
const OWN: &str =
    "WHERE device = ?1 AND first_seq < ?2 AND first_seq <= ?3 AND t1 >= ?4 AND t0 <= ?5 ORDER BY first_seq DESC LIMIT ?6";
const BEHIND: &str =
    "WHERE gateway = ?1 AND last_seq < ?2 AND first_seq <= ?3 AND t1 >= ?4 AND t0 <= ?5 ORDER BY last_seq DESC LIMIT ?6";

/// Some points of one device.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) device: DeviceId,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    /// When the newest of them came.
    arrived_at: i64,
    /// The times of its points.
    t0: i64,
    t1: i64,
    /// How many they are.
    n: u64,
    /// The points that wait; absent for a chunk.
    body: Option<Vec<u8>>,
}

impl Span {
    /// How many of its points are within the bounds; only a span that a bound cuts is decoded for it.
    pub(crate) fn count(&self, sql: &mut dyn Sql, bounds: Bounds) -> SqlResult<u64> {
        if bounds.lo <= self.t0 && self.t1 <= bounds.hi {
            return Ok(self.n);
        }
        let mut n = 0;
        decode_points(&self.body(sql)?, |point| n += u64::from(bounds.holds(point.event_time)))?;
        Ok(n)
    }

    /// Its points, encoded.
    pub(crate) fn body(&self, sql: &mut dyn Sql) -> SqlResult<Cow<'_, [u8]>> {
        match &self.body {
            Some(body) => Ok(Cow::Borrowed(body)),
            None => chunk(sql, self.device, self.first_seq).map(Cow::Owned),
        }
    }
}

/// The points of a chunk.
fn chunk(sql: &mut dyn Sql, device: DeviceId, first_seq: u64) -> SqlResult<Vec<u8>> {
    let text = "SELECT points FROM chunk WHERE device = ?1 AND first_seq = ?2";
    let key = [Value::Bytes(device.0.as_bytes()), Value::Int(to_db(first_seq))];
    let body = query_one(sql, text, &key, |row| match row.bytes(0)?.split_first() {
        Some((&POINTS_VERSION, body)) => Ok(body.to_vec()),
        _ => Err(Malformed.into()),
    })?;
    Ok(body.unwrap_or_default())
}

/// The times asked for, both inclusive.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    lo: i64,
    hi: i64,
}

impl Bounds {
    fn of(query: &HistoryQuery) -> Self {
        Self {
            lo: query.after.map_or(i64::MIN, |t| t.0.saturating_add(1)),
            hi: query.before.map_or(i64::MAX, |t| t.0.saturating_sub(1)),
        }
    }

    pub(crate) fn holds(self, t: i64) -> bool {
        self.lo <= t && t <= self.hi
    }
}

/// The spans that a query is about.
pub(crate) struct Spans {
    of: HistoryOf,
    pub(crate) bounds: Bounds,
    kept: Kept,
    /// Those that wait, the newest first.
    waiting: Vec<Span>,
}

impl Spans {
    /// Within a transaction; `waiting` was copied before it began, so that no point can slip through between them.
    pub(crate) fn of(sql: &mut dyn Sql, query: &HistoryQuery, waiting: Vec<(DeviceId, Waiting)>) -> SqlResult<Self> {
        let bounds = Bounds::of(query);
        let mut spans = Vec::with_capacity(waiting.len());
        for (device, part) in waiting {
            let key = [Value::Bytes(device.0.as_bytes())];
            let flushed = query_one(sql, "SELECT flushed_seq FROM device_state WHERE device = ?1", &key, |row| row.seq(0))?;
            // What the database has already is not taken from memory too.
            if part.last_seq > flushed.unwrap_or(0) && bounds.lo <= part.t1 && part.t0 <= bounds.hi {
                let Waiting { first_seq, last_seq, arrived_at, t0, t1, n, body } = part;
                spans.push(Span { device, first_seq, last_seq, arrived_at: arrived_at.0, t0, t1, n, body: Some(body) });
            }
        }
        spans.sort_by_key(|span| Reverse(span.last_seq));
        let kept = Kept { of: query.of, now: query.now, since: HashMap::new() };
        Ok(Self { of: query.of, bounds, kept, waiting: spans })
    }

    /// The points of a span that was visited.
    pub(crate) fn body(&self, sql: &mut dyn Sql, device: DeviceId, first_seq: u64) -> SqlResult<Cow<'_, [u8]>> {
        match self.waiting.iter().find(|span| (span.device, span.first_seq) == (device, first_seq)) {
            Some(span) => span.body(sql),
            None => chunk(sql, device, first_seq).map(Cow::Owned),
        }
    }

    /// Visits the spans that touch these places, in the order of their last place, the newest first.
    pub(crate) fn each(
        &mut self,
        sql: &mut dyn Sql,
        places: RangeInclusive<u64>,
        mut visit: impl FnMut(&mut dyn Sql, &Span) -> SqlResult<()>,
    ) -> SqlResult<()> {
        self.while_wanted(sql, places, |sql, span| visit(sql, span).map(ControlFlow::Continue))
    }

    /// As [`Self::each`], until enough was visited.
    pub(crate) fn while_wanted(
        &mut self,
        sql: &mut dyn Sql,
        places: RangeInclusive<u64>,
        mut visit: impl FnMut(&mut dyn Sql, &Span) -> SqlResult<ControlFlow<()>>,
    ) -> SqlResult<()> {
        let list = |clause: &str, by| List {
            text: format!("{COLUMNS} {clause}"),
            by,
            rows: VecDeque::new(),
            next: Some(u64::MAX),
            limit: ROWS_FIRST,
        };
        let (of, mut lists) = match self.of {
            HistoryOf::Device(of) => (of, vec![list(OWN, |span: &Span| span.first_seq)]),
            HistoryOf::Gateway(of, _) => {
                (of, vec![list(OWN, |span: &Span| span.first_seq), list(BEHIND, |span: &Span| span.last_seq)])
            }
        };
        let (kept, bounds) = (&mut self.kept, self.bounds);
        let mut waiting = self.waiting.iter().filter(|span| span.first_seq <= *places.end()).peekable();
        loop {
            for list in &mut lists {
                list.fill(sql, of, *places.end(), bounds)?;
            }
            let newest = lists.iter_mut().max_by_key(|list| list.rows.front().map(|span| span.last_seq));
            let stored = newest.and_then(|list| {
                let last_seq = list.rows.front()?.last_seq;
                if waiting.peek().is_some_and(|span| span.last_seq > last_seq) { None } else { list.rows.pop_front() }
            });
            let Some(span) = stored.as_ref().or_else(|| waiting.next()) else { return Ok(()) };
            if span.last_seq < *places.start() {
                return Ok(());
            }
            if kept.holds(sql, span)? && visit(sql, span)?.is_break() {
                return Ok(());
            }
        }
    }

    /// Visits the spans of a device that touch a place or are beyond it, the oldest first, until enough was visited.
    pub(crate) fn onward(
        &mut self,
        sql: &mut dyn Sql,
        from: u64,
        mut visit: impl FnMut(&mut dyn Sql, &Span) -> SqlResult<ControlFlow<()>>,
    ) -> SqlResult<()> {
        const BEFORE: &str = "SELECT first_seq FROM chunk WHERE device = ?1 AND first_seq <= ?2 ORDER BY first_seq DESC LIMIT 1";
        let text =
            format!("{COLUMNS} WHERE device = ?1 AND first_seq >= ?2 AND t1 >= ?3 AND t0 <= ?4 ORDER BY first_seq LIMIT ?5");
        let of = self.of.id();
        let before = query_one(sql, BEFORE, &[Value::Bytes(of.0.as_bytes()), Value::Int(to_db(from))], |row| row.seq(0))?;
        let (mut next, mut limit) = (Some(before.unwrap_or(0)), ROWS_FIRST);
        while let Some(first) = next {
            let params = [
                Value::Bytes(of.0.as_bytes()),
                Value::Int(to_db(first)),
                Value::Int(self.bounds.lo),
                Value::Int(self.bounds.hi),
                Value::Int(to_db(limit as u64)),
            ];
            let rows = query_all(sql, &text, &params, row)?;
            next = rows.last().filter(|_| rows.len() == limit).map(|span| span.first_seq + 1);
            limit = (2 * limit).min(ROWS_MAX);
            for span in rows.iter().filter(|span| span.last_seq >= from) {
                if self.kept.holds(sql, span)? && visit(sql, span)?.is_break() {
                    return Ok(());
                }
            }
        }
        for span in self.waiting.iter().rev().filter(|span| span.last_seq >= from) {
            if self.kept.holds(sql, span)? && visit(sql, span)?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Rows of one statement, a few at a time.
struct List {
    text: String,
    /// What the statement goes on by.
    by: fn(&Span) -> u64,
    rows: VecDeque<Span>,
    /// Rows below this are next; none where there are no more.
    next: Option<u64>,
    limit: usize,
}

impl List {
    fn fill(&mut self, sql: &mut dyn Sql, of: DeviceId, end: u64, bounds: Bounds) -> SqlResult<()> {
        let Some(next) = self.next.filter(|_| self.rows.is_empty()) else { return Ok(()) };
        let params = [
            Value::Bytes(of.0.as_bytes()),
            Value::Int(to_db(next)),
            Value::Int(to_db(end)),
            Value::Int(bounds.lo),
            Value::Int(bounds.hi),
            Value::Int(to_db(self.limit as u64)),
        ];
        let found = query_all(sql, &self.text, &params, row)?;
        self.next = found.last().filter(|_| found.len() == self.limit).map(self.by);
        self.limit = (2 * self.limit).min(ROWS_MAX);
        self.rows = found.into();
        Ok(())
    }
}

/// A row of [`COLUMNS`].
fn row(row: &dyn Row) -> SqlResult<Span> {
    Ok(Span {
        device: DeviceId(id(row.bytes(0)?)?),
        first_seq: row.seq(1)?,
        last_seq: row.seq(2)?,
        t0: row.int(3)?,
        t1: row.int(4)?,
        n: row.seq(5)?,
        arrived_at: row.int(6)?,
        body: None,
    })
}

/// Since when the history of each device is kept and seen, asked once a device; there are no more of them than a gateway may have behind it.
struct Kept {
    of: HistoryOf,
    now: Time,
    /// None of a device that is gone or is not seen.
    since: HashMap<DeviceId, Option<i64>>,
}

impl Kept {
    /// A device may keep its history for fewer days than its account; they count from the arrival of the points.
    fn holds(&mut self, sql: &mut dyn Sql, span: &Span) -> SqlResult<bool> {
        if let Some(since) = self.since.get(&span.device) {
            return Ok(since.is_some_and(|since| span.arrived_at > since));
        }
        let since = self.since(sql, span.device)?;
        self.since.insert(span.device, since);
        Ok(since.is_some_and(|since| span.arrived_at > since))
    }

    fn since(&self, sql: &mut dyn Sql, device: DeviceId) -> SqlResult<Option<i64>> {
        const ANY: &str = "SELECT aging_days FROM device WHERE id = ?1";
        let key = Value::Bytes(device.0.as_bytes());
        let days = match &self.of {
            HistoryOf::Gateway(_, Some(app)) => {
                let text = format!("{ANY} AND {}", principals::seen("device.id", 2));
                query_one(sql, &text, &[key, Value::Bytes(app.0.as_bytes())], |row| row.opt_int(0))
            }
            _ => query_one(sql, ANY, &[key], |row| row.opt_int(0)),
        }?;
        Ok(days.map(|days| days.map_or(i64::MIN, |days| self.now.0.saturating_sub(days.saturating_mul(DAY_MS)))))
    }
}
