//! Applications that lose the right to another one's devices are told no more, and the other one sees who was told.

use super::{
    api::{self, App, admin},
    device::Device,
    receiver::Receiver,
    server::{Server, until},
};
use serde_json::{Value, json};

const SUBSCRIPTIONS: &str = "/iocm/app/sub/v1.2.0/subscriptions";

fn measured(value: u64) -> Value {
    json!({"msgType": "deviceReq", "data": [{"serviceId": "Thermometer", "serviceData": {"temperature": value}}]})
}

fn values(receiver: &Receiver) -> Vec<u64> {
    receiver.confirmed().iter().filter_map(|push| push.body["service"]["data"]["temperature"].as_u64()).collect()
}

#[test]
fn pushes_end_with_the_authorisation_and_go_on_with_a_new_one() {
    let server = Server::start();
    let account = api::account(&server, "standing");
    let product = api::thermometer(&server, &account);
    let (granting, guest) = (App::create(&server, &account, "granting"), App::create(&server, &account, "guest"));
    let (own, others) = (Receiver::start(), Receiver::start());
    granting.subscribe("deviceDataChanged", &own.url);
    let authorized = format!("/apps/{}/authorized/{}?account={account}", granting.id, guest.id);
    let authorize = |method: &str| assert_eq!(admin(&server, method, &authorized, Some(json!({}))).status, 200);
    authorize("PUT");
    let body = json!({"notifyType": "deviceDataChanged", "callbackUrl": others.url, "appId": granting.id});
    let made = guest.call("POST", SUBSCRIPTIONS, Some(body));
    assert_eq!(made.status, 201, "{}", made.text);
    let id = api::text(&made.json(), "subscriptionId");
    let (device, secret) = granting.register("n", &product);
    let mut device = Device::login(&server, &device, &secret);
    let mut report = |value| {
        device.report(&measured(value));
        until("the owner's own push", || values(&own).contains(&value).then_some(()));
    };
    report(1);
    until("the guest's", || (values(&others) == [1]).then_some(()));

    let path = format!("/subscriptions/{id}?account={account}");
    let delivery = || admin(&server, "GET", &path, None).json()["delivery"].clone();
    let suspended = |withheld: u64, reason: &str| {
        let shown = until("what was withheld", || Some(delivery()).filter(|shown| shown["withheld"] == withheld));
        assert!(shown["state"].as_str().unwrap().starts_with(&format!("suspended: {reason}")), "{shown}");
    };
    authorize("DELETE");
    report(2);
    suspended(1, "the authorisation of the application guest by granting was withdrawn");
    let replay = format!("/subscriptions/{id}/replay?account={account}");
    let answer = admin(&server, "POST", &replay, Some(json!({"from": "2020-01-01T00:00:00Z"})));
    assert_eq!(answer.status, 403, "{}", answer.text);
    authorize("PUT");
    report(3);
    until("new ones again", || (values(&others) == [1, 3]).then_some(()));

    let freeze = |frozen: bool| {
        let changed = admin(&server, "PATCH", &format!("/apps/{}?account={account}", guest.id), Some(json!({"frozen": frozen})));
        assert_eq!(changed.status, 200, "{}", changed.text);
    };
    freeze(true);
    report(4);
    suspended(2, "the application guest is frozen");
    freeze(false);
    report(5);
    until("thawed", || (values(&others) == [1, 3, 5]).then_some(()));
    let (ok, out, _) = server.cli(&["subscription", "list", "--account", &account, "--app", "granting"]);
    assert!(ok && out.contains(&id), "{out}");

    let listed = granting.call("GET", SUBSCRIPTIONS, None).json();
    assert_eq!(listed["totalCount"], 2, "{listed}");
    assert_eq!(granting.call("DELETE", &format!("{SUBSCRIPTIONS}/{id}"), None).status, 204);
    report(6);
    assert_eq!(admin(&server, "GET", &path, None).status, 404);
    assert_eq!(values(&others), [1, 3, 5]);
}
