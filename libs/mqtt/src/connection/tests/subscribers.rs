//! What subscribers need beside the exchanges: identifiers of subscriptions, shared subscriptions, expiry, room.

use super::{Bench, delivery, packet};
use crate::{Delivery, Input, Limits, Output, Publish, Qos, SubscribeGrant, matched};

fn limits() -> Limits {
    Limits { subscription_ids_available: true, shared_available: true, qos_out: Qos::ExactlyOnce, ..Limits::default() }
}

/// SUBSCRIBE of one filter with properties, granted; gives the SUBACK.
fn subscribe(bench: &mut Bench, properties: &[u8], filter: &str, options: u8) -> Vec<u8> {
    let text = [&[0, filter.len() as u8][..], filter.as_bytes(), &[options]].concat();
    bench.data(&packet(0x82, &[&[0, 1, properties.len() as u8][..], properties, &text].concat()));
    if let Some(Output::Subscribe(asked)) = bench.events.pop() {
        let grants = vec![SubscribeGrant::Granted(Qos::ExactlyOnce); asked.filters.len()];
        bench.input(Input::SubscribeDone { ticket: asked.ticket, grants });
    }
    bench.take()
}

fn message(topic: &str) -> Publish {
    let ticket = crate::Ticket(0);
    let (payload, qos) = (b"y".as_slice().into(), Qos::ExactlyOnce);
    Publish { ticket, topic: topic.into(), payload, qos, dup: false, retain: true, packet_id: None, properties: None }
}

#[test]
fn identifiers_of_all_matching_subscriptions_travel() {
    let mut bench = Bench::open_with(5, limits(), None);
    subscribe(&mut bench, &[11, 1], "a/+", 0);
    subscribe(&mut bench, &[11, 0xff, 0xff, 0xff, 0x7f], "#", 0x09);
    subscribe(&mut bench, &[], "a/b", 2);
    let cases: &[(&str, &[u8])] = &[
        ("a/b", b"\x35\x10\0\x03a/b\0\x01\x07\x0b\x01\x0b\xff\xff\xff\x7fy"),
        ("c", b"\x33\x0c\0\x01c\0\x02\x05\x0b\xff\xff\xff\x7fy"),
    ];
    for (topic, bytes) in cases {
        let found = matched(bench.connection.subscriptions(), topic, false).unwrap();
        bench.input(Input::Deliver(Delivery::of(1, &message(topic), found)));
        assert_eq!(bench.take(), *bytes, "{topic}");
    }
    // A subscription made anew without an identifier has none [MQTT-3.8.4-3].
    subscribe(&mut bench, &[], "#", 1);
    let found = matched(bench.connection.subscriptions(), "c", false).unwrap();
    assert_eq!((found.ids.len(), found.retain_as_published), (0, false));
    // They are in the session.
    let ids: Vec<_> = bench.save().subscriptions.iter().map(|kept| kept.id.map(u32::from)).collect();
    assert_eq!(ids, [Some(1), None, None]);
}

#[test]
fn what_is_not_available_is_refused_and_announced() {
    let filters = [("a", &[11, 1][..], 0xa1), ("$share/g/t", &[][..], 0x9e), ("$share/g", &[][..], 0x9e)];
    for (filter, properties, code) in filters {
        let mut bench = Bench::open(5);
        assert_eq!(subscribe(&mut bench, properties, filter, 0), [0x90, 4, 0, 1, 0, code], "{filter}");
        assert!(matches!(bench.events.pop(), Some(Output::SubscribeRefused { .. }) | None));
    }
    for (filter, code) in [("$share/g/t", 2), ("$share/g", 0x8f), ("$share/+/t", 0x8f), ("$share//t", 0x8f)] {
        let mut bench = Bench::open_with(5, limits(), None);
        assert_eq!(subscribe(&mut bench, &[], filter, 2), [0x90, 4, 0, 1, 0, code], "{filter}");
    }
    let mut bench = Bench::new(limits());
    bench.data(&super::connect(5));
    bench.input(Input::Accept(crate::Accept::default()));
    assert!(!bench.take().ends_with(&[42, 0]), "nothing is unavailable");
}

#[test]
fn a_client_of_3_1_1_sees_no_identifier() {
    let mut bench = Bench::open(4);
    let with_id = Delivery { subscription_ids: [7.try_into().unwrap()].into(), ..delivery(1, Qos::AtMostOnce) };
    bench.input(Input::Deliver(with_id));
    assert_eq!(bench.take(), [0x30, 4, 0, 1, b'd', b'y']);
}
