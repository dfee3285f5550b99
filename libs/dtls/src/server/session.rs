//! A session: what is kept of a finished handshake while it lives, and after its client closed it. Absent: the tables it is in.

use core::net::SocketAddr;
use std::time::Duration;

use crate::channel::Channel;
use crate::prf::Master;
use crate::{SessionId, SessionInfo, Suite};

pub(super) struct Session {
    pub(super) channel: Channel,
    /// Proven: the handshake was there, or the owner said so.
    pub(super) peer: SocketAddr,
    pub(super) claim: Option<Box<Claim>>,
    pub(super) identity: Box<[u8]>,
    pub(super) master: Master,
    /// What its session id is made of (see [`session_id`]): its own id, but for resumed sessions.
    pub(super) resume_id: u64,
    /// Highest ceiling that [`crate::Server::saved`] gave away.
    pub(super) pending: u64,
    /// Size of the reserve that the ceiling came with.
    pub(super) reserve: u64,
    pub(super) forgeries: Forgeries,
    pub(super) max_plaintext: u16,
    pub(super) ems: bool,
    /// ReserveWanted was told for this reserve.
    pub(super) reserve_told: bool,
}

/// Where the newest record came from, while that is not proven.
pub(super) struct Claim {
    pub(super) at: SocketAddr,
    /// Bytes of authenticated records from there.
    pub(super) received: usize,
    /// Bytes of records that went there.
    sent: usize,
}

/// Where a record goes while the newest one came from an unproven address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// To that address, within its limit.
    Newest,
    /// To the proven address.
    Proven,
}

/// Most bytes sent to an unproven address for each byte that came from there (as RFC 9000 section 8.1 has it).
const AMPLIFICATION_MAX: usize = 3;

impl Claim {
    pub(super) fn new(at: SocketAddr) -> Self {
        Self { at, received: 0, sent: 0 }
    }

    /// Takes `bytes` of what may be sent there.
    fn take(&mut self, bytes: usize) -> bool {
        let sent = self.sent.saturating_add(bytes);
        let allowed = sent <= self.received.saturating_mul(AMPLIFICATION_MAX);
        if allowed {
            self.sent = sent;
        }
        allowed
    }
}

/// Records of a session that failed authentication. They never end it (RFC 6347 section 4.1.2.7).
#[derive(Clone, Copy, Default)]
pub(super) struct Forgeries {
    second: u32,
    /// In that second.
    count: u32,
    /// Minute in which one was told last, and 1.
    told: u32,
}

impl Forgeries {
    /// Counts one; whether it is the first of its minute, which is told.
    pub(super) fn add(&mut self, now: Duration) -> bool {
        let second = now.as_secs() as u32;
        if self.second != second {
            (self.second, self.count) = (second, 0);
        }
        self.count = self.count.saturating_add(1);
        let minute = second / 60 + 1;
        std::mem::replace(&mut self.told, minute) != minute
    }

    pub(super) fn are_many(&self, now: Duration, most_per_s: u32) -> bool {
        self.second == now.as_secs() as u32 && self.count >= most_per_s
    }
}

impl Session {
    /// Where `bytes` go.
    pub(super) fn way(&mut self, route: Route, bytes: usize) -> SocketAddr {
        let claim = self.claim.as_mut().filter(|_| route == Route::Newest);
        claim.and_then(|claim| claim.take(bytes).then_some(claim.at)).unwrap_or(self.peer)
    }

    pub(super) fn info(&self) -> SessionInfo<'_> {
        SessionInfo {
            peer: self.peer,
            claimed: self.claim.as_ref().map(|claim| claim.at),
            identity: &self.identity,
            suite: self.channel.suite,
            cid: self.channel.reads_cid,
            peer_cid: &self.channel.peer_cid,
            ems: self.ems,
            encrypt_then_mac: self.channel.etm,
            max_plaintext_bytes: usize::from(self.max_plaintext),
            write_seq: self.channel.write_seq,
            reserved: self.channel.ceiling,
        }
    }

    /// Whether the owner must be told now that the reserve goes to its end.
    pub(super) fn reserve_runs_low(&mut self) -> bool {
        let left = self.channel.ceiling.saturating_sub(self.channel.write_seq);
        let low = !self.reserve_told && left < self.reserve.div_ceil(2).max(1);
        self.reserve_told |= low;
        low
    }
}

/// What a handshake may begin from: of a live session, or all that is left of one that its client closed.
#[derive(Clone)]
pub(super) struct Secret {
    pub(super) resume_id: u64,
    pub(super) suite: Suite,
    pub(super) etm: bool,
    pub(super) ems: bool,
    pub(super) master: Master,
    pub(super) identity: Box<[u8]>,
}

impl From<&Session> for Secret {
    fn from(of: &Session) -> Self {
        let (suite, etm) = (of.channel.suite, of.channel.etm);
        Self { resume_id: of.resume_id, suite, etm, ems: of.ems, master: of.master.clone(), identity: of.identity.clone() }
    }
}

/// The id that a Connection ID of ours names.
pub(super) fn id_of(cid: &[u8]) -> Option<SessionId> {
    cid.try_into().ok().map(|bytes| SessionId(u64::from_be_bytes(bytes)))
}

/// Longest there is (RFC 5246 section 7.4.1.2). Some clients offer none of less than 16 bytes again.
pub(super) const SESSION_ID_BYTES: usize = 32;

/// The session id that a client is given: 8 bytes that say it all, then zeros.
pub(super) fn session_id(resume_id: u64) -> [u8; SESSION_ID_BYTES] {
    let mut id = [0; SESSION_ID_BYTES];
    for (to, from) in id.iter_mut().zip(resume_id.to_be_bytes()) {
        *to = from;
    }
    id
}

/// What a session id of ours is made of.
pub(super) fn resume_id_of(id: &[u8]) -> Option<u64> {
    let resume_id = u64::from_be_bytes(*id.first_chunk()?);
    (session_id(resume_id) == *id).then_some(resume_id)
}
