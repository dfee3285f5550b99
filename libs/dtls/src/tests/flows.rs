//! What works between honest sides, however bad the network is.

use std::time::Duration;

use super::{World, all_forms, client_config};
use crate::{Alert, ClientOutput, CloseReason, Config, Output, SendError, Suite};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn every_form_of_handshake_carries_data_both_ways() {
    for (number, form) in all_forms().into_iter().enumerate() {
        let (suite, ems, cid) = (form.suites[0], form.ems, form.cid.clone());
        let etm = form.encrypt_then_mac && suite == Suite::PskAes128CbcSha256;
        let mut world = World::new(number as u64, Config::default());
        let (device, session) = world.connected(form);
        let info = world.server.session(session).unwrap();
        assert_eq!((info.suite, info.ems, info.encrypt_then_mac, info.cid), (suite, ems, etm, cid.is_some()));
        assert_eq!((info.identity, info.peer_cid), (super::IDENTITY, cid.as_deref().unwrap_or_default()));
        assert!(world.devices[device].client.is_established());
        assert_eq!(world.devices[device].client.server_cid().len(), if cid.is_some() { 8 } else { 0 });
        let long = vec![7; 16_384];
        for bytes in [&b"x"[..], &[0, 0, 0], &[5; 15], &[5; 16], &[5; 1_200], &long] {
            world.say(device, bytes);
            world.settle();
            assert_eq!((world.data().pop(), world.devices[device].data().pop()), (Some(bytes), Some(bytes)));
        }
        assert_eq!(world.devices[device].client.send(&[0; 16_385]), Err(SendError::TooLong));
        assert_eq!(world.refusals(), Vec::<&str>::new());
    }
}

#[test]
fn every_form_gets_through_a_bad_network() {
    for (number, mut form) in all_forms().into_iter().enumerate() {
        // Where luck is bad, the waits of a minute come; one more must not be one too many.
        form.handshake_timeout = 600 * SECOND;
        for seed in 0..4 {
            let mut world = World::new(seed * 1_000 + number as u64, Config::default());
            (world.loss, world.copies, world.delay_ms) = (25, 20, 2_000);
            let device = world.device(form.clone());
            world.connect(device);
            let end = world.now + 600 * SECOND;
            while !world.devices[device].client.is_established() && world.step(end) {}
            assert!(world.devices[device].client.is_established(), "{form:?} {seed}");
            for number in 0_u8..40 {
                let _ = world.devices[device].client.send(&[number]);
                world.run(SECOND);
            }
            world.run(10 * SECOND);
            let mut got: Vec<u8> = world.data().concat();
            assert!(got.len() >= 12, "{got:?}");
            got.sort_unstable();
            got.dedup();
            assert_eq!(got.len(), world.data().len(), "each once");
            assert!(world.devices[device].data().len() >= 6);
        }
    }
}

#[test]
fn long_identities_come_in_fragments() {
    let mut form = client_config();
    form.identity = vec![b'i'; 1_000];
    form.mtu_bytes = 256;
    let mut world = World::new(1, Config { mtu_bytes: 256, ..Config::default() });
    let (_, session) = world.connected(form);
    assert_eq!(world.server.session(session).unwrap().identity.len(), 1_000);
    let longest = world.tapped.iter().map(|(_, bytes)| bytes.len()).max().unwrap();
    assert!(longest <= 256 && world.tapped.len() > 8, "{longest}");
}

#[test]
fn fragments_that_arrived_are_kept_until_the_rest_comes() {
    for seed in 0..40 {
        let mut form = client_config();
        form.identity = vec![b'i'; 1_000];
        (form.mtu_bytes, form.handshake_timeout) = (256, 600 * SECOND);
        let mut world = World::new(seed, Config::default());
        (world.loss, world.copies, world.delay_ms) = (25, 20, 2_000);
        let device = world.device(form);
        world.connect(device);
        let end = world.now + 600 * SECOND;
        while !world.devices[device].client.is_established() && world.step(end) {}
        assert!(world.devices[device].client.is_established(), "{seed}");
    }
}

#[test]
fn record_size_limits_are_kept() {
    let mut form = client_config();
    form.record_size_limit = Some(100);
    let mut world = World::new(1, Config::default());
    let (device, session) = world.connected(form);
    let now = world.now;
    assert_eq!(world.server.session(session).unwrap().max_plaintext_bytes, 100);
    assert_eq!(world.server.send(now, session, &[0; 101]), Err(SendError::TooLong));
    assert_eq!(world.server.send(now, session, &[1; 100]), Ok(()));
    world.drain();
    world.settle();
    assert_eq!(world.devices[device].data(), [&[1; 100]]);
}

#[test]
fn the_server_prefers_by_its_own_order() {
    let order = vec![Suite::PskAes128CbcSha256, Suite::PskAes128GcmSha256];
    let mut world = World::new(1, Config { suites: order, ..Config::default() });
    let (_, session) = world.connected(client_config());
    assert_eq!(world.server.session(session).unwrap().suite, Suite::PskAes128CbcSha256);
}

#[test]
fn ids_carry_the_prefix() {
    let mut world = World::new(1, Config { id_prefix: 0xabc, id_prefix_bits: 12, ..Config::default() });
    for _ in 0..20 {
        let (_, session) = world.connected(client_config());
        assert_eq!(session.0 >> 52, 0xabc);
        let device = world.devices.len() - 1;
        world.say(device, b"x");
        let sent = world.tapped.last().map(|(_, datagram)| datagram.as_slice());
        assert_eq!(sent.and_then(crate::named_session), Some(session));
        assert_eq!(sent.and_then(|datagram| crate::named_session(&datagram[1..])), None);
    }
    assert_eq!(world.server.sessions(), 20);
}

#[test]
fn close_goes_both_ways() {
    let mut world = World::new(1, Config::default());
    let (device, session) = world.connected(client_config());
    let now = world.now;
    world.server.close(now, session, Alert::CloseNotify);
    world.drain();
    world.settle();
    assert_eq!(world.devices[device].events.last(), Some(&ClientOutput::Closed(CloseReason::PeerClosed)));
    assert_eq!((world.server.sessions(), world.server.send(now, session, b"x")), (0, Err(SendError::NoSession)));

    let (device, session) = world.connected(client_config());
    world.devices[device].client.close();
    world.drain();
    world.settle();
    assert!(world.events.contains(&Output::PeerClosed { session }) && world.server.sessions() == 0);
    assert_eq!(world.devices[device].client.send(b"x"), Err(SendError::NoSession));

    let (device, session) = world.connected(client_config());
    world.server.close(world.now, session, Alert::AccessDenied);
    world.drain();
    world.settle();
    assert_eq!(world.devices[device].events.last(), Some(&ClientOutput::Closed(CloseReason::PeerAlert(49))));
}

/// A client that hears nothing and says nothing more: the server repeats at 1, 2, 4 seconds and so on, and ends at its limit.
#[test]
fn flights_are_repeated_at_the_standard_times() {
    let mut world = World::new(1, Config { handshake_timeout: 300 * SECOND, ..Config::default() });
    let device = world.device(client_config());
    world.connect(device);
    while world.server.handshakes() == 0 {
        world.step(Duration::MAX);
    }
    world.devices.clear();
    let start = world.now;
    let mut times = Vec::new();
    let mut tapped = world.tapped.len();
    while world.step(Duration::MAX) {
        if world.tapped.len() > tapped {
            times.push((world.now - start).as_secs());
            tapped = world.tapped.len();
        }
    }
    assert_eq!(times, [1, 3, 7, 15, 31, 63, 123, 183, 243]);
    assert_eq!((world.refusals(), world.now - start), (vec!["handshake.timeout"], 300 * SECOND));
    assert_eq!((world.server.handshakes(), world.server.poll_timeout()), (0, None));
}

/// The server's last flight is lost; the client repeats its own, and then gets the same Finished again.
#[test]
fn the_last_flight_is_repeated_on_demand() {
    for cid in [None, Some(Vec::new())] {
        let mut form = client_config();
        form.cid = cid;
        let mut world = World::new(1, Config::default());
        let device = world.device(form);
        world.connect(device);
        while world.server.sessions() == 0 {
            world.step(Duration::MAX);
        }
        world.way.clear();
        assert!(!world.devices[device].client.is_established());
        world.run(3 * SECOND);
        assert!(world.devices[device].client.is_established());
        assert_eq!(world.server.counters().established, 1);
        world.say(device, b"x");
        world.run(SECOND);
        assert_eq!(world.data(), [b"x"]);
        world.run(300 * SECOND);
        assert_eq!(world.server.poll_timeout(), None);
    }
}

/// While the owner looks for the key, the client's Finished waits and nothing is repeated at it.
#[test]
fn a_slow_owner_costs_no_round_trip() {
    let mut world = World::new(1, Config::default());
    world.key = None;
    let device = world.device(client_config());
    world.connect(device);
    world.settle();
    let Some(Output::PskWanted { lookup, .. }) = world.events.pop() else { panic!("no question") };
    world.now += Duration::from_millis(500);
    world.server.psk(world.now, lookup, Some(super::KEY));
    world.drain();
    world.settle();
    assert!(world.devices[device].client.is_established());
    world.server.psk(world.now, lookup, None);
    assert_eq!(world.server.sessions(), 1);
}

/// RFC 6347 section 4.2.8: the old session works until the new one is proved.
#[test]
fn a_restarted_client_replaces_its_session_at_the_end_only() {
    for cid in [None, Some(Vec::new())] {
        let mut form = client_config();
        form.cid = cid;
        let mut world = World::new(1, Config::default());
        let (device, old) = world.connected(form.clone());
        let again = world.device(form);
        world.devices[again].address = world.devices[device].address;
        let mut before = world.devices.remove(device);
        let again = again - 1;
        world.connect(again);
        while world.server.handshakes() == 0 {
            world.step(Duration::MAX);
        }
        before.client.send(b"still here").unwrap();
        let Some(ClientOutput::Send(datagram)) = before.client.poll() else { panic!("nothing sent") };
        world.inject(before.address, &datagram);
        assert_eq!(world.data(), [b"still here"]);
        world.settle();
        let Some(Output::Established { replaces, session, .. }) =
            world.events.iter().rfind(|event| matches!(event, Output::Established { .. }))
        else {
            panic!("no session")
        };
        assert_eq!(*replaces, Some(old));
        assert!(world.server.session(*session).is_some() && world.server.session(old).is_none());
        assert!(!world.events.iter().any(|event| matches!(event, Output::Closed { .. })));
        world.say(again, b"new");
        world.settle();
        assert_eq!(world.devices[again].data().last(), Some(&&b"new"[..]));
    }
}

/// A stranger who got the address of a device with Connection ID does not end that device's session.
#[test]
fn a_reused_address_ends_only_what_needs_it() {
    for (cid, lives) in [(None, false), (Some(Vec::new()), true)] {
        let mut form = client_config();
        form.cid = cid;
        let mut world = World::new(1, Config::default());
        let (device, old) = world.connected(form);
        let mut stranger = client_config();
        stranger.identity = b"another".to_vec();
        stranger.cid = None;
        let stranger = world.device(stranger);
        world.devices[stranger].address = world.devices[device].address;
        world.devices[device].address = super::address(1);
        world.connect(stranger);
        world.settle();
        assert_eq!(world.server.session(old).is_some(), lives);
        world.say(stranger, b"from the stranger");
        world.settle();
        assert_eq!(world.devices[stranger].data(), [b"from the stranger"]);
        world.say(device, b"from the device");
        world.settle();
        assert_eq!(world.devices[device].data().len(), usize::from(lives));
    }
}
