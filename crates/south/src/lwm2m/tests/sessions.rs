//! DTLS sessions and what belongs to them: closed ones that are resumed, and the memory of CoAP, which ends with its session.

use super::*;
use landfall_core::DeviceChange;

impl Ground {
    /// A registered device that said goodbye to its session.
    async fn closed(&mut self) -> usize {
        let sim = self.running("m-1").await;
        self.tell(sim, SimDevice::close_session);
        self.run_s(1).await;
        self.happened(sim);
        let kept = self.core.store().secure_sessions(None, 10).await.unwrap();
        assert_eq!((self.shared.counters().sessions, self.hub.dtls.closed(), kept.len()), (0, 1, 0));
        sim
    }
}

#[tokio::test]
async fn a_device_resumes_the_session_that_it_closed_and_finds_what_waits() {
    let mut ground = Ground::new(1).await;
    let sim = ground.closed().await;
    let command = ground.submit(sim, "REBOOT", json!({}), None).await;
    ground.run_s(300).await;
    assert_eq!(ground.states(&[command]).await, [CommandState::Pending], "nothing is sent to where nobody hears");
    ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(30.0)));
    ground.run_s(20).await;
    let happened = ground.happened(sim);
    assert!(matches!(happened[0], Happened::Secured { resumed: true, .. }), "{happened:?}");
    assert_eq!(happened[1..], [Happened::Notified]);
    assert_eq!(ground.temperatures(sim).await, [21.5, 30.0]);
    assert_eq!(ground.states(&[command]).await, [CommandState::Successful]);
    assert_eq!(ground.core.store().secure_sessions(None, 10).await.unwrap().len(), 1);
}

/// The right to resume goes with the key.
#[tokio::test]
async fn a_closed_session_ends_with_its_key() {
    for deleted in [true, false] {
        let mut ground = Ground::new(2).await;
        let sim = ground.closed().await;
        let id = ground.sims[sim].id;
        if deleted {
            ground.core.delete_device(&ground.scope, id, false).await.unwrap();
        } else {
            let change = DeviceChange { psk: Some(Secret::new("0f".repeat(16))), ..DeviceChange::default() };
            ground.core.modify_device(&ground.scope, id, change).await.unwrap();
        }
        ground.run_s(1).await;
        assert_eq!(ground.hub.dtls.closed(), 0);
        ground.tell(sim, SimDevice::update);
        ground.run_s(200).await;
        assert!(!ground.happened(sim).iter().any(|one| matches!(one, Happened::Secured { .. })), "deleted: {deleted}");
    }
}

/// Another session is another endpoint (RFC 7252 1.2): a device that begins anew with the identifiers and tokens of before asks something new.
#[tokio::test]
async fn a_device_that_began_anew_is_not_given_an_old_answer() {
    let mut ground = Ground::new(3).await;
    let id = ground.known("m-1").await.id;
    let mut locations = vec![];
    for _ in 0..2 {
        // The same seed: the same first identifier and token, from another address.
        let sim = ground.join(SimDevice::new(Client::new("m-1", Version::V1_1), 1).secured(key_of("m-1")), true, id);
        ground.tell(sim, SimDevice::register);
        ground.run_s(5).await;
        assert_eq!(ground.happened(sim)[1], Happened::Done(Verb::Register));
        locations.push(ground.core.registration(&ground.scope, id).await.unwrap().unwrap().location);
        ground.tell(sim, SimDevice::update);
        ground.run_s(5).await;
        assert_eq!(ground.happened(sim), [Happened::Done(Verb::Update)], "it knows where it is registered");
    }
    assert_ne!(locations[0], locations[1]);
}

/// Nobody knows whether what went out over the older session was done, so it is not done again over the newer one.
#[tokio::test]
async fn a_request_ends_with_its_session() {
    let mut ground = Ground::new(4).await;
    let sim = ground.running("m-1").await;
    ground.network.put_behind_nat(ground.sims[sim].host, None);
    let command = ground.submit(sim, "REBOOT", json!({}), None).await;
    ground.settle().await;
    assert_eq!(ground.states(&[command]).await, [CommandState::Sent]);
    let host = ground.sims[sim].host;
    ground.network.rebind(host);
    ground.tell(sim, |device, now| device.lose_session(now, false));
    ground.tell(sim, SimDevice::update);
    ground.run_s(20).await;
    assert_eq!(ground.states(&[command]).await, [CommandState::Timeout]);
    assert!(ground.sims[sim].device.lwm2m().take_executed().is_empty());
    let second = ground.submit(sim, "REBOOT", json!({}), None).await;
    ground.run_s(20).await;
    assert_eq!(ground.states(&[second]).await, [CommandState::Successful], "it is heard again");
}

/// A device that takes short records only gets what is long in blocks that fit, also after a restart.
#[tokio::test]
async fn long_values_reach_devices_with_short_records() {
    for limit in [64, 512, 1_024] {
        let mut ground = Ground::new(5).await;
        let id = ground.known("m-1").await.id;
        let config = ClientConfig { record_size_limit: Some(limit), ..key_of("m-1") };
        let sim = ground.join(SimDevice::new(Client::new("m-1", Version::V1_1), 1).secured(config), true, id);
        ground.tell(sim, SimDevice::register);
        ground.run_s(5).await;
        for restart in [false, true] {
            if restart {
                ground.restart(true).await;
            }
            let zone = "z".repeat(2_000 + usize::from(restart));
            let command = ground.submit(sim, "SET_ZONE", json!({ "zone": zone }), None).await;
            ground.run_s(30).await;
            assert_eq!(ground.states(&[command]).await, [CommandState::Successful], "{limit}");
            let now = ground.done_to(sim);
            assert_eq!(now.last(), Some(&("3/0/15".to_owned(), zone)), "{limit}");
        }
        assert_eq!(ground.whys(id).await, [], "{limit}");
    }
}
