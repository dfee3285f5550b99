//! A page of history, newest arrival first.
//!
//! Counting and skipping use what is known of each span (places, times, number of points); only spans that a time bound cuts, and those
//! that may hold points of the page, are decoded. Spans of different devices overlap in their places: those that do are looked at together,
//! and where that is much, the places that hold the page are narrowed first. So a page takes as much memory as it is long, whatever is behind a gateway.

use crate::{
    engine::sql::{Sql, SqlResult},
    stream::{
        pending::Waiting,
        record::{PointView, decode_points},
        spans::Spans,
    },
};
use landfall_core::HistoryQuery;
use landfall_model::{DeviceId, HistoryPoint, Page, PageRequest, Seq, Time};
use std::{borrow::Cow, ops::RangeInclusive};

/// Points whose places are sorted at once; where a range has more, it is narrowed first.
const TOGETHER: u64 = 65_536;
/// Parts that a range is counted by when it is narrowed.
const PARTS: u64 = 1_024;
/// Bytes of spans that are kept from the first look at them to the second.
const BYTES: usize = 8 << 20;

/// One page. `waiting` was copied before the database is read, so that no point can slip through between them.
pub(crate) fn history(
    sql: &mut dyn Sql,
    query: &HistoryQuery,
    waiting: Vec<(DeviceId, Waiting)>,
    page: PageRequest,
) -> SqlResult<Page<HistoryPoint>> {
    sql.begin_read()?;
    let mut spans = Spans::of(sql, query, waiting)?;
    let (total, found) = find(sql, &mut spans, page)?;
    let items = match found {
        None => Vec::new(),
        Some(range) => {
            let range = narrow(sql, &mut spans, range, page.size.into())?;
            items(sql, &mut spans, &range, page.size)?
        }
    };
    sql.batch("COMMIT")?;
    Ok(Page { total, items })
}

/// Places that hold a page, from which no span sticks out that has points of it elsewhere.
#[derive(Clone, Debug, PartialEq)]
struct Range {
    places: RangeInclusive<u64>,
    /// Points in them that come before the page.
    skip: u64,
    /// Points in them.
    n: u64,
}

/// How many points there are, and where those of the page are.
fn find(sql: &mut dyn Sql, spans: &mut Spans, page: PageRequest) -> SqlResult<(u64, Option<Range>)> {
    let (offset, bounds) = (page.offset(), spans.bounds);
    let end = offset.saturating_add(page.size.into());
    let (mut total, mut found) = (0, None);
    // Spans that overlap in their places, directly or through others.
    let mut cluster: Option<(RangeInclusive<u64>, u64)> = None;
    let mut close = |cluster: Option<(RangeInclusive<u64>, u64)>| {
        let Some((places, n)) = cluster else { return total };
        let before = total;
        total += n;
        if total > offset && before < end {
            found = Some(match found.take() {
                None => Range { places, skip: offset - before, n },
                Some(Range { places: newer, skip, n: more }) => {
                    Range { places: *places.start()..=*newer.end(), skip, n: more + n }
                }
            });
        }
        total
    };
    spans.each(sql, 0..=u64::MAX, |sql, span| {
        let n = span.count(sql, bounds)?;
        if n == 0 {
            return Ok(());
        }
        match &mut cluster {
            Some((places, all)) if span.last_seq >= *places.start() => {
                *places = span.first_seq.min(*places.start())..=*places.end();
                *all += n;
            }
            _ => {
                close(cluster.replace((span.first_seq..=span.last_seq, n)));
            }
        }
        Ok(())
    })?;
    let total = close(cluster);
    Ok((total, found))
}

/// Looks where in a range the page is, until there is not too much beside it.
fn narrow(sql: &mut dyn Sql, spans: &mut Spans, mut range: Range, size: u64) -> SqlResult<Range> {
    while range.n > TOGETHER {
        let (lo, hi) = (*range.places.start(), *range.places.end());
        let width = (hi - lo) / PARTS + 1;
        let mut counts = vec![0; PARTS as usize];
        each_place(sql, spans, &range.places, |seq| {
            // Parts count from the newest place, and there are no more of them than counts.
            if let Some(count) = usize::try_from((hi - seq) / width).ok().and_then(|part| counts.get_mut(part)) {
                *count += 1;
            }
        })?;
        let next = part_of(&range, &counts, width, size);
        if next.places == range.places {
            break;
        }
        range = next;
    }
    Ok(range)
}

/// The parts of a range that hold the page; each is as wide, and they count from the newest place.
fn part_of(range: &Range, counts: &[u64], width: u64, size: u64) -> Range {
    let (lo, hi) = (*range.places.start(), *range.places.end());
    let end = range.skip.saturating_add(size);
    let (mut before, mut skip, mut n) = (0, 0, 0);
    let (mut first, mut last) = (None, 0);
    for (part, count) in (0..).zip(counts) {
        if before + count > range.skip && before < end {
            first.get_or_insert_with(|| {
                skip = range.skip - before;
                part
            });
            (last, n) = (part, n + count);
        }
        before += count;
    }
    let newest = hi - first.unwrap_or(0) * width;
    let oldest = hi.saturating_sub((last + 1) * width - 1).max(lo);
    Range { places: oldest..=newest, skip, n }
}

/// Visits the places of the points in these places and within the bounds.
fn each_place(sql: &mut dyn Sql, spans: &mut Spans, places: &RangeInclusive<u64>, mut visit: impl FnMut(u64)) -> SqlResult<()> {
    let bounds = spans.bounds;
    spans.each(sql, places.clone(), |sql, span| {
        decode_points(&span.body(sql)?, |point| {
            if places.contains(&point.seq) && bounds.holds(point.event_time) {
                visit(point.seq);
            }
        })?;
        Ok(())
    })
}

/// A span that was looked at.
struct Seen {
    device: DeviceId,
    first_seq: u64,
    /// Its points, where there was room to keep them.
    body: Option<Vec<u8>>,
}

/// The points of the page, newest last place first.
fn items(sql: &mut dyn Sql, spans: &mut Spans, range: &Range, size: u32) -> SqlResult<Vec<HistoryPoint>> {
    let bounds = spans.bounds;
    // A point is its place, its span and its number there; the greatest is the newest.
    let (mut keys, mut seen, mut bytes): (Vec<(u64, usize, u32)>, Vec<Seen>, _) = (Vec::new(), Vec::new(), 0);
    spans.each(sql, range.places.clone(), |sql, span| {
        let body = span.body(sql)?;
        let mut number = 0;
        decode_points(&body, |point| {
            if range.places.contains(&point.seq) && bounds.holds(point.event_time) {
                keys.push((point.seq, seen.len(), number));
            }
            number += 1;
        })?;
        bytes += body.len();
        let body = (bytes <= BYTES).then(|| body.into_owned());
        seen.push(Seen { device: span.device, first_seq: span.first_seq, body });
        Ok(())
    })?;
    keys.sort_unstable_by(|a, b| b.cmp(a));
    let skip = usize::try_from(range.skip).unwrap_or(usize::MAX);
    let page = keys.into_iter().skip(skip).take(size as usize).enumerate();
    let mut picked: Vec<(usize, u32, usize)> = page.map(|(at, (_, span, number))| (span, number, at)).collect();
    picked.sort_unstable();
    let mut found: Vec<(usize, HistoryPoint)> = Vec::with_capacity(picked.len());
    for of_span in picked.chunk_by(|a, b| a.0 == b.0) {
        let Some(Seen { device, first_seq, body }) = of_span.first().and_then(|(span, ..)| seen.get(*span)) else { continue };
        let body = match body {
            Some(body) => Cow::Borrowed(body.as_slice()),
            None => spans.body(sql, *device, *first_seq)?,
        };
        let (mut number, mut next) = (0, of_span.iter().peekable());
        decode_points(&body, |point| {
            if let Some((.., at)) = next.next_if(|(_, wanted, _)| *wanted == number) {
                found.push((*at, owned(*device, &point)));
            }
            number += 1;
        })?;
    }
    found.sort_unstable_by_key(|(at, _)| *at);
    Ok(found.into_iter().map(|(_, point)| point).collect())
}

pub(crate) fn owned(device: DeviceId, point: &PointView<'_>) -> HistoryPoint {
    HistoryPoint {
        seq: Seq(point.seq),
        device,
        gateway: point.gateway,
        app: point.app,
        service_id: point.service_id.to_owned(),
        data: point.data.to_owned(),
        event_time: Time(point.event_time),
        meta: point.meta.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{backend::Backend, migrate, sql::Value},
        stream::{flush::Flush, pending::Pending, record::tests::scratch},
    };
    use landfall_core::HistoryOf;
    use landfall_model::{AccountId, Report, ServiceReport};
    use parking_lot::Mutex;
    use uuid::Uuid;

    fn device(n: u64) -> DeviceId {
        DeviceId(Uuid::from_u64_pair(7, n))
    }

    /// Device 0 is the gateway, and what is behind it speaks in turn: two services a report.
    fn said(pending: &mut Pending, devices: u64, places: RangeInclusive<u64>) {
        for seq in places {
            let service = |n| ServiceReport {
                service_id: "s".into(),
                service_type: None,
                data: format!("{seq}.{n}"),
                event_time: Time(seq as i64 % 10),
                meta: None,
            };
            let report = Report {
                device: device(seq % devices),
                account: AccountId(Uuid::nil()),
                app: None,
                gateway: device(0),
                received_at: Time(5),
                services: vec![service(0), service(1)],
                raw: None,
            };
            pending.add(&report, seq, Time(5));
        }
    }

    /// More points than are sorted at once, in spans that all overlap, of which a part waits in memory.
    #[test]
    fn a_page_out_of_much_that_overlaps_is_found_by_narrowing() {
        let (devices, flushed, newest) = (40, 40_000, 50_000);
        let dir = scratch();
        let backend = Backend::Sqlite(dir.clone());
        let _lock = backend.lock().unwrap();
        let mut sql = backend.writer().unwrap();
        migrate::migrate(&mut *sql, migrate::NEWEST).unwrap();
        for n in 0..devices {
            let text = "INSERT INTO device (id, version, account, principals, node_id, gateway, node_type, status, connected, activated, \
                        created_at, doc, psk_identity) VALUES (?1, 1, ?1, ?1, ?2, ?3, '', '', 0, 0, 0, '', ?2)";
            let (id, gateway, name) = (device(n), device(0), n.to_string());
            let values = [Value::Bytes(id.0.as_bytes()), Value::Text(&name), Value::Bytes(gateway.0.as_bytes())];
            sql.execute(text, &values).unwrap();
        }
        let mut pending = Pending::default();
        said(&mut pending, devices, 1..=flushed);
        let pending = Mutex::new(pending);
        let mut flush = Flush::new(pending.lock().seal(), flushed);
        while !flush.slice(&mut *sql, &pending).unwrap() {}
        said(&mut pending.lock(), devices, flushed + 1..=newest);
        for (after, per_ten) in [(None, 10), (Some(4), 5)] {
            let query =
                HistoryQuery { of: HistoryOf::Gateway(device(0), None), after: after.map(Time), before: None, now: Time(6) };
            let expected: Vec<String> = (1..=newest)
                .rev()
                .filter(|seq| after.is_none_or(|after| *seq as i64 % 10 > after))
                .flat_map(|seq| [format!("{seq}.1"), format!("{seq}.0")])
                .collect();
            assert_eq!(expected.len() as u64, newest * 2 * per_ten / 10);
            for (no, size) in [(0, 7), (1, 2_000), (3_333, 9), (17, 1_000), (35, 2_000), (4, 20_001), (u64::MAX, 5)] {
                let page = PageRequest { no, size };
                let waiting = pending.lock().waiting(query.of);
                let found = history(&mut *sql, &query, waiting, page).unwrap();
                let skip = usize::try_from(page.offset()).unwrap();
                let wanted: Vec<&String> = expected.iter().skip(skip).take(size as usize).collect();
                assert_eq!(found.total, expected.len() as u64);
                assert_eq!(
                    found.items.iter().map(|point| &point.data).collect::<Vec<_>>(),
                    wanted,
                    "page {no} of {size}, {after:?}"
                );
            }
        }
        drop(sql);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_range_is_narrowed_to_the_parts_that_hold_the_page() {
        let range = |places, skip, n| Range { places, skip, n };
        let counts = [3, 0, 5, 2];
        for (skip, size, expected) in [
            (0, 3, range(1_030..=1_039, 0, 3)),
            (1, 3, range(1_010..=1_039, 1, 8)),
            (3, 5, range(1_010..=1_019, 0, 5)),
            (7, 9, range(1_005..=1_019, 4, 7)),
            (8, 1, range(1_005..=1_009, 0, 2)),
        ] {
            assert_eq!(part_of(&range(1_005..=1_039, skip, 10), &counts, 10, size), expected, "{skip} {size}");
        }
    }
}
