//! Order, concurrency, retries, back-off, expiry.

use super::*;
use landfall_model::{Changed, Notice, ResourceId};

#[tokio::test(start_paused = true)]
async fn each_device_keeps_its_order_and_devices_go_side_by_side() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 200);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    let devices: Vec<u8> = (0..400).map(|i| 100 + (i % 40) as u8).filter(|n| *n != b'n' && *n != b'x').collect();
    rig.report(&devices);
    until("all delivered", || receiver.answered(200).len() == devices.len()).await;
    for n in 100..140 {
        let prefix = format!("{n}:");
        let mine: Vec<u64> = receiver.arrivals.lock().iter().filter(|a| a.body.starts_with(&prefix)).map(|a| a.seq).collect();
        assert!(mine.is_sorted(), "{mine:?}");
    }
    assert_eq!(receiver.busiest.load(Ordering::SeqCst), 32);
    assert!(receiver.connections.load(Ordering::SeqCst) <= 32, "connections are kept");
    until("durable", || rig.store.cursor_now(id).unwrap().open.is_empty()).await;
    assert_eq!(push.status(id).unwrap().delivered_total, devices.len() as u64);
    assert!(rig.store.cursor_commits.load(Ordering::SeqCst) < devices.len() as u64, "confirmations share commits");
}

#[tokio::test(start_paused = true)]
async fn a_silent_receiver_delays_nobody_else() {
    let rig = Rig::new();
    let dead = rig.receiver("dead", |_, _| 0);
    let well = rig.receiver("well", |_, _| 204);
    let dead_id = rig.subscribe(1, "dead");
    rig.subscribe(2, "well");
    let push = rig.start();
    let before = rig.world.now();
    for _ in 0..10 {
        rig.report(&(1..=60).collect::<Vec<u8>>());
    }
    until("the healthy one has all", || well.answered(204).len() == 600).await;
    assert!(rig.world.now().0 - before.0 < 5_000, "before the silent one even timed out");
    assert_eq!(dead.arrivals.lock().len(), 32);
    pass(60).await;
    let status = push.status(dead_id).unwrap();
    assert!(matches!(status.state, DeliveryState::Probing { .. }), "{status:?}");
    assert_eq!(status.backlog_open, 600);
    assert_eq!(status.last_error.unwrap().text, "no answer within 15000 ms");
    assert_eq!(status.oldest_undelivered.unwrap().device, Some(device(1)));
    assert!(push.totals().held_bytes <= 8, "a dead receiver keeps no bodies in memory but that of a probe");
    dead.set(|_, _| 200);
    until("recovered", || push.status(dead_id).unwrap().delivered_total == 600).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_worker_stops_reading_and_goes_on_later() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 500);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    for _ in 0..30 {
        rig.report(&(1..=100).collect::<Vec<u8>>());
    }
    until("full", || push.status(id).unwrap_or_default().failed_attempts_total >= 5).await;
    assert!((750..=1_000).contains(&push.status(id).unwrap().backlog_open));
    assert!(push.status(id).unwrap().behind >= 2_000);
    receiver.set(|_, _| 200);
    until("all", || push.status(id).unwrap().delivered_total == 3_000).await;
    let status = push.status(id).unwrap();
    assert_eq!((status.backlog_open, status.behind), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refused_device_backs_off_and_others_go_on() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, body| if body.starts_with("1:") { 500 } else { 200 });
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    for _ in 0..20 {
        rig.report(&[1, 2]);
        pass(1).await;
    }
    assert_eq!(receiver.answered(200).len(), 20);
    // 1, 2, 4, 8 s apart.
    assert_eq!(receiver.answered(500), [2; 5]);
    let status = push.status(id).unwrap();
    assert!(matches!(status.state, DeliveryState::BackingOff { .. }), "{status:?}");
    assert_eq!(status.last_error.unwrap().status, Some(500));
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 503);
    receiver.headers.lock().push(("retry-after", "120"));
    rig.subscribe(1, "a");
    let _push = rig.start();
    rig.report(&[1]);
    pass(119).await;
    assert_eq!(receiver.answered(503).len(), 1);
    pass(2).await;
    assert_eq!(receiver.answered(503).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 307);
    receiver.headers.lock().push(("location", "http://inner/"));
    let inner = rig.receiver("inner", |_, _| 200);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.report(&[1]);
    until("tried", || receiver.answered(307).len() == 2).await;
    assert!(inner.arrivals.lock().is_empty());
    assert!(push.status(id).unwrap().last_error.unwrap().text.contains("redirects are not followed"));
}

#[tokio::test(start_paused = true)]
async fn an_event_of_several_bodies_goes_on_where_it_failed() {
    let rig = Rig::new();
    let failed = AtomicBool::new(false);
    let receiver =
        rig.receiver("a", move |_, body| if body.ends_with(":2") && !failed.swap(true, Ordering::SeqCst) { 500 } else { 200 });
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    let seq = rig.report(b"xn");
    let seq = seq.0 - 1;
    until("delivered", || push.status(id).unwrap_or_default().delivered_total == 1).await;
    let expected: Vec<String> = [1, 2, 2, 3].iter().map(|part| format!("x:{seq}:{part}")).collect();
    assert_eq!(receiver.bodies(), expected);
}

#[tokio::test(start_paused = true)]
async fn each_body_has_headers_of_its_own_and_a_repeat_has_them_again() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 500);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    let seq = rig.report(b"x").0;
    // Five failures: the bodies leave the memory and are rendered again.
    until("probed", || receiver.answered(500).len() == 6).await;
    receiver.set(|_, _| 200);
    until("delivered", || push.status(id).unwrap_or_default().delivered_total == 1).await;
    let arrivals = receiver.arrivals.lock();
    let ids: Vec<&str> = arrivals.iter().map(|a| a.headers["x-m2m-ri"].to_str().unwrap()).collect();
    let expected: Vec<String> = [0, 0, 0, 0, 0, 0, 0, 1, 2].iter().map(|body| format!("{id}-{seq}-{body}")).collect();
    assert_eq!(ids, expected);
    for arrival in arrivals.iter() {
        assert_eq!(arrival.headers.get_all("content-type").iter().collect::<Vec<_>>(), ["application/json;ty=5"]);
        assert_eq!((&arrival.headers["host"], arrival.seq), (&HeaderValue::from_static("a"), seq));
        assert!(!arrival.headers.contains_key("x-unfit"), "what HTTP cannot carry is left out");
    }
}

#[tokio::test(start_paused = true)]
async fn a_notice_goes_to_its_address_alone() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 200);
    let other = rig.receiver("b", |_, _| 200);
    let tree = |n, name| Subscription { kind: SubscriptionKind::Resource(ResourceId([7; 12]), n), ..subscription(n, name) };
    let (mine, theirs) = (tree(1, "a"), tree(2, "b"));
    rig.write(vec![Write::Subscription(Box::new(mine.clone()))], mine.id);
    rig.write(vec![Write::Subscription(Box::new(theirs.clone()))], theirs.id);
    rig.subscribe(3, "b");
    let push = rig.start();
    let changed = Changed::Id(ResourceId([8; 12]));
    let notice = Notice {
        address: mine.id,
        reference: "cse/sub".into(),
        kind: 4,
        content: 3,
        changed,
        modified: vec![],
        batch: None,
        held: None,
        through: None,
    };
    let event = event_of(rig.world.now(), Some(1), EventBody::Notice(Box::new(notice)));
    let seq = rig.store.apply(Batch { writes: Vec::new(), events: vec![event] });
    until("delivered", || push.status(mine.id).unwrap_or_default().delivered_total == 1).await;
    pass(10).await;
    assert_eq!(receiver.answered(200), [seq.0]);
    assert!(other.arrivals.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_the_retention_is_given_up_and_counted() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 500);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.report(&[1, 1, 2]);
    pass(6 * 86_400).await;
    rig.report(&[3]);
    assert_eq!(push.status(id).unwrap().expired_total, 0);
    pass(86_400 + 600).await;
    let status = push.status(id).unwrap();
    assert_eq!((status.expired_total, status.backlog_open), (3, 1));
    assert_eq!(push.totals().expired_total, 3);
    receiver.set(|_, _| 200);
    pass(600).await;
    assert_eq!(receiver.answered(200), [5], "only what is young enough");
}
