//! The host that an HTTP request is for.

use crate::Refused;
use http::{HeaderMap, HeaderValue, Version, header::HOST, uri::Authority};

/// What is wrong with the `Host` of a request (RFC 9112, 3.2). HTTP/2 has the authority in its place, HTTP/1.0 need not have it.
pub fn unhosted(version: Version, headers: &HeaderMap) -> Option<Refused> {
    let mut hosts = headers.get_all(HOST).iter();
    let (check, detail) = match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => ("host.missing", "The Host header is missing."),
        (Some(_), Some(_)) => ("host.twice", "There is more than one Host header."),
        (Some(host), None) if !is_authority(host) => ("host.form", "The Host header is no host."),
        _ => return None,
    };
    Some(Refused { check, detail })
}

/// A name or address with or without a port, or nothing (RFC 9110, 7.2).
fn is_authority(host: &HeaderValue) -> bool {
    host.is_empty() || host.to_str().is_ok_and(|text| text.parse::<Authority>().is_ok_and(|a| !a.as_str().contains('@')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_there_once_and_is_a_host() {
        let cases: [(Version, &[&'static str], Option<&str>); 12] = [
            (Version::HTTP_11, &["a.example"], None),
            (Version::HTTP_11, &["a.example:8743"], None),
            (Version::HTTP_11, &["[::1]:8743"], None),
            (Version::HTTP_11, &["[::1]"], None),
            (Version::HTTP_11, &[""], None),
            (Version::HTTP_11, &[], Some("host.missing")),
            (Version::HTTP_11, &["a", "a"], Some("host.twice")),
            (Version::HTTP_11, &["a b"], Some("host.form")),
            (Version::HTTP_11, &["a/b"], Some("host.form")),
            (Version::HTTP_11, &["u@a"], Some("host.form")),
            (Version::HTTP_10, &[], None),
            (Version::HTTP_2, &["a", "b"], Some("host.twice")),
        ];
        for (version, hosts, expected) in cases {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_static(host));
            }
            assert_eq!(unhosted(version, &headers).map(|refused| refused.check), expected, "{version:?} {hosts:?}");
        }
    }
}
