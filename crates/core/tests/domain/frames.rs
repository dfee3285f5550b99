//! Frames: acknowledged in the format of their product.

use super::{Ground, Tenant, thermometer};
use landfall_core::{DeviceChange, HistoryFilter};
use landfall_model::{DataFormat, Device, PageRequest, SampleFrame};
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
