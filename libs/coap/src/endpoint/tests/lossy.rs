//! Two endpoints over a network that loses, doubles and reorders, in virtual time: everything arrives, once, whole and in order.

use std::collections::BTreeMap;

use super::*;
use crate::{ExchangeId, Load, NotifyOutcome, Retransmit, Token, observe_is_newer};

/// A client (0) and a server (1) and what is on its way between them.
struct Net {
    ends: [Endpoint<usize>; 2],
    now: Duration,
    dice: Dice,
    loss_percent: usize,
    flying: BTreeMap<(Duration, u64), (usize, Vec<u8>)>,
    count: u64,
    /// Answers that the server's owner takes its time for.
    later: BTreeMap<(Duration, u64), (Ticket, Message)>,
}

impl Net {
    fn new(seed: u64, loss_percent: usize, block_bytes: usize) -> Self {
        // So many repetitions that a run without luck is out of the question.
        let retransmit = Retransmit { max_retransmit: 10, ..Retransmit::default() };
        let lifetime = s(20_000);
        let config = Config {
            retransmit,
            block_bytes,
            exchange_lifetime: lifetime,
            non_lifetime: lifetime,
            answer_within: lifetime,
            response_timeout: lifetime,
            transfer_lifetime: lifetime,
            ..Config::default()
        };
        let limits = Limits { recent_per_peer: 100_000, bodies_per_peer: 64, uploads_per_peer: 64, ..Limits::default() };
        let end = |side| Endpoint::new(config.clone(), limits.clone(), Dice::source(seed * 2 + side));
        Self {
            ends: [end(0), end(1)],
            now: s(1),
            dice: Dice::new(seed),
            loss_percent,
            flying: BTreeMap::new(),
            count: 0,
            later: BTreeMap::new(),
        }
    }

    fn send(&mut self, to: usize, datagram: &[u8]) {
        for _ in 0..1 + usize::from(self.dice.roll(100) < 10) {
            if self.dice.roll(100) >= self.loss_percent {
                let spread = if self.dice.roll(10) == 0 { 3_000 } else { 100 };
                let delay = ms(10 + self.dice.roll(spread) as u64);
                self.count += 1;
                self.flying.insert((self.now + delay, self.count), (to, datagram.to_vec()));
            }
        }
    }

    /// What side `at` has to say, its datagrams sent.
    fn drain(&mut self, at: usize) -> Vec<Output<usize>> {
        let mut told = Vec::new();
        while let Some(output) = self.ends[at].poll() {
            match output {
                Output::Send { peer, datagram } => self.send(peer, &datagram),
                other => told.push(other),
            }
        }
        told
    }

    /// Goes to whatever is next; which side it concerned. `None` once nothing but forgetting is left.
    fn step(&mut self) -> Option<usize> {
        let flight = self.flying.first_key_value().map(|(key, _)| key.0);
        let timers = [0, 1].map(|at| self.ends[at].poll_timeout().unwrap_or(Duration::MAX));
        let mine = self.later.first_key_value().map(|(key, _)| key.0);
        let due = [flight, mine].into_iter().flatten().chain(timers).min().filter(|due| *due < s(19_000))?;
        self.now = self.now.max(due);
        if flight == Some(due) {
            let (_, (to, datagram)) = self.flying.pop_first()?;
            self.ends[to].handle(self.now, 1 - to, &datagram);
            return Some(to);
        }
        if mine == Some(due) {
            let (_, (ticket, answer)) = self.later.pop_first()?;
            self.ends[1].respond(self.now, ticket, answer).unwrap();
            return Some(1);
        }
        let at = usize::from(timers[1] == due);
        self.ends[at].timeout(self.now);
        Some(at)
    }
}

const REQUESTS: usize = 40;
const SIZES: [usize; 5] = [0, 10, 100, 1_500, 5_000];

/// The body of request or response `k`: told by its number and different everywhere.
fn body_of(k: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at.wrapping_mul(31) ^ at >> 8 ^ k) as u8).collect()
}

fn request_of(k: usize) -> Message {
    let code = [Code::GET, Code::PUT, Code::POST, Code::FETCH, Code::IPATCH][k % 5];
    let size = if code == Code::GET { 0 } else { SIZES[k / 5 % 5] };
    Message::new(code).with_path("/3/0").with_query(&format!("k={k}")).with_payload(body_of(k, size))
}

fn response_of(k: usize) -> Message {
    content(body_of(!k, SIZES[k / 2 % 5]))
}

#[test]
fn every_request_is_served_once_and_answered_once_with_whole_bodies() {
    for seed in 0..24 {
        let mut net = Net::new(seed, 20, [64, 256, 1_024][seed as usize % 3]);
        let mut waiting: BTreeMap<ExchangeId, usize> = BTreeMap::new();
        for k in 0..REQUESTS {
            let id = net.ends[0].request(net.now, 1, request_of(k), SendOptions::default()).unwrap();
            waiting.insert(id, k);
        }
        net.drain(0);
        let mut served = [0; REQUESTS];
        while let Some(at) = net.step() {
            for output in net.drain(at) {
                match output {
                    Output::Request { ticket, request, .. } => {
                        let k: usize = request.opts().uri_query().next().unwrap()[2..].parse().unwrap();
                        assert_eq!(request.payload, request_of(k).payload, "seed {seed}, request {k}");
                        served[k] += 1;
                        let delay = ms([0, 0, 500, 1_500, 9_000][net.dice.roll(5)]);
                        net.count += 1;
                        net.later.insert((net.now + delay, net.count), (ticket, response_of(k)));
                    }
                    Output::Response { id, response, .. } => {
                        let k = waiting.remove(&id).expect("a second response");
                        assert_eq!(
                            (response.code, &response.payload),
                            (Code::CONTENT, &response_of(k).payload),
                            "seed {seed}, {k}"
                        );
                    }
                    Output::Acknowledged { id, .. } => assert!(waiting.contains_key(&id)),
                    Output::Refused { check, .. } => assert_eq!(check.name, "response.unexpected", "seed {seed}"),
                    other => panic!("seed {seed}: {other:?}"),
                }
            }
        }
        assert!(waiting.is_empty(), "seed {seed}: {waiting:?}");
        assert_eq!(served, [1; REQUESTS], "seed {seed}");
        let now = net.now + s(100_000);
        net.ends.iter_mut().for_each(|end| end.timeout(now));
        assert_eq!(net.ends.map(|end| end.load()), [Load::default(); 2], "seed {seed}");
    }
}

#[test]
fn confirmable_notifications_all_come_once_and_the_freshest_is_known() {
    const COUNT: u32 = 60;
    for seed in 0..24 {
        let mut net = Net::new(seed, 20, 1_024);
        let token = Token::new(b"obs").unwrap();
        let (mut seen, mut done) = ([0; COUNT as usize], BTreeMap::new());
        let mut freshest: Option<(u32, Duration)> = None;
        for value in 0..COUNT {
            let message = content(value.to_string()).with_observe(0xff_fff0 + value);
            let id = net.ends[1].notify(net.now, 0, token.clone(), message, true).unwrap();
            done.insert(id, 0);
            net.drain(1);
            let next = net.now + s(2);
            while value == COUNT - 1 || net.now < next {
                let Some(at) = net.step() else { break };
                for output in net.drain(at) {
                    match output {
                        Output::Notification { ticket, message, confirmable: true, .. } => {
                            let value: usize = str::from_utf8(&message.payload).unwrap().parse().unwrap();
                            seen[value] += 1;
                            let new = (message.opts().observe().unwrap(), net.now);
                            if freshest.is_none_or(|last| observe_is_newer(last, new)) {
                                let before = freshest.map(|(number, _)| number.wrapping_sub(0xff_fff0) & 0xff_ffff);
                                assert!(before.is_none_or(|before| value as u32 > before), "seed {seed}: back in time");
                                freshest = Some(new);
                            }
                            net.ends[0].accept(net.now, ticket).unwrap();
                            net.drain(0);
                        }
                        Output::NotifyDone { id, outcome: NotifyOutcome::Acked, .. } => *done.get_mut(&id).unwrap() += 1,
                        other => panic!("seed {seed}: {other:?}"),
                    }
                }
            }
        }
        assert_eq!(seen, [1; COUNT as usize], "seed {seed}");
        assert!(done.values().all(|ends| *ends == 1), "seed {seed}");
        assert_eq!(freshest.map(|(number, _)| number), Some((0xff_fff0 + COUNT - 1) & 0xff_ffff), "seed {seed}");
    }
}
