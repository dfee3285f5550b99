//! Lanes, in virtual time.

use super::*;

const T0: Time = Time(1_000_000);

fn device(n: u8) -> LaneKey {
    Some(DeviceId::from_random([n; 16]))
}

fn id() -> SubscriptionId {
    SubscriptionId::from_random([9; 16])
}

/// Lanes with events 1.. on the devices given.
fn lanes(devices: &[u8]) -> Lanes<()> {
    let mut lanes = Lanes::new(Seq(0));
    for (seq, n) in (1..).zip(devices) {
        lanes.open(Seq(seq), device(*n), T0, None);
    }
    lanes
}

fn picked(lanes: &mut Lanes<()>, now: Time, width: usize) -> Vec<u64> {
    std::iter::from_fn(|| lanes.pick(now, width)).map(|seq| seq.0).collect()
}

fn open(cursor: &Cursor) -> Vec<u64> {
    cursor.open.iter().map(|seq| seq.0).collect()
}

#[test]
fn devices_go_side_by_side_up_to_the_width_and_each_in_order() {
    let mut lanes = lanes(&[1, 1, 2, 3, 2]);
    assert_eq!(picked(&mut lanes, T0, 2), [1, 3]);
    lanes.confirmed(Seq(1));
    assert_eq!(picked(&mut lanes, T0, 2), [4], "device 1 waits for the cursor");
    let cursor = lanes.begin_commit(id(), false).unwrap();
    assert_eq!((cursor.read_to, open(&cursor)), (Seq(5), vec![2, 3, 4, 5]));
    lanes.confirmed(Seq(3));
    assert_eq!(lanes.begin_commit(id(), false), None, "one at a time");
    lanes.commit_done(true);
    assert_eq!(picked(&mut lanes, T0, 9), [2], "device 2 is not durable yet");
    assert_eq!(open(&lanes.begin_commit(id(), false).unwrap()), [2, 4, 5]);
    lanes.commit_done(true);
    assert_eq!(picked(&mut lanes, T0, 9), [5]);
}

#[test]
fn an_event_that_comes_while_its_device_settles_waits_too() {
    let mut lanes = lanes(&[1]);
    assert_eq!(picked(&mut lanes, T0, 9), [1]);
    lanes.confirmed(Seq(1));
    lanes.open(Seq(2), device(1), T0, None);
    assert_eq!(picked(&mut lanes, T0, 9), [0; 0]);
    lanes.begin_commit(id(), false).unwrap();
    lanes.commit_done(true);
    assert_eq!(picked(&mut lanes, T0, 9), [2]);
}

#[test]
fn a_commit_that_fails_is_made_again() {
    let mut lanes = lanes(&[1, 1]);
    assert_eq!(picked(&mut lanes, T0, 9), [1]);
    lanes.confirmed(Seq(1));
    let first = lanes.begin_commit(id(), false).unwrap();
    lanes.commit_done(false);
    assert_eq!(picked(&mut lanes, T0, 9), [0; 0]);
    assert_eq!(lanes.begin_commit(id(), false), Some(first));
    lanes.commit_done(true);
    assert_eq!(picked(&mut lanes, T0, 9), [2]);
    assert_eq!(lanes.durable_to(), Seq(2));
}

#[test]
fn a_failed_device_backs_off_alone() {
    let mut lanes = lanes(&[1, 1, 2]);
    assert_eq!(picked(&mut lanes, T0, 9), [1, 3]);
    lanes.failed(Seq(1), T0, 0, None, 0);
    lanes.confirmed(Seq(3));
    assert_eq!(lanes.next_wake(T0), Some(T0.plus_s(1)));
    assert_eq!(picked(&mut lanes, Time(T0.0 + 999), 9), [0; 0]);
    assert_eq!(picked(&mut lanes, T0.plus_s(1), 9), [1]);
    lanes.failed(Seq(1), T0.plus_s(1), 0, None, 0);
    assert_eq!(lanes.next_wake(T0.plus_s(1)), Some(T0.plus_s(3)));
}

#[test]
fn a_receiver_that_fails_everything_is_probed_and_recovers_at_once() {
    let mut lanes = lanes(&[1, 2, 3, 4, 5, 6]);
    assert_eq!(picked(&mut lanes, T0, 9).len(), 6);
    for seq in 1..=5 {
        assert_eq!(lanes.health(), Health::Good);
        lanes.failed(Seq(seq), T0, 0, None, 0);
    }
    assert_eq!(lanes.health(), Health::Probing { failures: 1, until: T0.plus_s(1) });
    lanes.failed(Seq(6), T0, 0, None, 0);
    assert_eq!(lanes.health(), Health::Probing { failures: 1, until: T0.plus_s(1) }, "a straggler is no probe");
    assert_eq!(picked(&mut lanes, Time(T0.0 + 999), 9), [0; 0]);
    let t1 = T0.plus_s(1);
    assert_eq!(picked(&mut lanes, t1, 9), [1], "one at a time");
    lanes.failed(Seq(1), t1, 0, None, 0);
    assert_eq!(lanes.health(), Health::Probing { failures: 2, until: t1.plus_s(2) });
    assert_eq!(picked(&mut lanes, t1.plus_s(2), 9), [2], "the device that failed least");
    lanes.confirmed(Seq(2));
    assert_eq!(lanes.health(), Health::Good);
    let mut rest = picked(&mut lanes, t1.plus_s(2), 9);
    rest.sort_unstable();
    assert_eq!(rest, [1, 3, 4, 5, 6], "nobody waits any longer");
}

#[test]
fn retry_after_rests_the_whole_subscription() {
    let mut lanes = lanes(&[1, 2]);
    assert_eq!(picked(&mut lanes, T0, 1), [1]);
    lanes.failed(Seq(1), T0, 0, Some(30_000), 0);
    assert_eq!(lanes.resting_until(T0), Some(T0.plus_s(30)));
    assert_eq!(picked(&mut lanes, T0.plus_s(29), 9), [0; 0]);
    assert_eq!(lanes.next_wake(T0), Some(T0.plus_s(30)));
    assert_eq!(picked(&mut lanes, T0.plus_s(30), 9), [2, 1]);
}

#[test]
fn bodies_that_were_confirmed_are_remembered() {
    let mut lanes = lanes(&[1]);
    assert_eq!(picked(&mut lanes, T0, 9), [1]);
    lanes.failed(Seq(1), T0, 2, None, 0);
    assert_eq!(lanes.get_mut(Seq(1)).unwrap().done, 2);
}

#[test]
fn old_events_are_given_up_unless_under_way() {
    let mut lanes = Lanes::<()>::new(Seq(0));
    for (seq, n, age_s) in [(1, 1, 100), (2, 1, 90), (3, 2, 80), (4, 3, 70), (5, 2, 10)] {
        lanes.open(Seq(seq), device(n), T0.minus_s(age_s), None);
    }
    assert_eq!(lanes.pick(T0, 1), Some(Seq(1)));
    assert_eq!(lanes.expire(T0.minus_s(60), Seq(u64::MAX)), 2, "3 and 4: device 1 is under way");
    assert_eq!(lanes.open_count(), 3);
    assert_eq!(open(&lanes.begin_commit(id(), false).unwrap()), [1, 2, 5]);
    lanes.commit_done(true);
    assert_eq!(picked(&mut lanes, T0, 9), [5]);
    lanes.failed(Seq(1), T0, 0, None, 0);
    assert_eq!(lanes.expire(T0.minus_s(60), Seq(u64::MAX)), 2);
    assert_eq!(lanes.next_wake(T0), None, "only 5 is left, under way");
    lanes.confirmed(Seq(5));
    assert!(open(&lanes.begin_commit(id(), false).unwrap()).is_empty());
}

#[test]
fn progress_alone_is_committed_lazily_only() {
    let mut lanes = lanes(&[]);
    lanes.pass(Seq(7));
    lanes.pass(Seq(3));
    assert_eq!(lanes.begin_commit(id(), false), None);
    let cursor = lanes.begin_commit(id(), true).unwrap();
    assert_eq!((cursor.read_to, cursor.open.len()), (Seq(7), 0));
    lanes.commit_done(true);
    assert_eq!(lanes.begin_commit(id(), true), None);
}

#[test]
fn room_ends_at_the_limit_and_called_off_attempts_come_back() {
    let mut lanes = Lanes::<()>::new(Seq(0));
    for seq in 1..=OPEN_LIMIT as u64 {
        assert!(lanes.has_room());
        lanes.open(Seq(seq), None, T0, None);
    }
    assert!(!lanes.has_room());
    assert_eq!(picked(&mut lanes, T0, 9), [1], "events without a device share a lane");
    lanes.release_all();
    assert_eq!(picked(&mut lanes, T0, 9), [1]);
}

const GATHERING: Gathering = Gathering { most: 3, wait_ms: 5_000 };

fn after(ms: i64) -> Time {
    Time(T0.0 + ms)
}

#[test]
fn gathered_events_go_together_when_they_are_enough_or_have_waited() {
    let mut lanes: Lanes<()> = Lanes::new(Seq(0));
    for seq in 1..=2 {
        lanes.gather(Seq(seq), None, after(seq as i64), GATHERING);
    }
    assert_eq!(picked(&mut lanes, after(5_000), 9), [0; 0]);
    assert_eq!(
        (lanes.next_wake(T0), lanes.resting_until(T0)),
        (Some(after(5_001)), None),
        "the first waits, and nobody backs off"
    );
    lanes.gather(Seq(3), None, after(3), GATHERING);
    lanes.gather(Seq(4), None, after(4), GATHERING);
    assert_eq!(picked(&mut lanes, after(10), 9), [1], "enough");
    assert_eq!(lanes.together(Seq(1)), Some(vec![Seq(1), Seq(2), Seq(3)]));
    lanes.take_along(Seq(1), 2);
    lanes.confirmed(Seq(1));
    let cursor = lanes.begin_commit(id(), false).unwrap();
    assert_eq!(open(&cursor), [4]);
    lanes.commit_done(true);
    assert_eq!(picked(&mut lanes, after(5_003), 9), [0; 0]);
    assert_eq!(picked(&mut lanes, after(5_004), 9), [4], "it has waited");
    assert_eq!(lanes.together(Seq(4)), Some(vec![Seq(4)]));
    lanes.failed(Seq(4), after(5_004), 0, None, 0);
    lanes.gather(Seq(5), None, after(5_004), GATHERING);
    assert!(lanes.resting_until(after(5_004)).is_some(), "now it backs off");
    assert_eq!(picked(&mut lanes, after(4_000_000), 9), [4]);
    assert_eq!(lanes.together(Seq(4)), Some(vec![Seq(4), Seq(5)]), "what came meanwhile goes with it");
    lanes.take_along(Seq(4), 0);
    lanes.confirmed(Seq(4));
    lanes.begin_commit(id(), false).unwrap();
    lanes.commit_done(true);
    assert_eq!(picked(&mut lanes, after(5_004), 9), [0; 0]);
    assert_eq!(lanes.expire(after(5_004), Seq(9)), 1);
    assert_eq!((lanes.open_count(), picked(&mut lanes, after(9_000_000), 9)), (0, vec![]));
}

#[test]
fn events_that_gather_and_events_that_do_not_keep_their_order() {
    let mut lanes: Lanes<()> = Lanes::new(Seq(0));
    lanes.gather(Seq(1), None, T0, GATHERING);
    lanes.open(Seq(2), None, T0, None);
    lanes.gather(Seq(3), None, T0, GATHERING);
    assert_eq!(picked(&mut lanes, T0, 9), [1]);
    assert_eq!(lanes.together(Seq(1)), Some(vec![Seq(1)]), "the next one goes alone");
    lanes.confirmed(Seq(1));
    lanes.begin_commit(id(), false).unwrap();
    lanes.commit_done(true);
    assert_eq!(picked(&mut lanes, T0, 9), [2]);
    assert_eq!(lanes.together(Seq(2)), None);
}
