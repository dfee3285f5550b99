//! Failed attempts by address and by nodeId, so that nobody can try codes or passwords in bulk.

use landfall_model::Time;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

const MINUTE_S: i64 = 60;
/// AgentLite tries once every 30 s; many devices may stand behind one address.
const NODE_FAILURES: u32 = 10;
const ADDRESS_FAILURES: u32 = 60;
const KEYS: usize = 100_000;

/// Who failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Address(IpAddr),
    Node(String),
}

impl Key {
    /// An address; of IPv6 the network part, as one host has all of it.
    pub fn address(ip: IpAddr) -> Self {
        Self::Address(match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }

    fn limit(&self) -> u32 {
        match self {
            Self::Address(_) => ADDRESS_FAILURES,
            Self::Node(_) => NODE_FAILURES,
        }
    }
}

/// Failures in the minute that began with the first one. Full, it forgets nobody and takes nobody new until a minute has passed.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<Key, Failures>>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    since_s: i64,
    count: u32,
}

impl Throttle {
    /// Whether the key has failed so often that it must wait.
    pub fn is_closed(&self, key: &Key, now: Time) -> bool {
        let failures = self.0.lock();
        failures.get(key).is_some_and(|f| now.unix_s() < f.since_s + MINUTE_S && f.count >= key.limit())
    }

    /// Counts a failure.
    pub fn failed(&self, keys: impl IntoIterator<Item = Key>, now: Time) {
        let now_s = now.unix_s();
        let mut failures = self.0.lock();
        for key in keys {
            if failures.len() >= KEYS {
                failures.retain(|_, f| now_s < f.since_s + MINUTE_S);
            }
            if failures.len() >= KEYS && !failures.contains_key(&key) {
                continue;
            }
            let entry = failures.entry(key).or_insert(Failures { since_s: now_s, count: 0 });
            if now_s >= entry.since_s + MINUTE_S {
                *entry = Failures { since_s: now_s, count: 0 };
            }
            entry.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_too_often_waits_a_minute() {
        let (throttle, node) = (Throttle::default(), Key::Node("n".into()));
        for n in 0..NODE_FAILURES {
            assert!(!throttle.is_closed(&node, Time(0)), "{n}");
            throttle.failed([node.clone()], Time(0));
        }
        assert!(throttle.is_closed(&node, Time(59_999)));
        assert!(!throttle.is_closed(&Key::Node("m".into()), Time(0)));
        assert!(!throttle.is_closed(&node, Time(60_000)));
        throttle.failed([node.clone()], Time(60_000));
        assert!(!throttle.is_closed(&node, Time(60_000)), "a new minute counts anew");
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let key = |text: &str| Key::address(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
    }

    #[test]
    fn the_table_is_bounded() {
        let throttle = Throttle::default();
        throttle.failed((0..KEYS + 9).map(|n| Key::Node(n.to_string())), Time(0));
        assert_eq!(throttle.0.lock().len(), KEYS);
        throttle.failed([Key::Node("late".into())], Time(60_000));
        assert_eq!(throttle.0.lock().len(), 1);
    }
}
