//! Notices of subscriptions: `m2m:sgn` (TS-0004, 7.5.1.2.2) and the headers it goes out with (TS-0009, 6.2).
//!
//! The form is made of the event alone, so that every attempt says the same: a container is told without what it holds then, a new instance
//! without its `st`.

use super::{
    compose::named,
    node,
    show::{instance_shown, node_shown, resource_shown},
};
use http::{HeaderName, HeaderValue, header};
use landfall_model::{Changed, EventBody, Notice, StoredEvent, Subscription, SubscriptionKind};
use serde_json::{Value, json};

/// The bodies that `event` means for `subscription`; none where it is not concerned.
pub fn notices(subscription: &Subscription, event: &StoredEvent) -> Vec<Vec<u8>> {
    let Some(notice) = notice_for(subscription, event) else { return vec![] };
    let body = json!({
        "m2m:sgn": { "nev": { "net": notice.kind, "rep": representation(notice) }, "sur": notice.reference },
    });
    // JSON values always serialize.
    vec![serde_json::to_vec(&body).unwrap_or_default()]
}

/// The headers of that body. The request id is the same at every attempt: receivers know a repeat by it.
pub fn notice_headers(subscription: &Subscription, event: &StoredEvent) -> Vec<(HeaderName, HeaderValue)> {
    let Some(notice) = notice_for(subscription, event) else { return vec![] };
    let request_id = format!("{}-{}", subscription.id, event.seq);
    let given = [
        (HeaderName::from_static("x-m2m-origin"), format!("/{}", tenant(notice))),
        (HeaderName::from_static("x-m2m-ri"), request_id),
        (HeaderName::from_static("x-m2m-rvi"), "4".to_owned()),
        (header::CONTENT_TYPE, "application/json".to_owned()),
    ];
    given.into_iter().filter_map(|(name, text)| Some((name, HeaderValue::from_str(&text).ok()?))).collect()
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

/// `nct` 1: the whole resource; 3, and where there is no more than that: its id.
fn representation(notice: &Notice) -> Value {
    let tenant = tenant(notice);
    let by_id = notice.content == 3;
    let (root, shown) = match &notice.changed {
        Changed::Id(id) => return json!({ "m2m:uri": id.to_string() }),
        Changed::Resource(resource) => resource_shown(resource, tenant),
        Changed::Instance(instance) => instance_shown(instance, tenant),
        Changed::Node { device, node_id, tenant, node } => node_shown(*device, node_id, tenant, node),
        Changed::Info { device, index, info } => ("m2m:dvi", node::show_info_of(info, *device, *index)),
    };
    if by_id {
        return json!({ "m2m:uri": shown.get("ri").cloned().unwrap_or(Value::Null) });
    }
    named(root, shown)
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
        let notice = Notice { address: subscription.id, reference: "/acme/0707".into(), kind: 3, content, changed };
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
            creator: Some("CmyApplication".into()),
            by: None,
            created_at: NOW,
            expires_at: None,
        }))
    }

    fn told(event: &StoredEvent) -> Value {
        let bodies = notices(&subscription(), event);
        assert_eq!(bodies.len(), 1);
        serde_json::from_slice(&bodies[0]).unwrap()
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
        let headers = notice_headers(&subscription(), &event);
        assert_eq!(headers, notice_headers(&subscription(), &event));
        let text = |name: &str| headers.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.to_str().ok());
        assert_eq!(text("x-m2m-origin"), Some("/acme"));
        assert_eq!(text("x-m2m-ri"), Some(format!("{}-42", subscription().id).as_str()));
        assert_eq!((text("x-m2m-rvi"), text("content-type")), (Some("4"), Some("application/json")));
    }

    #[test]
    fn others_are_not_told() {
        let event = event(1, instance());
        let other = Subscription { id: SubscriptionId::of_resource(ResourceId([7; 12]), 1), ..subscription() };
        assert!(notices(&other, &event).is_empty() && notice_headers(&other, &event).is_empty());
        let push = Subscription { kind: SubscriptionKind::CallAddress, ..subscription() };
        assert!(notices(&push, &event).is_empty());
    }
}
