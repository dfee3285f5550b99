//! The handshakes under way, by peer, by age, by time and by Connection ID; and what is kept for a while. Absent: what a handshake does.

use core::hash::Hash;
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::handshake::Handshake;
use crate::SessionId;

/// Every handshake is in all indices, or (while it is worked on) in none.
#[derive(Default)]
pub(super) struct Handshakes {
    by_peer: HashMap<SocketAddr, Box<Handshake>>,
    by_age: BTreeMap<u64, SocketAddr>,
    by_id: HashMap<SessionId, SocketAddr>,
    timers: BTreeSet<(Duration, SocketAddr)>,
    waiting: usize,
}

impl Handshakes {
    pub(super) fn put(&mut self, handshake: Box<Handshake>) {
        let peer = handshake.peer;
        self.by_age.insert(handshake.serial, peer);
        self.by_id.insert(handshake.id, peer);
        self.timers.insert((handshake.wakes_at(), peer));
        self.waiting += usize::from(handshake.is_waiting());
        self.by_peer.insert(peer, handshake);
    }

    pub(super) fn take(&mut self, peer: SocketAddr) -> Option<Box<Handshake>> {
        let handshake = self.by_peer.remove(&peer)?;
        self.by_age.remove(&handshake.serial);
        self.by_id.remove(&handshake.id);
        self.timers.remove(&(handshake.wakes_at(), peer));
        self.waiting -= usize::from(handshake.is_waiting());
        Some(handshake)
    }

    pub(super) fn take_serial(&mut self, serial: u64) -> Option<Box<Handshake>> {
        let peer = *self.by_age.get(&serial)?;
        self.take(peer)
    }

    pub(super) fn take_oldest(&mut self) -> Option<Box<Handshake>> {
        let peer = *self.by_age.first_key_value()?.1;
        self.take(peer)
    }

    pub(super) fn take_due(&mut self, now: Duration) -> Option<Box<Handshake>> {
        let (at, peer) = *self.timers.first()?;
        if at > now { None } else { self.take(peer) }
    }

    pub(super) fn get(&self, peer: SocketAddr) -> Option<&Handshake> {
        self.by_peer.get(&peer).map(Box::as_ref)
    }

    pub(super) fn peer_of(&self, id: SessionId) -> Option<SocketAddr> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.by_peer.len()
    }

    /// How many wait for the owner's answer.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }
}

/// What goes when its time comes, or as the one with the least time left where there are too many.
pub(super) struct Fading<K, V> {
    kept: HashMap<K, (Duration, V)>,
    order: BTreeSet<(Duration, K)>,
}

impl<K, V> Default for Fading<K, V> {
    fn default() -> Self {
        Self { kept: HashMap::new(), order: BTreeSet::new() }
    }
}

impl<K: Copy + Ord + Hash, V> Fading<K, V> {
    pub(super) fn put(&mut self, until: Duration, key: K, value: V) {
        self.remove(key);
        self.order.insert((until, key));
        self.kept.insert(key, (until, value));
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.kept.get(&key).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.kept.get_mut(&key).map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let (until, value) = self.kept.remove(&key)?;
        self.order.remove(&(until, key));
        if self.order.is_empty() {
            // What many needed is given back.
            *self = Self::default();
        }
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn take_first(&mut self) -> Option<(K, V)> {
        let (_, key) = *self.order.first()?;
        self.remove(key).map(|value| (key, value))
    }

    pub(super) fn take_due(&mut self, now: Duration) -> Option<(K, V)> {
        if self.next()? > now { None } else { self.take_first() }
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.order.first().map(|(until, _)| *until)
    }
}

/// What it takes to repeat the last flight of a full handshake (RFC 6347 section 4.2.4).
pub(super) struct LastFlight {
    /// Next unprotected record number.
    pub(super) plain_seq: u64,
    pub(super) message_seq: u16,
    pub(super) verify_data: [u8; 12],
    pub(super) client_random: [u8; 32],
}
