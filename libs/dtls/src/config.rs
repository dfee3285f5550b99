//! What a server and a client may do, and every bound, in one place. Absent: keys of devices; the owner is asked for them.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::Suite;

/// How a [`crate::Server`] speaks, and how much it holds.
#[derive(Clone, Debug)]
pub struct Config {
    /// Suites in order of the server's preference; the client's order does not count.
    pub suites: Vec<Suite>,
    /// Refuse clients without extended master secret (RFC 7627). Old modules lack it.
    pub require_ems: bool,
    /// Use encrypt-then-MAC (RFC 7366) where the client offers it; only the CBC suite is concerned.
    pub encrypt_then_mac: bool,
    /// Give a Connection ID (RFC 9146) to clients that offer the extension.
    pub connection_id: bool,
    /// Accept session-ID resumption (RFC 5246 7.3) of sessions that still live, or that their client closed.
    pub resumption: bool,
    /// Resume also sessions without extended master secret; RFC 7627 5.3 advises against it.
    pub resumption_without_ems: bool,
    /// Answer an unknown identity with the alert unknown_psk_identity. Otherwise it fails exactly like a wrong key, so that identities cannot be probed.
    pub reveal_unknown_identity: bool,
    /// Value of the highest bits of each [`crate::SessionId`], such as the number of a node or shard.
    pub id_prefix: u32,
    /// How many bits [`Config::id_prefix`] takes, 0 to 32.
    pub id_prefix_bits: u8,
    /// Largest UDP payload of our own handshake flights, bytes; at least 256.
    pub mtu_bytes: usize,
    /// Most live sessions, and most together with those that their clients closed, of which the oldest give way.
    pub sessions: usize,
    /// How long a session may be resumed after its client closed it (RFC 5246 F.1.4 suggests at most 24 hours).
    pub closed_for: Duration,
    /// Most ClientHellos in fragments of which not all are there, each at most [`Config::handshake_bytes`] long; the oldest gives way to a new one.
    pub partial_hellos: usize,
    /// Most handshakes under way; the oldest gives way to a new one.
    pub handshakes: usize,
    /// Most handshakes that wait for the owner's answer to [`crate::Output::PskWanted`]; others wait for their client's repetition.
    pub lookups: usize,
    /// Most bytes of handshake messages held for one handshake until they are whole and in order.
    pub handshake_bytes: usize,
    /// Longest PSK identity, bytes; RFC 4279 5.3 wants at least 256.
    pub identity_bytes: usize,
    /// First wait before a flight is repeated; doubles each time up to [`Config::retransmit_max`].
    pub retransmit_first: Duration,
    /// Longest wait before a flight is repeated.
    pub retransmit_max: Duration,
    /// Longest whole handshake, from the ClientHello with a valid cookie.
    pub handshake_timeout: Duration,
    /// How long the last flight is kept for a client that repeats its own; it goes earlier when the client sends data.
    pub linger: Duration,
    /// Most last flights kept.
    pub lingering: usize,
    /// How long a cookie secret is used; cookies of the one before stay valid.
    pub cookie_period: Duration,
    /// Records of one session that fail authentication in a second, before further ones are dropped unopened unless they come from its proven address.
    pub forgeries_per_s: u32,
    /// Sequence numbers that a fresh session may use before its first save was confirmed.
    pub first_reserve: u64,
    /// Most [`crate::Output::Refused`] for records that nothing authenticated, a second; the rest is only counted.
    pub refusals_per_s: u32,
    /// Outputs that may wait to be polled; above it datagrams are dropped and counted.
    pub outputs: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            suites: Suite::ALL.to_vec(),
            require_ems: false,
            encrypt_then_mac: true,
            connection_id: true,
            resumption: true,
            resumption_without_ems: false,
            reveal_unknown_identity: false,
            id_prefix: 0,
            id_prefix_bits: 0,
            mtu_bytes: 1_280,
            sessions: 16_000_000,
            closed_for: Duration::from_secs(86_400),
            partial_hellos: 1_000,
            handshakes: 10_000,
            lookups: 5_000,
            handshake_bytes: 4_096,
            identity_bytes: 1_024,
            retransmit_first: Duration::from_secs(1),
            retransmit_max: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(120),
            linger: Duration::from_secs(240),
            lingering: 20_000,
            cookie_period: Duration::from_secs(60),
            forgeries_per_s: 20,
            first_reserve: 1_024,
            refusals_per_s: 100,
            outputs: 16_384,
        }
    }
}

/// How a [`crate::Client`] speaks. One identity, one key.
#[derive(Clone)]
pub struct ClientConfig {
    /// PSK identity, 1 to 65,535 bytes.
    pub identity: Vec<u8>,
    /// Pre-shared key, 1 to 256 bytes.
    pub psk: Zeroizing<Vec<u8>>,
    /// Suites in the order offered.
    pub suites: Vec<Suite>,
    /// The Connection ID this client wants on what it receives, 0 to 32 bytes; empty: only the server gets one. `None`: the extension is not offered.
    pub cid: Option<Vec<u8>>,
    /// Offer extended master secret.
    pub ems: bool,
    /// Offer encrypt-then-MAC.
    pub encrypt_then_mac: bool,
    /// Offer record_size_limit (RFC 8449) with this value, 64 to 16,384 bytes.
    pub record_size_limit: Option<u16>,
    /// Largest UDP payload of our own handshake flights, bytes; at least 256.
    pub mtu_bytes: usize,
    /// First wait before a flight is repeated; doubles each time up to [`ClientConfig::retransmit_max`].
    pub retransmit_first: Duration,
    /// Longest wait before a flight is repeated.
    pub retransmit_max: Duration,
    /// Longest whole handshake.
    pub handshake_timeout: Duration,
}

impl ClientConfig {
    /// All suites, Connection ID, extended master secret and encrypt-then-MAC offered, with the standard's timers.
    pub fn new(identity: impl Into<Vec<u8>>, psk: impl Into<Vec<u8>>) -> Self {
        Self {
            identity: identity.into(),
            psk: Zeroizing::new(psk.into()),
            suites: Suite::ALL.to_vec(),
            cid: Some(Vec::new()),
            ems: true,
            encrypt_then_mac: true,
            record_size_limit: None,
            mtu_bytes: 1_280,
            retransmit_first: Duration::from_secs(1),
            retransmit_max: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(120),
        }
    }
}

impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig").field("suites", &self.suites).field("cid", &self.cid).finish_non_exhaustive()
    }
}
