//! A script, and which functions it has.

use std::sync::Arc;

/// One version of a codec. Two scripts with the same id and version are taken to be the same; if their sources differ after all,
/// the newer source replaces the older instance.
#[derive(Debug, Clone)]
pub struct Script {
    /// Whose it is: accounts share the processor time evenly, and within them their codecs.
    pub account: u128,
    /// Identity of the codec, unique across accounts: globals are shared only between calls of the same id and version.
    pub id: u128,
    /// Version of the source.
    pub version: u32,
    /// JavaScript text.
    pub source: Arc<str>,
    /// Somebody waits for the outcome of just this call: it is run although the codec rests, and does not make it rest.
    pub trial: bool,
}

/// Which functions a script defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exports {
    /// `decode(bytes, meta)`.
    pub decode: bool,
    /// `encode(command)`.
    pub encode: bool,
    /// `decodeUplink({bytes, fPort})`, used where `decode` is missing.
    pub decode_uplink: bool,
    /// `encodeDownlink({data})`, used where `encode` is missing.
    pub encode_downlink: bool,
}

impl Exports {
    /// [`crate::Sandbox::decode`] finds a function.
    pub fn can_decode(&self) -> bool {
        self.decode || self.decode_uplink
    }

    /// [`crate::Sandbox::encode`] finds a function.
    pub fn can_encode(&self) -> bool {
        self.encode || self.encode_downlink
    }
}

/// The function of a script to call; the numbers are shim.c's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    Decode = 0,
    Encode = 1,
}
