//! The AgentLite wire interface (device-side sections 3, 4 and 8) over both of its ports: every result that a call can have, and the unbinding.

use super::{
    api::{self, App, admin, text},
    device::{Device, STAMP, Via, password},
    doors::device_call,
    server::Server,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rumqttc::SubscribeReasonCode;
use serde_json::{Value, json};

/// A gateway that has bound.
struct Gateway<'a> {
    server: &'a Server,
    id: String,
    secret: String,
}

impl<'a> Gateway<'a> {
    /// Registers by verification code, which is the nodeId, and binds.
    fn bind(app: &App<'a>, node_id: &str) -> Self {
        register(app, node_id, json!({"timeout": 0}));
        let (status, body) = bind(app.server, node_id, node_id);
        assert_eq!((status, &body["result"], text(&body, "appId")), (200, &json!(0), app.id.clone()));
        let ports = (body["iocmPort"].as_u64(), body["mqttPort"].as_u64());
        assert_eq!(ports, (Some(app.server.port("bind").into()), Some(app.server.port("mqtts").into())));
        assert_eq!((text(&body, "iocmAddr"), text(&body, "mqttAddr")), ("localhost".into(), "localhost".into()));
        Self { server: app.server, id: text(&body, "deviceId"), secret: text(&body, "deviceSecret") }
    }

    fn login(&self) -> Device {
        Device::login(self.server, &self.id, &self.secret)
    }

    /// A call of its own; gives the status and the result.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let pair = format!("{}_0_0_{STAMP}:{}", self.id, password(&self.secret));
        call_as(self.server, &pair, method, path, body)
    }

    fn add(&self, node_id: &str) -> (u16, Value) {
        let keys = json!({"nodeId": node_id, "manufacturerId": "acme", "deviceType": "Thermometer", "model": "T1", "protocolType": "MQTT"});
        self.call("POST", &format!("{}/children", self.id), Some(&keys))
    }
}

fn call_as(server: &Server, pair: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let header = format!("Authorization: Basic {}\r\n", STANDARD.encode(pair));
    device_call(server, "127.0.0.1", ("", &header), &format!("{method} /iota/device/v1/devices/{path}"), body)
}

fn register(app: &App<'_>, node_id: &str, more: Value) -> String {
    let mut body = json!({"nodeId": node_id, "verifyCode": node_id});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = app.call("POST", "/iocm/app/reg/v1.1.0/deviceCredentials", Some(body));
    text(&made.json(), "deviceId")
}

fn bind(server: &Server, node_id: &str, code: &str) -> (u16, Value) {
    let body = json!({"verifyCode": code, "deviceInfo": {"nodeId": node_id, "manufacturerId": "acme", "deviceType": "Thermometer",
        "model": "T1", "protocolType": "MQTT"}});
    device_call(server, "127.0.0.1", ("", ""), "POST /iota/device/v1/bind", Some(&body))
}

/// Status, result and code of an answer.
fn result((status, body): &(u16, Value)) -> (u16, u64, &str) {
    (*status, body["result"].as_u64().unwrap_or(99), body["errorCode"].as_str().unwrap_or_default())
}

#[test]
fn every_call_has_its_results() {
    let server = Server::start();
    let account = api::account(&server, "agents");
    api::thermometer(&server, &account);
    let app = App::create(&server, &account, "app");
    let elsewhere = api::account(&server, "elsewhere");
    let stranger = Gateway::bind(&App::create(&server, &elsewhere, "app"), "stranger");

    // Bind: 0 is seen below.
    register(&app, "spent", json!({"timeout": 60}));
    assert_eq!(result(&bind(&server, "nobody", "nobody")), (404, 1, ""));
    assert_eq!(result(&bind(&server, "spent", "wrong")), (404, 1, ""));
    assert_eq!(result(&bind(&server, "spent", "spent")), (200, 0, ""));
    assert_eq!(result(&bind(&server, "spent", "spent")), (410, 2, ""));
    let odd = device_call(&server, "127.0.0.1", ("", ""), "POST /iota/device/v1/bind", Some(&json!({"verifyCode": "x"})));
    assert_eq!(result(&odd), (400, 255, "InvalidField"));

    let gateway = Gateway::bind(&app, "gateway");
    let shown = app.call("GET", &format!("/iocm/app/dm/v1.4.0/devices/{}", gateway.id), None).json();
    assert_eq!(shown["deviceInfo"]["manufacturerName"], "Acme", "the product it says it is of");
    let mut link = gateway.login();
    link.listen();

    // Adding: 0, 1, 255.
    let added = gateway.add("child");
    assert_eq!(result(&added), (201, 0, ""));
    let child = text(&added.1, "deviceId");
    let twice = gateway.add("child");
    assert_eq!((result(&twice), text(&twice.1, "deviceId")), ((409, 1, ""), child.clone()));
    let foreign = gateway.add("stranger");
    assert_eq!((result(&foreign), &foreign.1["deviceId"]), ((409, 1, ""), &Value::Null), "whose it is stays unsaid");
    let unknown =
        json!({"nodeId": "c", "manufacturerId": "acme", "deviceType": "Thermometer", "model": "T2", "protocolType": "MQTT"});
    let children = format!("{}/children", gateway.id);
    assert_eq!(result(&gateway.call("POST", &children, Some(&unknown))), (404, 255, "ProductNotFound"));
    assert_eq!(result(&gateway.call("POST", &children, Some(&json!({})))), (400, 255, "InvalidField"));
    let not_its_own = gateway.call("POST", &format!("{}/children", stranger.id), Some(&json!({"nodeId": "c"})));
    assert_eq!(result(&not_its_own), (403, 255, "Forbidden"));

    // Status: 0, 2, 255; also without a connection, and of itself.
    let status = |gateway: &Gateway<'_>, id: &str, status: &str, detail: &str| {
        result(&gateway.call("PUT", &format!("{id}/status"), Some(&json!({"status": status, "statusDetail": detail})))).0
    };
    for detail in ["NONE", "CONFIGURATION_PENDING"] {
        assert_eq!(status(&gateway, &child, "ONLINE", detail), 200, "{detail}");
    }
    for detail in
        ["COMMUNICATION_ERROR", "CONFIGURATION_ERROR", "BRIDGE_OFFLINE", "FIRMWARE_UPDATING", "DUTY_CYCLE", "NOT_ACTIVE"]
    {
        assert_eq!(status(&gateway, &child, "OFFLINE", detail), 200, "{detail}");
    }
    let shown = app.call("GET", &format!("/iocm/app/dm/v1.4.0/devices/{child}"), None).json();
    assert_eq!((&shown["deviceInfo"]["status"], &shown["deviceInfo"]["statusDetail"]), (&json!("OFFLINE"), &json!("NOT_ACTIVE")));
    assert_eq!(status(&gateway, &child, "ASLEEP", "NONE"), 400);
    for other in [&stranger.id, "00000000-0000-4000-8000-000000000000", "none"] {
        assert_eq!(status(&gateway, other, "ONLINE", "NONE"), 404, "{other}");
    }

    // A report for the child, and one in each form of a service's own topic.
    let data = |id: &str| format!("/huawei/v1/devices/{id}/data/json");
    link.publish(
        &data(&child),
        &json!({"msgType": "deviceReq", "data": [{"serviceId": "Battery", "serviceData": {"batteryLevel": 7}}]}),
    );
    link.publish(&format!("/huawei/v1/devices/{child}/services/Battery"), &json!({"batteryLevel": 8}));
    link.publish(&format!("/huawei/v1/devices/{child}/free"), &json!({"batteryLevel": 9}));
    let path = format!("/iocm/app/data/v1.2.0/deviceDataHistory?deviceId={child}&gatewayId={}&pageSize=10", gateway.id);
    let history = app.call("GET", &path, None).json();
    assert_eq!(history["totalCount"], 2, "another free topic is refused: {history}");

    // Removal: 0, 2; not of itself.
    assert_eq!(result(&gateway.call("DELETE", &child, None)), (200, 0, ""));
    assert_eq!(result(&gateway.call("DELETE", &child, None)), (404, 2, ""));
    assert_eq!(result(&gateway.call("DELETE", &gateway.id, None)), (404, 2, ""));
    assert_eq!(result(&stranger.call("DELETE", &gateway.id, None)), (404, 2, ""));

    // Whoever is not who they say: 401, also where no Basic is.
    let wrong = format!("{}_0_0_{STAMP}:{}", gateway.id, password("guess"));
    let path = format!("{}/children", gateway.id);
    assert_eq!(result(&call_as(&server, &wrong, "POST", &path, Some(&json!({"nodeId": "c"})))), (401, 255, "Unauthenticated"));
    let bare = device_call(&server, "127.0.0.1", ("", ""), &format!("DELETE /iota/device/v1/devices/{child}"), None);
    assert_eq!(result(&bare), (401, 255, "Unauthenticated"));
    link.close();
}

#[test]
fn an_unbound_device_is_told_and_not_let_in_again() {
    let server = Server::start();
    let account = api::account(&server, "unbound");
    api::thermometer(&server, &account);
    let app = App::create(&server, &account, "app");
    let gateway = Gateway::bind(&app, "gateway");
    let (first, second) = (text(&gateway.add("c1").1, "deviceId"), text(&gateway.add("c2").1, "deviceId"));
    let mut link = gateway.login();
    link.listen();
    let topic = |id: &str| format!("/huawei/v1/devices/{id}/command/json");
    assert_ne!(link.subscribe(&topic(&first)), SubscribeReasonCode::Failure);

    // Of a child its gateway is told, and stays.
    let delete = |id: &str| app.call("DELETE", &format!("/iocm/app/dm/v1.4.0/devices/{id}"), None).status;
    assert_eq!(delete(&first), 204);
    let (at, message) = link.told();
    assert_eq!((at, &message["serviceId"], &message["cmd"]), (topic(&first), &json!("$agent"), &json!("UNBIND")));
    assert_eq!(link.subscribe(&topic(&first)), SubscribeReasonCode::Failure);
    assert_eq!(result(&gateway.call("PUT", &format!("{first}/status"), Some(&json!({"status": "ONLINE"})))), (404, 2, ""));
    link.report(&json!({"msgType": "deviceReq", "data": [{"serviceId": "Battery", "serviceData": {"batteryLevel": 5}}]}));

    // The gateway itself, with what is behind it.
    let removed = admin(&server, "DELETE", &format!("/devices/{}?account={account}&cascade=true", gateway.id), None);
    assert_eq!(removed.status, 204, "{}", removed.text);
    let (at, message) = link.told();
    assert_eq!((at, &message["cmd"], &message["paras"]), (topic(&gateway.id), &json!("UNBIND"), &json!({})));
    link.ended();
    let client_id = format!("{}_0_0_{STAMP}", gateway.id);
    let again = Device::connect(&server, Via::Tls, &gateway.id, &client_id, &password(&gateway.secret), true);
    assert!(again.is_err_and(|why| why.contains("NotAuthorized")));
    let status = gateway.call("PUT", &format!("{second}/status"), Some(&json!({"status": "ONLINE"})));
    assert_eq!(result(&status), (401, 255, "Unauthenticated"));
    assert_eq!(result(&bind(&server, "gateway", "gateway")), (404, 1, ""));
}
