//! Access tokens: OAuth 2 client credentials (RFC 6749, 4.4). Absent: refresh tokens, other grants, client assertions.

use super::OneM2M;
use crate::http::{self, Call, Reason};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use landfall_model::{Error, ErrorKind, Secret};
use serde_json::{Value, json};
use std::sync::Arc;

const FORM_BYTES: usize = 16 * 1024;
const SCOPE_CHARS: usize = 256;

/// Why no token is given: status, `error`, `error_description` (RFC 6749, 5.2).
type Refusal = (StatusCode, &'static str, &'static str);

const NO_CLIENT: Refusal = (StatusCode::UNAUTHORIZED, "invalid_client", "Invalid client or Invalid client credentials");
const WRONG_GRANT: Refusal = (StatusCode::BAD_REQUEST, "unsupported_grant_type", "only client_credentials is supported");
const NO_FORM: Refusal =
    (StatusCode::BAD_REQUEST, "invalid_request", "the body must be a form of at most 16 KiB with each field once");
const BROKEN: Refusal = (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal server error");

/// What is answered where the route panicked.
pub(super) const FORM: http::Form = http::Form { api: "onem2m", echoes: &[], failed: |_, _| refused(BROKEN) };

/// The token that a request presents: the bearer's, or as the password of HTTP Basic, whose user is not looked at, by clients that know no
/// other way.
pub(super) fn presented(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?;
    let bearer = || {
        let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim().to_owned()))
    };
    let token = bearer().or_else(|| basic(value).map(|(_, password)| password))?;
    Some(token).filter(|token| !token.expose().is_empty())
}

/// The token route.
pub(super) async fn grant(State(state): State<Arc<OneM2M>>, request: Request) -> Response {
    let call = Call::of(request.extensions());
    call.asks("token");
    let outcome = async {
        let (parts, body) = request.into_parts();
        let malformed = |row: Refusal| (row, Reason::new(row.1, "request.malformed", row.2));
        let bytes = axum::body::to_bytes(body, FORM_BYTES).await.map_err(|_| malformed(NO_FORM))?;
        let form = Form::read(&parts.headers, &bytes).map_err(malformed)?;
        call.claims(&form.id, form.id.parse().ok());
        let token = state.core.client_token(&form.id, form.secret.expose()).await.map_err(|error| refusal(&error))?;
        Ok((token, form.scope))
    };
    match outcome.await {
        Ok(((access, expires_in_s), scope)) => given(&access, expires_in_s, &scope),
        Err((row, reason)) => reason.on(refused(row)),
    }
}

fn refusal(error: &Error) -> (Refusal, Reason) {
    let row = match error.kind() {
        ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Invalid => NO_CLIENT,
        _ => {
            tracing::error!(%error, "no token could be given");
            BROKEN
        }
    };
    (row, Reason::of(row.1, error))
}

fn given(access: &Secret, expires_in_s: u32, scope: &str) -> Response {
    let body = json!({
        "access_token": access.expose(), "expires_in": expires_in_s, "refresh_expires_in": 0, "token_type": "Bearer",
        "scope": scope,
    });
    answer(StatusCode::OK, &body)
}

fn refused((status, error, description): Refusal) -> Response {
    let mut response = answer(status, &json!({ "error": error, "error_description": description }));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
    }
    response
}

/// Answers with tokens are not to be kept (RFC 6749, 5.1).
fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Form {
    id: String,
    secret: Secret,
    scope: String,
}

impl Form {
    /// The client is named in the Authorization header or in the form, not in both (RFC 6749, 2.3).
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/x-www-form-urlencoded" {
            return Err(NO_FORM);
        }
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(body).map_err(|_| NO_FORM)?;
        let field = |name: &str| {
            let mut found = fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
            let first = found.next().filter(|value| !value.is_empty());
            if found.next().is_some() { Err(NO_FORM) } else { Ok(first) }
        };
        let grant = field("grant_type")?.ok_or(NO_FORM)?;
        if grant != "client_credentials" {
            return Err(WRONG_GRANT);
        }
        let (id, secret) = match headers.get(header::AUTHORIZATION) {
            Some(value) => basic(value).ok_or(NO_CLIENT)?,
            None => {
                let (id, secret) = (field("client_id")?.ok_or(NO_CLIENT)?, field("client_secret")?.ok_or(NO_CLIENT)?);
                (id.to_owned(), Secret::new(secret.to_owned()))
            }
        };
        let fits = |scope: &&str| {
            scope.len() <= SCOPE_CHARS && scope.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\')
        };
        let scope = field("scope")?.filter(fits).unwrap_or("default").to_owned();
        Ok(Self { id, secret, scope })
    }
}

/// Client and secret of HTTP Basic.
fn basic(value: &HeaderValue) -> Option<(String, Secret)> {
    let (scheme, encoded) = value.to_str().ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), Secret::new(secret.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_as_the_token_endpoint_answers() {
        let answer = (FORM.failed)(&HeaderMap::new(), landfall_model::Time(0));
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(answer.into_body(), 1_000).await.unwrap();
        assert_eq!(&body[..], br#"{"error":"server_error","error_description":"internal server error"}"#);
    }

    #[test]
    fn a_token_comes_as_that_of_a_bearer_or_as_a_password() {
        for (given, expected) in [
            ("Bearer a.b", Some("a.b")),
            ("bearer  x ", Some("x")),
            ("Bearer ", None),
            ("Bearer", None),
            // any:a.b, any:
            ("Basic YW55OmEuYg==", Some("a.b")),
            ("Basic YW55Og==", None),
            ("Basic a.b", None),
            ("Digest a.b", None),
        ] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(given))]);
            assert_eq!(presented(&headers).as_ref().map(Secret::expose), expected, "{given}");
        }
    }

    fn read(authorization: Option<&str>, body: &str) -> Result<(String, String, String), &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"));
        if let Some(text) = authorization {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(text).unwrap());
        }
        let form = Form::read(&headers, body.as_bytes()).map_err(|(_, error, _)| error)?;
        Ok((form.id, form.secret.expose().to_owned(), form.scope))
    }

    #[test]
    fn clients_are_named_in_the_header_or_the_form() {
        // a:b:c
        let basic = Some("Basic YTpiOmM=");
        let own = |id: &str, secret: &str, scope: &str| Ok((id.to_owned(), secret.to_owned(), scope.to_owned()));
        for (authorization, body, expected) in [
            (basic, "grant_type=client_credentials", own("a", "b:c", "default")),
            (basic, "grant_type=client_credentials&scope=x+y", own("a", "b:c", "x y")),
            (None, "grant_type=client_credentials&client_id=i&client_secret=s%2B", own("i", "s+", "default")),
            (None, "grant_type=client_credentials&client_id=i", Err("invalid_client")),
            (None, "grant_type=client_credentials", Err("invalid_client")),
            (Some("Bearer x"), "grant_type=client_credentials&client_id=i&client_secret=s", Err("invalid_client")),
            (Some("Basic !"), "grant_type=client_credentials", Err("invalid_client")),
            (basic, "grant_type=password&username=u", Err("unsupported_grant_type")),
            (basic, "", Err("invalid_request")),
            (basic, "grant_type=client_credentials&grant_type=client_credentials", Err("invalid_request")),
        ] {
            assert_eq!(read(authorization, body), expected, "{body}");
        }
        assert_eq!(Form::read(&HeaderMap::new(), b"grant_type=client_credentials").unwrap_err(), NO_FORM);
    }

    #[tokio::test]
    async fn answers_are_those_of_oauth() {
        let response = given(&Secret::new("a.b"), 3600, "default");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body: Value = serde_json::from_slice(&axum::body::to_bytes(response.into_body(), 1000).await.unwrap()).unwrap();
        let expected = json!({"access_token": "a.b", "expires_in": 3600, "refresh_expires_in": 0, "token_type": "Bearer", "scope": "default"});
        assert_eq!(body, expected);
        let response = refused(NO_CLIENT);
        assert_eq!(
            (response.status().as_u16(), &response.headers()["www-authenticate"]),
            (401, &HeaderValue::from_static("Basic"))
        );
        assert_eq!(refused(WRONG_GRANT).status(), 400);
    }
}
