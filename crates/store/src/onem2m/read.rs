//! What readers of the tree get.

use crate::{
    device::lists,
    engine::{
        documents::parse,
        sql::{Value, query_one, storable},
    },
    onem2m::{claims, instances, labels, resources},
    store::{LIST_LIMIT, SharedStore},
};
use async_trait::async_trait;
use landfall_core::store::{Claim, DeviceStore, InstanceStore, NodeStore, ResourceFilter, ResourceStore, TakenNames};
use landfall_model::{
    AccountId, Cause, ContainerState, Device, Error, Instance, Page, PageRequest, Resource, ResourceId, Result, Sort, Time,
};
use std::sync::Arc;

#[async_trait]
impl ResourceStore for SharedStore {
    async fn resource(&self, id: ResourceId) -> Result<Option<Arc<Resource>>> {
        self.cached(&self.shared().caches.resources, id, id.0, "SELECT doc FROM resource WHERE id = ?1").await
    }

    async fn resource_named(&self, parent: ResourceId, name: &str) -> Result<Option<Arc<Resource>>> {
        const TEXT: &str = "SELECT id FROM resource WHERE parent = ?1 AND name = ?2";
        let fits = |found: &Arc<Resource>| found.parent == parent && found.name == name;
        let (hints, key) = (&self.shared().caches.resource_names, (parent, Box::from(name)));
        if let Some(id) = hints.get(&key)
            && let Some(found) = self.resource(id).await?.filter(fits)
        {
            return Ok(Some(found));
        }
        if !storable(name) {
            return Ok(None);
        }
        let text = name.to_owned();
        let id = self
            .read(move |sql| {
                let params = [Value::Bytes(&parent.0), Value::Text(&text)];
                query_one(sql, TEXT, &params, |row| instances::resource_id(row.bytes(0)?))
            })
            .await?;
        let Some(id) = id else { return Ok(None) };
        hints.put(key, id);
        Ok(self.resource(id).await?.filter(fits))
    }

    async fn entity_of(&self, account: AccountId, originator: &str) -> Result<Option<Arc<Resource>>> {
        const TEXT: &str = "SELECT doc FROM resource WHERE account = ?1 AND originator = ?2 ORDER BY created_at, id LIMIT 1";
        if !storable(originator) {
            return Ok(None);
        }
        let originator = originator.to_owned();
        self.read(move |sql| {
            let params = [Value::Bytes(account.0.as_bytes()), Value::Text(&originator)];
            query_one(sql, TEXT, &params, |row| parse(row, 0).map(Arc::new))
        })
        .await
    }

    async fn resources(&self, filter: &ResourceFilter, page: PageRequest) -> Result<Page<Arc<Resource>>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| resources::list(sql, &filter, page)).await
    }

    async fn resources_after(
        &self,
        filter: &ResourceFilter,
        after: Option<(Time, ResourceId)>,
        limit: u32,
    ) -> Result<Vec<Arc<Resource>>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| resources::after(sql, &filter, after, limit)).await
    }

    async fn resources_below(&self, top: ResourceId, limit: u32) -> Result<Vec<Arc<Resource>>> {
        self.read(move |sql| resources::below(sql, top, limit as usize)).await
    }

    fn subscriptions_of(&self, subject: ResourceId) -> Vec<Arc<Resource>> {
        self.shared().caches.subscribers.of(subject)
    }

    fn telling_groups(&self, account: AccountId) -> Vec<Arc<Resource>> {
        self.shared().caches.telling.of(account)
    }

    fn has_telling_groups(&self, account: AccountId) -> bool {
        self.shared().caches.telling.any(account)
    }

    fn telling_group(&self, id: ResourceId) -> Option<Arc<Resource>> {
        self.shared().caches.telling.one(id)
    }

    async fn labelled(
        &self,
        account: AccountId,
        labels: &[String],
        after: Option<ResourceId>,
        limit: u32,
    ) -> Result<Vec<ResourceId>> {
        if labels.len() > LIST_LIMIT {
            return Err(Error::new(Cause::TooMany, "at most 1000 labels can be looked for at once"));
        }
        let labels: Vec<String> = labels.iter().filter(|label| storable(label)).cloned().collect();
        if labels.is_empty() {
            return Ok(Vec::new());
        }
        self.scan(account, move |sql| labels::find(sql, account, &labels, after, limit)).await
    }
}

#[async_trait]
impl InstanceStore for SharedStore {
    async fn container_state(&self, container: ResourceId) -> Result<ContainerState> {
        self.read(move |sql| instances::state(sql, container)).await
    }

    async fn instance(&self, id: ResourceId, now: Time) -> Result<Option<Instance>> {
        self.read(move |sql| instances::one(sql, id, now)).await
    }

    async fn instance_named(&self, container: ResourceId, name: &str, now: Time) -> Result<Option<Instance>> {
        if !storable(name) {
            return Ok(None);
        }
        let name = name.to_owned();
        self.read(move |sql| instances::named(sql, container, &name, now)).await
    }

    async fn end_instance(&self, container: ResourceId, now: Time, sort: Sort) -> Result<Option<Instance>> {
        self.read(move |sql| instances::end(sql, container, now, sort)).await
    }

    async fn instances_after(&self, container: ResourceId, now: Time, after: u64, limit: u32) -> Result<Vec<Instance>> {
        let Some(account) = self.read(move |sql| instances::account(sql, container)).await? else { return Ok(Vec::new()) };
        self.scan(account, move |sql| instances::after(sql, container, now, after, limit)).await
    }

    async fn instances(&self, container: ResourceId, now: Time, sort: Sort, page: PageRequest) -> Result<Page<Instance>> {
        let Some(account) = self.read(move |sql| instances::account(sql, container)).await? else {
            return Ok(Page { total: 0, items: Vec::new() });
        };
        self.scan(account, move |sql| instances::list(sql, container, now, sort, page)).await
    }
}

#[async_trait]
impl NodeStore for SharedStore {
    async fn device_by_prefix(&self, first: [u8; 11]) -> Result<Option<Arc<Device>>> {
        let hints = &self.shared().caches.prefixes;
        if let Some(id) = hints.get(&first)
            && let Some(device) = self.device(id).await?
        {
            return Ok(Some(device));
        }
        let found = self.read(move |sql| lists::device_by_prefix(sql, first)).await?;
        let Some(id) = found else { return Ok(None) };
        hints.put(first, id);
        self.device(id).await
    }

    async fn claims(&self, account: AccountId, claims: Vec<Claim>) -> Result<Vec<TakenNames>> {
        if claims.len() > LIST_LIMIT {
            return Err(Error::new(Cause::TooMany, "at most 1000 claims can be looked at at once"));
        }
        self.read(move |sql| claims::taken(sql, account, &claims)).await
    }
}
