//! The tree as a whole: discovery, result contents, addresses, application entities, access tokens, and a list of 10,000 nodes.

use super::{Client, header, inner, node, node_with, refusal, rsc, start};
use crate::wire::api;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn found(client: &Client, query: &str) -> BTreeSet<String> {
    let answer = client.get(query);
    assert_eq!((answer.status, rsc(&answer)), (200, 2000), "{query}: {}", answer.text);
    let list = answer.json()["m2m:uril"].as_array().unwrap().clone();
    let names: Vec<String> = list.iter().map(|one| one.as_str().unwrap().to_owned()).collect();
    assert!(names.is_sorted(), "{names:?}");
    names.into_iter().collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| format!("disco/{name}")).collect()
}

#[test]
fn discovery_finds_what_fits() {
    let server = start();
    let client = Client::start(&server, "disco");
    let labels = |labels: Value| json!({ "lbl": labels });
    let list =
        [node_with("a", labels(json!(["colour:red"]))), node_with("b", labels(json!(["colour:blue", "x y:z"]))), node("c")];
    client.provision(&list);
    client.create("", 3, json!({"m2m:cnt": {"rn": "red", "lbl": ["colour:red"]}}));
    client.create("/red", 3, json!({"m2m:cnt": {"rn": "deep", "lbl": ["colour:blue"]}}));
    client.create("/red/deep", 4, json!({"m2m:cin": {"con": 1, "rn": "i"}}));
    let cases: [(&str, &[&str]); 9] = [
        ("?fu=1&ty=14", &["a", "b", "c"]),
        ("?fu=1&lbl=colour:red", &["a", "red"]),
        ("?fu=1&lbl=colour:red+colour:blue", &["a", "b", "red", "red/deep"]),
        ("?fu=1&lbl=colour:red&lbl=x%20y:z", &["a", "b", "red"]),
        ("?fu=1&ty=14&lbl=colour:blue", &["b"]),
        ("?fu=1&ty=3&lbl=colour:blue", &["red/deep"]),
        ("/red?fu=1", &["red/deep", "red/deep/i"]),
        ("/red?fu=1&lvl=1", &["red/deep"]),
        ("/red?fu=1&ty=4+23", &["red/deep/i"]),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&client, query), set(expected), "{query}");
    }
    let first = client.get("?fu=1&ty=14&lim=2");
    assert_eq!((header(&first, "x-m2m-cts"), header(&first, "x-m2m-cto")), ("1", "2"), "there is more");
    let rest = found(&client, "?fu=1&ty=14&lim=2&ofst=2");
    assert_eq!(&found(&client, "?fu=1&ty=14&lim=2") | &rest, set(&["a", "b", "c"]));
    assert_eq!(rest.len(), 1);
    let ids = found(&client, "?fu=1&ty=14&drt=2");
    let by_id: BTreeSet<String> = ids
        .iter()
        .map(|id| {
            let id = id.rsplit('/').next().unwrap();
            assert_eq!(id.len(), 24);
            api::text(&client.read(&format!("/~/disco/{id}")), "rn")
        })
        .collect();
    assert_eq!(by_id, ["a", "b", "c"].map(str::to_owned).into());
    for (query, word) in [("?fu=1&colour=red", "colour"), ("?fu=1&ty=x", "ty"), ("?fu=1&lim=0", "lim"), ("?fu=1&crb=now", "crb")]
    {
        let (status, code, text) = refusal(&client.get(query));
        assert_eq!((status, code), (400, 4000), "{query}");
        assert!(text.starts_with(&format!("{word}: ")), "{text}");
    }
}

#[test]
fn what_is_asked_for_is_what_is_shown() {
    let server = start();
    let client = Client::start(&server, "contents");
    client.provision(&[node("n")]);
    let whole = client.read("/n?ty=14&rcn=4");
    let alone = client.read("/n");
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let children: BTreeSet<String> = ["m2m:crds", "m2m:dvi"].map(str::to_owned).into();
    assert_eq!(members(&whole), &members(&alone) | &children);
    assert_eq!(members(&client.read("/n?rcn=8")), children);
    let names = |list: &Value| -> BTreeSet<String> { list.as_array().unwrap().iter().map(|one| api::text(one, "nm")).collect() };
    let both: BTreeSet<String> = ["credentials", "device-info"].map(str::to_owned).into();
    assert_eq!(names(&client.read("/n?rcn=5")["ch"]), both);
    assert_eq!(names(&client.read("/n?rcn=6")["rrf"]), both);
    assert_eq!(client.get("/n?rcn=3").status, 400);
    for address in [format!("/~/contents/{}", api::text(&alone, "ri")), format!("/{}", api::text(&alone, "ri")), "/-/n".into()] {
        assert_eq!(client.read(&address), alone, "{address}");
    }
    let info = &whole["m2m:dvi"][0];
    assert_eq!(client.read(&format!("/~/contents/{}", api::text(info, "ri"))), *info);
    assert_eq!(
        client.read(&format!("/~/contents/{}", api::text(&alone, "pi"))),
        client.read(""),
        "the base has the tenant's name"
    );
    let limited = client.get("?rcn=4&ty=14&limit=1&offset=0");
    assert_eq!(inner(&limited)["m2m:nod"].as_array().map(Vec::len), Some(1));
    let silent = client.send("POST", "?rcn=0", Some(3), Some(json!({"m2m:cnt": {"rn": "silent"}})));
    assert_eq!((silent.status, rsc(&silent), silent.text.as_str()), (201, 2001, ""));
}

/// Applications of a device group: made under an originator of their own, which then speaks for them.
#[test]
fn entities_are_originators() {
    let server = start();
    let client = Client::start(&server, "entities");
    let body = json!({"m2m:ae": {
        "rn": "hook", "api": "Nhook", "rr": true, "lbl": ["type:d2c", "d2c:1.0", "EndpointType:WebHook"], "poa": ["http://127.0.0.1:9/"]
    }});
    let new = client.disguised("entities", "Chook", &client.token);
    let made = new.create("", 2, body.clone());
    assert_eq!((&made["rn"], &made["aei"]), (&json!("hook"), &json!("Chook")), "{made}");
    // As the public pages show it: a free name, the application's own originator, nothing to call.
    let documented = json!({"m2m:ae": {"rn": "myWebhook", "api": "NmyWebhook", "lbl": ["type:d2c", "d2c:1.0"], "poa": null}});
    let made = client.create("", 2, documented);
    assert_eq!((&made["rn"], &made["aei"], made.get("poa")), (&json!("myWebhook"), &json!("Capp"), None), "{made}");
    let made = new.create("/hook", 3, json!({"m2m:cnt": {"rn": "c", "cr": null}}));
    assert_eq!(made["cr"], "Chook", "the creator, where it is asked for");
    assert_eq!(new.send("POST", "", Some(2), Some(body)).status / 100, 4);
    assert_eq!(client.disguised("entities", "Cnobody", &client.token).read("/hook"), new.read("/hook"), "it is the application");
    let second = Client::join(&server, "entities", "second");
    for (originator, token) in [("Csecond", &client.token), ("Chook", &second.token), ("Capp", &second.token)] {
        let answer = client.disguised("entities", originator, token).get("/hook");
        assert_eq!((answer.status, rsc(&answer)), (403, 4103), "{originator} is another application's");
    }
    for (body, attribute) in [
        (json!({"m2m:ae": {"rn": "x", "rr": true}}), "api"),
        (json!({"m2m:ae": {"rn": "x", "api": "X", "rr": true}}), "api"),
        (json!({"m2m:ae": {"rn": "x", "api": "Nx", "rr": "yes"}}), "rr"),
        (json!({"m2m:ae": {"rn": "x", "api": "Nx", "rr": true, "colour": "red"}}), "colour"),
    ] {
        let (status, code, text) = refusal(&client.send("POST", "", Some(2), Some(body)));
        assert_eq!((status, code), (400, 4000), "{text}");
        assert!(text.starts_with(&format!("{attribute}: ")), "{text}");
    }
}

/// The official client logs in so before anything else.
#[test]
fn tokens_are_given_for_the_application_s_secret() {
    let server = start();
    let client = Client::start(&server, "oauth");
    let form = |body: String| {
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        api::send(&server, "POST", "/device-management-orchestrator/oauth/token", &headers, Some(body.as_bytes()))
    };
    let good = form(format!("grant_type=client_credentials&client_id={}&client_secret={}", client.app.id, client.app.secret));
    assert_eq!(good.status, 200, "{}", good.text);
    assert_eq!(good.json()["token_type"], "Bearer");
    let with_it = client.disguised("oauth", "Capp", &api::text(&good.json(), "access_token"));
    assert_eq!(with_it.get("").status, 200);
    assert_eq!(client.get("").status, 200, "the one that does not end is not touched");
    let wrong = form(format!("grant_type=client_credentials&client_id={}&client_secret=wrong", client.app.id));
    assert_eq!((wrong.status, &wrong.json()["error"]), (401, &json!("invalid_client")));
    let other = form(format!("grant_type=password&client_id={}&client_secret={}", client.app.id, client.app.secret));
    assert_eq!((other.status, &other.json()["error"]), (400, &json!("unsupported_grant_type")));
}

#[test]
fn a_list_may_be_long() {
    const NODES: usize = 10_000;
    let server = start();
    let client = Client::start(&server, "long");
    let list: Vec<Value> = (0..NODES).map(|n| node(&format!("n{n:05}"))).collect();
    let made = client.send("POST", "/device-provisioning/request", Some(28), Some(super::request(&list)));
    assert_eq!(made.status, 201);
    assert_eq!(inner(&made)["reqLt"].as_array().map(Vec::len), Some(NODES));
    let outcome = client.outcome(inner(&made)["ri"].as_str().unwrap());
    assert_eq!(outcome["geEMe"], format!("Total to be provisioned: {NODES}; Successfully processed: {NODES}; Errors: 0"));
    assert_eq!(client.nodes().len(), NODES);
}
