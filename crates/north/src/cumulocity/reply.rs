//! Answers that are no refusals.

use super::media;
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub(super) enum Reply {
    /// A representation, in the type of its operation where it has no name of its own.
    Body(StatusCode, Option<&'static str>, Value),
    /// None.
    Empty(StatusCode),
    /// A representation in the type of its operation, which is made while it is sent.
    Streamed(StatusCode, Body),
    /// As it is.
    Raw(Response),
}

/// How an operation answers this request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// The name in the media type of the operation.
    pub media: &'static str,
    /// Whether the client did not say what it accepts, and changed something: it wants no body (seed 11).
    pub bare: bool,
    /// Whether plain JSON is said.
    pub plain: bool,
}

impl Reply {
    /// 200.
    pub fn ok(value: Value) -> Self {
        Self::Body(StatusCode::OK, None, value)
    }

    /// 201, with `Location` where the value says its `self`.
    pub fn created(value: Value) -> Self {
        Self::Body(StatusCode::CREATED, None, value)
    }

    /// 204.
    pub fn done() -> Self {
        Self::Empty(StatusCode::NO_CONTENT)
    }

    /// With this name in its media type.
    pub fn of(self, name: &'static str) -> Self {
        match self {
            Self::Body(status, _, value) => Self::Body(status, Some(name), value),
            other => other,
        }
    }

    pub(super) fn rendered(self, manner: Manner) -> Response {
        let (status, name, location, body) = match self {
            Self::Raw(response) => return response,
            Self::Empty(status) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = status;
                return response;
            }
            Self::Streamed(status, body) => (status, manner.media, None, body),
            Self::Body(status, name, value) => {
                let location = value.get("self").and_then(Value::as_str).and_then(|url| HeaderValue::from_str(url).ok());
                (status, name.unwrap_or(manner.media), location, Body::from(value.to_string()))
            }
        };
        let mut response = Response::new(if manner.bare { Body::empty() } else { body });
        *response.status_mut() = status;
        if !manner.bare {
            let kind = if manner.plain { HeaderValue::from_static("application/json") } else { media::vendor(name) };
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        if let Some(location) = location.filter(|_| status == StatusCode::CREATED) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}
