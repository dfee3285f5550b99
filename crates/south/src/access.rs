//! The seam to the rest of the program: what a device protocol is to the server that runs it.
//!
//! Absent: what the core asks of a protocol about its devices ([`landfall_core::Access`]), and the ways of sockets (`driver.rs`).

use crate::{Transport, lwm2m::Desk, mqtt::Mqtt};
use futures_util::future::BoxFuture;
use landfall_core::{Core, Metric, World};
use landfall_ingress::Proxies;
use landfall_model::Result;
use serde_json::Value;
use std::sync::Arc;
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::watch,
};

/// A device protocol.
pub struct Protocol {
    /// That of its section of the configuration.
    pub name: &'static str,
    /// What it listens on.
    pub listeners: &'static [Listener],
    /// Keys of its section that must not be 0.
    pub at_least_1: &'static [&'static str],
    /// Opens access. The error names a key.
    pub open: fn(Opening) -> std::result::Result<Opened, String>,
}

/// A listener of a protocol.
pub struct Listener {
    /// Its key below `listen` and in `ports.json`.
    pub key: &'static str,
    /// What it speaks below the protocol.
    pub wire: Wire,
    /// Who is to come there, for the person who starts the server.
    pub purpose: &'static str,
}

/// What a listener speaks below its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
    /// WebSocket.
    WebSocket,
    /// UDP.
    Udp,
}

/// What access is made of.
pub struct Opening {
    /// It asks the access from then on.
    pub core: Arc<Core>,
    /// Time and randomness.
    pub world: Arc<dyn World>,
    /// The protocol's section of the configuration.
    pub section: Value,
}

/// Access by one protocol, and the doors that only some have.
pub struct Opened {
    /// The access.
    pub access: Arc<dyn Access>,
    /// Checks the credentials that the device API shares.
    pub logins: Option<Arc<Mqtt>>,
    /// Takes direct requests of operators to devices.
    pub desk: Option<Arc<Desk>>,
}

impl Opened {
    pub(crate) fn of<A: Access + 'static>(access: &Arc<A>) -> Self {
        Self { access: Arc::clone(access) as _, logins: None, desk: None }
    }
}

/// Access of devices by one protocol, over all its listeners.
pub trait Access: Send + Sync {
    /// Takes its sockets, by the keys of their listeners; those that are off are missing. Ready once what an earlier run left is taken back;
    /// what it gives serves devices, and ends after `stop` is true (or its sender is gone).
    fn start(
        self: Arc<Self>,
        sockets: Vec<(&'static str, Socket)>,
        stop: watch::Receiver<bool>,
    ) -> BoxFuture<'static, Result<Vec<Serving>>>;

    /// What it counted so far.
    fn counters(&self) -> Vec<Metric>;
}

/// A task that serves devices.
pub type Serving = BoxFuture<'static, ()>;

/// The socket of a listener.
pub enum Socket {
    /// Of connections, as streams of bytes or messages, behind these proxies.
    Stream(TcpListener, Transport, Arc<Proxies>),
    /// Of datagrams.
    Datagram(UdpSocket),
}

#[cfg(test)]
pub(crate) mod tests;
