//! Reads history: chunks of the database and points that still wait in memory, newest arrival first.
//!
//! Counting and skipping use what is known of each chunk (places, times, number of points); only chunks that a time bound cuts, and those
//! that may hold points of the page, are decoded. Spans of different devices whose places overlap are sorted together.

use crate::{
    device::unlinked,
    engine::sql::{Sql, SqlResult, Value, query_all, query_one, to_db},
    stream::{
        pending::Waiting,
        record::{Malformed, POINTS_VERSION, PointView, decode_points},
        replay::id,
    },
};
use landfall_core::HistoryQuery;
use landfall_model::{DeviceId, HistoryPoint, Page, PageRequest, Time};
use std::cmp::Reverse;

/// Devices asked for in one statement.
const DEVICES: usize = 50;

/// Some points of one device.
struct Span {
    device: DeviceId,
    first_seq: u64,
    last_seq: u64,
    /// Points within the time bounds.
    n: u64,
    /// The body of points that wait; absent for a chunk.
    body: Option<Vec<u8>>,
}

/// The times asked for, both inclusive.
#[derive(Clone, Copy)]
struct Bounds {
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

    fn holds(self, t: i64) -> bool {
        self.lo <= t && t <= self.hi
    }

    fn holds_all(self, t0: i64, t1: i64) -> bool {
        self.lo <= t0 && t1 <= self.hi
    }

    fn misses_all(self, t0: i64, t1: i64) -> bool {
        t1 < self.lo || self.hi < t0
    }
}

/// One page. `waiting` was copied before the database is read, so that no point can slip through between them.
pub(crate) fn history(
    sql: &mut dyn Sql,
    query: &HistoryQuery,
    waiting: Vec<(DeviceId, Vec<Waiting>)>,
    page: PageRequest,
) -> SqlResult<Page<HistoryPoint>> {
    sql.begin_read()?;
    let bounds = Bounds::of(query);
    let mut spans = Vec::new();
    for devices in query.devices.chunks(DEVICES) {
        chunk_spans(sql, devices, bounds, &mut spans)?;
    }
    for (device, waiting) in waiting {
        waiting_spans(sql, device, waiting, bounds, &mut spans)?;
    }
    spans.sort_by_key(|span| Reverse(span.last_seq));
    let total = spans.iter().map(|span| span.n).sum();
    let items = items(sql, &spans, bounds, page)?;
    sql.batch("COMMIT")?;
    Ok(Page { total, items })
}

fn chunk_spans(sql: &mut dyn Sql, devices: &[DeviceId], bounds: Bounds, spans: &mut Vec<Span>) -> SqlResult<()> {
    // The list is padded to one of two lengths, so that two prepared statements serve all queries.
    let slots = if devices.len() == 1 { 1 } else { DEVICES };
    let list: Vec<String> = (0..slots).map(|i| format!("?{}", i + 3)).collect();
    let text = format!(
        "SELECT device, first_seq, last_seq, t0, t1, n FROM chunk WHERE t1 >= ?1 AND t0 <= ?2 AND device IN ({}) AND {}",
        list.join(", "),
        unlinked::visible("chunk.device")
    );
    let mut params = vec![Value::Int(bounds.lo), Value::Int(bounds.hi)];
    let padding = std::iter::repeat(devices.last()).flatten();
    params.extend(devices.iter().chain(padding).take(slots).map(|device| Value::Bytes(device.0.as_bytes())));
    let mut cut = Vec::new();
    let found = query_all(sql, &text, &params, |row| {
        let span = Span {
            device: DeviceId(id(row.bytes(0)?)?),
            first_seq: row.seq(1)?,
            last_seq: row.seq(2)?,
            n: row.seq(5)?,
            body: None,
        };
        cut.push(!bounds.holds_all(row.int(3)?, row.int(4)?));
        Ok(span)
    })?;
    for (mut span, cut) in found.into_iter().zip(cut) {
        if cut {
            span.n = count(&load(sql, &span)?, bounds)?;
        }
        if span.n > 0 {
            spans.push(span);
        }
    }
    Ok(())
}

fn waiting_spans(
    sql: &mut dyn Sql,
    device: DeviceId,
    waiting: Vec<Waiting>,
    bounds: Bounds,
    spans: &mut Vec<Span>,
) -> SqlResult<()> {
    let key = [Value::Bytes(device.0.as_bytes())];
    let flushed = query_one(sql, "SELECT flushed_seq FROM device_state WHERE device = ?1", &key, |row| row.seq(0))?.unwrap_or(0);
    // What the database has already is not taken from memory too.
    for part in waiting.into_iter().filter(|part| part.last_seq > flushed && !bounds.misses_all(part.t0, part.t1)) {
        let n = if bounds.holds_all(part.t0, part.t1) { part.n } else { count(&part.body, bounds)? };
        if n > 0 {
            spans.push(Span { device, first_seq: part.first_seq, last_seq: part.last_seq, n, body: Some(part.body) });
        }
    }
    Ok(())
}

fn count(body: &[u8], bounds: Bounds) -> Result<u64, Malformed> {
    let mut n = 0;
    decode_points(body, |point| n += u64::from(bounds.holds(point.event_time)))?;
    Ok(n)
}

/// The body of a span.
fn load(sql: &mut dyn Sql, span: &Span) -> SqlResult<Vec<u8>> {
    if let Some(body) = &span.body {
        return Ok(body.clone());
    }
    let body = query_one(
        sql,
        "SELECT points FROM chunk WHERE device = ?1 AND first_seq = ?2",
        &[Value::Bytes(span.device.0.as_bytes()), Value::Int(to_db(span.first_seq))],
        |row| match row.bytes(0)?.split_first() {
            Some((&POINTS_VERSION, body)) => Ok(body.to_vec()),
            _ => Err(Malformed.into()),
        },
    )?;
    Ok(body.unwrap_or_default())
}

/// The points of the page out of all spans, newest last place first.
fn items(sql: &mut dyn Sql, spans: &[Span], bounds: Bounds, page: PageRequest) -> SqlResult<Vec<HistoryPoint>> {
    let mut skip = page.offset();
    let mut items = Vec::new();
    let mut rest = spans;
    while !rest.is_empty() && items.len() < page.size as usize {
        let (cluster, others) = rest.split_at(cluster_len(rest));
        rest = others;
        let n: u64 = cluster.iter().map(|span| span.n).sum();
        if skip >= n {
            skip -= n;
            continue;
        }
        let room = page.size as usize - items.len();
        cluster_items(sql, cluster, bounds, skip, room, &mut items)?;
        skip = 0;
    }
    Ok(items)
}

/// How many of the first spans overlap in their places, directly or through others.
fn cluster_len(spans: &[Span]) -> usize {
    let mut low = u64::MAX;
    for (i, span) in spans.iter().enumerate() {
        if i > 0 && span.last_seq < low {
            return i;
        }
        low = low.min(span.first_seq);
    }
    spans.len()
}

/// A point by its place, its span and its number in the span; ordered newest first.
type Key = Reverse<(u64, usize, u32)>;

fn cluster_items(
    sql: &mut dyn Sql,
    cluster: &[Span],
    bounds: Bounds,
    skip: u64,
    room: usize,
    items: &mut Vec<HistoryPoint>,
) -> SqlResult<()> {
    let mut keys: Vec<Key> = Vec::new();
    let mut bodies = Vec::with_capacity(cluster.len());
    for (i, span) in cluster.iter().enumerate() {
        let body = load(sql, span)?;
        let mut number = 0;
        decode_points(&body, |point| {
            if bounds.holds(point.event_time) {
                keys.push(Reverse((point.seq, i, number)));
            }
            number += 1;
        })?;
        bodies.push(body);
    }
    keys.sort_unstable();
    let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(keys.len());
    let wanted = &keys[skip..keys.len().min(skip.saturating_add(room))];
    let mut picked: Vec<(usize, u32, usize)> = wanted.iter().enumerate().map(|(at, key)| (key.0.1, key.0.2, at)).collect();
    picked.sort_unstable();
    let mut found: Vec<(usize, HistoryPoint)> = Vec::with_capacity(picked.len());
    let mut next = picked.iter().peekable();
    for (i, (span, body)) in cluster.iter().zip(&bodies).enumerate() {
        if next.peek().is_none_or(|(of, ..)| *of != i) {
            continue;
        }
        let mut number = 0;
        decode_points(body, |point| {
            if let Some(&&(of, wanted, at)) = next.peek()
                && (of, wanted) == (i, number)
            {
                found.push((at, owned(span.device, &point)));
                next.next();
            }
            number += 1;
        })?;
    }
    found.sort_unstable_by_key(|(at, _)| *at);
    items.extend(found.into_iter().map(|(_, point)| point));
    Ok(())
}

fn owned(device: DeviceId, point: &PointView<'_>) -> HistoryPoint {
    HistoryPoint {
        device,
        gateway: point.gateway,
        app: point.app,
        service_id: point.service_id.to_owned(),
        data: point.data.to_owned(),
        event_time: Time(point.event_time),
    }
}
