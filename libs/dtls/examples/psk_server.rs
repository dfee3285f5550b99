//! A server on UDP loopback for clients of others: `cargo run -p landfall-dtls --example psk_server -- PORT IDENTITY KEY_HEX [SUITE]...`.
//! It answers CoAP requests with a text and echoes everything else. Absent: everything that a real server has besides.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use landfall_dtls::{Config, Output, Server, Suite};

#[allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a program for a person's hands")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, identity, key, suites @ ..] = arguments.as_slice() else {
        return println!("usage: psk_server PORT IDENTITY KEY_HEX [SUITE]...");
    };
    let key = hex::decode(key).unwrap();
    let mut config = Config::default();
    if !suites.is_empty() {
        config.suites = Suite::ALL.into_iter().filter(|suite| suites.iter().any(|name| suite.name().ends_with(name))).collect();
    }
    let mut source = File::open("/dev/urandom").unwrap();
    let mut server = Server::new(config, Box::new(move |bytes| source.read_exact(bytes).unwrap()));
    let socket = UdpSocket::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
    let start = Instant::now();
    let mut buffer = [0; 65_536];
    println!("listening on {}", socket.local_addr().unwrap());
    loop {
        let wait = server.poll_timeout().map(|at| at.saturating_sub(start.elapsed()).max(Duration::from_millis(1)));
        socket.set_read_timeout(wait).unwrap();
        match socket.recv_from(&mut buffer) {
            Ok((count, from)) => server.handle(start.elapsed(), from, &buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => server.timeout(start.elapsed()),
            Err(error) => println!("{error}"),
        }
        while let Some(output) = server.poll() {
            println!("{:?} {output:?}", start.elapsed());
            let now = start.elapsed();
            match output {
                Output::Send { to, datagram } => drop(socket.send_to(&datagram, to)),
                Output::PskWanted { lookup, identity: asked, .. } => {
                    server.psk(now, lookup, (asked == identity.as_bytes()).then_some(&key));
                }
                Output::Established { session, .. } => {
                    if let Some(info) = server.session(session) {
                        let (ems, etm, limit) = (info.ems, info.encrypt_then_mac, info.max_plaintext_bytes);
                        println!("    ems: {ems}, encrypt-then-MAC: {etm}, plaintext limit: {limit}");
                    }
                }
                Output::Data { session, bytes, .. } => drop(server.send(now, session, &answer(&bytes))),
                Output::ReserveWanted { session } => {
                    // Nothing is durable here; a real server stores the bytes first.
                    if let Some(saved) = server.saved(session, 1_000_000) {
                        server.reserved(session, saved.write_seq());
                    }
                }
                _ => {}
            }
        }
    }
}

/// 2.01 with a place for a confirmable CoAP POST, 2.05 with a text for other requests; anything else comes back.
fn answer(request: &[u8]) -> Vec<u8> {
    match request {
        [first, 1..=7, high, low, rest @ ..] if first >> 4 == 4 && rest.len() >= usize::from(first & 15) => {
            let token = &rest[..usize::from(first & 15)];
            let post = request.get(1) == Some(&2);
            let (code, rest) = if post { (0x41, &b"\x82rd\x011"[..]) } else { (0x45, &b"\xffcome ashore\n"[..]) };
            [&[0x60 | first & 15, code, *high, *low], token, rest].concat()
        }
        other => other.to_vec(),
    }
}
