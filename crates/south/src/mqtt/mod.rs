//! MQTT access of devices (8.2): who may connect, what their topics mean, which sessions are kept.
//!
//! Absent: sockets and timers (`driver.rs`), byte streams (`transport.rs`), the packets themselves (`landfall-mqtt`). Retained messages are taken
//! as ordinary ones, a will is published as soon as its connection ends whatever its delay, and there is no messaging between devices.

mod access;
mod claim;
mod connections;
mod counters;
mod identity;
mod kept;
mod link;
mod listening;
mod opening;
mod publishing;
mod session;
mod topics;

pub use connections::Connections;
pub use counters::Counters;
pub use opening::{PROTOCOL, Section};

pub(crate) use connections::Handle;
pub(crate) use counters::count;
pub(crate) use link::Link;
#[cfg(test)]
pub(crate) use {access::Role, connections::Place, publishing::Flow};

use crate::note::{self, Note};
use counters::Tally;
use landfall_core::{Core, DeviceCaller, Throttle};
use landfall_model::{AccountId, DeviceId, Result};
use landfall_mqtt::Limits;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// What an operator may tune.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Network connections of all listeners together.
    pub max_connections: usize,
    /// Largest payload of a message, bytes.
    pub max_payload_bytes: usize,
    /// Hours that a checked timestamp may be off (device-side section 4: 1).
    pub clock_tolerance_h: u32,
    /// Refused logins of an identity in a minute before its further failures are turned away, and a secret that people chose is not looked
    /// at for the addresses that took part; 0: any number.
    pub failures_per_minute: u32,
    /// TLS and WebSocket handshakes of a listener at once; further ones wait, and addresses take turns.
    pub handshakes: usize,
    /// How long TLS and WebSocket handshakes may take together, once it is their turn.
    pub handshake_timeout: Duration,
    /// Time from the end of the handshakes to a whole CONNECT.
    pub connect_timeout: Duration,
    /// Longest keep-alive, seconds; longer ones are lowered to it.
    pub keep_alive_max_s: u16,
    /// How long a client without keep-alive may be silent.
    pub silence: Duration,
    /// Most subscriptions of one session.
    pub subscriptions: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 100_000,
            max_payload_bytes: 1_048_576,
            clock_tolerance_h: 1,
            failures_per_minute: 30,
            handshakes: 256,
            handshake_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(30),
            keep_alive_max_s: u16::MAX,
            silence: Duration::from_secs(176_400),
            subscriptions: 30_006,
        }
    }
}

/// MQTT access: what all its listeners share.
pub struct Mqtt {
    pub(crate) core: Arc<Core>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) config: Config,
    pub(crate) limits: Arc<Limits>,
    pub(crate) tally: Tally,
    throttle: Throttle,
    /// Places for connections that end; the others wait.
    pub(crate) ends: Arc<Semaphore>,
}

/// Connections that end at once.
const ENDS: usize = 256;

impl Mqtt {
    /// Access to `core`, which asks its connections from now on.
    pub fn new(core: Arc<Core>, config: Config) -> Arc<Self> {
        let connections = Arc::new(Connections::new());
        core.enlist(&connections);
        let packet_bytes = config.max_payload_bytes.saturating_add(16_384);
        let limits = Arc::new(Limits {
            packet_bytes,
            connect_timeout: config.connect_timeout,
            keep_alive_max_s: config.keep_alive_max_s,
            silence: config.silence,
            subscriptions: config.subscriptions,
            ..Limits::default()
        });
        let throttle = Throttle::new(config.failures_per_minute);
        Arc::new(Self {
            core,
            connections,
            config,
            limits,
            tally: Tally::default(),
            throttle,
            ends: Arc::new(Semaphore::new(ENDS)),
        })
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.tally.counters()
    }

    /// The device of a clientId whose password is right: the same check as that of CONNECT, for other protocols of the device side.
    ///
    /// `Forbidden` for a device that was removed or has no secret yet, `Throttled` for one that failed too often, `Overloaded`, else
    /// `Unauthenticated`.
    pub async fn authenticate(&self, peer: Option<SocketAddr>, client_id: &str, password: &str) -> Result<DeviceCaller> {
        access::authenticate(self, peer, client_id, password).await
    }

    /// Leaves a why record.
    pub(crate) fn note(&self, of: Option<(AccountId, DeviceId)>, what: Note<'_>) {
        note::note(&self.core, of, what);
    }
}

/// For the fuzzer: reads anything as a clientId.
pub fn fuzz_identity(data: &[u8]) {
    identity::fuzz(data);
}

/// For the fuzzer: reads anything as a topic and a filter.
pub fn fuzz_topics(data: &[u8]) {
    topics::fuzz(data);
}
