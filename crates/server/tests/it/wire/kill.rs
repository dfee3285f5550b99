//! kill -9 at any moment: nothing acknowledged is lost, nothing confirmed is pushed again.
//!
//! One push can be repeated for a device: that whose 2xx was on its way when the server died. It is the newest one the device's
//! receiver saw, as the next is sent only after the confirmation of the one before is durable.

use super::{
    api::{self, App},
    device::Device,
    receiver::Receiver,
    server::{Server, until},
};
use landfall_testkit::world::Seeded;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

const ROUNDS: u64 = 6;
const DEVICES: usize = 4;

#[test]
fn kill_9_loses_nothing_acknowledged_and_repeats_nothing_confirmed() {
    let mut server = Server::start();
    let account = api::account(&server, "kill");
    let product = api::thermometer(&server, &account);
    let app = App::create(&server, &account, "app");
    let receiver = Receiver::start();
    app.subscribe("deviceDataChanged", &receiver.url);
    let devices: Vec<_> = (0..DEVICES).map(|n| app.register(&format!("n{n}"), &product)).collect();
    let (id, secret, token) = (app.id.clone(), app.secret.clone(), app.token.clone());
    let mut random = Seeded::new(7);
    let mut acknowledged: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut deaths = vec![];
    for round in 0..ROUNDS {
        let after = 10 + random.next() % 100;
        for (device, values) in publish_until_its_end(&mut server, &devices, (round * 100_000, after), Server::kill) {
            acknowledged.entry(device).or_default().extend(values);
        }
        deaths.push(receiver.pushes().len());
        server.resume();
    }
    let total: usize = acknowledged.values().map(Vec::len).sum();
    assert!(total >= 10 * ROUNDS as usize, "only {total} reports were acknowledged");
    let app = App { server: &server, id, secret, token };
    for (device, values) in &acknowledged {
        let kept: BTreeSet<u64> = kept_values(&app, device);
        let lost: Vec<_> = values.iter().filter(|value| !kept.contains(value)).collect();
        assert!(lost.is_empty(), "{device} lost {lost:?}");
        until("all pushes", || {
            let confirmed = receiver.confirmed();
            let bodies = confirmed.iter().map(|push| &push.body).filter(|body| body["deviceId"] == **device);
            let pushed: BTreeSet<u64> = bodies.filter_map(value).collect();
            kept.is_subset(&pushed).then_some(())
        });
    }
    let confirmed: Vec<_> = receiver.confirmed().into_iter().map(|push| push.body).collect();
    check_repeats(&confirmed, &deaths);
}

/// Every device reports one value after the other, from the first, until, after so many reports of all, the server ends; gives what was acknowledged.
pub fn publish_until_its_end(
    server: &mut Server,
    devices: &[(String, String)],
    (first, after): (u64, u64),
    end: impl FnOnce(&mut Server),
) -> Vec<(String, Vec<u64>)> {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let publishers: Vec<_> = devices.iter().map(|(id, secret)| (id.clone(), Device::login(server, id, secret))).collect();
    let threads: Vec<_> = publishers
        .into_iter()
        .map(|(id, mut device)| {
            let acknowledged = acknowledged.clone();
            std::thread::spawn(move || {
                let mut own = vec![];
                for value in first.. {
                    let item = json!({"serviceId": "Thermometer", "serviceData": {"temperature": value}});
                    if !device.try_report(&json!({"msgType": "deviceReq", "data": [item]})) {
                        break;
                    }
                    own.push(value);
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                (id, own)
            })
        })
        .collect();
    until("enough reports", || (acknowledged.load(Ordering::SeqCst) >= after).then_some(()));
    end(server);
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

pub fn kept_values(app: &App<'_>, device: &str) -> BTreeSet<u64> {
    let history = app.history(device, 2000);
    let points = history["deviceDataHistoryDTOs"].as_array().unwrap();
    let values: BTreeSet<u64> = points.iter().filter_map(|point| point["data"]["temperature"].as_u64()).collect();
    assert_eq!(values.len(), points.len(), "history holds a report twice");
    values
}

/// A value may come twice only around a death, and only the newest one of its device then.
pub fn check_repeats(confirmed: &[Value], deaths: &[usize]) {
    let mut newest: BTreeMap<String, (u64, usize)> = BTreeMap::new();
    for (place, body) in confirmed.iter().enumerate() {
        let device = body["deviceId"].as_str().unwrap().to_owned();
        let value = value(body).unwrap();
        if let Some((before, at)) = newest.get(&device) {
            let died_between = deaths.iter().any(|death| *at < *death && *death <= place);
            let repeated = value == *before && died_between;
            assert!(
                value > *before || repeated,
                "{device}: {value} came after {before} (places {at}, {place}, deaths {deaths:?})"
            );
        }
        newest.insert(device, (value, place));
    }
}

pub fn value(body: &Value) -> Option<u64> {
    body["service"]["data"]["temperature"].as_u64()
}
