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

pub use fault::{At, DecodeCheck, DecodeError, EncodeError};

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

/// Reads a payload that belongs to `base`: what was read, written, observed or, for composite operations and Send, the root.
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
    if payload.len() > limits.bytes {
        return Err(DecodeError::new(DecodeCheck::TooLong, At::Offset(limits.bytes)));
    }
    match format {
        ContentFormat::TEXT => single::decode_text(base, payload, models),
        ContentFormat::OPAQUE => single::decode_opaque(base, payload, models),
        ContentFormat::LINK => single::decode_link(base, payload, models),
        ContentFormat::CBOR => cbor::decode_single(base, payload, models),
        ContentFormat::TLV | ContentFormat::TLV_OLD => tlv::decode(base, payload, models, limits),
        ContentFormat::JSON | ContentFormat::JSON_OLD => json::decode(base, payload, models, limits),
        ContentFormat::SENML_JSON => senml::entries(senml_json::decode(payload, limits)?, base, models, limits),
        ContentFormat::SENML_CBOR => senml::entries(senml_cbor::decode(payload, limits)?, base, models, limits),
        ContentFormat::LWM2M_CBOR => lwm2m_cbor::decode(base, payload, models, limits),
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
