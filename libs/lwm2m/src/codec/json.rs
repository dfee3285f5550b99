//! To be filled. Absent: all.
use super::DecodeLimits;
use super::fault::{At, DecodeCheck, DecodeError, EncodeError};
use crate::content_format::ContentFormat;
use crate::objects::Models;
use crate::path::Path;
use crate::value::Entry;
pub(super) fn decode(_: &Path, _: &[u8], _: Models<'_>, _: &DecodeLimits) -> Result<Vec<Entry>, DecodeError> {
    Err(DecodeError::new(DecodeCheck::UnknownFormat(ContentFormat(11543)), At::Whole))
}
pub(super) fn encode(_: &Path, _: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    Err(EncodeError::UnknownFormat(ContentFormat(11543)))
}
