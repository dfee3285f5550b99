//! What applications observe at nodes (D2C): from the registration on and while it lasts, at devices that hear, sleep, and come back to
//! another run.

use super::{node::temperature, *};
use landfall_coap::Retransmit;
use landfall_model::MessageBox;
use landfall_testkit::network::Conditions;

const CREATE_SUBSCRIPTION: &str = "Internal server error: device-provisioning unable to create device subscription.";

#[tokio::test]
async fn applications_observe_from_the_registration_on() {
    let mut ground = Ground::new(4).await;
    let sim = ground.node("n-1", None).await;
    ground.want(sim, &["/3303/0/5700", "/3/0/9", "/3304/0/5700"]).await;
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    assert_eq!(ground.changed(sim), ["+/3303/0/5700", "+/3/0/9"], "it has no 3304");
    ground.temperature(sim, 22.0).await;
    ground.tell(sim, |device, now| device.set(now, Path::resource(3, 0, 9), Value::Integer(80)));
    ground.run_s(5).await;
    let battery = |percent: u8| json!([{"bn": "/3/0/", "n": "9", "v": percent}]);
    assert_eq!(ground.received(sim).await, [temperature(21.5), battery(100), temperature(22.0), battery(80)]);
    let envelope = &ground.contents(sim, MessageBox::Received).await[0];
    assert_eq!((&envelope["nodeResourceName"], &envelope["nodeID"]), (&json!("node-n-1"), &json!("n-1")));
    assert_eq!(ground.reports(sim).await, [], "without a product there are no services");
}

#[tokio::test]
async fn observations_come_and_go_while_a_node_is_registered() {
    let mut ground = Ground::new(5).await;
    let sim = ground.running_node("n-1").await;
    let steps: [(&[&str], &[&str]); 6] = [
        (&["/3303/0/5700"], &["+/3303/0/5700"]),
        (&["/4/0/2", "/3303/0/5700"], &["+/4/0/2"]),
        (&["/4/0/2"], &["-/3303/0/5700"]),
        (&["/4/0/2", "/3303/0"], &["+/3303/0"]),
        (&["/3303/0", "/3303/0/5700", "/4/0/2"], &[]),
        (&[], &["-/4/0/2", "-/3303/0"]),
    ];
    for (wanted, changed) in steps {
        ground.want(sim, wanted).await;
        ground.run_s(5).await;
        let mut seen = ground.changed(sim);
        seen.sort();
        let mut changed = changed.to_vec();
        changed.sort_unstable();
        assert_eq!(seen, changed, "{wanted:?}");
        let before = ground.received(sim).await.len();
        ground.temperature(sim, before as f64 + 100.0).await;
        let observed = wanted.iter().any(|path| path.starts_with("/3303"));
        assert_eq!(ground.received(sim).await.len() - before, usize::from(observed), "{wanted:?}");
    }
    // An update knows the same observations, so it begins none.
    ground.want(sim, &["/3303/0/5700"]).await;
    ground.run_s(5).await;
    ground.changed(sim);
    ground.tell(sim, SimDevice::update);
    ground.run_s(5).await;
    assert_eq!(ground.changed(sim), [""; 0]);
    ground.temperature(sim, 50.0).await;
    assert_eq!(ground.received(sim).await.last(), Some(&temperature(50.0)));
    let refused = |one: &Happened| matches!(one, Happened::NotNotified(_));
    assert!(!ground.happened(sim).iter().any(refused));
}

#[tokio::test]
async fn an_observation_that_cannot_be_is_told() {
    let mut ground = Ground::new(6).await;
    let sim = ground.running_node("n-1").await;
    ground.want(sim, &["/3/0/9", "/3303/0/9999"]).await;
    ground.run_s(5).await;
    assert_eq!(ground.faults(sim).await, [(CREATE_SUBSCRIPTION.to_owned(), "/3303/0/9999".to_owned())]);
    assert_eq!(ground.numbers(sim).await, [100.0], "the others are begun");
}

#[tokio::test]
async fn a_sleeper_is_observed_when_it_wakes() {
    let mut ground = Ground::new(7).await;
    let sim = ground.node("n-1", None).await;
    let sleepy = SimDevice::new(Client::new("n-1", Version::V1_1).sleepy(), 9).secured(key_of("n-1"));
    ground.sims[sim].device = sleepy;
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    ground.sims[sim].device.sleep();
    ground.run_s(100).await;
    ground.sims[sim].device.take_served();
    for wanted in [&["/4/0/2"][..], &["/4/0/2", "/3303/0/5700"], &["/3303/0/5700"]] {
        ground.want(sim, wanted).await;
        ground.run_s(300).await;
    }
    assert_eq!(ground.changed(sim), [""; 0]);
    ground.tell(sim, SimDevice::wake);
    ground.tell(sim, SimDevice::update);
    ground.run_s(10).await;
    assert_eq!(ground.changed(sim), ["+/3303/0/5700"]);
    assert_eq!(ground.received(sim).await, [temperature(21.5)]);
    assert_eq!(ground.faults(sim).await, []);
}

#[tokio::test]
async fn what_changes_around_a_restart_is_made_good() {
    for orderly in [true, false] {
        let mut ground = Ground::new(8).await;
        let sim = ground.running_node("n-1").await;
        ground.want(sim, &["/3303/0/5700", "/4/0/2"]).await;
        ground.tell(sim, SimDevice::register);
        ground.run_s(5).await;
        ground.changed(sim);
        ground.restart(orderly).await;
        ground.temperature(sim, 30.0).await;
        assert_eq!((ground.changed(sim), ground.numbers(sim).await.last()), (vec![], Some(&30.0)), "{orderly}");
        // Changed before the restart could act on it.
        ground.want(sim, &["/3303/0/5700", "/3/0/9"]).await;
        ground.restart(orderly).await;
        ground.temperature(sim, 31.0).await;
        let mut changed = ground.changed(sim);
        // What was begun and ended since the registration is so once more.
        changed.sort();
        changed.dedup();
        assert_eq!(changed, ["+/3/0/9", "-/4/0/2"], "{orderly}");
        // Ended, and the device was not told: its next notification is refused, and that ends it.
        ground.network.set(Conditions { loss_percent: 100, ..Conditions::default() });
        ground.want(sim, &["/3/0/9"]).await;
        ground.run_s(1).await;
        ground.restart(orderly).await;
        ground.network.set(Conditions::default());
        ground.happened(sim);
        let before = ground.numbers(sim).await.len();
        ground.temperature(sim, 32.0).await;
        ground.temperature(sim, 33.0).await;
        let refused = ground.happened(sim).iter().filter(|one| matches!(one, Happened::NotNotified(_))).count();
        let numbers = ground.numbers(sim).await;
        assert_eq!((refused, numbers[before..].contains(&32.0)), (1, false), "{orderly}: {numbers:?}");
    }
}

#[tokio::test]
async fn a_wish_that_comes_during_a_registration_or_update_is_not_lost() {
    let mut ground = Ground::new(9).await;
    let sim = ground.node("n-1", None).await;
    for verb in [SimDevice::register, SimDevice::update, SimDevice::register] {
        ground.want(sim, &[]).await;
        ground.run_s(5).await;
        ground.changed(sim);
        ground.tell(sim, verb);
        for _ in 0..5 {
            ground.held = Some(vec![]);
            ground.run_s(1).await;
            for ask in ground.held.take().unwrap() {
                let reads_wishes = matches!(ask, Ask::Register(_) | Ask::Renew(_));
                let answer = answer(Arc::clone(&ground.shared), ask).await;
                // Wished and seen to where that is possible, before the hub hears of what was read earlier.
                if reads_wishes {
                    ground.want(sim, &["/3303/0/5700"]).await;
                    ground.settle().await;
                }
                ground.hub.answered(ground.moment(), answer);
            }
        }
        ground.run_s(5).await;
        ground.temperature(sim, 40.0).await;
        ground.temperature(sim, 21.5).await;
        assert_eq!(ground.changed(sim).last().map(String::as_str), Some("+/3303/0/5700"));
        assert_eq!(ground.received(sim).await.last(), Some(&temperature(21.5)));
    }
    assert_eq!(ground.numbers(sim).await.iter().filter(|number| **number == 40.0).count(), 3);
}

#[tokio::test]
async fn an_old_state_is_no_news_after_a_change_of_wishes() {
    let mut ground = Ground::new(15).await;
    let sim = ground.node("n-1", None).await;
    ground.sims[sim].device = SimDevice::new(Client::new("n-1", Version::V1_1), 1).unconfirmed().secured(key_of("n-1"));
    ground.want(sim, &["/3303/0/5700"]).await;
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    for (value, delay_ms) in [(30.0, 20_000), (31.0, 10)] {
        ground.network.set(Conditions { delay_ms: delay_ms..=delay_ms, ..Conditions::default() });
        ground.temperature(sim, value).await;
    }
    ground.want(sim, &["/3/0/9", "/3303/0/5700"]).await;
    ground.run_s(60).await;
    assert_eq!(ground.numbers(sim).await, [21.5, 31.0, 100.0]);
}

#[tokio::test]
async fn a_lossy_network_loses_no_message() {
    for seed in 20..24 {
        let mut ground = Ground::new(seed).await;
        let sim = ground.node("n-1", None).await;
        let patient = Retransmit { max_retransmit: 7, ack_timeout: Duration::from_millis(500), ..Retransmit::default() };
        let device = SimDevice::new(Client::new("n-1", Version::V1_1), seed).retransmitting(patient).secured(key_of("n-1"));
        ground.sims[sim].device = device;
        ground.shuffle = (seed % 2 == 0).then(|| Seeded::new(seed));
        ground.network.set(Conditions { loss_percent: 20, duplicate_percent: 20, delay_ms: 5..=900 });
        ground.tell(sim, SimDevice::register);
        ground.run_s(200).await;
        assert_eq!(ground.info(sim).await["loc"], "geo:54.32,10.13", "seed {seed}");
        ground.want(sim, &["/3303/0/5700"]).await;
        ground.run_s(100).await;
        let mut expected = vec![21.5];
        for n in 0..30 {
            let value = 100.0 + f64::from(n);
            expected.push(value);
            ground.temperature(sim, value).await;
        }
        ground.run_s(400).await;
        assert_eq!(ground.sims[sim].device.unsettled(), 0, "seed {seed}");
        assert_eq!(ground.numbers(sim).await, expected, "seed {seed}");
        ground.want(sim, &[]).await;
        ground.run_s(100).await;
        ground.temperature(sim, 1.0).await;
        ground.run_s(100).await;
        assert_eq!(ground.numbers(sim).await, expected, "seed {seed}");
        assert_eq!(ground.faults(sim).await, [], "seed {seed}");
    }
}
