//! Many devices at once, for work that goes through a fleet: their ids by what they have in common, and what is to be known of each.

use super::DeviceFilter;
use async_trait::async_trait;
use landfall_model::{AccountId, AppId, Command, CommandId, Device, DeviceId, GroupId, ProductId, Result, Time};
use std::sync::Arc;

/// Devices by the thousand.
#[async_trait]
pub trait FleetStore: Send + Sync {
    /// Ids of devices that match after one of them, in the order of the filter, each with the time of its registration; at most `limit`.
    async fn device_ids_after(
        &self,
        filter: &DeviceFilter,
        after: Option<(Time, DeviceId)>,
        limit: u32,
    ) -> Result<Vec<(Time, DeviceId)>>;
    /// Ids of the devices of a fleet by id after `after`, each once, at most `limit`.
    async fn fleet(&self, fleet: &Fleet, after: Option<DeviceId>, limit: u32) -> Result<Vec<DeviceId>>;
    /// What is to be known of these devices before each gets a command, by id; those that are gone are left out. At most 1,000 ids.
    async fn addressees(&self, devices: &[DeviceId]) -> Result<Vec<Addressee>>;
    /// These commands by id; those that are gone, or whose device is, are left out. At most 1,000 ids.
    async fn commands_by_id(&self, ids: &[CommandId]) -> Result<Vec<Command>>;
}

/// The devices of any of some groups or products.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// Of this account.
    pub account: AccountId,
    /// That this application sees; none: all.
    pub app: Option<AppId>,
    /// Registered by then.
    pub there_at: Time,
    /// What they have in common.
    pub of: FleetOf,
}

/// What the devices of a fleet have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FleetOf {
    /// They are in one of these groups.
    Groups(Vec<GroupId>),
    /// They are of one of these products.
    Products(Vec<ProductId>),
}

/// A device that is to get a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Addressee {
    /// The device.
    pub device: Arc<Device>,
    /// When it last reported or connected.
    pub last_seen: Option<Time>,
    /// Its commands that are not over, in the order of their places.
    pub open: Vec<Command>,
    /// The highest place in its queue, of those that are kept; 0: none.
    pub last_place: u64,
}
