//! Durable fan-out of the event stream to the receivers of subscriptions (1.6.7), over the sinks in `sink/`.
//!
//! Each subscription has a cursor in the store and a worker here. The order of each device is kept: its next event is sent after the former
//! was confirmed and the cursor that says so is durable. Devices are served concurrently, and subscriptions do not wait for each
//! other. What fails is tried again, with back-off, until the account's retention ends; no receiver is ever given up for failing.
//!
//! Delivery is at least once: a kill repeats no push whose confirmation was durable, and of the others at most the newest event of a device.
//! Each carries the place of its event, by which a receiver recognises a repeat.
//!
//! Each push is preceded by the question whether its subscriber may still be told ([`Domain`]). What may not go out is passed over, not kept:
//! once the subscriber may again, it goes on with what happens then.
//!
//! Apart from the stream, [`Asker`] asks a receiver once and waits for the answer; [`Verifier`] so judges an address that is to be subscribed.
//!
//! Absent on purpose: what is said ([`Notifier`]s are given), SQL, device protocols; and outside of `sink/`, how anything is sent.

#![forbid(unsafe_code)]

mod ask;
mod attempt;
mod config;
mod context;
mod held;
mod inbox;
mod lane;
mod retry;
mod route;
mod sink;
mod status;
mod supervisor;
#[cfg(test)]
mod tests;
mod verify;
mod worker;

pub use ask::{Asker, Unanswered};
pub use config::{Config, Trust};
pub use sink::Answer;
pub use sink::http::target::{Allow, Host, Policy, check_url};
pub use status::{DeliveryError, DeliveryState, DeliveryStatus, Totals, Undelivered};
pub use verify::Verifier;

use async_trait::async_trait;
use context::Context;
use inbox::Tail;
use landfall_core::{
    Clients, Core, Needs, Notifier, Subject, World,
    store::{AccountStore, Commit, EventStore, SubscriptionStore},
};
use landfall_model::{Cause, Error, Event, Result, Seq, Subscription, SubscriptionId, Time};
use parking_lot::Mutex;
use sink::Sinks;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use supervisor::{Handle, Handles, Replay, Supervisor};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// What the push asks of the domain before something goes out.
#[async_trait]
pub trait Domain: Send + Sync {
    /// Why the subscription is not to be served now; none: it is. While this fails, nothing is sent and nothing is passed over.
    async fn suspension(&self, subscription: &Subscription) -> Result<Option<String>>;
    /// What an event is about, as it is now, as far as that is needed.
    async fn subject(&self, event: &Event, needs: Needs) -> Result<Subject>;
}

#[async_trait]
impl Domain for Core {
    async fn suspension(&self, subscription: &Subscription) -> Result<Option<String>> {
        Core::suspension(self, subscription).await
    }

    async fn subject(&self, event: &Event, needs: Needs) -> Result<Subject> {
        Core::subject(self, event, needs).await
    }
}

/// What the push asks of a store.
pub trait PushStore: Commit + AccountStore + SubscriptionStore + EventStore {}

impl<S: Commit + AccountStore + SubscriptionStore + EventStore> PushStore for S {}

/// The running push. Dropping it stops it too, without waiting.
pub struct Push {
    ctx: Arc<Context>,
    handles: Handles,
    stop: watch::Sender<bool>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

impl Push {
    /// Starts to serve all subscriptions that one of the dialects tells. Must be called within a tokio runtime.
    ///
    /// `InvalidField`: a certificate file of `config.trust` cannot be read.
    pub fn start(
        store: Arc<dyn PushStore>,
        world: Arc<dyn World>,
        (domain, notifiers): (Arc<dyn Domain>, Vec<&'static dyn Notifier>),
        clients: Arc<Clients>,
        config: Config,
    ) -> Result<Self> {
        let sinks = Sinks::new(&config, &world, clients)?;
        Ok(Self::start_with(store, world, (domain, notifiers), config, sinks))
    }

    fn start_with(
        store: Arc<dyn PushStore>,
        world: Arc<dyn World>,
        (domain, notifiers): (Arc<dyn Domain>, Vec<&'static dyn Notifier>),
        config: Config,
        sinks: Sinks,
    ) -> Self {
        let tail = Tail::new(store.newest());
        let budget = held::Budget::new(config.held_bytes);
        let counters = status::Counters::default();
        let ctx = Arc::new(Context { store, world, domain, notifiers, config, sinks, tail, budget, counters });
        let handles = Handles::default();
        let (stop, stopping) = watch::channel(false);
        let supervisor = Supervisor::new(Arc::clone(&ctx), Arc::clone(&handles), stopping);
        #[allow(clippy::disallowed_methods, reason = "the push is one of the shells that spawn; `shutdown` joins it")]
        let task = tokio::spawn(supervisor.run());
        Self { ctx, handles, stop, supervisor: Mutex::new(Some(task)) }
    }

    /// How a subscription is served; none when it is not (yet) known.
    pub fn status(&self, id: SubscriptionId) -> Option<DeliveryStatus> {
        let handles = self.handles.lock();
        let Handle { board, inbox, .. } = handles.get(&id)?;
        let mut status = board.status.lock().clone();
        // An idle worker is not woken for the events of others, so its own count lags.
        let routed = self.ctx.tail.routed();
        let idle = board.live.load(Ordering::Relaxed) && inbox.is_idle();
        let read_to = if idle { board.read_to().max(routed) } else { board.read_to() };
        status.behind = self.ctx.store.newest().0.saturating_sub(read_to.0);
        Some(status)
    }

    /// Sends again, in order, everything since `from` that is still in the stream, confirmed or not; returns the place before the first.
    ///
    /// Requests under way are called off. Durable when it returns. `SubscriptionNotFound`; errors of the store; `Stopping`.
    pub async fn replay(&self, id: SubscriptionId, from: Time) -> Result<Seq> {
        let unknown = || Error::new(Cause::SubscriptionNotFound, "no such subscription is served");
        let replays = self.handles.lock().get(&id).ok_or_else(unknown)?.replays.clone();
        let to = self.ctx.store.seq_before(from).await?;
        let (done, moved) = oneshot::channel();
        let stopping = || Error::new(Cause::Stopping, "the subscription is no longer served");
        replays.send(Replay { to, done }).await.map_err(|_| stopping())?;
        moved.await.map_err(|_| stopping())??;
        Ok(to)
    }

    /// Numbers of all subscriptions together.
    pub fn totals(&self) -> Totals {
        let handles = self.handles.lock();
        Totals {
            subscriptions: handles.len() as u64,
            backlog_open: handles.values().map(|handle| handle.board.status.lock().backlog_open).sum(),
            sockets: self.ctx.sinks.connections() as u64,
            held_bytes: self.ctx.budget.used() as u64,
            delivered_total: self.ctx.counters.delivered.load(Ordering::Relaxed),
            failed_attempts_total: self.ctx.counters.failed.load(Ordering::Relaxed),
            expired_total: self.ctx.counters.expired.load(Ordering::Relaxed),
            withheld_total: self.ctx.counters.withheld.load(Ordering::Relaxed),
        }
    }

    /// Ends everything at once, as a kill of the process does.
    #[cfg(test)]
    fn kill(&self) {
        if let Some(task) = self.supervisor.lock().take() {
            task.abort();
        }
    }

    /// Sends nothing more, waits for requests under way up to `shutdown_timeout_ms`, writes all cursors.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let task = self.supervisor.lock().take();
        if let Some(task) = task
            && task.await.is_err()
        {
            tracing::error!("the push ended by a panic");
        }
    }
}
