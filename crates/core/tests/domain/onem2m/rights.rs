//! Rights in the oneM2M tree: who may change policies, who is told what, and whose an originator is.

use crate::{Ground, Tenant, cause, onem2m::tree::node};
use landfall_core::{NewApp, NewInstance, NewResource, OriginCaller, ResourceChange, Right, Target};
use landfall_model::{AccountPart, App, AppLimits, Cause, Changed, EventBody, Notice, Resource, ResourceKind, Result, Seq};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const BASE: Target = Target::Place(AccountPart::Base);

/// An owner, and another application of the same account.
struct Two {
    domain: Ground,
    tenant: Tenant,
    owner: OriginCaller,
    other: OriginCaller,
}

impl Two {
    async fn new(seed: u64) -> Self {
        let domain = Ground::new(seed).await;
        let tenant = domain.tenant("t").await;
        let owner = tenant.origin(&domain, "Cowner").await;
        let other = caller(&domain, &tenant, "Cother").await;
        Self { domain, tenant, owner, other }
    }

    async fn policy(&self, name: &str, pv: u64, pvs: u64) -> Arc<Resource> {
        let rules = |what: u64| json!({ "acr": [{ "acor": ["Cother"], "acop": what }] });
        self.made(new(ResourceKind::AccessControlPolicy, name, json!({ "pv": rules(pv), "pvs": rules(pvs) }))).await
    }

    async fn made(&self, new: NewResource) -> Arc<Resource> {
        self.domain.core.create_resource(&self.owner, &BASE, new).await.unwrap()
    }

    async fn container(&self, name: &str, policy: &Resource) -> Arc<Resource> {
        self.made(NewResource { policies: vec![policy.id], ..new(ResourceKind::Container, name, json!({})) }).await
    }

    /// The other application subscribes to everything about a target and right below it.
    async fn subscribe(&self, to: &Target, name: &str) -> Result<Arc<Resource>> {
        self.domain.core.create_resource(&self.other, to, subscription(name)).await
    }

    async fn link(&self, by: &OriginCaller, to: &Resource, policies: &[&Resource]) -> Result<Arc<Resource>> {
        let policies = Some(policies.iter().map(|one| one.id).collect());
        self.domain.core.update_resource(by, to.id, ResourceChange { policies, ..ResourceChange::default() }).await
    }

    async fn append(&self, container: &Arc<Resource>) {
        let text = NewInstance { content: "\"x\"".into(), size: 1, ..NewInstance::default() };
        self.domain.core.append(&self.owner, &Target::Resource(container.clone()), text).await.unwrap();
    }

    /// What was told since, as `net` and the name or id of what it shows.
    async fn told_since(&self, seq: Seq) -> Vec<(u8, String)> {
        let events = self.domain.events_since(seq).await;
        let notice = |body: &EventBody| if let EventBody::Notice(notice) = body { Some(shown(notice)) } else { None };
        events.iter().filter_map(|stored| notice(&stored.event.body)).collect()
    }
}

fn shown(notice: &Notice) -> (u8, String) {
    let what = match &notice.changed {
        Changed::Resource(one) => one.name.clone(),
        Changed::Instance(_) => "instance".into(),
        Changed::Node { node, .. } => node.name.clone(),
        Changed::Info { info, .. } => info.name.clone(),
        Changed::Managed { object, .. } => object.kind.name().into(),
        Changed::Id(_) => "id".into(),
        Changed::Ended => "end".into(),
    };
    (notice.kind, what)
}

pub async fn caller(domain: &Ground, tenant: &Tenant, originator: &str) -> OriginCaller {
    let app = application(domain, tenant, originator).await;
    domain.core.set_originator(&tenant.all, app.id, Some(originator)).await.unwrap();
    let token = domain.core.rotate_originator_token(&tenant.all, app.id).await.unwrap();
    domain.core.originator(Some("t"), token.expose(), originator).await.unwrap()
}

async fn application(domain: &Ground, tenant: &Tenant, name: &str) -> Arc<App> {
    domain.core.create_app(&tenant.all, NewApp { name: name.into(), limits: AppLimits::default() }).await.unwrap().0
}

fn new(kind: ResourceKind, name: &str, attributes: Value) -> NewResource {
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    NewResource { kind, name: Some(name.into()), labels: vec![], policies: vec![], attributes, expires_at: None }
}

fn subscription(name: &str) -> NewResource {
    new(ResourceKind::Subscription, name, json!({ "nu": ["https://b.example/"], "enc": { "net": [1, 2, 3, 4] } }))
}

const RETRIEVE: u64 = Right::Retrieve as u64;
const CREATE: u64 = Right::Create as u64;
const UPDATE: u64 = Right::Update as u64;

#[tokio::test]
async fn the_right_to_update_is_not_the_right_to_link_policies() {
    let two = Two::new(301).await;
    let (pv, pvs) = (two.policy("pv", 63, 0).await, two.policy("pvs", 0, UPDATE).await);
    let own = two.policy("own", 63, 63).await;
    let c = two.container("c", &pv).await;
    assert_eq!(cause(two.link(&two.other, &c, &[&own]).await), Cause::Forbidden, "pv alone");
    assert_eq!(cause(two.link(&two.other, &c, &[]).await), Cause::Forbidden, "nor may it take them away");
    let by_self = two.container("s", &pvs).await;
    assert_eq!(two.link(&two.other, &by_self, &[&pv]).await.unwrap().policies, [pv.id], "pvs alone is enough");
    assert_eq!(
        cause(two.link(&two.other, &by_self, &[&pvs]).await),
        Cause::Forbidden,
        "those linked before count, not the new ones"
    );
    assert_eq!(two.link(&two.owner, &c, &[&pv, &pvs]).await.unwrap().policies, [pv.id, pvs.id], "the owner always may");
    assert_eq!(two.link(&two.other, &c, &[&own]).await.unwrap().policies, [own.id], "one of those linked is enough");
}

#[tokio::test]
async fn a_request_that_links_policies_changes_nothing_else() {
    let two = Two::new(302).await;
    let policy = two.policy("p", 63, 63).await;
    let c = two.container("c", &policy).await;
    let alone = ResourceChange { policies: Some(vec![]), ..ResourceChange::default() };
    for both in [
        ResourceChange { labels: Some(vec!["a:b".into()]), ..alone.clone() },
        ResourceChange { expires_at: Some(None), ..alone.clone() },
        ResourceChange { attributes: Map::from_iter([("mni".to_owned(), json!(5))]), ..alone.clone() },
    ] {
        for by in [&two.owner, &two.other] {
            let error = two.domain.core.update_resource(by, c.id, both.clone()).await.unwrap_err();
            assert_eq!((error.cause, error.path.as_deref()), (Cause::InvalidField, Some("acpi")), "{both:?}");
        }
    }
    let Target::Resource(kept) = two.domain.core.find_id(&two.owner, c.id).await.unwrap() else { panic!("no resource") };
    assert_eq!(*kept, *c);
}

#[tokio::test]
async fn who_may_create_but_not_retrieve_cannot_subscribe() {
    let two = Two::new(303).await;
    let (create, both) = (two.policy("create", CREATE, 0).await, two.policy("both", CREATE | RETRIEVE, 0).await);
    let (shut, open) = (two.container("shut", &create).await, two.container("open", &both).await);
    assert_eq!(cause(two.subscribe(&Target::Resource(shut.clone()), "s").await), Cause::Forbidden);
    assert!(two.domain.callbacks.asked.lock().is_empty(), "nobody was called");
    two.subscribe(&Target::Resource(open.clone()), "s").await.unwrap();
    let seq = two.domain.newest();
    two.append(&shut).await;
    two.append(&open).await;
    assert_eq!(two.told_since(seq).await, [(3, "instance".into())]);
}

#[tokio::test]
async fn notices_end_with_the_right_to_retrieve() {
    let two = Two::new(304).await;
    let both = two.policy("both", CREATE | RETRIEVE, 0).await;
    let c = two.container("c", &both).await;
    let made = two.subscribe(&Target::Resource(c.clone()), "s").await.unwrap();
    let seq = two.domain.newest();
    two.append(&c).await;
    assert_eq!(two.told_since(seq).await.len(), 1);
    two.link(&two.owner, &c, &[]).await.unwrap();
    let seq = two.domain.newest();
    two.append(&c).await;
    two.made_below(&c).await;
    assert_eq!(two.told_since(seq).await, []);
    let passed = two.domain.core.withheld(made.id).unwrap();
    assert_eq!((passed.count, passed.reason.contains("Cother")), (4, true), "with the update itself: {passed:?}");
    two.link(&two.owner, &c, &[&both]).await.unwrap();
    let seq = two.domain.newest();
    two.append(&c).await;
    assert_eq!(two.told_since(seq).await.len(), 1, "it goes on when the right is back");
    two.domain.core.delete_target(&two.owner, &Target::Resource(both)).await.unwrap();
    let seq = two.domain.newest();
    two.domain.core.delete_target(&two.owner, &Target::Resource(c)).await.unwrap();
    assert_eq!(two.told_since(seq).await, [], "nor of its end");
}

#[tokio::test]
async fn subscribers_at_fixed_places_are_told_of_what_they_may_retrieve() {
    let two = Two::new(305).await;
    let readable = two.policy("readable", RETRIEVE, 0).await;
    let at = async |path: &str| two.domain.core.find(&two.other, &path.split('/').collect::<Vec<_>>()).await.unwrap();
    let responses = at("device-provisioning/response").await;
    let groups = at("device-group").await;
    let logs = at("device-provisioning/logs").await;
    for (place, name) in [(&BASE, "s"), (&responses, "s"), (&groups, "s"), (&logs, "s")] {
        two.subscribe(place, name).await.unwrap();
    }
    let seq = two.domain.newest();
    let open = two.container("open", &readable).await;
    let shut = two.made(new(ResourceKind::Container, "shut", json!({}))).await;
    let group = json!({ "cnd": "com.telekom.iot.orchestrator.deviceGroup", "nds": [], "aes": [] });
    let group = new(ResourceKind::FlexContainer, "g", group);
    two.domain.core.create_resource(&two.owner, &groups, group).await.unwrap();
    assert_eq!(two.domain.provision(&two.owner, vec![node("d1"), node("d1")]).await, 1);
    let told = two.told_since(seq).await;
    assert_eq!(told, [(3, "open".into()), (3, "instance".into())], "logs are everybody's, the rest is the owner's");
    let seq = two.domain.newest();
    let d1 = at("d1").await;
    two.domain.core.delete_target(&two.owner, &d1).await.unwrap();
    two.domain.core.delete_target(&two.owner, &Target::Resource(shut)).await.unwrap();
    two.domain.core.delete_target(&two.owner, &Target::Resource(open)).await.unwrap();
    assert_eq!(two.told_since(seq).await, [(4, "open".into())]);
    let (of, authorized) = (two.tenant.app.id, two.other.app().id);
    two.domain.core.authorize_app(&two.tenant.all, of, authorized, true).await.unwrap();
    let seq = two.domain.newest();
    assert_eq!(two.domain.provision(&two.owner, vec![node("d2")]).await, 0);
    assert_eq!(two.told_since(seq).await, [(3, "d2".into()), (3, "id".into())], "node and outcome, once it is authorized");
}

#[tokio::test]
async fn a_refused_subscription_calls_nobody() {
    let two = Two::new(306).await;
    let both = two.policy("both", CREATE | RETRIEVE, 0).await;
    let c = two.container("c", &both).await;
    let within = Target::Resource(c);
    let made = two.subscribe(&within, "taken").await.unwrap();
    assert_eq!(std::mem::take(&mut *two.domain.callbacks.asked.lock()), ["https://b.example/"]);
    assert_eq!(cause(two.subscribe(&within, "taken").await), Cause::ResourceExists);
    let to = |urls: Value| new(ResourceKind::Subscription, "new", json!({ "nu": urls }));
    let one_is_wrong = to(json!(["https://c.example/", "ftp://d.example/"]));
    assert_eq!(cause(two.domain.core.create_resource(&two.other, &within, one_is_wrong).await), Cause::CallbackInvalid);
    let change = |attributes: Value| {
        let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
        ResourceChange { attributes, ..ResourceChange::default() }
    };
    let mixed = change(json!({ "nu": ["https://b.example/", "ftp://d.example/"] }));
    assert_eq!(cause(two.domain.core.update_resource(&two.other, made.id, mixed).await), Cause::CallbackInvalid);
    two.domain.core.update_resource(&two.other, made.id, change(json!({ "nct": 3 }))).await.unwrap();
    assert!(two.domain.callbacks.asked.lock().is_empty(), "nor does a change that adds no address");
    let added = change(json!({ "nu": ["https://b.example/", "https://c.example/"] }));
    two.domain.core.update_resource(&two.other, made.id, added).await.unwrap();
    assert_eq!(*two.domain.callbacks.asked.lock(), ["https://c.example/"], "only what is new");
}

#[tokio::test]
async fn the_owner_of_a_subject_sees_and_ends_what_others_subscribed() {
    let two = Two::new(307).await;
    let both = two.policy("both", CREATE | RETRIEVE, 0).await;
    let c = two.container("c", &both).await;
    let theirs = Target::Resource(two.subscribe(&Target::Resource(c.clone()), "s").await.unwrap());
    let core = &two.domain.core;
    assert!(core.may(&two.owner, &theirs, Right::Retrieve).await.unwrap());
    assert!(!core.may(&two.owner, &theirs, Right::Update).await.unwrap());
    core.delete_target(&two.owner, &theirs).await.unwrap();
    let seq = two.domain.newest();
    two.append(&c).await;
    assert_eq!(two.told_since(seq).await, []);
    let at_base = Target::Resource(two.subscribe(&BASE, "s").await.unwrap());
    assert_eq!(cause(core.delete_target(&two.owner, &at_base).await), Cause::Forbidden, "a fixed place is nobody's");
}

#[tokio::test]
async fn an_originator_belongs_to_one_application() {
    let two = Two::new(308).await;
    let core = &two.domain.core;
    let all = &two.tenant.all;
    let third = application(&two.domain, &two.tenant, "third").await;
    let token = core.rotate_originator_token(all, two.other.app().id).await.unwrap();
    let as_other = async |name: &str| core.originator(Some("t"), token.expose(), name).await.unwrap();
    let (hook, early) = (as_other("Chook").await, as_other("Cthird").await);
    core.create_resource(&hook, &BASE, new(ResourceKind::ApplicationEntity, "any", json!({}))).await.unwrap();
    for taken in ["Cother", "Chook"] {
        assert_eq!(cause(core.set_originator(all, third.id, Some(taken)).await), Cause::NameTaken, "{taken}");
    }
    core.set_originator(all, two.other.app().id, Some("Chook")).await.unwrap();
    core.set_originator(all, third.id, Some("Cthird")).await.unwrap();
    let entity = core.create_resource(&early, &BASE, new(ResourceKind::ApplicationEntity, "free", json!({}))).await;
    assert_eq!(cause(entity), Cause::Forbidden, "it came before another application got the originator");
    let asking = as_other("C").await;
    let entity = core.create_resource(&asking, &BASE, new(ResourceKind::ApplicationEntity, "third", json!({}))).await;
    assert_eq!(cause(entity), Cause::ResourceExists, "nor is it given by a name");
    let theirs = two.domain.tenant("theirs").await;
    core.set_originator(&theirs.all, theirs.app.id, Some("Chook")).await.unwrap();
}

/// An operator and an entity that want the same originator at the same time: one of them gets it.
#[tokio::test]
async fn an_originator_is_given_once_even_at_the_same_time() {
    let two = Two::new(309).await;
    let core = &two.domain.core;
    let third = application(&two.domain, &two.tenant, "third").await;
    let fourth = application(&two.domain, &two.tenant, "fourth").await;
    let token = core.rotate_originator_token(&two.tenant.all, two.other.app().id).await.unwrap();
    for n in 0..20 {
        let (name, entity) = (format!("Cx{n}"), new(ResourceKind::ApplicationEntity, &format!("x{n}"), json!({})));
        let set = |app| core.set_originator(&two.tenant.all, app, Some(&name));
        let early = core.originator(Some("t"), token.expose(), &name).await.unwrap();
        let (a, b, c) = tokio::join!(set(third.id), set(fourth.id), core.create_resource(&early, &BASE, entity));
        let given = [a.is_ok(), b.is_ok(), c.is_ok()];
        assert_eq!(given.iter().filter(|one| **one).count(), 1, "{name}: {given:?}");
    }
}

impl Two {
    /// A container and, in it, nothing: two things that happen right below a container.
    async fn made_below(&self, c: &Arc<Resource>) {
        let within = Target::Resource(c.clone());
        let made = self
            .domain
            .core
            .create_resource(&self.owner, &within, new(ResourceKind::Container, "inner", json!({})))
            .await
            .unwrap();
        self.domain.core.delete_target(&self.owner, &Target::Resource(made)).await.unwrap();
    }
}
