//! A push and an application over connections that break anywhere: nothing is lost, the order of each device is kept, and within a session
//! nothing of QoS 2 comes twice.

use super::{applications::Wishes, notifications::read, *};
use futures_util::{FutureExt, future::join_all};
use landfall_core::SubscribeRequest;
use landfall_model::{Channel, NotifyType, SubscriptionId, SubscriptionKind};
use std::collections::{HashMap, HashSet};

const DEVICES: u64 = 5;
const EACH: u64 = 8;

/// What the application has taken, by device, in order.
#[derive(Default)]
struct Taken {
    by_device: HashMap<u64, Vec<u64>>,
    /// Identifiers of QoS 2 between PUBLISH and PUBREL.
    held: HashSet<u16>,
}

impl Taken {
    fn take(&mut self, said: u64) {
        self.by_device.entry(said / 1_000).or_default().push(said % 1_000);
    }
}

fn dice(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// One device's notifications, one after the other, again until each is confirmed.
async fn push(ground: &Ground, subscription: SubscriptionId, device: u64) {
    let arrivals = ground.core.clients().arrivals(ground.app.id);
    for n in 0..EACH {
        let mut parcel = ground.parcel(device * 1_000 + n);
        parcel.id.subscription = subscription;
        while ground.deliver(parcel.clone()).await.is_err() {
            arrivals.rung().await;
        }
    }
}

/// A connection that answers `steps` packets and breaks before the last answer, or once everything was pushed.
async fn connection(ground: &Ground, qos: u8, steps: u64, taken: &mut Taken, done: &mut watch::Receiver<bool>) {
    let (mut receiver, connack) = ground.receiver(Wishes { keeps: true, ..Wishes::default() }).await;
    if connack[0] == 0 {
        receiver.listen(qos).await;
    }
    for step in 0..steps {
        let packet = async {
            let first = receiver.client.stream.read_u8().await.unwrap();
            let mut body = vec![0; receiver.client.stream.read_u8().await.unwrap().into()];
            receiver.client.stream.read_exact(&mut body).await.unwrap();
            (first, body)
        };
        let (first, body) = tokio::select! {
            biased;
            packet = packet => packet,
            _ = done.wait_for(|done| *done) => break,
        };
        let answer = match first >> 4 {
            3 => {
                let (id, said) = read(&receiver.topic, false, &body);
                if qos == 1 || taken.held.insert(id) {
                    taken.take(said);
                }
                Some((if qos == 1 { 0x40 } else { 0x50 }, id.to_be_bytes()))
            }
            6 => {
                taken.held.remove(&u16::from_be_bytes([body[0], body[1]]));
                Some((0x70, [body[0], body[1]]))
            }
            other => panic!("packet type {other}"),
        };
        if let Some((first, id)) = answer.filter(|_| step + 1 < steps) {
            receiver.client.send(first, &id).await;
        }
    }
    receiver.client.hang_up().await;
}

async fn run(qos: u8, seed: u64) -> Taken {
    let ground = Ground::new().await;
    let kind = SubscriptionKind::Notify(NotifyType::DeviceDatasChanged);
    let request = SubscribeRequest { kind, callback_url: String::new(), channel: Channel::Mqtt, owned_by_target: false };
    let subscription = ground.core.subscribe(&ground.scope, request).await.unwrap().id;
    let pushes = join_all((0..DEVICES).map(|device| push(&ground, subscription, device)));
    let done = watch::Sender::new(false);
    let (mut hears, mut taken, mut state) = (done.subscribe(), Taken::default(), seed);
    let application = async {
        for _ in 0..1_000 {
            if *hears.borrow() {
                return;
            }
            connection(&ground, qos, 1 + dice(&mut state) % 9, &mut taken, &mut hears).await;
        }
        panic!("seed {seed}, QoS {qos}: it does not end");
    };
    tokio::join!(application, pushes.map(|_| done.send_replace(true)));
    assert!(taken.held.is_empty(), "seed {seed}, QoS {qos}");
    taken
}

#[tokio::test]
async fn nothing_is_lost_and_the_order_of_each_device_is_kept() {
    for seed in 0..12 {
        for qos in [1, 2] {
            let taken = run(qos, seed).await;
            assert_eq!(taken.by_device.len() as u64, DEVICES, "seed {seed}, QoS {qos}");
            for (device, mut said) in taken.by_device {
                if qos == 1 {
                    said.dedup();
                }
                assert_eq!(said, (0..EACH).collect::<Vec<_>>(), "seed {seed}, QoS {qos}, device {device}");
            }
        }
    }
}
