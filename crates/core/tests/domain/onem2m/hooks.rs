//! Web hooks: which applications are told of what happens at the devices of their groups, where, and until when.

use crate::{Ground, Tenant, cause, onem2m::rights::caller, tree::node};
use landfall_core::{Needs, NewResource, NodeFault, OriginCaller, ResourceChange, SubscriptionFilter, Target};
use landfall_model::{AccountPart, Cause, Changed, EventBody, PageRequest, Resource, ResourceKind, Seq, Subscription};
use serde_json::{Value, json};
use std::sync::Arc;

const BASE: Target = Target::Place(AccountPart::Base);
const GROUPS: Target = Target::Place(AccountPart::Groups);

fn new(kind: ResourceKind, name: &str, attributes: Value) -> NewResource {
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    NewResource { kind, name: Some(name.into()), labels: vec![], policies: vec![], attributes, expires_at: None }
}

fn change(attributes: Value) -> ResourceChange {
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    ResourceChange { attributes, ..ResourceChange::default() }
}

/// An application with an entity that is called, and nodes d1 and d2 in its group g.
struct Case {
    domain: Ground,
    tenant: Tenant,
    by: OriginCaller,
    hook: Arc<Resource>,
    group: Arc<Resource>,
}

impl Case {
    async fn new(seed: u64) -> Self {
        let domain = Ground::new(seed).await;
        let tenant = domain.tenant("t").await;
        let by = tenant.origin(&domain, "Capp").await;
        let poa = json!({ "api": "Nhook", "poa": ["https://a.example/", "mqtt://b.example"] });
        let hook = domain.made(&by, &BASE, new(ResourceKind::ApplicationEntity, "hook", poa)).await;
        assert_eq!(domain.provision(&by, vec![node("d1"), node("d2"), node("d3")]).await, 0);
        let group = json!({ "cnd": landfall_core::GROUP_DEFINITION, "nds": ["d1", "d2"], "aes": ["hook"] });
        let group = domain.made(&by, &GROUPS, new(ResourceKind::FlexContainer, "g", group)).await;
        Self { domain, tenant, by, hook, group }
    }

    async fn says(&self, name: &str) {
        let device = self.domain.core.device_by_node(&format!("urn:gsma:imei:{name}")).await.unwrap();
        self.domain.core.node_said(&self.domain.core.device_caller(&device), "[1]").await.unwrap();
    }

    async fn fails(&self, name: &str) {
        let device = self.domain.core.device_by_node(&format!("urn:gsma:imei:{name}")).await.unwrap();
        self.domain.core.node_fault(&self.domain.core.device_caller(&device), NodeFault::GetDeviceData, "").await.unwrap();
    }

    async fn update(&self, of: &Resource, attributes: Value) {
        self.domain.core.update_resource(&self.by, of.id, change(attributes)).await.unwrap();
    }

    /// What was told since: the kind, and the address behind the tenant without the ids of group and entity.
    async fn told(&self, seq: Seq) -> Vec<(u8, String)> {
        let told = self.domain.notices_since(seq).await;
        told.iter().map(|one| (one.kind, one.reference.rsplit_once('/').unwrap().0.to_owned())).collect()
    }

    /// Whether what was told since would still go out.
    async fn goes_out(&self, seq: Seq) -> Vec<bool> {
        let mut out = vec![];
        for stored in self.domain.events_since(seq).await {
            if matches!(stored.event.body, EventBody::Notice(_)) {
                let needs = Needs { entity: true, ..Needs::NOTHING };
                out.push(self.domain.core.subject(&stored.event, needs).await.unwrap().entity.is_some());
            }
        }
        out
    }

    /// The pushes of the application, by their addresses.
    async fn pushes(&self) -> Vec<Arc<Subscription>> {
        let page = PageRequest { no: 0, size: 100 };
        let mut found = self.domain.core.store().subscriptions(&SubscriptionFilter::default(), page).await.unwrap().items;
        found.sort_by(|a, b| a.callback_url.cmp(&b.callback_url));
        found
    }
}

#[tokio::test]
async fn applications_are_told_of_the_devices_of_their_groups() {
    let case = Case::new(521).await;
    let seq = case.domain.newest();
    case.says("d1").await;
    case.fails("d2").await;
    case.says("d3").await;
    let d1 = case.domain.at(&case.by, "d1").await.device().unwrap();
    case.domain.core.set_node_labels(&case.by, d1, &["d2c:1.0".into(), "profile:SCS-LwM2M".into()]).await.unwrap();
    let info = landfall_core::InfoChange { labels: Some(vec!["a".into()]), ..Default::default() };
    case.domain.core.set_info(&case.by, d1, 0, &info).await.unwrap();
    let target = case.domain.at(&case.by, "d2").await;
    case.domain.core.delete_target(&case.by, &target).await.unwrap();
    let mut joins = node("d4");
    joins.groups = Some(vec!["g".into()]);
    assert_eq!(case.domain.provision(&case.by, vec![joins]).await, 0);
    let at = |kind: u8, path: &str| (kind, format!("/t/{path}"));
    let expected = [
        at(3, "device-communication/d1/received-msg"),
        at(3, "device-communication/d2/error-msg"),
        at(1, "d1"),
        at(1, "d1"),
        at(2, "d2"),
        at(3, "d4"),
    ];
    assert_eq!(case.told(seq).await, expected, "not of d3, which is in no group");
    let told = case.domain.notices_since(seq).await;
    assert!(matches!(&told[0].changed, Changed::Instance(one) if one.content.contains("[1]")));
    assert!(matches!(&told[4].changed, Changed::Node { node, .. } if node.name == "d2"));
    let reference = format!("/t/d4/{}-{}", case.group.id, case.hook.id);
    assert_eq!(
        (&told[5].reference, told[5].through, told[5].address.resource()),
        (&reference, Some(case.group.id), case.hook.id)
    );
    assert_eq!(case.goes_out(seq).await, [true; 6], "also of the one that is gone");
}

#[tokio::test]
async fn who_is_no_more_told_is_not_told_what_waits() {
    for (seed, what) in [(522, "aes"), (523, "nds"), (524, "group"), (525, "entity"), (526, "frozen")] {
        let case = Case::new(seed).await;
        let (core, seq) = (case.domain.core.clone(), case.domain.newest());
        case.says("d1").await;
        assert_eq!(case.goes_out(seq).await, [true], "{what}");
        let waiting = case.domain.newest();
        match what {
            "aes" => case.update(&case.group, json!({ "aes": [] })).await,
            "nds" => case.update(&case.group, json!({ "nds": ["d2"] })).await,
            "group" => core.delete_target(&case.by, &Target::Resource(case.group.clone())).await.unwrap(),
            "entity" => core.delete_target(&case.by, &Target::Resource(case.hook.clone())).await.unwrap(),
            _ => {
                let change = landfall_core::AppChange { frozen: Some(true), ..Default::default() };
                core.change_app(&case.tenant.all, case.tenant.app.id, change).await.unwrap();
            }
        }
        assert_eq!(case.goes_out(seq).await, [false], "{what}");
        case.says("d1").await;
        assert_eq!(case.told(waiting).await, [], "{what}");
        let withheld = core.withheld(case.hook.id).map(|withheld| withheld.reason);
        assert_eq!(withheld.is_some(), what != "entity", "{what}: {withheld:?}");
        assert_eq!(case.pushes().await.len(), usize::from(what != "entity"), "{what}");
    }
}

#[tokio::test]
async fn points_of_access_are_served_and_may_change() {
    let case = Case::new(527).await;
    let before = case.pushes().await;
    assert_eq!(
        before.iter().map(|one| one.callback_url.as_str()).collect::<Vec<_>>(),
        ["https://a.example/"],
        "what can be called"
    );
    case.update(&case.hook, json!({ "poa": ["https://c.example/", "https://d.example/"] })).await;
    let after = case.pushes().await;
    let urls: Vec<&str> = after.iter().map(|one| one.callback_url.as_str()).collect();
    assert_eq!(
        (urls, after[0].id),
        (vec!["https://c.example/", "https://d.example/"], before[0].id),
        "what waits goes to the new address"
    );
    let seq = case.domain.newest();
    case.says("d1").await;
    assert_eq!(case.told(seq).await.len(), 2, "each address is told");
    let refused = case.domain.core.delete_subscription(&case.tenant.all, after[0].id).await;
    assert_eq!(cause(refused), Cause::InvalidField, "the entity rules it");
    case.update(&case.hook, json!({ "poa": null })).await;
    assert!(case.pushes().await.is_empty());
    let bad = case
        .domain
        .core
        .update_resource(&case.by, case.hook.id, change(json!({ "poa": [format!("http://{}", "x".repeat(1024))] })))
        .await;
    assert_eq!(cause(bad), Cause::CallbackInvalid);
}

/// A group may name another application's entity; that is told of what it may see.
#[tokio::test]
async fn other_applications_are_told_of_what_they_may_see() {
    let case = Case::new(528).await;
    let core = &case.domain.core;
    let other = caller(&case.domain, &case.tenant, "Cother").await;
    let poa = json!({ "api": "No", "poa": ["https://o.example/"] });
    core.create_resource(&other, &BASE, new(ResourceKind::ApplicationEntity, "other", poa)).await.unwrap();
    case.update(&case.group, json!({ "aes": ["other"] })).await;
    let seq = case.domain.newest();
    case.says("d1").await;
    assert_eq!(case.told(seq).await, []);
    core.authorize_app(&case.tenant.all, case.tenant.app.id, other.app().id, true).await.unwrap();
    case.says("d1").await;
    assert_eq!((case.told(seq).await.len(), case.goes_out(seq).await), (1, vec![true]));
    core.authorize_app(&case.tenant.all, case.tenant.app.id, other.app().id, false).await.unwrap();
    assert_eq!(case.goes_out(seq).await, [false]);
}

#[tokio::test]
async fn an_entity_in_nu_means_its_points_of_access() {
    let case = Case::new(529).await;
    let core = &case.domain.core;
    let container = case.domain.made(&case.by, &BASE, new(ResourceKind::Container, "c", json!({}))).await;
    let within = Target::Resource(container);
    for unknown in ["Cnobody", "nonsense"] {
        let nu = new(ResourceKind::Subscription, "s", json!({ "nu": [unknown], "enc": { "net": [3] } }));
        assert_eq!(cause(core.create_resource(&case.by, &within, nu).await), Cause::InvalidField, "{unknown}");
    }
    let nu = new(ResourceKind::Subscription, "s", json!({ "nu": ["hook"], "enc": { "net": [3] } }));
    let made = core.create_resource(&case.by, &within, nu).await.unwrap();
    assert!(case.domain.callbacks.asked.lock().is_empty(), "nobody is asked");
    let seq = case.domain.newest();
    let text = landfall_core::NewInstance { content: "\"x\"".into(), size: 1, ..Default::default() };
    core.append(&case.by, &within, text).await.unwrap();
    let told = case.domain.notices_since(seq).await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].address.resource(), told[0].reference.as_str()), (case.hook.id, format!("/t/{}", made.id).as_str()));
    assert_eq!(case.goes_out(seq).await, [true]);
    core.delete_target(&case.by, &within).await.unwrap();
    assert!(case.goes_out(seq).await[0], "the last notices were judged when they were made");
}

#[tokio::test]
async fn each_new_application_of_device_to_cloud_gets_a_group() {
    let case = Case::new(530).await;
    let core = &case.domain.core;
    let labelled = |name: &str| NewResource {
        labels: vec!["type:d2c".into(), "d2c:1.0".into()],
        ..new(ResourceKind::ApplicationEntity, name, json!({ "api": "Na", "poa": ["https://n.example/"] }))
    };
    let app = case.domain.made(&case.by, &BASE, labelled("new")).await;
    let seq = case.domain.newest();
    let mut joins = node("d9");
    joins.groups = Some(vec!["default-new".into()]);
    assert_eq!(case.domain.provision(&case.by, vec![joins]).await, 0);
    case.says("d9").await;
    assert_eq!(case.told(seq).await.len(), 2, "of the new node and of what it says");
    core.delete_target(&case.by, &Target::Resource(app)).await.unwrap();
    let waiting = case.domain.newest();
    case.says("d9").await;
    assert_eq!(case.told(waiting).await, []);
    case.domain.made(&case.by, &BASE, labelled("new")).await;
    case.says("d9").await;
    assert_eq!(case.told(waiting).await.len(), 1, "its group waits for it");
}
