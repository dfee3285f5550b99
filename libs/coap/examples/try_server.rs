//! A CoAP client on loopback to try libcoap's `coap-server` with: `cargo run -p landfall-coap --example try_server [PORT [PATH]]`.
//! Reads, writes 5,000 bytes in blocks and reads them back, observes PATH (`/time`) for three notifications and rejects the fourth; of a
//! notification in blocks it fetches the rest.
//! Absent: DTLS, options of the command line.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use landfall_coap::{Code, Config, Endpoint, Limits, Message, Output, SendOptions};

#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a socket and a clock to try the machine with")]
fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(5_683_u16);
    let observed = std::env::args().nth(2).unwrap_or_else(|| "/time".to_owned());
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    let start = Instant::now();
    // Tokens need not be unpredictable on loopback.
    let mut count = 0_u8;
    let random = move |buffer: &mut [u8]| {
        for byte in buffer {
            count = count.wrapping_mul(5).wrapping_add(17);
            *byte = count;
        }
    };
    let mut endpoint = Endpoint::new(Config::default(), Limits::default(), Box::new(random));
    let body: Vec<u8> = (0..5_000_u32).map(|at| (at / 7) as u8).collect();
    let data = || Message::new(Code::PUT).with_path("/example_data");
    for request in [
        Message::new(Code::GET).with_path("/.well-known/core"),
        data().with_payload(body),
        Message { code: Code::GET, ..data() },
        Message::new(Code::GET).with_path("/async").with_query("2"),
        Message::new(Code::GET).with_path("/none"),
        Message::new(Code::GET).with_path(&observed).with_observe(0),
    ] {
        println!("ask {request:?} as {:?}", endpoint.request(start.elapsed(), server, request.clone(), SendOptions::default()));
    }
    let mut buffer = vec![0; 65_536];
    let mut notifications = 0;
    let mut waiting = None;
    while start.elapsed() < Duration::from_secs(12) {
        let wait = endpoint.poll_timeout().map_or(Duration::from_secs(1), |due| due.saturating_sub(start.elapsed()));
        socket.set_read_timeout(Some(wait.clamp(Duration::from_millis(1), Duration::from_secs(1))))?;
        if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            endpoint.handle(start.elapsed(), peer, &buffer[..length]);
        }
        endpoint.timeout(start.elapsed());
        while let Some(output) = endpoint.poll() {
            match output {
                Output::Send { peer, datagram } => drop(socket.send_to(&datagram, peer)?),
                Output::Notification { ticket, ref message, .. } => {
                    println!("{:?} {output:?} {:?}", start.elapsed(), message.payload.get(..16));
                    notifications += 1;
                    if message.opts().block2().is_some_and(|block| block.more) {
                        let observed = Message::new(Code::GET).with_path(&observed);
                        let (now, how) = (start.elapsed(), SendOptions::default());
                        println!("rest: {:?}", endpoint.fetch_rest(now, ticket, observed, message.clone(), how));
                        waiting = Some(ticket);
                        continue;
                    }
                    let settled = match notifications {
                        ..4 => endpoint.accept(start.elapsed(), ticket),
                        _ => endpoint.reject(start.elapsed(), ticket),
                    };
                    println!("settled: {settled:?}");
                }
                Output::Response { ref response, .. } => {
                    let sum: u64 = response.payload.iter().map(|byte| u64::from(*byte)).sum();
                    println!("{:?} {output:?} sum {sum}", start.elapsed());
                    if let Some(ticket) = waiting.take() {
                        println!("settled: {:?}", endpoint.accept(start.elapsed(), ticket));
                    }
                }
                other => println!("{:?} {other:?}", start.elapsed()),
            }
        }
    }
    println!("{:?}", endpoint.load());
    Ok(())
}
