//! Representations of each type.

use super::*;
use landfall_model::AppId;

const NOW: Time = Time(1_449_922_332_007);
const AT: &str = "20151212T121212,007000";

fn account() -> AccountId {
    AccountId::from_random([1; 16])
}

fn resource(kind: ResourceKind, attributes: Value) -> Resource {
    let Value::Object(attributes) = attributes else { panic!("no object") };
    Resource {
        id: ResourceId([7; 12]),
        account: account(),
        app: AppId::from_random([2; 16]),
        version: 3,
        parent: ResourceId::of_account(account(), AccountPart::Base),
        device: None,
        name: "r".into(),
        kind,
        creator: "CmyApplication".into(),
        labels: vec!["a:b".into()],
        policies: vec![],
        attributes,
        expires_at: None,
        created_at: NOW,
        modified_at: NOW,
    }
}

#[test]
fn records_are_shown() {
    use ResourceKind as Kind;
    let rules = json!({"acr": [{"acor": ["all"], "acop": 2}]});
    let temperature = "org.onem2m.common.moduleclass.temperature";
    for (kind, given, root, own) in [
        (Kind::AccessControlPolicy, json!({"pv": rules, "pvs": rules}), "m2m:acp", json!({"pv": rules, "pvs": rules})),
        (Kind::ApplicationEntity, json!({"api": "Nx"}), "m2m:ae", json!({"api": "Nx", "aei": "Cr", "rr": false})),
        (Kind::Container, json!({"mni": 5}), "m2m:cnt", json!({"mni": 5, "cr": "CmyApplication"})),
        (
            Kind::Subscription,
            json!({"nu": ["http://a"]}),
            "m2m:sub",
            json!({"nu": ["http://a"], "nct": 1, "cr": "CmyApplication"}),
        ),
        (
            Kind::FlexContainer,
            json!({"cnd": temperature, "curT0": 21.5}),
            "cod:tempe",
            json!({"cnd": temperature, "curT0": 21.5, "st": 2, "cr": "CmyApplication"}),
        ),
    ] {
        let mut expected =
            json!({"rn": "r", "ty": kind.ty(), "ri": "07".repeat(12), "pi": "acme", "ct": AT, "lt": AT, "lbl": ["a:b"]});
        let Value::Object(own) = own else { panic!("no object") };
        expected.as_object_mut().unwrap().extend(own);
        let (found, shown) = resource_shown(&resource(kind, given), "acme");
        assert_eq!((found, Value::Object(shown)), (root, expected));
    }
}

#[test]
fn optional_attributes_are_shown_where_they_are() {
    let below = Resource {
        parent: ResourceId([8; 12]),
        policies: vec![ResourceId([6; 12])],
        labels: vec![],
        expires_at: Some(NOW),
        ..resource(ResourceKind::Container, json!({}))
    };
    let (_, shown) = resource_shown(&below, "acme");
    assert_eq!(shown["pi"], json!("08".repeat(12)));
    assert_eq!(shown["acpi"], json!(["06".repeat(12)]));
    assert_eq!((shown.get("lbl"), shown.get("et")), (None, Some(&json!(AT))));
}

#[test]
fn instances_are_shown() {
    let logs = ResourceId::of_account(account(), AccountPart::Logs);
    let instance = |container, state| Instance {
        id: ResourceId([9; 12]),
        container,
        account: account(),
        device: None,
        name: "i".into(),
        state,
        content: r#"{"status":{"code":400}}"#.into(),
        format: Some("application/json:0".into()),
        size: 23,
        labels: vec![],
        other: Map::new(),
        creator: None,
        by: None,
        created_at: NOW,
        expires_at: None,
    };
    let (root, shown) = instance_shown(&instance(logs, 2), "acme");
    let expected = json!({
        "con": {"status": {"code": 400}}, "cnf": "application/json:0", "ty": 4, "cs": 23, "st": 2, "stg": 2, "rn": "i",
        "ri": "09".repeat(12), "pi": logs.to_string(), "ct": AT, "lt": AT,
    });
    assert_eq!((root, Value::Object(shown)), ("m2m:cin", expected));
    let (_, elsewhere) = instance_shown(&instance(ResourceId([8; 12]), 2), "acme");
    assert_eq!((elsewhere.get("st"), elsewhere.get("stg")), (Some(&json!(2)), None));
    assert_eq!(instance_shown(&instance(logs, 0), "acme").1.get("st"), None);
}

#[test]
fn the_base_has_the_name_of_the_tenant() {
    assert_eq!(id_text(account(), "acme", ResourceId::of_account(account(), AccountPart::Base)), "acme");
    assert_eq!(id_text(account(), "acme", ResourceId([1; 12])), "01".repeat(12));
    let account = Account {
        id: account(),
        version: 1,
        name: "acme".into(),
        tenant: None,
        token: None,
        settings: landfall_model::AccountSettings::default(),
        created_at: NOW,
    };
    let shown = base(&account);
    assert_eq!((shown["ri"].as_str(), shown["rn"].as_str(), shown["csi"].as_str()), (Some("acme"), Some("acme"), Some("/acme")));
    assert_eq!((shown["ty"].as_u64(), shown["ct"].as_str(), shown.get("pi")), (Some(5), Some(AT), None));
}

#[test]
fn containers_show_what_they_hold_and_may_hold() {
    let shown = |state: ContainerState, place| {
        let mut shown = Map::from_iter([("lt".to_owned(), AT.into())]);
        put_held(&mut shown, &state);
        put_limits(&mut shown, &Target::Place(place));
        shown
    };
    let state = ContainerState { state: 9, instances: 4, bytes: 100, modified_at: None };
    let logs = shown(state, AccountPart::Logs);
    assert_eq!((logs["st"].as_u64(), logs["cni"].as_u64(), logs["cbs"].as_u64()), (Some(9), Some(4), Some(100)));
    assert!(logs["mni"].as_u64() > Some(100));
    let place = shown(ContainerState::default(), AccountPart::Groups);
    assert_eq!((place["cni"].as_u64(), place.get("mni")), (Some(0), None));
    for (at, lt) in [(NOW, AT.to_owned()), (NOW.minus_s(1), AT.to_owned()), (NOW.plus_s(1), NOW.plus_s(1).onem2m())] {
        let state = ContainerState { modified_at: Some(at), ..state };
        assert_eq!(shown(state, AccountPart::Logs)["lt"], lt, "{at:?}");
    }
}
