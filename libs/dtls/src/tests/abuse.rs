//! What must not work: forged, replayed, misplaced and unasked-for messages. Absent: random bytes; `hostile.rs` has them.

use std::time::Duration;

use super::{World, address, client_config};
use crate::wire::{self, CLIENT_HELLO, DTLS_1_2, FINISHED, HANDSHAKE, fragment_header, plain_record};
use crate::{Alert, Check, Client, ClientConfig, ClientOutput, CloseReason, Config, Output, Suite};

const SECOND: Duration = Duration::from_secs(1);

/// The datagrams that the client sends now.
fn sent(client: &mut Client) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| client.poll())
        .filter_map(|output| if let ClientOutput::Send(bytes) = output { Some(bytes) } else { None })
        .collect()
}

fn first_hello(config: ClientConfig, seed: u64) -> (Client, Vec<u8>) {
    let mut client = Client::new(config, super::seeded(seed));
    client.connect(Duration::ZERO);
    let hello = sent(&mut client).remove(0);
    (client, hello)
}

/// What the server sends to a datagram, and its other outputs.
fn answers(world: &mut World, from: u16, datagram: &[u8]) -> Vec<Vec<u8>> {
    world.server.handle(world.now, address(from), datagram);
    let mut datagrams = Vec::new();
    while let Some(output) = world.server.poll() {
        match output {
            Output::Send { datagram, .. } => datagrams.push(datagram),
            other => world.events.push(other),
        }
    }
    datagrams
}

#[test]
fn a_hello_without_cookie_costs_no_state_and_no_amplification() {
    let mut world = World::new(1, Config::default());
    let mut smallest = client_config();
    (smallest.cid, smallest.ems, smallest.encrypt_then_mac) = (None, false, false);
    smallest.suites = vec![Suite::PskAes128Ccm8];
    for config in [client_config(), smallest] {
        for from in 0..200 {
            let (_, hello) = first_hello(config.clone(), u64::from(from));
            let replies = answers(&mut world, from, &hello);
            assert_eq!((replies.len(), replies[0].len()), (1, 44));
            assert!(replies[0].len() < hello.len());
            assert_eq!((world.server.handshakes(), world.server.sessions(), world.server.poll_timeout()), (0, 0, None));
        }
    }
    assert_eq!(world.events, []);
}

#[test]
fn cookies_are_bound_to_address_content_and_time() {
    let mut world = World::new(1, Config::default());
    let (mut client, hello) = first_hello(client_config(), 1);
    let verify = answers(&mut world, 1, &hello).remove(0);
    client.handle(Duration::ZERO, &verify);
    let second = sent(&mut client).remove(0);
    let is_verify = |datagrams: Vec<Vec<u8>>| datagrams.len() == 1 && datagrams[0].len() == 44;
    assert!(is_verify(answers(&mut world, 2, &second)), "another port");
    for at in [13 + 12 + 2, 13 + 12 + 36, 13 + 12 + 36 + 16 + 3] {
        let mut changed = second.clone();
        changed[at] ^= 1;
        assert!(is_verify(answers(&mut world, 1, &changed)), "{at}");
    }
    assert_eq!(world.server.handshakes(), 0);
    world.now += 121 * SECOND;
    assert!(is_verify(answers(&mut world, 1, &second)), "too old");
    let verify = answers(&mut world, 1, &hello).remove(0);
    client.handle(Duration::ZERO, &verify);
    assert_eq!(world.server.handshakes(), 0);
    let third = {
        let (mut client, hello) = first_hello(client_config(), 1);
        client.handle(Duration::ZERO, &answers(&mut world, 1, &hello)[0]);
        sent(&mut client).remove(0)
    };
    world.now += 59 * SECOND;
    assert!(!is_verify(answers(&mut world, 1, &third)));
    assert_eq!(world.server.handshakes(), 1);
}

/// Copies of the second hello cause at most one flight each quarter of a second.
#[test]
fn copies_of_a_hello_are_not_answered_each() {
    let mut world = World::new(1, Config::default());
    let (mut client, hello) = first_hello(client_config(), 1);
    client.handle(Duration::ZERO, &answers(&mut world, 1, &hello)[0]);
    let second = sent(&mut client).remove(0);
    assert_eq!(answers(&mut world, 1, &second).len(), 1);
    assert!(answers(&mut world, 1, &second.repeat(20)).is_empty());
    world.now += SECOND;
    assert_eq!(answers(&mut world, 1, &second.repeat(20)).len(), 1);
    assert_eq!(world.server.handshakes(), 1);
}

#[test]
fn a_wrong_key_and_an_unknown_identity_look_alike() {
    for config in super::all_forms().into_iter().step_by(4) {
        let mut seen = Vec::new();
        for key in [Some(b"another key".to_vec()), None] {
            let mut world = World::new(1, Config::default());
            world.key = Some(key.clone());
            let device = world.device(config.clone());
            world.connect(device);
            world.run(2 * SECOND);
            assert_eq!(world.devices[device].events, [], "it repeats its flight once, as it may be that of another");
            world.run(2 * SECOND);
            let told = world.devices[device].events.clone();
            assert_eq!(told, [ClientOutput::Closed(CloseReason::Refused(Some(Alert::DecryptError as u8), None))]);
            assert_eq!(world.refusals(), [if key.is_some() { "psk.key" } else { "psk.identity" }]);
            let named = world
                .events
                .iter()
                .any(|event| matches!(event, Output::Refused { identity: Some(identity), .. } if identity == super::IDENTITY));
            assert!(named && world.server.sessions() == 0);
            world.run(200 * SECOND);
            assert_eq!((world.refusals().len(), world.server.handshakes()), (1, 0), "told once");
            seen.push(world.tapped.iter().map(|(_, bytes)| bytes.len()).collect::<Vec<_>>());
        }
        assert_eq!(seen[0], seen[1]);
    }
    let mut world = World::new(1, Config { reveal_unknown_identity: true, ..Config::default() });
    world.key = Some(None);
    let device = world.device(client_config());
    world.connect(device);
    world.settle();
    let revealed = CloseReason::Refused(Some(Alert::UnknownPskIdentity as u8), None);
    assert_eq!(world.devices[device].events, [ClientOutput::Closed(revealed)]);
}

#[test]
fn what_cannot_be_agreed_on_is_told() {
    let no_suite = Config { suites: vec![Suite::PskAes128GcmSha256], ..Config::default() };
    let strict = Config { require_ems: true, ..Config::default() };
    let full = Config { sessions: 0, ..Config::default() };
    let mut old_module = client_config();
    old_module.ems = false;
    old_module.suites = vec![Suite::PskAes128Ccm8];
    for (config, check, alert) in [
        (no_suite, "hello.suite", Alert::HandshakeFailure),
        (strict, "hello.ems", Alert::HandshakeFailure),
        (full, "session.limit", Alert::InternalError),
    ] {
        let mut world = World::new(1, config);
        let device = world.device(old_module.clone());
        world.connect(device);
        world.settle();
        let want = [ClientOutput::Closed(CloseReason::Refused(Some(alert as u8), None))];
        assert_eq!((world.refusals(), world.devices[device].events.as_slice()), (vec![check], &want[..]));
        assert_eq!(world.server.handshakes(), 0);
    }
}

/// A hello whose cookie is right for whatever its body says.
fn hello_with(world: &mut World, edit: impl Fn(&mut Vec<u8>)) -> Vec<Vec<u8>> {
    let datagram = |cookie: &[u8], seq: u16| {
        let extensions = crate::hello::Extensions { ems: true, ..Default::default() };
        let mut body = crate::hello::write_client_hello(&[3; 32], &[], cookie, &[Suite::PskAes128Ccm8], &extensions);
        edit(&mut body);
        let mut out = Vec::new();
        let message = [&fragment_header(CLIENT_HELLO, body.len(), seq, 0, body.len())[..], &body].concat();
        plain_record(&mut out, HANDSHAKE, DTLS_1_2, u64::from(seq), &message);
        out
    };
    let verify = answers(world, 1, &datagram(&[], 0)).remove(0);
    answers(world, 1, &datagram(&verify[verify.len() - 16..], 1))
}

#[test]
fn bad_hellos_get_their_alert() {
    type Edit = fn(&mut Vec<u8>);
    let cases: &[(Edit, Alert, &str)] = &[
        (|body| body[1] = 0xff, Alert::ProtocolVersion, "hello.version"),
        (|body| body[0] = 0x03, Alert::ProtocolVersion, "hello.version"),
        (
            |body| {
                let at = body.len() - 7;
                body[at] = 1
            },
            Alert::IllegalParameter,
            "hello.compression",
        ),
        (
            |body| {
                let at = body.len() - 1;
                body[at] = 1
            },
            Alert::DecodeError,
            "hello.extension",
        ),
        (
            |body| {
                let at = body.len() - 5;
                body[at] = 9;
                body.extend([0xff, 1, 0, 2, 1])
            },
            Alert::DecodeError,
            "hello.extension",
        ),
        (
            |body| {
                let at = body.len() - 5;
                body[at] = 10;
                body.extend([0xff, 1, 0, 2, 1, 7])
            },
            Alert::HandshakeFailure,
            "hello.renegotiation",
        ),
    ];
    for (number, (edit, alert, check)) in cases.iter().enumerate() {
        let mut world = World::new(1, Config::default());
        let replies = hello_with(&mut world, edit);
        let wanted = (vec![*check], vec![2, *alert as u8]);
        let got = (world.refusals(), replies.first().map(|reply| reply[13..].to_vec()).unwrap_or_default());
        // A body that is no list at all is not answered, because its cookie cannot be read.
        let unparsed = (vec!["hello.malformed", "hello.malformed"], Vec::new());
        assert!(got == wanted || (number == 4 && got == unparsed), "{number}: {got:?}");
        assert_eq!(world.server.handshakes(), 0);
    }
    let mut world = World::new(1, Config::default());
    assert_eq!(hello_with(&mut world, |_| {}).len(), 1);
    assert_eq!(world.server.handshakes(), 1);
    let mut world = World::new(1, Config::default());
    assert_eq!(hello_with(&mut world, |body| body[1] = 0xfc).len(), 1, "a later version falls back to 1.2");
}

#[test]
fn records_count_once() {
    for form in super::all_forms() {
        let mut world = World::new(1, Config::default());
        world.echo = false;
        let (device, _) = world.connected(form);
        let from = world.devices[device].address;
        for number in 0_u8..80 {
            world.say(device, &[number]);
            world.settle();
        }
        let records: Vec<Vec<u8>> = world.tapped.iter().rev().take(80).map(|(_, bytes)| bytes.clone()).collect();
        assert_eq!(world.data().len(), 80);
        for record in &records {
            world.inject(from, record);
        }
        assert_eq!((world.data().len(), world.server.counters().replayed), (80, 80));
        assert_eq!((world.server.counters().forged, world.refusals().len()), (0, 0));
    }
}

#[test]
fn junk_is_told_at_a_bounded_rate() {
    let mut world = World::new(1, Config { refusals_per_s: 5, ..Config::default() });
    let mut unknown = Vec::new();
    wire::begin_record(&mut unknown, wire::TLS12_CID, DTLS_1_2, 1, 0, &[1; 8]);
    wire::end_record(&mut unknown, 21);
    for _ in 0..100 {
        assert!(answers(&mut world, 1, &unknown).is_empty());
        assert!(answers(&mut world, 1, b"junk").is_empty());
    }
    assert_eq!(world.events.len(), 5);
    let counters = world.server.counters();
    assert_eq!((counters.unknown, counters.refusals_unreported), (100, 195));
}

/// Plain records of anyone neither end a session nor a handshake.
#[test]
fn unauthenticated_alerts_end_nothing() {
    let mut world = World::new(1, Config::default());
    let device = world.device(client_config());
    world.connect(device);
    while world.server.handshakes() == 0 {
        world.step(Duration::MAX);
    }
    let from = world.devices[device].address;
    let mut alert = Vec::new();
    plain_record(&mut alert, wire::ALERT, DTLS_1_2, 9, &[2, 40]);
    world.inject(from, &alert);
    world.settle();
    assert!(world.devices[device].client.is_established());
    world.inject(from, &alert);
    let mut finished = Vec::new();
    let message = [&fragment_header(FINISHED, 12, 3, 0, 12)[..], &[0; 12]].concat();
    plain_record(&mut finished, HANDSHAKE, DTLS_1_2, 10, &message);
    world.inject(from, &finished);
    world.say(device, b"x");
    world.settle();
    assert_eq!((world.data(), world.refusals()), (vec![&b"x"[..]], vec!["handshake.alert"]));
}

#[test]
fn handshakes_and_questions_are_bounded() {
    let mut world = World::new(1, Config { handshakes: 10, lookups: 3, ..Config::default() });
    world.key = None;
    for _ in 0..20 {
        let device = world.device(client_config());
        world.connect(device);
        world.settle();
        assert!(world.server.handshakes() <= 10);
    }
    let asked: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| if let Output::PskWanted { lookup, .. } = event { Some(*lookup) } else { None })
        .collect();
    assert_eq!(world.refusals(), ["handshake.evicted"; 10]);
    assert!(asked.len() < 20, "{}", asked.len());
    world.key = Some(Some(super::KEY.to_vec()));
    for lookup in asked {
        world.server.psk(world.now, lookup, Some(super::KEY));
    }
    world.drain();
    world.run(119 * SECOND);
    assert_eq!(world.server.sessions(), 10, "those who were put off come again");
}

#[test]
fn nobody_polls_and_nothing_grows() {
    let mut world = World::new(1, Config { outputs: 100, ..Config::default() });
    let (_, hello) = first_hello(client_config(), 1);
    for _ in 0..1_000 {
        world.server.handle(world.now, address(1), &hello);
    }
    assert_eq!(world.server.counters().overflow, 900);
}

/// Who changes the negotiation on the way does not change the keys (of a handshake without extended master secret, or of a resumption): only Finished tells.
#[test]
fn a_changed_negotiation_is_noticed_by_finished() {
    for resume in [false, true] {
        let mut form = client_config();
        form.ems = resume;
        form.suites = vec![Suite::PskAes128Ccm8];
        let mut world = World::new(1, Config::default());
        let (device, _) = world.connected(form);
        if !resume {
            world.devices[device].client.forget();
        }
        world.events.clear();
        world.devices[device].events.clear();
        world.devices[device].client.connect(world.now);
        let hello = sent(&mut world.devices[device].client).remove(0);
        let from = world.devices[device].address.port();
        let verify = answers(&mut world, from, &hello).remove(0);
        world.devices[device].client.handle(world.now, &verify);
        let mut second = sent(&mut world.devices[device].client).remove(0);
        // encrypt_then_mac becomes something that nobody knows.
        let at = second.windows(4).rposition(|part| part == [0, 22, 0, 0]).unwrap();
        second[at] = 99;
        world.inject(address(from), &second);
        world.run(200 * SECOND);
        assert!(!world.devices[device].client.is_established());
        let alert = Some(Alert::DecryptError as u8);
        let (check, told) = if resume { (Some(Check::Finished), "handshake.alert") } else { (None, "psk.key") };
        let closed = CloseReason::Refused(alert, check);
        assert_eq!(world.devices[device].events, [ClientOutput::Closed(closed)]);
        assert_eq!(world.refusals().first(), Some(&told));
        assert!(!world.events.iter().any(|event| matches!(event, Output::Established { .. })));
    }
}

/// Once the client's data shows that it has our Finished, its own is history.
#[test]
fn a_finish_is_answered_until_data_comes() {
    let mut world = World::new(1, Config::default());
    let (device, _) = world.connected(client_config());
    let from = world.devices[device].address;
    let message = [&fragment_header(FINISHED, 12, 3, 0, 12)[..], &[0; 12]].concat();
    for (data, more) in [(false, 1), (false, 1), (true, 0), (false, 0)] {
        if data {
            world.echo = false;
            world.say(device, b"x");
            world.settle();
        }
        let again = world.devices[device].client.seal_for_test(HANDSHAKE, &message);
        let before = world.tapped.len();
        world.inject(from, &again);
        assert_eq!(world.tapped.len(), before + more);
    }
}

#[test]
fn secrets_are_not_shown() {
    let mut world = World::new(1, Config::default());
    let (_, session) = world.connected(client_config());
    let saved = world.server.saved(session, 0).unwrap();
    let bytes = saved.to_bytes();
    for shown in [format!("{saved:?}"), format!("{:?}", client_config()), format!("{:?}", world.events)] {
        assert!(!shown.contains("a key of 24"), "{shown}");
        for secret in [&bytes[45..61], &bytes[85..101]] {
            assert!(!shown.contains(&hex::encode(secret)) && !shown.contains(&format!("{secret:?}")), "{shown}");
        }
    }
}
