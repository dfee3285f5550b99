//! Alarms and events of devices.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;

use AlarmStatus::{Acknowledged, Active, Cleared};

fn alarm(device: &Device, kind: &str, at: Time) -> Alarm {
    Alarm {
        id: AlarmId(fresh_uuid()),
        account: device.account,
        version: 1,
        device: device.id,
        kind: kind.into(),
        text: "t".into(),
        severity: Severity::Major,
        status: Active,
        count: 1,
        first_at: at,
        at,
        fragments: "{}".into(),
        created_at: at,
        modified_at: at,
    }
}

fn event(device: &Device, kind: &str, at: Time) -> DeviceEvent {
    DeviceEvent {
        id: DeviceEventId(fresh_uuid()),
        account: device.account,
        version: 1,
        device: device.id,
        kind: kind.into(),
        text: "t".into(),
        at,
        fragments: r#"{"c8y_Position":{"lat":1},"p":1}"#.into(),
        created_at: at,
        modified_at: at,
    }
}

fn moved(alarm: &Alarm, status: AlarmStatus) -> Alarm {
    Alarm { version: alarm.version + 1, status, ..alarm.clone() }
}

fn write(alarm: &Alarm) -> Write {
    Write::Alarm(Box::new(alarm.clone()))
}

fn write_event(event: &DeviceEvent) -> Write {
    Write::DeviceEvent(Box::new(event.clone()))
}

async fn kinds(store: &SharedStore, filter: &AlarmFilter) -> String {
    let page = store.alarms(filter, ALL).await.unwrap();
    assert_eq!(page.total, page.items.len() as u64);
    page.items.iter().map(|alarm| alarm.kind.as_str()).collect::<Vec<_>>().join(" ")
}

async fn event_kinds(store: &SharedStore, filter: &DeviceEventFilter) -> String {
    let page = store.device_events(filter, ALL).await.unwrap();
    assert_eq!(page.total, page.items.len() as u64);
    page.items.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>().join(" ")
}

pub async fn a_device_has_one_open_alarm_of_a_kind(place: Place) {
    let store = place.open();
    let (de, other) = (one_device(&store, "n").await, one_device(&store, "o").await);
    assert_eq!(store.open_alarm(de.id, "hot").await, Ok(None));
    let first = alarm(&de, "hot", START);
    store.commit(put([write(&first), write(&alarm(&de, "cold", START)), write(&alarm(&other, "hot", START))])).await.unwrap();
    assert_eq!(store.alarm(first.id).await, Ok(Some(first.clone())));
    assert_eq!(store.open_alarm(de.id, "hot").await, Ok(Some(first.clone())));
    for (what, refused) in [
        ("another one of its kind", alarm(&de, "hot", START)),
        ("the same again", first.clone()),
        ("one that is not there", moved(&alarm(&de, "new", START), Cleared)),
        ("a version too far", Alarm { version: 3, ..first.clone() }),
        ("of another device", Alarm { version: 2, device: other.id, status: Cleared, ..first.clone() }),
        ("of another kind", Alarm { version: 2, kind: "dry".into(), ..first.clone() }),
    ] {
        assert_eq!(cause(store.commit(put([write(&refused)])).await), Cause::Stale, "{what}");
    }
    let (raised, cleared) = (moved(&first, Acknowledged), moved(&moved(&first, Acknowledged), Cleared));
    store.commit(put([write(&raised), write(&cleared)])).await.unwrap();
    assert_eq!(store.open_alarm(de.id, "hot").await, Ok(None));
    assert_eq!(store.alarm(first.id).await, Ok(Some(cleared.clone())));
    let second = alarm(&de, "hot", START.plus_s(1));
    store.commit(put([write(&second)])).await.unwrap();
    assert_eq!(store.open_alarm(de.id, "hot").await, Ok(Some(second.clone())));
    assert_eq!(cause(store.commit(put([write(&moved(&cleared, Active))])).await), Cause::Stale, "it cannot be open beside it");
    store.commit(put([Write::DeleteAlarm(second.id), write(&moved(&cleared, Active))])).await.unwrap();
    assert_eq!((store.alarm(second.id).await, store.open_alarm(de.id, "hot").await.unwrap().unwrap().id), (Ok(None), first.id));
    let gone = alarm(&device(de.account, AppId(fresh_uuid()), "gone"), "hot", START);
    store.commit(put([write(&gone)])).await.unwrap();
    assert_eq!(store.alarm(gone.id).await, Ok(None), "nothing is kept of a device that is gone");
}

pub async fn alarms_by_filter_and_page(place: Place) {
    let store = place.open();
    let (de, stranger) = (one_device(&store, "n").await, one_device(&store, "o").await);
    let second = device(de.account, AppId(fresh_uuid()), "n2");
    let at = |n: i64| START.plus_s(n);
    let with = |alarm: Alarm, status, severity| Alarm { status, severity, ..alarm };
    store
        .commit(put([
            write_device(&second),
            write(&alarm(&de, "a", at(1))),
            write(&with(alarm(&de, "b", at(2)), Cleared, Severity::Critical)),
            write(&with(alarm(&second, "c", at(3)), Acknowledged, Severity::Minor)),
            write(&with(alarm(&second, "a", at(4)), Cleared, Severity::Warning)),
            write(&alarm(&stranger, "a", at(5))),
        ]))
        .await
        .unwrap();
    let all = AlarmFilter::of(de.account);
    let some = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>();
    let cases = [
        (all.clone(), "a c b a"),
        (AlarmFilter { sort: Sort::Ascending, ..all.clone() }, "a b c a"),
        (AlarmFilter { device: Some(de.id), ..all.clone() }, "b a"),
        (AlarmFilter { device: Some(stranger.id), ..all.clone() }, ""),
        (AlarmFilter { statuses: vec![Active], ..all.clone() }, "a"),
        (AlarmFilter { statuses: vec![Active, Acknowledged], ..all.clone() }, "c a"),
        (AlarmFilter { statuses: vec![Active, Cleared], ..all.clone() }, "a b a"),
        (AlarmFilter { device: Some(second.id), statuses: vec![Acknowledged], ..all.clone() }, "c"),
        (AlarmFilter { severities: vec![Severity::Critical, Severity::Minor], ..all.clone() }, "c b"),
        (AlarmFilter { kinds: some(&["a", "c"]), ..all.clone() }, "a c a"),
        (AlarmFilter { kinds: some(&["x\0"]), ..all.clone() }, ""),
        (AlarmFilter { from: Some(at(2)), to: Some(at(4)), ..all.clone() }, "c b"),
    ];
    for (filter, expected) in cases {
        assert_eq!(kinds(&store, &filter).await, expected, "{filter:?}");
    }
    let page = store.alarms(&all, PageRequest { no: 1, size: 3 }).await.unwrap();
    assert_eq!((page.total, page.items.len(), page.items[0].at), (4, 1, at(1)));
}

pub async fn the_newest_open_alarm_of_some_devices(place: Place) {
    let de = {
        let store = place.open();
        let (de, other, quiet) = (one_device(&store, "n").await, one_device(&store, "o").await, one_device(&store, "q").await);
        let (old, new, over) = (alarm(&de, "a", START), alarm(&de, "b", START.plus_s(1)), alarm(&de, "c", START.plus_s(2)));
        let writes = [write(&old), write(&new), write(&Alarm { status: Cleared, ..over }), write(&alarm(&other, "d", START))];
        store.commit(put(writes)).await.unwrap();
        let found = store.newest_open_alarms(&[de.id, quiet.id]).await.unwrap();
        assert_eq!(found, [new]);
        store.commit(put([Write::DeleteDevice(other.id)])).await.unwrap();
        assert_eq!(store.newest_open_alarms(&[other.id]).await, Ok(vec![]));
        store.shutdown().await;
        de
    };
    let store = place.open();
    let kind = async || store.newest_open_alarms(&[de.id]).await.unwrap().first().map(|alarm| alarm.kind.clone());
    assert_eq!(kind().await.as_deref(), Some("b"), "a restart knows who has open ones");
    for (kind_now, then) in [("b", Some("a")), ("a", None)] {
        let open = store.open_alarm(de.id, kind_now).await.unwrap().unwrap();
        store.commit(put([write(&moved(&open, Cleared))])).await.unwrap();
        assert_eq!(kind().await.as_deref(), then);
    }
    store.commit(put([write(&alarm(&de, "e", START))])).await.unwrap();
    assert_eq!(kind().await.as_deref(), Some("e"));
}

pub async fn device_events_by_filter_and_page(place: Place) {
    let store = place.open();
    let (de, stranger) = (one_device(&store, "n").await, one_device(&store, "o").await);
    let second = device(de.account, AppId(fresh_uuid()), "n2");
    let at = |n: i64| START.plus_s(n);
    let one = event(&de, "a", at(1));
    let bare = DeviceEvent { fragments: "{}".into(), ..event(&second, "c", at(3)) };
    let writes =
        [&one, &event(&de, "b", at(2)), &bare, &event(&second, "a", at(4)), &event(&stranger, "a", at(5))].map(write_event);
    store.commit(put([write_device(&second)])).await.unwrap();
    store.commit(Batch { writes: writes.to_vec(), events: vec![] }).await.unwrap();
    assert_eq!(store.device_event(one.id).await, Ok(Some(one.clone())));
    assert_eq!(cause(store.commit(put([write_event(&one)])).await), Cause::Stale);
    let all = DeviceEventFilter::of(de.account);
    let fragment = |name: &str| DeviceEventFilter { fragment: Some(name.into()), ..DeviceEventFilter::of(de.account) };
    let cases = [
        (all.clone(), "a c b a"),
        (DeviceEventFilter { sort: Sort::Ascending, ..all.clone() }, "a b c a"),
        (DeviceEventFilter { device: Some(second.id), ..all.clone() }, "a c"),
        (DeviceEventFilter { device: Some(stranger.id), ..all.clone() }, ""),
        (DeviceEventFilter { kind: Some("a".into()), ..all.clone() }, "a a"),
        (DeviceEventFilter { kind: Some("\0".into()), ..all.clone() }, ""),
        (fragment("c8y_Position"), "a b a"),
        (fragment("lat"), ""),
        (fragment("c8y_"), ""),
        (DeviceEventFilter { from: Some(at(2)), to: Some(at(4)), ..all.clone() }, "c b"),
    ];
    for (filter, expected) in cases {
        assert_eq!(event_kinds(&store, &filter).await, expected, "{filter:?}");
    }
    let changed = DeviceEvent { version: 2, fragments: r#"{"new":1}"#.into(), ..one.clone() };
    store.commit(put([write_event(&changed)])).await.unwrap();
    assert_eq!(event_kinds(&store, &fragment("new")).await, "a");
    store.commit(put([Write::DeleteDeviceEvent(one.id)])).await.unwrap();
    assert_eq!((store.device_event(one.id).await, event_kinds(&store, &fragment("new")).await.as_str()), (Ok(None), ""));
}

pub async fn retention_of_alarms_and_events(place: Place) {
    let store = place.open();
    let account =
        Account { settings: AccountSettings { history_retention_days: 2, ..AccountSettings::default() }, ..account("a") };
    let de = device(account.id, AppId(fresh_uuid()), "n");
    store.commit(put([Write::Account(Box::new(account)), write_device(&de)])).await.unwrap();
    let over = |n| Alarm { status: Cleared, ..alarm(&de, "over", START.plus_s(n)) };
    let writes =
        [write(&alarm(&de, "open", START.minus_s(1))), write(&over(0)), write(&over(10)), write_event(&event(&de, "old", START))];
    store.commit(put(writes)).await.unwrap();
    store.commit(put([write_event(&event(&de, "new", START.plus_s(10)))])).await.unwrap();
    let (alarms, events) = (AlarmFilter::of(de.account), DeviceEventFilter::of(de.account));
    for (after, left, events_left) in [(0, "over over open", "new old"), (5, "over open", "new"), (11, "open", "")] {
        assert_eq!(store.prune(START.plus_s(2 * DAY_S + after)).await, Ok(false));
        assert_eq!((kinds(&store, &alarms).await.as_str(), event_kinds(&store, &events).await.as_str()), (left, events_left));
    }
    let many = (0..1_500).map(|n| write_event(&event(&de, "m", START.plus_s(n)))).collect();
    store.commit(Batch { writes: many, events: vec![] }).await.unwrap();
    let late = START.plus_s(3 * DAY_S);
    let total = async || store.device_events(&events, ALL).await.unwrap().total;
    assert_eq!((store.prune(late).await, total().await), (Ok(true), 500));
    assert_eq!((store.prune(late).await, total().await), (Ok(false), 0));
}

pub async fn alarms_and_events_go_with_their_device(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let kept = device(de.account, AppId(fresh_uuid()), "kept");
    store.commit(put([write_device(&kept)])).await.unwrap();
    let (of_gone, of_kept) = (alarm(&de, "gone", START), alarm(&kept, "kept", START));
    let told = event(&de, "gone", START);
    store
        .commit(put([write(&of_gone), write(&of_kept), write_event(&told), write_event(&event(&kept, "kept", START))]))
        .await
        .unwrap();
    store.commit(put([Write::DeleteDevice(de.id)])).await.unwrap();
    for _ in 0..2 {
        assert_eq!((store.alarm(of_gone.id).await, store.device_event(told.id).await), (Ok(None), Ok(None)));
        assert_eq!(kinds(&store, &AlarmFilter::of(de.account)).await, "kept");
        assert_eq!(event_kinds(&store, &DeviceEventFilter::of(de.account)).await, "kept");
        assert_eq!(store.prune(START).await, Ok(false));
    }
}
