//! Pushes against receivers that fail: nothing is lost, nobody waits for another, operators see and replay.

use super::{
    api::{self, App, admin},
    device::Device,
    receiver::Receiver,
    server::{Server, until},
};
use serde_json::{Value, json};

fn measured(value: u64) -> Value {
    json!({"msgType": "deviceReq", "data": [{"serviceId": "Thermometer", "serviceData": {"temperature": value}}]})
}

fn values(receiver: &Receiver) -> Vec<u64> {
    receiver.confirmed().iter().filter_map(|push| push.body["service"]["data"]["temperature"].as_u64()).collect()
}

#[test]
fn a_dead_receiver_delays_nobody_and_gets_all_once_it_is_back() {
    let server = Server::start();
    let account = api::account(&server, "push");
    let product = api::thermometer(&server, &account);
    let (dead, healthy) = (Receiver::start(), Receiver::start());
    let apps = [App::create(&server, &account, "dead"), App::create(&server, &account, "healthy")];
    let dead_id = apps[0].subscribe("deviceDataChanged", &dead.url);
    apps[1].subscribe("deviceDataChanged", &healthy.url);
    dead.answer(503);
    let mut devices: Vec<Device> = apps
        .iter()
        .map(|app| {
            let (id, secret) = app.register(&format!("of-{}", app.id), &product);
            Device::login(&server, &id, &secret)
        })
        .collect();
    for value in 1..=5 {
        devices.iter_mut().for_each(|device| device.report(&measured(value)));
    }
    until("the healthy one", || (values(&healthy) == [1, 2, 3, 4, 5]).then_some(()));
    assert!(values(&dead).is_empty());

    let path = format!("/subscriptions/{dead_id}?account={account}");
    let shown = until("the failure to be shown", || {
        let shown = admin(&server, "GET", &path, None).json();
        shown["delivery"]["lastError"]["status"].as_u64().map(|status| (status, shown))
    });
    assert_eq!(shown.0, 503, "{}", shown.1);
    assert!(shown.1["delivery"]["openEvents"].as_u64().is_some_and(|open| open >= 1), "{}", shown.1);
    assert!(shown.1["delivery"]["oldestUndelivered"].is_object(), "{}", shown.1);

    dead.answer(200);
    until("the dead one is back", || (values(&dead) == [1, 2, 3, 4, 5]).then_some(()));
}

#[test]
fn a_subscription_is_replayed_from_a_time() {
    let server = Server::start();
    let account = api::account(&server, "replay");
    let product = api::thermometer(&server, &account);
    let app = App::create(&server, &account, "app");
    let receiver = Receiver::start();
    let subscription = app.subscribe("deviceDataChanged", &receiver.url);
    let (id, secret) = app.register("n", &product);
    let mut device = Device::login(&server, &id, &secret);
    (1..=3).for_each(|value| device.report(&measured(value)));
    until("the first delivery", || (values(&receiver) == [1, 2, 3]).then_some(()));
    let path = format!("/subscriptions/{subscription}/replay?account={account}");
    let answer = admin(&server, "POST", &path, Some(json!({"from": "2020-01-01T00:00:00Z"})));
    assert_eq!(answer.status, 200, "{}", answer.text);
    until("the replay", || (values(&receiver) == [1, 2, 3, 1, 2, 3]).then_some(()));
}

#[test]
fn private_callbacks_are_refused_unless_they_are_allowed() {
    let server = Server::start_with(&[("LANDFALL_PUSH_ALLOW_PRIVATE", "false")]);
    let account = api::account(&server, "private");
    let app = App::create(&server, &account, "app");
    for url in [
        "http://127.0.0.1:9/",
        "http://10.0.0.1/",
        "http://[::1]:9/",
        "http://169.254.169.254/latest",
        "ftp://a.example/",
        "nonsense",
    ] {
        let body = json!({"notifyType": "deviceAdded", "callbackUrl": url});
        let answer = app.call("POST", "/iocm/app/sub/v1.2.0/subscriptions", Some(body));
        assert_eq!(answer.error(), (400, "100222".to_owned()), "{url}");
    }
}
