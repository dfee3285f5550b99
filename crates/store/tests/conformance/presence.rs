//! Identities of pre-shared keys, registrations, secure sessions.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;

fn named(device: Device, identity: &str) -> Device {
    Device { credentials: Credentials { psk_identity: Some(identity.into()), ..device.credentials }, ..device }
}

async fn called(store: &SharedStore, identity: &str) -> Option<DeviceId> {
    store.device_by_psk_identity(identity).await.unwrap().map(|device| device.id)
}

pub async fn psk_identities_are_unique(place: Place) {
    let store = place.open();
    let plain = one_device(&store, "plain").await;
    let own = named(device(plain.account, plain.app(), "own"), "key-1");
    store.commit(put([write_device(&own)])).await.unwrap();
    for _ in 0..2 {
        for (identity, expected) in [("plain", Some(plain.id)), ("key-1", Some(own.id)), ("own", None), ("", None), ("a\0", None)]
        {
            assert_eq!(called(&store, identity).await, expected, "{identity}");
        }
        assert_eq!(store.device_by_node("own").await.unwrap().unwrap().id, own.id);
        assert_eq!(store.device_by_node("key-1").await, Ok(None));
    }
    let refused = [
        ("key-1", named(device(plain.account, plain.app(), "x"), "key-1")),
        ("plain", named(device(plain.account, plain.app(), "x"), "plain")),
        ("key-1", next(&plain, |d| d.credentials.psk_identity = Some("key-1".into()))),
        ("plain", next(&own, |d| d.credentials.psk_identity = Some("plain".into()))),
    ];
    for (identity, device) in refused {
        let error = store.commit(put([write_device(&device)])).await.unwrap_err();
        assert_eq!((error.cause, error.detail.contains(&format!("identity {identity}"))), (Cause::NodeIdTaken, true), "{error}");
    }
    for node_id in ["own", "key-1"] {
        let error = store.commit(put([write_device(&device(plain.account, plain.app(), node_id))])).await.unwrap_err();
        assert_eq!((error.cause, error.detail.contains("nodeId")), (Cause::NodeIdTaken, true), "{error}");
    }
    let odd = named(device(plain.account, plain.app(), "odd"), "a\0");
    assert_eq!(cause(store.commit(put([write_device(&odd)])).await), Cause::InvalidField);
    // The nodeId of a device is nobody else's identity, whether it is its own or not; an identity that was given up is free.
    let taker = named(device(plain.account, plain.app(), "taker"), "own");
    assert_eq!(cause(store.commit(put([write_device(&taker)])).await), Cause::NodeIdTaken);
    let other_key = next(&own, |d| d.credentials.psk_identity = Some("key-2".into()));
    let given = next(&plain, |d| d.credentials.psk_identity = Some("key-1".into()));
    store.commit(put([write_device(&other_key), write_device(&given)])).await.unwrap();
    for (identity, expected) in [("key-1", Some(plain.id)), ("key-2", Some(own.id)), ("plain", None)] {
        assert_eq!(called(&store, identity).await, expected, "{identity}");
    }
    store.commit(put([Write::DeleteDevice(plain.id)])).await.unwrap();
    assert_eq!(called(&store, "key-1").await, None);
    store.shutdown().await;
    assert_eq!(called(&place.open(), "key-2").await, Some(own.id));
}

pub async fn registrations_come_and_go(place: Place) {
    let store = place.open();
    let mut devices = vec![one_device(&store, "n0").await];
    for i in 1..5 {
        let more = device(devices[0].account, devices[0].app(), &format!("n{i}"));
        store.commit(put([write_device(&more)])).await.unwrap();
        devices.push(more);
    }
    let mut all: Vec<Registration> =
        devices.iter().zip(1..).map(|(device, i)| registration(device.id, START.plus_s(i * 10))).collect();
    for registration in &all {
        store.commit(put([Write::Registration(Box::new(registration.clone()))])).await.unwrap();
    }
    all[0] = Registration { expires_at: START.plus_s(35), session: None, peer: "192.0.2.9:1".into(), ..all[0].clone() };
    store.commit(put([Write::Registration(Box::new(all[0].clone()))])).await.unwrap();
    assert_eq!(store.registration(devices[0].id).await, Ok(Some(all[0].clone())));
    // What stands is written beside it, and goes with the next record or generation.
    let standing = Observed { paths: vec!["/3303/0".into()], ..all[0].observed.clone() };
    let older = Observed { generation: standing.generation.wrapping_add(1), ..standing.clone() };
    for (written, expected) in [(older, &all[0].observed), (standing.clone(), &standing)] {
        store.commit(put([Write::Observed(devices[0].id, written)])).await.unwrap();
        assert_eq!(store.registration(devices[0].id).await.unwrap().map(|kept| kept.observed).as_ref(), Some(expected));
    }
    let listed = store.registrations(None, 9).await.unwrap();
    assert_eq!(listed.iter().filter(|kept| kept.observed == standing).count(), 1);
    store.commit(put([Write::Observed(DeviceId(fresh_uuid()), standing)])).await.unwrap();
    store.commit(put([Write::Registration(Box::new(all[0].clone()))])).await.unwrap();
    assert_eq!(store.registration(devices[0].id).await, Ok(Some(all[0].clone())));
    assert_eq!(store.expired_registrations(START.plus_s(19), 9).await, Ok(vec![]));
    let over = vec![all[1].clone(), all[2].clone(), all[0].clone()];
    assert_eq!(store.expired_registrations(START.plus_s(35), 9).await, Ok(over.clone()));
    assert_eq!(store.expired_registrations(START.plus_s(35), 2).await, Ok(over[..2].to_vec()));
    store
        .commit(put([Write::DeleteRegistration(devices[4].id), Write::DeleteRegistration(DeviceId(fresh_uuid()))]))
        .await
        .unwrap();
    assert_eq!(store.registration(devices[4].id).await, Ok(None));
    all.pop();
    all.sort_by_key(|r| r.device);
    store.shutdown().await;
    let store = place.open();
    for limit in [1, 2, 4, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let next = store.registrations(after, limit).await.unwrap();
            assert!(next.len() <= limit as usize);
            let Some(last) = next.last() else { break };
            after = Some(last.device);
            seen.extend(next);
        }
        assert_eq!(seen, all, "{limit} at once");
    }
}

async fn numbers(store: &SharedStore, limit: u32) -> Vec<u64> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let next = store.secure_sessions(after, limit).await.unwrap();
        assert!(next.len() <= limit as usize);
        let Some(last) = next.last() else { return seen };
        after = Some(last.id);
        seen.extend(next.iter().map(|s| s.id));
    }
}

pub async fn secure_sessions_page_over_all_numbers(place: Place) {
    const EDGES: [u64; 6] = [1 << 63, u64::MAX - 1, u64::MAX, 0, 1, (1 << 63) - 1];
    let store = place.open();
    let (de, other) = (one_device(&store, "n").await, one_device(&store, "o").await);
    assert_eq!(store.secure_sessions(None, 9).await, Ok(vec![]));
    for id in EDGES.into_iter().rev() {
        store.commit(put([Write::SecureSession(Box::new(secure(id, de.id, "00ff")))])).await.unwrap();
    }
    for limit in [1, 2, 3, 6, 100] {
        assert_eq!(numbers(&store, limit).await, EDGES, "{limit} at once");
    }
    // A number that is used again belongs to the newer device alone.
    let later = [secure(0, de.id, "01"), secure(1, other.id, "02")];
    for session in &later {
        store.commit(put([Write::SecureSession(Box::new(session.clone()))])).await.unwrap();
    }
    assert_eq!(store.secure_sessions(Some(u64::MAX), 2).await, Ok(later.to_vec()));
    store.commit(put([Write::DeleteDevice(de.id), Write::DeleteSecureSession(7)])).await.unwrap();
    assert_eq!(numbers(&store, 9).await, [1]);
    store.commit(put([Write::DeleteSecureSession(1)])).await.unwrap();
    assert_eq!(numbers(&store, 9).await, [0; 0]);
}

/// Everything about a device, but the device.
fn about(device: &Device, n: u64) -> Vec<Write> {
    let task = RevokeTask {
        id: TaskId(fresh_uuid()),
        account: device.account,
        app: device.app(),
        device: device.id,
        state: RevokeState::Waiting,
        commands: vec![],
        created_at: START,
    };
    vec![
        Write::Command(Box::new(command(device, 1, START))),
        Write::RevokeTask(Box::new(task)),
        Write::Shadow(Box::new(shadow(device.id))),
        Write::Setting(Box::new(setting(device, "Meter", "{}", START))),
        Write::Registration(Box::new(registration(device.id, START))),
        Write::SecureSession(Box::new(secure(n, device.id, "00"))),
    ]
}

/// How much of each kind there is about a device.
async fn kept(store: &SharedStore, device: &Device) -> [u64; 6] {
    let (account, id) = (device.account, device.id);
    let commands = CommandFilter { account, app: None, device: Some(id), after: None, before: None };
    let tasks = RevokeFilter { account, app: None, task: None, device: Some(id), state: None, after: None, before: None };
    let settings = SettingFilter { of: HistoryOf::Device(id), service_id: None, property: None, after: None, before: None };
    let sessions = store.secure_sessions(None, 100).await.unwrap();
    [
        store.commands(&commands, ALL).await.unwrap().total,
        store.revoke_tasks(&tasks, ALL).await.unwrap().total,
        u64::from(store.shadow(id).await.unwrap().is_some()),
        store.settings(&settings, ALL).await.unwrap().total,
        u64::from(store.registration(id).await.unwrap().is_some()),
        sessions.iter().filter(|s| s.device == id).count() as u64,
    ]
}

pub async fn what_is_about_a_device_goes_with_it(place: Place) {
    let store = place.open();
    let (de, other) = (one_device(&store, "n").await, one_device(&store, "o").await);
    for (device, n) in [(&de, 1), (&other, 2)] {
        store.commit(Batch { writes: about(device, n), events: vec![] }).await.unwrap();
        assert_eq!(kept(&store, device).await, [1; 6]);
    }
    store.commit(put([Write::DeleteDevice(de.id)])).await.unwrap();
    assert_eq!(kept(&store, &de).await, [0; 6]);
    // What was decided before the deletion and is committed after it leaves nothing behind, and refuses nothing.
    let later = Command { version: 2, ..command(&de, 1, START) };
    let mut writes = about(&de, 3);
    writes.extend([Write::Command(Box::new(later)), Write::Shadow(Box::new(Shadow { version: 5, ..shadow(de.id) }))]);
    store.commit(Batch { writes, events: vec![] }).await.unwrap();
    assert_eq!(kept(&store, &de).await, [0; 6]);
    assert_eq!(kept(&store, &other).await, [1; 6]);
}
