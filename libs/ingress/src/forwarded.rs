//! `X-Forwarded-For`: each proxy appends the address that it saw. What a believed proxy appended is true; all to the left of the first hop
//! that is not believed may be invented.

use crate::Networks;
use core::net::{IpAddr, SocketAddr};

/// Hops that are looked at, from the right.
const HOPS: usize = 32;

pub(crate) fn client<'a>(peer: IpAddr, values: impl DoubleEndedIterator<Item = &'a str>, believed: &Networks) -> IpAddr {
    let mut client = peer.to_canonical();
    for hop in values.rev().flat_map(|value| value.rsplit(',')).take(HOPS) {
        if !believed.contains(client) {
            break;
        }
        let Some(before) = address(hop.trim()) else { break };
        client = before;
    }
    client
}

/// An address, also with the port that some proxies add.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|found| found.ip())).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rightmost_hop_that_is_not_believed_is_the_client() {
        let believed = Networks::parse(&["10.0.0.0/8".into()]).unwrap();
        let cases: [(&str, &[&str], &str); 13] = [
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("192.0.2.1", &["198.51.100.1"], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.1 ,10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.3,10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ];
        for (peer, values, expected) in cases {
            let found = client(peer.parse().unwrap(), values.iter().copied(), &believed);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {values:?}");
        }
    }

    #[test]
    fn hops_are_bounded() {
        let believed = Networks::parse(&["10.0.0.0/8".into()]).unwrap();
        let long = format!("198.51.100.1{}", ", 10.0.0.2".repeat(HOPS));
        assert_eq!(client("10.0.0.1".parse().unwrap(), [long.as_str()].into_iter(), &believed).to_string(), "10.0.0.2");
    }
}
