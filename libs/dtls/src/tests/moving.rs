//! Clients that write from other addresses than before (RFC 9146 section 6): what a record from there claims, and what proves it.

use super::{World, address, client_config};
use crate::{Client, ClientOutput, Config, Output, SessionId};

/// The datagrams that the client sends now.
fn sent(client: &mut Client) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| client.poll())
        .filter_map(|output| if let ClientOutput::Send(bytes) = output { Some(bytes) } else { None })
        .collect()
}

/// Records with one byte each, not yet delivered.
fn records(world: &mut World, device: usize, count: u8) -> Vec<Vec<u8>> {
    let client = &mut world.devices[device].client;
    (0..count).flat_map(|number| client.send(&[number]).map(|()| sent(client)).unwrap()).collect()
}

/// Where a session is, and what it claims, by port.
fn place(world: &World, session: SessionId) -> (u16, Option<u16>) {
    let info = world.server.session(session).unwrap();
    (info.peer.port(), info.claimed.map(|claimed| claimed.port()))
}

#[test]
fn only_newer_records_with_a_connection_id_claim_an_address() {
    let mut world = World::new(1, Config::default());
    let (device, session) = world.connected(client_config());
    let home = world.devices[device].address;
    let datagrams = records(&mut world, device, 4);
    world.inject(address(7), &datagrams[1]);
    assert!(world.events.contains(&Output::AddressClaimed { session, from: home, to: address(7) }));
    assert_eq!(place(&world, session), (home.port(), Some(7)));
    world.inject(home, &datagrams[0]);
    assert_eq!(place(&world, session), (home.port(), Some(7)), "an older record");
    assert_eq!(world.data(), [[1], [0]], "but it is data");
    let mut forged = datagrams[2].clone();
    *forged.last_mut().unwrap() ^= 1;
    world.inject(address(8), &forged);
    world.inject(address(8), &datagrams[1]);
    assert_eq!(place(&world, session), (home.port(), Some(7)), "forged and replayed ones");
    world.devices[device].address = address(9);
    world.inject(address(9), &datagrams[3]);
    world.settle();
    assert_eq!(world.devices[device].data().last(), Some(&&[3][..]), "the answer goes where the newest came from");

    let mut form = client_config();
    form.cid = None;
    let (device, session) = world.connected(form);
    let datagram = records(&mut world, device, 1).remove(0);
    world.inject(address(10), &datagram);
    assert_eq!(world.refusals(), ["record.forged", "record.peer"]);
    assert_eq!(place(&world, session), (world.devices[device].address.port(), None));
}

#[test]
fn an_address_is_taken_when_it_is_proved_and_left_when_the_client_is_home() {
    let mut world = World::new(1, Config::default());
    world.echo = false;
    let (device, session) = world.connected(client_config());
    let home = world.devices[device].address;
    let datagrams = records(&mut world, device, 4);
    world.server.prove(session, address(7));
    assert_eq!(place(&world, session), (home.port(), None), "nothing came from there");
    world.inject(address(7), &datagrams[0]);
    world.server.prove(session, address(8));
    assert_eq!(place(&world, session), (home.port(), Some(7)), "another one");
    world.inject(home, &datagrams[1]);
    assert_eq!(place(&world, session), (home.port(), None), "it is home again");
    world.inject(address(7), &datagrams[2]);
    world.server.disprove(session);
    assert_eq!(place(&world, session), (home.port(), None));
    world.inject(address(7), &datagrams[3]);
    world.server.prove(session, address(7));
    world.drain();
    assert_eq!(place(&world, session), (7, None));
    assert_eq!(world.events.last(), Some(&Output::AddressChanged { session, from: home, to: address(7) }));
}

/// What went where, bytes by port, since the last call.
fn went(world: &mut World) -> Vec<(u16, usize)> {
    let mut all = Vec::new();
    while let Some(output) = world.server.poll() {
        if let Output::Send { to, datagram } = output {
            all.push((to.port(), datagram.len()));
        }
    }
    all
}

#[test]
fn an_unproven_address_gets_at_most_three_times_what_came_from_there() {
    for form in super::all_forms().into_iter().filter(|form| form.cid.is_some()) {
        let mut world = World::new(1, Config::default());
        world.echo = false;
        let (device, session) = world.connected(form);
        let (home, now) = (world.devices[device].address.port(), world.now);
        let datagrams = records(&mut world, device, 3);
        let mut received = 0;
        for (number, datagram) in datagrams.iter().enumerate() {
            world.inject(address(7), datagram);
            received += datagram.len();
            for _ in 0..20 {
                world.server.send(now, session, &[1; 10]).unwrap();
            }
            let sent = went(&mut world);
            let there: usize = sent.iter().filter(|(port, _)| *port == 7).map(|(_, bytes)| bytes).sum();
            assert!(there > 0 && there <= 3 * datagram.len() + 130, "{number}: {there}");
            assert!(sent.iter().all(|(port, _)| *port == 7 || *port == home));
        }
        world.server.send_to_proven(now, session, b"a command").unwrap();
        assert_eq!(went(&mut world)[0].0, home);
        world.server.prove(session, address(7));
        world.server.send_to_proven(now, session, &[1; 10_000]).unwrap();
        assert!(matches!(went(&mut world)[..], [(7, bytes)] if bytes > 3 * received));
    }
}

/// Another live session without Connection ID keeps the address that a roaming one claims.
#[test]
fn a_claimed_address_is_not_taken_away() {
    let mut world = World::new(1, Config::default());
    let mut form = client_config();
    form.cid = None;
    let (victim, _) = world.connected(form);
    let (device, session) = world.connected(client_config());
    world.devices[device].client.send(b"x").unwrap();
    let datagram = sent(&mut world.devices[device].client).remove(0);
    let there = world.devices[victim].address;
    world.inject(there, &datagram);
    world.server.prove(session, there);
    assert_eq!(world.server.session(session).unwrap().peer, there);
    world.say(victim, b"still mine");
    world.settle();
    assert_eq!(world.devices[victim].data().last(), Some(&&b"still mine"[..]));
}
