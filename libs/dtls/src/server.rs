//! The server.
use core::net::SocketAddr;
use std::time::Duration;

use crate::{Alert, Config, Counters, LookupId, Output, Random, RestoreError, SavedSession, SendError, SessionId, SessionInfo};

/// The server.
pub struct Server {
    _config: Config,
}

#[allow(missing_docs, unused_variables)]
impl Server {
    pub fn new(config: Config, random: Random) -> Self {
        Self { _config: config }
    }
    pub fn handle(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) {}
    pub fn poll(&mut self) -> Option<Output> {
        None
    }
    pub fn poll_timeout(&self) -> Option<Duration> {
        None
    }
    pub fn timeout(&mut self, now: Duration) {}
    pub fn psk(&mut self, now: Duration, lookup: LookupId, key: Option<&[u8]>) {}
    pub fn send(&mut self, now: Duration, session: SessionId, plaintext: &[u8]) -> Result<(), SendError> {
        Err(SendError::NoSession)
    }
    pub fn close(&mut self, now: Duration, session: SessionId, alert: Alert) {}
    pub fn session(&self, session: SessionId) -> Option<SessionInfo<'_>> {
        None
    }
    pub fn saved(&mut self, session: SessionId, reserve: u64) -> Option<SavedSession> {
        None
    }
    pub fn reserved(&mut self, session: SessionId, write_seq: u64) {}
    pub fn restore(&mut self, saved: SavedSession) -> Result<SessionId, RestoreError> {
        Err(RestoreError::Malformed)
    }
    pub fn sessions(&self) -> usize {
        0
    }
    pub fn counters(&self) -> Counters {
        Counters::default()
    }
}
