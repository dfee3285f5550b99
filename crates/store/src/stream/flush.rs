//! Cuts sealed history into chunks, a slice of devices at a time.
//!
//! Each slice is a transaction that also notes how far each of its devices is flushed; the place before which the stream is not replayed
//! moves when the last device is done. A crash in between repeats nothing: replay skips what a device has already.

use crate::{
    engine::sql::{Sql, SqlError, SqlResult, Value, query_one, to_db},
    stream::{
        pending::{Entry, Pending, overlay},
        record::{FRAMES_VERSION, Malformed, POINTS_VERSION},
    },
};
use landfall_model::{DeviceId, Reported};
use parking_lot::Mutex;

/// Limits of a slice: a few milliseconds of work.
const SLICE_DEVICES: usize = 64;
const SLICE_BYTES: usize = 512 * 1024;
/// The last chunk of a device is extended up to this many points, within one day of arrival, so that retention stays exact to a day.
const MERGE_POINTS: u64 = 512;
/// And up to this many bytes of frames.
const MERGE_FRAME_BYTES: u64 = 64 * 1024;
const DAY_MS: i64 = 86_400_000;

/// A flush under way.
pub(crate) struct Flush {
    devices: Vec<DeviceId>,
    /// Every report up to here is sealed or flushed.
    seq: u64,
    begun: bool,
}

impl Flush {
    pub(crate) fn new(devices: Vec<DeviceId>, seq: u64) -> Self {
        Self { devices, seq, begun: false }
    }

    /// Writes the next devices; true when all are done. After an error the same slice is due again.
    pub(crate) fn slice(&mut self, sql: &mut dyn Sql, pending: &Mutex<Pending>) -> SqlResult<bool> {
        sql.begin_write()?;
        if !self.begun {
            set_meta(sql, "flushing_seq", self.seq)?;
        }
        let (mut written, mut bytes) = (0, 0);
        for &device in self.devices.iter().rev().take(SLICE_DEVICES) {
            let taken = pending.lock().sealed(device).map(|entry| Part::of(device, entry));
            if let Some(part) = taken {
                bytes += part.body.len() + part.frames.len();
                part.write(sql, device)?;
            }
            written += 1;
            if bytes >= SLICE_BYTES {
                break;
            }
        }
        let last = written == self.devices.len();
        if last {
            set_meta(sql, "flushed_seq", self.seq)?;
        }
        sql.batch("COMMIT")?;
        self.begun = true;
        let rest = self.devices.len() - written;
        let mut pending = pending.lock();
        self.devices.drain(rest..).for_each(|device| pending.written(device));
        Ok(last)
    }
}

fn set_meta(sql: &mut dyn Sql, key: &str, value: u64) -> SqlResult<()> {
    sql.execute("UPDATE meta SET value = ?1 WHERE key = ?2", &[Value::Int(to_db(value)), Value::Text(key)])?;
    Ok(())
}

/// A copy of a sealed entry, so that readers are not locked out while the database works.
struct Part {
    account: [u8; 16],
    /// Absent of a directly connected device.
    gateway: Option<[u8; 16]>,
    first_seq: u64,
    last_seq: u64,
    last_seen: i64,
    arrived_at: i64,
    t0: i64,
    t1: i64,
    n: u64,
    body: Vec<u8>,
    frames: Vec<u8>,
    services: Vec<Reported>,
}

/// The last chunk of a device.
struct Tail {
    first_seq: i64,
    t0: i64,
    t1: i64,
    n: u64,
    points: Vec<u8>,
    /// Empty where there are none.
    frames: Vec<u8>,
}

impl Part {
    fn of(device: DeviceId, entry: &Entry) -> Self {
        Self {
            account: *entry.account.0.as_bytes(),
            gateway: (entry.gateway != device).then_some(*entry.gateway.0.as_bytes()),
            first_seq: entry.first_seq,
            last_seq: entry.last_seq,
            last_seen: entry.last_seen.0,
            arrived_at: entry.arrived_at.0,
            t0: entry.t0,
            t1: entry.t1,
            n: entry.n,
            body: entry.points.body().to_vec(),
            frames: entry.frames().to_vec(),
            services: entry.services.clone(),
        }
    }

    fn write(self, sql: &mut dyn Sql, device: DeviceId) -> SqlResult<()> {
        let key = Value::Bytes(device.0.as_bytes());
        let known = sql.execute(
            "UPDATE device SET last_seen = CASE WHEN last_seen > ?2 THEN last_seen ELSE ?2 END WHERE id = ?1",
            &[key, Value::Int(self.last_seen)],
        )?;
        if known == 0 {
            return Ok(());
        }
        self.write_state(sql, key)?;
        if self.n == 0 && self.frames.is_empty() {
            return Ok(());
        }
        match self.tail(sql, key)? {
            Some(tail) => self.extend(sql, key, tail),
            None => self.insert(sql, key),
        }
    }

    fn tail(&self, sql: &mut dyn Sql, device: Value<'_>) -> SqlResult<Option<Tail>> {
        let last = query_one(
            sql,
            "SELECT first_seq, n, arrived_at, CAST(COALESCE(LENGTH(frames), 0) AS BIGINT) FROM chunk WHERE device = ?1 \
             ORDER BY first_seq DESC LIMIT 1",
            &[device],
            |row| Ok((row.int(0)?, row.seq(1)?, row.int(2)?, row.seq(3)?)),
        )?;
        let Some((first_seq, n, arrived_at, frame_bytes)) = last else { return Ok(None) };
        let too_many = n + self.n > MERGE_POINTS || frame_bytes + self.frames.len() as u64 > MERGE_FRAME_BYTES;
        if too_many || arrived_at.div_euclid(DAY_MS) != self.arrived_at.div_euclid(DAY_MS) {
            return Ok(None);
        }
        let tail = query_one(
            sql,
            "SELECT t0, t1, n, points, COALESCE(frames, ?3) FROM chunk WHERE device = ?1 AND first_seq = ?2",
            &[device, Value::Int(first_seq), Value::Bytes(&[])],
            |row| {
                let (points, frames) = (row.bytes(3)?.to_vec(), row.bytes(4)?.to_vec());
                Ok(Tail { first_seq, t0: row.int(0)?, t1: row.int(1)?, n: row.seq(2)?, points, frames })
            },
        )?;
        let known = |tail: &Tail| {
            tail.points.first() == Some(&POINTS_VERSION) && tail.frames.first().is_none_or(|first| *first == FRAMES_VERSION)
        };
        Ok(tail.filter(known))
    }

    fn extend(&self, sql: &mut dyn Sql, device: Value<'_>, mut tail: Tail) -> SqlResult<()> {
        tail.points.extend_from_slice(&self.body);
        if tail.frames.is_empty() {
            tail.frames = self.frame_blob();
        } else {
            tail.frames.extend_from_slice(&self.frames);
        }
        sql.execute(
            "UPDATE chunk SET last_seq = ?3, arrived_at = ?4, t0 = ?5, t1 = ?6, n = ?7, points = ?8, frames = ?9, gateway = ?10 \
             WHERE device = ?1 AND first_seq = ?2",
            &[
                device,
                Value::Int(tail.first_seq),
                Value::Int(to_db(self.last_seq)),
                Value::Int(self.arrived_at),
                Value::Int(self.t0.min(tail.t0)),
                Value::Int(self.t1.max(tail.t1)),
                Value::Int(to_db(self.n + tail.n)),
                Value::Bytes(&tail.points),
                Value::opt_bytes((!tail.frames.is_empty()).then_some(&tail.frames)),
                Value::opt_bytes(self.gateway.as_ref().map(<[u8; 16]>::as_slice)),
            ],
        )?;
        Ok(())
    }

    /// The frames with their version byte; empty where there are none.
    fn frame_blob(&self) -> Vec<u8> {
        if self.frames.is_empty() {
            return Vec::new();
        }
        let mut blob = Vec::with_capacity(1 + self.frames.len());
        blob.push(FRAMES_VERSION);
        blob.extend_from_slice(&self.frames);
        blob
    }

    fn insert(&self, sql: &mut dyn Sql, device: Value<'_>) -> SqlResult<()> {
        let mut points = Vec::with_capacity(1 + self.body.len());
        points.push(POINTS_VERSION);
        points.extend_from_slice(&self.body);
        let frames = self.frame_blob();
        sql.execute(
            "INSERT INTO chunk (device, first_seq, last_seq, account, arrived_at, t0, t1, n, points, frames, gateway) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            &[
                device,
                Value::Int(to_db(self.first_seq)),
                Value::Int(to_db(self.last_seq)),
                Value::Bytes(&self.account),
                Value::Int(self.arrived_at),
                Value::Int(self.t0),
                Value::Int(self.t1),
                Value::Int(to_db(self.n)),
                Value::Bytes(&points),
                Value::opt_bytes((!frames.is_empty()).then_some(&frames)),
                Value::opt_bytes(self.gateway.as_ref().map(<[u8; 16]>::as_slice)),
            ],
        )?;
        Ok(())
    }

    fn write_state(&self, sql: &mut dyn Sql, device: Value<'_>) -> SqlResult<()> {
        let text = "SELECT services FROM device_state WHERE device = ?1";
        let stored = query_one(sql, text, &[device], |row| Ok(parse_services(row.text(0)?)))?;
        // One unreadable state must not hold up the history of all devices.
        let stored = stored.transpose().unwrap_or_else(|error| {
            tracing::error!(error = %error.text, "the newest values of a device are begun anew");
            None
        });
        let mut services = stored.unwrap_or_default();
        overlay(&mut services, self.services.clone());
        let services = serde_json::to_string(&services).map_err(|e| SqlError::wrong(e.to_string()))?;
        sql.execute(
            "INSERT INTO device_state (device, flushed_seq, services) VALUES (?1, ?2, ?3) \
             ON CONFLICT (device) DO UPDATE SET flushed_seq = excluded.flushed_seq, services = excluded.services",
            &[device, Value::Int(to_db(self.last_seq)), Value::Text(&services)],
        )?;
        Ok(())
    }
}

/// The newest values of a device as they are stored.
pub(crate) fn parse_services(json: &str) -> SqlResult<Vec<Reported>> {
    serde_json::from_str(json).map_err(|_| Malformed.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Options,
        engine::{backend::Backend, migrate, sql::query_all},
        shared::Shared,
        stream::{
            record::{EVENTS_VERSION, encode_event, tests::scratch},
            replay,
        },
    };
    use landfall_model::{AccountId, AppId, Event, EventBody, Report, ServiceReport, Time};
    use uuid::Uuid;

    fn device(n: u64) -> DeviceId {
        DeviceId(Uuid::from_u64_pair(7, n))
    }

    fn report(n: u64) -> Report {
        let service = ServiceReport {
            service_id: "s".into(),
            service_type: None,
            data: "{}".into(),
            event_time: Time(n as i64),
            meta: None,
        };
        Report {
            device: device(n),
            account: AccountId(Uuid::nil()),
            app: Some(AppId(Uuid::nil())),
            gateway: device(n),
            received_at: Time(5),
            services: vec![service],
            raw: None,
        }
    }

    fn pending(devices: u64) -> Pending {
        let mut pending = Pending::default();
        (1..=devices).for_each(|n| pending.add(&report(n), n, Time(5)));
        pending
    }

    fn register(sql: &mut dyn Sql, devices: u64) {
        for n in 1..=devices {
            let text = "INSERT INTO device (id, version, account, principals, node_id, gateway, node_type, status, connected, activated, \
                        created_at, doc, psk_identity) VALUES (?1, 1, ?1, ?1, ?2, ?1, '', '', 0, 0, 0, '', ?2)";
            sql.execute(text, &[Value::Bytes(device(n).0.as_bytes()), Value::Text(&n.to_string())]).unwrap();
        }
    }

    /// After a slice, the database says of exactly the written devices that replay must skip them.
    #[test]
    fn each_slice_is_whole_by_itself() {
        let dir = scratch();
        let backend = Backend::Sqlite(dir.clone());
        let _lock = backend.lock().unwrap();
        let mut sql = backend.writer().unwrap();
        migrate::migrate(&mut *sql, migrate::NEWEST).unwrap();
        let devices = 2 * SLICE_DEVICES as u64 + 1;
        register(&mut *sql, devices);
        let pending = Mutex::new(pending(devices));
        let sealed = pending.lock().seal();
        let mut flush = Flush::new(sealed, devices);
        for slice in 1..=3 {
            assert_eq!(flush.slice(&mut *sql, &pending).unwrap(), slice == 3);
            let written = query_all(&mut *sql, "SELECT device, flushed_seq FROM device_state", &[], |row| {
                Ok((DeviceId(replay::id(row.bytes(0)?)?), row.seq(1)?))
            })
            .unwrap();
            let chunks = query_one(&mut *sql, "SELECT COUNT(*) FROM chunk", &[], |row| row.seq(0)).unwrap().unwrap();
            assert_eq!((written.len() as u64, chunks), ((slice * SLICE_DEVICES as u64).min(devices), written.len() as u64));
            assert!(written.iter().all(|(id, seq)| *id == device(*seq)));
            assert_eq!(pending.lock().points(), devices - chunks);
            assert_eq!(replay::meta(&mut *sql, "flushing_seq").unwrap(), devices);
            assert_eq!(replay::meta(&mut *sql, "flushed_seq").unwrap(), if slice == 3 { devices } else { 0 });
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// The process ends after the first slice: the next start takes up each device exactly where it was.
    #[test]
    fn a_start_after_a_slice_repeats_nothing() {
        let dir = scratch();
        let backend = Backend::Sqlite(dir.clone());
        let _lock = backend.lock().unwrap();
        let mut sql = backend.writer().unwrap();
        migrate::migrate(&mut *sql, migrate::NEWEST).unwrap();
        let devices = 2 * SLICE_DEVICES as u64 + 1;
        register(&mut *sql, devices);
        let mut blob = vec![EVENTS_VERSION];
        for n in 1..=devices {
            let report = report(n);
            let (account, principals, device) = (report.account, Some(report.app.into()), Some(report.device));
            let event = Event { account, principals, device, at: Time(5), body: EventBody::Reported(report) };
            encode_event(&mut blob, &event).unwrap();
        }
        let row = "INSERT INTO stream (first_seq, last_seq, at, events) VALUES (1, ?1, 5, ?2)";
        sql.execute(row, &[Value::Int(to_db(devices)), Value::Bytes(&blob)]).unwrap();
        for slices in 0..=3u64 {
            let shared = Shared::new(Options::default(), devices);
            replay::replay(&mut *sql, &shared).unwrap();
            let left = devices.saturating_sub(slices * SLICE_DEVICES as u64);
            assert_eq!(shared.pending.lock().points(), left, "after {slices} slices");
            let sealed = shared.pending.lock().seal();
            Flush::new(sealed, devices).slice(&mut *sql, &shared.pending).unwrap();
        }
        let count = query_one(&mut *sql, "SELECT COUNT(*) FROM chunk WHERE n = 1", &[], |row| row.seq(0)).unwrap();
        assert_eq!(count, Some(devices));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
