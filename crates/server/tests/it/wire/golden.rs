//! The exact bytes of one good and each bad answer of every OceanConnect operation, and the proof that none is missing.

use super::{
    api::{self, Answer, App, CONTRACT, SEEN, admin, check},
    device::Device,
    server::{Server, until},
};
use landfall_north::oceanconnect::OPERATIONS;
use landfall_testkit::golden::{self, Bindings, Request, Response};
use serde_json::json;
use std::{collections::BTreeSet, path::Path};

#[test]
fn golden_answers() {
    let server = Server::start_with(&[("LANDFALL_NORTHBOUND_CALLS_PER_MINUTE", "0"), ("LANDFALL_LIMITS_GROUPS", "5")]);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../north/src/oceanconnect/golden");
    let mut faults = vec![];
    for (n, path) in golden::files(&dir).unwrap().into_iter().enumerate() {
        let (mut bindings, _online) = fixture(&server, n);
        if path.file_stem().is_some_and(|name| name == "get_batch_task" || name == "list_batch_task_details") {
            settle_batch(&server, &mut bindings);
        }
        let sent = |request: Request| {
            let headers: Vec<(&str, &str)> = request.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let answer = api::send(&server, &request.method, &request.path, &headers, Some(&request.body));
            let bare = request.path.split('?').next().unwrap_or_default();
            if CONTRACT.operation(&request.method, bare).is_some_and(|operation| is_here(&operation.id)) {
                check(&request.method, &request.path, &answer);
            }
            response(answer)
        };
        if let Err(fault) = golden::run_file(&path, &mut bindings, sent) {
            faults.push(fault);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    let seen: BTreeSet<String> = SEEN.lock().unwrap().iter().map(|(operation, _, _)| operation.clone()).collect();
    for operation in OPERATIONS {
        assert!(seen.contains(operation.id), "no golden file calls {}", operation.id);
    }
}

fn is_here(id: &str) -> bool {
    OPERATIONS.iter().any(|operation| operation.id == id)
}

/// The variables every golden file may use, in an account of its own, and a device that is online as long as it is held.
fn fixture(server: &Server, n: usize) -> (Bindings, Device) {
    let account = api::account(server, &format!("golden-{n}"));
    let foreign = api::account(server, &format!("golden-{n}-foreign"));
    let product = api::thermometer(server, &account);
    let foreign_product = api::thermometer(server, &foreign);
    let app = App::create(server, &account, "app");
    let (other, stranger) = (App::create(server, &account, "other"), App::create(server, &account, "stranger"));
    let foreign_app = App::create(server, &foreign, "foreign");
    let path = format!("/apps/{}/authorized/{}?account={account}", other.id, app.id);
    let authorized = admin(server, "PUT", &path, Some(json!({})));
    assert!(authorized.status < 300, "{}", authorized.text);
    let (device, _) = app.register(&format!("golden-{n}-1"), &product);
    let (foreign_device, _) = foreign_app.register(&format!("golden-{n}-2"), &foreign_product);
    let lwm2m = api::example(server, &account, include_str!("../../../../../docs/examples/lwm2m-sensor.json"));
    let (active, secret) = app.register(&format!("golden-{n}-3"), &product);
    Device::login(server, &active, &secret).close();
    until("the device to be offline", || (api::status(server, &account, &active) == "OFFLINE").then_some(()));
    let (online_id, secret) = app.register(&format!("golden-{n}-4"), &product);
    let online = Device::login(server, &online_id, &secret);
    until("the device to be online", || (api::status(server, &account, &online_id) == "ONLINE").then_some(()));
    let mut bindings = Bindings::default();
    for (name, value) in [
        ("appId", &app.id),
        ("secret", &app.secret),
        ("token", &app.token),
        ("otherAppId", &other.id),
        ("strangerAppId", &stranger.id),
        ("foreignAppId", &foreign_app.id),
        ("productId", &product),
        ("lwm2mProductId", &lwm2m),
        ("activeDeviceId", &active),
        ("onlineDeviceId", &online_id),
        ("onlineNodeId", &format!("golden-{n}-4")),
        ("deviceId", &device),
        ("nodeId", &format!("golden-{n}-1")),
        ("foreignDeviceId", &foreign_device),
        ("callbackUrl", &"http://127.0.0.1:9/callback".to_owned()),
    ] {
        bindings.set(name, value);
    }
    (bindings, online)
}

/// A batch over a device that does not come and an id that is none, once it can change no more.
fn settle_batch(server: &Server, bindings: &mut Bindings) {
    let headers = bindings.fill("{{appId}} Bearer {{token}}").unwrap();
    let (app_key, token) = headers.split_once(' ').unwrap();
    let headers = [("app_key", app_key), ("Authorization", token), ("Content-Type", "application/json")];
    let call = |method: &str, path: &str, body: &str| {
        let answer = api::send(server, method, path, &headers, Some(body.as_bytes()));
        check(method, path, &answer);
        answer.json()
    };
    let device = bindings.fill(r#"{"nodeId":"batch-of-{{appId}}","productId":"{{lwm2mProductId}}","timeout":0}"#).unwrap();
    let device = api::text(&call("POST", "/iocm/app/reg/v1.1.0/deviceCredentials", &device), "deviceId");
    bindings.set("batchDeviceId", &device);
    let task = r#"{"appId":"{{appId}}","timeout":1000,"taskName":"settled","taskType":"DeviceCmd","tags":[{"tagName":"site","tagValue":"plant 7"}],
        "param":{"type":"DeviceList","deviceList":["{{batchDeviceId}}","nobody"],"command":{"serviceId":"Device","method":"REBOOT"},
        "callbackUrl":"{{callbackUrl}}","maxRetransmit":1,"groupTag":"west"}}"#;
    let task = api::text(&call("POST", "/iocm/app/batchtask/v1.1.0/tasks", &bindings.fill(task).unwrap()), "taskID");
    let details = format!("/iocm/app/batchtask/v1.1.0/taskDetails?taskId={task}");
    let command = until("both sub-tasks to be begun", || {
        let found = call("GET", &details, "");
        let begun = found["taskDetails"].as_array()?.iter().all(|one| one["status"] != "Pending");
        begun.then(|| found["taskDetails"][0]["param"]["commandId"].as_str().map(str::to_owned)).flatten()
    });
    bindings.set("batchTaskId", &task);
    bindings.set("batchCommandId", &command);
}

fn response(answer: Answer) -> Response {
    Response { status: answer.status, headers: answer.headers, body: answer.text.into_bytes() }
}
