//! Short handshakes: when they happen, when they must not, and what becomes of the session before. Absent: tickets; there are none.

use std::time::Duration;

use super::{World, address, all_forms, client_config};
use crate::{Alert, ClientConfig, ClientOutput, CloseReason, Config, Output, SavedSession, Server, Suite};

/// Whether the last handshake of the server was a short one, and what it replaced.
fn last(world: &World) -> (bool, Option<crate::SessionId>) {
    let found = world.events.iter().rev().find_map(|event| match event {
        Output::Established { resumed, replaces, identity, .. } => {
            assert_eq!(identity, super::IDENTITY);
            Some((*resumed, *replaces))
        }
        _ => None,
    });
    found.expect("a session")
}

fn questions(world: &World) -> usize {
    world.events.iter().filter(|event| matches!(event, Output::PskWanted { .. })).count()
}

#[test]
fn live_sessions_are_resumed_again_and_again_from_anywhere() {
    for form in all_forms().into_iter().filter(|form| form.ems) {
        let mut world = World::new(1, Config::default());
        let (device, mut session) = world.connected(form);
        for round in 1..4_u16 {
            world.devices[device].address = address(round);
            world.connect(device);
            world.settle();
            let new = world.last_session();
            assert_eq!(last(&world), (true, Some(session)));
            assert!(new != session && world.server.session(session).is_none());
            session = new;
            world.say(device, &[7; 20]);
            world.settle();
            assert_eq!(world.devices[device].data().len(), usize::from(round));
        }
        assert_eq!((questions(&world), world.server.sessions(), world.server.counters().resumed), (1, 1, 3));
    }
}

#[test]
fn resumption_gets_through_a_bad_network() {
    let mut resumed = 0;
    for seed in 0..60 {
        let mut world = World::new(seed, Config::default());
        let (device, _) = world.connected(client_config());
        (world.loss, world.copies, world.delay_ms) = (25, 20, 2_000);
        world.connect(device);
        let end = world.now + Duration::from_secs(60);
        while !world.devices[device].client.is_established() && world.step(end) {}
        for number in 0_u8..60 {
            let _ = world.devices[device].client.send(&[number]);
            world.run(Duration::from_secs(1));
        }
        assert!(!world.devices[device].data().is_empty(), "{seed}");
        assert_eq!(world.server.sessions(), 1);
        let mut got: Vec<&[u8]> = world.data();
        got.sort_unstable();
        got.dedup();
        assert_eq!(got.len(), world.data().len(), "each once");
        resumed += world.server.counters().resumed;
    }
    assert!(resumed >= 50, "{resumed}");
}

/// The client's last flight is lost: its data waits at the server, which repeats its own flight until it hears the Finished.
#[test]
fn data_that_overtakes_the_finish_is_not_lost() {
    let mut world = World::new(1, Config::default());
    let (device, _) = world.connected(client_config());
    world.connect(device);
    while !world.devices[device].client.is_established() {
        world.step(Duration::MAX);
    }
    world.way.clear();
    world.say(device, b"early");
    world.settle();
    assert_eq!((world.data().len(), world.server.counters().resumed), (0, 0));
    world.run(Duration::from_secs(3));
    assert_eq!((world.data(), world.server.counters().resumed), (vec![&b"early"[..]], 1));
}

/// RFC 7627 section 5.3.
#[test]
fn resumption_keeps_the_rules_of_the_extended_master_secret() {
    let with_ems = |ems: bool| {
        let mut form = client_config();
        form.ems = ems;
        form
    };
    let allowed = || Config { resumption_without_ems: true, ..Config::default() };
    let cases: [(bool, bool, Config, Option<bool>); 6] = [
        (true, true, Config::default(), Some(true)),
        (false, true, Config::default(), Some(false)),
        (false, true, allowed(), Some(false)),
        (true, false, Config::default(), None),
        (false, false, Config::default(), Some(false)),
        (false, false, allowed(), Some(true)),
    ];
    for (before, after, config, resumed) in cases {
        let mut world = World::new(1, config);
        let (device, _) = world.connected(with_ems(before));
        world.devices[device].client.set_ems_for_test(after);
        world.connect(device);
        world.settle();
        match resumed {
            Some(resumed) => assert_eq!((world.server.counters().established, last(&world).0), (2, resumed)),
            None => {
                let refused = CloseReason::Refused(Some(Alert::HandshakeFailure as u8), None);
                assert_eq!(world.devices[device].events.last(), Some(&ClientOutput::Closed(refused)));
                assert_eq!((world.refusals(), world.server.sessions()), (vec!["hello.resumption"], 1));
            }
        }
    }
}

#[test]
fn what_cannot_be_resumed_becomes_a_full_handshake() {
    type Change = fn(&mut World, usize, crate::SessionId);
    let cases: [(&str, Config, Change); 3] = [
        ("switched off", Config { resumption: false, ..Config::default() }, |_, _, _| {}),
        ("closed by the owner", Config::default(), |world, _, session| {
            world.server.close(world.now, session, Alert::UserCanceled)
        }),
        ("forgotten by the client", Config::default(), |world, device, _| world.devices[device].client.forget()),
    ];
    for (name, config, change) in cases {
        let mut world = World::new(1, config);
        let (device, session) = world.connected(client_config());
        change(&mut world, device, session);
        world.drain();
        world.settle();
        world.connect(device);
        world.settle();
        assert_eq!((last(&world).0, questions(&world), world.server.sessions()), (false, 2, 1), "{name}");
        world.say(device, b"x");
        world.settle();
        assert_eq!(world.devices[device].data(), [b"x"]);
    }
}

/// Mbed TLS offers ids of 16 to 32 bytes again, and no others.
#[test]
fn session_ids_are_as_long_as_they_may_be() {
    for resumption in [true, false] {
        let mut world = World::new(1, Config { resumption, ..Config::default() });
        world.connected(client_config());
        let hellos = world.tapped.iter().filter(|(server, bytes)| *server && bytes[13] == crate::wire::SERVER_HELLO);
        let ids: Vec<usize> = hellos.map(|(_, bytes)| usize::from(bytes[25 + 34])).collect();
        assert_eq!(ids, [if resumption { 32 } else { 0 }]);
    }
}

/// RFC 5246 section 7.2.1: close_notify ends a connection, not what may be resumed.
#[test]
fn a_session_that_its_client_closed_is_resumed() {
    for form in all_forms().into_iter().filter(|form| form.ems) {
        let mut world = World::new(1, Config::default());
        let (device, session) = world.connected(form);
        world.say(device, b"late");
        let late = world.tapped.last().unwrap().1.clone();
        world.way.clear();
        world.devices[device].client.close();
        world.drain();
        world.settle();
        assert_eq!((world.server.sessions(), world.server.closed()), (0, 1));
        assert_eq!(world.events.last(), Some(&Output::PeerClosed { session }));
        assert_eq!(world.server.send(world.now, session, b"x"), Err(crate::SendError::NoSession));
        world.inject(world.devices[device].address, &late);
        assert!(world.data().is_empty(), "what was closed hears nothing");
        world.devices[device].address = address(7);
        world.connect(device);
        world.settle();
        assert_eq!((last(&world), questions(&world)), ((true, Some(session)), 1));
        assert_eq!((world.server.sessions(), world.server.closed()), (1, 0));
        world.say(device, b"x");
        world.settle();
        assert_eq!(world.devices[device].data(), [b"x"]);
    }
}

/// A closed session ends with its time, when a live one needs the room, and when the owner says so.
#[test]
fn closed_sessions_end_too() {
    type End = fn(&mut World, crate::SessionId);
    let cases: [(bool, End); 4] = [
        (true, |world, _| world.run(Duration::from_secs(86_400))),
        (true, |world, _| _ = world.connected(ClientConfig::new(*b"another", super::KEY))),
        (false, |world, session| world.server.close(world.now, session, Alert::AccessDenied)),
        (true, |world, _| world.run(Duration::from_secs(86_399))),
    ];
    for (number, (told, end)) in cases.into_iter().enumerate() {
        let mut world = World::new(1, Config { sessions: 1, ..Config::default() });
        let (device, session) = world.connected(client_config());
        world.devices[device].client.close();
        world.drain();
        world.settle();
        end(&mut world, session);
        let over = number < 3;
        assert_eq!(world.server.closed(), usize::from(!over), "{number}");
        let closed = Output::Closed { session, reason: CloseReason::PeerClosed };
        assert_eq!(world.events.contains(&closed), over && told, "{number}");
        if number != 1 {
            world.connect(device);
            world.settle();
            assert_eq!(last(&world).0, !over, "{number}");
        }
    }
}

/// Without extended master secret a session is not resumed, so nothing of it stays.
#[test]
fn what_may_not_be_resumed_ends_when_its_client_closes_it() {
    for (ems, resumption, stays) in [(false, true, false), (true, false, false), (true, true, true)] {
        let mut form = client_config();
        form.ems = ems;
        let mut world = World::new(1, Config { resumption, ..Config::default() });
        let (device, session) = world.connected(form);
        world.devices[device].client.close();
        world.drain();
        world.settle();
        let closed = Output::Closed { session, reason: CloseReason::PeerClosed };
        assert_eq!((world.server.closed() == 1, world.events.contains(&closed)), (stays, !stays));
    }
}

/// The owner withdraws a key while a resumption is under way.
#[test]
fn a_session_closed_meanwhile_is_not_resumed() {
    let mut world = World::new(1, Config::default());
    let (device, session) = world.connected(client_config());
    world.connect(device);
    while world.server.handshakes() == 0 {
        world.step(Duration::MAX);
    }
    world.server.close(world.now, session, Alert::AccessDenied);
    world.drain();
    world.settle();
    assert_eq!((world.server.sessions(), world.server.counters().resumed), (0, 0));
    assert_eq!(world.refusals(), ["hello.resumption"]);
    assert!(!world.devices[device].client.is_established());
}

#[test]
fn restored_sessions_are_resumed_also_under_an_inherited_session_id() {
    for suite in Suite::ALL {
        let mut form = client_config();
        form.suites = vec![suite];
        let mut world = World::new(1, Config::default());
        let (device, _) = world.connected(form);
        for round in 0..3 {
            let session = world.last_session();
            let durable = world.server.saved(session, 100).unwrap().to_bytes();
            world.server = Server::new(Config::default(), super::seeded(50 + round));
            world.server.restore(SavedSession::from_bytes(&durable).unwrap()).unwrap();
            world.connect(device);
            world.settle();
            assert_eq!(last(&world), (true, Some(session)));
        }
        assert_eq!(world.server.sessions(), 1);
    }
}

/// Who knows a session id but not its secret gets nowhere, and the session goes on.
#[test]
fn a_session_id_alone_resumes_nothing() {
    let mut world = World::new(1, Config::default());
    let (device, session) = world.connected(client_config());
    let thief = world.device(client_config());
    let stolen = [&session.0.to_be_bytes()[..], &[0; 24]].concat();
    world.devices[thief].client.set_resume_for_test(stolen, [1; 48], Suite::PskAes128Ccm8);
    world.connect(thief);
    world.run(Duration::from_secs(130));
    assert!(!world.devices[thief].client.is_established());
    assert_eq!((world.server.sessions(), world.server.counters().resumed), (1, 0));
    world.say(device, b"unharmed");
    world.settle();
    assert_eq!(world.devices[device].data(), [b"unharmed"]);
}
