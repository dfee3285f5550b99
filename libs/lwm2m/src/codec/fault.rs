//! What can be wrong with a payload. Absent: how it is answered; that is 4.00, or 4.15 for a format that is not understood.

use std::fmt;

use crate::content_format::ContentFormat;
use crate::path::Path;

/// Why a payload is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("payload: {check} ({at})")]
pub struct DecodeError {
    /// What was checked.
    pub check: DecodeCheck,
    /// Where in the payload.
    pub at: At,
}

impl DecodeError {
    pub(crate) const fn new(check: DecodeCheck, at: At) -> Self {
        Self { check, at }
    }
}

/// A value that cannot be used, beside others that can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where the value belongs, as far as that is known.
    pub path: Option<Path>,
    /// What is wrong with it.
    pub error: DecodeError,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.filter(|_| self.error.check.path().is_none()) {
            Some(path) => write!(f, "{path}: {} ({})", self.error.check, self.error.at),
            None => write!(f, "{} ({})", self.error.check, self.error.at),
        }
    }
}

/// A place in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The payload as a whole.
    Whole,
    /// A byte, from 0.
    Offset(usize),
    /// A record of a JSON or SenML array, from 0.
    Record(usize),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole payload"),
            Self::Offset(at) => write!(f, "byte {at}"),
            Self::Record(at) => write!(f, "record {at}"),
        }
    }
}

/// The checks of all payload readers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeCheck {
    /// The format is not understood; answered with 4.15.
    #[error("content format {0} is not understood")]
    UnknownFormat(ContentFormat),
    /// Longer than [`super::DecodeLimits::bytes`].
    #[error("too long")]
    TooLong,
    /// More than [`super::DecodeLimits::entries`].
    #[error("too many values")]
    TooMany,
    /// It ends before it should.
    #[error("truncated")]
    Truncated,
    /// There is more behind the end.
    #[error("something follows the end")]
    Trailing,
    /// Text is not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// Not JSON, or not of the form that is wanted.
    #[error("bad JSON: {0}")]
    Json(String),
    /// Not well-formed CBOR, or an item that is not wanted there.
    #[error("bad CBOR: {0}")]
    Cbor(&'static str),
    /// Nested deeper than paths are.
    #[error("nested too deep")]
    TooDeep,
    /// A TLV type, identifier or length that must not be there.
    #[error("bad TLV: {0}")]
    Tlv(&'static str),
    /// A field occurs twice in a record.
    #[error("field {0} occurs twice")]
    Twice(&'static str),
    /// A field that must be understood and is not (RFC 8428 section 4.4).
    #[error("a field that must be understood is not")]
    MustUnderstand,
    /// A SenML version above 10.
    #[error("SenML version is not supported")]
    SenmlVersion,
    /// No value, or more than one, where one is wanted.
    #[error("a record has not exactly one value")]
    NotOneValue,
    /// A value where only a path is wanted.
    #[error("a record has a value and should not")]
    UnwantedValue,
    /// A name that is not a path of the right depth.
    #[error("bad path")]
    Path,
    /// A value outside of the path that the payload belongs to.
    #[error("{0} does not belong here")]
    OutsideBase(Path),
    /// The same path twice, without times that differ.
    #[error("{0} is given twice")]
    Duplicate(Path),
    /// A path with a single value is needed for this format.
    #[error("the format is for a single value")]
    NotSingle,
    /// The value has not the type that the resource has.
    #[error("value of {0} has another type")]
    Type(Path),
    /// A resource with a value that can only be executed.
    #[error("{0} has no value")]
    NoValue(Path),
    /// A number that is infinite or not a number.
    #[error("number is not finite")]
    NotFinite,
    /// Base64 with characters or a length that it cannot have.
    #[error("bad base64")]
    Base64,
    /// A time beyond what can be represented.
    #[error("bad time")]
    Time,
}

impl DecodeCheck {
    /// The path that the words of the check name.
    const fn path(&self) -> Option<Path> {
        match self {
            Self::OutsideBase(path) | Self::Duplicate(path) | Self::Type(path) | Self::NoValue(path) => Some(*path),
            _ => None,
        }
    }
}

/// What a format cannot say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The format is not understood.
    #[error("content format {0} is not understood")]
    UnknownFormat(ContentFormat),
    /// A value outside of the base, or not at a resource or resource instance.
    #[error("{0} does not belong here")]
    OutsideBase(Path),
    /// The same path twice.
    #[error("{0} is given twice")]
    Twice(Path),
    /// The format holds exactly one value.
    #[error("the format is for a single value")]
    NotSingle,
    /// The format has no way to write this type.
    #[error("value of {0} cannot be written in this format")]
    Type(Path),
    /// The format has no times.
    #[error("the format has no times")]
    Time,
    /// A number that is infinite or not a number.
    #[error("number is not finite")]
    NotFinite,
    /// A value beyond the length that the format can say.
    #[error("value of {0} is too long")]
    TooLong(Path),
}
