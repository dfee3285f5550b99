//! Entry point for fuzzers: one connection, arbitrary bytes in arbitrary portions, every question answered, invariants asserted.
//! Absent: the fuzzer itself; any engine that hands over bytes will do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{
    Accept, Connection, Delivery, DisconnectReason, Input, Limits, OutboundMessage, Output, PublishRefusal, Qos, ReleasedMessage,
    SavedSession, SubscribeGrant, SubscribeRefusal, Ticket,
};

/// Drives one connection with `data`: the first byte seeds portions and answers, the rest is what the client sends.
///
/// # Panics
/// When an invariant does not hold: output after the end, a close reported other than once, more questions open than the limits
/// allow, a timeout while closed, or input held that no limit covers. Hostile bytes alone must never get here.
pub fn fuzz_connection(data: &[u8]) {
    let (seed, mut rest) = data.split_first().map_or((0, data), |(seed, rest)| (*seed, rest));
    let limits = Arc::new(Limits {
        packet_bytes: 4_096,
        control_bytes: 2_048,
        inflight: 4,
        pending_subscribes: 2,
        subscriptions: 4,
        outbound_queue: 4,
        outbound_inflight: 2,
        outbound_waiting: 1,
        qos_out: Qos::ExactlyOnce,
        subscription_ids_available: true,
        shared_available: true,
        ..Limits::default()
    });
    let mut run = Run {
        connection: Connection::new(Arc::clone(&limits), Duration::ZERO),
        limits,
        now: Duration::ZERO,
        dice: u32::from(seed).wrapping_mul(0x9e37_79b9) | 1,
        open: Vec::new(),
        closed: false,
    };
    while !rest.is_empty() && !run.closed {
        let (portion, later) = rest.split_at(rest.len().min(1 + run.roll(64)));
        if run.connection.wants_read() || run.roll(4) == 0 {
            run.step(Input::Data(portion));
            rest = later;
        }
        run.disturb();
    }
    run.finish();
}

/// A session with an exchange in each state.
fn kept() -> SavedSession {
    let message = |packet_id, qos| OutboundMessage { delivery: Delivery::new(2, "k", Bytes::new(), qos), packet_id };
    SavedSession {
        qos2_received: vec![2],
        outbound: vec![message(Some(2), Qos::ExactlyOnce), message(None, Qos::AtLeastOnce)],
        qos2_released: vec![ReleasedMessage { packet_id: 1, token: 1 }],
        ..SavedSession::default()
    }
}

struct Run {
    connection: Connection,
    limits: Arc<Limits>,
    now: Duration,
    dice: u32,
    open: Vec<Ticket>,
    closed: bool,
}

impl Run {
    fn roll(&mut self, below: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 17;
        self.dice ^= self.dice << 5;
        self.dice as usize % below
    }

    fn step(&mut self, input: Input<'_>) {
        self.connection.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.connection.poll() {
            assert!(!self.closed || matches!(output, Output::Dropped { .. }), "output after the end: {output:?}");
            match output {
                Output::Connect(_) => {
                    let resume = (self.roll(2) == 0).then(|| Box::new(kept()));
                    let accept = Accept { session_present: resume.is_some(), resume, ..Accept::default() };
                    self.connection.handle(self.now, Input::Accept(accept));
                }
                Output::Publish(publish) => {
                    assert!(crate::topic_is_valid(&publish.topic), "topic {:?}", publish.topic);
                    self.open.push(publish.ticket);
                }
                Output::Subscribe(subscribe) => {
                    let granted =
                        [SubscribeGrant::Granted(Qos::ExactlyOnce), SubscribeGrant::Refused(SubscribeRefusal::NotAuthorized)];
                    let grants = subscribe.filters.iter().zip(granted.into_iter().cycle()).map(|(_, grant)| grant).collect();
                    self.connection.handle(self.now, Input::SubscribeDone { ticket: subscribe.ticket, grants });
                }
                Output::Unsubscribe(unsubscribe) => {
                    self.connection.handle(self.now, Input::UnsubscribeDone { ticket: unsubscribe.ticket });
                }
                Output::Close { .. } => self.closed = true,
                Output::Send(bytes) => assert!(!bytes.is_empty(), "empty send"),
                Output::Delivered { .. } | Output::Completed { .. } | Output::Dropped { .. } => {}
                Output::SubscribeRefused { .. } | Output::Will(_) => {}
            }
        }
        assert!(self.open.len() <= usize::from(self.limits.inflight), "{} questions open", self.open.len());
        assert!(self.connection.subscriptions().len() <= self.limits.subscriptions, "too many subscriptions");
        let released = self.connection.qos2_released().len();
        assert!(released <= usize::from(self.limits.outbound_inflight), "{released} exchanges wait for PUBCOMP");
        let (queued, wanted) = (self.connection.outbound().count(), self.connection.deliveries_wanted());
        assert!(queued + wanted <= self.limits.outbound_queue, "{queued} messages and room for {wanted}");
        assert_eq!(self.connection.poll_timeout().is_none(), self.closed, "timer and end disagree");
    }

    /// Answers, deliveries, time and the owner's own wish, as the dice fall.
    fn disturb(&mut self) {
        match self.roll(8) {
            0..=3 if !self.open.is_empty() => {
                let at = self.roll(self.open.len());
                let ticket = self.open.swap_remove(at);
                let result = if self.roll(3) == 0 { Err(PublishRefusal::NotAuthorized) } else { Ok(()) };
                self.step(Input::PublishDone { ticket, result });
            }
            4 => {
                let qos = Qos::from_level(self.roll(3) as u8).unwrap_or(Qos::AtMostOnce);
                let payload = Bytes::from(vec![0; self.roll(16)]);
                let matched = crate::matched(self.connection.subscriptions(), "t", false);
                let subscription_ids = matched.map(|matched| matched.ids).unwrap_or_default();
                let expires_at = (self.roll(2) == 0).then(|| self.now + Duration::from_secs(self.roll(4) as u64));
                self.step(Input::Deliver(Delivery { subscription_ids, expires_at, ..Delivery::new(1, "t", payload, qos) }));
            }
            5 => self.now += Duration::from_secs(1),
            6 if self.roll(32) == 0 => self.step(Input::Timeout),
            7 if self.roll(64) == 0 => self.step(Input::Disconnect(DisconnectReason::ServerShuttingDown)),
            _ => {}
        }
    }

    fn finish(mut self) {
        self.step(Input::Closed);
        assert!(self.closed, "no end");
        for ticket in std::mem::take(&mut self.open) {
            self.step(Input::PublishDone { ticket, result: Ok(()) });
        }
        assert_eq!(self.connection.outstanding(), 0, "answered questions still open");
        let limits = Arc::clone(&self.limits);
        let session = self.connection.into_session();
        assert!(session.outbound.len() <= limits.outbound_queue, "outbound grew");
        assert!(session.qos2_received.len() <= limits.qos2_received + usize::from(limits.inflight), "identifiers grew");
    }
}
