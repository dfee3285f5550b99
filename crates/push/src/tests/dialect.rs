//! What a dialect may ask for, and what it may make of an answer.

use super::*;
use landfall_model::{Device, Product};
use serde_json::json;

fn named(name: &str) -> Subject {
    let (id, at) = ("00000000-0000-4000-8000-000000000009", 0);
    let device = json!({
        "id": device(b'd'), "account": account(), "app": app(), "version": 1, "node_id": "n", "access": "Secret", "product": id, "gateway": null,
        "node_type": "ENDPOINT", "info": { "name": name }, "credentials": {}, "status": "ONLINE", "status_detail": "NONE", "activated": true,
        "connected": true, "mute": false, "muted_commands": [], "data_aging_days": null, "created_at": at, "modified_at": at, "heard_at": null,
    });
    let key = ["manufacturer_id", "manufacturer_name", "device_type", "model", "protocol_type"]
        .map(|name| (name.to_owned(), json!("m")));
    let product = json!({
        "id": id, "account": account(), "version": 1, "key": serde_json::Map::from_iter(key), "name": "meter", "format": "json", "services": [],
        "codecs": [], "secret": null, "auto_register": null, "created_at": at, "modified_at": at,
    });
    let (device, product): (Device, Product) =
        (serde_json::from_value(device).unwrap(), serde_json::from_value(product).unwrap());
    Subject { device: Some(Arc::new(device)), product: Some(Arc::new(product)), entity: None }
}

#[tokio::test(start_paused = true)]
async fn a_device_is_shown_as_it_is_when_it_is_told_and_read_only_where_that_is_needed() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 200);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.report(&[1, 2]);
    until("told of the others", || receiver.arrivals.lock().len() == 2).await;
    assert_eq!(rig.domain.reads.load(Ordering::SeqCst), 0);
    for named in [named("north"), named("south"), Subject::default()] {
        *rig.domain.subject.lock() = named;
        let before = receiver.arrivals.lock().len();
        rig.report(b"d");
        until("told", || receiver.arrivals.lock().len() > before).await;
    }
    until("over", || push.status(id).unwrap().delivered_total == 5).await;
    assert_eq!(receiver.bodies()[2..], ["north of meter", "south of meter", "deleted"]);
    assert_eq!(rig.domain.reads.load(Ordering::SeqCst), 3, "once for each");
    assert_eq!(push.totals().held_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_dialect_gives_up_is_shown_and_not_tried_again() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 500);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.report(b"ddd");
    until("each once", || receiver.answered(500).len() == 3).await;
    pass(600).await;
    assert_eq!(receiver.answered(500), [2, 3, 4]);
    let status = push.status(id).unwrap();
    assert_eq!((status.backlog_open, status.failed_attempts_total, status.delivered_total), (0, 3, 0));
    assert_eq!(status.state, DeliveryState::Delivering);
    assert_eq!(status.last_error.unwrap().status, Some(500));
    rig.exchange.0.lock().clear();
    rig.report(b"d");
    until("given up", || push.status(id).unwrap().failed_attempts_total == 4).await;
    assert_eq!(push.status(id).unwrap().last_error.unwrap().text, "connection refused");
    assert_eq!(rig.store.written.lock().len(), 3, "only an answer means something to this dialect");
}

#[tokio::test(start_paused = true)]
async fn a_dialect_may_refuse_what_the_channel_accepts() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 204);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.report(b"d");
    until("twice", || receiver.answered(204).len() == 2).await;
    let error = push.status(id).unwrap().last_error.unwrap();
    assert_eq!((&*error.text, error.status), ("the answer is no confirmation", Some(204)));
}

#[tokio::test(start_paused = true)]
async fn what_a_dialect_wants_written_is_committed_with_the_cursor() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |seq, _| if seq == 2 { 202 } else { 200 });
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.report(b"d");
    until("kept", || rig.store.cursor_now(id).unwrap().read_to == Seq(2)).await;
    assert!(rig.store.written.lock().is_empty(), "202 means nothing to be written");
    rig.store.broken.store(true, Ordering::SeqCst);
    rig.report(b"d");
    until("told", || receiver.answered(200) == [3]).await;
    pass(10).await;
    assert!(rig.store.written.lock().is_empty());
    rig.store.broken.store(false, Ordering::SeqCst);
    until("written", || rig.store.written.lock().len() == 1).await;
    pass(10).await;
    let cursor = Cursor { subscription: id, read_to: Seq(3), open: Vec::new() };
    assert_eq!(*rig.store.written.lock(), [cursor]);
    push.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_refused_does_not_hold_up_the_cursor() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 200);
    rig.store.stale.store(true, Ordering::SeqCst);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.report(b"dd");
    until("both", || push.status(id).is_some_and(|status| status.delivered_total == 2)).await;
    until("durable", || rig.store.cursor_now(id) == Some(Cursor { subscription: id, read_to: Seq(3), open: Vec::new() })).await;
    assert_eq!(receiver.answered(200), [2, 3]);
    assert!(rig.store.written.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn while_a_dialect_is_switched_off_its_subscriptions_rest() {
    let mut rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 200);
    let id = rig.subscribe(1, "a");
    rig.notifiers.clear();
    let push = rig.start();
    rig.report(&[1, 1]);
    pass(60).await;
    assert_eq!((push.status(id), receiver.arrivals.lock().len()), (None, 0));
    push.shutdown().await;
    rig.notifiers = vec![&Plain];
    let push = rig.start();
    until("all of it", || push.status(id).is_some_and(|status| status.delivered_total == 2)).await;
    assert_eq!(receiver.answered(200), [2, 3]);
}
