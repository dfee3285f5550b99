//! Device management and information reporting (core 1.1 sections 6.3 and 6.4): the requests that a server sends, and what the answers
//! mean. Absent: whether the client has what is asked for, tokens of observations.

use std::fmt::Write as _;

use crate::attributes::AttributeChange;
use crate::codec::{self, DecodeError, Decoded, EncodeError, Reading};
use crate::content_format::ContentFormat;
use crate::message::{Code, Method, Observe, Request, Response};
use crate::path::Path;
use crate::value::{Entry, ValueType};

/// What a Write does to what is not mentioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteMode {
    /// It goes (PUT); on a single resource the only mode.
    Replace,
    /// It stays (POST, on object instances).
    Update,
}

/// One argument of Execute: a digit, and a text unless it is only the digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// 0 to 9.
    pub digit: u8,
    /// Printable ASCII without blanks, quotes and backslashes (core 1.1 section 6.3.5).
    pub value: Option<String>,
}

/// Why a request cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// The operation does not exist at this depth of path.
    #[error("the operation does not exist for {0}")]
    Path(Path),
    /// The values cannot be written in the format.
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// An argument is not 0 to 9, given twice, or has characters that cannot be sent.
    #[error("bad argument")]
    Argument,
}

type Build = Result<Request, OperationError>;

/// Where the client keeps its objects: the alternative root of the registration, empty for none, and a path.
fn at(root: &str, path: &Path) -> Vec<String> {
    let above = root.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned);
    above.chain(path.segments()).collect()
}

fn only(path: &Path, depths: std::ops::RangeInclusive<u8>) -> Result<(), OperationError> {
    if depths.contains(&path.depth()) { Ok(()) } else { Err(OperationError::Path(*path)) }
}

/// Read, 6.3.1. Without `accept` the client chooses the format.
///
/// # Errors
/// [`OperationError::Path`] for the root.
pub fn read(root: &str, path: &Path, accept: Option<ContentFormat>) -> Build {
    only(path, 1..=4)?;
    Ok(Request { accept, ..Request::new(Method::Get, at(root, path)) })
}

/// Discover, 6.3.2.
///
/// # Errors
/// [`OperationError::Path`] for the root and for resource instances.
pub fn discover(root: &str, path: &Path) -> Build {
    only(path, 1..=3)?;
    Ok(Request { accept: Some(ContentFormat::LINK), ..Request::new(Method::Get, at(root, path)) })
}

/// Discover down to `depth` levels below the path, 0 to 3 (core 1.2 section 6.3.2); only clients of 1.2 know it.
///
/// # Errors
/// [`OperationError::Path`] for the root, for resource instances, and for a depth above 3.
pub fn discover_depth(root: &str, path: &Path, depth: u8) -> Build {
    if depth > 3 {
        return Err(OperationError::Path(*path));
    }
    Ok(Request { query: vec![format!("depth={depth}")], ..discover(root, path)? })
}

/// Write, 6.3.3: to an object instance, a resource or a resource instance.
///
/// # Errors
/// Another path; values that do not belong there or that the format cannot say; an update of something else than an object instance or a
/// resource.
pub fn write(root: &str, path: &Path, mode: WriteMode, format: ContentFormat, entries: &[Entry]) -> Build {
    only(path, if mode == WriteMode::Replace { 2..=4 } else { 2..=3 })?;
    let method = if mode == WriteMode::Replace { Method::Put } else { Method::Post };
    let payload = codec::encode(format, path, entries)?;
    Ok(Request { content_format: Some(format), payload, ..Request::new(method, at(root, path)) })
}

/// Write-Attributes, 5.1.2 and 6.3.4.
///
/// # Errors
/// [`OperationError::Path`] for the root.
pub fn write_attributes(root: &str, path: &Path, change: &AttributeChange) -> Build {
    only(path, 1..=4)?;
    Ok(Request { query: change.queries(), ..Request::new(Method::Put, at(root, path)) })
}

/// Execute, 6.3.5, with arguments such as `0='http://example.com/fw',1`.
///
/// # Errors
/// Another path than a resource; arguments that cannot be sent.
pub fn execute(root: &str, path: &Path, arguments: &[Argument]) -> Build {
    only(path, 3..=3)?;
    let payload = format_arguments(arguments)?.into_bytes();
    let content_format = (!payload.is_empty()).then_some(ContentFormat::TEXT);
    Ok(Request { content_format, payload, ..Request::new(Method::Post, at(root, path)) })
}

/// Create, 6.3.6: an instance with the number in the entries' paths, or, where `entries` is empty, with one that the client picks.
///
/// # Errors
/// Another path than an object; values that do not belong there or that the format cannot say.
pub fn create(root: &str, object: &Path, format: ContentFormat, entries: &[Entry]) -> Build {
    only(object, 1..=1)?;
    let payload = codec::encode(format, object, entries)?;
    Ok(Request { content_format: Some(format), payload, ..Request::new(Method::Post, at(root, object)) })
}

/// Delete, 6.3.7: an object instance, or a resource instance since 1.2.
///
/// # Errors
/// [`OperationError::Path`] elsewhere.
pub fn delete(root: &str, path: &Path) -> Build {
    if path.depth() != 4 {
        only(path, 2..=2)?;
    }
    Ok(Request::new(Method::Delete, at(root, path)))
}

/// Observe, 6.4.1.
///
/// # Errors
/// [`OperationError::Path`] for the root.
pub fn observe(root: &str, path: &Path, accept: Option<ContentFormat>) -> Build {
    Ok(Request { observe: Some(Observe::Register), ..read(root, path, accept)? })
}

/// Observe with attributes of its own, which win over those that were written (core 1.2 section 6.4.1); only clients of 1.2 know it.
///
/// # Errors
/// [`OperationError::Path`] for the root.
pub fn observe_with(root: &str, path: &Path, accept: Option<ContentFormat>, attributes: &AttributeChange) -> Build {
    Ok(Request { query: attributes.queries(), ..observe(root, path, accept)? })
}

/// Cancel Observation, 6.4.3, by the same request with Observe 1.
///
/// # Errors
/// [`OperationError::Path`] for the root.
pub fn cancel_observe(root: &str, path: &Path, accept: Option<ContentFormat>) -> Build {
    Ok(Request { observe: Some(Observe::Cancel), ..read(root, path, accept)? })
}

/// Read-Composite, 6.3.8; `format` is used in both directions.
///
/// # Errors
/// [`OperationError::Encode`] for a format that composite operations do not have.
pub fn read_composite(root: &str, paths: &[Path], format: ContentFormat) -> Build {
    let payload = codec::encode_paths(format, paths)?;
    let request = Request::new(Method::Fetch, at(root, &Path::ROOT));
    Ok(Request { content_format: Some(format), accept: Some(format), payload, ..request })
}

/// Write-Composite, 6.3.9.
///
/// # Errors
/// [`OperationError::Encode`] for values or a format that cannot be.
pub fn write_composite(root: &str, entries: &[Entry], format: ContentFormat) -> Build {
    if !format.is_composite() {
        return Err(EncodeError::UnknownFormat(format).into());
    }
    let payload = codec::encode(format, &Path::ROOT, entries)?;
    Ok(Request { content_format: Some(format), payload, ..Request::new(Method::Ipatch, at(root, &Path::ROOT)) })
}

/// Observe-Composite, 6.4.4; `observe` tells whether it begins or ends.
///
/// # Errors
/// [`OperationError::Encode`] for a format that composite operations do not have.
pub fn observe_composite(root: &str, paths: &[Path], format: ContentFormat, observe: Observe) -> Build {
    Ok(Request { observe: Some(observe), ..read_composite(root, paths, format)? })
}

fn format_arguments(arguments: &[Argument]) -> Result<String, OperationError> {
    let mut text = String::new();
    let mut seen = [false; 10];
    for argument in arguments {
        let flag = seen.get_mut(usize::from(argument.digit)).ok_or(OperationError::Argument)?;
        if std::mem::replace(flag, true) || !argument.value.as_deref().unwrap_or_default().chars().all(argument_char) {
            return Err(OperationError::Argument);
        }
        let comma = if text.is_empty() { "" } else { "," };
        let _ = match &argument.value {
            None => write!(text, "{comma}{}", argument.digit),
            Some(value) => write!(text, "{comma}{}='{value}'", argument.digit),
        };
    }
    Ok(text)
}

/// `!`, `#` to `&`, `(` to `[`, `]` to `~`: printable without blank, quotes and backslash (core 1.1 section 6.3.5).
fn argument_char(c: char) -> bool {
    matches!(c, '!' | '#'..='&' | '('..='[' | ']'..='~')
}

/// Reads the arguments of an Execute (what a client does).
pub fn parse_arguments(text: &str) -> Option<Vec<Argument>> {
    let mut arguments: Vec<Argument> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digit = rest.bytes().next().filter(u8::is_ascii_digit)? - b'0';
        rest = rest.get(1..)?;
        let mut value = None;
        if let Some(quoted) = rest.strip_prefix("='") {
            let (inside, behind) = quoted.split_once('\'')?;
            value = Some(inside).filter(|inside| inside.chars().all(argument_char)).map(str::to_owned);
            value.as_ref()?;
            rest = behind;
        }
        if arguments.iter().any(|before| before.digit == digit) {
            return None;
        }
        arguments.push(Argument { digit, value });
        match rest.strip_prefix(',') {
            Some("") => return None,
            Some(behind) => rest = behind,
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(arguments)
}

/// What a client answered, in the words of core 1.1 table 6.4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// 2.xx: it was done.
    Success,
    /// 4.00: the client did not understand, or a value is wrong.
    BadRequest,
    /// 4.01: the server has no right to it.
    Unauthorized,
    /// 4.02: an option is not understood.
    BadOption,
    /// 4.03
    Forbidden,
    /// 4.04: there is no such object, instance or resource.
    NotFound,
    /// 4.05: what is there cannot do that.
    MethodNotAllowed,
    /// 4.06: no format fits.
    NotAcceptable,
    /// 4.08: a block is missing.
    EntityIncomplete,
    /// 4.12
    PreconditionFailed,
    /// 4.13: larger than the client takes.
    EntityTooLarge,
    /// 4.15: the format of the payload is not understood.
    UnsupportedContentFormat,
    /// 5.00
    InternalError,
    /// 5.01
    NotImplemented,
    /// 5.03
    ServiceUnavailable,
    /// Any other code of class 4 or 5, and codes that are no answers.
    Other(Code),
}

impl Outcome {
    const NAMED: [(Code, Self, &'static str); 14] = [
        (Code::BAD_REQUEST, Self::BadRequest, "bad_request"),
        (Code::UNAUTHORIZED, Self::Unauthorized, "unauthorized"),
        (Code::BAD_OPTION, Self::BadOption, "bad_option"),
        (Code::FORBIDDEN, Self::Forbidden, "forbidden"),
        (Code::NOT_FOUND, Self::NotFound, "not_found"),
        (Code::METHOD_NOT_ALLOWED, Self::MethodNotAllowed, "method_not_allowed"),
        (Code::NOT_ACCEPTABLE, Self::NotAcceptable, "not_acceptable"),
        (Code::REQUEST_ENTITY_INCOMPLETE, Self::EntityIncomplete, "entity_incomplete"),
        (Code::PRECONDITION_FAILED, Self::PreconditionFailed, "precondition_failed"),
        (Code::REQUEST_ENTITY_TOO_LARGE, Self::EntityTooLarge, "entity_too_large"),
        (Code::UNSUPPORTED_CONTENT_FORMAT, Self::UnsupportedContentFormat, "unsupported_content_format"),
        (Code::INTERNAL_SERVER_ERROR, Self::InternalError, "internal_error"),
        (Code::NOT_IMPLEMENTED, Self::NotImplemented, "not_implemented"),
        (Code::SERVICE_UNAVAILABLE, Self::ServiceUnavailable, "service_unavailable"),
    ];

    /// What a code means.
    pub fn of(code: Code) -> Self {
        let named = Self::NAMED.iter().find(|(known, ..)| *known == code).map(|(_, outcome, _)| *outcome);
        if code.class() == 2 { Self::Success } else { named.unwrap_or(Self::Other(code)) }
    }

    /// A name in lower case, such as `not_found`.
    pub fn name(self) -> &'static str {
        let named = Self::NAMED.iter().find(|(_, outcome, _)| *outcome == self).map(|(.., name)| *name);
        if self == Self::Success { "success" } else { named.unwrap_or("other") }
    }

    /// Whether the same request may succeed later without a change: the client was busy or failed inside.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::EntityIncomplete | Self::InternalError | Self::ServiceUnavailable)
    }
}

/// Reads the values of an answer to Read, Read-Composite (with [`Path::ROOT`]), Observe or of a notification. An answer without a
/// Content-Format counts as opaque where the resource is, else as plain text, as old clients send it.
///
/// # Errors
/// What is wrong with the payload as a whole.
pub fn values(response: &Response, path: &Path, reading: &Reading<'_>) -> Result<Decoded, DecodeError> {
    let opaque = reading.models.value_type(path) == Some(ValueType::Opaque);
    let untold = if opaque { ContentFormat::OPAQUE } else { ContentFormat::TEXT };
    codec::decode_each(response.content_format.unwrap_or(untold), path, &response.payload, reading)
}

/// Reads a Send, 6.4.5: `POST /dp` from a client, in SenML or LwM2M CBOR, over any objects.
///
/// # Errors
/// The code to answer with, and what is wrong: with the payload as a whole, or where no value can be used with the first.
pub fn parse_send(request: &Request, reading: &Reading<'_>) -> Result<Decoded, (Code, DecodeError)> {
    let format = request.content_format.filter(|format| format.is_composite()).ok_or_else(|| {
        let told = request.content_format.unwrap_or(ContentFormat::TEXT);
        (Code::UNSUPPORTED_CONTENT_FORMAT, DecodeError::new(codec::DecodeCheck::UnknownFormat(told), codec::At::Whole))
    })?;
    let decoded = codec::decode_each(format, &Path::ROOT, &request.payload, reading);
    let usable = decoded
        .and_then(|decoded| if decoded.entries.is_empty() { decoded.whole().map(|_| Decoded::default()) } else { Ok(decoded) });
    usable.map_err(|error| (Code::BAD_REQUEST, error))
}

/// A Send (what a client does).
///
/// # Errors
/// [`OperationError::Encode`] for values or a format that cannot be.
pub fn send(entries: &[Entry], format: ContentFormat) -> Build {
    if !format.is_composite() {
        return Err(EncodeError::UnknownFormat(format).into());
    }
    let payload = codec::encode(format, &Path::ROOT, entries)?;
    Ok(Request { content_format: Some(format), payload, ..Request::new(Method::Post, vec!["dp".into()]) })
}

#[cfg(test)]
mod tests;
