//! QoS 2 towards the client (4.3.3): its packets, its place in the window, and losses at every step.

use std::collections::HashSet;

use super::{Bench, delivery};
use crate::{Connection, Input, Limits, OutboundMessage, Output, Qos, SavedSession};

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

fn state(connection: &Connection) -> (Vec<Option<u16>>, Vec<u16>) {
    (connection.outbound().map(|message| message.packet_id).collect(), connection.qos2_released().to_vec())
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
        for (name, bytes, answer, told, released) in steps {
            bench.data(bytes);
            assert_eq!(bench.take(), *answer, "{name}");
            assert_eq!(tokens(&mut bench), *told, "{name}");
            assert_eq!(bench.connection.qos2_released(), *released, "{name}");
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
        qos2_released: vec![9, 1],
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
