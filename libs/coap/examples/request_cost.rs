//! Processor time of one request through the machine: `cargo run --release -p landfall-coap --example request_cost`.
//! Absent: sockets and any owner's work; this is the floor.

use std::time::{Duration, Instant};

use landfall_coap::{
    Code, Config, Endpoint, Header, Kind, Limits, Message, MessageRef, Output, SendOptions, encode, encode_empty,
};

const PEERS: u32 = 100_000;
const ROUNDS: u32 = 20;

#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement for a person")]
fn main() {
    let update =
        Message::new(Code::POST).with_path("/rd/5a3f").with_query("lt=86400").with_query("b=UQ").with_payload("</3/0>,</5/0>");
    let wire = |id: u16| {
        let header = Header { kind: Kind::Confirmable, code: update.code, message_id: id };
        encode(header, b"12345678", update.opts(), &update.payload)
    };
    let datagrams: Vec<_> = (0..ROUNDS as u16).map(wire).collect();

    let limits = Limits::default();
    let start = Instant::now();
    let mut read = 0;
    for _ in 0..1_000_000 / ROUNDS {
        for datagram in &datagrams {
            let message = MessageRef::parse(std::hint::black_box(datagram), &limits);
            read += usize::from(message.is_ok_and(|message| message.options.unacceptable().is_none()));
        }
    }
    println!("parse and check {} B: {:?} ({read} read)", datagrams[0].len(), start.elapsed() / 1_000_000);

    for peers in [1, PEERS] {
        let mut endpoint = endpoint(Limits { recent: 400_000, ..Limits::default() });
        let (mut now, mut answered) = (Duration::ZERO, 0);
        let start = Instant::now();
        let rounds = PEERS * ROUNDS / peers;
        for round in 0..rounds {
            // A minute between two requests of a peer when there are many, so that duplicates are forgotten too.
            now += Duration::from_millis(if peers == 1 { 20 } else { 60_000 });
            endpoint.timeout(now);
            let datagram = if peers == 1 { wire(round as u16) } else { datagrams[round as usize].clone() };
            for peer in 0..peers {
                endpoint.handle(now, peer, &datagram);
                answered += answer(&mut endpoint, now);
            }
        }
        let each = start.elapsed() / (rounds * peers);
        println!("request and answer, {peers} peers: {each:?} each ({answered} answered), {:?}", endpoint.load());
    }

    let mut endpoint = endpoint(Limits::default());
    let read = Message::new(Code::GET).with_path("/3/0/9");
    let start = Instant::now();
    let mut ends = 0;
    for round in 0..1_000_000 {
        let now = Duration::from_millis(round);
        endpoint.timeout(now);
        let sent = endpoint.request(now, 1, read.clone(), SendOptions::default());
        ends += usize::from(sent.is_ok());
        let Some(Output::Send { datagram, .. }) = endpoint.poll() else { continue };
        let [_, _, high, low, ..] = datagram[..] else { continue };
        endpoint.handle(now, 1, &encode_empty(Kind::Reset, u16::from_be_bytes([high, low])));
        while endpoint.poll().is_some() {}
    }
    println!("request sent and reset: {:?} each ({ends} sent)", start.elapsed() / 1_000_000);
}

fn endpoint(limits: Limits) -> Endpoint<u32> {
    let mut seed = 1_u64;
    let random = move |buffer: &mut [u8]| {
        for byte in buffer {
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            *byte = (seed >> 56) as u8;
        }
    };
    Endpoint::new(Config::default(), limits, Box::new(random))
}

fn answer(endpoint: &mut Endpoint<u32>, now: Duration) -> usize {
    let mut answered = 0;
    while let Some(output) = endpoint.poll() {
        match output {
            Output::Request { ticket, .. } => {
                answered += usize::from(endpoint.respond(now, ticket, Message::new(Code::CHANGED)).is_ok());
            }
            other => drop(std::hint::black_box(other)),
        }
    }
    answered
}
