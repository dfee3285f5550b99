//! What the domain asks of a store about the oneM2M tree.

use crate::store::DeviceStore;
use async_trait::async_trait;
use landfall_model::{
    AccountId, ContainerState, Device, DeviceId, DeviceName, Instance, Page, PageRequest, Resource, ResourceId, ResourceKind,
    Result, Sort, Time,
};
use std::sync::Arc;

/// Resources of the tree, and what is found by labels.
#[async_trait]
pub trait ResourceStore: Send + Sync {
    /// One resource.
    async fn resource(&self, id: ResourceId) -> Result<Option<Arc<Resource>>>;
    /// The resource of this name below a parent.
    async fn resource_named(&self, parent: ResourceId, name: &str) -> Result<Option<Arc<Resource>>>;
    /// The application entity of an account that registered this originator; of several, the oldest.
    async fn entity_of(&self, account: AccountId, originator: &str) -> Result<Option<Arc<Resource>>>;
    /// Resources that match, oldest first.
    async fn resources(&self, filter: &ResourceFilter, page: PageRequest) -> Result<Page<Arc<Resource>>>;
    /// Resources that match after one of them, oldest first, at most `limit`.
    async fn resources_after(
        &self,
        filter: &ResourceFilter,
        after: Option<(Time, ResourceId)>,
        limit: u32,
    ) -> Result<Vec<Arc<Resource>>>;
    /// All resources below one, however deep, parents before children; at most `limit`.
    async fn resources_below(&self, top: ResourceId, limit: u32) -> Result<Vec<Arc<Resource>>>;
    /// The subscriptions right below a subject. They are all in memory: most subjects have none, and every change asks.
    fn subscriptions_of(&self, subject: ResourceId) -> Vec<Arc<Resource>>;
    /// The device groups of an account that tell applications, in memory as well: each report asks whether there are any.
    fn telling_groups(&self, account: AccountId) -> Vec<Arc<Resource>>;
    /// Whether an account has such groups.
    fn has_telling_groups(&self, account: AccountId) -> bool;
    /// One of them.
    fn telling_group(&self, id: ResourceId) -> Option<Arc<Resource>>;
    /// What has one of these labels, by id after `after`, at most `limit`: resources, and nodes of devices.
    async fn labelled(
        &self,
        account: AccountId,
        labels: &[String],
        after: Option<ResourceId>,
        limit: u32,
    ) -> Result<Vec<ResourceId>>;
}

/// Containers and their instances.
#[async_trait]
pub trait InstanceStore: Send + Sync {
    /// What a container holds.
    async fn container_state(&self, container: ResourceId) -> Result<ContainerState>;
    /// One instance that is not over.
    async fn instance(&self, id: ResourceId, now: Time) -> Result<Option<Instance>>;
    /// The instance of this name in a container that is not over.
    async fn instance_named(&self, container: ResourceId, name: &str, now: Time) -> Result<Option<Instance>>;
    /// The oldest (`Ascending`) or newest instance of a container that is not over.
    async fn end_instance(&self, container: ResourceId, now: Time, sort: Sort) -> Result<Option<Instance>>;
    /// Instances of a container that are not over with an `st` beyond `after`, ascending, at most `limit`.
    async fn instances_after(&self, container: ResourceId, now: Time, after: u64, limit: u32) -> Result<Vec<Instance>>;
    /// Instances of a container that are not over, in the order of `st`.
    async fn instances(&self, container: ResourceId, now: Time, sort: Sort, page: PageRequest) -> Result<Page<Instance>>;
}

/// Devices as nodes of the tree.
#[async_trait]
pub trait NodeStore: DeviceStore {
    /// The device of an account whose node has this name.
    async fn device_by_node_name(&self, account: AccountId, name: &str) -> Result<Option<Arc<Device>>> {
        self.device_named(&DeviceName::Node(account, name.into())).await
    }
    /// The device whose id begins with these bytes.
    async fn device_by_prefix(&self, first: [u8; 11]) -> Result<Option<Arc<Device>>>;
    /// What stands in the way of each of these new devices of the account.
    async fn claims(&self, account: AccountId, claims: Vec<Claim>) -> Result<Vec<TakenNames>>;
}

/// Which resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceFilter {
    /// Of this account.
    pub account: AccountId,
    /// Right below this one.
    pub parent: Option<ResourceId>,
    /// Below this device, however deep.
    pub device: Option<DeviceId>,
    /// Of one of these types; empty: of any.
    pub kinds: Vec<ResourceKind>,
}

/// Names that a new device wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// nodeId; no other device may have a name that means the same.
    pub node_id: String,
    /// nodeResourceName, unique in the account.
    pub name: String,
    /// Identity of its pre-shared key; no other device may have a name that means the same.
    pub psk_identity: String,
}

/// Who has a wanted name already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TakenNames {
    /// The device that has a name of the same identity as the nodeId.
    pub node_id: Option<Arc<Device>>,
    /// The device of the account with the nodeResourceName.
    pub name: Option<Arc<Device>>,
    /// Whether a device has a name of the same identity as that of the key.
    pub psk_identity: bool,
    /// Whether something else right below the account's base has the nodeResourceName.
    pub resource: bool,
}
