//! Records by id and by name: caches first, then the database.

use crate::{
    cache::{Cache, Look},
    device::names,
    engine::{
        documents,
        sql::{Value, query_one, storable},
    },
    store::{SharedStore, THE_SERVER},
    stream::replay,
};
use landfall_core::store::DeviceStore;
use landfall_model::{AccountId, Device, DeviceId, DeviceName, Result};
use serde::de::DeserializeOwned;
use std::{hash::Hash, sync::Arc};
use uuid::Uuid;

impl SharedStore {
    /// The account of a device, for its turn at a scan.
    pub(crate) async fn account_of(&self, device: Option<&DeviceId>) -> Result<AccountId> {
        let device = match device {
            Some(id) => self.device(*id).await?,
            None => None,
        };
        Ok(device.map_or(THE_SERVER, |device| device.account))
    }

    /// A record by id: from the cache, or read and remembered.
    pub(crate) async fn cached<K, V, B>(&self, cache: &Cache<K, V>, id: K, bytes: B, text: &'static str) -> Result<Option<Arc<V>>>
    where
        B: AsRef<[u8]> + Send + 'static,
        K: Eq + Hash + Copy + Send + Sync,
        V: DeserializeOwned + Send + Sync + 'static,
    {
        let ticket = match cache.look(id) {
            Look::Hit(found) => return Ok(Some(found)),
            Look::Miss(ticket) => ticket,
        };
        let found: Option<V> = self.read(move |sql| documents::one(sql, text, bytes.as_ref())).await?;
        let found = found.map(Arc::new);
        if let Some(found) = &found {
            ticket.fill(found.clone());
        }
        Ok(found)
    }

    /// The device that holds a name, by hint or by statement.
    pub(crate) async fn holder(&self, name: &DeviceName) -> Result<Option<Arc<Device>>> {
        let fits = |device: &Arc<Device>| device.names().contains(name);
        let hints = &self.shared().caches.names;
        if let Some(id) = hints.get(name)
            && let Some(device) = self.device(id).await?.filter(fits)
        {
            return Ok(Some(device));
        }
        if !storable(name.as_str()) {
            return Ok(None);
        }
        let wanted = name.clone();
        let Some(id) = self.read(move |sql| names::holder(sql, &wanted)).await? else { return Ok(None) };
        hints.put(name.clone(), id);
        Ok(self.device(id).await?.filter(fits))
    }

    /// The id that a statement finds.
    pub(crate) async fn id_of(&self, text: &'static str, params: Vec<String>, account: Option<Uuid>) -> Result<Option<Uuid>> {
        self.read(move |sql| {
            let account = account.as_ref().map(|id| Value::Bytes(id.as_bytes()));
            let params: Vec<Value<'_>> = account.into_iter().chain(params.iter().map(|p| Value::Text(p))).collect();
            query_one(sql, text, &params, |row| replay::id(row.bytes(0)?))
        })
        .await
    }
}
