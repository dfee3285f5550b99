//! What is below what: the devices behind a device, the members of a group, and what was added to an object.

use super::{ManagedObject, link, plan, unknown};
use crate::{Core, Permission, UserCaller, turns::Record};
use landfall_model::{Batch, ChildKind, Device, ObjectId, ObjectOf, Page, PageRequest, Result, Write};
use std::sync::Arc;

impl Core {
    /// Puts an object below another one. A device that goes below a device is behind it from then on, unless it is a gateway or behind one.
    ///
    /// `ResourceNotFound`, `ChildNotAllowed` where an object would be below itself, `GroupFull`, `TooMany`, `Forbidden`.
    pub async fn add_child_object(
        &self,
        caller: &UserCaller,
        parent: ObjectId,
        kind: ChildKind,
        child: ObjectId,
    ) -> Result<ManagedObject> {
        caller.need(Permission::Speak)?;
        let (above, below) = (self.reached_object(caller, parent).await?, self.reached_object(caller, child).await?);
        let devices = [&above, &below].into_iter().filter_map(|one| one.device());
        let records: Vec<Record> =
            devices.flat_map(|device| [Record::Device(device.id), Record::Device(device.gateway_id())]).collect();
        self.decide(&records, || {
            Box::pin(async {
                let (above, below) = (self.reached_object(caller, parent).await?, self.reached_object(caller, child).await?);
                let device = below.device().map(|device| device.id);
                let mut whole = Batch { writes: vec![link(&above, kind, child, device)], events: vec![] };
                if kind == ChildKind::Device
                    && let (Some(above), Some(below)) = (above.device(), below.device())
                {
                    whole.merge(self.moved_behind(above, below).await?);
                }
                if let (ObjectOf::Group(to), ObjectOf::Group(group), ChildKind::Asset) = (above.of(), below.of(), kind) {
                    whole.merge(self.moved_group(to, group, below.name()).await?);
                }
                Ok((whole, below))
            })
        })
        .await
    }

    async fn moved_behind(&self, above: &Arc<Device>, below: &Arc<Device>) -> Result<Batch> {
        if below.gateway.is_some() || self.has_behind(below).await? || above.gateway_id() == below.id {
            return Ok(Batch::default());
        }
        let Some(gateway) = self.store.device(above.gateway_id()).await? else { return Ok(Batch::default()) };
        let mut whole = self.behind(&gateway);
        whole.merge(plan::moved(below, Some(gateway.id), self.now()));
        Ok(whole)
    }

    async fn has_behind(&self, device: &Device) -> Result<bool> {
        let behind = crate::DeviceFilter { gateway: Some(device.id), ..crate::DeviceFilter::of(device.account) };
        // A gateway is listed with those behind it.
        Ok(self.store.devices(&behind, PageRequest { no: 0, size: 2 }).await?.items.len() > 1)
    }

    /// Takes an object from below another one; a device is behind that no longer.
    ///
    /// `ResourceNotFound` where it is not below it, `Forbidden`.
    pub async fn remove_child_object(
        &self,
        caller: &UserCaller,
        parent: ObjectId,
        kind: ChildKind,
        child: ObjectId,
    ) -> Result<()> {
        caller.need(Permission::Speak)?;
        let below = self.child_object(caller, parent, kind, child).await?;
        let records: Vec<Record> = below.device().map(|device| Record::Device(device.id)).into_iter().collect();
        self.decide(&records, || {
            Box::pin(async {
                let (above, below) =
                    (self.reached_object(caller, parent).await?, self.child_object(caller, parent, kind, child).await?);
                let unlinked = match (above.of(), kind, below.device()) {
                    (ObjectOf::Group(group), ChildKind::Asset, Some(device)) => {
                        vec![Write::Leave(group, vec![device.id]), Write::Unchild(parent, kind, child)]
                    }
                    _ => vec![Write::Unchild(parent, kind, child)],
                };
                let mut whole = Batch { writes: unlinked, events: vec![] };
                if kind == ChildKind::Device
                    && let (Some(above), Some(device)) = (above.device(), below.device())
                    && device.gateway == Some(above.gateway_id())
                {
                    whole.merge(plan::moved(device, None, self.now()));
                }
                Ok((whole, ()))
            })
        })
        .await
    }

    /// One object that is below another one so. `ResourceNotFound`.
    pub async fn child_object(
        &self,
        caller: &UserCaller,
        parent: ObjectId,
        kind: ChildKind,
        child: ObjectId,
    ) -> Result<ManagedObject> {
        caller.need(Permission::See)?;
        self.reached_object(caller, parent).await?;
        let below = self.reached_object(caller, child).await?;
        if self.store.is_child(parent, kind, child).await? { Ok(below) } else { Err(unknown()) }
    }

    /// What is below an object so, by page. `ResourceNotFound`.
    pub async fn child_objects(
        &self,
        caller: &UserCaller,
        parent: ObjectId,
        kind: ChildKind,
        page: PageRequest,
    ) -> Result<Page<ManagedObject>> {
        caller.need(Permission::See)?;
        self.reached_object(caller, parent).await?;
        let found = self.store.children(parent, kind, page).await?;
        let mut items = Vec::with_capacity(found.items.len());
        for id in found.items {
            items.extend(self.object_of(caller.account(), id).await?);
        }
        Ok(Page { total: found.total, items })
    }

    /// What a reached object is below, as far as the user reaches that, with the kind of link; at most 100.
    pub async fn parent_objects(&self, caller: &UserCaller, child: ObjectId) -> Result<Vec<(ManagedObject, ChildKind)>> {
        caller.need(Permission::See)?;
        self.reached_object(caller, child).await?;
        let mut found = vec![];
        for (id, kind) in self.store.parents(child, super::ABOVE as u32).await? {
            if let Ok(parent) = self.reached_object(caller, id).await {
                found.push((parent, kind));
            }
        }
        Ok(found)
    }
}
