//! What MQTT is to the server: its listeners, its section of the configuration, its start and its numbers.

use super::{Config, Mqtt};
use crate::{
    access::{Access, Listener, Opened, Opening, Protocol, Serving, Socket, Wire},
    driver::stream,
};
use futures_util::future::BoxFuture;
use landfall_core::{Count, Metric};
use landfall_model::Result;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// MQTT.
pub const PROTOCOL: Protocol = Protocol {
    name: "mqtt",
    listeners: &[
        Listener { key: "mqtt", wire: Wire::Tcp, purpose: "devices, MQTT without TLS" },
        Listener { key: "mqtts", wire: Wire::Tls, purpose: "devices, MQTT over TLS" },
        Listener { key: "mqtt_ws", wire: Wire::WebSocket, purpose: "devices, MQTT over WebSocket" },
    ],
    at_least_1: &[
        "max_connections",
        "max_payload_bytes",
        "handshakes",
        "handshake_s",
        "connect_s",
        "keep_alive_max_s",
        "silence_s",
    ],
    open,
};

/// MQTT access.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// Open connections.
    pub max_connections: usize,
    /// Greatest payload in bytes.
    pub max_payload_bytes: usize,
    /// Hours by which the timestamp of a signature of type 1 may differ.
    pub clock_tolerance_h: u32,
    /// Refused logins of one identity a minute before further ones are turned away for the rest of it; 0: no such limit. A right generated
    /// secret is taken all the same.
    pub failures_per_minute: u32,
    /// TLS and WebSocket handshakes of a listener at once; further ones wait, and addresses take turns.
    pub handshakes: usize,
    /// Seconds for TLS and WebSocket handshakes together, once it is their turn.
    pub handshake_s: u32,
    /// Seconds from then to a whole CONNECT.
    pub connect_s: u32,
    /// Longest keep-alive, seconds; MQTT 5 devices that ask for more are told, others are held to it unawares.
    pub keep_alive_max_s: u16,
    /// Seconds for which a device that asked for no keep-alive (0) may be silent.
    pub silence_s: u32,
    /// Most subscriptions of one session; 0: three for itself, for each device that may be behind it (`limits.children`) and for all together.
    pub subscriptions: usize,
}

impl Default for Section {
    fn default() -> Self {
        Self {
            max_connections: 1_000_000,
            max_payload_bytes: 1024 * 1024,
            clock_tolerance_h: 1,
            failures_per_minute: 30,
            handshakes: 256,
            handshake_s: 30,
            connect_s: 30,
            keep_alive_max_s: u16::MAX,
            silence_s: 176_400,
            subscriptions: 0,
        }
    }
}

impl Section {
    /// `children`: devices that may be behind one.
    fn config(&self, children: u64) -> Config {
        Config {
            max_connections: self.max_connections,
            max_payload_bytes: self.max_payload_bytes,
            clock_tolerance_h: self.clock_tolerance_h,
            failures_per_minute: self.failures_per_minute,
            handshakes: self.handshakes,
            handshake_timeout: Duration::from_secs(self.handshake_s.into()),
            connect_timeout: Duration::from_secs(self.connect_s.into()),
            keep_alive_max_s: self.keep_alive_max_s,
            silence: Duration::from_secs(self.silence_s.into()),
            subscriptions: match self.subscriptions {
                0 => usize::try_from(children).unwrap_or(usize::MAX).saturating_add(2).saturating_mul(3),
                most => most,
            },
        }
    }
}

fn open(Opening { core, section, .. }: Opening) -> std::result::Result<Opened, String> {
    let section: Section = serde_json::from_value(section).map_err(|error| format!("mqtt: {error}"))?;
    let children = core.settings().children;
    let mqtt = Mqtt::new(core, section.config(children));
    Ok(Opened { logins: Some(Arc::clone(&mqtt)), ..Opened::of(&mqtt) })
}

impl Access for Mqtt {
    fn start(
        self: Arc<Self>,
        sockets: Vec<(&'static str, Socket)>,
        stop: watch::Receiver<bool>,
    ) -> BoxFuture<'static, Result<Vec<Serving>>> {
        let serve = |(_, socket)| match socket {
            Socket::Stream(listener, transport, proxies) => {
                let listen = stream::listen(Arc::clone(&self), listener, transport, proxies, stop.clone());
                Some(Box::pin(listen) as Serving)
            }
            Socket::Datagram(_) => None,
        };
        let serving = sockets.into_iter().filter_map(serve).collect();
        Box::pin(async { Ok(serving) })
    }

    fn counters(&self) -> Vec<Metric> {
        let counted = Mqtt::counters(self);
        let open = ["tcp", "tls", "ws", "wss"].into_iter().zip(counted.connections).collect();
        let refused = counted.connects_refused.iter().sum::<u64>() + counted.publishes_refused;
        let applications = self.applications.connected() as u64;
        let total = |name, help, count| Metric { name, help, count: Count::Total(count) };
        vec![
            Metric { name: "mqtt_connections", help: "Open MQTT connections", count: Count::NowBy("transport", open) },
            total("mqtt_publishes", "MQTT publishes taken", counted.publishes),
            total("mqtt_refused", "MQTT connects and publishes refused", refused),
            Metric {
                name: "mqtt_applications",
                help: "Applications that are connected over MQTT",
                count: Count::Now(applications),
            },
            total("mqtt_notifications", "Notifications sent to applications over MQTT", counted.notifications),
            total(
                "mqtt_notifications_confirmed",
                "Notifications that applications confirmed over MQTT",
                counted.notifications_confirmed,
            ),
            total("claims", "Secrets that nodes got with that of their product", counted.claims),
            total("claims_refused", "Claims of secrets that were refused", counted.claims_refused),
        ]
    }
}
