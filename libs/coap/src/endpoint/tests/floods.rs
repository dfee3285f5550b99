//! What peers may cost: every table stays within its bound whatever comes, and goes with time.

use super::*;
use crate::{Block, Load};

fn narrow() -> Limits {
    Limits {
        uploads: 8,
        uploads_per_peer: 2,
        assembly_bytes: 4_000,
        bodies: 5,
        bodies_per_peer: 2,
        bodies_bytes: 8_000,
        open: 20,
        open_per_peer: 4,
        recent: 50,
        recent_per_peer: 6,
        recent_bytes: 3_000,
        ..Limits::default()
    }
}

#[test]
fn unanswered_requests_are_bounded_and_the_rest_refused() {
    let mut bench = Bench::with(Config::default(), narrow());
    let (mut given, mut checks) = (0, Vec::new());
    for (peer, id) in (0..10).flat_map(|peer| (0..10).map(move |id| (peer, id))) {
        let outputs = bench.hear_from(peer, &con(id, b"t", &get("/a")));
        given += requests(&outputs).len();
        checks.extend(refusals(&outputs));
    }
    assert_eq!((given, bench.endpoint.load().open), (20, 20));
    assert_eq!(checks.iter().filter(|name| **name == "request.too-many-of-peer").count(), 24);
    assert_eq!(checks.iter().filter(|name| **name == "request.too-many-open").count(), 56);
    assert!(bench.endpoint.load().recent <= 50);
    let outputs = bench.hear_from(0, &con(99, b"n", &content("x").with_observe(1)));
    assert_eq!((sent(&outputs).len(), refusals(&outputs)), (0, vec!["notification.too-many-open"]));
    bench.rest();
    assert_eq!(bench.endpoint.load(), Load::default());
}

#[test]
fn open_requests_are_not_forgotten_for_newer_ones() {
    let mut bench = Bench::with(Config::default(), narrow());
    let old = con(1, b"t", &get("/a"));
    assert_eq!(requests(&bench.hear(&old)).len(), 1);
    for id in 100..200 {
        let outputs = bench.hear(&con(id, b"t", &get("/b")));
        requests(&outputs).iter().for_each(|(ticket, _)| bench.endpoint.respond(bench.now, *ticket, content("x")).unwrap());
        bench.drain();
        bench.hear_from(u32::from(id), &con(id, b"t", &Message::new(Code::GET).with(OptionNumber(9), b"")));
    }
    assert_eq!(bench.hear(&old), [], "still a duplicate");
    let load = bench.endpoint.load();
    assert!(load.recent <= 50 && load.recent_bytes <= 3_000, "{load:?}");
}

#[test]
fn the_oldest_duplicates_go_first() {
    let mut bench = Bench::with(Config::default(), narrow());
    let bad = |id| con(id, b"t", &Message::new(Code::GET).with(OptionNumber(9), b""));
    for id in 0..7 {
        bench.hear(&bad(id));
    }
    assert_eq!(refusals(&bench.hear(&bad(1))), Vec::<&str>::new(), "the second of seven is remembered");
    assert_eq!(refusals(&bench.hear(&bad(0))), ["option.critical"], "the first is not");
}

#[test]
fn transfers_are_bounded_in_number_and_bytes() {
    let mut bench = Bench::with(Config::default(), narrow());
    for (peer, target) in (0..20).flat_map(|peer| (0..5).map(move |target| (peer, target))) {
        let block = Block { num: 0, more: true, szx: 6 };
        let request = Message::new(Code::PUT)
            .with_path(&format!("/{target}"))
            .with_uint(OptionNumber::BLOCK1, block.value())
            .with_payload(vec![0; 1_024]);
        bench.hear_from(peer, &con(target, b"t", &request));
        let load = bench.endpoint.load();
        assert!(load.uploads <= 8 && load.assembly_bytes <= 4_000, "{load:?}");
    }
    assert!(bench.endpoint.load().uploads >= 2);
    for (peer, target) in (100..120).flat_map(|peer| (0..5).map(move |target| (peer, target))) {
        let outputs = bench.hear_from(peer, &con(target, b"t", &get(&format!("/{target}"))));
        for (ticket, _) in requests(&outputs) {
            bench.endpoint.respond(bench.now, ticket, content(vec![0; 2_500])).unwrap();
        }
        bench.drain();
        let load = bench.endpoint.load();
        assert!(load.bodies <= 5 && load.bodies_bytes <= 8_000, "{load:?}");
    }
    assert!(bench.endpoint.load().bodies >= 2);
    bench.rest();
    assert_eq!(bench.endpoint.load(), Load::default());
}

#[test]
fn a_hundred_thousand_peers_cost_nothing_once_they_are_idle() {
    let mut bench = Bench::new();
    let request = con(1, b"t", &get("/rd"));
    for peer in 0..100_000 {
        let (ticket, _) = requests(&bench.hear_from(peer, &request)).remove(0);
        bench.endpoint.respond(bench.now, ticket, Message::new(Code::CHANGED)).unwrap();
        bench.drain();
    }
    let load = bench.endpoint.load();
    assert_eq!((load.peers, load.recent, load.open), (100_000, 100_000, 0));
    assert!(load.deadlines < 2_000, "{load:?}");
    bench.rest();
    assert_eq!(bench.endpoint.load(), Load::default());
    assert_eq!(bench.endpoint.poll_timeout(), None);
}
