//! Lists of nodes to be provisioned, as Device-to-Cloud writes them (D2C, device-provisioning): read with short or long names, written with
//! short ones. The operators' API reads and writes them too.
//!
//! Only the form is checked here, and wholly before anything is made. What a node lacks is told for each node by the core, later. Absent: what
//! every resource has beside its own attributes.

use crate::http::Pace;
use axum::http::Extensions;
use landfall_core::{PROVISIONING_NODES, ProvisioningRequest};
use landfall_model::{Error, NodeRequest, Result, Secret};
use serde_json::{Map, Value, json};

/// Root of a request.
pub const ROOT: &str = "dtiot:noPRt";
/// `cnd` of a request.
pub const DEFINITION: &str = "com.telekom.iot.orchestrator.nodeProvisioningRequest";
/// Bytes of the body of a request: 20,000 nodes with all that is usual.
pub const BODY_BYTES: usize = 32 * 1024 * 1024;

/// Lets the body of a request be as large as a list, and take its time.
pub fn upload(extensions: &Extensions) {
    Pace::set(extensions, |pace| {
        pace.deadline_s = None;
        pace.budget_bytes = BODY_BYTES;
    });
}

/// Short and long names of an object's attributes.
type Names = &'static [(&'static str, &'static str)];

/// The attributes of a device information object (D2C, section 2; TS-0004, annex D.8) that applications may give.
pub const INFO_NAMES: Names = &[
    ("cnty", "country"),
    ("dc", "description"),
    ("dlb", "deviceLabel"),
    ("dty", "deviceType"),
    ("dvnm", "deviceName"),
    ("fwv", "fwVersion"),
    ("hwv", "hwVersion"),
    ("lbl", "labels"),
    ("loc", "location"),
    ("man", "manufacturer"),
    ("mfd", "manufacturingDate"),
    ("mfdl", "manufacturerDetailsLink"),
    ("mgd", "mgmtDefinition"),
    ("mod", "model"),
    ("osv", "osVersion"),
    ("ptl", "protocol"),
    ("purl", "presentationURL"),
    ("rn", "resourceName"),
    ("smod", "subModel"),
    ("spur", "supportURL"),
    ("swv", "swVersion"),
    ("syst", "systemTime"),
];
const REQUEST_NAMES: Names = &[
    ("cnd", "containerDefinition"),
    ("lbl", "labels"),
    ("opern", "operation"),
    ("reqLt", "requestList"),
    ("rn", "resourceName"),
];
const NODE_NAMES: Names = &[
    ("lbl", "labels"),
    ("nCr", "nodeCredentials"),
    ("nDGr", "nodeDeviceGroups"),
    ("ndvi", "nodeDeviceInfo"),
    ("ni", "nodeID"),
    ("noRNe", "nodeResourceName"),
    ("profe", "profile"),
];

/// Characters of a text, and of a label.
const TEXT: usize = 256;
const LABEL: usize = 512;
const LABELS: usize = 100;
const CREDENTIALS: usize = 20;
const GROUPS: usize = 50;
/// Entries of `dlb` and `ptl`.
const ENTRIES: usize = 100;
/// Attributes of a node that this server does not know, and their bytes as JSON.
const OTHER: usize = 20;
const OTHER_BYTES: usize = 4_096;

/// Reads the body of a request: an object with the root alone. `InvalidField` at the exact attribute.
pub fn parse_body(body: Value) -> Result<ProvisioningRequest> {
    let alone = || Error::invalid("body", format!("must be an object with {ROOT} alone"));
    let Value::Object(mut fields) = body else { return Err(alone()) };
    match (fields.remove(ROOT), fields.is_empty()) {
        (Some(Value::Object(request)), true) => parse_request(request),
        (Some(_), true) => Err(Error::invalid(ROOT, "must be an object")),
        _ => Err(alone()),
    }
}

/// Reads the attributes of a request. `InvalidField` at the exact attribute.
pub fn parse_request(request: Map<String, Value>) -> Result<ProvisioningRequest> {
    let mut fields = Fields::read(String::new(), Value::Object(request), REQUEST_NAMES)?;
    let definition = fields.text("cnd", TEXT)?.ok_or_else(|| fields.wrong("cnd", "is missing"))?;
    if definition != DEFINITION {
        return Err(fields.wrong("cnd", format!("must be {DEFINITION}")));
    }
    if fields.take("opern").is_some_and(|operation| operation.as_u64() != Some(1)) {
        return Err(fields.wrong("opern", "must be 1"));
    }
    let (name, labels) = (fields.text("rn", TEXT)?, fields.texts("lbl", LABELS, LABEL)?);
    let list = fields.take("reqLt").ok_or_else(|| fields.wrong("reqLt", "is missing"))?;
    if let Some(odd) = fields.rest.keys().next() {
        return Err(fields.wrong(odd, "is no attribute of a provisioning request"));
    }
    let name = name.filter(|name| !name.is_empty());
    Ok(ProvisioningRequest { name, labels: labels.unwrap_or_default(), nodes: parse_nodes(list)? })
}

/// Reads `reqLt`: 1 to 20,000 nodes. `InvalidField` at the exact attribute of the first that has not the form of a node.
pub fn parse_nodes(list: Value) -> Result<Vec<NodeRequest>> {
    let Value::Array(list) = list else { return Err(Error::invalid("reqLt", "must be a list of nodes")) };
    if !(1..=PROVISIONING_NODES).contains(&list.len()) {
        return Err(Error::invalid("reqLt", format!("must be 1 to {PROVISIONING_NODES} nodes")));
    }
    list.into_iter().enumerate().map(|(place, value)| parse_node(place, value)).collect()
}

fn parse_node(place: usize, value: Value) -> Result<NodeRequest> {
    let mut fields = Fields::read(format!("reqLt[{place}]"), value, NODE_NAMES)?;
    let mut text = |name: &'static str| fields.text(name, TEXT);
    let (node_id, name, profile, iccid) = (text("ni")?, text("noRNe")?, text("profe")?, text("ICCID")?);
    let labels = fields.texts("lbl", LABELS, LABEL)?.unwrap_or_default();
    let credentials = fields.texts("nCr", CREDENTIALS, TEXT)?;
    let groups = fields.texts("nDGr", GROUPS, TEXT)?;
    let info = fields.take("ndvi").map(|info| parse_info(fields.path_of("ndvi"), info)).transpose()?;
    let other = fields.rest;
    let bytes: usize = other.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
    if other.len() > OTHER || bytes > OTHER_BYTES {
        let rule = format!("may have at most {OTHER} unknown attributes of {OTHER_BYTES} bytes in all");
        return Err(Error::invalid(fields.path, rule));
    }
    Ok(NodeRequest {
        node_id: node_id.unwrap_or_default(),
        name: name.unwrap_or_default(),
        profile: profile.unwrap_or_default(),
        iccid,
        labels,
        credentials: credentials.map(|list| list.into_iter().map(Secret::new).collect()),
        groups,
        info,
        other,
    })
}

/// Reads `ndvi`; what is null is absent.
fn parse_info(path: String, value: Value) -> Result<Map<String, Value>> {
    let mut fields = Fields::read(path, value, INFO_NAMES)?;
    let mut info = Map::new();
    for (name, _) in INFO_NAMES {
        let Some(value) = fields.rest.get(*name).cloned() else { continue };
        match (*name, &value) {
            ("mgd", value) if value.as_u64() == Some(1007) => {}
            ("mgd", _) => return Err(fields.wrong(name, "must be 1007")),
            ("dlb", Value::Array(_)) | ("ptl", _) => drop(fields.texts(name, ENTRIES, TEXT)?),
            ("lbl", _) => drop(fields.texts(name, LABELS, LABEL)?),
            _ => drop(fields.text(name, TEXT)?),
        }
        fields.rest.remove(*name);
        info.insert((*name).to_owned(), value);
    }
    match fields.rest.keys().next() {
        None => Ok(info),
        Some(odd) => Err(fields.wrong(odd, "is no attribute of a device information object")),
    }
}

/// A node as an entry of `reqLt`, its keys included. What is empty is left out.
pub fn node_json(node: &NodeRequest) -> Map<String, Value> {
    let text = |text: &String| (!text.is_empty()).then(|| Value::from(text.as_str()));
    let keys = |list: &Vec<Secret>| list.iter().map(|one| one.expose()).collect::<Value>();
    let known = [
        ("ni", text(&node.node_id)),
        ("noRNe", text(&node.name)),
        ("ICCID", node.iccid.as_deref().map(Value::from)),
        ("profe", text(&node.profile)),
        ("lbl", (!node.labels.is_empty()).then(|| json!(node.labels))),
        ("ndvi", node.info.clone().map(Value::Object)),
        ("nCr", node.credentials.as_ref().map(keys)),
        ("nDGr", node.groups.as_ref().map(|groups| json!(groups))),
    ];
    let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    known.chain(node.other.clone()).collect()
}

/// The body that asks for these nodes. It holds their keys.
pub fn request_json(labels: &[String], nodes: impl IntoIterator<Item = Map<String, Value>>) -> Value {
    let mut request = json!({ "cnd": DEFINITION, "opern": 1 });
    if !labels.is_empty() {
        request["lbl"] = json!(labels);
    }
    request["reqLt"] = nodes.into_iter().map(Value::Object).collect();
    let mut body = Map::new();
    body.insert(ROOT.to_owned(), request);
    Value::Object(body)
}

/// For fuzzing: reads `data` as a request; what is taken comes back whole from what is written of it.
pub fn fuzz_list(data: &[u8]) {
    let Ok(body) = serde_json::from_slice(data) else { return };
    let Ok(read) = parse_body(body) else { return };
    let written = request_json(&read.labels, read.nodes.iter().map(node_json));
    let again = parse_body(written).map(|again| ProvisioningRequest { name: read.name.clone(), ..again });
    assert_eq!(again, Ok(read), "what is written is read");
}

/// An object under its short names; what was read is taken out, and what is null is absent.
struct Fields {
    path: String,
    rest: Map<String, Value>,
}

impl Fields {
    fn read(path: String, value: Value, names: Names) -> Result<Self> {
        let Value::Object(given) = value else { return Err(Error::invalid(path, "must be an object")) };
        let mut fields = Self { path, rest: Map::new() };
        for (name, value) in given.into_iter().filter(|(_, value)| !value.is_null()) {
            let short = names.iter().find(|(_, long)| *long == name).map(|(short, _)| (*short).to_owned());
            let short = short.unwrap_or(name);
            if fields.rest.contains_key(&short) {
                return Err(fields.wrong(&short, "is given under its short and its long name"));
            }
            fields.rest.insert(short, value);
        }
        Ok(fields)
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.rest.remove(name)
    }

    fn text(&mut self, name: &str, max: usize) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.chars().count() <= max => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, format!("must be a text of at most {max} characters"))),
        }
    }

    fn texts(&mut self, name: &str, most: usize, max: usize) -> Result<Option<Vec<String>>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let text = |value: Value| match value {
            Value::String(text) if text.chars().count() <= max => Some(text),
            _ => None,
        };
        let list = match value {
            Value::Array(list) if list.len() <= most => list.into_iter().map(text).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let rule = || format!("must be a list of at most {most} texts of at most {max} characters");
        list.map(Some).ok_or_else(|| self.wrong(name, rule()))
    }

    fn path_of(&self, name: &str) -> String {
        let name: String = name.chars().take(64).collect();
        if self.path.is_empty() { name } else { format!("{}.{name}", self.path) }
    }

    fn wrong(&self, name: &str, rule: impl Into<String>) -> Error {
        Error::invalid(self.path_of(name), rule.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Value {
        json!({
            "ni": "urn:gsma:imei:351934546788011", "noRNe": "meter", "ICCID": "89800", "profe": "SCS-LwM2M", "lbl": ["d2c:1.0"],
            "ndvi": {"rn": "device-info", "mgd": 1007, "man": "ACME", "dlb": ["a", "b"], "ptl": ["LWM2M"], "lbl": ["x:y"], "dc": ""},
            "nCr": ["psk-id:i", "psk:dGVzdA=="], "nDGr": ["cellar"], "netID": 7
        })
    }

    fn long() -> Value {
        json!({
            "nodeID": "urn:gsma:imei:351934546788011", "nodeResourceName": "meter", "ICCID": "89800", "profile": "SCS-LwM2M",
            "labels": ["d2c:1.0"], "nodeCredentials": ["psk-id:i", "psk:dGVzdA=="], "nodeDeviceGroups": ["cellar"], "netID": 7,
            "nodeDeviceInfo": {"resourceName": "device-info", "mgmtDefinition": 1007, "manufacturer": "ACME", "deviceLabel": ["a", "b"],
                "protocol": ["LWM2M"], "labels": ["x:y"], "description": "", "country": null}
        })
    }

    #[test]
    fn a_list_comes_back_as_it_was_given() {
        let nodes = parse_nodes(json!([full(), long(), {}])).unwrap();
        assert_eq!(nodes[0], nodes[1]);
        assert_eq!(nodes[2], NodeRequest::default());
        assert_eq!(Value::Object(node_json(&nodes[1])), full());
        assert_eq!(node_json(&nodes[2]), Map::new());
        assert!(!format!("{:?}", nodes[0]).contains("dGVzdA"), "keys do not show");
        let again = parse_body(request_json(&["l".to_owned()], nodes.iter().map(node_json))).unwrap();
        assert_eq!(again, ProvisioningRequest { name: None, labels: vec!["l".to_owned()], nodes });
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let request = |node: Value| json!({"cnd": DEFINITION, "rn": "r", "opern": 1, "lbl": ["l"], "reqLt": [node, {}]});
        let [short, long] = [full(), long()].map(|node| json!({ ROOT: request(node) }).to_string());
        landfall_testkit::mutate::run(&[short.as_bytes(), long.as_bytes()], 1, 20_000, fuzz_list);
    }

    #[test]
    fn requests_are_read_under_both_names() {
        let short = json!({ROOT: {"cnd": DEFINITION, "rn": "r", "opern": 1, "lbl": ["l"], "reqLt": [{}]}});
        let long = json!({ROOT: {
            "containerDefinition": DEFINITION, "resourceName": "r", "operation": 1, "labels": ["l"], "requestList": [{}]
        }});
        assert_eq!(parse_body(short.clone()), parse_body(long));
        assert_eq!(parse_body(short).unwrap().name.as_deref(), Some("r"));
    }

    #[test]
    fn what_has_not_the_form_of_a_request_is_refused() {
        let request = |change: Value| {
            let mut request = json!({"cnd": DEFINITION, "opern": 1, "reqLt": [{}]});
            for (name, value) in change.as_object().unwrap() {
                request[name] = value.clone();
            }
            json!({ ROOT: request })
        };
        for (body, path) in [
            (json!([]), "body"),
            (json!({}), "body"),
            (json!({ROOT: {}, "more": 1}), "body"),
            (json!({ROOT: []}), ROOT),
            (request(json!({"cnd": null})), "cnd"),
            (request(json!({"cnd": "org.example"})), "cnd"),
            (request(json!({"opern": 2})), "opern"),
            (request(json!({"opern": "1"})), "opern"),
            (request(json!({"rn": 1})), "rn"),
            (request(json!({"lbl": "d2c:1.0"})), "lbl"),
            (request(json!({"requestList": [{}]})), "reqLt"),
            (request(json!({"reqLt": null})), "reqLt"),
            (request(json!({"reqLt": []})), "reqLt"),
            (request(json!({"reqLt": {}})), "reqLt"),
            (request(json!({"reqLt": vec![json!({}); PROVISIONING_NODES + 1]})), "reqLt"),
            (request(json!({"et": "20300101T000000"})), "et"),
        ] {
            let refused = parse_body(body).unwrap_err();
            assert_eq!(refused.path.as_deref(), Some(path), "{refused}");
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_node_is_refused() {
        let many = |count: usize| vec!["x"; count];
        for (node, path) in [
            (json!(1), ""),
            (json!({"ni": 1}), ".ni"),
            (json!({"nodeID": "x".repeat(257)}), ".ni"),
            (json!({"ni": "a", "nodeID": "a"}), ".ni"),
            (json!({"profe": ["SCS-LwM2M"]}), ".profe"),
            (json!({"ICCID": 898}), ".ICCID"),
            (json!({"lbl": "a:b"}), ".lbl"),
            (json!({"lbl": many(101)}), ".lbl"),
            (json!({"lbl": ["ä".repeat(513)]}), ".lbl"),
            (json!({"nCr": [1]}), ".nCr"),
            (json!({"nCr": many(21)}), ".nCr"),
            (json!({"nDGr": many(51)}), ".nDGr"),
            (json!({"ndvi": []}), ".ndvi"),
            (json!({"ndvi": {"mgd": 1029}}), ".ndvi.mgd"),
            (json!({"ndvi": {"colour": "red"}}), ".ndvi.colour"),
            (json!({"ndvi": {"man": 1}}), ".ndvi.man"),
            (json!({"ndvi": {"dlb": [1]}}), ".ndvi.dlb"),
            (json!({"ndvi": {"ptl": "LWM2M"}}), ".ndvi.ptl"),
            (json!({"netID": "x".repeat(4_097)}), ""),
            ((0..21).map(|n| (format!("a{n}"), json!(n))).collect::<Map<_, _>>().into(), ""),
        ] {
            let refused = parse_nodes(json!([full(), node])).unwrap_err();
            assert_eq!(refused.path.as_deref(), Some(format!("reqLt[1]{path}").as_str()), "{refused}");
        }
        let fits = json!([{"lbl": ["ä".repeat(512)], "noRNe": "ä".repeat(256), "ni": "", "nCr": null, "ndvi": {"dlb": "one"}}]);
        assert!(parse_nodes(fits).is_ok(), "what is missing is told later");
    }
}
