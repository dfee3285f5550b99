//! Frames kept with the history: read with the points that came from them, and those points replaced once the frames were decoded again.
//!
//! Both work on chunks alone: who reads frames has those that wait in memory cut into chunks first. Absent: decoding, which is the domain's.

use crate::{
    device::unlinked,
    effects::Done,
    engine::sql::{Sql, SqlError, SqlResult, Value, query_all, query_one, to_db},
    stream::{
        flush::parse_services,
        record::{FRAMES_VERSION, FrameView, Malformed, POINTS_VERSION, PointView, PointWriter, decode_frames, decode_points},
    },
};
use landfall_core::{FramePage, FrameQuery};
use landfall_model::{AppId, DeviceId, Frame, KeptFrame, Redecoded, Reported, Seq, ServiceReport, Time};
use std::collections::{BTreeMap, BTreeSet};

/// Frames and their points are read up to about so many bytes at once.
const PAGE_BYTES: usize = 8 << 20;

/// The blobs of a chunk without their version bytes.
struct Chunk {
    first_seq: i64,
    points: Vec<u8>,
    frames: Vec<u8>,
}

/// Frames in the order of their places, with their points.
pub(crate) fn read(sql: &mut dyn Sql, query: &FrameQuery) -> SqlResult<FramePage> {
    sql.begin_read()?;
    let mut page = FramePage { frames: Vec::new(), more: false };
    let mut bytes = 0;
    let mut first_seq = -1;
    while let Some(chunk) = next_chunk(sql, query, first_seq)? {
        first_seq = chunk.first_seq;
        let room = (query.limit as usize).saturating_sub(page.frames.len());
        let mut found = chunk_frames(&chunk, query)?;
        page.more = found.len() > room;
        found.truncate(room);
        fill_points(&chunk, &mut found)?;
        for (i, frame) in found.iter().enumerate() {
            bytes += size(frame);
            if bytes >= PAGE_BYTES {
                found.truncate(i + 1);
                page.more = true;
                break;
            }
        }
        page.frames.append(&mut found);
        if page.more {
            break;
        }
    }
    sql.batch("COMMIT")?;
    Ok(page)
}

fn next_chunk(sql: &mut dyn Sql, query: &FrameQuery, after: i64) -> SqlResult<Option<Chunk>> {
    let text = format!(
        "SELECT first_seq, points, frames FROM chunk WHERE device = ?1 AND first_seq > ?2 AND last_seq > ?3 AND arrived_at >= ?4 \
         AND LENGTH(frames) > 0 AND {} ORDER BY first_seq LIMIT 1",
        unlinked::visible("chunk.device")
    );
    query_one(
        sql,
        &text,
        &[
            Value::Bytes(query.device.0.as_bytes()),
            Value::Int(after),
            Value::Int(to_db(query.after.0)),
            Value::Int(query.from.map_or(i64::MIN, |t| t.0)),
        ],
        |row| {
            Ok(Chunk {
                first_seq: row.int(0)?,
                points: body(row.bytes(1)?, POINTS_VERSION)?,
                frames: body(row.bytes(2)?, FRAMES_VERSION)?,
            })
        },
    )
}

fn body(blob: &[u8], version: u8) -> Result<Vec<u8>, Malformed> {
    match blob.split_first() {
        Some((first, body)) if *first == version => Ok(body.to_vec()),
        _ => Err(Malformed),
    }
}

fn chunk_frames(chunk: &Chunk, query: &FrameQuery) -> Result<Vec<KeptFrame>, Malformed> {
    let wanted = |at: Time| query.from.is_none_or(|from| from <= at) && query.to.is_none_or(|to| at <= to);
    // One more than there is room for tells that there are more.
    let most = (query.limit as usize).saturating_add(1);
    let mut found = Vec::new();
    decode_frames(&chunk.frames, |view| {
        let received_at = Time(view.received_at);
        if view.seq > query.after.0 && wanted(received_at) && found.len() < most {
            let frame = Frame { meta: view.meta.to_owned(), bytes: view.bytes.to_vec() };
            found.push(KeptFrame { seq: Seq(view.seq), received_at, frame, points: Vec::new() });
        }
    })?;
    Ok(found)
}

fn fill_points(chunk: &Chunk, frames: &mut [KeptFrame]) -> Result<(), Malformed> {
    decode_points(&chunk.points, |point| {
        if let Ok(i) = frames.binary_search_by_key(&point.seq, |frame| frame.seq.0)
            && let Some(frame) = frames.get_mut(i)
        {
            frame.points.push(ServiceReport {
                service_id: point.service_id.to_owned(),
                service_type: None,
                data: point.data.to_owned(),
                event_time: Time(point.event_time),
                meta: None,
            });
        }
    })
}

fn size(kept: &KeptFrame) -> usize {
    let points: usize = kept.points.iter().map(|point| point.service_id.len() + point.data.len()).sum();
    kept.frame.bytes.len() + kept.frame.meta.len() + points
}

/// Gives the frames their new points, and each service that they touched its newest value.
pub(crate) fn replace(sql: &mut dyn Sql, redecoded: &Redecoded) -> Done {
    let (Some((first, _)), Some((last, _))) = (redecoded.frames.first(), redecoded.frames.last()) else { return Ok(()) };
    let device = Value::Bytes(redecoded.device.0.as_bytes());
    let chunks = query_all(
        sql,
        "SELECT first_seq FROM chunk WHERE device = ?1 AND first_seq <= ?2 AND last_seq >= ?3 AND LENGTH(frames) > 0 ORDER BY first_seq",
        &[device, Value::Int(to_db(last.0)), Value::Int(to_db(first.0))],
        |row| row.int(0),
    )?;
    let mut touched = BTreeSet::new();
    for first_seq in chunks {
        rewrite(sql, device, first_seq, redecoded, &mut touched)?;
    }
    if !touched.is_empty() {
        write_state(sql, device, redecoded, touched)?;
    }
    Ok(())
}

/// The frame at a place, among those decoded again.
fn again(redecoded: &Redecoded, seq: u64) -> Option<&[ServiceReport]> {
    let i = redecoded.frames.binary_search_by_key(&Seq(seq), |(seq, _)| *seq).ok()?;
    redecoded.frames.get(i).map(|(_, services)| services.as_slice())
}

fn rewrite(
    sql: &mut dyn Sql,
    device: Value<'_>,
    first_seq: i64,
    redecoded: &Redecoded,
    touched: &mut BTreeSet<String>,
) -> SqlResult<()> {
    let text = "SELECT points, frames FROM chunk WHERE device = ?1 AND first_seq = ?2";
    let stored = query_one(sql, text, &[device, Value::Int(first_seq)], |row| {
        Ok((body(row.bytes(0)?, POINTS_VERSION)?, body(row.bytes(1)?, FRAMES_VERSION)?))
    })?;
    let Some((old, frames)) = stored else { return Ok(()) };
    let mut contexts: BTreeMap<u64, (DeviceId, Option<AppId>)> = BTreeMap::new();
    decode_frames(&frames, |FrameView { seq, gateway, app, .. }| {
        if again(redecoded, seq).is_some() {
            contexts.insert(seq, (gateway, app));
        }
    })?;
    let mut points: Vec<PointView<'_>> = Vec::new();
    decode_points(&old, |point| {
        if contexts.contains_key(&point.seq) {
            touched.insert(point.service_id.to_owned());
        } else {
            points.push(point);
        }
    })?;
    for (&seq, &(gateway, app)) in &contexts {
        for service in again(redecoded, seq).unwrap_or_default() {
            touched.insert(service.service_id.clone());
            let (service_id, event_time, data) = (&service.service_id, service.event_time.0, &service.data);
            let meta = service.meta.as_deref();
            points.push(PointView { seq, gateway, app, service_id, event_time, data, meta });
        }
    }
    // Stable: the points of one frame stay in their order.
    points.sort_by_key(|point| point.seq);
    put_points(sql, device, first_seq, &points)
}

fn put_points(sql: &mut dyn Sql, device: Value<'_>, first_seq: i64, points: &[PointView<'_>]) -> SqlResult<()> {
    let mut writer = PointWriter::default();
    points.iter().for_each(|point| writer.push(point));
    let mut blob = vec![POINTS_VERSION];
    blob.extend_from_slice(writer.body());
    let times = || points.iter().map(|point| point.event_time);
    sql.execute(
        "UPDATE chunk SET t0 = ?3, t1 = ?4, n = ?5, points = ?6 WHERE device = ?1 AND first_seq = ?2",
        &[
            device,
            Value::Int(first_seq),
            Value::Int(times().min().unwrap_or(i64::MAX)),
            Value::Int(times().max().unwrap_or(i64::MIN)),
            Value::Int(to_db(points.len() as u64)),
            Value::Bytes(&blob),
        ],
    )?;
    Ok(())
}

/// A point that is the newest of its service.
struct Newest {
    seq: u64,
    data: String,
    event_time: Time,
}

/// A service that no point of history has any more has no newest value either.
fn write_state(sql: &mut dyn Sql, device: Value<'_>, redecoded: &Redecoded, touched: BTreeSet<String>) -> SqlResult<()> {
    let text = "SELECT services FROM device_state WHERE device = ?1";
    let stored = query_one(sql, text, &[device], |row| parse_services(row.text(0)?))?.unwrap_or_default();
    let mut newest = newest(sql, device, touched.clone())?;
    let mut services: Vec<Reported> = Vec::new();
    let mut types = BTreeMap::new();
    for known in stored {
        if touched.contains(&known.service_id) {
            types.insert(known.service_id, known.service_type);
        } else {
            services.push(known);
        }
    }
    for service_id in touched {
        let Some(Newest { seq, data, event_time }) = newest.remove(&service_id) else { continue };
        let frame = again(redecoded, seq).unwrap_or_default().iter().rfind(|service| service.service_id == service_id);
        let known = types.remove(&service_id).flatten();
        let service_type = frame.map_or(known, |service| service.service_type.clone());
        services.push(Reported { service_id, service_type, data, event_time });
    }
    services.sort_by(|a, b| a.service_id.cmp(&b.service_id));
    let services = serde_json::to_string(&services).map_err(|e| SqlError::wrong(e.to_string()))?;
    sql.execute("UPDATE device_state SET services = ?2 WHERE device = ?1", &[device, Value::Text(&services)])?;
    Ok(())
}

/// Walks back through the chunks until each of these services was met.
fn newest(sql: &mut dyn Sql, device: Value<'_>, mut wanted: BTreeSet<String>) -> SqlResult<BTreeMap<String, Newest>> {
    let mut found = BTreeMap::new();
    let mut before = i64::MAX;
    while !wanted.is_empty() {
        let text = "SELECT first_seq, points FROM chunk WHERE device = ?1 AND first_seq < ?2 ORDER BY first_seq DESC LIMIT 1";
        let chunk =
            query_one(sql, text, &[device, Value::Int(before)], |row| Ok((row.int(0)?, body(row.bytes(1)?, POINTS_VERSION)?)))?;
        let Some((first_seq, points)) = chunk else { break };
        before = first_seq;
        decode_points(&points, |point| {
            if wanted.contains(point.service_id) {
                let newest = Newest { seq: point.seq, data: point.data.to_owned(), event_time: Time(point.event_time) };
                found.insert(point.service_id.to_owned(), newest);
            }
        })?;
        wanted.retain(|service_id| !found.contains_key(service_id));
    }
    Ok(found)
}
