//! Alert descriptions (RFC 5246 section 7.2). Absent: alerts that a PSK server can neither send nor mean.

/// What an alert says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Alert {
    /// 0: the sender will send no more.
    CloseNotify = 0,
    /// 10: a message that does not belong here.
    UnexpectedMessage = 10,
    /// 40: no common parameters.
    HandshakeFailure = 40,
    /// 47: a field has a value that is not allowed.
    IllegalParameter = 47,
    /// 49: known, and not allowed in.
    AccessDenied = 49,
    /// 50: a message cannot be parsed.
    DecodeError = 50,
    /// 51: Finished does not verify; with PSK that is a wrong key.
    DecryptError = 51,
    /// 70: not DTLS 1.2.
    ProtocolVersion = 70,
    /// 80: nothing to do with the peer.
    InternalError = 80,
    /// 90: the user or the owner does not want this any more.
    UserCanceled = 90,
    /// 100: a warning; there is no renegotiation here.
    NoRenegotiation = 100,
    /// 115: the identity has no key (RFC 4279).
    UnknownPskIdentity = 115,
}

impl Alert {
    /// The level on the wire: 1 is a warning, 2 is fatal.
    pub const fn level(self) -> u8 {
        if matches!(self, Self::CloseNotify | Self::NoRenegotiation | Self::UserCanceled) { 1 } else { 2 }
    }

    pub(crate) const fn bytes(self) -> [u8; 2] {
        [self.level(), self as u8]
    }
}
