//! Messages: durable before they are acknowledged, in order, and refused with a reason.

use super::*;
use landfall_model::DeviceStatus;

#[tokio::test]
async fn reports_are_stored_and_acknowledged_in_order() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.online(&device).await;
    let mut bytes = vec![];
    for id in 1..=200 {
        bytes.extend(client.publish_bytes(&data(device.id), 1, id, &report(i32::from(id))));
    }
    client.stream.write_all(&bytes).await.unwrap();
    for id in 1..=200u16 {
        assert_eq!(client.expect(0x40).await, id.to_be_bytes());
    }
    let state = ground.core.device_state(&device).await.unwrap();
    assert_eq!(state.services[0].data, r#"{"temperature":200}"#);
    let counters = ground.mqtt.counters();
    assert_eq!((counters.publishes, counters.publishes_refused), (200, 0));
}

#[tokio::test]
async fn a_service_topic_names_the_service() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.online(&device).await;
    client.publish(&format!("/huawei/v1/devices/{}/services/Thermometer", device.id), 1, 1, br#"{"temperature":21}"#).await;
    client.expect(0x40).await;
    assert_eq!(ground.core.device_state(&device).await.unwrap().services[0].data, r#"{"temperature":21}"#);
}

#[tokio::test]
async fn what_is_around_a_report_does_not_matter_and_of_twins_the_last_counts() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.online(&device).await;
    let with_nul = [report(1), vec![0]].concat();
    let with_mark = ["\u{feff}".as_bytes(), &report(2)].concat();
    let twins = br#"{"msgType":"x","data":[{"serviceId":"Thermometer","serviceData":{"temperature":2,"temperature":3}}],"msgType":"deviceReq"}"#;
    for (id, payload) in (1..).zip([with_nul, with_mark, twins.to_vec()]) {
        client.publish(&data(device.id), 1, id, &payload).await;
        client.expect(0x40).await;
        let stored = ground.core.device_state(&device).await.unwrap().services[0].data.clone();
        assert_eq!(stored, format!(r#"{{"temperature":{id}}}"#));
    }
    client.publish(&format!("/huawei/v1/devices/{}/services/Thermometer", device.id), 1, 4, b"{\"temperature\":4}\0").await;
    client.expect(0x40).await;
    assert_eq!(ground.core.device_state(&device).await.unwrap().services[0].data, r#"{"temperature":4}"#);
}

/// A device whose product has a codec.
async fn sends_frames(ground: &Ground) -> Arc<Device> {
    let product = ground.core.create_product(&ground.all, thermometer(DataFormat::Binary)).await.unwrap();
    let source = "function decode() {}";
    let sample = landfall_model::SampleFrame { hex: hex::encode(report(1)), expected: None };
    ground.core.upload_codec(&ground.all, product.id, source, &[sample]).await.unwrap();
    let registration = RegisterDevice {
        product: Some(ProductRef::Id(product.id.to_string())),
        ..ground.registration("binary", AccessMode::Secret)
    };
    ground.core.register_device(&ground.scope, registration).await.unwrap()
}

#[tokio::test]
async fn a_frame_goes_through_the_codec() {
    let ground = Ground::new().await;
    let device = sends_frames(&ground).await;
    let mut client = ground.online(&device).await;
    let topic = format!("/huawei/v1/devices/{}/data/binary", device.id);
    for id in 1..=20 {
        client.publish(&topic, 1, id, &report(i32::from(id))).await;
    }
    client.publish(&data(device.id), 1, 21, &report(21)).await;
    for id in 1..=21u16 {
        assert_eq!(client.expect(0x40).await, id.to_be_bytes());
    }
    assert_eq!(ground.core.device_state(&device).await.unwrap().services[0].data, r#"{"temperature":21}"#);
}

#[tokio::test]
async fn a_frame_is_acknowledged_by_a_frame_where_its_codec_asks_for_that() {
    let ground = Ground::new().await;
    let device = sends_frames(&ground).await;
    let mut client = ground.online(&device).await;
    let topic = format!("/huawei/v1/devices/{}/data/binary", device.id);
    let mut message: serde_json::Value = serde_json::from_slice(&report(1)).unwrap();
    message["cloudRsp"] = true.into();
    let frame = message.to_string().into_bytes();
    client.publish(&topic, 1, 1, &frame).await;
    client.expect(0x40).await;
    assert_eq!(ground.checks(&device), ["DeviceOffline"], "it does not listen");
    let command = commands(device.id).replace("json", "binary");
    client.subscribe(&[&command]).await;
    client.publish(&topic, 1, 2, &frame).await;
    client.expect(0x40).await;
    // QoS 0: nothing waits for it.
    let mut body = client.expect(0x30).await.split_off(2 + command.len());
    body.reverse();
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&told["msgType"], &told["request"]), (&"cloudRsp".into(), &serde_json::json!(frame)));
    assert_eq!(ground.mqtt.counters().commands, 0, "it is no command");
    client.publish(&topic, 1, 3, &report(2)).await;
    client.expect(0x40).await;
    client.send(0xc0, &[]).await;
    client.expect(0xd0).await;
}

#[tokio::test]
async fn what_is_refused_leaves_its_reason() {
    let ground = Ground::new().await;
    let (device, other) = (ground.device("node-1").await, ground.device("node-2").await);
    let new = ground.device("node-3").await;
    let mut old = ground.online(&device).await;
    let mut v5 = ground.dial();
    v5.login_v5(&new, true).await;
    let own = format!("/huawei/v1/devices/{}", device.id);
    let cases = [
        ("some/topic".to_owned(), report(1), "topic.form", 0x87),
        (format!("{own}/up"), report(1), "topic.form", 0x87),
        (data(other.id), report(1), "topic.device", 0x87),
        (data(device.id), b"{".to_vec(), "PayloadInvalid", 0x99),
        (data(device.id), String::from_utf8(report(1)).unwrap().replace(":1}", ":1e400}").into_bytes(), "PayloadInvalid", 0x99),
        (
            data(device.id),
            b"{\"msgType\":\"deviceReq\",\"data\":[{\"serviceId\":\"x\",\"serviceData\":{}}]}".to_vec(),
            "PayloadInvalid",
            0x99,
        ),
    ];
    for (n, (topic, payload, check, code)) in (1..).zip(cases) {
        old.publish(&topic, 1, n, &payload).await;
        assert_eq!(old.expect(0x40).await, n.to_be_bytes(), "MQTT 3.1.1 has no words for it");
        assert_eq!(ground.checks(&device)[0], check, "{topic}");
        let topic = topic.replace(&device.id.to_string(), &new.id.to_string());
        v5.publish(&topic, 1, n, &payload).await;
        assert_eq!(v5.expect(0x40).await[..3], [0, n as u8, code], "{topic}");
        assert_eq!(ground.checks(&new)[0], check);
    }
    assert_eq!(ground.mqtt.counters().publishes_refused, 12);
}

#[tokio::test]
async fn a_message_that_ends_the_connection_leaves_one_reason() {
    let ground = Ground::new().await;
    let busy = sends_frames(&ground).await;
    let gone = ground.device("node-1").await;
    let cases = [
        (&busy, format!("/huawei/v1/devices/{}/data/binary", busy.id), b"busy".to_vec(), ("codec.decode", "Overloaded")),
        (&gone, data(gone.id), report(1), ("uplink.device", "Forbidden")),
    ];
    for (device, topic, payload, expected) in cases {
        let mut client = ground.online(device).await;
        if device.id == gone.id {
            // The record alone: an operator's deletion would close the connection first.
            let writes = vec![landfall_model::Write::DeleteDevice(device.id)];
            ground.core.store().commit(landfall_model::Batch { writes, events: vec![] }).await.unwrap();
        }
        client.publish(&topic, 1, 1, &payload).await;
        client.ended().await;
        let whys = ground.core.why().device(device.account, device.id);
        let found: Vec<_> = whys.iter().map(|why| (why.step, why.check)).collect();
        assert_eq!(found, [expected]);
    }
    let counts = ground.core.why().counts();
    assert_eq!(counts, [("codec.decode", "Overloaded", 1), ("uplink.device", "Forbidden", 1)]);
}

#[tokio::test]
async fn a_gateway_speaks_for_those_behind_it() {
    let ground = Ground::new().await;
    let gateway = ground.device("gateway").await;
    let product = Some(ProductRef::Id(ground.product.id.to_string()));
    let child =
        ground.core.add_child(&ground.core.device_caller(&gateway), "child", product, DeviceInfo::default()).await.unwrap();
    let mut client = ground.online(&gateway).await;
    client.publish(&data(child.id), 1, 1, &report(7)).await;
    client.expect(0x40).await;
    assert_eq!(ground.core.device_state(&child).await.unwrap().services.len(), 1);
    assert_eq!(ground.reread(&child).await.status, DeviceStatus::Online);
    assert_eq!(client.subscribe(&[&commands(gateway.id), &commands(child.id)]).await, [1, 1]);
    let wild = format!("/huawei/v1/devices/{}/command/+", child.id);
    assert_eq!(client.subscribe(&[&wild, "#"]).await, [1, 0x80]);
    client.hang_up().await;
    assert_eq!(ground.reread(&child).await.status, DeviceStatus::Offline);
}

#[tokio::test]
async fn a_frozen_device_is_acknowledged_and_nothing_is_kept() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let freeze = landfall_core::DeviceChange { mute: Some(true), ..Default::default() };
    ground.core.modify_device(&ground.scope, device.id, freeze).await.unwrap();
    let mut client = ground.online(&device).await;
    client.publish(&data(device.id), 1, 1, &report(7)).await;
    assert_eq!(client.expect(0x40).await, [0, 1]);
    assert!(ground.core.device_state(&device).await.unwrap().services.is_empty());
}

#[tokio::test]
async fn a_will_is_published_when_the_device_is_lost() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    for (leaves, services) in [(true, 0), (false, 1)] {
        let mut client = ground.dial();
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0xce, 0, 60];
        let id = device.id.to_string();
        let will = String::from_utf8(report(-1)).unwrap();
        let right = password(HOUR, device.credentials.secret.as_ref().unwrap().expose());
        for field in [&format!("{id}_0_1_{HOUR}"), &data(device.id), &will, &id, &right] {
            text(&mut body, field);
        }
        client.send(0x10, &body).await;
        assert_eq!(client.expect(0x20).await, [0, 0]);
        if leaves {
            client.leave().await;
        } else {
            client.hang_up().await;
        }
        assert_eq!(ground.core.device_state(&device).await.unwrap().services.len(), services);
    }
}

#[tokio::test]
async fn bytes_that_are_not_mqtt_end_the_connection_with_a_reason() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut stranger = ground.dial();
    stranger.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    stranger.ended().await;
    assert_eq!(ground.core.why().unknown()[0].check, "connect.first");
    let mut client = ground.online(&device).await;
    client.send(0x36, &[0, 1, b'a', 0, 1]).await;
    client.ended().await;
    assert_eq!(ground.checks(&device)[0], "publish.qos");
}

#[tokio::test]
async fn a_client_that_has_ended_its_side_gets_what_it_is_owed() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.online(&device).await;
    for id in 1..=3 {
        client.publish(&data(device.id), 1, id, &report(i32::from(id))).await;
    }
    client.stream.shutdown().await.unwrap();
    for id in 1..=3u16 {
        assert_eq!(client.expect(0x40).await, id.to_be_bytes());
    }
    client.ended().await;
    assert!(!ground.reread(&device).await.connected);
}

#[tokio::test]
async fn what_the_vendors_sdk_says_of_itself_is_acknowledged_and_leaves_nothing() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.online(&device).await;
    client.publish(&format!("$oc/devices/{}/sys/events/up", device.id), 1, 1, br#"{"services":[]}"#).await;
    assert_eq!(client.expect(0x40).await, [0, 1]);
    assert!(ground.checks(&device).is_empty() && ground.mqtt.counters().publishes_refused == 0);
}
