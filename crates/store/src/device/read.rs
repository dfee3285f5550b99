//! What readers of devices get: records, state, lists, connections and shadows.

use crate::{
    device::{lists, names, presence, shadows},
    engine::{
        documents,
        sql::{Value, query_one},
    },
    store::{SharedStore, THE_SERVER},
    stream::{flush::parse_services, pending::overlay},
};
use async_trait::async_trait;
use landfall_core::store::{
    DeviceFilter, DeviceListStore, DeviceState, DeviceStore, Due, NameClash, PresenceStore, SettingFilter, ShadowStore,
};
use landfall_model::{
    Device, DeviceId, DeviceName, Page, PageRequest, ProductId, Registration, Result, SecureSession, Setting, Shadow,
    StoredSession, Time,
};
use std::sync::Arc;
use uuid::Uuid;

#[async_trait]
impl DeviceStore for SharedStore {
    async fn device(&self, id: DeviceId) -> Result<Option<Arc<Device>>> {
        self.cached(&self.shared().caches.devices, id, id.0, "SELECT doc FROM device WHERE id = ?1").await
    }

    async fn device_named(&self, name: &DeviceName) -> Result<Option<Arc<Device>>> {
        self.holder(name).await
    }

    async fn holders(&self, names: Vec<DeviceName>) -> Result<Vec<Option<DeviceId>>> {
        self.read(move |sql| names::holders(sql, &names)).await
    }

    async fn device_state(&self, id: DeviceId) -> Result<DeviceState> {
        // Memory first: what a flush moves meanwhile is then seen twice and not missed.
        let waiting = self.shared().pending.lock().waiting_state(id);
        const TEXT: &str = "SELECT d.last_seen, COALESCE(s.flushed_seq, 0), COALESCE(s.services, '[]') \
                            FROM device d LEFT JOIN device_state s ON s.device = d.id WHERE d.id = ?1";
        let stored = self
            .read(move |sql| {
                query_one(sql, TEXT, &[Value::Bytes(id.0.as_bytes())], |row| {
                    Ok((row.opt_int(0)?.map(Time), row.seq(1)?, parse_services(row.text(2)?)?))
                })
            })
            .await?;
        let Some((mut last_seen, flushed, mut services)) = stored else { return Ok(DeviceState::default()) };
        for newer in waiting.into_iter().filter(|newer| newer.last_seq > flushed) {
            last_seen = last_seen.max(Some(newer.last_seen));
            overlay(&mut services, newer.services);
        }
        Ok(DeviceState { last_seen, services })
    }

    async fn was_deleted(&self, id: DeviceId) -> Result<bool> {
        const TEXT: &str = "SELECT deleted_at FROM tombstone WHERE device = ?1";
        let found = self.read(move |sql| query_one(sql, TEXT, &[Value::Bytes(id.0.as_bytes())], |row| row.int(0))).await?;
        Ok(found.is_some())
    }
}

#[async_trait]
impl DeviceListStore for SharedStore {
    async fn devices(&self, filter: &DeviceFilter, page: PageRequest) -> Result<Page<Arc<Device>>> {
        let filter = filter.clone();
        if lists::is_short(&filter, page) {
            return self.read(move |sql| lists::devices(sql, &filter, page)).await;
        }
        self.scan(filter.account, move |sql| lists::devices(sql, &filter, page)).await
    }

    async fn devices_after(
        &self,
        filter: &DeviceFilter,
        after: Option<(Time, DeviceId)>,
        limit: u32,
    ) -> Result<Vec<Arc<Device>>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| lists::devices_after(sql, &filter, after, limit)).await
    }

    async fn product_devices(&self, product: ProductId, after: Option<DeviceId>, limit: u32) -> Result<Vec<Arc<Device>>> {
        self.read(move |sql| lists::product_devices(sql, product, after, limit)).await
    }

    async fn due_devices(&self, due: Due, limit: u32) -> Result<Vec<Arc<Device>>> {
        let mut found = Vec::new();
        let mut after = (Time(i64::MIN), DeviceId(Uuid::nil()));
        let limit = limit as usize;
        while found.len() < limit {
            let want = u32::try_from(limit - found.len()).unwrap_or(u32::MAX);
            let next = self.scan(THE_SERVER, move |sql| lists::due(sql, due, after, want)).await?;
            let more = next.len() == want as usize;
            after = next.last().map_or(after, |(since, device)| (*since, device.id));
            let pending = self.shared().pending.lock();
            let still = |device: &Device| match due {
                Due::Silent(_, before) => pending.last_seen(device.id).is_none_or(|heard| heard < before),
                Due::Expired(_) => true,
            };
            found.extend(next.into_iter().filter(|(_, device)| still(device)).map(|(_, device)| Arc::new(device)));
            if !more {
                break;
            }
        }
        Ok(found)
    }

    async fn connected_devices(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Arc<Device>>> {
        self.scan(THE_SERVER, move |sql| lists::connected(sql, after, limit)).await
    }

    async fn name_clashes(&self, page: PageRequest) -> Result<Page<NameClash>> {
        self.scan(THE_SERVER, move |sql| names::clashes(sql, page)).await
    }
}

#[async_trait]
impl PresenceStore for SharedStore {
    async fn session(&self, device: DeviceId) -> Result<Option<StoredSession>> {
        self.read(move |sql| documents::one(sql, "SELECT doc FROM mqtt_session WHERE device = ?1", device.0.as_bytes())).await
    }

    async fn registration(&self, device: DeviceId) -> Result<Option<Registration>> {
        self.read(move |sql| presence::registration(sql, device)).await
    }

    async fn registrations(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Registration>> {
        self.read(move |sql| presence::registrations(sql, after, limit)).await
    }

    async fn expired_registrations(&self, now: Time, limit: u32) -> Result<Vec<Registration>> {
        self.read(move |sql| presence::expired(sql, now, limit)).await
    }

    async fn secure_sessions(&self, after: Option<u64>, limit: u32) -> Result<Vec<SecureSession>> {
        self.read(move |sql| presence::secure_sessions(sql, after, limit)).await
    }
}

#[async_trait]
impl ShadowStore for SharedStore {
    async fn shadow(&self, device: DeviceId) -> Result<Option<Shadow>> {
        self.read(move |sql| documents::one(sql, "SELECT doc FROM shadow WHERE device = ?1", device.0.as_bytes())).await
    }

    async fn settings(&self, filter: &SettingFilter, page: PageRequest) -> Result<Page<Setting>> {
        let filter = filter.clone();
        let account = self.account_of(Some(&filter.of.id())).await?;
        self.scan(account, move |sql| shadows::settings(sql, &filter, page)).await
    }
}
