//! Who may connect, and what is left of a refusal.

use super::{commands::parts, *};
use landfall_model::{DeviceStatus, Secret};

#[tokio::test]
async fn a_device_is_online_from_connack_to_its_end() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let client = ground.online(&device).await;
    let seen = ground.reread(&device).await;
    assert_eq!((seen.status, seen.connected, seen.activated), (DeviceStatus::Online, true, true));
    client.leave().await;
    let seen = ground.reread(&device).await;
    assert_eq!((seen.status, seen.connected), (DeviceStatus::Offline, false));
    assert!(ground.connections.is_empty());
    assert_eq!(ground.mqtt.counters().connects, 1);
}

#[tokio::test]
async fn a_node_id_names_a_device_too() {
    let ground = Ground::new().await;
    let device = ground.device("urn:imei:47_11").await;
    let secret = device.credentials.secret.as_ref().unwrap().expose();
    let mut client = ground.dial();
    let connack = client
        .connect("urn:imei:47_11_2_0_2001010100", "urn:imei:47_11", &password("2001010100", secret).to_uppercase(), true)
        .await;
    assert_eq!(connack, [0, 0]);
    client.publish(&data("urn:imei:47_11"), 1, 1, &report(20)).await;
    assert_eq!(client.expect(0x40).await, [0, 1]);
    assert_eq!(client.subscribe(&[&commands("urn:imei:47_11"), &commands(device.id)]).await, [1, 0x80]);
    client.leave().await;
}

#[tokio::test]
async fn every_refusal_has_its_code_and_its_reason() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let unbound =
        ground.core.register_device(&ground.scope, ground.registration("unbound", AccessMode::VerifyCode)).await.unwrap();
    let child = {
        let caller = ground.core.device_caller(&device);
        ground.core.add_child(&caller, "child", None, DeviceInfo::default()).await.unwrap()
    };
    let deleted = ground.device("deleted").await;
    ground.core.delete_device(&ground.scope, deleted.id, false).await.unwrap();
    let secret = device.credentials.secret.as_ref().unwrap().expose();
    let right = password(HOUR, secret);
    let stale = password("2025123122", secret);
    let (id, no_one) = (device.id.to_string(), ground.all.account().to_string());
    let cases = [
        ("no form", id.as_str(), &right, 2, "client-id.form", None),
        (&format!("{id}_0_1_{HOUR}"), "other", &right, 2, "username.differs", None),
        (&format!("{id}_0_1_{HOUR}"), "", &right, 2, "username.differs", None),
        (&format!("{no_one}_0_1_{HOUR}"), &no_one, &right, 2, "device.unknown", None),
        (&format!("x_0_1_{HOUR}"), "x", &right, 2, "device.unknown", None),
        (&format!("x_2_1_{HOUR}"), "x", &right, 2, "device.unknown", None),
        (&format!("{id}_0_1_{HOUR}"), &id, &stale, 4, "password.wrong", Some(&device)),
        (&format!("{id}_0_1_2025123122"), &id, &stale, 4, "timestamp.stale", Some(&device)),
        (&format!("{}_0_1_{HOUR}", deleted.id), &deleted.id.to_string(), &right, 5, "device.removed", None),
        (&format!("{}_0_1_{HOUR}", unbound.id), &unbound.id.to_string(), &right, 5, "device.not-bound", Some(&unbound)),
        (&format!("{}_0_1_{HOUR}", child.id), &child.id.to_string(), &right, 5, "device.behind-gateway", Some(&child)),
        (&format!("{no_one}_n_1_1_{HOUR}"), &no_one, &right, 2, "product.unknown", None),
        (&format!("{}_n_1_1_{HOUR}", ground.product.id), &ground.product.id.to_string(), &right, 5, "product.no-claims", None),
    ];
    for (client_id, username, password, code, check, of) in cases {
        let mut client = ground.dial();
        assert_eq!(client.connect(client_id, username, password, true).await, [0, code], "{check}");
        client.ended().await;
        let why = match of {
            Some(device) => ground.core.why().device(device.account, device.id).remove(0),
            None => ground.core.why().unknown().remove(0),
        };
        assert_eq!((why.check, why.step, why.identity.as_str()), (check, "mqtt.connect", client_id));
        assert_eq!(why.peer, Some(PEER.parse().unwrap()));
        assert!(!why.detail.contains(secret) && !why.detail.contains(&right) && !why.detail.is_empty());
    }
    assert_eq!(ground.mqtt.counters().connects_refused, [0, 0, 7, 0, 2, 4]);
    assert!(ground.connections.is_empty());
}

#[tokio::test]
async fn the_second_connection_of_a_device_closes_the_first() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut first = ground.dial();
    first.login_v5(&device, true).await;
    let second = ground.online(&device).await;
    assert_eq!(first.expect(0xe0).await[0], 0x8e);
    first.ended().await;
    assert_eq!(ground.connections.len(), 1);
    let seen = ground.reread(&device).await;
    assert!(seen.connected && seen.status == DeviceStatus::Online, "{seen:?}");
    second.hang_up().await;
    assert!(!ground.reread(&device).await.connected);
}

#[tokio::test]
async fn only_so_many_connections_end_at_once() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.online(&device).await;
    let all = ground.mqtt.admission.ends.available_permits();
    let held = ground.mqtt.admission.ends.acquire_many(all.try_into().unwrap()).await.unwrap();
    let task = client.task.take().unwrap();
    drop(client);
    while ground.connections.holds(device.id).is_some() {
        tokio::task::yield_now().await;
    }
    assert!(!task.is_finished() && ground.reread(&device).await.connected, "it waits for a place, and takes no more calls");
    drop(held);
    task.await.unwrap();
    assert!(!ground.reread(&device).await.connected && ground.connections.is_empty());
}

#[tokio::test]
async fn a_deleted_device_is_sent_away() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.dial();
    client.login_v5(&device, false).await;
    ground.core.delete_device(&ground.scope, device.id, false).await.unwrap();
    assert_eq!(client.expect(0xe0).await[0], 0x87);
    client.ended().await;
    assert!(ground.connections.is_empty());
    assert_eq!(ground.core.store().session(device.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_deleted_device_is_told_before_its_connection_ends() {
    for confirms in [true, false] {
        let ground = Ground::new().await;
        let device = ground.device("node-1").await;
        let mut client = ground.online(&device).await;
        client.subscribe(&[&commands(device.id)]).await;
        ground.core.delete_device(&ground.scope, device.id, false).await.unwrap();
        let (topic, id, message) = parts(&client.expect(0x32).await);
        assert_eq!((topic, &message["msgType"]), (commands(device.id), &"cloudReq".into()));
        assert_eq!((&message["serviceId"], &message["cmd"]), (&"$agent".into(), &"UNBIND".into()));
        client.send(0xc0, &[]).await;
        client.expect(0xd0).await;
        if confirms {
            client.send(0x40, &id).await;
        } else {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(10)).await;
            tokio::time::resume();
        }
        client.ended().await;
        let mut again = ground.dial();
        assert_eq!(again.login(&device, true).await, [0, 5], "it was removed");
        assert!(ground.connections.is_empty() && ground.core.store().session(device.id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_gateway_is_told_of_one_behind_it_and_stays() {
    let ground = Ground::new().await;
    let gateway = ground.device("gateway").await;
    let behind =
        async |node: &str| ground.core.add_child_for(&ground.scope, gateway.id, node, None, DeviceInfo::default()).await.unwrap();
    let (first, second) = (behind("child-1").await, behind("child-2").await);
    let mut client = ground.online(&gateway).await;
    client.subscribe(&[&commands(first.id)]).await;
    ground.core.delete_device(&ground.scope, first.id, true).await.unwrap();
    let (topic, id, message) = parts(&client.expect(0x32).await);
    assert_eq!((topic, &message["cmd"]), (commands(first.id), &"UNBIND".into()));
    client.send(0x40, &id).await;
    ground.core.delete_device(&ground.scope, second.id, true).await.unwrap();
    client.send(0xc0, &[]).await;
    client.expect(0xd0).await;
    assert!(ground.connections.holds(gateway.id).is_some(), "nobody listened for the second one");
}

#[tokio::test]
async fn guessing_is_slowed_and_a_right_generated_secret_is_taken_all_the_same() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let config = Config { failures_per_minute: 2, ..Config::default() };
    let mqtt = Mqtt::new(ground.core.clone(), config);
    for expected in [4, 4, 3] {
        let mut client = ground.dial_at(&mqtt);
        let (id, wrong) = (device.id.to_string(), password(HOUR, "guess"));
        assert_eq!(client.connect(&format!("{id}_0_1_{HOUR}"), &id, &wrong, true).await, [0, expected]);
    }
    assert_eq!(ground.checks(&device), ["identity.throttled", "password.wrong", "password.wrong"]);
    let mut client = ground.dial_at(&mqtt);
    assert_eq!(client.login(&device, true).await, [0, 0]);
}

#[tokio::test]
async fn a_secret_that_people_chose_is_not_looked_at_where_it_was_guessed() {
    let ground = Ground::new().await;
    let chosen = RegisterDevice { secret: Some(Secret::new("1234")), ..ground.registration("node-1", AccessMode::Secret) };
    let device = ground.core.register_device(&ground.scope, chosen).await.unwrap();
    let config = Config { failures_per_minute: 2, ..Config::default() };
    let mqtt = Mqtt::new(ground.core.clone(), config);
    let id = device.id.to_string();
    for (peer, guess, expected) in [
        (PEER, "0000", 4),
        (PEER, "0001", 4),
        (PEER, "1234", 3),
        ("192.0.2.2:1", "0002", 4),
        ("192.0.2.2:1", "1234", 3),
        ("192.0.2.3:1", "1234", 0),
    ] {
        let mut client = ground.dial_from(&mqtt, peer, 1 << 20);
        let guess = password(HOUR, guess);
        assert_eq!(client.connect(&format!("{id}_0_1_{HOUR}"), &id, &guess, true).await, [0, expected], "{peer}");
    }
    ground.world.advance_s(60);
    assert_eq!(ground.dial_at(&mqtt).login(&device, true).await, [0, 0]);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_no_guess() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let config = Config { failures_per_minute: 1, ..Config::default() };
    let mqtt = Mqtt::new(ground.core.clone(), config);
    let (id, secret) = (device.id.to_string(), device.credentials.secret.as_ref().unwrap().expose());
    for _ in 0..3 {
        let stale = password("2025010100", secret);
        let connack = ground.dial_at(&mqtt).connect(&format!("{id}_0_1_2025010100"), &id, &stale, true).await;
        assert_eq!(connack, [0, 4]);
    }
    assert_eq!(ground.checks(&device), ["timestamp.stale"; 3]);
}

#[tokio::test]
async fn who_takes_none_of_its_bytes_is_sent_away_and_the_reason_is_kept() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.dial_from(&ground.mqtt, PEER, 64);
    assert_eq!(client.login(&device, true).await, [0, 0]);
    tokio::time::pause();
    for _ in 0..100 {
        client.send(0xc0, &[]).await;
    }
    while ground.checks(&device).is_empty() {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    tokio::time::resume();
    assert_eq!(ground.checks(&device), ["client.stalled"]);
    client.hang_up().await;
}

#[tokio::test]
async fn a_filter_that_is_refused_leaves_one_record() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let mut client = ground.online(&device).await;
    let codes = client.subscribe(&["$share/g/t", &commands(device.id), "a#", "b#"]).await;
    assert_eq!(codes, [0x80, 1, 0x80, 0x80]);
    let why = ground.core.why().device(device.account, device.id);
    assert_eq!((why.len(), why[0].check, why[0].step), (1, "filter.shared", "mqtt.subscribe"));
    assert_eq!(why[0].detail, "$share/g/t: refused, and 2 more of the packet");
    client.leave().await;
}

#[tokio::test]
async fn a_stopping_server_says_so_and_leaves_devices_online() {
    let ground = Ground::new().await;
    let (one, two, silent) = (ground.device("one").await, ground.device("two").await, ground.dial());
    let (mut v5, v311) = (ground.dial(), ground.online(&two).await);
    v5.login_v5(&one, true).await;
    ground.stop.send_replace(true);
    assert_eq!(v5.expect(0xe0).await[0], 0x8b);
    v5.ended().await;
    v311.ended().await;
    silent.ended().await;
    assert!(ground.reread(&one).await.connected && ground.connections.is_empty());
}

#[tokio::test]
async fn credentials_serve_other_protocols_too() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let right = password(HOUR, device.credentials.secret.as_ref().unwrap().expose());
    let client_id = format!("{}_0_1_{HOUR}", device.id);
    assert_eq!(ground.mqtt.authenticate(None, &client_id, &right).await.unwrap().device(), device.id);
    for (client_id, password) in [(client_id.as_str(), "00"), ("x", right.as_str()), (&format!("node-1_2_1_{HOUR}"), "")] {
        assert!(ground.mqtt.authenticate(None, client_id, password).await.is_err());
    }
}

#[tokio::test]
async fn a_node_claims_its_secret() {
    let ground = Ground::new().await;
    let draft = ProductDraft { auto_register: ground.scope.app(), ..thermometer(DataFormat::Binary) };
    let product = ground.core.create_product(&ground.all, draft).await.unwrap();
    let secret: Secret = ground.core.set_product_secret(&ground.all, product.id, true).await.unwrap().unwrap();
    let mut client = ground.dial();
    let (client_id, username) = (format!("{}_n_1_1_1_{HOUR}", product.id), product.id.to_string());
    assert_eq!(client.connect(&client_id, &username, &password(HOUR, secret.expose()), false).await, [0, 0]);
    let base = format!("/huawei/v1/products/{}/sn/n_1/", product.id);
    assert_eq!(client.subscribe(&[&commands("n_1"), &format!("{base}secretNotify")]).await, [0x80, 1]);
    let notified = client.expect(0x32).await;
    let message: serde_json::Value = serde_json::from_slice(&notified[2 + base.len() + 12 + 2..]).unwrap();
    assert_eq!(message["msgType"], "cloudSendSecret");
    client.publish(&format!("{base}secretACK"), 1, 5, b"").await;
    assert_eq!(client.expect(0x40).await, [0, 5]);
    client.leave().await;
    let device = ground.core.device_by_node("n_1").await.unwrap();
    assert_eq!(message["deviceid"], device.id.to_string());
    assert_eq!(message["secret"], device.credentials.secret.as_ref().unwrap().expose());
    assert!(!device.activated);
    let mut client = ground.dial();
    assert_eq!(client.login(&device, true).await, [0, 0]);
}

#[tokio::test]
async fn a_refused_claim_tells_why() {
    let ground = Ground::new().await;
    let draft = ProductDraft { auto_register: ground.scope.app(), ..thermometer(DataFormat::Binary) };
    let product = ground.core.create_product(&ground.all, draft.clone()).await.unwrap();
    let secret: Secret = ground.core.set_product_secret(&ground.all, product.id, true).await.unwrap().unwrap();
    let active = ground.device("active").await;
    let username = product.id.to_string();
    let claim = async |node: &str| {
        let mut client = ground.dial();
        let client_id = format!("{username}_{node}_1_1_{HOUR}");
        assert_eq!(client.connect(&client_id, &username, &password(HOUR, secret.expose()), false).await, [0, 0]);
        let granted = client.subscribe(&[&format!("/huawei/v1/products/{username}/sn/{node}/secretNotify")]).await;
        client.leave().await;
        granted
    };
    assert_eq!(claim("active").await, [0x80]);
    let why = ground.core.why().device(active.account, active.id).remove(0);
    assert_eq!((why.step, why.check, why.identity.as_str()), ("mqtt.claim", "device.other-product", "active"));
    let limits = landfall_model::AppLimits { devices: Some(1), ..Default::default() };
    let change = landfall_core::AppChange { limits: Some(limits), ..Default::default() };
    ground.core.change_app(&ground.all, ground.scope.app().unwrap(), change).await.unwrap();
    assert_eq!(claim("new").await, [0x80]);
    let why = ground.core.why().unknown().remove(0);
    assert_eq!((why.step, why.check, why.identity.as_str()), ("mqtt.claim", "app.device-limit", "new"));
    assert_eq!(ground.mqtt.counters().claims_refused, 2);
    assert_eq!(ground.mqtt.counters().claims, 0);
    ground.core.replace_product(&ground.all, product.id, ProductDraft { claims: Some(false), ..draft }).await.unwrap();
    let mut client = ground.dial();
    let client_id = format!("{username}_new_1_1_{HOUR}");
    assert_eq!(client.connect(&client_id, &username, &password(HOUR, secret.expose()), true).await, [0, 5]);
    assert_eq!(ground.core.why().unknown().remove(0).check, "product.claims-off");
}
