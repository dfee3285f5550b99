//! The command line against a running server, as an operator uses it.

use super::{
    api::{admin, send},
    server::{Server, until},
};
use landfall_testkit::contract::Contract;
use serde_json::Value;

fn json(server: &Server, arguments: &[&str]) -> Value {
    let (ok, out, error) = server.cli(arguments);
    assert!(ok, "{arguments:?}: {error}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{arguments:?} printed {out}: {e}"))
}

#[test]
fn the_command_line_does_the_operators_work() {
    let server = Server::start();
    let app = json(&server, &["app", "create", "meters", "--json"]);
    assert!(app["appId"].is_string() && app["secret"].is_string(), "{app}");
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.json");
    std::fs::write(&model, super::api::thermometer_model().to_string()).unwrap();
    let product = json(&server, &["product", "import", model.to_str().unwrap(), "--json"]);
    assert!(product["productId"].is_string(), "{product}");

    let id = product["productId"].as_str().unwrap();
    assert_eq!(json(&server, &["product", "show", id, "--json"])["claims"], true);
    assert_eq!(json(&server, &["product", "set", id, "--claims", "false", "--json"])["claims"], false);
    let again = json(&server, &["product", "import", model.to_str().unwrap(), "--replace", "--json"]);
    assert_eq!(
        (&again["action"], &json(&server, &["product", "show", id, "--json"])["claims"]),
        (&"unchanged".into(), &false.into())
    );
    let clashes = json(&server, &["device", "clashes", "--json"]);
    assert_eq!(clashes, serde_json::json!({"total": 0, "items": []}));

    let (ok, table, error) = server.cli(&["app", "list"]);
    assert!(ok && table.contains("meters"), "{table}{error}");
    let (ok, _, error) = server.cli(&["product", "import", model.to_str().unwrap()]);
    assert!(!ok && error.contains("ProductExists"), "{error}");
    let (ok, _, error) = server.cli(&["device", "show", "00000000-0000-4000-8000-000000000000"]);
    assert!(!ok && error.contains("DeviceNotFound"), "{error}");
    let (ok, script, _) = server.cli(&["completions", "bash"]);
    assert!(ok && script.contains("landfall"));
    let status = json(&server, &["status", "--json"]);
    assert!(status.is_object(), "{status}");
}

/// A list, a check that finds what is wrong, the failed nodes put right and asked for again.
#[test]
fn operators_provision_lists_of_nodes() {
    let server = Server::start();
    let app = json(&server, &["app", "create", "meters", "--json"]);
    let dir = tempfile::tempdir().unwrap();
    let (list, again) = (dir.path().join("list.json"), dir.path().join("again.json"));
    let (list, again) = (list.to_str().unwrap(), again.to_str().unwrap());
    let node = |n: u32, keys: &[String]| {
        let id = format!("urn:x-dtiot:dev:sn:{n}");
        serde_json::json!({"nodeID": id, "nodeResourceName": format!("meter{n}"), "profile": "SCS-LwM2M", "nCr": keys})
    };
    let keys = |n: u32| ["psk-id:i".to_owned() + &n.to_string(), "psk:c2VjcmV0LW9mLWEtbWV0ZXI=".to_owned()];
    let mut nodes: Vec<Value> = (0..250).map(|n| node(n, &keys(n))).collect();
    nodes[120] = node(120, &keys(120)[..1]);
    nodes[240] = node(240, &keys(7));
    let body = serde_json::json!({"dtiot:noPRt": {
        "cnd": "com.telekom.iot.orchestrator.nodeProvisioningRequest", "operation": 1, "requestList": nodes
    }});
    std::fs::write(list, body.to_string()).unwrap();

    let (ok, _, error) = server.cli(&["provisioning", "submit", list]);
    assert!(!ok && error.contains("no originator"), "{error}");
    let shown = json(&server, &["app", "originator", "set", "meters", "Cmeters", "--json"]);
    assert_eq!((&shown["originator"], &shown["lastingToken"]), (&"Cmeters".into(), &false.into()));
    let token = json(&server, &["app", "originator", "token", "meters", "--json"]);
    assert!(token["token"].as_str().unwrap().starts_with(app["appId"].as_str().unwrap()), "{token}");
    let shown = json(&server, &["app", "show", "meters", "--json"]);
    assert!(shown["lastingToken"] == true && !shown.to_string().contains(token["token"].as_str().unwrap()), "{shown}");

    let (ok, table, error) = server.cli(&["provisioning", "check", list]);
    assert!(!ok && error.contains("2 of 250 nodes would fail"), "{error}");
    assert!(table.contains("psk info is missing") && table.contains("conflicting credentials for AddEndPointRequest meter240"));
    assert_eq!(json(&server, &["provisioning", "list", "--json"])["total"], 0, "a check makes nothing");
    assert_eq!(json(&server, &["device", "list", "--json"])["total"], 0);

    let (ok, done, error) = server.cli(&["provisioning", "submit", list, "--app", "meters", "--watch", "--json"]);
    assert!(!ok && error.contains("2 of 250 nodes failed"), "{error}");
    let done: Value = serde_json::from_str(&done).unwrap();
    assert_eq!((&done["state"], &done["done"], &done["failed"]), (&"finished".into(), &250.into(), &2.into()));
    assert!(done["nodesPerSecond"].as_f64().is_some_and(|pace| pace > 0.0) && done["expectedEnd"].is_null(), "{done}");
    let id = done["requestId"].as_str().unwrap();
    assert_eq!(json(&server, &["provisioning", "list", "--app", "meters", "--json"])["items"], serde_json::json!([done]));
    assert_eq!(json(&server, &["device", "list", "--json"])["total"], 248);

    let failed = json(&server, &["provisioning", "failed", id, "--json"]);
    let places: Vec<&Value> = failed["items"].as_array().unwrap().iter().map(|one| &one["place"]).collect();
    assert_eq!(places, [120, 240]);
    let (ok, _, error) = server.cli(&["provisioning", "failed", id, "--json-request", again]);
    assert!(ok, "{error}");
    let mut body: Value = serde_json::from_slice(&std::fs::read(again).unwrap()).unwrap();
    let left = &mut body["dtiot:noPRt"]["reqLt"];
    assert_eq!((left.as_array().unwrap().len(), &left[1]["nCr"]), (2, &serde_json::json!(keys(7))), "as it was asked for");
    (left[0]["nCr"], left[1]["nCr"]) = (serde_json::json!(keys(120)), serde_json::json!(keys(240)));
    std::fs::write(again, body.to_string()).unwrap();
    let (ok, table, error) = server.cli(&["provisioning", "check", again]);
    assert!(ok && table.contains("2 nodes are good"), "{table}{error}");
    let done = json(&server, &["provisioning", "submit", again, "--watch", "--json"]);
    assert_eq!(json(&server, &["device", "list", "--json"])["total"], 250);
    let (ok, _, error) = server.cli(&["provisioning", "failed", done["requestId"].as_str().unwrap(), "--json-request"]);
    assert!(!ok && error.contains("no node of this request failed"), "{error}");

    let bearer = format!("Bearer {}", server.admin_token());
    let metrics = send(&server, "GET", "/metrics", &[("Authorization", bearer.as_str())], None).text;
    for line in ["landfall_nodes_provisioned_total 250", "landfall_nodes_failed_total 2", "landfall_provisioning_requests_open 0"]
    {
        assert!(metrics.lines().any(|l| l == line), "{line} is missing in\n{metrics}");
    }
    let shown = json(&server, &["app", "originator", "clear", "meters", "--json"]);
    assert_eq!((&shown["originator"], &shown["lastingToken"]), (&Value::Null, &false.into()));
}

/// As many nodes are made as the application may have devices, wherever in the list the limit falls.
#[test]
fn provisioning_keeps_the_limit_of_devices() {
    let server = Server::start();
    json(&server, &["app", "create", "meters", "--devices", "130", "--json"]);
    json(&server, &["app", "originator", "set", "meters", "Cmeters", "--json"]);
    let node = |n: u32| {
        let keys = [format!("psk-id:i{n}"), "psk:c2VjcmV0LW9mLWEtbWV0ZXI=".to_owned()];
        serde_json::json!({"ni": format!("urn:x-dtiot:dev:sn:{n}"), "noRNe": format!("meter{n}"), "profe": "SCS-LwM2M", "nCr": keys})
    };
    let nodes: Vec<Value> = (0..250).map(node).collect();
    let cnd = "com.telekom.iot.orchestrator.nodeProvisioningRequest";
    let list = server.data().join("list.json");
    std::fs::write(&list, serde_json::json!({"dtiot:noPRt": {"cnd": cnd, "reqLt": nodes}}).to_string()).unwrap();
    for verb in [&["check"][..], &["submit", "--watch"]] {
        let (ok, _, error) = server.cli(&[&["provisioning"], verb, &[list.to_str().unwrap()]].concat());
        assert!(!ok && error.contains("120 of 250 nodes"), "{verb:?}: {error}");
    }
    assert_eq!(json(&server, &["device", "list", "--json"])["total"], 130);
}

/// Every answer about originators and provisioning is one of the document.
#[test]
fn provisioning_answers_as_its_document_says() {
    let server = Server::start();
    let document = Contract::parse(include_str!("../../../../../spec/admin/openapi.yaml")).unwrap();
    let call = |method: &str, path: &str, body: Option<Value>, status: u16| {
        let answer = admin(&server, method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        let bare = path.split('?').next().unwrap();
        let judged = document.check_answer(method, bare, status, answer.text.as_bytes());
        assert!(status >= 400 || judged.is_ok(), "{method} {path}: {}", judged.unwrap_err());
        answer.json()
    };
    let app = call("POST", "/apps", Some(serde_json::json!({"name": "meters"})), 201);
    call("POST", "/apps/meters/originator/token", None, 400);
    call("PUT", "/apps/meters/originator", Some(serde_json::json!({"originator": "meters"})), 400);
    call("PUT", "/apps/meters/originator", Some(serde_json::json!({"originator": "Cmeters"})), 200);
    call("POST", "/apps", Some(serde_json::json!({"name": "others"})), 201);
    call("PUT", "/apps/others/originator", Some(serde_json::json!({"originator": "Cmeters"})), 409);
    call("POST", "/apps/meters/originator/token", None, 200);
    call("GET", "/apps", None, 200);
    let list = |nodes: Value| {
        let cnd = "com.telekom.iot.orchestrator.nodeProvisioningRequest";
        Some(serde_json::json!({"dtiot:noPRt": {"cnd": cnd, "rn": "first", "lbl": ["l"], "reqLt": nodes}}))
    };
    let node = serde_json::json!([{"ni": "urn:x-dtiot:dev:sn:1", "noRNe": "n", "profe": "SCS-LwM2M", "nCr": ["psk-id:i"]}]);
    call("POST", "/provisioning?app=meters", list(serde_json::json!([{"ni": 1}])), 400);
    call("POST", "/provisioning", list(node.clone()), 400);
    let trial = call("POST", "/provisioning/dry-run?app=meters", list(node.clone()), 200);
    assert_eq!((&trial["good"], &trial["refused"][0]["message"]), (&0.into(), &"psk info is missing".into()));
    let made = call("POST", "/provisioning?app=meters", list(node.clone()), 201);
    assert_eq!((&made["appId"], &made["originator"]), (&app["appId"], &"Cmeters".into()));
    call("POST", "/provisioning?app=meters", list(node.clone()), 409);
    let path = format!("/provisioning/{}", made["requestId"].as_str().unwrap());
    until("the end", || Some(()).filter(|()| call("GET", &path, None, 200)["state"] == "finished"));
    assert_eq!(call("GET", "/provisioning?app=meters&pageSize=1", None, 200)["total"], 1);
    assert_eq!(call("GET", "/provisioning?app=others", None, 200)["total"], 0);
    assert_eq!(call("GET", &format!("{path}/failures"), None, 200)["items"], trial["refused"]);
    let again = call("GET", &format!("{path}/failed-request"), None, 200);
    assert_eq!(again["dtiot:noPRt"]["reqLt"], node);
    call("GET", "/provisioning/0123456789abcdef01234567", None, 404);
    call("GET", "/provisioning/none/failures", None, 404);
    call("DELETE", "/apps/meters/originator", None, 200);
}

#[test]
fn health_readiness_and_metrics_are_served() {
    let server = Server::start();
    let get = |path: &str, token: Option<&str>| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
        send(&server, "GET", path, &headers, None)
    };
    assert_eq!(get("/health", None).status, 200);
    assert_eq!(get("/ready", None).status, 200);
    assert_eq!(get("/metrics", None).status, 401);
    let metrics = get("/metrics", Some(&server.admin_token()));
    assert!(metrics.status == 200 && metrics.text.contains("landfall_devices 0"), "{}", metrics.text);
    assert!(metrics.text.contains("landfall_clock_doubted 0"), "{}", metrics.text);
    let described: Vec<&str> = metrics.text.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(described, include_str!("metrics.txt").lines().collect::<Vec<_>>(), "names, help and order stay");
    assert!(server.cli(&["clock", "accept"]).0);
    let account = super::api::account(&server, "blind");
    let rotated = admin(&server, "POST", &format!("/accounts/{account}/token"), None).json();
    assert_eq!(get("/metrics", rotated["token"].as_str()).status, 403, "an account's operator must not see the server's numbers");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start();
    let data = server.data().to_str().unwrap().to_owned();
    let (ok, _, error) = server.cli(&["serve", "--data", &data]);
    assert!(!ok && !error.is_empty(), "{error}");
    assert!(server.cli(&["status"]).0, "the first one is still found");
}

#[test]
fn configuration_is_printed_and_checked() {
    let server = Server::start();
    let (ok, text, _) = server.cli(&["config", "print"]);
    assert!(ok && text.contains("[listen]"));
    let file = server.data().join("bad.toml");
    std::fs::write(&file, "[listen]\nhtps = \"off\"\n").unwrap();
    let (ok, _, error) = server.cli(&["config", "check", "--config", file.to_str().unwrap()]);
    assert!(!ok && error.contains("htps"), "{error}");
}
