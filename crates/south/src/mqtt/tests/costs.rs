//! What connections cost. Run by hand, in release: `cargo test -p landfall-south --release -- --ignored --nocapture costs`.

use super::*;
use std::io::{Read, Write};

const CONNECTIONS: usize = 4_000;
const PUBLISHERS: usize = 50;
const MESSAGES: u16 = 4_000;

/// What the runtime adds to a task, and its registration of a socket with the poller.
const TASK: usize = 128;
const POLLER: usize = 256;
/// The counters of a shared value, and what the allocator needs for each.
const SHARED: usize = 16;
const ALLOCATED: usize = 16;

#[tokio::test]
async fn an_idle_connection_is_small() {
    let ground = Ground::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let task = stream::serve(ground.mqtt.clone(), stream, PEER.parse().unwrap(), ground.stop.subscribe(), taken(&ground.mqtt));
    let filter = commands(ground.device("node-1").await.id).len();
    let parts = [
        ("task", size_of_val(&task) + TASK),
        ("poller", POLLER),
        ("role", size_of::<super::super::session::Role>()),
        ("handle", size_of::<connections::Handle>() + SHARED),
        ("session lock", size_of::<tokio::sync::Mutex<()>>() + SHARED),
        ("place", (16 + size_of::<super::super::connections::Place>()) * 8 / 7 + 1 - ALLOCATED),
        ("subscription", size_of::<landfall_mqtt::Subscription>()),
        ("filter", filter),
        ("name", 36),
        ("listening", 18),
    ];
    let whole: usize = parts.iter().map(|(_, bytes)| bytes + ALLOCATED).sum();
    println!(
        "{whole} bytes: {parts:?}, link {}, machine {}, flow {}",
        size_of::<Link>(),
        size_of::<landfall_mqtt::Connection>(),
        size_of::<super::super::flow::Flow>()
    );
    assert!(whole <= 2_048, "{whole} bytes: {parts:?}");
}

/// Connected sockets of so many new devices.
#[allow(clippy::disallowed_methods, reason = "what the server does with a listener")]
async fn connected(ground: &Ground, devices: usize) -> Vec<(Arc<Device>, std::net::TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(stream::listen(ground.mqtt.clone(), listener, Transport::Tcp, Arc::default(), ground.stop.subscribe()));
    let mut sockets = vec![];
    for n in 0..devices {
        let device = ground.device(&format!("node-{n}")).await;
        let packet = super::listeners::connect_packet(&device);
        let socket = tokio::task::spawn_blocking(move || {
            let mut socket = std::net::TcpStream::connect(address).unwrap();
            socket.write_all(&packet).unwrap();
            socket.read_exact(&mut [0; 4]).unwrap();
            socket
        });
        sockets.push((device, socket.await.unwrap()));
    }
    sockets
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn costs_of_idle_connections() {
    let ground = Ground::new().await;
    drop(connected(&ground, 100).await);
    let before = resident_bytes();
    let mut devices = vec![];
    for n in 0..CONNECTIONS {
        devices.push(ground.device(&format!("idle-{n}")).await);
    }
    let registered = resident_bytes();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[allow(clippy::disallowed_methods, reason = "what the server does with a listener")]
    tokio::spawn(stream::listen(ground.mqtt.clone(), listener, Transport::Tcp, Arc::default(), ground.stop.subscribe()));
    let mut open = vec![];
    for device in &devices {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(&super::listeners::connect_packet(device)).await.unwrap();
        socket.read_exact(&mut [0; 4]).await.unwrap();
        open.push(socket.into_std().unwrap());
    }
    let connected = resident_bytes();
    println!("a registered device: {} bytes", (registered - before) / CONNECTIONS as u64);
    println!("its idle connection, store and events included: {} bytes", (connected - registered) / CONNECTIONS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn costs_of_publishes() {
    let ground = Ground::new().await;
    let sockets = connected(&ground, PUBLISHERS).await;
    #[allow(clippy::disallowed_methods, reason = "a measurement")]
    let start = std::time::Instant::now();
    let threads: Vec<_> = sockets
        .into_iter()
        .map(|(device, mut socket)| {
            std::thread::spawn(move || {
                let topic = data(device.id);
                for first in (0..MESSAGES).step_by(100) {
                    let mut bytes = vec![];
                    for id in first + 1..=first + 100 {
                        let mut body = vec![];
                        text(&mut body, &topic);
                        body.extend_from_slice(&id.to_be_bytes());
                        body.extend_from_slice(&report(i32::from(id)));
                        bytes.extend(packet(0x32, &body));
                    }
                    socket.write_all(&bytes).unwrap();
                    socket.read_exact(&mut [0; 400]).unwrap();
                }
            })
        })
        .collect();
    tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| thread.join().unwrap())).await.unwrap();
    let messages = PUBLISHERS * usize::from(MESSAGES);
    let seconds = start.elapsed().as_secs_f64();
    println!("{messages} QoS 1 publishes of {PUBLISHERS} connections: {:.0} a second", messages as f64 / seconds);
    assert_eq!(ground.mqtt.counters().publishes, messages as u64);
}
