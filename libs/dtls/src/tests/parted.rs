//! ClientHellos in fragments, as they come over paths of 150 to 256 bytes: taken without memory of anyone who has not returned a cookie.

use std::time::Duration;

use super::{World, address, client_config};
use crate::fuzz::cut_hello as cut;
use crate::wire;
use crate::{Client, ClientConfig, ClientOutput, Config, Output};

/// What the server sends to datagrams from an address.
fn answers(world: &mut World, from: u16, datagrams: &[Vec<u8>]) -> Vec<Vec<u8>> {
    datagrams.iter().for_each(|datagram| world.server.handle(world.now, address(from), datagram));
    let mut sent = Vec::new();
    while let Some(output) = world.server.poll() {
        match output {
            Output::Send { datagram, .. } => sent.push(datagram),
            other => world.events.push(other),
        }
    }
    sent
}

fn hello(client: &mut Client) -> Vec<u8> {
    let Some(ClientOutput::Send(datagram)) = client.poll() else { panic!("no hello") };
    datagram
}

/// A client that has a cookie, and its second hello. The first one came in fragments of `size`.
fn invited(world: &mut World, from: u16, size: usize) -> (Client, Vec<u8>) {
    let mut client = Client::new(client_config(), super::seeded(u64::from(from)));
    client.connect(world.now);
    let verify = answers(world, from, &cut(&hello(&mut client), size));
    assert_eq!((verify.len(), verify[0].len()), (1, 44));
    client.handle(world.now, &verify[0]);
    let second = hello(&mut client);
    (client, second)
}

#[test]
fn they_open_and_resume_sessions_over_any_network() {
    for seed in 0..30 {
        let mut world = World::new(seed, Config::default());
        world.cut = Some(84 + world.dice.roll(30) as usize);
        (world.loss, world.copies, world.delay_ms) = (seed % 3 * 10, 20, 20);
        let device = world.device(ClientConfig { cid: Some(vec![9; 32]), ..client_config() });
        for _ in 0..2 {
            world.connect(device);
            let end = world.now + Duration::from_secs(110);
            while !world.devices[device].client.is_established() && world.step(end) {}
            world.run(Duration::from_secs(5));
            assert!(world.devices[device].client.is_established(), "{seed}");
            world.say(device, b"x");
            world.run(Duration::from_secs(10));
        }
        assert_eq!(world.server.counters().resumed, 1, "{seed}");
        assert!(!world.refusals().contains(&"hello.fragmented"), "{seed}");
    }
}

#[test]
fn fragments_without_cookie_leave_nothing_and_are_not_amplified() {
    let mut world = World::new(1, Config::default());
    for from in 0..200 {
        let mut client = Client::new(client_config(), super::seeded(u64::from(from)));
        client.connect(world.now);
        for part in cut(&hello(&mut client), 60) {
            let sent: usize = answers(&mut world, from, std::slice::from_ref(&part)).iter().map(Vec::len).sum();
            assert!(sent <= part.len(), "{sent} bytes for {}", part.len());
        }
        assert_eq!((world.server.handshakes(), world.server.poll_timeout()), (0, None));
    }
    assert_eq!((world.events.len(), world.server.counters().cookies), (0, 200));
}

#[test]
fn what_is_held_of_them_is_bounded_in_number_and_time() {
    let mut world = World::new(1, Config { partial_hellos: 5, ..Config::default() });
    let seconds: Vec<Vec<Vec<u8>>> = (0..10).map(|from| cut(&invited(&mut world, from, 60).1, 60)).collect();
    for (from, parts) in seconds.iter().enumerate() {
        assert!(answers(&mut world, from as u16, &parts[..1]).is_empty());
    }
    for (from, parts) in seconds.iter().enumerate() {
        assert_eq!(answers(&mut world, from as u16, &parts[1..]).len(), usize::from(from >= 5), "{from}");
    }
    assert_eq!(world.server.handshakes(), 5);
    let mut world = World::new(2, Config::default());
    let parts = cut(&invited(&mut world, 1, 60).1, 60);
    answers(&mut world, 1, &parts[..1]);
    assert_eq!(world.server.poll_timeout(), Some(world.now + Duration::from_secs(10)));
    world.run(Duration::from_secs(10));
    assert_eq!((answers(&mut world, 1, &parts[1..]).len(), world.server.poll_timeout()), (0, None));
    assert_eq!(answers(&mut world, 1, &parts).len(), 1, "all of it again");
}

#[test]
fn what_cannot_be_joined_is_told() {
    let mut world = World::new(1, Config { handshake_bytes: 400, ..Config::default() });
    let mut client = Client::new(client_config(), super::seeded(1));
    client.connect(world.now);
    assert!(answers(&mut world, 1, &cut(&hello(&mut client), 20)).is_empty());
    assert_eq!(world.refusals(), ["hello.fragmented"], "no cookie in the first fragment");
    let parts = cut(&invited(&mut world, 2, 60).1, 60);
    let mut longer = parts[1].clone();
    longer[16] = longer[16].wrapping_add(1);
    assert!(answers(&mut world, 2, &[parts[0].clone(), longer]).is_empty());
    assert_eq!(world.refusals(), ["hello.fragmented"; 2], "fragments of hellos of different lengths");
}

/// Fragments do not loosen what the cookie of a whole hello is bound to, and a hello that its cookie made too long is taken.
#[test]
fn a_cookie_for_a_whole_hello_is_good_for_its_fragments() {
    for changed in [false, true] {
        let mut world = World::new(1, Config::default());
        let (_, mut second) = invited(&mut world, 1, 10_000);
        if changed {
            // The first suite, after version, random, session id, cookie and a length.
            second[25 + 34 + 1 + 17 + 2 + 1] ^= 1;
        }
        let sent = answers(&mut world, 1, &cut(&second, 60));
        assert_eq!((sent.len(), sent[0].len() == 44), (1, changed));
        assert_eq!(world.server.handshakes(), usize::from(!changed));
        assert_eq!(sent[0][13], if changed { wire::HELLO_VERIFY_REQUEST } else { wire::SERVER_HELLO });
    }
}

/// A client that begins anew while fragments of its last hello are held is not mixed up with itself.
#[test]
fn a_new_hello_takes_the_place_of_an_older_one() {
    let mut world = World::new(1, Config::default());
    let old = cut(&invited(&mut world, 1, 60).1, 60);
    let mut client = Client::new(client_config(), super::seeded(99));
    client.connect(world.now);
    answers(&mut world, 1, &old[..1]);
    let verify = answers(&mut world, 1, &cut(&hello(&mut client), 60));
    client.handle(world.now, &verify[0]);
    assert_eq!(answers(&mut world, 1, &cut(&hello(&mut client), 60)).len(), 1);
    assert_eq!((world.server.handshakes(), world.refusals().len()), (1, 0));
}
