//! Sessions that outlive the server's process, and the numbers that they may write. Absent: disks; a kill is a server that is dropped.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{World, address, all_forms, client_config, seeded};
use crate::{Config, Output, RestoreError, SavedSession, SendError, Server, SessionId, Suite};

/// The sequence numbers of all protected records that the server sent, in order.
fn numbers(world: &World) -> Vec<u64> {
    let mut all = Vec::new();
    let cid_bytes = world.devices[0].client.own_cid_bytes();
    for (_, datagram) in world.tapped.iter().filter(|(server, _)| *server) {
        let mut reader = crate::wire::Reader(datagram);
        while let Some(record) = crate::wire::Record::read(&mut reader, cid_bytes) {
            if record.epoch == 1 {
                all.push(record.seq);
            }
        }
    }
    all
}

fn save(world: &mut World, session: SessionId, reserve: u64) -> Vec<u8> {
    world.server.saved(session, reserve).expect("a session").to_bytes().to_vec()
}

/// The process dies, and another one starts with what was durable.
fn kill(world: &mut World, seed: u64, durable: &[u8]) -> SessionId {
    world.server = Server::new(Config::default(), seeded(seed));
    let saved = SavedSession::from_bytes(durable).expect("ours");
    world.server.restore(saved).expect("restored")
}

#[test]
fn no_number_is_written_twice_whenever_the_server_dies() {
    for (number, form) in all_forms().into_iter().enumerate() {
        let mut world = World::new(number as u64, Config { first_reserve: 20, ..Config::default() });
        let (device, mut session) = world.connected(form);
        world.echo = false;
        let mut durable = save(&mut world, session, 0);
        let mut confirmed = SavedSession::from_bytes(&durable).unwrap().write_seq();
        let mut dice = super::Dice(number as u64 + 5);
        for round in 0..120_u64 {
            match dice.roll(10) {
                0 => {
                    session = kill(&mut world, round + 100, &durable);
                    confirmed = SavedSession::from_bytes(&durable).unwrap().write_seq();
                }
                // Saved, and not always confirmed before the process dies.
                1..=3 => {
                    durable = save(&mut world, session, 1 + dice.roll(8));
                    let write_seq = SavedSession::from_bytes(&durable).unwrap().write_seq();
                    assert!(write_seq > confirmed);
                    if dice.roll(3) > 0 {
                        world.server.reserved(session, write_seq);
                        confirmed = write_seq;
                    }
                }
                _ => {
                    let sent = world.server.send(world.now, session, &round.to_be_bytes());
                    let next = world.server.session(session).unwrap().write_seq;
                    assert_eq!(sent == Err(SendError::NotReserved), next == confirmed && sent.is_err());
                }
            }
            world.drain();
            world.settle();
        }
        let all = numbers(&world);
        let unique: BTreeSet<u64> = all.iter().copied().collect();
        assert!(all.len() > 20 && unique.len() == all.len(), "{all:?}");
        assert!(world.devices[device].data().len() > 15);
        world.say(device, b"and back");
        world.settle();
        assert_eq!(world.data().last(), Some(&&b"and back"[..]));
    }
}

#[test]
fn a_restored_session_asks_for_a_reserve_when_it_is_used() {
    let mut world = World::new(1, Config::default());
    let (device, session) = world.connected(client_config());
    let durable = save(&mut world, session, 0);
    assert_eq!(SavedSession::from_bytes(&durable).unwrap().write_seq(), 1_024);
    kill(&mut world, 2, &durable);
    world.drain();
    world.events.clear();
    world.echo = false;
    world.say(device, b"awake");
    world.settle();
    assert!(matches!(&world.events[..], [Output::Data { .. }, Output::ReserveWanted { session: asking }] if *asking == session));
    assert_eq!(world.server.send(world.now, session, b"x"), Err(SendError::NotReserved));
    let saved = world.server.saved(session, 500).unwrap();
    assert_eq!(saved.write_seq(), 1_524);
    world.server.reserved(session, 1_525);
    assert_eq!(world.server.send(world.now, session, b"x"), Err(SendError::NotReserved), "never given");
    world.server.reserved(session, 1_524);
    assert_eq!(world.server.send(world.now, session, b"x"), Ok(()));
    world.drain();
    world.settle();
    assert_eq!(world.devices[device].data(), [b"x"]);
}

#[test]
fn the_reserve_is_asked_for_at_its_half_and_once() {
    let mut world = World::new(1, Config { first_reserve: 100, ..Config::default() });
    world.echo = false;
    let (_, session) = world.connected(client_config());
    let wanted = |world: &World| world.events.iter().filter(|event| matches!(event, Output::ReserveWanted { .. })).count();
    let send = |world: &mut World| {
        let result = world.server.send(world.now, session, b"x");
        world.drain();
        result
    };
    while world.server.session(session).unwrap().write_seq < 50 {
        send(&mut world).unwrap();
        assert_eq!(wanted(&world), 0);
    }
    send(&mut world).unwrap();
    assert_eq!(wanted(&world), 1);
    while send(&mut world).is_ok() {}
    assert_eq!((wanted(&world), world.server.session(session).unwrap().write_seq), (1, 100));
    assert_eq!(send(&mut world), Err(SendError::NotReserved));
    let first = world.server.saved(session, 100).unwrap().write_seq();
    let second = world.server.saved(session, 10).unwrap().write_seq();
    assert_eq!((first, second), (200, 210), "each save is above the one before");
    world.server.reserved(session, first);
    world.server.reserved(session, first - 50);
    assert_eq!(world.server.session(session).unwrap().reserved, 200);
    while send(&mut world).is_ok() {}
    assert_eq!((wanted(&world), world.server.session(session).unwrap().write_seq), (2, 200));
}

#[test]
fn the_end_of_all_numbers_ends_the_session() {
    let mut world = World::new(1, Config::default());
    let (_, session) = world.connected(client_config());
    let end = world.server.saved(session, u64::MAX).unwrap();
    assert_eq!(end.write_seq(), 1 << 48);
    kill(&mut world, 2, &end.to_bytes());
    assert_eq!(world.server.send(world.now, session, b"x"), Err(SendError::Exhausted));
    assert_eq!(world.server.sessions(), 0);
}

#[test]
fn a_restored_session_keeps_window_address_and_identity() {
    for form in all_forms().into_iter().step_by(3) {
        let mut world = World::new(1, Config::default());
        world.echo = false;
        let (device, session) = world.connected(form);
        world.say(device, b"once");
        world.settle();
        let record = world.tapped.last().unwrap().1.clone();
        let before = format!(
            "{:?}",
            world.server.session(session).map(|info| (info.peer, info.identity.to_vec(), info.suite, info.ems, info.cid))
        );
        let durable = save(&mut world, session, 10);
        kill(&mut world, 2, &durable);
        let after = format!(
            "{:?}",
            world.server.session(session).map(|info| (info.peer, info.identity.to_vec(), info.suite, info.ems, info.cid))
        );
        assert_eq!(before, after);
        let from = world.devices[device].address;
        world.inject(from, &record);
        assert_eq!((world.data().len(), world.server.counters().replayed), (1, 1));
        world.say(device, b"twice");
        world.settle();
        assert_eq!(world.data(), [&b"once"[..], b"twice"]);
    }
}

#[test]
fn saved_bytes_are_read_strictly() {
    for form in all_forms() {
        let mut world = World::new(1, Config::default());
        let device = world.device(form);
        world.devices[device].address = "[2001:db8::7]:5684".parse().unwrap();
        world.connect(device);
        world.settle();
        let session = world.last_session();
        let bytes = save(&mut world, session, 7);
        let saved = SavedSession::from_bytes(&bytes).unwrap();
        assert_eq!(
            (saved.to_bytes().as_slice(), saved.peer(), saved.identity()),
            (&bytes[..], world.devices[device].address, super::IDENTITY)
        );
        assert!(bytes.len() < 300);
        for end in 0..bytes.len() {
            assert_eq!(SavedSession::from_bytes(&bytes[..end]), Err(RestoreError::Malformed));
        }
        assert!(SavedSession::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        let window_without_its_edge = bytes[42] & !1 | 2;
        for (at, value) in [(42, window_without_its_edge), (0, 0), (0, 2), (1, 0), (1, 5), (2, 8), (19, 0xff)] {
            let mut changed = bytes.clone();
            changed[at] = value;
            assert!(SavedSession::from_bytes(&changed).is_err(), "{at} {value}");
        }
        let mut changed = bytes.clone();
        changed[2] ^= 2;
        let other_order_is_possible = changed[1] == Suite::PskAes128CbcSha256 as u8;
        assert_eq!(SavedSession::from_bytes(&changed).is_ok(), other_order_is_possible, "encrypt-then-MAC");
    }
}

#[test]
fn what_lives_is_not_restored_over() {
    let mut world = World::new(1, Config { sessions: 2, ..Config::default() });
    let mut form = client_config();
    form.cid = None;
    let (_, session) = world.connected(form.clone());
    let saved = world.server.saved(session, 0).unwrap();
    assert_eq!(world.server.restore(saved.clone()), Err(RestoreError::Exists));
    let mut other = Server::new(Config { sessions: 1, ..Config::default() }, seeded(9));
    assert_eq!(other.restore(saved.clone()), Ok(session));
    let (_, second) = world.connected(client_config());
    let another = world.server.saved(second, 0).unwrap();
    assert_eq!(other.restore(another), Err(RestoreError::Full));
    // A new session without Connection ID took the address meanwhile.
    let mut world = World::new(2, Config::default());
    world.connected(form);
    assert_eq!(world.server.restore(saved), Err(RestoreError::Exists));
    assert_eq!(world.devices[0].address, address(5_000));
    world.run(Duration::from_secs(1));
}
