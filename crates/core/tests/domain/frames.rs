//! Frames: acknowledged in the format of their product, and passed as they are where it has no codec.

use super::{Ground, Tenant, cause, thermometer};
use landfall_core::{CallRequest, CommandRequest, DeviceChange, HistoryFilter, Step};
use landfall_model::{Cause, DataFormat, Device, EventBody, PageRequest, SampleFrame, Service};
use serde_json::{Value, json};
use std::sync::Arc;

const PAGE: PageRequest = PageRequest { no: 0, size: 100 };

/// A frame of the scripted codec, with more members.
fn frame(more: Value) -> Vec<u8> {
    let item = json!({"serviceId": "Thermometer", "serviceData": {"temperature": 9}});
    let mut message = json!({"msgType": "deviceReq", "data": [item]});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message.to_string().into_bytes()
}

/// A tenant whose devices send frames through a codec.
async fn with_codec(domain: &Ground, name: &str) -> (Tenant, Arc<Device>) {
    let tenant = domain.tenant(name).await;
    domain.core.replace_product(&tenant.all, tenant.product.id, thermometer(DataFormat::Binary)).await.unwrap();
    let sample = SampleFrame { hex: hex::encode(frame(json!({}))), expected: None };
    domain.core.upload_codec(&tenant.all, tenant.product.id, "forwards", &[sample]).await.unwrap();
    let device = domain.online_device(&tenant, &format!("{name}-1")).await;
    (tenant, device)
}

/// What went out since the last call: to whom, and the frame as JSON.
fn sent(domain: &Ground) -> Vec<(landfall_model::DeviceId, Value)> {
    let sent = std::mem::take(&mut *domain.live.sent.lock());
    sent.into_iter().map(|message| (message.device, serde_json::from_slice(&message.payload).unwrap())).collect()
}

async fn reports(domain: &Ground, tenant: &Tenant, device: &Device) -> u64 {
    let filter = HistoryFilter { device: Some(device.id), ..HistoryFilter::default() };
    domain.core.history(&tenant.scope, filter, PAGE).await.unwrap().total
}

/// Takes a frame as an access protocol does.
async fn says(domain: &Ground, device: &Device, frame: &[u8]) {
    let caller = domain.core.device_caller(device);
    let reading = domain.core.read_binary(&caller, device.id, frame, "{}").await.unwrap();
    if let (_, Some(owed)) = domain.core.keep_owing(reading).await.unwrap() {
        domain.core.acknowledge(*owed).await;
    }
}

#[tokio::test]
async fn a_report_is_acknowledged_where_its_codec_asks_for_that() {
    let domain = Ground::new(70).await;
    let (tenant, device) = with_codec(&domain, "a").await;
    let (_, other) = with_codec(&domain, "b").await;
    says(&domain, &other, &frame(json!({}))).await;
    assert_eq!(sent(&domain), [], "no wish");
    let wish = frame(json!({"cloudRsp": true, "identifier": "7"}));
    let caller = domain.core.device_caller(&device);
    let reading = domain.core.read_binary(&caller, device.id, &wish, "{}").await.unwrap();
    assert_eq!((reports(&domain, &tenant, &device).await, sent(&domain)), (0, vec![]), "nothing before it is stored");
    let (_, owed) = domain.core.keep_owing(reading).await.unwrap();
    assert_eq!((reports(&domain, &tenant, &device).await, sent(&domain)), (1, vec![]));
    domain.core.acknowledge(*owed.unwrap()).await;
    let expected = json!({"identifier": "7", "msgType": "cloudRsp", "request": wish, "errcode": 0, "hasMore": 0});
    assert_eq!(sent(&domain), [(device.id, expected)], "to this device alone");
    // A frozen device is answered as if all were well.
    let freeze = DeviceChange { mute: Some(true), ..DeviceChange::default() };
    domain.core.modify_device(&tenant.scope, device.id, freeze).await.unwrap();
    says(&domain, &device, &wish).await;
    assert_eq!((sent(&domain).len(), reports(&domain, &tenant, &device).await), (1, 1));
}

#[tokio::test]
async fn a_report_outlives_an_acknowledgement_that_fails() {
    let domain = Ground::new(71).await;
    let (tenant, device) = with_codec(&domain, "a").await;
    let unwritable = landfall_testkit::ground::codec::UNWRITABLE;
    for (more, step, check) in [
        (json!({"cloudRsp": "yes"}), "codec.cloudRsp", "PayloadInvalid"),
        (json!({"cloudRsp": true, "identifier": unwritable}), "codec.cloudRsp", "CodecFailed"),
        (json!({"cloudRsp": true}), "call.send", "DeviceOffline"),
    ] {
        let before = reports(&domain, &tenant, &device).await;
        if step == "call.send" {
            domain.live.shut(device.id);
        }
        says(&domain, &device, &frame(more)).await;
        let why = domain.core.why().device(device.account, device.id).remove(0);
        assert_eq!((why.step, why.check), (step, check), "{why:?}");
        assert_eq!((reports(&domain, &tenant, &device).await, sent(&domain)), (before + 1, vec![]));
    }
}

#[tokio::test]
async fn frames_of_a_product_without_codec_pass_as_they_are() {
    let domain = Ground::new(72).await;
    let tenant = domain.tenant("a").await;
    let mut draft = thermometer(DataFormat::Binary);
    draft.services.push(Service::raw_data());
    domain.core.replace_product(&tenant.all, tenant.product.id, draft).await.unwrap();
    let device = domain.online_device(&tenant, "n").await;
    let before = domain.newest();
    says(&domain, &device, &[0xfb, 0xff, 0]).await;
    let events = domain.events_since(before).await;
    let EventBody::Reported(told) = &events[0].event.body else { panic!("{events:?}") };
    let [raw] = told.services.as_slice() else { panic!("{told:?}") };
    assert_eq!((raw.service_id.as_str(), raw.data.as_str()), ("RawData", r#"{"rawData":"+/8A"}"#));
    assert!(told.raw.is_some(), "a codec to come may read it again");
    assert_eq!(reports(&domain, &tenant, &device).await, 1);

    // Programs name its command as they like.
    for method in ["RawData", "START"] {
        let request = CallRequest {
            service_id: "RawData".into(),
            method: method.into(),
            paras: r#"{"rawData":"+/8A"}"#.into(),
            request_id: None,
            from: None,
            ack: false,
            callback_url: None,
        };
        domain.core.call_service(&tenant.scope, device.id, request.clone()).await.unwrap();
        assert_eq!(domain.live.sent.lock().remove(0).payload, [0xfb, 0xff, 0]);
        let bad = CallRequest { paras: r#"{"rawData":"!"}"#.into(), ..request };
        let error = domain.core.call_service(&tenant.scope, device.id, bad).await.unwrap_err();
        assert_eq!((error.cause, error.path.as_deref()), (Cause::InvalidField, Some("rawData")));
    }
    // With a codec the frames are the codec's.
    let sample = SampleFrame { hex: hex::encode(frame(json!({}))), expected: None };
    domain.core.upload_codec(&tenant.all, tenant.product.id, "forwards", &[sample]).await.unwrap();
    says(&domain, &device, &[0xfb, 0xff, 0]).await;
    assert_eq!(domain.core.why().device(device.account, device.id)[0].check, "CodecFailed");
}

#[tokio::test]
async fn cached_commands_pass_bytes_too() {
    let domain = Ground::new(73).await;
    let tenant = domain.tenant("a").await;
    let device = domain.lwm2m_device(&tenant, "n").await;
    let mut draft = super::sensor();
    draft.format = DataFormat::Binary;
    draft.services.push(Service::raw_data());
    let product = device.product.unwrap();
    domain.core.replace_product(&tenant.all, product, draft).await.unwrap();
    let request = |data: &str| CommandRequest {
        service_id: "RawData".into(),
        method: "START".into(),
        paras: json!({"rawData": data}).to_string(),
        callback_url: None,
        expire_s: None,
        max_retransmit: 0,
    };
    assert_eq!(cause(domain.core.submit_command(&tenant.scope, device.id, request("!")).await), Cause::InvalidField);
    domain.core.submit_command(&tenant.scope, device.id, request("AQ==")).await.unwrap();
    let work = domain.core.next_work(&domain.core.device_caller(&device), false).await.unwrap().unwrap();
    assert_eq!(work.steps, [Step::Frame { path: "/19/1/0".into(), bytes: vec![1] }]);
}

#[tokio::test]
async fn a_codec_is_tried_both_ways() {
    let domain = Ground::new(74).await;
    let (tenant, _) = with_codec(&domain, "a").await;
    let sample = |more: Value| SampleFrame { hex: hex::encode(frame(more)), expected: None };
    let unwritable = landfall_testkit::ground::codec::UNWRITABLE;
    let samples =
        [sample(json!({})), sample(json!({"cloudRsp": true})), sample(json!({"cloudRsp": true, "identifier": unwritable}))];
    let trials = domain.core.try_codec(&tenant.all, tenant.product.id, "forwards", &samples).await.unwrap();
    let acknowledgements: Vec<_> =
        trials.iter().map(|trial| trial.outcome.clone().map(|decoded| decoded.acknowledgement)).collect();
    assert_eq!(acknowledgements[0], Ok(None));
    let frame = hex::decode(acknowledgements[1].clone().unwrap().unwrap()).unwrap();
    assert!(String::from_utf8(frame).unwrap().contains(r#""msgType":"cloudRsp""#));
    assert!(acknowledgements[2].clone().unwrap_err().starts_with("the acknowledgement (cloudRsp): "));

    let command = |text: Value| serde_json::from_value(text).unwrap();
    let commands = [
        command(json!({"serviceId": "Switch", "cmd": "SET", "paras": {"value": "4"}, "mid": 258})),
        command(json!({"serviceId": "Switch", "cmd": "SET", "paras": {"value": "x"}})),
        command(json!({"serviceId": "Switch", "cmd": "GET", "paras": {}})),
        command(json!({"serviceId": "Switch", "cmd": "SET", "paras": {"value": unwritable}})),
    ];
    let trials = domain.core.try_commands(&tenant.all, tenant.product.id, "forwards", &commands).await.unwrap();
    let told = r#"{"msgType":"cloudReq","serviceId":"Switch","mid":258,"cmd":"SET","paras":{"value":4},"hasMore":0}"#;
    assert_eq!(
        (trials[0].command.as_str(), trials[0].outcome.clone()),
        (told, Ok(hex::encode(told))),
        "spelled as the model does"
    );
    for (trial, expected) in
        trials[1..].iter().zip(["value: must be an integer", "the service has no command GET", "encode: unwritable"])
    {
        assert!(trial.outcome.as_ref().unwrap_err().contains(expected), "{trial:?}");
    }
}
