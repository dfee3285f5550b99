//! What readers of subscriptions get.

use crate::{
    engine::{
        documents,
        documents::{Conditions, arcs, id_value, text},
        sql::{Sql, SqlResult, Value},
    },
    store::{SharedStore, THE_SERVER},
    subscription::kind_word,
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
        self.scan(filter.account.unwrap_or(THE_SERVER), move |sql| subscriptions(sql, &filter, page)).await
    }

    async fn cursor(&self, id: SubscriptionId) -> Result<Option<Cursor>> {
        self.read(move |sql| documents::one(sql, "SELECT doc FROM read_cursor WHERE subscription = ?1", id.0.as_bytes())).await
    }
}

/// Subscriptions that match, oldest first.
pub(crate) fn subscriptions(
    sql: &mut dyn Sql,
    filter: &SubscriptionFilter,
    page: PageRequest,
) -> SqlResult<Page<Arc<Subscription>>> {
    let equal = [
        ("callback_url", text(filter.callback_url.as_ref())),
        ("owner", filter.owner.as_ref().map(|one| id_value(&one.0))),
        ("target", filter.target.as_ref().map(|one| id_value(&one.0))),
        ("account", filter.account.as_ref().map(|one| id_value(&one.0))),
        ("kind", filter.kind.map(|kind| Value::Text(kind_word(kind)))),
        ("channel", filter.channel.map(|channel| Value::Text(channel.as_str()))),
    ];
    let conditions = Conditions::first_of(equal);
    conditions.page(sql, "subscription", "created_at, id", page).map(arcs)
}
