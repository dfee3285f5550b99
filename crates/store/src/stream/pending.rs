//! History points and frames that are durable in the stream but not yet cut into chunks, and the newest values they carry.
//!
//! Two layers: points arrive in the active one; a flush seals it and writes it out device by device while a new active layer fills.

use crate::stream::record::{FrameView, FrameWriter, PointView, PointWriter};
use landfall_core::HistoryOf;
use landfall_model::{AccountId, DeviceId, Report, Reported, Time};
use std::collections::HashMap;

/// What waits for one device.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) account: AccountId,
    /// The gateway of the newest report, or the device itself.
    pub(crate) gateway: DeviceId,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) last_seen: Time,
    /// When the newest came; what its retention counts from.
    pub(crate) arrived_at: Time,
    pub(crate) t0: i64,
    pub(crate) t1: i64,
    pub(crate) n: u64,
    pub(crate) points: PointWriter,
    /// Boxed, as most devices have none.
    frames: Option<Box<FrameWriter>>,
    /// Newest values by service, in order of first appearance.
    pub(crate) services: Vec<Reported>,
}

impl Entry {
    fn new(report: &Report, seq: u64, seen: Time) -> Self {
        Self {
            account: report.account,
            gateway: report.gateway,
            first_seq: seq,
            last_seq: seq,
            last_seen: seen,
            arrived_at: report.received_at,
            t0: i64::MAX,
            t1: i64::MIN,
            n: 0,
            points: PointWriter::default(),
            frames: None,
            services: Vec::new(),
        }
    }

    /// Frames without the version byte.
    pub(crate) fn frames(&self) -> &[u8] {
        self.frames.as_ref().map_or(&[], |frames| frames.body())
    }

    /// A copy of its points.
    fn waiting(&self) -> Waiting {
        let Self { first_seq, last_seq, arrived_at, t0, t1, n, .. } = *self;
        Waiting { first_seq, last_seq, arrived_at, t0, t1, n, body: self.points.body().to_vec() }
    }

    /// Bytes of points and frames.
    fn bytes(&self) -> usize {
        self.points.body().len() + self.frames().len()
    }

    fn add(&mut self, report: &Report, seq: u64, (seen, at): (Time, Time)) {
        self.last_seq = seq;
        self.gateway = report.gateway;
        self.last_seen = self.last_seen.max(seen);
        self.arrived_at = self.arrived_at.max(report.received_at).max(at);
        if let Some(frame) = &report.raw {
            self.frames.get_or_insert_default().push(&FrameView {
                seq,
                gateway: report.gateway,
                app: report.app,
                received_at: report.received_at.0,
                meta: &frame.meta,
                bytes: &frame.bytes,
            });
        }
        for service in &report.services {
            self.points.push(&PointView {
                seq,
                gateway: report.gateway,
                app: report.app,
                service_id: &service.service_id,
                event_time: service.event_time.0,
                data: &service.data,
                meta: service.meta.as_deref(),
            });
            self.n += 1;
            self.t0 = self.t0.min(service.event_time.0);
            self.t1 = self.t1.max(service.event_time.0);
            match self.services.iter_mut().find(|known| known.service_id == service.service_id) {
                Some(known) => {
                    known.data.clone_from(&service.data);
                    known.service_type.clone_from(&service.service_type);
                    known.event_time = service.event_time;
                }
                None => self.services.push(Reported {
                    service_id: service.service_id.clone(),
                    service_type: service.service_type.clone(),
                    data: service.data.clone(),
                    event_time: service.event_time,
                }),
            }
        }
    }
}

/// Points of one layer.
#[derive(Debug, Default)]
struct Layer {
    devices: HashMap<DeviceId, Entry>,
    /// Devices by the gateway that they first reported through.
    behind: HashMap<DeviceId, Vec<DeviceId>>,
    points: u64,
    bytes: usize,
    oldest: Option<Time>,
}

/// A copy of what waits for a device, for a reader.
pub(crate) struct Waiting {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) arrived_at: Time,
    pub(crate) t0: i64,
    pub(crate) t1: i64,
    pub(crate) n: u64,
    pub(crate) body: Vec<u8>,
}

/// Newest values of a device that wait.
pub(crate) struct WaitingState {
    pub(crate) last_seq: u64,
    pub(crate) last_seen: Time,
    pub(crate) services: Vec<Reported>,
}

/// Rough cost of an entry beyond its points.
const ENTRY_BYTES: usize = 512;

/// Both layers.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    active: Layer,
    sealed: Layer,
    /// What time it is at least: no device is seen later than that.
    earliest: Option<Time>,
}

impl Pending {
    /// From now on the time is at least this.
    pub(crate) fn trust(&mut self, earliest: Time) {
        self.earliest = Some(earliest);
    }

    /// A report that was written at `at`.
    pub(crate) fn add(&mut self, report: &Report, seq: u64, at: Time) {
        let seen = self.earliest.map_or(report.received_at, |earliest| report.received_at.min(earliest));
        let layer = &mut self.active;
        let entry = layer.devices.entry(report.device).or_insert_with(|| {
            layer.bytes += ENTRY_BYTES;
            if report.gateway != report.device {
                layer.behind.entry(report.gateway).or_default().push(report.device);
            }
            Entry::new(report, seq, seen)
        });
        let before = entry.bytes();
        entry.add(report, seq, (seen, at));
        layer.bytes += entry.bytes() - before;
        layer.points += report.services.len() as u64;
        layer.oldest.get_or_insert(at);
    }

    /// Points in the active layer, bytes they take, and when the first arrived.
    pub(crate) fn active(&self) -> (u64, usize, Option<Time>) {
        (self.active.points, self.active.bytes, self.active.oldest)
    }

    pub(crate) fn points(&self) -> u64 {
        self.active.points + self.sealed.points
    }

    /// Makes the active layer the sealed one; the caller has written the old sealed one out. Returns its devices.
    pub(crate) fn seal(&mut self) -> Vec<DeviceId> {
        self.sealed = std::mem::take(&mut self.active);
        self.sealed.devices.keys().copied().collect()
    }

    pub(crate) fn sealed(&self, device: DeviceId) -> Option<&Entry> {
        self.sealed.devices.get(&device)
    }

    /// A sealed device was written out.
    pub(crate) fn written(&mut self, device: DeviceId) {
        if let Some(entry) = self.sealed.devices.remove(&device) {
            self.sealed.points -= entry.n;
        }
    }

    /// A device was deleted, and its points go with it.
    pub(crate) fn forget(&mut self, device: DeviceId) {
        for layer in [&mut self.active, &mut self.sealed] {
            if let Some(entry) = layer.devices.remove(&device) {
                layer.points -= entry.n;
                layer.bytes -= (ENTRY_BYTES + entry.bytes()).min(layer.bytes);
            }
        }
    }

    /// Points of a device, or of a gateway and the devices behind it, oldest layer first.
    pub(crate) fn waiting(&self, of: HistoryOf) -> Vec<(DeviceId, Waiting)> {
        let (id, with_behind) = (of.id(), matches!(of, HistoryOf::Gateway(..)));
        let mut found = Vec::new();
        for layer in [&self.sealed, &self.active] {
            let behind = layer.behind.get(&id).filter(|_| with_behind).into_iter().flatten();
            // One that was freed meanwhile is behind it no more; one that was deleted may come twice.
            let behind = behind.filter_map(|child| layer.devices.get_key_value(child)).filter(|(_, entry)| entry.gateway == id);
            let entries = layer.devices.get_key_value(&id).into_iter().chain(behind);
            found.extend(entries.filter(|(_, entry)| entry.n > 0).map(|(id, entry)| (*id, entry.waiting())));
        }
        found
    }

    /// Whether frames of a device wait.
    pub(crate) fn holds_frames(&self, device: DeviceId) -> bool {
        let mut entries = [&self.sealed, &self.active].into_iter().filter_map(|layer| layer.devices.get(&device));
        entries.any(|entry| !entry.frames().is_empty())
    }

    /// Newest values of a device, oldest layer first.
    pub(crate) fn waiting_state(&self, device: DeviceId) -> Vec<WaitingState> {
        let entries = [&self.sealed, &self.active].into_iter().filter_map(|layer| layer.devices.get(&device));
        entries.map(|e| WaitingState { last_seq: e.last_seq, last_seen: e.last_seen, services: e.services.clone() }).collect()
    }

    pub(crate) fn last_seen(&self, device: DeviceId) -> Option<Time> {
        [&self.sealed, &self.active].into_iter().filter_map(|layer| layer.devices.get(&device)).map(|e| e.last_seen).max()
    }
}

/// Lays newer values over older ones, a service at a time; the result is ascending by service id.
pub(crate) fn overlay(older: &mut Vec<Reported>, newer: Vec<Reported>) {
    for value in newer {
        match older.iter_mut().find(|known| known.service_id == value.service_id) {
            Some(known) => *known = value,
            None => older.push(value),
        }
    }
    older.sort_by(|a, b| a.service_id.cmp(&b.service_id));
}
