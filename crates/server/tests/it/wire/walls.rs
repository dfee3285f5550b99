//! Walls between accounts: every northbound and admin operation, tried by one account on what another one owns.

use super::{
    api::{self, App, admin, send, text},
    server::Server,
};
use landfall_north::oceanconnect::OPERATIONS;
use serde_json::{Value, json};

/// What one account owns, and the words that must never leave it.
struct Side<'a> {
    app: App<'a>,
    product: String,
    device: String,
    subscription: String,
    command: String,
    task: String,
    batch: String,
    provisioning: String,
    group: String,
    job: String,
    account_id: String,
    account_token: String,
}

fn side<'a>(server: &'a Server, name: &str) -> Side<'a> {
    let made = admin(server, "POST", "/accounts", Some(json!({"name": name})));
    assert_eq!(made.status, 201, "{}", made.text);
    // Commands wait for a device that is not there.
    let mut model = api::thermometer_model();
    model["protocolType"] = "LWM2M".into();
    let product = api::example(server, name, &model.to_string());
    let app = App::create(server, name, "app");
    let (device, _) = app.register(&format!("node-of-{name}"), &product);
    let subscription = app.subscribe("deviceAdded", &format!("http://127.0.0.1:9/{name}"));
    let body = json!({"deviceId": device, "command": {"serviceId": "Switch", "method": "SET", "paras": {"value": 1}}});
    let command = text(&app.call("POST", "/iocm/app/cmd/v1.4.0/deviceCommands", Some(body)).json(), "commandId");
    // The task is about another device, so that the command stays pending.
    let (other, _) = app.register(&format!("other-node-of-{name}"), &product);
    let revoked = app.call("POST", "/iocm/app/cmd/v1.4.0/deviceCommandCancelTasks", Some(json!({"deviceId": other})));
    let task = text(&revoked.json(), "taskId");
    let order = json!({"serviceId": "Switch", "method": "SET", "paras": {"value": 1}});
    let param = json!({"type": "DeviceList", "deviceList": [other], "command": order});
    let body =
        json!({"appId": app.id, "timeout": 10, "taskName": format!("batch-of-{name}"), "taskType": "DeviceCmd", "param": param});
    let batch = text(&app.call("POST", "/iocm/app/batchtask/v1.1.0/tasks", Some(body)).json(), "taskID");
    let (provisioning, job) = provisioning(server, name, &app.id);
    let group = json!({"name": format!("groupOf{name}"), "deviceIds": [device]});
    let group = text(&app.call("POST", "/iocm/app/devgroup/v1.3.0/devGroups", Some(group)).json(), "id");
    let (account_id, account_token) = (text(&made.json(), "accountId"), text(&made.json(), "token"));
    Side { app, product, device, subscription, command, task, batch, provisioning, group, job, account_id, account_token }
}

/// A provisioning request whose node lacks its keys, so that it failed, and its job.
fn provisioning(server: &Server, account: &str, app: &str) -> (String, String) {
    let originator = json!({"originator": format!("C{account}")});
    let set = admin(server, "PUT", &format!("/apps/{app}/originator?account={account}"), Some(originator));
    assert_eq!(set.status, 200, "{}", set.text);
    let node =
        json!({"ni": format!("urn:x-dtiot:dev:sn:{account}"), "noRNe": format!("node-of-{account}"), "profe": "SCS-LwM2M"});
    let request = json!({"dtiot:noPRt": {"cnd": "com.telekom.iot.orchestrator.nodeProvisioningRequest", "reqLt": [node]}});
    let made = admin(server, "POST", &format!("/provisioning?account={account}&app={app}"), Some(request));
    assert_eq!(made.status, 201, "{}", made.text);
    (text(&made.json(), "requestId"), text(&made.json(), "jobId"))
}

#[test]
fn no_northbound_operation_crosses_the_wall() {
    let server = Server::start_with(&[("LANDFALL_NORTHBOUND_CALLS_PER_MINUTE", "0")]);
    let (mine, theirs) = (side(&server, "mine"), side(&server, "theirs"));
    let (device, other_app) = (&theirs.device, &theirs.app.id);
    let call = |method: &str, path: String, body: Option<Value>| {
        let answer = mine.app.call(method, &path, body);
        let names = ["node-of-theirs".to_owned(), "groupOftheirs".to_owned()];
        let ids = [&theirs.device, &theirs.product, &theirs.subscription, &theirs.command, &theirs.task, &theirs.batch];
        for secret in ids.into_iter().chain(&names) {
            assert!(!answer.text.contains(secret.as_str()), "{method} {path}: {}", answer.text);
        }
        answer
    };
    for operation in OPERATIONS {
        for template in operation.paths {
            let path = template
                .replace("{deviceId}", device)
                .replace("{serviceId}", "Switch")
                .replace("{subscriptionId}", &theirs.subscription)
                .replace("{deviceCommandId}", &theirs.command)
                .replace("{taskId}", &theirs.batch)
                .replace("{devGroupId}", &theirs.group);
            assert!(!path.contains('{'), "{path} has a parameter that this test does not know");
            let names_theirs = template.contains('{');
            for query in
                [String::new(), format!("?appId={other_app}&deviceId={device}&gatewayId={device}&taskId={}", theirs.task)]
            {
                let body = json!({"appId": other_app, "deviceId": device, "gatewayId": device, "productId": theirs.product});
                let answer = call(&operation.method.to_uppercase(), format!("{path}{query}"), Some(body));
                let refused = answer.status >= 400 || answer.json()["error_code"].is_string();
                assert!(!names_theirs || refused, "{} {path}{query}: {answer:?}", operation.method);
            }
        }
    }
    let reg = "/iocm/app/reg";
    for foreign in [String::new(), format!("?appId={other_app}")] {
        let (q, amp) = (foreign.clone(), foreign.replace('?', "&"));
        let v1 = json!({"nodeId": format!("x{q}"), "productId": theirs.product});
        assert_eq!(call("POST", format!("{reg}/v1.1.0/deviceCredentials{q}"), Some(v1)).status, 403);
        let v2 = json!({"deviceInfo": {"nodeId": format!("y{q}")}, "mqttConnect": true, "productId": theirs.product});
        assert_eq!(call("POST", format!("{reg}/v2.0.0/deviceCredentials{q}"), Some(v2)).status, 403);
        let refused = |answer: api::Answer| assert!(answer.json()["error_code"].is_string(), "{answer:?}");
        refused(call("GET", format!("{reg}/v1.1.0/deviceCredentials/{device}{q}"), None));
        refused(call("PUT", format!("/iocm/app/dm/v1.4.0/devices/{device}{q}"), Some(json!({"name": "mine now"}))));
        refused(call("GET", format!("/iocm/app/dm/v1.4.0/devices/{device}{q}"), None));
        refused(call("DELETE", format!("/iocm/app/dm/v1.4.0/devices/{device}{q}"), None));
        refused(call("GET", format!("/iocm/app/data/v1.2.0/deviceDataHistory?deviceId={device}&gatewayId={device}{amp}"), None));
        refused(call("GET", format!("/iocm/app/sub/v1.2.0/subscriptions/{}{q}", theirs.subscription), None));
        refused(call("DELETE", format!("/iocm/app/sub/v1.2.0/subscriptions/{}{q}", theirs.subscription), None));
        let send = format!("/iocm/app/signaltrans/v1.1.0/devices/{device}/services/Switch/sendCommand{q}");
        refused(call("POST", send, Some(json!({"header": {"mode": "ACK", "method": "SET"}, "body": {"value": 1}}))));
        refused(call("PUT", format!("{reg}/v1.1.0/deviceCredentials/{device}{q}"), Some(json!({"nodeId": "mine now"}))));
        let desired = json!({"serviceDesireds": [{"serviceId": "Thermometer", "desired": {"temperature": 1}}]});
        refused(call("PUT", format!("/iocm/app/shadow/v1.5.0/devices/{device}{q}"), Some(desired)));
        refused(call("GET", format!("/iocm/app/shadow/v1.5.0/devices/{device}{q}"), None));
        let history = format!("/iocm/app/shadow/v1.5.0/deviceDesiredHistory?deviceId={device}&gatewayId={device}{amp}");
        let empty = call("GET", history, None).json();
        assert!(empty["totalCount"] == 0 || empty["error_code"].is_string(), "{empty}");
        let commands = "/iocm/app/cmd/v1.4.0/deviceCommands";
        let set = json!({"deviceId": device, "command": {"serviceId": "Switch", "method": "SET", "paras": {"value": 1}}});
        refused(call("POST", format!("{commands}{q}"), Some(set)));
        refused(call("GET", format!("{commands}?deviceId={device}{amp}"), None));
        refused(call("PUT", format!("{commands}/{}{q}", theirs.command), Some(json!({"status": "CANCELED"}))));
        call("GET", format!("{commands}{q}"), None);
        let tasks = "/iocm/app/cmd/v1.4.0/deviceCommandCancelTasks";
        refused(call("POST", format!("{tasks}{q}"), Some(json!({"deviceId": device}))));
        refused(call("GET", format!("{tasks}?deviceId={device}{amp}"), None));
        let named = call("GET", format!("{tasks}?taskId={}{amp}", theirs.task), None).json();
        assert!(named["data"] == json!([]) || named["error_code"].is_string(), "{named}");
        refused(call("GET", format!("/iocm/app/batchtask/v1.1.0/tasks/{}{q}", theirs.batch), None));
        refused(call("GET", format!("/iocm/app/batchtask/v1.1.0/taskDetails?taskId={}{amp}", theirs.batch), None));
        call("GET", format!("/iocm/app/dm/v1.4.0/devices?pageNo=0{amp}"), None);
        call("GET", format!("/iocm/app/data/v1.1.0/deviceCapabilities?deviceId={device}{amp}"), None);
        call("GET", format!("/iocm/app/data/v1.1.0/deviceCapabilities{q}"), None);
        call("GET", format!("/iocm/app/sub/v1.2.0/subscriptions{q}"), None);
    }
    for foreign in [String::new(), format!("?accessAppId={other_app}")] {
        let refused = |answer: api::Answer| assert!(answer.json()["error_code"].is_string(), "{answer:?}");
        let named = format!("/iocm/app/devgroup/v1.3.0/devGroups/{}{foreign}", theirs.group);
        refused(call("GET", named.clone(), None));
        refused(call("PUT", named.clone(), Some(json!({"name": "mine", "maxDevNum": 1}))));
        refused(call("DELETE", named, None));
        let members = format!("/iocm/app/dm/v1.2.0/devices/ids?devGroupId={}{}", theirs.group, foreign.replace('?', "&"));
        refused(call("GET", members, None));
        for verb in ["addDevGroupTagToDevices", "deleteDevGroupTagFromDevices"] {
            for (group, member) in [(&theirs.group, &mine.device), (&mine.group, device), (&theirs.group, device)] {
                let body = json!({"devGroupId": group, "deviceIds": [member]});
                refused(mine.app.call("POST", &format!("/iocm/app/dm/v1.1.0/devices/{verb}{foreign}"), Some(body)));
            }
        }
        let made = json!({"name": "more", "deviceIds": [device]});
        refused(call("POST", "/iocm/app/devgroup/v1.3.0/devGroups".into(), Some(made)));
    }
    let body = json!({"notifyType": "bindDevice", "callbackUrl": "http://127.0.0.1:9/", "appId": other_app});
    assert!(call("POST", "/iocm/app/sub/v1.2.0/subscriptions".into(), Some(body)).status >= 400);
    call("DELETE", "/iocm/app/sub/v1.2.0/subscriptions".into(), None);
    call("DELETE", format!("/iocm/app/sub/v1.2.0/subscriptions?appId={other_app}"), None);

    let shown = theirs.app.call("GET", &format!("/iocm/app/dm/v1.4.0/devices/{device}"), None);
    assert_eq!((shown.status, &shown.json()["deviceInfo"]["name"]), (200, &Value::Null), "untouched");
    assert_eq!(theirs.app.call("GET", "/iocm/app/sub/v1.2.0/subscriptions", None).json()["totalCount"], 1);
    let groups = theirs.app.call("GET", "/iocm/app/devgroup/v1.3.0/devGroups", None).json();
    assert_eq!((&groups["list"][0]["name"], &groups["list"][0]["curDevNum"]), (&json!("groupOftheirs"), &json!(1)));
    let commands = theirs.app.call("GET", "/iocm/app/cmd/v1.4.0/deviceCommands", None).json();
    let pending =
        commands["data"].as_array().unwrap().iter().filter(|one| one["deviceId"] == *device && one["status"] == "PENDING");
    assert_eq!(pending.count(), 1, "{commands}");
}

/// Every admin operation of the document, with the other account's ids in its path, called with an account's own token.
#[test]
fn no_admin_operation_crosses_the_wall() {
    let server = Server::start();
    let (mine, theirs) = (side(&server, "mine"), side(&server, "theirs"));
    let bearer = format!("Bearer {}", mine.account_token);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let operations = landfall_testkit::contract::Contract::parse(include_str!("../../../../../spec/admin/openapi.yaml")).unwrap();
    let before = theirs.app.call("GET", &format!("/iocm/app/dm/v1.4.0/devices/{}", theirs.device), None).text;
    let user = json!({"name": "ann", "role": "admin", "password": "long enough"});
    assert_eq!(admin(&server, "POST", "/users?account=theirs", Some(user)).status, 201);
    let mut tried = 0;
    for operation in operations.operations() {
        let path = operation
            .template
            .replace("{account}", &theirs.account_id)
            .replace("{app}", &theirs.app.id)
            .replace("{other}", &mine.app.id)
            .replace("{product}", &theirs.product)
            .replace("{device}", &theirs.device)
            .replace("{subscription}", &theirs.subscription)
            .replace("{command}", &theirs.command)
            .replace("{request}", &theirs.provisioning)
            .replace("{group}", &theirs.group)
            .replace("{job}", &theirs.job)
            .replace("{user}", "ann")
            .replace("{version}", "1");
        assert!(!path.contains('{'), "{path} has a parameter that this test does not know");
        let path = if path.starts_with("/api/v1") { path } else { format!("/api/v1{path}") };
        for query in [String::new(), format!("?account={}", theirs.account_id), "?account=theirs".to_owned()] {
            let answer = send(&server, &operation.method, &format!("{path}{query}"), &headers, Some(b"{}"));
            let secrets = [&theirs.app.id, &theirs.device, &theirs.product, &theirs.subscription, &theirs.account_id];
            for secret in secrets.into_iter().chain([&theirs.task, &theirs.provisioning, &theirs.job]) {
                assert!(!answer.text.contains(secret.as_str()), "{} {path}{query}: {}", operation.method, answer.text);
            }
            let names_theirs = operation.template.contains('{');
            assert!(!names_theirs || answer.status >= 400, "{} {path}{query}: {answer:?}", operation.method);
        }
        tried += 1;
    }
    assert!(tried > 20, "{tried} operations");
    // With a body that is right: it is the wall that stops it.
    let read = br#"{"operation":"read","path":"/3/0/0"}"#;
    let manage = |side: &Side<'_>| send(&server, "POST", &format!("/api/v1/devices/{}/lwm2m", side.device), &headers, Some(read));
    assert_eq!((manage(&theirs).status, manage(&theirs).json()["error"]["cause"].clone()), (404, json!("DeviceNotFound")));
    assert_eq!((manage(&mine).status, manage(&mine).json()["error"]["cause"].clone()), (503, json!("DeviceOffline")));
    assert_eq!(theirs.app.call("GET", &format!("/iocm/app/dm/v1.4.0/devices/{}", theirs.device), None).text, before);
    for query in ["?account=theirs", "?tenant=management"] {
        assert!(send(&server, "GET", &format!("/api/v1/users{query}"), &headers, None).status >= 400);
    }
    assert_eq!(admin(&server, "GET", "/users/ann?account=theirs", None).status, 200);
    let stranger = send(&server, "GET", "/api/v1/devices", &[("Authorization", "Bearer wrong")], None);
    assert_eq!(stranger.status, 401);
}
