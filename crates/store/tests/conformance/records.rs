//! Records, their versions and what must be unique.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use std::sync::Arc;

pub async fn records_come_back(place: Place) {
    let store = place.open();
    let acc = account("a");
    let (ap, mut pr) = (app(acc.id, "app"), product(acc.id, "m"));
    (pr.key.manufacturer_id, pr.key.manufacturer_name) = ("acme".into(), "Acme".into());
    let mut de = device(acc.id, ap.id, "n1");
    std::sync::Arc::make_mut(&mut de.info).custom_fields = Some(serde_json::json!([{"a": "\u{0}\u{7f}ü"}]));
    let su = subscription(acc.id, ap.id, SubscriptionKind::Notify(NotifyType::DeviceAdded), "http://x");
    let writes = put([
        Write::Account(Box::new(acc.clone())),
        Write::App(Box::new(ap.clone())),
        Write::Product(Box::new(pr.clone())),
        write_device(&de),
        Write::Subscription(Box::new(su.clone())),
    ]);
    assert_eq!(seq(store.commit(writes).await), Ok(Seq(0)));
    for _ in 0..2 {
        let store = if store.stats().await.unwrap().batches == 1 { store.clone() } else { place.open() };
        assert_eq!(store.account(acc.id).await.unwrap().as_deref(), Some(&acc));
        assert_eq!(store.app(ap.id).await.unwrap().as_deref(), Some(&ap));
        assert_eq!(store.product(pr.id).await.unwrap().as_deref(), Some(&pr));
        assert_eq!(store.product_by_key(acc.id, &pr.key).await.unwrap().as_deref(), Some(&pr));
        assert_eq!(store.device(de.id).await.unwrap().as_deref(), Some(&de));
        assert_eq!(store.device_by_node("n1").await.unwrap().as_deref(), Some(&de));
        assert_eq!(store.subscription(su.id).await.unwrap().as_deref(), Some(&su));
    }
    store.shutdown().await;
    let store = place.open();
    assert_eq!(store.device_by_node("n1").await.unwrap().as_deref(), Some(&de));
    assert_eq!(store.product_by_key(acc.id, &pr.key).await.unwrap().as_deref(), Some(&pr));
    assert_eq!(store.account(acc.id).await.unwrap().as_deref(), Some(&acc));
    assert_eq!(store.app(ap.id).await.unwrap().as_deref(), Some(&ap));
    assert_eq!(store.subscription(su.id).await.unwrap().as_deref(), Some(&su));
    assert_eq!(store.device_by_node("n2").await, Ok(None));
    assert_eq!(store.product_by_key(AccountId(ap.id.0), &pr.key).await, Ok(None));
    let named = |key: fn(&mut ProductKey)| {
        let mut asked = pr.key.clone();
        asked.manufacturer_name.clear();
        key(&mut asked);
        asked
    };
    assert_eq!(store.products_by_model(acc.id, &named(|_| {})).await.unwrap(), [Arc::new(pr.clone())]);
    assert_eq!(store.products_by_model(AccountId(ap.id.0), &named(|_| {})).await, Ok(vec![]));
    for other in [
        named(|key| key.manufacturer_id.push('-')),
        named(|key| key.manufacturer_id.truncate(3)),
        named(|key| key.device_type.push('x')),
        named(|key| key.model.push('x')),
        named(|key| key.protocol_type.push('x')),
    ] {
        assert_eq!(store.products_by_model(acc.id, &other).await, Ok(vec![]), "{other:?}");
    }
    let deletes = put([Write::DeleteApp(ap.id), Write::DeleteProduct(pr.id), Write::DeleteSubscription(su.id)]);
    store.commit(deletes).await.unwrap();
    assert_eq!(store.app(ap.id).await, Ok(None));
    assert_eq!(store.product(pr.id).await, Ok(None));
    assert_eq!(store.product_by_key(acc.id, &pr.key).await, Ok(None));
    assert_eq!(store.subscription(su.id).await, Ok(None));
}

pub async fn versions_are_checked(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let mut acc = Account::clone(&*store.account(de.account).await.unwrap().unwrap());
    let mut ap = App::clone(&*store.app(de.app().unwrap()).await.unwrap().unwrap());
    let mut pr = product(acc.id, "m");
    let mut su = subscription(acc.id, ap.id, SubscriptionKind::CallAddress, "http://x");
    let mut de = de;
    store.commit(put([Write::Product(Box::new(pr.clone())), Write::Subscription(Box::new(su.clone()))])).await.unwrap();
    for (version, fits) in [(1, false), (3, false), (0, false), (u64::MAX, false), (2, true), (2, false), (3, true)] {
        (acc.version, ap.version, pr.version, de.version, su.version) = (version, version, version, version, version);
        let writes = [
            Write::Account(Box::new(acc.clone())),
            Write::App(Box::new(ap.clone())),
            Write::Product(Box::new(pr.clone())),
            write_device(&de),
            Write::Subscription(Box::new(su.clone())),
        ];
        for write in writes {
            let result = seq(store.commit(put([write.clone()])).await);
            assert_eq!(result.map_err(|e| e.cause), if fits { Ok(Seq(0)) } else { Err(Cause::Stale) }, "{write:?}");
        }
    }
    let absent = next(&device(acc.id, ap.id, "other"), |_| ());
    assert_eq!(cause(store.commit(put([write_device(&absent)])).await), Cause::Stale);
}

pub async fn node_ids_are_unique(place: Place) {
    let store = place.open();
    let (one, two) = (one_device(&store, "n1").await, one_device(&store, "n2").await);
    let same = device(one.account, one.app(), "n1");
    assert_eq!(cause(store.commit(put([write_device(&same)])).await), Cause::NodeIdTaken);
    let moved = next(&two, |d| d.node_id = "n1".into());
    assert_eq!(cause(store.commit(put([write_device(&moved)])).await), Cause::NodeIdTaken);
    let away = next(&one, |d| d.node_id = "n3".into());
    store.commit(put([write_device(&away), write_device(&moved)])).await.unwrap();
    assert_eq!(store.device_by_node("n1").await.unwrap().unwrap().id, two.id);
    assert_eq!(store.device_by_node("n2").await, Ok(None));
    assert_eq!(store.device_by_node("n3").await.unwrap().unwrap().id, one.id);
    store.commit(put([Write::DeleteDevice(two.id)])).await.unwrap();
    assert_eq!(store.device_by_node("n1").await, Ok(None));
    store.commit(put([write_device(&same)])).await.unwrap();
    assert_eq!(store.device_by_node("n1").await.unwrap().unwrap().id, same.id);
}

pub async fn names_are_unique(place: Place) {
    let store = place.open();
    let (a, b) = (account("a"), account("b"));
    store.commit(put([Write::Account(Box::new(a.clone())), Write::Account(Box::new(b.clone()))])).await.unwrap();
    assert_eq!(cause(store.commit(put([Write::Account(Box::new(account("a")))])).await), Cause::NameTaken);
    let renamed = Account { name: "a".into(), version: 2, ..b.clone() };
    assert_eq!(cause(store.commit(put([Write::Account(Box::new(renamed))])).await), Cause::NameTaken);
    let first = app(a.id, "x");
    store.commit(put([Write::App(Box::new(first.clone())), Write::App(Box::new(app(b.id, "x")))])).await.unwrap();
    assert_eq!(cause(store.commit(put([Write::App(Box::new(app(a.id, "x")))])).await), Cause::NameTaken);
    let second = app(a.id, "y");
    store.commit(put([Write::App(Box::new(second.clone()))])).await.unwrap();
    let renamed = App { name: "x".into(), version: 2, ..second };
    assert_eq!(cause(store.commit(put([Write::App(Box::new(renamed))])).await), Cause::NameTaken);
    let named = store.accounts(Some("b"), ALL).await.unwrap();
    assert_eq!((named.total, named.items), (1, vec![Arc::new(b)]));
}

pub async fn product_keys_are_unique(place: Place) {
    let store = place.open();
    let (a, b) = (account("a"), account("b"));
    let one = product(a.id, "m");
    store.commit(put([Write::Product(Box::new(one.clone())), Write::Product(Box::new(product(b.id, "m")))])).await.unwrap();
    assert_eq!(cause(store.commit(put([Write::Product(Box::new(product(a.id, "m")))])).await), Cause::ProductExists);
    let mut other = product(a.id, "m");
    other.key.manufacturer_id = "x".into();
    store.commit(put([Write::Product(Box::new(other.clone()))])).await.unwrap();
    let same = Product { key: one.key.clone(), version: 2, ..other };
    assert_eq!(cause(store.commit(put([Write::Product(Box::new(same))])).await), Cause::ProductExists);
}

pub async fn subscriptions_are_unique(place: Place) {
    let store = place.open();
    let acc = account("a");
    let (p, q) = (app(acc.id, "p"), app(acc.id, "q"));
    let added = SubscriptionKind::Notify(NotifyType::DeviceAdded);
    let put_one = async |s: Subscription| seq(store.commit(put([Write::Subscription(Box::new(s))])).await).map_err(|e| e.cause);
    assert_eq!(put_one(subscription(acc.id, p.id, added, "http://1")).await, Ok(Seq(0)));
    assert_eq!(put_one(subscription(acc.id, p.id, added, "http://2")).await, Err(Cause::SubscriptionExists));
    assert_eq!(put_one(subscription(acc.id, q.id, added, "http://1")).await, Ok(Seq(0)));
    let targeted = Subscription { target: q.id, ..subscription(acc.id, p.id, added, "http://1") };
    assert_eq!(put_one(targeted).await, Ok(Seq(0)));
    let deleted = SubscriptionKind::Notify(NotifyType::DeviceDeleted);
    let other = subscription(acc.id, p.id, deleted, "http://1");
    assert_eq!(put_one(other.clone()).await, Ok(Seq(0)));
    assert_eq!(put_one(Subscription { kind: added, version: 2, ..other }).await, Err(Cause::SubscriptionExists));
    // Addresses of calls are many; each exists once.
    for (url, expected) in [("http://1", Ok(Seq(0))), ("http://2", Ok(Seq(0))), ("http://1", Err(Cause::Stale))] {
        assert_eq!(put_one(subscription(acc.id, p.id, SubscriptionKind::CallAddress, url)).await, expected, "{url}");
    }
}

pub async fn a_refused_batch_leaves_nothing(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    // Many batches at once, so that refused and good ones share a transaction.
    let mut tasks = Vec::new();
    for i in 0..60 {
        let good = device(de.account, de.app(), &format!("good {i}"));
        let bad = device(de.account, de.app(), &if i % 3 == 0 { "n".to_owned() } else { format!("fine {i}") });
        let event = reported(&de, place.now(), "s", "{}", place.now());
        let batch = Batch { writes: vec![write_device(&good), write_device(&bad)], events: vec![event] };
        let store = store.clone();
        tasks.push((i, good, bad, tokio::spawn(async move { store.commit(batch).await })));
    }
    let mut places = Vec::new();
    for (i, good, bad, task) in tasks {
        let result = seq(task.await.unwrap());
        let refused = i % 3 == 0;
        assert_eq!(result.as_ref().map_err(|e| e.cause).err(), refused.then_some(Cause::NodeIdTaken));
        places.extend(result.ok());
        assert_eq!(store.device(good.id).await.unwrap().is_some(), !refused);
        assert_eq!(store.device(bad.id).await.unwrap().is_some(), !refused);
        assert_eq!(store.device_by_node(&good.node_id).await.unwrap().is_some(), !refused);
    }
    places.sort();
    assert_eq!(places, (1..=40).map(Seq).collect::<Vec<_>>());
    assert_eq!(store.stats().await.unwrap().devices, 81);
    assert_eq!(store.stats().await.unwrap().pending_points, 40);
}

pub async fn deleting_a_device_takes_all_with_it(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let other = device(de.account, de.app(), "o");
    let end = place.now().plus_s(60);
    let (ca, cb) = (call(&de, 1, end), call(&other, 1, end));
    let writes = [
        write_device(&other),
        Write::Call(Box::new(ca.clone())),
        Write::Call(Box::new(cb.clone())),
        Write::Session(Box::new(session(de.id, end))),
    ];
    store.commit(put(writes)).await.unwrap();
    for i in 0..3 {
        let events = vec![reported(&de, place.now(), "s", &format!("{i}"), place.now())];
        store.commit(tell(events)).await.unwrap();
        if i == 0 {
            store.flush().await.unwrap();
        }
    }
    let query =
        landfall_core::HistoryQuery { of: landfall_core::HistoryOf::Device(de.id), after: None, before: None, now: START };
    assert_eq!(store.history(&query, ALL).await.unwrap().total, 3);
    assert!(!store.was_deleted(de.id).await.unwrap());
    store.commit(Batch { writes: vec![Write::DeleteDevice(de.id)], events: vec![gone(&de, place.now())] }).await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.device(de.id).await, Ok(None));
        assert_eq!(store.device_by_node("n").await, Ok(None));
        assert_eq!(store.call(ca.id).await, Ok(None));
        assert_eq!(store.calls(de.id).await, Ok(vec![]));
        assert_eq!(store.session(de.id).await, Ok(None));
        assert_eq!(store.device_state(de.id).await, Ok(Default::default()));
        assert_eq!(store.history(&query, ALL).await.unwrap().total, 0);
        assert!(store.was_deleted(de.id).await.unwrap());
        store.flush().await.unwrap();
    }
    assert_eq!(store.call(cb.id).await, Ok(Some(cb)));
    assert!(!store.was_deleted(other.id).await.unwrap());
    store.commit(put([Write::DeleteDevice(DeviceId(de.account.0))])).await.unwrap();
    assert!(!store.was_deleted(DeviceId(de.account.0)).await.unwrap());
}

pub async fn cursors_follow_their_subscription(place: Place) {
    let store = place.open();
    let su = subscription(account("a").id, app(account("b").id, "x").id, SubscriptionKind::CallAddress, "http://x");
    let cursor = |read_to| Cursor { subscription: su.id, read_to: Seq(read_to), open: vec![Seq(3)] };
    store.commit(put([Write::Cursor(cursor(1))])).await.unwrap();
    assert_eq!(store.cursor(su.id).await, Ok(None));
    store.commit(put([Write::Subscription(Box::new(su.clone())), Write::Cursor(cursor(4))])).await.unwrap();
    store.commit(put([Write::Cursor(cursor(5))])).await.unwrap();
    assert_eq!(store.cursor(su.id).await, Ok(Some(cursor(5))));
    store.commit(put([Write::DeleteSubscription(su.id)])).await.unwrap();
    assert_eq!(store.cursor(su.id).await, Ok(None));
}

pub async fn calls_and_sessions(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let calls: Vec<ServiceCall> = (1..=4).map(|mid| call(&de, mid, START.plus_s(i64::from(mid) * 10))).collect();
    for call in calls.iter().rev() {
        store.commit(put([Write::Call(Box::new(call.clone()))])).await.unwrap();
    }
    assert_eq!(store.calls(de.id).await, Ok(calls.clone()));
    assert_eq!(store.expired_calls(START.plus_s(20), 10).await, Ok(calls[..2].to_vec()));
    assert_eq!(store.expired_calls(START.plus_s(90), 3).await, Ok(calls[..3].to_vec()));
    let delivered = ServiceCall { state: CallState::Delivered, expires_at: START.plus_s(500), ..calls[0].clone() };
    store.commit(put([Write::Call(Box::new(delivered.clone())), Write::DeleteCall(calls[1].id)])).await.unwrap();
    assert_eq!(store.calls(de.id).await, Ok(vec![delivered, calls[2].clone(), calls[3].clone()]));
    let kept = session(de.id, START.plus_s(50));
    store.commit(put([Write::Session(Box::new(kept.clone()))])).await.unwrap();
    assert_eq!(store.session(de.id).await, Ok(Some(kept)));
    place.pass_s(50);
    assert_eq!(store.prune(place.now()).await, Ok(false));
    assert_eq!(store.session(de.id).await, Ok(None));
    let kept = session(de.id, START.plus_s(5_000));
    store.commit(put([Write::Session(Box::new(kept)), Write::DeleteSession(de.id)])).await.unwrap();
    assert_eq!(store.session(de.id).await, Ok(None));
}

pub async fn odd_texts_are_refused_alone(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let odd = device(de.account, de.app(), "a\0b");
    assert_eq!(cause(store.commit(put([write_device(&odd)])).await), Cause::InvalidField);
    assert_eq!(store.device_by_node("a\0b").await, Ok(None));
    let fine = device(de.account, de.app(), "'; DROP TABLE device; -- ?1 $1 %\u{1F600}");
    store.commit(put([write_device(&fine)])).await.unwrap();
    assert_eq!(store.device_by_node(&fine.node_id).await.unwrap().as_deref(), Some(&fine));
}

/// Readers race with a writer over few devices and a cache that is smaller than their number.
pub async fn reads_stay_coherent(place: Place) {
    let options = landfall_store::Options { cache_devices: 4, ..Default::default() };
    let store = place.try_open(options).unwrap();
    let first = one_device(&store, "d0").await;
    let mut devices = vec![first.clone()];
    for i in 1..8 {
        let next = device(first.account, first.app(), &format!("d{i}"));
        store.commit(put([write_device(&next)])).await.unwrap();
        devices.push(next);
    }
    let answered: Arc<Vec<std::sync::atomic::AtomicU64>> = Arc::new(devices.iter().map(|_| 1.into()).collect());
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let order = std::sync::atomic::Ordering::SeqCst;
    let mut readers = Vec::new();
    for r in 0..4usize {
        let (store, answered, done, devices) = (store.clone(), answered.clone(), done.clone(), devices.clone());
        readers.push(tokio::spawn(async move {
            let mut dice = 77 + r;
            while !done.load(order) {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let i = (dice >> 33) % devices.len();
                let least = answered[i].load(order);
                let read = if dice & (1 << 40) == 0 {
                    store.device(devices[i].id).await
                } else {
                    store.device_by_node(&devices[i].node_id).await
                };
                let seen = read.unwrap().unwrap().version;
                assert!(seen >= least, "device {i}: saw version {seen} after {least} was answered");
            }
        }));
    }
    for round in 0..400usize {
        let i = (round * 5 + round / 7) % devices.len();
        devices[i].version += 1;
        store.commit(put([write_device(&devices[i])])).await.unwrap();
        answered[i].store(devices[i].version, order);
    }
    done.store(true, order);
    for reader in readers {
        reader.await.unwrap();
    }
}
