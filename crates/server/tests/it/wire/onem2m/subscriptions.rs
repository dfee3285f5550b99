//! Subscriptions: verified when they are made, told of what they asked for, durably.

use super::{Client, inner, node, refusal, rsc, start};
use crate::wire::{
    receiver::{Push, Receiver},
    server::until,
};
use serde_json::{Value, json};

fn subscription(name: &str, url: &str, kinds: &[u8]) -> Value {
    json!({"m2m:sub": {"rn": name, "nu": [url], "nct": 1, "enc": {"net": kinds}}})
}

/// Bodies of the notices of a receiver, without verifications.
fn notices(receiver: &Receiver) -> Vec<Value> {
    let is_notice = |push: &Push| push.body["m2m:sgn"]["vrq"].is_null();
    receiver.confirmed().into_iter().filter(is_notice).map(|push| push.body["m2m:sgn"].clone()).collect()
}

#[test]
fn a_subscriber_must_answer_first() {
    let server = start();
    let client = Client::start(&server, "verify");
    client.create("", 3, json!({"m2m:cnt": {"rn": "c"}}));
    let receiver = Receiver::start();
    receiver.answer(403);
    let refused = client.send("POST", "/c", Some(23), Some(subscription("s", &receiver.url, &[3])));
    assert_eq!((refused.status, rsc(&refused)), (500, 5204), "{}", refused.text);
    assert_eq!(client.get("/c/s").status, 404);
    receiver.answer(200);
    let made = client.create("/c", 23, subscription("s", &receiver.url, &[3]));
    let asked: Vec<Push> = receiver.pushes();
    assert_eq!(asked.len(), 2);
    for push in &asked {
        let sgn = &push.body["m2m:sgn"];
        assert_eq!((&sgn["vrq"], &sgn["cr"]), (&json!(true), &json!("Capp")));
        assert_eq!(push.header("x-m2m-rvi"), "4");
        assert!(!push.header("x-m2m-ri").is_empty() && !push.header("x-m2m-origin").is_empty());
    }
    let reference = asked[1].body["m2m:sgn"]["sur"].as_str().unwrap().to_owned();
    assert!(reference.ends_with(made["ri"].as_str().unwrap()), "{reference} names {made}");
    for (body, attribute) in [
        (json!({"m2m:sub": {"rn": "x"}}), "nu"),
        (json!({"m2m:sub": {"rn": "x", "nu": []}}), "nu"),
        (json!({"m2m:sub": {"rn": "x", "nu": ["nonsense"]}}), "nu"),
        (json!({"m2m:sub": {"rn": "x", "nu": [receiver.url], "nct": 9}}), "nct"),
        (json!({"m2m:sub": {"rn": "x", "nu": [receiver.url], "enc": {"net": [99]}}}), "enc"),
    ] {
        let (status, code, text) = refusal(&client.send("POST", "/c", Some(23), Some(body)));
        assert_eq!((status, code), (400, 4000), "{text}");
        assert!(text.contains(attribute), "{attribute}: {text}");
    }
}

#[test]
fn subscribers_are_told_what_they_asked_for() {
    let server = start();
    let client = Client::start(&server, "told");
    client.provision(&[node("n")]);
    client.create("", 3, json!({"m2m:cnt": {"rn": "c"}}));
    let receivers = [(); 4].map(|()| Receiver::start());
    let [children, updates, nodes, infos] = &receivers;
    client.create("/c", 23, subscription("u", &updates.url, &[1, 2]));
    client.create("/c", 23, subscription("s", &children.url, &[3, 4]));
    client.create("/n", 23, subscription("s", &nodes.url, &[1]));
    client.create("/n/device-info", 23, subscription("s", &infos.url, &[1]));
    let made = client.create("/c", 4, json!({"m2m:cin": {"con": {"value": 1}}}));
    client.send("DELETE", &format!("/c/{}", made["rn"].as_str().unwrap()), None, None);
    let told = until("both notices", || Some(notices(children)).filter(|told| told.len() == 2));
    assert_eq!((&told[0]["nev"]["net"], &told[0]["nev"]["rep"]["m2m:cin"]), (&json!(3), &made));
    assert_eq!((&told[1]["nev"]["net"], &told[1]["nev"]["rep"]["m2m:cin"]), (&json!(4), &made));
    let changed = client.send("PUT", "/c", None, Some(json!({"m2m:cnt": {"lbl": ["a:b"]}})));
    assert_eq!(client.send("DELETE", "/c", None, None).status, 200);
    let told = until("the update", || Some(notices(updates)).filter(|told| !told.is_empty()));
    let (told, changed) = (&told[0]["nev"], inner(&changed));
    assert_eq!(told["net"], 1);
    for name in ["lbl", "st", "cni", "cbs", "lt"] {
        assert_eq!(told["rep"]["m2m:cnt"][name], changed[name], "{name}");
    }
    assert_eq!(client.call("PUT", "/n", Some(json!({"m2m:nod": {"lbl": ["d2c:1.0"]}}))).status, 200);
    let told = until("the node's", || Some(notices(nodes)).filter(|told| told.len() == 1));
    assert_eq!(told[0]["nev"]["rep"]["m2m:nod"], client.read("/n"));
    assert_eq!(client.call("PUT", "/n/device-info", Some(json!({"m2m:dvi": {"man": "ACME"}}))).status, 200);
    let told = until("the information's", || Some(notices(infos)).filter(|told| told.len() == 1));
    assert_eq!(told[0]["nev"]["rep"]["m2m:dvi"], client.read("/n/device-info"));
}

/// A receiver that is down, and a server that is killed meanwhile: all notices come, in their order.
#[test]
fn notices_outlive_the_server() {
    let mut server = start();
    let receiver = Receiver::start();
    let identity = {
        let client = Client::start(&server, "durable");
        client.create("", 3, json!({"m2m:cnt": {"rn": "c"}}));
        client.create("/c", 23, subscription("s", &receiver.url, &[3]));
        receiver.answer(503);
        for n in 0..10 {
            client.create("/c", 4, json!({"m2m:cin": {"con": n}}));
        }
        client.identity()
    };
    server.kill();
    receiver.answer(200);
    server.resume();
    let client = Client::known(&server, &identity);
    client.create("/c", 4, json!({"m2m:cin": {"con": 10}}));
    let expected: Vec<u64> = (0..=10).collect();
    let told = until("all notices", || {
        let all = notices(&receiver);
        let told: Vec<u64> = all.iter().filter_map(|one| one["nev"]["rep"]["m2m:cin"]["con"].as_u64()).collect();
        (told.len() >= expected.len()).then_some(told)
    });
    assert_eq!(told, expected);
    let with_header = receiver.confirmed().into_iter().filter(|push| !push.header("x-m2m-ri").is_empty());
    assert!(with_header.count() >= 12, "the verification and each notice name themselves");
    let gone = client.send("DELETE", "/c/s", None, None);
    assert_eq!((gone.status, inner(&client.get("/c"))["cni"].clone()), (200, json!(11)));
}
