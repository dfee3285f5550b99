//! The server: many peers, their handshakes and sessions. Absent: sockets, clocks, and the keys of devices.

mod cookie;
mod handshake;
mod keeping;
mod opening;
mod progress;
mod records;
mod session;
mod table;

use core::net::SocketAddr;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use cookie::Cookies;
#[cfg(test)]
pub(crate) use opening::REPEAT_AFTER;
use session::{Route, Secret, Session};
use table::{Fading, Handshakes, LastFlight};

use crate::channel::SealError;
use crate::hello::Fault;
use crate::wire::{ALERT, APPLICATION_DATA, Reader, Record};
use crate::{Alert, Check, CloseReason, Config, Counters, Output, Random, SendError, SessionId, SessionInfo};

/// Our Connection IDs: a [`SessionId`], big-endian.
const CID_BYTES: usize = 8;
/// Records read of one datagram; what comes after is dropped, as if the network had lost it.
const RECORDS_PER_DATAGRAM: usize = 64;

/// A DTLS 1.2 server for any number of peers.
///
/// Fed by [`Server::handle`] (a datagram), [`Server::psk`] (an answer), [`Server::timeout`] (the time came), [`Server::send`] and [`Server::close`]. After each of
/// them, drain [`Server::poll`] until `None`, then sleep until [`Server::poll_timeout`]. Times are durations since any fixed start and never go back.
///
/// Nothing is kept of a client before it returned a valid cookie, and what is sent to it until then is smaller than what it sent.
pub struct Server {
    config: Config,
    random: Random,
    outputs: VecDeque<Output>,
    sessions: HashMap<SessionId, Box<Session>>,
    /// Sessions that their clients closed and may resume; they make room for live ones.
    closed: Fading<SessionId, Box<Secret>>,
    /// The session that plain records of an address belong to. Sessions with a Connection ID are here only where no other one needs the place.
    by_peer: HashMap<SocketAddr, SessionId>,
    /// Session ids that resumed sessions took over from the ones before them.
    by_resume_id: HashMap<u64, SessionId>,
    /// ClientHellos in fragments, of addresses that returned a cookie.
    hellos: Fading<SocketAddr, opening::PartialHello>,
    handshakes: Handshakes,
    /// Last flights of full handshakes, until their client has surely received them.
    lingering: Fading<SessionId, LastFlight>,
    cookies: Cookies,
    /// Handshakes ever begun; numbers handshakes and lookups.
    serial: u64,
    junk: Junk,
    counters: Counters,
}

/// How many refusals of unauthenticated records were told in the current second.
#[derive(Default)]
struct Junk {
    second: u64,
    told: u32,
}

impl Server {
    /// A server without sessions. `random` must be unpredictable: keys of cookies, ids and initialization vectors come from it.
    pub fn new(config: Config, mut random: Random) -> Self {
        let cookies = Cookies::new(config.cookie_period, &mut random);
        Self {
            config,
            random,
            outputs: VecDeque::new(),
            sessions: HashMap::new(),
            closed: Fading::default(),
            by_peer: HashMap::new(),
            by_resume_id: HashMap::new(),
            hellos: Fading::default(),
            handshakes: Handshakes::default(),
            lingering: Fading::default(),
            cookies,
            serial: 0,
            junk: Junk::default(),
            counters: Counters::default(),
        }
    }

    /// Takes one datagram, with one record or several. Anything that cannot be authenticated is dropped without an answer, but for the messages of a handshake.
    pub fn handle(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) {
        self.counters.datagrams += 1;
        if self.outputs.len() >= self.config.outputs {
            self.counters.overflow += 1;
            return;
        }
        let mut reader = Reader(datagram);
        for _ in 0..RECORDS_PER_DATAGRAM {
            if reader.is_empty() {
                return;
            }
            let Some(record) = Record::read(&mut reader, CID_BYTES) else {
                return self.refuse_junk(now, from, None, Check::RecordMalformed, "not a record");
            };
            self.take_record(now, from, &record);
        }
    }

    /// The next output, in order.
    pub fn poll(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() && self.outputs.capacity() > 1_024 {
            self.outputs = VecDeque::new();
        }
        output
    }

    /// When to call [`Server::timeout`]; `None` while nothing waits for time.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let kept = [self.hellos.next(), self.lingering.next(), self.closed.next()];
        self.handshakes.next().into_iter().chain(kept.into_iter().flatten()).min()
    }

    /// Does what is due: repeats flights, ends handshakes that took too long, forgets closed sessions.
    pub fn timeout(&mut self, now: Duration) {
        while let Some(mut handshake) = self.handshakes.take_due(now) {
            if now >= handshake.ends_at {
                // What went wrong was told when it did.
                if handshake.told.is_empty() {
                    self.refuse(handshake.peer, handshake.identity, Check::HandshakeTimeout, "the handshake took too long");
                }
                continue;
            }
            if !handshake.is_waiting() && !handshake.quiet {
                self.counters.retransmits += 1;
                self.send_flight(now, &mut handshake);
            }
            handshake.retransmit.back_off(now, self.config.retransmit_max);
            self.handshakes.put(handshake);
        }
        while self.hellos.take_due(now).is_some() {}
        while self.lingering.take_due(now).is_some() {}
        while let Some((session, closed)) = self.closed.take_due(now) {
            self.forget(session, &closed);
        }
    }

    /// Sends `plaintext` in one record of one datagram, to where the session's newest record came from. If that is an unproven address, it gets at most three
    /// times the bytes that came from there; the rest goes to the proven one.
    ///
    /// # Errors
    /// See [`SendError`]; nothing was sent then.
    pub fn send(&mut self, _now: Duration, session: SessionId, plaintext: &[u8]) -> Result<(), SendError> {
        self.send_by(Route::Newest, session, plaintext)
    }

    /// As [`Server::send`], but to the proven address: for what does not answer something that the client said.
    ///
    /// # Errors
    /// See [`SendError`]; nothing was sent then.
    pub fn send_to_proven(&mut self, _now: Duration, session: SessionId, plaintext: &[u8]) -> Result<(), SendError> {
        self.send_by(Route::Proven, session, plaintext)
    }

    fn send_by(&mut self, route: Route, session: SessionId, plaintext: &[u8]) -> Result<(), SendError> {
        if self.outputs.len() >= self.config.outputs {
            return Err(SendError::Full);
        }
        let Some(state) = self.sessions.get_mut(&session) else { return Err(SendError::NoSession) };
        if plaintext.len() > usize::from(state.max_plaintext) {
            return Err(SendError::TooLong);
        }
        let mut datagram = Vec::new();
        let result = match state.channel.seal(&mut datagram, APPLICATION_DATA, plaintext, &mut self.random) {
            Ok(()) => {
                let to = state.way(route, datagram.len());
                self.outputs.push_back(Output::Send { to, datagram });
                Ok(())
            }
            Err(SealError::NotReserved) => Err(SendError::NotReserved),
            Err(SealError::Exhausted) => {
                self.end(session, CloseReason::Exhausted);
                Err(SendError::Exhausted)
            }
        };
        self.watch_reserve(session);
        result
    }

    /// Tells the peer `alert` (where a sequence number is left for it) and forgets the session. No [`Output::Closed`] follows.
    pub fn close(&mut self, _now: Duration, session: SessionId, alert: Alert) {
        self.send_alert(session, alert);
        self.remove(session);
    }

    /// What is known of a live session.
    pub fn session(&self, session: SessionId) -> Option<SessionInfo<'_>> {
        self.sessions.get(&session).map(|state| state.info())
    }

    /// How many sessions live.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How many sessions were closed by their clients and may still be resumed.
    pub fn closed(&self) -> usize {
        self.closed.len()
    }

    /// How many handshakes are under way.
    pub fn handshakes(&self) -> usize {
        self.handshakes.len()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn send_datagram(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        self.outputs.push_back(Output::Send { to, datagram });
    }

    /// Seals an alert under a session's keys.
    fn send_alert(&mut self, session: SessionId, alert: Alert) {
        let Some(state) = self.sessions.get_mut(&session) else { return };
        let mut datagram = Vec::new();
        if state.channel.seal(&mut datagram, ALERT, &alert.bytes(), &mut self.random).is_ok() {
            let to = state.way(Route::Newest, datagram.len());
            self.send_datagram(to, datagram);
        }
    }

    fn watch_reserve(&mut self, session: SessionId) {
        if self.sessions.get_mut(&session).is_some_and(|state| state.reserve_runs_low()) {
            self.outputs.push_back(Output::ReserveWanted { session });
        }
    }

    fn end(&mut self, session: SessionId, reason: CloseReason) {
        if self.remove(session) {
            self.outputs.push_back(Output::Closed { session, reason });
        }
    }

    fn remove(&mut self, session: SessionId) -> bool {
        let resume_id = match self.take_live(session) {
            Some(state) => Some(state.resume_id),
            None => self.closed.remove(session).map(|state| state.resume_id),
        };
        self.drop_resume_id(session, resume_id);
        resume_id.is_some()
    }

    fn drop_resume_id(&mut self, session: SessionId, resume_id: Option<u64>) {
        if let Some(resume_id) = resume_id.filter(|known| self.by_resume_id.get(known) == Some(&session)) {
            self.by_resume_id.remove(&resume_id);
        }
    }

    /// Takes a live session out of all but the table of session ids.
    fn take_live(&mut self, session: SessionId) -> Option<Box<Session>> {
        let state = self.sessions.remove(&session)?;
        if self.by_peer.get(&state.peer) == Some(&session) {
            self.by_peer.remove(&state.peer);
        }
        self.lingering.remove(session);
        Some(state)
    }

    /// The client closed a session: its keys go, its secret stays for a resumption where that is allowed (RFC 5246 section 7.2.1).
    fn close_by_peer(&mut self, now: Duration, session: SessionId) {
        let resumable = |state: &Session| self.config.resumption && (state.ems || self.config.resumption_without_ems);
        if !self.sessions.get(&session).is_some_and(|state| resumable(state)) {
            return self.end(session, CloseReason::PeerClosed);
        }
        let Some(state) = self.take_live(session) else { return };
        self.closed.put(now.saturating_add(self.config.closed_for), session, Box::new(Secret::from(&*state)));
        self.outputs.push_back(Output::PeerClosed { session });
    }

    /// A closed session is out of its table, as its time is over or another one needs the room.
    fn forget(&mut self, session: SessionId, closed: &Secret) {
        self.drop_resume_id(session, Some(closed.resume_id));
        self.outputs.push_back(Output::Closed { session, reason: CloseReason::PeerClosed });
    }

    /// Lets closed sessions give way to live ones.
    fn trim_closed(&mut self) {
        while self.sessions.len() + self.closed.len() > self.config.sessions
            && let Some((session, closed)) = self.closed.take_first()
        {
            self.forget(session, &closed);
        }
    }

    /// Tells why a handshake was refused.
    fn refuse(&mut self, peer: SocketAddr, identity: Option<Vec<u8>>, check: Check, detail: &'static str) {
        self.outputs.push_back(Output::Refused { peer, identity, check, detail });
    }

    /// Tells why a record that nothing authenticates was dropped, as often as the configuration allows.
    fn refuse_junk(&mut self, now: Duration, peer: SocketAddr, identity: Option<Vec<u8>>, check: Check, detail: &'static str) {
        if self.junk.second != now.as_secs() {
            self.junk = Junk { second: now.as_secs(), told: 0 };
        }
        if self.junk.told < self.config.refusals_per_s {
            self.junk.told += 1;
            self.refuse(peer, identity, check, detail);
        } else {
            self.counters.refusals_unreported += 1;
        }
    }

    fn refuse_fault(&mut self, peer: SocketAddr, identity: Option<Vec<u8>>, fault: Fault) {
        self.refuse(peer, identity, fault.check, fault.detail);
    }
}
