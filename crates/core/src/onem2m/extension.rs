//! The tree in the life of a device: what the rest of the core asks of it.

use crate::{
    Core, Work,
    extension::{Extension, GroupEvent},
    onem2m::{Tree, edit::follow_info},
};
use async_trait::async_trait;
use landfall_model::{Batch, Device, DeviceInfo, Error, Group, ResourceKind, Result, Subscription, SubscriptionKind, Time};
use std::sync::Arc;

#[async_trait]
impl Extension for Tree {
    fn follow(&self, device: &mut Device, change: &DeviceInfo, now: Time) {
        follow_info(device, change, now);
    }

    fn hears(&self, device: &Device) -> bool {
        device.node.is_some()
    }

    async fn heard(&self, core: &Core, device: &Arc<Device>, text: &str) -> Result<Batch> {
        core.received(device, text).await
    }

    async fn next_work(&self, core: &Core, device: &Arc<Device>) -> Result<Option<Work>> {
        core.next_message(device).await
    }

    async fn group_followed(&self, core: &Core, event: GroupEvent, group: &Group) -> Result<Batch> {
        core.group_record(event, group).await
    }

    async fn added(&self, core: &Core, device: &Arc<Device>, now: Time) -> Result<Batch> {
        core.node_added(device, now).await
    }

    async fn released(&self, core: &Core, devices: &[Arc<Device>], now: Time) -> Result<Batch> {
        core.nodes_released(devices, now).await
    }

    async fn suspension(&self, core: &Core, subscription: &Subscription) -> Result<Option<Option<String>>> {
        let SubscriptionKind::Resource(id, _) = subscription.kind else { return Ok(None) };
        match core.store.resource(id).await? {
            // Of what it is told is judged for each notice.
            Some(entity) if entity.kind == ResourceKind::ApplicationEntity => Ok(Some(core.standing(entity.app).await?.err())),
            Some(resource) => core.unfit_for_subject(&resource).await.map(Some),
            None => Ok(None),
        }
    }

    async fn delete_subject(&self, core: &Core, subscription: &Subscription) -> Result<bool> {
        if let SubscriptionKind::Resource(resource, _) = subscription.kind
            && let Some(account) = core.store.account(subscription.account).await?
            && let Some(resource) = core.store.resource(resource).await?
        {
            if resource.kind == ResourceKind::ApplicationEntity {
                let rule = "serves a point of access of an application entity: change or delete that";
                return Err(Error::invalid("subscription", rule));
            }
            core.delete_record(&account, &resource).await?;
            return Ok(true);
        }
        Ok(false)
    }
}
