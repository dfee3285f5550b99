//! Whole exchanges: keep-alive, acknowledgements, sessions, wills, back-pressure.

use std::time::Duration;

use super::{Bench, connect, delivery, packet, publish};
use crate::{
    CloseKind, DisconnectReason, DropReason, Input, Limits, OutboundMessage, Output, PublishRefusal, Qos, ReleasedMessage,
    SavedSession, SubscribeGrant, SubscribeRefusal,
};

#[test]
fn silence_ends_the_connection_after_one_and_a_half_keep_alives() {
    for level in [4, 5] {
        let mut bench = Bench::open(level);
        bench.at(89);
        assert_eq!(bench.closed, None);
        bench.data(&[0xc0, 0]);
        assert_eq!(bench.take(), [0xd0, 0]);
        assert_eq!(bench.connection.poll_timeout(), Some(Duration::from_secs(89 + 90)));
        bench.data(&[0x30]);
        bench.at(178);
        assert_eq!(bench.closed, None);
        bench.at(179);
        assert_eq!(bench.closed.map(|why| (why.kind, why.check)), Some((CloseKind::Timeout, "keep-alive")));
        let said: &[u8] = if level == 5 { &[0xe0, 2, 0x8d, 0] } else { &[] };
        assert_eq!(bench.take(), said);
        assert_eq!(bench.connection.poll_timeout(), None);
    }
}

/// CONNECT with a keep-alive.
fn connect_for(level: u8, keep_alive_s: u16) -> Vec<u8> {
    let mut bytes = connect(level);
    bytes[10..12].copy_from_slice(&keep_alive_s.to_be_bytes());
    bytes
}

#[test]
fn keep_alive_is_kept_up_to_the_limit() {
    for (asked, most, used) in
        [(1_u16, 1_200, 1_u16), (1_200, 1_200, 1_200), (1_201, 1_200, 1_200), (0, 1_200, 0), (65_535, 65_535, 65_535)]
    {
        let mut bench = Bench::new(Limits { keep_alive_max_s: most, ..Limits::default() });
        bench.data(&connect_for(5, asked));
        bench.input(Input::Accept(crate::Accept::default()));
        assert_eq!(bench.connection.keep_alive_s(), used, "{asked}");
        let [high, low] = used.to_be_bytes();
        let told = bench.take().windows(3).any(|property| property == [19, high, low]);
        assert_eq!(told, asked != used, "{asked}");
    }
}

#[test]
fn without_keep_alive_a_client_may_be_silent_for_long() {
    for (level, said) in [(4, vec![]), (5, vec![0xe0, 2, 0x98, 0])] {
        let mut bench = Bench::new(Limits { silence: Duration::from_secs(7_200), ..Limits::default() });
        bench.data(&connect_for(level, 0));
        bench.input(Input::Accept(crate::Accept::default()));
        bench.take();
        bench.at(7_199);
        bench.data(&[0xc0, 0]);
        bench.at(14_398);
        assert_eq!((bench.closed, bench.take()), (None, vec![0xd0, 0]));
        bench.at(14_399);
        assert_eq!(bench.closed.map(|why| (why.kind, why.check)), Some((CloseKind::Timeout, "silence")));
        assert_eq!(bench.take(), said);
    }
}

#[test]
fn connect_and_its_answer_have_a_time_limit() {
    let mut bench = Bench::new(Limits::default());
    bench.data(&[0x10]);
    bench.at(9);
    assert_eq!(bench.closed, None);
    bench.at(10);
    assert_eq!(bench.closed.map(|why| why.check), Some("connect.timeout"));
    let mut bench = Bench::new(Limits::default());
    bench.now = Duration::from_secs(5);
    bench.data(&connect(5));
    bench.at(14);
    assert_eq!(bench.closed, None);
    bench.at(15);
    assert_eq!(bench.closed.map(|why| why.check), Some("connect.unanswered"));
    assert_eq!(bench.take(), [0x20, 3, 0, 0x88, 0]);
}

#[test]
fn acknowledgements_wait_for_the_answer_and_keep_the_order() {
    for level in [4, 5] {
        let mut bench = Bench::open(level);
        let all = [publish(level, 0x32, 1), publish(level, 0x34, 2), publish(level, 0x30, 0), publish(level, 0x32, 3)].concat();
        bench.data(&all);
        assert!(bench.take().is_empty());
        let tickets: Vec<_> = bench.publishes.iter().map(|publish| publish.ticket).collect();
        for at in [3, 2, 1] {
            bench.input(Input::PublishDone { ticket: tickets[at], result: Ok(()) });
            assert!(bench.take().is_empty());
        }
        bench.input(Input::PublishDone { ticket: tickets[0], result: Ok(()) });
        assert_eq!(bench.take(), [0x40, 2, 0, 1, 0x50, 2, 0, 2, 0x40, 2, 0, 3]);
        bench.input(Input::PublishDone { ticket: tickets[0], result: Ok(()) });
        assert!(bench.take().is_empty());
        bench.data(&[0x62, 2, 0, 2]);
        assert_eq!(bench.take(), [0x70, 2, 0, 2]);
    }
}

#[test]
fn refused_messages() {
    for (level, puback, pubrec) in
        [(4, vec![0x40, 2, 0, 1], vec![0x50, 2, 0, 2]), (5, vec![0x40, 3, 0, 1, 0x87], vec![0x50, 3, 0, 2, 0x99])]
    {
        let mut bench = Bench::open(level);
        bench.data(&[publish(level, 0x32, 1), publish(level, 0x34, 2)].concat());
        let tickets: Vec<_> = bench.publishes.drain(..).map(|publish| publish.ticket).collect();
        bench.input(Input::PublishDone { ticket: tickets[0], result: Err(PublishRefusal::NotAuthorized) });
        assert_eq!(bench.take(), puback);
        bench.input(Input::PublishDone { ticket: tickets[1], result: Err(PublishRefusal::PayloadFormatInvalid) });
        assert_eq!(bench.take(), pubrec);
        // A refused QoS 2 exchange is over in version 5, so the identifier starts a new one.
        bench.data(&publish(level, 0x3c, 2));
        assert_eq!(bench.publishes.len(), usize::from(level == 5));
    }
}

#[test]
fn qos2_is_exactly_once_across_reconnects() {
    for level in [4, 5] {
        let mut bench = Bench::open(level);
        bench.data(&publish(level, 0x34, 7));
        // Repeated before the answer: no second question, no early acknowledgement.
        bench.data(&publish(level, 0x3c, 7));
        assert_eq!((bench.publishes.len(), bench.take().len()), (1, 0));
        bench.input(Input::Closed);
        assert_eq!(bench.connection.outstanding(), 1);
        bench.done();
        assert_eq!((bench.take().len(), bench.connection.outstanding()), (0, 0));
        let saved = bench.connection.into_session();
        assert_eq!(saved.qos2_received, [7]);
        let mut bench = Bench::open_with(level, Limits::default(), Some(saved));
        bench.data(&publish(level, 0x3c, 7));
        assert_eq!((bench.publishes.len(), bench.take()), (0, vec![0x50, 2, 0, 7]));
        bench.data(&[0x62, 2, 0, 7]);
        assert_eq!(bench.take(), [0x70, 2, 0, 7]);
        bench.data(&[0x62, 2, 0, 7]);
        assert_eq!(bench.take(), if level == 5 { vec![0x70, 3, 0, 7, 0x92] } else { vec![0x70, 2, 0, 7] });
        bench.data(&publish(level, 0x34, 7));
        assert_eq!(bench.publishes.len(), 1);
        assert!(bench.save().qos2_received.is_empty());
    }
}

#[test]
fn back_pressure_holds_packets_and_keep_alive() {
    let limits = Limits { inflight: 2, ..Limits::default() };
    let mut bench = Bench::open_with(4, limits, None);
    let bytes: Vec<u8> = (1..=5).flat_map(|id| publish(4, 0x32, id)).collect();
    bench.data(&bytes);
    assert_eq!((bench.publishes.len(), bench.connection.wants_read()), (2, false));
    bench.at(90);
    assert_eq!(bench.closed, None);
    bench.done();
    assert_eq!((bench.publishes.len(), bench.take()), (2, vec![0x40, 2, 0, 1]));
    while !bench.publishes.is_empty() {
        bench.done();
    }
    assert_eq!(bench.take().len(), 16);
    assert!(bench.connection.wants_read());
}

#[test]
fn version_5_must_keep_the_receive_maximum() {
    let mut bench = Bench::open_with(5, Limits { inflight: 2, ..Limits::default() }, None);
    for id in [1, 2] {
        bench.data(&publish(5, 0x34, id));
        bench.done();
    }
    bench.data(&[0x62, 2, 0, 1]);
    bench.data(&publish(5, 0x34, 3));
    bench.done();
    assert_eq!(bench.closed, None);
    bench.take();
    bench.data(&publish(5, 0x34, 4));
    assert_eq!(bench.closed.map(|why| why.check), Some("publish.receive-maximum"));
    assert_eq!(bench.take(), [0xe0, 2, 0x93, 0]);
}

#[test]
fn a_refused_message_frees_its_place() {
    let mut bench = Bench::open_with(5, Limits { inflight: 1, ..Limits::default() }, None);
    for (first, id) in [(0x34, 1), (0x32, 2), (0x34, 3)] {
        bench.data(&publish(5, first, id));
        let ticket = bench.publishes.remove(0).ticket;
        bench.input(Input::PublishDone { ticket, result: Err(PublishRefusal::QuotaExceeded) });
    }
    assert_eq!(bench.closed, None);
    assert_eq!(bench.take(), [0x50, 3, 0, 1, 0x97, 0x40, 3, 0, 2, 0x97, 0x50, 3, 0, 3, 0x97]);
}

#[test]
fn unreleased_identifiers_are_limited() {
    let mut bench = Bench::open_with(4, Limits { qos2_received: 1, ..Limits::default() }, None);
    bench.data(&publish(4, 0x34, 1));
    bench.done();
    bench.data(&publish(4, 0x34, 2));
    assert_eq!(bench.closed.map(|why| why.check), Some("publish.too-many-unreleased"));
}

#[test]
fn more_bytes_than_wanted_end_the_connection() {
    let mut bench = Bench::new(Limits { packet_bytes: 1_000, control_bytes: 1_000, ..Limits::default() });
    bench.data(&connect(4));
    bench.data(&vec![0; 66_536]);
    assert_eq!(bench.closed, None);
    bench.data(&[0]);
    assert_eq!(bench.closed.map(|why| why.check), Some("input.overrun"));
}

#[test]
fn topic_aliases_stand_for_their_topic() {
    let mut bench = Bench::open(5);
    bench.data(&[0x30, 7, 0, 1, b't', 3, 0x23, 0, 16]);
    bench.data(&[0x30, 6, 0, 0, 3, 0x23, 0, 16]);
    bench.data(&[0x30, 7, 0, 1, b'u', 3, 0x23, 0, 16]);
    bench.data(&[0x30, 6, 0, 0, 3, 0x23, 0, 16]);
    let topics: Vec<&str> = bench.publishes.iter().map(|publish| &*publish.topic).collect();
    assert_eq!(topics, ["t", "t", "u", "u"]);
}

#[test]
fn message_properties_travel() {
    let mut bench = Bench::open(5);
    let block = b"\x01\x01\x02\0\0\0\x05\x03\0\x01c\x08\0\x01r\x09\0\x01d\x26\0\x01n\0\x01v";
    let body = [&b"\0\x01t"[..], &[block.len() as u8], block, b"pay"].concat();
    bench.data(&packet(0x30, &body));
    let properties = bench.publishes[0].properties.clone();
    assert!(properties.as_ref().is_some_and(|found| found.payload_is_utf8 && found.message_expiry_s == Some(5)));
    let mut out = delivery(1, Qos::AtMostOnce);
    (out.topic, out.payload, out.properties) = ("t".into(), bench.publishes[0].payload.clone(), properties);
    bench.input(Input::Deliver(out));
    assert_eq!(bench.take(), packet(0x30, &body));
}

#[test]
fn subscribing_answers_per_filter() {
    for level in [4_u8, 5] {
        let limits = Limits { subscriptions: 3, ..Limits::default() };
        let mut bench = Bench::open_with(level, limits, None);
        let mut body = vec![0, 9];
        if level == 5 {
            body.push(0);
        }
        for (filter, options) in [("a/+", 2), ("b#", 1), ("$share/g/t", 1), ("c", 0), ("d", 1), ("e", 1)] {
            body.extend([0, filter.len() as u8]);
            body.extend(filter.as_bytes());
            body.push(options);
        }
        bench.data(&packet(0x82, &body));
        let Some(Output::Subscribe(asked)) = bench.events.pop() else { panic!("no question") };
        let texts: Vec<&str> = asked.filters.iter().map(|filter| filter.filter.as_str()).collect();
        assert_eq!(texts, ["a/+", "c", "d"]);
        assert!(bench.take().is_empty());
        let grants = vec![
            SubscribeGrant::Granted(Qos::ExactlyOnce),
            SubscribeGrant::Refused(SubscribeRefusal::NotAuthorized),
            SubscribeGrant::Granted(Qos::AtLeastOnce),
        ];
        bench.input(Input::SubscribeDone { ticket: asked.ticket, grants });
        let expected: &[u8] = if level == 5 {
            &[0x90, 9, 0, 9, 0, 1, 0x8f, 0x9e, 0x87, 1, 0x97]
        } else {
            &[0x90, 8, 0, 9, 1, 0x80, 0x80, 0x80, 1, 0x80]
        };
        assert_eq!(bench.take(), expected);
        assert_eq!(bench.connection.subscription_for("a/b").map(|found| found.qos), Some(Qos::AtLeastOnce));
        assert_eq!(bench.connection.subscription_for("c"), None);
        unsubscribe(bench, level);
    }
}

fn unsubscribe(mut bench: Bench, level: u8) {
    let mut body = vec![0, 8];
    if level == 5 {
        body.push(0);
    }
    body.extend([0, 1, b'd', 0, 1, b'z']);
    bench.data(&packet(0xa2, &body));
    let Some(Output::Unsubscribe(asked)) = bench.events.pop() else { panic!("no question") };
    bench.input(Input::UnsubscribeDone { ticket: asked.ticket });
    let expected: &[u8] = if level == 5 { &[0xb0, 5, 0, 8, 0, 0, 0x11] } else { &[0xb0, 2, 0, 8] };
    assert_eq!(bench.take(), expected);
    let kept: Vec<String> = bench.save().subscriptions.iter().map(|kept| kept.filter.to_string()).collect();
    assert_eq!(kept, ["a/+"]);
}

#[test]
fn deliveries_keep_window_order_and_session() {
    let limits = Limits { outbound_inflight: 2, outbound_queue: 3, ..Limits::default() };
    let mut bench = Bench::open_with(4, limits.clone(), None);
    for token in 1..=4 {
        bench.input(Input::Deliver(delivery(token, Qos::AtLeastOnce)));
    }
    let sent = |id: u8, dup: u8| vec![0x32 | dup, 6, 0, 1, b'd', 0, id, b'y'];
    assert_eq!(bench.take(), [sent(1, 0), sent(2, 0)].concat());
    assert!(matches!(bench.events.pop(), Some(Output::Dropped { token: 4, reason: DropReason::QueueFull })));
    bench.data(&[0x40, 2, 0, 1]);
    assert!(matches!(bench.events.pop(), Some(Output::Delivered { token: 1, code: 0 })));
    assert_eq!(bench.take(), sent(3, 0));
    bench.input(Input::Deliver(delivery(5, Qos::AtLeastOnce)));
    let saved = bench.save();
    let kept: Vec<_> = saved.outbound.iter().map(|kept| (kept.delivery.token, kept.packet_id)).collect();
    assert_eq!(kept, [(2, Some(2)), (3, Some(3)), (5, None)]);

    // The narrower window still keeps identifiers and DUP for what waits.
    let narrow = Limits { outbound_inflight: 1, ..limits };
    let mut bench = Bench::open_with(4, narrow, Some(saved));
    assert_eq!(bench.take(), sent(2, 8));
    bench.data(&[0x40, 2, 0, 2]);
    assert_eq!(bench.take(), sent(3, 8));
    bench.data(&[0x40, 2, 0, 3, 0x40, 2, 0, 3]);
    assert_eq!(bench.take(), sent(1, 0));
}

#[test]
fn a_kept_session_is_cut_to_the_limits() {
    let kept = |token| OutboundMessage { delivery: delivery(token, Qos::AtLeastOnce), packet_id: None };
    let saved = SavedSession { outbound: vec![kept(1), kept(2)], ..SavedSession::default() };
    let mut bench = Bench::new(Limits { outbound_queue: 1, ..Limits::default() });
    bench.data(&connect(4));
    bench.input(Input::Accept(crate::Accept { resume: Some(Box::new(saved)), ..crate::Accept::default() }));
    assert!(matches!(bench.events.pop(), Some(Output::Dropped { token: 2, reason: DropReason::QueueFull })));
    assert_eq!(bench.save().outbound.len(), 1);
}

#[test]
fn qos0_deliveries_are_reported_after_their_bytes() {
    let mut bench = Bench::open(4);
    bench.connection.handle(bench.now, Input::Deliver(delivery(1, Qos::AtMostOnce)));
    assert!(matches!(bench.connection.poll(), Some(Output::Send(bytes)) if bytes == [0x30, 4, 0, 1, b'd', b'y']));
    assert!(matches!(bench.connection.poll(), Some(Output::Delivered { token: 1, code: 0 })));
    bench.input(Input::Closed);
    bench.input(Input::Deliver(delivery(2, Qos::AtMostOnce)));
    assert!(matches!(bench.events.pop(), Some(Output::Dropped { token: 2, reason: DropReason::NotConnected })));
}

#[test]
fn the_clients_limits_are_kept() {
    let mut bench = Bench::new(Limits::default());
    // Receive maximum 1, maximum packet size 60.
    bench.data(b"\x10\x15\0\x04MQTT\x05\x02\0\x3c\x08\x21\0\x01\x27\0\0\0\x3c\0\0");
    bench.input(Input::Accept(crate::Accept::default()));
    bench.take();
    let mut large = delivery(1, Qos::AtMostOnce);
    large.payload = vec![0; 60].into();
    bench.input(Input::Deliver(large));
    assert!(matches!(bench.events.pop(), Some(Output::Dropped { token: 1, reason: DropReason::TooLarge })));
    for token in [2, 3] {
        bench.input(Input::Deliver(delivery(token, Qos::AtLeastOnce)));
    }
    assert_eq!(bench.take(), [0x32, 7, 0, 1, b'd', 0, 1, 0, b'y']);
    bench.data(&[0x40, 3, 0, 1, 0x97]);
    assert!(matches!(bench.events.pop(), Some(Output::Delivered { token: 2, code: 0x97 })));
    assert_eq!(bench.take(), [0x32, 7, 0, 1, b'd', 0, 2, 0, b'y']);
    let many: Vec<u8> = std::iter::repeat_n([0, 1, b'#', 0], 80).flatten().collect();
    bench.data(&packet(0xa2, &[&[0, 1, 0][..], &std::iter::repeat_n([0, 1, b'#'], 80).flatten().collect::<Vec<u8>>()].concat()));
    let Some(Output::Unsubscribe(asked)) = bench.events.pop() else { panic!("{} {:?}", many.len(), bench.closed) };
    bench.input(Input::UnsubscribeDone { ticket: asked.ticket });
    assert_eq!(bench.closed.map(|why| why.check), Some("answer.too-large-for-client"));
    assert_eq!(bench.take(), [0xe0, 2, 0x95, 0]);
}

#[test]
fn a_message_is_measured_exactly() {
    for (qos, properties, largest) in
        [(Qos::AtMostOnce, false, 60 - 6), (Qos::AtLeastOnce, false, 60 - 8), (Qos::AtLeastOnce, true, 60 - 10)]
    {
        for (payload, reason) in [(largest, None), (largest + 1, Some(DropReason::TooLarge))] {
            let mut bench = Bench::new(Limits::default());
            bench.data(b"\x10\x12\0\x04MQTT\x05\x02\0\x3c\x05\x27\0\0\0\x3c\0\0");
            bench.input(Input::Accept(crate::Accept::default()));
            bench.take();
            let mut message = delivery(1, qos);
            message.payload = vec![0; payload].into();
            message.properties =
                properties.then(|| std::sync::Arc::new(crate::PublishProperties { payload_is_utf8: true, ..Default::default() }));
            bench.input(Input::Deliver(message));
            let dropped = bench.events.iter().find_map(|event| match event {
                Output::Dropped { reason, .. } => Some(*reason),
                _ => None,
            });
            assert_eq!((dropped, bench.take().len()), (reason, if reason.is_none() { 60 } else { 0 }), "{qos:?} {payload}");
        }
    }
}

/// CONNECT with a will, topic `w`.
fn connect_with_will(level: u8) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', level, 6, 0, 60];
    if level == 5 {
        body.push(0);
    }
    body.extend([0, 1, b'c']);
    if level == 5 {
        body.push(0);
    }
    body.extend([0, 1, b'w', 0, 1, b'p']);
    packet(0x10, &body)
}

#[test]
fn the_will_is_kept_for_abnormal_ends() {
    type End = fn(&mut Bench);
    let ends: &[(&str, u8, bool, End)] = &[
        ("lost", 4, true, |bench| bench.input(Input::Closed)),
        ("silent", 4, true, |bench| bench.at(90)),
        ("protocol error", 4, true, |bench| bench.data(&[0xf0, 0])),
        ("taken over", 4, true, |bench| bench.input(Input::Disconnect(DisconnectReason::SessionTakenOver))),
        ("disconnect", 4, false, |bench| bench.data(&[0xe0, 0])),
        ("disconnect 5", 5, false, |bench| bench.data(&[0xe0, 0])),
        ("disconnect 5 normal", 5, false, |bench| bench.data(&[0xe0, 1, 0])),
        ("disconnect 5 with will", 5, true, |bench| bench.data(&[0xe0, 1, 4])),
    ];
    for (name, level, published, end) in ends {
        let mut bench = Bench::new(Limits::default());
        bench.data(&connect_with_will(*level));
        bench.input(Input::Accept(crate::Accept::default()));
        bench.events.clear();
        end(&mut bench);
        assert!(bench.closed.is_some(), "{name}");
        let wills = bench.events.iter().filter(|event| matches!(event, Output::Will(will) if &*will.topic == "w")).count();
        assert_eq!(wills == 1, *published, "{name}");
    }
    let mut bench = Bench::new(Limits::default());
    bench.data(&connect_with_will(4));
    bench.events.clear();
    bench.input(Input::Closed);
    assert!(bench.events.is_empty(), "a will of a client never accepted");
}

#[test]
fn the_owner_ends_a_connection() {
    let cases = [(DisconnectReason::SessionTakenOver, 0x8e), (DisconnectReason::ServerShuttingDown, 0x8b)];
    for (reason, code) in cases {
        let mut bench = Bench::open(5);
        bench.input(Input::Disconnect(reason));
        assert_eq!(bench.take(), [0xe0, 2, code, 0]);
        assert_eq!(bench.closed.map(|why| (why.kind, why.code)), Some((CloseKind::ServerDisconnect, code)));
        let mut bench = Bench::open(4);
        bench.input(Input::Disconnect(reason));
        assert_eq!((bench.take().len(), bench.closed.map(|why| why.code)), (0, Some(code)));
    }
    let mut bench = Bench::new(Limits::default());
    bench.data(&connect(4));
    bench.input(Input::Disconnect(DisconnectReason::ServerShuttingDown));
    assert_eq!(bench.take(), [0x20, 2, 0, 3]);
}

#[test]
fn packets_before_connack_are_kept() {
    let mut bench = Bench::new(Limits::default());
    bench.data(&[connect(4), publish(4, 0x32, 1)].concat());
    assert!(bench.publishes.is_empty());
    bench.input(Input::Accept(crate::Accept::default()));
    assert_eq!(bench.publishes.len(), 1);
}

#[test]
fn every_split_of_a_stream_means_the_same() {
    let stream = [connect(5), publish(5, 0x34, 300), vec![0x62, 3, 1, 44, 0], publish(5, 0x30, 0), vec![0xc0, 0]].concat();
    for at in 0..=stream.len() {
        let mut bench = Bench::new(Limits::default());
        bench.data(&stream[..at]);
        if bench.connection.version().is_some() {
            bench.input(Input::Accept(crate::Accept::default()));
        }
        bench.data(&stream[at..]);
        bench.input(Input::Accept(crate::Accept::default()));
        assert_eq!((bench.publishes.len(), bench.closed), (2, None), "split at {at}");
        assert!(bench.take().ends_with(&[0x70, 3, 1, 44, 0x92, 0xd0, 0]), "split at {at}");
    }
}

#[test]
fn a_session_survives_as_plain_data() {
    let saved = SavedSession {
        subscriptions: Vec::new(),
        qos2_received: vec![3],
        outbound: vec![OutboundMessage { delivery: delivery(9, Qos::AtLeastOnce), packet_id: Some(4) }],
        qos2_released: vec![ReleasedMessage { packet_id: 8, token: 3 }],
    };
    let bench = Bench::open_with(5, Limits::default(), Some(saved.clone()));
    assert_eq!(bench.save(), saved);
}
