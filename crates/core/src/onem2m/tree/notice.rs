//! Notices of oneM2M subscriptions (TS-0001, 10.2.10): an event for each address of each subscription that asked for the change.
//!
//! Only who may retrieve subject and child as they are then is told; what is withheld is counted.
//! A subscription that goes with its subject may have asked to be told of just that, so its pushes are served for a day longer.

use super::{Target, hook::names_entity, info_of};
use crate::{Core, SubscriptionFilter, onem2m::edit::first_node};
use landfall_model::{
    Account, Batch, Changed, Error, ErrorKind, Event, EventBody, Notice, NoticeBatch, PageRequest, Resource, ResourceId,
    ResourceKind, Result, Subscription, SubscriptionId, SubscriptionKind, Time, Write, parse_duration_s,
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
/// The place of `su` behind them.
pub(super) const SUBSCRIBER: u8 = ADDRESSES as u8;

/// Notices that are sent together at most.
const BATCH_MOST: u64 = 100;
/// Seconds for which they wait where the subscription does not say, and at most.
const BATCH_WAIT_S: u64 = 60;
const BATCH_WAIT_MAX_S: u64 = 86_400;
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

    /// The events that tell the subscribers of `subject` of what happened to it or to what is right below it.
    pub(crate) async fn notices(
        &self,
        account: &Account,
        subject: ResourceId,
        happened: Happened,
        at: Time,
        told: impl FnOnce() -> Told + Send,
    ) -> Result<Batch> {
        let wanting = self.wanting(subject, happened);
        if wanting.is_empty() {
            return Ok(Batch::default());
        }
        // Boxed, as most changes have no subscribers.
        Box::pin(self.notices_to(account, wanting, subject, (happened, at), told())).await
    }

    /// The subscriptions that ask for this at a subject.
    pub(crate) fn wanting(&self, subject: ResourceId, happened: Happened) -> Vec<Arc<Resource>> {
        let mut wanting = self.store.subscriptions_of(subject);
        wanting.retain(|one| wants(one, happened) && self.is_alive(one));
        wanting
    }

    async fn notices_to(
        &self,
        account: &Account,
        mut wanting: Vec<Arc<Resource>>,
        subject: ResourceId,
        (happened, at): (Happened, Time),
        told: Told,
    ) -> Result<Batch> {
        let (changed, modified) = told.content(account);
        // A subscription is not told of its own end by that.
        wanting.retain(|one| is_about(one, happened, &modified) && one.id != told.shown.id(account.id));
        let held = match &told.shown {
            Target::Resource(one) if !wanting.is_empty() && one.kind == ResourceKind::Container => {
                Some(self.store.container_state(one.id).await?)
            }
            _ => None,
        };
        let mut whole = Batch::default();
        for subscription in &wanting {
            if let Some(reason) = self.unfit(subscription, subject, &told.shown).await? {
                self.withhold(account, subscription, reason, at);
                continue;
            }
            for (address, named) in addresses(subscription).into_iter().enumerate().take(ADDRESSES) {
                let through = names_entity(named).then_some(subscription.id);
                let notice = Notice {
                    address: SubscriptionId::of_resource(subscription.id, address as u8),
                    reference: reference(&account.name, subscription),
                    kind: happened as u8,
                    content: content_of(subscription),
                    changed: changed.clone(),
                    modified: modified.clone(),
                    batch: batch_of(subscription),
                    held,
                    through,
                };
                let device = told.shown.device();
                if through.is_some() {
                    whole.events.extend(self.told_by_name(account.id, named, &notice, (device, at)).await?);
                    continue;
                }
                let body = EventBody::Notice(Box::new(notice));
                whole.events.push(Event { account: account.id, principals: Some(subscription.app.into()), device, at, body });
            }
            // One that goes with its subject is over anyway.
            if subscription.attributes.contains_key("exc") && happened != Happened::Deleted {
                whole.writes.push(Write::CountNotice(subscription.id));
                whole.events.extend(end_of(account, subscription, at));
            }
        }
        Ok(whole)
    }

    /// What becomes of subscriptions that go with their subjects: who asked to be told of that is, the others are served no more.
    pub(crate) async fn ended(&self, account: &Account, going: &[Arc<Resource>], now: Time) -> Result<Batch> {
        let mut whole = Batch::default();
        for one in going.iter().filter(|one| one.kind == ResourceKind::Subscription) {
            whole.events.extend(end_of(account, one, now));
            if !wants(one, Happened::Deleted) {
                drop_all_pushes(&mut whole, one, now);
                continue;
            }
            match self.target(account.id, one.parent).await {
                Ok(subject) if self.is_alive(one) => {
                    let happened = (Happened::Deleted, now);
                    let told = self.notices_to(account, vec![one.clone()], one.parent, happened, subject.into()).await?;
                    whole.merge(told);
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(whole)
    }
}

/// What subscribers are shown: the subject, or what was right below it.
pub(crate) struct Told {
    shown: Target,
    /// As it was before an update.
    before: Option<Target>,
}

impl From<Target> for Told {
    fn from(shown: Target) -> Self {
        Self { shown, before: None }
    }
}

impl Told {
    /// What it is after an update, and what it was before.
    pub fn of_update(before: Target, shown: Target) -> Self {
        Self { shown, before: Some(before) }
    }

    /// The form in which it goes out, and which attributes are others than before.
    fn content(&self, account: &Account) -> (Changed, Vec<String>) {
        let changed = changed_of(account, &self.shown);
        let modified = self.before.as_ref().map(|before| modified(&changed_of(account, before), &changed));
        (changed, modified.unwrap_or_default())
    }
}

/// The form in which a target goes out.
pub(crate) fn changed_of(account: &Account, target: &Target) -> Changed {
    match target {
        Target::Resource(resource) => Changed::Resource(Box::new((**resource).clone())),
        Target::Instance(instance, _) => Changed::Instance(instance.clone()),
        Target::Node(device) => {
            let node = device.node.as_ref().map_or_else(|| first_node(device), |node| (**node).clone());
            let (node_id, tenant) = (device.node_id.clone(), account.name.clone());
            Changed::Node { device: device.id, node_id, tenant, node: Box::new(node) }
        }
        Target::Info(device, index) => match info_of(device, *index) {
            Some(info) => Changed::Info { device: device.id, index: *index, info: Box::new(info.clone()) },
            None => Changed::Id(target.id(account.id)),
        },
        Target::Managed(device, kind) => match device.node.as_ref().and_then(|node| node.managed(*kind)) {
            Some(object) => Changed::Managed { device: device.id, object: Box::new(object.clone()) },
            None => Changed::Id(target.id(account.id)),
        },
        _ => Changed::Id(target.id(account.id)),
    }
}

/// The attributes that differ, by their short names, without those that every update changes.
fn modified(before: &Changed, after: &Changed) -> Vec<String> {
    let mut names = vec![];
    let mut note = |name: &str, differs: bool| names.extend(differs.then(|| name.to_owned()));
    let (was, is) = match (before, after) {
        (Changed::Resource(was), Changed::Resource(is)) => {
            note("lbl", was.labels != is.labels);
            note("acpi", was.policies != is.policies);
            note("et", was.expires_at != is.expires_at);
            (&was.attributes, &is.attributes)
        }
        (Changed::Info { info: was, .. }, Changed::Info { info: is, .. }) => {
            note("lbl", was.labels != is.labels);
            (&was.attributes, &is.attributes)
        }
        (Changed::Managed { object: was, .. }, Changed::Managed { object: is, .. }) => (&was.attributes, &is.attributes),
        (Changed::Node { node: was, .. }, Changed::Node { node: is, .. }) => {
            note("lbl", was.labels != is.labels);
            return names;
        }
        _ => return names,
    };
    let others = is.keys().filter(|name| !was.contains_key(*name));
    names.extend(was.keys().chain(others).filter(|name| was.get(*name) != is.get(*name)).cloned());
    names
}

/// `sur`
pub(super) fn reference(tenant: &str, subscription: &Resource) -> String {
    format!("/{tenant}/{}", subscription.id)
}

/// Stops to serve a subscription; one whose notices wait for one another is served as long as if it had asked for its end.
pub(super) fn drop_all_pushes(whole: &mut Batch, subscription: &Resource, now: Time) {
    if batch_of(subscription).is_some() {
        return;
    }
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

/// What the subscriber is told where it wants to know of the end of its subscription (`su`).
pub(super) fn end_of(account: &Account, subscription: &Resource, at: Time) -> Option<Event> {
    subscriber(subscription)?;
    let notice = Notice {
        address: SubscriptionId::of_resource(subscription.id, SUBSCRIBER),
        reference: reference(&account.name, subscription),
        kind: 0,
        content: 1,
        changed: Changed::Ended,
        modified: vec![],
        batch: None,
        held: None,
        through: None,
    };
    let body = EventBody::Notice(Box::new(notice));
    Some(Event { account: account.id, principals: Some(subscription.app.into()), device: None, at, body })
}

/// `su`
pub(super) fn subscriber(subscription: &Resource) -> Option<&str> {
    subscription.attributes.get("su")?.as_str()
}

/// `nu`
pub(super) fn addresses(subscription: &Resource) -> Vec<&str> {
    urls(subscription, "nu")
}

/// The addresses in an attribute.
pub(super) fn urls<'r>(resource: &'r Resource, name: &str) -> Vec<&'r str> {
    let given = resource.attributes.get(name).and_then(Value::as_array);
    given.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// `bn`: `num` notices, or those of `dur`; with no more than one of the two, the other is what it may be at most, or a minute.
fn batch_of(subscription: &Resource) -> Option<NoticeBatch> {
    let given = subscription.attributes.get("bn")?;
    let most = given.get("num").and_then(Value::as_u64).unwrap_or(BATCH_MOST);
    let wait_s = given.get("dur").and_then(Value::as_str).and_then(parse_duration_s).unwrap_or(BATCH_WAIT_S);
    let within = |number: u64, most: u64| number.clamp(1, most) as u32;
    Some(NoticeBatch { most: within(most, BATCH_MOST), wait_ms: within(wait_s, BATCH_WAIT_MAX_S) * 1_000 })
}

/// `nct`
fn content_of(subscription: &Resource) -> u8 {
    let given = subscription.attributes.get("nct").and_then(Value::as_u64);
    given.and_then(|content| content.try_into().ok()).unwrap_or(1)
}

/// Whether a subscription asks for such events; without `enc.net` for updates.
fn wants(subscription: &Resource, happened: Happened) -> bool {
    match condition(subscription, "net") {
        Some(kinds) => kinds.iter().any(|kind| kind.as_u64() == Some(happened as u64)),
        None => happened == Happened::Updated,
    }
}

/// Whether an event is one that its conditions let through: `enc.atr` names the attributes whose updates are told.
fn is_about(subscription: &Resource, happened: Happened, modified: &[String]) -> bool {
    let named = condition(subscription, "atr").filter(|_| happened == Happened::Updated);
    named.is_none_or(|named| named.iter().any(|name| modified.iter().any(|one| name == one)))
}

/// A list in `enc`.
fn condition<'a>(subscription: &'a Resource, name: &str) -> Option<&'a Vec<Value>> {
    subscription.attributes.get("enc")?.get(name)?.as_array()
}

/// What the attributes of a subscription must be together. `InvalidField`.
pub(super) fn check_subscription(subscription: &Resource) -> Result<()> {
    let only_updates =
        [Happened::Deleted, Happened::ChildCreated, Happened::ChildDeleted].iter().all(|one| !wants(subscription, *one));
    if content_of(subscription) == 2 && !only_updates {
        return Err(Error::invalid("nct", "2 (changed attributes) goes with updates alone: enc.net must be [1]"));
    }
    Ok(())
}
