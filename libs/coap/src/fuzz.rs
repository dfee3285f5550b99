//! Entry points for fuzzers: arbitrary datagrams, every question answered as the dice fall, invariants asserted.
//! Absent: the fuzzer itself; any engine that hands over bytes will do.

use std::collections::HashSet;
use std::time::Duration;

use crate::{
    Code, Config, Endpoint, ExchangeId, Limits, Load, Message, MessageRef, OptionNumber, Options, Output, SendOptions, Ticket,
    Token, encode,
};

/// Reads `data` as a datagram and writes it again.
///
/// # Panics
/// When what was read is not what is written: every message has exactly one form on the wire.
pub fn fuzz_message(data: &[u8]) {
    let Ok(message) = MessageRef::parse(data, &Limits::default()) else { return };
    let options: Options = message.options.iter().collect();
    assert_eq!(encode(message.header, message.token, options.get(), message.payload), data, "not the same again");
    let opts = message.options;
    let texts = opts.uri_path().chain(opts.uri_query()).map(str::len).sum::<usize>();
    assert!(texts <= data.len(), "texts longer than the datagram");
    for number in [OptionNumber::OBSERVE, OptionNumber::BLOCK1, OptionNumber::BLOCK2] {
        assert!(opts.uint(number).is_none_or(|value| value < 1 << 24), "{number:?} above 24 bits");
    }
}

/// Drives one endpoint with `data`: portions are datagrams of three peers, told apart by the first byte of each.
///
/// # Panics
/// When an invariant does not hold: a bound exceeded, a ticket or an exchange with two ends, a void ticket that works, or anything left
/// when all is over. Hostile bytes alone must never get here.
pub fn fuzz_endpoint(data: &[u8]) {
    let mut run = Run {
        endpoint: Endpoint::new(Config::default(), narrow(), Box::new(|buffer| buffer.fill(7))),
        now: Duration::ZERO,
        dice: data.first().map_or(1, |seed| u32::from(*seed).wrapping_mul(0x9e37_79b9) | 1),
        tickets: Vec::new(),
        asked: HashSet::new(),
        last: Vec::new(),
    };
    let mut rest = data;
    while let Some(([peer, length], after)) = rest.split_first_chunk() {
        let (datagram, after) = after.split_at(after.len().min(usize::from(*length)));
        run.endpoint.handle(run.now, peer % 3, datagram);
        run.drain();
        run.disturb(peer % 3);
        rest = after;
    }
    run.finish();
}

fn narrow() -> Limits {
    Limits {
        body_bytes: 4_096,
        assembly_bytes: 6_000,
        uploads: 4,
        uploads_per_peer: 2,
        bodies: 3,
        bodies_per_peer: 2,
        bodies_bytes: 6_000,
        open: 6,
        open_per_peer: 3,
        exchanges: 8,
        exchanges_per_peer: 4,
        recent: 24,
        recent_per_peer: 8,
        recent_bytes: 2_000,
        ..Limits::default()
    }
}

struct Run {
    endpoint: Endpoint<u8>,
    now: Duration,
    dice: u32,
    tickets: Vec<Ticket>,
    asked: HashSet<ExchangeId>,
    /// The newest datagram that was sent: something true to answer with.
    last: Vec<u8>,
}

impl Run {
    fn roll(&mut self, below: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 17;
        self.dice ^= self.dice << 5;
        self.dice as usize % below
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Send { datagram, .. } => {
                    assert!(
                        MessageRef::parse(&datagram, &Limits::default()).is_ok(),
                        "sends what it would refuse: {datagram:02x?}"
                    );
                    self.last = datagram.to_vec();
                }
                Output::Request { ticket, request, .. } => {
                    assert!(request.payload.len() <= narrow().body_bytes, "a body above the limit");
                    self.tickets.push(ticket);
                }
                Output::Notification { ticket, .. } => self.tickets.push(ticket),
                Output::Response { id, .. } | Output::Failed { id, .. } | Output::NotifyDone { id, .. } => {
                    assert!(self.asked.remove(&id), "two ends of {id:?}");
                }
                Output::Acknowledged { id, .. } => assert!(self.asked.contains(&id), "acknowledged after its end"),
                Output::Refused { .. } => {}
            }
        }
        self.check();
    }

    fn check(&mut self) {
        let (limits, load) = (narrow(), self.endpoint.load());
        assert!(load.open <= limits.open && load.exchanges <= limits.exchanges, "{load:?}");
        assert!(load.uploads <= limits.uploads && load.bodies <= limits.bodies, "{load:?}");
        assert!(load.bodies_bytes <= limits.bodies_bytes && load.assembly_bytes <= limits.assembly_bytes, "{load:?}");
        assert!(load.recent <= limits.recent && load.recent_bytes <= limits.recent_bytes && load.peers <= 3, "{load:?}");
        // Separate responses are exchanges too, which the owner does not name.
        assert!(load.exchanges >= self.asked.len(), "an exchange went without an end");
    }

    /// Answers, requests, time, as the dice fall.
    fn disturb(&mut self, peer: u8) {
        match self.roll(10) {
            0..=2 => self.answer(),
            3 => self.ask(peer),
            4 => {
                // A datagram of its own comes back as an acknowledgement or a response: what a peer may well do.
                let mut echo = std::mem::take(&mut self.last);
                let first = [0x60, 0x40, 0x50, 0x70][self.roll(4)];
                let code = [69, 68, 95, 0, 140][self.roll(5)];
                if let [kind, method, ..] = &mut echo[..] {
                    (*kind, *method) = (first | *kind & 0x0f, code);
                }
                self.endpoint.handle(self.now, peer, &echo);
            }
            5 | 6 => {
                let wait = [1, 900, 2_500, 40_000][self.roll(4)];
                self.now += Duration::from_millis(wait);
                self.endpoint.timeout(self.now);
            }
            7 if self.roll(16) == 0 => self.endpoint.forget(peer),
            8 if self.roll(16) == 0 => self.endpoint.rename(self.now, peer, (peer + 1) % 3),
            _ => {}
        }
        self.drain();
    }

    fn answer(&mut self) {
        if self.tickets.is_empty() {
            return;
        }
        let at = self.roll(self.tickets.len());
        let ticket = self.tickets.swap_remove(at);
        let body = vec![1; [0, 10, 1_024, 3_000][self.roll(4)]];
        let response = Message::new(Code::CONTENT).with_payload(body);
        let (now, first) = (self.now, Message::new(Code::CONTENT).with_uint(OptionNumber::BLOCK2, 8).with_payload(vec![2; 16]));
        if self.roll(4) == 0
            && let Ok(id) = self.endpoint.fetch_rest(now, ticket, Message::new(Code::GET), first, SendOptions::default())
        {
            self.asked.insert(id);
        }
        let answered = self.endpoint.respond(now, ticket, response).is_ok();
        let settled = self.endpoint.accept(now, ticket).is_ok() || self.endpoint.reject(now, ticket).is_ok();
        assert!(!(answered && settled), "one ticket, two ends");
        assert!(self.endpoint.reject(now, ticket).is_err(), "a settled ticket works again");
    }

    fn ask(&mut self, peer: u8) {
        let body = vec![3; [0, 100, 2_000][self.roll(3)]];
        let request = Message::new([Code::GET, Code::PUT, Code::FETCH][self.roll(3)]).with_path("/3/0").with_payload(body);
        let how = SendOptions { confirmable: self.roll(4) > 0, ..SendOptions::default() };
        let repeated = self.roll(2) == 0;
        let sent = match self.roll(4) {
            0 => self.endpoint.notify(self.now, peer, Token::from([9; 8]), Message::new(Code::CONTENT), repeated),
            _ => self.endpoint.request(self.now, peer, request, how),
        };
        if let Ok(id) = sent {
            assert!(self.asked.insert(id), "an exchange twice");
            if self.roll(8) == 0 {
                assert!(self.endpoint.cancel(self.now, id), "cannot be cancelled");
            }
        }
    }

    fn finish(mut self) {
        for ticket in std::mem::take(&mut self.tickets) {
            let done = self.endpoint.respond(self.now, ticket, Message::new(Code::NOT_FOUND));
            if done.is_err() {
                let _void_or_notification = self.endpoint.accept(self.now, ticket);
            }
        }
        self.drain();
        for _ in 0..10_000 {
            let Some(due) = self.endpoint.poll_timeout() else { break };
            self.now = self.now.max(due);
            self.endpoint.timeout(self.now);
            self.drain();
        }
        assert!(self.asked.is_empty(), "exchanges without an end");
        assert_eq!(self.endpoint.load(), Load::default(), "something is left");
    }
}
