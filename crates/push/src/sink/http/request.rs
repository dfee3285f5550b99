//! One request and what its answer says: pure, apart from reading the answer's body.
//!
//! No redirect is followed: a callback address is checked when it is subscribed, and what a receiver answers must not lead elsewhere.

use super::target::Target;
use crate::retry::LONGEST_MS;
use crate::sink::{Again, Failure};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use landfall_core::Notification;
use std::time::Duration;
use tokio::time::timeout;

/// Bytes of an answer's body that are read, so that its connection can be used again.
const BODY_LIMIT: usize = 64 * 1024;

/// How long an answer's body may take after its head confirmed the event.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// `User-Agent` of every request.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("landfall/", env!("CARGO_PKG_VERSION")));

/// A POST to the target. The headers of the notification override the agent, nothing else; an [`unfit`] one is left out.
pub(super) fn request(target: &Target, notification: &Notification) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(notification.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.path.clone();
    let headers = request.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(&notification.content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(USER_AGENT, AGENT);
    for (name, value) in notification.headers.iter().filter_map(|(name, value)| header(name, value)) {
        headers.insert(name, value);
    }
    headers.insert(HOST, target.authority.clone());
    request
}

/// The name of a header that HTTP cannot carry.
pub(super) fn unfit(notification: &Notification) -> Option<&str> {
    notification.headers.iter().find(|(name, value)| header(name, value).is_none()).map(|(name, _)| &**name)
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
}

/// The failure of an answer that did not come.
pub(super) fn too_slow(limit: Duration) -> Failure {
    Failure::new(format!("no answer within {} ms", limit.as_millis()))
}

/// What the head of an answer says: the status that confirms.
pub(super) fn verdict(response: &Response<Incoming>) -> Result<u16, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(status.as_u16());
    }
    let asks = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let header = response.headers().get(RETRY_AFTER).filter(|_| asks).and_then(|value| value.to_str().ok());
    let text = if status.is_redirection() {
        format!("HTTP {}: redirects are not followed; subscribe with the final address", status.as_u16())
    } else {
        format!("HTTP {}", status.as_u16())
    };
    let again = header.and_then(retry_after_ms).map_or(Again::Later, Again::After);
    Err(Failure { text: text.into(), status: Some(status.as_u16()), again })
}

/// Reads the body to its end, piece by piece; false when it is too long, takes too long or breaks off.
pub(super) async fn drain(body: &mut Incoming, mut keep: impl FnMut(&Bytes)) -> bool {
    let to_end = async {
        let mut left = BODY_LIMIT;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let Some(piece) = frame.data_ref() else { continue };
            match left.checked_sub(piece.len()) {
                Some(rest) => left = rest,
                None => return false,
            }
            keep(piece);
        }
        true
    };
    timeout(BODY_TIMEOUT, to_end).await.unwrap_or(false)
}

/// The delay a receiver asks for with `Retry-After` (RFC 9110, 10.2.3) in seconds, at most 5 min. Dates are not understood.
fn retry_after_ms(header: &str) -> Option<i64> {
    let digits = header.trim();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some(seconds.saturating_mul(1000).min(LONGEST_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_up_to_the_longest_delay() {
        let cases = [
            ("0", Some(0)),
            (" 7 ", Some(7_000)),
            ("300", Some(300_000)),
            ("301", Some(300_000)),
            ("99999999999999999999999", Some(300_000)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ];
        for (header, expected) in cases {
            assert_eq!(retry_after_ms(header), expected, "{header:?}");
        }
    }
}
