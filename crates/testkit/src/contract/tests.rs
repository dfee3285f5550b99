//! The contracts themselves, and bodies that must and must not pass.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn answer(method: &str, path: &str, status: u16, body: &Value) -> Result<String, String> {
    let text = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Contract::oceanconnect().check_answer(method, path, status, &text).map(|o| o.id.clone()).map_err(|v| v.to_string())
}

#[test]
fn the_committed_contract_is_whole() {
    let contract = Contract::oceanconnect();
    assert_eq!(contract.operations().len(), 46);
    assert_eq!(contract.pushes().count(), 20, "17 notifyTypes, the command status and two callbacks without a body of their own");
    assert_eq!(contract.error_pairs().count(), 424, "415 rows, and nine of ours");
    assert!(contract.operations().iter().all(|o| !o.id.is_empty() && !o.section.is_empty() && !o.answers.is_empty()));
    for (operation, row) in contract.error_pairs() {
        let listed = operation.answers.get(&row.http).is_some_and(|a| a.failure.is_some());
        assert!(listed, "{} lists error {} under {} without a schema for it", operation.id, row.code, row.http);
    }
}

#[test]
fn paths_find_their_operation() {
    let cases = [
        ("POST", "/iocm/app/sec/v1.1.0/login", Some("login")),
        ("post", "/iocm/app/reg/v1.1.0/deviceCredentials?appId=x", Some("register_device_verify_code")),
        ("PUT", "/iocm/app/reg/v1.1.0/deviceCredentials/d1", Some("refresh_device_key")),
        ("POST", "/iodm/northbound/v1.5.0/operations/softwareUpgrade", Some("create_software_upgrade")),
        ("GET", "/iodm/northbound/v1.5.0/operations/softwareUpgrade", Some("get_upgrade_task")),
        ("GET", "/iocm/app/reg/v1.1.0/deviceCredentials/", None),
        ("PATCH", "/iocm/app/sec/v1.1.0/login", None),
        ("GET", "/", None),
    ];
    for (method, path, id) in cases {
        let found = Contract::oceanconnect().operation(method, path);
        assert_eq!(found.map(|o| o.id.as_str()), id, "{method} {path}");
    }
}

#[test]
fn answers_are_judged_by_status_schema_and_error_table() {
    let token = json!({"scope": "default", "tokenType": "Bearer", "expiresIn": 3600, "accessToken": "a", "refreshToken": "r"});
    let mut extra = token.clone();
    extra["surprise"] = json!(1);
    let error = |code: &str, desc: &str| json!({"error_code": code, "error_desc": desc});
    let (login, device) = ("/iocm/app/sec/v1.1.0/login", "/iocm/app/dm/v1.4.0/devices/d1");
    let good = [
        ("POST", login, 200, token.clone()),
        ("POST", login, 401, error("100208", "AppId or secret is not right.")),
        ("PUT", device, 204, Value::Null),
        ("PUT", "/iocm/app/shadow/v1.5.0/devices/d1", 200, Value::Null),
        ("PUT", device, 200, error("100203", "The application is not existed.")),
        ("PUT", device, 403, error("1010005", "App_key or access_token is invalid.")),
    ];
    for (method, path, status, body) in good {
        assert_eq!(answer(method, path, status, &body).map(|_| ()), Ok(()), "{method} {path} {status} {body}");
    }
    let bad = [
        ("POST", login, 201, token.clone(), "status 201 is not listed"),
        ("POST", login, 200, extra, "surprise"),
        ("POST", login, 200, json!({"expiresIn": "3600"}), "at /expiresIn"),
        ("POST", login, 200, Value::Null, "no JSON"),
        ("POST", "/iocm/app/cmd/v1.4.0/deviceCommands", 200, Value::Null, "no JSON"),
        ("PUT", device, 200, Value::Null, "no JSON"),
        ("POST", login, 200, error("100208", "AppId or secret is not right."), "must not be a failure"),
        ("POST", login, 401, token, "must be a failure"),
        ("POST", login, 401, error("100208", "wrong secret"), "no row of the error table"),
        ("POST", login, 400, error("100208", "AppId or secret is not right."), "no row of the error table"),
        ("POST", login, 401, json!({"error_code": 100208, "error_desc": "x"}), "at /error_code"),
        ("PUT", device, 204, json!({}), "has no body"),
        ("GET", "/nowhere", 200, json!({}), "no such operation"),
    ];
    for (method, path, status, body, why) in bad {
        let error = answer(method, path, status, &body).unwrap_err();
        assert!(error.contains(why), "{method} {path} {status} {body}: {error}");
    }
}

#[test]
fn the_misprinted_codes_are_never_an_answer() {
    let path = "/iocm/app/shadow/v1.5.0/devices/d1";
    let error = answer("PUT", path, 403, &json!({"error_code": "101009", "error_desc": "app throttle exceed."}));
    assert!(error.is_err_and(|e| e.contains("no row")));
}

#[test]
fn pushed_bodies_are_judged_by_their_type() {
    let contract = Contract::oceanconnect();
    let deleted = json!({"notifyType": "deviceDeleted", "deviceId": "d", "gatewayId": "g"});
    assert_eq!(contract.check_notification(&deleted), Ok(()));
    assert!(contract.check_push("deviceAdded", &deleted).is_err(), "another type");
    assert!(contract.check_notification(&json!({"deviceId": "d"})).is_err(), "no type");
    assert!(contract.check_notification(&json!({"notifyType": "deviceLost"})).is_err(), "an unknown type");
    let extra = json!({"notifyType": "deviceDeleted", "deviceId": "d", "gatewayId": "g", "why": "x"});
    let error = contract.check_notification(&extra).unwrap_err();
    assert!(error.to_string().contains("why"), "{error}");
}

#[test]
fn the_examples_of_the_contract_pass_its_schemas() {
    let document = yaml::to_json(include_str!("../../../../spec/oceanconnect/huawei-northbound.openapi.yaml")).unwrap();
    let mut examples = 0;
    for (name, item) in members(&document, "/x-webhooks") {
        if let Some(example) = item.pointer("/post/requestBody/content/application~1json/example") {
            assert_eq!(Contract::oceanconnect().check_push(name, example), Ok(()));
            examples += 1;
        }
    }
    assert_eq!(examples, 18);
}

#[test]
fn the_examples_of_device_to_cloud_pass_its_schemas() {
    let document = yaml::to_json(include_str!("../../../../spec/onem2m/onem2m-d2c.openapi.yaml")).unwrap();
    let mut examples = 0;
    for (template, item) in members(&document, "/paths") {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in members(operation, "/responses") {
                for (name, example) in members(response, "/content/application~1json/examples") {
                    let body = example["value"].to_string();
                    let status = status.parse().unwrap();
                    let judged = Contract::onem2m().check_answer(&method.to_uppercase(), template, status, body.as_bytes());
                    assert_eq!(judged.map(|_| ()).map_err(|e| e.to_string()), Ok(()), "{method} {template} {status} {name}");
                    examples += 1;
                }
            }
        }
    }
    assert_eq!((Contract::onem2m().operations().len(), examples), (13, 9));
}

#[test]
fn answers_of_device_to_cloud_are_judged() {
    let answer = |method: &str, path: &str, status: u16, body: Value| {
        let text = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        Contract::onem2m().check_answer(method, path, status, &text).map(|o| o.id.clone()).map_err(|v| v.to_string())
    };
    let debug = json!({"m2m:dbg": "resource not found"});
    let good = [
        ("DELETE", "/meter", 200, Value::Null, "deleteNode"),
        ("DELETE", "/meter", 404, debug.clone(), "deleteNode"),
        ("GET", "/device-provisioning/logs/la", 404, debug.clone(), "getLatestLog"),
        ("GET", "/device-communication/meter/error-msg/la?rcn=1", 404, debug.clone(), "getLatestDeviceError"),
        ("PUT", "/meter/device-info", 400, debug.clone(), "updateDeviceInfo"),
        ("POST", "/", 400, debug.clone(), "createApplicationEntity"),
        ("PUT", "/device-group/cellar", 200, json!({"dtiot:devGr": {"nds": ["meter"]}}), "updateDeviceGroup"),
        ("GET", "/hook", 200, json!({"m2m:ae": {"poah": {"X-Room": "12"}}}), "getNode"),
    ];
    for (method, path, status, body, id) in good {
        assert_eq!(answer(method, path, status, body), Ok(id.to_owned()), "{method} {path}");
    }
    let bad = [
        ("DELETE", "/meter", 200, json!({}), "has no body"),
        ("DELETE", "/meter", 204, Value::Null, "is not listed"),
        ("GET", "/meter", 404, json!({"error": "x"}), "error"),
        ("GET", "/meter", 200, json!({"m2m:nod": {"ni": 7}}), "m2m:nod"),
    ];
    for (method, path, status, body, why) in bad {
        let error = answer(method, path, status, body).unwrap_err();
        assert!(error.contains(why), "{method} {path} {status}: {error}");
    }
}

/// Every document of `spec/` that is OpenAPI.
const DOCUMENTS: [(&str, &str); 5] = [
    ("oceanconnect", include_str!("../../../../spec/oceanconnect/huawei-northbound.openapi.yaml")),
    ("onem2m", include_str!("../../../../spec/onem2m/onem2m-d2c.openapi.yaml")),
    ("admin", include_str!("../../../../spec/admin/openapi.yaml")),
    ("devicecontrol", include_str!("../../../../spec/devicecontrol/cumulocity-devicecontrol.openapi.yaml")),
    ("orbiwan", include_str!("../../../../spec/orbiwan/orbiwan.openapi.yaml")),
];

/// Objects of answers and pushes that `{}` satisfies though they have properties, and that do not say why with `x-nothing-required`.
fn vacuous(document: &Value) -> Vec<String> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let mut open: Vec<(String, &Value)> = Vec::new();
    for (path, item) in members(document, "/paths") {
        for (method, operation) in METHODS.iter().filter_map(|method| Some((method, item.get(method)?))) {
            open.extend(members(operation, "/responses").map(|(status, answer)| (format!("{method} {path} {status}"), answer)));
        }
    }
    open.extend(
        members(document, "/x-webhooks").filter_map(|(name, hook)| Some((name.clone(), hook.pointer("/post/requestBody")?))),
    );
    while let Some((at, node)) = open.pop() {
        let Value::Object(members) = node else { continue };
        if let Some(target) = members.get("$ref").and_then(Value::as_str) {
            let target = target.trim_start_matches('#');
            if seen.insert(target) {
                open.extend(document.pointer(target).map(|next| (target.to_owned(), next)));
            }
            continue;
        }
        let properties = members.get("properties").and_then(Value::as_object);
        let required = members.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty());
        let said = members.get("x-nothing-required").is_some_and(Value::is_string);
        if properties.is_some_and(|properties| !properties.is_empty()) && !required && !said {
            found.push(at.clone());
        }
        let below = ["content", "properties"].iter().filter_map(|key| members.get(*key)?.as_object());
        open.extend(below.flatten().map(|(name, next)| (format!("{at}/{name}"), next)));
        open.extend(["schema", "items", "additionalProperties"].iter().filter_map(|key| Some((at.clone(), members.get(*key)?))));
        let branches = ["allOf", "anyOf", "oneOf"].iter().filter_map(|key| members.get(*key)?.as_array());
        open.extend(branches.flatten().map(|next| (at.clone(), next)));
    }
    found
}

#[test]
fn no_answer_passes_empty() {
    for (name, text) in DOCUMENTS {
        assert_eq!(vacuous(&yaml::to_json(text).unwrap()), Vec::<String>::new(), "{name}: say what an answer always has");
    }
    let answer =
        |schema: Value| json!({"paths": {"/a": {"get": {"responses": {"200": {"content": {"x/y": {"schema": schema}}}}}}}});
    let open = json!({"type": "object", "properties": {"a": {}}});
    assert_eq!(vacuous(&answer(json!({"type": "array", "items": open.clone()}))), ["get /a 200/x/y"]);
    assert_eq!(vacuous(&answer(json!({"allOf": [{"required": ["b"], "properties": {"b": open}}]}))), ["get /a 200/x/y/b"]);
    assert!(vacuous(&answer(json!({"properties": {"a": {}}, "x-nothing-required": "because"}))).is_empty());
}
