//! Device groups (D2C): what applications see of the groups of devices. The devices are the group's; the flexContainer below `device-group`
//! keeps what only oneM2M knows of it: labels, policies, and the applications that are told of its devices (`aes`).
//!
//! Groups that are an application's have one, whoever made them; those of an account itself are not shown.

use crate::{
    Core, OriginCaller, ResourceChange, Scope, batch,
    extension::GroupEvent,
    group::members::moved,
    onem2m::tree::{Happened, check_resource_name, node_name},
};
use landfall_model::{
    AccountId, AccountPart, AppId, Batch, Device, DeviceId, DevicePart, Error, Group, GroupId, IdKind, Resource, ResourceId,
    ResourceKind, Result, Time, Write,
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};

/// `cnd` of a device group.
pub const GROUP_DEFINITION: &str = "com.telekom.iot.orchestrator.deviceGroup";
/// Devices that `nds` can name.
const SHOWN: usize = 20_000;
/// What a record keeps of `nds`: that its devices are shown by their ids, as they were given.
const BY_ID: &str = "ids";

/// Whether a record stands for a group of devices.
pub fn is_device_group(resource: &Resource) -> bool {
    resource.kind == ResourceKind::FlexContainer
        && resource.parent == ResourceId::of_account(resource.account, AccountPart::Groups)
}

/// Names or ids of the applications that a device group tells.
pub(crate) fn told_by(group: &Resource) -> impl Iterator<Item = &str> {
    group.attributes.get("aes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

impl Core {
    /// A record as applications see it: of a device group, with its devices.
    pub async fn whole_resource(&self, resource: &Arc<Resource>) -> Result<Arc<Resource>> {
        if !is_device_group(resource) {
            return Ok(resource.clone());
        }
        let by_id = resource.attributes.get("nds").is_some_and(|kept| kept == BY_ID);
        let mut names: Vec<String> = vec![];
        let mut after = None;
        while names.len() < SHOWN {
            let room = (SHOWN - names.len()).min(Group::SLICE) as u32;
            let some = self.store.members(resource.id.as_group(), after, room).await?;
            for device in &some {
                // Its application may have lost the right to see it since it joined.
                if self.may_be_in(Some(resource.app), &device.principals).await? {
                    names.push(match by_id {
                        true => ResourceId::of_device(device.id, DevicePart::Node).to_string(),
                        false => node_name(device),
                    });
                }
            }
            after = some.last().map(|device| device.id);
            if (some.len() as u32) < room {
                break;
            }
        }
        names.sort_unstable();
        let mut whole = (**resource).clone();
        whole.attributes.insert("nds".to_owned(), names.into());
        Ok(Arc::new(whole))
    }

    /// A record as subscribers are told of it; of a device group, with the `nds` that a request gave, or else those that it has. They are
    /// read only if a subscription at the subject asks for what happened.
    pub(crate) async fn as_told(
        &self,
        (subject, happened): (ResourceId, Happened),
        resource: &Resource,
        given: Option<&Value>,
    ) -> Result<Arc<Resource>> {
        let mut told = Arc::new(resource.clone());
        if !is_device_group(resource) || self.wanting(subject, happened).is_empty() {
            return Ok(told);
        }
        match given.filter(|given| given.is_array()) {
            Some(given) => {
                Arc::make_mut(&mut told).attributes.insert("nds".to_owned(), given.clone());
                Ok(told)
            }
            None => self.whole_resource(&told).await,
        }
    }

    /// What a new device group writes beside its record, which keeps no list of devices. `InvalidField`, `TooMany`, `NameTaken`.
    pub(crate) async fn group_made(&self, by: &OriginCaller, resource: &mut Resource) -> Result<Vec<Write>> {
        self.check_applications(by, &resource.attributes).await?;
        let given = self.given((by, by.app.id), &mut resource.attributes).await?.unwrap_or_default();
        let scope = Scope { account: by.account.id, app: Some(by.app.id), by: None };
        let group = self.new_group(resource.id.as_group(), &scope, &resource.name).await?;
        let moved = moved(group.id, &[], &given);
        Ok(std::iter::once(Write::Group(Box::new(group))).chain(moved).collect())
    }

    /// What the change of a device group writes beside its record. `InvalidField`, also where it has more devices than `nds` can name.
    pub(crate) async fn group_changed(
        &self,
        by: &OriginCaller,
        change: &ResourceChange,
        next: &mut Resource,
    ) -> Result<Vec<Write>> {
        if change.attributes.contains_key("aes") {
            self.check_applications(by, &next.attributes).await?;
        }
        if !change.attributes.contains_key("nds") {
            return Ok(vec![]);
        }
        let wanted = self.given((by, next.app), &mut next.attributes).await?.unwrap_or_default();
        let group = next.id.as_group();
        let mut present: Vec<DeviceId> = vec![];
        loop {
            let some = self.store.members(group, present.last().copied(), Group::SLICE as u32).await?;
            present.extend(some.iter().map(|device| device.id));
            if some.len() < Group::SLICE {
                break;
            }
            if present.len() > SHOWN {
                return Err(Error::invalid("nds", format!("cannot be replaced: the group has more than {SHOWN} devices")));
            }
        }
        Ok(moved(group, &present, &wanted))
    }

    /// The devices that `nds` names, ascending, each seen by the caller and by the owner of the group; what stays of it is how they were named.
    async fn given(
        &self,
        (by, owner): (&OriginCaller, AppId),
        attributes: &mut Map<String, Value>,
    ) -> Result<Option<Vec<DeviceId>>> {
        let Some(Value::Array(given)) = attributes.remove("nds") else { return Ok(None) };
        let (mut ids, mut by_id) = (Vec::with_capacity(given.len()), !given.is_empty());
        for text in given.iter().filter_map(Value::as_str) {
            let named = self.device_shown_as(by.account.id, text).await?;
            by_id &= named.is_none();
            let device = match named {
                Some(device) => Some(device),
                None => self.device_with_node(by.account.id, text).await?,
            };
            match device {
                Some(device)
                    if self.sees(&by.principal(), &device).await? && self.may_be_in(Some(owner), &device.principals).await? =>
                {
                    ids.push(device.id);
                }
                _ => return Err(Error::invalid("nds", format!("names no node: {}", shortened(text)))),
            }
        }
        if by_id {
            attributes.insert("nds".to_owned(), BY_ID.into());
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(ids))
    }

    async fn device_with_node(&self, account: AccountId, id: &str) -> Result<Option<Arc<Device>>> {
        let Some(IdKind::Device(first, DevicePart::Node)) = id.parse::<ResourceId>().ok().and_then(ResourceId::kind) else {
            return Ok(None);
        };
        Ok(self.store.device_by_prefix(first).await?.filter(|device| device.account == account))
    }

    /// Each of `aes` must be an application entity that the caller finds.
    async fn check_applications(&self, by: &OriginCaller, attributes: &Map<String, Value>) -> Result<()> {
        for text in attributes.get("aes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if self.entity_named(by.account.id, text).await?.is_none() {
                return Err(Error::invalid("aes", format!("names no application entity: {}", shortened(text))));
            }
        }
        Ok(())
    }

    /// The application entity with this name, id or AE-ID.
    pub(crate) async fn entity_named(&self, account: AccountId, text: &str) -> Result<Option<Arc<Resource>>> {
        let base = ResourceId::of_account(account, AccountPart::Base);
        let mut found = self.store.resource_named(base, text).await?;
        if let Ok(id) = text.parse::<ResourceId>()
            && found.is_none()
        {
            found = self.store.resource(id).await?;
        }
        if let Some(found) = found.filter(|found| self.is_entity(account, found)) {
            return Ok(Some(found));
        }
        Ok(self.store.entity_of(account, text).await?.filter(|found| self.is_entity(account, found)))
    }

    fn is_entity(&self, account: AccountId, found: &Resource) -> bool {
        found.account == account && found.kind == ResourceKind::ApplicationEntity && self.is_alive(found)
    }

    /// What joins new nodes to the device groups that they named, by name or id; and who joins none, as it is not there, closed to the
    /// application, of one that does not see its devices, or full (the nodes are made all the same).
    pub(crate) async fn joined(
        &self,
        (account, app): (AccountId, AppId),
        named: BTreeMap<&str, Vec<DeviceId>>,
    ) -> Result<(Vec<Write>, Vec<(DeviceId, String)>)> {
        let parent = ResourceId::of_account(account, AccountPart::Groups);
        let (mut writes, mut ungrouped) = (vec![], vec![]);
        for (name, mut devices) in named {
            let mut found = self.store.resource_named(parent, name).await?;
            if let Ok(id) = name.parse::<ResourceId>()
                && found.is_none()
            {
                found = self.store.resource(id).await?.filter(|found| found.account == account && is_device_group(found));
            }
            let room = match found {
                Some(group) if self.may_act_for(group.app, app).await? && self.may_act_for(app, group.app).await? => {
                    Some((group.id.as_group(), self.room_of(group.id.as_group()).await?))
                }
                _ => None,
            };
            let left = devices.split_off(devices.len().min(room.map_or(0, |(_, room)| room)));
            ungrouped.extend(left.into_iter().map(|device| (device, name.to_owned())));
            if let Some((group, _)) = room {
                writes.push(Write::Join(group, devices));
            }
        }
        Ok((writes, ungrouped))
    }

    /// How many devices more a group may have.
    async fn room_of(&self, group: GroupId) -> Result<usize> {
        let most = self.store.group(group).await?.map_or(0, |group| u64::from(group.max_members));
        if most == 0 {
            return Ok(usize::MAX);
        }
        Ok(usize::try_from(most.saturating_sub(self.store.member_count(group).await?)).unwrap_or(usize::MAX))
    }

    /// The record of a group that another dialect or an operator made, renamed or deleted.
    pub(crate) async fn group_record(&self, event: GroupEvent, group: &Group) -> Result<Batch> {
        let Some(app) = group.owner else { return Ok(Batch::default()) };
        let (id, now) = (ResourceId::of_group(group.id), self.now());
        match (event, self.store.resource(id).await?) {
            (GroupEvent::Gone, Some(_)) => {
                let mut whole = batch(vec![Write::DeleteResource(id)], vec![]);
                if let Some(account) = self.store.account(group.account).await? {
                    let below = self.store.resources_below(id, 1_000).await?;
                    whole.merge(self.ended(&account, &below, now).await?);
                }
                Ok(whole)
            }
            (GroupEvent::Renamed, Some(record)) => {
                let name = self.record_name(group).await?;
                let next = Resource { name, version: record.version + 1, modified_at: now, ..(*record).clone() };
                Ok(batch(vec![Write::Resource(Box::new(next))], vec![]))
            }
            (GroupEvent::Made, None) => {
                let creator = match self.store.app(app).await? {
                    Some(app) => app.originator.as_ref().map_or(app.name.clone(), |own| own.name.clone()),
                    None => String::new(),
                };
                let record = Resource {
                    id,
                    account: group.account,
                    app,
                    version: 1,
                    parent: ResourceId::of_account(group.account, AccountPart::Groups),
                    device: None,
                    name: self.record_name(group).await?,
                    kind: ResourceKind::FlexContainer,
                    creator,
                    labels: vec![],
                    policies: vec![],
                    attributes: Map::from_iter([("cnd".to_owned(), GROUP_DEFINITION.into())]),
                    expires_at: None,
                    created_at: now,
                    modified_at: now,
                };
                Ok(batch(vec![Write::Resource(Box::new(record))], vec![]))
            }
            _ => Ok(Batch::default()),
        }
    }

    /// The group's own name where it can be one in the tree and is free there, else its id.
    async fn record_name(&self, group: &Group) -> Result<String> {
        let parent = ResourceId::of_account(group.account, AccountPart::Groups);
        let id = ResourceId::of_group(group.id);
        let there = self.store.resource_named(parent, &group.name).await?;
        let free = check_resource_name(&group.name).is_ok() && there.is_none_or(|there| there.id == id);
        Ok(if free { group.name.clone() } else { group.id.to_string() })
    }

    /// The device group that a new Device-to-Cloud application gets (label `type:d2c`): it tells that application. One of this name that the
    /// application has from before is taken.
    pub(crate) async fn default_group(&self, by: &OriginCaller, entity: &Resource) -> Result<Batch> {
        if !entity.labels.iter().any(|label| label == "type:d2c") {
            return Ok(Batch::default());
        }
        let name: String = format!("default-{}", entity.name).chars().take(128).collect();
        let parent = ResourceId::of_account(by.account.id, AccountPart::Groups);
        let aes = Value::from(vec![entity.name.clone()]);
        if let Some(there) = self.store.resource_named(parent, &name).await? {
            let mut next = Resource { version: there.version + 1, modified_at: entity.created_at, ..(*there).clone() };
            next.attributes.insert("aes".to_owned(), aes);
            let own = there.app == entity.app && told_by(&there).next().is_none();
            return Ok(batch(own.then(|| Write::Resource(Box::new(next))).into_iter().collect(), vec![]));
        }
        let mut record = Resource {
            id: ResourceId::new(entity.created_at, self.random_16()),
            version: 1,
            parent,
            name,
            kind: ResourceKind::FlexContainer,
            labels: vec![],
            policies: vec![],
            attributes: Map::from_iter([("cnd".to_owned(), GROUP_DEFINITION.into()), ("aes".to_owned(), aes)]),
            expires_at: None,
            ..entity.clone()
        };
        let scope = Scope { account: by.account.id, app: Some(by.app.id), by: None };
        let group = self.new_group(record.id.as_group(), &scope, &record.name).await?;
        record.creator.clone_from(&by.name);
        Ok(batch(vec![Write::Group(Box::new(group)), Write::Resource(Box::new(record))], vec![]))
    }

    /// The writes that take an application entity that goes out of the device groups that tell it.
    pub(crate) async fn application_gone(&self, entity: &Resource, now: Time) -> Result<Vec<Write>> {
        let mut writes = vec![];
        for group in self.store.telling_groups(entity.account) {
            let named = |text: &str| text == entity.name || text == entity.id.to_string();
            let left: Vec<&str> = told_by(&group).filter(|text| !named(text)).collect();
            if left.len() < told_by(&group).count() {
                let mut next = (*group).clone();
                next.attributes.insert("aes".to_owned(), left.into());
                next.version += 1;
                next.modified_at = now;
                writes.push(Write::Resource(Box::new(next)));
            }
        }
        Ok(writes)
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
