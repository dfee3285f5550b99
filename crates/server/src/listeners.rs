//! The listening sockets, by their names in `ports.json`: those for HTTP, then those of each device protocol.

use crate::{
    config::{Address, Config},
    tls::Tls,
};
use landfall_south::{Listener, PROTOCOLS, Protocol, Socket, Transport, Wire};
use std::{net::SocketAddr, sync::Arc};
use tokio::net::{TcpListener, UdpSocket};

/// Those for HTTP, with who is to come there.
const HTTP: [(&str, &str); 3] = [
    ("https", "applications and operators"),
    ("http", "the same without TLS"),
    ("bind", "devices that bind by verification code"),
];
/// Receive buffer of a datagram socket.
const DATAGRAM_BUFFER_BYTES: usize = 8 << 20;

/// TCP listeners, in the order of this file.
pub fn streams() -> impl Iterator<Item = &'static str> {
    let of_devices = PROTOCOLS.iter().flat_map(|protocol| protocol.listeners).filter(|listener| listener.wire != Wire::Udp);
    HTTP.into_iter().map(|(name, _)| name).chain(of_devices.map(|listener| listener.key))
}

/// Who is to come to a listener.
pub fn purpose(name: &str) -> &'static str {
    let of_devices = PROTOCOLS.iter().flat_map(|protocol| protocol.listeners).map(|listener| (listener.key, listener.purpose));
    HTTP.into_iter().chain(of_devices).find(|(known, _)| *known == name).map_or("", |(_, purpose)| purpose)
}

/// The sockets.
pub struct Sockets {
    /// For HTTP.
    pub http: Vec<(&'static str, TcpListener)>,
    /// For devices, by protocol in the order of the list.
    pub devices: Vec<Vec<(&'static str, Socket)>>,
    taken: Vec<(&'static str, SocketAddr)>,
}

impl Sockets {
    /// Takes every address that is not off. The error names its key.
    pub async fn bind(config: &Config, tls: &Tls) -> Result<Self, String> {
        let mut made = Self { http: vec![], devices: vec![], taken: vec![] };
        for (name, _) in HTTP {
            if let Some(socket) = made.tcp(config, name).await? {
                made.http.push((name, socket));
            }
        }
        for protocol in PROTOCOLS {
            let sockets = made.of(protocol, config, tls).await?;
            made.devices.push(sockets);
        }
        Ok(made)
    }

    async fn of(&mut self, protocol: &Protocol, config: &Config, tls: &Tls) -> Result<Vec<(&'static str, Socket)>, String> {
        let mut sockets = vec![];
        for Listener { key, wire, .. } in protocol.listeners {
            let transport = match wire {
                Wire::Tcp => Transport::Tcp,
                Wire::Tls => Transport::Tls(tls.listener(&[])),
                Wire::WebSocket => Transport::WebSocket,
                Wire::Udp => {
                    sockets.extend(self.udp(config, key).await?.map(|socket| (*key, Socket::Datagram(socket))));
                    continue;
                }
            };
            if let Some(socket) = self.tcp(config, key).await? {
                sockets.push((*key, Socket::Stream(socket, transport, Arc::new(config.proxy.of(key)?))));
            }
        }
        Ok(sockets)
    }

    async fn tcp(&mut self, config: &Config, name: &'static str) -> Result<Option<TcpListener>, String> {
        let Address::On(address) = config.listen.address(name) else { return Ok(None) };
        let named = |e: std::io::Error| format!("listen.{name} {address}: {e}");
        let socket = TcpListener::bind(address).await.map_err(named)?;
        self.taken.push((name, socket.local_addr().map_err(named)?));
        Ok(Some(socket))
    }

    async fn udp(&mut self, config: &Config, name: &'static str) -> Result<Option<UdpSocket>, String> {
        let Address::On(address) = config.listen.address(name) else { return Ok(None) };
        let named = |e: std::io::Error| format!("listen.{name} {address}: {e}");
        let socket = UdpSocket::bind(address).await.map_err(named)?;
        widen(&socket);
        self.taken.push((name, socket.local_addr().map_err(named)?));
        Ok(Some(socket))
    }

    /// The port of a listener, 0 where it is off.
    pub fn port(&self, name: &str) -> u16 {
        self.taken.iter().find(|(listener, _)| *listener == name).map_or(0, |(_, taken)| taken.port())
    }

    /// Name, host and port of each.
    pub fn ports(&self) -> Vec<(String, String, u16)> {
        self.taken.iter().map(|(name, taken)| ((*name).to_owned(), taken.ip().to_string(), taken.port())).collect()
    }
}

/// Makes room for the datagrams of many devices at once: more than the system allows where the process may, else as much as it allows.
fn widen(socket: &UdpSocket) {
    use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
    let set = set_socket_recv_buffer_size_force(socket, DATAGRAM_BUFFER_BYTES);
    if let Err(error) = set.or_else(|_| set_socket_recv_buffer_size(socket, DATAGRAM_BUFFER_BYTES)) {
        tracing::debug!(%error, "the receive buffer keeps the system's size");
    }
}
