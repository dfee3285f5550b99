//! Reports: accepted, refused with a reason, kept, aged (device-side section 6).

use super::{Ground, cause, thermometer};
use landfall_core::{DeviceChange, HistoryFilter, Taken};
use landfall_model::{Cause, DataFormat, DeviceInfo, EventBody, Frame, PageRequest, SampleFrame, Time};

const PAGE: PageRequest = PageRequest { no: 0, size: 100 };

fn report(temperature: &str) -> Vec<u8> {
    let item =
        format!(r#"{{"serviceId":"Thermometer","serviceData":{{"temperature":{temperature}}},"eventTime":"20260101T000000Z"}}"#);
    format!(r#"{{"msgType":"deviceReq","data":[{item}]}}"#).into_bytes()
}

#[tokio::test]
async fn a_report_is_state_history_and_event() {
    let domain = Ground::new(20).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    let caller = domain.core.device_caller(&device);
    let before = domain.newest();
    let taken = domain.says(&caller, device.id, &report("21.5")).await.unwrap();
    assert_eq!(taken, Taken { accepted: 1, dropped: 0 });

    let state = domain.core.device_state(&device).await.unwrap();
    assert_eq!(state.services[0].data, r#"{"temperature":21.5}"#);
    assert_eq!(state.services[0].event_time, Time(1_767_225_600_000));
    let filter = HistoryFilter { device: Some(device.id), ..HistoryFilter::default() };
    let history = domain.core.history(&tenant.scope, filter, PAGE).await.unwrap();
    assert_eq!((history.total, history.items[0].data.as_str()), (1, r#"{"temperature":21.5}"#));
    let events = domain.events_since(before).await;
    let EventBody::Reported(told) = &events[0].event.body else { panic!("{events:?}") };
    assert_eq!((events.len(), told.services[0].service_id.as_str(), told.gateway), (1, "Thermometer", device.id));
}

#[tokio::test]
async fn what_does_not_fit_is_dropped_alone_and_leaves_a_reason() {
    let domain = Ground::new(21).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    let caller = domain.core.device_caller(&device);
    let before = domain.newest();
    let cases: [(&[u8], &str); 5] = [
        (b"{", "is no message"),
        (&report("\"hot\""), "temperature: must be a number"),
        (br#"{"msgType":"deviceReq","data":[{"serviceId":"Nope","serviceData":{}}]}"#, "the product has no service Nope"),
        (br#"{"msgType":"deviceReq","data":[{"serviceId":"Thermometer","serviceData":{"x":1}}]}"#, "x: is no property"),
        (br#"{"msgType":"deviceRsp","mid":7}"#, "no call or command waits"),
    ];
    for (n, (payload, expected)) in (1..).zip(cases) {
        let error = domain.says(&caller, device.id, payload).await.unwrap_err();
        assert_eq!(error.cause, Cause::PayloadInvalid);
        let whys = domain.core.why().device(device.account, device.id);
        assert!(whys.len() == n && whys[0].detail.contains(expected), "{whys:?} / {expected}");
    }
    assert_eq!(domain.newest(), before, "nothing was stored");

    let mixed = br#"{"msgType":"deviceReq","data":[{"serviceId":"Nope","serviceData":{}},
        {"serviceId":"Thermometer","serviceData":{"temperature":1}}]}"#;
    assert_eq!(domain.says(&caller, device.id, mixed).await.unwrap(), Taken { accepted: 1, dropped: 1 });
}

#[tokio::test]
async fn a_frozen_device_is_answered_but_nothing_is_kept() {
    let domain = Ground::new(22).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    let freeze = DeviceChange { mute: Some(true), ..DeviceChange::default() };
    domain.core.modify_device(&tenant.scope, device.id, freeze).await.unwrap();
    let before = domain.newest();
    let taken = domain.says(&domain.core.device_caller(&device), device.id, &report("1")).await.unwrap();
    assert_eq!(taken.accepted, 0);
    assert_eq!(domain.newest(), before);
    assert!(domain.core.device_state(&device).await.unwrap().services.is_empty());
}

#[tokio::test]
async fn a_gateway_speaks_for_its_children_and_for_nobody_else() {
    let domain = Ground::new(23).await;
    let tenant = domain.tenant("a").await;
    let gateway = domain.online_device(&tenant, "gateway").await;
    let stranger = domain.device(&tenant, "stranger").await;
    let caller = domain.core.device_caller(&gateway);
    let product = Some(landfall_core::ProductRef::Key(tenant.product.key.clone()));
    let child = domain.core.add_child(&caller, "child", product, DeviceInfo::default()).await.unwrap();
    domain.says(&caller, child.id, &report("3")).await.unwrap();
    assert_eq!(cause(domain.says(&caller, stranger.id, &report("3")).await), Cause::DeviceNotFound);
    let filter = HistoryFilter { gateway: Some(gateway.id), ..HistoryFilter::default() };
    let history = domain.core.history(&tenant.scope, filter, PAGE).await.unwrap();
    assert_eq!((history.total, history.items[0].device, history.items[0].gateway), (1, child.id, gateway.id));
}

#[tokio::test]
async fn history_ages_at_once() {
    let domain = Ground::new(24).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    domain.says(&domain.core.device_caller(&device), device.id, &report("1")).await.unwrap();
    let filter = HistoryFilter { device: Some(device.id), ..HistoryFilter::default() };
    domain.advance_s(3 * 86_400);
    assert_eq!(domain.core.history(&tenant.scope, filter, PAGE).await.unwrap().total, 1);
    let age = DeviceChange { data_aging_days: Some(2), ..DeviceChange::default() };
    domain.core.modify_device(&tenant.scope, device.id, age).await.unwrap();
    assert_eq!(domain.core.history(&tenant.scope, filter, PAGE).await.unwrap().total, 0);
}

#[tokio::test]
async fn all_of_a_gateway_is_read_as_far_as_the_application_sees_it() {
    let domain = Ground::new(26).await;
    let (tenant, other) = domain.two_tenants().await;
    let gateway = domain.online_device(&tenant, "gateway").await;
    let caller = domain.core.device_caller(&gateway);
    let product = Some(landfall_core::ProductRef::Key(tenant.product.key.clone()));
    for n in 0..3 {
        let child = domain.core.add_child(&caller, &format!("child-{n}"), product.clone(), DeviceInfo::default()).await.unwrap();
        domain.says(&caller, child.id, &report(&n.to_string())).await.unwrap();
    }
    domain.says(&caller, gateway.id, &report("9")).await.unwrap();
    let filter = HistoryFilter { gateway: Some(gateway.id), ..HistoryFilter::default() };
    let (history, page) = (async |scope| domain.core.history(scope, filter, PAGE).await, PageRequest { no: 1, size: 3 });
    for scope in [&tenant.scope, &tenant.all] {
        assert_eq!(history(scope).await.unwrap().total, 4);
        let found = domain.core.history(scope, filter, page).await.unwrap();
        assert_eq!((found.total, found.items.len()), (4, 1));
    }
    assert_eq!(cause(history(&other.scope).await), Cause::DeviceNotFound);
}

#[tokio::test]
async fn binary_frames_go_through_the_codec_and_stay_beside_their_meaning() {
    let domain = Ground::new(25).await;
    let tenant = domain.tenant("a").await;
    let draft = thermometer(DataFormat::Binary);
    domain.core.replace_product(&tenant.all, tenant.product.id, draft).await.unwrap();
    let device = domain.online_device(&tenant, "n").await;
    let caller = domain.core.device_caller(&device);
    let kept = domain.core.take_binary(&caller, device.id, &report("9"), "{}").await;
    assert_eq!(kept, Ok(Taken { accepted: 0, dropped: 1 }), "kept for a codec to come");
    assert_eq!(domain.core.why().device(device.account, device.id).remove(0).check, "CodecNotFound");

    let sample = SampleFrame { hex: hex::encode(report("9")), expected: None };
    let bad = SampleFrame { hex: hex::encode("{}"), expected: None };
    assert_eq!(cause(domain.core.upload_codec(&tenant.all, tenant.product.id, "x", &[]).await), Cause::InvalidField);
    assert_eq!(cause(domain.core.upload_codec(&tenant.all, tenant.product.id, "x", &[bad]).await), Cause::CodecFailed);
    assert_eq!(
        cause(domain.core.upload_codec(&tenant.all, tenant.product.id, "broken", std::slice::from_ref(&sample)).await),
        Cause::CodecFailed
    );
    domain.core.upload_codec(&tenant.all, tenant.product.id, "good", &[sample]).await.unwrap();

    let before = domain.newest();
    domain.core.take_binary(&caller, device.id, &report("9"), "{}").await.unwrap();
    let events = domain.events_since(before).await;
    let EventBody::Reported(told) = &events[0].event.body else { panic!("{events:?}") };
    assert_eq!(told.raw, Some(Frame { meta: "{}".into(), bytes: report("9") }));
}
