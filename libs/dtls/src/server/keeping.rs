//! Saving and restoring of live sessions, and the reservation of sequence numbers that makes it safe. Absent: where the bytes are kept.
//!
//! A session writes only numbers below its ceiling. A saved state starts at a number that the running session may not write before that state is durable,
//! so whatever was sent before a crash is below whatever the restored session sends: no nonce is used twice.

use super::Server;
use super::session::{Forgeries, Session};
use crate::channel::Channel;
use crate::wire::SEQ_END;
use crate::{RestoreError, SavedSession, SessionId};

impl Server {
    /// The state of a session to be stored, whose restored form begins to write at a new ceiling: the one before plus `reserve` numbers. Once it is durable, and not before, give its
    /// [`SavedSession::write_seq`] to [`Server::reserved`]. States must become durable in the order in which they were taken.
    ///
    /// A fresh session has a ceiling of [`crate::Config::first_reserve`]; a first save with a reserve of 0 starts there.
    pub fn saved(&mut self, session: SessionId, reserve: u64) -> Option<SavedSession> {
        let state = self.sessions.get_mut(&session)?;
        let write_seq = state.pending.max(state.channel.ceiling).saturating_add(reserve).min(SEQ_END);
        state.pending = write_seq;
        let channel = &state.channel;
        Some(SavedSession {
            id: session,
            resume_id: state.resume_id,
            suite: channel.suite,
            encrypt_then_mac: channel.etm,
            ems: state.ems,
            reads_cid: channel.reads_cid,
            keys: channel.keys.clone(),
            master: state.master.clone(),
            peer: state.peer,
            peer_cid: channel.peer_cid.clone(),
            identity: state.identity.clone(),
            write_seq,
            window: channel.window,
            max_plaintext: state.max_plaintext,
        })
    }

    /// A state with this [`SavedSession::write_seq`] is durable: numbers below it may be written. Values that [`Server::saved`] never gave are ignored.
    pub fn reserved(&mut self, session: SessionId, write_seq: u64) {
        let Some(state) = self.sessions.get_mut(&session) else { return };
        if write_seq > state.channel.ceiling && write_seq <= state.pending {
            state.reserve = write_seq - state.channel.ceiling;
            state.channel.ceiling = write_seq;
            state.reserve_told = false;
        }
    }

    /// Brings a saved session to life. It may write nothing until it was saved again with a reserve and that was confirmed; [`crate::Output::ReserveWanted`] asks for it
    /// when the session is first used, so restoring many costs nothing but memory. Records that the peer sent after the state was saved, and that were received then, would be
    /// accepted once more: save as often as that matters, or make the protocol above tolerate it.
    ///
    /// # Errors
    /// When the session exists or there is no place for it.
    pub fn restore(&mut self, saved: SavedSession) -> Result<SessionId, RestoreError> {
        let id = saved.id;
        if self.is_taken(id, saved.resume_id) {
            return Err(RestoreError::Exists);
        }
        if self.sessions.len() >= self.config.sessions {
            return Err(RestoreError::Full);
        }
        let channel = Channel {
            suite: saved.suite,
            etm: saved.encrypt_then_mac,
            keys: saved.keys,
            peer_cid: saved.peer_cid,
            reads_cid: saved.reads_cid,
            write_seq: saved.write_seq,
            ceiling: saved.write_seq,
            window: saved.window,
        };
        let there = self.by_peer.get(&saved.peer).and_then(|other| self.sessions.get(other));
        if there.is_none_or(|other| other.channel.reads_cid) {
            self.by_peer.insert(saved.peer, id);
        } else if !saved.reads_cid {
            return Err(RestoreError::Exists);
        }
        if saved.resume_id != id.0 {
            self.by_resume_id.insert(saved.resume_id, id);
        }
        let session = Session {
            channel,
            peer: saved.peer,
            claim: None,
            identity: saved.identity,
            master: saved.master,
            resume_id: saved.resume_id,
            pending: saved.write_seq,
            reserve: 0,
            forgeries: Forgeries::default(),
            max_plaintext: saved.max_plaintext,
            ems: saved.ems,
            reserve_told: false,
        };
        self.sessions.insert(id, Box::new(session));
        Ok(id)
    }
}
