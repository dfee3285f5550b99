//! Groups of devices.

use async_trait::async_trait;
use landfall_model::{AccountId, AppId, Device, DeviceId, Group, GroupId, Page, PageRequest, Result};
use std::sync::Arc;

/// Groups, and who is in which.
#[async_trait]
pub trait GroupStore: Send + Sync {
    /// One group.
    async fn group(&self, id: GroupId) -> Result<Option<Arc<Group>>>;
    /// The group of this name that belongs to an application of the account; without one, to the account itself.
    async fn group_named(&self, account: AccountId, owner: Option<AppId>, name: &str) -> Result<Option<Arc<Group>>>;
    /// Groups of an account by name, or those that belong to one application of it.
    async fn groups(&self, account: AccountId, owner: Option<AppId>, page: PageRequest) -> Result<Page<Arc<Group>>>;
    /// Devices of a group by id after `after`, at most `limit`.
    async fn members(&self, group: GroupId, after: Option<DeviceId>, limit: u32) -> Result<Vec<Arc<Device>>>;
    /// How many devices are in a group.
    async fn member_count(&self, group: GroupId) -> Result<u64>;
    /// Whether a device is in a group.
    async fn is_member(&self, group: GroupId, device: DeviceId) -> Result<bool>;
    /// Ids of the groups that a device is in, at most `limit`. Asked with every report of an account whose groups have receivers.
    async fn group_ids_of(&self, device: DeviceId, limit: u32) -> Result<Vec<GroupId>>;
    /// Groups that a device is in, by id after `after`, at most `limit`.
    async fn groups_of(&self, device: DeviceId, after: Option<GroupId>, limit: u32) -> Result<Vec<Arc<Group>>>;
}
