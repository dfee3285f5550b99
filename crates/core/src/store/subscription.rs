//! Subscriptions, and how far each was served.

use async_trait::async_trait;
use landfall_model::{
    AccountId, AppId, Channel, Cursor, Page, PageRequest, Result, Subscription, SubscriptionId, SubscriptionKind,
};
use std::sync::Arc;

/// Subscriptions and cursors.
#[async_trait]
pub trait SubscriptionStore: Send + Sync {
    /// One subscription.
    async fn subscription(&self, id: SubscriptionId) -> Result<Option<Arc<Subscription>>>;
    /// Subscriptions that match, oldest first.
    async fn subscriptions(&self, filter: &SubscriptionFilter, page: PageRequest) -> Result<Page<Arc<Subscription>>>;
    /// How far a subscription was served.
    async fn cursor(&self, id: SubscriptionId) -> Result<Option<Cursor>>;
}

/// Which subscriptions; `None` means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Owned by this application.
    pub owner: Option<AppId>,
    /// About the devices of this application.
    pub target: Option<AppId>,
    /// Of this kind.
    pub kind: Option<SubscriptionKind>,
    /// Over this channel, beside what else is asked for.
    pub channel: Option<Channel>,
    /// To this address.
    pub callback_url: Option<String>,
}

impl SubscriptionFilter {
    /// All addresses that an application gave for calls and commands.
    pub(crate) fn addresses(account: AccountId, owner: AppId) -> Self {
        let kind = Some(SubscriptionKind::CallAddress);
        Self { account: Some(account), owner: Some(owner), kind, ..Self::default() }
    }
}
