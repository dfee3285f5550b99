//! MQTT access with a foreign client: who gets in, who does not, and why.

use super::{
    api::{self, App, admin},
    device::{Device, STAMP, Via, password},
    server::{Server, until},
};
use serde_json::json;

#[test]
fn every_refusal_has_its_code_and_its_reason() {
    let server = Server::start();
    let account = api::account(&server, "mqtt");
    let product = api::thermometer(&server, &account);
    let app = App::create(&server, &account, "app");
    let (id, secret) = app.register("urn:imei:1_2", &product);
    let good = password(&secret);
    let unknown = "00000000-0000-4000-8000-000000000000";
    let cases = [
        (id.as_str(), format!("{id}_0_0_{STAMP}"), good.as_str(), None),
        ("urn:imei:1_2", format!("urn:imei:1_2_2_0_{STAMP}"), &good, None),
        (&id, format!("{id}_0_0_{STAMP}"), "0000", Some("BadUserNamePassword")),
        (&id, format!("{id}_0_1_{STAMP}"), &good, Some("BadUserNamePassword")),
        (&id, format!("{id}_0_0"), &good, Some("BadClientId")),
        ("other", format!("{id}_0_0_{STAMP}"), &good, Some("BadClientId")),
        (unknown, format!("{unknown}_0_0_{STAMP}"), &good, Some("BadClientId")),
    ];
    for (user, client_id, password, refused) in cases {
        match (Device::connect(&server, Via::Tcp, user, &client_id, password, true), refused) {
            (Ok(device), None) => device.close(),
            (Err(error), Some(code)) => assert!(error.contains(code), "{client_id}: {error}, expected {code}"),
            (other, expected) => panic!("{client_id}: {:?}, expected {expected:?}", other.err()),
        }
    }
    let why = admin(&server, "GET", &format!("/devices/{id}/why?account={account}"), None);
    let checks = why.json()["items"].as_array().map(Vec::len).unwrap_or_default();
    assert!(checks >= 2, "{}", why.text);
    assert!(!why.text.contains(&secret) && !why.text.contains(&good), "a secret is shown");
    app.call("DELETE", &format!("/iocm/app/dm/v1.4.0/devices/{id}"), None);
    let deleted = Device::connect(&server, Via::Tcp, &id, &format!("{id}_0_0_{STAMP}"), &good, true).err().unwrap_or_default();
    assert!(deleted.contains("NotAuthorized"), "{deleted}");
}

#[test]
fn a_device_registered_without_mqtt_connect_logs_in_with_its_secret() {
    let server = Server::start();
    let account = api::account(&server, "no-mqtt-connect");
    let product = api::thermometer(&server, &account);
    let app = App::create(&server, &account, "app");
    for (n, given) in [json!("s3cr3t"), json!(null)].into_iter().enumerate() {
        let body = json!({"deviceInfo": {"nodeId": format!("n{n}")}, "productId": product, "secret": given});
        let made = app.call("POST", "/iocm/app/reg/v2.0.0/deviceCredentials", Some(body)).json();
        let (id, secret) = (made["deviceId"].as_str().unwrap(), made["secret"].as_str().unwrap_or_default());
        assert!(given.is_null() || given == secret, "{made}");
        Device::login(&server, id, secret).close();
    }
}

#[test]
fn a_second_connection_takes_over_and_the_device_stays_online() {
    let server = Server::start();
    let account = api::account(&server, "take-over");
    let product = api::thermometer(&server, &account);
    let app = App::create(&server, &account, "app");
    let (id, secret) = app.register("n", &product);
    let mut first = Device::login(&server, &id, &secret);
    let mut second = Device::login(&server, &id, &secret);
    let message = json!({"msgType": "deviceReq", "data": [{"serviceId": "Battery", "serviceData": {"batteryLevel": 7}}]});
    assert!(!first.try_report(&message), "the first connection is closed");
    second.report(&message);
    let shown = app.call("GET", &format!("/iocm/app/dm/v1.4.0/devices/{id}"), None).json();
    assert_eq!(shown["deviceInfo"]["status"], "ONLINE");
    assert_eq!(shown["services"][0]["data"], json!({"batteryLevel": 7}));
}

#[test]
fn what_does_not_fit_the_model_is_not_stored_and_the_reason_can_be_read() {
    let server = Server::start();
    let account = api::account(&server, "bad-input");
    let product = api::thermometer(&server, &account);
    let app = App::create(&server, &account, "app");
    let (id, secret) = app.register("n", &product);
    let mut device = Device::login(&server, &id, &secret);
    device.report(&json!({"msgType": "deviceReq", "data": [{"serviceId": "Nope", "serviceData": {}}]}));
    device.report(&json!({"msgType": "deviceReq", "data": [{"serviceId": "Battery", "serviceData": {"batteryLevel": 101}}]}));
    device.report(&json!({"msgType": "deviceReq", "data": [{"serviceId": "Battery", "serviceData": {"batteryLevel": 100}}]}));
    assert_eq!(app.history(&id, 10)["totalCount"], 1);
    let why = admin(&server, "GET", &format!("/devices/{id}/why?account={account}"), None).text;
    assert!(why.contains("the product has no service Nope") && why.contains("batteryLevel: is above 100"), "{why}");
}

#[test]
fn a_codec_translates_binary_frames_both_ways() {
    let server = Server::start();
    let account = api::account(&server, "codec");
    let product = api::thermometer(&server, &account);
    let mut model = api::thermometer_model();
    model["format"] = json!("binary");
    let replaced = admin(&server, "PUT", &format!("/products/{product}?account={account}"), Some(model));
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    let source = "function decode(b) { return b[0] === 0xff ? {msgType: 'deviceRsp', mid: b[1], errcode: 0, body: {ok: b[2]}} :
        {msgType: 'deviceReq', data: [{serviceId: 'Battery', serviceData: {batteryLevel: b[0]}}]}; }
        function encode(c) { return [c.mid >> 8, c.mid & 255, c.paras.value]; }";
    let bad = json!({"source": source, "samples": [{"hex": "c8"}]});
    let refused = admin(&server, "POST", &format!("/products/{product}/codecs?account={account}"), Some(bad));
    assert_eq!(refused.status, 400, "200 is above the model's 100: {}", refused.text);
    let good = json!({"source": source, "samples": [{"hex": "37"}]});
    let taken = admin(&server, "POST", &format!("/products/{product}/codecs?account={account}"), Some(good));
    assert_eq!(taken.status, 201, "{}", taken.text);

    let app = App::create(&server, &account, "app");
    let (id, secret) = app.register("n", &product);
    let mut device = Device::login(&server, &id, &secret);
    device.listen_to("binary");
    device.send("binary", vec![55]);
    assert_eq!(app.history(&id, 10)["deviceDataHistoryDTOs"][0]["data"], json!({"batteryLevel": 55}));
    let call = json!({"header": {"mode": "NOACK", "method": "SET"}, "body": {"value": 9}});
    let path = format!("/iocm/app/signaltrans/v1.1.0/devices/{id}/services/Switch/sendCommand");
    assert_eq!(app.call("POST", &path, Some(call)).status, 202);
    assert_eq!(device.frame().last(), Some(&9));
    device.send("binary", vec![1, 2, 3]);
    assert_eq!(app.history(&id, 10)["totalCount"], 2);
}

#[test]
fn frames_of_a_product_without_codec_are_raw_data() {
    let server = Server::start();
    let account = api::account(&server, "raw");
    let mut model = api::thermometer_model();
    model["format"] = json!("binary");
    model["services"] = json!([{"serviceId": "RawData"}]);
    let made = admin(&server, "POST", &format!("/products?account={account}"), Some(model));
    assert_eq!(made.status, 201, "{}", made.text);
    let app = App::create(&server, &account, "app");
    let (id, secret) = app.register("n", &api::text(&made.json(), "productId"));
    let mut device = Device::login(&server, &id, &secret);
    device.listen_to("binary");
    device.send("binary", vec![0xfb, 0xff, 0]);
    let history = app.history(&id, 10);
    assert_eq!(history["deviceDataHistoryDTOs"][0]["serviceId"], "RawData");
    assert_eq!(history["deviceDataHistoryDTOs"][0]["data"], json!({"rawData": "+/8A"}));
    let capabilities = app.call("GET", &format!("/iocm/app/data/v1.1.0/deviceCapabilities?deviceId={id}"), None).text;
    assert!(
        capabilities.contains("\"propertyName\":\"rawData\"") && capabilities.contains("\"commandName\":\"RawData\""),
        "{capabilities}"
    );
    let call = json!({"header": {"mode": "NOACK", "method": "START"}, "body": {"rawData": "AQID"}});
    let path = format!("/iocm/app/signaltrans/v1.1.0/devices/{id}/services/RawData/sendCommand");
    let called = app.call("POST", &path, Some(call));
    assert_eq!(called.status, 202, "{}", called.text);
    assert_eq!(device.frame(), [1, 2, 3]);
}

#[test]
fn history_is_decoded_again_by_the_command_line() {
    let server = Server::start();
    let product = api::thermometer(&server, "default");
    let mut model = api::thermometer_model();
    model["format"] = json!("binary");
    let replaced = admin(&server, "PUT", &format!("/products/{product}"), Some(model));
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    let app = App::create(&server, "default", "app");
    let (id, secret) = app.register("n", &product);
    let mut device = Device::login(&server, &id, &secret);
    for level in [55, 200, 56] {
        device.send("binary", vec![level]);
    }
    assert_eq!(app.history(&id, 10)["totalCount"], 0, "there is no codec yet");
    let source = "function decode(b) { return {msgType: 'deviceReq', data: [{serviceId: 'Battery', serviceData: {batteryLevel: b[0]}}]}; }";
    let codec = json!({"source": source, "samples": [{"hex": "37"}]});
    assert_eq!(admin(&server, "POST", &format!("/products/{product}/codecs"), Some(codec)).status, 201);

    let run = |more: &[&str]| {
        let arguments = [&["codec", "redecode", product.as_str(), "--json"], more].concat();
        let (ok, out, error) = server.cli(&arguments);
        assert!(ok, "{arguments:?}: {error}");
        let told: serde_json::Value = serde_json::from_str(&out).unwrap();
        (
            told["devices"].clone(),
            told["frames"].clone(),
            told["changed"].clone(),
            told["failed"].clone(),
            told["firstFailure"].clone(),
        )
    };
    let counted = |changed: u64| (json!(1), json!(3), json!(changed), json!(1));
    let (devices, frames, changed, failed, failure) = run(&["--dry-run"]);
    assert_eq!((devices, frames, changed, failed), counted(2));
    assert_eq!(failure["deviceId"], json!(id));
    assert!(failure["error"].as_str().unwrap().contains("batteryLevel: is above 100"), "{failure}");
    assert_eq!(app.history(&id, 10)["totalCount"], 0);
    run(&["--device", "n", "--from", "2026-01-01T00:00:00Z"]);
    let history = app.history(&id, 10);
    assert_eq!((&history["totalCount"], &history["deviceDataHistoryDTOs"][0]["data"]), (&json!(2), &json!({"batteryLevel": 56})));
    let (devices, frames, changed, failed, _) = run(&[]);
    assert_eq!((devices, frames, changed, failed), counted(0));
}

#[test]
fn a_graceful_stop_and_a_new_start_keep_everything() {
    let mut server = Server::start();
    let account = api::account(&server, "restart");
    let product = api::thermometer(&server, &account);
    let app = App::create(&server, &account, "app");
    let (id, secret) = app.register("n", &product);
    let (app_id, app_secret, token) = (app.id.clone(), app.secret.clone(), app.token.clone());
    Device::login(&server, &id, &secret)
        .report(&json!({"msgType": "deviceReq", "data": [{"serviceId": "Battery", "serviceData": {"batteryLevel": 50}}]}));
    assert!(server.stop(), "SIGTERM ends with status 0");
    server.resume();
    let app = App { server: &server, id: app_id, secret: app_secret, token };
    assert_eq!(app.history(&id, 10)["totalCount"], 1, "the token outlives the restart, and so does the report");
    until("health", || (api::send(&server, "GET", "/ready", &[], None).status == 200).then_some(()));
}
