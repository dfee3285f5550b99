//! DTLS sessions: whose they are, and when their state is saved.

use super::{
    asks::{Ask, Saving},
    client::Peer,
    hub::{Effect, Hub, Moment},
};
use landfall_dtls::{Alert, Check, LookupId, Output, SavedSession, SendError, SessionId};
use landfall_model::{DeviceId, Secret, SecureSession};
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

/// Sequence numbers that a save reserves: as many records may be sent before the next one must be durable.
const RESERVE: u64 = 1_024;
/// Sessions saved in one commit.
const SAVES: usize = 2_000;
/// Identities whose handshake is under way.
const IDENTITIES: usize = 20_000;
/// Longest plaintext of a record (RFC 5246 6.2.1), unless less was negotiated.
const RECORD_BYTES: usize = 16_384;
/// Records of a session that wait until it is known whose it is.
const WAITING: usize = 8;

/// What is known of sessions beside their keys.
#[derive(Default)]
pub(super) struct Sessions {
    devices: HashMap<u64, DeviceId>,
    /// The newest session of a device; a new one ends it.
    newest: HashMap<DeviceId, u64>,
    /// Devices by identity, from the lookup of the key to the end of the handshake.
    identities: HashMap<Vec<u8>, DeviceId>,
    waiting: HashMap<u64, Vec<Vec<u8>>>,
    /// Messages that go out once numbers for them are reserved: of sessions that were just taken back.
    unsent: HashMap<u64, Vec<Vec<u8>>>,
    used: HashSet<u64>,
    next_save: Option<Duration>,
}

impl Sessions {
    pub(super) fn device(&self, session: u64) -> Option<DeviceId> {
        self.devices.get(&session).copied()
    }

    pub(super) fn newest(&self, device: DeviceId) -> Option<u64> {
        self.newest.get(&device).copied()
    }

    pub(super) fn next_save(&self) -> Option<Duration> {
        self.next_save
    }
}

impl Hub {
    pub(super) fn restore_session(&mut self, kept: &SecureSession) {
        let state = hex::decode(kept.state.expose()).ok().and_then(|bytes| SavedSession::from_bytes(&bytes).ok());
        let Some(Ok(session)) = state.map(|state| self.dtls.restore(state)) else {
            tracing::warn!(device = %kept.device, "a secure session cannot be taken back; the device must shake hands again");
            return;
        };
        self.sessions.devices.insert(session.0, kept.device);
        self.sessions.newest.insert(kept.device, session.0);
        self.fit(session.0);
    }

    pub(super) fn take_dtls(&mut self, now: Moment, output: Output) {
        match output {
            Output::Send { to, datagram } => {
                self.effects.push_back(Effect::Send { secure: true, to, datagram: datagram.into() });
            }
            Output::PskWanted { lookup, identity, peer } => self.ask(Ask::Psk { lookup, identity, peer }),
            Output::Established { session, identity, replaces, .. } => {
                self.shared.tally.handshakes.fetch_add(1, Relaxed);
                if let Some(old) = replaces {
                    self.gone(old.0);
                }
                match self.sessions.identities.remove(&identity) {
                    Some(device) => self.attach_session(now, session.0, device),
                    None => self.ask(Ask::Whose { session: session.0, identity }),
                }
            }
            Output::Data { session, peer, bytes } => self.data(now, session.0, peer, bytes),
            Output::AddressClaimed { session, to, .. } => self.claimed(session.0, to),
            Output::AddressChanged { session, .. } => self.mark_used(now, session.0),
            Output::ReserveWanted { session } => self.save(vec![session.0], RESERVE),
            Output::PeerClosed { session } => self.rests(session.0),
            Output::Closed { session, .. } => {
                self.out_of_reach(session.0);
                self.gone(session.0);
            }
            // Who looked for the key has told it, and knows the reason.
            Output::Refused { check: Check::UnknownIdentity, .. } => {}
            Output::Refused { peer, identity, check, detail } => {
                let identity = identity.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
                self.refused(None, identity, Some(peer), step_of(check), check.name(), detail.to_owned());
            }
        }
    }

    pub(super) fn psk(&mut self, now: Moment, lookup: LookupId, identity: Vec<u8>, found: Option<(DeviceId, Vec<u8>)>) {
        match found {
            Some((device, key)) => {
                if self.sessions.identities.len() >= IDENTITIES {
                    self.sessions.identities.clear();
                }
                self.sessions.identities.insert(identity, device);
                self.dtls.psk(now.since, lookup, Some(&key));
            }
            None => self.dtls.psk(now.since, lookup, None),
        }
    }

    pub(super) fn whose(&mut self, now: Moment, session: u64, device: Option<DeviceId>) {
        match device {
            Some(device) => self.attach_session(now, session, device),
            None => {
                self.dtls.close(now.since, SessionId(session), Alert::CloseNotify);
                self.gone(session);
            }
        }
    }

    /// A device has one session: a new one ends those before it.
    fn attach_session(&mut self, now: Moment, session: u64, device: DeviceId) {
        self.sessions.devices.insert(session, device);
        self.fit(session);
        if let Some(old) = self.sessions.newest.insert(device, session).filter(|old| *old != session) {
            self.moved(now, device, Peer::Secure(session));
            self.dtls.close(now.since, SessionId(old), Alert::CloseNotify);
            self.gone(old);
        }
        self.moved(now, device, Peer::Secure(session));
        self.save(vec![session], 0);
        for bytes in self.sessions.waiting.remove(&session).unwrap_or_default() {
            self.coap.handle(now.since, Peer::Secure(session), &bytes);
        }
    }

    /// Blocks to a device that negotiated shorter records fit into them.
    fn fit(&mut self, session: u64) {
        let most = self.dtls.session(SessionId(session)).map_or(RECORD_BYTES, |known| known.max_plaintext_bytes);
        if most < RECORD_BYTES {
            self.coap.limit_datagrams(Peer::Secure(session), most);
        }
    }

    fn data(&mut self, now: Moment, session: u64, from: SocketAddr, bytes: Vec<u8>) {
        if self.pong(now, session, from, &bytes) {
            return;
        }
        if self.sessions.devices.contains_key(&session) {
            self.mark_used(now, session);
            self.coap.handle(now.since, Peer::Secure(session), &bytes);
            return;
        }
        let waiting = self.sessions.waiting.entry(session).or_default();
        if waiting.len() < WAITING {
            waiting.push(bytes);
        }
    }

    pub(super) fn send(&mut self, now: Moment, session: u64, datagram: &[u8]) {
        let sent = if self.goes_home(now, session, datagram) {
            self.dtls.send_to_proven(now.since, SessionId(session), datagram)
        } else {
            self.dtls.send(now.since, SessionId(session), datagram)
        };
        match sent {
            Ok(()) => {}
            Err(SendError::TooLong) => {
                let detail = "a message is longer than the device takes in one record (record_size_limit, max_fragment_length)";
                self.note(
                    self.sessions.device(session),
                    String::new(),
                    Peer::Secure(session),
                    "dtls.send",
                    "record.length",
                    detail.into(),
                );
                self.coap.unsendable(now.since, Peer::Secure(session), datagram);
            }
            Err(SendError::NotReserved) => {
                let unsent = self.sessions.unsent.entry(session).or_default();
                let first = unsent.is_empty();
                // What does not fit is sent again by its own clock.
                if unsent.len() < WAITING {
                    unsent.push(datagram.to_vec());
                }
                if first {
                    self.save(vec![session], RESERVE);
                }
            }
            Err(error) => tracing::debug!(?error, "a record was not sent"),
        }
    }

    pub(super) fn mark_used(&mut self, now: Moment, session: u64) {
        if self.sessions.used.insert(session) && self.sessions.next_save.is_none() {
            self.sessions.next_save = Some(now.since + Duration::from_secs(self.shared.config.save_s.into()));
        }
    }

    /// Saves the counters of sessions that were used: what a restart after a crash accepts again is bounded by this.
    pub(super) fn save_used(&mut self, now: Moment) {
        if self.sessions.next_save.is_none_or(|due| due > now.since) {
            return;
        }
        let some: Vec<u64> = self.sessions.used.iter().copied().take(SAVES).collect();
        for session in &some {
            self.sessions.used.remove(session);
        }
        let pause = Duration::from_secs(self.shared.config.save_s.into());
        let (more, none) = (!self.sessions.used.is_empty(), some.is_empty());
        self.sessions.next_save = if more { Some(now.since + pause / 50) } else { None };
        if !none {
            self.save(some, 0);
        }
    }

    /// Saves every session that was used; for the end of the run.
    pub(crate) fn save_all(&mut self) {
        let used: Vec<u64> = self.sessions.used.drain().collect();
        for some in used.chunks(SAVES) {
            self.save(some.to_vec(), 0);
        }
    }

    fn save(&mut self, sessions: Vec<u64>, reserve: u64) {
        let mut saving = Vec::with_capacity(sessions.len());
        for session in sessions {
            let Some(device) = self.sessions.device(session) else { continue };
            let Some(state) = self.dtls.saved(SessionId(session), reserve) else { continue };
            saving.push(Saving {
                device,
                session,
                write_seq: state.write_seq(),
                state: Secret::new(hex::encode(&*state.to_bytes())),
            });
        }
        if !saving.is_empty() {
            self.ask(Ask::SaveSessions(saving));
        }
    }

    pub(super) fn saved(&mut self, now: Moment, saved: Vec<(u64, u64)>) {
        for (session, write_seq) in saved {
            self.dtls.reserved(SessionId(session), write_seq);
            for datagram in self.sessions.unsent.remove(&session).unwrap_or_default() {
                self.send(now, session, &datagram);
            }
        }
    }

    /// The device closed its session, and may resume it. Until then it hears nothing; what is wanted of it waits. It is still known whose the session is, so that
    /// it ends with the right to it.
    fn rests(&mut self, session: u64) {
        self.out_of_reach(session);
        self.settle_session(session);
        if self.sessions.devices.contains_key(&session) {
            self.ask(Ask::DropSession(session));
        }
    }

    /// Nothing is sent to a device without a session until it is heard again.
    fn out_of_reach(&mut self, session: u64) {
        let client = self.sessions.device(session).and_then(|device| self.clients.get_mut(&device));
        if let Some(client) = client.filter(|client| client.peer == Peer::Secure(session)) {
            client.reachable = false;
        }
    }

    /// Nothing comes or goes over a session any more.
    fn settle_session(&mut self, session: u64) {
        self.sessions.waiting.remove(&session);
        self.sessions.unsent.remove(&session);
        self.sessions.used.remove(&session);
        self.bootstraps.end(session);
        self.roaming.end(session);
        self.coap.forget(Peer::Secure(session));
    }

    /// A session is no more. A registration outlives it: the device shakes hands again when it has something to say.
    fn gone(&mut self, session: u64) {
        self.settle_session(session);
        if let Some(device) = self.sessions.devices.remove(&session) {
            if self.sessions.newest.get(&device) == Some(&session) {
                self.sessions.newest.remove(&device);
            }
            self.ask(Ask::DropSession(session));
        }
    }

    pub(super) fn end_session(&mut self, now: Moment, device: DeviceId) {
        if let Some(session) = self.sessions.newest.get(&device).copied() {
            self.dtls.close(now.since, SessionId(session), Alert::CloseNotify);
            self.gone(session);
        }
    }
}

/// Which step a check belongs to, by the first word of its name.
fn step_of(check: Check) -> &'static str {
    match check.name().split('.').next() {
        Some("record") => "dtls.record",
        Some("psk") => "dtls.psk",
        _ => "dtls.handshake",
    }
}
