//! What has not the form of a request is refused with the attribute at fault, and nothing is made of it.

use super::{Client, inner, node, node_with, refusal, request, rsc, start};
use serde_json::{Value, json};

const REQUESTS: &str = "/device-provisioning/request";

fn changed(change: &Value) -> Value {
    let mut body = request(&[node("good")]);
    for (attribute, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(body["dtiot:noPRt"].as_object_mut().unwrap().remove(attribute)),
            value => body["dtiot:noPRt"][attribute] = value.clone(),
        }
    }
    body
}

fn nothing_was_made(client: &Client) {
    assert_eq!(client.nodes(), Vec::<String>::new());
    assert_eq!(client.read(&format!("{REQUESTS}?rcn=4"))["dtiot:noPRt"], Value::Null);
    assert_eq!(client.call("GET", "/device-provisioning/logs/la", None).status, 404);
}

#[test]
fn requests_of_a_wrong_form_make_nothing() {
    let server = start();
    let client = Client::start(&server, "forms");
    let second = |entry: Value| json!({"reqLt": [node("good"), entry]});
    let with = |change: Value| second(node_with("bad", change));
    let many = |count: usize| vec!["x:y"; count];
    let cases = [
        (json!({"cnd": null}), "cnd"),
        (json!({"cnd": "com.telekom.iot.orchestrator.deviceGroup"}), "cnd"),
        (json!({"cnd": "nodeProvisioningRequest"}), "cnd"),
        (json!({"opern": 2}), "opern"),
        (json!({"opern": "1"}), "opern"),
        (json!({"rn": 5}), "rn"),
        (json!({"rn": "a/b"}), "rn"),
        (json!({"lbl": "d2c:1.0"}), "lbl"),
        (json!({"ri": "673efb8c56c78d1c4957fa2a"}), "ri"),
        (json!({"colour": "red"}), "colour"),
        (json!({"reqLt": null}), "reqLt"),
        (json!({"reqLt": []}), "reqLt"),
        (json!({"reqLt": {"ni": "a"}}), "reqLt"),
        (json!({"reqLt": vec![json!({}); 20_001]}), "reqLt"),
        (second(json!("urn:gsma:imei:1")), "reqLt[1]"),
        (second(Value::Null), "reqLt[1]"),
        (with(json!({"ni": 351934546788011_u64})), "reqLt[1].ni"),
        (with(json!({"noRNe": "x".repeat(257)})), "reqLt[1].noRNe"),
        (with(json!({"profe": ["SCS-LwM2M"]})), "reqLt[1].profe"),
        (with(json!({"ICCID": 89800})), "reqLt[1].ICCID"),
        (with(json!({"lbl": "d2c:1.0"})), "reqLt[1].lbl"),
        (with(json!({"lbl": many(101)})), "reqLt[1].lbl"),
        (with(json!({"lbl": ["x".repeat(513)]})), "reqLt[1].lbl"),
        (with(json!({"nCr": many(21)})), "reqLt[1].nCr"),
        (with(json!({"nCr": {"psk-id": "a"}})), "reqLt[1].nCr"),
        (with(json!({"nDGr": many(51)})), "reqLt[1].nDGr"),
        (with(json!({"nDGr": [], "nodeDeviceGroups": []})), "reqLt[1].nDGr"),
        (with(json!({"ndvi": []})), "reqLt[1].ndvi"),
        (with(json!({"ndvi": {"mgd": 1001}})), "reqLt[1].ndvi.mgd"),
        (with(json!({"ndvi": {"man": 1}})), "reqLt[1].ndvi.man"),
        (with(json!({"ndvi": {"colour": "red"}})), "reqLt[1].ndvi.colour"),
    ];
    for (change, path) in cases {
        let answer = client.call("POST", REQUESTS, Some(changed(&change)));
        let (status, code, text) = refusal(&answer);
        assert_eq!((status, code), (400, 4000), "{path}: {text}");
        assert!(text.starts_with(&format!("{path}: ")), "{path}: {text}");
        assert!(!text.contains("c29tZU5l"), "no key in a refusal: {text}");
    }
    nothing_was_made(&client);
}

#[test]
fn what_is_no_request_at_all_makes_nothing() {
    let server = start();
    let client = Client::start(&server, "broken");
    let good = request(&[node("good")]).to_string();
    let raw = |body: String, ty: Option<u8>, more: &[(&str, &str)]| {
        let answer = client.send_with("POST", REQUESTS, ty, Some(body.into_bytes()), more);
        (answer.status, rsc(&answer))
    };
    let cases = [
        (good.replace("\"ni\":", "\"ni\"::"), Some(28), (400, 4000), "a doubled colon (Amb-1)"),
        (good.replace("]}}", "],}}"), Some(28), (400, 4000), "a trailing comma (Amb-1)"),
        (good[..good.len() - 1].to_owned(), Some(28), (400, 4000), "cut off"),
        (String::new(), Some(28), (400, 4000), "empty"),
        ("[]".to_owned(), Some(28), (400, 4000), "no object"),
        ("{}".to_owned(), Some(28), (400, 4000), "no root"),
        (good.replace("dtiot:noPRt", "dtiot:prRRe"), Some(28), (400, 4000), "an unknown root"),
        (good.clone(), None, (400, 4000), "no type"),
        (good.clone(), Some(99), (400, 4000), "an unknown type"),
    ];
    for (body, ty, expected, why) in cases {
        let (status, code) = raw(body, ty, &[]);
        assert_eq!(status, expected.0, "{why}");
        assert!(code == expected.1 || code == 4102, "{why}: {code}");
    }
    nothing_was_made(&client);
    assert_eq!(raw(good, Some(28), &[]), (201, 2001), "the one that they were made from");
}

/// The official client asks so, and reads the answer so.
#[test]
fn long_names_are_taken_and_given() {
    let server = start();
    let client = Client::start(&server, "long");
    let entry = json!({
        "nodeID": "urn:gsma:imei:long", "nodeResourceName": "long", "profile": "SCS-LwM2M", "ICCID": "89374121224379144333",
        "nodeCredentials": ["psk-id:long", format!("psk:{}", super::KEY)], "lbl": ["d2c:1.0"],
        "ndvi": {"rn": "device-info", "mgd": 1007, "lbl": ["d2c:1.0"], "dty": "", "dlb": "", "ptl": [], "man": "ACME"}
    });
    let body = json!({"dtiot:noPRt": {
        "cnd": "com.telekom.iot.orchestrator.nodeProvisioningRequest", "rn": "device_provisioning_request_1", "operation": 1,
        "requestList": [entry]
    }});
    let answer = client.send_with("POST", REQUESTS, Some(28), Some(body.to_string().into_bytes()), &[("fullName", "true")]);
    assert_eq!(answer.status, 201, "{}", answer.text);
    let made = inner(&answer);
    assert_eq!((&made["resourceName"], &made["operation"]), (&json!("device_provisioning_request_1"), &json!(1)));
    assert_eq!((&made["requestList"][0]["nodeID"], &made["ri"]), (&json!("urn:gsma:imei:long"), &Value::Null));
    let outcome = client.outcome(made["resourceID"].as_str().unwrap());
    assert_eq!((&outcome["resSs"], &outcome["inEMs"]), (&json!(1), &json!([])));
    let shown = inner(&client.call("GET", "/long?ty=14&rcn=4", None));
    assert_eq!(
        shown["lbl"],
        json!(["d2c:1.0", "profile:SCS-LwM2M", "ICCID:89374121224379144333", "d2c_lifecycle:urn:gsma:imei:long"])
    );
    let info = &shown["m2m:dvi"][0];
    assert_eq!(
        (&info["man"], &info["dty"], &info["dlb"]),
        (&json!("ACME"), &Value::Null, &Value::Null),
        "empty texts are absent"
    );
}
