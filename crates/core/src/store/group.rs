//! Groups of devices.

use async_trait::async_trait;
use landfall_model::{AccountId, AppId, Device, DeviceId, Group, GroupId, Page, PageRequest, Principals, Result};
use std::sync::Arc;

/// Where a slice of members begins; they are in the order of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MembersFrom {
    /// After this device, whether it is a member or not; none: at the first one. Quick.
    After(Option<DeviceId>),
    /// At this place, from 0. Walks all before it.
    Place(u64),
}

/// A device in a group, and who sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The device.
    pub device: DeviceId,
    /// Its principals.
    pub principals: Principals,
}

/// Some members of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberSlice {
    /// In the order of their ids.
    pub members: Vec<Member>,
    /// The last one that was looked at; it may be gone.
    pub last: Option<DeviceId>,
    /// Whether there may be others after that.
    pub more: bool,
}

/// Groups, and those that a device is in.
#[async_trait]
pub trait GroupStore: Send + Sync {
    /// One group.
    async fn group(&self, id: GroupId) -> Result<Option<Arc<Group>>>;
    /// The group of this name that belongs to an application of the account; without one, to the account itself.
    async fn group_named(&self, account: AccountId, owner: Option<AppId>, name: &str) -> Result<Option<Arc<Group>>>;
    /// Groups of an account by name, or those that belong to one application of it; all or those of one name.
    async fn groups(
        &self,
        account: AccountId,
        owner: Option<AppId>,
        name: Option<&str>,
        page: PageRequest,
    ) -> Result<Page<Arc<Group>>>;
    /// Ids of the groups that a device is in, at most `limit`. Asked with every report of an account whose groups have receivers.
    async fn group_ids_of(&self, device: DeviceId, limit: u32) -> Result<Vec<GroupId>>;
    /// Groups that a device is in, by id after `after`, at most `limit`.
    async fn groups_of(&self, device: DeviceId, after: Option<GroupId>, limit: u32) -> Result<Vec<Arc<Group>>>;
}

/// Who is in a group.
#[async_trait]
pub trait MemberStore: Send + Sync {
    /// Devices of a group by id after `after`, at most `limit`.
    async fn members(&self, group: GroupId, after: Option<DeviceId>, limit: u32) -> Result<Vec<Arc<Device>>>;
    /// The same without their records, looking at `limit` of them.
    async fn member_ids(&self, group: GroupId, from: MembersFrom, limit: u32) -> Result<MemberSlice>;
    /// Who sees each of these devices, at most [`Group::SLICE`]; none where the account has no such device. `TooMany`.
    async fn seen_by(&self, account: AccountId, devices: &[DeviceId]) -> Result<Vec<Option<Principals>>>;
    /// How many devices are in a group: a counter, not a count.
    async fn member_count(&self, group: GroupId) -> Result<u64>;
    /// The same of each of these groups of an account.
    async fn member_counts(&self, account: AccountId, groups: &[GroupId]) -> Result<Vec<u64>>;
    /// Whether a device is in a group.
    async fn is_member(&self, group: GroupId, device: DeviceId) -> Result<bool>;
}
