//! HTTP callbacks: one POST over a kept connection, confirmed by a 2xx.
//!
//! `X-Landfall-Event` carries the place of the event, by which a receiver recognises a repeat.

mod ask;
mod client;
pub(crate) mod connect;
mod request;
pub(crate) mod target;

pub(crate) use ask::Caller;

use super::{Failure, Link, Sink};
use crate::config::Config;
use client::Client;
use landfall_core::World;
use landfall_model::Subscription;
use std::sync::Arc;
use target::Target;
use tokio::sync::Semaphore;

/// The sink of [`landfall_model::Channel::Http`].
pub(crate) struct Http(Arc<Shared>);

/// What the clients of all subscriptions share.
struct Shared {
    caller: Caller,
    /// One permit for each open connection.
    sockets: Arc<Semaphore>,
    /// All permits.
    sockets_total: usize,
    /// The clock.
    world: Arc<dyn World>,
    /// From `Config`.
    idle_timeout_ms: i64,
}

impl Http {
    /// A sink without connections.
    pub fn new(caller: Caller, config: &Config, world: Arc<dyn World>) -> Self {
        let sockets_total = config.sockets.clamp(4, Semaphore::MAX_PERMITS);
        Self(Arc::new(Shared {
            caller,
            sockets: Arc::new(Semaphore::new(sockets_total)),
            sockets_total,
            world,
            idle_timeout_ms: i64::try_from(config.idle_timeout_ms).unwrap_or(i64::MAX),
        }))
    }
}

impl Sink for Http {
    fn open(&self, subscription: &Subscription) -> Result<Arc<dyn Link>, Failure> {
        let target = Target::try_from(&*subscription.callback_url)?;
        Ok(Arc::new(Client::new(subscription.id, target, Arc::clone(&self.0))))
    }

    fn is_scarce(&self) -> bool {
        self.0.is_scarce()
    }

    fn connections(&self) -> usize {
        self.0.sockets_total.saturating_sub(self.0.sockets.available_permits())
    }
}

impl Shared {
    /// Whether only the reserve for subscriptions without a connection is left.
    fn is_scarce(&self) -> bool {
        self.sockets.available_permits() <= self.sockets_total / 4
    }
}
