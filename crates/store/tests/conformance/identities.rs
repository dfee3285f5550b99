//! Names of devices that mean the same: whoever comes first has them all, whatever they are used for.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;

const IMEI: &str = "863703030668222";
const FORMS: [&str; 5] = [
    IMEI,
    "urn:imei:863703030668222",
    "URN:GSMA:IMEI:86370303-066822-2;svn=42",
    "urn:imei-imsi:863703030668222-460001357924680",
    "urn:dev:imei:863703030668222",
];

fn named(of: &Device, node_id: &str, identity: Option<&str>) -> Device {
    let mut made = device(of.account, of.app(), node_id);
    made.credentials.psk_identity = identity.map(str::to_owned);
    made
}

async fn refused(store: &SharedStore, device: &Device, why: &str) {
    let error = store.commit(put([write_device(device)])).await.unwrap_err();
    assert_eq!(error.cause, Cause::NodeIdTaken, "{why}: {error}");
}

pub async fn names_that_mean_the_same_are_one_devices(place: Place) {
    let store = place.open();
    let other = one_device(&store, "other").await;
    for held in FORMS {
        for (node_id, identity) in [(held, None), (held, Some("key")), ("node", Some(held))] {
            let holder = named(&other, node_id, identity);
            store.commit(put([write_device(&holder)])).await.unwrap();
            for wanted in FORMS {
                let case = format!("{node_id} {identity:?} {wanted}");
                refused(&store, &named(&other, wanted, None), &case).await;
                refused(&store, &named(&other, wanted, Some("own")), &case).await;
                refused(&store, &named(&other, "new", Some(wanted)), &case).await;
                refused(&store, &next(&other, |d| d.node_id = wanted.into()), &case).await;
                refused(&store, &next(&other, |d| d.credentials.psk_identity = Some(wanted.into())), &case).await;
                let by_node = store.device_by_node(wanted).await.unwrap().map(|device| device.id);
                let by_key = store.device_by_psk_identity(wanted).await.unwrap().map(|device| device.id);
                let is = |used: bool| used.then_some(holder.id);
                assert_eq!((by_node, by_key), (is(node_id == held), is(identity != Some("key"))), "{case}");
                assert_eq!(store.device_of(&Identity::of(wanted)).await.unwrap().map(|d| d.id), Some(holder.id), "{case}");
            }
            store.commit(put([Write::DeleteDevice(holder.id)])).await.unwrap();
        }
    }
    let free = named(&other, "863703030668223", Some("urn:imei:863703030668223"));
    store.commit(put([write_device(&free)])).await.unwrap();
    assert_eq!(store.name_clashes(ALL).await.unwrap().total, 0);
}

pub async fn a_name_goes_with_its_device(place: Place) {
    let store = place.open();
    let one = one_device(&store, "urn:imei:863703030668222").await;
    // Another form of its own name, and the same for its key.
    let renamed = next(&one, |d| d.node_id = IMEI.into());
    store.commit(put([write_device(&renamed)])).await.unwrap();
    let keyed = next(&renamed, |d| d.credentials.psk_identity = Some("imei:863703030668222".into()));
    store.commit(put([write_device(&keyed)])).await.unwrap();
    assert_eq!(store.device_by_psk_identity(FORMS[1]).await.unwrap().map(|d| d.id), Some(one.id));
    let online = next(&keyed, |d| d.status = DeviceStatus::Online);
    store.commit(put([write_device(&online)])).await.unwrap();
    // It goes away while its key keeps the name, then that does too.
    let away = next(&online, |d| d.node_id = "away".into());
    store.commit(put([write_device(&away)])).await.unwrap();
    refused(&store, &named(&one, IMEI, None), "held by the key").await;
    let gone = next(&away, |d| d.credentials.psk_identity = None);
    // Both in one batch: what is refused later takes the name back.
    let taker = named(&one, IMEI, None);
    let batch = put([write_device(&gone), write_device(&taker), write_device(&named(&one, "away", None))]);
    assert_eq!(cause(store.commit(batch).await), Cause::NodeIdTaken);
    refused(&store, &taker, "nothing was written").await;
    store.commit(put([write_device(&gone), write_device(&taker)])).await.unwrap();
    assert_eq!(store.device_by_node(FORMS[2]).await.unwrap().map(|d| d.id), Some(taker.id));
    store.shutdown().await;
    let store = place.open();
    assert_eq!(store.device_by_node(FORMS[3]).await.unwrap().map(|d| d.id), Some(taker.id));
    assert_eq!(store.device_by_psk_identity("away").await.unwrap().map(|d| d.id), Some(one.id));
}

pub async fn racing_names_have_one_winner(place: Place) {
    let store = place.open();
    let other = one_device(&store, "other").await;
    for round in 0..5 {
        let mut tasks = vec![];
        for n in 0..30 {
            let form = FORMS[(n + round) % FORMS.len()];
            let device = if n % 2 == 0 { named(&other, form, None) } else { named(&other, &format!("n{n}"), Some(form)) };
            let store = store.clone();
            tasks.push(tokio::spawn(async move { store.commit(put([write_device(&device)])).await.map(|_| device.id) }));
        }
        let mut winners = vec![];
        for task in tasks {
            match task.await.unwrap() {
                Ok(id) => winners.push(id),
                Err(error) => assert_eq!(error.cause, Cause::NodeIdTaken),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(store.device_of(&Identity::of(IMEI)).await.unwrap().map(|d| d.id), Some(winners[0]));
        store.commit(put([Write::DeleteDevice(winners[0])])).await.unwrap();
    }
}

pub async fn many_names_are_looked_up_at_once(place: Place) {
    let store = place.open();
    let (one, two) = (account("one"), account("two"));
    let app = app(one.id, "app");
    let writes: Vec<Write> = (0..250).map(|n| write_device(&device(one.id, app.id, &format!("d{n}")))).collect();
    store.commit(put([Write::Account(Box::new(one.clone())), Write::App(Box::new(app.clone()))])).await.unwrap();
    store.commit(put(writes)).await.unwrap();
    let mut node = device(one.id, app.id, "with-node");
    node.node = Some(self::node("d3").into());
    store.commit(put([write_device(&node)])).await.unwrap();
    let identity = |name: &str| DeviceName::Identity(Identity::of(name));
    let mut names: Vec<_> = (0..300).map(|n| identity(&format!("d{n}"))).collect();
    names.extend([DeviceName::Node(one.id, "d3".into()), DeviceName::Node(two.id, "d3".into()), identity("d3"), identity("\0")]);
    let found = store.holders(names.clone()).await.unwrap();
    assert_eq!(found.len(), names.len());
    for (n, holder) in found.iter().take(300).enumerate() {
        let by_name = store.device_named(&names[n]).await.unwrap().map(|device| device.id);
        assert!(*holder == by_name && holder.is_some() == (n < 250), "{n}");
    }
    assert_eq!(found[300..], [Some(node.id), None, found[3], None]);
    assert_eq!(store.holders(vec![]).await.unwrap(), []);
}

/// New devices that are written together are refused together, with the name of the first that cannot be.
pub async fn new_devices_are_refused_one_by_one(place: Place) {
    let store = place.open();
    let (one, two) = (account("one"), account("two"));
    let app = app(one.id, "app");
    store.commit(put([Write::Account(Box::new(one.clone())), Write::App(Box::new(app.clone()))])).await.unwrap();
    let new = |name: &str| device(one.id, app.id, name);
    let there = Device { account: two.id, principals: Principals::default(), ..new(IMEI) };
    store.commit(put([write_device(&there)])).await.unwrap();
    let total = |filter: DeviceFilter| {
        let store = &store;
        async move { store.devices(&filter, PageRequest { no: 0, size: 1 }).await.unwrap().total }
    };
    let many = |odd: Device| {
        let mut devices: Vec<_> = (0..120).map(|n| new(&format!("n{n}"))).collect();
        devices[70] = odd;
        devices
    };
    let keyed = |identity: &str| {
        let mut odd = new("k");
        odd.credentials.psk_identity = Some(identity.into());
        odd
    };
    let cases = [
        (new(FORMS[1]), Cause::NodeIdTaken, FORMS[1]),
        (keyed(FORMS[2]), Cause::NodeIdTaken, FORMS[2]),
        (new("n3"), Cause::NodeIdTaken, "n3"),
        (keyed("n4"), Cause::NodeIdTaken, "PSK identity n4"),
        (Device { id: there.id, ..new("other") }, Cause::Stale, "changed meanwhile"),
        (Device { id: there.id, ..there.clone() }, Cause::Stale, "changed meanwhile"),
    ];
    for (odd, expected, detail) in cases {
        let devices = many(odd);
        let refused = store.commit(put(devices.iter().map(write_device))).await.unwrap_err();
        assert_eq!((refused.cause, refused.detail.contains(detail)), (expected, true), "{refused}");
        assert_eq!(total(DeviceFilter::of(one.id)).await, 0, "{detail}");
        assert_eq!(store.device_by_node("n0").await.unwrap(), None);
    }
    // Beside others in its group, which stay.
    let (bad, good) = (many(new(IMEI)), many(new("n70")));
    let (refused, taken) =
        tokio::join!(store.commit(put(bad.iter().map(write_device))), store.commit(put(good.iter().map(write_device))),);
    assert_eq!((cause(refused), taken.is_ok()), (Cause::NodeIdTaken, true));
    let seen = DeviceFilter { principal: Some(app.id), ..DeviceFilter::of(one.id) };
    assert_eq!((total(DeviceFilter::of(one.id)).await, total(seen).await), (120, 120));
    for device in &good {
        let found = store.device_by_node(&device.node_id).await.unwrap();
        assert_eq!(found.as_deref(), Some(device));
    }
    let place = {
        drop(store);
        place
    };
    let store = place.open();
    assert_eq!(store.device_by_node("n119").await.unwrap().as_deref(), Some(&good[119]));
}
