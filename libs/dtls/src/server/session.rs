//! A live session: what is kept of a finished handshake. Absent: the tables it is in.

use core::net::SocketAddr;

use crate::channel::Channel;
use crate::prf::Master;
use crate::{SessionId, SessionInfo};

pub(super) struct Session {
    pub(super) channel: Channel,
    pub(super) peer: SocketAddr,
    pub(super) identity: Box<[u8]>,
    pub(super) master: Master,
    /// The session id that the client knows; its own id, but for resumed sessions.
    pub(super) resume_id: u64,
    /// Highest ceiling that [`crate::Server::saved`] gave away.
    pub(super) pending: u64,
    /// Size of the reserve that the ceiling came with.
    pub(super) reserve: u64,
    pub(super) forged: u32,
    pub(super) max_plaintext: u16,
    pub(super) ems: bool,
    /// ReserveWanted was told for this reserve.
    pub(super) reserve_told: bool,
}

impl Session {
    pub(super) fn info(&self) -> SessionInfo<'_> {
        SessionInfo {
            peer: self.peer,
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

/// The id that a Connection ID or a session id of ours names.
pub(super) fn id_of(bytes: &[u8]) -> Option<SessionId> {
    bytes.try_into().ok().map(|bytes| SessionId(u64::from_be_bytes(bytes)))
}
