//! The rest of a handshake: the owner's key, the client's Finished, and the session that comes of it. Absent: the hello.

use core::net::SocketAddr;
use std::time::Duration;

use super::Server;
use super::handshake::{Handshake, State, Step};
use super::opening::REPEAT_AFTER;
use super::session::{Forgeries, Route, Session};
use super::table::LastFlight;
use crate::channel::Opened;
use crate::flight;
use crate::hello::Fault;
use crate::wire::{self, ALERT, APPLICATION_DATA, DTLS_1_2, Fragment, HANDSHAKE, Reader, Record};
use crate::{Alert, Check, CloseReason, LookupId, Output, SessionId};

/// Longest key taken from the owner; RFC 4279 section 5.3 wants at least 64.
const PSK_BYTES_MAX: usize = 256;
/// Repetitions of a client's last flight after which it is told that its key is wrong.
const IN_VAIN: u8 = 2;
/// Identities that may take the place of another one in a handshake.
const IDENTITIES_MAX: u8 = 8;
/// Faults told of one handshake.
const TOLD_MAX: usize = 4;

impl Server {
    /// Answers [`Output::PskWanted`]. `None` (or a key that is empty or longer than 256 bytes): the identity is unknown, and the handshake fails as
    /// [`crate::Config::reveal_unknown_identity`] says. An answer that comes too late, or a second time, has no effect.
    pub fn psk(&mut self, now: Duration, lookup: LookupId, key: Option<&[u8]>) {
        let Some(mut handshake) = self.handshakes.take_serial(lookup.0) else { return };
        if !handshake.is_waiting() {
            return self.handshakes.put(handshake);
        }
        match key.filter(|key| !key.is_empty() && key.len() <= PSK_BYTES_MAX) {
            Some(key) => handshake.use_psk(key),
            None if self.config.reveal_unknown_identity => {
                let fault = Fault::new(Alert::UnknownPskIdentity, Check::UnknownIdentity, "no key for this identity");
                return self.fail(handshake, fault);
            }
            None => {
                let mut key = [0; 32];
                (self.random)(&mut key);
                handshake.use_psk(&key);
                self.tell(&mut handshake, Check::UnknownIdentity, "no key for this identity");
            }
        }
        handshake.retransmit.restart(now);
        let (peer, early) = (handshake.peer, std::mem::take(&mut handshake.early_records));
        self.handshakes.put(handshake);
        for bytes in early {
            if let Some(record) = Record::read(&mut Reader(&bytes), super::CID_BYTES) {
                self.take_record(now, peer, &record);
            }
        }
    }

    /// Takes an unprotected fragment of a handshake under way.
    pub(super) fn take_fragment(&mut self, now: Duration, from: SocketAddr, fragment: &Fragment<'_>) {
        let Some(mut handshake) = self.handshakes.take(from) else {
            if !self.by_peer.contains_key(&from) {
                self.counters.unknown += 1;
                self.refuse_junk(now, from, None, Check::UnexpectedMessage, "no handshake is under way");
            }
            return;
        };
        if let Some(identity) = handshake.identity_again(fragment) {
            self.take_repetition(now, &mut handshake, identity);
        }
        match handshake.insert(0, fragment, self.config.handshake_bytes) {
            Ok(()) => self.advance(now, handshake),
            Err(fault) => self.skip(handshake, fault),
        }
    }

    /// The client's last flight came again, and with what was there before its Finished cannot be opened. Another identity gets its turn, as the one before may have been
    /// forged. For the same one the key is wrong: the second time that is said, but the handshake goes on, as anyone can repeat a flight.
    fn take_repetition(&mut self, now: Duration, handshake: &mut Handshake, identity: &[u8]) {
        if !handshake.unopened {
            return;
        }
        if handshake.identity.as_deref() != Some(identity) {
            if handshake.identities < IDENTITIES_MAX {
                handshake.await_identity();
                // An answer to the question before is not for this one.
                self.serial += 1;
                handshake.serial = self.serial;
            }
        } else if now >= handshake.in_vain_at.saturating_add(REPEAT_AFTER) {
            (handshake.unopened, handshake.in_vain_at) = (false, now);
            handshake.in_vain = handshake.in_vain.saturating_add(1);
            if handshake.in_vain >= IN_VAIN {
                let mut datagram = Vec::new();
                wire::plain_record(&mut datagram, ALERT, DTLS_1_2, handshake.plain_seq, &Alert::DecryptError.bytes());
                handshake.plain_seq += 1;
                self.send_datagram(handshake.peer, datagram);
            }
        }
    }

    /// Tells once what is wrong with a handshake that goes on.
    pub(super) fn tell(&mut self, handshake: &mut Handshake, check: Check, detail: &'static str) {
        let known = |check| handshake.told.contains(&check);
        // A key that was made up fits as little as a wrong one.
        let implied = check == Check::Finished && known(Check::UnknownIdentity);
        if known(check) || implied || handshake.told.len() >= TOLD_MAX {
            return;
        }
        handshake.told.push(check);
        self.refuse(handshake.peer, handshake.identity.clone(), check, detail);
    }

    /// Skips a message that anyone may have sent.
    fn skip(&mut self, mut handshake: Box<Handshake>, fault: Fault) {
        self.tell(&mut handshake, fault.check, fault.detail);
        self.handshakes.put(handshake);
    }

    /// Takes what a record protected by the new keys says.
    pub(super) fn take_protected(&mut self, now: Duration, mut handshake: Box<Handshake>, opened: Opened) {
        match opened.kind {
            HANDSHAKE => {
                let mut reader = Reader(&opened.plaintext);
                while !reader.is_empty() {
                    let fault = match Fragment::read(&mut reader) {
                        Some(fragment) => handshake.insert(1, &fragment, self.config.handshake_bytes).err(),
                        None => Some(Fault::new(Alert::DecodeError, Check::MessageMalformed, "not a handshake message")),
                    };
                    if let Some(fault) = fault {
                        return self.fail(handshake, fault);
                    }
                }
                self.advance(now, handshake);
            }
            ALERT if opened.plaintext.first() == Some(&2) => {
                self.refuse(handshake.peer, handshake.identity, Check::PeerAlert, "the client gave up");
            }
            APPLICATION_DATA => {
                handshake.keep_data(opened.plaintext);
                self.handshakes.put(handshake);
            }
            _ => self.handshakes.put(handshake),
        }
    }

    fn advance(&mut self, now: Duration, mut handshake: Box<Handshake>) {
        let may_ask = self.handshakes.waiting() < self.config.lookups;
        let anyone = handshake.state == State::KeyExchange;
        match handshake.step(may_ask, self.config.identity_bytes) {
            Err(fault) if anyone => self.skip(handshake, fault),
            Err(fault) => self.fail(handshake, fault),
            Ok(Step::Wait) => self.handshakes.put(handshake),
            Ok(Step::Ask) => {
                let identity = handshake.identity.clone().unwrap_or_default();
                let (lookup, peer) = (LookupId(handshake.serial), handshake.peer);
                self.outputs.push_back(Output::PskWanted { lookup, identity, peer });
                self.handshakes.put(handshake);
            }
            Ok(Step::Done) => self.finish(now, handshake),
        }
    }

    /// Ends a handshake with an alert and tells why.
    pub(super) fn fail(&mut self, mut handshake: Box<Handshake>, fault: Fault) {
        let mut datagram = Vec::new();
        match &mut handshake.channel {
            // In a resumption our side speaks protected already.
            Some(channel) if handshake.resumes.is_some() => {
                let _ = channel.seal(&mut datagram, ALERT, &fault.alert.bytes(), &mut self.random);
            }
            _ => wire::plain_record(&mut datagram, ALERT, DTLS_1_2, handshake.plain_seq, &fault.alert.bytes()),
        }
        self.send_datagram(handshake.peer, datagram);
        self.tell(&mut handshake, fault.check, fault.detail);
    }

    fn finish(&mut self, now: Duration, mut handshake: Box<Handshake>) {
        const GONE: Fault = Fault::new(Alert::AccessDenied, Check::ResumptionSecret, "the session to resume is gone");
        const FULL: Fault = Fault::new(Alert::InternalError, Check::SessionLimit, "too many sessions");
        // The owner may have closed it meanwhile, for instance because its key was withdrawn.
        if handshake.resumes.is_some_and(|old| !self.sessions.contains_key(&old) && self.closed.get(old).is_none()) {
            return self.fail(handshake, GONE);
        }
        if self.sessions.len() >= self.config.sessions {
            return self.fail(handshake, FULL);
        }
        if handshake.resumes.is_none() {
            self.send_last_flight(now, &mut handshake);
        }
        let handshake = *handshake;
        let (Some(mut channel), Some(master)) = (handshake.channel, handshake.master) else { return };
        let identity = handshake.identity.unwrap_or_default();
        let (id, peer, cid, suite) = (handshake.id, handshake.peer, handshake.reads_cid, handshake.suite);
        let replaces = self.make_way(peer, &identity, handshake.resumes);
        channel.ceiling = self.config.first_reserve;
        let session = Session {
            channel,
            peer,
            claim: None,
            identity: identity.as_slice().into(),
            master,
            resume_id: handshake.resume_id,
            pending: self.config.first_reserve,
            reserve: self.config.first_reserve,
            forgeries: Forgeries::default(),
            max_plaintext: handshake.max_plaintext,
            ems: handshake.ems,
            reserve_told: false,
        };
        self.sessions.insert(id, Box::new(session));
        self.trim_closed();
        self.by_peer.insert(peer, id);
        if handshake.resume_id != id.0 {
            self.by_resume_id.insert(handshake.resume_id, id);
        }
        let resumed = handshake.resumes.is_some();
        self.counters.established += 1;
        self.counters.resumed += u64::from(resumed);
        self.outputs.push_back(Output::Established { session: id, identity, peer, suite, resumed, cid, replaces });
        for bytes in handshake.early_data {
            self.outputs.push_back(Output::Data { session: id, peer, bytes });
        }
        self.watch_reserve(id);
    }

    /// ChangeCipherSpec and Finished of a full handshake, kept for a client that does not hear them.
    fn send_last_flight(&mut self, now: Duration, handshake: &mut Handshake) {
        handshake.flight.clear();
        let message_seq = handshake.next_out;
        let Some(verify_data) = handshake.say_finished() else { return };
        self.send_flight(now, handshake);
        let (plain_seq, client_random) = (handshake.plain_seq, handshake.client_random);
        let flight = LastFlight { plain_seq, message_seq, verify_data, client_random };
        let until = now.saturating_add(self.config.linger);
        while self.lingering.len() >= self.config.lingering.max(1) {
            self.lingering.take_first();
        }
        self.lingering.put(until, handshake.id, flight);
    }

    /// Sends the last flight again: the client repeated its Finished.
    pub(super) fn repeat_last_flight(&mut self, id: SessionId) {
        let (Some(session), Some(last)) = (self.sessions.get_mut(&id), self.lingering.get_mut(id)) else { return };
        self.counters.retransmits += 1;
        let items = [
            flight::Item::ChangeCipherSpec,
            flight::Item::Protected(wire::FINISHED, last.message_seq, last.verify_data.to_vec()),
        ];
        let channel = Some(&mut session.channel);
        for datagram in flight::pack(&items, &mut last.plain_seq, channel, self.config.mtu_bytes, &mut self.random) {
            let to = session.way(Route::Newest, datagram.len());
            self.outputs.push_back(Output::Send { to, datagram });
        }
    }

    /// Removes the sessions whose place the new one takes: the resumed one, and the one at the same address unless it is another device's that does not
    /// need the address (RFC 6347 section 4.2.8).
    fn make_way(&mut self, peer: SocketAddr, identity: &[u8], resumes: Option<SessionId>) -> Option<SessionId> {
        let there = self
            .by_peer
            .get(&peer)
            .copied()
            .filter(|id| self.sessions.get(id).is_some_and(|old| !old.channel.reads_cid || *old.identity == *identity));
        let first = resumes.or(there);
        if let Some(other) = there.filter(|there| Some(*there) != first) {
            self.end(other, CloseReason::Replaced);
        }
        if let Some(old) = first {
            self.remove(old);
        }
        first
    }
}
