//! Clients whose newest record came from another address than before (RFC 9146 6). What they asked is answered there, within the limit of `landfall-dtls`. What the server
//! wants of them waits until they have answered a ping there (RFC 7252 4.3), which only who hears at that address can do: a record may be a copy from the way, or
//! one from before a crash.

use super::{
    client::Peer,
    hub::{Hub, Moment},
};
use landfall_coap::{Kind, encode_empty};
use landfall_dtls::SessionId;
use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    time::Duration,
};

/// Pings to one address; the waits between them double.
const PINGS: u32 = 4;

/// The pings under way, at most one for a session.
#[derive(Default)]
pub(super) struct Roaming {
    pings: HashMap<u64, Ping>,
    due: BTreeSet<(Duration, u64)>,
}

struct Ping {
    at: SocketAddr,
    message_id: u16,
    sent: u32,
    /// When the next one is due; `None`: they were in vain.
    due: Option<Duration>,
}

impl Roaming {
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The session is over, or its address is no question any more.
    pub(super) fn end(&mut self, session: u64) {
        if let Some(Ping { due: Some(due), .. }) = self.pings.remove(&session) {
            self.due.remove(&(due, session));
        }
    }

    /// Whether pings to this address were in vain before.
    fn is_mute(&self, session: u64, at: SocketAddr) -> bool {
        self.pings.get(&session).is_some_and(|ping| ping.at == at && ping.due.is_none())
    }
}

impl Hub {
    /// Another address is claimed; what was asked about an older one is of no interest.
    pub(super) fn claimed(&mut self, session: u64, to: SocketAddr) {
        if self.roaming.pings.get(&session).is_some_and(|ping| ping.at != to) {
            self.roaming.end(session);
        }
    }

    /// Where a session claims to be, while that is not proved.
    fn claim(&self, session: u64) -> Option<SocketAddr> {
        self.dtls.session(SessionId(session)).and_then(|known| known.claimed)
    }

    /// Whether something can be asked of a client where it is. If not, the ping that finds out is under way. One that answers no pings, against the standard, is asked all the
    /// same: that it answers is proof too.
    pub(super) fn is_at_hand(&mut self, now: Moment, peer: Peer) -> bool {
        let Peer::Secure(session) = peer else { return true };
        let Some(at) = self.claim(session).filter(|at| !self.roaming.is_mute(session, *at)) else { return true };
        if !self.roaming.pings.contains_key(&session) {
            let message_id = self.random_u64() as u16;
            self.roaming.pings.insert(session, Ping { at, message_id, sent: 0, due: None });
            self.ping(now, session);
        }
        false
    }

    fn ping(&mut self, now: Moment, session: u64) {
        let wait = Duration::from_millis(self.shared.config.ack_timeout_ms);
        let Some(ping) = self.roaming.pings.get_mut(&session) else { return };
        let due = now.since + wait.saturating_mul(1 << ping.sent);
        ping.sent += 1;
        ping.due = Some(due);
        self.roaming.due.insert((due, session));
        let datagram = encode_empty(Kind::Confirmable, ping.message_id);
        self.send(now, session, &datagram);
    }

    /// Repeats pings. After the last one the claim is void: what the server wants goes to the proven address.
    pub(super) fn late_pings(&mut self, now: Moment) {
        while let Some((due, session)) = self.roaming.due.first().copied().filter(|(due, _)| *due <= now.since) {
            self.roaming.due.remove(&(due, session));
            let claim = self.claim(session);
            let Some(ping) = self.roaming.pings.get_mut(&session) else { continue };
            ping.due = None;
            if claim != Some(ping.at) {
                self.roaming.end(session);
                self.pump_session(now, session);
            } else if ping.sent < PINGS {
                self.ping(now, session);
            } else {
                self.dtls.disprove(SessionId(session));
                self.pump_session(now, session);
            }
        }
    }

    /// Whether a datagram is the answer to a ping, from where it was sent to: then that is the address of the client.
    pub(super) fn pong(&mut self, now: Moment, session: u64, from: SocketAddr, datagram: &[u8]) -> bool {
        let Some(ping) = self.roaming.pings.get(&session).filter(|ping| ping.at == from) else { return false };
        let answers = [Kind::Reset, Kind::Acknowledgement].map(|kind| encode_empty(kind, ping.message_id));
        if !answers.iter().any(|answer| answer[..] == *datagram) {
            return false;
        }
        self.mark_used(now, session);
        self.prove(now, session, from);
        true
    }

    /// A client answered a request. If it was asked at an address where it answers no pings, that is its address.
    pub(super) fn answered_from(&mut self, now: Moment, peer: Peer) {
        if let Peer::Secure(session) = peer
            && let Some(at) = self.claim(session).filter(|at| self.roaming.is_mute(session, *at))
        {
            self.prove(now, session, at);
        }
    }

    fn prove(&mut self, now: Moment, session: u64, at: SocketAddr) {
        self.roaming.end(session);
        self.dtls.prove(SessionId(session), at);
        self.pump_session(now, session);
    }

    fn pump_session(&mut self, now: Moment, session: u64) {
        if let Some(device) = self.sessions.device(session) {
            self.pump(now, device);
        }
    }

    /// Whether a datagram is for the proven address alone: it asks something, and the client has not shown that it hears where it claims to be.
    pub(super) fn goes_home(&mut self, now: Moment, session: u64, datagram: &[u8]) -> bool {
        // A code of class 0 that is not empty (RFC 7252 3).
        let asks = datagram.get(1).is_some_and(|code| (1..32).contains(code));
        asks && !self.is_at_hand(now, Peer::Secure(session))
    }
}
