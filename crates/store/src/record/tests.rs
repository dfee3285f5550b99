//! Event records: round trips, garbage, older versions.

use super::*;
use landfall_model::{AccountId, AppId, DeviceId, Event, EventBody, Frame, Report, ServiceReport, Time};
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

fn random_event(dice: &mut Dice) -> Event {
    let (account, app, device) = (AccountId(dice.id()), AppId(dice.id()), DeviceId(dice.id()));
    let body = match dice.below(4) {
        0 => EventBody::DeviceDeleted { gateway: DeviceId(dice.id()) },
        _ => EventBody::Reported(Report {
            device,
            account,
            app,
            gateway: if dice.below(2) == 0 { device } else { DeviceId(dice.id()) },
            received_at: Time(dice.time()),
            services: (0..dice.below(5))
                .map(|_| ServiceReport {
                    service_id: dice.text(),
                    service_type: (dice.below(2) == 0).then(|| dice.text()),
                    data: dice.text(),
                    event_time: Time(dice.time()),
                })
                .collect(),
            raw: (dice.below(3) == 0).then(|| Frame {
                meta: if dice.below(2) == 0 { "{}".into() } else { dice.text() },
                bytes: dice.text().into_bytes(),
            }),
        }),
    };
    let stranger = dice.below(5) == 0;
    let app = if stranger { None } else { Some(app) };
    Event { account, app, device: Some(device), at: Time(dice.time()), body }
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
                app: AppId(ids[dice.below(2) as usize + 2]),
                service_id: &texts[dice.below(2) as usize],
                event_time: dice.time(),
                data: &texts[dice.below(4) as usize],
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
                app: AppId(ids[dice.below(2) as usize + 2]),
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
