//! Content instances: counting, eviction, names, order, and what they belong to.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;

/// A container in the store.
async fn container(store: &SharedStore) -> Resource {
    let account = account("a").id;
    let made = resource(account, ResourceId::of_account(account, AccountPart::Base), &format!("c{}", fresh_id()));
    store.commit(put([write_resource(&made)])).await.unwrap();
    made
}

fn in_container(container: &Resource, name: &str) -> Instance {
    instance(container.account, container.id, name)
}

fn sized(container: &Resource, name: &str, size: u64) -> Instance {
    Instance { size, ..in_container(container, name) }
}

fn message(device: &Device, which: MessageBox, name: &str) -> Instance {
    let container = ResourceId::of_device(device.id, DevicePart::Box(which));
    Instance { device: Some(device.id), ..instance(device.account, container, name) }
}

async fn listed(store: &SharedStore, container: ResourceId, sort: Sort, now: Time) -> Vec<String> {
    let page = store.instances(container, now, sort, ALL).await.unwrap();
    assert_eq!(page.total, page.items.len() as u64);
    page.items.into_iter().map(|i| i.name).collect()
}

async fn counted(store: &SharedStore, container: ResourceId) -> (u64, u64, u64) {
    let state = store.container_state(container).await.unwrap();
    (state.state, state.instances, state.bytes)
}

pub async fn instances_come_back(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let c = container(&store).await;
    assert_eq!(store.container_state(c.id).await, Ok(ContainerState::default()));
    let mut named = in_container(&c, "ä");
    named.expires_at = Some(START.plus_s(5));
    named.created_at = START.plus_s(1);
    let mut bare = in_container(&c, "");
    bare.name = bare.id.to_string();
    (bare.format, bare.creator, bare.labels, bare.content) = (None, None, vec![], "null".into());
    let mut log = instance(de.account, ResourceId::of_account(de.account, AccountPart::Logs), "log");
    log.size = 0;
    let told = message(&de, MessageBox::Received, "told");
    let committed = store.commit(put([append(&named), append(&bare), append(&log), append(&told)])).await.unwrap();
    assert_eq!(committed, landfall_core::Committed { seq: Seq(0), states: vec![1, 2, 1, 1] });
    for (mut i, state) in [(named.clone(), 1), (bare.clone(), 2), (log.clone(), 1), (told.clone(), 1)] {
        i.state = state;
        assert_eq!(store.instance(i.id, START).await, Ok(Some(i.clone())));
        assert_eq!(store.instance_named(i.container, &i.name, START).await, Ok(Some(i.clone())));
        assert_eq!(store.instance_named(fresh_id(), &i.name, START).await, Ok(None));
    }
    let state = store.container_state(c.id).await.unwrap();
    assert_eq!(state, ContainerState { state: 2, instances: 2, bytes: 20, modified_at: Some(START) });
    for name in ["other", "a\0b", "000000000000000000000000"] {
        assert_eq!(store.instance_named(c.id, name, START).await, Ok(None), "{name}");
    }
    assert_eq!(store.instance(fresh_id(), START).await, Ok(None));
    store.shutdown().await;
    let store = place.open();
    assert_eq!(store.instance(named.id, START).await, Ok(Some(Instance { state: 1, ..named })));
    assert_eq!(counted(&store, c.id).await, (2, 2, 20));
    let odd = in_container(&c, "a\0b");
    assert_eq!(cause(store.commit(put([append(&odd)])).await), Cause::InvalidField);
}

pub async fn states_count_without_holes(place: Place) {
    let store = place.open();
    let c = container(&store).await;
    let mut tasks = Vec::new();
    for i in 0..60 {
        let good = in_container(&c, &format!("i{i}"));
        // Every third batch is refused after its append was done.
        let bad = resource(c.account, fresh_id(), "stray");
        let writes = if i % 3 == 0 { vec![append(&good), write_resource(&bad)] } else { vec![append(&good)] };
        let store = store.clone();
        tasks.push((i, tokio::spawn(async move { store.commit(Batch { writes, events: vec![] }).await })));
    }
    let mut states = Vec::new();
    for (i, task) in tasks {
        match task.await.unwrap() {
            Ok(committed) => states.extend(committed.states),
            Err(error) => assert_eq!((error.cause, i % 3), (Cause::ResourceNotFound, 0)),
        }
    }
    states.sort_unstable();
    assert_eq!(states, (1..=40).collect::<Vec<_>>());
    assert_eq!(counted(&store, c.id).await, (40, 40, 400));
    let page = store.instances(c.id, START, Sort::Ascending, ALL).await.unwrap();
    assert_eq!(page.items.iter().map(|i| i.state).collect::<Vec<_>>(), states);
}

pub async fn the_oldest_make_room(place: Place) {
    let store = place.open();
    let c = container(&store).await;
    // Limits, size of the one that is appended, and the sizes that are left, oldest first.
    let cases: [(u64, u64, u64, &[u64]); 9] = [
        (3, 100, 10, &[10]),
        (3, 100, 20, &[10, 20]),
        (3, 100, 30, &[10, 20, 30]),
        (3, 100, 40, &[20, 30, 40]),
        (9, 100, 10, &[20, 30, 40, 10]),
        (9, 100, 60, &[10, 60]),
        (9, 100, 100, &[100]),
        (1, 100, 0, &[0]),
        // One that is larger than allowed is the only one.
        (9, 100, 101, &[101]),
    ];
    for (i, (max_instances, max_bytes, size, left)) in cases.into_iter().enumerate() {
        let new = sized(&c, &format!("i{i}"), size);
        let committed = store.commit(put([append_to(&new, max_instances, max_bytes)])).await.unwrap();
        assert_eq!(committed.states, [i as u64 + 1]);
        let page = store.instances(c.id, START, Sort::Ascending, ALL).await.unwrap();
        assert_eq!(page.items.iter().map(|i| i.size).collect::<Vec<_>>(), left, "case {i}");
        assert_eq!(counted(&store, c.id).await, (i as u64 + 1, left.len() as u64, left.iter().sum()), "case {i}");
        assert_eq!(store.instance(new.id, START).await.unwrap().map(|i| i.size), Some(size));
    }
    // The name of one that made room is free.
    store.commit(put([append(&sized(&c, "i0", 1))])).await.unwrap();
    // Several in one batch, and far smaller limits than before.
    let many: Vec<Instance> = (0..50).map(|i| sized(&c, &format!("m{i}"), 1)).collect();
    let committed = store.commit(Batch { writes: many.iter().map(append).collect(), events: vec![] }).await.unwrap();
    assert_eq!(committed.states, (11..=60).collect::<Vec<_>>());
    store.commit(put([append_to(&sized(&c, "last", 1), 2, 100)])).await.unwrap();
    assert_eq!(listed(&store, c.id, Sort::Ascending, START).await, ["m49", "last"]);
    assert_eq!(counted(&store, c.id).await, (61, 2, 2));
}

fn change(container: &Resource, max_instances: u64, max_bytes: u64, at: Time) -> Write {
    let (account, device, container) = (container.account, container.device, container.id);
    Write::ContainerChange(ContainerChange { container, account, device, max_instances, max_bytes, at })
}

pub async fn a_change_counts_and_makes_room(place: Place) {
    let store = place.open();
    let (c, unused) = (container(&store).await, container(&store).await);
    for i in 0..70 {
        store.commit(put([append(&sized(&c, &format!("i{i}"), 10))])).await.unwrap();
    }
    // Limits, and what is held then; the state counts on.
    let cases = [(100, 1_000, 70, 700), (2, 1_000, 2, 20), (2, 19, 1, 10), (0, 1_000, 0, 0)];
    for (n, (instances, bytes, held, size)) in cases.into_iter().enumerate() {
        let at = START.plus_s(n as i64);
        let committed = store.commit(put([change(&c, instances, bytes, at)])).await.unwrap();
        assert_eq!(committed.states, [71 + n as u64]);
        let expected = ContainerState { state: 71 + n as u64, instances: held, bytes: size, modified_at: Some(at) };
        assert_eq!(store.container_state(c.id).await, Ok(expected), "{instances} {bytes}");
        assert_eq!(listed(&store, c.id, Sort::Ascending, START).await.len() as u64, held);
    }
    assert_eq!(store.end_instance(c.id, START, Sort::Descending).await, Ok(None));
    // A container for none counts what comes, and lets it go at once.
    let committed = store.commit(put([append_to(&sized(&c, "none", 1), 0, 100)])).await.unwrap();
    assert_eq!((committed.states, counted(&store, c.id).await), (vec![75], (75, 0, 0)));
    store.commit(put([append(&sized(&c, "i0", 1)), append(&sized(&c, "i1", 1))])).await.unwrap();
    assert_eq!(listed(&store, c.id, Sort::Ascending, START).await, ["i0", "i1"], "names of those that went are free");
    let page = store.instances(c.id, START, Sort::Ascending, PageRequest { no: 1, size: 1 }).await.unwrap();
    assert_eq!((page.total, page.items[0].state), (2, 77), "states with holes are paged");
    store.commit(put([change(&unused, 5, 5, START)])).await.unwrap();
    assert_eq!(counted(&store, unused.id).await, (1, 0, 0));
    store.commit(put([append(&sized(&unused, "first", 1))])).await.unwrap();
    assert_eq!(counted(&store, unused.id).await, (2, 1, 1));
}

fn notice(account: AccountId, changed: Changed, held: Option<ContainerState>) -> Event {
    let address = SubscriptionId::of_resource(fresh_id(), 0);
    let notice = Notice {
        address,
        reference: "/a/s".into(),
        kind: 3,
        content: 1,
        changed,
        modified: vec![],
        batch: None,
        held,
        through: None,
    };
    Event { account, principals: None, device: None, at: START, body: EventBody::Notice(Box::new(notice)) }
}

pub async fn notices_say_what_their_batch_made(place: Place) {
    let store = place.open();
    let c = container(&store).await;
    store.commit(put([append(&sized(&c, "old", 7))])).await.unwrap();
    let (first, second) = (sized(&c, "a", 10), sized(&c, "b", 20));
    let about = |instance: &Instance| notice(c.account, Changed::Instance(Box::new(instance.clone())), None);
    let resource = |held| notice(c.account, Changed::Resource(Box::new(c.clone())), held);
    let before = ContainerState { state: 1, instances: 1, bytes: 7, modified_at: None };
    let other = notice(c.account, Changed::Id(c.id), None);
    let late = Instance { state: 1, ..in_container(&c, "gone") };
    let events = vec![about(&first), about(&second), resource(Some(before)), resource(None), other.clone(), about(&late)];
    let writes = vec![append(&first), append(&second), change(&c, 2, 100, START)];
    store.commit(Batch { writes, events }).await.unwrap();
    let after = ContainerState { state: 4, instances: 2, bytes: 30, modified_at: Some(START) };
    let stated = |instance: &Instance, state| about(&Instance { state, ..instance.clone() });
    let expected = [stated(&first, 2), stated(&second, 3), resource(Some(after)), resource(None), other, about(&late)];
    let plain = |event: &Event| match &event.body {
        EventBody::Notice(notice) => (notice.changed.clone(), notice.held),
        other => panic!("{other:?}"),
    };
    let expected: Vec<_> = expected.iter().map(plain).collect();
    let told = async |store: &SharedStore| {
        let told = store.events_after(Seq(0), 10).await.unwrap();
        told.iter().map(|stored| plain(&stored.event)).collect::<Vec<_>>()
    };
    assert_eq!(told(&store).await, expected);
    store.shutdown().await;
    assert_eq!(told(&place.open()).await, expected, "also after a restart");
}

pub async fn instances_go_with_their_last_retrieval(place: Place) {
    let store = place.open();
    let c = container(&store).await;
    let plain = in_container(&c, "plain");
    let mut counted = in_container(&c, "counted");
    counted.other.insert("dcnt".into(), 2.into());
    store.commit(put([append(&plain), append(&counted)])).await.unwrap();
    let retrieved = async |id| store.commit(put([Write::CountRetrieval(id)])).await.map(|_| ()).unwrap();
    retrieved(plain.id).await;
    retrieved(counted.id).await;
    let mut left = Instance { state: 2, ..counted.clone() };
    left.other.insert("dcnt".into(), 1.into());
    assert_eq!(store.instance(counted.id, START).await, Ok(Some(left)));
    retrieved(counted.id).await;
    retrieved(counted.id).await;
    assert_eq!(listed(&store, c.id, Sort::Ascending, START).await, ["plain"]);
    assert_eq!(self::counted(&store, c.id).await, (2, 1, 10));
}

pub async fn names_are_unique_in_a_container(place: Place) {
    let store = place.open();
    let (c, d) = (container(&store).await, container(&store).await);
    let mut generated = in_container(&c, "");
    generated.name = generated.id.to_string();
    store.commit(put([append(&in_container(&c, "x")), append(&in_container(&d, "x")), append(&generated)])).await.unwrap();
    for name in ["x", &generated.name] {
        assert_eq!(cause(store.commit(put([append(&in_container(&c, name))])).await), Cause::ResourceExists, "{name}");
        assert_eq!(counted(&store, c.id).await, (2, 2, 20));
    }
    // The same id is none of another one.
    let same = Instance { name: "y".into(), ..generated.clone() };
    assert_eq!(cause(store.commit(put([append(&same)])).await), Cause::ResourceExists);
    assert_eq!(cause(store.commit(put([append(&generated)])).await), Cause::ResourceExists);
    // Elsewhere, or in other letters, it is another name.
    store.commit(put([append(&in_container(&d, &generated.name))])).await.unwrap();
    let upper = "ABCDEFABCDEFABCDEFABCDEF";
    store.commit(put([append(&in_container(&c, upper)), append(&in_container(&c, &upper.to_lowercase()))])).await.unwrap();
    let found = store.instance_named(d.id, &generated.name, START).await.unwrap().unwrap();
    assert_eq!((found.container, found.state), (d.id, 2));
    assert_eq!(store.instance_named(c.id, &generated.name, START).await.unwrap().unwrap().id, generated.id);
    assert_eq!(store.instance_named(c.id, upper, START).await.unwrap().unwrap().state, 3);
}

pub async fn a_refused_append_counts_nothing(place: Place) {
    let store = place.open();
    let c = container(&store).await;
    store.commit(put([append_to(&in_container(&c, "a"), 2, 100), append_to(&in_container(&c, "b"), 2, 100)])).await.unwrap();
    let before = store.container_state(c.id).await.unwrap();
    // Refused first, refused last, and with one before that would have evicted.
    let taken = || append_to(&in_container(&c, "b"), 2, 100);
    let later = |name| Instance { created_at: START.plus_s(1), ..in_container(&c, name) };
    for writes in [vec![taken()], vec![taken(), append(&later("c"))], vec![append_to(&later("c"), 2, 100), taken()]] {
        assert_eq!(cause(store.commit(Batch { writes, events: vec![] }).await), Cause::ResourceExists);
        assert_eq!(store.container_state(c.id).await, Ok(before));
        assert_eq!(listed(&store, c.id, Sort::Ascending, START).await, ["a", "b"]);
    }
    assert_eq!(store.commit(put([append(&later("c"))])).await.unwrap().states, [3]);
}

pub async fn containers_must_be_there(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let c = container(&store).await;
    let stranger = device(de.account, de.app(), "stranger");
    let nobody = Instance { device: None, ..message(&de, MessageBox::Sent, "x") };
    let other = Instance { device: Some(stranger.id), ..message(&de, MessageBox::Sent, "x") };
    let absent = [
        message(&stranger, MessageBox::Received, "x"),
        nobody,
        other,
        instance(de.account, fresh_id(), "x"),
        instance(de.account, c.id.outcome(), "x"),
        instance(de.account, ResourceId([0xff; 12]), "x"),
    ];
    for (i, bad) in absent.iter().enumerate() {
        assert_eq!(cause(store.commit(put([append(bad)])).await), Cause::ResourceNotFound, "case {i}");
        assert_eq!(store.container_state(bad.container).await, Ok(ContainerState::default()), "case {i}");
    }
    // What is below a device goes with it.
    let node = ResourceId::of_device(de.id, DevicePart::Node);
    let below = Resource { device: Some(de.id), ..resource(de.account, node, "below") };
    let held: Vec<Instance> = MessageBox::ALL.map(|which| message(&de, which, "m")).into();
    let inside = Instance { device: Some(de.id), ..instance(de.account, below.id, "i") };
    let kept = in_container(&c, "kept");
    let mut writes = vec![write_resource(&below), append(&inside), append(&kept)];
    writes.extend(held.iter().map(append));
    store.commit(Batch { writes, events: vec![] }).await.unwrap();
    store.commit(put([Write::DeleteDevice(de.id)])).await.unwrap();
    for gone in held.iter().chain([&inside]) {
        assert_eq!(store.instance(gone.id, START).await, Ok(None));
        assert_eq!(store.container_state(gone.container).await, Ok(ContainerState::default()));
        assert_eq!(cause(store.commit(put([append(gone)])).await), Cause::ResourceNotFound);
    }
    assert_eq!(store.resource(below.id).await, Ok(None));
    assert!(store.instance(kept.id, START).await.unwrap().is_some());
    assert_eq!(store.work_stamp(de.id), None);
}

pub async fn instances_by_pages(place: Place) {
    let store = place.open();
    let c = container(&store).await;
    for i in 0..7 {
        let mut new = in_container(&c, &format!("i{i}"));
        if i == 2 {
            new.expires_at = Some(START.plus_s(10));
        }
        store.commit(put([append(&new)])).await.unwrap();
    }
    let cases = [
        (START, Sort::Descending, PageRequest { no: 0, size: 1 }, 7, "i6"),
        (START, Sort::Ascending, PageRequest { no: 0, size: 1 }, 7, "i0"),
        (START, Sort::Ascending, PageRequest { no: 1, size: 3 }, 7, "i3 i4 i5"),
        (START, Sort::Descending, PageRequest { no: 2, size: 3 }, 7, "i0"),
        (START, Sort::Descending, PageRequest { no: 3, size: 3 }, 7, ""),
        (START.plus_s(10), Sort::Ascending, PageRequest { no: 0, size: 4 }, 6, "i0 i1 i3 i4"),
        (START.plus_s(10), Sort::Descending, PageRequest { no: 1, size: 4 }, 6, "i1 i0"),
    ];
    for (now, sort, page, total, expected) in cases {
        let found = store.instances(c.id, now, sort, page).await.unwrap();
        let names: Vec<&str> = found.items.iter().map(|i| i.name.as_str()).collect();
        assert_eq!((found.total, names.join(" ")), (total, expected.to_owned()), "{sort:?} {page:?}");
    }
    let none = store.instances(fresh_id(), START, Sort::Ascending, ALL).await.unwrap();
    assert_eq!((none.total, none.items), (0, vec![]));
}

pub async fn instances_end_by_themselves(place: Place) {
    let store = place.open();
    let c = container(&store).await;
    let ends = |name: &str, s| Instance { expires_at: Some(START.plus_s(s)), ..in_container(&c, name) };
    let (first, second) = (ends("first", 10), ends("second", 20));
    store.commit(put([append(&first), append(&in_container(&c, "kept")), append(&second)])).await.unwrap();
    for (now, there) in [(9, true), (10, false)] {
        assert_eq!(store.instance(first.id, START.plus_s(now)).await.unwrap().is_some(), there);
        assert_eq!(store.instance_named(c.id, "first", START.plus_s(now)).await.unwrap().is_some(), there);
    }
    // Its name is free once it is over, whether or not it was deleted.
    let again = ends("first", 30);
    assert_eq!(cause(store.commit(put([append(&again)])).await), Cause::ResourceExists);
    place.set(START.plus_s(10));
    assert_eq!(store.commit(put([append(&again)])).await.unwrap().states, [4]);
    assert_eq!(counted(&store, c.id).await, (4, 3, 30));
    assert_eq!(listed(&store, c.id, Sort::Ascending, START.plus_s(20)).await, ["kept", "first"]);
    assert_eq!(store.prune(START.plus_s(20)).await, Ok(false));
    assert_eq!(counted(&store, c.id).await, (4, 2, 20));
    assert_eq!(store.prune(START.plus_s(99)).await, Ok(false));
    assert_eq!(listed(&store, c.id, Sort::Ascending, START).await, ["kept"]);
    assert_eq!(counted(&store, c.id).await, (4, 1, 10));
    // More than one slice.
    let many: Vec<Write> = (0..1_500).map(|i| append(&ends(&format!("m{i}"), 40))).collect();
    store.commit(Batch { writes: many, events: vec![] }).await.unwrap();
    assert_eq!(store.prune(START.plus_s(40)).await, Ok(true));
    assert_eq!(store.prune(START.plus_s(40)).await, Ok(false));
    assert_eq!(counted(&store, c.id).await, (1_504, 1, 10));
}

pub async fn deleted_instances_count_no_more(place: Place) {
    let store = place.open();
    let c = container(&store).await;
    let all: Vec<Instance> = (0..3).map(|i| sized(&c, &format!("i{i}"), 10 + i)).collect();
    store.commit(Batch { writes: all.iter().map(append).collect(), events: vec![] }).await.unwrap();
    for _ in 0..2 {
        store.commit(put([Write::DeleteInstance(all[1].id), Write::DeleteInstance(fresh_id())])).await.unwrap();
        assert_eq!(counted(&store, c.id).await, (3, 2, 22));
    }
    assert_eq!(store.instance(all[1].id, START).await, Ok(None));
    assert_eq!(listed(&store, c.id, Sort::Descending, START).await, ["i2", "i0"]);
    // The last one does not reset the count.
    store.commit(put([Write::DeleteInstance(all[2].id), Write::DeleteInstance(all[0].id)])).await.unwrap();
    assert_eq!(counted(&store, c.id).await, (3, 0, 0));
    assert_eq!(store.commit(put([append(&all[2])])).await.unwrap().states, [4]);
}

pub async fn outgoing_messages_are_work(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let stamp = |store: &SharedStore| store.work_stamp(de.id);
    let first = message(&de, MessageBox::Outgoing, "first");
    store
        .commit(put([append(&message(&de, MessageBox::Sent, "s")), append(&message(&de, MessageBox::Received, "r"))]))
        .await
        .unwrap();
    assert_eq!(stamp(&store), None);
    store.commit(put([append(&first)])).await.unwrap();
    let one = stamp(&store).unwrap();
    assert_eq!(cause(store.commit(put([append(&first)])).await), Cause::ResourceExists);
    assert_eq!(stamp(&store), Some(one));
    let second = message(&de, MessageBox::Outgoing, "second");
    store.commit(put([append(&second)])).await.unwrap();
    let two = stamp(&store).unwrap();
    assert_ne!(one, two);
    store.no_work(de.id, one);
    assert_eq!(stamp(&store), Some(two));
    store.no_work(de.id, two);
    assert_eq!(stamp(&store), None);
    store.commit(put([Write::DeleteInstance(first.id)])).await.unwrap();
    assert!(stamp(&store).is_some());
    store.shutdown().await;
    let store = place.open();
    assert!(stamp(&store).is_some());
    store.commit(put([Write::DeleteInstance(second.id)])).await.unwrap();
    store.shutdown().await;
    let store = place.open();
    assert_eq!(stamp(&store), None);
}
