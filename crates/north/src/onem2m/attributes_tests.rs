//! What is taken and what is refused, by name.

use super::*;
use serde_json::json;

const NOW: Time = Time(1_449_922_332_000);

const HEADERS_RULE: &str = "poah: must be a list of at most 20 texts, each an HTTP header's name, a colon and its value";

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, Fault>) -> String {
    let fault = outcome.unwrap_err();
    assert_eq!((fault.rsc, fault.status), (4000, 400));
    fault.text
}

#[test]
fn good_resources_are_taken() {
    use ResourceKind as Kind;
    for (kind, given) in [
        (Kind::Container, json!({})),
        (
            Kind::Container,
            json!({"rn": "a", "mni": 5, "mbs": 1000, "mia": 60, "lbl": ["a:b"], "cr": null, "et": "20300101T000000"}),
        ),
        (
            Kind::ApplicationEntity,
            json!({"rn": "a", "api": "Nx", "rr": true, "poa": ["http://a"], "poah": {"X-Key": "1"}, "srv": ["3"], "csz": ["application/json"]}),
        ),
        (
            Kind::ApplicationEntity,
            json!({"api": "Nx", "poa": null, "poah": ["Authorization: Bearer a:b", "X-Key:1"], "lbl": ["EndpointType:WebHook"]}),
        ),
        (Kind::ApplicationEntity, json!({"api": "R.app", "acpi": ["0123456789abcdef01234567"]})),
        (Kind::Subscription, json!({"nu": ["http://a/b", "https://c"], "nct": 3, "enc": {"net": [1, 2, 3, 4]}})),
        (Kind::Subscription, json!({"nu": ["http://a"], "enc": {}})),
        (Kind::Subscription, json!({"nu": ["http://a"], "nct": 2, "enc": {"net": [1], "atr": ["lbl", "mni"]}})),
        (Kind::Subscription, json!({"nu": ["http://a"], "exc": 3, "su": "http://a/end"})),
        (Kind::Subscription, json!({"nu": ["http://a"], "bn": {"num": 10, "dur": "PT1M"}})),
        (Kind::Subscription, json!({"nu": ["http://a"], "bn": {"dur": "P1D"}})),
        (Kind::Container, json!({"mni": 0, "mbs": 0})),
        (Kind::AccessControlPolicy, json!({"pv": {"acr": []}, "pvs": {"acr": [{"acor": ["all"], "acop": 63}]}})),
    ] {
        assert!(created(of_kind(kind), object(given.clone()), NOW).is_ok(), "{given}");
    }
}

#[test]
fn bad_resources_are_refused_by_name() {
    use ResourceKind as Kind;
    let rule = |rule: Value| json!({"pv": {"acr": []}, "pvs": {"acr": [rule]}});
    for (kind, given, text) in [
        (Kind::Container, json!({"foo": 1}), "foo: unknown attribute"),
        (Kind::Container, json!({"ri": "x"}), "ri: is set by the platform"),
        (Kind::Container, json!({"cni": 1}), "cni: is set by the platform"),
        (Kind::Container, json!({"cr": "Cx"}), "cr: is set by the platform"),
        (Kind::Container, json!({"mni": -1}), "mni: must be a whole number from 0 to 1000000"),
        (Kind::Container, json!({"mni": "5"}), "mni: must be a whole number from 0 to 1000000"),
        (Kind::Container, json!({"rn": ""}), "rn: must be a text of 1 to 256 characters"),
        (Kind::Container, json!({"lbl": "a"}), "lbl: must be a list of at most 200 texts of 1 to 512 characters"),
        (Kind::Container, json!({"lbl": [1]}), "lbl: must be a list of at most 200 texts of 1 to 512 characters"),
        (Kind::Container, json!({"et": "20151212T121212"}), "et: must not be in the past"),
        (Kind::Container, json!({"et": "2030-01-01"}), "et: must be a time written yyyyMMddTHHmmss"),
        (Kind::ApplicationEntity, json!({}), "api: is mandatory"),
        (Kind::ApplicationEntity, json!({"api": "x"}), "api: must be N or R and a name"),
        (Kind::ApplicationEntity, json!({"api": "N"}), "api: must be N or R and a name"),
        (Kind::ApplicationEntity, json!({"api": "Nx", "rr": 1}), "rr: must be true or false"),
        (Kind::ApplicationEntity, json!({"api": null}), "api: must be a text of 1 to 256 characters"),
        (Kind::ApplicationEntity, json!({"api": "Nx", "poah": "x:y"}), HEADERS_RULE),
        (Kind::ApplicationEntity, json!({"api": "Nx", "poah": [format!("x:{}", "y".repeat(9000))]}), HEADERS_RULE),
        (Kind::ApplicationEntity, json!({"api": "Nx", "poah": ["no colon"]}), HEADERS_RULE),
        (Kind::ApplicationEntity, json!({"api": "Nx", "poah": ["a b:c"]}), HEADERS_RULE),
        (Kind::ApplicationEntity, json!({"api": "Nx", "poah": ["a:b\r\nc:d"]}), HEADERS_RULE),
        (Kind::ApplicationEntity, json!({"api": "Nx", "poah": ["Host:x"]}), "poah: host is set by the platform"),
        (Kind::ApplicationEntity, json!({"api": "Nx", "poah": {"X-M2M-RI": "x"}}), "poah: x-m2m-ri is set by the platform"),
        (Kind::Container, json!({"disr": true}), "disr: is not supported"),
        (
            Kind::ApplicationEntity,
            json!({"api": "Nx", "csz": ["text/plain"]}),
            "csz: must be a list of media types of JSON, XML or CBOR",
        ),
        (Kind::AccessControlPolicy, json!({"pv": {"acr": []}}), "pvs: is mandatory"),
        (
            Kind::AccessControlPolicy,
            json!({"pv": {"acr": []}, "pvs": {"acr": []}}),
            "pvs.acr: must not be empty, or nobody could change the policy",
        ),
        (
            Kind::AccessControlPolicy,
            rule(json!({"acor": ["all"], "acop": 1, "acco": []})),
            "pvs.acr.acco: unknown or unsupported condition",
        ),
        (
            Kind::AccessControlPolicy,
            rule(json!({"acor": ["all"], "acop": 1, "acod": []})),
            "pvs.acr.acod: unknown or unsupported condition",
        ),
        (Kind::AccessControlPolicy, rule(json!({"acor": ["all"], "acop": 64})), "pvs.acr.acop: must be a number from 0 to 63"),
        (Kind::AccessControlPolicy, rule(json!({"acor": [], "acop": 1})), "pvs.acr.acor: must not be empty"),
    ] {
        assert_eq!(refusal(created(of_kind(kind), object(given.clone()), NOW)), text, "{given}");
    }
}

#[test]
fn bad_subscriptions_are_refused_by_name() {
    for (given, text) in [
        (json!({}), "nu: is mandatory"),
        (json!({"nu": []}), "nu: must be 1 to 10 addresses"),
        (json!({"nu": ["mqtt://a"]}), "nu: only http and https addresses are supported"),
        (
            json!({"nu": ["http://a"], "nct": 4}),
            "nct: must be 1 (all attributes), 2 (those that changed) or 3 (the id); no other is supported",
        ),
        (
            json!({"nu": ["http://a"], "enc": {"net": [5]}}),
            "enc.net: 5 is not supported; 1 update, 2 deletion, 3 child made, 4 child deleted are",
        ),
        (json!({"nu": ["http://a"], "enc": {"net": []}}), "enc.net: must be a list of 1 to 4 numbers"),
        (json!({"nu": ["http://a"], "enc": {"atr": []}}), "enc.atr: must not be empty"),
        (json!({"nu": ["http://a"], "enc": {"crb": "20300101T000000"}}), "enc.crb: unknown or unsupported condition"),
        (json!({"nu": ["http://a"], "bn": {}}), "bn: must be an object with num, dur or both"),
        (json!({"nu": ["http://a"], "bn": {"n": 1}}), "bn: must be an object with num, dur or both"),
        (json!({"nu": ["http://a"], "bn": {"num": 101}}), "bn.num: must be a whole number from 1 to 100"),
        (json!({"nu": ["http://a"], "bn": {"dur": "PT0S"}}), "bn.dur: must be a duration from PT1S to P1D"),
        (json!({"nu": ["http://a"], "bn": {"num": 2, "dur": 5000}}), "bn.dur: must be a duration from PT1S to P1D"),
        (json!({"nu": ["http://a"], "exc": 0}), "exc: must be a whole number from 1 to 1000000"),
        (json!({"nu": ["http://a"], "su": "mqtt://a"}), "su: only http and https addresses are supported"),
        (json!({"nu": ["http://a"], "nec": 1}), "nec: is not supported"),
    ] {
        assert_eq!(refusal(created(of_kind(ResourceKind::Subscription), object(given.clone()), NOW)), text, "{given}");
    }
}

#[test]
fn changes_leave_what_is_fixed() {
    use ResourceKind as Kind;
    let given = object(json!({"mni": 7, "mbs": null, "lbl": null, "et": null, "acpi": null}));
    let read = updated(of_kind(Kind::Container), given, NOW).unwrap();
    assert_eq!(read.attributes, object(json!({"mni": 7, "mbs": null})));
    assert_eq!((read.labels, read.policies, read.expires_at), (Some(vec![]), Some(vec![]), Some(None)));
    for (kind, given, text) in [
        (Kind::Container, json!({"rn": "b"}), "rn: cannot be changed"),
        (Kind::Container, json!({"ri": "b"}), "ri: is set by the platform"),
        (Kind::Container, json!({"st": 1}), "st: is set by the platform"),
        (Kind::Container, json!({"cr": null}), "cr: cannot be changed"),
        (Kind::ApplicationEntity, json!({"api": "Nz"}), "api: cannot be changed"),
        (Kind::Subscription, json!({"nu": null}), "nu: is mandatory"),
        (Kind::Subscription, json!({"su": "http://a"}), "su: cannot be changed"),
        (Kind::FlexContainer, json!({"cnd": "x"}), "cnd: cannot be changed"),
        (Kind::Container, json!({"mbs": -1}), "mbs: must be a whole number from 0 to 1000000000"),
    ] {
        assert_eq!(refusal(updated(of_kind(kind), object(given.clone()), NOW)), text, "{given}");
    }
}

#[test]
fn content_has_a_media_type() {
    for (text, good) in [
        ("text/plain", true),
        ("text/plain:0", true),
        ("application/octet-stream:1:5", true),
        ("application/vnd.a+json;charset=utf-8:2", true),
        ("text", false),
        ("/plain", false),
        ("text/", false),
        ("text/plain/x:0", false),
        ("text/plain:3", false),
        ("text/plain:", false),
        ("text/plain:0:6", false),
        ("text/plain:0:0:0", false),
        ("text/ plain:0", false),
    ] {
        assert_eq!(is_content_info(text), good, "{text}");
        assert_eq!(instance(object(json!({"con": 1, "cnf": text})), NOW).is_ok(), good, "{text}");
    }
    for (text, good) in [
        ("application/json", true),
        ("application/vnd.onem2m-ntfy+xml", true),
        ("application/vnd.onem2m-res+cbor", true),
        ("application/vnd.onem2m-res", false),
        ("json", false),
        ("text/json", false),
    ] {
        assert_eq!(is_serialization(text), good, "{text}");
    }
}

#[test]
fn instances_keep_what_is_only_shown() {
    let given = json!({"con": 1, "cnf": "text/plain:0", "or": "http://o", "dgt": "20151212T121212"});
    let read = instance(object(given), NOW).unwrap();
    assert_eq!(Value::Object(read.other), json!({"or": "http://o", "dgt": "20151212T121212"}));
}

#[test]
fn instances_count_their_bytes() {
    for (content, json, size) in [
        (json!("GET /3"), "\"GET /3\"", 6),
        (json!("ä\""), "\"ä\\\"\"", 3),
        (json!({"b": 1, "a": [true, null]}), r#"{"a":[true,null],"b":1}"#, 23),
        (json!(21.5), "21.5", 4),
        (json!(""), "\"\"", 0),
    ] {
        let given = object(json!({"con": content, "cnf": "application/json:0", "lbl": ["x"]}));
        let read = instance(given, NOW).unwrap();
        assert_eq!((read.content.as_str(), read.size), (json, size));
        assert_eq!((read.format.as_deref(), read.labels.len()), (Some("application/json:0"), 1));
    }
    for (given, text) in [
        (json!({}), "con: is mandatory"),
        (json!({"con": null}), "con: is mandatory"),
        (json!({"con": 1, "cs": 1}), "cs: is set by the platform"),
        (json!({"con": 1, "acpi": []}), "acpi: an instance is ruled by its container's"),
        (json!({"con": 1, "cnf": 0}), "cnf: must be a text of 1 to 256 characters"),
        (json!({"con": 1, "dgt": "today"}), "dgt: must be a time written yyyyMMddTHHmmss"),
        (json!({"con": 1, "dcnt": 0}), "dcnt: must be a whole number from 1 to 1000000"),
        (json!({"con": 1, "conr": "x"}), "conr: is not supported"),
    ] {
        assert_eq!(refusal(instance(object(given), NOW)), text);
    }
}
