//! Big deletions: nobody sees what was deleted, although its rows go later, slice by slice, also after a crash.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;

/// Rows of one slice.
const SLICE: usize = 1_000;

async fn fill(store: &SharedStore, container: &Resource, instances: std::ops::Range<usize>) {
    for first in instances.clone().step_by(500) {
        let names = first..instances.end.min(first + 500);
        let writes = names.map(|i| append(&instance(container.account, container.id, &format!("i{i}"))));
        store.commit(Batch { writes: writes.collect(), events: vec![] }).await.unwrap();
    }
}

async fn container(store: &SharedStore, account: AccountId, name: &str) -> Resource {
    let made = resource(account, ResourceId::of_account(account, AccountPart::Base), name);
    store.commit(put([write_resource(&made)])).await.unwrap();
    made
}

/// How many times retention works until nothing is left.
async fn slices(store: &SharedStore) -> usize {
    let mut rounds = 1;
    while store.prune(START).await.unwrap() {
        rounds += 1;
    }
    rounds
}

pub async fn a_container_is_gone_at_once_and_its_rows_go_in_slices(place: Place) {
    let store = place.open();
    let (one, two) = (account("a").id, account("b").id);
    let (gone, kept) = (container(&store, one, "gone").await, container(&store, two, "kept").await);
    fill(&store, &gone, 0..3 * SLICE + 5).await;
    fill(&store, &kept, 0..5).await;
    let inside = store.end_instance(gone.id, START, Sort::Ascending).await.unwrap().unwrap();
    store.commit(put([Write::DeleteResource(gone.id)])).await.unwrap();
    let store = check_gone(&place, store, &gone, &inside).await;
    assert_eq!(slices(&store).await, 4);
    let store = check_gone(&place, store, &gone, &inside).await;
    assert_eq!(slices(&store).await, 1);
    assert_eq!(store.instances(kept.id, START, Sort::Ascending, ALL).await.unwrap().items.len(), 5);
}

async fn check_gone(place: &Place, store: SharedStore, gone: &Resource, inside: &Instance) -> SharedStore {
    assert_eq!(store.instance(inside.id, START).await, Ok(None));
    assert_eq!(store.instance_named(gone.id, &inside.name, START).await, Ok(None));
    assert_eq!(store.end_instance(gone.id, START, Sort::Descending).await, Ok(None));
    assert_eq!(store.instances_after(gone.id, START, 0, 10).await, Ok(vec![]));
    assert_eq!(store.instances(gone.id, START, Sort::Ascending, ALL).await.unwrap().total, 0);
    store.abort().await;
    drop(store);
    place.open()
}

pub async fn a_lowered_limit_evicts_at_once_and_deletes_later(place: Place) {
    let store = place.open();
    let c = container(&store, account("a").id, "c").await;
    fill(&store, &c, 0..2 * SLICE + 500).await;
    let total = 2 * SLICE as u64 + 500;
    store.commit(put([append_to(&instance(c.account, c.id, "last"), 100, u64::MAX)])).await.unwrap();
    let state = store.container_state(c.id).await.unwrap();
    assert_eq!((state.state, state.instances, state.bytes), (total + 1, 100, 1_000));
    for again in [false, true] {
        let page = store.instances(c.id, START, Sort::Ascending, ALL).await.unwrap();
        assert_eq!((page.total, page.items.len()), (100, 100));
        let oldest = store.end_instance(c.id, START, Sort::Ascending).await.unwrap().unwrap();
        assert_eq!((oldest.state, page.items[0].state), (total - 98, total - 98));
        assert_eq!(store.instance_named(c.id, "i2000", START).await, Ok(None), "it is not in it any more");
        assert_eq!(store.instances_after(c.id, START, 0, 1).await.unwrap()[0].state, total - 98);
        assert_eq!(slices(&store).await, if again { 1 } else { 3 });
    }
    // A name that went is free, also before its row is gone.
    store.commit(put([append_to(&instance(c.account, c.id, "i0"), 1_000, u64::MAX)])).await.unwrap();
    fill(&store, &c, 5_000..6_000).await;
    store.commit(put([append_to(&instance(c.account, c.id, "low"), 10, u64::MAX)])).await.unwrap();
    store.commit(put([append_to(&instance(c.account, c.id, "i5500"), 10, u64::MAX)])).await.unwrap();
    assert_eq!(store.container_state(c.id).await.unwrap().instances, 10);
    assert_eq!(store.instance_named(c.id, "i5500", START).await.unwrap().unwrap().state, total + 1_004);
    slices(&store).await;
    assert_eq!(store.instances(c.id, START, Sort::Ascending, ALL).await.unwrap().items.len(), 10);
}

pub async fn a_device_with_much_history_is_gone_at_once(place: Place) {
    let store = place.open();
    let (gone, kept) = (one_device(&store, "gone").await, one_device(&store, "kept").await);
    for de in [&gone, &kept] {
        for first in (1..=SLICE as u64 + 200).step_by(300) {
            let over = |i| Command { state: CommandState::Successful, ..command(de, i, START.plus_s(i as i64)) };
            let writes = (first..first + 300).map(|i| Write::Command(Box::new(over(i))));
            store.commit(Batch { writes: writes.collect(), events: vec![] }).await.unwrap();
        }
        let set = |i| setting(de, "s", r#"{"a":1}"#, START.plus_s(i));
        store.commit(put([Write::Setting(Box::new(set(1))), Write::Setting(Box::new(set(2)))])).await.unwrap();
        store.commit(tell(vec![reported(de, START, "s", "1", START)])).await.unwrap();
    }
    store.flush().await.unwrap();
    let command = store.commands(&commands_of(&gone), ALL).await.unwrap().items.remove(0);
    store.commit(put([Write::DeleteDevice(gone.id)])).await.unwrap();
    for expected in [2, 1] {
        let seen = async |de: &Device| {
            let history = HistoryQuery { of: HistoryOf::Device(de.id), after: None, before: None, now: START };
            let settings =
                SettingFilter { of: HistoryOf::Device(de.id), service_id: None, property: None, after: None, before: None };
            [
                store.commands(&commands_of(de), ALL).await.unwrap().total,
                store.settings(&settings, ALL).await.unwrap().total,
                store.history(&history, ALL).await.unwrap().total,
            ]
        };
        assert_eq!(seen(&gone).await, [0, 0, 0]);
        assert_eq!(seen(&kept).await, [1_200, 2, 1]);
        assert_eq!(store.command(command.id).await, Ok(None));
        assert_eq!(slices(&store).await, expected);
    }
}

/// Those of the whole account, which has one device.
fn commands_of(device: &Device) -> CommandFilter {
    CommandFilter { account: device.account, app: None, device: None, after: None, before: None }
}

pub async fn a_subtree_goes_in_slices(place: Place) {
    let store = place.open();
    let (one, two) = (account("a").id, account("b").id);
    let (top, kept) = (container(&store, one, "top").await, container(&store, two, "kept").await);
    let below = |above: &Resource, n: usize| resource(above.account, above.id, &format!("r{n}"));
    let mut last = kept.clone();
    for above in [&top, &kept] {
        let children: Vec<Resource> = (0..300).map(|n| below(above, n)).collect();
        store.commit(Batch { writes: children.iter().map(write_resource).collect(), events: vec![] }).await.unwrap();
        let deep: Vec<Resource> = children.iter().map(|child| below(child, 0)).collect();
        store.commit(Batch { writes: deep.iter().map(write_resource).collect(), events: vec![] }).await.unwrap();
        last = if above.id == top.id { deep[299].clone() } else { last };
    }
    store.commit(put([append(&instance(one, last.id, "i"))])).await.unwrap();
    store.commit(put([Write::DeleteResource(top.id)])).await.unwrap();
    assert_eq!(store.resource(top.id).await, Ok(None));
    assert_eq!(
        store.resources_below(top.id, 1_000).await.unwrap().len(),
        200,
        "100 children with one each; 100 others lost theirs"
    );
    let kept_rows = async || store.resources_below(kept.id, 1_000).await.unwrap().len();
    assert_eq!(kept_rows().await, 600);
    assert!(slices(&store).await >= 2);
    assert_eq!(store.resource(last.id).await, Ok(None));
    assert_eq!(store.container_state(last.id).await, Ok(ContainerState::default()));
    assert_eq!(kept_rows().await, 600);
    assert_eq!(slices(&store).await, 1);
}
