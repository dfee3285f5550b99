//! LwM2M over CoAP and DTLS: registration, observation, commands and bootstrap of devices (OMA LwM2M core and transport 1.0 to 1.2).
//!
//! [`Hub`] is the machine: fed datagrams, words and answers at given times, drained of datagrams and questions; `asks.rs` and
//! `admission.rs` answer the questions from the core. Absent: sockets and timers (`driver/datagram.rs`), the protocols themselves (`landfall-coap`, `landfall-dtls`,
//! `landfall-lwm2m`), SMS, TCP, OSCORE and X.509.

mod acknowledging;
mod admission;
mod asks;
mod bindings;
mod bootstrap;
mod client;
mod counters;
mod desk;
mod direct;
mod endings;
mod hub;
mod node;
mod opening;
mod plan;
mod reports;
mod requests;
mod roaming;
mod said;
mod serving;
mod sessions;
mod wire;
mod work;

pub use counters::Counters;
pub use desk::Desk;
pub use direct::Direct;
pub use opening::{PROTOCOL, Section};

use crate::note::{About, Note, note};
use counters::Tally;
use landfall_core::{Core, World};
use landfall_lwm2m::{ObjectModels, queue};
use landfall_model::{AccountId, DeviceId};
use plan::Plans;
use std::{sync::Arc, time::Duration};

/// What an operator may tune.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Shortest time to the first repetition of a message (ACK_TIMEOUT, RFC 7252 4.8: 2 s; NB-IoT may want 10 s).
    pub ack_timeout_ms: u64,
    /// How long a client in queue mode hears after a contact (LwM2M core, 6.5: 93 s).
    pub awake_s: u32,
    /// Largest body of a request or answer, bytes.
    pub body_bytes: usize,
    /// DTLS sessions.
    pub sessions: usize,
    /// Seconds between saves of the counters of DTLS sessions that were used.
    pub save_s: u32,
    /// Refuse clients without extended master secret (RFC 7627); old modules lack it.
    pub require_ems: bool,
    /// Address that bootstrap gives to clients, such as `coaps://iot.example.com:5684`; empty: bootstrap is off.
    pub public_uri: String,
    /// Lifetime that bootstrap gives to clients, seconds.
    pub bootstrap_lifetime_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ack_timeout_ms: 2_000,
            awake_s: queue::AWAKE_DEFAULT_S,
            body_bytes: 1_048_576,
            sessions: 1_000_000,
            save_s: 5,
            require_ems: false,
            public_uri: String::new(),
            bootstrap_lifetime_s: 86_400,
        }
    }
}

/// LwM2M access: what its listeners and the rest of the program share.
pub struct Lwm2m {
    pub(crate) core: Arc<Core>,
    pub(crate) world: Arc<dyn World>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) config: Config,
    pub(crate) models: ObjectModels,
    pub(crate) plans: Plans,
    pub(crate) tally: Tally,
}

impl Lwm2m {
    /// Access to `core`, which asks its desk from now on. `models` are the definitions of objects that clients may have.
    pub fn new(core: Arc<Core>, world: Arc<dyn World>, config: Config, models: ObjectModels) -> Arc<Self> {
        let desk = Arc::<Desk>::default();
        core.enlist(&desk);
        Arc::new(Self { core, world, desk, config, models, plans: Plans::default(), tally: Tally::default() })
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.tally.counters(self.desk.len())
    }

    /// Something was refused: counted, and told.
    fn refused(&self, of: Option<(AccountId, DeviceId)>, why: Note<'_>) {
        self.tally.refuse(why.step, why.check);
        note(&self.core, of.map(About::from), why);
    }

    fn awake(&self) -> Duration {
        Duration::from_secs(self.config.awake_s.into())
    }
}

#[cfg(test)]
mod tests;
