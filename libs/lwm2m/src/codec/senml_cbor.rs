//! To be filled. Absent: all.
use super::DecodeLimits;
use super::fault::{At, DecodeCheck, DecodeError, EncodeError};
use crate::content_format::ContentFormat;
use crate::objects::Models;
use crate::path::Path;
use crate::value::Entry;
pub(super) fn decode(_: &[u8], _: &DecodeLimits) -> Result<Vec<super::senml::Record>, DecodeError> {
    Err(DecodeError::new(DecodeCheck::TooLong, At::Whole))
}
pub(super) fn encode(_: &Path, _: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    Err(EncodeError::UnknownFormat(ContentFormat(112)))
}
pub(super) fn encode_paths(_: &[Path]) -> Vec<u8> {
    Vec::new()
}
