//! History and newest values, over chunks and points that wait.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::{Options, SharedStore};

fn of(devices: &[&Device]) -> HistoryQuery {
    HistoryQuery { devices: devices.iter().map(|d| d.id).collect(), after: None, before: None }
}

async fn data(store: &SharedStore, query: &HistoryQuery, page: PageRequest) -> (u64, Vec<String>) {
    let page = store.history(query, page).await.unwrap();
    (page.total, page.items.into_iter().map(|p| p.data).collect())
}

/// Checks each page of some sizes against the whole list.
async fn check(store: &SharedStore, query: &HistoryQuery, expected: &[String]) {
    for size in [1, 3, 7, 1_000] {
        let last = expected.len() as u64 / u64::from(size) + 1;
        for no in 0..=last {
            let page = PageRequest { no, size };
            let items = expected.iter().skip(page.offset() as usize).take(size as usize).cloned().collect();
            assert_eq!(data(store, query, page).await, (expected.len() as u64, items), "page {no} of {size}");
        }
    }
}

pub async fn history_by_pages(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let mut expected = Vec::new();
    for i in 0..20 {
        let services = (0..2)
            .map(|k| ServiceReport {
                service_id: format!("s{k}"),
                service_type: None,
                data: format!("{i}.{k}"),
                event_time: START,
            })
            .collect();
        store.commit(tell(vec![report_of(&de, place.now(), services)])).await.unwrap();
        expected.splice(0..0, [format!("{i}.1"), format!("{i}.0")]);
        if i % 6 == 5 {
            store.flush().await.unwrap();
            place.pass_s(DAY_S);
        }
    }
    check(&store, &of(&[&de]), &expected).await;
    store.shutdown().await;
    let store = place.open();
    check(&store, &of(&[&de]), &expected).await;
    let point = store.history(&of(&[&de]), PageRequest { no: 0, size: 1 }).await.unwrap().items.remove(0);
    let whole = HistoryPoint {
        device: de.id,
        gateway: de.id,
        app: de.app(),
        service_id: "s1".into(),
        data: "19.1".into(),
        event_time: START,
    };
    assert_eq!(point, whole);
    let far = PageRequest { no: u64::MAX, size: 100 };
    assert_eq!(data(&store, &of(&[&de]), far).await, (40, vec![]));
    assert_eq!(data(&store, &of(&[]), ALL).await, (0, vec![]));
    let many = HistoryQuery { devices: (0..1_001).map(|i| DeviceId(uuid::Uuid::from_u128(i))).collect(), ..of(&[]) };
    assert_eq!(cause(store.history(&many, ALL).await), Cause::TooMany);
}

pub async fn history_by_time(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    // Measured out of order, arrived in order.
    let times: Vec<i64> = (0..40).map(|i| (i * 17) % 40).collect();
    for (i, t) in times.iter().enumerate() {
        store.commit(tell(vec![reported(&de, place.now(), "s", &format!("{t}"), START.plus_s(*t))])).await.unwrap();
        if i % 10 == 9 && i < 35 {
            store.flush().await.unwrap();
            place.pass_s(DAY_S);
        }
    }
    for (after, before) in
        [(None, None), (Some(-5), Some(99)), (Some(10), None), (None, Some(3)), (Some(4), Some(6)), (Some(5), Some(5))]
    {
        let query = HistoryQuery { after: after.map(|s| START.plus_s(s)), before: before.map(|s| START.plus_s(s)), ..of(&[&de]) };
        let fits = |t: &&i64| after.is_none_or(|a| **t > a) && before.is_none_or(|b| **t < b);
        let expected: Vec<String> = times.iter().rev().filter(fits).map(|t| format!("{t}")).collect();
        check(&store, &query, &expected).await;
    }
}

pub async fn history_of_many_devices(place: Place) {
    let store = place.open();
    let mut devices = vec![one_device(&store, "n0").await];
    for i in 1..60 {
        let d = device(devices[0].account, devices[0].app(), &format!("n{i}"));
        store.commit(put([write_device(&d)])).await.unwrap();
        devices.push(d);
    }
    let mut expected = Vec::new();
    for i in 0..300usize {
        let d = &devices[(i * i + i / 11) % devices.len()];
        store.commit(tell(vec![reported(d, place.now(), "s", &format!("{i}"), START)])).await.unwrap();
        expected.insert(0, (d.id, format!("{i}")));
        if i == 90 || i == 200 {
            store.flush().await.unwrap();
            place.pass_s(if i == 90 { 1 } else { DAY_S });
        }
    }
    for count in [2, 49, 51, 60] {
        let some: Vec<&Device> = devices.iter().take(count).collect();
        let fits = |e: &&(DeviceId, String)| some.iter().any(|d| d.id == e.0);
        let expected: Vec<String> = expected.iter().filter(fits).map(|e| e.1.clone()).collect();
        let query = of(&some);
        for (no, size) in [(0, 1_000), (0, 10), (3, 10), (1, 77), (9, 30)] {
            let page = PageRequest { no, size };
            let items = expected.iter().skip(page.offset() as usize).take(size as usize).cloned().collect();
            assert_eq!(data(&store, &query, page).await, (expected.len() as u64, items), "{count} devices, page {no} of {size}");
        }
    }
}

pub async fn newest_values(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    assert_eq!(store.device_state(de.id).await, Ok(DeviceState::default()));
    let value = |service: &str, data: &str, t: i64| Reported {
        service_id: service.into(),
        service_type: None,
        data: data.into(),
        event_time: Time(t),
    };
    let mut expected: Vec<Reported> = Vec::new();
    for (i, service) in ["b", "a", "b", "c", "a"].into_iter().enumerate() {
        let (text, t) = (format!("{{\"v\":{i}}}"), 100 - i as i64);
        let at = START.plus_s(i as i64);
        place.set(at);
        store.commit(tell(vec![reported(&de, at, service, &text, Time(t))])).await.unwrap();
        expected.retain(|v| v.service_id != service);
        expected.push(value(service, &text, t));
        expected.sort_by(|a, b| a.service_id.cmp(&b.service_id));
        let state = DeviceState { last_seen: Some(at), services: expected.clone() };
        assert_eq!(store.device_state(de.id).await, Ok(state.clone()));
        if i % 2 == 1 {
            store.flush().await.unwrap();
            assert_eq!(store.device_state(de.id).await, Ok(state));
        }
    }
}

pub async fn retention_of_history(place: Place) {
    let store = place.open();
    let long = one_device(&store, "long").await;
    let short = Device { data_aging_days: Some(2), ..device(long.account, long.app(), "short") };
    let none = Device { data_aging_days: Some(0), ..device(long.account, long.app(), "none") };
    store.commit(put([write_device(&short), write_device(&none)])).await.unwrap();
    for day in 0..4 {
        place.set(START.plus_s(day * DAY_S));
        for d in [&long, &short, &none] {
            store.commit(tell(vec![reported(d, place.now(), "s", &format!("{day}"), START)])).await.unwrap();
        }
        store.flush().await.unwrap();
    }
    let lists = async |now: i64| {
        assert_eq!(store.prune(START.plus_s(now)).await, Ok(false));
        let mut lists = Vec::new();
        for d in [&long, &short, &none] {
            lists.push(data(&store, &of(&[d]), ALL).await.1.join(" "));
        }
        lists
    };
    assert_eq!(lists(3 * DAY_S + 1).await, ["3 2 1 0", "3 2", ""]);
    assert_eq!(lists(91 * DAY_S + 1).await, ["3 2", "", ""]);
    assert!(!store.device_state(none.id).await.unwrap().services.is_empty(), "newest values stay");
}

pub async fn deleted_points_do_not_return(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    store.commit(tell(vec![reported(&de, place.now(), "s", "1", START)])).await.unwrap();
    store.commit(put([Write::DeleteDevice(de.id)])).await.unwrap();
    assert_eq!(store.stats().await.unwrap().pending_points, 0);
    store.abort().await;
    let store = place.open();
    assert_eq!(store.stats().await.unwrap().pending_points, 0);
    assert_eq!(data(&store, &of(&[&de]), ALL).await.0, 0);
    // A report that was decided before the deletion and committed after it leaves nothing behind.
    store.commit(tell(vec![reported(&de, place.now(), "s", "2", START)])).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(data(&store, &of(&[&de]), ALL).await.0, 0);
    assert_eq!(store.device_state(de.id).await, Ok(DeviceState::default()));
}

/// Reads while points move from memory to chunks: never a point less or twice.
pub async fn flushing_never_hides_a_point(place: Place) {
    let store = place.try_open(Options { flush_points: 7, ..Options::default() }).unwrap();
    let de = one_device(&store, "n").await;
    let writer = tokio::spawn({
        let (store, de) = (store.clone(), de.clone());
        async move {
            for i in 0..400u64 {
                store.commit(tell(vec![reported(&de, START, "s", &format!("{i}"), START)])).await.unwrap();
            }
        }
    });
    while !writer.is_finished() {
        let least = store.newest().0;
        let page = store.history(&of(&[&de]), ALL).await.unwrap();
        assert!(page.total >= least, "{} of {least}", page.total);
        let expected: Vec<String> = (0..page.total).rev().map(|i| i.to_string()).collect();
        assert_eq!(page.items.into_iter().map(|p| p.data).collect::<Vec<_>>(), expected);
        let state = store.device_state(de.id).await.unwrap();
        let newest: u64 = state.services.first().map_or(0, |s| s.data.parse::<u64>().unwrap() + 1);
        assert!(newest >= least, "newest value {newest}, newest event {least}");
    }
    writer.await.unwrap();
    assert_eq!(data(&store, &of(&[&de]), ALL).await.0, 400);
}
