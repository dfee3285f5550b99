//! Processor time of one QoS 1 PUBLISH through the machine: `cargo run --release -p landfall-mqtt --example publish_cost`.
//! Absent: sockets and any owner's work; this is the floor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall_mqtt::{Accept, Connection, Input, Limits, Output};

const ROUNDS: u32 = 1_000_000;

#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement for a person")]
fn main() {
    for (version, connect, publish) in [
        ("3.1.1", &b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c"[..], qos1(&[])),
        ("5.0", &b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01c"[..], qos1(&[0])),
    ] {
        let mut connection = Connection::new(Arc::new(Limits::default()), Duration::ZERO);
        drive(&mut connection, connect);
        let start = Instant::now();
        let mut sent = 0;
        for _ in 0..ROUNDS {
            sent += drive(&mut connection, &publish);
        }
        let each = start.elapsed() / ROUNDS;
        println!("MQTT {version}: {each:?} for one QoS 1 PUBLISH of {} B ({sent} B acknowledged)", publish.len());
    }
}

/// A topic of 40 bytes and a payload of 80.
fn qos1(properties: &[u8]) -> Vec<u8> {
    let topic = b"plant/00000007/devices/0123456789/data/1";
    let body = [&[0, topic.len() as u8][..], topic, &[0, 1], properties, &[b'x'; 80]].concat();
    [&[0x32, body.len() as u8][..], &body].concat()
}

fn drive(connection: &mut Connection, bytes: &[u8]) -> usize {
    let mut sent = 0;
    connection.handle(Duration::ZERO, Input::Data(bytes));
    while let Some(output) = connection.poll() {
        match output {
            Output::Connect(_) => connection.handle(Duration::ZERO, Input::Accept(Accept::default())),
            Output::Publish(publish) => {
                connection.handle(Duration::ZERO, Input::PublishDone { ticket: publish.ticket, result: Ok(()) })
            }
            Output::Send(bytes) => sent += bytes.len(),
            _ => {}
        }
    }
    sent
}
