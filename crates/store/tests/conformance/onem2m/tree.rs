//! The oneM2M tree: names, versions, subtrees, and what is in memory of it.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;
use std::sync::Arc;

fn base(account: AccountId) -> ResourceId {
    ResourceId::of_account(account, AccountPart::Base)
}

fn subscription_below(parent: &Resource) -> Resource {
    Resource { kind: ResourceKind::Subscription, device: parent.device, ..resource(parent.account, parent.id, "sub") }
}

/// A chain of resources below a place or a part of a device: each is the parent of the next.
async fn chain(
    store: &SharedStore,
    account: AccountId,
    top: ResourceId,
    device: Option<DeviceId>,
    length: usize,
) -> Vec<Resource> {
    let mut made: Vec<Resource> = Vec::new();
    for i in 0..length {
        let parent = made.last().map_or(top, |r| r.id);
        made.push(Resource { device, ..resource(account, parent, &format!("r{i}")) });
    }
    store.commit(Batch { writes: made.iter().map(write_resource).collect(), events: vec![] }).await.unwrap();
    made
}

fn names(found: &[Arc<Resource>]) -> Vec<&str> {
    found.iter().map(|r| r.name.as_str()).collect()
}

pub async fn resources_come_back(place: Place) {
    let account = account("a").id;
    let mut r = resource(account, base(account), "ä \u{7f}");
    r.expires_at = Some(START.plus_s(9));
    r.attributes.insert("deep".into(), serde_json::json!({"z": [1, 2.5, null, "\u{0}"], "a": true}));
    let store = place.open();
    store.commit(put([write_resource(&r)])).await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.resource(r.id).await.unwrap().as_deref(), Some(&r));
        assert_eq!(store.resource_named(r.parent, &r.name).await.unwrap().as_deref(), Some(&r));
    }
    store.shutdown().await;
    let store = place.open();
    assert_eq!(store.resource_named(r.parent, &r.name).await.unwrap().as_deref(), Some(&r));
    assert_eq!(store.resource(r.id).await.unwrap().as_deref(), Some(&r));
    for name in ["other", "a\0b", ""] {
        assert_eq!(store.resource_named(r.parent, name).await, Ok(None), "{name}");
    }
    assert_eq!(store.resource_named(r.id, &r.name).await, Ok(None));
    let entity = |name: &str, at: i64| {
        let mut entity =
            Resource { kind: ResourceKind::ApplicationEntity, created_at: Time(at), ..resource(account, base(account), name) };
        entity.attributes.insert("aei".into(), "Cone".into());
        entity
    };
    let (newer, older) = (entity("e2", 9), entity("e1", 8));
    store.commit(put([write_resource(&newer), write_resource(&older)])).await.unwrap();
    assert_eq!(store.entity_of(account, "Cone").await.unwrap().as_deref(), Some(&older));
    for (account, originator) in [(account, "Ce1"), (account, "a\0"), (landfall_model::AccountId(fresh_uuid()), "Cone")] {
        assert_eq!(store.entity_of(account, originator).await, Ok(None), "{originator}");
    }
    assert_eq!(store.resource(fresh_id()).await, Ok(None));
}

/// Groups that tell applications are known without a look, also after a restart.
pub async fn telling_groups_are_known_at_once(place: Place) {
    let store = place.open();
    let (account, other) = (account("a").id, account("b").id);
    let at = ResourceId::of_account(account, AccountPart::Groups);
    let grouped = |name: &str, aes: &[&str]| {
        let mut one = Resource { kind: ResourceKind::FlexContainer, ..resource(account, at, name) };
        one.attributes.insert("aes".into(), aes.into());
        one
    };
    let (telling, silent) = (grouped("telling", &["app"]), grouped("silent", &[]));
    let group = |of: &Resource| Group { id: of.id.as_group(), ..group(account, &of.name) };
    let writes = [&telling, &silent].map(|one| [write_resource(one), Write::Group(Box::new(group(one)))]);
    store.commit(Batch { writes: writes.into_iter().flatten().collect(), events: vec![] }).await.unwrap();
    let known = |store: &SharedStore| store.telling_groups(account).iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    assert_eq!(
        (known(&store), store.has_telling_groups(account), store.has_telling_groups(other)),
        (vec!["telling".into()], true, false)
    );
    drop(store);
    let store = place.open();
    assert_eq!(known(&store), ["telling"]);
    assert_eq!(store.telling_group(telling.id).as_deref(), Some(&telling));
    assert_eq!((store.telling_group(silent.id), store.telling_groups(other).len()), (None, 0));
    let mut next = Resource { version: 2, ..silent };
    next.attributes.insert("aes".into(), ["app"].as_slice().into());
    store.commit(put([write_resource(&next)])).await.unwrap();
    assert_eq!(known(&store).len(), 2);
    let quiet = Resource { version: 2, attributes: serde_json::Map::new(), ..telling };
    store.commit(put([write_resource(&quiet), Write::DeleteResource(next.id)])).await.unwrap();
    assert!(!store.has_telling_groups(account));
}

/// A group that ends by itself takes its devices' places along.
pub async fn a_group_ends_with_its_record(place: Place) {
    let store = place.open();
    let of = one_device(&store, "n").await;
    let at = ResourceId::of_account(of.account, AccountPart::Groups);
    let mut record = Resource { kind: ResourceKind::FlexContainer, ..resource(of.account, at, "g") };
    record.expires_at = Some(place.now());
    let group = Group { id: record.id.as_group(), ..group(of.account, "g") };
    let joined = Write::Join(group.id, vec![of.id]);
    store.commit(put([write_resource(&record), Write::Group(Box::new(group.clone())), joined])).await.unwrap();
    while store.prune(place.now().plus_s(1)).await.unwrap() {}
    assert_eq!(store.group(group.id).await, Ok(None));
    while store.prune(place.now().plus_s(1)).await.unwrap() {}
    assert!(store.group_ids_of(of.id, 9).await.unwrap().is_empty());
}

pub async fn resources_are_versioned_and_named(place: Place) {
    let store = place.open();
    let account = account("a").id;
    let (mut one, other) = (resource(account, base(account), "one"), resource(account, base(account), "other"));
    store.commit(put([write_resource(&one), write_resource(&other)])).await.unwrap();
    for (version, fits) in [(1, false), (3, false), (2, true), (2, false), (3, true)] {
        one.version = version;
        let result = seq(store.commit(put([write_resource(&one)])).await);
        assert_eq!(result.map_err(|e| e.cause), if fits { Ok(Seq(0)) } else { Err(Cause::Stale) }, "version {version}");
    }
    // The same name elsewhere is no conflict.
    let below = resource(account, one.id, "other");
    store.commit(put([write_resource(&below)])).await.unwrap();
    let same = resource(account, base(account), "one");
    let fine = resource(account, base(account), "fine");
    assert_eq!(cause(store.commit(put([write_resource(&fine), write_resource(&same)])).await), Cause::ResourceExists);
    assert_eq!(store.resource(fine.id).await, Ok(None));
    let renamed = Resource { name: "other".into(), version: 4, ..one.clone() };
    assert_eq!(cause(store.commit(put([write_resource(&renamed)])).await), Cause::ResourceExists);
    // It never moves.
    let moved = Resource { parent: other.id, version: 4, ..one.clone() };
    assert!(store.commit(put([write_resource(&moved)])).await.is_err());
    assert_eq!(store.resource(one.id).await.unwrap().as_deref(), Some(&one));
    let odd = resource(account, base(account), "a\0b");
    assert_eq!(cause(store.commit(put([write_resource(&odd)])).await), Cause::InvalidField);
    let freed = Resource { name: "new".into(), version: 4, ..one.clone() };
    store.commit(put([write_resource(&freed), write_resource(&same)])).await.unwrap();
    assert_eq!(store.resource_named(base(account), "one").await.unwrap().unwrap().id, same.id);
    assert_eq!(store.resource_named(base(account), "new").await.unwrap().unwrap().id, one.id);
}

pub async fn parents_must_be_there(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let stranger = DeviceId(fresh_uuid());
    let channel = ResourceId::of_device(de.id, DevicePart::Channel);
    let kept = resource(de.account, base(de.account), "kept");
    let cases = [
        (base(de.account), None, true),
        (channel, Some(de.id), true),
        (kept.id, None, true),
        (fresh_id(), None, false),
        (channel, None, false),
        (channel, Some(stranger), false),
        (ResourceId::of_device(stranger, DevicePart::Node), Some(stranger), false),
        (kept.id.outcome(), None, false),
        (ResourceId([0xff; 12]), None, false),
    ];
    store.commit(put([write_resource(&kept)])).await.unwrap();
    for (i, (parent, device, fits)) in cases.into_iter().enumerate() {
        let r = Resource { device, ..resource(de.account, parent, "child") };
        let result = seq(store.commit(put([write_resource(&r)])).await).map_err(|e| e.cause);
        assert_eq!(result, if fits { Ok(Seq(0)) } else { Err(Cause::ResourceNotFound) }, "case {i}");
        assert_eq!(store.resource(r.id).await.unwrap().is_some(), fits, "case {i}");
    }
    // A parent of the same batch is one.
    let top = resource(de.account, base(de.account), "top");
    let child = resource(de.account, top.id, "child");
    assert_eq!(cause(store.commit(put([write_resource(&child), write_resource(&top)])).await), Cause::ResourceNotFound);
    store.commit(put([write_resource(&top), write_resource(&child)])).await.unwrap();
    let late = resource(de.account, top.id, "late");
    assert_eq!(cause(store.commit(put([Write::DeleteResource(top.id), write_resource(&late)])).await), Cause::ResourceNotFound);
    assert!(store.resource(child.id).await.unwrap().is_some());
}

pub async fn a_subtree_goes_with_its_top(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let made = chain(&store, de.account, base(de.account), None, 4).await;
    let beside = resource(de.account, base(de.account), "beside");
    let sub = subscription_below(&made[3]);
    let held: Vec<Instance> = made.iter().map(|r| instance(de.account, r.id, "i")).collect();
    let outside = instance(de.account, beside.id, "i");
    let mut writes = vec![write_resource(&beside), write_resource(&sub), append(&outside)];
    writes.extend(held.iter().map(append));
    writes.extend(made.iter().map(|r| Write::Labels { account: de.account, subject: r.id, labels: vec!["l".into()] }));
    store.commit(Batch { writes, events: vec![] }).await.unwrap();
    let below = store.resources_below(base(de.account), 100).await.unwrap();
    assert_eq!(names(&below), ["r0", "beside", "r1", "r2", "r3", "sub"]);
    assert_eq!(names(&store.resources_below(made[1].id, 2).await.unwrap()), ["r2", "r3"]);
    assert_eq!(names(&store.resources_below(made[3].id, 0).await.unwrap()), [""; 0]);

    store.commit(put([Write::DeleteResource(made[1].id), Write::DeleteResource(fresh_id())])).await.unwrap();
    for reopened in [false, true] {
        let store = if reopened {
            store.shutdown().await;
            place.open()
        } else {
            store.clone()
        };
        let left = store.resources_below(base(de.account), 100).await.unwrap();
        assert_eq!(names(&left), ["r0", "beside"]);
        for (i, r) in made.iter().enumerate() {
            let there = i < 1;
            assert_eq!(store.resource(r.id).await.unwrap().is_some(), there, "r{i}");
            assert_eq!(store.resource_named(r.parent, &r.name).await.unwrap().is_some(), there, "r{i}");
            assert_eq!(store.instance(held[i].id, START).await.unwrap().is_some(), there, "r{i}");
            assert_eq!(store.container_state(r.id).await.unwrap().state, u64::from(there), "r{i}");
        }
        assert!(store.instance(outside.id, START).await.unwrap().is_some());
        assert_eq!(store.subscriptions_of(made[3].id), []);
        assert_eq!(store.labelled(de.account, &["l".into()], None, 9).await, Ok(vec![made[0].id]));
    }
}

pub async fn resources_by_filter_and_page(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let node = ResourceId::of_device(de.id, DevicePart::Node);
    let top = resource(de.account, base(de.account), "top");
    let mut all = vec![top.clone()];
    for i in 0..6i64 {
        let (parent, device) = if i % 3 == 0 { (node, Some(de.id)) } else { (top.id, None) };
        let kind = if i % 2 == 0 { ResourceKind::FlexContainer } else { ResourceKind::Container };
        // Made in the opposite order of their ids.
        all.push(Resource { device, kind, created_at: START.plus_s(10 - i), ..resource(de.account, parent, &format!("r{i}")) });
    }
    store.commit(Batch { writes: all.iter().map(write_resource).collect(), events: vec![] }).await.unwrap();
    let foreign = account("b").id;
    store.commit(put([write_resource(&resource(foreign, base(foreign), "foreign"))])).await.unwrap();
    let any = ResourceFilter { account: de.account, parent: None, device: None, kinds: vec![] };
    let flex = vec![ResourceKind::FlexContainer];
    let both = vec![ResourceKind::FlexContainer, ResourceKind::Container];
    let cases = [
        (any.clone(), ALL, 7, "top r5 r4 r3 r2 r1 r0"),
        (ResourceFilter { parent: Some(top.id), ..any.clone() }, ALL, 4, "r5 r4 r2 r1"),
        (ResourceFilter { device: Some(de.id), ..any.clone() }, ALL, 2, "r3 r0"),
        (ResourceFilter { kinds: flex.clone(), ..any.clone() }, ALL, 3, "r4 r2 r0"),
        (ResourceFilter { kinds: both, ..any.clone() }, PageRequest { no: 1, size: 3 }, 7, "r3 r2 r1"),
        (ResourceFilter { kinds: flex, parent: Some(node), ..any.clone() }, ALL, 1, "r0"),
        (ResourceFilter { parent: Some(fresh_id()), ..any.clone() }, ALL, 0, ""),
        (any.clone(), PageRequest { no: 2, size: 3 }, 7, "r0"),
        (any, PageRequest { no: 3, size: 3 }, 7, ""),
    ];
    for (filter, page, total, expected) in cases {
        let found = store.resources(&filter, page).await.unwrap();
        assert_eq!((found.total, names(&found.items).join(" ")), (total, expected.to_owned()), "{filter:?}");
    }
}

pub async fn subscriptions_are_known_at_once(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let node = ResourceId::of_device(de.id, DevicePart::Node);
    let sub = |parent, device, name: &str, age: i64| Resource {
        kind: ResourceKind::Subscription,
        device,
        created_at: START.plus_s(-age),
        ..resource(de.account, parent, name)
    };
    let top = resource(de.account, base(de.account), "top");
    let (young, old) = (sub(node, Some(de.id), "young", 0), sub(node, Some(de.id), "old", 5));
    let (kept, inside) = (sub(base(de.account), None, "kept", 0), sub(top.id, None, "inside", 0));
    let writes = [&top, &young, &old, &kept, &inside].map(write_resource);
    store.commit(put(writes)).await.unwrap();
    let changed = Resource { version: 2, modified_at: START.plus_s(1), ..kept.clone() };
    store.commit(put([write_resource(&changed)])).await.unwrap();
    let check = |store: &SharedStore, node_has: &[&Resource], top_has: &[&Resource]| {
        let of = |subject| store.subscriptions_of(subject).iter().map(|r| Resource::clone(r)).collect::<Vec<_>>();
        let owned = |list: &[&Resource]| list.iter().copied().cloned().collect::<Vec<_>>();
        assert_eq!(of(node), owned(node_has));
        assert_eq!(of(top.id), owned(top_has));
        assert_eq!(of(base(de.account)), std::slice::from_ref(&changed));
        assert_eq!(of(fresh_id()), []);
    };
    check(&store, &[&old, &young], &[&inside]);
    store.abort().await;
    let store = place.open();
    check(&store, &[&old, &young], &[&inside]);
    store.commit(put([Write::DeleteResource(old.id), Write::DeleteResource(top.id)])).await.unwrap();
    check(&store, &[&young], &[]);
    store.commit(put([Write::DeleteDevice(de.id)])).await.unwrap();
    check(&store, &[], &[]);
    store.shutdown().await;
    let store = place.open();
    check(&store, &[], &[]);
    // What is refused is not known.
    let stray = sub(fresh_id(), None, "stray", 0);
    assert_eq!(cause(store.commit(put([write_resource(&stray)])).await), Cause::ResourceNotFound);
    assert_eq!(store.subscriptions_of(stray.parent), []);
}

pub async fn a_subscription_goes_with_its_last_notice(place: Place) {
    let store = place.open();
    let account = account("a").id;
    let subject = resource(account, base(account), "subject");
    let mut counted = subscription_below(&subject);
    counted.attributes.insert("exc".into(), 2.into());
    let free = Resource { name: "free".into(), id: fresh_id(), ..subscription_below(&subject) };
    store.commit(put([write_resource(&subject), write_resource(&counted), write_resource(&free)])).await.unwrap();
    let event = |subscription: &Resource, address, changed| {
        let address = SubscriptionId::of_resource(subscription.id, address);
        let notice = Notice {
            address,
            reference: "/a/s".into(),
            kind: 3,
            content: 1,
            changed,
            modified: vec![],
            batch: None,
            held: None,
            through: None,
        };
        Event { account, principals: None, device: None, at: START, body: EventBody::Notice(Box::new(notice)) }
    };
    let told = |subscription: &Resource| {
        let id = || Changed::Id(subject.id);
        vec![event(subscription, 0, id()), event(subscription, 1, id()), event(subscription, 10, Changed::Ended)]
    };
    let count = |events: Vec<Event>| Batch { writes: vec![Write::CountNotice(counted.id)], events };
    store.commit(count(told(&counted))).await.unwrap();
    let left = store.resource(counted.id).await.unwrap().unwrap();
    assert_eq!((left.attributes["exc"].as_u64(), left.version), (Some(1), 2));
    assert_eq!(store.subscriptions_of(subject.id)[0], left);
    // The second is the last; of a third, in the same batch, nothing is sent. Others are not concerned.
    let mut events = told(&counted);
    events.extend(told(&counted));
    events.push(event(&free, 0, Changed::Ended));
    let twice = Batch { writes: vec![Write::CountNotice(counted.id); 2], events };
    store.commit(twice).await.unwrap();
    assert_eq!(store.resource(counted.id).await, Ok(None));
    assert_eq!(store.subscriptions_of(subject.id).len(), 1);
    store.commit(count(told(&counted))).await.unwrap();
    store.commit(Batch { writes: vec![Write::CountNotice(free.id)], events: told(&free) }).await.unwrap();
    assert_eq!(store.resource(free.id).await.unwrap().unwrap().version, 1, "it allows any number");
    let word = |stored: &StoredEvent| match &stored.event.body {
        EventBody::Notice(notice) if notice.changed == Changed::Ended => 'e',
        EventBody::Notice(_) => 'n',
        _ => '-',
    };
    let words = async |store: &SharedStore| store.events_after(Seq(0), 99).await.unwrap().iter().map(word).collect::<String>();
    assert_eq!(words(&store).await, "nn-nne---e---nn-");
    store.shutdown().await;
    let store = place.open();
    assert_eq!(words(&store).await, "nn-nne---e---nn-");
    assert_eq!(store.resource(counted.id).await, Ok(None));
}

pub async fn nodes_have_names(place: Place) {
    let store = place.open();
    let one = one_device(&store, "n1").await;
    let one = next(&one, |d| d.node = Some(Arc::new(node("meter"))));
    let mut two = device(one.account, one.app(), "n2");
    store.commit(put([write_device(&one), write_device(&two)])).await.unwrap();
    let foreign = one_device(&store, "n3").await;
    let foreign = next(&foreign, |d| d.node = Some(Arc::new(node("meter"))));
    store.commit(put([write_device(&foreign)])).await.unwrap();
    let named = async |name: &str| store.device_by_node_name(one.account, name).await.unwrap().map(|d| d.node_id.clone());
    assert_eq!(named("meter").await.as_deref(), Some("n1"));
    assert_eq!(store.device_by_node_name(foreign.account, "meter").await.unwrap().as_deref(), Some(&foreign));
    assert_eq!((named("other").await, named("a\0").await), (None, None));
    // Taken: when a device is made, and when one is changed.
    let mut third = device(one.account, one.app(), "n4");
    third.node = one.node.clone();
    assert_eq!(cause(store.commit(put([write_device(&third)])).await), Cause::ResourceExists);
    two = next(&two, |d| d.node = one.node.clone());
    assert_eq!(cause(store.commit(put([write_device(&two)])).await), Cause::ResourceExists);
    third.node_id = "n1".into();
    assert_eq!(cause(store.commit(put([write_device(&third)])).await), Cause::NodeIdTaken);
    third.node_id = "n4".into();
    third.credentials.psk_identity = Some("n1".into());
    third.node = None;
    assert_eq!(cause(store.commit(put([write_device(&third)])).await), Cause::NodeIdTaken);
    // A name that changes, alone or with what is a column already, changes hands.
    let renamed = next(&one, |d| d.node = Some(Arc::new(node("renamed"))));
    store.commit(put([write_device(&renamed), write_device(&two)])).await.unwrap();
    assert_eq!((named("renamed").await.as_deref(), named("meter").await.as_deref()), (Some("n1"), Some("n2")));
    store.commit(put([Write::DeleteDevice(two.id)])).await.unwrap();
    assert_eq!(named("meter").await, None);
    let nameless = next(&renamed, |d| d.node = None);
    store.commit(put([write_device(&nameless)])).await.unwrap();
    assert_eq!(named("renamed").await, None);
}

pub async fn devices_by_the_first_bytes_of_their_id(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let mut first = [0; 11];
    first.copy_from_slice(&de.id.0.as_bytes()[..11]);
    for _ in 0..2 {
        assert_eq!(store.device_by_prefix(first).await.unwrap().map(|d| d.id), Some(de.id));
    }
    for bad in [[0; 11], [0xff; 11]] {
        assert_eq!(store.device_by_prefix(bad).await, Ok(None));
    }
    let mut near = first;
    near[10] = near[10].wrapping_add(1);
    assert_eq!(store.device_by_prefix(near).await, Ok(None));
    store.commit(put([Write::DeleteDevice(de.id)])).await.unwrap();
    assert_eq!(store.device_by_prefix(first).await, Ok(None));
}

pub async fn resources_end_by_themselves(place: Place) {
    let store = place.open();
    let account = account("a").id;
    let mut ends = resource(account, base(account), "ends");
    ends.expires_at = Some(START.plus_s(10));
    let sub = subscription_below(&ends);
    let later = Resource { expires_at: Some(START.plus_s(11)), ..resource(account, base(account), "later") };
    let held = instance(account, ends.id, "i");
    store.commit(put([write_resource(&ends), write_resource(&sub), write_resource(&later), append(&held)])).await.unwrap();
    assert!(store.resource(ends.id).await.unwrap().is_some());
    assert_eq!(store.prune(START.plus_s(9)).await, Ok(false));
    assert_eq!(store.subscriptions_of(ends.id).len(), 1);
    assert_eq!(store.prune(START.plus_s(10)).await, Ok(false));
    assert_eq!(store.resource(ends.id).await, Ok(None));
    assert_eq!(store.resource(sub.id).await, Ok(None));
    assert_eq!(store.subscriptions_of(ends.id), []);
    assert_eq!(store.instance(held.id, START).await, Ok(None));
    assert!(store.resource(later.id).await.unwrap().is_some());
    let kept = Resource { version: 2, expires_at: None, ..later.clone() };
    store.commit(put([write_resource(&kept)])).await.unwrap();
    assert_eq!(store.prune(START.plus_s(99)).await, Ok(false));
    assert_eq!(store.resource(kept.id).await.unwrap().as_deref(), Some(&kept));
}
