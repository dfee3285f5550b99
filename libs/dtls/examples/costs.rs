//! Processor time of handshakes and records in memory: `cargo run --release -p landfall-dtls --example costs`.
//! Absent: sockets and any owner's work; this is the floor. Handshakes count the server's part and the client's apart.

use std::time::{Duration, Instant};

use landfall_dtls::{Client, ClientConfig, ClientOutput, Config, Output, Server, SessionId, Suite};

const HANDSHAKES: u16 = 20_000;
const RECORDS: u32 = 200_000;

fn random(seed: u64) -> landfall_dtls::Random {
    let mut state = seed | 1;
    Box::new(move |bytes| {
        for chunk in bytes.chunks_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            chunk.copy_from_slice(&(state >> 3).to_be_bytes()[..chunk.len()]);
        }
    })
}

struct Pair {
    server: Server,
    client: Client,
    session: Option<SessionId>,
    server_time: Duration,
    received: u32,
}

#[allow(clippy::disallowed_methods, reason = "a measurement for a person")]
fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *total += start.elapsed();
    result
}

impl Pair {
    /// Until nothing is said any more.
    fn talk(&mut self, port: u16) {
        let from = ([127, 0, 0, 1], port).into();
        loop {
            let mut quiet = true;
            while let Some(output) = self.client.poll() {
                quiet = false;
                if let ClientOutput::Send(datagram) = output {
                    timed(&mut self.server_time, || self.server.handle(Duration::ZERO, from, &datagram));
                }
            }
            while let Some(output) = timed(&mut self.server_time, || self.server.poll()) {
                quiet = false;
                match output {
                    Output::Send { datagram, .. } => self.client.handle(Duration::ZERO, &datagram),
                    Output::PskWanted { lookup, .. } => {
                        timed(&mut self.server_time, || self.server.psk(Duration::ZERO, lookup, Some(b"0123456789abcdef")));
                    }
                    Output::Established { session, .. } => self.session = Some(session),
                    Output::Data { .. } => self.received += 1,
                    _ => {}
                }
            }
            if quiet {
                return;
            }
        }
    }
}

#[allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for a person")]
fn main() {
    for suite in Suite::ALL {
        for encrypt_then_mac in [true, false] {
            if !encrypt_then_mac && suite != Suite::PskAes128CbcSha256 {
                continue;
            }
            let server = Server::new(Config { first_reserve: u64::MAX, ..Config::default() }, random(1));
            let mut config = ClientConfig::new(*b"urn:imei:000000000000001", *b"0123456789abcdef");
            (config.suites, config.encrypt_then_mac) = (vec![suite], encrypt_then_mac);
            let client = Client::new(config, random(2));
            let mut pair = Pair { server, client, session: None, server_time: Duration::ZERO, received: 0 };
            let start = Instant::now();
            for port in 0..HANDSHAKES {
                pair.client.forget();
                pair.client.connect(Duration::ZERO);
                pair.talk(port);
            }
            let (whole, part) = (start.elapsed(), pair.server_time);
            let etm = if encrypt_then_mac { "" } else { " (MAC, then encrypt)" };
            println!("{}{etm}", suite.name());
            println!("  full handshake: server {:?}, both {:?}", part / u32::from(HANDSHAKES), whole / u32::from(HANDSHAKES));
            let (mut send, mut receive) = (Duration::ZERO, Duration::ZERO);
            let from = ([127, 0, 0, 1], HANDSHAKES - 1).into();
            for _ in 0..RECORDS {
                pair.client.send(&[7; 80]).unwrap();
                let Some(ClientOutput::Send(datagram)) = pair.client.poll() else { return };
                let got = timed(&mut receive, || {
                    pair.server.handle(Duration::ZERO, from, &datagram);
                    pair.server.poll()
                });
                assert!(matches!(got, Some(Output::Data { .. })));
                let session = pair.session.unwrap();
                timed(&mut send, || {
                    pair.server.send(Duration::ZERO, session, &[7; 80]).unwrap();
                    pair.server.poll()
                });
            }
            println!("  record of 80 B: receive {:?}, send {:?}", receive / RECORDS, send / RECORDS);
        }
    }
}
