//! What an object may be, and what making or changing one writes. Pure: what was looked up comes in, a decision goes out.

use super::{
    ManagedObject, NewObject, ObjectChange,
    view::{IS_DEVICE, IS_GROUP, SHARED, parsed},
};
use crate::{
    account::check_name,
    batch,
    device::{change, info_changed},
    device_event,
};
use landfall_model::{
    AccessMode, AccountId, Batch, Cause, Device, DeviceId, DeviceInfo, Error, EventBody, ExternalId, NodeType, Object, ObjectId,
    ObjectOf, Principals, Result, Time, Write,
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Characters of a name, a type, the name of a fragment, and the value of a field that a device shares.
const TEXT: usize = 256;
/// Bytes of the fragments of an object together, as JSON.
const FRAGMENTS: usize = 64 * 1024;
/// Fragments that the server itself says.
const READ_ONLY: [&str; 2] = ["c8y_Availability", "c8y_Connection"];

/// A device that is to be made, and what was looked up for it.
#[derive(Clone, Debug, PartialEq)]
pub struct DevicePlan {
    /// Account.
    pub account: AccountId,
    /// Its id.
    pub device: DeviceId,
    /// What it calls itself.
    pub node_id: String,
    /// The user that owns it.
    pub owner: Option<Arc<str>>,
    /// The applications that see it.
    pub principals: Principals,
    /// The device that it is behind.
    pub gateway: Option<DeviceId>,
    /// What it is to be.
    pub object: NewObject,
    /// Now.
    pub now: Time,
}

/// A new device with its object: the device, and what is written after it. `InvalidField`.
pub fn plan_device_object(plan: DevicePlan) -> Result<(Arc<Device>, Vec<Write>)> {
    check(&plan.object)?;
    let (now, object) = (plan.now, plan.object);
    let mut device = Device::new(plan.device, plan.account, plan.principals, plan.node_id, now);
    device.owner = plan.owner;
    let mut info = fed(&Map::new(), &object.fragments, &device.info);
    info.name.clone_from(&object.name);
    device.info = Arc::new(info);
    if plan.gateway.is_some() {
        (device.gateway, device.access, device.node_type) = (plan.gateway, AccessMode::Child, NodeType::Endpoint);
    }
    let (id, of) = (ObjectId::of_device(device.id), ObjectOf::Device(device.id));
    let owner = device.owner.as_deref().map(str::to_owned);
    let names = object.external.clone();
    let record = record(id, plan.account, of, NewObject { name: None, owner, ..object }, now)?;
    let mut writes = vec![Write::Object(Box::new(record))];
    writes.extend(named(plan.account, id, names)?);
    Ok((Arc::new(device), writes))
}

/// The writes that name an object. `InvalidField`.
pub(super) fn named(account: AccountId, id: ObjectId, names: Vec<(String, String)>) -> Result<Vec<Write>> {
    let write = |(kind, value)| {
        let name = ExternalId { account, kind, value };
        check_external(&name)?;
        Ok(Write::ExternalId(Box::new((name, id))))
    };
    names.into_iter().map(write).collect()
}

/// The record of a new object. `InvalidField`.
pub(crate) fn record(id: ObjectId, account: AccountId, of: ObjectOf, new: NewObject, now: Time) -> Result<Object> {
    check(&new)?;
    let fragments = text_of(new.fragments)?;
    let (kind, name, owner) = (new.kind, new.name, new.owner);
    Ok(Object { id, account, version: 1, of, kind, name, owner, fragments, created_at: now, modified_at: now })
}

/// What a change makes of an object: what is written and told, and the object then. `InvalidField`.
pub(super) fn changed(before: &ManagedObject, change: &ObjectChange, now: Time) -> Result<(Batch, ManagedObject)> {
    check_change(before, change)?;
    let (old, mut fragments) = match before.record() {
        Some(record) => (parsed(record), parsed(record)),
        None => <_>::default(),
    };
    fragments.extend(change.fragments.clone());
    let mut whole = Batch::default();
    let device = before.device().map(|device| {
        let next = changed_device(device, change, &old, &fragments, now);
        match (next.info == device.info, next.owner == device.owner) {
            (true, true) => return device.clone(),
            (true, false) => whole.writes.push(Write::Device(Box::new(next.clone()))),
            (false, _) => whole.merge(info_changed(device, &next, now)),
        }
        Arc::new(next)
    });
    let owner = change.owner.clone().or_else(|| before.owner().map(str::to_owned));
    let kind = change.kind.clone().unwrap_or_else(|| before.kind().map(str::to_owned));
    let name = match (&device, &change.name) {
        (Some(_), _) => None,
        (None, Some(name)) => name.clone(),
        (None, None) => before.name().map(str::to_owned),
    };
    let fragments = text_of(fragments)?;
    let (id, account, of, created_at) = (before.id(), before.account(), before.of(), before.created_at());
    let version = before.record().map_or(1, |record| record.version + 1);
    let record = Object { id, account, version, of, kind, name, owner, fragments, created_at, modified_at: now };
    whole.merge(batch(vec![Write::Object(Box::new(record.clone()))], vec![]));
    let record = Arc::new(record);
    let after = match device {
        Some(device) => ManagedObject::of_device(device, Some(record)),
        None => ManagedObject::of_record(record),
    };
    Ok((whole, after))
}

fn changed_device(
    device: &Device,
    change: &ObjectChange,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    now: Time,
) -> Device {
    let mut info = fed(old, new, &device.info);
    info.name = change.name.clone().flatten();
    let mut next = change::changed(device, &crate::DeviceChange { info, ..crate::DeviceChange::default() }, None, now);
    if let Some(owner) = &change.owner {
        next.owner = Some(owner.as_str().into());
    }
    next
}

/// The fields that fragments give a device: those that are empty, or that the fragments of before had given it.
fn fed(old: &Map<String, Value>, new: &Map<String, Value>, info: &DeviceInfo) -> DeviceInfo {
    let mut fed = DeviceInfo::default();
    for shared in SHARED {
        let text = |all: &Map<String, Value>| all.get(shared.fragment)?.get(shared.property)?.as_str().map(str::to_owned);
        let (was, is, said) = (text(old), (shared.get)(info), text(new));
        let ours = is.is_none_or(str::is_empty) || is == was.as_deref();
        if ours && said.as_deref() != is && said.as_ref().is_some_and(|said| said.chars().count() <= TEXT) {
            *(shared.set)(&mut fed) = said;
        }
    }
    fed
}

/// Whether an object may be so.
pub(super) fn check(new: &NewObject) -> Result<()> {
    new.name.as_deref().map_or(Ok(()), |name| check_name(name, TEXT))?;
    new.kind.as_deref().map_or(Ok(()), check_kind)?;
    if new.fragments.contains_key(IS_DEVICE) && new.fragments.contains_key(IS_GROUP) {
        return Err(Error::invalid(IS_GROUP, "an object is a device or a group, not both"));
    }
    new.fragments.keys().try_for_each(|name| check_fragment(name))
}

fn check_change(before: &ManagedObject, change: &ObjectChange) -> Result<()> {
    match &change.name {
        Some(Some(name)) => check_name(name, TEXT)?,
        Some(None) if before.of() != ObjectOf::Itself => return Err(Error::invalid("name", "a device or group has a name")),
        Some(None) | None => {}
    }
    change.kind.as_ref().and_then(Option::as_deref).map_or(Ok(()), check_kind)?;
    change.fragments.keys().try_for_each(|name| check_fragment(name))?;
    let is = |of: &str| match before.of() {
        ObjectOf::Device(_) => of == IS_DEVICE,
        ObjectOf::Group(_) => of == IS_GROUP,
        ObjectOf::Itself => false,
    };
    for mark in [IS_DEVICE, IS_GROUP] {
        match change.fragments.get(mark) {
            Some(Value::Null) if is(mark) => return Err(Error::invalid(mark, "an object that was made with it keeps it")),
            Some(value) if !value.is_null() && !is(mark) => {
                return Err(Error::invalid(mark, "is given when an object is made, not later"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_kind(kind: &str) -> Result<()> {
    check_name(kind, TEXT).map_err(|error| error.at("type"))
}

fn check_fragment(name: &str) -> Result<()> {
    check_name(name, TEXT)
        .map_err(|_| Error::invalid("fragment", "the name of a fragment is 1 to 256 characters without control characters"))
}

/// Whether an object may have this other name.
pub(super) fn check_external(name: &ExternalId) -> Result<()> {
    for (path, text, most) in [("type", &name.kind, 256), ("externalId", &name.value, 1_024)] {
        check_name(text, most)
            .map_err(|_| Error::invalid(path, format!("must be 1 to {most} characters without control characters")))?;
    }
    if name.kind.len() + name.value.len() > ExternalId::BYTES {
        return Err(Error::invalid("externalId", format!("with its type at most {} bytes", ExternalId::BYTES)));
    }
    Ok(())
}

fn text_of(mut fragments: Map<String, Value>) -> Result<String> {
    fragments.retain(|name, value| !value.is_null() && !READ_ONLY.contains(&name.as_str()));
    let text = Value::Object(fragments).to_string();
    if text.len() > FRAGMENTS {
        return Err(Error::new(
            Cause::ContentTooLarge,
            format!("the fragments of an object are at most {FRAGMENTS} bytes together"),
        ));
    }
    Ok(text)
}

/// A device that gets another gateway, or none.
pub(super) fn moved(device: &Device, gateway: Option<DeviceId>, now: Time) -> Batch {
    let next = Device { version: device.version + 1, modified_at: now, gateway, ..device.clone() };
    let event = device_event(&next, now, EventBody::DeviceInfoChanged(Box::new(next.news(device))));
    batch(vec![Write::Device(Box::new(next))], vec![event])
}
