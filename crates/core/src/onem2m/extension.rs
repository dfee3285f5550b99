//! The tree in the life of a device: what the rest of the core asks of it.

use crate::{
    Core, Work,
    extension::{Extension, GroupEvent},
    onem2m::{Tree, edit::follow_info},
};
use async_trait::async_trait;
use landfall_model::{Batch, Device, DeviceInfo, Group, Result, Subscription, SubscriptionKind, Time};
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
            Some(resource) => core.unfit_for_subject(&resource).await.map(Some),
            None => Ok(None),
        }
    }

    async fn delete_subject(&self, core: &Core, subscription: &Subscription) -> Result<bool> {
        if let SubscriptionKind::Resource(resource, _) = subscription.kind
            && let Some(account) = core.store.account(subscription.account).await?
            && let Some(resource) = core.store.resource(resource).await?
        {
            core.delete_record(&account, &resource).await?;
            return Ok(true);
        }
        Ok(false)
    }
}
