//! Every bound and every time of an endpoint in one place. Absent: rates of refusals; those are the owner's business.

use core::time::Duration;

/// What one endpoint may use, for all of its peers together unless the name says otherwise.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest datagram that is read. Default 65,535, the longest of UDP.
    pub datagram_bytes: usize,
    /// Most options of one message. Default 64.
    pub options: usize,
    /// Longest token of a request that is served; a longer one is answered 4.00 (RFC 8974 2.2.2). Default 32.
    pub token_bytes: usize,
    /// Largest body, in and out of block-wise transfers. Default 1 MiB.
    pub body_bytes: usize,
    /// Most bytes of all bodies being assembled, in both roles. Default 64 MiB.
    pub assembly_bytes: usize,
    /// Most request bodies being assembled. Oldest out first. Default 4,096.
    pub uploads: usize,
    /// The same for one peer. Default 4.
    pub uploads_per_peer: usize,
    /// Most response bodies kept for the blocks that the peer will ask for. Oldest out first. Default 4,096.
    pub bodies: usize,
    /// The same for one peer. Default 4.
    pub bodies_per_peer: usize,
    /// Most bytes of those bodies. Default 64 MiB.
    pub bodies_bytes: usize,
    /// Most requests and notifications given to the owner and not yet answered. Default 65,536.
    pub open: usize,
    /// The same for one peer. Default 16.
    pub open_per_peer: usize,
    /// Most exchanges that the endpoint itself began: requests, separate responses, notifications. Default 262,144.
    pub exchanges: usize,
    /// The same for one peer, waiting ones included. Default 64.
    pub exchanges_per_peer: usize,
    /// Most message identifiers remembered to tell duplicates. Oldest out first. Default 262,144.
    pub recent: usize,
    /// The same for one peer. Default 32, never below `open_per_peer`.
    pub recent_per_peer: usize,
    /// Most bytes of answers kept to be repeated. Oldest out first. Default 32 MiB.
    pub recent_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            datagram_bytes: 65_535,
            options: 64,
            token_bytes: 32,
            body_bytes: 1 << 20,
            assembly_bytes: 64 << 20,
            uploads: 4_096,
            uploads_per_peer: 4,
            bodies: 4_096,
            bodies_per_peer: 4,
            bodies_bytes: 64 << 20,
            open: 65_536,
            open_per_peer: 16,
            exchanges: 262_144,
            exchanges_per_peer: 64,
            recent: 262_144,
            recent_per_peer: 32,
            recent_bytes: 32 << 20,
        }
    }
}

/// When a confirmable message is sent again (RFC 7252 4.2, 4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmit {
    /// ACK_TIMEOUT: shortest time to the first repetition. Default 2 s; NB-IoT wants 10 s or more.
    pub ack_timeout: Duration,
    /// ACK_RANDOM_FACTOR in hundredths, 100 or more: the first wait is drawn between `ack_timeout` and this much of it. Default 150.
    pub ack_random_percent: u32,
    /// MAX_RETRANSMIT: repetitions before giving up, at most 20. Default 4.
    pub max_retransmit: u8,
}

impl Default for Retransmit {
    fn default() -> Self {
        Self { ack_timeout: Duration::from_secs(2), ack_random_percent: 150, max_retransmit: 4 }
    }
}

/// The times and sizes of an endpoint.
#[derive(Clone, Debug)]
pub struct Config {
    /// Repetition of confirmable messages, where the request names no other.
    pub retransmit: Retransmit,
    /// NSTART: interactions with one peer at a time (RFC 7252 4.7). Default 1.
    pub nstart: usize,
    /// How long a confirmable request may wait for the owner before it is acknowledged empty. Default 1 s, half of the peer's ACK_TIMEOUT.
    pub separate_after: Duration,
    /// How long the owner may take to answer a request or a notification; then the ticket is void. Default 247 s.
    pub answer_within: Duration,
    /// How long a response is waited for once the request was acknowledged, or sent non-confirmable. Default 93 s, MAX_TRANSMIT_WAIT.
    pub response_timeout: Duration,
    /// How long a RST to a non-confirmable notification is waited for. Default 5 s.
    pub notify_wait: Duration,
    /// EXCHANGE_LIFETIME: how long identifiers of confirmable messages are remembered. Default 247 s.
    pub exchange_lifetime: Duration,
    /// NON_LIFETIME: the same for non-confirmable ones. Default 145 s.
    pub non_lifetime: Duration,
    /// How long an unfinished request body, and a response body that may be asked for, is kept after its last use. Default 247 s.
    pub transfer_lifetime: Duration,
    /// Largest block that is sent, a power of two from 16 to 1,024; others are rounded down. Default 1,024.
    pub block_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retransmit: Retransmit::default(),
            nstart: 1,
            separate_after: Duration::from_secs(1),
            answer_within: Duration::from_secs(247),
            response_timeout: Duration::from_secs(93),
            notify_wait: Duration::from_secs(5),
            exchange_lifetime: Duration::from_secs(247),
            non_lifetime: Duration::from_secs(145),
            transfer_lifetime: Duration::from_secs(247),
            block_bytes: 1_024,
        }
    }
}
