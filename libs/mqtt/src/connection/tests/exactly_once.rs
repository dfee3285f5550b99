//! QoS 2 towards the client (4.3.3): its packets, its place in the window, and losses at every step.

use std::collections::HashSet;

use super::{Bench, delivery};
use crate::{Connection, Input, Limits, OutboundMessage, Output, Qos, ReleasedMessage, SavedSession};

fn publish(level: u8, first: u8, id: u8) -> Vec<u8> {
    if level == 5 { vec![first, 7, 0, 1, b'd', 0, id, 0, b'y'] } else { vec![first, 6, 0, 1, b'd', 0, id, b'y'] }
}

fn tokens(bench: &mut Bench) -> Vec<(u64, u8)> {
    let told = |event| match event {
        Output::Delivered { token, code } => Some((token, code)),
        _ => None,
    };
    bench.events.drain(..).filter_map(told).collect()
}

fn released(connection: &Connection) -> Vec<u16> {
    connection.qos2_released().iter().map(|released| released.packet_id).collect()
}

fn state(connection: &Connection) -> (Vec<Option<u16>>, Vec<u16>) {
    (connection.outbound().map(|message| message.packet_id).collect(), released(connection))
}

/// Name, bytes of the client, what they are answered, tokens and codes told, identifiers released.
type Step<'a> = (&'a str, &'a [u8], &'a [u8], &'a [(u64, u8)], &'a [u16]);

#[test]
fn an_exchange_step_by_step() {
    for level in [4, 5] {
        let mut bench = Bench::open(level);
        bench.input(Input::Deliver(delivery(1, Qos::ExactlyOnce)));
        assert_eq!(bench.take(), publish(level, 0x34, 1));
        let steps: &[Step<'_>] = &[
            ("PUBACK is not its answer", &[0x40, 2, 0, 1], &[], &[], &[]),
            ("PUBCOMP comes too early", &[0x70, 2, 0, 1], &[], &[], &[]),
            ("PUBREC", &[0x50, 2, 0, 1], &[0x62, 2, 0, 1], &[(1, 0)], &[1]),
            ("PUBREC again", &[0x50, 2, 0, 1], &[0x62, 2, 0, 1], &[], &[1]),
            ("PUBCOMP of another", &[0x70, 2, 0, 9], &[], &[], &[1]),
            ("PUBCOMP", &[0x70, 2, 0, 1], &[], &[], &[]),
            ("PUBCOMP again", &[0x70, 2, 0, 1], &[], &[], &[]),
        ];
        for (name, bytes, answer, told, left) in steps {
            bench.data(bytes);
            assert_eq!(bench.take(), *answer, "{name}");
            assert_eq!(tokens(&mut bench), *told, "{name}");
            assert_eq!(released(&bench.connection), *left, "{name}");
        }
        bench.data(&[0x50, 2, 0, 1]);
        assert_eq!(bench.take(), if level == 5 { vec![0x62, 3, 0, 1, 0x92] } else { vec![0x62, 2, 0, 1] }, "unknown");
        assert_eq!(bench.closed, None);
    }
}

#[test]
fn a_refused_message_is_over() {
    let mut bench = Bench::open_with(5, Limits { outbound_inflight: 1, ..Limits::default() }, None);
    for token in [1, 2] {
        bench.input(Input::Deliver(delivery(token, Qos::ExactlyOnce)));
    }
    bench.take();
    bench.data(&[0x50, 3, 0, 1, 0x97]);
    assert_eq!((tokens(&mut bench), bench.take()), (vec![(1, 0x97)], publish(5, 0x34, 2)));
    bench.data(&[0x50, 3, 0, 1, 0x97]);
    assert_eq!((tokens(&mut bench), bench.take().len()), (vec![], 0));
}

#[test]
fn the_owner_is_told_before_pubrel_leaves() {
    let mut bench = Bench::open(4);
    bench.input(Input::Deliver(delivery(1, Qos::ExactlyOnce)));
    bench.input(Input::Deliver(delivery(2, Qos::ExactlyOnce)));
    bench.take();
    bench.connection.handle(bench.now, Input::Data(&[0x50, 2, 0, 2, 0x50, 2, 0, 1]));
    assert!(matches!(bench.connection.poll(), Some(Output::Delivered { token: 2, .. })));
    assert!(matches!(bench.connection.poll(), Some(Output::Send(bytes)) if bytes == [0x62, 2, 0, 2]));
    assert!(matches!(bench.connection.poll(), Some(Output::Delivered { token: 1, .. })));
    assert!(matches!(bench.connection.poll(), Some(Output::Send(bytes)) if bytes == [0x62, 2, 0, 1]));
    assert!(bench.connection.poll().is_none());
}

#[test]
fn the_end_of_an_exchange_is_told_once_also_in_a_later_connection() {
    let ends = |bench: &mut Bench| {
        let end = |event| if let Output::Completed { token } = event { Some(token) } else { None };
        bench.events.drain(..).filter_map(end).collect::<Vec<_>>()
    };
    let mut bench = Bench::open(4);
    bench.input(Input::Deliver(delivery(5, Qos::ExactlyOnce)));
    bench.input(Input::Deliver(delivery(6, Qos::ExactlyOnce)));
    bench.data(&[0x50, 2, 0, 1, 0x50, 2, 0, 2]);
    assert!(ends(&mut bench).is_empty(), "the client may still lose them");
    bench.data(&[0x70, 2, 0, 2, 0x70, 2, 0, 2]);
    assert_eq!(ends(&mut bench), [6]);
    let mut bench = Bench::open_with(4, Limits::default(), Some(bench.save()));
    bench.data(&[0x70, 2, 0, 1, 0x70, 2, 0, 1]);
    assert_eq!(ends(&mut bench), [5]);
}

#[test]
fn other_limits_hold_once_the_client_is_known() {
    let limits = |outbound_inflight| Limits { outbound_inflight, ..Limits::default() };
    for (receive_maximum, window) in [(2, 2), (9, 3)] {
        let mut bench = Bench::new(limits(1));
        bench.data(&[b"\x10\x11\0\x04MQTT\x05\x02\0\x3c\x03\x21\0".as_slice(), &[receive_maximum], b"\0\x01c"].concat());
        let accept = crate::Accept { limits: Some(limits(3).into()), ..crate::Accept::default() };
        bench.input(Input::Accept(accept));
        (0..5).for_each(|token| bench.input(Input::Deliver(delivery(token, Qos::AtLeastOnce))));
        let sent = bench.connection.outbound().filter(|message| message.packet_id.is_some()).count();
        assert_eq!(sent, window, "receive maximum {receive_maximum}");
    }
}

#[test]
fn identifiers_go_on_where_they_ended() {
    for (last, next, end) in [(0, 1, 1), (7, 8, 8), (u16::MAX, 1, 1)] {
        let mut bench = Bench::new(Limits::default());
        bench.data(&super::connect(4));
        bench.input(Input::Accept(crate::Accept { last_packet_id: last, ..crate::Accept::default() }));
        bench.input(Input::Deliver(delivery(1, Qos::AtLeastOnce)));
        assert_eq!(bench.connection.outbound().next().and_then(|message| message.packet_id), Some(next), "after {last}");
        assert_eq!(bench.connection.last_packet_id(), end);
    }
}

#[test]
fn an_exchange_fills_its_place_until_pubcomp() {
    let mut bench = Bench::open_with(4, Limits { outbound_inflight: 1, ..Limits::default() }, None);
    bench.input(Input::Deliver(delivery(1, Qos::ExactlyOnce)));
    bench.input(Input::Deliver(delivery(2, Qos::AtLeastOnce)));
    assert_eq!(bench.take(), publish(4, 0x34, 1));
    bench.data(&[0x50, 2, 0, 1]);
    assert_eq!(bench.take(), [0x62, 2, 0, 1]);
    bench.data(&[0x70, 2, 0, 1]);
    assert_eq!(bench.take(), publish(4, 0x32, 2));
}

#[test]
fn a_kept_session_goes_on_where_it_was() {
    let kept = |token, qos, packet_id| OutboundMessage { delivery: delivery(token, qos), packet_id };
    let saved = SavedSession {
        outbound: vec![
            kept(5, Qos::ExactlyOnce, None),
            kept(3, Qos::ExactlyOnce, Some(7)),
            kept(4, Qos::AtLeastOnce, Some(8)),
            kept(6, Qos::AtMostOnce, None),
        ],
        qos2_released: [(9, 1), (1, 2)].map(|(packet_id, token)| ReleasedMessage { packet_id, token }).into(),
        ..SavedSession::default()
    };
    let mut bench = Bench::open_with(4, Limits::default(), Some(saved));
    let at_most_once = vec![0x30, 4, 0, 1, b'd', b'y'];
    let again = [at_most_once, vec![0x62, 2, 0, 9, 0x62, 2, 0, 1], publish(4, 0x3c, 7), publish(4, 0x3a, 8), publish(4, 0x34, 2)];
    assert_eq!(bench.take(), again.concat());
    assert_eq!(state(&bench.connection), (vec![Some(7), Some(8), Some(2)], vec![9, 1]));
}

/// A client that keeps the rules: hands a message on when it is new, forgets its identifier with PUBREL.
#[derive(Default)]
struct Client {
    held: HashSet<u8>,
    taken: Vec<u8>,
}

impl Client {
    fn answer(&mut self, packet: &[u8]) -> Vec<u8> {
        match packet[0] >> 4 {
            3 => {
                let id = packet[6];
                if self.held.insert(id) {
                    self.taken.push(*packet.last().unwrap());
                }
                vec![0x50, 2, 0, id]
            }
            6 => {
                self.held.remove(&packet[3]);
                vec![0x70, 2, 0, packet[3]]
            }
            other => panic!("packet type {other}"),
        }
    }
}

/// Three messages; the connection breaks after `cut` packets, of both directions together, so that this one gets lost.
fn run(level: u8, cut: usize) -> (Vec<u8>, Vec<(u64, u8)>) {
    let limits = Limits { outbound_inflight: 2, ..Limits::default() };
    let (mut bench, mut client, mut told) = (Bench::open_with(level, limits.clone(), None), Client::default(), Vec::new());
    for token in 1..=3 {
        let mut message = delivery(u64::from(token), Qos::ExactlyOnce);
        message.payload = vec![token].into();
        bench.input(Input::Deliver(message));
    }
    let mut steps = 0;
    let mut is_lost = || {
        steps += 1;
        steps == cut
    };
    loop {
        let sent = bench.take();
        let Some(length) = sent.get(1).map(|length| usize::from(*length) + 2) else { break };
        bench.sent = sent[length..].to_vec();
        let answer = if is_lost() { None } else { Some(client.answer(&sent[..length])) };
        match answer.filter(|_| !is_lost()) {
            Some(answer) => bench.data(&answer),
            None => {
                told.extend(tokens(&mut bench));
                bench = Bench::open_with(level, limits.clone(), Some(bench.save()));
            }
        }
    }
    told.extend(tokens(&mut bench));
    assert_eq!(bench.save(), SavedSession::default(), "level {level}, cut {cut}");
    assert!(client.held.is_empty(), "level {level}, cut {cut}");
    (client.taken, told)
}

#[test]
fn a_loss_at_any_step_repeats_and_loses_nothing() {
    for level in [4, 5] {
        for cut in 0..=12 {
            let (taken, told) = run(level, cut);
            assert_eq!(taken, [1, 2, 3], "level {level}, cut {cut}");
            assert_eq!(told, [(1, 0), (2, 0), (3, 0)], "level {level}, cut {cut}");
        }
    }
}
