//! Notices of subscriptions: `m2m:sgn` (TS-0004, 7.5.1.2.2) and the headers it goes out with (TS-0009, 6.2).
//!
//! The form is made of the event alone, so that every attempt says the same.

use super::{
    attributes::header_pairs,
    compose::named,
    node,
    show::{instance_shown, node_shown, put_held, resource_shown},
};
use landfall_core::{Gathering, Needs, Notification, Notifier, Subject};
use landfall_model::{Changed, EventBody, Notice, StoredEvent, Subscription, SubscriptionKind};
use serde_json::{Value, json};

/// The dialect's notices.
pub(super) struct Notices;

impl Notifier for Notices {
    fn serves(&self, kind: SubscriptionKind) -> bool {
        matches!(kind, SubscriptionKind::Resource(..))
    }

    fn needs(&self, subscription: &Subscription, event: &StoredEvent) -> Needs {
        let entity = notice_for(subscription, event).is_some_and(|notice| notice.through.is_some());
        Needs { entity, ..Needs::NOTHING }
    }

    /// The request id is the same at every attempt: receivers know a repeat by it. An application is told with the headers that it wants now.
    fn render(&self, subscription: &Subscription, event: &StoredEvent, subject: &Subject) -> Vec<Notification> {
        let Some(notice) = notice_for(subscription, event) else { return vec![] };
        if notice.through.is_some() && subject.entity.is_none() {
            return vec![];
        }
        let wanted = subject.entity.as_ref().and_then(|entity| header_pairs(entity.attributes.get("poah")?)).unwrap_or_default();
        let sent = sent(notice, &format!("{}-{}", subscription.id, event.seq), &json!({ "m2m:sgn": signal(notice) }));
        vec![wanted.into_iter().fold(sent, |sent, (name, value)| sent.with(name, value))]
    }

    fn gathering(&self, subscription: &Subscription, event: &StoredEvent) -> Option<Gathering> {
        let batch = notice_for(subscription, event)?.batch?;
        Some(Gathering { most: batch.most as usize, wait_ms: i64::from(batch.wait_ms) })
    }

    /// `m2m:agn` (TS-0004, 7.5.1.2.6). The request id says which notices are in it.
    fn render_together(&self, subscription: &Subscription, events: &[StoredEvent]) -> Option<Notification> {
        let (first, last) = (events.first()?, events.last()?);
        let notices: Vec<&Notice> = events.iter().filter_map(|event| notice_for(subscription, event)).collect();
        let signals: Vec<Value> = notices.iter().map(|notice| signal(notice)).collect();
        let id = format!("{}-{}-{}", subscription.id, first.seq, last.seq);
        Some(sent(notices.first()?, &id, &json!({ "m2m:agn": { "m2m:sgn": signals } })))
    }
}

/// What one notice says.
fn signal(notice: &Notice) -> Value {
    match notice.changed {
        Changed::Ended => json!({ "sud": true, "sur": notice.reference }),
        _ => json!({ "nev": { "net": notice.kind, "rep": representation(notice) }, "sur": notice.reference }),
    }
}

fn sent(notice: &Notice, id: &str, body: &Value) -> Notification {
    let sent = Notification::json(body.to_string());
    sent.with("x-m2m-origin", format!("/{}", tenant(notice))).with("x-m2m-ri", id).with("x-m2m-rvi", "4")
}

fn notice_for<'a>(subscription: &Subscription, event: &'a StoredEvent) -> Option<&'a Notice> {
    match (&subscription.kind, &event.event.body) {
        (SubscriptionKind::Resource(..), EventBody::Notice(notice)) if notice.address == subscription.id => Some(notice),
        _ => None,
    }
}

/// The tenant, which the reference of the subscription begins with.
fn tenant(notice: &Notice) -> &str {
    notice.reference.split('/').nth(1).unwrap_or_default()
}

/// `nct` 1: the whole resource; 2: what changed; 3, and where there is no more than that: its id.
fn representation(notice: &Notice) -> Value {
    let tenant = tenant(notice);
    let by_id = notice.content == 3;
    let (root, mut shown) = match &notice.changed {
        Changed::Id(id) => return json!({ "m2m:uri": id.to_string() }),
        Changed::Ended => return Value::Null,
        Changed::Resource(resource) => resource_shown(resource, tenant),
        Changed::Instance(instance) => instance_shown(instance, tenant),
        Changed::Node { device, node_id, tenant, node } => node_shown(*device, node_id, tenant, node),
        Changed::Managed { device, object } => node::show_managed(object, *device),
        Changed::Info { device, index, info } => ("m2m:dvi", node::show_info_of(info, *device, *index)),
    };
    if by_id {
        return json!({ "m2m:uri": shown.get("ri").cloned().unwrap_or(Value::Null) });
    }
    if let Some(held) = &notice.held {
        put_held(&mut shown, held);
    }
    if notice.content == 2 {
        shown.retain(|name, _| is_modified(notice, name));
    }
    named(root, shown)
}

/// Every update changes `lt` and `st`; one of the limits of a container what it holds.
fn is_modified(notice: &Notice, name: &str) -> bool {
    let has = |name: &str| notice.modified.iter().any(|one| one == name);
    match name {
        "lt" | "st" => true,
        "cni" | "cbs" => has("mni") || has("mbs"),
        name => has(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{
        AccountId, AppId, Channel, DeviceId, DevicePart, Event, Instance, Node, ResourceId, Seq, SubscriptionId, Time,
    };
    use std::sync::Arc;

    const NOW: Time = Time(1_449_922_332_007);

    fn subscription() -> Subscription {
        let resource = ResourceId([7; 12]);
        Subscription {
            id: SubscriptionId::of_resource(resource, 0),
            account: AccountId::from_random([1; 16]),
            version: 1,
            owner: AppId::from_random([2; 16]),
            target: AppId::from_random([2; 16]),
            kind: SubscriptionKind::Resource(resource, 0),
            channel: Channel::Http,
            callback_url: "http://a".into(),
            by: None,
            created_at: NOW,
        }
    }

    fn event(content: u8, changed: Changed) -> StoredEvent {
        let subscription = subscription();
        let notice = Notice {
            address: subscription.id,
            reference: "/acme/0707".into(),
            kind: 3,
            content,
            changed,
            modified: vec![],
            batch: None,
            held: None,
            through: None,
        };
        let body = EventBody::Notice(Box::new(notice));
        let event =
            Event { account: subscription.account, principals: Some(subscription.owner.into()), device: None, at: NOW, body };
        StoredEvent { seq: Seq(42), event: Arc::new(event) }
    }

    fn instance() -> Changed {
        Changed::Instance(Box::new(Instance {
            id: ResourceId([9; 12]),
            container: ResourceId([8; 12]),
            account: AccountId::from_random([1; 16]),
            device: None,
            name: "n".into(),
            state: 0,
            content: "\"hi\"".into(),
            format: None,
            size: 2,
            labels: vec![],
            other: Default::default(),
            creator: Some("CmyApplication".into()),
            by: None,
            created_at: NOW,
            expires_at: None,
        }))
    }

    fn told(event: &StoredEvent) -> Value {
        let sent = Notices.render(&subscription(), event, &Subject::default());
        assert_eq!(sent.len(), 1);
        serde_json::from_slice(&sent[0].body).unwrap()
    }

    #[test]
    fn notices_show_what_was_made() {
        let at = "20151212T121212,007000";
        let expected = json!({"m2m:sgn": {"sur": "/acme/0707", "nev": {"net": 3, "rep": {"m2m:cin": {
            "con": "hi", "cs": 2, "rn": "n", "ty": 4, "ri": "09".repeat(12), "pi": "08".repeat(12), "ct": at, "lt": at,
            "cr": "CmyApplication",
        }}}}});
        assert_eq!(told(&event(1, instance())), expected);
        let by_id = json!({"m2m:sgn": {"sur": "/acme/0707", "nev": {"net": 3, "rep": {"m2m:uri": "09".repeat(12)}}}});
        assert_eq!(told(&event(3, instance())), by_id);
        assert_eq!(told(&event(1, Changed::Id(ResourceId([9; 12])))), by_id);
    }

    #[test]
    fn notices_show_nodes() {
        let device = DeviceId::from_random([5; 16]);
        let node = Node {
            name: "meter".into(),
            labels: vec!["d2c:1.0".into()],
            profile: None,
            iccid: None,
            infos: vec![],
            credentials_at: None,
            observed: vec![],
            managed: vec![],
            created_at: NOW,
            modified_at: NOW,
        };
        let changed = Changed::Node { device, node_id: "urn:x".into(), tenant: "acme".into(), node: Box::new(node) };
        let told = told(&event(1, changed));
        let shown = &told["m2m:sgn"]["nev"]["rep"]["m2m:nod"];
        let id = ResourceId::of_device(device, DevicePart::Node).to_string();
        assert_eq!(
            (shown["ni"].as_str(), shown["pi"].as_str(), shown["ri"].as_str()),
            (Some("urn:x"), Some("acme"), Some(id.as_str()))
        );
    }

    #[test]
    fn headers_are_the_same_at_every_attempt() {
        let event = event(1, instance());
        let sent = || Notices.render(&subscription(), &event, &Subject::default());
        assert_eq!(sent(), sent());
        let (id, sent) = (format!("{}-42", subscription().id), sent());
        let expected = [("x-m2m-origin", "/acme"), ("x-m2m-ri", id.as_str()), ("x-m2m-rvi", "4")];
        assert_eq!(sent[0].headers.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(), expected);
        assert_eq!(sent[0].content_type, "application/json");
    }

    #[test]
    fn notices_that_were_gathered_are_one() {
        let mut events = [event(1, instance()), event(3, instance())];
        events[1].seq = Seq(45);
        assert_eq!(Notices.gathering(&subscription(), &events[0]), None);
        let single = |event: &StoredEvent| told(event)["m2m:sgn"].clone();
        let expected = json!({"m2m:agn": {"m2m:sgn": [single(&events[0]), single(&events[1])]}});
        let sent = Notices.render_together(&subscription(), &events).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&sent.body).unwrap(), expected);
        assert!(sent.headers.contains(&("x-m2m-ri".into(), format!("{}-42-45", subscription().id))));
        let other = Subscription { id: SubscriptionId::of_resource(ResourceId([7; 12]), 1), ..subscription() };
        assert_eq!(Notices.render_together(&other, &events), None);
        let EventBody::Notice(notice) = &mut Arc::get_mut(&mut events[0].event).unwrap().body else { panic!("a notice") };
        notice.batch = Some(landfall_model::NoticeBatch { most: 5, wait_ms: 7_000 });
        assert_eq!(Notices.gathering(&subscription(), &events[0]), Some(Gathering { most: 5, wait_ms: 7_000 }));
    }

    #[test]
    fn others_are_not_told() {
        let event = event(1, instance());
        let other = Subscription { id: SubscriptionId::of_resource(ResourceId([7; 12]), 1), ..subscription() };
        assert!(Notices.render(&other, &event, &Subject::default()).is_empty());
        let push = Subscription { kind: SubscriptionKind::CallAddress, ..subscription() };
        assert!(Notices.render(&push, &event, &Subject::default()).is_empty());
    }
}
