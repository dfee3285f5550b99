//! Points of one device a slice at a time, in the order of their reports.

use crate::{
    engine::sql::{Sql, SqlResult},
    stream::{
        history::owned,
        pending::Waiting,
        record::decode_points,
        spans::{Span, Spans},
    },
};
use landfall_core::{HistoryOf, HistoryQuery, PointQuery, PointSlice};
use landfall_model::{DeviceId, HistoryPoint, Seq, Sort, Time};
use std::ops::ControlFlow;

/// Points are read up to about so many bytes at once.
const BYTES: usize = 8 << 20;

/// The next slice. `waiting` was copied before the database is read, so that no point can slip through between them.
pub(crate) fn slice(sql: &mut dyn Sql, query: &PointQuery, waiting: Vec<(DeviceId, Waiting)>) -> SqlResult<PointSlice> {
    let history = HistoryQuery {
        of: HistoryOf::Device(query.device),
        after: query.from.map(|from| Time(from.0.saturating_sub(1))),
        before: query.to,
        now: query.now,
    };
    sql.begin_read()?;
    let mut spans = Spans::of(sql, &history, waiting)?;
    let (mut found, bounds) = (PointSlice::default(), spans.bounds);
    let wanted = |seq: u64| match (query.beyond, query.sort) {
        (None, _) => true,
        (Some(Seq(beyond)), Sort::Ascending) => seq > beyond,
        (Some(Seq(beyond)), Sort::Descending) => seq < beyond,
    };
    let visit = |sql: &mut dyn Sql, span: &Span| {
        let mut points = Vec::new();
        decode_points(&span.body(sql)?, |point| {
            if wanted(point.seq) && bounds.holds(point.event_time) {
                points.push(owned(span.device, &point));
            }
        })?;
        Ok(if take(points, query, &mut found) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    };
    match query.sort {
        Sort::Ascending => spans.onward(sql, query.beyond.map_or(0, |beyond| beyond.0.saturating_add(1)), visit)?,
        Sort::Descending => {
            let last = query.beyond.map_or(u64::MAX, |beyond| beyond.0.saturating_sub(1));
            spans.while_wanted(sql, 0..=last, visit)?;
        }
    }
    sql.batch("COMMIT")?;
    Ok(found)
}

/// Takes the reports of a span, whose points come the oldest first, until there is enough; tells whether more may be taken.
fn take(points: Vec<HistoryPoint>, query: &PointQuery, found: &mut PointSlice) -> bool {
    let mut reports: Vec<&[HistoryPoint]> = points.chunk_by(|a, b| a.seq == b.seq).collect();
    if query.sort == Sort::Descending {
        reports.reverse();
    }
    let mut bytes: usize = found.points.iter().map(size).sum();
    for report in reports {
        if found.points.len() >= query.limit as usize || bytes >= BYTES {
            found.more = true;
            return false;
        }
        bytes += report.iter().map(size).sum::<usize>();
        found.points.extend_from_slice(report);
    }
    true
}

fn size(point: &HistoryPoint) -> usize {
    size_of::<HistoryPoint>() + point.service_id.len() + point.data.len() + point.meta.as_ref().map_or(0, String::len)
}
