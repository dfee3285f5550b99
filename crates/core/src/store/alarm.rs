//! Alarms and events of devices.

use async_trait::async_trait;
use landfall_model::{
    AccountId, Alarm, AlarmId, AlarmStatus, DeviceEvent, DeviceEventId, DeviceId, Page, PageRequest, Result, Severity, Sort, Time,
};

/// Alarms and events.
#[async_trait]
pub trait AlarmStore: Send + Sync {
    /// One alarm.
    async fn alarm(&self, id: AlarmId) -> Result<Option<Alarm>>;
    /// The alarm of a kind that a device has and that is not cleared.
    async fn open_alarm(&self, device: DeviceId, kind: &str) -> Result<Option<Alarm>>;
    /// Of those of these devices that have alarms which are not cleared the newest one each; nothing is read where none has.
    async fn newest_open_alarms(&self, devices: &[DeviceId]) -> Result<Vec<Alarm>>;
    /// Alarms that match, by the time they were last raised.
    async fn alarms(&self, filter: &AlarmFilter, page: PageRequest) -> Result<Page<Alarm>>;
    /// One event.
    async fn device_event(&self, id: DeviceEventId) -> Result<Option<DeviceEvent>>;
    /// Events that match, by time.
    async fn device_events(&self, filter: &DeviceEventFilter, page: PageRequest) -> Result<Page<DeviceEvent>>;
}

/// Which alarms; what is absent does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmFilter {
    /// Of this account.
    pub account: AccountId,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Of these kinds; empty: of any.
    pub kinds: Vec<String>,
    /// In one of these states; empty: in any.
    pub statuses: Vec<AlarmStatus>,
    /// Of one of these; empty: of any.
    pub severities: Vec<Severity>,
    /// Last raised at this time or later.
    pub from: Option<Time>,
    /// Last raised before this time.
    pub to: Option<Time>,
    /// Order.
    pub sort: Sort,
}

/// Which events; what is absent does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceEventFilter {
    /// Of this account.
    pub account: AccountId,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Of this kind.
    pub kind: Option<String>,
    /// With a fragment of this name at the top.
    pub fragment: Option<String>,
    /// At this time or later.
    pub from: Option<Time>,
    /// Before this time.
    pub to: Option<Time>,
    /// Order.
    pub sort: Sort,
}

impl AlarmFilter {
    /// All of an account, the newest first.
    pub fn of(account: AccountId) -> Self {
        let (kinds, statuses, severities) = (vec![], vec![], vec![]);
        Self { account, device: None, kinds, statuses, severities, from: None, to: None, sort: Sort::Descending }
    }
}

impl DeviceEventFilter {
    /// All of an account, the newest first.
    pub fn of(account: AccountId) -> Self {
        Self { account, device: None, kind: None, fragment: None, from: None, to: None, sort: Sort::Descending }
    }
}
