//! Walls: no one sees, changes or even learns of what another account, or another application, has.

use super::{BASE, Client, node, rsc, start};
use crate::wire::api::{self, Answer};
use serde_json::{Value, json};

/// Everything an application may name, in `theirs`.
fn things(theirs: &Client) -> (Vec<String>, Vec<String>) {
    theirs.provision(&[node("their-node")]);
    theirs.provision(&[node("their-node")]);
    theirs.create("", 3, json!({"m2m:cnt": {"rn": "their-container"}}));
    theirs.create("/their-container", 4, json!({"m2m:cin": {"con": "their secret"}}));
    let entity = theirs.disguised(&theirs.tenant, "Ctheir-entity", &theirs.token);
    entity.create("", 2, json!({"m2m:ae": {"rn": "their-entity", "api": "N.their", "rr": true}}));
    let group = json!({"cnd": "com.telekom.iot.orchestrator.deviceGroup", "rn": "their-group", "nds": ["their-node"], "aes": []});
    theirs.create("/device-group", 28, json!({"dtiot:devGr": group}));
    theirs.create("/device-communication/their-node/outgoing-msg", 4, json!({"m2m:cin": {"con": "GET /3"}}));
    let request = theirs.read("/device-provisioning/request?rcn=4")["dtiot:noPRt"][0].clone();
    let requested = format!("/device-provisioning/request/{}", api::text(&request, "rn"));
    let response = format!("/device-provisioning/response/responseToRequest-{}", api::text(&request, "ri"));
    let mut paths: Vec<String> = [
        "/their-node",
        "/their-node/device-info",
        "/their-node/credentials",
        "/their-container",
        "/their-container/la",
        "/their-container/ol",
        "/their-entity",
        "/device-group/their-group",
        "/device-communication/their-node",
        "/device-communication/their-node/outgoing-msg",
        "/device-communication/their-node/outgoing-msg/la",
        "/device-communication/their-node/error-msg/la",
    ]
    .map(str::to_owned)
    .into();
    paths.extend([requested, response]);
    let ids = paths.iter().map(|path| api::text(&theirs.read(path), "ri")).collect();
    (paths, ids)
}

fn tells(answer: &Answer) -> bool {
    ["their-", "their secret", "N.their"].iter().any(|word| answer.text.contains(word))
}

fn attempts() -> [(&'static str, Option<u8>, Option<Value>); 9] {
    [
        ("GET", None, None),
        ("PUT", None, Some(json!({"m2m:nod": {"lbl": ["mine"]}}))),
        ("PUT", None, Some(json!({"m2m:dvi": {"man": "mine"}}))),
        ("PUT", None, Some(json!({"m2m:cnt": {"lbl": ["mine"]}}))),
        ("POST", Some(3), Some(json!({"m2m:cnt": {"rn": "mine"}}))),
        ("POST", Some(4), Some(json!({"m2m:cin": {"con": "mine"}}))),
        ("POST", Some(13), Some(json!({"m2m:dvi": {"rn": "mine", "mgd": 1007}}))),
        ("POST", Some(23), Some(json!({"m2m:sub": {"rn": "mine", "nu": ["http://127.0.0.1:9/"]}}))),
        ("DELETE", None, None),
    ]
}

#[test]
fn no_operation_crosses_the_wall_between_accounts() {
    let server = start();
    let (mine, theirs) = (Client::start(&server, "mine"), Client::start(&server, "theirs"));
    let (paths, ids) = things(&theirs);
    let before: Vec<Value> = paths.iter().map(|path| theirs.read(path)).collect();
    let refused = |answer: &Answer, what: &str| {
        assert!([401, 403, 404].contains(&answer.status), "{what}: {answer:?}");
        assert!(!tells(answer), "{what}: {answer:?}");
    };
    let addresses = paths.iter().cloned().chain(ids.iter().map(|id| format!("/~/mine/{id}")));
    for address in addresses.chain(ids.iter().map(|id| format!("/{id}"))) {
        for (method, ty, body) in attempts() {
            refused(&mine.send(method, &address, ty, body), &format!("{method} {address}"));
        }
        refused(&mine.get(&format!("{address}?fu=1")), &address);
    }
    // Their tenant with one's own token, and one's own tenant with their token or originator.
    let strangers = [
        mine.disguised("theirs", "Capp", &mine.token),
        mine.disguised("mine", "Capp", &theirs.token),
        mine.disguised("theirs", "Capp", "wrong"),
    ];
    for stranger in &strangers {
        for path in paths.iter().map(String::as_str).chain([""]) {
            for (method, ty, body) in attempts() {
                let answer = stranger.send(method, path, ty, body);
                assert!([401, 403].contains(&answer.status), "{method} {path} {}: {answer:?}", stranger.tenant);
                assert!(!tells(&answer), "{method} {path}: {answer:?}");
            }
        }
    }
    for query in ["", "?rcn=4", "?rcn=5", "?rcn=8", "?fu=1", "?fu=1&lbl=d2c:1.0", "?fu=1&ty=14+3+4", "?rcn=4&ty=14&limit=1000"] {
        let answer = mine.get(query);
        assert_eq!((answer.status, tells(&answer)), (200, false), "{query}: {answer:?}");
    }
    for place in ["/device-provisioning/logs", "/device-provisioning/request", "/device-provisioning/response", "/device-group"] {
        let answer = mine.get(&format!("{place}?rcn=4"));
        assert_eq!((answer.status, tells(&answer)), (200, false), "{place}: {answer:?}");
    }
    // What is unique on the whole server tells that it is taken, and no more.
    let outcome = mine.provision(&[node("their-node")]);
    assert!(!outcome["inEMs"][0]["errMe"].as_str().unwrap().contains("= their"), "{outcome}");
    assert_eq!(paths.iter().map(|path| theirs.read(path)).collect::<Vec<_>>(), before, "untouched");
}

/// Within an account each application has its own, unless it was authorized or a policy grants more.
#[test]
fn applications_of_an_account_are_apart() {
    let server = start();
    let (theirs, mine) = (Client::start(&server, "shared"), Client::join(&server, "shared", "second"));
    let (paths, _) = things(&theirs);
    for path in &paths {
        for (method, ty, body) in attempts() {
            let answer = mine.send(method, path, ty, body);
            assert!(answer.status >= 400, "{method} {path}: {answer:?}");
            assert!(!tells(&answer) || answer.status == 409, "{method} {path}: {answer:?}");
        }
        assert_eq!((mine.get(path).status, rsc(&mine.get(path))), (403, 4103), "{path}");
    }
    for (originator, token) in [("Capp", &mine.token), ("Ctheir-entity", &mine.token), ("Csecond", &theirs.token)] {
        let answer = mine.disguised("shared", originator, token).get("");
        assert_eq!((answer.status, rsc(&answer)), (403, 4103), "{originator} with another application's token");
    }
    assert_eq!(mine.nodes(), Vec::<String>::new());
    let logs = mine.get("/device-provisioning/logs/la");
    assert_eq!(logs.status, 200, "all originators of an account read its logs (Amb-23)");
    let path = format!("/apps/{}/authorized/{}?account=shared", theirs.app.id, mine.app.id);
    assert!(api::admin(&server, "PUT", &path, Some(json!({}))).status < 300);
    assert_eq!(mine.nodes(), ["their-node"]);
    assert_eq!(mine.read("/their-container/la")["con"], "their secret");
}

/// The bearer token is looked at before anything else is told.
#[test]
fn without_a_token_nothing_is_told() {
    let server = start();
    let client = Client::start(&server, "tokens");
    client.provision(&[node("n")]);
    let path = format!("{BASE}/tokens/n");
    let headers = |token: Option<&'static str>| {
        let mut headers = vec![("X-M2M-Origin", "Capp"), ("X-M2M-RI", "1")];
        headers.extend(token.map(|token| ("Authorization", token)));
        headers
    };
    for token in [None, Some("Bearer "), Some("Bearer wrong"), Some("Basic YTpi"), Some("Bearer a.b.c")] {
        let answer = api::send(&server, "GET", &path, &headers(token), None);
        assert_eq!(answer.status, 401, "{token:?} {answer:?}");
        assert_eq!(super::header(&answer, "www-authenticate").split(' ').next(), Some("Bearer"));
    }
    let bearer = format!("Bearer {}", client.token);
    let origin = "invalid arguments/attributes: from/originator parameter is mandatory in request";
    let answer = api::send(&server, "GET", &path, &[("X-M2M-RI", "1"), ("Authorization", &bearer)], None);
    assert_eq!(super::refusal(&answer), (400, 4000, origin.to_owned()));
    let answer = api::send(&server, "GET", &path, &[("X-M2M-Origin", "Capp"), ("Authorization", &bearer)], None);
    assert_eq!((answer.status, rsc(&answer)), (400, 4000));
}

/// What other applications may is what a policy grants them.
#[test]
fn policies_grant_what_they_say() {
    let server = start();
    let (theirs, mine) = (Client::start(&server, "policies"), Client::join(&server, "policies", "second"));
    let rules = |operations: u8| {
        json!({"m2m:acp": {
            "rn": format!("p{operations}"), "pv": {"acr": [{"acor": ["Csecond"], "acop": operations}]},
            "pvs": {"acr": [{"acor": ["Capp"], "acop": 63}]}
        }})
    };
    for (name, operations, expected) in
        [("none", 32, [403, 403, 403]), ("read", 2, [200, 403, 403]), ("write", 7, [200, 201, 403])]
    {
        let policy = theirs.create("", 1, rules(operations));
        theirs.create("", 3, json!({"m2m:cnt": {"rn": name, "acpi": [policy["ri"]]}}));
        let got = [
            mine.get(&format!("/{name}")).status,
            mine.send("POST", &format!("/{name}"), Some(4), Some(json!({"m2m:cin": {"con": "x"}}))).status,
            mine.send("DELETE", &format!("/{name}"), None, None).status,
        ];
        assert_eq!(got, expected, "{name}");
    }
}

/// `acpi` is changed alone and by who may; who may not retrieve is answered no more than it said.
#[test]
fn policies_are_linked_by_whom_their_self_privileges_name() {
    let server = start();
    let (theirs, mine) = (Client::start(&server, "links"), Client::join(&server, "links", "second"));
    let rules = |name: &str, pv: u8, pvs: u8| {
        let rule = |what: u8| json!({"acr": [{"acor": ["Csecond"], "acop": what}]});
        json!({"m2m:acp": {"rn": name, "pv": rule(pv), "pvs": rule(pvs)}})
    };
    let policies =
        [("update", 4, 0), ("link", 0, 4)].map(|(name, pv, pvs)| theirs.create("", 1, rules(name, pv, pvs))["ri"].clone());
    for (name, policy) in ["a", "b"].iter().zip(&policies) {
        theirs.create("", 3, json!({"m2m:cnt": {"rn": name, "lbl": ["their:secret"], "acpi": [policy]}}));
    }
    let put =
        |client: &Client, path: &str, attributes: Value| client.send("PUT", path, None, Some(json!({"m2m:cnt": attributes})));
    let refused = put(&mine, "/a", json!({"acpi": []}));
    assert_eq!((refused.status, rsc(&refused)), (403, 4103), "{}", refused.text);
    for client in [&mine, &theirs] {
        let (status, code, text) = super::refusal(&put(client, "/a", json!({"acpi": [], "mni": 5})));
        assert_eq!((status, code), (400, 4000), "{text}");
        assert!(text.starts_with("acpi: "), "{text}");
    }
    assert_eq!(theirs.read("/a")["acpi"], json!([policies[0]]));
    for (path, attributes) in [("/a", json!({"mni": 5})), ("/b", json!({"acpi": [policies[0]]}))] {
        let changed = put(&mine, path, attributes);
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert!(!changed.text.contains("their:secret"), "{}", changed.text);
    }
    assert_eq!((theirs.read("/a")["mni"].clone(), theirs.read("/b")["acpi"].clone()), (json!(5), json!([policies[0]])));
}
