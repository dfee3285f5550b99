//! What a report keeps of a measurement, and what a measurement is made of again.

use super::*;
use landfall_model::{AccountId, DataFormat, Lwm2mModel, Parameter, ProductId, ProductKey, Property, Service};
use serde_json::json;

const AT: Time = Time(5_000);

fn new(fragments: Value) -> NewMeasurement {
    NewMeasurement { kind: "c8y_Kind".into(), at: None, fragments: fragments.as_object().cloned().unwrap() }
}

fn points(services: &[ServiceReport]) -> Vec<HistoryPoint> {
    let device = DeviceId::from_random([1; 16]);
    let point = |service: &ServiceReport| HistoryPoint {
        seq: Seq(7),
        device,
        gateway: device,
        app: None,
        service_id: service.service_id.clone(),
        data: service.data.clone(),
        event_time: service.event_time,
        meta: service.meta.clone(),
    };
    services.iter().map(point).collect()
}

#[test]
fn a_measurement_comes_back_as_it_was_and_its_values_are_plain() {
    // What is reported, and the data of each service.
    let cases = [
        (json!({ "T": { "out": { "value": 21.5 } } }), vec![("T", r#"{"out":21.5}"#)]),
        (
            json!({ "T": { "in": { "value": -1, "unit": "C" }, "out": { "value": 2e3 } } }),
            vec![("T", r#"{"in":-1,"out":2000.0}"#)],
        ),
        (
            json!({ "A": { "x": { "value": 1, "q": [1] }, "note": "n" }, "B": { "y": { "value": 2 } }, "free": { "a": 1 }, "t": "text" }),
            vec![("A", r#"{"x":1}"#), ("B", r#"{"y":2}"#)],
        ),
        (json!({ "A": { "x": { "value": "1" }, "y": { "value": 1 } } }), vec![("A", r#"{"y":1}"#)]),
    ];
    for (fragments, data) in cases {
        let services = services_of(&new(fragments.clone()), None, AT).unwrap();
        let shown: Vec<_> = services.iter().map(|service| (service.service_id.as_str(), service.data.as_str())).collect();
        assert_eq!(shown, data);
        let again = measured(&points(&services)).unwrap();
        assert_eq!((again.kind.as_str(), again.at, again.seq), ("c8y_Kind", AT, Seq(7)));
        assert_eq!(Value::Object(again.fragments), fragments);
    }
}

#[test]
fn a_report_of_another_dialect_is_a_measurement_too() {
    let service = ServiceReport {
        service_id: "Meter".into(),
        service_type: None,
        data: r#"{"n":1,"text":"on"}"#.into(),
        event_time: AT,
        meta: None,
    };
    let shown = measured(&points(&[service])).unwrap();
    assert_eq!(shown.kind, "Meter");
    assert_eq!(Value::Object(shown.fragments), json!({ "Meter": { "n": { "value": 1 }, "text": "on" } }));
    assert_eq!(measured(&[]), None);
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let many = |n: usize, value: &Value| Value::Object((0..n).map(|i| (format!("n{i}"), value.clone())).collect());
    let series = json!({ "value": 1 });
    let cases = [
        (json!({}), "fragments"),
        (json!({ "T": {} }), "fragments"),
        (json!({ "T": { "x": { "value": "1" } }, "y": { "value": 1 } }), "fragments"),
        (json!({ "": { "x": series } }), ""),
        (json!({ "T": { "": series } }), "T"),
        (json!({ "T": many(1_001, &series) }), "T"),
        (many(101, &json!({ "x": series })), "n99"),
        (json!({ "T": { "x": { "value": 1, "unit": "u".repeat(FRAGMENTS) } } }), "T"),
    ];
    for (fragments, path) in cases {
        let error = services_of(&new(fragments), None, AT).unwrap_err();
        assert_eq!((error.cause, error.path.as_deref()), (Cause::InvalidField, Some(path)), "{error}");
    }
    assert_eq!(check_kind("").unwrap_err().path.as_deref(), Some("type"));
}

#[test]
fn what_a_product_defines_is_held_to_it() {
    let parameter = Parameter { name: "T".into(), data_type: "int".into(), max: Some("9".into()), ..Parameter::default() };
    let services = vec![Service {
        service_id: "Meter".into(),
        service_type: "Kind".into(),
        properties: vec![Property { parameter, ..Property::default() }],
        ..Service::default()
    }];
    let product = Product {
        id: ProductId::from_random([1; 16]),
        account: AccountId::from_random([2; 16]),
        version: 1,
        key: ProductKey::default(),
        name: String::new(),
        format: DataFormat::Json,
        services,
        codecs: vec![],
        lwm2m: Lwm2mModel::default(),
        secret: None,
        auto_register: None,
        claims: false,
        created_at: AT,
        modified_at: AT,
    };
    let held = |fragments: Value| services_of(&new(fragments), Some(&product), AT);
    let fits = held(json!({ "Meter": { "T": { "value": 9 } }, "Other": { "x": { "value": 1.5 } } })).unwrap();
    assert_eq!(fits.iter().map(|one| one.service_type.as_deref()).collect::<Vec<_>>(), [Some("Kind"), None]);
    for wrong in [json!({ "T": { "value": 10 } }), json!({ "U": { "value": 1 } }), json!({ "T": { "value": 1.5 } })] {
        let error = held(json!({ "Meter": wrong })).unwrap_err();
        assert_eq!(error.cause, Cause::PayloadInvalid);
        assert!(error.path.as_deref().unwrap().starts_with("Meter."), "{error}");
    }
}
