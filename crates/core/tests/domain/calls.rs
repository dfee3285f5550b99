//! Calls of device services (1.7.7, device-side section 7).

use super::{Ground, SENT_MAX, cause, new_device, thermometer};
use landfall_core::{CallRequest, DeviceChange, ProductDraft, Settings};
use landfall_model::{Cause, DataFormat, DeviceInfo, EventBody, MutedCommand, SampleFrame};
use landfall_testkit::ground::codec::UNWRITABLE;

fn set(value: &str) -> CallRequest {
    CallRequest {
        service_id: "Switch".into(),
        method: "SET".into(),
        paras: format!(r#"{{"value":{value}}}"#),
        request_id: Some("r1".into()),
        from: Some("/users/1".into()),
        ack: true,
        callback_url: None,
    }
}

#[tokio::test]
async fn a_call_is_sent_confirmed_and_answered() {
    let domain = Ground::new(30).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    let before = domain.newest();
    let taken = domain.core.call_service(&tenant.scope, device.id, set("4")).await.unwrap();
    assert_eq!((taken.sent, taken.request_id.as_str()), (true, "r1"));
    let message = domain.live.sent.lock().remove(0);
    let call = message.call().unwrap().clone();
    let expected =
        format!(r#"{{"msgType":"cloudReq","serviceId":"Switch","mid":{},"cmd":"SET","paras":{{"value":4}}}}"#, call.mid);
    assert_eq!(String::from_utf8(message.payload).unwrap(), expected);

    domain.core.call_delivered(call.id).await.unwrap();
    domain.core.call_delivered(call.id).await.unwrap();
    let answer = format!(r#"{{"msgType":"deviceRsp","mid":{},"errcode":0,"body":{{"result":"ok"}}}}"#, call.mid);
    let caller = domain.core.device_caller(&device);
    domain.says(&caller, device.id, answer.as_bytes()).await.unwrap();
    let told = ["confirmed Sent", "confirmed Delivered", "confirmed Executed", "answered 0"];
    assert_eq!(domain.told_since(before).await, told);
    assert_eq!(cause(domain.says(&caller, device.id, answer.as_bytes()).await), Cause::PayloadInvalid, "answered once");
}

#[tokio::test]
async fn a_number_written_as_a_text_reaches_the_device_as_the_number() {
    let domain = Ground::new(34).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    domain.core.call_service(&tenant.scope, device.id, set("\"4\"")).await.unwrap();
    let message = domain.live.sent.lock().remove(0);
    assert_eq!(message.call().unwrap().paras, r#"{"value":4}"#);
    assert!(String::from_utf8(message.payload).unwrap().ends_with(r#""paras":{"value":4}}"#));
    assert_eq!(cause(domain.core.call_service(&tenant.scope, device.id, set("\"4 \"")).await), Cause::InvalidField);
}

#[tokio::test]
async fn a_failed_answer_is_told_without_executed_and_noack_has_no_confirmations() {
    let domain = Ground::new(31).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    let before = domain.newest();
    domain.core.call_service(&tenant.scope, device.id, CallRequest { ack: false, ..set("4") }).await.unwrap();
    let call = domain.live.sent.lock().remove(0).call().unwrap().clone();
    domain.core.call_delivered(call.id).await.unwrap();
    let answer = format!(r#"{{"msgType":"deviceRsp","mid":{},"errcode":3,"body":{{}}}}"#, call.mid);
    domain.says(&domain.core.device_caller(&device), device.id, answer.as_bytes()).await.unwrap();
    assert_eq!(domain.told_since(before).await, ["answered 3"]);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_its_reason() {
    let domain = Ground::new(32).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    let offline = domain.device(&tenant, "offline").await;
    let child = domain.core.add_child(&domain.core.device_caller(&offline), "child", None, DeviceInfo::default()).await.unwrap();
    let product = Some(landfall_core::ProductRef::Key(tenant.product.key.clone()));
    let change = DeviceChange { product, ..DeviceChange::default() };
    domain.core.modify_device(&tenant.scope, child.id, change).await.unwrap();
    let before = domain.newest();
    let cases = [
        (device.id, CallRequest { service_id: "Nope".into(), ..set("4") }, Cause::ServiceNotFound),
        (device.id, CallRequest { method: "NOPE".into(), ..set("4") }, Cause::CommandUnknown),
        (device.id, CallRequest { paras: "{}".into(), ..set("4") }, Cause::InvalidField),
        (device.id, set("\"four\""), Cause::InvalidField),
        (device.id, CallRequest { request_id: Some("r".repeat(129)), ..set("4") }, Cause::InvalidField),
        (device.id, CallRequest { callback_url: Some("ftp://x".into()), ..set("4") }, Cause::CallbackInvalid),
        (offline.id, set("4"), Cause::DeviceOffline),
        (child.id, set("4"), Cause::GatewayOffline),
    ];
    for (device, request, expected) in cases {
        assert_eq!(cause(domain.core.call_service(&tenant.scope, device, request.clone()).await), expected, "{request:?}");
    }
    let muted = vec![MutedCommand { service_id: "Switch".into(), method: "SET".into() }];
    let change = DeviceChange { muted_commands: Some(muted), ..DeviceChange::default() };
    domain.core.modify_device(&tenant.scope, device.id, change).await.unwrap();
    assert_eq!(cause(domain.core.call_service(&tenant.scope, device.id, set("4")).await), Cause::CommandMuted);
    assert!(domain.live.sent.lock().is_empty());
    assert_eq!(domain.told_since(before).await, ["info ONLINE"]);
}

#[tokio::test]
async fn a_call_that_its_connection_does_not_take_leaves_its_reason() {
    let domain = Ground::new(39).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    assert!(domain.core.call_service(&tenant.scope, device.id, set("4")).await.unwrap().sent);
    let taken = domain.live.sent.lock().remove(0);
    *domain.live.sent.lock() = vec![taken; SENT_MAX];
    assert!(!domain.core.call_service(&tenant.scope, device.id, set("4")).await.unwrap().sent);
    let why = domain.core.why().device(device.account, device.id).remove(0);
    assert_eq!((why.step, why.check), ("pretended.command", Cause::Overloaded.as_str()));
    assert_eq!(domain.core.store().calls(device.id).await.unwrap().len(), 1, "it does not wait for an answer");
    let before = domain.newest();
    assert!(!domain.core.call_service(&tenant.scope, device.id, to_own_address(false)).await.unwrap().sent);
    assert_eq!(domain.told_since(before).await, ["subscription", "confirmed Sent", "confirmed Failed"]);
}

#[tokio::test]
async fn waiting_calls_are_limited_have_distinct_numbers_and_end() {
    let domain = Ground::plan(33).settings(Settings { calls_per_device: 3, ..Settings::default() }).open().await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    for _ in 0..3 {
        domain.core.call_service(&tenant.scope, device.id, set("4")).await.unwrap();
    }
    assert_eq!(cause(domain.core.call_service(&tenant.scope, device.id, set("4")).await), Cause::TooMany);
    let mut mids: Vec<u16> = domain.live.sent.lock().iter().filter_map(|message| Some(message.call()?.mid)).collect();
    mids.dedup();
    assert_eq!(mids.len(), 3);
    domain.advance_s(61);
    domain.core.sweep().await.unwrap();
    assert!(domain.core.store().calls(device.id).await.unwrap().is_empty());
    assert!(domain.core.why().device(device.account, device.id)[0].detail.contains("no answer to Switch SET"));
}

/// A request that is told to an address of its own.
fn to_own_address(ack: bool) -> CallRequest {
    CallRequest { callback_url: Some("https://app.example/confirm".into()), ack, ..set("4") }
}

#[tokio::test]
async fn calls_with_the_same_address_share_it() {
    let domain = Ground::new(34).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    let before = domain.newest();
    for _ in 0..2 {
        domain.core.call_service(&tenant.scope, device.id, to_own_address(true)).await.unwrap();
    }
    let events = domain.events_since(before).await;
    let addresses: Vec<_> = events
        .iter()
        .filter_map(|stored| match &stored.event.body {
            EventBody::MessageConfirmed { address, .. } => Some(*address),
            _ => None,
        })
        .collect();
    assert_eq!(addresses.len(), 2);
    assert!(addresses[0].is_some() && addresses[0] == addresses[1], "one hidden subscription an address");
}

#[tokio::test]
async fn an_address_is_told_every_change_of_status_in_both_modes() {
    let domain = Ground::new(35).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    let caller = domain.core.device_caller(&device);
    for ack in [true, false] {
        for (errcode, ended) in [(0, "confirmed Executed"), (3, "confirmed Failed")] {
            let before = domain.newest();
            domain.core.call_service(&tenant.scope, device.id, to_own_address(ack)).await.unwrap();
            let call = domain.live.sent.lock().remove(0).call().unwrap().clone();
            domain.core.call_delivered(call.id).await.unwrap();
            let answer = format!(r#"{{"msgType":"deviceRsp","mid":{},"errcode":{errcode},"body":{{}}}}"#, call.mid);
            domain.says(&caller, device.id, answer.as_bytes()).await.unwrap();
            let told: Vec<_> = domain.told_since(before).await.into_iter().filter(|word| word != "subscription").collect();
            assert_eq!(told, ["confirmed Sent", "confirmed Delivered", ended, &format!("answered {errcode}")], "{ack}");
        }
        domain.core.call_service(&tenant.scope, device.id, to_own_address(ack)).await.unwrap();
        let before = domain.newest();
        domain.advance_s(61);
        domain.core.sweep().await.unwrap();
        assert_eq!(domain.told_since(before).await, ["confirmed Timeout"], "{ack}");
        domain.live.sent.lock().clear();
    }
}

#[tokio::test]
async fn a_call_that_no_codec_puts_into_a_frame_fails_with_its_reason() {
    let domain = Ground::new(36).await;
    let tenant = domain.tenant("a").await;
    let product = domain.core.create_product(&tenant.all, binary()).await.unwrap();
    let report = r#"{"msgType":"deviceReq","data":[{"serviceId":"Thermometer","serviceData":{"temperature":1}}]}"#;
    let sample = SampleFrame { hex: hex::encode(report), expected: None };
    domain.core.upload_codec(&tenant.all, product.id, "codec", &[sample]).await.unwrap();
    let device = domain.core.register_device(&tenant.scope, new_device("n", &product)).await.unwrap();
    domain.live.open(device.id);
    for (request, told) in [
        (set(&UNWRITABLE.to_string()), vec![]),
        (CallRequest { paras: set(&UNWRITABLE.to_string()).paras, ..to_own_address(false) }, vec!["confirmed Failed"]),
    ] {
        let before = domain.newest();
        let taken = domain.core.call_service(&tenant.scope, device.id, request).await.unwrap();
        assert_eq!((taken.sent, taken.request_id.as_str()), (false, "r1"));
        let words: Vec<_> = domain.told_since(before).await.into_iter().filter(|word| word != "subscription").collect();
        assert_eq!(words, told, "it was not sent");
        let why = domain.core.why().device(device.account, device.id).remove(0);
        assert_eq!((why.step, why.check, why.detail.as_str()), ("command.encode", "CodecFailed", "encode: unwritable"));
    }
    assert!(domain.live.sent.lock().is_empty());
    assert!(domain.core.store().calls(device.id).await.unwrap().is_empty(), "nothing waits for an answer");
}

/// A thermometer with frames, under keys of its own.
fn binary() -> ProductDraft {
    let mut draft = thermometer(DataFormat::Binary);
    draft.key.model = "T2".into();
    draft
}
