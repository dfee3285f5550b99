//! An object as its readers see it: the record, the device or both, as one.

use crate::store::Listed;
use landfall_model::{AccountId, Device, DeviceInfo, DeviceStatus, Object, ObjectId, ObjectOf, Time};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Marks a device.
pub(crate) const IS_DEVICE: &str = "c8y_IsDevice";
/// Marks a group.
pub(crate) const IS_GROUP: &str = "c8y_IsDeviceGroup";
/// Whether a device is reachable, and when it was heard.
const AVAILABILITY: &str = "c8y_Availability";
/// Whether a connection is open.
const CONNECTION: &str = "c8y_Connection";
/// What every device has, whether its record says so or not.
pub(super) const OF_DEVICES: [&str; 3] = [IS_DEVICE, AVAILABILITY, CONNECTION];

/// One field of a device as its program and other dialects know it.
pub(super) struct Shared {
    pub(super) fragment: &'static str,
    pub(super) property: &'static str,
    pub(super) get: fn(&DeviceInfo) -> Option<&str>,
    pub(super) set: fn(&mut DeviceInfo) -> &mut Option<String>,
}

macro_rules! shared {
    ($($fragment:literal $property:literal $field:ident;)*) => {
        /// Properties of fragments that are fields of a device too.
        pub(super) const SHARED: &[Shared] = &[$(Shared {
            fragment: $fragment,
            property: $property,
            get: |info| info.$field.as_deref(),
            set: |info| &mut info.$field,
        },)*];
    };
}

shared! {
    "c8y_Hardware" "model" model;
    "c8y_Hardware" "serialNumber" serial_number;
    "c8y_Hardware" "revision" hw_version;
    "c8y_Firmware" "version" fw_version;
    "c8y_Mobile" "imsi" imsi;
}

/// An object of the inventory.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagedObject {
    record: Option<Arc<Object>>,
    device: Option<Arc<Device>>,
}

impl ManagedObject {
    pub(crate) fn of_device(device: Arc<Device>, record: Option<Arc<Object>>) -> Self {
        Self { record, device: Some(device) }
    }

    pub(crate) fn of_record(record: Arc<Object>) -> Self {
        Self { record: Some(record), device: None }
    }

    /// Id.
    pub fn id(&self) -> ObjectId {
        match (&self.device, &self.record) {
            (Some(device), _) => ObjectId::of_device(device.id),
            (None, record) => record.as_ref().map_or(ObjectId(0), |record| record.id),
        }
    }

    /// Account.
    pub fn account(&self) -> AccountId {
        let of_record = || self.record.as_ref().map_or(AccountId::MANAGEMENT, |record| record.account);
        self.device.as_ref().map_or_else(of_record, |device| device.account)
    }

    /// What it is.
    pub fn of(&self) -> ObjectOf {
        match (&self.device, &self.record) {
            (Some(device), _) => ObjectOf::Device(device.id),
            (None, record) => record.as_ref().map_or(ObjectOf::Itself, |record| record.of),
        }
    }

    /// The device, if it is one.
    pub fn device(&self) -> Option<&Arc<Device>> {
        self.device.as_ref()
    }

    pub(crate) fn record(&self) -> Option<&Arc<Object>> {
        self.record.as_ref()
    }

    /// Its `type`.
    pub fn kind(&self) -> Option<&str> {
        self.record.as_ref().and_then(|record| record.kind.as_deref())
    }

    /// Its name; a device without one is called as its node.
    pub fn name(&self) -> Option<&str> {
        match &self.device {
            Some(device) => Some(device.info.name.as_deref().unwrap_or(&device.node_id)),
            None => self.record.as_ref().and_then(|record| record.name.as_deref()),
        }
    }

    /// The user that owns it.
    pub fn owner(&self) -> Option<&str> {
        match &self.device {
            Some(device) => device.owner.as_deref(),
            None => self.record.as_ref().and_then(|record| record.owner.as_deref()),
        }
    }

    /// When it was made.
    pub fn created_at(&self) -> Time {
        let of_record = || self.record.as_ref().map_or(Time(0), |record| record.created_at);
        self.device.as_ref().map_or_else(of_record, |device| device.created_at)
    }

    /// When it last changed.
    pub fn modified_at(&self) -> Time {
        let device = self.device.as_ref().map(|device| device.modified_at);
        let record = self.record.as_ref().map(|record| record.modified_at);
        device.max(record).unwrap_or(Time(0))
    }

    /// Everything else: what was written; of a device also what is known of it, where its record does not say that.
    pub fn fragments(&self) -> Map<String, Value> {
        let mut all = self.record.as_ref().map(|record| parsed(record)).unwrap_or_default();
        if let Some(device) = &self.device {
            add_known(&mut all, device);
        }
        all
    }
}

impl TryFrom<Listed> for ManagedObject {
    type Error = ();

    fn try_from(found: Listed) -> Result<Self, ()> {
        match (found.device, found.object) {
            (Some(device), record) => Ok(Self::of_device(device, record)),
            (None, Some(record)) => Ok(Self::of_record(record)),
            (None, None) => Err(()),
        }
    }
}

/// The fragments of a record.
pub(super) fn parsed(record: &Object) -> Map<String, Value> {
    serde_json::from_str(&record.fragments).unwrap_or_default()
}

fn add_known(all: &mut Map<String, Value>, device: &Device) {
    all.entry(IS_DEVICE).or_insert_with(|| json!({}));
    let available = if device.status == DeviceStatus::Online { "AVAILABLE" } else { "UNAVAILABLE" };
    let heard = device.heard_at.map(|at| ("lastMessage".to_owned(), at.iso().into()));
    all.insert(AVAILABILITY.into(), Map::from_iter([("status".to_owned(), available.into())].into_iter().chain(heard)).into());
    all.insert(CONNECTION.into(), json!({"status": if device.connected { "CONNECTED" } else { "DISCONNECTED" }}));
    for shared in SHARED {
        if let Some(value) = (shared.get)(&device.info)
            && let Value::Object(fragment) = all.entry(shared.fragment).or_insert_with(|| json!({}))
        {
            fragment.entry(shared.property).or_insert_with(|| value.into());
        }
    }
}
