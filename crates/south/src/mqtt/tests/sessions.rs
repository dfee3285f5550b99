//! Sessions that outlive their connection.

use super::*;

#[tokio::test]
async fn subscriptions_are_kept_for_those_who_ask() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.dial();
    assert_eq!(client.login(&device, false).await, [0, 0]);
    client.subscribe(&[&commands(device.id)]).await;
    let kept = ground.core.store().session(device.id).await.unwrap().expect("durable before SUBACK");
    assert_eq!((kept.subscriptions[0].filter.as_str(), kept.subscriptions[0].qos), (commands(device.id).as_str(), 1));
    client.leave().await;
    let mut client = ground.dial();
    assert_eq!(client.login(&device, false).await, [1, 0]);
    assert_eq!(ground.connections.accepts(device.id, device.id, None), Ok(()));
    client.hang_up().await;
    let client = ground.online(&device).await;
    assert!(ground.connections.accepts(device.id, device.id, None).is_err());
    assert_eq!(ground.core.store().session(device.id).await.unwrap(), None, "a clean session forgets");
    client.leave().await;
    let mut client = ground.dial();
    assert_eq!(client.login(&device, false).await, [0, 0]);
}

#[tokio::test]
async fn a_session_ends_when_it_is_due() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    for (away_s, present) in [(0, 0), (255, 1), (256, 0)] {
        ground.world.advance_s(away_s);
        let mut client = ground.dial();
        let connack = client.login_v5(&device, false).await;
        assert_eq!(connack[..2], [present, 0], "after {away_s} s of the 256 it asked for");
        client.send(0xe0, &[]).await;
        client.ended().await;
    }
}

#[tokio::test]
async fn exactly_once_survives_a_lost_connection() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.dial();
    client.login(&device, false).await;
    client.publish(&data(device.id), 2, 7, &report(1)).await;
    assert_eq!(client.expect(0x50).await, [0, 7]);
    let kept = async || ground.core.store().session(device.id).await.unwrap().unwrap().qos2_received;
    assert_eq!(kept().await, [7], "durable before PUBREC");
    client.hang_up().await;
    let newest = ground.core.store().newest();
    let mut client = ground.dial();
    client.login(&device, false).await;
    client.publish(&data(device.id), 2, 7, &report(1)).await;
    assert_eq!(client.expect(0x50).await, [0, 7]);
    let reports = ground.core.store().events_after(newest, 100).await.unwrap();
    let again = reports.iter().filter(|e| matches!(e.event.body, landfall_model::EventBody::Reported(_))).count();
    assert_eq!(again, 0, "it is the same message");
    client.send(0x62, &[0, 7]).await;
    assert_eq!(client.expect(0x70).await, [0, 7]);
    assert!(kept().await.is_empty(), "durable before PUBCOMP");
    client.publish(&data(device.id), 2, 7, &report(2)).await;
    assert_eq!(client.expect(0x50).await, [0, 7]);
    assert_eq!(ground.core.device_state(&device).await.unwrap().services[0].data, r#"{"temperature":2}"#);
}

#[tokio::test]
async fn a_take_over_takes_the_session() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut first = ground.dial();
    first.login(&device, false).await;
    first.subscribe(&[&commands(device.id)]).await;
    let mut second = ground.dial();
    assert_eq!(second.login(&device, false).await, [1, 0]);
    first.ended().await;
    assert_eq!(ground.connections.accepts(device.id, device.id, None), Ok(()));
}

#[tokio::test]
async fn a_session_goes_on_whatever_the_device_logs_in_with() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let right = password(HOUR, device.credentials.secret.as_ref().unwrap().expose());
    let mut client = ground.dial();
    client.login(&device, false).await;
    client.subscribe(&[&commands(device.id)]).await;
    client.leave().await;
    for (id, kind) in [("node-1".to_owned(), 2), (device.id.to_string(), 0)] {
        let mut client = ground.dial();
        assert_eq!(client.connect(&format!("{id}_{kind}_1_{HOUR}"), &id, &right, false).await, [1, 0]);
        assert!(ground.core.call_service(&ground.scope, device.id, super::commands::switch(4)).await.unwrap().sent);
        let body = client.expect(0x32).await;
        assert_eq!(body[2..].get(..commands(&id).len()), Some(commands(&id).as_bytes()));
        let at = 2 + commands(&id).len();
        client.send(0x40, &[body[at], body[at + 1]]).await;
        client.leave().await;
    }
}

#[tokio::test]
async fn while_a_connection_does_not_end_no_other_takes_its_session() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let (stuck, session) = ground.connections.enter(device.id);
    let turn = session.lock_owned().await;
    for _ in 0..2 {
        let mut client = ground.dial();
        tokio::time::pause();
        assert_eq!(client.login(&device, false).await, [0, 3]);
        tokio::time::resume();
        client.ended().await;
    }
    assert_eq!(ground.checks(&device), ["device.still-ending"; 2]);
    ground.connections.leave(device.id, &stuck, Some(turn));
    let client = ground.online(&device).await;
    client.leave().await;
    assert!(ground.connections.is_empty());
}
