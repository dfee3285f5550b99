//! Notifications to clients of our own listeners, with a stand-in for those who serve them.

use super::*;
use async_trait::async_trait;
use landfall_core::{CloseCause, Hindrance, Parcel, ParcelId, Receivers, Unreceived};
use landfall_model::Channel;

/// What one client does.
#[derive(Default)]
struct Desk {
    /// The client that is here.
    here: Mutex<Option<AppId>>,
    /// How it answers; silence where this says nothing.
    answer: Mutex<Option<Answering>>,
    /// Everything that was handed over to it, in order, also what it still owes.
    taken: Mutex<Vec<(ParcelId, String)>>,
    /// Attempts, also those that found nobody.
    attempts: AtomicU64,
}

type Answering = Box<dyn Fn(&str) -> Option<std::result::Result<(), Hindrance>> + Send + Sync>;

#[async_trait]
impl Receivers for Desk {
    fn channel(&self) -> Channel {
        Channel::Mqtt
    }

    async fn deliver(&self, parcel: Parcel) -> std::result::Result<(), Unreceived> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        if *self.here.lock() != Some(parcel.client) {
            return Err(Unreceived::away("the client is not connected"));
        }
        let body = String::from_utf8_lossy(&parcel.notification.body).into_owned();
        let answer = self.answer.lock().as_ref().map_or(Some(Ok(())), |answer| answer(&body));
        self.taken.lock().push((parcel.id, body));
        tokio::time::sleep(Duration::from_millis(10)).await;
        match answer {
            Some(Ok(())) => Ok(()),
            Some(Err(obstacle)) => Err(Unreceived { obstacle, detail: "refused".into() }),
            None => std::future::pending().await,
        }
    }

    fn close(&self, _: AppId, _: CloseCause) {}
}

impl Desk {
    fn at(rig: &Rig) -> Arc<Self> {
        let desk = Arc::new(Self::default());
        rig.clients.enlist(&desk);
        desk
    }

    fn comes(&self, rig: &Rig, client: AppId) {
        *self.here.lock() = Some(client);
        rig.clients.arrived(client);
    }

    fn goes(&self) {
        *self.here.lock() = None;
    }

    fn answers(&self, answer: impl Fn(&str) -> Option<std::result::Result<(), Hindrance>> + Send + Sync + 'static) {
        *self.answer.lock() = Some(Box::new(answer));
    }

    fn bodies(&self) -> Vec<String> {
        self.taken.lock().iter().map(|(_, body)| body.clone()).collect()
    }
}

fn over_mqtt(n: u8, owner: AppId) -> Subscription {
    Subscription { channel: Channel::Mqtt, owner, ..subscription(n, "not-called") }
}

#[tokio::test(start_paused = true)]
async fn a_client_gets_each_devices_events_in_order_and_others_beside_them() {
    let rig = Rig::new();
    let desk = Desk::at(&rig);
    let id = rig.make(over_mqtt(1, app()));
    desk.comes(&rig, app());
    let push = rig.start();
    for _ in 0..10 {
        rig.report(&(1..=40).collect::<Vec<u8>>());
    }
    until("all delivered", || push.status(id).unwrap_or_default().delivered_total == 400).await;
    let bodies = desk.bodies();
    assert_eq!(bodies.len(), 400);
    for n in 1..=40 {
        let prefix = format!("{n}:");
        let mine: Vec<u64> = bodies.iter().filter_map(|body| body.strip_prefix(&prefix)?.parse().ok()).collect();
        assert!(mine.len() == 10 && mine.is_sorted(), "{mine:?}");
    }
    until("durable", || rig.store.cursor_now(id).unwrap().open.is_empty()).await;
    assert_eq!((push.totals().sockets, push.totals().failed_attempts_total), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_not_there_costs_little_and_its_arrival_ends_the_wait() {
    let rig = Rig::new();
    let desk = Desk::at(&rig);
    let id = rig.make(over_mqtt(1, app()));
    let push = rig.start();
    rig.report(&[61]);
    until("missed", || push.status(id).unwrap_or_default().failed_attempts_total == 1).await;
    for _ in 0..10 {
        rig.report(&(1..=60).collect::<Vec<u8>>());
    }
    pass(1).await;
    assert_eq!(push.totals().held_bytes, 0, "nothing waits in memory");
    pass(3_600).await;
    let status = push.status(id).unwrap();
    assert!(matches!(status.state, DeliveryState::Away { .. }), "{status:?}");
    assert_eq!(status.last_error.clone().unwrap().text, "the client is not connected");
    assert_eq!(status.backlog_open, 601);
    assert!(push.totals().held_bytes <= 8, "but the body of an attempt");
    let attempts = desk.attempts.load(Ordering::SeqCst);
    assert!(attempts <= 1 + 13, "{attempts} attempts: one in five minutes");
    let before = rig.world.now();
    desk.comes(&rig, app());
    until("all", || push.status(id).unwrap().delivered_total == 601).await;
    assert!(rig.world.now().0 - before.0 < 2_000, "it does not wait for the next try");
    assert_eq!(push.status(id).unwrap().state, DeliveryState::Delivering);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_owes_is_handed_over_again_as_the_same() {
    let rig = Rig::new();
    let desk = Desk::at(&rig);
    let id = rig.make(over_mqtt(1, app()));
    desk.answers(|_| None);
    desk.comes(&rig, app());
    let push = rig.start();
    let seq = rig.report(b"x");
    until("late", || push.status(id).unwrap_or_default().failed_attempts_total == 1).await;
    assert_eq!(push.status(id).unwrap().last_error.unwrap().text, "no acknowledgement within 15000 ms");
    desk.answers(|_| Some(Ok(())));
    until("taken", || push.status(id).unwrap().delivered_total == 1).await;
    let ids: Vec<_> = desk.taken.lock().iter().map(|(id, _)| (id.subscription, id.seq, id.part)).collect();
    assert_eq!(ids, [0, 0, 1, 2].map(|part| (id, seq, part)));
}

/// The connection ends while events are on their way, the server dies, the client comes back to the next one.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_by_a_lost_connection_and_a_kill() {
    let rig = Rig::new();
    let desk = Desk::at(&rig);
    let id = rig.make(over_mqtt(1, app()));
    desk.comes(&rig, app());
    let push = rig.start();
    rig.report(&[1, 2]);
    until("two", || push.status(id).unwrap_or_default().delivered_total == 2).await;
    desk.answers(|_| Some(Err(Hindrance::Away)));
    let late = [rig.report(&[1]), rig.report(&[2]), rig.report(&[1])];
    until("away", || matches!(push.status(id).unwrap().state, DeliveryState::Away { .. })).await;
    desk.goes();
    push.kill();
    let sent = desk.taken.lock().len();
    desk.answers(|_| Some(Ok(())));
    let push = rig.start();
    until("looked for", || push.status(id).unwrap_or_default().failed_attempts_total > 0).await;
    desk.comes(&rig, app());
    until("all", || push.status(id).unwrap().delivered_total == 3).await;
    let seqs: HashSet<_> = desk.taken.lock()[sent..].iter().map(|(id, _)| id.seq).collect();
    assert_eq!(seqs, HashSet::from(late));
}

#[tokio::test(start_paused = true)]
async fn what_a_client_can_never_take_is_told_and_passed_over() {
    let rig = Rig::new();
    let desk = Desk::at(&rig);
    let id = rig.make(over_mqtt(1, app()));
    desk.answers(|body| Some(if body.starts_with("1:") { Err(Hindrance::TooLarge) } else { Ok(()) }));
    desk.comes(&rig, app());
    let push = rig.start();
    let large = rig.report(&[1]);
    rig.report(&[2]);
    until("the other", || push.status(id).unwrap_or_default().delivered_total == 1).await;
    until("passed over", || push.status(id).unwrap().backlog_open == 0).await;
    assert_eq!(push.status(id).unwrap().last_error.unwrap().text, "refused");
    pass(600).await;
    assert_eq!(desk.taken.lock().iter().filter(|(id, _)| id.seq == large).count(), 1);
    desk.answers(|_| Some(Ok(())));
    push.replay(id, START).await.unwrap();
    until("asked for again", || push.status(id).unwrap().delivered_total == 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_client_is_tried_again_later() {
    let rig = Rig::new();
    let desk = Desk::at(&rig);
    let id = rig.make(over_mqtt(1, app()));
    desk.answers(|_| Some(Err(Hindrance::Refused(0x97))));
    desk.comes(&rig, app());
    let push = rig.start();
    rig.report(&[1]);
    until("refused twice", || push.status(id).unwrap_or_default().failed_attempts_total == 2).await;
    assert_eq!(push.status(id).unwrap().last_error.unwrap().status, Some(0x97));
    desk.answers(|_| Some(Ok(())));
    until("taken", || push.status(id).unwrap().delivered_total == 1).await;
}

#[tokio::test(start_paused = true)]
async fn clients_get_what_their_own_subscriptions_tell() {
    let rig = Rig::new();
    let desk = Desk::at(&rig);
    let other = AppId::from_random([3; 16]);
    let mine = rig.make(over_mqtt(1, app()));
    let theirs = rig.make(over_mqtt(2, other));
    desk.comes(&rig, other);
    let push = rig.start();
    rig.report(&[1]);
    until("the other's", || push.status(theirs).unwrap_or_default().delivered_total == 1).await;
    assert!(desk.taken.lock().iter().all(|(id, _)| id.subscription == theirs));
    rig.domain.suspended.lock().as_mut().unwrap().insert(mine);
    desk.comes(&rig, app());
    until("withheld", || push.status(mine).unwrap().withheld_total == 1).await;
    assert_eq!(desk.taken.lock().len(), 1, "rights are judged when it goes out");
}
