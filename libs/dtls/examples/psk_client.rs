//! A client on UDP loopback for servers of others: `cargo run -p landfall-dtls --example psk_client -- PORT IDENTITY KEY_HEX TEXT [SUITE]...`.
//! It connects, sends the text, connects again (by resumption where the server can) and sends it again; each answer is printed. Absent: patience.

use std::fs::File;
use std::io::Read;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use landfall_dtls::{Client, ClientConfig, ClientOutput, Suite};

#[allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a program for a person's hands")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, identity, key, text, suites @ ..] = arguments.as_slice() else {
        return println!("usage: psk_client PORT IDENTITY KEY_HEX TEXT [SUITE]...");
    };
    let mut config = ClientConfig::new(identity.as_bytes(), hex::decode(key).unwrap());
    if !suites.is_empty() {
        config.suites = Suite::ALL.into_iter().filter(|suite| suites.iter().any(|name| suite.name().ends_with(name))).collect();
    }
    let mut source = File::open("/dev/urandom").unwrap();
    let mut client = Client::new(config, Box::new(move |bytes| source.read_exact(bytes).unwrap()));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let start = Instant::now();
    let mut buffer = [0; 65_536];
    for _ in 0..2 {
        client.connect(start.elapsed());
        let end = start.elapsed() + Duration::from_secs(4);
        let mut answered = false;
        while start.elapsed() < end && !answered {
            while let Some(output) = client.poll() {
                if let ClientOutput::Send(datagram) = output {
                    socket.send(&datagram).unwrap();
                    continue;
                }
                println!("{:?} {output:?}", start.elapsed());
                match output {
                    ClientOutput::Established { .. } => client.send(format!("{text}\n").as_bytes()).unwrap(),
                    ClientOutput::Data(bytes) => {
                        println!("    {}", String::from_utf8_lossy(&bytes).trim_end());
                        answered = true;
                    }
                    _ => {}
                }
            }
            match socket.recv(&mut buffer) {
                Ok(count) => client.handle(start.elapsed(), &buffer[..count]),
                Err(_) if client.poll_timeout().is_some_and(|at| at <= start.elapsed()) => client.timeout(start.elapsed()),
                Err(_) => {}
            }
        }
    }
}
