//! The inventory: devices, groups and other objects with free fragments, made, found and changed by users.
//!
//! Every device is an object, whichever dialect it came by; what its own record has not is kept in a record of the object. A user who is a device reaches
//! what it owns and what is below that; the rest is not there for it.

mod children;
mod external;
mod group;
pub(crate) mod plan;
mod view;

pub use plan::{DevicePlan, plan_device_object};
pub use view::ManagedObject;

use crate::{Core, Permission, Scope, UserCaller, account::principal::Principal, batch, store::ObjectFilter, turns::Record};
use landfall_model::{
    AccountId, Batch, BinaryOf, Cause, ChildKind, Device, DeviceId, DeviceLimit, Error, ObjectId, ObjectOf, Page, PageRequest,
    Principals, Result, Role, Write,
};
use serde_json::{Map, Value};
use std::sync::Arc;
pub(crate) use view::IS_DEVICE;
use view::{IS_GROUP, OF_DEVICES};

/// An object to be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewObject {
    /// Its `type`, 1 to 256 characters.
    pub kind: Option<String>,
    /// Its name, 1 to 256 characters.
    pub name: Option<String>,
    /// The user that is to own it; none: who makes it.
    pub owner: Option<String>,
    /// Everything else, at most 64 KiB. `c8y_IsDevice` makes a device of it, `c8y_IsDeviceGroup` a group.
    pub fragments: Map<String, Value>,
    /// Its other names: type and value.
    pub external: Vec<(String, String)>,
    /// What it is to be below, and how.
    pub below: Option<(ObjectId, ChildKind)>,
}

/// Changes of an object; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectChange {
    /// New `type`, or none.
    pub kind: Option<Option<String>>,
    /// New name, or none.
    pub name: Option<Option<String>>,
    /// New owner.
    pub owner: Option<String>,
    /// Fragments to set; null takes one away.
    pub fragments: Map<String, Value>,
}

/// Objects that one is below, over all ways up, before a device's reach is given up.
const ABOVE: usize = 100;

impl Core {
    /// Makes an object, with its other names and its place below another one: all of it or nothing. A device is told as deviceAdded.
    ///
    /// `Forbidden`, `InvalidField`, `ContentTooLarge`, `ResourceNotFound` for a parent that is not there, `NameTaken` for an external id of another
    /// object, `NodeIdTaken`, `DeviceLimit`, `TooMany`.
    pub async fn create_object(&self, caller: &UserCaller, new: NewObject) -> Result<ManagedObject> {
        caller.need(Permission::Speak)?;
        plan::check(&new)?;
        let owner = self.owner_of_new(caller, new.owner.as_deref())?;
        let new = NewObject { owner: Some(owner), ..new };
        if new.fragments.contains_key(IS_DEVICE) {
            let made = self.create_device_object(caller, &new).await;
            let beaten = made.as_ref().is_err_and(|error| error.cause == Cause::NodeIdTaken);
            // Another device of the user took its id meanwhile.
            return if beaten { self.create_device_object(caller, &new).await } else { made };
        }
        if new.fragments.contains_key(IS_GROUP) {
            caller.need(Permission::Administer)?;
            return self.create_group_object(caller, new).await;
        }
        let (account, below, names) = (caller.account(), new.below, new.external.clone());
        let id = ObjectId::stamped(self.stamp());
        let record = plan::record(id, account, ObjectOf::Itself, new, self.now())?;
        let mut whole = batch(vec![Write::Object(Box::new(record.clone()))], vec![]);
        whole.writes.extend(plan::named(account, id, names)?);
        if let Some((parent, kind)) = below {
            let parent = self.reached_object(caller, parent).await?;
            whole.writes.push(Write::Child(parent.id(), kind, id));
        }
        self.store.commit(whole).await?;
        Ok(ManagedObject::of_record(Arc::new(record)))
    }

    fn owner_of_new(&self, caller: &UserCaller, wanted: Option<&str>) -> Result<String> {
        let own = caller.user().name.as_str();
        match wanted {
            Some(other) if other != own => {
                caller.need(Permission::Administer)?;
                check_owner(other)?;
                Ok(other.to_owned())
            }
            _ => Ok(own.to_owned()),
        }
    }

    async fn create_device_object(&self, caller: &UserCaller, new: &NewObject) -> Result<ManagedObject> {
        let device = self.new_device_id();
        let parent = match new.below {
            Some((parent, _)) => Some(self.reached_object(caller, parent).await?),
            None => None,
        };
        let behind =
            parent.as_ref().and_then(|parent| parent.device()).filter(|_| matches!(new.below, Some((_, ChildKind::Device))));
        let records: Vec<Record> = behind.map(|parent| Record::Device(parent.gateway_id())).into_iter().collect();
        self.decide(&records, || {
            Box::pin(async {
                let gateway = match behind {
                    Some(parent) => self.store.device(parent.gateway_id()).await?,
                    None => None,
                };
                let plan = self.device_plan(caller, device, gateway.as_deref(), new.clone()).await?;
                let account = plan.account;
                let (device, writes) = plan_device_object(plan)?;
                let mut whole = batch(self.device_limit(account, device.app(), 1).await?, vec![]);
                if let Some(gateway) = &gateway {
                    whole.merge(self.behind(gateway));
                }
                whole.merge(self.added(&device).await?);
                whole.writes.extend(writes);
                if let (Some(parent), Some((_, kind))) = (&parent, new.below) {
                    whole.writes.push(link(parent, kind, ObjectId::of_device(device.id), Some(device.id)));
                }
                let record = whole.writes.iter().find_map(|write| match write {
                    Write::Object(record) => Some(Arc::new((**record).clone())),
                    _ => None,
                });
                Ok((whole, ManagedObject::of_device(device, record)))
            })
        })
        .await
    }

    /// What the plan of a device needs that stands around it.
    async fn device_plan(
        &self,
        caller: &UserCaller,
        device: DeviceId,
        gateway: Option<&Device>,
        object: NewObject,
    ) -> Result<DevicePlan> {
        let account = caller.account();
        let principals = match gateway {
            Some(gateway) => gateway.principals.clone(),
            None => self.device_principals(account).await?,
        };
        let own = caller.user().device_id.as_deref().filter(|id| crate::device::check_node_id(id).is_ok());
        let node_id = match own {
            Some(own) if self.store.device_by_node(own).await?.is_none() => own.to_owned(),
            _ => node_id_of(device),
        };
        let owner = object.owner.as_deref().map(Arc::from);
        let gateway = gateway.map(|gateway| gateway.id);
        Ok(DevicePlan { account, device, node_id, owner, principals, gateway, object, now: self.now() })
    }

    /// The applications that see devices which onboard with a user.
    pub(crate) async fn device_principals(&self, account: AccountId) -> Result<Principals> {
        let app = match self.store.account(account).await?.and_then(|account| account.settings.device_app) {
            Some(app) => self.store.app(app).await?.filter(|app| app.account == account).map(|app| app.id),
            None => None,
        };
        Ok(app.into())
    }

    /// One more device behind a gateway: its limit, and a write of the gateway, so that whoever deletes it sees the device.
    fn behind(&self, gateway: &Device) -> Batch {
        let error = Error::new(Cause::TooMany, "the gateway has as many devices behind it as it may");
        let (account, most) = (gateway.account, self.settings.children);
        let limit = DeviceLimit { account, owner: gateway.id.0, adding: 1, most, error };
        let touched = Device { version: gateway.version + 1, ..gateway.clone() };
        batch(vec![Write::DeviceLimit(Box::new(limit)), Write::Device(Box::new(touched))], vec![])
    }

    /// The device of an object that the user reaches. `ResourceNotFound`, also where the object is none.
    pub async fn device_of_object(&self, caller: &UserCaller, id: ObjectId) -> Result<Arc<Device>> {
        self.managed_object(caller, id).await?.device().cloned().ok_or_else(unknown)
    }

    /// One object that the user reaches. `ResourceNotFound`, also where it is there and not reached.
    pub async fn managed_object(&self, caller: &UserCaller, id: ObjectId) -> Result<ManagedObject> {
        caller.need(Permission::See)?;
        self.reached_object(caller, id).await
    }

    async fn reached_object(&self, caller: &UserCaller, id: ObjectId) -> Result<ManagedObject> {
        let found = self.object_of(caller.account(), id).await?.ok_or_else(unknown)?;
        let reached = match caller.user().role {
            Role::Admin | Role::Reader => true,
            Role::Device => self.is_below_own(caller, &found).await?,
            Role::Bootstrap => false,
        };
        if reached { Ok(found) } else { Err(unknown()) }
    }

    /// Whether a device is, as an object, below one that the user owns.
    pub(crate) async fn reaches_by_links(&self, caller: &UserCaller, device: &Arc<Device>) -> Result<bool> {
        let device_of_account = caller.user().role == Role::Device && device.account == caller.account();
        Ok(device_of_account && self.is_below_own(caller, &ManagedObject::of_device(device.clone(), None)).await?)
    }

    /// Whether the user owns an object, or one that it is below. Members of a group are not below its owner.
    async fn is_below_own(&self, caller: &UserCaller, object: &ManagedObject) -> Result<bool> {
        let own = Some(caller.user().name.as_str());
        let (mut seen, mut next) = (vec![object.id()], vec![object.clone()]);
        while let Some(one) = next.pop() {
            if one.owner() == own {
                return Ok(true);
            }
            for (parent, _) in self.store.parents(one.id(), ABOVE as u32).await? {
                if seen.contains(&parent) || seen.len() >= ABOVE {
                    continue;
                }
                seen.push(parent);
                let above = self.object_of(caller.account(), parent).await?;
                next.extend(above.filter(|above| !matches!(above.of(), ObjectOf::Group(_))));
            }
        }
        Ok(false)
    }

    /// An object of an account, whoever asks.
    pub(crate) async fn object_of(&self, account: AccountId, id: ObjectId) -> Result<Option<ManagedObject>> {
        let record = self.store.object(id).await?.filter(|record| record.account == account);
        Ok(match record.as_ref().map(|record| record.of) {
            Some(ObjectOf::Itself | ObjectOf::Group(_)) => record.map(ManagedObject::of_record),
            Some(ObjectOf::Device(device)) => {
                self.store.device(device).await?.map(|device| ManagedObject::of_device(device, record))
            }
            None => self.store.device_of_object(account, id).await?.map(|device| ManagedObject::of_device(device, None)),
        })
    }

    /// Objects that match, of those that the user may see; a device sees those that it owns. The filter's account is set from the user.
    pub async fn managed_objects(
        &self,
        caller: &UserCaller,
        mut filter: ObjectFilter,
        page: PageRequest,
    ) -> Result<Page<ManagedObject>> {
        caller.need(Permission::See)?;
        filter.account = caller.account();
        if caller.user().role == Role::Device {
            let own = caller.user().name.clone();
            if filter.owner.replace(own.clone()).is_some_and(|owner| owner != own) {
                return Ok(Page { total: 0, items: vec![] });
            }
        }
        let all = filter.fragments.len();
        filter.fragments.retain(|name| !OF_DEVICES.contains(&name.as_str()));
        if filter.fragments.len() < all {
            filter.devices = Some(true);
        }
        let found = self.store.objects(&filter, page).await?;
        Ok(Page { total: found.total, items: found.items.into_iter().filter_map(|one| one.try_into().ok()).collect() })
    }

    /// Those of these objects that the user reaches, in their order; each once.
    pub async fn managed_objects_of(&self, caller: &UserCaller, ids: &[ObjectId]) -> Result<Vec<ManagedObject>> {
        caller.need(Permission::See)?;
        let mut found: Vec<ManagedObject> = vec![];
        for id in ids.iter().enumerate().filter(|(i, id)| !ids[..*i].contains(id)).map(|(_, id)| *id) {
            match self.reached_object(caller, id).await {
                Ok(one) => found.push(one),
                Err(error) if error.cause == Cause::ResourceNotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Changes an object; the name of a device is told as deviceInfoChanged.
    ///
    /// `ResourceNotFound`, `Forbidden`, `InvalidField`, `ContentTooLarge`.
    pub async fn change_object(&self, caller: &UserCaller, id: ObjectId, change: ObjectChange) -> Result<ManagedObject> {
        caller.need(Permission::Speak)?;
        if let Some(owner) = &change.owner {
            check_owner(owner)?;
        }
        let record = match self.reached_object(caller, id).await?.of() {
            ObjectOf::Device(device) => Record::Device(device),
            ObjectOf::Group(_) | ObjectOf::Itself => Record::Object(id),
        };
        self.decide(&[record], || {
            Box::pin(async {
                let before = self.reached_object(caller, id).await?;
                if change.owner.as_deref().is_some_and(|owner| before.owner() != Some(owner)) {
                    caller.need(Permission::Administer)?;
                }
                let (mut whole, after) = plan::changed(&before, &change, self.now())?;
                if let (ObjectOf::Group(group), true) = (after.of(), after.name() != before.name()) {
                    whole.merge(self.renamed_group(group, before.name(), after.name()).await?);
                }
                Ok((whole, after))
            })
        })
        .await
    }

    /// Deletes an object, and what was added to it. With `cascade` the devices behind a device and the groups and assets below it go too; devices
    /// that are in a group stay. What stops it between two commits leaves fewer objects below, to be deleted again.
    ///
    /// `ResourceNotFound`, `Forbidden`, `Overloaded` where objects are added as fast as they go.
    pub async fn delete_object(&self, caller: &UserCaller, id: ObjectId, cascade: bool) -> Result<()> {
        /// Objects that one call deletes.
        const MOST: usize = 100_000;
        caller.need(Permission::Speak)?;
        let top = self.reached_object(caller, id).await?;
        for _ in 0..MOST {
            let mut leaf = top.clone();
            while let Some(below) = self.doomed_child(&leaf, cascade).await? {
                leaf = below;
            }
            self.delete_alone(&leaf, cascade).await?;
            if leaf.id() == id {
                return Ok(());
            }
        }
        Err(Error::new(Cause::Overloaded, "the object has too much below it, or more is added while it is deleted; try again"))
    }

    /// The first object that is linked below one and goes with it; links that only end are taken away on the way.
    async fn doomed_child(&self, parent: &ManagedObject, cascade: bool) -> Result<Option<ManagedObject>> {
        let kinds = if cascade { &ChildKind::ALL[..] } else { &[ChildKind::Addition] };
        for kind in kinds {
            while let Some(first) = self.store.children(parent.id(), *kind, PageRequest { no: 0, size: 1 }).await?.items.pop() {
                let child = self.object_of(parent.account(), first).await?;
                let stays = child.as_ref().is_some_and(|child| child.device().is_some()) && *kind != ChildKind::Device;
                if stays && *kind == ChildKind::Asset && matches!(parent.of(), ObjectOf::Group(_)) {
                    // A member of the group; these come after what is linked.
                    break;
                }
                if !stays && let Some(child) = child {
                    let alone = self.store.parents(first, 2).await?.len() < 2;
                    if alone || *kind == ChildKind::Device {
                        return Ok(Some(child));
                    }
                }
                self.store.commit(batch(vec![Write::Unchild(parent.id(), *kind, first)], vec![])).await?;
            }
        }
        Ok(None)
    }

    async fn delete_alone(&self, object: &ManagedObject, cascade: bool) -> Result<()> {
        let account = object.account();
        match object.of() {
            ObjectOf::Device(device) => {
                let gone = self.delete_device(&self.account_scope(account)?, device, cascade).await;
                gone.or_else(|error| if error.cause == Cause::DeviceNotFound { Ok(()) } else { Err(error) })
            }
            ObjectOf::Group(group) => {
                let mut whole = match self.store.group(group).await? {
                    Some(group) => self.gone(&group).await?,
                    None => Batch::default(),
                };
                whole.writes.push(Write::DeleteObject(object.id()));
                self.store.commit(whole).await.map(|_| ())
            }
            ObjectOf::Itself => {
                let mut whole = self.without_file(BinaryOf::Object(object.id())).await?;
                whole.writes.push(Write::DeleteObject(object.id()));
                self.store.commit(whole).await.map(|_| ())
            }
        }
    }

    /// Authority over an account, for what a user of it was found to reach.
    fn account_scope(&self, account: AccountId) -> Result<Scope> {
        Principal::operator(Some(account)).over(account)
    }
}

/// What a device is called whose maker did not say.
pub(crate) fn node_id_of(device: DeviceId) -> String {
    format!("c8y-{}", ObjectId::of_device(device))
}

/// The write by which an object goes below another: devices become members of a group.
fn link(parent: &ManagedObject, kind: ChildKind, child: ObjectId, device: Option<DeviceId>) -> Write {
    match (parent.of(), kind, device) {
        (ObjectOf::Group(group), ChildKind::Asset, Some(device)) => Write::Join(group, vec![device]),
        _ => Write::Child(parent.id(), kind, child),
    }
}

fn check_owner(owner: &str) -> Result<()> {
    crate::account::check_name(owner, 1_007).map_err(|error| error.at("owner"))
}

fn unknown() -> Error {
    Error::new(Cause::ResourceNotFound, "there is no such object")
}
