//! Notifications on their way to an application: confirmation, sessions, limits, rights.

use super::{
    applications::{Receiver, Wishes},
    *,
};
use futures_util::{FutureExt, future::join_all};
use landfall_core::{AppChange, Hindrance, Notification, Parcel, ParcelId, SubscribeRequest, Unreceived};
use landfall_model::{Channel, NotifyType, Seq, Subscription, SubscriptionId, SubscriptionKind};

type Outcome = std::result::Result<(), Unreceived>;

const KEEPS: Wishes<'_> = Wishes { keeps: true, properties: &[], v5: false };

impl Ground {
    pub(super) fn parcel(&self, seq: u64) -> Parcel {
        self.parcel_of(SubscriptionId::from_random([1; 16]), seq)
    }

    fn parcel_of(&self, subscription: SubscriptionId, seq: u64) -> Parcel {
        let id = ParcelId { subscription, seq: Seq(seq), part: 0 };
        Parcel { client: self.app.id, id, notification: Notification::json(seq.to_string()) }
    }

    /// Hands over, as the push does.
    pub(super) async fn deliver(&self, parcel: Parcel) -> Outcome {
        self.core.clients().deliver(Channel::Mqtt, parcel).await
    }

    async fn subscription(&self, kind: NotifyType) -> Arc<Subscription> {
        let kind = SubscriptionKind::Notify(kind);
        let request = SubscribeRequest { kind, callback_url: String::new(), channel: Channel::Mqtt, owned_by_target: false };
        self.core.subscribe(&self.scope, request).await.unwrap()
    }
}

/// A PUBLISH: identifier and notification.
pub(super) fn read(topic: &str, v5: bool, body: &[u8]) -> (u16, u64) {
    let (head, rest) = body.split_at(2 + topic.len());
    assert_eq!(&head[2..], topic.as_bytes());
    let payload = std::str::from_utf8(&rest[2 + usize::from(v5)..]).unwrap();
    (u16::from_be_bytes([rest[0], rest[1]]), payload.parse().unwrap())
}

impl Receiver {
    /// The next message, with this first byte.
    async fn message(&mut self, first: u8) -> (u16, u64) {
        let body = self.client.expect(first).await;
        read(&self.topic, self.client.v5, &body)
    }

    async fn answer(&mut self, first: u8, id: u16) {
        self.client.send(first, &id.to_be_bytes()).await;
    }
}

fn hindrance(outcome: Outcome) -> Hindrance {
    outcome.unwrap_err().obstacle
}

#[tokio::test]
async fn a_notification_is_confirmed_when_its_exchange_is_over() {
    let ground = Ground::new().await;
    for (v5, keeps) in [(false, false), (true, true)] {
        let (mut receiver, _) = ground.receiver(Wishes { v5, keeps, ..Wishes::default() }).await;
        receiver.listen(1).await;
        let mut delivery = Box::pin(ground.deliver(ground.parcel(1)));
        assert!((&mut delivery).now_or_never().is_none());
        let (id, said) = receiver.message(0x32).await;
        assert!((&mut delivery).now_or_never().is_none(), "nothing is confirmed yet");
        assert_eq!(said, 1);
        receiver.answer(0x40, id).await;
        assert_eq!(delivery.await, Ok(()));
        receiver.listen(2).await;
        let mut delivery = Box::pin(ground.deliver(ground.parcel(2)));
        assert!((&mut delivery).now_or_never().is_none());
        let (id, _) = receiver.message(0x34).await;
        receiver.answer(0x50, id).await;
        receiver.client.expect(0x62).await;
        assert!((&mut delivery).now_or_never().is_none(), "the client may still lose it");
        receiver.answer(0x70, id).await;
        assert_eq!(delivery.await, Ok(()));
        receiver.client.leave().await;
    }
    let counters = ground.mqtt.counters();
    assert_eq!((counters.notifications, counters.notifications_confirmed), (4, 4));
}

#[tokio::test]
async fn who_is_not_there_is_waited_for() {
    let ground = Ground::new().await;
    let arrival = ground.core.clients().arrivals(ground.app.id);
    let why = ground.deliver(ground.parcel(1)).await.unwrap_err();
    assert_eq!((why.obstacle, why.detail.as_str()), (Hindrance::Away, "the application is not connected over MQTT"));
    let (mut receiver, _) = ground.receiver(KEEPS).await;
    assert!(ground.deliver(ground.parcel(1)).await.unwrap_err().detail.contains("has not subscribed"));
    assert!(arrival.rung().now_or_never().is_none());
    receiver.listen(1).await;
    arrival.rung().await;
    let delivery = ground.deliver(ground.parcel(1));
    let mut body = vec![0, 9];
    text(&mut body, &receiver.topic);
    let unsubscribed = async {
        receiver.message(0x32).await;
        receiver.client.send(0xa2, &body).await;
        receiver.client.expect(0xb0).await;
        assert_eq!(hindrance(ground.deliver(ground.parcel(2)).await), Hindrance::Away);
        receiver.listen(1).await;
        arrival.rung().await;
        receiver.client.hang_up().await;
    };
    assert_eq!(hindrance(tokio::join!(delivery, unsubscribed).0), Hindrance::Away);
    let (receiver, connack) = ground.receiver(KEEPS).await;
    assert_eq!(connack, [1, 0]);
    arrival.rung().await;
    receiver.client.leave().await;
}

#[tokio::test]
async fn a_kept_session_repeats_what_was_not_confirmed() {
    let ground = Ground::new().await;
    let served = ground.subscription(NotifyType::DeviceAdded).await;
    let parcel = |seq| ground.parcel_of(served.id, seq);
    let (mut receiver, _) = ground.receiver(KEEPS).await;
    receiver.listen(2).await;
    let deliveries = join_all((1..=3).map(|seq| ground.deliver(parcel(seq))));
    let lost = async {
        let ids = [receiver.message(0x34).await, receiver.message(0x34).await, receiver.message(0x34).await];
        assert_eq!(ids.map(|(_, said)| said), [1, 2, 3]);
        receiver.answer(0x50, ids[0].0).await;
        receiver.client.expect(0x62).await;
        receiver.client.hang_up().await;
        ids.map(|(id, _)| id)
    };
    let (outcomes, ids) = tokio::join!(deliveries, lost);
    assert!(outcomes.into_iter().all(|outcome| hindrance(outcome) == Hindrance::Away));
    let (mut receiver, connack) = ground.receiver(KEEPS).await;
    assert_eq!(connack, [1, 0]);
    let again = join_all((1..=3).map(|seq| ground.deliver(parcel(seq))));
    let confirmed = async {
        assert_eq!(receiver.client.expect(0x62).await, ids[0].to_be_bytes(), "the client has it");
        receiver.answer(0x70, ids[0]).await;
        assert_eq!([receiver.message(0x3c).await, receiver.message(0x3c).await], [(ids[1], 2), (ids[2], 3)]);
        for id in &ids[1..] {
            receiver.answer(0x50, *id).await;
            receiver.client.expect(0x62).await;
            receiver.answer(0x70, *id).await;
        }
    };
    assert_eq!(tokio::join!(again, confirmed).0, [Ok(()), Ok(()), Ok(())]);
    receiver.client.leave().await;
}

#[tokio::test]
async fn a_confirmation_that_nobody_awaits_counts_when_the_notification_comes_again() {
    let ground = Ground::new().await;
    let (mut receiver, _) = ground.receiver(KEEPS).await;
    receiver.listen(1).await;
    let mut late = Box::pin(ground.deliver(ground.parcel(1)));
    assert!((&mut late).now_or_never().is_none());
    let (id, _) = receiver.message(0x32).await;
    drop(late);
    receiver.answer(0x40, id).await;
    receiver.client.send(0xc0, &[]).await;
    receiver.client.expect(0xd0).await;
    assert_eq!(ground.deliver(ground.parcel(1)).now_or_never(), Some(Ok(())));
    receiver.client.leave().await;
}

#[tokio::test]
async fn a_clean_session_begins_anew() {
    let ground = Ground::new().await;
    for (first, second) in [(KEEPS, Wishes::default()), (Wishes::default(), KEEPS)] {
        let (mut receiver, _) = ground.receiver(first).await;
        receiver.listen(1).await;
        let (lost, ()) = tokio::join!(ground.deliver(ground.parcel(1)), async {
            receiver.message(0x32).await;
            receiver.client.hang_up().await;
        });
        assert_eq!(hindrance(lost), Hindrance::Away);
        let (mut receiver, connack) = ground.receiver(second).await;
        assert_eq!(connack, [0, 0]);
        receiver.listen(1).await;
        let (taken, ()) = tokio::join!(ground.deliver(ground.parcel(1)), async {
            let (id, said) = receiver.message(0x32).await;
            assert_eq!(said, 1, "as a message of its own");
            receiver.answer(0x40, id).await;
        });
        assert_eq!(taken, Ok(()));
        receiver.client.leave().await;
        ground.receiver(Wishes::default()).await.0.client.leave().await;
    }
}

#[tokio::test]
async fn a_session_ends_when_it_is_due() {
    let ground = Ground::new().await;
    for (away_s, present) in [(0, 0), (255, 1), (256, 0)] {
        ground.world.advance_s(away_s);
        let (receiver, connack) = ground.receiver(Wishes { v5: true, ..KEEPS }).await;
        assert_eq!(connack, [present, 0], "after {away_s} s of the 256 it asked for");
        receiver.client.leave().await;
    }
}

#[tokio::test]
async fn a_restart_keeps_subscriptions_of_qos_1_and_begins_those_of_qos_2_anew() {
    let mut ground = Ground::new().await;
    for (qos, present) in [(1, 1), (2, 0)] {
        let (mut receiver, _) = ground.receiver(KEEPS).await;
        receiver.listen(qos).await;
        let delivery = ground.deliver(ground.parcel(1));
        let (lost, ()) = tokio::join!(delivery, async {
            receiver.message(0x30 | qos << 1).await;
            receiver.client.hang_up().await;
        });
        assert_eq!(hindrance(lost), Hindrance::Away);
        let config = ground.mqtt.config.clone();
        ground.mqtt = Mqtt::new(ground.core.clone(), config);
        let arrival = ground.core.clients().arrivals(ground.app.id);
        let (mut receiver, connack) = ground.receiver(KEEPS).await;
        assert_eq!((connack, arrival.rung().now_or_never().is_some()), (vec![present, 0], present == 1), "QoS {qos}");
        if present == 0 {
            receiver.listen(qos).await;
        }
        let (taken, ()) = tokio::join!(ground.deliver(ground.parcel(1)), async {
            let (id, said) = receiver.message(0x30 | qos << 1).await;
            assert_eq!(said, 1, "as a message of its own");
            receiver.answer(if qos == 1 { 0x40 } else { 0x50 }, id).await;
            if qos == 2 {
                receiver.client.expect(0x62).await;
                receiver.answer(0x70, id).await;
            }
        });
        assert_eq!(taken, Ok(()));
        receiver.client.leave().await;
        ground.receiver(Wishes::default()).await.0.client.leave().await;
        let app = ground.core.app(&ground.all, ground.app.id).await.unwrap();
        assert_eq!(app.session, None, "a clean session forgets");
    }
}

#[tokio::test]
async fn rights_are_judged_before_anything_is_sent_again() {
    let ground = Ground::new().await;
    let [kept, ended] = [NotifyType::DeviceAdded, NotifyType::DeviceDeleted].map(|kind| ground.subscription(kind));
    let (kept, ended) = (kept.await, ended.await);
    for qos in [1, 2] {
        let ended = if qos == 1 { ended.clone() } else { ground.subscription(NotifyType::DeviceDeleted).await };
        let (mut receiver, _) = ground.receiver(KEEPS).await;
        receiver.listen(qos).await;
        let deliveries = join_all([ground.deliver(ground.parcel_of(kept.id, 1)), ground.deliver(ground.parcel_of(ended.id, 2))]);
        let lost = async {
            let ids = [receiver.message(0x30 | qos << 1).await, receiver.message(0x30 | qos << 1).await];
            receiver.client.hang_up().await;
            ids.map(|(id, _)| id)
        };
        let (_, ids) = tokio::join!(deliveries, lost);
        ground.core.delete_subscription(&ground.scope, ended.id).await.unwrap();
        let (mut receiver, connack) = ground.receiver(KEEPS).await;
        assert_eq!(connack, [1, 0]);
        if qos == 2 {
            assert_eq!(receiver.client.expect(0x62).await, ids[1].to_be_bytes(), "the client forgets the identifier");
        }
        assert_eq!(receiver.message(0x38 | qos << 1).await, (ids[0], 1));
        receiver.client.send(0xc0, &[]).await;
        receiver.client.expect(0xd0).await;
        receiver.client.leave().await;
        ground.receiver(Wishes::default()).await.0.client.leave().await;
    }
    let freeze = AppChange { frozen: Some(true), ..AppChange::default() };
    ground.core.change_app(&ground.all, ground.app.id, freeze).await.unwrap();
    assert_eq!(hindrance(ground.deliver(ground.parcel(1)).await), Hindrance::Away);
}

#[tokio::test]
async fn a_client_gets_no_more_and_nothing_larger_than_it_takes() {
    let ground = Ground::new().await;
    // Receive Maximum 2, Maximum Packet Size 128.
    let wishes = Wishes { v5: true, keeps: false, properties: &[33, 0, 2, 39, 0, 0, 0, 128] };
    let (mut receiver, _) = ground.receiver(wishes).await;
    receiver.listen(1).await;
    let mut large = ground.parcel(9);
    large.notification = Notification::json("9".repeat(100));
    assert_eq!(hindrance(ground.deliver(large).await), Hindrance::TooLarge);
    let deliveries = join_all((1..=4).map(|seq| ground.deliver(ground.parcel(seq))));
    let taken = async {
        let first = [receiver.message(0x32).await, receiver.message(0x32).await];
        assert_eq!(first.map(|(_, said)| said), [1, 2]);
        receiver.client.send(0xc0, &[]).await;
        receiver.client.expect(0xd0).await;
        receiver.client.send(0x40, &[&first[0].0.to_be_bytes()[..], &[0x97]].concat()).await;
        for _ in 0..2 {
            let (id, _) = receiver.message(0x32).await;
            receiver.answer(0x40, id).await;
        }
        receiver.answer(0x40, first[1].0).await;
    };
    let (mut outcomes, ()) = tokio::join!(deliveries, taken);
    assert_eq!(hindrance(outcomes.remove(0)), Hindrance::Refused(0x97));
    assert_eq!(outcomes, [Ok(()), Ok(()), Ok(())]);
    let checks: Vec<_> = ground.core.why().app(ground.app.account, ground.app.id).iter().map(|why| why.check).collect();
    assert_eq!(checks, ["puback.code", "notification.too-large"]);
    receiver.client.leave().await;
}

#[tokio::test]
async fn a_thousand_are_in_flight_and_a_slow_application_holds_up_itself_alone() {
    let ground = Ground::new().await;
    let (mut slow, _) = ground.receiver(KEEPS).await;
    slow.listen(2).await;
    let mut waiting = Box::pin(join_all((1..=1_200).map(|seq| ground.deliver(ground.parcel(seq)))));
    assert!((&mut waiting).now_or_never().is_none());
    let ids: Vec<_> = {
        let mut ids = vec![];
        for seq in 1..=1_000 {
            let (id, said) = slow.message(0x34).await;
            assert_eq!(said, seq);
            ids.push(id);
        }
        ids
    };
    slow.client.send(0xc0, &[]).await;
    slow.client.expect(0xd0).await;
    let other = ground.domain.tenant("other").await;
    let (mut client, id) = (ground.dial(), other.app.id.to_string());
    applications::connect(&mut client, [&id, &id, &other.secret], Wishes::default()).await;
    let mut quick = Receiver { client, topic: applications::topic(&other.app) };
    quick.listen(1).await;
    let parcel = Parcel { client: other.app.id, ..ground.parcel(1) };
    let (taken, ()) = tokio::join!(ground.deliver(parcel), async {
        let (id, _) = quick.message(0x32).await;
        quick.answer(0x40, id).await;
    });
    assert_eq!(taken, Ok(()));
    quick.client.leave().await;
    let rest = async {
        for id in ids {
            slow.answer(0x50, id).await;
        }
        let (mut completed, mut received) = (0, 0);
        while completed < 1_200 {
            let first = slow.client.stream.read_u8().await.unwrap();
            let length = slow.client.stream.read_u8().await.unwrap();
            let mut body = vec![0; length.into()];
            slow.client.stream.read_exact(&mut body).await.unwrap();
            match first {
                0x62 => {
                    slow.client.send(0x70, &body).await;
                    completed += 1;
                }
                0x34 => {
                    let (id, _) = read(&slow.topic, false, &body);
                    slow.answer(0x50, id).await;
                    received += 1;
                }
                other => panic!("{other:#x}"),
            }
        }
        assert_eq!(received, 200);
    };
    let (outcomes, ()) = tokio::join!(waiting, rest);
    assert!(outcomes.into_iter().all(|outcome| outcome == Ok(())));
    slow.client.leave().await;
}
