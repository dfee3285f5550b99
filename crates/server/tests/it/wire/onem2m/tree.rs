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

/// Children of children are inside their parents; what fits below something that does not is right below the top, and `pi` tells whose it is.
#[test]
fn children_are_nested_as_deep_as_asked_for() {
    let server = start();
    let client = Client::start(&server, "nested");
    client.create("", 3, json!({"m2m:cnt": {"rn": "a", "lbl": ["x:1"]}}));
    client.create("/a", 3, json!({"m2m:cnt": {"rn": "b"}}));
    client.create("/a/b", 3, json!({"m2m:cnt": {"rn": "c", "lbl": ["x:1"]}}));
    client.create("/a/b", 4, json!({"m2m:cin": {"rn": "i", "con": 1}}));
    client.create("/a", 4, json!({"m2m:cin": {"rn": "j", "con": 2}}));
    // Names alone: {"a": {"m2m:cnt": [...]}}.
    fn names(value: &Value) -> Value {
        let children = value.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("m2m:"));
        let list =
            |list: &Value| list.as_array().unwrap().iter().map(|one| json!({ api::text(one, "rn"): names(one) })).collect();
        Value::Object(children.map(|(name, one)| (name.clone(), Value::Array(list(one)))).collect())
    }
    let inside = json!([{"b": {"m2m:cnt": [{"c": {}}], "m2m:cin": [{"i": {}}]}}]);
    for (query, expected) in [
        ("rcn=4", json!({"m2m:cnt": [{"b": {}}], "m2m:cin": [{"j": {}}]})),
        ("rcn=4&lvl=1", json!({"m2m:cnt": [{"b": {}}], "m2m:cin": [{"j": {}}]})),
        ("rcn=4&lvl=2", json!({"m2m:cnt": inside, "m2m:cin": [{"j": {}}]})),
        ("rcn=8&lvl=9", json!({"m2m:cnt": inside, "m2m:cin": [{"j": {}}]})),
        ("rcn=8&lvl=2&lbl=x:1", json!({"m2m:cnt": [{"c": {}}]})),
        ("rcn=4&lvl=2&ty=4", json!({"m2m:cin": [{"i": {}}, {"j": {}}]})),
        ("rcn=4&lvl=2&lim=1", json!({"m2m:cnt": [{"b": {}}]})),
    ] {
        assert_eq!(names(&client.read(&format!("/a?{query}"))), expected, "{query}");
    }
    let mut paged = vec![];
    let mut next = "0".to_owned();
    while !next.is_empty() {
        let answer = client.get(&format!("/a?rcn=8&lvl=2&lim=1&ofst={next}"));
        paged.push(names(&inner(&answer)));
        next = header(&answer, "x-m2m-cto").to_owned();
    }
    assert_eq!(paged.iter().filter(|page| **page != json!({})).count(), 4, "{paged:?}");
    let references = |query: &str| {
        let list = client.read(query)["rrf"].as_array().unwrap().clone();
        list.iter().map(|one| api::text(one, "val")).collect::<BTreeSet<_>>()
    };
    let deep: BTreeSet<String> = ["a/b", "a/b/c", "a/b/i", "a/j"].map(|name| format!("nested/{name}")).into();
    assert_eq!(references("/a?rcn=6&lvl=2"), deep);
    assert_eq!(references("/a?fu=1&rcn=6"), deep, "what is discovered, as references");
    assert_eq!(client.read("/a?atrl=rn+lbl"), json!({"rn": "a", "lbl": ["x:1"]}));
    assert_eq!(client.read("/a?atrl=rn+mia"), json!({"rn": "a"}), "an attribute that it has not");
}

/// `rcn=9` tells what the client does not know already.
#[test]
fn a_change_answers_what_the_server_made_of_it() {
    let server = start();
    let client = Client::start(&server, "modified");
    client.provision(&[node("n")]);
    client.create("", 3, json!({"m2m:cnt": {"rn": "c"}}));
    let keys = |path: &str, body: Value| {
        let answer = client.send("PUT", &format!("{path}?rcn=9"), None, Some(body));
        assert_eq!((answer.status, rsc(&answer)), (200, 2004), "{}", answer.text);
        inner(&answer).as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert!(!keys("/c", json!({"m2m:cnt": {"lbl": ["a:b"], "mni": 7}})).iter().any(|name| name == "lbl" || name == "mni"));
    assert_eq!(keys("/n", json!({"m2m:nod": {"lbl": ["d2c:1.0", "profile:SCS-LwM2M"]}})), ["lt"]);
    assert_eq!(keys("/n/device-info", json!({"m2m:dvi": {"purl": "https://a.example/"}})), ["lt"]);
}

/// Addresses of other forms in bodies and paths (TS-0001, 7.2).
#[test]
fn addresses_may_be_absolute() {
    let server = start();
    let client = Client::start(&server, "absolute");
    client.create("", 3, json!({"m2m:cnt": {"rn": "c"}}));
    let alone = client.read("/c");
    let id = api::text(&alone, "ri");
    for path in [format!("/_/any.host/absolute/{id}"), "/_/any.host/absolute/-/c".into(), "/~/absolute/absolute/c".into()] {
        assert_eq!(client.read(&path), alone, "{path}");
    }
    assert_eq!(client.get(&format!("/_/any.host/other/{id}")).status, 404);
    let rule = json!({"acr": [{"acor": ["all"], "acop": 63}]});
    let policy = client.create("", 1, json!({"m2m:acp": {"rn": "p", "pv": rule, "pvs": rule}}));
    let policy = api::text(&policy, "ri");
    for form in [format!("//any.host/absolute/{policy}"), format!("/absolute/{policy}"), "-/p".into(), "absolute/p".into()] {
        let changed = client.send("PUT", "/c", None, Some(json!({"m2m:cnt": {"acpi": [form]}})));
        assert_eq!((changed.status, &inner(&changed)["acpi"]), (200, &json!([policy])), "{form}: {}", changed.text);
    }
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
