//! The client.
use std::time::Duration;

use crate::{ClientConfig, ClientOutput, Random, SendError};

/// The client.
pub struct Client {
    _config: ClientConfig,
}

#[allow(missing_docs, unused_variables)]
impl Client {
    pub fn new(config: ClientConfig, random: Random) -> Self {
        Self { _config: config }
    }
    /// Begins a handshake; resumes when an older session's secret is there.
    pub fn connect(&mut self, now: Duration) {}
    pub fn handle(&mut self, now: Duration, datagram: &[u8]) {}
    pub fn poll(&mut self) -> Option<ClientOutput> {
        None
    }
    pub fn poll_timeout(&self) -> Option<Duration> {
        None
    }
    pub fn timeout(&mut self, now: Duration) {}
    pub fn send(&mut self, plaintext: &[u8]) -> Result<(), SendError> {
        Err(SendError::NoSession)
    }
    /// Says close_notify.
    pub fn close(&mut self) {}
    pub fn is_established(&self) -> bool {
        false
    }
    /// Forgets the older session's secret: the next handshake is a full one.
    pub fn forget(&mut self) {}
}
