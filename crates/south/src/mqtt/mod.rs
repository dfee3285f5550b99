//! MQTT access: connections, sessions and which of them are kept, for the kinds of clients in `faces/`, which say who may connect and what topics mean.
//!
//! Absent: sockets and timers (`driver/`), byte streams (`transport.rs`), the packets themselves (`landfall-mqtt`). Retained messages are taken
//! as ordinary ones, a will is published as soon as its connection ends whatever its delay, and there is no messaging between devices.

mod admission;
mod agents;
mod connections;
mod counters;
mod faces;
mod flow;
mod kept;
mod link;
mod listening;
mod opening;
mod outbox;
mod receivers;
mod session;

pub use connections::Connections;
pub use counters::Counters;
pub use opening::{PROTOCOL, Section};

use crate::{
    driver::{Admission, count, stream},
    note::{self, About, Note},
    transport::Upgrade,
};
use agents::Agents;
use counters::Tally;
use faces::{device, user};
use landfall_core::{Core, DeviceCaller, Throttle};
use landfall_model::Result;
use landfall_mqtt::{Limits, Qos};
use link::Link;
use receivers::Applications;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Notifications that an application is sent before a confirmation is awaited; a client may ask for fewer (MQTT 5, receive maximum).
const RECEIVER_INFLIGHT: u16 = 1_000;
/// Filters of an application: all of them mean its one topic.
const RECEIVER_FILTERS: usize = 8;

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
    pub(crate) applications: Arc<Applications>,
    pub(crate) agents: Arc<Agents>,
    pub(crate) limits: Arc<Limits>,
    /// Those of applications that receive notifications.
    pub(crate) receiver_limits: Arc<Limits>,
    pub(crate) tally: Tally,
    admission: Arc<Admission>,
    throttle: Throttle,
}

/// The other end of a connection.
pub(crate) struct Peer {
    pub(crate) mqtt: Arc<Mqtt>,
    pub(crate) address: SocketAddr,
}

impl Peer {
    /// Leaves a why record: about somebody where it is known. `identity`: who it claimed to be.
    fn note(&self, of: Option<About>, identity: &str, step: &'static str, check: &'static str, detail: String) {
        self.mqtt.note(of, Note { identity, peer: Some(self.address), step, check, detail });
    }
}

impl stream::Protocol for Mqtt {
    type Machine = Link;

    fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    fn machine(self: &Arc<Self>, peer: SocketAddr, now: Duration) -> Link {
        Link::new(Arc::clone(self), peer, now)
    }
}

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
        let receiver_limits = Arc::new(Limits {
            qos_out: Qos::ExactlyOnce,
            subscriptions: RECEIVER_FILTERS,
            outbound_inflight: RECEIVER_INFLIGHT,
            outbound_queue: RECEIVER_INFLIGHT.into(),
            outbound_waiting: 0,
            ..(*limits).clone()
        });
        let applications = Arc::<Applications>::default();
        core.clients().enlist(&applications);
        let agents = Arc::<Agents>::default();
        core.enlist(&agents);
        core.enlist_sessions(&agents);
        let throttle = Throttle::new(config.failures_per_minute);
        let admission = Arc::new(admission(&core, &config, &limits));
        Arc::new(Self {
            core,
            connections,
            applications,
            agents,
            config,
            limits,
            receiver_limits,
            tally: Tally::default(),
            admission,
            throttle,
        })
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.tally.counters(&self.admission.arrivals)
    }

    /// The device of a clientId whose password is right: the same check as that of CONNECT, for other protocols of the device side.
    ///
    /// `Forbidden` for a device that was removed or has no secret yet, `Throttled` for one that failed too often, `Overloaded`, else
    /// `Unauthenticated`.
    pub async fn authenticate(&self, peer: Option<SocketAddr>, client_id: &str, password: &str) -> Result<DeviceCaller> {
        device::authenticate(self, peer, client_id, password).await
    }

    /// Leaves a why record.
    pub(crate) fn note(&self, of: Option<About>, what: Note<'_>) {
        note::note(&self.core, of, what);
    }
}

/// What is asked of a connection before its CONNECT.
fn admission(core: &Arc<Core>, config: &Config, limits: &Limits) -> Admission {
    let core = Arc::clone(core);
    Admission {
        name: "MQTT",
        steps: ["mqtt.tcp", "mqtt.tls", "mqtt.ws", "mqtt.wss"],
        max_connections: config.max_connections,
        handshakes: config.handshakes,
        handshake_timeout: config.handshake_timeout,
        // MQTT 6.0, [MQTT-6.0.0-3].
        upgrade: Upgrade { subprotocol: Some("mqtt"), first_bytes: limits.control_bytes, message_bytes: limits.packet_bytes },
        word: Box::new(move |what| note::note(&core, None, what)),
        arrivals: Default::default(),
        ends: Admission::ends(),
    }
}

/// For the fuzzer: reads anything as a clientId.
pub fn fuzz_identity(data: &[u8]) {
    device::fuzz_identity(data);
}

/// For the fuzzer: reads anything as a topic and a filter.
pub fn fuzz_topics(data: &[u8]) {
    device::fuzz_topics(data);
    user::fuzz_topics(data);
}

/// For the fuzzer: reads anything as a message of SmartREST 2.0, and as an operation for it.
pub fn fuzz_smartrest(data: &[u8]) {
    user::fuzz_smartrest(data);
}

#[cfg(test)]
mod tests;
