//! What readers of subscriptions get.

use crate::{
    device::lists,
    store::{SharedStore, THE_SERVER},
};
use async_trait::async_trait;
use landfall_core::store::{SubscriptionFilter, SubscriptionStore};
use landfall_model::{Cursor, Page, PageRequest, Result, Subscription, SubscriptionId};
use std::sync::Arc;

#[async_trait]
impl SubscriptionStore for SharedStore {
    async fn subscription(&self, id: SubscriptionId) -> Result<Option<Arc<Subscription>>> {
        self.cached(&self.shared().caches.subscriptions, id, id.0, "SELECT doc FROM subscription WHERE id = ?1").await
    }

    async fn subscriptions(&self, filter: &SubscriptionFilter, page: PageRequest) -> Result<Page<Arc<Subscription>>> {
        let filter = filter.clone();
        self.scan(filter.account.unwrap_or(THE_SERVER), move |sql| lists::subscriptions(sql, &filter, page)).await
    }

    async fn cursor(&self, id: SubscriptionId) -> Result<Option<Cursor>> {
        self.read(move |sql| lists::one(sql, "SELECT doc FROM read_cursor WHERE subscription = ?1", id.0.as_bytes())).await
    }
}
