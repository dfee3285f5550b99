//! Who may come and how, and how a presence begins and ends.

use super::*;
use landfall_dtls::Suite;
use landfall_lwm2m::Code;
use landfall_model::{BindResult, DeviceStatus, StatusDetail};

#[tokio::test]
async fn every_suite_registers_activates_and_leaves() {
    let mut ground = Ground::new(1).await;
    for suite in Suite::ALL {
        for cid in [None, Some(vec![]), Some(vec![7, 7])] {
            let node = format!("{}-{cid:?}", suite.code());
            let id = ground.known(&node).await.id;
            let mut config = key_of(&node);
            (config.suites, config.cid) = (vec![suite], cid.clone());
            let device = SimDevice::new(Client::new(&node, Version::V1_1), 1).secured(config);
            let sim = ground.join(device, true, id);
            ground.tell(sim, SimDevice::register);
            ground.run_s(5).await;
            let secured = Happened::Secured { suite, resumed: false, cid: cid.is_some() };
            assert_eq!(ground.happened(sim)[..2], [secured, Happened::Done(Verb::Register)], "{node}");
            let device = ground.device(sim).await;
            assert!(device.status == DeviceStatus::Online && device.activated, "{node}");
            let bound = |body: &EventBody| matches!(body, EventBody::DeviceBound { result: BindResult::Succeeded, .. });
            assert_eq!(ground.events(sim).await.iter().filter(|body| bound(body)).count(), 1, "{node}");
            let kept = ground.core.registration(&ground.scope, id).await.unwrap().unwrap();
            assert_eq!((kept.endpoint.as_str(), kept.lifetime_s, kept.session.is_some()), (node.as_str(), 86_400, true));
            ground.tell(sim, SimDevice::update);
            ground.run_s(5).await;
            ground.tell(sim, SimDevice::deregister);
            ground.run_s(5).await;
            let verbs = ground.happened(sim);
            assert_eq!(verbs, [Happened::Done(Verb::Update), Happened::Done(Verb::Deregister)], "{node}");
            assert_eq!(ground.device(sim).await.status, DeviceStatus::Offline);
            assert_eq!(ground.core.registration(&ground.scope, id).await.unwrap(), None);
        }
    }
    assert!(ground.shared.desk.is_empty());
}

#[tokio::test]
async fn a_second_registration_takes_the_place_of_the_first() {
    let mut ground = Ground::new(2).await;
    let sim = ground.running("m-1").await;
    let first = ground.core.registration(&ground.scope, ground.sims[sim].id).await.unwrap().unwrap();
    ground.tell(sim, |device, now| device.lose_session(now, false));
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    let second = ground.core.registration(&ground.scope, ground.sims[sim].id).await.unwrap().unwrap();
    assert!(first.location != second.location && first.session != second.session);
    assert_eq!((ground.shared.desk.len(), ground.hub.clients.len(), ground.hub.by_location.len()), (1, 1, 1));
    let bound = ground.events(sim).await.iter().filter(|body| matches!(body, EventBody::DeviceBound { .. })).count();
    assert_eq!(bound, 1);
    // Observations of the first registration are over; those of the second work.
    ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(30.0)));
    ground.run_s(5).await;
    assert_eq!(ground.temperatures(sim).await, [21.5, 21.5, 30.0]);
}

#[tokio::test]
async fn a_lifetime_ends_unless_an_update_comes() {
    let mut ground = Ground::new(3).await;
    let sim = ground.meter("m-1").await;
    ground.tell(sim, |device, now| device.set(now, Path::resource(1, 0, 1), Value::Integer(60)));
    ground.tell(sim, SimDevice::register);
    ground.run_s(50).await;
    ground.tell(sim, SimDevice::update);
    ground.run_s(50).await;
    ground.sweep().await;
    assert_eq!(ground.device(sim).await.status, DeviceStatus::Online);
    ground.run_s(11).await;
    ground.sweep().await;
    let device = ground.device(sim).await;
    assert_eq!((device.status, device.status_detail), (DeviceStatus::Offline, StatusDetail::TimeOut));
    assert_eq!(ground.core.registration(&ground.scope, device.id).await.unwrap(), None);
    assert!(ground.shared.desk.is_empty() && ground.hub.clients.is_empty());
    ground.happened(sim);
    // Whoever comes after that is told to register again.
    ground.tell(sim, SimDevice::update);
    ground.run_s(5).await;
    assert_eq!(ground.happened(sim), [Happened::Refused(Verb::Update, Code::NOT_FOUND)]);
}

#[tokio::test]
async fn who_does_not_hold_the_key_is_refused_with_a_reason() {
    let mut ground = Ground::new(4).await;
    let id = ground.known("m-1").await.id;
    let wrong = ClientConfig::new("m-1", vec![9; 16]);
    for (identity, config) in [("m-1", wrong), ("nobody", key_of("nobody"))] {
        let sim = ground.join(SimDevice::new(Client::new(identity, Version::V1_1), 1).secured(config), true, id);
        ground.tell(sim, SimDevice::register);
        ground.run_s(200).await;
        let happened = ground.happened(sim);
        assert!(matches!(happened[0], Happened::Unsecured(_)), "{identity}: {happened:?}");
        assert!(happened.contains(&Happened::Unanswered(Verb::Register)), "{identity}: {happened:?}");
    }
    assert!(ground.whys(id).await.contains(&("dtls.psk", "psk.key")), "{:?}", ground.whys(id).await);
    let unknown = ground.core.why().unknown();
    assert!(unknown.iter().any(|why| why.identity == "nobody" && why.step == "dtls.psk"), "{unknown:?}");
    assert!(!format!("{unknown:?}").contains(PSK));
    assert_eq!(ground.shared.counters().registered, 0);
}

#[tokio::test]
async fn a_name_must_be_that_of_the_key() {
    let mut ground = Ground::new(5).await;
    let (own, other) = (ground.known("m-1").await.id, ground.known("m-2").await.id);
    for (name, done) in [("m-2", false), ("nobody", false), ("urn:dev:os:m-1", true), ("m-1", true)] {
        let sim = ground.join(SimDevice::new(Client::new(name, Version::V1_1), 1).secured(key_of("m-1")), true, own);
        ground.tell(sim, SimDevice::register);
        ground.run_s(5).await;
        let expected = if done { Happened::Done(Verb::Register) } else { Happened::Refused(Verb::Register, Code::FORBIDDEN) };
        assert_eq!(ground.happened(sim)[1], expected, "{name}");
        if !done {
            assert_eq!(ground.whys(own).await[0], ("lwm2m.register", "Forbidden"), "{name}");
        }
    }
    assert_eq!(ground.whys(other).await, []);
}

#[tokio::test]
async fn plain_coap_is_for_those_whose_product_allows_it() {
    let mut ground = Ground::new(6).await;
    let open = ProductDraft { lwm2m: Lwm2mModel { plain_coap: true, ..Lwm2mModel::default() }, ..meter("plain") };
    let open = ground.core.create_product(&ground.all, open).await.unwrap();
    let plain = |node: &str, is_secure| RegisterDevice {
        product: Some(ProductRef::Id(open.id.to_string())),
        ..ground.registration(node, is_secure)
    };
    let allowed = ground.core.register_device(&ground.scope, plain("open", false)).await.unwrap().id;
    let secure = ground.core.register_device(&ground.scope, plain("secure", true)).await.unwrap().id;
    let closed = ground.known("closed").await.id;
    for (name, id, done) in
        [("open", allowed, true), ("secure", secure, false), ("closed", closed, false), ("nobody", closed, false)]
    {
        let sim = ground.join(SimDevice::new(Client::new(name, Version::V1_0), 1), false, id);
        ground.tell(sim, SimDevice::register);
        ground.run_s(5).await;
        let expected = if done { Happened::Done(Verb::Register) } else { Happened::Refused(Verb::Register, Code::FORBIDDEN) };
        assert_eq!(ground.happened(sim)[0], expected, "{name}");
        match name {
            "open" => assert_eq!(ground.whys(id).await, []),
            "nobody" => assert_eq!(ground.core.why().unknown()[0].identity, "nobody"),
            _ => assert_eq!(ground.whys(id).await[0], ("lwm2m.register", "Forbidden"), "{name}"),
        }
    }
    // Over plain CoAP the location is what a device knows: it finds its registration from another address.
    ground.network.put_behind_nat(ground.sims[0].host, None);
    ground.tell(0, SimDevice::update);
    ground.run_s(5).await;
    assert_eq!(ground.happened(0).last(), Some(&Happened::Done(Verb::Update)));
    ground.tell(0, |device, now| device.set(now, TEMPERATURE, Value::Float(30.0)));
    ground.run_s(5).await;
    assert_eq!(ground.temperatures(0).await.last(), Some(&30.0));
}

#[tokio::test]
async fn a_deleted_device_is_gone_at_once() {
    let mut ground = Ground::new(7).await;
    let sim = ground.running("m-1").await;
    ground.core.delete_device(&ground.scope, ground.sims[sim].id, false).await.unwrap();
    ground.run_s(1).await;
    assert!(ground.hub.clients.is_empty() && ground.shared.desk.is_empty());
    assert_eq!(ground.shared.counters().sessions, 0);
    assert!(matches!(ground.happened(sim).last(), Some(Happened::Unsecured(_))));
    ground.tell(sim, SimDevice::update);
    ground.run_s(200).await;
    assert!(ground.happened(sim).contains(&Happened::Unanswered(Verb::Update)));
}

#[tokio::test]
async fn a_lost_session_is_resumed_or_made_anew_under_the_same_registration() {
    let mut ground = Ground::new(8).await;
    let sim = ground.running("m-1").await;
    for resumed in [true, false] {
        ground.tell(sim, |device, now| device.lose_session(now, resumed));
        ground.tell(sim, SimDevice::update);
        ground.run_s(5).await;
        let happened = ground.happened(sim);
        assert!(matches!(happened[0], Happened::Secured { resumed: really, .. } if really == resumed), "{happened:?}");
        assert_eq!(happened[1], Happened::Done(Verb::Update));
        assert_eq!(ground.shared.counters().sessions, 1);
        let kept = ground.core.store().secure_sessions(None, 10).await.unwrap();
        assert_eq!(kept.len(), 1, "only the newest session is kept");
    }
    ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(30.0)));
    ground.run_s(5).await;
    assert_eq!(ground.temperatures(sim).await, [21.5, 30.0]);
}
