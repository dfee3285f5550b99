//! Provisioning: what becomes of each node, whatever else is in the list, asked at the same time, or killed in the middle.

use super::{Client, KEY, inner, node, node_with, refusal, rsc, start};
use crate::wire::{api::admin, server::until};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn errors(outcome: &Value) -> Vec<(&str, &str)> {
    let failed = outcome["inEMs"].as_array().unwrap();
    failed.iter().map(|one| (one["niD"].as_str().unwrap(), one["errMe"].as_str().unwrap())).collect()
}

/// `(identifier, code, detail)` of the entries of the shared log, oldest first.
fn logged(client: &Client) -> Vec<(String, u64, String)> {
    let logs = client.read("/device-provisioning/logs?rcn=4&ty=4");
    let instances = logs["m2m:cin"].as_array().cloned().unwrap_or_default();
    let entry = |instance: &Value| {
        let con = &instance["con"];
        assert_eq!((&con["service"], &con["data"]), (&json!("d2c-device-provisioning"), &json!("")));
        assert_eq!(con["type"], "device provisioning failed");
        let status = &con["status"];
        let message = if status["code"] == 400 { "bad request" } else { "internal server error" };
        assert_eq!(status["message"], message);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&con["identifier"]), status["code"].as_u64().unwrap(), text(&status["detail"]))
    };
    instances.iter().map(entry).collect()
}

const NAME_MISSED: &str =
    "Device could not been provisioned. Check the data of device-provisioning request. nodeResourceName is missed.";
const NAME_TAKEN: &str = "Device could not been provisioned. Device with the same nodeResourceName already exists.";
const PSK_MISSED: &str =
    "Device could not been provisioned. Check the data of device-provisioning request. psk-id or psk is missed.";
const PROFILE_MISSED: &str =
    "Device could not been provisioned. Check the data of device-provisioning request. profile is missed.";
const UNEXPECTED: &str = "Internal server error: unexpected error occurred.";
const NO_OBJECTS: &str = "Internal server error: device-provisioning unable to create device objects.";

/// Section 4 of the contract: all seven errors, and entries that only lack what an earlier one of the same list has taken.
#[test]
fn each_error_has_its_texts_and_spoils_nothing_else() {
    let server = start();
    let client = Client::start(&server, "errors");
    assert_eq!(errors(&client.provision(&[node("there")])), vec![]);
    let credentials = |identity: &str| json!([format!("psk-id:{identity}"), format!("psk:{KEY}")]);
    let rows: Vec<(Value, &str, &str, u64, &str)> = vec![
        (node_with("a", json!({"ni": null})), "", "nodeID can not be empty.", 500, UNEXPECTED),
        (node_with("a", json!({"ni": ""})), "", "nodeID can not be empty.", 500, UNEXPECTED),
        (
            node_with("a", json!({"ni": "urn:gsma:imei:there"})),
            "urn:gsma:imei:there",
            "Node with nodeID urn:gsma:imei:there already exists, The existed node resourceName = there",
            400,
            NAME_TAKEN,
        ),
        (
            node_with("b", json!({"noRNe": ""})),
            "urn:gsma:imei:b",
            "onboarding failed on missing node resource name",
            400,
            NAME_MISSED,
        ),
        (node_with("b", json!({"noRNe": "there"})), "urn:gsma:imei:b", "there device already exists", 400, NAME_TAKEN),
        (
            node_with("b", json!({"noRNe": "device-provisioning"})),
            "urn:gsma:imei:b",
            "device-provisioning device already exists",
            400,
            NAME_TAKEN,
        ),
        (node_with("c", json!({"nCr": null})), "urn:gsma:imei:c", "psk info is missing", 400, PSK_MISSED),
        (node_with("c", json!({"nCr": ["psk-id:c"]})), "urn:gsma:imei:c", "psk info is missing", 400, PSK_MISSED),
        (node_with("c", json!({"nCr": ["psk-id:", "psk:dGVzdA=="]})), "urn:gsma:imei:c", "psk info is missing", 400, PSK_MISSED),
        (
            node_with("d", json!({"nCr": credentials("there-id")})),
            "urn:gsma:imei:d",
            "conflicting credentials for AddEndPointRequest d",
            500,
            NO_OBJECTS,
        ),
        (node_with("e", json!({"profe": "SCS-NEUL"})), "urn:gsma:imei:e", "device profile not supported", 400, PROFILE_MISSED),
        (node_with("e", json!({"profe": null})), "urn:gsma:imei:e", "device profile not supported", 400, PROFILE_MISSED),
        // The first check that fails is the one that is told.
        (json!({}), "", "nodeID can not be empty.", 500, UNEXPECTED),
        (
            json!({"ni": "urn:gsma:imei:f"}),
            "urn:gsma:imei:f",
            "onboarding failed on missing node resource name",
            400,
            NAME_MISSED,
        ),
        (
            json!({"ni": "urn:gsma:imei:f", "noRNe": "there"}),
            "urn:gsma:imei:f",
            "device profile not supported",
            400,
            PROFILE_MISSED,
        ),
        (
            json!({"ni": "urn:gsma:imei:there", "noRNe": "there", "profe": "SCS-LwM2M"}),
            "urn:gsma:imei:there",
            "psk info is missing",
            400,
            PSK_MISSED,
        ),
        // Against entries of the same list.
        (
            node_with("new", json!({"noRNe": "new-2"})),
            "urn:gsma:imei:new",
            "Node with nodeID urn:gsma:imei:new already exists, The existed node resourceName = new",
            400,
            NAME_TAKEN,
        ),
        (node_with("new-3", json!({"noRNe": "new"})), "urn:gsma:imei:new-3", "new device already exists", 400, NAME_TAKEN),
        (
            node_with("new-4", json!({"nCr": credentials("new-id")})),
            "urn:gsma:imei:new-4",
            "conflicting credentials for AddEndPointRequest new-4",
            500,
            NO_OBJECTS,
        ),
    ];
    let mut list = vec![node("new")];
    list.extend(rows.iter().map(|row| row.0.clone()));
    list.push(node("last"));
    let outcome = client.provision(&list);
    let expected: Vec<(&str, &str)> = rows.iter().map(|row| (row.1, row.2)).collect();
    assert_eq!(errors(&outcome), expected);
    let total = list.len();
    assert_eq!(outcome["geEMe"], format!("Total to be provisioned: {total}; Successfully processed: 2; Errors: {}", rows.len()));
    assert_eq!(outcome["resSs"], 2);
    let expected: Vec<(String, u64, String)> = rows.iter().map(|row| (row.1.to_owned(), row.3, row.4.to_owned())).collect();
    assert_eq!(logged(&client), expected);
    assert_eq!(BTreeSet::from_iter(client.nodes()), ["there", "new", "last"].map(str::to_owned).into());
    let about = client.call("GET", "/device-communication/there/error-msg/la", None);
    let con = &inner(&about)["con"];
    assert_eq!((&con["nodeResourceName"], &con["nodeID"]), (&json!("there"), &json!("urn:gsma:imei:there")));
    assert_eq!(client.call("GET", "/device-communication/last/error-msg/la", None).status, 404, "nothing is wrong about it");
}

#[test]
fn of_requests_at_the_same_time_one_gets_the_node() {
    let server = start();
    let client = Client::start(&server, "race");
    let other = Client::start(&server, "race-2");
    let contenders = 6;
    let outcomes: Vec<(bool, Value)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..contenders)
            .map(|n| {
                let by = if n % 2 == 0 { &client } else { &other };
                let entry = node_with(&format!("racer-{n}"), json!({"ni": "urn:gsma:imei:one"}));
                scope.spawn(move || (n % 2 == 0, by.provision(&[entry])))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won: Vec<bool> = outcomes.iter().filter(|(_, outcome)| outcome["resSs"] == 1).map(|(first, _)| *first).collect();
    assert_eq!(won.len(), 1, "{outcomes:?}");
    let names = [client.nodes(), other.nodes()].concat();
    assert_eq!(names.len(), 1);
    for (first, lost) in outcomes.iter().filter(|(_, outcome)| outcome["resSs"] == 2) {
        // The name of another account's node is not told.
        let name = if *first == won[0] { names[0].as_str() } else { "" };
        let text = format!("Node with nodeID urn:gsma:imei:one already exists, The existed node resourceName = {name}");
        assert_eq!(errors(lost), [("urn:gsma:imei:one", text.as_str())]);
    }
}

/// The table of variations [108-114].
#[test]
fn device_information_varies_with_what_was_asked_for() {
    let server = start();
    let client = Client::start(&server, "variations");
    let full = json!({"man": "ACME", "dty": "Some sensor", "mod": "12345", "dlb": ["d2c:1.0", "some:label"], "dc": "measured", "fwv": ""});
    let named = |name: Option<&str>| {
        let mut info = full.clone();
        info["mgd"] = 1007.into();
        if let Some(name) = name {
            info["rn"] = name.into();
        }
        json!({ "ndvi": info })
    };
    let cases = [
        ("customer", named(Some("someCustomerName")), vec!["device-info", "someCustomerName"], Some("someCustomerName")),
        ("standard", named(Some("device-info")), vec!["device-info"], Some("device-info")),
        ("unnamed", named(None), vec!["device-info"], Some("device-info")),
        ("none", json!({}), vec!["device-info"], None),
    ];
    let list: Vec<Value> = cases.iter().map(|case| node_with(case.0, case.1.clone())).collect();
    assert_eq!(client.provision(&list)["resSs"], 1);
    for (name, _, objects, described) in cases {
        let shown = inner(&client.call("GET", &format!("/{name}?ty=14&rcn=4"), None));
        let infos = shown["m2m:dvi"].as_array().unwrap();
        let found: BTreeSet<&str> = infos.iter().map(|info| info["rn"].as_str().unwrap()).collect();
        assert_eq!(found, BTreeSet::from_iter(objects), "{name}");
        for info in infos {
            let mut expected: BTreeSet<&str> = ["rn", "mgd", "lbl", "ty", "ri", "pi", "ct", "lt"].into();
            if info["rn"].as_str() == described {
                expected.extend(["man", "dty", "mod", "dlb", "dc"]);
                assert_eq!((&info["man"], &info["dlb"]), (&full["man"], &full["dlb"]));
            }
            let given: BTreeSet<&str> = info.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(given, expected, "{name}: {info}");
            assert_eq!((&info["lbl"], &info["pi"]), (&json!(["d2c:1.0"]), &shown["ri"]));
        }
    }
}

#[test]
fn nodes_join_the_groups_that_exist() {
    let server = start();
    let client = Client::start(&server, "groups");
    let group = json!({"dtiot:devGr": {"cnd": "com.telekom.iot.orchestrator.deviceGroup", "rn": "cellar", "nds": [], "aes": []}});
    client.create("/device-group", 28, group);
    let list = [
        node_with("one", json!({"nodeDeviceGroups": ["cellar", "nowhere"]})),
        node_with("two", json!({"nDGr": ["cellar"]})),
        node("three"),
    ];
    assert_eq!(client.provision(&list)["resSs"], 1, "a group that does not exist is no error");
    let members = || client.read("/device-group/cellar")["nds"].clone();
    assert_eq!(members(), json!(["one", "two"]));
    assert_eq!(client.call("DELETE", "/one", None).status, 200);
    assert_eq!(members(), json!(["two"]));
}

/// A killed server goes on where it was: every node is there, once.
#[test]
fn a_killed_server_finishes_what_it_took() {
    const NODES: usize = 2_000;
    let mut server = start();
    let mut identity = Client::start(&server, "killed").identity();
    let mut killed_inside = 0;
    for round in 0..3 {
        let name = |n: usize| format!("n{round}-{n:04}");
        let list: Vec<Value> = (0..NODES).map(|n| node(&name(n))).collect();
        let request = {
            let client = Client::known(&server, &identity);
            // The answer is not judged here: that takes longer than the work.
            let made = client.send("POST", "/device-provisioning/request", Some(28), Some(super::request(&list)));
            inner(&made)["ri"].as_str().unwrap().to_owned()
        };
        let path = format!("/provisioning/{request}?account=killed");
        let done = until("the work to be under way", || {
            let shown = admin(&server, "GET", &path, None).json();
            shown["done"].as_u64().filter(|done| *done > 0)
        });
        killed_inside += u64::from(done < NODES as u64);
        server.kill();
        server.resume();
        let client = Client::known(&server, &identity);
        let outcome = client.outcome(&request);
        assert_eq!(outcome["geEMe"], format!("Total to be provisioned: {NODES}; Successfully processed: {NODES}; Errors: 0"));
        let names = client.nodes();
        let distinct = BTreeSet::from_iter(&names).len();
        assert_eq!((names.len(), distinct), (NODES * (round + 1), NODES * (round + 1)));
        let again = client.provision(&[node(&name(0))]);
        assert_eq!(errors(&again).len(), 1, "it is taken");
        let shown = inner(&client.call("GET", &format!("/{}?ty=14&rcn=4", name(NODES - 1)), None));
        assert_eq!(shown["m2m:crds"][0]["crse"], KEY);
        identity = client.identity();
    }
    assert!(killed_inside > 0, "the work was always over before the server could be killed");
}

/// What a client without names for its requests gets, and one whose name is taken.
#[test]
fn requests_have_names_of_their_own() {
    let server = start();
    let client = Client::start(&server, "names");
    let mut named = super::request(&[node("a")]);
    named["dtiot:noPRt"]["rn"] = "mine".into();
    let made = client.call("POST", "/device-provisioning/request", Some(named.clone()));
    assert_eq!((made.status, rsc(&made)), (201, 2001), "{}", made.text);
    let again = client.call("POST", "/device-provisioning/request", Some(named));
    assert_eq!(refusal(&again), (409, 4105, "resource already exists".to_owned()));
    let unnamed = inner(&client.call("POST", "/device-provisioning/request", Some(super::request(&[node("b")]))));
    assert_eq!(unnamed["rn"].as_str().unwrap().len(), 36, "a UUID");
    let shown = client.read("/device-provisioning/request/mine");
    assert_eq!(shown, inner(&made), "it is kept as it was answered");
    let listed = client.read("/device-provisioning/request?rcn=4");
    assert_eq!(listed["dtiot:noPRt"].as_array().map(Vec::len), Some(2));
    let unknown = client.call("GET", "/device-provisioning/response/responseToRequest-0123456789abcdef01234500", None);
    assert_eq!((unknown.status, rsc(&unknown)), (404, 4004));
}
