//! Which subscriptions an event may concern.

use crate::inbox::Inbox;
use landfall_model::{AccountId, AppId, Event, EventBody, StoredEvent, Subscription, SubscriptionId, SubscriptionKind};
use std::collections::HashMap;
use std::sync::Arc;

/// The inboxes by what their subscriptions select.
#[derive(Default)]
pub(crate) struct Routes {
    addresses: HashMap<SubscriptionId, Arc<Inbox>>,
    accounts: HashMap<AccountId, HashMap<AppId, HashMap<SubscriptionId, Arc<Inbox>>>>,
}

impl Routes {
    /// Adds a subscription.
    pub fn insert(&mut self, subscription: &Subscription, inbox: &Arc<Inbox>) {
        let inbox = Arc::clone(inbox);
        match subscription.kind {
            SubscriptionKind::CallAddress => {
                self.addresses.insert(subscription.id, inbox);
            }
            SubscriptionKind::Notify(_) => {
                let apps = self.accounts.entry(subscription.account).or_default();
                apps.entry(subscription.target).or_default().insert(subscription.id, inbox);
            }
        }
    }

    /// Removes a subscription, given as it was inserted.
    pub fn remove(&mut self, subscription: &Subscription) {
        self.addresses.remove(&subscription.id);
        let Some(apps) = self.accounts.get_mut(&subscription.account) else { return };
        if let Some(inboxes) = apps.get_mut(&subscription.target) {
            inboxes.remove(&subscription.id);
            if inboxes.is_empty() {
                apps.remove(&subscription.target);
            }
        }
        if apps.is_empty() {
            self.accounts.remove(&subscription.account);
        }
    }

    /// Offers the event to all whom it may concern.
    pub fn offer(&self, event: &StoredEvent) {
        if matches!(event.event.body, EventBody::SubscriptionChanged(_)) {
            return;
        }
        if let Some(address) = address_of(&event.event) {
            if let Some(inbox) = self.addresses.get(&address) {
                inbox.offer(event);
            }
            return;
        }
        let Some(apps) = self.accounts.get(&event.event.account) else { return };
        match event.event.app {
            Some(app) => apps.get(&app).into_iter().flat_map(HashMap::values).for_each(|inbox| inbox.offer(event)),
            None => apps.values().flat_map(HashMap::values).for_each(|inbox| inbox.offer(event)),
        }
    }
}

/// Whether the event may concern the subscription; rendering decides the rest.
pub(crate) fn concerns(subscription: &Subscription, event: &Event) -> bool {
    if event.account != subscription.account || matches!(event.body, EventBody::SubscriptionChanged(_)) {
        return false;
    }
    match subscription.kind {
        SubscriptionKind::CallAddress => address_of(event) == Some(subscription.id),
        SubscriptionKind::Notify(_) => address_of(event).is_none() && event.app.is_none_or(|app| app == subscription.target),
    }
}

fn address_of(event: &Event) -> Option<SubscriptionId> {
    match &event.body {
        EventBody::MessageConfirmed { address, .. } | EventBody::CommandAnswered { address, .. } => *address,
        _ => None,
    }
}
