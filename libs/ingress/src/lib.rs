//! What every TCP listener judges before its own protocol begins: who a proxy in front of it speaks for, why a TLS handshake
//! failed, and which host an HTTP request names.
//!
//! Pure: bytes and errors come in, addresses and words go out. Absent: sockets, deadlines, and where refusals are recorded.
#![forbid(unsafe_code)]

mod forwarded;
pub mod fuzz;
mod header;
mod host;
mod networks;
mod tls;

pub use header::{HEADER_BYTES, Step, header};
pub use host::unhosted;
pub use networks::Networks;
pub use tls::{Refused, first_byte, refused};

use core::net::{IpAddr, SocketAddr};

/// Proxies in front of a listener that are believed when they name their client. The default believes nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Peers that begin each connection with a PROXY protocol header.
    pub protocol_from: Networks,
    /// Peers whose `X-Forwarded-For` counts, after the PROXY header if there is one.
    pub forwarded_for_from: Networks,
}

impl Proxies {
    /// Whether a connection of this peer must begin with a PROXY protocol header.
    pub fn announces(&self, peer: SocketAddr) -> bool {
        self.protocol_from.contains(peer.ip())
    }

    /// The client of a request: the rightmost address in `X-Forwarded-For` (its values, in order) that no believed proxy has, else the
    /// peer. An address that was forwarded has port 0.
    pub fn client<'a>(&self, peer: SocketAddr, values: impl DoubleEndedIterator<Item = &'a str>) -> SocketAddr {
        let client: IpAddr = forwarded::client(peer.ip(), values, &self.forwarded_for_from);
        if client == peer.ip() { peer } else { SocketAddr::new(client, 0) }
    }
}
