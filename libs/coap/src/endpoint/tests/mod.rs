//! Tests of the endpoint: one endpoint against hand-made datagrams, and two of them over an emulated network in virtual time.

mod asking;
mod blocks;
mod floods;
mod hostile;
mod interop;
mod lossy;
mod observing;
mod serving;

use core::time::Duration;

use crate::{
    Code, Config, Endpoint, Header, Kind, Limits, Message, MessageRef, OptionNumber, Options, Output, SendOptions, Ticket, encode,
};

/// xorshift64*: the same numbers in every run.
pub(super) struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    }

    pub fn source(seed: u64) -> crate::RandomSource {
        let mut dice = Self::new(seed);
        Box::new(move |buffer| buffer.iter_mut().for_each(|byte| *byte = dice.roll(256) as u8))
    }
}

#[test]
fn an_endpoint_may_move_to_another_thread() {
    fn needs_send<T: Send>(_: &T) {}
    needs_send(&Bench::new().endpoint);
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// One endpoint, and a person who writes datagrams to it as peer 1.
struct Bench {
    endpoint: Endpoint<u32>,
    now: Duration,
}

impl Bench {
    fn new() -> Self {
        Self::with(Config::default(), Limits::default())
    }

    fn with(config: Config, limits: Limits) -> Self {
        Self { endpoint: Endpoint::new(config, limits, Dice::source(1)), now: s(1_000) }
    }

    fn drain(&mut self) -> Vec<Output<u32>> {
        std::iter::from_fn(|| self.endpoint.poll()).collect()
    }

    fn hear_from(&mut self, peer: u32, datagram: &[u8]) -> Vec<Output<u32>> {
        self.endpoint.handle(self.now, peer, datagram);
        self.drain()
    }

    fn hear(&mut self, datagram: &[u8]) -> Vec<Output<u32>> {
        self.hear_from(1, datagram)
    }

    /// Lets time go on to `now`, stopping at every deadline; what came out, with the time.
    fn until(&mut self, now: Duration) -> Vec<(Duration, Output<u32>)> {
        let mut all = Vec::new();
        while let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= now) {
            self.now = self.now.max(due);
            self.endpoint.timeout(self.now);
            all.extend(self.drain().into_iter().map(|output| (self.now, output)));
        }
        self.now = now;
        all
    }

    /// Everything that lies about forgetting has passed.
    fn rest(&mut self) -> Vec<(Duration, Output<u32>)> {
        self.until(self.now + s(600))
    }
}

fn wire(kind: Kind, code: Code, message_id: u16, token: &[u8], message: &Message) -> Vec<u8> {
    encode(Header { kind, code, message_id }, token, message.opts(), &message.payload)
}

fn con(message_id: u16, token: &[u8], message: &Message) -> Vec<u8> {
    wire(Kind::Confirmable, message.code, message_id, token, message)
}

fn non(message_id: u16, token: &[u8], message: &Message) -> Vec<u8> {
    wire(Kind::NonConfirmable, message.code, message_id, token, message)
}

fn ack(message_id: u16, token: &[u8], message: &Message) -> Vec<u8> {
    wire(Kind::Acknowledgement, message.code, message_id, token, message)
}

fn get(path: &str) -> Message {
    Message::new(Code::GET).with_path(path)
}

fn content(body: impl Into<bytes::Bytes>) -> Message {
    Message::new(Code::CONTENT).with_payload(body)
}

/// What was sent, read again.
#[derive(Debug, PartialEq)]
struct Sent {
    kind: Kind,
    code: Code,
    message_id: u16,
    token: Vec<u8>,
    options: Options,
    payload: Vec<u8>,
}

fn read(datagram: &[u8]) -> Sent {
    let message = MessageRef::parse(datagram, &Limits::default()).unwrap();
    let Header { kind, code, message_id } = message.header;
    Sent { kind, code, message_id, token: message.token.into(), options: message.options.into(), payload: message.payload.into() }
}

/// All datagrams among the outputs.
fn sent(outputs: &[Output<u32>]) -> Vec<Sent> {
    let datagram = |output: &Output<u32>| match output {
        Output::Send { datagram, .. } => Some(read(datagram)),
        _ => None,
    };
    outputs.iter().filter_map(datagram).collect()
}

/// The only datagram among the outputs.
fn only(outputs: &[Output<u32>]) -> Sent {
    let mut all = sent(outputs);
    assert_eq!(all.len(), 1, "{outputs:?}");
    all.remove(0)
}

/// Kind, code and identifier of the only datagram.
fn gist(outputs: &[Output<u32>]) -> (Kind, Code, u16) {
    let sent = only(outputs);
    (sent.kind, sent.code, sent.message_id)
}

fn requests(outputs: &[Output<u32>]) -> Vec<(Ticket, Message)> {
    let request = |output: &Output<u32>| match output {
        Output::Request { ticket, request, .. } => Some((*ticket, request.clone())),
        _ => None,
    };
    outputs.iter().filter_map(request).collect()
}

fn refusals(outputs: &[Output<u32>]) -> Vec<&'static str> {
    let name = |output: &Output<u32>| match output {
        Output::Refused { check, .. } => Some(check.name),
        _ => None,
    };
    outputs.iter().filter_map(name).collect()
}
