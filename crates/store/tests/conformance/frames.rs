//! Frames kept with history, and history that was decoded again.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::{Options, SharedStore};

/// A frame with what the codec made of it: values of services at the time of receipt.
fn framed(device: &Device, at: Time, bytes: &[u8], values: &[(&str, &str)]) -> Event {
    let mut event = report_of(device, at, services(at, values));
    if let EventBody::Reported(report) = &mut event.body {
        report.raw = Some(Frame { meta: meta_of(bytes), bytes: bytes.to_vec() });
    }
    event
}

/// Different ones, that of most access protocols among them.
fn meta_of(bytes: &[u8]) -> String {
    if bytes.len().is_multiple_of(2) { "{}".into() } else { format!(r#"{{"path":"/19/0/{}"}}"#, bytes.len()) }
}

fn services(at: Time, values: &[(&str, &str)]) -> Vec<ServiceReport> {
    let service = |(id, data): &(&str, &str)| ServiceReport {
        service_id: (*id).into(),
        service_type: None,
        data: (*data).into(),
        event_time: at,
        meta: None,
    };
    values.iter().map(service).collect()
}

fn all_of(device: &Device) -> FrameQuery {
    FrameQuery { device: device.id, after: Seq(0), from: None, to: None, limit: 1_000 }
}

/// Frames as texts: place, bytes, then their points.
async fn frames(store: &SharedStore, query: FrameQuery) -> Vec<String> {
    let page = store.frames(&query).await.unwrap();
    assert!(!page.more, "{query:?}");
    page.frames.iter().map(text).collect()
}

fn text(kept: &KeptFrame) -> String {
    assert_eq!(kept.frame.meta, meta_of(&kept.frame.bytes));
    let points: Vec<String> = kept.points.iter().map(|point| format!(" {}={}", point.service_id, point.data)).collect();
    format!("{} {}{}", kept.seq.0, String::from_utf8_lossy(&kept.frame.bytes), points.concat())
}

/// History, newest first, and the newest values.
async fn values(store: &SharedStore, device: &Device) -> (Vec<String>, Vec<String>) {
    let query = HistoryQuery { of: HistoryOf::Device(device.id), after: None, before: None, now: START };
    let page = store.history(&query, ALL).await.unwrap();
    assert_eq!(page.total, page.items.len() as u64);
    let history = page.items.iter().map(|point| format!("{}={}", point.service_id, point.data)).collect();
    let state = store.device_state(device.id).await.unwrap();
    (history, state.services.iter().map(|value| format!("{}={}", value.service_id, value.data)).collect())
}

fn redecoded(device: &Device, frames: &[(u64, &[(&str, &str)])]) -> Batch {
    let frames = frames.iter().map(|(seq, values)| (Seq(*seq), services(START, values))).collect();
    put([Write::Redecoded(Box::new(Redecoded { device: device.id, frames }))])
}

/// Frames with and without points, among reports that never were frames; before and after a flush, a crash and a regular end.
pub async fn frames_are_kept_with_history(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let at = |s: i64| START.plus_s(s);
    let events = vec![
        framed(&de, at(1), b"unreadable", &[]),
        reported(&de, at(2), "s", "json", at(2)),
        framed(&de, at(3), b"two", &[("a", "1"), ("b", "2")]),
        framed(&de, at(4), b"", &[("a", "3")]),
    ];
    store.commit(tell(events)).await.unwrap();
    let kept = ["1 unreadable", "3 two a=1 b=2", "4  a=3"];
    assert_eq!(store.stats().await.unwrap().pending_points, 4);
    store.abort().await;
    let store = place.open();
    assert_eq!(frames(&store, all_of(&de)).await, kept, "replayed, then made ready");
    assert_eq!(store.stats().await.unwrap().pending_points, 0);
    store.commit(tell(vec![framed(&de, at(5), b"later", &[])])).await.unwrap();
    store.shutdown().await;
    let store = place.open();
    let kept: Vec<&str> = kept.into_iter().chain(["5 later"]).collect();
    assert_eq!(frames(&store, all_of(&de)).await, kept, "merged into one chunk");
    assert_eq!(values(&store, &de).await.0, ["a=3", "b=2", "a=1", "s=json"].map(str::to_owned));

    let within = FrameQuery { after: Seq(1), from: Some(at(3)), to: Some(at(4)), ..all_of(&de) };
    assert_eq!(frames(&store, within).await, kept[1..3]);
    assert_eq!(frames(&store, FrameQuery { from: Some(at(6)), ..all_of(&de) }).await, [""; 0]);
    let mut one_by_one = vec![];
    let mut query = FrameQuery { limit: 1, ..all_of(&de) };
    loop {
        let page = store.frames(&query).await.unwrap();
        one_by_one.extend(page.frames.iter().map(text));
        query.after = page.frames.last().unwrap().seq;
        if !page.more {
            break;
        }
    }
    assert_eq!(one_by_one, kept);
}

pub async fn frames_page_over_chunks(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let mut expected = vec![];
    for round in 0..6u64 {
        for _ in 0..5 {
            let seq = expected.len() as u64 + 1;
            // The large ones are not merged into the chunk before.
            let bytes = vec![b'x'; if round % 2 == 0 { 10 } else { 20_000 }];
            store.commit(tell(vec![framed(&de, place.now(), &bytes, &[("s", &seq.to_string())])])).await.unwrap();
            expected.push(seq);
        }
        store.flush().await.unwrap();
    }
    for limit in [1, 4, 5, 29, 30] {
        let mut seen = vec![];
        let mut query = FrameQuery { limit, ..all_of(&de) };
        loop {
            let page = store.frames(&query).await.unwrap();
            assert!(page.frames.len() <= limit as usize);
            for kept in &page.frames {
                assert_eq!(kept.points.iter().map(|point| point.data.clone()).collect::<Vec<_>>(), [kept.seq.0.to_string()]);
            }
            seen.extend(page.frames.iter().map(|kept| kept.seq.0));
            let Some(last) = page.frames.last() else { break };
            query.after = last.seq;
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, expected, "by {limit}");
    }
}

/// Flushes take several slices, and the store stops at any of them.
pub async fn a_crash_repeats_no_frame(place: Place) {
    let options = Options { flush_points: 130, ..Options::default() };
    let mut devices = Vec::new();
    for round in 1..=8u64 {
        let store = place.try_open(options.clone()).unwrap();
        if round == 1 {
            let first = one_device(&store, "n").await;
            devices = (0..130).map(|i| device(first.account, first.app(), &format!("n{i}"))).collect();
            store.commit(Batch { writes: devices.iter().map(write_device).collect(), events: vec![] }).await.unwrap();
        }
        let events = devices.iter().map(|de| framed(de, place.now(), format!("{round}").as_bytes(), &[("s", "1")])).collect();
        store.commit(tell(events)).await.unwrap();
        for _ in 0..round % 4 {
            store.commit(tell(vec![reported(&devices[0], place.now(), "other", "1", START)])).await.unwrap();
        }
        store.abort().await;
    }
    let store = place.try_open(options).unwrap();
    for de in &devices {
        let page = store.frames(&all_of(de)).await.unwrap();
        let bytes: Vec<&[u8]> = page.frames.iter().map(|kept| kept.frame.bytes.as_slice()).collect();
        assert_eq!(bytes, [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8"]);
        assert!(page.frames.iter().all(|kept| kept.points.len() == 1));
    }
}

/// They go with the retention of the account, `dataAgingTime` and the device itself; a write that comes too late brings nothing back.
pub async fn frames_go_with_history(place: Place) {
    let store = place.open();
    let de = one_device(&store, "kept").await;
    let mut short = device(de.account, de.app(), "ages");
    short.data_aging_days = Some(2);
    let gone = device(de.account, de.app(), "deleted");
    store.commit(put([write_device(&short), write_device(&gone)])).await.unwrap();
    let devices = [&de, &short, &gone];
    store.commit(tell(devices.map(|de| framed(de, place.now(), b"f", &[])).into())).await.unwrap();
    for (i, de) in devices.into_iter().enumerate() {
        assert_eq!(frames(&store, all_of(de)).await, [format!("{} f", i + 1)]);
    }
    store.commit(put([Write::DeleteDevice(gone.id)])).await.unwrap();
    place.pass_s(3 * DAY_S);
    while store.prune(place.now()).await.unwrap() {}
    assert_eq!(frames(&store, all_of(&gone)).await, [""; 0]);
    assert_eq!(frames(&store, all_of(&short)).await, [""; 0]);
    assert_eq!(frames(&store, all_of(&de)).await, ["1 f"]);
    for (seq, late) in [(2, &short), (3, &gone)] {
        store.commit(redecoded(late, &[(seq, &[("s", "late")])])).await.unwrap();
        assert_eq!(values(&store, late).await, (vec![], vec![]));
    }
    let days = i64::from(AccountSettings::default().history_retention_days);
    place.pass_s((days + 1) * DAY_S);
    while store.prune(place.now()).await.unwrap() {}
    assert_eq!(frames(&store, all_of(&de)).await, [""; 0]);
}

pub async fn decoded_again_is_history(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let events = vec![
        framed(&de, START, b"1", &[("a", "1")]),
        framed(&de, START, b"22", &[]),
        reported(&de, START, "json", "3", START),
        framed(&de, START, b"4", &[("wrong", "4")]),
        framed(&de, START, b"5", &[("a", "5"), ("b", "5")]),
    ];
    store.commit(tell(events)).await.unwrap();
    assert_eq!(frames(&store, all_of(&de)).await.len(), 4, "and all is in chunks now");
    store.commit(tell(vec![reported(&de, START, "b", "6", START)])).await.unwrap();
    let state = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&store, &de).await.1, state(&["a=5", "b=6", "json=3", "wrong=4"]));

    // A place that is no frame, one that does not exist: both are passed over.
    let change =
        redecoded(&de, &[(2, &[("a", "2"), ("new", "2")]), (3, &[("json", "no")]), (4, &[("right", "4")]), (99, &[("no", "")])]);
    for _ in 0..2 {
        store.commit(change.clone()).await.unwrap();
        let history = ["b=6", "b=5", "a=5", "right=4", "json=3", "new=2", "a=2", "a=1"].map(str::to_owned).to_vec();
        assert_eq!(values(&store, &de).await, (history, state(&["a=5", "b=6", "json=3", "new=2", "right=4"])));
    }
    // The newest frame of `a` loses it, so that an older frame has the newest value; of `b` a report that still waits has it.
    store.commit(redecoded(&de, &[(5, &[("b", "five")])])).await.unwrap();
    assert_eq!(values(&store, &de).await.1, state(&["a=2", "b=6", "json=3", "new=2", "right=4"]));
    store.abort().await;
    let store = place.open();
    let history = ["b=6", "b=five", "right=4", "json=3", "new=2", "a=2", "a=1"].map(str::to_owned).to_vec();
    assert_eq!(values(&store, &de).await, (history.clone(), state(&["a=2", "b=6", "json=3", "new=2", "right=4"])));
    store.flush().await.unwrap();
    assert_eq!(values(&store, &de).await, (history, state(&["a=2", "b=6", "json=3", "new=2", "right=4"])));
    let kept = frames(&store, all_of(&de)).await;
    assert_eq!(kept, ["1 1 a=1", "2 22 a=2 new=2", "4 4 right=4", "5 5 b=five"], "the frames stay what they were");
}

pub async fn devices_of_a_product(place: Place) {
    let store = place.open();
    let first = one_device(&store, "n").await;
    let product = product(first.account, "m");
    store.commit(put([Write::Product(Box::new(product.clone()))])).await.unwrap();
    let mut expected = vec![];
    for i in 0..7 {
        let mut de = device(first.account, first.app(), &format!("p{i}"));
        de.product = Some(product.id);
        store.commit(put([write_device(&de)])).await.unwrap();
        expected.push(de.id);
    }
    expected.sort();
    let mut seen: Vec<DeviceId> = vec![];
    loop {
        let some = store.product_devices(product.id, seen.last().copied(), 3).await.unwrap();
        seen.extend(some.iter().map(|de| de.id));
        if some.len() < 3 {
            break;
        }
    }
    assert_eq!(seen, expected);
}
