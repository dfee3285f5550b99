//! What the machines tell their owners. Absent: secrets; none of these values holds one.

use core::fmt;
use core::net::SocketAddr;

use crate::{Check, Suite};

/// A live session, and at the same time the Connection ID that its client writes (8 bytes, big-endian).
///
/// It is never used again for another set of keys: a resumed session gets a new one, so that a stale record of the old keys cannot meet the new ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({:016x})", self.0)
    }
}

/// One question to the owner for a key; see [`Output::PskWanted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LookupId(pub u64);

/// What a [`crate::Server`] wants of its owner, in order.
#[derive(Clone, PartialEq, Eq)]
pub enum Output {
    /// Send one datagram.
    Send {
        /// Where to.
        to: SocketAddr,
        /// The UDP payload.
        datagram: Vec<u8>,
    },
    /// Find the key of an identity and answer with [`crate::Server::psk`]; the handshake waits.
    PskWanted {
        /// Names the question.
        lookup: LookupId,
        /// As the client sent it: any bytes.
        identity: Vec<u8>,
        /// Who asks.
        peer: SocketAddr,
    },
    /// A handshake finished; both sides have proved that they hold the key.
    Established {
        /// The new session.
        session: SessionId,
        /// The authenticated identity.
        identity: Vec<u8>,
        /// Where the client is.
        peer: SocketAddr,
        /// The suite in use.
        suite: Suite,
        /// Whether it came from an older session's secret, without a key lookup.
        resumed: bool,
        /// Whether the client writes Connection IDs, so that its address may change.
        cid: bool,
        /// The session that is gone now because this one takes its place. No [`Output::Closed`] tells it again.
        replaces: Option<SessionId>,
    },
    /// Authenticated application data, once.
    Data {
        /// From which session.
        session: SessionId,
        /// The address it came from (an older one than the session's when the record was late).
        peer: SocketAddr,
        /// The plaintext of one record.
        bytes: Vec<u8>,
    },
    /// A newer authenticated record came from another address, which proves nothing yet: it may have been copied on the way, or recorded before a crash (RFC 9146 6).
    /// What [`crate::Server::send`] sends goes there now, as far as its limit allows; tell with [`crate::Server::prove`] when the client has shown that it hears there.
    AddressClaimed {
        /// Which session.
        session: SessionId,
        /// Its proven address.
        from: SocketAddr,
        /// Where the record came from.
        to: SocketAddr,
    },
    /// The owner proved another address; all goes there from now on.
    AddressChanged {
        /// Which session.
        session: SessionId,
        /// Where it was.
        from: SocketAddr,
        /// Where it is.
        to: SocketAddr,
    },
    /// Less than half of the reserved sequence numbers is left: save the session and confirm with [`crate::Server::reserved`]. Told once for each reserve.
    ReserveWanted {
        /// Which session.
        session: SessionId,
    },
    /// The peer said close_notify: nothing comes or goes any more, but the session may be resumed, until [`Output::Established`] says that it is replaced, [`Output::Closed`]
    /// that its time is over, or [`crate::Server::close`] ends it.
    PeerClosed {
        /// Which session.
        session: SessionId,
    },
    /// A session is over, by the peer or by a limit.
    Closed {
        /// Which session.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
    /// A record or a handshake was refused.
    Refused {
        /// Who it came from; not proved where the check is about a record or a first ClientHello.
        peer: SocketAddr,
        /// The identity, where it was known by then. It is the client's claim.
        identity: Option<Vec<u8>>,
        /// The rule that was broken.
        check: Check,
        /// More about it; never a secret.
        detail: &'static str,
    },
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { to, datagram } => write!(f, "Send {{ to: {to}, bytes: {} }}", datagram.len()),
            Self::PskWanted { lookup, peer, .. } => write!(f, "PskWanted {{ {lookup:?}, peer: {peer} }}"),
            Self::Established { session, peer, suite, resumed, cid, replaces, .. } => {
                write!(
                    f,
                    "Established {{ {session:?}, {peer}, {suite:?}, resumed: {resumed}, cid: {cid}, replaces: {replaces:?} }}"
                )
            }
            Self::Data { session, peer, bytes } => write!(f, "Data {{ {session:?}, {peer}, bytes: {} }}", bytes.len()),
            Self::AddressClaimed { session, from, to } => write!(f, "AddressClaimed {{ {session:?}, {from} -> {to} }}"),
            Self::AddressChanged { session, from, to } => write!(f, "AddressChanged {{ {session:?}, {from} -> {to} }}"),
            Self::ReserveWanted { session } => write!(f, "ReserveWanted {{ {session:?} }}"),
            Self::PeerClosed { session } => write!(f, "PeerClosed {{ {session:?} }}"),
            Self::Closed { session, reason } => write!(f, "Closed {{ {session:?}, {reason:?} }}"),
            Self::Refused { peer, check, detail, .. } => write!(f, "Refused {{ {peer}, {check:?}, {detail:?} }}"),
        }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The peer said close_notify, and the session cannot be resumed (any more).
    PeerClosed,
    /// The peer sent a fatal alert with this number.
    PeerAlert(u8),
    /// All sequence numbers are used (RFC 6347 4.1).
    Exhausted,
    /// Another session took its place, and [`Output::Established`] named a different one.
    Replaced,
    /// Client only: the handshake was refused by an alert with this number, or by our own check.
    Refused(Option<u8>, Option<Check>),
    /// Client only: the handshake took too long.
    Timeout,
}

/// Why [`crate::Server::send`] or [`crate::Client::send`] did not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendError {
    /// There is no such session (any more).
    NoSession,
    /// All reserved sequence numbers are used: save, confirm with [`crate::Server::reserved`], send again.
    NotReserved,
    /// Longer than one record of this session may be; see [`SessionInfo::max_plaintext_bytes`].
    TooLong,
    /// All sequence numbers are used; the session is closed.
    Exhausted,
    /// Too many outputs wait to be polled.
    Full,
}

/// What is known of a live session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionInfo<'a> {
    /// Where it is: its proven address.
    pub peer: SocketAddr,
    /// Where its newest record came from, if that is another address and not proven.
    pub claimed: Option<SocketAddr>,
    /// Who it is.
    pub identity: &'a [u8],
    /// The suite in use.
    pub suite: Suite,
    /// Whether the client writes our Connection ID.
    pub cid: bool,
    /// The Connection ID that we write; empty: none.
    pub peer_cid: &'a [u8],
    /// Whether its master secret is an extended one.
    pub ems: bool,
    /// Whether records are encrypted before they are authenticated (CBC suite only).
    pub encrypt_then_mac: bool,
    /// Longest plaintext of one record to the peer, bytes.
    pub max_plaintext_bytes: usize,
    /// Next sequence number to be written.
    pub write_seq: u64,
    /// First sequence number that may not be written yet.
    pub reserved: u64,
}

/// What a [`crate::Client`] wants of its owner, in order.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientOutput {
    /// Send one datagram to the server.
    Send(Vec<u8>),
    /// The handshake finished.
    Established {
        /// The suite in use.
        suite: Suite,
        /// Whether the older secret was used.
        resumed: bool,
        /// Whether records carry the server's Connection ID.
        cid: bool,
    },
    /// The plaintext of one record.
    Data(Vec<u8>),
    /// The session or the handshake is over; [`crate::Client::connect`] begins anew.
    Closed(CloseReason),
}

impl fmt::Debug for ClientOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(datagram) => write!(f, "Send({} bytes)", datagram.len()),
            Self::Established { suite, resumed, cid } => write!(f, "Established({suite:?}, resumed: {resumed}, cid: {cid})"),
            Self::Data(bytes) => write!(f, "Data({} bytes)", bytes.len()),
            Self::Closed(reason) => write!(f, "Closed({reason:?})"),
        }
    }
}

/// What happened, for metrics. All counts only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams handled.
    pub datagrams: u64,
    /// HelloVerifyRequests sent.
    pub cookies: u64,
    /// Handshakes begun (valid cookie).
    pub handshakes: u64,
    /// Sessions established, resumed ones included.
    pub established: u64,
    /// Sessions established without a full handshake.
    pub resumed: u64,
    /// Records of live sessions that failed authentication.
    pub forged: u64,
    /// Records that were dropped unopened, because too many of their session were forged.
    pub shed: u64,
    /// Records that came a second time, or too late for the window.
    pub replayed: u64,
    /// Records that belong to no session.
    pub unknown: u64,
    /// Datagrams dropped because too many outputs waited.
    pub overflow: u64,
    /// Flights sent again.
    pub retransmits: u64,
    /// Refusals that were only counted.
    pub refusals_unreported: u64,
}
