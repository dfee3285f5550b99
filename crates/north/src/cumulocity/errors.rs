//! The one table from what went wrong to an answer: status, `error` and `message` (contract section 4).

use super::{auth, media};
use crate::http::{Origin, Reason};
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use landfall_model::{Cause, Error, ErrorKind};
use serde_json::json;
use std::borrow::Cow;

const TOO_LARGE: &str = "the body is larger than it may be";

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Fault {
    what: What,
    message: Option<String>,
}

#[derive(Debug)]
enum What {
    Core(Error),
    Malformed(String),
    Media(&'static str),
    TooLarge,
}

impl Fault {
    /// A field out of its range: 422.
    pub fn invalid(path: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Error::invalid(path, detail).into()
    }

    /// A body or a query that cannot be read at all: 400.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self { what: What::Malformed(detail.into()), message: None }
    }

    /// A body of a type that is not taken: 415.
    pub fn media(detail: &'static str) -> Self {
        Self { what: What::Media(detail), message: None }
    }

    /// A body that is larger than it may be: 413.
    pub fn too_large() -> Self {
        Self { what: What::TooLarge, message: None }
    }

    /// With a message that the contract prints.
    pub fn saying(self, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    /// The cause, where the core refused.
    pub fn cause(&self) -> Option<Cause> {
        match &self.what {
            What::Core(error) => Some(error.cause),
            _ => None,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.what {
            What::Core(error) => error.fmt(f),
            What::Malformed(detail) => f.write_str(detail),
            What::Media(detail) => f.write_str(detail),
            What::TooLarge => f.write_str(TOO_LARGE),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self { what: What::Core(error), message: None }
    }
}

/// Status and `error`; one that begins with a slash has the area of its operation before it.
type Row = (u16, &'static str);

/// The row of an error of the core in an area, which is the first segment of the operation's path.
fn row(cause: Cause, area: &str) -> Row {
    match cause {
        Cause::Unauthenticated => (401, "security/Unauthorized"),
        Cause::Throttled => (429, "general/Too Many Requests"),
        Cause::NameTaken | Cause::NodeIdTaken if area == "identity" => (409, "/Duplicate"),
        Cause::ResourceExists if area == "event" => (409, "/Conflict"),
        Cause::NameTaken | Cause::NodeIdTaken | Cause::ResourceExists | Cause::DeviceRequestExists => (422, "/Non Unique Result"),
        Cause::Stale => (409, "/Conflict"),
        Cause::ContentTooLarge => (413, "undefined/payloadTooLarge"),
        _ => match cause.kind() {
            ErrorKind::NotFound => (404, "/Not Found"),
            ErrorKind::Conflict | ErrorKind::Invalid => (422, "/validationError"),
            ErrorKind::Denied => (403, "security/Forbidden"),
            ErrorKind::Limit => (422, "/Limit Exceeded"),
            ErrorKind::Unavailable => (503, "general/Service Unavailable"),
            ErrorKind::Internal => (500, "general/internalError"),
        },
    }
}

/// The message where it is the same for all of a status, and not for whoever asks to know more.
fn fixed(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("Invalid credentials! : Bad credentials"),
        403 => Some("Access is denied"),
        500 => Some("internal server error"),
        _ => None,
    }
}

/// What of a request its refusal is made of, as its body may be gone by then.
pub(super) struct Asked {
    origin: Option<Origin>,
    challenge: &'static str,
}

impl Asked {
    pub fn of(request: &Request) -> Self {
        Self { origin: request.extensions().get::<Origin>().cloned(), challenge: auth::challenge(request) }
    }

    /// The answer for a fault of an operation.
    pub fn refused(&self, operation: &super::Operation, fault: Fault) -> Response {
        let Fault { what, message } = fault;
        let area = operation.path.split('/').nth(1).unwrap_or_default();
        let (status, word) = match &what {
            What::Core(error) => row(error.cause, area),
            What::Malformed(_) => (400, "undefined/validationError"),
            What::Media(_) => (415, "undefined/unsupportedMediaType"),
            What::TooLarge => (413, "undefined/payloadTooLarge"),
        };
        let word: Cow<'static, str> = if word.starts_with('/') { format!("{area}{word}").into() } else { word.into() };
        let (reason, detail) = match what {
            What::Core(error) => {
                if error.kind() == ErrorKind::Internal {
                    tracing::error!(operation = operation.id, %error, "request failed");
                }
                (Reason::of(word.clone(), &error), error.to_string())
            }
            What::Malformed(detail) => (Reason::new(word.clone(), "request.malformed", detail.clone()), detail),
            What::Media(detail) => (Reason::new(word.clone(), "content.type", detail), detail.to_owned()),
            What::TooLarge => (Reason::new(word.clone(), "body.limit", TOO_LARGE), TOO_LARGE.to_owned()),
        };
        let message = message.or_else(|| fixed(status).map(str::to_owned)).unwrap_or(detail);
        reason.on(self.body(status, &word, &message))
    }

    fn body(&self, status: u16, word: &str, message: &str) -> Response {
        let mut body = json!({ "error": word, "message": message });
        if let (Some(origin), Some(body)) = (&self.origin, body.as_object_mut()) {
            body.insert("info".to_owned(), format!("{origin}/openapi/cumulocity.yaml").into());
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, media::vendor("error"));
        if status == 401 {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(self.challenge));
        }
        response
    }
}

/// The answer where a handler panicked.
pub(super) fn failed() -> Response {
    Asked { origin: None, challenge: "" }.body(500, "general/internalError", "internal server error")
}

/// The answer for a path that is none of an operation.
pub(super) fn unknown(request: &Request) -> Response {
    let message = "there is no such path, or its operation is not supported";
    Reason::new("general/Not Found", "path.unknown", message).on(Asked::of(request).body(404, "general/Not Found", message))
}

/// The answer for a method that a path does not have.
pub(super) fn wrong_method(request: &Request) -> Response {
    let (word, message) = ("general/Method Not Allowed", "the path does not have this method");
    Reason::new(word, "method.unknown", message).on(Asked::of(request).body(405, word, message))
}
