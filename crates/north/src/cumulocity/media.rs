//! Media types: `application/vnd.com.nsn.cumulocity.NAME+json;charset=UTF-8;ver=0.9`.
//!
//! Names are matched without regard to case, and parameters are taken as they come (Amb-2, contract section 5). Any vendor type and plain
//! `application/json` are bodies in JSON; a body without a type is one as well (Amb-21).

use super::Fault;
use axum::http::{HeaderMap, HeaderValue, header};

/// What the names of all vendor types begin with.
const VENDOR: &str = "application/vnd.com.nsn.cumulocity.";

/// The type of an answer.
pub(super) fn vendor(name: &str) -> HeaderValue {
    let text = format!("{VENDOR}{name}+json;charset=UTF-8;ver=0.9");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("application/json"))
}

/// 415 unless the body is in JSON by its type.
pub(super) fn need_json(headers: &HeaderMap) -> Result<(), Fault> {
    match content(headers) {
        None => Ok(()),
        Some(kind) if kind == "application/json" || (kind.starts_with(VENDOR) && kind.ends_with("+json")) => Ok(()),
        Some(_) => Err(Fault::media("Content-Type must be application/json or the vendor's type")),
    }
}

/// The type of the body without its parameters, in lower case; none where the header is missing or empty.
pub(super) fn content(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or("unreadable");
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()).filter(|kind| !kind.is_empty())
}

/// Whether plain JSON is all that is accepted.
pub(super) fn accepts_plain_alone(headers: &HeaderMap) -> bool {
    let mut kinds =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let plain = |kind: &str| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
    headers.contains_key(header::ACCEPT) && kinds.all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn bodies_in_json_are_known_by_their_type() {
        assert!(need_json(&HeaderMap::new()).is_ok());
        for (kind, json) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/vnd.com.nsn.cumulocity.newDeviceRequest+json;ver=0.9", true),
            ("application/vnd.com.nsn.cumulocity.newdevicerequest+json", true),
            ("", true),
            ("text/csv", false),
            ("application/vnd.com.nsn.cumulocity.x+xml", false),
            ("application/x-www-form-urlencoded", false),
        ] {
            assert_eq!(need_json(&headers(header::CONTENT_TYPE, kind)).is_ok(), json, "{kind}");
        }
    }

    #[test]
    fn plain_json_alone_is_told_from_the_rest() {
        assert!(!accepts_plain_alone(&HeaderMap::new()));
        for (accept, plain) in
            [("application/json", true), ("application/json;q=0.9", true), ("application/json, */*", false), ("*/*", false)]
        {
            assert_eq!(accepts_plain_alone(&headers(header::ACCEPT, accept)), plain, "{accept}");
        }
    }
}
