//! Random clients against a model: what was taken, what was acknowledged, in which order, across reconnects.

use std::collections::HashSet;

use super::{Bench, publish};
use crate::{Input, Limits};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

/// What the client and the owner agree on.
#[derive(Default)]
struct Model {
    /// Exchanges the owner took over and the client has not released.
    taken: HashSet<u16>,
    /// QoS 2 identifiers waiting for the owner in this connection.
    asked: HashSet<u16>,
    /// Acknowledgements due, oldest first: packet type, identifier, answered.
    due: Vec<(u8, u16, bool)>,
}

#[test]
fn inbound_flows_match_the_model() {
    for seed in 0..200 {
        let level = if seed % 2 == 0 { 4 } else { 5 };
        run(level, Dice(seed + 1));
    }
}

fn run(level: u8, mut dice: Dice) {
    let limits = Limits { inflight: 8, ..Limits::default() };
    let mut bench = Bench::open_with(level, limits.clone(), None);
    let mut model = Model::default();
    for _ in 0..200 {
        match dice.roll(10) {
            0..=2 if bench.connection.wants_read() => qos1(&mut bench, &mut model, level, 100 + dice.roll(50) as u16),
            3..=5 if bench.connection.wants_read() && model.taken.len() + model.due.len() < 8 => {
                qos2(&mut bench, &mut model, level, 1 + dice.roll(6) as u16);
            }
            6 => release(&mut bench, &mut model, level, 1 + dice.roll(6) as u16),
            7 | 8 if !bench.publishes.is_empty() => {
                let at = dice.roll(bench.publishes.len());
                answer(&mut bench, &mut model, at);
            }
            9 if dice.roll(5) == 0 => {
                bench.input(Input::Closed);
                // The owner finishes what it has begun; nobody hears the acknowledgements.
                while !bench.publishes.is_empty() {
                    answer_silently(&mut bench, &mut model);
                }
                model.due.clear();
                model.asked.clear();
                let saved = bench.connection.into_session();
                assert_eq!(saved.qos2_received.iter().copied().collect::<HashSet<_>>(), model.taken);
                bench = Bench::open_with(level, limits.clone(), Some(saved));
            }
            _ => {}
        }
        assert_eq!(bench.closed, None);
    }
}

fn qos1(bench: &mut Bench, model: &mut Model, level: u8, id: u16) {
    if model.taken.len() + model.due.len() >= 8 {
        return;
    }
    let before = bench.publishes.len();
    bench.data(&publish(level, 0x32, id));
    assert_eq!(bench.publishes.len(), before + 1);
    model.due.push((0x40, id, false));
    assert!(bench.take().is_empty());
}

fn qos2(bench: &mut Bench, model: &mut Model, level: u8, id: u16) {
    let before = bench.publishes.len();
    bench.data(&publish(level, 0x34, id));
    let pending = model.due.iter().any(|(kind, due, _)| (*kind, *due) == (0x50, id));
    let passed_on = if pending {
        false
    } else if model.taken.contains(&id) {
        model.due.push((0x50, id, true));
        false
    } else {
        model.asked.insert(id);
        model.due.push((0x50, id, false));
        true
    };
    assert_eq!(bench.publishes.len() - before, usize::from(passed_on), "identifier {id}");
    expect_due(bench, model);
}

fn release(bench: &mut Bench, model: &mut Model, level: u8, id: u16) {
    // A client releases only what was acknowledged.
    if model.due.iter().any(|(kind, due, _)| (*kind, *due) == (0x50, id)) || !bench.connection.wants_read() {
        return;
    }
    bench.data(&[0x62, 2, 0, id as u8]);
    let known = model.taken.remove(&id);
    let expected = if known || level == 4 { vec![0x70, 2, 0, id as u8] } else { vec![0x70, 3, 0, id as u8, 0x92] };
    assert_eq!(bench.take(), expected);
}

fn answer(bench: &mut Bench, model: &mut Model, at: usize) {
    let done = bench.publishes.remove(at);
    bench.input(Input::PublishDone { ticket: done.ticket, result: Ok(()) });
    let id = done.packet_id.unwrap();
    let kind = if done.qos == crate::Qos::ExactlyOnce { 0x50 } else { 0x40 };
    // QoS 1 identifiers may repeat; the questions come in the same order as the acknowledgements.
    let earlier = bench.publishes.iter().filter(|other| other.ticket < done.ticket && other.packet_id == Some(id)).count();
    let due = model.due.iter_mut().filter(|due| due.0 == kind && due.1 == id && !due.2).nth(earlier).unwrap();
    due.2 = true;
    if kind == 0x50 {
        assert!(model.asked.remove(&id) && model.taken.insert(id), "identifier {id} taken twice");
    }
    expect_due(bench, model);
}

fn answer_silently(bench: &mut Bench, model: &mut Model) {
    let done = bench.publishes.remove(0);
    bench.input(Input::PublishDone { ticket: done.ticket, result: Ok(()) });
    if done.qos == crate::Qos::ExactlyOnce {
        assert!(model.taken.insert(done.packet_id.unwrap()));
    }
    assert!(bench.take().is_empty());
}

/// Exactly the answered acknowledgements at the front were sent.
fn expect_due(bench: &mut Bench, model: &mut Model) {
    let ready = model.due.iter().take_while(|due| due.2).count();
    let expected: Vec<u8> = model.due.drain(..ready).flat_map(|(kind, id, _)| [kind, 2, 0, id as u8]).collect();
    assert_eq!(bench.take(), expected);
}
