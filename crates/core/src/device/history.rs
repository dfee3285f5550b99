//! History of reported values (1.5.3).

use crate::{Core, HistoryOf, HistoryQuery, Scope};
use landfall_model::{Cause, Device, DeviceId, Error, HistoryPoint, Page, PageRequest, Result, Time};

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
    /// History of the scope, newest first, as far as it has not aged. `DeviceNotFound`, `DeviceForeign`, `InvalidField` without device and
    /// gateway.
    pub async fn history(&self, scope: &Scope, filter: HistoryFilter, page: PageRequest) -> Result<Page<HistoryPoint>> {
        let of = self.history_of(scope, &filter).await?;
        let query = HistoryQuery { of, after: filter.after, before: filter.before, now: self.now() };
        self.store.history(&query, page).await
    }

    pub(crate) async fn history_of(&self, scope: &Scope, filter: &HistoryFilter) -> Result<HistoryOf> {
        if let Some(id) = filter.device {
            let device = self.device(scope, id).await?;
            if filter.gateway.is_some_and(|gateway| gateway != device.gateway_id()) {
                return Err(Error::new(Cause::DeviceNotFound, "the device is not behind that gateway"));
            }
            return Ok(HistoryOf::Device(device.id));
        }
        let gateway = filter.gateway.ok_or_else(|| Error::invalid("deviceId", "deviceId or gatewayId must be given"))?;
        Ok(HistoryOf::Gateway(self.device(scope, gateway).await?.id, scope.app))
    }

    /// Since when what was received of a device is kept.
    pub(crate) fn kept_since(&self, device: &Device) -> Option<Time> {
        device.data_aging_days.map(|days| self.now().minus_s(i64::from(days) * 86_400))
    }
}
