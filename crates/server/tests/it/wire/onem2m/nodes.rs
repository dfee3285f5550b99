//! Nodes: labels, device information, credentials, deletion with all that belongs to a node, and devices of other dialects as nodes.

use super::{Client, KEY, inner, node, node_with, refusal, rsc, start};
use crate::wire::api;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn shown(client: &Client, name: &str) -> Value {
    inner(&client.call("GET", &format!("/{name}?ty=14&rcn=4"), None))
}

#[test]
fn labels_are_replaced_as_a_whole() {
    let server = start();
    let client = Client::start(&server, "labels");
    client.provision(&[node("n")]);
    let before = shown(&client, "n");
    let labels = json!(["LastMaintanance:12.03.2024 12:34", "d2c-uplink-property_Room:1234", "profile:SCS-LwM2M", "d2c:1.0"]);
    let put = |body: Value| client.call("PUT", "/n", Some(json!({"m2m:nod": body})));
    let answer = put(json!({"lbl": labels}));
    assert_eq!((answer.status, rsc(&answer)), (200, 2004), "{}", answer.text);
    let after = inner(&answer);
    assert_eq!((&after["lbl"], &after["ni"], &after["ri"]), (&labels, &before["ni"], &before["ri"]));
    assert_eq!((&after["m2m:crds"], &after["m2m:dvi"]), (&Value::Null, &Value::Null), "without children");
    assert!(after["lt"].as_str() >= before["lt"].as_str());
    assert_eq!(inner(&put(json!({"labels": ["d2c:1.0"]})))["lbl"], json!(["d2c:1.0"]), "nothing is added again");
    for (body, attribute) in [
        (json!({}), "lbl"),
        (json!({"lbl": "d2c:1.0"}), "lbl"),
        (json!({"lbl": [1]}), "lbl"),
        (json!({"ni": "urn:gsma:imei:other"}), "ni"),
        (json!({"lbl": [], "rn": "other"}), "rn"),
        (json!({"lbl": [], "colour": "red"}), "colour"),
    ] {
        let (status, code, text) = refusal(&put(body));
        assert_eq!((status, code), (400, 4000));
        assert!(text.starts_with(&format!("{attribute}: ")), "{text}");
    }
    let modified = inner(&client.send("PUT", "/n?rcn=9", None, Some(json!({"m2m:nod": {"lbl": ["d2c:1.0"]}}))));
    assert_eq!(BTreeSet::from_iter(modified.as_object().unwrap().keys().map(String::as_str)), ["lt"].into());
    let silent = client.send("PUT", "/n?rcn=0", None, Some(json!({"m2m:nod": {"lbl": ["d2c:1.0"]}})));
    assert_eq!((silent.status, rsc(&silent), silent.text.as_str()), (200, 2004, ""));
    let wrong_root = client.call("PUT", "/n", Some(json!({"m2m:cnt": {"lbl": []}})));
    assert_eq!((wrong_root.status, rsc(&wrong_root)), (400, 4102));
    assert_eq!(shown(&client, "n")["lbl"], json!(["d2c:1.0"]), "refusals change nothing");
    let nobody = client.call("PUT", "/nobody", Some(json!({"m2m:nod": {"lbl": []}})));
    assert_eq!((nobody.status, rsc(&nobody)), (404, 4004));
}

#[test]
fn device_information_is_merged() {
    let server = start();
    let client = Client::start(&server, "info");
    client.provision(&[node_with("n", json!({"ndvi": {"man": "ACME", "mod": "12345", "dc": "a comment"}}))]);
    let put = |body: Value| client.call("PUT", "/n/device-info", Some(json!({"m2m:dvi": body})));
    let answer = put(json!({"loc": "geo:48.861045,2.335765"}));
    assert_eq!((answer.status, rsc(&answer)), (200, 2004), "{}", answer.text);
    let info = inner(&answer);
    assert_eq!(
        (&info["man"], &info["loc"], &info["rn"]),
        (&json!("ACME"), &json!("geo:48.861045,2.335765"), &json!("device-info"))
    );
    let info = inner(&put(json!({"dc": null, "mod": "", "dlb": ["a", "b"]})));
    assert_eq!((&info["dc"], &info["mod"], &info["dlb"]), (&Value::Null, &Value::Null, &json!(["a", "b"])));
    for (body, attribute) in [
        (json!({"rn": "device-info"}), "rn"),
        (json!({"mgd": 1007}), "mgd"),
        (json!({"man": 5}), "man"),
        (json!({"ptl": "LWM2M"}), "ptl"),
        (json!({"man": "a", "colour": "red"}), "colour"),
        (json!({}), "m2m:dvi"),
    ] {
        let (status, code, text) = refusal(&put(body));
        assert_eq!((status, code), (400, 4000));
        assert!(text.starts_with(&format!("{attribute}: ")), "{text}");
    }
    assert_eq!(shown(&client, "n")["m2m:dvi"][0], info);
    let device = &client.app.call("GET", "/iocm/app/dm/v1.4.0/devices?pageNo=0", None).json()["devices"][0];
    assert_eq!(device["deviceInfo"]["location"], "geo:48.861045,2.335765", "the other dialects know it");
}

/// The way of the official client: it deletes what it changes, and makes it anew.
#[test]
fn objects_below_a_node_are_deleted_and_made_again() {
    let server = start();
    let client = Client::start(&server, "anew");
    client.provision(&[node("n"), node("other")]);
    let delete = |path: &str| {
        let answer = client.send("DELETE", path, None, None);
        (answer.status, rsc(&answer))
    };
    assert_eq!((delete("/n/device-info"), delete("/n/device-info")), ((200, 2002), (404, 4004)));
    let info = json!({"rn": "device-info", "mgd": 1007, "dty": "SIM", "dvnm": null, "ptl": ["LWM2M"], "fwv": "", "loc": null});
    let made = client.create("/n", 13, json!({"m2m:dvi": info}));
    assert_eq!((&made["dty"], &made["dvnm"], &made["ptl"]), (&json!("SIM"), &Value::Null, &json!(["LWM2M"])));
    let twice = client.send("POST", "/n", Some(13), Some(json!({"m2m:dvi": info})));
    assert_eq!(refusal(&twice), (409, 4105, "resource already exists".to_owned()));

    let credentials = |identity: &str, secret: &str| json!({"m2m:crds": {"dc": "cred", "mgd": 1029, "rn": "credentials", "crid": identity, "crse": secret}});
    let post = |body: Value| client.send("POST", "/n", Some(13), Some(body));
    assert_eq!(refusal(&post(credentials("new", KEY))).1, 4105, "there are credentials");
    assert_eq!(delete("/n/credentials"), (200, 2002));
    assert_eq!(shown(&client, "n")["m2m:crds"], Value::Null);
    let (status, code, text) = refusal(&post(credentials("new", "***")));
    assert_eq!((status, code, text.starts_with("crse: ")), (400, 4000, true), "{text}");
    assert_eq!(refusal(&post(credentials("other-id", KEY))).0, 409, "another device has this identity");
    assert_eq!(post(credentials("new", KEY)).status, 201);
    assert_eq!(shown(&client, "n")["m2m:crds"][0]["crid"], "new");
    let firmware = client.send("POST", "/n", Some(13), Some(json!({"m2m:fwr": {"mgd": 1001, "rn": "firmware"}})));
    assert!(firmware.status == 403 || firmware.status == 400, "{firmware:?}");
    let node = client.send("POST", "", Some(14), Some(json!({"m2m:nod": {"rn": "x", "ni": "urn:gsma:imei:x"}})));
    assert!(node.status >= 400, "nodes come by provisioning: {node:?}");
}

#[test]
fn a_deleted_node_takes_all_along_and_frees_its_names() {
    let server = start();
    let client = Client::start(&server, "deleted");
    let group =
        json!({"dtiot:devGr": {"cnd": "com.telekom.iot.orchestrator.deviceGroup", "rn": "g", "nds": ["n", "m"], "aes": []}});
    client.provision(&[node("n"), node("m")]);
    client.create("/device-group", 28, group);
    let first = shown(&client, "n");
    client.create("/device-communication/n/outgoing-msg", 4, json!({"m2m:cin": {"con": "GET /3"}}));
    let failed = client.provision(&[node("n")]);
    assert_eq!(failed["resSs"], 2);
    assert_eq!(client.call("GET", "/device-communication/n/error-msg/la", None).status, 200);
    let gone = client.call("DELETE", "/n", None);
    assert_eq!((gone.status, rsc(&gone), gone.text.as_str()), (200, 2002, ""));
    let paths = ["/n", "/n/device-info", "/n/credentials", "/device-communication/n", "/device-communication/n/outgoing-msg/la"];
    for path in paths {
        let answer = client.get(path);
        assert_eq!((answer.status, rsc(&answer)), (404, 4004), "{path}");
    }
    let again = client.call("DELETE", "/n", None);
    assert_eq!((again.status, rsc(&again)), (404, 4004));
    assert_eq!(client.read("/device-group/g")["nds"], json!(["m"]));
    assert_eq!(client.call("GET", "/device-provisioning/logs/la", None).status, 200, "logs are kept");
    assert_eq!(
        client.read("/device-provisioning/request?rcn=4")["dtiot:noPRt"].as_array().map(Vec::len),
        Some(2),
        "requests too"
    );

    assert_eq!(client.provision(&[node("n")])["resSs"], 1, "every name is free again");
    let second = shown(&client, "n");
    assert_ne!(second["ri"], first["ri"]);
    let (fresh, messages) = ("/device-communication/n/error-msg/la", client.read("/device-communication/n/outgoing-msg?rcn=4"));
    assert_eq!((client.call("GET", fresh, None).status, &messages["m2m:cin"]), (404, &Value::Null));
}

/// What came over another dialect is a node under its own id, and becomes one of its own when it is first changed.
#[test]
fn devices_of_other_dialects_are_nodes() {
    let server = start();
    let client = Client::start(&server, "dialects");
    let product = api::thermometer(&server, "dialects");
    let (id, _) = client.app.register("n-1", &product);
    assert_eq!(client.nodes(), std::slice::from_ref(&id));
    let before = shown(&client, &id);
    assert_eq!((&before["ni"], &before["rn"], &before["pi"]), (&json!("n-1"), &json!(id), &json!("dialects")));
    let changed = client.call("PUT", &format!("/{id}/device-info"), Some(json!({"m2m:dvi": {"loc": "geo:1.0,2.0"}})));
    assert_eq!(changed.status, 200, "{}", changed.text);
    let after = shown(&client, &id);
    assert_eq!((&after["ri"], &after["m2m:dvi"][0]["loc"]), (&before["ri"], &json!("geo:1.0,2.0")));
    let device = client.app.call("GET", &format!("/iocm/app/dm/v1.4.0/devices/{id}"), None).json();
    assert_eq!(device["deviceInfo"]["location"], "geo:1.0,2.0");
    assert_eq!(client.call("DELETE", &format!("/{id}"), None).status, 200);
    let gone = client.app.call("GET", &format!("/iocm/app/dm/v1.4.0/devices/{id}"), None);
    assert!(gone.json()["error_code"].is_string(), "{gone:?}");
}
