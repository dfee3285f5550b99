//! Payloads to values and back, for every Content-Format that LwM2M has. Absent: compression of names, streaming.
//!
//! Decoding yields entries in the order of the document, each at or below the base path; types come from the object definitions,
//! and where there is none, TLV yields opaque bytes, plain text yields text, and the other formats what they say themselves.

mod cbor;
mod collect;
mod date;
mod fault;
mod json;
mod lwm2m_cbor;
mod senml;
mod senml_cbor;
mod senml_json;
mod single;
mod tlv;
mod tree;

use crate::content_format::ContentFormat;
use crate::objects::Models;
use crate::path::Path;
use crate::value::Entry;

pub use fault::{At, DecodeCheck, DecodeError, EncodeError, Fault};

/// What one payload may hold.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// Longest payload, bytes.
    pub bytes: usize,
    /// Most values.
    pub entries: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { bytes: 1_048_576, entries: 16_384 }
    }
}

/// How a payload is to be read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The types of resources.
    pub models: Models<'a>,
    /// Where the client keeps its objects: the alternative root of its registration, which names in SenML and JSON may begin with; empty for none.
    pub root: &'a str,
    /// What one payload may hold.
    pub limits: DecodeLimits,
}

/// What a payload says, value by value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// The values that can be used, in the order of the document.
    pub entries: Vec<Entry>,
    /// The first of those that cannot, at most [`Decoded::FAULTS_MAX`].
    pub faults: Vec<Fault>,
    /// How many more there are.
    pub faults_untold: usize,
}

impl Decoded {
    /// Most values that are told to be unusable.
    pub const FAULTS_MAX: usize = 8;

    /// All values.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn whole(self) -> Result<Vec<Entry>, DecodeError> {
        self.faults.into_iter().next().map_or(Ok(self.entries), |fault| Err(fault.error))
    }
}

impl From<Entry> for Decoded {
    fn from(entry: Entry) -> Self {
        Self { entries: vec![entry], ..Self::default() }
    }
}

/// Reads a payload that belongs to `base` as one: what was written.
///
/// # Errors
/// The first check that fails and where in the payload. A value outside `base` is one of them.
pub fn decode(
    format: ContentFormat,
    base: &Path,
    payload: &[u8],
    models: Models<'_>,
    limits: &DecodeLimits,
) -> Result<Vec<Entry>, DecodeError> {
    decode_each(format, base, payload, &Reading { models, root: "", limits: *limits })?.whole()
}

/// Reads a payload that belongs to `base` value by value: what was read, observed or, for composite operations and Send, the root. A value
/// that is not of its type, not finite, twice or not below `base` does not spoil the others.
///
/// # Errors
/// Where it cannot be told any more where values begin and end, or the one value of a format for one cannot be used.
pub fn decode_each(format: ContentFormat, base: &Path, payload: &[u8], reading: &Reading<'_>) -> Result<Decoded, DecodeError> {
    let (models, limits) = (reading.models, &reading.limits);
    if payload.len() > limits.bytes {
        return Err(DecodeError::new(DecodeCheck::TooLong, At::Offset(limits.bytes)));
    }
    match format {
        ContentFormat::TEXT => single::decode_text(base, payload, models).map(Decoded::from),
        ContentFormat::OPAQUE => single::decode_opaque(base, payload, models).map(Decoded::from),
        ContentFormat::LINK => single::decode_link(base, payload, models).map(Decoded::from),
        ContentFormat::CBOR => cbor::decode_single(base, payload, models),
        ContentFormat::TLV | ContentFormat::TLV_OLD => tlv::decode(base, payload, reading),
        ContentFormat::JSON | ContentFormat::JSON_OLD => json::decode(base, payload, reading),
        ContentFormat::SENML_JSON => senml::entries(senml_json::decode(payload, limits)?, base, reading),
        ContentFormat::SENML_CBOR => senml::entries(senml_cbor::decode(payload, limits)?, base, reading),
        ContentFormat::LWM2M_CBOR => lwm2m_cbor::decode(base, payload, reading),
        other => Err(DecodeError::new(DecodeCheck::UnknownFormat(other), At::Whole)),
    }
}

/// Writes a payload that belongs to `base`. The entries must lie at or below it; no path may occur twice without a time.
///
/// # Errors
/// What the format cannot say: more than one value, times, another type, a path outside of `base`.
pub fn encode(format: ContentFormat, base: &Path, entries: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    if let Some(entry) = entries.iter().find(|entry| !base.contains(&entry.path) || entry.path.depth() < 3) {
        return Err(EncodeError::OutsideBase(entry.path));
    }
    match format {
        ContentFormat::TEXT => single::encode_text(base, entries),
        ContentFormat::OPAQUE => single::encode_opaque(base, entries),
        ContentFormat::LINK => single::encode_link(base, entries),
        ContentFormat::CBOR => cbor::encode_single(base, entries),
        ContentFormat::TLV | ContentFormat::TLV_OLD => tlv::encode(base, entries),
        ContentFormat::JSON | ContentFormat::JSON_OLD => json::encode(base, entries),
        ContentFormat::SENML_JSON => senml_json::encode(base, entries),
        ContentFormat::SENML_CBOR => senml_cbor::encode(base, entries),
        ContentFormat::LWM2M_CBOR => lwm2m_cbor::encode(base, entries),
        other => Err(EncodeError::UnknownFormat(other)),
    }
}

/// Reads the paths that a Read-Composite or Observe-Composite names (core 1.1 section 6.3.8).
///
/// # Errors
/// The first check that fails; a value beside a path is one of them.
pub fn decode_paths(format: ContentFormat, payload: &[u8], limits: &DecodeLimits) -> Result<Vec<Path>, DecodeError> {
    if payload.len() > limits.bytes {
        return Err(DecodeError::new(DecodeCheck::TooLong, At::Offset(limits.bytes)));
    }
    match format {
        ContentFormat::SENML_JSON => senml::paths(senml_json::decode(payload, limits)?),
        ContentFormat::SENML_CBOR => senml::paths(senml_cbor::decode(payload, limits)?),
        other => Err(DecodeError::new(DecodeCheck::UnknownFormat(other), At::Whole)),
    }
}

/// Writes the paths of a Read-Composite or Observe-Composite.
///
/// # Errors
/// [`EncodeError::UnknownFormat`] for formats that composite operations do not have.
pub fn encode_paths(format: ContentFormat, paths: &[Path]) -> Result<Vec<u8>, EncodeError> {
    match format {
        ContentFormat::SENML_JSON => Ok(senml_json::encode_paths(paths)),
        ContentFormat::SENML_CBOR => Ok(senml_cbor::encode_paths(paths)),
        other => Err(EncodeError::UnknownFormat(other)),
    }
}

#[cfg(test)]
mod tests;
