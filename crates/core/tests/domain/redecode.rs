//! History decoded again after the codec was fixed.

use super::{Ground, Tenant, cause, thermometer};
use landfall_core::{DeviceCaller, DeviceChange, HistoryFilter, RedecodePage, RedecodeRequest};
use landfall_model::{Cause, DataFormat, Device, PageRequest, SampleFrame, Time};

const ALL: RedecodeRequest = RedecodeRequest { device: None, from: None, to: None, after: None, limit: 1_000, dry_run: false };

fn report(temperature: &str) -> Vec<u8> {
    let item = format!(r#"{{"serviceId":"Thermometer","serviceData":{{"temperature":{temperature}}}}}"#);
    format!(r#"{{"msgType":"deviceReq","data":[{item}]}}"#).into_bytes()
}

/// As a device sends it whose codec nobody has written yet: no UTF-8.
fn inverted(frame: &[u8]) -> Vec<u8> {
    frame.iter().map(|byte| !byte).collect()
}

async fn binary_tenant(domain: &Ground, name: &str) -> Tenant {
    let tenant = domain.tenant(name).await;
    domain.core.replace_product(&tenant.all, tenant.product.id, thermometer(DataFormat::Binary)).await.unwrap();
    tenant
}

async fn upload(domain: &Ground, tenant: &Tenant, source: &str) {
    let sample = if source.contains("inverted") { inverted(&report("0")) } else { report("0") };
    let sample = SampleFrame { hex: hex::encode(sample), expected: None };
    domain.core.upload_codec(&tenant.all, tenant.product.id, source, &[sample]).await.unwrap();
}

async fn send(domain: &Ground, caller: &DeviceCaller, frame: &[u8]) {
    domain.core.take_binary(caller, caller.device(), frame, "{}").await.unwrap();
}

/// History, newest first, with the time of measurement; and the newest values.
async fn values(domain: &Ground, tenant: &Tenant, device: &Device) -> (Vec<(String, Time)>, Vec<String>) {
    let filter = HistoryFilter { device: Some(device.id), ..HistoryFilter::default() };
    let page = domain.core.history(&tenant.scope, filter, PageRequest { no: 0, size: 100 }).await.unwrap();
    assert_eq!(page.total, page.items.len() as u64);
    let state = domain.core.device_state(device).await.unwrap();
    let history = page.items.into_iter().map(|point| (point.data, point.event_time)).collect();
    (history, state.services.into_iter().map(|service| service.data).collect())
}

fn temperature(value: &str) -> String {
    format!(r#"{{"temperature":{value}}}"#)
}

async fn redecode(domain: &Ground, tenant: &Tenant, request: RedecodeRequest) -> RedecodePage {
    domain.core.redecode(&tenant.all, tenant.product.id, &request).await.unwrap()
}

/// Devices, frames, changed, failed.
fn counts(page: &RedecodePage) -> (u64, u64, u64, u64) {
    assert_eq!(page.next, None);
    (page.devices, page.frames, page.changed, page.failed)
}

#[tokio::test]
async fn a_fixed_codec_gives_lost_frames_their_history() {
    let domain = Ground::new(90).await;
    let tenant = binary_tenant(&domain, "a").await;
    upload(&domain, &tenant, "good").await;
    let device = domain.online_device(&tenant, "n").await;
    let caller = domain.core.device_caller(&device);
    let mut sent_at = vec![];
    for value in ["1", "2"] {
        send(&domain, &caller, &inverted(&report(value))).await;
        sent_at.push(domain.core.now());
        domain.advance_s(60);
    }
    send(&domain, &caller, b"\xffnothing reads this").await;
    assert_eq!(values(&domain, &tenant, &device).await, (vec![], vec![]));

    upload(&domain, &tenant, "inverted").await;
    let before = domain.newest();
    let dry = redecode(&domain, &tenant, RedecodeRequest { dry_run: true, ..ALL }).await;
    assert_eq!(counts(&dry), (1, 3, 2, 1));
    assert_eq!(values(&domain, &tenant, &device).await, (vec![], vec![]), "a dry run changes nothing");

    let page = redecode(&domain, &tenant, ALL).await;
    assert_eq!(page, dry);
    let failure = page.first_failure.unwrap();
    assert_eq!((failure.device, failure.received_at), (device.id, domain.core.now()));
    let history = vec![(temperature("2"), sent_at[1]), (temperature("1"), sent_at[0])];
    let expected = (history, vec![temperature("2")]);
    assert_eq!(values(&domain, &tenant, &device).await, expected, "measured when they were received");
    assert_eq!(counts(&redecode(&domain, &tenant, ALL).await), (1, 3, 0, 1), "nothing is left to change");
    assert_eq!(values(&domain, &tenant, &device).await, expected);
    assert_eq!(domain.newest(), before, "nothing is told");
}

#[tokio::test]
async fn wrong_values_are_replaced_and_newer_ones_stay_the_newest() {
    let domain = Ground::new(91).await;
    let tenant = binary_tenant(&domain, "a").await;
    upload(&domain, &tenant, "good").await;
    let device = domain.online_device(&tenant, "n").await;
    let caller = domain.core.device_caller(&device);
    send(&domain, &caller, &report("10")).await;
    send(&domain, &caller, &report("20")).await;
    domain.says(&caller, device.id, &report("30")).await.unwrap();
    upload(&domain, &tenant, "20->21").await;
    assert_eq!(counts(&redecode(&domain, &tenant, ALL).await), (1, 2, 1, 0), "a JSON message is no frame");
    let (history, state) = values(&domain, &tenant, &device).await;
    let data: Vec<String> = history.into_iter().map(|(data, _)| data).collect();
    assert_eq!((data, state), (["30", "21", "10"].map(temperature).to_vec(), vec![temperature("30")]));

    // What no longer fits the model, and what turns out to be an answer, keeps what it has.
    upload(&domain, &tenant, "10->\"hot\"").await;
    let page = redecode(&domain, &tenant, ALL).await;
    assert_eq!(counts(&page), (1, 2, 1, 1), "20 is 20 again");
    assert!(page.first_failure.unwrap().error.contains("temperature"));
    let as_answer = r#""deviceReq","data":[{"serviceId":"Thermometer","serviceData":{"temperature":10}}]->"deviceRsp","mid":7"#;
    upload(&domain, &tenant, as_answer).await;
    assert_eq!(counts(&redecode(&domain, &tenant, ALL).await), (1, 2, 0, 0));
    let data: Vec<String> = values(&domain, &tenant, &device).await.0.into_iter().map(|(data, _)| data).collect();
    assert_eq!(data, ["30", "20", "10"].map(temperature));
}

#[tokio::test]
async fn frames_keep_what_the_codec_was_told_beside_them() {
    let domain = Ground::new(92).await;
    let tenant = binary_tenant(&domain, "a").await;
    let device = domain.online_device(&tenant, "n").await;
    let caller = domain.core.device_caller(&device);
    let meta = String::from_utf8(report("5")).unwrap();
    domain.core.take_binary(&caller, device.id, b"\xff", &meta).await.unwrap();
    assert_eq!(cause(domain.core.redecode(&tenant.all, tenant.product.id, &ALL).await), Cause::CodecNotFound);
    upload(&domain, &tenant, "meta").await;
    assert_eq!(counts(&redecode(&domain, &tenant, ALL).await), (1, 1, 1, 0));
    assert_eq!(values(&domain, &tenant, &device).await.1, [temperature("5")]);
}

#[tokio::test]
async fn a_run_is_cut_into_pages_by_devices_and_frames() {
    let domain = Ground::new(93).await;
    let tenant = binary_tenant(&domain, "a").await;
    upload(&domain, &tenant, "good").await;
    let mut frames = 0;
    for i in 0..103 {
        let device = domain.device(&tenant, &format!("n{i}")).await;
        for _ in 0..i % 3 {
            send(&domain, &domain.core.device_caller(&device), &report("1")).await;
            frames += 1;
        }
    }
    upload(&domain, &tenant, "1->2").await;
    for (limit, most_calls) in [(7, 17), (1_000, 2)] {
        let (mut calls, mut devices, mut seen, mut changed) = (0, 0, 0, 0);
        let mut request = RedecodeRequest { limit, ..ALL };
        loop {
            let page = redecode(&domain, &tenant, request).await;
            assert!(page.frames <= u64::from(limit) && page.devices <= 100, "{page:?}");
            (calls, devices, seen, changed) = (calls + 1, devices + page.devices, seen + page.frames, changed + page.changed);
            let Some(next) = page.next else { break };
            request.after = Some(next.to_string().parse().unwrap());
        }
        assert_eq!((devices, seen, changed), (103, frames, if limit == 7 { frames } else { 0 }));
        assert!(calls <= most_calls, "{calls} calls by {limit}");
    }
    for limit in [0, 10_001] {
        let result = domain.core.redecode(&tenant.all, tenant.product.id, &RedecodeRequest { limit, ..ALL }).await;
        assert_eq!(cause(result), Cause::InvalidField);
    }
}

#[tokio::test]
async fn only_the_frames_asked_for_are_decoded() {
    let domain = Ground::new(94).await;
    let tenant = binary_tenant(&domain, "a").await;
    upload(&domain, &tenant, "good").await;
    let (one, other) = (domain.online_device(&tenant, "one").await, domain.online_device(&tenant, "other").await);
    let mut times = vec![];
    for _ in 0..3 {
        times.push(domain.core.now());
        for device in [&one, &other] {
            send(&domain, &domain.core.device_caller(device), &report("1")).await;
        }
        domain.advance_s(86_400);
    }
    let dry = RedecodeRequest { dry_run: true, ..ALL };
    let cases = [
        (dry, (2, 6, 0, 0)),
        (RedecodeRequest { device: Some(one.id), ..dry }, (1, 3, 0, 0)),
        (RedecodeRequest { from: Some(times[1]), ..dry }, (2, 4, 0, 0)),
        (RedecodeRequest { to: Some(times[1]), ..dry }, (2, 4, 0, 0)),
        (RedecodeRequest { from: Some(times[1]), to: Some(times[1]), ..dry }, (2, 2, 0, 0)),
    ];
    for (request, expected) in cases {
        assert_eq!(counts(&redecode(&domain, &tenant, request).await), expected, "{request:?}");
    }
    let age = DeviceChange { data_aging_days: Some(2), ..DeviceChange::default() };
    domain.core.modify_device(&tenant.scope, one.id, age).await.unwrap();
    assert_eq!(counts(&redecode(&domain, &tenant, dry).await), (2, 5, 0, 0), "what has aged is not decoded");
}

#[tokio::test]
async fn another_account_and_another_product_are_out_of_reach() {
    let domain = Ground::new(95).await;
    let (mine, theirs) = (binary_tenant(&domain, "mine").await, binary_tenant(&domain, "theirs").await);
    for tenant in [&mine, &theirs] {
        upload(&domain, tenant, "good").await;
    }
    let device = domain.online_device(&theirs, "n").await;
    send(&domain, &domain.core.device_caller(&device), &inverted(&report("1"))).await;
    upload(&domain, &mine, "inverted").await;
    let named = RedecodeRequest { device: Some(device.id), ..ALL };
    let core = &domain.core;
    for scope in [&mine.all, &mine.scope] {
        assert_eq!(cause(core.redecode(scope, theirs.product.id, &ALL).await), Cause::ProductNotFound);
        assert_eq!(cause(core.redecode(scope, mine.product.id, &named).await), Cause::DeviceNotFound);
        // A cursor that another account's answer held gives nothing away either.
        let inside = RedecodeRequest { after: Some(format!("{}:0", device.id).parse().unwrap()), ..ALL };
        assert_eq!(counts(&core.redecode(scope, mine.product.id, &inside).await.unwrap()), (0, 0, 0, 0));
    }
    assert_eq!(values(&domain, &theirs, &device).await, (vec![], vec![]));
    let mut draft = thermometer(DataFormat::Binary);
    draft.key.model = "T2".into();
    let second = core.create_product(&theirs.all, draft).await.unwrap();
    let sample = SampleFrame { hex: hex::encode(report("0")), expected: None };
    core.upload_codec(&theirs.all, second.id, "good", &[sample]).await.unwrap();
    assert_eq!(cause(core.redecode(&theirs.all, second.id, &named).await), Cause::InvalidField);
}
