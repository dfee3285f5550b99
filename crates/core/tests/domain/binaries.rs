//! Files with objects and events: who may keep, read and delete them, and what is left of one that does not come whole.

use super::{Ground, Tenant, cause};
use landfall_core::{NewDeviceEvent, NewObject, Upload, UserCaller};
use landfall_model::{Binary, Cause, DeviceEventId};
use serde_json::{Map, Value, json};

async fn uploaded(ground: &Ground, user: &UserCaller, bytes: &[u8]) -> Upload {
    let mut upload = ground.core.begin_upload(user).await.unwrap();
    for piece in bytes.chunks(100_000) {
        ground.core.push_upload(&mut upload, piece).await.unwrap();
    }
    upload.describe("f.bin", "application/zip").unwrap();
    upload
}

async fn read(ground: &Ground, file: &Binary) -> Vec<u8> {
    let (mut all, mut no) = (vec![], 0);
    while let Some(part) = ground.core.binary_part(file, no).await.unwrap() {
        all.extend(part);
        no += 1;
    }
    all
}

async fn usage(ground: &Ground, tenant: &Tenant) -> (u64, u64) {
    ground.core.store().binary_usage(tenant.all.account()).await.unwrap()
}

#[tokio::test]
async fn a_file_is_read_by_its_account_and_changed_by_its_owner() {
    let ground = Ground::new(150).await;
    let (mine, theirs) = ground.two_tenants().await;
    let (owner, other) = (ground.device_user(&mine, "n").await, ground.device_user(&mine, "m").await);
    let (admin, reader, stranger) = (ground.admin(&mine).await, ground.reader(&mine).await, ground.admin(&theirs).await);
    let core = &ground.core;
    assert_eq!(cause(core.begin_upload(&reader).await), Cause::Forbidden);
    let bytes: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
    let upload = uploaded(&ground, &owner, &bytes).await;
    let made = core.create_binary_object(&owner, &upload, NewObject::default()).await.unwrap();
    assert_eq!((made.owner(), &made.fragments()["length"]), (Some("device_n"), &json!(300_000)));
    for user in [&owner, &other, &reader, &admin] {
        let (_, file) = core.binary_object(user, made.id()).await.unwrap();
        assert!(read(&ground, &file).await == bytes);
    }
    assert_eq!(cause(core.binary_object(&stranger, made.id()).await), Cause::ResourceNotFound);
    for (user, expected) in [(&other, Cause::Forbidden), (&reader, Cause::Forbidden), (&stranger, Cause::ResourceNotFound)] {
        assert_eq!(cause(core.replace_binary_object(user, made.id(), &upload).await), expected);
        assert_eq!(cause(core.delete_binary_object(user, made.id()).await), expected);
    }
    let (_, before) = core.binary_object(&owner, made.id()).await.unwrap();
    let better = uploaded(&ground, &admin, b"better").await;
    core.replace_binary_object(&admin, made.id(), &better).await.unwrap();
    assert_eq!(cause(core.binary_part(&before, 0).await), Cause::Stale, "who still reads the first one is told");
    let (object, file) = core.binary_object(&reader, made.id()).await.unwrap();
    assert_eq!((read(&ground, &file).await, &object.fragments()["length"]), (b"better".to_vec(), &json!(6)));
    assert_eq!(usage(&ground, &mine).await, (1, 6));
    core.delete_binary_object(&owner, made.id()).await.unwrap();
    assert_eq!(cause(core.binary_object(&owner, made.id()).await), Cause::ResourceNotFound);
    assert_eq!(usage(&ground, &mine).await, (0, 0));
}

#[tokio::test]
async fn a_file_goes_with_its_object_or_event() {
    let ground = Ground::new(151).await;
    let (mine, theirs) = ground.two_tenants().await;
    let (user, stranger, core) = (ground.device_user(&mine, "n").await, ground.admin(&theirs).await, &ground.core);
    let upload = uploaded(&ground, &user, b"1").await;
    let made = core.create_binary_object(&user, &upload, NewObject::default()).await.unwrap();
    core.delete_object(&user, made.id(), false).await.unwrap();
    assert_eq!(usage(&ground, &mine).await, (0, 0));

    let event = told(&ground, &user).await;
    let upload = uploaded(&ground, &user, b"22").await;
    assert_eq!(cause(core.keep_event_binary(&user, event, &upload, true).await), Cause::ResourceNotFound, "none to replace");
    assert_eq!(cause(core.keep_event_binary(&stranger, event, &upload, false).await), Cause::ResourceNotFound);
    core.keep_event_binary(&user, event, &upload, false).await.unwrap();
    let shown: Value = serde_json::from_str(&core.device_event(&user, event).await.unwrap().fragments).unwrap();
    assert_eq!(shown["c8y_IsBinary"], json!({ "name": "f.bin", "type": "application/zip", "length": 2 }));
    let second = uploaded(&ground, &user, b"333").await;
    assert_eq!(cause(core.keep_event_binary(&user, event, &second, false).await), Cause::ResourceExists);
    core.keep_event_binary(&user, event, &second, true).await.unwrap();
    assert_eq!(read(&ground, &core.event_binary(&user, event).await.unwrap()).await, b"333");
    assert_eq!(cause(core.event_binary(&stranger, event).await), Cause::ResourceNotFound);
    core.delete_event(&user, event).await.unwrap();
    assert_eq!(usage(&ground, &mine).await, (0, 0));
}

async fn told(ground: &Ground, user: &UserCaller) -> DeviceEventId {
    let fragments = Map::from_iter([("c8y_IsDevice".to_owned(), json!({}))]);
    let device = ground.core.create_object(user, NewObject { fragments, ..NewObject::default() }).await.unwrap();
    let new = NewDeviceEvent { kind: "k".into(), text: "t".into(), at: None, fragments: Map::new() };
    ground.core.tell_event(user, device.device().unwrap().id, new).await.unwrap().id
}

#[tokio::test]
async fn what_does_not_come_whole_is_swept() {
    let ground = Ground::new(152).await;
    let (mine, _) = ground.two_tenants().await;
    let user = ground.admin(&mine).await;
    let left = uploaded(&ground, &user, &[0; 200_000]).await;
    let dropped = uploaded(&ground, &user, b"x").await;
    ground.core.abandon_upload(dropped).await.unwrap();
    assert_eq!(usage(&ground, &mine).await, (1, 0), "its bytes are not counted before it is whole");
    let now = ground.core.now();
    ground.core.store().prune(now.plus_s(86_399)).await.unwrap();
    assert_eq!(usage(&ground, &mine).await.0, 1);
    ground.core.store().prune(now.plus_s(86_401)).await.unwrap();
    assert_eq!(usage(&ground, &mine).await.0, 0);
    let made = ground.core.create_binary_object(&user, &left, NewObject::default()).await;
    assert_eq!(cause(made), Cause::Stale, "it is gone");
    let mut large = ground.core.begin_upload(&user).await.unwrap();
    let most = ground.core.settings().binary_bytes as usize;
    assert_eq!(cause(ground.core.push_upload(&mut large, &vec![0; most + 1]).await), Cause::ContentTooLarge);
}
