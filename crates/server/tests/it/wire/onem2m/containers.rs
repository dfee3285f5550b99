//! Containers and what they hold: limits, order, newest and oldest.

use super::{Client, inner, node, refusal, rsc, start};
use crate::wire::server::until;
use serde_json::{Value, json};

fn contents(client: &Client, path: &str) -> Vec<Value> {
    let shown = client.read(&format!("{path}?rcn=4&ty=4"));
    shown["m2m:cin"].as_array().into_iter().flatten().map(|instance| instance["con"].clone()).collect()
}

fn post(client: &Client, path: &str, con: Value) -> Value {
    client.create(path, 4, json!({"m2m:cin": {"con": con}}))
}

#[test]
fn a_full_container_lets_its_oldest_go() {
    let server = start();
    let client = Client::start(&server, "full");
    client.create("", 3, json!({"m2m:cnt": {"rn": "few", "mni": 3}}));
    client.create("", 3, json!({"m2m:cnt": {"rn": "small", "mbs": 10}}));
    for n in 1..=5 {
        let made = post(&client, "/few", json!(format!("v{n}")));
        assert_eq!((&made["st"], &made["cs"]), (&json!(n), &json!(2)), "{made}");
    }
    assert_eq!(contents(&client, "/few"), ["v3", "v4", "v5"]);
    let shown = client.read("/few");
    assert_eq!([&shown["cni"], &shown["cbs"], &shown["st"], &shown["mni"]], [&json!(3), &json!(6), &json!(5), &json!(3)]);
    let one = |path: &str| client.read(path)["con"].clone();
    assert_eq!((one("/few/la"), one("/few/ol")), (json!("v5"), json!("v3")));
    let deleted = client.send("DELETE", "/few/la", None, None);
    assert_eq!((deleted.status, rsc(&deleted), one("/few/la")), (200, 2002, json!("v4")));
    for method in ["PUT", "POST"] {
        let ty = (method == "POST").then_some(4);
        let refused = client.send(method, "/few/la", ty, Some(json!({"m2m:cin": {"con": "x"}})));
        assert_eq!((refused.status, rsc(&refused)), (405, 4005), "{method}");
    }

    for text in ["1234", "5678", "90"] {
        post(&client, "/small", json!(text));
    }
    assert_eq!(contents(&client, "/small"), ["1234", "5678", "90"]);
    post(&client, "/small", json!("ab"));
    assert_eq!(contents(&client, "/small"), ["5678", "90", "ab"]);
    let large = client.send("POST", "/small", Some(4), Some(json!({"m2m:cin": {"con": "12345678901"}})));
    assert_eq!((large.status, rsc(&large)), (406, 5207), "more than it may hold at all: {}", large.text);
    assert_eq!(contents(&client, "/small"), ["5678", "90", "ab"], "and nothing had to go for it");
    let empty = client.create("", 3, json!({"m2m:cnt": {"rn": "empty"}}));
    assert_eq!((&empty["cni"], &empty["cbs"]), (&json!(0), &json!(0)));
    assert_eq!(refusal(&client.get("/empty/la")), (404, 4004, "no instance for <latest>".to_owned()));
}

#[test]
fn instances_end_with_their_time() {
    let server = start();
    let client = Client::start(&server, "aging");
    client.create("", 3, json!({"m2m:cnt": {"rn": "brief", "mia": 1}}));
    post(&client, "/brief", json!({"reading": [1, 2.5, null]}));
    until("the instance to end", || (client.get("/brief/la").status == 404).then_some(()));
    post(&client, "/brief", json!("new"));
    assert_eq!(contents(&client, "/brief"), ["new"]);
}

#[test]
fn contents_are_kept_as_they_are() {
    let server = start();
    let client = Client::start(&server, "contents");
    client.create("", 3, json!({"m2m:cnt": {"rn": "c"}}));
    let cases = [
        (json!("text ä"), 7),
        (json!({"rn": 1, "con": {"ty": 4}}), r#"{"con":{"ty":4},"rn":1}"#.len()),
        (json!([1, 2]), 5),
        (json!(21.5), 4),
        (json!(true), 4),
    ];
    for (con, size) in cases {
        let made = post(&client, "/c", con.clone());
        assert_eq!((&made["con"], &made["cs"]), (&con, &json!(size)));
        let by_name = client.read(&format!("/c/{}", made["rn"].as_str().unwrap()));
        let by_id = client.read(&format!("/~/contents/{}", made["ri"].as_str().unwrap()));
        assert_eq!((&by_name, &by_id), (&made, &made));
    }
}

/// Messages that applications leave for a device are kept in the order in which they were left.
#[test]
fn messages_for_a_device_wait_in_its_container() {
    let server = start();
    let client = Client::start(&server, "waiting");
    client.provision(&[node("n")]);
    let outgoing = "/device-communication/n/outgoing-msg";
    for text in ["GET /3/0", "GET /6/0"] {
        post(&client, outgoing, json!(text));
    }
    assert_eq!(contents(&client, outgoing), ["GET /3/0", "GET /6/0"], "it never came");
    let channel = client.read("/device-communication/n?rcn=4");
    let boxes: Vec<&str> = channel["m2m:cnt"].as_array().unwrap().iter().map(|one| one["rn"].as_str().unwrap()).collect();
    assert_eq!(boxes, ["outgoing-msg", "sent-msg", "received-msg", "error-msg"]);
    for one in channel["m2m:cnt"].as_array().unwrap() {
        assert_eq!((&one["mni"], &one["mbs"]), (&json!(100), &json!(1_000_000)));
    }
    for n in 2..100 {
        post(&client, outgoing, json!(format!("GET /3/0/{n}")));
    }
    let more = client.send("POST", outgoing, Some(4), Some(json!({"m2m:cin": {"con": "GET /3/0/100"}})));
    assert_eq!((more.status, rsc(&more)), (406, 5207), "what waits is not lost for it: {}", more.text);
    let waiting = contents(&client, outgoing);
    assert_eq!((waiting.len(), &waiting[0], &waiting[99]), (100, &json!("GET /3/0"), &json!("GET /3/0/99")));
    let denied = client.send("DELETE", outgoing, None, None);
    assert_eq!((denied.status, rsc(&denied)), (405, 4005), "the platform keeps it");
    let logs = client.send("POST", "/device-provisioning/logs", Some(4), Some(json!({"m2m:cin": {"con": "x"}})));
    assert_eq!((logs.status, rsc(&logs)), (403, 4108), "only the platform writes there");
    let _ = inner(&client.get(outgoing));
}
