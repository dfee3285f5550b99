//! Nodes, their information objects and their credentials (D2C, sections 5 and 8): how they are shown, changed, and made below a node.
//!
//! Absent: nodes themselves, which come by provisioning, and management objects other than `m2m:dvi`, `m2m:crds` and the three that a device
//! tells of.

use base64::{Engine, engine::general_purpose::STANDARD};
use landfall_core::{Core, DEVICE_INFO, InfoChange, OriginCaller, Target, VERSION_LABEL, known_attributes, node_name};
use landfall_model::{Cause, Device, DeviceId, DevicePart, Error, Managed, ManagedKind, NodeInfo, ResourceId, Result, Time};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `mgd` of a device information object (TS-0004, 6.3.4.2.45).
const INFO_DEFINITION: u64 = 1007;
/// `mgd` of credentials (D2C).
const CREDENTIALS_DEFINITION: u64 = 1029;
const CREDENTIALS: &str = "credentials";
/// What a client shows in place of a secret that it does not know; never a key.
const MASKED: &str = "***";
/// The attributes of a device information object that are texts (TS-0004, D.8); `dlb` may be a list, `ptl` is one.
const INFO_TEXTS: [&str; 18] = [
    "cnty", "dc", "dty", "dvnm", "fwv", "hwv", "loc", "man", "mfd", "mfdl", "mod", "osv", "purl", "smod", "spur", "swv", "syst",
    "dlb",
];

/// Characters of an attribute, and of a label.
const TEXT: usize = 256;
const LABEL: usize = 512;
/// Labels of a node, which the core checks too, and entries of other lists.
const NODE_LABELS: usize = 200;
const ENTRIES: usize = 100;

/// `m2m:nod`, without its children.
pub(super) fn show_node(device: &Device, tenant: &str) -> Map<String, Value> {
    let (labels, made, changed) = match &device.node {
        Some(node) => (node.labels.clone(), node.created_at, node.modified_at),
        None => (vec![VERSION_LABEL.to_owned()], device.created_at, device.modified_at),
    };
    let mut shown = resource(14, device.id, DevicePart::Node, tenant.to_owned(), (made, changed));
    set(&mut shown, "ni", device.node_id.as_str());
    set(&mut shown, "rn", node_name(device));
    put_labels(&mut shown, &labels);
    shown
}

/// `m2m:dvi`. Of a device without a node it is what the registry knows.
pub(super) fn show_info(device: &Device, index: u8) -> Map<String, Value> {
    match &device.node {
        Some(node) => match node.infos.get(usize::from(index)) {
            Some(Some(info)) => show_info_of(info, device.id, index),
            _ => Map::new(),
        },
        None => {
            let known = NodeInfo {
                name: DEVICE_INFO.to_owned(),
                labels: vec![VERSION_LABEL.to_owned()],
                attributes: known_attributes(&device.info),
                created_at: device.created_at,
                modified_at: device.modified_at,
            };
            show_info_of(&known, device.id, index)
        }
    }
}

/// `m2m:dvi` of a device, with its number.
pub(super) fn show_info_of(info: &NodeInfo, device: DeviceId, index: u8) -> Map<String, Value> {
    let mut shown = info.attributes.clone();
    shown.append(&mut management_object(device, DevicePart::Info(index), (info.created_at, info.modified_at)));
    set(&mut shown, "rn", info.name.as_str());
    set(&mut shown, "mgd", INFO_DEFINITION);
    put_labels(&mut shown, &info.labels);
    shown
}

/// A management object that the device itself keeps up to date: its root and attributes.
pub(super) fn show_managed(object: &Managed, device: DeviceId) -> (&'static str, Map<String, Value>) {
    let (root, definition) = match object.kind {
        ManagedKind::Firmware => ("m2m:fwr", 1001),
        ManagedKind::Memory => ("m2m:mem", 1003),
        ManagedKind::Battery => ("m2m:bat", 1006),
    };
    let mut shown = object.attributes.clone();
    shown.append(&mut management_object(device, DevicePart::Managed(object.kind), (object.created_at, object.modified_at)));
    set(&mut shown, "rn", object.kind.name());
    set(&mut shown, "mgd", definition);
    (root, shown)
}

/// `m2m:crds`: the pre-shared key and its identity, for originators that may see the node (Amb-28).
pub(super) fn show_credentials(device: &Device) -> Map<String, Value> {
    let made = device.node.as_ref().and_then(|node| node.credentials_at).unwrap_or(device.created_at);
    let mut shown = management_object(device.id, DevicePart::Credentials, (made, made));
    let key = device.credentials.psk.as_ref().and_then(|key| hex::decode(key.expose()).ok()).unwrap_or_default();
    set(&mut shown, "dc", "cred");
    set(&mut shown, "rn", CREDENTIALS);
    set(&mut shown, "mgd", CREDENTIALS_DEFINITION);
    set(&mut shown, "crid", device.credentials.psk_identity.as_deref().unwrap_or(&device.node_id));
    set(&mut shown, "crse", STANDARD.encode(key));
    put_labels(&mut shown, &[VERSION_LABEL.to_owned()]);
    shown
}

/// Replaces the labels of a node; nothing else of it can be changed. `InvalidField`, `Forbidden`.
pub(super) async fn update_node(
    core: &Core,
    by: &OriginCaller,
    device: &Arc<Device>,
    given: Map<String, Value>,
) -> Result<Arc<Device>> {
    core.set_node_labels(by, device.id, &node_labels(given)?).await
}

/// Merges attributes into an information object. `InvalidField`, `Forbidden`.
pub(super) async fn update_info(
    core: &Core,
    by: &OriginCaller,
    device: &Arc<Device>,
    index: u8,
    given: Map<String, Value>,
) -> Result<Arc<Device>> {
    if given.is_empty() {
        return Err(Error::invalid("m2m:dvi", "must have at least one attribute"));
    }
    core.set_info(by, device.id, index, &info_change(given)?).await
}

/// Makes a management object below a node: an information object or its credentials. `ChildNotAllowed` for others, `InvalidField`,
/// `ResourceExists`, `NodeIdTaken` for an identity of another device, `TooMany`, `Forbidden`.
pub(super) async fn create_below(
    core: &Core,
    by: &OriginCaller,
    device: &Arc<Device>,
    root: &str,
    given: Map<String, Value>,
) -> Result<Target> {
    match root {
        "m2m:dvi" => {
            let (name, new) = new_info(given)?;
            let (device, index) = core.create_info(by, device.id, &name, &new).await?;
            Ok(Target::Info(device, index))
        }
        "m2m:crds" => {
            let (identity, key) = new_credentials(given)?;
            Ok(Target::Credentials(core.create_credentials(by, device.id, &identity, &key).await?))
        }
        _ => Err(Error::new(Cause::ChildNotAllowed, "of management objects only m2m:dvi and m2m:crds can be made, below a node")),
    }
}

fn node_labels(mut given: Map<String, Value>) -> Result<Vec<String>> {
    let labels = given.remove("lbl");
    match given.keys().next() {
        Some(name) => Err(unchangeable(name, "a node")),
        None => labels_of(labels.ok_or_else(|| Error::invalid("lbl", "is missing"))?, NODE_LABELS),
    }
}

fn new_info(mut given: Map<String, Value>) -> Result<(String, InfoChange)> {
    check_definition(given.remove("mgd"), INFO_DEFINITION)?;
    let name = match given.remove("rn") {
        None | Some(Value::Null) => DEVICE_INFO.to_owned(),
        Some(Value::String(name)) => name,
        Some(_) => return Err(Error::invalid("rn", "must be a text")),
    };
    Ok((name, info_change(given)?))
}

/// Attributes of an information object, but its name and definition; `null` and empty texts stand for absent ones.
fn info_change(given: Map<String, Value>) -> Result<InfoChange> {
    let mut change = InfoChange::default();
    for (name, value) in given {
        match name.as_str() {
            "lbl" => change.labels = Some(labels_of(value, ENTRIES)?),
            "ptl" | "dlb" if value.is_array() => {
                let most = if name == "ptl" { TEXT } else { LABEL };
                texts_of(&name, value.clone(), ENTRIES, most)?;
                change.attributes.insert(name, value);
            }
            "ptl" if value == "" || value.is_null() => drop(change.attributes.insert(name, Value::Null)),
            known if INFO_TEXTS.contains(&known) => {
                let most = if name == "dlb" { LABEL } else { TEXT };
                let fits = value.is_null() || value.as_str().is_some_and(|text| text.chars().count() <= most);
                if !fits {
                    return Err(Error::invalid(name, format!("must be a text of at most {most} characters")));
                }
                change.attributes.insert(name, value);
            }
            "ptl" => return Err(Error::invalid("ptl", "must be a list of texts")),
            _ => return Err(unchangeable(&name, "a device information object")),
        }
    }
    Ok(change)
}

fn new_credentials(mut given: Map<String, Value>) -> Result<(String, Vec<u8>)> {
    check_definition(given.remove("mgd"), CREDENTIALS_DEFINITION)?;
    if given.remove("rn").is_some_and(|name| !name.is_null() && name != CREDENTIALS) {
        return Err(Error::invalid("rn", "must be credentials"));
    }
    given.remove("lbl").map_or(Ok(vec![]), |labels| labels_of(labels, ENTRIES))?;
    given.remove("dc").map_or(Ok(String::new()), |purpose| text_of("dc", purpose))?;
    let mut needed = |name: &'static str| match given.remove(name) {
        None | Some(Value::Null) => Err(Error::invalid(name, "is missing")),
        Some(value) => text_of(name, value),
    };
    let (identity, secret) = (needed("crid")?, needed("crse")?);
    if let Some(name) = given.keys().next() {
        return Err(unchangeable(name, "credentials"));
    }
    if secret == MASKED {
        return Err(Error::invalid("crse", "is masked; give the key itself"));
    }
    let key = STANDARD.decode(secret).map_err(|_| Error::invalid("crse", "must be a key in base64"))?;
    Ok((identity, key))
}

fn check_definition(given: Option<Value>, right: u64) -> Result<()> {
    match given {
        None => Ok(()),
        Some(value) if value.as_u64() == Some(right) => Ok(()),
        Some(_) => Err(Error::invalid("mgd", format!("must be {right}"))),
    }
}

fn labels_of(value: Value, most: usize) -> Result<Vec<String>> {
    if value.is_null() { Ok(vec![]) } else { texts_of("lbl", value, most, LABEL) }
}

fn texts_of(name: &str, value: Value, most: usize, characters: usize) -> Result<Vec<String>> {
    let wrong =
        || Error::invalid(name.to_owned(), format!("must be a list of at most {most} texts of at most {characters} characters"));
    let text = |value| match value {
        Value::String(text) if text.chars().count() <= characters => Ok(text),
        _ => Err(wrong()),
    };
    match value {
        Value::Array(list) if list.len() <= most => list.into_iter().map(text).collect(),
        _ => Err(wrong()),
    }
}

fn text_of(name: &'static str, value: Value) -> Result<String> {
    match value {
        Value::String(text) if text.chars().count() <= TEXT => Ok(text),
        _ => Err(Error::invalid(name, format!("must be a text of at most {TEXT} characters"))),
    }
}

/// The answer to an attribute that a client may not give: the platform's own, or one that is not known (Amb-17).
fn unchangeable(name: &str, what: &str) -> Error {
    let name: String = name.chars().take(64).collect();
    match name.as_str() {
        "ni" | "rn" | "mgd" | "ty" | "ri" | "pi" | "ct" | "lt" | "st" | "cr" => Error::invalid(name, "cannot be set or changed"),
        _ => Error::invalid(name, format!("is no attribute of {what} that can be set")),
    }
}

/// What management objects of a device share.
fn management_object(device: DeviceId, part: DevicePart, times: (Time, Time)) -> Map<String, Value> {
    let node = ResourceId::of_device(device, DevicePart::Node);
    resource(13, device, part, node.to_string(), times)
}

fn resource(ty: u8, device: DeviceId, part: DevicePart, parent: String, (made, changed): (Time, Time)) -> Map<String, Value> {
    let mut shown = Map::new();
    set(&mut shown, "ty", ty);
    set(&mut shown, "ri", ResourceId::of_device(device, part).to_string());
    set(&mut shown, "pi", parent);
    set(&mut shown, "ct", made.onem2m());
    set(&mut shown, "lt", changed.onem2m());
    shown
}

fn set(shown: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    shown.insert(name.to_owned(), value.into());
}

fn put_labels(shown: &mut Map<String, Value>, labels: &[String]) {
    if !labels.is_empty() {
        set(shown, "lbl", json!(labels));
    }
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
