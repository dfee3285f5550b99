//! Every rule that a peer can break, with a stable name and the section it comes from. Absent: texts for people.

/// One rule, and so one cause of a refused record or handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// Bytes that are no DTLS record.
    RecordMalformed,
    /// A record with a Connection ID that no session has.
    ConnectionId,
    /// An encrypted record from an address that has no session.
    UnknownPeer,
    /// A record of a live session that is not made with its keys.
    Forged,
    /// A message of a handshake that is not under way.
    UnexpectedMessage,
    /// A ClientHello that cannot be parsed.
    HelloMalformed,
    /// A ClientHello in fragments of which the first one ends before its cookie, or that contradict each other or are too long.
    HelloFragmented,
    /// A version before DTLS 1.2.
    ProtocolVersion,
    /// No common cipher suite.
    CipherSuite,
    /// The null compression is not offered.
    Compression,
    /// An extension that cannot be parsed, comes twice, or has a value that is not allowed.
    Extension,
    /// The extended master secret is required and was not offered.
    ExtendedMasterSecret,
    /// A renegotiation_info that is not empty.
    RenegotiationInfo,
    /// A session with extended master secret was offered for resumption without it.
    ResumptionSecret,
    /// A handshake message that cannot be parsed.
    MessageMalformed,
    /// Fragments of one message that contradict each other, or more of them than the limit.
    Fragments,
    /// An identity longer than the limit.
    IdentityLength,
    /// The owner has no key for the identity.
    UnknownIdentity,
    /// The client's Finished does not verify: a wrong key.
    Finished,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The handshake gave way to newer ones.
    HandshakeEvicted,
    /// The table of sessions is full.
    SessionLimit,
    /// The peer sent an alert before the handshake was over.
    PeerAlert,
}

impl Check {
    /// Stable, machine-readable name.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The section that the check comes from.
    pub const fn source(self) -> &'static str {
        self.row().1
    }

    const fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::RecordMalformed => ("record.malformed", "RFC 6347 4.1"),
            Self::ConnectionId => ("record.cid", "RFC 9146 4"),
            Self::UnknownPeer => ("record.peer", "RFC 6347 4.1.2.7"),
            Self::Forged => ("record.forged", "RFC 6347 4.1.2.7"),
            Self::UnexpectedMessage => ("handshake.order", "RFC 5246 7.3"),
            Self::HelloMalformed => ("hello.malformed", "RFC 6347 4.2.1"),
            Self::HelloFragmented => ("hello.fragmented", "RFC 6347 4.2.3"),
            Self::ProtocolVersion => ("hello.version", "RFC 6347 4.2.1"),
            Self::CipherSuite => ("hello.suite", "RFC 5246 7.4.1.3"),
            Self::Compression => ("hello.compression", "RFC 5246 7.4.1.2"),
            Self::Extension => ("hello.extension", "RFC 5246 7.4.1.4"),
            Self::ExtendedMasterSecret => ("hello.ems", "RFC 7627 5.2"),
            Self::RenegotiationInfo => ("hello.renegotiation", "RFC 5746 3.6"),
            Self::ResumptionSecret => ("hello.resumption", "RFC 7627 5.3"),
            Self::MessageMalformed => ("handshake.malformed", "RFC 5246 7.4"),
            Self::Fragments => ("handshake.fragments", "RFC 6347 4.2.3"),
            Self::IdentityLength => ("psk.identity.length", "RFC 4279 5.1"),
            Self::UnknownIdentity => ("psk.identity", "RFC 4279 2"),
            Self::Finished => ("psk.key", "RFC 5246 7.4.9"),
            Self::HandshakeTimeout => ("handshake.timeout", "RFC 6347 4.2.4"),
            Self::HandshakeEvicted => ("handshake.evicted", "limit"),
            Self::SessionLimit => ("session.limit", "limit"),
            Self::PeerAlert => ("handshake.alert", "RFC 5246 7.2"),
        }
    }
}
