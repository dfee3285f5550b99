//! Limits and times of the push. Every value has a default that suits one machine.

use crate::Policy;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Settings of the push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which addresses may be called.
    pub policy: Policy,
    /// Certificates that are trusted.
    pub trust: Trust,
    /// Requests under way for one subscription, each for another device.
    pub in_flight: usize,
    /// Open connections of all subscriptions together. The last quarter is kept for subscriptions that have none.
    pub sockets: usize,
    /// Bytes of rendered bodies that wait in memory, of all subscriptions together; beyond it they are read again when sent.
    pub held_bytes: usize,
    /// Milliseconds for resolving, connecting and the TLS handshake.
    pub connect_timeout_ms: u64,
    /// Milliseconds from the begin of an attempt to the head of its answer, or to the acknowledgement of a client that is connected.
    pub request_timeout_ms: u64,
    /// Milliseconds after which an unused connection is closed.
    pub idle_timeout_ms: u64,
    /// Milliseconds that [`crate::Push::shutdown`] waits for requests under way.
    pub shutdown_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            trust: Trust::default(),
            in_flight: 32,
            sockets: 4_096,
            held_bytes: 256 << 20,
            connect_timeout_ms: 5_000,
            request_timeout_ms: 15_000,
            idle_timeout_ms: 4_000,
            shutdown_timeout_ms: 10_000,
        }
    }
}

/// Root certificates for https receivers. Verification cannot be switched off; a self-signed receiver is trusted by naming its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// The PEM bundle of the platform; when it does not exist, only `extra` is trusted.
    pub bundle: Option<PathBuf>,
    /// PEM files of further authorities, or of single receivers whose certificate is self-signed (and does not claim to be an authority).
    pub extra: Vec<PathBuf>,
}

impl Default for Trust {
    fn default() -> Self {
        Self { bundle: Some(PathBuf::from("/etc/ssl/certs/ca-certificates.crt")), extra: Vec::new() }
    }
}
