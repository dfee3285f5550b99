//! What readers of alarms and events get.

use crate::{
    alarm,
    engine::{
        documents::{id_value, one, parse},
        sql::{Value, query_one, storable},
    },
    store::SharedStore,
};
use async_trait::async_trait;
use landfall_core::store::{AlarmFilter, AlarmStore, DeviceEventFilter};
use landfall_model::{Alarm, AlarmId, DeviceEvent, DeviceEventId, DeviceId, Page, PageRequest, Result};

#[async_trait]
impl AlarmStore for SharedStore {
    async fn alarm(&self, id: AlarmId) -> Result<Option<Alarm>> {
        const TEXT: &str = "SELECT doc FROM alarm WHERE id = ?1 AND EXISTS (SELECT 1 FROM device d WHERE d.id = alarm.device)";
        self.read(move |sql| one(sql, TEXT, id.0.as_bytes())).await
    }

    async fn open_alarm(&self, device: DeviceId, kind: &str) -> Result<Option<Alarm>> {
        const TEXT: &str = "SELECT doc FROM alarm WHERE device = ?1 AND kind = ?2 AND over_at IS NULL";
        if self.shared().alarmed.stamp(device).is_none() || !storable(kind) {
            return Ok(None);
        }
        let kind = kind.to_owned();
        self.read(move |sql| query_one(sql, TEXT, &[id_value(&device.0), Value::Text(&kind)], |row| parse(row, 0))).await
    }

    async fn newest_open_alarms(&self, devices: &[DeviceId]) -> Result<Vec<Alarm>> {
        let alarmed = &self.shared().alarmed;
        let stamped: Vec<_> = devices.iter().filter_map(|id| Some((*id, alarmed.stamp(*id)?))).collect();
        if stamped.is_empty() {
            return Ok(vec![]);
        }
        let devices: Vec<_> = stamped.iter().map(|(id, _)| *id).collect();
        let found = self.read(move |sql| alarm::newest_open(sql, &devices)).await?;
        for (device, stamp) in stamped {
            if !found.iter().any(|alarm| alarm.device == device) {
                alarmed.none(device, stamp);
            }
        }
        Ok(found)
    }

    async fn alarms(&self, filter: &AlarmFilter, page: PageRequest) -> Result<Page<Alarm>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| alarm::alarms(sql, &filter, page)).await
    }

    async fn device_event(&self, id: DeviceEventId) -> Result<Option<DeviceEvent>> {
        const TEXT: &str =
            "SELECT doc FROM device_event WHERE id = ?1 AND EXISTS (SELECT 1 FROM device d WHERE d.id = device_event.device)";
        self.read(move |sql| one(sql, TEXT, id.0.as_bytes())).await
    }

    async fn device_events(&self, filter: &DeviceEventFilter, page: PageRequest) -> Result<Page<DeviceEvent>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| alarm::device_events(sql, &filter, page)).await
    }
}
