//! What the domain asks of a store. Implementations: `landfall-store` (SQLite and PostgreSQL), held to one conformance suite.

use crate::ResourceStore;
use async_trait::async_trait;
use landfall_model::{
    Account, AccountId, App, AppId, Batch, CallId, Command, CommandId, Cursor, Device, DeviceId, DeviceStatus, HistoryPoint,
    Identity, KeptFrame, NodeType, Page, PageRequest, Product, ProductId, ProductKey, Registration, Reported, Result,
    RevokeState, RevokeTask, SecureSession, Seq, ServiceCall, Setting, Shadow, Sort, StoredEvent, StoredSession, Subscription,
    SubscriptionId, SubscriptionKind, TaskId, Time,
};
use std::sync::Arc;

/// The registry, the history and the event stream.
///
/// Everything is written by [`Store::commit`] alone. Reads see every commit that was answered before they began.
/// Errors: `Internal` for a broken database, `Overloaded` for a full queue, `Stopping` after shutdown began.
#[async_trait]
pub trait Store: ResourceStore + Send + Sync {
    /// Applies a batch durably, whole or not at all; many batches share one sync.
    ///
    /// `Conflict`: `Stale` for a version that moved, `NodeIdTaken` (a name of a device means the same as one of another), `NameTaken`,
    /// `ProductExists`, `SubscriptionExists`, `ResourceExists` for what must be unique. `ResourceNotFound` for what has lost its parent. An event
    /// for an address of a call or command that is gone, and an address that another batch has made, are `Stale`.
    /// Batches are applied in the order in which these futures were first polled.
    async fn commit(&self, batch: Batch) -> Result<Committed>;

    /// One account.
    async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>>;
    /// Accounts by name; `name` picks the one of that name.
    async fn accounts(&self, name: Option<&str>, page: PageRequest) -> Result<Page<Arc<Account>>>;

    /// One application.
    async fn app(&self, id: AppId) -> Result<Option<Arc<App>>>;
    /// Applications of an account by name.
    async fn apps(&self, account: AccountId, page: PageRequest) -> Result<Page<Arc<App>>>;

    /// One product.
    async fn product(&self, id: ProductId) -> Result<Option<Arc<Product>>>;
    /// The product with these keys.
    async fn product_by_key(&self, account: AccountId, key: &ProductKey) -> Result<Option<Arc<Product>>>;
    /// Products of an account by name.
    async fn products(&self, account: AccountId, page: PageRequest) -> Result<Page<Arc<Product>>>;

    /// One device.
    async fn device(&self, id: DeviceId) -> Result<Option<Arc<Device>>>;
    /// The device that has a name of this identity.
    async fn device_of(&self, identity: &Identity) -> Result<Option<Arc<Device>>>;
    /// The device whose nodeId means the same as this name.
    async fn device_by_node(&self, name: &str) -> Result<Option<Arc<Device>>> {
        let identity = Identity::of(name);
        Ok(self.device_of(&identity).await?.filter(|device| Identity::of(&device.node_id) == identity))
    }
    /// The device whose pre-shared key goes with a name that means the same: its own, or the nodeId of a device that has none.
    async fn device_by_psk_identity(&self, name: &str) -> Result<Option<Arc<Device>>> {
        let identity = Identity::of(name);
        Ok(self.device_of(&identity).await?.filter(|device| Identity::of(device.psk_identity()) == identity))
    }
    /// Devices that are not found by one of their names, as an older device has one that means the same. Only databases that are older than
    /// the rule have them.
    async fn name_clashes(&self, page: PageRequest) -> Result<Page<NameClash>>;
    /// Devices that match, by time of registration (then id).
    async fn devices(&self, filter: &DeviceFilter, page: PageRequest) -> Result<Page<Arc<Device>>>;
    /// Devices that match after one of them, in the order of the filter, at most `limit`.
    async fn devices_after(&self, filter: &DeviceFilter, after: Option<(Time, DeviceId)>, limit: u32)
    -> Result<Vec<Arc<Device>>>;
    /// Whether a device of this id was deleted; kept for 90 days.
    async fn was_deleted(&self, id: DeviceId) -> Result<bool>;
    /// The newest values of a device and when it was last heard.
    async fn device_state(&self, id: DeviceId) -> Result<DeviceState>;
    /// Devices of a product by id after `after`, at most `limit`.
    async fn product_devices(&self, product: ProductId, after: Option<DeviceId>, limit: u32) -> Result<Vec<Arc<Device>>>;
    /// Devices to look at in the background, at most `limit`, the longest due first.
    async fn due_devices(&self, due: Due, limit: u32) -> Result<Vec<Arc<Device>>>;
    /// Devices that are marked as connected, at most `limit`, by id after `after`.
    async fn connected_devices(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Arc<Device>>>;

    /// History, newest arrival first.
    async fn history(&self, query: &HistoryQuery, page: PageRequest) -> Result<Page<HistoryPoint>>;

    /// Frames that were kept with the history of a device, by their places, with the points that came from each. What waits in memory is
    /// made ready first.
    async fn frames(&self, query: &FrameQuery) -> Result<FramePage>;

    /// One subscription.
    async fn subscription(&self, id: SubscriptionId) -> Result<Option<Arc<Subscription>>>;
    /// Subscriptions that match, oldest first.
    async fn subscriptions(&self, filter: &SubscriptionFilter, page: PageRequest) -> Result<Page<Arc<Subscription>>>;
    /// Addresses of calls and commands that none of them names any more, and to which nothing is to be delivered, at most `limit`.
    async fn idle_addresses(&self, limit: u32) -> Result<Vec<Arc<Subscription>>>;
    /// How far a subscription was served.
    async fn cursor(&self, id: SubscriptionId) -> Result<Option<Cursor>>;

    /// One waiting call.
    async fn call(&self, id: CallId) -> Result<Option<ServiceCall>>;
    /// The waiting calls of a device, oldest first.
    async fn calls(&self, device: DeviceId) -> Result<Vec<ServiceCall>>;
    /// Calls whose `mid` is due to be freed, at most `limit`.
    async fn expired_calls(&self, now: Time, limit: u32) -> Result<Vec<ServiceCall>>;

    /// The kept session of a device.
    async fn session(&self, device: DeviceId) -> Result<Option<StoredSession>>;

    /// One command.
    async fn command(&self, id: CommandId) -> Result<Option<Command>>;
    /// A stamp that changes with each command and shadow that is committed for the device; `None`: none of them is open.
    fn work_stamp(&self, device: DeviceId) -> Option<u64>;
    /// Neither a command nor a desired value of the device was open at this stamp.
    fn no_work(&self, device: DeviceId, stamp: u64);
    /// Commands of a device that are not over, in the order of their places. At most 1,000.
    async fn open_commands(&self, device: DeviceId) -> Result<Vec<Command>>;
    /// The highest place in a device's queue, of those that are kept; 0: none.
    async fn last_command_place(&self, device: DeviceId) -> Result<u64>;
    /// Commands that match, newest first.
    async fn commands(&self, filter: &CommandFilter, page: PageRequest) -> Result<Page<Command>>;
    /// Commands whose state is due to end, at most `limit`.
    async fn due_commands(&self, now: Time, limit: u32) -> Result<Vec<Command>>;
    /// Revocation tasks that match, newest first.
    async fn revoke_tasks(&self, filter: &RevokeFilter, page: PageRequest) -> Result<Page<RevokeTask>>;

    /// The desired half of a device's shadow.
    async fn shadow(&self, device: DeviceId) -> Result<Option<Shadow>>;
    /// Settings that match, newest first.
    async fn settings(&self, filter: &SettingFilter, page: PageRequest) -> Result<Page<Setting>>;

    /// The registration of a device.
    async fn registration(&self, device: DeviceId) -> Result<Option<Registration>>;
    /// Registrations by device after `after`, at most `limit`.
    async fn registrations(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Registration>>;
    /// Registrations whose lifetime is over, at most `limit`.
    async fn expired_registrations(&self, now: Time, limit: u32) -> Result<Vec<Registration>>;
    /// Secure sessions by number after `after`, at most `limit`.
    async fn secure_sessions(&self, after: Option<u64>, limit: u32) -> Result<Vec<SecureSession>>;

    /// Events after `after`, at most `limit`, in order. Events beyond the retention are gone.
    async fn events_after(&self, after: Seq, limit: u32) -> Result<Vec<StoredEvent>>;
    /// These events, in order; those that are gone are left out. `seqs` is ascending, at most 1,000.
    async fn events_at(&self, seqs: &[Seq]) -> Result<Vec<StoredEvent>>;
    /// The last place before `at`: a cursor there sees everything since.
    async fn seq_before(&self, at: Time) -> Result<Seq>;
    /// The newest place.
    fn newest(&self) -> Seq;
    /// Returns once the newest place is beyond `seq`.
    async fn wait_after(&self, seq: Seq);

    /// Deletes what retention no longer keeps, in batches of at most a few thousand rows, and returns whether more is left.
    async fn prune(&self, now: Time) -> Result<bool>;
    /// Writes something, to show that it can be done. `Overloaded` with the reason: a full disk, a database that is gone or does not answer.
    async fn probe(&self) -> Result<()>;
    /// Numbers for operators.
    async fn stats(&self) -> Result<StoreStats>;
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The place of its last event, or the newest place.
    pub seq: Seq,
    /// `st` of the instances that were appended, in their order.
    pub states: Vec<u64>,
}

/// A device that is not found by one of its names.
#[derive(Clone, Debug, PartialEq)]
pub struct NameClash {
    /// What the name stands for.
    pub identity: Identity,
    /// The device; it gets the name when that becomes free.
    pub device: Arc<Device>,
    /// The older device that is found by it.
    pub holder: Arc<Device>,
}

/// Which devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFilter {
    /// Of this account.
    pub account: AccountId,
    /// Of this application.
    pub app: Option<AppId>,
    /// This gateway and the devices behind it.
    pub gateway: Option<DeviceId>,
    /// Of this kind.
    pub node_type: Option<NodeType>,
    /// Of this device type.
    pub device_type: Option<String>,
    /// At this location.
    pub location: Option<String>,
    /// Of this name.
    pub name: Option<String>,
    /// With this node id.
    pub node_id: Option<String>,
    /// Of this product.
    pub product: Option<ProductId>,
    /// In this status.
    pub status: Option<DeviceStatus>,
    /// Registered later than.
    pub created_after: Option<Time>,
    /// Registered earlier than.
    pub created_before: Option<Time>,
    /// Order by registration.
    pub sort: Sort,
}

impl DeviceFilter {
    /// All devices of an account, newest first.
    pub fn of(account: AccountId) -> Self {
        Self {
            account,
            app: None,
            gateway: None,
            node_type: None,
            device_type: None,
            location: None,
            name: None,
            node_id: None,
            product: None,
            status: None,
            created_after: None,
            created_before: None,
            sort: Sort::Descending,
        }
    }
}

/// Which commands (1.7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandFilter {
    /// Of this account.
    pub account: AccountId,
    /// For devices of this application.
    pub app: Option<AppId>,
    /// For this device.
    pub device: Option<DeviceId>,
    /// Made later than.
    pub after: Option<Time>,
    /// Made earlier than.
    pub before: Option<Time>,
}

/// Which revocation tasks (1.7.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeFilter {
    /// Of this account.
    pub account: AccountId,
    /// Of this application.
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
    /// Of these devices, at most 1,000.
    pub devices: Vec<DeviceId>,
    /// Of this service.
    pub service_id: Option<String>,
    /// That set this property.
    pub property: Option<String>,
    /// Made later than.
    pub after: Option<Time>,
    /// Made earlier than.
    pub before: Option<Time>,
}

/// Devices that need a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// In this status and silent since before that time.
    Silent(DeviceStatus, Time),
    /// Never activated, and the registration ended before that time.
    Expired(Time),
}

/// Newest values of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceState {
    /// When it last reported or connected.
    pub last_seen: Option<Time>,
    /// By service id, ascending.
    pub services: Vec<Reported>,
}

/// Which points of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of these devices, at most 1,000.
    pub devices: Vec<DeviceId>,
    /// Measured later than.
    pub after: Option<Time>,
    /// Measured earlier than.
    pub before: Option<Time>,
}

/// Which frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameQuery {
    /// Of this device.
    pub device: DeviceId,
    /// With a later place than this one.
    pub after: Seq,
    /// Received at this time or later.
    pub from: Option<Time>,
    /// Received at this time or earlier.
    pub to: Option<Time>,
    /// At most so many; a store may give fewer, to bound the bytes.
    pub limit: u32,
}

/// Some frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FramePage {
    /// Ascending by place.
    pub frames: Vec<KeptFrame>,
    /// There may be more after the last of them.
    pub more: bool,
}

/// Which subscriptions; `None` means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Owned by this application.
    pub owner: Option<AppId>,
    /// About the devices of this application.
    pub target: Option<AppId>,
    /// Of this kind.
    pub kind: Option<SubscriptionKind>,
    /// To this address.
    pub callback_url: Option<String>,
}

/// Numbers for operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Registered devices.
    pub devices: u64,
    /// Points that wait in memory to be cut into chunks; they are durable in the stream already.
    pub pending_points: u64,
    /// Batches committed since the start.
    pub batches: u64,
    /// Transactions that carried them.
    pub commits: u64,
    /// The oldest event that is still kept.
    pub oldest_seq: u64,
    /// Bytes in use in the write-ahead log of SQLite.
    pub wal_bytes: u64,
    /// Lists that were ended by their deadline since the start.
    pub overdue_lists: u64,
}
