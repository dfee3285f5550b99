//! What subscribers need beside the exchanges: identifiers of subscriptions, shared subscriptions, expiry, room.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, delivery, packet};
use crate::{
    Delivery, DropReason, Input, Limits, Output, Publish, PublishProperties, Qos, SavedSession, SharedSubscriptions,
    SubscribeGrant, matched,
};

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
        bench.input(Input::Deliver(Delivery::of(bench.now, 1, &message(topic), found)));
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

fn expiring(token: u64, seconds: u32) -> Delivery {
    let properties = PublishProperties { message_expiry_s: Some(seconds), ..PublishProperties::default() };
    Delivery { properties: Some(Arc::new(properties)), ..delivery(token, Qos::AtLeastOnce) }
}

/// PUBLISH with QoS 1 of the expiring message; `left_s` as MQTT 5 tells it.
fn sent(level: u8, first: u8, id: u8, left_s: u8) -> Vec<u8> {
    let properties: &[u8] = if level == 5 { &[5, 2, 0, 0, 0, left_s] } else { &[] };
    packet(first, &[&[0, 1, b'd', 0, id], properties, b"y"].concat())
}

fn dropped(bench: &mut Bench) -> Vec<(u64, DropReason)> {
    let told = |event| match event {
        Output::Dropped { token, reason } => Some((token, reason)),
        _ => None,
    };
    bench.events.drain(..).filter_map(told).collect()
}

#[test]
fn a_message_that_waits_expires_and_what_is_left_is_told() {
    for level in [4, 5] {
        let mut bench = Bench::open_with(level, Limits { outbound_inflight: 1, outbound_queue: 4, ..Limits::default() }, None);
        for (token, seconds) in [(1, 20), (2, 3), (3, 10), (4, 7)] {
            bench.input(Input::Deliver(expiring(token, seconds)));
        }
        assert_eq!(bench.take(), sent(level, 0x32, 1, 20));
        assert_eq!(bench.connection.poll_timeout(), Some(Duration::from_secs(3)));
        bench.at(3);
        assert_eq!(dropped(&mut bench), [(2, DropReason::Expired)], "told when it is over");
        assert_eq!(bench.connection.poll_timeout(), Some(Duration::from_secs(7)));
        // Its place is free, also for one that comes at the very end of another.
        bench.now = Duration::from_millis(7_500);
        bench.input(Input::Deliver(expiring(5, 60)));
        bench.input(Input::Deliver(expiring(6, 60)));
        assert_eq!(dropped(&mut bench), [(4, DropReason::Expired)]);
        // 10 s less 7.5 s, in begun seconds.
        bench.data(&[0x40, 2, 0, 1]);
        assert_eq!(bench.take(), sent(level, 0x32, 2, 3));
        // What was sent is not dropped any more.
        bench.at(80);
        assert_eq!(dropped(&mut bench), [(5, DropReason::Expired), (6, DropReason::Expired)]);
        let saved = bench.save();
        assert_eq!(saved.outbound.iter().map(|kept| kept.delivery.token).collect::<Vec<_>>(), [3]);
    }
}

#[test]
fn expiry_goes_on_in_a_kept_session() {
    let mut bench = Bench::open_with(5, Limits { outbound_inflight: 1, ..Limits::default() }, None);
    for (token, seconds) in [(1, 5), (2, 5), (3, 60)] {
        bench.input(Input::Deliver(expiring(token, seconds)));
    }
    let saved = bench.save();
    let mut bench = Bench::new(Limits { outbound_inflight: 2, ..Limits::default() });
    bench.now = Duration::from_secs(20);
    bench.data(&super::connect(5));
    bench.input(Input::Accept(crate::Accept { resume: Some(Box::new(saved)), ..crate::Accept::default() }));
    assert!(bench.take().ends_with(&[sent(5, 0x3a, 1, 0), sent(5, 0x32, 2, 40)].concat()));
    assert_eq!(dropped(&mut bench), [(2, DropReason::Expired)]);
}

#[test]
fn a_message_that_is_over_is_not_sent() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut bench = Bench::open(5);
        bench.now = Duration::from_secs(9);
        for (token, at) in [(1, 8), (2, 9)] {
            let expires_at = Some(Duration::from_secs(at));
            bench.input(Input::Deliver(Delivery { expires_at, ..delivery(token, qos) }));
        }
        bench.input(Input::Deliver(Delivery { qos, ..expiring(3, 0) }));
        let over = [1, 2, 3].map(|token| (token, DropReason::Expired));
        assert_eq!((dropped(&mut bench), bench.take().len()), (over.to_vec(), 0));
        assert_eq!(bench.save(), SavedSession::default());
    }
}

/// An owner that keeps 30 messages and a cursor behind the last one that the client took.
struct Owner {
    cursor: u64,
    fed: u64,
    dropped: usize,
}

impl Owner {
    fn feed(&mut self, bench: &mut Bench) {
        for event in bench.events.drain(..) {
            match event {
                Output::Delivered { token, .. } => {
                    assert_eq!(token, self.cursor + 1, "in order");
                    self.cursor = token;
                }
                Output::Dropped { .. } => self.dropped += 1,
                _ => {}
            }
        }
        while self.fed < 30 && bench.connection.deliveries_wanted() > 0 {
            self.fed += 1;
            let qos = if self.fed.is_multiple_of(3) { Qos::ExactlyOnce } else { Qos::AtLeastOnce };
            bench.input(Input::Deliver(delivery(self.fed, qos)));
        }
    }
}

/// Connected with receive maximum 2, keep-alive 60 s.
fn narrow(limits: Limits, saved: Option<SavedSession>) -> Bench {
    let mut bench = Bench::new(limits);
    bench.data(b"\x10\x11\0\x04MQTT\x05\0\0\x3c\x03\x21\0\x02\0\x01c");
    bench.input(Input::Accept(crate::Accept { resume: saved.map(Box::new), ..crate::Accept::default() }));
    let connack = bench.take();
    bench.sent = connack[usize::from(connack[1]) + 2..].to_vec();
    bench
}

#[test]
fn a_cursor_feeds_no_more_than_the_client_and_the_wait_take() {
    let limits = Limits { outbound_waiting: 1, ..limits() };
    let mut bench = narrow(limits.clone(), None);
    let mut owner = Owner { cursor: 0, fed: 0, dropped: 0 };
    let mut rounds = 0;
    loop {
        owner.feed(&mut bench);
        assert!(bench.connection.outbound().count() <= 3 && bench.connection.qos2_released().len() <= 2);
        let sent = bench.take();
        let Some(length) = sent.get(1).map(|length| usize::from(*length) + 2) else { break };
        bench.sent = sent[length..].to_vec();
        rounds += 1;
        if u32::is_multiple_of(rounds, 7) {
            owner.feed(&mut bench);
            bench = narrow(limits.clone(), Some(bench.save()));
            continue;
        }
        let answer = match sent[0] & 0xf6 {
            0x32 => [0x40, 2, sent[5], sent[6]],
            0x34 => [0x50, 2, sent[5], sent[6]],
            _ => [0x70, 2, sent[2], sent[3]],
        };
        bench.data(&answer);
    }
    assert_eq!((owner.cursor, owner.fed, owner.dropped), (30, 30, 0));
}

#[test]
fn room_says_what_is_taken() {
    // Waiting, queue, room; the receive maximum is 2.
    for (outbound_waiting, outbound_queue, room) in [(0, 64, 2), (3, 64, 5), (3, 4, 4), (usize::MAX, 70_000, 60_000)] {
        let bench = narrow(Limits { outbound_waiting, outbound_queue, ..Limits::default() }, None);
        assert_eq!(bench.connection.deliveries_wanted(), room, "{outbound_waiting}, {outbound_queue}");
    }
    let mut bench = narrow(Limits { outbound_waiting: 0, ..limits() }, None);
    for token in 1..=3 {
        bench.input(Input::Deliver(delivery(token, Qos::ExactlyOnce)));
    }
    assert_eq!((dropped(&mut bench), bench.connection.deliveries_wanted()), (vec![(3, DropReason::QueueFull)], 0));
    bench.data(&[0x50, 2, 0, 1]);
    assert_eq!(bench.connection.deliveries_wanted(), 1, "the client has one");
    let saved = bench.save();
    // All of a kept session is taken, whatever the receive maximum is now.
    let limits = Limits { outbound_waiting: 0, outbound_inflight: 1, ..limits() };
    let mut bench = narrow(limits, Some(SavedSession { outbound: [saved.outbound.clone(), saved.outbound].concat(), ..saved }));
    assert_eq!((bench.connection.outbound().count(), bench.connection.deliveries_wanted()), (2, 0));
    bench.input(Input::Closed);
    assert_eq!(bench.connection.deliveries_wanted(), 0);
}

#[test]
fn bytes_that_wait_hold_back_the_owner_and_drop_only_qos_0() {
    let mut bench = Bench::open_with(4, Limits { packet_bytes: 100, ..Limits::default() }, None);
    for token in 1..=3 {
        let message = Delivery { payload: vec![0; 60].into(), ..delivery(token, Qos::AtLeastOnce) };
        bench.connection.handle(bench.now, Input::Deliver(message));
    }
    assert_eq!(bench.connection.deliveries_wanted(), 0);
    bench.connection.handle(bench.now, Input::Deliver(delivery(4, Qos::AtMostOnce)));
    bench.input(Input::Deliver(delivery(5, Qos::AtLeastOnce)));
    assert_eq!(dropped(&mut bench), [(4, DropReason::QueueFull)]);
    assert_eq!((bench.connection.outbound().count(), bench.connection.deliveries_wanted()), (4, 60));
}

#[test]
fn what_a_member_of_a_shared_subscription_did_not_get_goes_to_another() {
    let limits = Limits { outbound_inflight: 1, ..limits() };
    let mut members = [Bench::open_with(5, limits.clone(), None), Bench::open_with(5, limits.clone(), None)];
    let mut shared = SharedSubscriptions::new(2);
    for (key, bench) in members.iter_mut().enumerate() {
        subscribe(bench, &[], "$share/g/t", 2);
        shared.join(&key, &bench.connection.subscriptions()[0]).unwrap();
    }
    for token in 1..=6 {
        for chosen in shared.choose("t", |_| true) {
            let copy = Delivery::of(Duration::ZERO, token, &message("t"), chosen.matched);
            members[chosen.key].input(Input::Deliver(copy));
        }
    }
    let [first, mut second] = members;
    second.input(Input::Deliver(delivery(7, Qos::AtLeastOnce)));
    let tokens = |saved: &SavedSession| saved.outbound.iter().map(|kept| kept.delivery.token).collect::<Vec<_>>();
    let (mut saved, mut other) = (second.save(), first.save());
    assert_eq!((tokens(&saved), tokens(&other)), (vec![2, 4, 6, 7], vec![1, 3, 5]));
    let moved = saved.take_unsent(|token| token != 7);
    assert_eq!(tokens(&saved), [2, 7], "what was sent and what is not shared stay");
    let moved = moved.into_iter().map(|delivery| crate::OutboundMessage { delivery, packet_id: None });
    other.outbound.extend(moved);
    let mut first = Bench::open_with(5, limits, Some(other));
    let mut got = Vec::new();
    let next = |bench: &Bench| bench.connection.outbound().next().map(|next| (next.delivery.token, next.packet_id.unwrap()));
    while let Some((token, id)) = next(&first) {
        let [high, low] = id.to_be_bytes();
        got.push(token);
        first.data(&[0x50, 2, high, low, 0x70, 2, high, low]);
    }
    assert_eq!(got, [1, 3, 5, 4, 6]);
}
