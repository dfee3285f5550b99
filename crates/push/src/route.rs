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
            SubscriptionKind::CallAddress | SubscriptionKind::Resource(..) => {
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
        if let Some(inbox) = address_of(&event.event).and_then(|address| self.addresses.get(&address)) {
            inbox.offer(event);
        }
        if !event.event.body.has_subscribers() {
            return;
        }
        let Some(apps) = self.accounts.get(&event.event.account) else { return };
        let offer = |inboxes: &HashMap<_, Arc<Inbox>>| inboxes.values().for_each(|inbox| inbox.offer(event));
        match &event.event.principals {
            Some(principals) => principals.iter().filter_map(|app| apps.get(app)).for_each(offer),
            None => apps.values().for_each(offer),
        }
    }
}

/// Whether the event may concern the subscription; rendering decides the rest.
pub(crate) fn concerns(subscription: &Subscription, event: &Event) -> bool {
    if event.account != subscription.account {
        return false;
    }
    match subscription.kind {
        SubscriptionKind::CallAddress | SubscriptionKind::Resource(..) => address_of(event) == Some(subscription.id),
        SubscriptionKind::Notify(_) => event.body.has_subscribers() && event.concerns(subscription.account, subscription.target),
    }
}

fn address_of(event: &Event) -> Option<SubscriptionId> {
    match &event.body {
        EventBody::Notice(notice) => Some(notice.address),
        body => body.call_address(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::{Tail, Taken};
    use landfall_model::{Changed, CommandId, CommandState, Confirmation, DeviceId, Notice, NotifyType, ResourceId, Seq, Time};

    fn subscription(n: u8, account: u8, target: u8, kind: SubscriptionKind) -> Subscription {
        Subscription {
            id: SubscriptionId::from_random([n; 16]),
            account: AccountId::from_random([account; 16]),
            version: 1,
            owner: AppId::from_random([99; 16]),
            target: AppId::from_random([target; 16]),
            kind,
            channel: landfall_model::Channel::Http,
            callback_url: String::new(),
            by: None,
            created_at: Time(0),
        }
    }

    fn event(account: u8, apps: Option<&[u8]>, body: EventBody) -> StoredEvent {
        let account = AccountId::from_random([account; 16]);
        let principals = apps.map(|apps| apps.iter().map(|n| AppId::from_random([*n; 16])).collect());
        StoredEvent { seq: Seq(1), event: Arc::new(Event { account, principals, device: None, at: Time(0), body }) }
    }

    fn confirmed(address: Option<u8>) -> EventBody {
        EventBody::MessageConfirmed {
            status: Confirmation::Sent,
            request_id: String::new(),
            service_id: String::new(),
            to: String::new(),
            address: address.map(|n| SubscriptionId::from_random([n; 16])),
        }
    }

    fn answered(address: Option<u8>) -> EventBody {
        let text = String::new;
        EventBody::CommandAnswered {
            request_id: text(),
            service_id: text(),
            service_type: text(),
            method: text(),
            to: text(),
            body: text(),
            errcode: 0,
            address: address.map(|n| SubscriptionId::from_random([n; 16])),
        }
    }

    fn command(address: Option<u8>) -> EventBody {
        let address = address.map(|n| SubscriptionId::from_random([n; 16]));
        EventBody::CommandChanged { command: CommandId::from_random([1; 16]), state: CommandState::Sent, result: None, address }
    }

    fn notice(address: u8) -> EventBody {
        let address = SubscriptionId::from_random([address; 16]);
        let changed = Changed::Id(ResourceId([1; 12]));
        EventBody::Notice(Box::new(Notice {
            address,
            reference: "subscription".into(),
            kind: 4,
            content: 3,
            changed,
            modified: vec![],
            batch: None,
            held: None,
            through: None,
        }))
    }

    #[test]
    fn routes_and_filter_agree_on_whom_an_event_concerns() {
        let notify = SubscriptionKind::Notify(NotifyType::MessageConfirm);
        let subscriptions = [
            subscription(1, 1, 1, notify),
            subscription(2, 1, 2, notify),
            subscription(3, 2, 1, notify),
            subscription(4, 1, 1, SubscriptionKind::CallAddress),
            subscription(5, 1, 1, SubscriptionKind::CallAddress),
            subscription(6, 1, 1, SubscriptionKind::Resource(ResourceId([1; 12]), 0)),
            subscription(7, 1, 1, SubscriptionKind::Resource(ResourceId([1; 12]), 1)),
        ];
        let deleted = || EventBody::DeviceDeleted { gateway: DeviceId::from_random([1; 16]) };
        let cases: [(StoredEvent, &[u8]); 17] = [
            (event(1, Some(&[1]), deleted()), &[1]),
            (event(1, None, deleted()), &[1, 2]),
            (event(1, Some(&[2, 1]), deleted()), &[1, 2]),
            (event(1, Some(&[9, 2]), deleted()), &[2]),
            (event(1, Some(&[]), deleted()), &[]),
            (event(2, Some(&[2]), deleted()), &[]),
            (event(1, Some(&[1]), confirmed(None)), &[1]),
            (event(1, Some(&[1]), confirmed(Some(5))), &[5]),
            (event(1, Some(&[1]), answered(None)), &[1]),
            (event(1, Some(&[1]), answered(Some(5))), &[1, 5]),
            (event(1, Some(&[1]), command(Some(4))), &[4]),
            (event(1, Some(&[1]), command(None)), &[]),
            (event(1, Some(&[1]), notice(6)), &[6]),
            (event(1, None, notice(7)), &[7]),
            (event(1, Some(&[1]), notice(1)), &[]),
            (event(1, Some(&[1]), notice(8)), &[]),
            (event(1, Some(&[1]), EventBody::SubscriptionChanged(subscriptions[0].id)), &[]),
        ];
        for (event, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|n| SubscriptionId::from_random([*n; 16])).collect();
            let filtered: Vec<_> = subscriptions.iter().filter(|s| concerns(s, &event.event)).map(|s| s.id).collect();
            assert_eq!(filtered, expected, "{event:?}");
            let mut routes = Routes::default();
            let inboxes: Vec<_> = subscriptions.iter().map(|s| (s.id, Arc::new(Inbox::default()))).collect();
            for (subscription, (_, inbox)) in subscriptions.iter().zip(&inboxes) {
                inbox.attach();
                routes.insert(subscription, inbox);
            }
            routes.offer(&event);
            let tail = Tail::new(Seq(0));
            let offered: Vec<_> =
                inboxes.iter().filter(|(_, inbox)| matches!(inbox.take(&tail), Taken::Event(_))).map(|(id, _)| *id).collect();
            assert_eq!(offered, expected, "{event:?}");
            subscriptions.iter().for_each(|subscription| routes.remove(subscription));
            routes.offer(&event);
            assert!(inboxes.iter().all(|(_, inbox)| inbox.is_idle()), "nobody is left");
            assert!(routes.accounts.is_empty() && routes.addresses.is_empty());
        }
    }
}
