//! A client of bytes around one connection, in virtual time.

mod cases;
mod exactly_once;
mod flows;
mod hostile;
mod interop;
mod model;
mod subscribers;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{Accept, CloseReason, Connection, Delivery, Input, Limits, Output, Publish, Qos, SavedSession};

pub(super) struct Bench {
    pub connection: Connection,
    pub now: Duration,
    /// Bytes sent and not yet looked at.
    pub sent: Vec<u8>,
    pub publishes: Vec<Publish>,
    pub events: Vec<Output>,
    pub closed: Option<CloseReason>,
}

impl Bench {
    pub fn new(limits: Limits) -> Self {
        Self {
            connection: Connection::new(Arc::new(limits), Duration::ZERO),
            now: Duration::ZERO,
            sent: Vec::new(),
            publishes: Vec::new(),
            events: Vec::new(),
            closed: None,
        }
    }

    /// Connected with the smallest CONNECT of the protocol level, CONNACK already read.
    pub fn open(level: u8) -> Self {
        Self::open_with(level, Limits::default(), None)
    }

    pub fn open_with(level: u8, limits: Limits, resume: Option<SavedSession>) -> Self {
        let mut bench = Self::new(limits);
        bench.data(&connect(level));
        let session_present = resume.is_some();
        bench.input(Input::Accept(Accept { session_present, resume: resume.map(Box::new), ..Accept::default() }));
        let connack = bench.take();
        assert_eq!(connack.first(), Some(&0x20));
        let length = usize::from(connack[1]) + 2;
        bench.sent = connack[length..].to_vec();
        bench.events.clear();
        bench
    }

    pub fn input(&mut self, input: Input<'_>) {
        self.connection.handle(self.now, input);
        while let Some(output) = self.connection.poll() {
            match output {
                Output::Send(bytes) => self.sent.extend(bytes),
                Output::Publish(publish) => self.publishes.push(publish),
                Output::Close { why } => assert_eq!(self.closed.replace(why), None),
                other => self.events.push(other),
            }
        }
    }

    pub fn data(&mut self, bytes: &[u8]) {
        self.input(Input::Data(bytes));
    }

    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    /// Answers the oldest open message.
    pub fn done(&mut self) {
        let ticket = self.publishes.remove(0).ticket;
        self.input(Input::PublishDone { ticket, result: Ok(()) });
    }

    pub fn at(&mut self, seconds: u64) {
        self.now = Duration::from_secs(seconds);
        self.input(Input::Timeout);
    }

    /// Closes and gives the session.
    pub fn save(mut self) -> SavedSession {
        self.input(Input::Closed);
        self.connection.into_session()
    }
}

/// CONNECT with clean session, client identifier `c`, keep-alive 60 s.
pub(super) fn connect(level: u8) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', level, 2, 0, 60];
    if level == 5 {
        body.push(0);
    }
    body.extend([0, 1, b'c']);
    packet(0x10, &body)
}

pub(super) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    crate::write::varint(&mut out, body.len());
    out.extend_from_slice(body);
    out
}

/// PUBLISH to `t` with payload `x`; `first` carries the flags.
pub(super) fn publish(level: u8, first: u8, id: u16) -> Vec<u8> {
    let mut body = vec![0, 1, b't'];
    if first & 6 != 0 {
        body.extend(id.to_be_bytes());
    }
    if level == 5 {
        body.push(0);
    }
    body.push(b'x');
    packet(first, &body)
}

pub(super) fn delivery(token: u64, qos: Qos) -> Delivery {
    Delivery::new(token, "d", Bytes::from_static(b"y"), qos)
}
