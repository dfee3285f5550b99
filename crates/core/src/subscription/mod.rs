//! Subscriptions (1.6): who is told what, and where.

pub(crate) mod address;
pub(crate) mod notifier;
pub(crate) mod standing;

use crate::{Core, Scope, SubscriptionFilter, batch, turns::Record};
use landfall_model::{
    AccountId, AppId, Batch, Cause, Channel, Cursor, Error, Event, EventBody, Page, PageRequest, Result, Subscription,
    SubscriptionId, SubscriptionKind, Time, Write,
};
use std::sync::Arc;

/// A subscription to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeRequest {
    /// What is told.
    pub kind: SubscriptionKind,
    /// Where, up to 1024 characters: http or https, where the channel calls it.
    pub callback_url: String,
    /// How.
    pub channel: Channel,
    /// `ownerFlag` false: the application whose devices are meant owns the address, not the caller.
    pub owned_by_target: bool,
}

impl Core {
    /// Subscribes (1.6.1). It sees every event from now on. `CallbackInvalid`, `SubscriptionExists`, `TooMany`.
    pub async fn subscribe(&self, scope: &Scope, request: SubscribeRequest) -> Result<Arc<Subscription>> {
        let target = scope.need_app()?;
        self.check_callback(request.channel, &request.callback_url)?;
        let owner = if request.owned_by_target { target } else { scope.by.unwrap_or(target) };
        if self.subscriptions_of(scope.account, owner).await? >= self.settings.subscriptions {
            return Err(Error::new(Cause::TooMany, "the application has as many subscriptions as it may"));
        }
        let subscription = Subscription {
            id: SubscriptionId::from_random(self.random_16()),
            account: scope.account,
            version: 1,
            owner,
            target,
            by: scope.guest_of(Some(target)),
            kind: request.kind,
            channel: request.channel,
            callback_url: request.callback_url,
            created_at: self.now(),
        };
        let cursor = Cursor { subscription: subscription.id, read_to: self.store.newest(), open: vec![] };
        let writes = vec![Write::Subscription(Box::new(subscription.clone())), Write::Cursor(cursor)];
        self.store.commit(batch(writes, vec![changed(&subscription, subscription.created_at)])).await?;
        Ok(Arc::new(subscription))
    }

    /// How many subscriptions an application has; addresses of its calls and commands are not among them.
    pub(crate) async fn subscriptions_of(&self, account: AccountId, app: AppId) -> Result<u64> {
        let one = PageRequest { no: 0, size: 1 };
        let all = SubscriptionFilter { owner: Some(app), ..Default::default() };
        let all = self.store.subscriptions(&all, one).await?.total;
        Ok(all.saturating_sub(self.store.subscriptions(&SubscriptionFilter::addresses(account, app), one).await?.total))
    }

    /// One subscription of the caller, or about its own devices (1.6.3). `SubscriptionNotFound`.
    pub async fn subscription(&self, scope: &Scope, id: SubscriptionId) -> Result<Arc<Subscription>> {
        let found = self.store.subscription(id).await?.filter(|found| scope.covers_subscription(found));
        found.ok_or_else(|| Error::new(Cause::SubscriptionNotFound, "there is no such subscription"))
    }

    /// Subscriptions of the caller and, of whoever, about its own devices (1.6.4), oldest first; the filter's account, owner and target are
    /// set from the scope.
    pub async fn subscriptions(
        &self,
        scope: &Scope,
        filter: SubscriptionFilter,
        page: PageRequest,
    ) -> Result<Page<Arc<Subscription>>> {
        self.store.subscriptions(&scoped(scope, filter, scope.guest_of(scope.app)), page).await
    }

    /// Deletes one subscription (1.6.5). What serves an address of a resource goes with all of that.
    pub async fn delete_subscription(&self, scope: &Scope, id: SubscriptionId) -> Result<()> {
        let found = self.subscription(scope, id).await?;
        if self.delete_subject(&found).await? {
            return Ok(());
        }
        self.store.commit(gone(&found, self.now())).await.map(|_| ())
    }

    /// Deletes all of the caller's that match (1.6.6), of others' none; `SubscriptionNotFound` where none does. Returns how many.
    pub async fn delete_subscriptions(&self, scope: &Scope, filter: SubscriptionFilter) -> Result<u64> {
        match self.delete_subscriptions_where(&scoped(scope, filter, scope.by.or(scope.app)), vec![]).await? {
            0 => Err(Error::new(Cause::SubscriptionNotFound, "no subscription matches")),
            deleted => Ok(deleted),
        }
    }

    pub(crate) async fn delete_subscriptions_where(&self, filter: &SubscriptionFilter, with: Vec<Write>) -> Result<u64> {
        let most = self.settings.subscriptions.saturating_add(self.settings.call_addresses);
        let size = u32::try_from(most).unwrap_or(u32::MAX);
        let found = self.store.subscriptions(filter, PageRequest { no: 0, size }).await?.items;
        let now = self.now();
        let mut whole = batch(with, vec![]);
        for subscription in &found {
            let one = gone(subscription, now);
            whole.merge(one);
        }
        if !whole.writes.is_empty() {
            self.store.commit(whole).await?;
        }
        Ok(found.len() as u64)
    }

    /// Points a subscription to another address (an operator's help for a receiver that moved). `InvalidField` for one whose channel calls none.
    pub async fn move_subscription(&self, scope: &Scope, id: SubscriptionId, callback_url: &str) -> Result<Arc<Subscription>> {
        self.decide(&[Record::Subscription(id)], || {
            Box::pin(async {
                let mut next = (*self.subscription(scope, id).await?).clone();
                if next.channel == Channel::Mqtt {
                    return Err(Error::invalid("callbackUrl", "is not called: the subscription is told over the channel MQTT"));
                }
                self.check_callback(next.channel, callback_url)?;
                next.version += 1;
                next.callback_url = callback_url.to_owned();
                let whole = batch(vec![Write::Subscription(Box::new(next.clone()))], vec![changed(&next, self.now())]);
                Ok((whole, Arc::new(next)))
            })
        })
        .await
    }

    fn check_callback(&self, channel: Channel, url: &str) -> Result<()> {
        let checked = match channel {
            Channel::Http => self.check_address(url),
            Channel::Mqtt => check_length(url),
        };
        checked.map_err(|error| error.at("callbackUrl"))
    }

    /// `CallbackInvalid`.
    pub(crate) fn check_address(&self, url: &str) -> Result<()> {
        check_length(url)?;
        self.callbacks.check(url)
    }
}

fn check_length(url: &str) -> Result<()> {
    if url.chars().count() > 1024 {
        return Err(Error::new(Cause::CallbackInvalid, "must be at most 1024 characters"));
    }
    Ok(())
}

fn scoped(scope: &Scope, filter: SubscriptionFilter, owner: Option<AppId>) -> SubscriptionFilter {
    let (owner, target) = match scope.app {
        None => (filter.owner, filter.target),
        Some(app) => (owner, Some(app)),
    };
    SubscriptionFilter { account: Some(scope.account), owner, target, ..filter }
}

pub(crate) fn changed(subscription: &Subscription, at: Time) -> Event {
    Event {
        account: subscription.account,
        principals: Some(subscription.target.into()),
        device: None,
        at,
        body: EventBody::SubscriptionChanged(subscription.id),
    }
}

pub(crate) fn gone(subscription: &Subscription, at: Time) -> Batch {
    batch(vec![Write::DeleteSubscription(subscription.id)], vec![changed(subscription, at)])
}
