//! Calls on their way to a device.

use super::*;
use landfall_core::CallRequest;
use landfall_model::{CallState, Cause};

pub(super) fn switch(value: u32) -> CallRequest {
    CallRequest {
        service_id: "Switch".into(),
        method: "SET".into(),
        paras: format!("{{\"value\":{value}}}"),
        request_id: None,
        from: None,
        ack: true,
        callback_url: None,
    }
}

/// Topic, packet identifier and message of a QoS 1 PUBLISH of MQTT 3.1.1.
pub(super) fn parts(body: &[u8]) -> (String, [u8; 2], serde_json::Value) {
    let size = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..2 + size].to_vec()).unwrap();
    (topic, [body[2 + size], body[3 + size]], serde_json::from_slice(&body[4 + size..]).unwrap())
}

#[tokio::test]
async fn a_call_reaches_its_device_and_comes_back() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.online(&device).await;
    let offline = ground.core.call_service(&ground.scope, device.id, switch(1)).await.unwrap_err();
    assert_eq!(offline.cause, Cause::DeviceOffline, "not subscribed");
    assert_eq!(client.subscribe(&[&format!("/huawei/v1/devices/{}/command/+", device.id)]).await, [1]);
    assert!(ground.core.call_service(&ground.scope, device.id, switch(4)).await.unwrap().sent);
    let (topic, id, message) = parts(&client.expect(0x32).await);
    assert_eq!(topic, commands(device.id));
    assert_eq!((&message["msgType"], &message["paras"]["value"]), (&"cloudReq".into(), &4.into()));
    client.send(0x40, &id).await;
    let answer = serde_json::json!({"msgType": "deviceRsp", "mid": message["mid"], "errcode": 0, "body": {"result": "ok"}});
    client.send(0xc0, &[]).await;
    client.expect(0xd0).await;
    assert_eq!(ground.mqtt.counters().commands_delivered, 1);
    client.publish(&data(device.id), 1, 1, answer.to_string().as_bytes()).await;
    client.expect(0x40).await;
    assert!(ground.core.store().calls(device.id).await.unwrap().is_empty());
    let counters = ground.mqtt.counters();
    assert_eq!((counters.commands, counters.commands_delivered), (1, 1));
}

#[tokio::test]
async fn puback_is_remembered() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.online(&device).await;
    client.subscribe(&[&commands(device.id)]).await;
    ground.core.call_service(&ground.scope, device.id, switch(4)).await.unwrap();
    let (_, id, _) = parts(&client.expect(0x32).await);
    client.send(0x40, &id).await;
    client.leave().await;
    let calls = ground.core.store().calls(device.id).await.unwrap();
    assert_eq!(calls[0].state, CallState::Delivered, "what was under way is finished before the end");
}

#[tokio::test]
async fn a_refused_command_leaves_its_reason() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.dial();
    client.login_v5(&device, true).await;
    client.subscribe(&[&commands(device.id)]).await;
    ground.core.call_service(&ground.scope, device.id, switch(4)).await.unwrap();
    let body = client.expect(0x32).await;
    let at = 2 + commands(device.id).len();
    client.send(0x40, &[body[at], body[at + 1], 0x83, 0]).await;
    client.send(0xe0, &[]).await;
    client.ended().await;
    assert_eq!(ground.checks(&device), ["puback.code"]);
    assert_eq!(ground.core.store().calls(device.id).await.unwrap()[0].state, CallState::Sent);
}

#[tokio::test]
async fn after_unsubscribing_no_call_is_taken() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.online(&device).await;
    client.subscribe(&[&commands(device.id)]).await;
    let mut body = vec![0, 8];
    text(&mut body, &commands(device.id));
    client.send(0xa2, &body).await;
    assert_eq!(client.expect(0xb0).await, [0, 8]);
    let refused = ground.core.call_service(&ground.scope, device.id, switch(1)).await.unwrap_err();
    assert_eq!(refused.cause, Cause::DeviceOffline);
}

#[tokio::test]
async fn a_command_without_puback_comes_again_unless_it_is_over() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    for (wait_s, comes) in [(10, true), (61, false)] {
        let mut client = ground.dial();
        client.login(&device, false).await;
        client.subscribe(&[&commands(device.id)]).await;
        ground.core.call_service(&ground.scope, device.id, switch(4)).await.unwrap();
        let (_, first, message) = parts(&client.expect(0x32).await);
        client.hang_up().await;
        ground.world.advance_s(wait_s);
        ground.core.sweep().await.unwrap();
        let mut client = ground.dial();
        assert_eq!(client.login(&device, false).await, [1, 0]);
        if comes {
            let (_, again, repeated) = parts(&client.expect(0x3a).await);
            assert_eq!((again, repeated), (first, message));
            client.send(0x40, &again).await;
        }
        client.leave().await;
    }
}

#[tokio::test]
async fn a_gateway_hears_all_behind_it_by_one_filter_and_by_many() {
    const CHILDREN: usize = 300;
    let ground = Ground::new().await;
    let gateway = ground.device("gateway").await;
    let product = Some(ProductRef::Id(ground.product.id.to_string()));
    let mut children = vec![];
    for n in 0..CHILDREN {
        let caller = ground.core.device_caller(&gateway);
        let node_id = format!("child-{n}");
        children.push(ground.core.add_child(&caller, &node_id, product.clone(), DeviceInfo::default()).await.unwrap());
    }
    let stranger = ground.device("stranger").await;
    let mut client = ground.online(&gateway).await;
    let all = ["/huawei/v1/devices/+/command/+".to_owned()];
    let each: Vec<String> = children.iter().map(|child| commands(child.id)).collect();
    for filters in [&all[..], &each] {
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        assert_eq!(client.subscribe(&filters).await, vec![1; filters.len()]);
        for child in [&children[0], &children[CHILDREN - 1]] {
            assert!(ground.core.call_service(&ground.scope, child.id, switch(4)).await.unwrap().sent);
            let (topic, id, _) = parts(&client.expect(0x32).await);
            assert_eq!(topic, commands(child.id));
            client.send(0x40, &id).await;
        }
        let offline = ground.core.call_service(&ground.scope, stranger.id, switch(4)).await.unwrap_err();
        assert_eq!(offline.cause, Cause::DeviceOffline, "it is not behind the gateway");
        let mut body = vec![0, 8];
        filters.iter().for_each(|filter| text(&mut body, filter));
        client.send(0xa2, &body).await;
        client.expect(0xb0).await;
        let refused = ground.core.call_service(&ground.scope, children[0].id, switch(1)).await.unwrap_err();
        assert_eq!(refused.cause, Cause::DeviceOffline);
    }
}

#[tokio::test]
async fn more_subscriptions_than_a_session_may_have_are_refused_with_a_reason() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mqtt = Mqtt::new(ground.core.clone(), Config { subscriptions: 1, ..Config::default() });
    let mut client = ground.dial_at(&mqtt);
    client.login(&device, true).await;
    let binary = commands(device.id).replace("json", "binary");
    assert_eq!(client.subscribe(&[&commands(device.id), &binary]).await, [1, 0x80]);
    assert_eq!(ground.checks(&device), ["filter.too-many"]);
}

#[tokio::test]
async fn a_command_larger_than_the_device_takes_is_refused_to_its_caller() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let secret = device.credentials.secret.as_ref().unwrap().expose();
    let id = device.id.to_string();
    let mut client = ground.dial();
    client.v5 = true;
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 5, 0xc2, 0, 60, 5, 39, 0, 0, 0, 200];
    for field in [&format!("{id}_0_1_{HOUR}"), &id, &password(HOUR, secret)] {
        text(&mut body, field);
    }
    client.send(0x10, &body).await;
    client.expect(0x20).await;
    client.subscribe(&[&commands(device.id)]).await;
    let wide = CallRequest { paras: format!("{{\"value\":4{}}}", " ".repeat(200)), ..switch(4) };
    let refused = ground.core.call_service(&ground.scope, device.id, wide).await.unwrap_err();
    assert!(refused.cause == Cause::InvalidField && refused.detail.contains("Maximum Packet Size"), "{refused}");
    assert_eq!(ground.checks(&device), ["InvalidField"]);
    assert!(ground.core.store().calls(device.id).await.unwrap().is_empty(), "nothing waits for an answer");
    assert!(ground.core.call_service(&ground.scope, device.id, switch(4)).await.unwrap().sent);
    client.expect(0x32).await;
}
