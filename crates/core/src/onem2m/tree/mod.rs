//! The oneM2M tree of an account (TS-0001, 9.6): what a name or an id stands for, and what is below it.
//!
//! Devices, provisioning requests and fixed places are shown as resources; what applications make beside them has records. Absent: names and
//! forms of the wire, which are the dialect's.

mod discovery;
mod hook;
mod instance;
mod notice;
mod record;
mod rights;
mod subscriber;
mod target;
mod window;

pub(crate) use discovery::Discoveries;
pub use discovery::{Criteria, Discovered};
pub use instance::{ContainerLimits, NewInstance};
pub(crate) use notice::{Happened, Leaving, Told, changed_of};
pub(crate) use record::check_resource_name;
pub use record::{NewResource, ResourceChange};
pub use rights::Right;
pub use subscriber::Withheld;
pub(crate) use subscriber::Withholding;
pub use target::Target;

use crate::{Core, DeviceFilter, OriginCaller, ResourceFilter};
use landfall_model::{
    AccountId, AccountPart, Cause, Device, DeviceId, DevicePart, Error, IdKind, Instance, ManagedKind, MessageBox, NODE_INFOS,
    NodeInfo, Page, Resource, ResourceId, ResourceKind, Result, Sort,
};
use std::sync::Arc;
use window::{Window, is_first};

/// `rn` of the outcome of a provisioning request, before its id.
pub const OUTCOME_PREFIX: &str = "responseToRequest-";
/// The object of what the device itself says.
pub const DEVICE_INFO: &str = "device-info";
const CREDENTIALS: &str = "credentials";
/// Levels of resources below a fixed place or a device, at most.
const LEVELS: usize = 32;

/// nodeResourceName: that of its node, else the device's own id.
pub fn node_name(device: &Device) -> String {
    device.node.as_ref().map_or_else(|| device.id.to_string(), |node| node.name.clone())
}

/// One of the information objects of a device that has a node.
pub fn info_of(device: &Device, index: u8) -> Option<&NodeInfo> {
    device.node.as_ref()?.infos.get(usize::from(index))?.as_ref()
}

fn not_found() -> Error {
    Error::new(Cause::ResourceNotFound, "resource not found")
}

impl Core {
    /// What the names below the base lead to. `la` and `ol` below a container are its newest and oldest instance. `ResourceNotFound`.
    pub async fn find(&self, by: &OriginCaller, path: &[&str]) -> Result<Target> {
        let mut at = Target::Place(AccountPart::Base);
        for name in path {
            at = self.child(by, at, name).await?;
        }
        Ok(at)
    }

    /// What an id stands for. `ResourceNotFound`, also for what another account has.
    pub async fn find_id(&self, by: &OriginCaller, id: ResourceId) -> Result<Target> {
        self.target(by.account.id, id).await
    }

    /// As [`Core::find_id`], within an account.
    pub(super) async fn target(&self, account: AccountId, id: ResourceId) -> Result<Target> {
        match id.kind().ok_or_else(not_found)? {
            IdKind::Record => self.record(account, id).await,
            IdKind::Outcome(request) => {
                let found = self.provisioning_of(account, request).await?.filter(|found| found.finished_at.is_some());
                found.map(|found| Target::Outcome(Box::new(found))).ok_or_else(not_found)
            }
            IdKind::Account(first, part) if first == account.0.as_bytes()[..11] => Ok(Target::Place(part)),
            IdKind::Account(..) => Err(not_found()),
            IdKind::Device(first, part) => {
                let device = self.store.device_by_prefix(first).await?.filter(|device| device.account == account);
                part_of(device.ok_or_else(not_found)?, part)
            }
        }
    }

    async fn record(&self, account: AccountId, id: ResourceId) -> Result<Target> {
        if let Some(found) = self.store.resource(id).await?.filter(|found| found.account == account && self.is_alive(found)) {
            self.level(found.parent).await?;
            return Ok(Target::Resource(found));
        }
        if let Some(found) = self.store.instance(id, self.now()).await?.filter(|found| found.account == account) {
            let within = Box::pin(self.target(account, found.container)).await?;
            return Ok(Target::Instance(Box::new(found), Box::new(within)));
        }
        let found = self.provisioning_of(account, id).await?;
        found.map(|found| Target::Request(Box::new(found))).ok_or_else(not_found)
    }

    /// How many resources a new one would have above it. `ResourceNotFound` where one of them is over or deleted: what is below it goes
    /// soon, and is gone for everyone already.
    async fn level(&self, parent: ResourceId) -> Result<usize> {
        let mut above = parent;
        for level in 0..LEVELS {
            match above.kind() {
                Some(IdKind::Record) => {
                    let found = self.store.resource(above).await?.filter(|found| self.is_alive(found));
                    above = found.ok_or_else(not_found)?.parent;
                }
                Some(IdKind::Device(first, _)) => {
                    self.store.device_by_prefix(first).await?.ok_or_else(not_found)?;
                    return Ok(level);
                }
                _ => return Ok(level),
            }
        }
        Ok(LEVELS)
    }

    pub(crate) fn is_alive(&self, resource: &Resource) -> bool {
        resource.expires_at.is_none_or(|end| end > self.now())
    }

    /// What needs no look into the database comes first.
    async fn child(&self, by: &OriginCaller, at: Target, name: &str) -> Result<Target> {
        if let Some(found) = fixed_child(&at, name) {
            return Ok(found);
        }
        if at.holds_instances()
            && let Some(found) = self.instance_at(by, &at, name).await?
        {
            return Ok(Target::Instance(Box::new(found), Box::new(at)));
        }
        if at == Target::Place(AccountPart::Communication)
            && let Some(device) = self.device_shown_as(by.account.id, name).await?
        {
            return Ok(Target::Channel(device));
        }
        if let Some(found) = self.store.resource_named(at.id(by.account.id), name).await?.filter(|found| self.is_alive(found)) {
            return Ok(Target::Resource(found));
        }
        let found = match at {
            Target::Place(AccountPart::Base) => self.device_shown_as(by.account.id, name).await?.map(Target::Node),
            Target::Place(AccountPart::Requests) => {
                self.provisioning_named(by.account.id, name).await?.map(|found| Target::Request(Box::new(found)))
            }
            Target::Place(AccountPart::Responses) => {
                let id = name.strip_prefix(OUTCOME_PREFIX).and_then(|id| id.parse::<ResourceId>().ok()).ok_or_else(not_found)?;
                return self.find_id(by, id.outcome()).await;
            }
            _ => None,
        };
        found.ok_or_else(not_found)
    }

    /// The device of an account that is found under this name.
    pub(crate) async fn device_shown_as(&self, account: AccountId, name: &str) -> Result<Option<Arc<Device>>> {
        if let Some(found) = self.store.device_by_node_name(account, name).await? {
            return Ok(Some(found));
        }
        let Ok(id) = name.parse::<DeviceId>() else { return Ok(None) };
        Ok(self.store.device(id).await?.filter(|device| device.account == account && device.node.is_none()))
    }

    async fn instance_at(&self, by: &OriginCaller, at: &Target, name: &str) -> Result<Option<Instance>> {
        let (container, now) = (at.id(by.account.id), self.now());
        let sort = match name {
            "la" => Sort::Descending,
            "ol" => Sort::Ascending,
            _ => return self.store.instance_named(container, name, now).await,
        };
        let found = self.store.end_instance(container, now, sort).await?;
        let which = if name == "la" { "no instance for <latest>" } else { "no instance for <oldest>" };
        found.map(Some).ok_or_else(|| Error::new(Cause::ResourceNotFound, which))
    }

    /// What is right below a target and the caller may retrieve, of these types (empty: all), in a fixed order: `room` children at most
    /// after `skip` of them. Each source is cut before rights are looked at, so there may be fewer than asked for.
    pub async fn children_within(
        &self,
        by: &OriginCaller,
        at: &Target,
        types: &[u8],
        skip: u64,
        room: usize,
    ) -> Result<Page<Target>> {
        let mut window = Window::new(skip, room);
        let wanted = |ty: u8| types.is_empty() || types.contains(&ty);
        let fixed: Vec<Target> = self.fixed_children(at).into_iter().filter(|child| wanted(child.ty())).collect();
        window.take(fixed);
        let kinds: Vec<ResourceKind> = ResourceKind::ALL.into_iter().filter(|kind| wanted(kind.ty())).collect();
        if !kinds.is_empty() {
            let filter = ResourceFilter { account: by.account.id, parent: Some(at.id(by.account.id)), device: None, kinds };
            while let Some(next) = window.next() {
                let found = self.store.resources(&filter, next).await?;
                window.put(found.total, found.items.into_iter().map(|one| Some(Target::Resource(one))));
            }
        }
        match at {
            Target::Place(AccountPart::Base) if wanted(14) => self.devices_below(by, &mut window, Target::Node).await?,
            Target::Place(AccountPart::Communication) if wanted(3) => {
                self.devices_below(by, &mut window, Target::Channel).await?
            }
            Target::Place(place @ (AccountPart::Requests | AccountPart::Responses)) if wanted(28) => {
                while let Some(next) = window.next() {
                    let found = self.provisionings_of(by.account.id, Some(by.app.id), next).await?;
                    let shown = found.items.into_iter().map(|one| match place {
                        AccountPart::Requests => Some(Target::Request(Box::new(one))),
                        _ => Some(Target::Outcome(Box::new(one))),
                    });
                    window.put(found.total, shown);
                }
            }
            _ if at.holds_instances() && wanted(4) => {
                while let Some(next) = window.next() {
                    let found = self.store.instances(at.id(by.account.id), self.now(), Sort::Ascending, next).await?;
                    let within = |one| Some(Target::Instance(Box::new(one), Box::new(at.clone())));
                    window.put(found.total, found.items.into_iter().map(within));
                }
            }
            _ => {}
        }
        let Window { total, items, .. } = window;
        Ok(Page { total, items: self.retrievable(by, items.into_iter().flatten().collect()).await? })
    }

    /// Those of them that are there for the caller to retrieve.
    async fn retrievable(&self, by: &OriginCaller, items: Vec<Target>) -> Result<Vec<Target>> {
        let mut shown = Vec::with_capacity(items.len());
        for item in items {
            let over = matches!(&item, Target::Outcome(request) if request.finished_at.is_none());
            let ended = matches!(&item, Target::Resource(resource) if !self.is_alive(resource));
            if !over && !ended && self.may(by, &item, Right::Retrieve).await? {
                shown.push(item);
            }
        }
        Ok(shown)
    }

    pub(crate) fn fixed_children(&self, at: &Target) -> Vec<Target> {
        match at {
            Target::Place(place) => {
                AccountPart::ALL.into_iter().filter(|part| part.parent() == Some(*place)).map(Target::Place).collect()
            }
            Target::Node(device) => {
                let credentials = has_credentials(device).then(|| Target::Credentials(device.clone()));
                credentials.into_iter().chain(infos(device)).chain(managed(device)).collect()
            }
            Target::Channel(device) => MessageBox::ALL.into_iter().map(|which| Target::Box(device.clone(), which)).collect(),
            _ => vec![],
        }
    }

    async fn devices_below(&self, by: &OriginCaller, window: &mut Window, shown: fn(Arc<Device>) -> Target) -> Result<()> {
        let open = self.apps_open_to(by).await?;
        for (no, app) in open.iter().enumerate() {
            let filter = DeviceFilter { principal: Some(*app), sort: Sort::Ascending, ..DeviceFilter::of(by.account.id) };
            while let Some(next) = window.next() {
                let found = self.store.devices(&filter, next).await?;
                let once = |device: Arc<Device>| is_first(&device, &open[..no]).then(|| shown(device));
                window.put(found.total, found.items.into_iter().map(once));
            }
        }
        Ok(())
    }

    /// The structured address of a target: the tenant and the names down to it.
    pub async fn path_of(&self, by: &OriginCaller, target: &Target) -> Result<String> {
        let mut names = vec![];
        let mut at = target.clone();
        while let Some(parent) = self.parent_of(by, &at).await? {
            names.push(at.name());
            at = parent;
        }
        names.push(by.account.name.clone());
        names.reverse();
        Ok(names.join("/"))
    }

    /// What a target is below; none for the base.
    pub async fn parent_of(&self, by: &OriginCaller, target: &Target) -> Result<Option<Target>> {
        Ok(Some(match target {
            Target::Place(place) => match place.parent() {
                Some(parent) => Target::Place(parent),
                None => return Ok(None),
            },
            Target::Node(_) => Target::Place(AccountPart::Base),
            Target::Credentials(device) | Target::Info(device, _) | Target::Managed(device, _) => Target::Node(device.clone()),
            Target::Channel(_) => Target::Place(AccountPart::Communication),
            Target::Box(device, _) => Target::Channel(device.clone()),
            Target::Resource(resource) => self.find_id(by, resource.parent).await?,
            Target::Instance(_, within) => (**within).clone(),
            Target::Request(_) => Target::Place(AccountPart::Requests),
            Target::Outcome(_) => Target::Place(AccountPart::Responses),
        }))
    }
}

/// A child that is there by itself.
fn fixed_child(at: &Target, name: &str) -> Option<Target> {
    match at {
        Target::Place(place) => {
            let below = |part: &AccountPart| part.parent() == Some(*place) && part.name() == name;
            AccountPart::ALL.into_iter().find(below).map(Target::Place)
        }
        Target::Node(device) if name == CREDENTIALS => has_credentials(device).then(|| Target::Credentials(device.clone())),
        Target::Node(device) => infos(device).chain(managed(device)).find(|object| object.name() == name),
        Target::Channel(device) => {
            let which = MessageBox::ALL.into_iter().find(|which| which.name() == name)?;
            Some(Target::Box(device.clone(), which))
        }
        _ => None,
    }
}

fn has_credentials(device: &Device) -> bool {
    device.node.as_ref().is_none_or(|node| node.credentials_at.is_some()) && device.credentials.psk.is_some()
}

/// The information objects of a device; one without a node shows what is known of it as `device-info`.
fn infos(device: &Arc<Device>) -> impl Iterator<Item = Target> {
    let there: Vec<u8> = match &device.node {
        None => vec![0],
        Some(_) => (0..NODE_INFOS).filter(|index| info_of(device, *index).is_some()).collect(),
    };
    let device = device.clone();
    there.into_iter().map(move |index| Target::Info(device.clone(), index))
}

/// The management objects of which a device has told.
fn managed(device: &Arc<Device>) -> impl Iterator<Item = Target> {
    let kinds: Vec<ManagedKind> = device.node.iter().flat_map(|node| &node.managed).map(|one| one.kind).collect();
    let device = device.clone();
    kinds.into_iter().map(move |kind| Target::Managed(device.clone(), kind))
}

fn part_of(device: Arc<Device>, part: DevicePart) -> Result<Target> {
    Ok(match part {
        DevicePart::Node => Target::Node(device),
        DevicePart::Channel => Target::Channel(device),
        DevicePart::Box(which) => Target::Box(device, which),
        DevicePart::Credentials if has_credentials(&device) => Target::Credentials(device),
        DevicePart::Info(index) if infos(&device).any(|info| info == Target::Info(device.clone(), index)) => {
            Target::Info(device, index)
        }
        DevicePart::Managed(kind) if device.node.as_ref().is_some_and(|node| node.managed(kind).is_some()) => {
            Target::Managed(device, kind)
        }
        DevicePart::Credentials | DevicePart::Info(_) | DevicePart::Managed(_) => return Err(not_found()),
    })
}
