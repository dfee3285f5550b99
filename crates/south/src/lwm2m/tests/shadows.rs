//! Desired values (1.4.8): delivered at once or when the device comes, only what differs, told once.

use super::*;

fn delivered(events: &[EventBody]) -> Vec<(Json, bool)> {
    let one = |body: &EventBody| match body {
        EventBody::DesiredDelivered { properties, delivered, .. } => {
            Some((serde_json::from_str(properties).unwrap(), *delivered))
        }
        _ => None,
    };
    events.iter().filter_map(one).collect()
}

#[tokio::test]
async fn desired_values_go_out_at_once_and_refusals_are_told() {
    let mut ground = Ground::new(1).await;
    let sim = ground.running("m-1").await;
    ground.done_to(sim);
    ground.desire(sim, json!({"zone": "UTC"})).await;
    ground.run_s(5).await;
    assert_eq!(ground.sims[sim].device.lwm2m().get(&ZONE), Some(&Value::Text("UTC".into())));
    ground.desire(sim, json!({"maker": "other"})).await;
    ground.run_s(5).await;
    let told = delivered(&ground.events(sim).await);
    assert_eq!(told, [(json!({"zone": "UTC"}), true), (json!({"maker": "other"}), false)]);
    ground.done_to(sim);
    // Neither is tried again.
    ground.tell(sim, SimDevice::update);
    ground.run_s(5).await;
    assert_eq!(ground.done_to(sim), []);
    assert_eq!(delivered(&ground.events(sim).await).len(), 2);
}

#[tokio::test]
async fn a_sleeper_gets_only_what_differs_when_it_wakes() {
    let mut ground = Ground::new(2).await;
    let id = ground.known("m-1").await.id;
    let client = Client::new("m-1", Version::V1_1).sleepy();
    let sim = ground.join(SimDevice::new(client, 1).secured(key_of("m-1")), true, id);
    ground.tell(sim, |device, now| device.set(now, ZONE, Value::Text("UTC".into())));
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    ground.sims[sim].device.sleep();
    ground.run_s(100).await;
    ground.done_to(sim);
    // It reported its zone already; the offset is set twice, and the last one counts.
    ground.desire(sim, json!({"zone": "UTC", "offset": "+01:00"})).await;
    ground.desire(sim, json!({"offset": "+02:00"})).await;
    ground.run_s(100).await;
    assert_eq!(delivered(&ground.events(sim).await), []);
    ground.tell(sim, SimDevice::wake);
    ground.tell(sim, SimDevice::update);
    ground.run_s(5).await;
    let done = ground.done_to(sim);
    assert_eq!(done.len(), 1, "{done:?}");
    assert_eq!(done[0].0, "3/0/14");
    assert!(done[0].1.contains("+02:00"), "{done:?}");
    let told = delivered(&ground.events(sim).await);
    // What did not differ was there already, so it counts as delivered too.
    assert_eq!(told, [(json!({"offset": "+02:00"}), true), (json!({"zone": "UTC"}), true)]);
}

#[tokio::test]
async fn what_was_not_answered_is_tried_when_the_device_is_heard() {
    let mut ground = Ground::new(3).await;
    let sim = ground.running("m-1").await;
    ground.sims[sim].device.sleep();
    ground.desire(sim, json!({"zone": "UTC"})).await;
    ground.run_s(300).await;
    assert_eq!(delivered(&ground.events(sim).await), []);
    ground.tell(sim, SimDevice::wake);
    ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(30.0)));
    ground.run_s(10).await;
    assert_eq!(ground.sims[sim].device.lwm2m().get(&ZONE), Some(&Value::Text("UTC".into())));
    assert_eq!(delivered(&ground.events(sim).await), [(json!({"zone": "UTC"}), true)]);
}

#[tokio::test]
async fn values_for_a_device_that_never_came_wait_for_its_registration() {
    let mut ground = Ground::new(4).await;
    let sim = ground.meter("m-1").await;
    ground.desire(sim, json!({"zone": "UTC"})).await;
    let command = ground.submit(sim, "REBOOT", json!({}), None).await;
    ground.tell(sim, SimDevice::register);
    ground.run_s(10).await;
    assert_eq!(delivered(&ground.events(sim).await), [(json!({"zone": "UTC"}), true)]);
    assert_eq!(ground.states(&[command]).await, [CommandState::Successful]);
    let paths: Vec<String> = ground.done_to(sim).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["3/0/15", "3/0/4"], "what is desired goes before commands");
}
