//! Which session or handshake a record belongs to, and what live sessions do with theirs. Absent: ClientHello and the steps of a handshake.

use core::net::SocketAddr;
use std::time::Duration;

use super::Server;
use super::session::{Claim, id_of};
use crate::channel::{OpenError, Opened};
use crate::wire::{
    ALERT, APPLICATION_DATA, CLIENT_HELLO, FINISHED, Fragment, HANDSHAKE, Reader, Record, TLS12_CID, begin_record, end_record,
};
use crate::{Alert, Check, CloseReason, Output, SessionId};

impl Server {
    pub(super) fn take_record(&mut self, now: Duration, from: SocketAddr, record: &Record<'_>) {
        match (record.kind, record.epoch) {
            (TLS12_CID, 1) => self.take_by_cid(now, from, record),
            (HANDSHAKE, 0) => self.take_plain(now, from, record),
            (ALERT, 0) => self.take_plain_alert(from, record),
            // ChangeCipherSpec says nothing that the epoch does not say; other plain records have no place.
            (_, 0) => {}
            (TLS12_CID, _) | (_, 2..) => self.counters.unknown += 1,
            (_, 1) => self.take_by_peer(now, from, record),
        }
    }

    fn take_plain(&mut self, now: Duration, from: SocketAddr, record: &Record<'_>) {
        let mut reader = Reader(record.body);
        while !reader.is_empty() {
            let Some(fragment) = Fragment::read(&mut reader) else {
                return self.refuse_junk(now, from, None, Check::MessageMalformed, "not a handshake message");
            };
            if fragment.kind == CLIENT_HELLO {
                self.take_client_hello(now, from, record.seq, &fragment);
            } else {
                self.take_fragment(now, from, &fragment);
            }
        }
    }

    /// A fatal alert that anyone may have sent: the handshake becomes silent, but a client that goes on can still finish it.
    fn take_plain_alert(&mut self, from: SocketAddr, record: &Record<'_>) {
        let Some(mut handshake) = self.handshakes.take(from) else { return };
        if record.body.first() == Some(&2) && !handshake.quiet {
            handshake.quiet = true;
            self.refuse(from, handshake.identity.clone(), Check::PeerAlert, "an unauthenticated fatal alert");
        }
        self.handshakes.put(handshake);
    }

    fn take_by_cid(&mut self, now: Duration, from: SocketAddr, record: &Record<'_>) {
        let id = id_of(record.cid);
        if let Some(id) = id.filter(|id| self.sessions.contains_key(id)) {
            if self.is_flooded(now, id, from) {
                self.counters.shed += 1;
                return;
            }
            match self.open(id, record) {
                Ok(opened) => self.take_opened(now, from, id, record, opened),
                Err(OpenError::Replayed) => self.counters.replayed += 1,
                Err(OpenError::Forged) => self.count_forgery(now, from, id),
            }
        } else if id.and_then(|id| self.handshakes.peer_of(id)) == Some(from) {
            self.offer_to_handshake(now, from, record);
        } else {
            self.counters.unknown += 1;
            self.refuse_junk(now, from, None, Check::ConnectionId, "no session has this Connection ID");
        }
    }

    /// A protected record without Connection ID: of a handshake at this address, or of the session that lives there until the handshake is over.
    fn take_by_peer(&mut self, now: Duration, from: SocketAddr, record: &Record<'_>) {
        let session = self.by_peer.get(&from).copied();
        let session = session.filter(|id| self.sessions.get(id).is_some_and(|state| !state.channel.reads_cid));
        let mut forged = None;
        if let Some(id) = session {
            match self.open(id, record) {
                Ok(opened) => return self.take_opened(now, from, id, record, opened),
                // The number may be fresh under the keys of the handshake.
                Err(OpenError::Replayed) => self.counters.replayed += 1,
                Err(OpenError::Forged) => forged = Some(id),
            }
        }
        if self.handshakes.get(from).is_some_and(|handshake| !handshake.reads_cid) {
            self.offer_to_handshake(now, from, record);
        } else if let Some(id) = forged {
            self.count_forgery(now, from, id);
        } else if session.is_none() {
            self.counters.unknown += 1;
            self.refuse_junk(now, from, None, Check::UnknownPeer, "no session at this address");
        }
    }

    fn offer_to_handshake(&mut self, now: Duration, from: SocketAddr, record: &Record<'_>) {
        let Some(mut handshake) = self.handshakes.take(from) else { return };
        let Some(channel) = &mut handshake.channel else {
            handshake.keep_record(copy_of(record));
            return self.handshakes.put(handshake);
        };
        match channel.open(record) {
            Ok(opened) => self.take_protected(now, handshake, opened),
            // What should be the client's Finished is made with another key, or is a forgery: the right one may still come (RFC 6347 section 4.1.2.7).
            Err(OpenError::Forged) if matches!(record.kind, HANDSHAKE | TLS12_CID) && channel.is_finished_sized(record) => {
                handshake.unopened = true;
                self.tell(&mut handshake, Check::Finished, "Finished is not made with the key");
                self.handshakes.put(handshake);
            }
            Err(_) => self.handshakes.put(handshake),
        }
    }

    fn open(&mut self, id: SessionId, record: &Record<'_>) -> Result<Opened, OpenError> {
        self.sessions.get_mut(&id).map_or(Err(OpenError::Forged), |session| session.channel.open(record))
    }

    /// Whether so many records of a session were forged that this one is not looked at, as it does not come from the proven address.
    fn is_flooded(&self, now: Duration, id: SessionId, from: SocketAddr) -> bool {
        let most = self.config.forgeries_per_s;
        self.sessions.get(&id).is_some_and(|session| session.peer != from && session.forgeries.are_many(now, most))
    }

    fn count_forgery(&mut self, now: Duration, from: SocketAddr, id: SessionId) {
        self.counters.forged += 1;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.forgeries.add(now) {
            let identity = Some(session.identity.to_vec());
            self.refuse_junk(now, from, identity, Check::Forged, "a record is not made with the keys of its session");
        }
    }

    fn take_opened(&mut self, now: Duration, from: SocketAddr, id: SessionId, record: &Record<'_>, opened: Opened) {
        self.follow(id, from, opened.newer, record.bytes());
        match opened.kind {
            APPLICATION_DATA => {
                self.lingering.remove(id);
                if !opened.plaintext.is_empty() {
                    self.outputs.push_back(Output::Data { session: id, peer: from, bytes: opened.plaintext });
                }
            }
            ALERT => self.take_alert(now, id, &opened.plaintext),
            HANDSHAKE => match Fragment::read(&mut Reader(&opened.plaintext)) {
                Some(Fragment { kind: FINISHED, .. }) => self.repeat_last_flight(id),
                // RFC 5246 section 7.2.2: renegotiation is refused by a warning.
                Some(Fragment { kind: CLIENT_HELLO, .. }) => self.send_alert(id, Alert::NoRenegotiation),
                _ => {}
            },
            _ => {}
        }
        self.watch_reserve(id);
    }

    /// RFC 9146 section 6: only a record newer than all before claims another address, and only a Connection ID lets it.
    fn follow(&mut self, id: SessionId, to: SocketAddr, newer: bool, bytes: usize) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.channel.reads_cid) else { return };
        if newer && session.peer == to {
            session.claim = None;
        } else if newer && session.claim.as_ref().is_none_or(|claim| claim.at != to) {
            session.claim = Some(Box::new(Claim::new(to)));
            self.outputs.push_back(Output::AddressClaimed { session: id, from: session.peer, to });
        }
        if let Some(claim) = session.claim.as_mut().filter(|claim| claim.at == to) {
            claim.received = claim.received.saturating_add(bytes);
        }
    }

    /// The client of a session has shown that it hears at `to`, by an answer that nobody could give who did not get what was sent there: that is its address
    /// from now on. No effect unless its newest record came from there.
    pub fn prove(&mut self, id: SessionId, to: SocketAddr) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.claim.as_ref().is_none_or(|claim| claim.at != to) {
            return;
        }
        session.claim = None;
        let from = std::mem::replace(&mut session.peer, to);
        if self.by_peer.get(&from) == Some(&id) {
            self.by_peer.remove(&from);
        }
        // A session that has nothing but its address keeps it.
        let there = self.by_peer.get(&to).and_then(|other| self.sessions.get(other));
        if there.is_none_or(|other| other.channel.reads_cid) {
            self.by_peer.insert(to, id);
        }
        self.outputs.push_back(Output::AddressChanged { session: id, from, to });
    }

    /// The client did not answer at the address that it claims: what it is sent goes to the proven one, until a newer record claims another.
    pub fn disprove(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.claim = None;
        }
    }

    fn take_alert(&mut self, now: Duration, id: SessionId, alert: &[u8]) {
        match alert {
            [_, 0] => {
                self.send_alert(id, Alert::CloseNotify);
                self.close_by_peer(now, id);
            }
            [2, description] => self.end(id, CloseReason::PeerAlert(*description)),
            _ => {}
        }
    }
}

fn copy_of(record: &Record<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.body.len() + 32);
    begin_record(&mut out, record.kind, record.version, record.epoch, record.seq, record.cid);
    let start = out.len();
    out.extend(record.body);
    end_record(&mut out, start);
    out
}
