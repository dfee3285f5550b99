//! Every refusal leaves one why record under its own step, and is counted by it.

use super::{hostile::stranger, *};
use landfall_core::Why;

/// Step, check, identity and peer of the records of unknown origin, oldest first.
fn unknown(ground: &Ground) -> Vec<(&'static str, &'static str, String, SocketAddr)> {
    let told = |why: &Why| (why.step, why.check, why.identity.clone(), why.peer.unwrap());
    ground.core.why().unknown().iter().rev().map(told).collect()
}

fn counted(ground: &Ground, step: &str, check: &str) -> u64 {
    let refused = ground.shared.counters().refused;
    refused.iter().filter(|(of, by, _)| (*of, *by) == (step, check)).map(|(.., count)| count).sum()
}

#[tokio::test]
async fn who_is_known_finds_it_at_the_device() {
    let mut ground = Ground::with(1, Config { require_ems: true, ..Config::default() }).await;
    let id = ground.known("m-1").await.id;
    let wrong = ClientConfig::new("m-1", vec![9; 16]);
    let sim = ground.join(SimDevice::new(Client::new("m-1", Version::V1_1), 1).secured(wrong), true, id);
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    assert_eq!(ground.whys(id).await, [("dtls.psk", "psk.key")]);
    assert_eq!((counted(&ground, "dtls.psk", "psk.key"), unknown(&ground)), (1, vec![]));
}

#[tokio::test]
async fn who_is_not_known_is_told_to_the_operator_of_the_server() {
    let mut ground = Ground::with(2, Config { require_ems: true, ..Config::default() }).await;
    let id = ground.known("m-1").await.id;
    let mut old_module = key_of("m-1");
    old_module.ems = false;
    let mut hosts = vec![];
    for config in [key_of("nobody"), old_module] {
        let sim = ground.join(SimDevice::new(Client::new("m-1", Version::V1_1), 1).secured(config), true, id);
        ground.tell(sim, SimDevice::register);
        ground.run_s(5).await;
        hosts.push(ground.network.public(ground.sims[sim].host));
    }
    let told = unknown(&ground);
    let expected =
        [("dtls.psk", "DeviceNotFound", "nobody".to_owned(), hosts[0]), ("dtls.handshake", "hello.ems", String::new(), hosts[1])];
    assert_eq!(told, expected);
    assert_eq!(ground.whys(id).await, []);
    for (step, check, ..) in expected {
        assert_eq!(counted(&ground, step, check), 1, "{step} {check}");
    }
}

#[tokio::test]
async fn datagrams_that_are_refused_are_told_and_counted() {
    let mut ground = Ground::with(3, Config { body_bytes: 32, ..Config::default() }).await;
    let block: Vec<u8> = [&[0x40, 2, 0, 1, 0xb2, b'r', b'd', 0xd1, 3, 0x0a, 0xff][..], &[b'x'; 64]].concat();
    let unknown_location = [&[0x40, 2, 0, 2, 0xb2, b'r', b'd', 0x0d, 3][..], b"0123456789abcdef"].concat();
    let cases: [(bool, &[u8], &str, &str); 6] = [
        (true, b"no record at all", "dtls.record", "record.malformed"),
        (true, &[25, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 9], "dtls.record", "record.cid"),
        (false, b"x", "coap.message", "header.truncated"),
        (false, &block, "coap.message", "block1.body-too-large"),
        (false, &unknown_location, "lwm2m.update", "registration"),
        (false, &[0x40, 1, 0, 3, 0xb3, b'a', b'b', b'c'], "coap.request", "path"),
    ];
    for (number, (secure, datagram, step, check)) in cases.into_iter().enumerate() {
        ground.deliver(secure, stranger(number as u32), datagram.to_vec());
        ground.settle().await;
        let told = unknown(&ground);
        assert_eq!(told.len(), number + 1, "{step} {check}: {told:?}");
        assert_eq!(told.last(), Some(&(step, check, String::new(), stranger(number as u32))));
        assert_eq!(counted(&ground, step, check), 1, "{step} {check}");
    }
}

/// A forged record of a session is told at its device, once a minute however many come.
#[tokio::test]
async fn forged_records_are_told_at_their_device() {
    let mut ground = Ground::new(4).await;
    let sim = ground.running("m-1").await;
    let id = ground.sims[sim].id;
    let (_, from, mut forged) = ground.heard.last().cloned().unwrap();
    *forged.last_mut().unwrap() ^= 1;
    // A number that did not come yet.
    forged[9] ^= 1;
    for _ in 0..2_000 {
        ground.deliver(true, from, forged.clone());
    }
    ground.settle().await;
    assert_eq!(ground.whys(id).await, [("dtls.record", "record.forged")]);
    assert_eq!(ground.shared.counters().forged, 2_000);
    ground.happened(sim);
    ground.tell(sim, SimDevice::update);
    ground.run_s(5).await;
    assert_eq!(ground.happened(sim), [Happened::Done(Verb::Update)], "the session lives");
}
