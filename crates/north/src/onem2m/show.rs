//! Resources as their representations (TS-0004, 7.4): the root element and its attributes by their short names.
//!
//! Absent: nodes, what describes them, and provisioning, which have files of their own.

use super::{flex, node, provisioning};
use landfall_core::{ContainerLimits, Core, OriginCaller, Target};
use landfall_model::{
    Account, AccountId, AccountPart, Cause, ContainerState, DeviceId, DevicePart, Error, Instance, Node, Resource, ResourceId,
    ResourceKind, Result, Time,
};
use serde_json::{Map, Value, json};

/// A root element and its attributes.
pub(super) type Shown = (&'static str, Map<String, Value>);

/// A target as its representation, without children.
pub(super) async fn show(core: &Core, by: &OriginCaller, target: &Target) -> Result<Shown> {
    let account = by.account();
    Ok(match target {
        Target::Place(AccountPart::Base) => ("m2m:cb", base(account)),
        Target::Place(_) | Target::Channel(_) | Target::Box(..) => ("m2m:cnt", container(core, by, target).await?),
        Target::Node(device) => ("m2m:nod", node::show_node(device, &account.name)),
        Target::Credentials(device) => ("m2m:crds", node::show_credentials(device)),
        Target::Info(device, index) => ("m2m:dvi", node::show_info(device, *index)),
        Target::Managed(device, kind) => {
            let object = device.node.as_ref().and_then(|node| node.managed(*kind));
            let object = object.ok_or_else(|| Error::new(Cause::ResourceNotFound, "resource not found"))?;
            node::show_managed(object, device.id)
        }
        Target::Resource(resource) => {
            let resource = &core.whole_resource(resource).await?;
            let (root, mut shown) = resource_shown(resource, &account.name);
            if resource.kind == ResourceKind::Container {
                put_held(&mut shown, &core.store().container_state(resource.id).await?);
                put_limits(&mut shown, target);
            }
            (root, shown)
        }
        Target::Instance(instance, _) => instance_shown(instance, &account.name),
        Target::Request(request) => (super::list::ROOT, provisioning::show_request(core, request).await?),
        Target::Outcome(request) => ("dtiot:prRRe", provisioning::show_outcome(core, request).await?),
    })
}

/// An id as it is written: the base has the tenant's name instead.
pub(super) fn id_text(account: AccountId, tenant: &str, id: ResourceId) -> String {
    if id == ResourceId::of_account(account, AccountPart::Base) { tenant.to_owned() } else { id.to_string() }
}

/// The root element of a resource with a record.
pub(super) fn root_of(resource: &Resource) -> &'static str {
    match resource.kind {
        ResourceKind::AccessControlPolicy => "m2m:acp",
        ResourceKind::ApplicationEntity => "m2m:ae",
        ResourceKind::Container => "m2m:cnt",
        ResourceKind::Group => "m2m:grp",
        ResourceKind::Subscription => "m2m:sub",
        ResourceKind::FlexContainer => flex::of_stored(&resource.attributes).map_or("m2m:fcnt", |flex| flex.root),
    }
}

/// A resource with a record; of a container, without what it holds.
pub(super) fn resource_shown(resource: &Resource, tenant: &str) -> Shown {
    let mut shown = resource.attributes.clone();
    let pi = id_text(resource.account, tenant, resource.parent);
    let times = (resource.created_at, resource.modified_at);
    put_common(&mut shown, &resource.name, resource.kind.ty(), resource.id.to_string(), pi, times);
    put_labels(&mut shown, &resource.labels);
    if !resource.policies.is_empty() {
        shown.insert("acpi".to_owned(), resource.policies.iter().map(|id| json!(id.to_string())).collect());
    }
    if let Some(end) = resource.expires_at {
        shown.insert("et".to_owned(), end.onem2m().into());
    }
    match resource.kind {
        ResourceKind::ApplicationEntity => {
            shown.insert("aei".to_owned(), resource.ae_id().unwrap_or_default().into());
            shown.entry("rr").or_insert(Value::Bool(false));
        }
        ResourceKind::Subscription => {
            shown.entry("nct").or_insert(1.into());
        }
        ResourceKind::FlexContainer => {
            shown.insert("st".to_owned(), resource.version.saturating_sub(1).into());
        }
        ResourceKind::Group => {
            let members = shown.get("mid").and_then(Value::as_array).map_or(0, Vec::len);
            shown.insert("cnm".to_owned(), members.into());
            shown.insert("mtv".to_owned(), Value::Bool(true));
        }
        ResourceKind::AccessControlPolicy | ResourceKind::Container => {}
    }
    if !matches!(resource.kind, ResourceKind::AccessControlPolicy | ResourceKind::ApplicationEntity) {
        shown.insert("cr".to_owned(), resource.creator.as_str().into());
    }
    (root_of(resource), shown)
}

/// A content instance. Those of `logs` spell their state tag twice (contract, Amb-5).
pub(super) fn instance_shown(instance: &Instance, tenant: &str) -> Shown {
    let mut shown = instance.other.clone();
    // What was stored was JSON.
    let content = serde_json::from_str(&instance.content).unwrap_or(Value::Null);
    shown.insert("con".to_owned(), content);
    shown.insert("cs".to_owned(), instance.size.into());
    let pi = id_text(instance.account, tenant, instance.container);
    put_common(&mut shown, &instance.name, 4, instance.id.to_string(), pi, (instance.created_at, instance.created_at));
    put_labels(&mut shown, &instance.labels);
    // An instance that is being stored does not know its place yet.
    if instance.state > 0 {
        shown.insert("st".to_owned(), instance.state.into());
        if instance.container == ResourceId::of_account(instance.account, AccountPart::Logs) {
            shown.insert("stg".to_owned(), instance.state.into());
        }
    }
    for (name, value) in [("cnf", &instance.format), ("cr", &instance.creator), ("et", &instance.expires_at.map(Time::onem2m))] {
        if let Some(value) = value {
            shown.insert(name.to_owned(), value.as_str().into());
        }
    }
    ("m2m:cin", shown)
}

/// A node as a notice has it, which knows the device by its id alone.
pub(super) fn node_shown(device: DeviceId, node_id: &str, tenant: &str, node: &Node) -> Shown {
    let mut shown = Map::new();
    let id = ResourceId::of_device(device, DevicePart::Node).to_string();
    put_common(&mut shown, &node.name, 14, id, tenant.to_owned(), (node.created_at, node.modified_at));
    shown.insert("ni".to_owned(), node_id.into());
    put_labels(&mut shown, &node.labels);
    ("m2m:nod", shown)
}

fn put_common(shown: &mut Map<String, Value>, rn: &str, ty: u8, ri: String, pi: String, (ct, lt): (Time, Time)) {
    shown.insert("rn".to_owned(), rn.into());
    shown.insert("ty".to_owned(), ty.into());
    shown.insert("ri".to_owned(), ri.into());
    shown.insert("pi".to_owned(), pi.into());
    shown.insert("ct".to_owned(), ct.onem2m().into());
    shown.insert("lt".to_owned(), lt.onem2m().into());
}

fn put_labels(shown: &mut Map<String, Value>, labels: &[String]) {
    if !labels.is_empty() {
        shown.insert("lbl".to_owned(), labels.into());
    }
}

fn base(account: &Account) -> Map<String, Value> {
    let made = account.created_at.onem2m();
    let shown = json!({
        "rn": account.name, "ri": account.name, "ty": 5, "csi": format!("/{}", account.name), "cst": 1,
        "srt": [1, 2, 3, 4, 5, 9, 13, 14, 23, 28], "srv": ["1", "2", "2a", "3", "4"], "csz": ["application/json"],
        "ct": made, "lt": made,
    });
    match shown {
        Value::Object(shown) => shown,
        _ => Map::new(),
    }
}

/// A fixed place, or a container that comes with a device.
async fn container(core: &Core, by: &OriginCaller, target: &Target) -> Result<Map<String, Value>> {
    let account = by.account();
    let times = target.times().unwrap_or((account.created_at, account.created_at));
    let state = match target.holds_instances() {
        true => core.store().container_state(target.id(account.id)).await?,
        false => ContainerState::default(),
    };
    let parent = core
        .parent_of(by, target)
        .await?
        .map_or(account.name.clone(), |parent| id_text(account.id, &account.name, parent.id(account.id)));
    let mut shown = Map::new();
    put_common(&mut shown, &target.name(), 3, target.id(account.id).to_string(), parent, times);
    put_held(&mut shown, &state);
    put_limits(&mut shown, target);
    Ok(shown)
}

/// What a container holds; the newest instance moves its `lt`.
pub(super) fn put_held(shown: &mut Map<String, Value>, state: &ContainerState) {
    // Their form is in the order of time.
    let newest = state.modified_at.map(Time::onem2m);
    if let Some(newest) = newest.filter(|newest| shown.get("lt").and_then(Value::as_str).is_none_or(|lt| lt < newest.as_str())) {
        shown.insert("lt".to_owned(), newest.into());
    }
    for (name, value) in [("st", state.state), ("cni", state.instances), ("cbs", state.bytes)] {
        shown.insert(name.to_owned(), value.into());
    }
}

/// What a container may hold.
fn put_limits(shown: &mut Map<String, Value>, target: &Target) {
    if target.holds_instances() {
        let limits = ContainerLimits::of(target);
        shown.insert("mni".to_owned(), limits.instances.into());
        shown.insert("mbs".to_owned(), limits.bytes.into());
    }
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
