//! A CoAP server on loopback to try foreign clients with: `cargo run -p landfall-coap --example echo_server [PORT]`.
//! `GET /big` gives 5,000 bytes, `GET /time` can be observed and changes each second, `GET /slow` is answered after 3 seconds, anything
//! else is echoed. Absent: DTLS, an end.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use landfall_coap::{
    Code, Config, ContentFormat, Endpoint, ExchangeId, Limits, Message, NotifyOutcome, Output, RandomSource, Ticket, Token,
};

struct Observer {
    peer: SocketAddr,
    token: Token,
    sent: Option<ExchangeId>,
}

#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a socket and a clock to try the machine with")]
fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(5_683_u16);
    let socket = UdpSocket::bind(("127.0.0.1", port))?;
    println!("coap://{}", socket.local_addr()?);
    let start = Instant::now();
    let mut endpoint = Endpoint::new(Config::default(), Limits::default(), hash_source());
    let mut buffer = vec![0; 65_536];
    let mut slow: Vec<(Duration, Ticket)> = Vec::new();
    let mut observers: Vec<Observer> = Vec::new();
    let mut second = 0;
    loop {
        let wake = endpoint.poll_timeout().into_iter().chain(slow.iter().map(|(due, _)| *due)).min();
        let wait = wake.map_or(Duration::from_secs(1), |due| due.saturating_sub(start.elapsed()));
        socket.set_read_timeout(Some(wait.clamp(Duration::from_millis(1), Duration::from_secs(1))))?;
        if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            endpoint.handle(start.elapsed(), peer, &buffer[..length]);
        }
        let now = start.elapsed();
        endpoint.timeout(now);
        for (_, ticket) in slow.extract_if(.., |(due, _)| *due <= now) {
            let _late = endpoint.respond(now, ticket, text("after three seconds"));
        }
        if now.as_secs() != second {
            second = now.as_secs();
            for observer in observers.iter_mut().filter(|observer| observer.sent.is_none()) {
                let message = text(&second.to_string()).with_observe(second as u32);
                observer.sent = endpoint.notify(now, observer.peer, observer.token.clone(), message, true).ok();
            }
        }
        while let Some(output) = endpoint.poll() {
            if let Output::Send { peer, datagram } = &output {
                socket.send_to(datagram, peer)?;
                continue;
            }
            println!("{now:?} {output:?}");
            match output {
                Output::Request { ticket, peer, token, request, .. } => {
                    let path: Vec<_> = request.opts().uri_path().collect();
                    if path == ["slow"] {
                        slow.push((now + Duration::from_secs(3), ticket));
                        continue;
                    }
                    let mut answer = respond(&request, &path, second);
                    if path == ["time"] {
                        observers.retain(|observer| (observer.peer, &observer.token) != (peer, &token));
                        if request.opts().observe() == Some(0) {
                            observers.push(Observer { peer, token, sent: None });
                            answer = answer.with_observe(second as u32);
                        }
                    }
                    let _void = endpoint.respond(now, ticket, answer);
                }
                Output::NotifyDone { id, outcome, .. } => {
                    let acked = matches!(outcome, NotifyOutcome::Acked | NotifyOutcome::Unconfirmed);
                    observers.retain(|observer| acked || observer.sent != Some(id));
                    observers.iter_mut().filter(|observer| observer.sent == Some(id)).for_each(|observer| observer.sent = None);
                }
                _ => {}
            }
        }
    }
}

fn respond(request: &Message, path: &[&str], second: u64) -> Message {
    match (request.code, path) {
        (Code::GET, ["big"]) => text(&"0123456789".repeat(500)),
        (Code::GET, ["time"]) => text(&second.to_string()),
        (Code::GET, _) => text(&format!("/{} {:?}", path.join("/"), request.opts())),
        (Code::FETCH, _) => text("fetched: ").with_payload([b"fetched: ", &request.payload[..]].concat()),
        _ => text("").with_payload(format!("{} bytes, sum {}", request.payload.len(), sum(&request.payload))),
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

fn text(body: &str) -> Message {
    Message::new(Code::CONTENT).with_body(ContentFormat::TEXT, body.to_owned())
}

/// Good enough for a trial: the hash map's keys are random.
fn hash_source() -> RandomSource {
    use std::hash::BuildHasher;
    let keys = HashMap::<u64, ()>::new().hasher().clone();
    let mut count = 0_u64;
    Box::new(move |buffer| {
        for chunk in buffer.chunks_mut(8) {
            count += 1;
            let bytes = keys.hash_one(count).to_le_bytes();
            chunk.iter_mut().zip(bytes).for_each(|(byte, random)| *byte = random);
        }
    })
}
