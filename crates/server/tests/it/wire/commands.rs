//! Cached commands and the shadow from end to end: an application, its callbacks, and the operator's command line.

use super::{
    api::{self, App, CONTRACT, admin},
    receiver::Receiver,
    server::{Server, until},
};
use landfall_testkit::Contract;
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

/// What docs/codecs.md says that it gives.
#[test]
fn the_ported_plug_in_of_the_examples_works_both_ways() {
    let server = Server::start();
    let cli = |arguments: &[&str]| json_of(&server, &[arguments, &["--json"]].concat());
    let product = cli(&["product", "create", &format!("{EXAMPLES}/smoke-detector.json")]);
    let product = api::text(&product, "productId");
    let codec = format!("{EXAMPLES}/smoke-detector.js");
    let command = r#"{"serviceId": "Smoke", "cmd": "SET_ALARM", "paras": {"value": true}, "mid": 7}"#;
    let tried =
        cli(&["codec", "try", &product, &codec, "--sample", "00073200d701", "--sample", "0200070001", "--command", command]);
    let (report, answer) = (&tried["trials"][0], &tried["trials"][1]);
    assert_eq!(report["result"]["data"][0]["serviceData"], json!({"level": 50, "temperature": 21.5, "alarm": true}));
    assert_eq!((&report["acknowledgement"], &tried["commands"][0]["hex"]), (&json!("80070000"), &json!("01000701")));
    assert_eq!(answer["result"], json!({"msgType": "deviceRsp", "mid": 7, "errcode": 0, "body": {"result": 1}}));
    cli(&["codec", "upload", &product, &codec, "--sample", "00073200d701"]);
    // Of an error, message and line.
    let (ok, shown, _) = server.cli(&["codec", "try", &product, "--sample", "ff"]);
    assert!(!ok && shown.contains("frames of kind 255 are unknown (line 33)"), "{shown}");
    let body = json!({"samples": [{"hex": "00073200d701"}], "commands": [{"serviceId": "Smoke", "cmd": "X", "paras": {}}]});
    let path = format!("/products/{product}/codecs");
    let tried = admin(&server, "POST", &format!("{path}?dryRun=true"), Some(body.clone()));
    let document = Contract::parse(include_str!("../../../../../spec/admin/openapi.yaml")).unwrap();
    document.check_answer("POST", &path, tried.status, tried.text.as_bytes()).unwrap();
    assert_eq!(
        (&tried.json()["ok"], &tried.json()["commands"][0]["error"]),
        (&json!(false), &json!("the service has no command X"))
    );
    assert_eq!(admin(&server, "POST", &path, Some(body)).status, 400, "commands are only tried");
}

/// What the admin API answers is what its document says, where a model is bound to LwM2M.
#[test]
fn the_admin_api_keeps_its_document() {
    let document = Contract::parse(include_str!("../../../../../spec/admin/openapi.yaml")).unwrap();
    let server = Server::start();
    let call = |method: &str, path: String, body: Option<Value>| {
        let answer = admin(&server, method, &path, body);
        let bare = path.split('?').next().unwrap_or_default();
        let judged = document.check_answer(method, bare, answer.status, answer.text.as_bytes());
        // Errors of this API have a form of their own, which the judge of error tables does not know.
        assert!(answer.status >= 400 || judged.is_ok(), "{method} {path}: {}", judged.unwrap_err());
        answer
    };
    call("POST", "/apps".into(), Some(json!({"name": "app"})));
    let product = call("POST", "/products".into(), Some(serde_json::from_str(SENSOR).unwrap())).json();
    let product = api::text(&product, "productId");
    let change = json!({"lwm2m": {"plainCoap": false, "appData": {"uplink": "/19/0/0"}}});
    let changed = call("PATCH", format!("/products/{product}"), Some(change)).json();
    assert_eq!(changed["lwm2m"]["appData"]["downlink"], "/19/1/0");
    call("GET", "/products".into(), None);
    let device = json!({"nodeId": "n", "access": "verifyCode", "product": product, "pskIdentity": "i"});
    let made = call("POST", "/devices".into(), Some(device)).json();
    let path = format!("/devices/{}", api::text(&made, "deviceId"));
    call("GET", format!("{path}?credentials=true"), None);
    call("PATCH", path.clone(), Some(json!({"pskIdentity": "j"})));
    let taken = json!({"nodeId": "o", "pskIdentity": "j"});
    assert_eq!(call("POST", "/devices?dryRun=true".into(), Some(taken)).status, 409);

    let queued = json!({"serviceId": "Device", "method": "REBOOT", "callbackUrl": "http://127.0.0.1:9/", "maxRetransmit": 1});
    let command = call("POST", format!("{path}/commands"), Some(queued));
    assert_eq!(command.status, 201, "{}", command.text);
    let id = api::text(&command.json(), "commandId");
    call("GET", format!("{path}/commands?after=2020-01-01T00:00:00Z"), None);
    call("GET", format!("/commands/{}", id.replace('-', "")), None);
    assert_eq!(call("POST", format!("/commands/{id}/cancel"), None).json()["state"], "CANCELED");
    assert_eq!(call("POST", format!("/commands/{id}/cancel"), None).status, 409);
    assert_eq!(call("GET", "/commands/none".into(), None).status, 404);
    let desired = json!({"services": [{"serviceId": "Connection", "desired": {"lifetime": 3600}}]});
    assert_eq!(call("PUT", format!("{path}/shadow"), Some(desired)).status, 200);
    call("GET", format!("{path}/shadow"), None);
    call("GET", "/settings".into(), None);
}
