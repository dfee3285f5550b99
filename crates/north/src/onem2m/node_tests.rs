//! Nodes and their objects: shown as the contract shows them, and what clients may write.

use super::*;
use landfall_model::{AccessMode, AccountId, AppId, Credentials, DeviceInfo, Node, NodeType, Secret, StatusDetail};

const MADE: Time = Time(1_770_059_688_109);
const CHANGED: Time = Time(1_771_838_847_644);

fn bare() -> Device {
    Device {
        access: AccessMode::Secret,
        node_type: NodeType::Unknown,
        info: Arc::new(DeviceInfo { manufacturer_name: Some("ACME".to_owned()), ..DeviceInfo::default() }),
        credentials: Credentials {
            psk: Some(Secret::new(hex::encode("someNewRandomD2cPassword"))),
            psk_identity: Some("myLwM2M-Device01_psk".to_owned()),
            ..Credentials::default()
        },
        status_detail: StatusDetail::None,
        modified_at: CHANGED,
        ..Device::new(
            DeviceId::from_random([3; 16]),
            AccountId::from_random([1; 16]),
            AppId::from_random([2; 16]),
            "urn:gsma:imei:999934546781019",
            MADE,
        )
    }
}

fn provisioned() -> Device {
    let attributes = json!({"man": "Leshan Demo Device", "dlb": ["a", "b"], "ptl": ["LWM2M"], "loc": "geo:-84.0,-138.0"});
    let info = |name: &str, attributes: Map<String, Value>| {
        Some(NodeInfo {
            name: name.to_owned(),
            labels: vec!["d2c:1.0".to_owned()],
            attributes,
            created_at: MADE,
            modified_at: CHANGED,
        })
    };
    let infos = vec![info("device-info", Map::new()), None, info("mine", attributes.as_object().unwrap().clone())];
    let node = Node {
        name: "myLwM2M-Device01".to_owned(),
        labels: vec!["d2c:1.0".to_owned(), "profile:SCS-LwM2M".to_owned()],
        profile: Some("SCS-LwM2M".to_owned()),
        iccid: None,
        infos,
        credentials_at: Some(MADE),
        observed: vec![],
        managed: vec![],
        created_at: MADE,
        modified_at: CHANGED,
    };
    Device { node: Some(Arc::new(node)), ..bare() }
}

fn id(part: DevicePart) -> String {
    ResourceId::of_device(bare().id, part).to_string()
}

#[test]
fn a_node_is_shown_as_the_contract_shows_it() {
    let mut expected = json!({
        "ni": "urn:gsma:imei:999934546781019", "lbl": ["d2c:1.0", "profile:SCS-LwM2M"], "rn": "myLwM2M-Device01", "ty": 14,
        "ri": id(DevicePart::Node), "pi": "myTenant", "ct": "20260202T191448,109000", "lt": "20260223T092727,644000"
    });
    assert_eq!(Value::Object(show_node(&provisioned(), "myTenant")), expected);
    expected["rn"] = bare().id.to_string().into();
    expected["lbl"] = json!(["d2c:1.0"]);
    assert_eq!(Value::Object(show_node(&bare(), "myTenant")), expected, "a device of another dialect, under its own id");
}

#[test]
fn credentials_show_the_key_in_base64() {
    let expected = json!({
        "dc": "cred", "mgd": 1029, "rn": "credentials", "lbl": ["d2c:1.0"], "ty": 13, "ri": id(DevicePart::Credentials),
        "pi": id(DevicePart::Node), "ct": "20260202T191448,109000", "lt": "20260202T191448,109000",
        "crid": "myLwM2M-Device01_psk", "crse": "c29tZU5ld1JhbmRvbUQyY1Bhc3N3b3Jk"
    });
    assert_eq!(Value::Object(show_credentials(&provisioned())), expected);
    let mut own = bare();
    own.credentials.psk_identity = None;
    assert_eq!(show_credentials(&own)["crid"], "urn:gsma:imei:999934546781019", "the nodeId is the identity where none is given");
}

#[test]
fn information_objects_show_what_is_kept_and_no_more() {
    let shown = |index: u8, name: &str, attributes: Value| {
        let mut expected = json!({
            "rn": name, "mgd": 1007, "lbl": ["d2c:1.0"], "ty": 13, "ri": id(DevicePart::Info(index)), "pi": id(DevicePart::Node),
            "ct": "20260202T191448,109000", "lt": "20260223T092727,644000"
        });
        expected.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        expected
    };
    let own = json!({"man": "Leshan Demo Device", "dlb": ["a", "b"], "ptl": ["LWM2M"], "loc": "geo:-84.0,-138.0"});
    assert_eq!(Value::Object(show_info(&provisioned(), 0)), shown(0, "device-info", json!({})), "an empty object");
    assert_eq!(Value::Object(show_info(&provisioned(), 2)), shown(2, "mine", own));
    assert_eq!(show_info(&provisioned(), 1), Map::new(), "a deleted one");
    assert_eq!(Value::Object(show_info(&bare(), 0)), shown(0, "device-info", json!({"man": "ACME"})), "what the registry knows");
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn of_a_node_only_the_labels_can_be_written() {
    let good = [
        (json!({"lbl": ["a:b", "d2c:1.0"]}), vec!["a:b", "d2c:1.0"]),
        (json!({"lbl": []}), vec![]),
        (json!({"lbl": null}), vec![]),
        (json!({"lbl": ["ä".repeat(512)]}), vec!["ä".repeat(512).leak()]),
    ];
    for (given, labels) in good {
        assert_eq!(node_labels(map(given)).unwrap(), labels);
    }
    let bad = [
        (json!({}), "lbl"),
        (json!({"lbl": "a:b"}), "lbl"),
        (json!({"lbl": [1]}), "lbl"),
        (json!({"lbl": ["ä".repeat(513)]}), "lbl"),
        (json!({"lbl": vec!["x"; 201]}), "lbl"),
        (json!({"ni": "x"}), "ni"),
        (json!({"lbl": [], "rn": "x"}), "rn"),
        (json!({"lbl": [], "mgd": 1007}), "mgd"),
        (json!({"lbl": [], "colour": "red"}), "colour"),
    ];
    for (given, path) in bad {
        let refused = node_labels(map(given)).unwrap_err();
        assert_eq!((refused.cause, refused.path.as_deref()), (Cause::InvalidField, Some(path)), "{refused}");
    }
}

#[test]
fn what_a_device_keeps_up_to_date_is_a_management_object() {
    for (kind, root, mgd) in [
        (ManagedKind::Firmware, "m2m:fwr", 1001),
        (ManagedKind::Memory, "m2m:mem", 1003),
        (ManagedKind::Battery, "m2m:bat", 1006),
    ] {
        let attributes = map(json!({"btl": 53}));
        let (found, shown) = show_managed(&Managed { kind, attributes, created_at: MADE, modified_at: CHANGED }, bare().id);
        let expected = json!({
            "btl": 53, "rn": kind.name(), "mgd": mgd, "ty": 13, "ri": id(DevicePart::Managed(kind)), "pi": id(DevicePart::Node),
            "ct": "20260202T191448,109000", "lt": "20260223T092727,644000"
        });
        assert_eq!((found, Value::Object(shown)), (root, expected));
    }
}

#[test]
fn changes_of_an_information_object_are_checked() {
    let change = info_change(map(json!({
        "loc": "geo:48.861045,2.335765", "man": null, "mod": "", "dlb": ["a"], "ptl": [], "lbl": ["x:y"], "syst": "afnN9Q=="
    })))
    .unwrap();
    let kept = json!({"loc": "geo:48.861045,2.335765", "man": null, "mod": "", "dlb": ["a"], "ptl": [], "syst": "afnN9Q=="});
    assert_eq!((Value::Object(change.attributes), change.labels), (kept, Some(vec!["x:y".to_owned()])));
    let links = json!({"mfd": "20260101T000000", "mfdl": "https://a.example/d", "spur": "https://a.example/s", "purl": "https://a.example/p"});
    assert_eq!(Value::Object(info_change(map(links.clone())).unwrap().attributes), links);
    assert_eq!(info_change(map(json!({"ptl": "", "dlb": "one"}))).unwrap().attributes, map(json!({"ptl": null, "dlb": "one"})));
    let bad = [
        (json!({"rn": "device-info"}), "rn"),
        (json!({"mgd": 1007}), "mgd"),
        (json!({"ty": 13}), "ty"),
        (json!({"man": 1}), "man"),
        (json!({"man": ["ACME"]}), "man"),
        (json!({"man": "ä".repeat(257)}), "man"),
        (json!({"dlb": {"a": "b"}}), "dlb"),
        (json!({"dlb": [1]}), "dlb"),
        (json!({"dlb": "ä".repeat(513)}), "dlb"),
        (json!({"dlb": vec!["x"; 101]}), "dlb"),
        (json!({"ptl": "LWM2M"}), "ptl"),
        (json!({"ptl": [null]}), "ptl"),
        (json!({"lbl": "x"}), "lbl"),
        (json!({"colour": "red"}), "colour"),
    ];
    for (given, path) in bad {
        let refused = info_change(map(given)).unwrap_err();
        assert_eq!((refused.cause, refused.path.as_deref()), (Cause::InvalidField, Some(path)), "{refused}");
    }
}

#[test]
fn a_new_information_object_has_a_name_and_a_definition() {
    let name = |given: Value| new_info(map(given)).map(|(name, _)| name);
    assert_eq!(name(json!({"rn": "mine", "mgd": 1007, "man": null})), Ok("mine".to_owned()));
    assert_eq!(name(json!({"rn": null})), Ok("device-info".to_owned()));
    for (given, path) in [(json!({"mgd": 1029}), "mgd"), (json!({"mgd": "1007"}), "mgd"), (json!({"rn": 1}), "rn")] {
        assert_eq!(name(given).unwrap_err().path.as_deref(), Some(path));
    }
}

#[test]
fn new_credentials_are_an_identity_and_a_key() {
    let full = || map(json!({"dc": "cred", "mgd": 1029, "rn": "credentials", "lbl": null, "crid": "i", "crse": "dGVzdA=="}));
    assert_eq!(new_credentials(full()), Ok(("i".to_owned(), b"test".to_vec())));
    let bad = [
        ("mgd", json!(1007)),
        ("rn", json!("other")),
        ("lbl", json!("x")),
        ("dc", json!(1)),
        ("crid", Value::Null),
        ("crid", json!(1)),
        ("crse", Value::Null),
        ("crse", json!("***")),
        ("crse", json!("not base64")),
        ("man", json!("ACME")),
    ];
    for (name, value) in bad {
        let mut given = full();
        given.insert(name.to_owned(), value);
        let refused = new_credentials(given).unwrap_err();
        assert_eq!((refused.cause, refused.path.as_deref()), (Cause::InvalidField, Some(name)), "{refused}");
    }
    assert!(!new_credentials(map(json!({"crid": "i", "crse": "c2VjcmV0!"}))).unwrap_err().to_string().contains("c2VjcmV0"));
}
