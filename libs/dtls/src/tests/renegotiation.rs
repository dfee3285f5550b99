//! Secure renegotiation (RFC 5746): signalled in the hellos, and refused by a warning (RFC 5246 section 7.2.2).

use super::World;
use crate::hello::{ClientHello, Extensions, RENEGOTIATION_SCSV, ServerHello, write_client_hello};
use crate::wire::{
    ALERT, CLIENT_HELLO, DTLS_1_2, Fragment, HANDSHAKE, Reader, Record, SERVER_HELLO, fragment_header, plain_record,
};
use crate::{Alert, Check, Config, Output, Suite};

/// What the server answers to a hello with these suites and extensions, once its cookie is there.
fn answered(world: &mut World, suites: &[u16], renegotiation: Option<&[u8]>) -> Vec<u8> {
    let mut hello = |cookie: &[u8], seq: u16| {
        let extensions = Extensions { ems: true, renegotiation, ..Extensions::default() };
        let mut body = write_client_hello(&[3; 32], &[], cookie, &[Suite::PskAes128Ccm8], &extensions);
        let at = 2 + 32 + 1 + 1 + cookie.len();
        let list: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
        drop(body.splice(at..at + 4, [&(list.len() as u16).to_be_bytes()[..], &list].concat()));
        assert!(ClientHello::read(&body).is_some());
        let message = [&fragment_header(CLIENT_HELLO, body.len(), seq, 0, body.len())[..], &body].concat();
        let mut datagram = Vec::new();
        plain_record(&mut datagram, HANDSHAKE, DTLS_1_2, u64::from(seq), &message);
        world.server.handle(world.now, super::address(1), &datagram);
        let Some(Output::Send { datagram, .. }) = world.server.poll() else { panic!("no answer") };
        datagram
    };
    let verify = hello(&[], 0);
    hello(&verify[verify.len() - 16..], 1)
}

#[test]
fn the_server_signals_it_to_who_did() {
    let suite = Suite::PskAes128Ccm8.code();
    for (suites, extension, signalled) in [
        (&[suite][..], Some(&[][..]), true),
        (&[suite, RENEGOTIATION_SCSV], None, true),
        (&[suite, RENEGOTIATION_SCSV], Some(&[]), true),
        (&[suite], None, false),
    ] {
        let answer = answered(&mut World::new(1, Config::default()), suites, extension);
        let record = Record::read(&mut Reader(&answer), 0).unwrap();
        let message = Fragment::read(&mut Reader(record.body)).unwrap();
        assert_eq!(message.kind, SERVER_HELLO);
        let hello = ServerHello::read(message.bytes).unwrap();
        // Empty in a first handshake (3.6).
        assert_eq!(hello.extensions.renegotiation, signalled.then_some(&[][..]), "{suites:?} {extension:?}");
    }
}

#[test]
fn a_first_handshake_that_claims_to_renegotiate_is_refused() {
    let mut world = World::new(1, Config::default());
    let answer = answered(&mut world, &[Suite::PskAes128Ccm8.code()], Some(b"verify data"));
    let record = Record::read(&mut Reader(&answer), 0).unwrap();
    assert_eq!((record.kind, record.body), (ALERT, &[2, Alert::HandshakeFailure as u8][..]));
    let told = world.server.poll();
    assert!(matches!(told, Some(Output::Refused { check: Check::RenegotiationInfo, .. })), "{told:?}");
    assert_eq!(world.server.handshakes(), 0);
}

/// A ClientHello under the session's keys.
#[test]
fn renegotiation_is_refused_by_a_warning() {
    for form in super::all_forms() {
        let mut world = World::new(1, Config::default());
        let (device, session) = world.connected(form);
        let before = world.tapped.len();
        let message = fragment_header(CLIENT_HELLO, 0, 3, 0, 0);
        let datagram = world.devices[device].client.seal_for_test(HANDSHAKE, &message);
        let from = world.devices[device].address;
        world.inject(from, &datagram);
        let [(true, answer)] = &world.tapped[before..] else { panic!("one answer") };
        let opened = world.devices[device].client.open_for_test(answer);
        assert_eq!(opened, (ALERT, vec![1, Alert::NoRenegotiation as u8]));
        world.settle();
        assert!(world.devices[device].client.is_established() && world.server.session(session).is_some());
        world.say(device, b"on it goes");
        world.settle();
        assert_eq!(world.devices[device].data(), [b"on it goes"]);
    }
}
