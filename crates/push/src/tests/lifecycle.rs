//! Restart, replay, change, deletion, a failing store.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_restart_loses_nothing_and_repeats_nothing_confirmed() {
    let rig = Rig::new();
    // Device 2 answers, device 1 does not.
    let receiver = rig.receiver("a", |_, body| if body.starts_with("1:") { 0 } else { 200 });
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.report(&[1, 2, 1, 2, 2]);
    until("durable", || rig.store.cursor_now(id).unwrap().open == [Seq(2), Seq(4)]).await;
    push.kill();
    let confirmed = receiver.answered(200);
    assert_eq!(confirmed, [3, 5, 6]);
    let second = rig.receiver("a", |_, _| 200);
    let push = rig.start();
    until("the rest", || push.status(id).unwrap_or_default().delivered_total == 2).await;
    assert_eq!(second.answered(200), [2, 4]);
}

#[tokio::test(start_paused = true)]
async fn kills_at_any_moment_repeat_only_what_was_not_durable_and_lose_nothing() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 200);
    receiver.delay_ms.store(7, Ordering::SeqCst);
    rig.store.commit_delay_ms.store(11, Ordering::SeqCst);
    let id = rig.subscribe(1, "a");
    let devices: Vec<u8> = (0..120).map(|i| 1 + i % 4).collect();
    let last = rig.report(&devices);
    let mut kills = 0;
    while receiver.arrivals.lock().iter().all(|arrival| arrival.seq != last.0) {
        let push = rig.start();
        tokio::time::sleep(Duration::from_millis(20 + kills * 13 % 50)).await;
        push.kill();
        let cursor = rig.store.cursor_now(id).unwrap();
        let before = receiver.arrivals.lock().len();
        let next = rig.start();
        tokio::time::sleep(Duration::from_millis(15)).await;
        next.kill();
        let again = receiver.arrivals.lock()[before..].to_vec();
        assert!(again.iter().all(|a| Seq(a.seq) > cursor.read_to || cursor.open.contains(&Seq(a.seq))), "{again:?} {cursor:?}");
        kills += 2;
        assert!(kills < 1_000, "no progress");
    }
    assert!(kills > 10);
    for n in 1..=4 {
        let prefix = format!("{n}:");
        let mut mine: Vec<u64> = receiver.arrivals.lock().iter().filter(|a| a.body.starts_with(&prefix)).map(|a| a.seq).collect();
        mine.dedup();
        let all: Vec<u64> = (2..=last.0).filter(|seq| (seq - 2) % 4 == n - 1).collect();
        assert!(all.starts_with(&mine), "in order, only the newest repeated: {mine:?}");
        assert!(mine.len() >= 29, "{mine:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_what_is_under_way_and_commits() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 200);
    receiver.delay_ms.store(3_000, Ordering::SeqCst);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    let last = rig.report(&[1, 1, 2, b'n']);
    until("under way", || receiver.busy.load(Ordering::SeqCst) == 2).await;
    push.shutdown().await;
    let cursor = rig.store.cursor_now(id).unwrap();
    assert_eq!((cursor.read_to, cursor.open), (last, vec![Seq(3)]));
    assert_eq!(receiver.answered(200), [2, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_replay_sends_again_from_a_time_and_is_durable_when_it_returns() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 200);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.report(&[1, 2]);
    pass(60).await;
    let from = rig.world.now();
    rig.report(&[1, 2]);
    until("first round", || push.status(id).unwrap().delivered_total == 4).await;
    assert_eq!(push.replay(id, from).await, Ok(Seq(3)));
    assert_eq!(rig.store.cursor_now(id).unwrap(), Cursor { subscription: id, read_to: Seq(3), open: Vec::new() });
    until("second round", || push.status(id).unwrap().delivered_total == 6).await;
    let mut arrived = receiver.answered(200);
    arrived.sort_unstable();
    assert_eq!(arrived, [2, 3, 4, 4, 5, 5]);
    let unknown = push.replay(SubscriptionId::from_random([77; 16]), from).await;
    assert_eq!(unknown.map_err(|e| e.cause), Err(Cause::SubscriptionNotFound));
}

#[tokio::test(start_paused = true)]
async fn a_new_address_takes_effect_at_once_and_deletion_ends_it() {
    let rig = Rig::new();
    let old = rig.receiver("old", |_, _| 0);
    let new = rig.receiver("new", |_, _| 200);
    let push = rig.start();
    let id = rig.subscribe(1, "old");
    rig.report(&[1, 2]);
    until("hanging", || old.arrivals.lock().len() == 2).await;
    let before = rig.world.now();
    let moved = Subscription { version: 2, ..subscription(1, "new") };
    rig.write(vec![Write::Subscription(Box::new(moved))], id);
    until("delivered", || new.answered(200).len() == 2).await;
    assert!(rig.world.now().0 - before.0 < 1_000);
    rig.write(vec![Write::DeleteSubscription(id)], id);
    until("forgotten", || push.status(id).is_none()).await;
    rig.report(&[1]);
    pass(60).await;
    assert_eq!(new.arrivals.lock().len(), 2);
    assert_eq!(rig.store.cursor_now(id), None, "no cursor is left behind");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_for_a_device_while_its_confirmation_is_not_durable() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 200);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.store.broken.store(true, Ordering::SeqCst);
    rig.report(&[1, 1, 2]);
    pass(30).await;
    assert_eq!(receiver.answered(200), [2, 4]);
    rig.store.broken.store(false, Ordering::SeqCst);
    until("the next", || push.status(id).unwrap().delivered_total == 3).await;
    assert_eq!(receiver.answered(200), [2, 4, 3]);
}

#[tokio::test(start_paused = true)]
async fn idle_subscriptions_write_rarely_and_accounts_are_walls() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 200);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    let foreign = Event {
        account: AccountId::from_random([66; 16]),
        ..event_of(START, Some(1), EventBody::DeviceDeleted { gateway: device(1) })
    };
    for _ in 0..25 {
        rig.store.apply(Batch { writes: Vec::new(), events: vec![foreign.clone(); 1_000] });
        pass(1).await;
    }
    pass(10).await;
    assert!(receiver.arrivals.lock().is_empty());
    let commits = rig.store.cursor_commits.load(Ordering::SeqCst);
    assert!((2..=4).contains(&commits), "{commits} with the one of the subscription itself");
    assert_eq!(push.status(id).unwrap().behind, 0);
    push.shutdown().await;
    assert_eq!(rig.store.cursor_now(id).unwrap().read_to, rig.store.newest());
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_a_subscription_is_suspended_is_passed_over() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 200);
    let other = rig.receiver("b", |_, _| 200);
    let (id, served) = (rig.subscribe(1, "a"), rig.subscribe(2, "b"));
    let push = rig.start();
    rig.report(&[1]);
    until("the first", || receiver.answered(200) == [3]).await;
    rig.domain.suspended.lock().as_mut().unwrap().insert(id);
    rig.report(&[1, 1, 2]);
    until("passed over", || push.status(id).unwrap().withheld_total == 3).await;
    until("the other goes on", || push.status(served).unwrap().delivered_total == 4).await;
    assert_eq!((receiver.answered(200).len(), other.answered(200).len(), push.totals().withheld_total), (1, 4, 3));
    rig.domain.suspended.lock().as_mut().unwrap().clear();
    rig.report(&[1]);
    until("it goes on", || push.status(id).unwrap().delivered_total == 2).await;
    assert_eq!(receiver.answered(200), [3, 7]);
}

/// The right goes while the receiver is down: what waits for it does not go out later.
#[tokio::test(start_paused = true)]
async fn rights_are_judged_again_at_each_attempt() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 503);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.report(&[1, 2]);
    until("two attempts", || push.status(id).is_some_and(|shown| shown.failed_attempts_total >= 2)).await;
    rig.domain.suspended.lock().as_mut().unwrap().insert(id);
    receiver.set(|_, _| 200);
    until("passed over", || push.status(id).unwrap().withheld_total == 2).await;
    assert!(receiver.answered(200).is_empty());
    assert_eq!(push.status(id).unwrap().backlog_open, 0);
}

#[tokio::test(start_paused = true)]
async fn while_rights_cannot_be_read_nothing_goes_out_and_nothing_is_lost() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 200);
    let id = rig.subscribe(1, "a");
    *rig.domain.suspended.lock() = Err(Error::new(Cause::Internal, "broken"));
    let push = rig.start();
    rig.report(&[1]);
    until("a failure", || push.status(id).is_some_and(|shown| shown.failed_attempts_total >= 1)).await;
    assert!(receiver.arrivals.lock().is_empty());
    assert!(push.status(id).unwrap().last_error.unwrap().text.starts_with("rights cannot be read"));
    *rig.domain.suspended.lock() = Ok(HashSet::new());
    until("delivered", || push.status(id).unwrap().delivered_total == 1).await;
}
