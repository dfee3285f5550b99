//! Groups (ty 9): their members, one request to all of them, and whose rights count.

use super::{Client, inner, node, refusal, rsc, start};
use crate::wire::api;
use serde_json::{Value, json};

fn group(members: &[&str]) -> Value {
    json!({"m2m:grp": {"rn": "g", "mnm": 10, "mid": members}})
}

/// What each member answered: its code and its content.
fn answers(client: &Client, method: &str, path: &str, ty: Option<u8>, body: Option<Value>) -> Vec<(u64, Value)> {
    let answer = client.send(method, path, ty, body);
    assert_eq!((answer.status, rsc(&answer)), (200, 2000), "{method} {path}: {}", answer.text);
    let list = inner(&answer)["m2m:rsp"].as_array().unwrap().clone();
    list.iter()
        .map(|one| {
            assert!(one["rqi"].as_str().is_some_and(|id| id.starts_with("request-")), "{one}");
            (one["rsc"].as_u64().unwrap(), one.get("pc").cloned().unwrap_or_default())
        })
        .collect()
}

fn codes(answers: &[(u64, Value)]) -> Vec<u64> {
    answers.iter().map(|(code, _)| *code).collect()
}

#[test]
fn one_request_reaches_all_members() {
    let server = start();
    let client = Client::start(&server, "fan");
    client.provision(&[node("n")]);
    for name in ["c1", "c2"] {
        client.create("", 3, json!({"m2m:cnt": {"rn": name}}));
    }
    let c1 = api::text(&client.read("/c1"), "ri");
    let made = client.create("", 9, group(&[&format!("/fan/{c1}"), "fan/c2", "-/c1", "//any.host/fan/fan/n"]));
    assert_eq!((&made["cnm"], &made["mt"], &made["mtv"]), (&json!(3), &json!(0), &json!(true)), "{made}");
    assert_eq!(made["mid"][0], json!(c1));
    client.create("", 3, json!({"m2m:cnt": {"rn": c1, "lbl": ["has:the-id-for-its-name"]}}));
    let shown = answers(&client, "GET", "/g/fopt", None, None);
    let only = |content: &Value| content.as_object().unwrap().values().next().unwrap().clone();
    let names: Vec<String> = shown.iter().map(|(_, content)| api::text(&only(content), "rn")).collect();
    assert_eq!((codes(&shown), names), (vec![2000; 3], ["c1", "c2", "n"].map(str::to_owned).to_vec()), "in the order of mid");

    let instance = || Some(json!({"m2m:cin": {"con": "x", "rn": "i"}}));
    let first = answers(&client, "POST", "/g/fopt", Some(4), instance());
    assert_eq!(codes(&first), [2001, 2001, 4108], "a node holds no instances");
    assert_eq!(codes(&answers(&client, "POST", "/g/fopt?rcn=0", Some(4), instance())), [4105, 4105, 4108]);
    assert_eq!(codes(&answers(&client, "GET", "/g/fopt/la", None, None)), [2000, 2000, 4004]);
    let labels = Some(json!({"m2m:cnt": {"lbl": ["a:b"]}}));
    assert_eq!(codes(&answers(&client, "PUT", "/g/fopt?rcn=9", None, labels)), [2004, 2004, 4102]);
    assert_eq!(client.read("/c2")["lbl"], json!(["a:b"]));
    let info = answers(&client, "GET", "/g/fopt/device-info", None, None);
    assert_eq!((codes(&info), &info[2].1["m2m:dvi"]["mgd"]), (vec![4004, 4004, 2000], &json!(1007)));
    assert_eq!(codes(&answers(&client, "GET", "/g/fopt/x/fopt", None, None)), [4004; 3], "no fan-out in a fan-out");
    assert_eq!(codes(&answers(&client, "DELETE", "/g/fopt/i", None, None)), [2002, 2002, 4004]);
    assert_eq!(client.get("/c1/fopt").status, 404);
    let subscription = json!({"m2m:sub": {"nu": ["http://127.0.0.1:9/"]}});
    assert_eq!(refusal(&client.send("POST", "/g/fopt", Some(23), Some(subscription))).1, 4108);
    client.send("DELETE", "/c2", None, None);
    assert_eq!(codes(&answers(&client, "GET", "/g/fopt", None, None)), [2000, 4004, 2000], "a member that is gone");
    client.send("PUT", "/g", None, Some(json!({"m2m:grp": {"mid": []}})));
    assert_eq!(refusal(&client.get("/g/fopt")), (403, 4109, "the group has no members".into()));
}

#[test]
fn members_are_checked() {
    let server = start();
    let client = Client::start(&server, "members");
    client.provision(&[node("n")]);
    client.create("", 3, json!({"m2m:cnt": {"rn": "c"}}));
    client.create("", 9, json!({"m2m:grp": {"rn": "there", "mnm": 1, "mid": ["-/c"]}}));
    let other = Client::start(&server, "strangers");
    other.create("", 3, json!({"m2m:cnt": {"rn": "c"}}));
    let foreign = api::text(&other.read("/c"), "ri");
    for (change, expected) in [
        (json!({"mid": ["-/nothing"]}), (404, 4004, "mid[0]: resource not found")),
        (json!({"mid": ["-/c", foreign]}), (404, 4004, "mid[1]: resource not found")),
        (json!({"mid": ["/strangers/c"]}), (404, 4004, "mid[0]: resource not found")),
        (json!({"mid": ["-/there"]}), (400, 4000, "mid[0]: a group cannot be a member of a group")),
        (json!({"mnm": 1, "mid": ["-/c", "-/n"]}), (400, 6010, "mid: more members than mnm")),
        (json!({"mt": 3, "csy": 2, "mid": ["-/c", "-/n"]}), (400, 4110, "mid: not all members are of the type mt")),
        (json!({"mnm": 0}), (400, 4000, "mnm: must be a whole number from 1 to 1000000")),
        (json!({"mnm": null}), (400, 4000, "mnm: must be a whole number from 1 to 1000000")),
        (json!({"cnm": 1}), (400, 4000, "cnm: is set by the platform")),
        (json!({"macp": ["-/c"]}), (400, 4000, "macp: names no access control policy")),
    ] {
        let mut body = json!({"m2m:grp": {"mnm": 5, "mid": ["-/c"]}});
        body["m2m:grp"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (status, code, text) = expected;
        assert_eq!(refusal(&client.send("POST", "", Some(9), Some(body))), (status, code, text.to_owned()), "{change}");
    }
    let dropped = client.create("", 9, json!({"m2m:grp": {"rn": "g", "mnm": 2, "mt": 3, "mid": ["-/c", "-/n"]}}));
    assert_eq!((&dropped["cnm"], &dropped["csy"]), (&json!(1), &json!(1)), "the node is no container");
    let mixed = client.create("", 9, json!({"m2m:grp": {"mnm": 2, "mt": 3, "csy": 3, "mid": ["-/c", "-/n"]}}));
    assert_eq!((&mixed["cnm"], &mixed["mt"]), (&json!(2), &json!(0)));
    for (change, code) in
        [(json!({"mt": 14}), 4000), (json!({"csy": 2}), 4000), (json!({"mid": null}), 4000), (json!({"gn": "x"}), 2004)]
    {
        assert_eq!(rsc(&client.send("PUT", "/g", None, Some(json!({ "m2m:grp": change })))), code);
    }
    assert_eq!(refusal(&client.send("PUT", "/g", None, Some(json!({"m2m:cnt": {}})))).1, 4102);
}

/// Whoever comes through a group may no more at its members than alone, and only through a group that is open to them.
#[test]
fn rights_are_those_at_the_group_and_at_each_member() {
    let server = start();
    let owner = Client::start(&server, "rights");
    let other = Client::join(&server, "rights", "other");
    let policy = |operations: u8| json!({"acr": [{"acor": ["Cother"], "acop": operations}]});
    let own = json!({"acr": [{"acor": ["Capp"], "acop": 63}]});
    for (name, operations) in [("reads", 2), ("nothing", 0)] {
        owner.create("", 1, json!({"m2m:acp": {"rn": name, "pv": policy(operations), "pvs": own}}));
    }
    owner.create("", 3, json!({"m2m:cnt": {"rn": "open", "acpi": ["-/reads"]}}));
    owner.create("", 3, json!({"m2m:cnt": {"rn": "closed"}}));
    let make = |name: &str, more: Value| {
        let mut body = json!({"m2m:grp": {"rn": name, "mnm": 2, "mid": ["-/open", "-/closed"]}});
        body["m2m:grp"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        owner.create("", 9, body);
    };
    make("mine", json!({}));
    make("shown", json!({"acpi": ["-/reads"]}));
    make("reached", json!({"macp": ["-/reads"]}));
    make("shut", json!({"acpi": ["-/reads"], "macp": ["-/nothing"]}));
    for (name, reads) in [("mine", false), ("shown", true), ("reached", true), ("shut", false)] {
        let path = format!("/{name}/fopt");
        if reads {
            assert_eq!(codes(&answers(&other, "GET", &path, None, None)), [2000, 4103], "{name}");
        } else {
            assert_eq!(refusal(&other.get(&path)), (403, 4103, "originator has no privilege".into()), "{name}");
        }
        assert_eq!(refusal(&other.send("DELETE", &path, None, None)).1, 4103, "{name}: reading is all that is granted");
    }
    let stolen = json!({"m2m:grp": {"mnm": 2, "mid": ["-/open", "-/closed"]}});
    let refused = refusal(&other.send("POST", "", Some(9), Some(stolen)));
    assert_eq!(refused, (403, 4103, "mid[1]: originator has no privilege".into()));
    assert_eq!(owner.send("DELETE", "/shut", None, None).status, 200);
    assert_eq!(owner.get("/open").status, 200, "members stay");
}
