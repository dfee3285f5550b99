//! What waits for devices: calls, commands and the desired half of shadows.

use super::HistoryOf;
use async_trait::async_trait;
use landfall_model::{
    AccountId, AppId, CallId, Command, CommandId, CommandState, DeviceId, Page, PageRequest, Result, RevokeState, RevokeTask,
    ServiceCall, Setting, Shadow, Sort, Subscription, TaskId, Time,
};
use std::sync::Arc;

/// Waiting calls, and the callback addresses of calls and commands.
#[async_trait]
pub trait CallStore: Send + Sync {
    /// One waiting call.
    async fn call(&self, id: CallId) -> Result<Option<ServiceCall>>;
    /// The waiting calls of a device, oldest first.
    async fn calls(&self, device: DeviceId) -> Result<Vec<ServiceCall>>;
    /// Calls whose `mid` is due to be freed, at most `limit`.
    async fn expired_calls(&self, now: Time, limit: u32) -> Result<Vec<ServiceCall>>;
    /// Addresses of calls and commands that none of them names any more, and to which nothing is to be delivered, at most `limit`.
    async fn idle_addresses(&self, limit: u32) -> Result<Vec<Arc<Subscription>>>;
}

/// Commands, the tasks that revoke them, and whether a device has work.
#[async_trait]
pub trait CommandStore: Send + Sync {
    /// One command.
    async fn command(&self, id: CommandId) -> Result<Option<Command>>;
    /// Commands of a device that are not over, in the order of their places. At most 1,000.
    async fn open_commands(&self, device: DeviceId) -> Result<Vec<Command>>;
    /// The highest place in a device's queue, of those that are kept; 0: none.
    async fn last_command_place(&self, device: DeviceId) -> Result<u64>;
    /// Commands that match, newest first.
    async fn commands(&self, filter: &CommandFilter, page: PageRequest) -> Result<Page<Command>>;
    /// Commands that match, by the time when they were made. What is open of one device, or of a gateway and what is behind it, is found
    /// without a look at what is over.
    async fn operations(&self, filter: &OperationFilter, page: PageRequest) -> Result<Page<Command>>;
    /// Commands whose state is due to end, at most `limit`.
    async fn due_commands(&self, now: Time, limit: u32) -> Result<Vec<Command>>;
    /// Revocation tasks that match, newest first.
    async fn revoke_tasks(&self, filter: &RevokeFilter, page: PageRequest) -> Result<Page<RevokeTask>>;
    /// A stamp that changes with each command and shadow that is committed for the device; `None`: none of them is open.
    fn work_stamp(&self, device: DeviceId) -> Option<u64>;
    /// Neither a command nor a desired value of the device was open at this stamp.
    fn no_work(&self, device: DeviceId, stamp: u64);
}

/// Desired values and the settings that made them.
#[async_trait]
pub trait ShadowStore: Send + Sync {
    /// The desired half of a device's shadow.
    async fn shadow(&self, device: DeviceId) -> Result<Option<Shadow>>;
    /// Settings that match, newest first.
    async fn settings(&self, filter: &SettingFilter, page: PageRequest) -> Result<Page<Setting>>;
}

/// Which commands (1.7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandFilter {
    /// Of this account.
    pub account: AccountId,
    /// Asked for in the name of this application.
    pub app: Option<AppId>,
    /// For this device.
    pub device: Option<DeviceId>,
    /// Made later than.
    pub after: Option<Time>,
    /// Made earlier than.
    pub before: Option<Time>,
}

/// Which commands, as operations; what is absent does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationFilter {
    /// Of this account.
    pub account: AccountId,
    /// For this device.
    pub device: Option<DeviceId>,
    /// For this gateway and the devices behind it.
    pub gateway: Option<DeviceId>,
    /// In one of these states; empty: in any.
    pub states: Vec<CommandState>,
    /// With a fragment of this name: the service, or a field at the top of the parameters.
    pub fragment: Option<String>,
    /// Of this device, after this place in its queue.
    pub after_place: Option<u64>,
    /// Made at this time or later.
    pub from: Option<Time>,
    /// Made before this time.
    pub to: Option<Time>,
    /// Order.
    pub sort: Sort,
}

impl OperationFilter {
    /// All of an account, the oldest first.
    pub fn of(account: AccountId) -> Self {
        let (device, gateway, fragment, after_place) = (None, None, None, None);
        Self { account, device, gateway, states: vec![], fragment, after_place, from: None, to: None, sort: Sort::Ascending }
    }
}

/// Which revocation tasks (1.7.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeFilter {
    /// Of this account.
    pub account: AccountId,
    /// Asked for in the name of this application.
    pub app: Option<AppId>,
    /// This one.
    pub task: Option<TaskId>,
    /// About this device.
    pub device: Option<DeviceId>,
    /// In this state.
    pub state: Option<RevokeState>,
    /// Made later than.
    pub after: Option<Time>,
    /// Made earlier than.
    pub before: Option<Time>,
}

/// Which settings of shadows (1.5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFilter {
    /// Whose.
    pub of: HistoryOf,
    /// Of this service.
    pub service_id: Option<String>,
    /// That set this property.
    pub property: Option<String>,
    /// Made later than.
    pub after: Option<Time>,
    /// Made earlier than.
    pub before: Option<Time>,
}
