//! Event records: round trips, garbage, older versions.

use super::*;
use landfall_model::{
    AccountId, AppId, Changed, ContainerState, DeviceId, Event, EventBody, Frame, Instance, Managed, ManagedKind, Node, NodeInfo,
    Notice, NoticeBatch, Principals, Report, Resource, ResourceId, ResourceKind, ServiceReport, SubscriptionId, Time,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A small generator with a seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn id(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.next(), self.next())
    }

    fn text(&mut self) -> String {
        (0..self.below(40)).map(|_| char::from_u32(self.below(0x2fff) as u32).unwrap_or('?')).collect()
    }

    fn time(&mut self) -> i64 {
        match self.below(8) {
            0 => i64::MIN,
            1 => i64::MAX,
            _ => self.below(1 << 44) as i64 - (1 << 43),
        }
    }
}

impl Dice {
    fn resource_id(&mut self) -> ResourceId {
        ResourceId::new(Time(self.below(1 << 44) as i64), self.id().into_bytes())
    }

    fn texts(&mut self) -> Vec<String> {
        (0..self.below(3)).map(|_| self.text()).collect()
    }

    fn attributes(&mut self) -> Map<String, Value> {
        let values = [json!(self.text()), json!(self.next()), json!(-1.5), json!(null), json!([{"a": self.text()}])];
        values.into_iter().map(|value| (self.text(), value)).collect()
    }
}

fn random_instance(dice: &mut Dice) -> Instance {
    Instance {
        id: dice.resource_id(),
        container: dice.resource_id(),
        account: AccountId(dice.id()),
        device: (dice.below(2) == 0).then(|| DeviceId(dice.id())),
        name: dice.text(),
        state: dice.next(),
        content: dice.text(),
        format: (dice.below(2) == 0).then(|| dice.text()),
        size: dice.next(),
        labels: dice.texts(),
        other: if dice.below(2) == 0 { Map::new() } else { dice.attributes() },
        creator: (dice.below(2) == 0).then(|| dice.text()),
        by: (dice.below(2) == 0).then(|| AppId(dice.id())),
        created_at: Time(dice.time()),
        expires_at: (dice.below(2) == 0).then(|| Time(dice.time())),
    }
}

fn random_resource(dice: &mut Dice) -> Resource {
    Resource {
        id: dice.resource_id(),
        account: AccountId(dice.id()),
        app: AppId(dice.id()),
        version: dice.next(),
        parent: dice.resource_id(),
        device: (dice.below(2) == 0).then(|| DeviceId(dice.id())),
        name: dice.text(),
        kind: ResourceKind::ALL[dice.below(ResourceKind::ALL.len() as u64) as usize],
        creator: dice.text(),
        labels: dice.texts(),
        policies: vec![dice.resource_id()],
        attributes: dice.attributes(),
        expires_at: (dice.below(2) == 0).then(|| Time(dice.time())),
        created_at: Time(dice.time()),
        modified_at: Time(dice.time()),
    }
}

fn random_info(dice: &mut Dice) -> NodeInfo {
    let (name, labels, attributes) = (dice.text(), dice.texts(), dice.attributes());
    NodeInfo { name, labels, attributes, created_at: Time(dice.time()), modified_at: Time(dice.time()) }
}

fn random_managed(dice: &mut Dice) -> Managed {
    let (kind, attributes) = (ManagedKind::ALL[dice.below(3) as usize], dice.attributes());
    Managed { kind, attributes, created_at: Time(dice.time()), modified_at: Time(dice.time()) }
}

fn random_notice(dice: &mut Dice) -> Notice {
    let changed = match dice.below(7) {
        5 => Changed::Ended,
        0 => Changed::Resource(Box::new(random_resource(dice))),
        1 => Changed::Instance(Box::new(random_instance(dice))),
        2 => Changed::Info { device: DeviceId(dice.id()), index: dice.below(8) as u8, info: Box::new(random_info(dice)) },
        3 => Changed::Id(dice.resource_id()),
        4 => Changed::Managed { device: DeviceId(dice.id()), object: Box::new(random_managed(dice)) },
        _ => Changed::Node {
            device: DeviceId(dice.id()),
            node_id: dice.text(),
            tenant: dice.text(),
            node: Box::new(Node {
                name: dice.text(),
                labels: dice.texts(),
                profile: None,
                iccid: Some(dice.text()),
                infos: vec![None, Some(random_info(dice))],
                credentials_at: Some(Time(dice.time())),
                observed: vec![],
                managed: vec![random_managed(dice)],
                created_at: Time(dice.time()),
                modified_at: Time(dice.time()),
            }),
        },
    };
    let address = SubscriptionId::of_resource(dice.resource_id(), dice.below(256) as u8);
    let (kind, content, modified) = (dice.below(5) as u8, dice.below(4) as u8, dice.texts());
    let batch = (dice.below(2) == 0).then(|| NoticeBatch { most: dice.below(9) as u32, wait_ms: dice.below(9) as u32 });
    let held = (dice.below(2) == 0).then(|| ContainerState { state: dice.below(9), ..ContainerState::default() });
    Notice { address, reference: dice.text(), kind, content, changed, modified, batch, held, through: Some(dice.resource_id()) }
}

fn random_event(dice: &mut Dice) -> Event {
    let (account, device) = (AccountId(dice.id()), DeviceId(dice.id()));
    let seen_by: Principals = (0..dice.below(4)).map(|_| AppId(dice.id())).collect();
    let body = match dice.below(5) {
        1 => EventBody::Notice(Box::new(random_notice(dice))),
        0 => EventBody::DeviceDeleted { gateway: DeviceId(dice.id()) },
        _ => EventBody::Reported(Report {
            device,
            account,
            app: seen_by.first().copied(),
            gateway: if dice.below(2) == 0 { device } else { DeviceId(dice.id()) },
            received_at: Time(dice.time()),
            services: (0..dice.below(5))
                .map(|_| ServiceReport {
                    service_id: dice.text(),
                    service_type: (dice.below(2) == 0).then(|| dice.text()),
                    data: dice.text(),
                    event_time: Time(dice.time()),
                    meta: (dice.below(3) == 0).then(|| dice.text()),
                })
                .collect(),
            raw: (dice.below(3) == 0).then(|| Frame {
                meta: if dice.below(2) == 0 { "{}".into() } else { dice.text() },
                bytes: dice.text().into_bytes(),
            }),
        }),
    };
    let stranger = dice.below(5) == 0;
    let principals = if stranger { None } else { Some(seen_by) };
    Event { account, principals, device: Some(device), at: Time(dice.time()), body }
}

fn encoded(events: &[Event]) -> Vec<u8> {
    let mut blob = vec![EVENTS_VERSION];
    for event in events {
        encode_event(&mut blob, event).unwrap();
    }
    blob
}

fn decoded(blob: &[u8]) -> Result<Vec<Event>, Malformed> {
    let mut events = Vec::new();
    decode_events(blob, |_| true, |_, e, _| events.push(e))?;
    Ok(events)
}

#[test]
fn events_come_back() {
    let mut dice = Dice(7);
    for _ in 0..500 {
        let events: Vec<Event> = (0..dice.below(6)).map(|_| random_event(&mut dice)).collect();
        assert_eq!(decoded(&encoded(&events)), Ok(events));
    }
}

#[test]
fn unwanted_events_are_skipped() {
    let mut dice = Dice(8);
    let events: Vec<Event> = (0..10).map(|_| random_event(&mut dice)).collect();
    let mut seen = Vec::new();
    decode_events(&encoded(&events), |i| i % 3 == 0, |i, e, _| seen.push((i, e))).unwrap();
    let wanted: Vec<(u64, Event)> =
        events.into_iter().enumerate().filter(|(i, _)| i % 3 == 0).map(|(i, e)| (i as u64, e)).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn damaged_blobs_never_panic() {
    let mut dice = Dice(9);
    for _ in 0..3_000 {
        let mut blob = encoded(&[random_event(&mut dice), random_event(&mut dice)]);
        for _ in 0..=dice.below(4) {
            let at = dice.below(blob.len() as u64) as usize;
            blob[at] = dice.next() as u8;
        }
        blob.truncate(dice.below(blob.len() as u64 + 1) as usize);
        drop(decoded(&blob));
        drop(decode_points(&blob, |_| ()));
        drop(decode_frames(&blob, |_| ()));
    }
    assert_eq!(decoded(&[]), Err(Malformed));
    assert_eq!(decoded(&[EVENTS_VERSION + 1]), Err(Malformed));
    // A length of 2^63 with nothing behind it.
    assert_eq!(decoded(&[EVENTS_VERSION, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]), Err(Malformed));
}

#[test]
fn instances_come_back() {
    let mut dice = Dice(12);
    for _ in 0..500 {
        let r = random_instance(&mut dice);
        let record = encode_instance(&r);
        let body = decode_instance(&record).unwrap();
        assert_eq!((body.created_at, body.content, body.format), (r.created_at, r.content, r.format));
        assert_eq!((body.creator, body.labels), (r.creator, r.labels));
        assert!((0..record.len()).all(|end| decode_instance(&record[..end]).is_err()));
        let mut damaged = record;
        let at = dice.below(damaged.len() as u64) as usize;
        damaged[at] = dice.next() as u8;
        drop(decode_instance(&damaged));
    }
}

#[test]
fn points_come_back_and_bodies_can_be_joined() {
    let mut dice = Dice(10);
    for _ in 0..300 {
        let ids: Vec<Uuid> = (0..4).map(|_| dice.id()).collect();
        let texts: Vec<String> = (0..4).map(|_| dice.text()).collect();
        let count = 1 + dice.below(30);
        let points: Vec<PointView<'_>> = (0..count)
            .map(|i| PointView {
                seq: 1000 + i * dice.below(9),
                gateway: DeviceId(ids[dice.below(2) as usize]),
                app: (dice.below(4) > 0).then(|| AppId(ids[dice.below(2) as usize + 2])),
                service_id: &texts[dice.below(2) as usize],
                event_time: dice.time(),
                data: &texts[dice.below(4) as usize],
                meta: (dice.below(3) == 0).then(|| texts[0].as_str()),
            })
            .collect();
        let cut = dice.below(count) as usize;
        let mut joined = Vec::new();
        for part in [&points[..cut], &points[cut..]] {
            let mut writer = PointWriter::default();
            part.iter().for_each(|p| writer.push(p));
            joined.extend_from_slice(writer.body());
        }
        let mut seen = Vec::new();
        decode_points(&joined, |p| seen.push(p)).unwrap();
        assert_eq!(seen, points);
    }
}

#[test]
fn frames_come_back_and_bodies_can_be_joined() {
    let mut dice = Dice(11);
    for _ in 0..300 {
        let ids: Vec<Uuid> = (0..4).map(|_| dice.id()).collect();
        let texts: Vec<String> = (0..4).map(|_| dice.text()).collect();
        let count = 1 + dice.below(30);
        let frames: Vec<FrameView<'_>> = (0..count)
            .map(|i| FrameView {
                seq: 1000 + i * dice.below(9),
                gateway: DeviceId(ids[dice.below(2) as usize]),
                app: (dice.below(4) > 0).then(|| AppId(ids[dice.below(2) as usize + 2])),
                received_at: dice.time(),
                meta: &texts[dice.below(2) as usize],
                bytes: texts[dice.below(4) as usize].as_bytes(),
            })
            .collect();
        let cut = dice.below(count) as usize;
        let mut joined = Vec::new();
        for part in [&frames[..cut], &frames[cut..]] {
            let mut writer = FrameWriter::default();
            part.iter().for_each(|frame| writer.push(frame));
            joined.extend_from_slice(writer.body());
        }
        let mut seen = Vec::new();
        decode_frames(&joined, |frame| seen.push(frame)).unwrap();
        assert_eq!(seen, frames);
    }
}

/// A directory name that no other test uses.
pub(crate) fn scratch() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("landfall_store_unit_{}_{n}", std::process::id()))
}
