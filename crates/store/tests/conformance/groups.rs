//! Groups of devices: named in their account, read from both ends, and gone with what they are of.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;
use std::sync::Arc;

pub async fn made(store: &SharedStore, account: AccountId, name: &str) -> Group {
    let made = group(account, name);
    store.commit(put([Write::Group(Box::new(made.clone()))])).await.unwrap();
    made
}

/// The devices of a group, read two at a time.
pub async fn members(store: &SharedStore, of: &Group) -> Vec<DeviceId> {
    let (mut found, mut after) = (vec![], None);
    loop {
        let next: Vec<DeviceId> = store.members(of.id, after, 2).await.unwrap().iter().map(|device| device.id).collect();
        after = next.last().copied();
        if after.is_none() {
            return found;
        }
        found.extend(next);
    }
}

async fn groups_of(store: &SharedStore, device: DeviceId) -> Vec<GroupId> {
    let (mut found, mut after) = (vec![], None);
    loop {
        let next: Vec<GroupId> = store.groups_of(device, after, 1).await.unwrap().iter().map(|group| group.id).collect();
        after = next.last().copied();
        if after.is_none() {
            return found;
        }
        found.extend(next);
    }
}

pub async fn groups_are_versioned_and_named(place: Place) {
    let store = place.open();
    let (one, two) = (one_device(&store, "n1").await.account, one_device(&store, "n2").await.account);
    let (a, b, theirs) = (made(&store, one, "a").await, made(&store, one, "b").await, made(&store, two, "a").await);
    let taken = |group: Group| store.commit(put([Write::Group(Box::new(group))]));
    assert_eq!(cause(taken(group(one, "a")).await), Cause::NameTaken);
    assert_eq!(cause(taken(Group { version: 2, name: "a".into(), ..b.clone() }).await), Cause::NameTaken);
    assert_eq!(cause(taken(Group { version: 3, ..b.clone() }).await), Cause::Stale);
    assert_eq!(cause(taken(group(one, "a\0")).await), Cause::InvalidField);
    let renamed = Group { version: 2, name: "c".into(), ..b.clone() };
    taken(renamed.clone()).await.unwrap();
    // An application has names of its own.
    let app = AppId(fresh_uuid());
    let owned = Group { owner: Some(app), ..group(one, "a") };
    taken(owned.clone()).await.unwrap();
    assert_eq!(cause(taken(Group { owner: Some(app), ..group(one, "a") }).await), Cause::NameTaken);
    drop(store);
    let store = place.open();
    assert_eq!(store.group(b.id).await.unwrap().as_deref(), Some(&renamed));
    assert_eq!(store.group_named(one, None, "b").await.unwrap(), None);
    assert_eq!(store.group_named(one, None, "a\0").await.unwrap(), None);
    assert_eq!(store.group_named(two, None, "a").await.unwrap().as_deref(), Some(&theirs));
    assert_eq!(store.group_named(one, Some(app), "a").await.unwrap().as_deref(), Some(&owned));
    let page = store.groups(one, None, None, ALL).await.unwrap();
    let named = |page: &Page<Arc<Group>>| page.items.iter().map(|group| group.name.clone()).collect::<Vec<_>>();
    assert_eq!((page.total, named(&page)), (3, vec!["a".to_owned(), "a".into(), "c".into()]));
    assert!(page.items.iter().any(|group| **group == a));
    let page = store.groups(one, Some(app), None, ALL).await.unwrap();
    assert_eq!((page.total, page.items), (1, vec![Arc::new(owned)]));
    assert_eq!(store.groups(two, Some(app), None, ALL).await.unwrap().total, 0);
}

pub async fn members_are_read_from_both_ends(place: Place) {
    let store = place.open();
    let (first, stranger) = (one_device(&store, "n0").await, one_device(&store, "stranger").await);
    let mut devices = vec![first.id];
    for i in 1..5 {
        let more = device(first.account, first.app(), &format!("n{i}"));
        devices.push(more.id);
        store.commit(put([write_device(&more)])).await.unwrap();
    }
    devices.sort();
    let (a, b, theirs) = (
        made(&store, first.account, "a").await,
        made(&store, first.account, "b").await,
        made(&store, stranger.account, "a").await,
    );
    let unknown = DeviceId(fresh_uuid());
    let joining: Vec<DeviceId> = devices.iter().copied().chain([stranger.id, unknown]).collect();
    for _ in 0..2 {
        let batch = put([Write::Join(a.id, joining.clone()), Write::Join(b.id, devices[..2].to_vec())]);
        store.commit(batch).await.unwrap();
    }
    store.commit(put([Write::Join(theirs.id, joining.clone())])).await.unwrap();
    let mut both = vec![a.id, b.id];
    both.sort();
    assert_eq!((members(&store, &a).await, members(&store, &b).await), (devices.clone(), devices[..2].to_vec()));
    assert_eq!(members(&store, &theirs).await, [stranger.id], "nobody joins a group of another account");
    assert_eq!((groups_of(&store, devices[0]).await, groups_of(&store, devices[4]).await), (both, vec![a.id]));
    assert_eq!(groups_of(&store, stranger.id).await, [theirs.id]);
    assert_eq!(store.group_ids_of(devices[0], 9).await.unwrap().len(), 2);
    assert_eq!(store.group_ids_of(devices[0], 1).await.unwrap().len(), 1);
    assert_eq!((store.member_count(a.id).await, store.member_count(theirs.id).await), (Ok(5), Ok(1)));
    assert_eq!((store.is_member(a.id, devices[4]).await, store.is_member(b.id, devices[4]).await), (Ok(true), Ok(false)));
    store.commit(put([Write::Leave(a.id, devices[1..3].to_vec())])).await.unwrap();
    store.commit(put([Write::DeleteDevice(devices[4])])).await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(members(&store, &a).await, [devices[0], devices[3]]);
    assert_eq!((groups_of(&store, devices[1]).await, groups_of(&store, devices[4]).await), (vec![b.id], vec![]));
    assert_eq!((store.member_count(a.id).await, store.is_member(a.id, devices[4]).await), (Ok(2), Ok(false)));
    assert_eq!(store.member_count(GroupId(fresh_uuid())).await, Ok(0));
    let gone = Write::Join(GroupId(fresh_uuid()), devices.clone());
    assert_eq!(cause(store.commit(put([gone])).await), Cause::ResourceNotFound);
    let many = Write::Join(a.id, vec![unknown; Group::SLICE + 1]);
    assert_eq!(cause(store.commit(put([many])).await), Cause::TooMany);
}

pub async fn a_group_is_gone_at_once_and_its_members_leave_in_slices(place: Place) {
    let store = place.open();
    let first = one_device(&store, "n").await;
    let (large, other) = (made(&store, first.account, "large").await, made(&store, first.account, "other").await);
    store.commit(put([Write::Join(other.id, vec![first.id])])).await.unwrap();
    for part in 0..6 {
        let devices: Vec<Device> = (0..1_000).map(|i| device(first.account, first.app(), &format!("n{part}-{i}"))).collect();
        let ids = devices.iter().map(|device| device.id).collect();
        let writes = devices.iter().map(write_device).chain([Write::Join(large.id, ids)]).collect();
        store.commit(Batch { writes, events: vec![] }).await.unwrap();
    }
    let of = store.members(large.id, None, 1).await.unwrap()[0].id;
    store.commit(put([Write::DeleteGroup(large.id)])).await.unwrap();
    assert_eq!(store.group(large.id).await.unwrap(), None);
    assert!(store.members(large.id, None, 9).await.unwrap().is_empty() && groups_of(&store, of).await.is_empty());
    let mut slices = 1;
    while store.prune(place.now()).await.unwrap() {
        slices += 1;
    }
    assert!(slices > 1, "{slices}");
    // Its name is free, and what takes it has nobody.
    let again = made(&store, first.account, "large").await;
    assert!(members(&store, &again).await.is_empty());
    assert_eq!(members(&store, &other).await, [first.id]);
}
