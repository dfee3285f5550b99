//! The address that a client knows this server by, as it is to stand in what the server tells it.

use axum::http::{HeaderMap, Uri, header};
use std::fmt;

/// Scheme and authority of a request, in its extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: &'static str,
    host: Option<String>,
}

impl Origin {
    /// Of a request over TLS, or over a proxy that is believed and says so.
    pub(super) fn asked(tls: bool, believed: bool, uri: &Uri, headers: &HeaderMap) -> Self {
        let forwarded = || headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes() == b"https");
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        Self::of(tls || (believed && forwarded()), uri.authority().map(|authority| authority.as_str()).or(host))
    }

    /// A host that could not stand in a text as it is counts as none.
    pub(crate) fn of(tls: bool, host: Option<&str>) -> Self {
        let plain = |host: &&str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
        Self { scheme: if tls { "https" } else { "http" }, host: host.filter(plain).map(str::to_owned) }
    }
}

/// Empty where the host is not known: what follows is then relative to the address asked.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.as_ref().map_or(Ok(()), |host| write!(f, "{}://{host}", self.scheme))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_one_that_was_asked() {
        let cases = [
            (true, false, "/", Some("a.example:8743"), None, "https://a.example:8743"),
            (false, false, "/", Some("[::1]:8080"), Some("https"), "http://[::1]:8080"),
            (false, true, "/", Some("a.example"), Some("https"), "https://a.example"),
            (false, true, "/", Some("a.example"), None, "http://a.example"),
            (true, false, "https://b.example/openapi", Some("a.example"), None, "https://b.example"),
            (true, false, "/", Some("a\"\nx: y"), None, ""),
            (true, false, "/", None, None, ""),
        ];
        for (tls, believed, uri, host, proto, expected) in cases {
            let mut headers = HeaderMap::new();
            let named = [(header::HOST, host), (header::HeaderName::from_static("x-forwarded-proto"), proto)];
            headers.extend(named.into_iter().filter_map(|(name, value)| Some((name, value?.parse().ok()?))));
            assert_eq!(Origin::asked(tls, believed, &uri.parse().unwrap(), &headers).to_string(), expected, "{host:?}");
        }
    }
}
