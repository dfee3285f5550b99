//! Notices of oneM2M subscriptions (TS-0001, 10.2.10): an event for each address of each subscription that asked for the change.
//!
//! Only who may retrieve subject and child as they are then is told; what is withheld is counted.
//! A subscription that goes with its subject may have asked to be told of just that, so its pushes are served for a day longer.

use super::Target;
use crate::{Core, SubscriptionFilter};
use landfall_model::{
    Account, Batch, Changed, Event, EventBody, Notice, PageRequest, Resource, ResourceId, ResourceKind, Result, Subscription,
    SubscriptionId, SubscriptionKind, Time, Write,
};
use serde_json::Value;
use std::{collections::HashMap, sync::Arc};

/// What happened to a subject, or right below it; the numbers of `net` (TS-0004, 6.3.4.2.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Updated = 1,
    Deleted = 2,
    ChildCreated = 3,
    ChildDeleted = 4,
}

/// Addresses of one subscription, `nu`.
pub(super) const ADDRESSES: usize = 10;

/// Seconds for which the pushes of a subscription that is gone are served.
const LAST_NOTICES_S: i64 = 86_400;
/// Seconds between two looks for them.
const LOOK_S: i64 = 600;

/// Pushes whose subscription is gone, and since when that is known.
#[derive(Default)]
pub(crate) struct Leaving {
    looked_at: Option<Time>,
    since: HashMap<SubscriptionId, Time>,
}

impl Core {
    /// Ends pushes whose subscription went with its subject or was over, a day after that was seen.
    pub(crate) async fn end_pushes(&self, now: Time) -> Result<()> {
        if self.tree.leaving.lock().looked_at.is_some_and(|at| now < at.plus_s(LOOK_S)) {
            return Ok(());
        }
        let mut since = HashMap::new();
        let filter = SubscriptionFilter { kind: Some(SubscriptionKind::Resource(ResourceId([0; 12]), 0)), ..Default::default() };
        for no in 0.. {
            let page = self.store.subscriptions(&filter, PageRequest { no, size: 1_000 }).await?.items;
            for push in &page {
                if self.is_left(push).await? {
                    let first = self.tree.leaving.lock().since.get(&push.id).copied().unwrap_or(now);
                    if now >= first.plus_s(LAST_NOTICES_S) {
                        self.store.commit(crate::subscription::gone(push, now)).await?;
                    } else {
                        since.insert(push.id, first);
                    }
                }
            }
            if page.len() < 1_000 {
                break;
            }
        }
        *self.tree.leaving.lock() = Leaving { looked_at: Some(now), since };
        Ok(())
    }

    async fn is_left(&self, push: &Subscription) -> Result<bool> {
        let SubscriptionKind::Resource(id, _) = push.kind else { return Ok(false) };
        Ok(self.store.resource(id).await?.is_none())
    }

    /// The events that tell the subscribers of `subject` of what happened; `told` is what they are shown, which is the subject or was right
    /// below it, and the form in which it goes out.
    pub(crate) async fn notices(
        &self,
        account: &Account,
        subject: ResourceId,
        happened: Happened,
        at: Time,
        told: impl FnOnce() -> (Target, Changed) + Send,
    ) -> Result<Vec<Event>> {
        let mut wanting = self.store.subscriptions_of(subject);
        wanting.retain(|one| wants(one, happened) && self.is_alive(one));
        if wanting.is_empty() {
            return Ok(vec![]);
        }
        let told = told();
        // Boxed, as most changes have no subscribers.
        Box::pin(self.notices_to(account, &wanting, subject, (happened, at), told)).await
    }

    async fn notices_to(
        &self,
        account: &Account,
        wanting: &[Arc<Resource>],
        subject: ResourceId,
        (happened, at): (Happened, Time),
        (shown, changed): (Target, Changed),
    ) -> Result<Vec<Event>> {
        let mut events = vec![];
        for subscription in wanting {
            if let Some(reason) = self.unfit(subscription, subject, &shown).await? {
                self.withhold(account, subscription, reason, at);
                continue;
            }
            let content = if content_of(subscription) == 3 { 3 } else { 1 };
            for address in 0..addresses(subscription).len().min(ADDRESSES) {
                let notice = Notice {
                    address: SubscriptionId::of_resource(subscription.id, address as u8),
                    reference: reference(&account.name, subscription),
                    kind: happened as u8,
                    content,
                    changed: changed.clone(),
                };
                let (device, body) = (shown.device(), EventBody::Notice(Box::new(notice)));
                events.push(Event { account: account.id, principals: Some(subscription.app.into()), device, at, body });
            }
        }
        Ok(events)
    }
}

/// `sur`
pub(super) fn reference(tenant: &str, subscription: &Resource) -> String {
    format!("/{tenant}/{}", subscription.id)
}

/// Stops to serve a subscription that goes, unless it is to be told of that.
pub(crate) fn drop_pushes(whole: &mut Batch, resource: &Resource, now: Time) {
    if resource.kind == ResourceKind::Subscription && !wants(resource, Happened::Deleted) {
        drop_all_pushes(whole, resource, now);
    }
}

/// Stops to serve a subscription.
pub(super) fn drop_all_pushes(whole: &mut Batch, subscription: &Resource, now: Time) {
    for address in 0..addresses(subscription).len().min(ADDRESSES) {
        drop_push(whole, subscription, address as u8, now);
    }
}

pub(super) fn drop_push(whole: &mut Batch, subscription: &Resource, address: u8, now: Time) {
    let id = SubscriptionId::of_resource(subscription.id, address);
    whole.writes.push(Write::DeleteSubscription(id));
    whole.events.push(pushes_changed(subscription, id, now));
}

pub(super) fn pushes_changed(subscription: &Resource, id: SubscriptionId, at: Time) -> Event {
    let body = EventBody::SubscriptionChanged(id);
    Event { account: subscription.account, principals: Some(subscription.app.into()), device: None, at, body }
}

/// `nu`
pub(super) fn addresses(subscription: &Resource) -> Vec<&str> {
    let given = subscription.attributes.get("nu").and_then(Value::as_array);
    given.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn content_of(subscription: &Resource) -> u64 {
    subscription.attributes.get("nct").and_then(Value::as_u64).unwrap_or(1)
}

/// Without `enc.net` a subscription is about updates.
fn wants(subscription: &Resource, happened: Happened) -> bool {
    match subscription.attributes.get("enc").and_then(|enc| enc.get("net")).and_then(Value::as_array) {
        Some(kinds) => kinds.iter().any(|kind| kind.as_u64() == Some(happened as u64)),
        None => happened == Happened::Updated,
    }
}
