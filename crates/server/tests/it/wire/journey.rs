//! The main job, end to end: registered northbound, connected over TLS, data pushed and kept, a command answered.

use super::{
    api::{self, App, CONTRACT},
    device::Device,
    receiver::Receiver,
    server::{Server, until},
};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn an_application_and_a_device_meet() {
    meet(&Server::start());
}

#[test]
fn they_meet_over_postgresql_too() {
    match std::env::var("LANDFALL_TEST_POSTGRES") {
        Ok(url) => meet(&Server::start_with(&[("LANDFALL_STORE_URL", &url)])),
        Err(_) => eprintln!("SKIPPED: LANDFALL_TEST_POSTGRES names no PostgreSQL"),
    }
}

fn meet(server: &Server) {
    let account = api::account(server, "journey");
    let product = api::thermometer(server, &account);
    let app = App::create(server, &account, "app");
    let receiver = Receiver::start();
    for notify_type in [
        "deviceAdded",
        "bindDevice",
        "deviceInfoChanged",
        "deviceDataChanged",
        "deviceDatasChanged",
        "messageConfirm",
        "commandRsp",
        "deviceDeleted",
    ] {
        app.subscribe(notify_type, &receiver.url);
    }
    let (id, secret) = app.register("n1", &product);
    let mut device = Device::login(server, &id, &secret);
    device.listen();
    device.report(&json!({"msgType": "deviceReq", "data": [
        {"serviceId": "Thermometer", "serviceData": {"temperature": 21.5}, "eventTime": "20260101T000000Z"},
        {"serviceId": "Battery", "serviceData": {"batteryLevel": 80}}]}));
    let history = app.history(&id, 10);
    assert_eq!(history["totalCount"], 2, "{history}");

    let call = json!({"header": {"mode": "ACK", "from": "/users/1", "method": "SET", "requestId": "r1"}, "body": {"value": 4}});
    let path = format!("/iocm/app/signaltrans/v1.1.0/devices/{id}/services/Switch/sendCommand");
    let answer = app.call("POST", &path, Some(call));
    assert_eq!((answer.status, answer.json()["status"].as_str()), (202, Some("sent")), "{}", answer.text);
    let command = device.command();
    assert_eq!((command["cmd"].as_str(), &command["paras"]), (Some("SET"), &json!({"value": 4})));
    device.report(&json!({"msgType": "deviceRsp", "mid": command["mid"], "errcode": 0, "body": {"result": "ok"}}));

    until("the answer", || receiver.pushes().iter().any(|push| push.body["notifyType"] == "commandRsp").then_some(()));
    let own = Receiver::start();
    let header = json!({"mode": "NOACK", "method": "SET", "requestId": "r2", "callbackURL": own.url});
    assert_eq!(app.call("POST", &path, Some(json!({"header": header, "body": {"value": 5}}))).status, 202);
    let mid = device.command()["mid"].clone();
    device.report(&json!({"msgType": "deviceRsp", "mid": mid, "errcode": 1, "body": {}}));
    until("the end of the call", || (statuses(&own.pushes()) == ["sent", "delivered", "failed"]).then_some(()));
    let answers = || receiver.pushes().iter().filter(|push| push.body["notifyType"] == "commandRsp").count();
    until("its answer", || (answers() == 2).then_some(()));
    device.close();
    until("offline", || status(&receiver.pushes(), "OFFLINE"));
    assert_eq!(app.call("DELETE", &format!("/iocm/app/dm/v1.4.0/devices/{id}"), None).status, 204);
    until("the deletion", || receiver.pushes().iter().any(|push| push.body["notifyType"] == "deviceDeleted").then_some(()));

    let pushes = receiver.pushes();
    for push in pushes.iter().chain(&own.pushes()) {
        CONTRACT.check_notification(&push.body).unwrap_or_else(|violation| panic!("{}: {violation}", push.body));
        assert_eq!(push.body.get("deviceId").or_else(|| push.body["header"].get("deviceId")).unwrap_or(&json!(id)), &json!(id));
    }
    let mut kinds: Vec<&str> = pushes.iter().filter_map(|push| push.body["notifyType"].as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    assert_eq!(statuses(&pushes), ["sent", "delivered", "executed"]);
    let of_type = |kind: &'static str| pushes.iter().filter(move |push| push.body["notifyType"] == kind);
    let answers: Vec<_> =
        of_type("commandRsp").map(|push| (&push.body["header"]["requestId"], &push.body["header"]["method"])).collect();
    assert_eq!(
        answers,
        [(&json!("r1"), &json!("SET-RSP")), (&json!("r2"), &json!("SET-RSP"))],
        "also of a call with an address of its own"
    );
    let data = of_type("deviceDataChanged").chain(of_type("deviceDatasChanged"));
    let request_ids: BTreeSet<_> = data.map(|push| push.body["requestId"].as_str()).collect();
    assert_eq!((request_ids.len(), request_ids.contains(&None)), (3, false), "each push has its own: {request_ids:?}");
}

/// What a receiver was told of how calls went, in order.
fn statuses(pushes: &[super::receiver::Push]) -> Vec<String> {
    let confirmations = pushes.iter().filter(|push| push.body["notifyType"] == "messageConfirm");
    confirmations.filter_map(|push| push.body["header"]["status"].as_str()).map(str::to_owned).collect()
}

fn status(pushes: &[super::receiver::Push], wanted: &str) -> Option<()> {
    pushes.iter().any(|push| push.body["deviceInfo"]["status"] == wanted).then_some(())
}
