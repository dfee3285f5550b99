//! Batch tasks from end to end: accepted for good, followed device by device, told to their address.

use super::{
    api::{self, App, CONTRACT},
    receiver::Receiver,
    server::{Server, until},
};
use serde_json::json;

const TASKS: &str = "/iocm/app/batchtask/v1.1.0/tasks";
const DETAILS: &str = "/iocm/app/batchtask/v1.1.0/taskDetails";
const SENSOR: &str = include_str!("../../../../../docs/examples/lwm2m-sensor.json");

#[test]
fn a_batch_outlives_the_server_and_is_told_to_its_address() {
    let mut server = Server::start();
    let receiver = Receiver::start();
    let (task, devices, key, token) = {
        let account = api::account(&server, "batches");
        let product = api::example(&server, &account, SENSOR);
        let app = App::create(&server, &account, "app");
        let devices: Vec<String> = (0..3).map(|n| app.register(&format!("n{n}"), &product).0).collect();
        let command = json!({"serviceId": "Device", "method": "REBOOT"});
        let list = [&devices[..], &["nobody".to_owned()]].concat();
        let param = json!({"type": "DeviceList", "deviceList": list, "command": command, "callbackUrl": receiver.url});
        let body = json!({"appId": app.id, "timeout": 60, "taskName": "reboot", "taskType": "DeviceCmd", "param": param});
        let task = api::text(&app.call("POST", TASKS, Some(body)).json(), "taskID");
        (task, devices, app.id.clone(), format!("Bearer {}", app.token))
    };
    server.kill();
    server.resume();
    let headers = [("app_key", key.as_str()), ("Authorization", token.as_str()), ("Content-Type", "application/json")];
    let call = |method: &str, path: &str, body: &str| {
        let answer = api::send(&server, method, path, &headers, Some(body.as_bytes()));
        api::check(method, path, &answer);
        answer.json()
    };
    let of_state = |state: &str| call("GET", &format!("{DETAILS}?taskId={task}&status={state}"), "");
    let waiting = until("all to be begun", || Some(of_state("WaitResult")).filter(|found| found["totalCount"] == 3));
    for (part, device) in waiting["taskDetails"].as_array().unwrap().iter().zip(&devices) {
        assert_eq!(part["param"]["deviceId"], **device, "in the order of the list");
        let id = api::text(&part["param"], "commandId");
        let canceled = call("PUT", &format!("/iocm/app/cmd/v1.4.0/deviceCommands/{id}"), r#"{"status":"CANCELED"}"#);
        assert_eq!(canceled["status"], "CANCELED", "{canceled}");
    }
    let path = format!("{TASKS}/{task}");
    let over = until("the task to be over", || Some(call("GET", &path, "")).filter(|task| task["status"] == "Complete"));
    let counts =
        ["progress", "totalCnt", "failCnt", "completeCnt", "successCnt", "successRate"].map(|name| over[name].as_u64().unwrap());
    assert_eq!(counts, [1_000, 4, 4, 4, 0, 0], "{over}");
    let failed = of_state("Fail");
    let output = api::text(&failed["taskDetails"][0], "output");
    assert!(output.ends_with(r#""commandResult":{"resultCode":"CANCELED","resultDetail":null}}"#), "{output}");
    let told = until("a callback of each", || Some(receiver.confirmed()).filter(|pushes| pushes.len() == 3));
    for push in &told {
        assert_eq!(CONTRACT.check_push("batchTaskCommandCallback", &push.body), Ok(()));
        assert_eq!(push.body["result"]["resultCode"], "CANCELED");
        assert!(devices.iter().any(|device| push.body["deviceId"] == **device), "{}", push.body);
    }
}
