//! A TCP proxy before PostgreSQL that stops forwarding when it is told to, as a stopped process does, or a network that swallows everything:
//! nothing is closed.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

pub struct Stall {
    /// Of the server, through the proxy.
    pub url: String,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    bell: Condvar,
    connections: AtomicUsize,
}

impl Stall {
    /// Before the server of a URL with a host and a port.
    pub fn before(url: &str) -> Self {
        let config: postgres::Config = url.parse().unwrap();
        let [postgres::config::Host::Tcp(host)] = config.get_hosts() else { panic!("one host in {url}") };
        let server = format!("{host}:{}", config.get_ports()[0]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().to_string();
        assert!(url.contains(&server), "{server} in {url}");
        let (url, gate) = (url.replace(&server, &own), Arc::<Gate>::default());
        let shared = gate.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                shared.connections.fetch_add(1, Ordering::SeqCst);
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to, gate) = (from.try_clone().unwrap(), to.try_clone().unwrap(), shared.clone());
                    thread::spawn(move || gate.forward(from, to));
                }
            }
        });
        Self { url, gate }
    }

    /// From now on nothing passes.
    pub fn hang(&self) {
        *self.gate.shut.lock().unwrap() = true;
    }

    /// What was held back passes, and all that follows.
    pub fn go_on(&self) {
        *self.gate.shut.lock().unwrap() = false;
        self.gate.bell.notify_all();
    }

    /// How many there have been.
    pub fn connections(&self) -> usize {
        self.gate.connections.load(Ordering::SeqCst)
    }
}

impl Gate {
    fn forward(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut part = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut part) {
            self.pass();
            if to.write_all(&part[..read]).is_err() {
                break;
            }
        }
        self.pass();
        drop(to.shutdown(Shutdown::Write));
    }

    fn pass(&self) {
        drop(self.bell.wait_while(self.shut.lock().unwrap(), |shut| *shut).unwrap());
    }
}
