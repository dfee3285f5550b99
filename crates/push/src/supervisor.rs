//! Follows the event stream: hands events to the workers and starts, updates and ends workers as subscriptions change.

use crate::context::Context;
use crate::inbox::Inbox;
use crate::route::Routes;
use crate::status::Board;
use crate::worker::{LAZY_EVENTS, Ties, Worker};
use futures_util::future::FutureExt;
use futures_util::stream::{self, StreamExt};
use landfall_core::SubscriptionFilter;
use landfall_model::{Cursor, EventBody, PageRequest, Result, Seq, StoredEvent, Subscription, SubscriptionId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// Subscriptions of one page at the start.
const PAGE_SIZE: u32 = 500;
/// Cursors read at a time at the start.
const CURSORS_AT_A_TIME: usize = 16;
/// Events of one read of the tail.
const TAIL_LIMIT: u32 = 256;
/// After a restart the tail begins at most this far before the newest event; workers that are further behind read by themselves.
const CATCH_UP_EVENTS: u64 = 200_000;
/// How often idle workers are looked at for lazy progress.
const SWEEP: Duration = Duration::from_secs(5);
const STORE_RETRY: Duration = Duration::from_secs(1);
/// How long a worker that panicked rests before it starts again.
const PANIC_REST: Duration = Duration::from_secs(10);

/// A wish to move a cursor.
pub(crate) struct Replay {
    /// Where to.
    pub to: Seq,
    /// Told once it is durable.
    pub done: oneshot::Sender<Result<()>>,
}

/// A worker as others see it.
pub(crate) struct Handle {
    pub subscription: Arc<Subscription>,
    pub desired: watch::Sender<Option<Arc<Subscription>>>,
    pub replays: mpsc::Sender<Replay>,
    pub inbox: Arc<Inbox>,
    pub board: Arc<Board>,
}

/// The workers by subscription.
pub(crate) type Handles = Arc<Mutex<HashMap<SubscriptionId, Handle>>>;

pub(crate) struct Supervisor {
    ctx: Arc<Context>,
    handles: Handles,
    stop: watch::Receiver<bool>,
    routes: Routes,
    workers: JoinSet<(SubscriptionId, bool)>,
}

impl Supervisor {
    pub fn new(ctx: Arc<Context>, handles: Handles, stop: watch::Receiver<bool>) -> Self {
        Self { ctx, handles, stop, routes: Routes::default(), workers: JoinSet::new() }
    }

    /// Runs until the push stops and all workers have ended.
    pub async fn run(mut self) {
        let mut stop = self.stop.clone();
        tokio::select! {
            _ = stop.changed() => {}
            () = self.follow() => {}
        }
        while self.workers.join_next().await.is_some() {}
    }

    async fn follow(&mut self) {
        let mut position = self.load().await;
        let mut swept = position;
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let ctx = Arc::clone(&self.ctx);
            tokio::select! {
                events = next_events(&ctx, position) => position = self.route(&events).await.unwrap_or(position),
                Some(ended) = self.workers.join_next() => self.ended(ended.ok()).await,
                _ = sweep.tick() => {
                    if position.0.saturating_sub(swept.0) >= LAZY_EVENTS {
                        swept = position;
                        self.wake_lazy(position);
                    }
                }
            }
        }
    }

    /// Starts a worker for each subscription; returns where the tail begins.
    async fn load(&mut self) -> Seq {
        let newest = self.ctx.store.newest();
        let subscriptions = loop {
            match self.read_subscriptions().await {
                Ok(subscriptions) => break subscriptions,
                Err(error) => tracing::warn!(%error, "subscriptions cannot be read"),
            }
            tokio::time::sleep(STORE_RETRY).await;
        };
        let ctx = Arc::clone(&self.ctx);
        let cursors: Vec<(Arc<Subscription>, Cursor)> = stream::iter(subscriptions)
            .map(|subscription| {
                let ctx = Arc::clone(&ctx);
                async move {
                    let cursor = read_cursor(&ctx, &subscription).await;
                    (subscription, cursor)
                }
            })
            .buffer_unordered(CURSORS_AT_A_TIME)
            .collect()
            .await;
        let earliest = Seq(newest.0.saturating_sub(CATCH_UP_EVENTS));
        let near = cursors.iter().map(|(_, cursor)| cursor.read_to).filter(|seq| *seq >= earliest);
        let position = near.min().unwrap_or(newest).min(newest);
        self.ctx.tail.claim(position);
        self.ctx.tail.finish(position);
        for (subscription, cursor) in cursors {
            self.start(subscription, cursor);
        }
        position
    }

    /// From the last page to the first: a deletion in between moves entries to pages that are still to be read; additions come by the stream.
    async fn read_subscriptions(&self) -> Result<Vec<Arc<Subscription>>> {
        let filter = SubscriptionFilter::default();
        let total = self.ctx.store.subscriptions(&filter, PageRequest { no: 0, size: 1 }).await?.total;
        let mut found = HashMap::new();
        for no in (0..total.div_ceil(u64::from(PAGE_SIZE))).rev() {
            let page = self.ctx.store.subscriptions(&filter, PageRequest { no, size: PAGE_SIZE }).await?;
            found.extend(page.items.into_iter().map(|subscription| (subscription.id, subscription)));
        }
        Ok(found.into_values().collect())
    }

    /// Serves a subscription. One whose dialect is switched off rests: its cursor stays where it is.
    fn start(&mut self, subscription: Arc<Subscription>, cursor: Cursor) {
        let Some(notifier) = self.ctx.notifier(subscription.kind) else { return };
        let id = subscription.id;
        let (desired, desired_rx) = watch::channel(Some(Arc::clone(&subscription)));
        let (replays, replays_rx) = mpsc::channel(4);
        let inbox = Arc::new(Inbox::default());
        let board = Arc::new(Board::default());
        self.routes.insert(&subscription, &inbox);
        let ties = Ties {
            desired: desired_rx,
            replays: replays_rx,
            stop: self.stop.clone(),
            inbox: Arc::clone(&inbox),
            board: Arc::clone(&board),
        };
        let worker = Worker::new(Arc::clone(&self.ctx), Arc::clone(&subscription), notifier, &cursor, ties);
        self.handles.lock().insert(id, Handle { subscription, desired, replays, inbox, board });
        self.workers.spawn(async move {
            let panicked = AssertUnwindSafe(worker.run(cursor.open)).catch_unwind().await.is_err();
            if panicked {
                tracing::error!(subscription = %id, "a push worker panicked; it starts again from its durable cursor");
                tokio::time::sleep(PANIC_REST).await;
            }
            (id, panicked)
        });
    }

    async fn ended(&mut self, ended: Option<(SubscriptionId, bool)>) {
        if let Some((id, true)) = ended {
            self.forget(id);
            self.changed(id).await;
        }
    }

    fn forget(&mut self, id: SubscriptionId) {
        if let Some(handle) = self.handles.lock().remove(&id) {
            self.routes.remove(&handle.subscription);
            // The worker may have ended already.
            let _heard = handle.desired.send(None);
        }
    }

    /// Routes the events; returns the place of the last.
    async fn route(&mut self, events: &[StoredEvent]) -> Option<Seq> {
        let last = events.last()?.seq;
        self.ctx.tail.claim(last);
        for event in events {
            if let EventBody::SubscriptionChanged(id) = &event.event.body {
                self.changed(*id).await;
            }
            self.routes.offer(event);
        }
        self.ctx.tail.finish(last);
        Some(last)
    }

    /// Brings the worker of a subscription to what the store says now.
    async fn changed(&mut self, id: SubscriptionId) {
        let stored = loop {
            match self.ctx.store.subscription(id).await {
                Ok(stored) => break stored,
                Err(error) => tracing::warn!(subscription = %id, %error, "a changed subscription cannot be read"),
            }
            tokio::time::sleep(STORE_RETRY).await;
        };
        let Some(subscription) = stored else { return self.forget(id) };
        let known = self.handles.lock().get(&id).map(|handle| Arc::clone(&handle.subscription));
        match known {
            None => {
                let cursor = read_cursor(&self.ctx, &subscription).await;
                self.start(subscription, cursor);
            }
            Some(known) if known.version != subscription.version => {
                self.routes.remove(&known);
                if let Some(handle) = self.handles.lock().get_mut(&id) {
                    self.routes.insert(&subscription, &handle.inbox);
                    handle.subscription = Arc::clone(&subscription);
                    handle.desired.send_replace(Some(subscription));
                }
            }
            Some(_) => {}
        }
    }

    /// Wakes workers whose durable cursor fell far behind, so that a restart does not read all of it again.
    fn wake_lazy(&self, position: Seq) {
        for handle in self.handles.lock().values() {
            if position.0.saturating_sub(handle.board.durable_to.load(Ordering::Relaxed)) >= LAZY_EVENTS {
                handle.inbox.ring();
            }
        }
    }
}

async fn next_events(ctx: &Context, after: Seq) -> Vec<StoredEvent> {
    loop {
        ctx.store.wait_after(after).await;
        match ctx.store.events_after(after, TAIL_LIMIT).await {
            Ok(events) if !events.is_empty() => return events,
            // The newest place is beyond, but its events were deleted: nothing to route until there are others.
            Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => {
                tracing::warn!(%error, "the event stream cannot be read");
                tokio::time::sleep(STORE_RETRY).await;
            }
        }
    }
}

/// The cursor; without one, the subscription begins when it was made.
async fn read_cursor(ctx: &Context, subscription: &Subscription) -> Cursor {
    loop {
        let cursor = match ctx.store.cursor(subscription.id).await {
            Ok(Some(cursor)) => Ok(cursor),
            Ok(None) => {
                let read_to = ctx.store.seq_before(subscription.created_at).await;
                read_to.map(|read_to| Cursor { subscription: subscription.id, read_to, open: Vec::new() })
            }
            Err(error) => Err(error),
        };
        match cursor {
            Ok(cursor) => return cursor,
            Err(error) => tracing::warn!(subscription = %subscription.id, %error, "a cursor cannot be read"),
        }
        tokio::time::sleep(STORE_RETRY).await;
    }
}
