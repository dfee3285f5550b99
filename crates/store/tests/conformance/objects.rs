//! Objects of the inventory: records and lists, what is below what, and other names.

use crate::groups::made;
use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The id of no object.
const NOBODY: ObjectId = ObjectId((1 << 61) - 1);

/// An object that is nothing else.
pub fn asset(account: AccountId) -> Object {
    object(account, ObjectOf::Itself, "asset")
}

fn object(account: AccountId, of: ObjectOf, name: &str) -> Object {
    let id = match of {
        ObjectOf::Device(device) => ObjectId::of_device(device),
        ObjectOf::Group(_) | ObjectOf::Itself => ObjectId::stamped(fresh()),
    };
    let name = (!name.is_empty()).then(|| name.to_owned());
    Object {
        id,
        account,
        version: 1,
        of,
        kind: None,
        name,
        owner: None,
        fragments: "{}".into(),
        created_at: START,
        modified_at: START,
    }
}

/// A number that no other has.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn write(object: &Object) -> Write {
    Write::Object(Box::new(object.clone()))
}

fn external(account: AccountId, kind: &str, value: &str) -> ExternalId {
    ExternalId { account, kind: kind.into(), value: value.into() }
}

fn name(name: &ExternalId, object: ObjectId) -> Batch {
    put([Write::ExternalId(Box::new((name.clone(), object)))])
}

async fn itself(store: &SharedStore, account: AccountId, name: &str) -> ObjectId {
    let made = object(account, ObjectOf::Itself, name);
    store.commit(put([write(&made)])).await.unwrap();
    made.id
}

async fn listed(store: &SharedStore, filter: &ObjectFilter) -> Vec<ObjectId> {
    let mut found = vec![];
    let total = store.objects(filter, ALL).await.unwrap().total;
    // By pages of two, so that parts begin within them.
    for no in 0..=total {
        let page = store.objects(filter, PageRequest { no, size: 2 }).await.unwrap();
        assert_eq!(page.total, total);
        let id = |one: &Listed| match (&one.device, &one.object) {
            (Some(device), _) => ObjectId::of_device(device.id),
            (None, object) => object.as_ref().unwrap().id,
        };
        found.extend(page.items.iter().map(id));
    }
    assert_eq!(found.len() as u64, total);
    found
}

pub async fn objects_are_versioned(place: Place) {
    let store = place.open();
    let first = one_device(&store, "n").await;
    let (plain, of_device) =
        (object(first.account, ObjectOf::Itself, "a"), object(first.account, ObjectOf::Device(first.id), ""));
    store.commit(put([write(&plain), write(&of_device)])).await.unwrap();
    assert_eq!(cause(store.commit(put([write(&plain)])).await), Cause::Stale);
    let next = Object { version: 2, name: Some("b".into()), kind: Some("t".into()), ..plain.clone() };
    store.commit(put([write(&next)])).await.unwrap();
    assert_eq!(cause(store.commit(put([write(&Object { version: 4, ..plain.clone() })])).await), Cause::Stale);
    assert_eq!(cause(store.commit(put([write(&object(first.account, ObjectOf::Itself, "a\0"))])).await), Cause::InvalidField);
    // What it is of must be there, and of the account.
    let (group, stranger) = (made(&store, first.account, "g").await, one_device(&store, "m").await);
    for of in [ObjectOf::Group(GroupId(fresh_uuid())), ObjectOf::Device(DeviceId(fresh_uuid())), ObjectOf::Device(stranger.id)] {
        assert_eq!(cause(store.commit(put([write(&object(first.account, of, ""))])).await), Cause::ResourceNotFound);
    }
    let of_group = object(first.account, ObjectOf::Group(group.id), "g");
    store.commit(put([write(&of_group)])).await.unwrap();
    assert_eq!(cause(store.commit(put([write(&object(first.account, ObjectOf::Group(group.id), "g"))])).await), Cause::Stale);
    drop(store);
    let store = place.open();
    assert_eq!(store.object(plain.id).await.unwrap().as_deref(), Some(&next));
    assert_eq!(store.object_of_group(group.id).await.unwrap().as_deref(), Some(&of_group));
    let mut two = vec![Arc::new(next.clone()), Arc::new(of_device.clone())];
    two.sort_by_key(|object| object.id);
    assert_eq!(store.objects_of(&[of_device.id, plain.id, plain.id, ObjectId(1)]).await.unwrap(), two);
    assert_eq!(store.device_of_object(first.account, of_device.id).await.unwrap().as_deref(), Some(&first));
    assert_eq!(store.device_of_object(stranger.account, of_device.id).await.unwrap(), None);
    assert_eq!(store.device_of_object(first.account, plain.id).await.unwrap(), None);
    store
        .commit(put([Write::DeleteObject(plain.id), Write::DeleteGroup(group.id), Write::DeleteDevice(first.id)]))
        .await
        .unwrap();
    for id in [plain.id, of_group.id, of_device.id] {
        assert_eq!(store.object(id).await.unwrap(), None);
    }
    assert_eq!(listed(&store, &ObjectFilter::of(first.account)).await, []);
}

pub async fn objects_by_filter_and_page(place: Place) {
    let store = place.open();
    let first = one_device(&store, "n0").await;
    let account = first.account;
    let bare = next(&device(account, first.app(), "n1"), |device| Arc::make_mut(&mut device.info).name = Some("meter 1".into()));
    let bare = Device { version: 1, ..bare };
    let stranger = one_device(&store, "n2").await;
    store.commit(put([write_device(&bare), write(&object(stranger.account, ObjectOf::Itself, "meter"))])).await.unwrap();
    let of_device = Object {
        kind: Some("agent".into()),
        owner: Some("device_n0".into()),
        fragments: r#"{"c8y_Mobile": {}, "x": 1}"#.into(),
        ..object(account, ObjectOf::Device(first.id), "")
    };
    let asset =
        Object { kind: Some("agent".into()), fragments: r#"{"x": null}"#.into(), ..object(account, ObjectOf::Itself, "meter") };
    store.commit(put([write(&of_device), write(&asset)])).await.unwrap();
    let all = || ObjectFilter::of(account);
    let (d0, d1, a) = (of_device.id, ObjectId::of_device(bare.id), asset.id);
    let by_id = |mut ids: Vec<ObjectId>| {
        ids.sort_unstable();
        ids
    };
    let two = if (first.created_at, first.id) < (bare.created_at, bare.id) { [d0, d1] } else { [d1, d0] };
    let text = |text: &str| Some(text.to_owned());
    for (case, filter, found) in [
        ("all", all(), vec![a, two[0], two[1]]),
        ("devices", ObjectFilter { devices: Some(true), ..all() }, two.to_vec()),
        ("others", ObjectFilter { devices: Some(false), ..all() }, vec![a]),
        ("type", ObjectFilter { kind: text("agent"), ..all() }, by_id(vec![a, d0])),
        ("type of devices", ObjectFilter { kind: text("agent"), devices: Some(true), ..all() }, vec![d0]),
        ("type of others", ObjectFilter { kind: text("agent"), devices: Some(false), ..all() }, vec![a]),
        ("fragment", ObjectFilter { fragments: vec!["x".into()], ..all() }, by_id(vec![a, d0])),
        ("fragments", ObjectFilter { fragments: vec!["x".into(), "c8y_Mobile".into()], ..all() }, vec![d0]),
        ("owner", ObjectFilter { owner: text("device_n0"), ..all() }, vec![d0]),
        ("name", ObjectFilter { name: text("meter 1"), ..all() }, vec![d1]),
        ("prefix", ObjectFilter { prefix: text("meter"), ..all() }, vec![a, d1]),
        ("prefix and type", ObjectFilter { prefix: text("met"), kind: text("agent"), ..all() }, vec![a]),
        ("another prefix", ObjectFilter { prefix: text("meters"), ..all() }, vec![]),
        ("no such text", ObjectFilter { name: text("a\0"), ..all() }, vec![]),
    ] {
        assert_eq!(listed(&store, &filter).await, found, "{case}");
    }
    // A name that only the device's own record has, beside what only the object's has.
    let named = next(&first, |device| Arc::make_mut(&mut device.info).name = Some("meter 0".into()));
    let changed = Object { version: 2, fragments: r#"{"y": 1}"#.into(), ..of_device.clone() };
    store.commit(put([write_device(&named), write(&changed)])).await.unwrap();
    assert_eq!(listed(&store, &ObjectFilter { name: text("meter 0"), kind: text("agent"), ..all() }).await, [d0]);
    assert_eq!(listed(&store, &ObjectFilter { fragments: vec!["x".into()], ..all() }).await, [a]);
    assert_eq!(listed(&store, &ObjectFilter { fragments: vec!["y".into()], ..all() }).await, [d0]);
    // What is below something is no root.
    let roots = ObjectFilter { roots: true, ..all() };
    assert_eq!(listed(&store, &roots).await.len(), 3);
    store.commit(put([Write::Child(a, ChildKind::Asset, d1)])).await.unwrap();
    assert_eq!(listed(&store, &roots).await, [a, d0]);
    assert_eq!(listed(&store, &ObjectFilter { roots: true, kind: text("agent"), ..all() }).await, by_id(vec![a, d0]));
    let group = made(&store, account, "g").await;
    store.commit(put([Write::Join(group.id, vec![first.id])])).await.unwrap();
    assert_eq!(listed(&store, &roots).await, [a]);
}

pub async fn what_is_below_what(place: Place) {
    let store = place.open();
    let gateway = one_device(&store, "g").await;
    let account = gateway.account;
    let behind = Device { gateway: Some(gateway.id), ..device(account, gateway.app(), "behind") };
    let linked = Device { gateway: Some(gateway.id), ..device(account, gateway.app(), "linked") };
    store.commit(put([write_device(&behind), write_device(&linked)])).await.unwrap();
    let object_of = |device: &Device| ObjectId::of_device(device.id);
    let (g, b, l) = (object_of(&gateway), object_of(&behind), object_of(&linked));
    let (x, y) = (itself(&store, account, "x").await, itself(&store, account, "y").await);
    let stranger = itself(&store, one_device(&store, "s").await.account, "s").await;
    let child = |parent, kind, child| store.commit(put([Write::Child(parent, kind, child)]));
    for kind in [ChildKind::Device, ChildKind::Addition] {
        child(g, kind, l).await.unwrap();
    }
    child(g, ChildKind::Addition, x).await.unwrap();
    child(x, ChildKind::Addition, y).await.unwrap();
    child(x, ChildKind::Addition, y).await.unwrap();
    for (parent, below, refused) in [
        (g, stranger, Cause::ResourceNotFound),
        (stranger, g, Cause::ResourceNotFound),
        (g, ObjectId(7), Cause::ResourceNotFound),
        (ObjectId(8), x, Cause::ResourceNotFound),
        (x, x, Cause::ChildNotAllowed),
        (y, g, Cause::ChildNotAllowed),
    ] {
        assert_eq!(cause(child(parent, ChildKind::Asset, below).await), refused);
    }
    let children = async |store: &SharedStore, parent, kind| {
        let total = store.children(parent, kind, ALL).await.unwrap().total;
        let mut found = vec![];
        for no in 0..=total {
            found.extend(store.children(parent, kind, PageRequest { no, size: 1 }).await.unwrap().items);
        }
        assert_eq!(found.len() as u64, total);
        found
    };
    drop(store);
    let store = place.open();
    assert_eq!(children(&store, g, ChildKind::Device).await, [l, b], "one behind without a link comes last");
    assert_eq!(children(&store, x, ChildKind::Addition).await, [y]);
    assert_eq!(children(&store, b, ChildKind::Device).await, []);
    assert_eq!(store.parents(l, 9).await.unwrap(), [(g, ChildKind::Device), (g, ChildKind::Addition)]);
    assert_eq!(store.parents(l, 1).await.unwrap().len(), 1);
    assert_eq!(store.parents(b, 9).await.unwrap(), [(g, ChildKind::Device)]);
    assert_eq!(store.parents(g, 9).await.unwrap(), []);
    for (parent, kind, below, is) in [
        (g, ChildKind::Device, l, true),
        (g, ChildKind::Device, b, true),
        (b, ChildKind::Device, g, false),
        (g, ChildKind::Asset, l, false),
        (x, ChildKind::Addition, y, true),
        (y, ChildKind::Addition, x, false),
    ] {
        assert_eq!(store.is_child(parent, kind, below).await, Ok(is));
    }
    // The devices of a group are among its assets.
    let group = made(&store, account, "group").await;
    let (top, sub) = (object(account, ObjectOf::Group(group.id), "group"), itself(&store, account, "sub").await);
    let writes = [write(&top), Write::Child(top.id, ChildKind::Asset, sub), Write::Join(group.id, vec![gateway.id])];
    store.commit(put(writes)).await.unwrap();
    assert_eq!(children(&store, top.id, ChildKind::Asset).await, [sub, g]);
    assert_eq!(store.parents(g, 9).await.unwrap(), [(top.id, ChildKind::Asset)]);
    assert_eq!(
        (store.is_child(top.id, ChildKind::Asset, g).await, store.is_child(top.id, ChildKind::Asset, b).await),
        (Ok(true), Ok(false))
    );
    store.commit(put([Write::Unchild(g, ChildKind::Device, l), Write::Unchild(g, ChildKind::Asset, l)])).await.unwrap();
    assert_eq!(store.parents(l, 9).await.unwrap(), [(g, ChildKind::Addition), (g, ChildKind::Device)], "it is behind it still");
}

pub async fn an_object_has_few_above_it(place: Place) {
    let store = place.open();
    let account = one_device(&store, "n").await.account;
    let mut last = itself(&store, account, "top").await;
    for depth in 0..200 {
        let below = itself(&store, account, &depth.to_string()).await;
        match store.commit(put([Write::Child(last, ChildKind::Asset, below)])).await {
            Ok(_) => last = below,
            Err(error) => return assert_eq!((error.cause, depth), (Cause::TooMany, 100)),
        }
    }
    panic!("there is no end");
}

pub async fn groups_are_found_by_their_place(place: Place) {
    let store = place.open();
    let (one, two) = (one_device(&store, "n1").await.account, one_device(&store, "n2").await.account);
    let mut ids = vec![];
    for account in [one, one, two] {
        let group = made(&store, account, &format!("core {}", ids.len())).await;
        let of = object(account, ObjectOf::Group(group.id), "g");
        store.commit(put([write(&of)])).await.unwrap();
        ids.push(of.id);
    }
    itself(&store, one, "g").await;
    store.commit(put([Write::Child(ids[0], ChildKind::Asset, ids[1])])).await.unwrap();
    let found = async |account, parent, name| store.group_below(account, parent, name).await.unwrap().map(|object| object.id);
    assert_eq!(found(one, None, "g").await, Some(ids[0]));
    assert_eq!(found(one, Some(ids[0]), "g").await, Some(ids[1]));
    assert_eq!(found(two, None, "g").await, Some(ids[2]));
    assert_eq!(found(two, Some(ids[0]), "g").await, None);
    assert_eq!(
        (found(one, Some(ids[1]), "g").await, found(one, None, "G").await, found(one, None, "g\0").await),
        (None, None, None)
    );
}

pub async fn external_ids_are_unique(place: Place) {
    let store = place.open();
    let (first, stranger) = (one_device(&store, "n1").await, one_device(&store, "n2").await);
    let (a, d) = (itself(&store, first.account, "a").await, ObjectId::of_device(first.id));
    let theirs = ObjectId::of_device(stranger.id);
    let (serial, imei) = (external(first.account, "c8y_Serial", "1"), external(first.account, "c8y_Imei", "1"));
    let same = ExternalId { account: stranger.account, ..serial.clone() };
    for (name, object) in [(name(&serial, d), d), (name(&imei, d), d), (name(&same, theirs), theirs), (name(&serial, d), d)] {
        store.commit(name).await.unwrap_or_else(|error| panic!("{object}: {error}"));
    }
    assert_eq!(cause(store.commit(name(&serial, a)).await), Cause::NameTaken);
    assert_eq!(cause(store.commit(name(&external(first.account, "c8y_Serial", "2"), theirs)).await), Cause::ResourceNotFound);
    assert_eq!(cause(store.commit(name(&external(first.account, "c8y_Serial", "2"), NOBODY)).await), Cause::ResourceNotFound);
    assert_eq!(cause(store.commit(name(&external(first.account, "a\0", "2"), a)).await), Cause::InvalidField);
    drop(store);
    let store = place.open();
    assert_eq!((store.object_named(&serial).await, store.object_named(&same).await), (Ok(Some(d)), Ok(Some(theirs))));
    assert_eq!(store.object_named(&external(first.account, "c8y_Serial", "1\0")).await, Ok(None));
    // The longest one, of letters that do not compress.
    let letters = (0..).map(|n: u32| char::from_u32(0x4e00 + n.wrapping_mul(2_654_435_761) % 20_000).unwrap());
    let longest = external(first.account, "wide", &letters.take((ExternalId::BYTES - 4) / 3).collect::<String>());
    store.commit(name(&longest, a)).await.unwrap();
    assert_eq!(store.object_named(&longest).await, Ok(Some(a)));
    store.commit(put([Write::DeleteExternalId(Box::new(longest))])).await.unwrap();
    assert_eq!(store.external_ids(d).await.unwrap(), [imei.clone(), serial.clone()]);
    store
        .commit(put([Write::DeleteExternalId(Box::new(imei.clone())), Write::DeleteExternalId(Box::new(imei.clone()))]))
        .await
        .unwrap();
    store.commit(name(&imei, a)).await.unwrap();
    for i in 1..ExternalId::MOST {
        store.commit(name(&external(first.account, "n", &i.to_string()), a)).await.unwrap();
    }
    assert_eq!(cause(store.commit(name(&external(first.account, "n", "more"), a)).await), Cause::TooMany);
    store.commit(put([Write::DeleteDevice(first.id), Write::DeleteObject(a)])).await.unwrap();
    assert_eq!((store.object_named(&serial).await, store.object_named(&imei).await), (Ok(None), Ok(None)));
    assert_eq!(store.object_named(&same).await, Ok(Some(theirs)));
}

/// What is written together is refused and kept as one by one.
pub async fn new_objects_are_written_together(place: Place) {
    let store = place.open();
    let (device, stranger) = (one_device(&store, "n1").await, one_device(&store, "n2").await);
    let (a, b) = (device.account, stranger.account);
    let fragments = |r: Object| Object { fragments: r#"{"c8y_IsDevice":{},"f":1}"#.into(), ..r };
    let made: Vec<Object> = (0..130).map(|i| fragments(object(a, ObjectOf::Itself, &i.to_string()))).collect();
    let own = object(a, ObjectOf::Device(device.id), "");
    let label = |i: usize| external(a, "label", &i.to_string());
    let call = |name: ExternalId, object: ObjectId| Write::ExternalId(Box::new((name, object)));
    let names = || made.iter().enumerate().map(|(i, r)| call(label(i), r.id));
    let all = || made.iter().chain([&own]).map(write).chain(names());
    let most = (0..=ExternalId::MOST).map(|i| call(external(a, "n", &i.to_string()), own.id));
    let foreign = object(b, ObjectOf::Device(device.id), "");
    for (more, why) in [
        (vec![write(&foreign)], Cause::ResourceNotFound),
        (vec![write(&made[3])], Cause::Stale),
        (vec![call(label(7), made[8].id)], Cause::NameTaken),
        (vec![call(external(b, "label", "1"), own.id)], Cause::ResourceNotFound),
        (vec![call(external(a, "label", "x"), NOBODY)], Cause::ResourceNotFound),
        (most.collect(), Cause::TooMany),
    ] {
        // Beside those of their kind, before the names.
        let (objects, named): (Vec<_>, Vec<_>) = all().chain(more).partition(|one| matches!(one, Write::Object(_)));
        assert_eq!(cause(store.commit(put(objects.into_iter().chain(named))).await), why);
        assert_eq!((store.object(made[0].id).await, store.object_named(&label(0)).await), (Ok(None), Ok(None)), "{why:?}");
    }
    store
        .commit(put(all().chain([call(label(5), made[5].id), call(external(a, "imei", "1"), ObjectId::of_device(device.id))])))
        .await
        .unwrap();
    let filter = ObjectFilter { fragments: vec!["f".into()], ..ObjectFilter::of(a) };
    assert_eq!(store.objects(&filter, ALL).await.unwrap().total, 130);
    let asked =
        vec![label(129), label(130), external(b, "label", "1"), external(a, "label", "\0"), external(a, "imei", "1"), label(0)];
    let found = [Some(made[129].id), None, None, None, Some(own.id), Some(made[0].id)];
    assert_eq!(store.objects_named(asked).await.unwrap(), found);
    assert_eq!(cause(store.commit(put([call(label(200), own.id), call(label(1), own.id)])).await), Cause::NameTaken);
    assert_eq!(cause(store.commit(put([write(&made[0]), write(&made[1])])).await), Cause::Stale);
    assert_eq!(store.external_ids(own.id).await.unwrap(), [external(a, "imei", "1")]);
}

pub async fn many_links_of_what_is_gone_go_in_slices(place: Place) {
    let store = place.open();
    let top = one_device(&store, "n").await;
    let children: Vec<Object> = (0..6_000).map(|i| object(top.account, ObjectOf::Itself, &i.to_string())).collect();
    let parent = ObjectId::of_device(top.id);
    for some in children.chunks(1_000) {
        let links = some.iter().map(|child| Write::Child(parent, ChildKind::Addition, child.id));
        store.commit(put(some.iter().map(write).chain(links))).await.unwrap();
    }
    assert_eq!(store.children(parent, ChildKind::Addition, ALL).await.unwrap().total, 6_000);
    store.commit(put([Write::DeleteDevice(top.id)])).await.unwrap();
    let mut slices = 1;
    while store.prune(place.now()).await.unwrap() {
        slices += 1;
    }
    assert!(slices > 1, "{slices}");
    for child in children.iter().step_by(500) {
        assert_eq!(store.parents(child.id, 9).await.unwrap(), []);
    }
    assert_eq!(store.objects(&ObjectFilter::of(top.account), PageRequest { no: 0, size: 1 }).await.unwrap().total, 6_000);
}
