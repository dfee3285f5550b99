//! Slows the guessing of credentials (device-side section 3). Failures count by identity and by address, so that neither a neighbour behind the same NAT nor a
//! stranger elsewhere shuts out who proves itself.
//!
//! A right generated secret is never refused: nobody guesses 80 bits, so it is checked first, whatever failed before. Secrets that people
//! chose, such as verification codes, are not even looked at once their identity has used up its minute at an address that took part in that.

use crate::{minutes::Minutes, network};
use landfall_model::{Secret, Time};
use parking_lot::Mutex;
use std::{collections::hash_map::RandomState, hash::BuildHasher, net::IpAddr};

/// Entries of each of the tables.
const ROOM: usize = 100_000;
/// Different identities that may fail at one address in a minute before it must not try further secrets that people chose: one bad device
/// is one identity, who tries one code at all nodeIds is many.
const IDENTITIES: u32 = 60;

/// Who is turned away, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutOut {
    /// When it may try again.
    pub until: Time,
    /// Whether this is the first one to be turned away in its minute; only that one is worth a record.
    pub is_first: bool,
}

/// Failed attempts of the last minute.
pub struct Throttle {
    limit: u32,
    hasher: RandomState,
    tables: Mutex<Tables>,
}

struct Tables {
    /// By identity, over all addresses.
    identities: Minutes<u64>,
    /// By identity and address.
    pairs: Minutes<(u64, IpAddr)>,
    /// Identities that failed, by address.
    addresses: Minutes<IpAddr>,
    /// Who was turned away, by identity and address.
    told: Minutes<(u64, IpAddr)>,
}

impl Throttle {
    /// Allows an identity so many failures a minute; 0 switches it off.
    pub fn new(limit: u32) -> Self {
        let tables = Tables {
            identities: Minutes::new(ROOM),
            pairs: Minutes::new(ROOM),
            addresses: Minutes::new(ROOM),
            told: Minutes::new(ROOM),
        };
        Self { limit, hasher: RandomState::new(), tables: Mutex::new(tables) }
    }

    /// To be asked before a secret is compared. `Err` where it must not be: it may be guessed, and too many guesses failed.
    pub fn check(&self, identity: &str, address: IpAddr, secret: &Secret, now: Time) -> Result<(), ShutOut> {
        if self.limit == 0 || is_generated(secret) {
            return Ok(());
        }
        let (identity, address) = (self.hasher.hash_one(identity), network(address));
        let mut tables = self.tables.lock();
        match tables.shut_until(self.limit, identity, address, now) {
            Some(until) => Err(tables.shut_out(identity, address, until, now)),
            None => Ok(()),
        }
    }

    /// Counts an attempt that failed. `Some` where its identity had used up its minute before, and there is no more to tell about it.
    pub fn failed(&self, identity: &str, address: IpAddr, now: Time) -> Option<ShutOut> {
        if self.limit == 0 {
            return None;
        }
        let (identity, address) = (self.hasher.hash_one(identity), network(address));
        let mut tables = self.tables.lock();
        let shut = tables.shut_until(self.limit, identity, address, now);
        tables.identities.add(identity, now, self.limit);
        let is_new = tables.pairs.get(&(identity, address), now).0 == 0;
        // So that one address does not fill the table.
        if !is_new || tables.addresses.add(address, now, IDENTITIES).0 <= IDENTITIES {
            tables.pairs.add((identity, address), now, 1);
        }
        shut.map(|until| tables.shut_out(identity, address, until, now))
    }
}

impl Tables {
    /// An address without failures of this identity has no part in what others used up.
    fn shut_until(&self, limit: u32, identity: u64, address: IpAddr, now: Time) -> Option<Time> {
        let (here, _) = self.pairs.get(&(identity, address), now);
        let (everywhere, until) = self.identities.get(&identity, now);
        if here > 0 && everywhere >= limit {
            return Some(until);
        }
        let (identities, until) = self.addresses.get(&address, now);
        (identities >= IDENTITIES).then_some(until)
    }

    fn shut_out(&mut self, identity: u64, address: IpAddr, until: Time, now: Time) -> ShutOut {
        ShutOut { until, is_first: self.told.add((identity, address), now, u32::MAX).0 == 1 }
    }
}

/// Whether a secret has the form of those that the server makes: at least 80 bits in hex.
fn is_generated(secret: &Secret) -> bool {
    const DIGITS: usize = 20;
    /// Less of them in 20 random ones is as likely as to be struck by lightning.
    const DIFFERENT: u32 = 5;
    let text = secret.expose();
    let mut seen = 0_u16;
    let is_hex = text.chars().all(|digit| digit.to_digit(16).inspect(|value| seen |= 1 << value).is_some());
    is_hex && text.len() >= DIGITS && seen.count_ones() >= DIFFERENT
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u32 = 3;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn code() -> Secret {
        Secret::new("123456")
    }

    fn failing(throttle: &Throttle, identity: &str, address: &str, times: u32) {
        for _ in 0..times {
            throttle.failed(identity, ip(address), Time(0));
        }
    }

    #[test]
    fn a_right_generated_secret_is_always_looked_at() {
        let (throttle, generated) = (Throttle::new(LIMIT), Secret::new("00f1e2d3c4b5a6978899"));
        failing(&throttle, "a", "10.0.0.1", 100);
        assert_eq!(throttle.check("a", ip("10.0.0.1"), &generated, Time(0)), Ok(()));
        assert!(throttle.check("a", ip("10.0.0.1"), &code(), Time(0)).is_err());
        for guessable in ["", "00f1e2d3c4b5a697889", "00000000000000000000", "00f1e2d3c4b5a697889x", "secret of the device"] {
            assert!(!is_generated(&Secret::new(guessable)), "{guessable}");
        }
    }

    #[test]
    fn one_bad_device_shuts_out_itself_and_not_its_neighbours() {
        let throttle = Throttle::new(LIMIT);
        failing(&throttle, "bad", "10.0.0.1", 100);
        let shut = throttle.check("bad", ip("::ffff:10.0.0.1"), &code(), Time(59_999)).unwrap_err();
        assert_eq!(shut.until, Time(60_000));
        assert_eq!(throttle.check("good", ip("10.0.0.1"), &code(), Time(0)), Ok(()), "behind the same NAT");
        assert_eq!(throttle.check("bad", ip("10.0.0.1"), &code(), Time(60_000)), Ok(()));
    }

    #[test]
    fn strangers_do_not_shut_out_the_owner_and_share_one_budget() {
        let throttle = Throttle::new(LIMIT);
        for stranger in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"] {
            assert_eq!(throttle.check("node", ip(stranger), &code(), Time(0)), Ok(()));
            failing(&throttle, "node", stranger, 1);
        }
        assert!(throttle.check("node", ip("192.0.2.1"), &code(), Time(0)).is_err(), "one failure of its own, four of all");
        assert_eq!(throttle.check("node", ip("10.0.0.1"), &code(), Time(0)), Ok(()), "the owner's address is clean");
    }

    #[test]
    fn one_code_at_many_identities_is_guessing_too() {
        let throttle = Throttle::new(LIMIT);
        for n in 0..IDENTITIES {
            assert_eq!(throttle.check(&n.to_string(), ip("2001:db8::1"), &code(), Time(0)), Ok(()));
            failing(&throttle, &n.to_string(), "2001:db8::1", 1);
        }
        assert!(throttle.check("next", ip("2001:db8::ffff"), &code(), Time(0)).is_err(), "the same /64");
        assert_eq!(throttle.check("next", ip("2001:db8:0:1::1"), &code(), Time(0)), Ok(()));
    }

    #[test]
    fn the_first_of_a_minute_is_told() {
        let throttle = Throttle::new(LIMIT);
        let outcomes = [(); 6].map(|()| throttle.failed("a", ip("10.0.0.1"), Time(0)).map(|shut| shut.is_first));
        assert_eq!(outcomes, [None, None, None, Some(true), Some(false), Some(false)]);
        assert!(throttle.check("a", ip("10.0.0.1"), &code(), Time(1)).is_err_and(|shut| !shut.is_first));
    }

    #[test]
    fn a_clock_that_is_set_back_ends_it_and_zero_switches_it_off() {
        let throttle = Throttle::new(LIMIT);
        failing(&throttle, "a", "10.0.0.1", LIMIT);
        assert_eq!(throttle.check("a", ip("10.0.0.1"), &code(), Time(-86_400_000)), Ok(()));
        let off = Throttle::new(0);
        failing(&off, "a", "10.0.0.1", 100);
        assert_eq!(off.check("a", ip("10.0.0.1"), &code(), Time(0)), Ok(()));
    }
}
