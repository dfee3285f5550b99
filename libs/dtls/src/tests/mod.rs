//! A server and clients over a network of a seed: virtual time, loss, copies, reordering. Absent: real sockets.

mod abuse;
mod flows;
mod forgeries;
mod hostile;
mod keeping;
mod moving;
mod parted;
mod renegotiation;
mod resuming;

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Client, ClientConfig, ClientOutput, Config, Output, Random, Server, SessionId, Suite};

pub(crate) const IDENTITY: &[u8] = b"urn:imei:490154203237518";
pub(crate) const KEY: &[u8] = b"a key of 24 bytes length";

pub(crate) fn address(number: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], number))
}

/// A generator that repeats with its seed; good enough to tell bytes apart, and for nothing else.
pub(crate) fn seeded(seed: u64) -> Random {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    Box::new(move |bytes| bytes.fill_with(|| dice.roll(256) as u8))
}

pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

pub(crate) fn client_config() -> ClientConfig {
    ClientConfig::new(IDENTITY, KEY)
}

pub(crate) struct Device {
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    pub(crate) events: Vec<ClientOutput>,
}

impl Device {
    pub(crate) fn data(&self) -> Vec<&[u8]> {
        self.events
            .iter()
            .filter_map(|event| if let ClientOutput::Data(bytes) = event { Some(bytes.as_slice()) } else { None })
            .collect()
    }
}

enum To {
    Server(SocketAddr),
    Address(SocketAddr),
}

/// One server, its devices, and the network between them.
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) server: Server,
    pub(crate) devices: Vec<Device>,
    pub(crate) dice: Dice,
    /// Of a hundred datagrams.
    pub(crate) loss: u64,
    pub(crate) copies: u64,
    /// Longest way of a datagram; shorter ones overtake.
    pub(crate) delay_ms: u64,
    pub(crate) events: Vec<Output>,
    /// Every datagram sent, lost or not: from the server or not, and its bytes.
    pub(crate) tapped: Vec<(bool, Vec<u8>)>,
    /// Clients send their hellos in fragments of this many bytes.
    pub(crate) cut: Option<usize>,
    /// The key the owner answers with at once; `None`: the owner does not answer.
    pub(crate) key: Option<Option<Vec<u8>>>,
    /// The owner sends all data back.
    pub(crate) echo: bool,
    way: BTreeMap<(Duration, u64), (To, Vec<u8>)>,
    sent: u64,
}

impl World {
    pub(crate) fn new(seed: u64, config: Config) -> Self {
        Self {
            now: Duration::from_secs(1_000),
            server: Server::new(config, seeded(seed)),
            devices: Vec::new(),
            dice: Dice(seed.wrapping_add(77).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            loss: 0,
            copies: 0,
            delay_ms: 1,
            events: Vec::new(),
            tapped: Vec::new(),
            cut: None,
            key: Some(Some(KEY.to_vec())),
            echo: true,
            way: BTreeMap::new(),
            sent: 0,
        }
    }

    pub(crate) fn device(&mut self, config: ClientConfig) -> usize {
        let number = self.devices.len();
        let random = seeded(self.dice.roll(1 << 40));
        let address = address(5_000 + number as u16);
        self.devices.push(Device { client: Client::new(config, random), address, events: Vec::new() });
        number
    }

    /// A device that connects at once, and the session it got.
    pub(crate) fn connected(&mut self, config: ClientConfig) -> (usize, SessionId) {
        let device = self.device(config);
        self.connect(device);
        self.settle();
        (device, self.last_session())
    }

    pub(crate) fn connect(&mut self, device: usize) {
        self.devices[device].client.connect(self.now);
        self.drain();
    }

    pub(crate) fn last_session(&self) -> SessionId {
        let found = self
            .events
            .iter()
            .rev()
            .find_map(|event| if let Output::Established { session, .. } = event { Some(*session) } else { None });
        found.expect("a session")
    }

    pub(crate) fn say(&mut self, device: usize, bytes: &[u8]) {
        self.devices[device].client.send(bytes).expect("sent");
        self.drain();
    }

    /// Gives the server a datagram as from `from`, and keeps what it wants of the owner.
    pub(crate) fn inject(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.server.handle(self.now, from, datagram);
        self.drain();
    }

    fn post(&mut self, to: To, bytes: Vec<u8>) {
        self.tapped.push((matches!(to, To::Address(_)), bytes.clone()));
        let copies = if self.dice.roll(100) < self.copies { 2 } else { 1 };
        for _ in 0..copies {
            if self.dice.roll(100) >= self.loss {
                let delay = Duration::from_micros(1 + self.dice.roll(self.delay_ms * 1_000));
                self.sent += 1;
                let to = match &to {
                    To::Server(from) => To::Server(*from),
                    To::Address(to) => To::Address(*to),
                };
                self.way.insert((self.now + delay, self.sent), (to, bytes.clone()));
            }
        }
    }

    /// Empties both ends.
    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.server.poll() {
            match &output {
                Output::Send { to, datagram } => self.post(To::Address(*to), datagram.clone()),
                Output::PskWanted { lookup, .. } => {
                    if let Some(key) = &self.key {
                        self.server.psk(self.now, *lookup, key.as_deref());
                    }
                }
                Output::Data { session, bytes, .. } if self.echo => {
                    // A device that went away meanwhile gets nothing.
                    let _ = self.server.send(self.now, *session, bytes);
                }
                _ => {}
            }
            if !matches!(output, Output::Send { .. }) {
                self.events.push(output);
            }
        }
        for number in 0..self.devices.len() {
            while let Some(output) = self.devices[number].client.poll() {
                match output {
                    ClientOutput::Send(bytes) => {
                        for part in self.cut.map_or_else(|| vec![bytes.clone()], |size| crate::fuzz::cut_hello(&bytes, size)) {
                            self.post(To::Server(self.devices[number].address), part);
                        }
                    }
                    other => self.devices[number].events.push(other),
                }
            }
        }
    }

    fn next(&self) -> Option<Duration> {
        let way = self.way.keys().next().map(|(at, _)| *at);
        let clients = self.devices.iter().filter_map(|device| device.client.poll_timeout());
        clients.chain(way).chain(self.server.poll_timeout()).min()
    }

    /// Does the next thing that is due until `end`; false when there is none.
    pub(crate) fn step(&mut self, end: Duration) -> bool {
        let Some(at) = self.next().filter(|at| *at <= end) else { return false };
        self.now = self.now.max(at);
        if let Some(entry) = self.way.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                (To::Server(from), bytes) => self.server.handle(self.now, from, &bytes),
                (To::Address(to), bytes) => {
                    for device in self.devices.iter_mut().filter(|device| device.address == to) {
                        device.client.handle(self.now, &bytes);
                    }
                }
            }
        } else {
            if self.server.poll_timeout().is_some_and(|at| at <= self.now) {
                self.server.timeout(self.now);
            }
            for device in &mut self.devices {
                if device.client.poll_timeout().is_some_and(|at| at <= self.now) {
                    device.client.timeout(self.now);
                }
            }
        }
        self.drain();
        true
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.drain();
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until nothing is on its way; timers do not count.
    pub(crate) fn settle(&mut self) {
        while let Some((at, _)) = self.way.keys().next().copied() {
            self.step(at);
        }
    }

    pub(crate) fn refusals(&self) -> Vec<&'static str> {
        self.events
            .iter()
            .filter_map(|event| if let Output::Refused { check, .. } = event { Some(check.name()) } else { None })
            .collect()
    }

    pub(crate) fn data(&self) -> Vec<&[u8]> {
        self.events
            .iter()
            .filter_map(|event| if let Output::Data { bytes, .. } = event { Some(bytes.as_slice()) } else { None })
            .collect()
    }
}

/// Every suite, with and without extended master secret, encrypt-then-MAC and Connection IDs of three lengths.
pub(crate) fn all_forms() -> Vec<ClientConfig> {
    let mut forms = Vec::new();
    for suite in Suite::ALL {
        for (ems, encrypt_then_mac) in [(false, false), (false, true), (true, false), (true, true)] {
            for cid in [None, Some(Vec::new()), Some(b"cid".to_vec()), Some(vec![9; 32])] {
                let mut form = client_config();
                form.suites = vec![suite];
                (form.ems, form.encrypt_then_mac, form.cid) = (ems, encrypt_then_mac, cid);
                forms.push(form);
            }
        }
    }
    forms
}
