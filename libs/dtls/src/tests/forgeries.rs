//! Forged records and messages: none of them ends a session or a handshake (RFC 6347 section 4.1.2.7). Absent: random bytes; `hostile.rs` has them.

use std::time::Duration;

use super::{World, address, client_config};
use crate::server::REPEAT_AFTER;
use crate::wire::{self, CLIENT_KEY_EXCHANGE, DTLS_1_2, FINISHED, HANDSHAKE, TLS12_CID, fragment_header, plain_record};
use crate::{ClientOutput, Config, Output};

const SECOND: Duration = Duration::from_secs(1);

/// The datagrams that a device sends now.
fn sent(world: &mut World, device: usize) -> Vec<Vec<u8>> {
    let client = &mut world.devices[device].client;
    std::iter::from_fn(|| client.poll())
        .filter_map(|output| if let ClientOutput::Send(bytes) = output { Some(bytes) } else { None })
        .collect()
}

/// A handshake that waits for the client's last flight, and that flight; no timer of the server runs out meanwhile.
fn half_open(config: crate::ClientConfig) -> (World, usize, Vec<Vec<u8>>) {
    let mut world =
        World::new(1, Config { retransmit_first: 500 * SECOND, handshake_timeout: 500 * SECOND, ..Config::default() });
    let device = world.device(config);
    world.connect(device);
    while world.server.handshakes() == 0 {
        world.step(Duration::MAX);
    }
    let way = std::mem::take(&mut world.way);
    for (_, (_, datagram)) in way {
        world.devices[device].client.handle(world.now, &datagram);
    }
    let flight = sent(&mut world, device);
    assert!(!flight.is_empty());
    (world, device, flight)
}

/// A record of epoch 1 that has the size of a Finished, with whatever stands in for it.
fn forged_finished(form: &crate::ClientConfig, id: Option<crate::SessionId>, seq: u64) -> Vec<u8> {
    let (kind, cid) = match id {
        Some(id) => (TLS12_CID, id.0.to_be_bytes().to_vec()),
        None => (HANDSHAKE, Vec::new()),
    };
    let size = if form.suites[0].is_cbc() { 96 } else { 8 + 24 + cid.len().min(1) + crate::aead::tag_bytes(form.suites[0]) };
    let mut datagram = Vec::new();
    wire::begin_record(&mut datagram, kind, DTLS_1_2, 1, seq, &cid);
    let body = datagram.len();
    datagram.extend(vec![7; size]);
    wire::end_record(&mut datagram, body);
    datagram
}

fn key_exchange(identity: &[u8], seq: u16) -> Vec<u8> {
    let body = [&(identity.len() as u16).to_be_bytes(), identity].concat();
    let message = [&fragment_header(CLIENT_KEY_EXCHANGE, body.len(), seq, 0, body.len())[..], &body].concat();
    let mut datagram = Vec::new();
    plain_record(&mut datagram, HANDSHAKE, DTLS_1_2, 90, &message);
    datagram
}

#[test]
fn forged_records_do_nothing_to_a_session() {
    for form in super::all_forms() {
        let body = if form.cid.is_some() { 21 } else { 13 };
        let mut world = World::new(1, Config::default());
        world.echo = false;
        let (device, session) = world.connected(form);
        let from = world.devices[device].address;
        world.devices[device].client.send(b"an order for the valve").unwrap();
        let good = sent(&mut world, device).remove(0);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            world.inject(from, &bad);
        }
        for end in 0..good.len() {
            world.inject(from, &good[..end]);
        }
        let mut bad = good.clone();
        bad[10] += 100;
        for _ in 0..10_000 {
            world.inject(from, &bad);
        }
        assert_eq!(world.data(), Vec::<&[u8]>::new());
        assert!(world.server.counters().forged >= 10_000 + (good.len() - body) as u64);
        assert_eq!(world.refusals().iter().filter(|check| **check == "record.forged").count(), 1, "told once a minute");
        let told =
            |event: &Output| matches!(event, Output::Refused { identity: Some(identity), .. } if identity == super::IDENTITY);
        assert!(world.events.iter().any(told), "by the identity of the session");
        world.inject(from, &good);
        assert_eq!(world.data(), [b"an order for the valve"], "forgeries do not move the window");
        assert!(world.server.session(session).is_some());
        assert!(world.tapped.iter().all(|(server, bytes)| !server || bytes[0] != wire::ALERT), "no answer to forgeries");
    }
}

/// A flood from elsewhere is not even decrypted, while the proven address is heard as ever; a second later the others are looked at again.
#[test]
fn a_flood_from_other_addresses_is_dropped_first() {
    let mut world = World::new(1, Config { forgeries_per_s: 20, ..Config::default() });
    world.echo = false;
    let (device, _) = world.connected(client_config());
    let from = world.devices[device].address;
    let mut datagrams = Vec::new();
    for number in 0_u8..3 {
        world.devices[device].client.send(&[number]).unwrap();
        datagrams.append(&mut sent(&mut world, device));
    }
    let mut bad = datagrams[0].clone();
    *bad.last_mut().unwrap() ^= 1;
    for number in 0..1_000 {
        world.inject(address(number % 50), &bad);
    }
    assert_eq!((world.server.counters().forged, world.server.counters().shed), (20, 980));
    world.inject(from, &datagrams[0]);
    world.inject(address(7), &datagrams[1]);
    assert_eq!(world.data(), [[0]]);
    world.now += SECOND;
    world.inject(address(7), &datagrams[1]);
    assert_eq!(world.data(), [[0], [1]], "it was not marked as received");
}

#[test]
fn a_forged_record_of_the_next_epoch_ends_no_handshake() {
    for form in super::all_forms() {
        let (mut world, device, flight) = half_open(form.clone());
        let from = world.devices[device].address;
        let cid = flight.iter().rev().find_map(|datagram| named(datagram));
        for seq in 0..100 {
            world.inject(from, &forged_finished(&form, cid, seq));
        }
        let (key_exchange, rest) = flight.split_first().unwrap();
        for seq in 100..200 {
            world.inject(from, &forged_finished(&form, cid, seq));
        }
        for datagram in std::iter::once(key_exchange).chain(rest) {
            world.inject(from, datagram);
        }
        world.run(5 * SECOND);
        assert!(world.devices[device].client.is_established(), "{form:?}: {:?}", world.refusals());
        assert_eq!(world.server.sessions(), 1);
    }
}

/// The Connection ID that a record of a datagram names.
fn named(datagram: &[u8]) -> Option<crate::SessionId> {
    let mut reader = wire::Reader(datagram);
    while let Some(record) = wire::Record::read(&mut reader, 8) {
        if record.kind == TLS12_CID {
            return record.cid.try_into().ok().map(|cid| crate::SessionId(u64::from_be_bytes(cid)));
        }
    }
    None
}

/// Forged messages of the unprotected epoch that come before the right ones: another identity, another message, parts that contradict, parts that fill the room.
#[test]
fn forged_messages_before_the_right_ones_end_no_handshake() {
    let part = |total: usize, offset: usize, bytes: &[u8]| {
        let message = [&fragment_header(CLIENT_KEY_EXCHANGE, total, 2, offset, bytes.len())[..], bytes].concat();
        let mut datagram = Vec::new();
        plain_record(&mut datagram, HANDSHAKE, DTLS_1_2, 80, &message);
        datagram
    };
    let mut finished = Vec::new();
    let message = [&fragment_header(FINISHED, 12, 2, 0, 12)[..], &[0; 12]].concat();
    plain_record(&mut finished, HANDSHAKE, DTLS_1_2, 70, &message);
    let mut far = Vec::new();
    let message = [&fragment_header(CLIENT_KEY_EXCHANGE, 4_000, 3, 0, 4_000)[..], &[0; 4_000]].concat();
    plain_record(&mut far, HANDSHAKE, DTLS_1_2, 71, &message);
    for (name, forged, told) in [
        ("another identity", key_exchange(b"somebody else", 2), "psk.identity"),
        ("an identity that is too long", key_exchange(&[b'i'; 1_100], 2), "psk.identity.length"),
        ("no identity", part(3, 0, &[0, 9, 1]), "handshake.malformed"),
        ("another message", finished, "handshake.order"),
        ("a part of another size", part(900, 10, &[1; 20]), ""),
        ("a part of this size", part(26, 0, &[0; 20]), ""),
        ("a later message that takes the room", far, ""),
    ] {
        for form in super::all_forms().into_iter().step_by(7) {
            let (mut world, device, flight) = half_open(form);
            let from = world.devices[device].address;
            world.key = None;
            world.inject(from, &forged);
            for datagram in &flight {
                world.inject(from, datagram);
            }
            answer(&mut world);
            world.key = Some(Some(super::KEY.to_vec()));
            world.run(5 * SECOND);
            answer(&mut world);
            world.settle();
            assert!(world.devices[device].client.is_established(), "{name}: {:?}", world.refusals());
            assert_eq!(world.refusals().first().copied().unwrap_or_default(), told, "{name}");
            let identities = world.events.iter().filter_map(|event| match event {
                Output::Established { identity, .. } => Some(identity.as_slice()),
                _ => None,
            });
            assert_eq!(identities.collect::<Vec<_>>(), [super::IDENTITY]);
        }
    }
}

/// Answers what was asked: only the device is known.
fn answer(world: &mut World) {
    let asked: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Output::PskWanted { lookup, identity, .. } => Some((*lookup, identity == super::IDENTITY)),
            _ => None,
        })
        .collect();
    for (lookup, known) in asked {
        world.server.psk(world.now, lookup, known.then_some(super::KEY));
    }
    world.drain();
}

/// Who forges identities without end does not keep the server asking.
#[test]
fn identities_change_a_bounded_number_of_times() {
    let form = client_config();
    let (mut world, device, flight) = half_open(form.clone());
    let from = world.devices[device].address;
    let cid = flight.iter().rev().find_map(|datagram| named(datagram));
    world.key = Some(None);
    for number in 0..100_u8 {
        world.inject(from, &key_exchange(&[number], 2));
        world.inject(from, &forged_finished(&form, cid, u64::from(number)));
        world.now += REPEAT_AFTER;
    }
    let asked = world.events.iter().filter(|event| matches!(event, Output::PskWanted { .. })).count();
    assert_eq!((asked, world.refusals().len()), (9, 1));
    assert_eq!(world.server.handshakes(), 1);
}
