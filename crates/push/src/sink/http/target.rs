//! Callback addresses: which are accepted, and which network addresses may be called.
//!
//! An address is judged twice: as text when a subscription is made, and at each connection for every address its name resolves to.

use crate::sink::Failure;
use http::Uri;
use http::header::HeaderValue;
use http::uri::{PathAndQuery, Scheme};
use landfall_model::{Cause, Error};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Characters of a callback address (1.6.1).
const LONGEST_URL: usize = 1024;

/// Characters of a host name (RFC 1035, 2.3.4).
const LONGEST_HOST: usize = 253;

/// Which targets may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Calls private, loopback, link-local and other addresses that are not public, too.
    pub allow_private: bool,
    /// What may be called in any case.
    pub allow: Vec<Allow>,
}

/// An entry of the allow list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Addresses that share the first `prefix` bits.
    Network {
        /// Any address of the network.
        address: IpAddr,
        /// Bits, 0 to 32 or 128.
        prefix: u8,
    },
    /// A host name, whatever it resolves to; in lower case.
    Host(String),
}

impl Allow {
    /// Reads `10.1.0.0/16`, `fd00::/8`, a single address or a host name.
    ///
    /// `InvalidField` for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || Error::invalid(text.to_owned(), "neither a network (10.1.0.0/16), an address nor a host name");
        if let Some((address, prefix)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| wrong())?;
            let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
            let widest = if address.is_ipv4() { 32 } else { 128 };
            return if prefix <= widest { Ok(Self::Network { address, prefix }) } else { Err(wrong()) };
        }
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Self::Network { address, prefix: if address.is_ipv4() { 32 } else { 128 } }),
            Err(_) if is_name(text) => Ok(Self::Host(text.to_ascii_lowercase())),
            Err(_) => Err(wrong()),
        }
    }

    fn holds(&self, ip: IpAddr) -> bool {
        match (self, ip) {
            (Self::Network { address: IpAddr::V4(net), prefix }, IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(*prefix).min(32);
                (u64::from(net.to_bits()) >> shift) == (u64::from(ip.to_bits()) >> shift)
            }
            (Self::Network { address: IpAddr::V6(net), prefix }, IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(*prefix).min(128);
                net.to_bits().checked_shr(shift) == ip.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl Policy {
    /// Whether a connection to `ip`, found under `host`, is permitted.
    pub fn permits(&self, host: &Host, ip: IpAddr) -> bool {
        self.allow_private || is_public(ip) || self.lists_host(host) || self.lists_address(ip)
    }

    fn lists_host(&self, host: &Host) -> bool {
        match host {
            Host::Name(name) => self.allow.iter().any(|entry| matches!(entry, Allow::Host(listed) if listed == name)),
            Host::Address(_) => false,
        }
    }

    fn lists_address(&self, ip: IpAddr) -> bool {
        let embedded = match ip {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        self.allow.iter().any(|entry| entry.holds(ip) || embedded.is_some_and(|v4| entry.holds(v4)))
    }
}

/// A host as a callback address names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name, in lower case, without a dot at its end.
    Name(String),
    /// A literal address.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(ip) => ip.fmt(f),
        }
    }
}

/// A callback address, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Host.
    pub host: Host,
    /// Port, 1 to 65535.
    pub port: u16,
    /// The `Host` header.
    pub authority: HeaderValue,
    /// The request target.
    pub path: Uri,
}

/// Checks a callback address as a subscriber gives it (1.6.1): `CallbackInvalid` with the reason.
///
/// Names are not resolved here; what they resolve to is checked at each connection.
pub fn check_url(url: &str, policy: &Policy) -> Result<(), Error> {
    let target = Target::parse(url)?;
    let permitted = match &target.host {
        Host::Address(ip) => policy.permits(&target.host, *ip),
        Host::Name(name) => policy.allow_private || policy.lists_host(&target.host) || !is_local_name(name),
    };
    if permitted { Ok(()) } else { Err(refused(format!("{} is not a public address", target.host))) }
}

impl Target {
    /// Reads an http or https address; `CallbackInvalid` with the reason.
    pub fn parse(url: &str) -> Result<Self, Error> {
        if url.chars().count() > LONGEST_URL {
            return Err(refused(format!("longer than {LONGEST_URL} characters")));
        }
        let uri: Uri = url.parse().map_err(|_| refused("not a URL"))?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(refused("must begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| refused("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused("must hold no user name or password"));
        }
        let port = port_of(authority.as_str(), authority.host(), if tls { 443 } else { 80 })?;
        let host = host_of(authority.host())?;
        let header = HeaderValue::from_str(authority.as_str()).map_err(|_| refused("has no valid host"))?;
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { tls, host, port, authority: header, path: Uri::from(path) })
    }
}

impl TryFrom<&str> for Target {
    type Error = Failure;

    fn try_from(url: &str) -> Result<Self, Failure> {
        Self::parse(url).map_err(|error| Failure::new(format!("callback address: {}", error.detail)))
    }
}

fn port_of(authority: &str, host: &str, default: u16) -> Result<u16, Error> {
    match authority.strip_prefix(host).and_then(|rest| rest.strip_prefix(':')) {
        None => Ok(default),
        Some(digits) => match digits.parse::<u16>() {
            Ok(port) if port > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
            _ => Err(refused("the port must be 1 to 65535")),
        },
    }
}

fn host_of(text: &str) -> Result<Host, Error> {
    if let Some(inner) = text.strip_prefix('[') {
        let literal = inner.strip_suffix(']').and_then(|v6| v6.parse::<Ipv6Addr>().ok());
        return literal.map(|v6| Host::Address(v6.into())).ok_or_else(|| refused("the IPv6 address is not valid"));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    // Resolvers read `2130706433`, `0177.0.0.1` and `0x7f.1` as addresses; only the four decimal numbers are meant by a person.
    if last.bytes().all(|b| b.is_ascii_digit()) || hex.is_some_and(|d| d.bytes().all(|b| b.is_ascii_hexdigit())) {
        let literal = name.parse::<Ipv4Addr>().map_err(|_| refused("the host is neither a name nor four decimal numbers"))?;
        return Ok(Host::Address(literal.into()));
    }
    if is_name(name) { Ok(Host::Name(name.to_ascii_lowercase())) } else { Err(refused("the host is not a valid name")) }
}

fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= LONGEST_HOST && name.split('.').all(label)
}

fn is_local_name(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether `ip` is an address of the public internet (IANA special-purpose registries, RFC 6890).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
    );
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    // 2000::/3 is all that is assigned; the rest (unspecified, loopback, mapped, NAT64, unique-local, link-local, multicast) is special.
    let global = (a & 0xe000) == 0x2000;
    // Teredo and 6to4 embed IPv4 addresses that would escape the check; 2001::/23 is for protocols.
    let special = (a == 0x2001 && b < 0x0200) || a == 0x2002;
    global && !special
}

fn refused(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Cause::CallbackInvalid, detail).at("callbackUrl")
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
