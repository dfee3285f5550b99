//! History of reported values (1.5.3).

use crate::{Core, DeviceFilter, HistoryQuery, Scope};
use landfall_model::{Cause, Device, DeviceId, Error, HistoryPoint, Page, PageRequest, Result, Time};
use std::sync::Arc;

/// Which history; at least one of device and gateway is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Of this gateway and the devices behind it; with a device, it must be the device's gateway.
    pub gateway: Option<DeviceId>,
    /// Measured later than.
    pub after: Option<Time>,
    /// Measured earlier than.
    pub before: Option<Time>,
}

impl Core {
    /// History of the scope, newest first. `DeviceNotFound`, `DeviceForeign`, `InvalidField` without device and gateway.
    pub async fn history(&self, scope: &Scope, filter: HistoryFilter, page: PageRequest) -> Result<Page<HistoryPoint>> {
        let devices = self.history_devices(scope, &filter).await?;
        let oldest = devices.iter().map(|device| self.kept_since(device)).min().flatten();
        let after = match (filter.after, oldest) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        let query = HistoryQuery { devices: devices.iter().map(|device| device.id).collect(), after, before: filter.before };
        self.store.history(&query, page).await
    }

    pub(crate) async fn history_devices(&self, scope: &Scope, filter: &HistoryFilter) -> Result<Vec<Arc<Device>>> {
        if let Some(id) = filter.device {
            let device = self.device(scope, id).await?;
            if filter.gateway.is_some_and(|gateway| gateway != device.gateway_id()) {
                return Err(Error::new(Cause::DeviceNotFound, "the device is not behind that gateway"));
            }
            return Ok(vec![device]);
        }
        let gateway = filter.gateway.ok_or_else(|| Error::invalid("deviceId", "deviceId or gatewayId must be given"))?;
        let gateway = self.device(scope, gateway).await?;
        let all = DeviceFilter { gateway: Some(gateway.id), ..DeviceFilter::of(scope.account) };
        Ok(self.devices(scope, all, PageRequest { no: 0, size: 1_000 }).await?.items)
    }

    /// `dataAgingTime` counts at once, although old points are deleted in the background.
    pub(crate) fn kept_since(&self, device: &Device) -> Option<Time> {
        device.data_aging_days.map(|days| self.now().minus_s(i64::from(days) * 86_400))
    }
}
