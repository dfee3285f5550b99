//! Alarms, events and measurements: who may say and see them, what is kept of them, and what other dialects see.

use super::{Ground, Tenant, cause};
use landfall_core::{
    AlarmChange, AlarmQuery, DeviceEventChange, DeviceEventQuery, HistoryFilter, MeasurementQuery, NewAlarm, NewDeviceEvent,
    NewMeasurement, NewObject, UserCaller,
};
use landfall_model::{AlarmStatus, Cause, Device, PageRequest, Severity, Sort, Time};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const PAGE: PageRequest = PageRequest { no: 0, size: 100 };

fn fragments(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// A device of the user `device_n`, without a product.
async fn owned(ground: &Ground, tenant: &Tenant, n: &str) -> (UserCaller, Arc<Device>) {
    let user = ground.device_user(tenant, n).await;
    let new = NewObject { name: Some(n.into()), fragments: fragments(json!({"c8y_IsDevice": {}})), ..NewObject::default() };
    let device = ground.core.create_object(&user, new).await.unwrap().device().unwrap().clone();
    (user, device)
}

fn hot(severity: Severity, at: i64) -> NewAlarm {
    NewAlarm { kind: "hot".into(), text: "t".into(), severity, status: None, at: Some(Time(at)), fragments: Map::new() }
}

fn moved() -> NewDeviceEvent {
    NewDeviceEvent { kind: "moved".into(), text: "t".into(), at: None, fragments: fragments(json!({"p": 1})) }
}

fn weather(at: i64) -> NewMeasurement {
    let fragments = fragments(json!({"Temperature": {"T": {"value": at, "unit": "C"}}}));
    NewMeasurement { kind: "weather".into(), at: Some(Time(at)), fragments }
}

#[tokio::test]
async fn an_alarm_counts_until_it_is_cleared() {
    let ground = Ground::new(140).await;
    let tenant = ground.tenant("a").await;
    let (user, device) = owned(&ground, &tenant, "n").await;
    let (core, before) = (&ground.core, ground.newest());
    let first = core.raise_alarm(&user, device.id, hot(Severity::Minor, 10)).await.unwrap();
    let again = core.raise_alarm(&user, device.id, hot(Severity::Major, 20)).await.unwrap();
    assert_eq!((again.id, again.count, again.severity), (first.id, 2, Severity::Major));
    let twice = [(device.id, hot(Severity::Major, 30)), (device.id, hot(Severity::Major, 40))];
    let raised = core.raise_alarms(&user, &twice).await.unwrap();
    assert_eq!(raised.iter().map(|alarm| (alarm.id, alarm.count)).collect::<Vec<_>>(), [(first.id, 3), (first.id, 4)]);
    assert_eq!(core.newest_alarms(&[device.id]).await.unwrap()[&device.id], *raised[1]);
    let cleared = core.clear_alarm_of_kind(&user, device.id, "hot").await.unwrap();
    assert_eq!((cleared.id, cleared.status), (first.id, AlarmStatus::Cleared));
    assert_eq!(cause(core.clear_alarm_of_kind(&user, device.id, "hot").await), Cause::ResourceNotFound);
    assert!(core.newest_alarms(&[device.id]).await.unwrap().is_empty());
    let anew = core.raise_alarm(&user, device.id, hot(Severity::Minor, 50)).await.unwrap();
    assert_ne!(anew.id, first.id);
    let open = AlarmChange { status: Some(AlarmStatus::Active), ..AlarmChange::default() };
    assert_eq!(cause(core.change_alarm(&user, first.id, &open).await), Cause::ResourceExists);
    let told = ground.told_since(before).await;
    let alarms: Vec<_> = told.iter().filter(|word| word.starts_with("alarm")).collect();
    assert_eq!(
        alarms,
        ["alarm ACTIVE 1", "alarm ACTIVE 2", "alarm ACTIVE 3", "alarm ACTIVE 4", "alarm CLEARED 4", "alarm ACTIVE 1"]
    );
    let all = AlarmQuery { device: Some(device.id), ..AlarmQuery::default() };
    assert_eq!(core.change_alarms(&user, &all, AlarmStatus::Acknowledged).await, Ok(1));
    assert_eq!(core.alarm(&user, anew.id).await.unwrap().status, AlarmStatus::Acknowledged);
    assert_eq!(core.alarm(&user, first.id).await.unwrap().status, AlarmStatus::Cleared, "what is over is not opened by many");
    core.delete_alarms(&user, &all).await.unwrap();
    assert_eq!(core.alarms(&user, &all, PAGE).await.unwrap().total, 0);
}

#[tokio::test]
async fn nobody_sees_what_another_tenants_device_says() {
    let ground = Ground::new(141).await;
    let (mine, theirs) = ground.two_tenants().await;
    let ((user, device), (stranger, other)) = (owned(&ground, &mine, "n").await, owned(&ground, &theirs, "x").await);
    let (neighbour, _) = owned(&ground, &mine, "m").await;
    let core = &ground.core;
    let alarm = core.raise_alarm(&user, device.id, hot(Severity::Minor, 1)).await.unwrap();
    let event = core.tell_event(&user, device.id, moved()).await.unwrap();
    let measured = core.measure(&user, &[(device.id, weather(1))]).await.unwrap().remove(0);
    let clear = AlarmChange { status: Some(AlarmStatus::Cleared), ..AlarmChange::default() };
    let query = MeasurementQuery {
        device: device.id,
        kind: None,
        fragment: None,
        series: None,
        from: None,
        to: None,
        sort: Sort::Ascending,
    };
    for caller in [&stranger, &neighbour, &ground.admin(&theirs).await] {
        assert_eq!(cause(core.raise_alarm(caller, device.id, hot(Severity::Minor, 1)).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.tell_event(caller, device.id, moved()).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.measure(caller, &[(device.id, weather(1))]).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.alarm(caller, alarm.id).await), Cause::ResourceNotFound);
        assert_eq!(cause(core.change_alarm(caller, alarm.id, &clear).await), Cause::ResourceNotFound);
        assert_eq!(cause(core.delete_alarm(caller, alarm.id).await), Cause::ResourceNotFound);
        assert_eq!(cause(core.device_event(caller, event.id).await), Cause::ResourceNotFound);
        assert_eq!(cause(core.change_event(caller, event.id, &DeviceEventChange::default()).await), Cause::ResourceNotFound);
        assert_eq!(cause(core.delete_event(caller, event.id).await), Cause::ResourceNotFound);
        assert_eq!(cause(core.measurement(caller, device.id, measured.seq).await), Cause::ResourceNotFound);
        assert_eq!(cause(core.measurements(caller, &query, PAGE, false).await), Cause::DeviceNotFound);
        let of = AlarmQuery { device: Some(device.id), ..AlarmQuery::default() };
        assert_eq!(cause(core.change_alarms(caller, &of, AlarmStatus::Cleared).await), Cause::DeviceNotFound);
    }
    assert_eq!(cause(core.alarms(&user, &AlarmQuery::default(), PAGE).await), Cause::Forbidden, "a device names the source");
    let reader = ground.reader(&mine).await;
    assert_eq!(cause(core.raise_alarm(&reader, device.id, hot(Severity::Minor, 1)).await), Cause::Forbidden);
    assert_eq!(core.alarms(&reader, &AlarmQuery::default(), PAGE).await.unwrap().total, 1);
    core.raise_alarm(&stranger, other.id, hot(Severity::Minor, 1)).await.unwrap();
    assert_eq!(core.alarms(&reader, &AlarmQuery::default(), PAGE).await.unwrap().total, 1);
    assert_eq!(core.device_events(&reader, &DeviceEventQuery::default(), PAGE).await.unwrap().total, 1);
}

#[tokio::test]
async fn measurements_come_back_by_page_and_by_id() {
    let ground = Ground::new(142).await;
    let tenant = ground.tenant("a").await;
    let (user, device) = owned(&ground, &tenant, "n").await;
    let core = &ground.core;
    let all: Vec<_> = (0..7).map(|at| (device.id, weather(at))).collect();
    let before = ground.newest();
    let measured = core.measure(&user, &all).await.unwrap();
    let told = ground.told_since(before).await;
    assert_eq!(told.iter().filter(|word| *word == "reported 1").count(), 7, "each is told as a report of its own: {told:?}");
    let empty = NewMeasurement { fragments: Map::new(), ..weather(9) };
    let newest = ground.newest();
    let refused = core.measure(&user, &[(device.id, weather(8)), (device.id, empty)]).await.unwrap_err();
    assert_eq!((refused.cause, refused.path.as_deref()), (Cause::InvalidField, Some("1.fragments")));
    assert_eq!(ground.newest(), newest, "all of them or none");
    for one in &measured {
        assert_eq!(core.measurement(&user, device.id, one.seq).await.as_ref(), Ok(one));
    }
    let query = MeasurementQuery {
        device: device.id,
        kind: Some("weather".into()),
        fragment: Some("Temperature".into()),
        series: Some("T".into()),
        from: None,
        to: None,
        sort: Sort::Ascending,
    };
    let page = async |query: &MeasurementQuery, no, size, count| {
        let found = core.measurements(&user, query, PageRequest { no, size }, count).await.unwrap();
        (found.items.iter().map(|one| one.at.0).collect::<Vec<_>>(), found.total)
    };
    assert_eq!(page(&query, 1, 3, true).await, (vec![3, 4, 5], Some(7)));
    assert_eq!(page(&MeasurementQuery { sort: Sort::Descending, ..query.clone() }, 0, 2, true).await, (vec![6, 5], Some(7)));
    let between = MeasurementQuery { from: Some(Time(2)), to: Some(Time(4)), ..query.clone() };
    assert_eq!(page(&between, 0, 9, false).await, (vec![2, 3], Some(2)));
    for nothing in [
        MeasurementQuery { kind: Some("x".into()), ..query.clone() },
        MeasurementQuery { fragment: Some("x".into()), ..query.clone() },
        MeasurementQuery { series: Some("x".into()), ..query.clone() },
    ] {
        assert_eq!(page(&nothing, 0, 9, false).await, (vec![], Some(0)));
    }
    let history = HistoryFilter { device: Some(device.id), ..HistoryFilter::default() };
    let points = core.history(&tenant.all, history, PAGE).await.unwrap();
    assert_eq!((points.total, points.items[0].data.as_str()), (7, r#"{"T":6}"#), "as other dialects see it");
    let state = core.device_state(&device).await.unwrap();
    assert_eq!(state.services[0].data, r#"{"T":6}"#);
}

#[tokio::test]
async fn what_a_muted_device_says_is_answered_and_not_kept() {
    let ground = Ground::new(143).await;
    let tenant = ground.tenant("a").await;
    let (user, device) = owned(&ground, &tenant, "n").await;
    let core = &ground.core;
    let mute = landfall_core::DeviceChange { mute: Some(true), ..Default::default() };
    core.modify_device(&tenant.all, device.id, mute).await.unwrap();
    let before = ground.newest();
    let alarm = core.raise_alarm(&user, device.id, hot(Severity::Minor, 1)).await.unwrap();
    let event = core.tell_event(&user, device.id, moved()).await.unwrap();
    let measured = core.measure(&user, &[(device.id, weather(1))]).await.unwrap();
    assert_eq!((alarm.count, event.kind.as_str(), measured.len()), (1, "moved", 1));
    assert_eq!(cause(core.alarm(&user, alarm.id).await), Cause::ResourceNotFound);
    assert_eq!(cause(core.device_event(&user, event.id).await), Cause::ResourceNotFound);
    assert!(ground.told_since(before).await.is_empty());
}
