//! Subscriptions: verified when they are made, told of what they asked for, durably.

use super::{Client, inner, node, refusal, rsc, start};
use crate::wire::{
    api,
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

/// A subscription that is told of what changed alone, of a few attributes, so many times, together; and of its own end.
#[test]
fn subscriptions_say_how_they_are_told() {
    let server = start();
    let client = Client::start(&server, "manners");
    client.create("", 3, json!({"m2m:cnt": {"rn": "c"}}));
    let receivers = [(); 3].map(|()| Receiver::start());
    let [limits, counted, together] = &receivers;
    let subscribe = |name: &str, url: &str, more: Value| {
        let mut all = json!({"rn": name, "nu": [url]});
        more.as_object().unwrap().iter().for_each(|(name, value)| all[name] = value.clone());
        client.create("/c", 23, json!({"m2m:sub": all}))
    };
    subscribe("l", &limits.url, json!({"nct": 2, "enc": {"net": [1], "atr": ["mni"]}}));
    subscribe("t", &together.url, json!({"enc": {"net": [3]}, "bn": {"num": 3, "dur": "PT10M"}}));
    // A subscription is a child too.
    let one = subscribe("n", &counted.url, json!({"enc": {"net": [3]}, "exc": 1, "su": counted.url}));
    for con in ["a", "b"] {
        client.create("/c", 4, json!({"m2m:cin": {"con": con}}));
    }
    for change in [json!({"lbl": ["x"]}), json!({"mni": 1})] {
        assert_eq!(client.send("PUT", "/c", None, Some(json!({"m2m:cnt": change}))).status, 200);
    }
    let shown = client.read("/c");
    let told = until("the limit", || Some(notices(limits)).filter(|told| !told.is_empty()));
    let expected = json!({"mni": 1, "cni": 1, "cbs": 1, "st": 4, "lt": shown["lt"]});
    assert_eq!((told.len(), &told[0]["nev"]["rep"]["m2m:cnt"]), (1, &expected), "{told:?}");
    let told = until("both", || Some(notices(counted)).filter(|told| told.len() == 2));
    let (over, last): (Vec<&Value>, Vec<&Value>) = told.iter().partition(|one| one["sud"] == true);
    assert_eq!((over.len(), &last[0]["nev"]["rep"]["m2m:cin"]["con"]), (1, &json!("a")));
    assert!(over[0]["sur"].as_str().unwrap().ends_with(one["ri"].as_str().unwrap()));
    assert_eq!(client.get("/c/n").status, 404);
    let told = until("all three", || together.confirmed().into_iter().find(|push| !push.body["m2m:agn"].is_null()));
    let told = told.body["m2m:agn"]["m2m:sgn"].as_array().unwrap();
    assert_eq!((told.len(), &told[0]["nev"]["rep"]["m2m:sub"]["rn"]), (3, &json!("n")));
    let contents: Vec<&Value> = told[1..].iter().map(|one| &one["nev"]["rep"]["m2m:cin"]["con"]).collect();
    assert_eq!(contents, ["a", "b"]);
}

#[test]
fn requests_that_expired_are_not_done() {
    let server = start();
    let client = Client::start(&server, "late");
    let body = || Some(json!({"m2m:cnt": {"rn": "c"}}).to_string().into_bytes());
    for (header, status, code) in [
        (("X-M2M-RET", "-1"), 504, 4008),
        (("X-M2M-RST", "20200101T000000"), 504, 4008),
        (("X-M2M-OET", "60000"), 501, 5001),
        (("X-M2M-RET", "soon"), 400, 4000),
    ] {
        let refused = client.send_with("POST", "", Some(3), body(), &[header]);
        assert_eq!((refused.status, rsc(&refused)), (status, code), "{header:?}");
    }
    assert_eq!(client.get("/c").status, 404);
    assert_eq!(client.send_with("POST", "", Some(3), body(), &[("X-M2M-RET", "60000")]).status, 201);
}

/// The main way of Device-to-Cloud applications: an entity with an address and headers, a group that names it, and what its devices do.
#[test]
fn applications_of_device_groups_are_called() {
    let server = start();
    let client = Client::start(&server, "hooks");
    let receiver = Receiver::start();
    let app = json!({"m2m:ae": {
        "rn": "hook", "api": "Nhook", "lbl": ["type:d2c", "d2c:1.0", "EndpointType:WebHook"], "poa": [receiver.url],
        "poah": ["Authorization: Bearer of:app", "X-Room: 12"]
    }});
    client.create("", 2, app);
    client.provision(&[node("n")]);
    let group = json!({"cnd": "com.telekom.iot.orchestrator.deviceGroup", "rn": "g", "nds": ["n"], "aes": ["hook"]});
    let group = client.create("/device-group", 28, json!({ "dtiot:devGr": group }));
    let failed = client.provision(&[node("n")]);
    assert_eq!(failed["resSs"], 2, "an error of the device");
    let told = until("the error", || Some(notices(&receiver)).filter(|told| told.len() == 1));
    let (error, at) = (&told[0]["nev"]["rep"]["m2m:cin"], client.read("/device-communication/n/error-msg/la"));
    assert_eq!((&told[0]["nev"]["net"], &error["con"], &error["ri"]), (&json!(3), &at["con"], &at["ri"]));
    let entity = api::text(&client.read("/hook"), "ri");
    let sur = format!("/hooks/device-communication/n/error-msg/{}-{entity}", api::text(&group, "ri"));
    assert_eq!(told[0]["sur"], sur);
    let push = receiver.pushes().remove(0);
    assert_eq!((push.header("authorization"), push.header("x-room"), push.header("x-m2m-rvi")), ("Bearer of:app", "12", "4"));
    assert_eq!(client.call("PUT", "/n", Some(json!({"m2m:nod": {"lbl": ["d2c:1.0", "profile:SCS-LwM2M"]}}))).status, 200);
    let told = until("the change", || Some(notices(&receiver)).filter(|told| told.len() == 2));
    assert_eq!((&told[1]["nev"]["net"], &told[1]["nev"]["rep"]["m2m:nod"]), (&json!(1), &client.read("/n")));
    // What waits goes to the address of now.
    receiver.answer(503);
    assert_eq!(client.call("DELETE", "/n", None).status, 200);
    let second = Receiver::start();
    assert_eq!(client.send("PUT", "/hook", None, Some(json!({"m2m:ae": {"poa": [second.url]}}))).status, 200);
    let told = until("the deletion", || Some(notices(&second)).filter(|told| told.len() == 1));
    assert_eq!((&told[0]["nev"]["net"], &told[0]["nev"]["rep"]["m2m:nod"]["rn"]), (&json!(2), &json!("n")));
}
