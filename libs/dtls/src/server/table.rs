//! The handshakes under way, by peer, by age, by time and by Connection ID; and the last flights of finished ones. Absent: what a handshake does.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
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

/// What it takes to repeat the last flight of a full handshake.
pub(super) struct LastFlight {
    /// Next unprotected record number.
    pub(super) plain_seq: u64,
    pub(super) message_seq: u16,
    pub(super) verify_data: [u8; 12],
    pub(super) client_random: [u8; 32],
}

/// Last flights until their client has surely received them (RFC 6347 section 4.2.4).
#[derive(Default)]
pub(super) struct Lingering {
    flights: HashMap<SessionId, LastFlight>,
    /// In order of time; may name flights that are gone.
    ends: VecDeque<(Duration, SessionId)>,
}

impl Lingering {
    pub(super) fn put(&mut self, until: Duration, id: SessionId, flight: LastFlight, most: usize) {
        while self.ends.len() >= most.max(1) {
            self.drop_first();
        }
        self.ends.push_back((until, id));
        self.flights.insert(id, flight);
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut LastFlight> {
        self.flights.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        if !self.flights.is_empty() {
            self.flights.remove(&id);
        }
    }

    pub(super) fn expire(&mut self, now: Duration) {
        while self.next().is_some_and(|at| at <= now) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, id)) = self.ends.pop_front() {
            self.flights.remove(&id);
        }
        if self.ends.is_empty() {
            *self = Self::default();
        }
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.ends.front().map(|(at, _)| *at)
    }
}
