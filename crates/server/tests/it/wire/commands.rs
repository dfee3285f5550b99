//! Cached commands and the shadow from end to end: an application, its callbacks, and the operator's command line.

use super::{
    api::{self, App, CONTRACT, admin},
    receiver::Receiver,
    server::{Server, until},
};
use serde_json::{Value, json};

const COMMANDS: &str = "/iocm/app/cmd/v1.4.0/deviceCommands";
const SENSOR: &str = include_str!("../../../../../docs/examples/lwm2m-sensor.json");
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples");

fn register(app: &App, node_id: &str, product: &str) -> String {
    let body = json!({"nodeId": node_id, "productId": product, "timeout": 0, "psk": "00112233445566778899aabbccddeeff"});
    let answer = app.call("POST", "/iocm/app/reg/v1.1.0/deviceCredentials", Some(body));
    assert_eq!(answer.status, 200, "{}", answer.text);
    api::text(&answer.json(), "deviceId")
}

fn reboot(device: &str, expire_s: u32, callback: &str) -> Value {
    let command = json!({"serviceId": "Device", "method": "REBOOT", "paras": {}});
    json!({"deviceId": device, "command": command, "expireTime": expire_s, "callbackUrl": callback})
}

/// Where a command ends is told to its address, in the contract's form; what goes before it is not, as nothing was sent.
#[test]
fn the_end_of_a_command_is_pushed_to_its_own_address() {
    let server = Server::start();
    let account = api::account(&server, "commands");
    let product = api::example(&server, &account, SENSOR);
    let app = App::create(&server, &account, "app");
    let device = register(&app, "n", &product);
    let (own, subscriber) = (Receiver::start(), Receiver::start());
    app.subscribe("commandRsp", &subscriber.url);
    let submit = |expire_s| {
        let made = app.call("POST", COMMANDS, Some(reboot(&device, expire_s, &own.url)));
        assert_eq!(made.status, 201, "{}", made.text);
        api::text(&made.json(), "commandId")
    };
    let (first, second) = (submit(3600), submit(3600));
    let canceled = app.call("PUT", &format!("{COMMANDS}/{first}"), Some(json!({"status": "CANCELED"})));
    assert_eq!((canceled.status, &canceled.json()["status"]), (200, &json!("CANCELED")));
    let body = json!({"deviceId": device});
    let task = app.call("POST", "/iocm/app/cmd/v1.4.0/deviceCommandCancelTasks", Some(body)).json();
    assert_eq!((&task["totalCount"], &task["deviceCommands"][0]["commandId"]), (&json!(1), &json!(second)));

    let pushes = until("both callbacks", || Some(own.confirmed()).filter(|pushes| pushes.len() == 2));
    for (push, id) in pushes.iter().zip([&first, &second]) {
        let result = json!({"resultCode": "CANCELED", "resultDetail": null});
        assert_eq!(push.body, json!({"deviceId": device, "commandId": id, "result": result}), "in order");
        assert_eq!(CONTRACT.check_push("commandStatusCallback", &push.body), Ok(()));
    }
    assert!(subscriber.pushes().is_empty());

    for _ in 0..20 {
        submit(3600);
    }
    let limit = app.call("POST", COMMANDS, Some(reboot(&device, 3600, &own.url)));
    assert_eq!(limit.error(), (400, "100223".to_owned()));
    let listed = app.call("GET", &format!("{COMMANDS}?deviceId={device}&pageSize=5"), None).json();
    assert_eq!((&listed["pagination"]["totalSize"], listed["data"].as_array().map(Vec::len)), (&json!(22), Some(5)));
}

#[test]
fn a_command_that_nobody_fetches_expires_across_a_restart() {
    let mut server = Server::start();
    let (id, path) = {
        let account = api::account(&server, "expiry");
        let product = api::example(&server, &account, SENSOR);
        let app = App::create(&server, &account, "app");
        let device = register(&app, "n", &product);
        let made = app.call("POST", COMMANDS, Some(reboot(&device, 1, ""))).json();
        (api::text(&made, "commandId"), format!("/devices/{device}/commands?account={account}"))
    };
    server.kill();
    server.resume();
    until("the command to expire", || {
        let listed = admin(&server, "GET", &path, None).json();
        assert_eq!(api::text(&listed["items"][0], "commandId").replace('-', ""), id);
        (listed["items"][0]["state"] == "EXPIRED").then_some(())
    });
}

fn json_of(server: &Server, arguments: &[&str]) -> Value {
    let (ok, out, error) = server.cli(arguments);
    assert!(ok, "{arguments:?}: {error}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{arguments:?} printed {out}: {e}"))
}

#[test]
fn the_command_line_sends_cancels_and_desires() {
    let server = Server::start();
    let cli = |arguments: &[&str]| json_of(&server, &[arguments, &["--json"]].concat());
    cli(&["app", "create", "app"]);
    let product = cli(&["product", "import", &format!("{EXAMPLES}/lwm2m-sensor.json")]);
    let product = api::text(&product, "productId");
    let register = ["device", "register", "s1", "--access", "verifyCode", "--product", &product, "--timeout", "0"];
    let made = cli(&[&register[..], &["--psk-identity", "key-1", "--secure"]].concat());
    assert_eq!((&made["isSecure"], &made["credentials"]["pskIdentity"]), (&json!(true), &json!("key-1")));

    let sent = cli(&["command", "send", "s1", "Device", "SET_UTC_OFFSET", "utcOffset=+02:00", "--expire", "600"]);
    assert_eq!(
        (&sent["state"], &sent["paras"], &sent["expireSeconds"]),
        (&json!("PENDING"), &json!({"utcOffset": "+02:00"}), &json!(600))
    );
    let id = api::text(&sent, "commandId");
    assert_eq!(cli(&["command", "show", &id]), sent);
    assert_eq!(cli(&["command", "list", "s1"])["items"][0], sent);
    assert_eq!(cli(&["command", "cancel", &id])["state"], "CANCELED");
    let (ok, _, error) = server.cli(&["command", "cancel", &id]);
    assert!(!ok && error.contains("CommandNotPending"), "{error}");
    let (ok, _, error) = server.cli(&["command", "send", "s1", "Device", "NONE"]);
    assert!(!ok && error.contains("InvalidField"), "{error}");
    let (ok, table, _) = server.cli(&["command", "list", "s1"]);
    assert!(ok && table.contains("SET_UTC_OFFSET") && table.contains("CANCELED"), "{table}");

    let shadow = cli(&["device", "desire", "s1", "Connection", "lifetime=3600"]);
    assert_eq!(shadow, cli(&["device", "shadow", "s1"]));
    let service = &shadow["services"][0];
    assert_eq!(
        (&service["desired"], &service["open"], &service["reported"]),
        (&json!({"lifetime": 3600}), &json!(["lifetime"]), &Value::Null)
    );
    let (ok, _, error) = server.cli(&["device", "desire", "s1", "Temperature", "temperature=1"]);
    assert!(!ok && error.contains("PropertyReadOnly"), "{error}");
    assert_eq!(cli(&["device", "registration", "s1"]), Value::Null, "it never came");
    assert_eq!(cli(&["device", "show", "s1"])["registration"], Value::Null);
    assert_eq!(cli(&["product", "set", &product, "--plain-coap", "false"])["lwm2m"]["plainCoap"], false);
    let changed = cli(&["device", "set", "s1", "--psk-identity", "key-2", "--secure", "false"]);
    assert_eq!(changed["isSecure"], false);
}

#[test]
fn the_meter_of_the_examples_has_a_codec_that_works() {
    let server = Server::start();
    let cli = |arguments: &[&str]| json_of(&server, &[arguments, &["--json"]].concat());
    cli(&["app", "create", "app"]);
    let product = cli(&["product", "import", &format!("{EXAMPLES}/nbiot-meter.json")]);
    let product = api::text(&product, "productId");
    let shown = cli(&["product", "show", &product]);
    assert_eq!(shown["lwm2m"], json!({"plainCoap": false, "appData": {"uplink": "/19/0/0", "downlink": "/19/1/0"}}));
    let expected = json!({"msgType": "deviceReq", "data": [
        {"serviceId": "Water", "serviceData": {"volume": 66.051, "flow": -0.002}},
        {"serviceId": "Battery", "serviceData": {"batteryLevel": 75}}]});
    let report = format!("0000010203fffe4b={expected}");
    let answer = r#"01010203={"msgType":"deviceRsp","mid":258,"errcode":1,"body":{"result":"code 3"}}"#;
    let codec = format!("{EXAMPLES}/nbiot-meter.js");
    let uploaded = cli(&["codec", "upload", &product, &codec, "--sample", &report, "--sample", answer]);
    assert_eq!(uploaded["version"], 1, "{uploaded}");
    let path = format!("/products/{product}/codecs/1");
    assert!(admin(&server, "GET", &path, None).json()["source"].as_str().is_some_and(|source| source.contains("encode")));
}
