//! How many devices a group may have and has, and in which order they are read.

use crate::{
    groups::{made, members},
    place::*,
};
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;

/// Devices of one account and application.
async fn devices(store: &SharedStore, of: &Device, n: usize) -> Vec<DeviceId> {
    let made: Vec<Device> = (0..n).map(|i| device(of.account, of.app(), &format!("{}-{i}", of.node_id))).collect();
    for some in made.chunks(1_000) {
        store.commit(put(some.iter().map(write_device))).await.unwrap();
    }
    let mut ids: Vec<DeviceId> = made.iter().map(|device| device.id).collect();
    ids.sort();
    ids
}

async fn bounded(store: &SharedStore, account: AccountId, max_members: u32) -> Group {
    let bounded = Group { max_members, ..group(account, "bounded") };
    store.commit(put([Write::Group(Box::new(bounded.clone()))])).await.unwrap();
    bounded
}

/// The counter of a group; it must say what a walk finds.
async fn counted(store: &SharedStore, group: &Group) -> u64 {
    let counted = store.member_count(group.id).await.unwrap();
    assert_eq!(counted, members(store, group).await.len() as u64);
    assert_eq!(store.member_counts(group.account, &[group.id]).await.unwrap(), [counted]);
    counted
}

pub async fn a_group_has_no_more_devices_than_it_may(place: Place) {
    let store = place.open();
    let (first, stranger) = (one_device(&store, "n").await, one_device(&store, "stranger").await);
    let ids = devices(&store, &first, 6).await;
    let group = bounded(&store, first.account, 4).await;
    let other = made(&store, first.account, "other").await;
    let join = |some: &[DeviceId]| Write::Join(group.id, some.to_vec());
    store.commit(put([join(&ids[..3])])).await.unwrap();
    // Who is named twice, is in it already, is gone or of another account takes no place.
    let unknown = DeviceId(fresh_uuid());
    store.commit(put([join(&[ids[0], ids[3], ids[3], ids[1], stranger.id, unknown])])).await.unwrap();
    assert_eq!(counted(&store, &group).await, 4);
    store.commit(put([join(&ids[..4])])).await.unwrap();
    // One too many: none of the batch is done, what stood before it neither.
    let batch = put([Write::Join(other.id, ids.clone()), Write::Leave(group.id, vec![ids[0]]), join(&ids[4..])]);
    assert_eq!(cause(store.commit(batch).await), Cause::GroupFull);
    assert_eq!((counted(&store, &group).await, counted(&store, &other).await), (4, 0));
    store.commit(put([Write::Leave(group.id, vec![ids[0]]), join(&ids[4..5])])).await.unwrap();
    assert_eq!(members(&store, &group).await, ids[1..5]);
    // A bound below what there is, and none at all.
    let smaller = Group { version: 2, max_members: 3, ..group.clone() };
    assert_eq!(cause(store.commit(put([Write::Group(Box::new(smaller))])).await), Cause::GroupFull);
    assert_eq!(store.group(group.id).await.unwrap().as_deref(), Some(&group));
    let same = Group { version: 2, name: "same".into(), ..group.clone() };
    store.commit(put([Write::Group(Box::new(same.clone()))])).await.unwrap();
    assert_eq!(cause(store.commit(put([join(&ids)])).await), Cause::GroupFull);
    let boundless = Group { version: 3, max_members: 0, ..same };
    store.commit(put([Write::Group(Box::new(boundless.clone())), join(&ids)])).await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!((counted(&store, &group).await, store.group(group.id).await.unwrap().as_deref()), (6, Some(&boundless)));
}

pub async fn two_that_fill_a_group_cannot_both(place: Place) {
    let store = place.open();
    let first = one_device(&store, "n").await;
    let ids = devices(&store, &first, 60).await;
    let group = bounded(&store, first.account, 25).await;
    let joins = ids.chunks(10).map(|some| store.commit(put([Write::Join(group.id, some.to_vec())])));
    let outcomes = futures_util::future::join_all(joins).await;
    let (taken, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(taken.len(), 2);
    assert!(refused.into_iter().all(|one| cause(one) == Cause::GroupFull));
    assert_eq!(counted(&store, &group).await, 20);
}

pub async fn members_are_counted(place: Place) {
    let store = place.open();
    let (first, stranger) = (one_device(&store, "n").await, one_device(&store, "stranger").await);
    let ids = devices(&store, &first, 5).await;
    let (a, b) = (made(&store, first.account, "a").await, made(&store, first.account, "b").await);
    let join = |group: &Group| Write::Join(group.id, ids.clone());
    let counts = async || (counted(&store, &a).await, counted(&store, &b).await);
    store.commit(put([join(&a), join(&a), join(&b)])).await.unwrap();
    assert_eq!(counts().await, (5, 5));
    // A refused batch counts nothing.
    let stale = Write::Group(Box::new(Group { version: 9, ..b.clone() }));
    assert_eq!(cause(store.commit(put([Write::Leave(a.id, ids.clone()), stale])).await), Cause::Stale);
    assert_eq!(counts().await, (5, 5));
    // A device that goes leaves both, in the batch in which it joined one again too.
    store.commit(put([Write::Leave(a.id, vec![ids[0], ids[0], stranger.id])])).await.unwrap();
    store.commit(put([Write::Join(a.id, vec![ids[0]]), Write::DeleteDevice(ids[0]), join(&a)])).await.unwrap();
    assert_eq!(counts().await, (4, 4));
    store.commit(put([Write::DeleteDevice(ids[0]), Write::Leave(b.id, ids[..2].to_vec())])).await.unwrap();
    assert_eq!(counts().await, (4, 3));
    // A group that goes counts no more, whatever happens to the devices that were in it before their rows go.
    store.commit(put([Write::DeleteGroup(b.id), Write::DeleteGroup(b.id), Write::Leave(b.id, ids.clone())])).await.unwrap();
    store.commit(put([Write::DeleteDevice(ids[2])])).await.unwrap();
    while store.prune(place.now()).await.unwrap() {}
    assert_eq!((counts().await, store.member_counts(first.account, &[b.id, a.id]).await), ((3, 0), Ok(vec![0, 3])));
    // Of another account nothing is told.
    assert_eq!(store.member_counts(stranger.account, &[a.id]).await, Ok(vec![0]));
    let all = DeviceFilter::of(first.account);
    assert_eq!(store.devices(&all, ALL).await.unwrap().total, 4, "groups are counted beside devices");
    drop(store);
    let store = place.open();
    assert_eq!(counted(&store, &a).await, 3);
}

/// More groups than a deletion looks at: the rest leaves it in slices, and is counted until then.
pub async fn devices_in_many_groups_leave_them(place: Place) {
    let store = place.open();
    let first = one_device(&store, "n").await;
    let ids = devices(&store, &first, 2).await;
    let groups: Vec<Group> = (0..450).map(|n| group(first.account, &format!("g{n}"))).collect();
    let join = |group: &Group| [Write::Group(Box::new(group.clone())), Write::Join(group.id, ids.clone())];
    store.commit(put(groups.iter().flat_map(join))).await.unwrap();
    let group_ids: Vec<GroupId> = groups.iter().map(|group| group.id).collect();
    let total = async || store.member_counts(first.account, &group_ids).await.unwrap().iter().sum::<u64>();
    assert_eq!(total().await, 900);
    store.commit(put([Write::DeleteDevice(ids[0])])).await.unwrap();
    assert!((450..=900).contains(&total().await));
    for group in &groups {
        assert_eq!(members(&store, group).await, ids[1..], "it is gone at once");
        let shown = store.member_ids(group.id, MembersFrom::After(None), 9).await.unwrap();
        assert_eq!(shown.members.iter().map(|member| member.device).collect::<Vec<_>>(), ids[1..]);
    }
    while store.prune(place.now()).await.unwrap() {}
    assert_eq!(total().await, 450);
    assert_eq!(counted(&store, &groups[449]).await, 1);
}

pub async fn members_are_read_from_any_place(place: Place) {
    let store = place.open();
    let first = one_device(&store, "n").await;
    let ids = devices(&store, &first, 2_500).await;
    let group = made(&store, first.account, "g").await;
    store.commit(put(ids.chunks(1_000).map(|some| Write::Join(group.id, some.to_vec())))).await.unwrap();
    let read = async |from: MembersFrom, limit: u32| {
        let slice = store.member_ids(group.id, from, limit).await.unwrap();
        assert!(slice.members.iter().all(|member| member.principals == first.principals));
        (slice.members.iter().map(|member| member.device).collect::<Vec<_>>(), slice.last, slice.more)
    };
    let (last, nobody) = (ids[2_499], vec![]);
    assert_eq!(read(MembersFrom::After(None), 1_000).await, (ids[..1_000].to_vec(), Some(ids[999]), true));
    assert_eq!(read(MembersFrom::After(Some(ids[1_999])), 1_000).await, (ids[2_000..].to_vec(), Some(last), false));
    assert_eq!(read(MembersFrom::Place(1_500), 1_000).await, (ids[1_500..].to_vec(), Some(last), true));
    assert_eq!(read(MembersFrom::Place(2_499), 7).await, (vec![last], Some(last), false));
    assert_eq!(read(MembersFrom::Place(2_500), 7).await, (nobody.clone(), None, false));
    assert_eq!(read(MembersFrom::After(Some(last)), 7).await, (nobody.clone(), None, false));
    // Who leaves while it is read is not missed by those who stay: what comes after a device does not move.
    store.commit(put([Write::Leave(group.id, ids[..1_000].to_vec()), Write::DeleteDevice(ids[1_999])])).await.unwrap();
    assert_eq!(read(MembersFrom::After(Some(ids[1_999])), 1).await, (vec![ids[2_000]], Some(ids[2_000]), true));
    assert_eq!(read(MembersFrom::Place(0), 1).await.0, [ids[1_000]]);
    store.commit(put([Write::DeleteGroup(group.id)])).await.unwrap();
    assert_eq!(read(MembersFrom::After(None), 9).await, (nobody, None, false));
}

pub async fn who_sees_devices_is_said_in_their_order(place: Place) {
    let store = place.open();
    let (first, stranger) = (one_device(&store, "n").await, one_device(&store, "stranger").await);
    let two: Principals = [AppId(fresh_uuid()), AppId(fresh_uuid())].into_iter().collect();
    let shared = device(first.account, two.clone(), "shared");
    let alone = device(first.account, None::<AppId>, "alone");
    store.commit(put([write_device(&shared), write_device(&alone)])).await.unwrap();
    let asked = [shared.id, stranger.id, first.id, DeviceId(fresh_uuid()), alone.id];
    let found = store.seen_by(first.account, &asked).await.unwrap();
    assert_eq!(found, [Some(two), None, Some(first.principals.clone()), None, Some(Principals::default())]);
    assert_eq!(store.seen_by(first.account, &[]).await, Ok(vec![]));
    assert_eq!(cause(store.seen_by(first.account, &vec![first.id; 1_001]).await), Cause::TooMany);
}
