//! A datagram network in virtual time: it loses, doubles, delays and reorders what it carries, and its NATs change the addresses of those
//! behind them. One seed, one story.
//!
//! Absent: sockets and clocks; fragmentation; answers that unreachable hosts cause.

use crate::world::Seeded;
use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

/// Datagrams that may be under way; further ones are lost.
const UNDER_WAY: usize = 1_000_000;
/// First address that a NAT shows: 198.18.0.0, of the range for benchmarks (RFC 2544).
const PUBLIC: u32 = 0xc612_0000;
/// Ports that one public address shows, and the first of them.
const PORTS: u32 = 60_000;
const FIRST_PORT: u32 = 1_024;

/// What happens to a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// How many of a hundred are lost.
    pub loss_percent: u8,
    /// How many of a hundred that are not lost arrive twice, each copy after a delay of its own.
    pub duplicate_percent: u8,
    /// How long one is under way, milliseconds; a range reorders.
    pub delay_ms: RangeInclusive<u32>,
}

impl Default for Conditions {
    /// Everything arrives once, after 10 ms, in order.
    fn default() -> Self {
        Self { loss_percent: 0, duplicate_percent: 0, delay_ms: 10..=10 }
    }
}

/// A datagram at its destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Where it seems to come from.
    pub from: SocketAddr,
    /// Who gets it.
    pub to: SocketAddr,
    /// The bytes.
    pub datagram: Vec<u8>,
}

/// The network. Give it datagrams with [`Network::send`], take them with [`Network::arrival`] when [`Network::next_due`] says so.
#[derive(Debug)]
pub struct Network {
    random: Seeded,
    conditions: Conditions,
    under_way: BTreeMap<(Duration, u64), Parcel>,
    sent: u64,
    nats: HashMap<SocketAddr, Nat>,
    /// Who is behind a public address now.
    hosts: HashMap<SocketAddr, SocketAddr>,
    shown: u32,
}

#[derive(Debug)]
struct Nat {
    public: SocketAddr,
    /// Datagrams from the host between two changes of its address.
    every: Option<u32>,
    passed: u32,
}

impl Network {
    /// A network under the best conditions, whose accidents follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: Seeded::new(seed),
            conditions: Conditions::default(),
            under_way: BTreeMap::new(),
            sent: 0,
            nats: HashMap::new(),
            hosts: HashMap::new(),
            shown: 0,
        }
    }

    /// From now on this happens to datagrams; those under way stay as they are.
    pub fn set(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Puts `host` behind a NAT that gives it another public address after each `every` datagrams it sends; `None`: only when told to.
    pub fn put_behind_nat(&mut self, host: SocketAddr, every: Option<u32>) {
        let public = self.show(host);
        self.nats.insert(host, Nat { public, every, passed: 0 });
    }

    /// Gives `host`, if it is behind a NAT, another public address. What is under way to the old one is lost.
    pub fn rebind(&mut self, host: SocketAddr) {
        let Some(old) = self.nats.get(&host).map(|nat| nat.public) else { return };
        self.hosts.remove(&old);
        let public = self.show(host);
        if let Some(nat) = self.nats.get_mut(&host) {
            (nat.public, nat.passed) = (public, 0);
        }
    }

    /// The address that others see of `host`.
    #[must_use]
    pub fn public(&self, host: SocketAddr) -> SocketAddr {
        self.nats.get(&host).map_or(host, |nat| nat.public)
    }

    /// Takes a datagram at `now`.
    pub fn send(&mut self, now: Duration, from: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        let from = self.pass_nat(from);
        if self.happens(self.conditions.loss_percent) {
            return;
        }
        let copies = if self.happens(self.conditions.duplicate_percent) { 2 } else { 1 };
        for _ in 0..copies {
            if self.under_way.len() >= UNDER_WAY {
                return;
            }
            let due = now + Duration::from_millis(self.delay_ms());
            self.sent += 1;
            self.under_way.insert((due, self.sent), Parcel { from, to, datagram: datagram.to_vec() });
        }
    }

    /// When the next datagram arrives.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.under_way.keys().next().map(|(due, _)| *due)
    }

    /// The next datagram that has arrived by `now`, at the host that it is for.
    pub fn arrival(&mut self, now: Duration) -> Option<Parcel> {
        loop {
            let first = self.under_way.first_entry().filter(|first| first.key().0 <= now)?;
            let parcel = first.remove();
            if !is_public(parcel.to) {
                return Some(parcel);
            }
            if let Some(to) = self.hosts.get(&parcel.to).copied() {
                return Some(Parcel { to, ..parcel });
            }
        }
    }

    fn pass_nat(&mut self, host: SocketAddr) -> SocketAddr {
        let Some(nat) = self.nats.get_mut(&host) else { return host };
        nat.passed += 1;
        if nat.every.is_some_and(|every| nat.passed > every) {
            self.rebind(host);
            self.nats.entry(host).and_modify(|nat| nat.passed = 1);
        }
        self.public(host)
    }

    /// A public address that nobody had before.
    fn show(&mut self, host: SocketAddr) -> SocketAddr {
        let ip = IpAddr::V4(Ipv4Addr::from_bits(PUBLIC + self.shown / PORTS));
        let public = SocketAddr::new(ip, (FIRST_PORT + self.shown % PORTS) as u16);
        self.shown += 1;
        self.hosts.insert(public, host);
        public
    }

    fn happens(&mut self, percent: u8) -> bool {
        self.random.below(100) < usize::from(percent)
    }

    fn delay_ms(&mut self) -> u64 {
        let (least, most) = (*self.conditions.delay_ms.start(), *self.conditions.delay_ms.end());
        u64::from(least) + self.random.below(most.saturating_sub(least) as usize + 1) as u64
    }
}

/// Whether only a NAT shows this address: 198.18.0.0/15.
fn is_public(address: SocketAddr) -> bool {
    matches!(address.ip(), IpAddr::V4(ip) if ip.to_bits() & 0xfffe_0000 == PUBLIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "192.0.2.1:5684";
    const HOST: &str = "10.0.0.1:5000";

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    /// What arrives of `count` numbered datagrams, one sent each millisecond, in the order of arrival.
    fn story(seed: u64, conditions: Conditions, count: u8) -> Vec<u8> {
        let mut network = Network::new(seed);
        network.set(conditions);
        for n in 0..count {
            network.send(Duration::from_millis(n.into()), at(HOST), at(SERVER), &[n]);
        }
        let mut seen = vec![];
        while let Some(due) = network.next_due() {
            seen.extend(network.arrival(due).map(|parcel| parcel.datagram[0]));
        }
        seen
    }

    #[test]
    fn a_good_network_changes_nothing() {
        assert_eq!(story(1, Conditions::default(), 50), (0..50).collect::<Vec<u8>>());
    }

    #[test]
    fn a_bad_network_loses_doubles_and_reorders_by_its_seed() {
        let bad = Conditions { loss_percent: 20, duplicate_percent: 20, delay_ms: 1..=100 };
        let seen = story(1, bad.clone(), 200);
        assert_eq!(seen, story(1, bad.clone(), 200));
        assert_ne!(seen, story(2, bad, 200));
        let mut sorted = seen.clone();
        sorted.sort_unstable();
        assert_ne!(seen, sorted, "some overtook others");
        let doubles = sorted.windows(2).filter(|pair| pair[0] == pair[1]).count();
        sorted.dedup();
        assert!((120..190).contains(&sorted.len()), "{} of 200 arrived", sorted.len());
        assert!((10..60).contains(&doubles), "{doubles} arrived twice");
    }

    #[test]
    fn a_nat_shows_new_addresses_and_forgets_old_ones() {
        let mut network = Network::new(1);
        network.put_behind_nat(at(HOST), Some(2));
        let mut shown = vec![];
        for _ in 0..5 {
            network.send(Duration::ZERO, at(HOST), at(SERVER), b"up");
            shown.push(network.arrival(Duration::from_secs(1)).unwrap().from);
        }
        assert!(shown[0] == shown[1] && shown[1] != shown[2] && shown[2] == shown[3] && shown[3] != shown[4], "{shown:?}");
        for (to, arrives) in [(shown[4], true), (shown[0], false)] {
            network.send(Duration::ZERO, at(SERVER), to, b"down");
            let parcel = network.arrival(Duration::from_secs(1));
            assert_eq!(parcel.map(|parcel| parcel.to), arrives.then(|| at(HOST)), "{to}");
        }
        network.rebind(at(HOST));
        assert_ne!(network.public(at(HOST)), shown[4]);
        assert_eq!(network.public(at(SERVER)), at(SERVER));
    }
}
