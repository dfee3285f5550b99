//! History and newest values, over chunks and points that wait.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::{Options, SharedStore};

fn of(device: &Device) -> HistoryQuery {
    about(HistoryOf::Device(device.id))
}

fn about(of: HistoryOf) -> HistoryQuery {
    HistoryQuery { of, after: None, before: None, now: START }
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
                meta: None,
            })
            .collect();
        store.commit(tell(vec![report_of(&de, place.now(), services)])).await.unwrap();
        expected.splice(0..0, [format!("{i}.1"), format!("{i}.0")]);
        if i % 6 == 5 {
            store.flush().await.unwrap();
            place.pass_s(DAY_S);
        }
    }
    check(&store, &of(&de), &expected).await;
    store.shutdown().await;
    let store = place.open();
    check(&store, &of(&de), &expected).await;
    let point = store.history(&of(&de), PageRequest { no: 0, size: 1 }).await.unwrap().items.remove(0);
    let whole = HistoryPoint {
        seq: store.newest(),
        device: de.id,
        gateway: de.id,
        app: de.app(),
        service_id: "s1".into(),
        data: "19.1".into(),
        event_time: START,
        meta: None,
    };
    assert_eq!(point, whole);
    let far = PageRequest { no: u64::MAX, size: 100 };
    assert_eq!(data(&store, &of(&de), far).await, (40, vec![]));
    assert_eq!(data(&store, &about(HistoryOf::Device(DeviceId(fresh_uuid()))), ALL).await, (0, vec![]));
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
        let query = HistoryQuery { after: after.map(|s| START.plus_s(s)), before: before.map(|s| START.plus_s(s)), ..of(&de) };
        let fits = |t: &&i64| after.is_none_or(|a| **t > a) && before.is_none_or(|b| **t < b);
        let expected: Vec<String> = times.iter().rev().filter(fits).map(|t| format!("{t}")).collect();
        check(&store, &query, &expected).await;
    }
}

/// A device behind a gateway.
fn behind(gateway: &Device, principals: impl Into<Principals>, node_id: &str) -> Device {
    Device { gateway: Some(gateway.id), ..device(gateway.account, principals, node_id) }
}

pub async fn history_of_a_gateway(place: Place) {
    let store = place.open();
    let gateway = one_device(&store, "gateway").await;
    let (first, second) = (gateway.app().unwrap(), app(gateway.account, "second"));
    store.commit(put([Write::App(Box::new(second.clone()))])).await.unwrap();
    let mut devices = vec![gateway.clone()];
    for i in 1..60 {
        let seen_by = if i % 7 == 3 { second.id } else { first };
        devices.push(behind(&gateway, seen_by, &format!("n{i}")));
    }
    let apart = [device(gateway.account, first, "direct"), behind(&one_device(&store, "other").await, first, "elsewhere")];
    store.commit(put(devices[1..].iter().chain(&apart).map(write_device))).await.unwrap();
    let mut expected = Vec::new();
    for i in 0..300usize {
        let d = &devices[(i * i + i / 11) % devices.len()];
        store.commit(tell(vec![reported(d, place.now(), "s", &format!("{i}"), START.plus_s(i as i64 % 50))])).await.unwrap();
        store.commit(tell(vec![reported(&apart[i % 2], place.now(), "s", "no", START)])).await.unwrap();
        expected.insert(0, (d.id, format!("{i}"), i as i64 % 50));
        if i == 90 || i == 200 {
            store.flush().await.unwrap();
            place.pass_s(if i == 90 { 1 } else { DAY_S });
        }
    }
    let whole = about(HistoryOf::Gateway(gateway.id, None));
    let seen = |id: DeviceId| devices.iter().any(|d| d.id == id && d.principals.contains(&first));
    for by in [None, Some(first), Some(second.id)] {
        for (after, before) in [(None, None), (Some(10), Some(30)), (None, Some(7))] {
            let (from, to) = (after.map(|s| START.plus_s(s)), before.map(|s| START.plus_s(s)));
            let query = HistoryQuery { of: HistoryOf::Gateway(gateway.id, by), after: from, before: to, ..whole };
            let fits = |e: &&(DeviceId, String, i64)| {
                by.is_none_or(|by| seen(e.0) == (by == first)) && after.is_none_or(|a| e.2 > a) && before.is_none_or(|b| e.2 < b)
            };
            let expected: Vec<String> = expected.iter().filter(fits).map(|e| e.1.clone()).collect();
            for (no, size) in [(0, 1_000), (0, 10), (3, 10), (1, 77), (9, 30)] {
                let page = PageRequest { no, size };
                let items = expected.iter().skip(page.offset() as usize).take(size as usize).cloned().collect();
                assert_eq!(data(&store, &query, page).await, (expected.len() as u64, items), "{query:?}, page {no} of {size}");
            }
        }
    }
    // What one that was freed said behind it stays; what one that was deleted said goes.
    let freed = Device { gateway: None, version: 2, ..devices[1].clone() };
    store.commit(put([write_device(&freed), Write::DeleteDevice(devices[2].id)])).await.unwrap();
    let left: Vec<String> = expected.iter().filter(|e| e.0 != devices[2].id).map(|e| e.1.clone()).collect();
    check(&store, &whole, &left).await;
    let own: Vec<String> = expected.iter().filter(|e| e.0 == freed.id).map(|e| e.1.clone()).collect();
    check(&store, &of(&freed), &own).await;
    check(&store, &about(HistoryOf::Gateway(freed.id, None)), &own).await;
}

/// However many devices are behind a gateway, none is left out.
pub async fn history_of_every_child(place: Place) {
    let store = place.open();
    let gateway = one_device(&store, "gateway").await;
    let children: Vec<Device> = (0..1_203).map(|i| behind(&gateway, gateway.principals.clone(), &format!("n{i}"))).collect();
    store.commit(put(children.iter().map(write_device))).await.unwrap();
    let mut expected = Vec::new();
    for (n, some) in children.chunks(401).enumerate() {
        for child in some {
            expected.insert(0, child.node_id.clone());
        }
        let events = some.iter().map(|child| reported(child, place.now(), "s", &child.node_id, START)).collect();
        store.commit(tell(events)).await.unwrap();
        if n < 2 {
            store.flush().await.unwrap();
        }
    }
    let query = about(HistoryOf::Gateway(gateway.id, gateway.app()));
    for (no, size) in [(0, 25), (1, 1_000), (24, 50), (40, 31)] {
        let page = PageRequest { no, size };
        let items = expected.iter().skip(page.offset() as usize).take(size as usize).cloned().collect();
        assert_eq!(data(&store, &query, page).await, (1_203, items), "page {no} of {size}");
    }
    for child in &children {
        store.commit(put([Write::Setting(Box::new(setting(child, "s", &child.node_id, START)))])).await.unwrap();
    }
    let filter = SettingFilter { of: query.of, service_id: None, property: None, after: None, before: None };
    let found = store.settings(&filter, PageRequest { no: 48, size: 25 }).await.unwrap();
    assert_eq!((found.total, found.items.last().map(|s| s.desired.as_str())), (1_203, Some("n0")));
}

/// `data_aging_days` count from the receipt of a point, whenever it was measured, and at once.
pub async fn history_ages_by_receipt(place: Place) {
    let store = place.open();
    let gateway = one_device(&store, "gateway").await;
    let short = Device { data_aging_days: Some(2), ..behind(&gateway, gateway.principals.clone(), "short") };
    let long = behind(&gateway, gateway.principals.clone(), "long");
    store.commit(put([write_device(&short), write_device(&long)])).await.unwrap();
    for day in 0..4 {
        place.set(START.plus_s(day * DAY_S));
        for d in [&short, &long] {
            // The older it came, the later it was measured.
            let measured = START.plus_s((50 - day) * DAY_S);
            store.commit(tell(vec![reported(d, place.now(), "s", &format!("{}{day}", d.node_id), measured)])).await.unwrap();
        }
        if day < 3 {
            store.flush().await.unwrap();
        }
    }
    let now = START.plus_s(3 * DAY_S + 1);
    let at = |of, now| HistoryQuery { now, ..about(of) };
    assert_eq!(data(&store, &at(HistoryOf::Device(short.id), now), ALL).await.1, ["short3", "short2"]);
    assert_eq!(data(&store, &at(HistoryOf::Device(short.id), START.plus_s(5 * DAY_S)), ALL).await, (0, vec![]));
    let all = ["long3", "short3", "long2", "short2", "long1", "long0"].map(str::to_owned);
    check(&store, &at(HistoryOf::Gateway(gateway.id, None), now), &all).await;
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
            lists.push(data(&store, &of(d), ALL).await.1.join(" "));
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
    assert_eq!(data(&store, &of(&de), ALL).await.0, 0);
    // A report that was decided before the deletion and committed after it leaves nothing behind.
    store.commit(tell(vec![reported(&de, place.now(), "s", "2", START)])).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(data(&store, &of(&de), ALL).await.0, 0);
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
        let page = store.history(&of(&de), ALL).await.unwrap();
        assert!(page.total >= least, "{} of {least}", page.total);
        let expected: Vec<String> = (0..page.total).rev().map(|i| i.to_string()).collect();
        assert_eq!(page.items.into_iter().map(|p| p.data).collect::<Vec<_>>(), expected);
        let state = store.device_state(de.id).await.unwrap();
        let newest: u64 = state.services.first().map_or(0, |s| s.data.parse::<u64>().unwrap() + 1);
        assert!(newest >= least, "newest value {newest}, newest event {least}");
    }
    writer.await.unwrap();
    assert_eq!(data(&store, &of(&de), ALL).await.0, 400);
}

/// The places of points that are read slice by slice, from the one end to the other.
async fn walked(store: &SharedStore, query: PointQuery) -> Vec<u64> {
    let (mut query, mut places) = (query, vec![]);
    loop {
        let slice = store.points(&query).await.unwrap();
        places.extend(slice.points.iter().map(|point| point.seq.0));
        query.beyond = slice.points.last().map(|point| point.seq).or(query.beyond);
        if !slice.more {
            return places;
        }
        assert!(!slice.points.is_empty());
    }
}

pub async fn points_of_a_device_in_slices(place: Place) {
    let store = place.open();
    let (de, other) = (one_device(&store, "n").await, one_device(&store, "o").await);
    let mut expected = Vec::new();
    for i in 0..30 {
        let service = |k: usize| ServiceReport {
            service_id: format!("s{k}"),
            service_type: None,
            data: "{}".into(),
            event_time: START.plus_s(i),
            meta: (k == 0).then(|| format!(r#"{{"n":{i}}}"#)),
        };
        let both =
            vec![report_of(&de, place.now(), (0..3).map(service).collect()), reported(&other, place.now(), "o", "1", START)];
        let first = store.commit(tell(both)).await.unwrap().seq.0 - 1;
        expected.push(first);
        if i % 7 == 3 {
            store.flush().await.unwrap();
            place.pass_s(DAY_S);
        }
    }
    let three = |places: &[u64]| places.iter().flat_map(|place| [*place; 3]).collect::<Vec<_>>();
    let newest: Vec<u64> = expected.iter().rev().copied().collect();
    for limit in [1, 4, 6, 1_000] {
        let all =
            PointQuery { device: de.id, from: None, to: None, beyond: None, sort: Sort::Ascending, now: place.now(), limit };
        let down = PointQuery { sort: Sort::Descending, ..all };
        assert_eq!(walked(&store, all).await, three(&expected));
        assert_eq!(walked(&store, down).await, three(&newest));
        let beyond = Some(Seq(expected[11]));
        assert_eq!(walked(&store, PointQuery { beyond, ..all }).await, three(&expected[12..]));
        assert_eq!(walked(&store, PointQuery { beyond, ..down }).await, three(&newest[19..]));
        let (from, to) = (Some(START.plus_s(5)), Some(START.plus_s(25)));
        assert_eq!(walked(&store, PointQuery { from, to, ..all }).await, three(&expected[5..25]));
        assert_eq!(walked(&store, PointQuery { from, to, ..down }).await, three(&newest[5..25]));
    }
    let last =
        PointQuery { device: de.id, from: None, to: None, beyond: None, sort: Sort::Descending, now: place.now(), limit: 1 };
    let points = store.points(&last).await.unwrap().points;
    let shown: Vec<_> = points.iter().map(|point| (point.service_id.as_str(), point.meta.as_deref())).collect();
    assert_eq!(shown, [("s0", Some(r#"{"n":29}"#)), ("s1", None), ("s2", None)]);
    let nobody = PointQuery { device: DeviceId(fresh_uuid()), ..last };
    assert_eq!(store.points(&nobody).await, Ok(PointSlice::default()));
    let aged = Device { data_aging_days: Some(1), ..next(&de, |_| ()) };
    store.commit(put([write_device(&aged)])).await.unwrap();
    assert!(walked(&store, last).await.len() < 90, "what has aged is not there");
}
