//! Events that wait for one another and are sent as one.

use super::*;
use landfall_core::Gathering;

/// Four at a time, after ten seconds at most; the body names them all.
struct Gathers;

impl Notifier for Gathers {
    fn serves(&self, _: SubscriptionKind) -> bool {
        true
    }

    fn gathering(&self, _: &Subscription, _: &StoredEvent) -> Option<Gathering> {
        Some(Gathering { most: 4, wait_ms: 10_000 })
    }

    fn render(&self, _: &Subscription, stored: &StoredEvent, _: &Subject) -> Vec<Notification> {
        // Those of device 9 are too large to go with others.
        let large = stored.event.device == Some(device(9));
        vec![Notification::json(vec![b'x'; if large { 600_000 } else { 1 }])]
    }

    fn render_together(&self, _: &Subscription, events: &[StoredEvent]) -> Option<Notification> {
        let seqs: Vec<String> = events.iter().map(|stored| stored.seq.to_string()).collect();
        Some(Notification::json(seqs.join(",").into_bytes()))
    }
}

fn gathering() -> Rig {
    let mut rig = Rig::new();
    rig.notifiers = vec![&Gathers];
    rig
}

#[tokio::test(start_paused = true)]
async fn events_wait_for_enough_others_or_for_their_time() {
    let rig = gathering();
    let receiver = rig.receiver("a", |_, _| 200);
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.report(&[1, 2, 3]);
    pass(9).await;
    assert!(receiver.bodies().is_empty());
    rig.report(&[1, 1]);
    until("four", || receiver.bodies().len() == 1).await;
    until("the rest", || receiver.bodies().len() == 2).await;
    assert_eq!(receiver.bodies(), ["2,3,4,5", "6"]);
    until("durable", || push.status(id).unwrap().delivered_total == 5 && push.status(id).unwrap().backlog_open == 0).await;
    rig.report(&[9, 9, 1]);
    until("each within its size", || receiver.bodies().len() == 4).await;
    assert_eq!(receiver.bodies()[2..], ["7", "8,9"]);
    until("confirmed", || push.status(id).unwrap().delivered_total == 8).await;
    assert_eq!(push.totals().held_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_gathered_outlives_failures_and_the_server() {
    let rig = gathering();
    let down = AtomicBool::new(true);
    let down = Arc::new(down);
    let is_down = down.clone();
    let receiver = rig.receiver("a", move |_, _| if is_down.load(Ordering::SeqCst) { 503 } else { 200 });
    let id = rig.subscribe(1, "a");
    let push = rig.start();
    rig.report(&[1, 2]);
    until("refused", || !receiver.bodies().is_empty()).await;
    push.shutdown().await;
    assert_eq!(rig.store.cursor_now(id).unwrap().open, [Seq(2), Seq(3)], "they are owed");
    down.store(false, Ordering::SeqCst);
    let push = rig.start();
    rig.report(&[1]);
    until("all of it", || push.status(id).is_some_and(|status| status.delivered_total == 3)).await;
    let last = receiver.bodies().split_off(receiver.answered(503).len());
    assert_eq!(last, ["2,3", "4"], "the first have waited long enough");
}
