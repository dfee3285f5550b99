//! What a change makes of a node and its device. Pure: both come in as they were loaded, with the change and the time.

use crate::{device::info_changed, onem2m::tree::DEVICE_INFO};
use landfall_model::{
    Batch, Cause, Device, DeviceInfo, DevicePart, Error, Managed, ManagedKind, NODE_INFOS, Node, NodeInfo, ResourceId, Result,
    Secret, Time, Write,
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The label that every Device-to-Cloud resource has.
pub const VERSION_LABEL: &str = "d2c:1.0";
/// What a device tells of itself when it registers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SelfDescription {
    /// Attributes of `device-info`.
    pub info: Map<String, Value>,
    /// Attributes of management objects.
    pub managed: Vec<(ManagedKind, Map<String, Value>)>,
}

/// Changes of an information object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InfoChange {
    /// Attributes to set; `null` and empty texts take one away.
    pub attributes: Map<String, Value>,
    /// New `lbl`.
    pub labels: Option<Vec<String>>,
}

/// A device after a change of its node, and the batch that writes it. A device without a node gets one under its own id.
pub(crate) fn changed_node(
    device: &Device,
    now: Time,
    edit: impl FnOnce(&mut Device, &mut Node) -> Result<()>,
) -> Result<(Device, Batch)> {
    let mut next = device.clone();
    let mut node = device.node.as_ref().map_or_else(|| first_node(device), |node| (**node).clone());
    edit(&mut next, &mut node)?;
    node.modified_at = now;
    next.version += 1;
    next.modified_at = now;
    let labels = (device.node.as_ref().map(|node| &node.labels) != Some(&node.labels)).then(|| Write::Labels {
        account: device.account,
        subject: ResourceId::of_device(device.id, DevicePart::Node),
        labels: node.labels.clone(),
    });
    next.node = Some(Arc::new(node));
    let mut whole = info_changed(device, &next, now);
    // Applications of other dialects are told of what they can see.
    if next.info == device.info {
        whole.events.clear();
    }
    whole.writes.extend(labels);
    Ok((next, whole))
}

/// The node of a device that another dialect registered, as it was shown before.
pub(crate) fn first_node(device: &Device) -> Node {
    let info = new_info(DEVICE_INFO, vec![VERSION_LABEL.to_owned()], &known_attributes(&device.info), device.created_at);
    Node {
        name: device.id.to_string(),
        labels: vec![VERSION_LABEL.to_owned()],
        profile: None,
        iccid: None,
        infos: vec![Some(info)],
        credentials_at: device.credentials.psk.is_some().then_some(device.created_at),
        observed: vec![],
        managed: vec![],
        created_at: device.created_at,
        modified_at: device.modified_at,
    }
}

pub(crate) fn new_info(name: &str, labels: Vec<String>, given: &Map<String, Value>, now: Time) -> NodeInfo {
    let mut attributes = Map::new();
    set_attributes(&mut attributes, given);
    NodeInfo { name: name.to_owned(), labels, attributes, created_at: now, modified_at: now }
}

/// Sets attributes; `null` and empty texts stand for absent ones.
fn set_attributes(attributes: &mut Map<String, Value>, given: &Map<String, Value>) {
    for (name, value) in given {
        match value {
            Value::Null => drop(attributes.remove(name)),
            Value::String(text) if text.is_empty() => drop(attributes.remove(name)),
            value => drop(attributes.insert(name.clone(), value.clone())),
        }
    }
}

fn put_info(node: &mut Node, info: NodeInfo) -> Result<()> {
    if let Some(slot) = node.infos.iter_mut().find(|slot| slot.is_none()) {
        *slot = Some(info);
        return Ok(());
    }
    if node.infos.len() >= usize::from(NODE_INFOS) {
        return Err(Error::new(Cause::TooMany, "the node has as many information objects as it may"));
    }
    node.infos.push(Some(info));
    Ok(())
}

fn is_device_info(info: &Option<NodeInfo>) -> bool {
    info.as_ref().is_some_and(|info| info.name == DEVICE_INFO)
}

/// Takes what a device tells of itself into `device-info` and into its management objects.
pub(crate) fn learned(device: &mut Device, node: &mut Node, told: &SelfDescription, now: Time) -> Result<()> {
    for (kind, attributes) in &told.managed {
        learn_managed(node, *kind, attributes, now);
    }
    let said = &told.info;
    if !node.infos.iter().any(is_device_info) {
        put_info(node, new_info(DEVICE_INFO, vec![VERSION_LABEL.to_owned()], &Map::new(), now))?;
    }
    let Some(info) = node.infos.iter_mut().flatten().find(|info| info.name == DEVICE_INFO) else { return Ok(()) };
    let before = info.attributes.clone();
    set_attributes(&mut info.attributes, said);
    let mut default = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            info.attributes.entry(name).or_insert(value);
        }
    };
    default("dvnm", said.get("man").cloned());
    default("dty", Some("device".into()));
    default("dlb", Some(device.node_id.clone().into()));
    if info.attributes != before {
        info.modified_at = now;
    }
    let now_known = info.attributes.clone();
    mirror(device, &now_known);
    Ok(())
}

/// An object is made where the device tells what every such object has; what it tells comes in several readings.
fn learn_managed(node: &mut Node, kind: ManagedKind, told: &Map<String, Value>, now: Time) {
    let Some(at) = node.managed.iter().position(|one| one.kind == kind) else {
        let whole = match kind {
            ManagedKind::Firmware => told.contains_key("vr"),
            ManagedKind::Memory => told.contains_key("mma"),
            ManagedKind::Battery => told.contains_key("btl"),
        };
        if whole {
            node.managed.push(Managed { kind, attributes: told.clone(), created_at: now, modified_at: now });
            node.managed.sort_by_key(|one| one.kind);
        }
        return;
    };
    let object = &mut node.managed[at];
    let before = object.attributes.clone();
    set_attributes(&mut object.attributes, told);
    if object.attributes != before {
        object.modified_at = now;
    }
}

/// The labels that show what the platform follows of a device.
pub(crate) fn follow_labels(node_id: &str, node: &mut Node) {
    let lifecycle = format!("d2c_lifecycle:{node_id}");
    let resources = node.observed.iter().map(|one| format!("d2c_resource_{}:{}", one.path, one.id));
    for label in std::iter::once(lifecycle).chain(resources).collect::<Vec<_>>() {
        if !node.labels.contains(&label) {
            node.labels.push(label);
        }
    }
}

/// Attributes of `device-info`, and the fields of the registry that say the same. The last three are also keys of a product.
macro_rules! shared_fields {
    ($each:ident) => {
        $each!("dvnm" name, "dc" description, "loc" location, "fwv" fw_version, "swv" sw_version, "hwv" hw_version,
            "man" manufacturer_name, "dty" device_type, "mod" model)
    };
}

/// What the registry knows of a device, as attributes of `device-info`.
pub fn known_attributes(info: &DeviceInfo) -> Map<String, Value> {
    let mut attributes = Map::new();
    macro_rules! show {
        ($($name:literal $field:ident),*) => {$(
            if let Some(value) = &info.$field {
                attributes.insert($name.to_owned(), value.clone().into());
            }
        )*};
    }
    shared_fields!(show);
    attributes
}

/// Lets the registry follow `device-info`. What names the product of a device is the product's.
pub(crate) fn mirror(device: &mut Device, attributes: &Map<String, Value>) {
    let mut info = DeviceInfo::default();
    let bound = device.product.is_some();
    macro_rules! take {
        ($($name:literal $field:ident),*) => {$(
            if !(bound && ["man", "dty", "mod"].contains(&$name)) {
                info.$field = attributes.get($name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(short);
            }
        )*};
    }
    shared_fields!(take);
    let mut next = (*device.info).clone();
    next.merge(&info);
    if next != *device.info {
        device.info = Arc::new(next);
    }
}

/// Lets `device-info` follow a change that another dialect made.
pub(crate) fn follow_info(device: &mut Device, change: &DeviceInfo, now: Time) {
    let Some(node) = &mut device.node else { return };
    let changed = known_attributes(change);
    if let Some(info) = Arc::make_mut(node).infos.iter_mut().flatten().find(|info| info.name == DEVICE_INFO)
        && !changed.is_empty()
    {
        set_attributes(&mut info.attributes, &changed);
        info.modified_at = now;
    }
}

fn short(text: &str) -> String {
    text.chars().take(256).collect()
}

/// Changes an information object; the registry follows `device-info`. `ResourceNotFound`.
pub(crate) fn change_info(device: &mut Device, node: &mut Node, index: u8, change: &InfoChange, now: Time) -> Result<()> {
    let slot = node.infos.get_mut(usize::from(index)).and_then(Option::as_mut);
    let info = slot.ok_or_else(|| Error::new(Cause::ResourceNotFound, "resource not found"))?;
    info.labels = change.labels.clone().unwrap_or(std::mem::take(&mut info.labels));
    set_attributes(&mut info.attributes, &change.attributes);
    info.modified_at = now;
    if info.name == DEVICE_INFO {
        mirror(device, &change.attributes);
    }
    Ok(())
}

/// Adds an information object; the registry follows `device-info`. `ResourceExists`, `TooMany`.
pub(crate) fn add_info(device: &mut Device, node: &mut Node, name: &str, new: &InfoChange, now: Time) -> Result<()> {
    let taken = name == "credentials" || node.managed.iter().any(|one| one.kind.name() == name);
    if taken || node.infos.iter().flatten().any(|info| info.name == name) {
        return Err(Error::new(Cause::ResourceExists, "resource already exists").at("rn"));
    }
    let labels = new.labels.clone().unwrap_or_else(|| vec![VERSION_LABEL.to_owned()]);
    put_info(node, new_info(name, labels, &new.attributes, now))?;
    if name == DEVICE_INFO {
        mirror(device, &new.attributes);
    }
    Ok(())
}

/// Gives the device a key. `ResourceExists` while it has one.
pub(crate) fn add_credentials(device: &mut Device, node: &mut Node, identity: &str, key: &[u8], now: Time) -> Result<()> {
    if node.credentials_at.is_some() && device.credentials.psk.is_some() {
        return Err(Error::new(Cause::ResourceExists, "resource already exists").at("rn"));
    }
    node.credentials_at = Some(now);
    device.credentials.psk = Some(Secret::new(hex::encode(key)));
    device.credentials.psk_identity = Some(identity.to_owned());
    Ok(())
}

/// Takes the key away.
pub(crate) fn drop_credentials(device: &mut Device, node: &mut Node) {
    node.credentials_at = None;
    device.credentials.psk = None;
    device.credentials.psk_identity = None;
}

/// Whether a device now has other labels, information or management objects.
pub(crate) fn shows_anew(before: &Device, after: &Device) -> bool {
    match (&before.node, &after.node) {
        (Some(before), Some(after)) => {
            before.labels != after.labels || before.infos != after.infos || before.managed != after.managed
        }
        (before, after) => before.is_some() != after.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{AccountId, AppId, DeviceId, EventBody, ProductId};
    use serde_json::json;

    const NOW: Time = Time(9);

    fn device() -> Device {
        let (account, app) = (AccountId::from_random([1; 16]), AppId::from_random([2; 16]));
        landfall_model::Device::new(DeviceId::from_random([3; 16]), account, app, "n", Time(1))
    }

    fn change(attributes: Value) -> InfoChange {
        let Value::Object(attributes) = attributes else { panic!("an object") };
        InfoChange { attributes, labels: None }
    }

    /// The device after an edit, and what is told of it.
    fn edited(before: &Device, edit: impl FnOnce(&mut Device, &mut Node) -> Result<()>) -> (Device, Batch) {
        changed_node(before, NOW, edit).unwrap()
    }

    #[test]
    fn a_device_of_another_dialect_gets_its_node_with_the_first_change() {
        let mut before = device();
        Arc::make_mut(&mut before.info).name = Some("meter".into());
        let (after, whole) = edited(&before, |_, _| Ok(()));
        let node = after.node.clone().unwrap();
        assert_eq!((node.name.clone(), after.version, node.modified_at), (before.id.to_string(), 2, NOW));
        assert_eq!(node.infos[0].as_ref().unwrap().attributes["dvnm"], "meter");
        assert!(whole.events.is_empty(), "other dialects see nothing new");
        assert!(whole.writes.iter().any(|write| matches!(write, Write::Labels { .. })));
        let (_, again) = edited(&after, |_, _| Ok(()));
        assert_eq!(again.writes.len(), 1, "labels that did not change are not written");
    }

    #[test]
    fn the_registry_follows_device_info_but_for_what_names_the_product() {
        for (product, man, model) in [(None, Some("Acme"), Some("M2")), (Some(ProductId::from_random([4; 16])), None, None)] {
            let before = Device { product, ..device() };
            let said = change(json!({"dvnm": "x", "man": "Acme", "mod": "M2", "loc": ""}));
            let (after, whole) = edited(&before, |device, node| change_info(device, node, 0, &said, NOW));
            assert_eq!((after.info.name.as_deref(), after.info.location.as_deref()), (Some("x"), None));
            assert_eq!((after.info.manufacturer_name.as_deref(), after.info.model.as_deref()), (man, model), "{product:?}");
            assert!(matches!(whole.events.as_slice(), [one] if matches!(one.body, EventBody::DeviceInfoChanged(_))));
        }
    }

    #[test]
    fn objects_have_names_of_their_own_and_a_limit() {
        let (mut after, _) = edited(&device(), |_, _| Ok(()));
        let cause = |after: &Device, name: &str| {
            changed_node(after, NOW, |device, node| add_info(device, node, name, &change(json!({})), NOW))
                .map_err(|e| e.cause)
                .err()
        };
        for name in [DEVICE_INFO, "credentials"] {
            assert_eq!(cause(&after, name), Some(Cause::ResourceExists), "{name}");
        }
        for n in 1..NODE_INFOS {
            after = edited(&after, |device, node| add_info(device, node, &format!("i{n}"), &change(json!({})), NOW)).0;
        }
        assert_eq!(cause(&after, "more"), Some(Cause::TooMany));
        let freed = edited(&after, |_, node| {
            node.infos[3] = None;
            Ok(())
        });
        assert_eq!(cause(&freed.0, "more"), None, "a free place is taken");
        let missing = changed_node(&freed.0, NOW, |device, node| change_info(device, node, 3, &change(json!({})), NOW));
        assert_eq!(missing.unwrap_err().cause, Cause::ResourceNotFound);
    }

    #[test]
    fn what_a_device_says_of_itself_fills_and_keeps() {
        let said = |attributes: Value| SelfDescription { info: change(attributes).attributes, managed: vec![] };
        let first = said(json!({"man": "Acme", "fwv": "1"}));
        let (once, _) = edited(&device(), |device, node| learned(device, node, &first, NOW));
        let info = once.node.as_ref().unwrap().infos[0].clone().unwrap();
        assert_eq!(
            Value::Object(info.attributes),
            json!({"man": "Acme", "fwv": "1", "dvnm": "Acme", "dty": "device", "dlb": "n"})
        );
        let (twice, _) = edited(&once, |device, node| learned(device, node, &first, NOW));
        assert!(shows_anew(&device(), &once) && !shows_anew(&once, &twice));
        let (renamed, _) = edited(&once, |device, node| change_info(device, node, 0, &change(json!({"dvnm": "mine"})), NOW));
        let (again, _) = edited(&renamed, |device, node| learned(device, node, &said(json!({"fwv": "2"})), NOW));
        let info = again.node.as_ref().unwrap().infos[0].clone().unwrap();
        assert_eq!((&info.attributes["dvnm"], &info.attributes["fwv"]), (&json!("mine"), &json!("2")));
    }

    #[test]
    fn management_objects_are_made_when_the_device_tells_of_them() {
        let tell = |before: &Device, kind, attributes: Value| {
            let told = SelfDescription { managed: vec![(kind, change(attributes).attributes)], ..SelfDescription::default() };
            edited(before, |device, node| learned(device, node, &told, NOW)).0
        };
        let object =
            |device: &Device, kind| device.node.as_ref().unwrap().managed(kind).map(|one| Value::Object(one.attributes.clone()));
        let silent = tell(&device(), ManagedKind::Battery, json!({"bts": 1}));
        assert_eq!(object(&silent, ManagedKind::Battery), None, "no battery without a level");
        let first = tell(&silent, ManagedKind::Memory, json!({"mma": 15}));
        let second = tell(&first, ManagedKind::Memory, json!({"mmt": 64}));
        assert_eq!(object(&second, ManagedKind::Memory), Some(json!({"mma": 15, "mmt": 64})), "two readings");
        let third = tell(&second, ManagedKind::Battery, json!({"btl": 53, "bts": 1}));
        let kinds: Vec<_> = third.node.as_ref().unwrap().managed.iter().map(|one| one.kind).collect();
        assert_eq!(kinds, [ManagedKind::Memory, ManagedKind::Battery]);
        assert!(shows_anew(&second, &third));
        let named = changed_node(&third, NOW, |device, node| add_info(device, node, "battery", &change(json!({})), NOW));
        assert_eq!(named.unwrap_err().cause, Cause::ResourceExists);
    }

    #[test]
    fn a_key_is_given_once_until_it_is_taken_away() {
        let give = |device: &mut Device, node: &mut Node| add_credentials(device, node, "id", &[0xab], NOW);
        let (keyed, _) = edited(&device(), give);
        assert_eq!(keyed.credentials.psk.as_ref().map(Secret::expose), Some("ab"));
        assert_eq!(changed_node(&keyed, NOW, give).unwrap_err().cause, Cause::ResourceExists);
        let (bare, _) = edited(&keyed, |device, node| {
            drop_credentials(device, node);
            Ok(())
        });
        assert_eq!((bare.credentials.psk.clone(), bare.credentials.psk_identity.clone()), (None, None));
        assert!(changed_node(&bare, NOW, give).is_ok());
    }
}
