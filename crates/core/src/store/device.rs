//! Devices: one by id or name, and lists of them.

use async_trait::async_trait;
use landfall_model::{
    AccountId, AppId, Device, DeviceId, DeviceName, DeviceStatus, Identity, NodeType, Page, PageRequest, ProductId, Reported,
    Result, Sort, Time,
};
use std::sync::Arc;

/// One device, by id and by name, and what is known of it.
#[async_trait]
pub trait DeviceStore: Send + Sync {
    /// One device.
    async fn device(&self, id: DeviceId) -> Result<Option<Arc<Device>>>;
    /// The device that has this name.
    async fn device_named(&self, name: &DeviceName) -> Result<Option<Arc<Device>>>;
    /// Which device has each of these names, in their order; of many names at once.
    async fn holders(&self, names: Vec<DeviceName>) -> Result<Vec<Option<DeviceId>>>;
    /// The device that has a name of this identity.
    async fn device_of(&self, identity: &Identity) -> Result<Option<Arc<Device>>> {
        self.device_named(&DeviceName::Identity(identity.clone())).await
    }
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
    /// The newest values of a device and when it was last heard.
    async fn device_state(&self, id: DeviceId) -> Result<DeviceState>;
    /// Whether a device of this id was deleted; kept for 90 days.
    async fn was_deleted(&self, id: DeviceId) -> Result<bool>;
}

/// Lists of devices: for callers, and for what works through them in the background.
#[async_trait]
pub trait DeviceListStore: Send + Sync {
    /// Devices that match, by time of registration (then id).
    async fn devices(&self, filter: &DeviceFilter, page: PageRequest) -> Result<Page<Arc<Device>>>;
    /// Devices that match after one of them, in the order of the filter, at most `limit`.
    async fn devices_after(&self, filter: &DeviceFilter, after: Option<(Time, DeviceId)>, limit: u32)
    -> Result<Vec<Arc<Device>>>;
    /// Devices of a product by id after `after`, at most `limit`.
    async fn product_devices(&self, product: ProductId, after: Option<DeviceId>, limit: u32) -> Result<Vec<Arc<Device>>>;
    /// Devices to look at in the background, at most `limit`, the longest due first.
    async fn due_devices(&self, due: Due, limit: u32) -> Result<Vec<Arc<Device>>>;
    /// Devices that are marked as connected, at most `limit`, by id after `after`.
    async fn connected_devices(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Arc<Device>>>;
    /// Devices that are not found by one of their names, as an older device has one that means the same. Only databases that are older than
    /// the rule have them.
    async fn name_clashes(&self, page: PageRequest) -> Result<Page<NameClash>>;
}

/// Newest values of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceState {
    /// When it last reported or connected.
    pub last_seen: Option<Time>,
    /// By service id, ascending.
    pub services: Vec<Reported>,
}

/// Which devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFilter {
    /// Of this account.
    pub account: AccountId,
    /// That this application sees.
    pub principal: Option<AppId>,
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
            principal: None,
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

/// Devices that need a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// In this status and silent since before that time.
    Silent(DeviceStatus, Time),
    /// Never activated, and the registration ended before that time.
    Expired(Time),
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
