//! The one table from causes to HTTP, and the JSON that carries an error.

use crate::http::Reason;
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use landfall_model::{Cause, Error, ErrorKind};
use serde_json::{Value, json};
use std::borrow::Cow;

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    cause: &'static str,
    path: Option<Cow<'static, str>>,
    detail: Cow<'static, str>,
}

/// What a handler answers.
pub(super) type Answer<T = Json<Value>> = Result<T, Refusal>;

impl Refusal {
    /// An error of HTTP itself, which the domain has no cause for.
    pub(super) fn http(status: StatusCode, cause: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, cause, path: None, detail: detail.into() }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        self.path.as_ref().map_or_else(|| self.detail.to_string(), |path| format!("{path}: {}", self.detail))
    }

    /// `{"cause", "path", "detail"}`.
    pub(super) fn json(&self) -> Value {
        json!({ "cause": self.cause, "path": self.path, "detail": self.detail })
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { status: status(error.cause), cause: error.cause.as_str(), path: error.path, detail: error.detail }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let json = Json(json!({ "error": self.json() }));
        let detail = self.path.map_or(self.detail.clone(), |path| format!("{path}: {}", self.detail).into());
        let mut response = Reason::new(self.cause, self.cause, detail).on((self.status, json).into_response());
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The HTTP status of a cause.
pub(super) fn status(cause: Cause) -> StatusCode {
    match (cause, cause.kind()) {
        (Cause::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
        (_, ErrorKind::NotFound) => StatusCode::NOT_FOUND,
        (_, ErrorKind::Conflict) => StatusCode::CONFLICT,
        (_, ErrorKind::Invalid) => StatusCode::BAD_REQUEST,
        (_, ErrorKind::Denied) => StatusCode::FORBIDDEN,
        (_, ErrorKind::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        (_, ErrorKind::Limit) => StatusCode::TOO_MANY_REQUESTS,
        (_, ErrorKind::Internal) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Answer where a handler panicked.
pub(super) fn failed() -> Refusal {
    Error::new(Cause::Internal, "internal server error").into()
}

/// Answer to a path that is no operation.
pub(super) async fn no_such_path() -> Refusal {
    Refusal::http(StatusCode::NOT_FOUND, "PathNotFound", "there is no such path; see /api/v1/openapi.yaml")
}

/// Answer to a method that the path does not have.
pub(super) async fn no_such_method() -> Refusal {
    Refusal::http(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "the path does not take this method")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_have_their_status() {
        let cases = [
            (Cause::DeviceNotFound, 404),
            (Cause::NodeIdTaken, 409),
            (Cause::InvalidField, 400),
            (Cause::CodecFailed, 400),
            (Cause::Unauthenticated, 401),
            (Cause::Forbidden, 403),
            (Cause::Overloaded, 503),
            (Cause::TooMany, 429),
            (Cause::Internal, 500),
        ];
        for (cause, expected) in cases {
            assert_eq!(status(cause).as_u16(), expected, "{cause:?}");
        }
    }

    #[test]
    fn the_body_names_cause_path_and_detail() {
        let refusal = Refusal::from(Error::new(Cause::NodeIdTaken, "another device has it").at("nodeId"));
        let expected = json!({ "cause": "NodeIdTaken", "path": "nodeId", "detail": "another device has it" });
        assert_eq!(refusal.json(), expected);
    }

    #[test]
    fn a_missing_token_is_asked_for() {
        let response = Refusal::from(Error::new(Cause::Unauthenticated, "no")).into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
