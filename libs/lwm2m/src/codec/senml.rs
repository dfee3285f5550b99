//! To be filled. Absent: all.
use super::DecodeLimits;
use super::fault::{At, DecodeCheck, DecodeError, EncodeError};
use crate::content_format::ContentFormat;
use crate::objects::Models;
use crate::path::Path;
use crate::value::Entry;
pub(super) struct Record;
pub(super) fn entries(_: Vec<Record>, _: &Path, _: Models<'_>) -> Result<Vec<Entry>, DecodeError> {
    Ok(vec![])
}
pub(super) fn paths(_: Vec<Record>) -> Result<Vec<Path>, DecodeError> {
    Ok(vec![])
}
pub(super) fn base64(_: &str, _: bool) -> Result<Vec<u8>, DecodeCheck> {
    Err(DecodeCheck::Base64)
}
pub(super) fn to_base64(_: &[u8], _: bool) -> String {
    String::new()
}
