//! What LwM2M is to the server: its listeners, its section of the configuration, its start and its numbers.

use super::{Config, Lwm2m, serving};
use crate::{
    access::{Access, Listener, Opened, Opening, Protocol, Serving, Socket, Wire},
    driver::datagram::Datagrams,
};
use futures_util::future::BoxFuture;
use landfall_core::{Count, Metric};
use landfall_lwm2m::{ObjectModels, objects::XmlLimits};
use landfall_model::Result;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::watch;

const PLAIN: &str = "coap";
const SECURE: &str = "coaps";

/// LwM2M over CoAP and DTLS.
pub const PROTOCOL: Protocol = Protocol {
    name: "lwm2m",
    listeners: &[
        Listener { key: PLAIN, wire: Wire::Udp, purpose: "devices, LwM2M without DTLS, where their product allows it" },
        Listener { key: SECURE, wire: Wire::Udp, purpose: "devices, LwM2M over DTLS" },
    ],
    at_least_1: &["ack_timeout_ms", "max_body_bytes", "max_sessions"],
    open,
};

/// LwM2M access.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// Shortest time to the first repetition of a message in milliseconds; NB-IoT may want 10000.
    pub ack_timeout_ms: u64,
    /// Seconds for which a device in queue mode hears after a contact.
    pub awake_s: u32,
    /// Greatest body of a request or answer in bytes.
    pub max_body_bytes: usize,
    /// DTLS sessions.
    pub max_sessions: usize,
    /// Seconds between saves of the counters of DTLS sessions that were used.
    pub save_s: u32,
    /// Whether DTLS clients without extended master secret are refused; old modules lack it.
    pub require_ems: bool,
    /// Address that bootstrap gives to devices, such as `coaps://iot.example.com:5684`; empty: no bootstrap.
    pub public_uri: String,
    /// Lifetime that bootstrap gives to devices, in seconds.
    pub bootstrap_lifetime_s: u32,
    /// Files with further object definitions, in the XML form of the OMA registry.
    pub models: Vec<String>,
}

impl Default for Section {
    fn default() -> Self {
        let own = Config::default();
        Self {
            ack_timeout_ms: own.ack_timeout_ms,
            awake_s: own.awake_s,
            max_body_bytes: own.body_bytes,
            max_sessions: own.sessions,
            save_s: own.save_s,
            require_ems: own.require_ems,
            public_uri: own.public_uri,
            bootstrap_lifetime_s: own.bootstrap_lifetime_s,
            models: vec![],
        }
    }
}

impl Section {
    fn config(self) -> Config {
        Config {
            ack_timeout_ms: self.ack_timeout_ms,
            awake_s: self.awake_s,
            body_bytes: self.max_body_bytes,
            sessions: self.max_sessions,
            save_s: self.save_s,
            require_ems: self.require_ems,
            public_uri: self.public_uri,
            bootstrap_lifetime_s: self.bootstrap_lifetime_s,
        }
    }

    /// The built-in definitions of objects and those of the operator.
    fn object_models(&self) -> std::result::Result<ObjectModels, String> {
        let mut models = ObjectModels::builtin();
        for path in &self.models {
            let named = |e: &dyn std::fmt::Display| format!("lwm2m.models {path}: {e}");
            let xml = std::fs::read(path).map_err(|e| named(&e))?;
            models.load_xml(&xml, &XmlLimits::default()).map_err(|e| named(&e))?;
        }
        Ok(models)
    }
}

fn open(Opening { core, world, section }: Opening) -> std::result::Result<Opened, String> {
    let section: Section = serde_json::from_value(section).map_err(|error| format!("lwm2m: {error}"))?;
    let models = section.object_models()?;
    let lwm2m = Lwm2m::new(core, world, section.config(), models);
    Ok(Opened { desk: Some(Arc::clone(&lwm2m.desk)), ..Opened::of(&lwm2m) })
}

impl Access for Lwm2m {
    fn start(
        self: Arc<Self>,
        sockets: Vec<(&'static str, Socket)>,
        stop: watch::Receiver<bool>,
    ) -> BoxFuture<'static, Result<Vec<Serving>>> {
        let mut datagrams = Datagrams { plain: None, secure: None };
        for (key, socket) in sockets {
            match (key, socket) {
                (PLAIN, Socket::Datagram(socket)) => datagrams.plain = Some(socket),
                (SECURE, Socket::Datagram(socket)) => datagrams.secure = Some(socket),
                _ => {}
            }
        }
        Box::pin(async move {
            if datagrams.plain.is_none() && datagrams.secure.is_none() {
                return Ok(vec![]);
            }
            let serving = serving::serve(self, datagrams, stop).await?;
            Ok(vec![Box::pin(serving) as Serving])
        })
    }

    fn counters(&self) -> Vec<Metric> {
        let counted = Lwm2m::counters(self);
        let metric = |name, help, count| Metric { name, help, count };
        let refused = "DTLS handshakes and records, CoAP messages and LwM2M requests refused; part of landfall_refusals_by_check";
        vec![
            metric("lwm2m_refused", refused, Count::Refused(counted.refused)),
            metric("dtls_handshakes", "DTLS handshakes that ended well", Count::Total(counted.handshakes)),
            metric("lwm2m_registrations", "LwM2M registrations and updates taken", Count::Total(counted.registrations)),
            metric("lwm2m_reports", "LwM2M notifications, Sends and answers stored", Count::Total(counted.reports)),
            metric("lwm2m_requests", "LwM2M requests sent to devices", Count::Total(counted.requests)),
            metric("dtls_forged", "DTLS records that failed authentication", Count::Total(counted.forged)),
            metric("lwm2m_registered", "Devices with an LwM2M registration", Count::Now(counted.registered)),
            metric("dtls_sessions", "Live DTLS sessions", Count::Now(counted.sessions)),
        ]
    }
}
