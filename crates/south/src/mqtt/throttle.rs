//! Slows the guessing of credentials: failed CONNECTs an address may have in a minute. Pure; time is an argument.

use landfall_model::Time;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

/// Addresses that are remembered.
const ADDRESSES: usize = 10_000;
const WINDOW_S: i64 = 60;

/// Failures by address, of IPv6 by /64.
pub(crate) struct Throttle {
    limit: u32,
    failures: Mutex<HashMap<IpAddr, Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    since_s: i64,
    failures: u32,
}

impl Throttle {
    /// Allows `limit` failures a minute; 0 switches it off.
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, failures: Mutex::new(HashMap::new()) }
    }

    /// Whether the address has used up its failures.
    pub(crate) fn is_closed(&self, peer: IpAddr, now: Time) -> bool {
        let failures = self.failures.lock();
        self.limit > 0 && failures.get(&network(peer)).is_some_and(|w| w.failures >= self.limit && w.is_open(now))
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, peer: IpAddr, now: Time) {
        if self.limit == 0 {
            return;
        }
        let mut failures = self.failures.lock();
        let peer = network(peer);
        if failures.len() >= ADDRESSES && !failures.contains_key(&peer) {
            failures.retain(|_, window| window.is_open(now));
            if failures.len() >= ADDRESSES {
                return;
            }
        }
        let window = failures.entry(peer).or_insert(Window { since_s: now.unix_s(), failures: 0 });
        if !window.is_open(now) {
            *window = Window { since_s: now.unix_s(), failures: 0 };
        }
        window.failures += 1;
    }
}

impl Window {
    /// A clock that was set back ends the window too.
    fn is_open(self, now: Time) -> bool {
        (0..WINDOW_S).contains(&(now.unix_s() - self.since_s))
    }
}

fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_closed_until_its_minute_is_over() {
        let throttle = Throttle::new(3);
        for n in 0..3 {
            assert!(!throttle.is_closed(ip("10.0.0.1"), Time(n * 1000)));
            throttle.failed(ip("10.0.0.1"), Time(n * 1000));
        }
        assert!(throttle.is_closed(ip("10.0.0.1"), Time(59_000)));
        assert!(throttle.is_closed(ip("::ffff:10.0.0.1"), Time(59_000)), "the same address, mapped");
        assert!(!throttle.is_closed(ip("10.0.0.2"), Time(59_000)));
        assert!(!throttle.is_closed(ip("10.0.0.1"), Time(60_000)));
        throttle.failed(ip("10.0.0.1"), Time(60_000));
        assert!(!throttle.is_closed(ip("10.0.0.1"), Time(60_000)), "a new minute begins with one failure");
    }

    #[test]
    fn networks_of_ipv6_count_as_one() {
        let throttle = Throttle::new(1);
        throttle.failed(ip("2001:db8::1"), Time(0));
        assert!(throttle.is_closed(ip("2001:db8::ffff:1"), Time(0)));
        assert!(!throttle.is_closed(ip("2001:db8:0:1::1"), Time(0)));
    }

    #[test]
    fn the_table_is_bounded_and_zero_switches_off() {
        let throttle = Throttle::new(1);
        for n in 0..ADDRESSES as u32 + 10 {
            throttle.failed(IpAddr::V4(n.into()), Time(0));
        }
        assert_eq!(throttle.failures.lock().len(), ADDRESSES);
        throttle.failed(ip("255.0.0.1"), Time(60_000));
        assert_eq!(throttle.failures.lock().len(), 1);
        let off = Throttle::new(0);
        off.failed(ip("10.0.0.1"), Time(0));
        assert!(!off.is_closed(ip("10.0.0.1"), Time(0)));
    }
}
