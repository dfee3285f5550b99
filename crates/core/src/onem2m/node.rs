//! Nodes: what devices are in the oneM2M tree, changed by applications and by what the devices say (D2C).

use crate::{
    CloseCause, Core, DeviceCaller, NewInstance, NodeFault, OriginCaller, ResourceFilter, Scope, Target,
    device::check_psk_identity,
    onem2m::{
        edit::{self, InfoChange, SelfDescription},
        tree::{Happened, Told, changed_of, check_resource_name, info_of, node_name},
    },
    turns::Record,
};
use landfall_model::{
    Account, AccountPart, Batch, Cause, Device, DeviceId, DevicePart, Error, MessageBox, NODE_INFOS, Node, PageRequest,
    ResourceId, ResourceKind, Result, Time, Write,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Labels of a node.
const LABELS: usize = 200;

impl Core {
    /// Replaces the labels of a node as a whole and tells its subscribers. `Forbidden`, `InvalidField` for more than 200.
    pub async fn set_node_labels(&self, by: &OriginCaller, id: DeviceId, labels: &[String]) -> Result<Arc<Device>> {
        if labels.len() > LABELS {
            return Err(Error::invalid("lbl", "must be at most 200 labels"));
        }
        self.edit_node(by, id, (Some(DevicePart::Node), NodeFault::UpdateDeviceProperties), |_, node, _| {
            node.labels = labels.to_vec();
            Ok(())
        })
        .await
    }

    /// Changes an information object; what the registry knows of the device follows. `Forbidden`, `InvalidField`.
    pub async fn set_info(&self, by: &OriginCaller, id: DeviceId, index: u8, change: &InfoChange) -> Result<Arc<Device>> {
        self.edit_node(by, id, (None, NodeFault::UpdateDeviceData), |device, node, now| {
            edit::change_info(device, node, index, change, now)
        })
        .await
    }

    /// Makes an information object; returns its number. `ResourceExists`, `TooMany` beyond eight, `Forbidden`, `InvalidField`.
    pub async fn create_info(&self, by: &OriginCaller, id: DeviceId, name: &str, new: &InfoChange) -> Result<(Arc<Device>, u8)> {
        check_resource_name(name)?;
        let device = self
            .edit_node(by, id, (None, NodeFault::CreateDeviceData), |device, node, now| {
                edit::add_info(device, node, name, new, now)
            })
            .await?;
        let made = (0..NODE_INFOS).find(|index| info_of(&device, *index).is_some_and(|info| info.name == name));
        made.map(|index| (device, index)).ok_or_else(|| Error::new(Cause::Internal, "the object was not made"))
    }

    pub(crate) async fn delete_info(&self, by: &OriginCaller, id: DeviceId, index: u8) -> Result<()> {
        self.edit_node(by, id, (None, NodeFault::DeleteDeviceData), |_, node, _| {
            if let Some(slot) = node.infos.get_mut(usize::from(index)) {
                *slot = None;
            }
            Ok(())
        })
        .await
        .map(|_| ())
    }

    /// Gives a device new credentials; a session with the old ones ends. `ResourceExists` while there are others, `NodeIdTaken` for an
    /// identity of another device, `InvalidField`.
    pub async fn create_credentials(&self, by: &OriginCaller, id: DeviceId, identity: &str, key: &[u8]) -> Result<Arc<Device>> {
        check_key(identity, key)?;
        let device = self
            .edit_node(by, id, (None, NodeFault::CreateDeviceData), |device, node, now| {
                edit::add_credentials(device, node, identity, key, now)
            })
            .await?;
        self.live.close(id, CloseCause::CredentialsChanged);
        Ok(device)
    }

    /// Takes a device's key away, so that it cannot come until it has another.
    pub(crate) async fn delete_credentials(&self, by: &OriginCaller, id: DeviceId) -> Result<()> {
        self.edit_node(by, id, (None, NodeFault::DeleteDeviceData), |device, node, _| {
            edit::drop_credentials(device, node);
            Ok(())
        })
        .await?;
        self.live.close(id, CloseCause::CredentialsChanged);
        Ok(())
    }

    /// Changes a node or one of its objects. `fault` is told of the device where the server cannot.
    async fn edit_node(
        &self,
        by: &OriginCaller,
        id: DeviceId,
        (part, fault): (Option<DevicePart>, NodeFault),
        change: impl Fn(&mut Device, &mut Node, Time) -> Result<()> + Send + Sync,
    ) -> Result<Arc<Device>> {
        let change = &change;
        let outcome = self
            .decide(&[Record::Device(id)], || {
                Box::pin(async move {
                    let device = self.store.device(id).await?.filter(|device| device.account == by.account.id);
                    let device = device.ok_or_else(|| Error::new(Cause::ResourceNotFound, "resource not found"))?;
                    self.check_right(by, &Target::Node(device.clone()), crate::Right::Update).await?;
                    let now = self.now();
                    let (next, mut whole) = edit::changed_node(&device, now, |device, node| change(device, node, now))?;
                    let next = Arc::new(next);
                    whole.merge(self.node_changed(&device, &next, part, now).await?);
                    Ok((whole, next))
                })
            })
            .await;
        self.told_of(id, fault, outcome).await
    }

    /// What follows from a change of a node: subscribers of it, and of its objects, are told. `part` is what the change was asked of.
    pub(crate) async fn node_changed(
        &self,
        before: &Arc<Device>,
        after: &Arc<Device>,
        part: Option<DevicePart>,
        now: Time,
    ) -> Result<Batch> {
        let mut whole = Batch::default();
        let Some(account) = self.store.account(after.account).await? else { return Ok(whole) };
        let (was, is) = (Target::Node(before.clone()), Target::Node(after.clone()));
        let node = is.id(account.id);
        if part == Some(DevicePart::Node) || was.labels() != is.labels() {
            let told = || Told::of_update(was.clone(), is.clone());
            whole.merge(self.notices(&account, node, Happened::Updated, now, told).await?);
            let (what, changed) = ((Happened::Updated, now), || changed_of(&account, &is));
            whole.events.extend(self.hook_notices(&account, after, DevicePart::Node, what, changed).await?);
        }
        let (earlier, later) = (self.fixed_children(&was), self.fixed_children(&is));
        for child in &later {
            let id = child.id(account.id);
            let Some(former) = earlier.iter().find(|one| one.id(account.id) == id) else {
                let made = || child.clone().into();
                whole.merge(self.notices(&account, node, Happened::ChildCreated, now, made).await?);
                continue;
            };
            if changed_of(&account, former) != changed_of(&account, child) {
                let told = || Told::of_update(former.clone(), child.clone());
                whole.merge(self.notices(&account, id, Happened::Updated, now, told).await?);
                let (what, changed) = ((Happened::Updated, now), || changed_of(&account, child));
                whole.events.extend(self.hook_notices(&account, after, DevicePart::Node, what, changed).await?);
            }
        }
        for child in earlier.iter().filter(|child| !later.iter().any(|one| one.id(account.id) == child.id(account.id))) {
            let going = self.store.subscriptions_of(child.id(account.id));
            whole.merge(self.ended(&account, &going, now).await?);
            whole.writes.extend(going.iter().map(|one| Write::DeleteResource(one.id)));
            let gone = || child.clone().into();
            whole.merge(self.notices(&account, node, Happened::ChildDeleted, now, gone).await?);
        }
        Ok(whole)
    }

    /// Deletes the device of a node with everything that belongs to it, and tells subscribers.
    pub(crate) async fn delete_node(&self, by: &OriginCaller, device: &Device) -> Result<()> {
        let scope = Scope::at(device, by.app.id);
        let outcome = self.delete_device(&scope, device.id, false).await;
        self.told_of(device.id, NodeFault::DeleteDeviceData, outcome).await
    }

    /// What else goes with devices: subscriptions below them.
    pub(crate) async fn nodes_released(&self, devices: &[Arc<Device>], now: Time) -> Result<Batch> {
        let mut whole = Batch::default();
        let Some(account) = devices.first().map(|device| device.account) else { return Ok(whole) };
        let Some(account) = self.store.account(account).await? else { return Ok(whole) };
        for device in devices {
            let kinds = vec![ResourceKind::Subscription];
            let below = ResourceFilter { account: account.id, parent: None, device: Some(device.id), kinds };
            let going = self.store.resources(&below, PageRequest { no: 0, size: 1_000 }).await?.items;
            whole.merge(self.ended(&account, &going, now).await?);
            whole.merge(self.node_notices(&account, device, Happened::ChildDeleted, now).await?);
            let (what, changed) = ((Happened::Deleted, now), || changed_of(&account, &Target::Node(device.clone())));
            whole.events.extend(self.hook_notices(&account, device, DevicePart::Node, what, changed).await?);
        }
        Ok(whole)
    }

    /// What subscribers of the base are told of a new device.
    pub(crate) async fn node_added(&self, device: &Arc<Device>, now: Time) -> Result<Batch> {
        let Some(account) = self.store.account(device.account).await? else { return Ok(Batch::default()) };
        self.node_notices(&account, device, Happened::ChildCreated, now).await
    }

    /// A node is right below the base, and its container of messages below the place of all of them.
    async fn node_notices(&self, account: &Account, device: &Arc<Device>, happened: Happened, now: Time) -> Result<Batch> {
        let place = |part| ResourceId::of_account(account.id, part);
        let node = || Target::Node(device.clone()).into();
        let mut whole = self.notices(account, place(AccountPart::Base), happened, now, node).await?;
        let channel = || Target::Channel(device.clone()).into();
        whole.merge(self.notices(account, place(AccountPart::Communication), happened, now, channel).await?);
        Ok(whole)
    }

    /// Takes what a device says of itself when it registers (objects 3 and 6) into `device-info` and its management objects, and adds the
    /// labels of what the platform follows. Without the `profile:` label it is refused with an entry in `error-msg` and `logs`.
    pub async fn learn_node(&self, caller: &DeviceCaller, said: &SelfDescription) -> Result<()> {
        let device = self.caller_device(caller).await?;
        let Some(node) = &device.node else { return Ok(()) };
        if !node.has_profile_label() {
            return self.fault(&device, NodeFault::EventRefused, "").await;
        }
        self.decide(&[Record::Device(device.id)], || {
            Box::pin(async {
                let device = self.caller_device(caller).await?;
                let now = self.now();
                let (next, mut whole) = edit::changed_node(&device, now, |device, node| {
                    edit::follow_labels(&device.node_id, node);
                    edit::learned(device, node, said, now)
                })?;
                if !edit::shows_anew(&device, &next) {
                    return Ok((Batch::default(), ()));
                }
                whole.merge(self.node_changed(&device, &Arc::new(next), None, now).await?);
                Ok((whole, ()))
            })
        })
        .await
    }

    /// One message of a device for `received-msg`, with its uplink properties. Durable when this returns. Without the `profile:` label it is
    /// refused with an entry in `error-msg` and `logs`.
    pub async fn node_said(&self, caller: &DeviceCaller, data: &str) -> Result<()> {
        let device = self.caller_device(caller).await?;
        self.commit_heard(&device, self.received(&device, data).await?).await
    }

    /// The batch of a message for `received-msg`, or of its refusal.
    pub(crate) async fn received(&self, device: &Arc<Device>, data: &str) -> Result<Batch> {
        if device.node.as_ref().is_some_and(|node| !node.has_profile_label()) {
            return self.faulted(device, NodeFault::EventRefused, data).await;
        }
        let properties = device.node.iter().flat_map(|node| node.uplink_properties());
        let properties: Map<String, Value> = properties.map(|(name, value)| (name.to_owned(), value.into())).collect();
        let mut content = json!({ "nodeResourceName": node_name(device), "nodeID": device.node_id, "data": data });
        if !properties.is_empty() {
            content["uplinkProperties"] = Value::Object(properties);
        }
        self.posted(device, MessageBox::Received, &content, None).await
    }

    /// The batch that puts a JSON object into one of a device's containers.
    pub(crate) async fn posted(
        &self,
        device: &Arc<Device>,
        to: MessageBox,
        content: &Value,
        creator: Option<String>,
    ) -> Result<Batch> {
        let Some(account) = self.store.account(device.account).await? else { return Ok(Batch::default()) };
        let within = Target::Box(device.clone(), to);
        self.appended(&account, &within, creator, json_instance(content)).await
    }
}

pub(crate) fn json_instance(content: &Value) -> NewInstance {
    let content = content.to_string();
    NewInstance { size: content.len() as u64, content, format: Some("application/json:0".to_owned()), ..NewInstance::default() }
}

/// Identities are 1 to 128 characters, keys 1 to 64 bytes (RFC 4279, 5.3).
pub(crate) fn check_key(identity: &str, key: &[u8]) -> Result<()> {
    check_psk_identity(identity).map_err(|error| error.at("crid"))?;
    if !(1..=64).contains(&key.len()) {
        return Err(Error::invalid("crse", "must be 1 to 64 bytes in base64"));
    }
    Ok(())
}
