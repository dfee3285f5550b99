//! Files: they come in parts, are there when they are whole, and go when nothing has them.

use crate::{objects, place::*};
use landfall_core::store::*;
use landfall_model::*;

fn file(account: AccountId, at: i64) -> Binary {
    let (name, media_type) = ("firmware.bin".into(), "application/zip".into());
    Binary { id: BinaryId(fresh_uuid()), account, version: 1, of: None, name, media_type, bytes: 0, created_at: Time(at) }
}

fn part(of: &Binary, no: u32, bytes: &[u8]) -> Write {
    Write::BinaryPart(Box::new(BinaryPart { of: of.id, no, bytes: bytes.to_vec() }))
}

fn whole(of: &Binary, with: BinaryOf, bytes: u64) -> Binary {
    Binary { version: 2, of: Some(with), bytes, ..of.clone() }
}

pub async fn files_come_in_parts(place: Place) {
    let store = place.open();
    let (mine, theirs) = (AccountId(fresh_uuid()), AccountId(fresh_uuid()));
    let commit = |writes: Vec<Write>| store.commit(put(writes));
    let write = |binary: &Binary| Write::Binary(Box::new(binary.clone()));
    let first = file(mine, 10);
    assert_eq!(cause(commit(vec![part(&first, 0, b"early")]).await), Cause::Stale, "no file");
    commit(vec![write(&first), part(&first, 0, &[0, 255])]).await.unwrap();
    assert_eq!(cause(commit(vec![part(&first, 0, b"again")]).await), Cause::Stale);
    assert_eq!(cause(commit(vec![part(&first, 1, &vec![0; Binary::PART_BYTES + 1])]).await), Cause::TooMany);
    let object = BinaryOf::Object(ObjectId(7));
    assert_eq!(store.binary_of(object).await.unwrap(), None);
    let done = whole(&first, object, 3);
    commit(vec![part(&first, 1, b"x"), write(&done)]).await.unwrap();
    assert_eq!(cause(commit(vec![part(&first, 2, b"late")]).await), Cause::Stale, "it is whole");
    assert_eq!(store.binary_of(object).await.unwrap(), Some(done));
    assert_eq!(store.binary_part(first.id, 0).await.unwrap(), Some(vec![0, 255]));
    assert_eq!(store.binary_part(first.id, 2).await.unwrap(), None);
    // Another one of the same object only in place of the first.
    let second = file(mine, 20);
    let better = whole(&second, object, 5);
    commit(vec![write(&second)]).await.unwrap();
    assert_eq!(cause(commit(vec![write(&better)]).await), Cause::Stale);
    commit(vec![Write::DeleteBinary(first.id), write(&better)]).await.unwrap();
    assert_eq!(store.binary_of(object).await.unwrap(), Some(better));
    assert_eq!(store.binary_part(first.id, 0).await.unwrap(), None);
    // Events have theirs.
    let (third, event) = (file(theirs, 30), BinaryOf::Event(DeviceEventId(fresh_uuid())));
    let kept = whole(&third, event, 9);
    commit(vec![write(&third), write(&kept)]).await.unwrap();
    assert_eq!(store.binary_of(event).await.unwrap(), Some(kept));
    let usage = |account| store.binary_usage(account);
    assert_eq!((usage(mine).await.unwrap(), usage(theirs).await.unwrap()), ((1, 5), (1, 9)));

    // What never became whole, and what is of an object or event that is not there, goes after a day; what is of one that is there stays.
    let asset = objects::asset(mine);
    let stays = file(mine, 0);
    let with = BinaryOf::Object(asset.id);
    commit(vec![write(&stays), write(&whole(&stays, with, 1)), Write::Object(Box::new(asset.clone()))]).await.unwrap();
    let left = file(mine, 40);
    commit(vec![write(&left), part(&left, 0, b"left")]).await.unwrap();
    store.prune(Time(86_400_020)).await.unwrap();
    assert_eq!(usage(mine).await.unwrap(), (3, 6), "that of the object is younger than a day");
    store.prune(Time(86_400_041)).await.unwrap();
    assert_eq!((usage(mine).await.unwrap(), usage(theirs).await.unwrap()), ((1, 1), (0, 0)));
    assert_eq!(store.binary_of(with).await.unwrap().map(|file| file.id), Some(stays.id));
    assert_eq!(store.binary_part(left.id, 0).await.unwrap(), None);
}
