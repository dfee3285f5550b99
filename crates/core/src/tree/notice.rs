//! Notices of oneM2M subscriptions (TS-0001, 10.2.10): an event for each address of each subscription that asked for the change.

use crate::Core;
use landfall_model::{AccountId, Changed, DeviceId, Event, EventBody, Notice, Resource, ResourceId, SubscriptionId, Time};
use serde_json::Value;

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

impl Core {
    /// The events that tell the subscribers of `subject`.
    pub(crate) fn notices(
        &self,
        (account, tenant): (AccountId, &str),
        (subject, device): (ResourceId, Option<DeviceId>),
        happened: Happened,
        at: Time,
        changed: impl Fn() -> Changed,
    ) -> Vec<Event> {
        let mut events = vec![];
        for subscription in self.store.subscriptions_of(subject).iter().filter(|one| wants(one, happened)) {
            let content = if content_of(subscription) == 3 { 3 } else { 1 };
            for address in 0..addresses(subscription).len().min(ADDRESSES) {
                let notice = Notice {
                    address: SubscriptionId::of_resource(subscription.id, address as u8),
                    reference: format!("/{tenant}/{}", subscription.id),
                    kind: happened as u8,
                    content,
                    changed: changed(),
                };
                let body = EventBody::Notice(Box::new(notice));
                events.push(Event { account, app: Some(subscription.app), device, at, body });
            }
        }
        events
    }
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
