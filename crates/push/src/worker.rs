//! One subscription: reads what concerns it, sends it, makes confirmations durable.
//!
//! Decisions are those of [`Lanes`]; this file carries them out. A kill repeats at most the newest event of each device: the one whose
//! confirmation had arrived while the cursor without it was not durable yet. An event of several bodies is repeated from its first body then.

use crate::attempt::{End, Outcome, Receiver, attempt, attempt_together};
use crate::context::Context;
use crate::held::Held;
use crate::inbox::{Inbox, Taken};
use crate::lane::{Health, Lanes, OPEN_LIMIT};
use crate::route::concerns;
use crate::sink::Again;
use crate::status::{Board, DeliveryState, DeliveryStatus, Undelivered};
use crate::supervisor::Replay;
use futures_util::future::{BoxFuture, FutureExt, OptionFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use landfall_core::{Needs, Notifier, Subject};
use landfall_model::{Batch, Cursor, Result, Seq, StoredEvent, Subscription, Time, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Events of one read of the store.
const READ_LIMIT: usize = 256;
/// Reading goes on once this many more events may be open, so that a full worker does not read one event at a time.
const ROOM_TO_READ: usize = OPEN_LIMIT / 4;
/// Nearer than this to the head of the stream, the inbox is attached.
const NEAR_HEAD: u64 = 4_096;
/// Progress over events of others is made durable after this many events, at most once in `LAZY_MS`.
pub(crate) const LAZY_EVENTS: u64 = 10_000;
const LAZY_MS: i64 = 1_000;
/// How long the store is left alone after it failed.
const STORE_RETRY_MS: i64 = 1_000;
/// How often the account's retention is read again while something is open.
const RETENTION_CHECK_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// What ties a worker to its supervisor.
pub(crate) struct Ties {
    /// The subscription as it should be served; `None`: it was deleted.
    pub desired: watch::Receiver<Option<Arc<Subscription>>>,
    /// Wishes for a replay.
    pub replays: mpsc::Receiver<Replay>,
    /// True once the push stops.
    pub stop: watch::Receiver<bool>,
    pub inbox: Arc<Inbox>,
    pub board: Arc<Board>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The inbox brings all there is.
    Live,
    /// The store is read; up to `goal` the inbox may have missed something, if it is attached.
    Behind { goal: Option<Seq> },
}

pub(crate) struct Worker {
    ctx: Arc<Context>,
    ties: Ties,
    to: Receiver,
    lanes: Lanes<Arc<Held>>,
    /// What the next cursor is committed with.
    writes: Vec<Write>,
    deliveries: FuturesUnordered<BoxFuture<'static, Outcome>>,
    commit: Option<BoxFuture<'static, Result<Seq>>>,
    /// What the cursor on its way to the store is committed with.
    writing: Vec<Write>,
    read: Option<BoxFuture<'static, Result<Vec<StoredEvent>>>>,
    read_limit: usize,
    reading: Reading,
    store_rest_until: Time,
    committed_at: Time,
    retention_ms: i64,
    retention_read_at: Option<Time>,
    /// The stream says that what comes after this place is not old.
    kept_after: Seq,
    /// The receiver connects by itself and was not there.
    away: bool,
    seen: DeliveryStatus,
}

impl Worker {
    /// A worker at `cursor`. The caller runs it.
    pub fn new(
        ctx: Arc<Context>,
        subscription: Arc<Subscription>,
        notifier: &'static dyn Notifier,
        cursor: &Cursor,
        ties: Ties,
    ) -> Self {
        Self {
            to: Receiver { link: ctx.sinks.of(subscription.channel).open(&subscription), subscription, notifier },
            lanes: Lanes::new(cursor.read_to),
            writes: Vec::new(),
            deliveries: FuturesUnordered::new(),
            commit: None,
            writing: Vec::new(),
            read: None,
            read_limit: READ_LIMIT,
            reading: Reading::Behind { goal: None },
            store_rest_until: Time(i64::MIN),
            committed_at: ctx.world.now(),
            retention_ms: 7 * DAY_MS,
            retention_read_at: None,
            kept_after: Seq(0),
            away: false,
            seen: DeliveryStatus::default(),
            ctx,
            ties,
        }
    }

    /// Serves the subscription until it is deleted or the push stops.
    pub async fn run(mut self, open: Vec<Seq>) {
        if !self.restore(&open).await {
            return;
        }
        loop {
            let now = self.ctx.world.now();
            self.check_retention(now).await;
            self.ingest();
            self.dispatch(now);
            self.start_commit(now, false);
            self.start_read(now);
            self.publish(now);
            let rest = self.next_wake(now).map(|wake| Duration::from_millis(wake.0.abs_diff(now.0)));
            tokio::select! {
                biased;
                _ = self.ties.stop.changed() => return self.finish().await,
                changed = self.ties.desired.changed() => {
                    let desired = self.ties.desired.borrow_and_update().clone();
                    match desired {
                        Some(subscription) if changed.is_ok() => self.update(subscription),
                        _ => return,
                    }
                }
                Some(replay) = self.ties.replays.recv() => {
                    let result = self.replay(replay.to).await;
                    // Whoever asked may have gone; the replay happened all the same.
                    let _asked = replay.done.send(result);
                }
                Some(outcome) = self.deliveries.next() => self.settle_all(outcome),
                Some(result) = pending(&mut self.commit) => self.commit_done(&result),
                Some(result) = pending(&mut self.read) => self.read_done(result),
                Some(()) = self.to.arrival() => {
                    self.away = false;
                    self.lanes.recover();
                }
                () = self.ties.inbox.woken() => {}
                () = tokio::time::sleep(rest.unwrap_or_default()), if rest.is_some() => {}
            }
        }
    }

    /// Opens again what the cursor lists. False: the push stops.
    async fn restore(&mut self, open: &[Seq]) -> bool {
        if open.is_empty() {
            return true;
        }
        let events = loop {
            match self.ctx.store.events_at(open).await {
                Ok(events) => break events,
                Err(error) => tracing::warn!(subscription = %self.to.subscription.id, %error, "open events cannot be read"),
            }
            tokio::select! {
                _ = self.ties.stop.changed() => return false,
                () = tokio::time::sleep(Duration::from_millis(STORE_RETRY_MS as u64)) => {}
            }
        };
        self.seen.expired(&self.ctx.counters, open.len().saturating_sub(events.len()) as u64);
        let now = self.ctx.world.now();
        self.check_retention(now).await;
        for event in &events {
            self.look(event);
        }
        if self.lanes.open_count() < open.len() {
            self.lanes.mark_dirty();
        }
        true
    }

    /// Opens the event if it concerns the subscription.
    fn look(&mut self, event: &StoredEvent) {
        self.lanes.pass(event.seq);
        if !concerns(&self.to.subscription, &event.event) {
            return;
        }
        let Receiver { subscription, notifier, .. } = &self.to;
        let rendered = (notifier.needs(subscription, event) == Needs::NOTHING)
            .then(|| notifier.render(subscription, event, &Subject::default()));
        if rendered.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        if event.event.at <= self.oldest_kept() && event.seq <= self.kept_after {
            self.seen.expired(&self.ctx.counters, 1);
            return;
        }
        if let Some(gathering) = notifier.gathering(subscription, event) {
            self.lanes.gather(event.seq, None, event.event.at, gathering);
            return;
        }
        let keep = self.is_served() && !self.ctx.budget.is_spent();
        let held = keep.then(|| Held::new(event.clone(), rendered, &self.ctx.budget));
        self.lanes.open(event.seq, event.event.device, event.event.at, held);
    }

    /// Whether what is opened goes out soon.
    fn is_served(&self) -> bool {
        !self.away && self.lanes.health() == Health::Good
    }

    fn ingest(&mut self) {
        if self.reading != Reading::Live {
            return;
        }
        for _ in 0..READ_LIMIT {
            if !self.lanes.has_room() {
                self.fall_behind();
                return;
            }
            match self.ties.inbox.take(&self.ctx.tail) {
                Taken::Event(event) if event.seq > self.lanes.read_to() => self.look(&event),
                Taken::Event(_) => {}
                Taken::Empty(routed) => {
                    self.lanes.pass(routed);
                    return;
                }
                Taken::Detached => {
                    self.fall_behind();
                    return;
                }
            }
        }
        self.ties.inbox.ring();
    }

    fn fall_behind(&mut self) {
        self.ties.inbox.detach();
        self.reading = Reading::Behind { goal: None };
    }

    fn start_read(&mut self, now: Time) {
        let Reading::Behind { goal } = self.reading else { return };
        let room = OPEN_LIMIT.saturating_sub(self.lanes.open_count());
        if self.read.is_some() || room < ROOM_TO_READ || self.store_rest_until > now {
            return;
        }
        let read_to = self.lanes.read_to();
        if goal.is_none() && self.ctx.tail.claimed().0.saturating_sub(read_to.0) < NEAR_HEAD {
            self.ties.inbox.attach();
            let goal = self.ctx.tail.claimed();
            self.reading = Reading::Behind { goal: Some(goal) };
            if read_to >= goal {
                self.reading = Reading::Live;
                self.ties.inbox.ring();
                return;
            }
        }
        self.read_limit = room.min(READ_LIMIT);
        let (store, limit) = (Arc::clone(&self.ctx.store), self.read_limit as u32);
        self.read = Some(async move { store.events_after(read_to, limit).await }.boxed());
    }

    fn read_done(&mut self, result: Result<Vec<StoredEvent>>) {
        self.read = None;
        let now = self.ctx.world.now();
        let events = match result {
            Ok(events) => events,
            Err(error) => return self.rest(now, &error),
        };
        for event in &events {
            self.look(event);
        }
        let Reading::Behind { goal: Some(goal) } = self.reading else { return };
        if events.len() < self.read_limit {
            // A short read reached the head, which lies beyond what the tail had claimed before.
            self.lanes.pass(goal);
        }
        if self.lanes.read_to() >= goal {
            self.reading = Reading::Live;
            self.ties.inbox.ring();
        }
    }

    fn rest(&mut self, now: Time, error: &landfall_model::Error) {
        tracing::warn!(subscription = %self.to.subscription.id, %error, "the store fails the push");
        self.store_rest_until = Time(now.0.saturating_add(STORE_RETRY_MS));
    }

    fn dispatch(&mut self, now: Time) {
        let width =
            if self.away || self.ctx.sinks.of(self.to.subscription.channel).is_scarce() { 1 } else { self.ctx.config.in_flight };
        while let Some(seq) = self.lanes.pick(now, width) {
            let (ctx, to) = (Arc::clone(&self.ctx), self.to.clone());
            if let Some(seqs) = self.lanes.together(seq) {
                self.deliveries.push(async move { attempt_together(&ctx, &to, &seqs).await }.boxed());
                continue;
            }
            let Some(open) = self.lanes.get_mut(seq) else { continue };
            let (held, done) = (open.held.clone(), open.done);
            self.deliveries.push(async move { attempt(&ctx, &to, seq, held, done).await }.boxed());
        }
    }

    fn settle_all(&mut self, first: Outcome) {
        self.settle(first);
        while let Some(Some(outcome)) = self.deliveries.next().now_or_never() {
            self.settle(outcome);
        }
    }

    fn settle(&mut self, Outcome { seq, events, end, writes }: Outcome) {
        self.writes.extend(writes);
        if !matches!(end, End::Failed(..)) {
            self.lanes.take_along(seq, events.saturating_sub(1));
        }
        let count = events as u64;
        match end {
            End::Delivered => {
                self.lanes.confirmed(seq);
                self.away = false;
                self.seen.delivered(&self.ctx.counters, self.ctx.world.now(), count);
            }
            End::Failed(done, failure) => {
                let mut jitter = [0; 4];
                self.ctx.world.random(&mut jitter);
                let now = self.ctx.world.now();
                self.away = failure.again == Again::OnArrival;
                self.lanes.failed(seq, now, done, failure.again.hold_ms(), u32::from_le_bytes(jitter));
                if !self.is_served() {
                    self.lanes.drop_held();
                }
                self.seen.failed(&self.ctx.counters, now, failure);
            }
            End::GivenUp(failure) => {
                self.lanes.gone(seq);
                self.seen.failed(&self.ctx.counters, self.ctx.world.now(), failure);
            }
            End::Lost => {
                self.lanes.gone(seq);
                self.seen.expired(&self.ctx.counters, count);
            }
            End::Withheld => {
                self.lanes.gone(seq);
                self.seen.withheld(&self.ctx.counters, count);
            }
            End::Unconcerned => self.lanes.gone(seq),
        }
    }

    fn start_commit(&mut self, now: Time, stopping: bool) {
        if self.store_rest_until > now && !stopping {
            return;
        }
        let progress = self.lanes.read_to().0.saturating_sub(self.lanes.durable_to().0);
        let lazy = stopping || progress >= LAZY_EVENTS && now.0.saturating_sub(self.committed_at.0) >= LAZY_MS;
        let Some(cursor) = self.lanes.begin_commit(self.to.subscription.id, lazy) else { return };
        self.committed_at = now;
        self.writing = std::mem::take(&mut self.writes);
        self.commit = Some(commit(&self.ctx, cursor, self.writing.clone()));
    }

    fn commit_done(&mut self, result: &Result<Seq>) {
        self.commit = None;
        self.lanes.commit_done(result.is_ok());
        let mut writes = std::mem::take(&mut self.writing);
        let Err(error) = result else { return };
        self.rest(self.ctx.world.now(), error);
        if error.is_ours() {
            writes.append(&mut self.writes);
            self.writes = writes;
        } else if !writes.is_empty() {
            // They would be refused again, and the cursor with them.
            tracing::error!(subscription = %self.to.subscription.id, %error, "what the dialect wants written is refused and left out");
        }
    }

    /// Gives up what is older than the account keeps undelivered events.
    async fn check_retention(&mut self, now: Time) {
        let due = self.retention_read_at.is_none_or(|at| now.0.saturating_sub(at.0) >= RETENTION_CHECK_MS);
        if due && (self.retention_read_at.is_none() || self.lanes.open_count() > 0) {
            self.retention_read_at = Some(now);
            match self.ctx.store.account(self.to.subscription.account).await {
                Ok(Some(account)) => self.retention_ms = i64::from(account.settings.event_retention_days) * DAY_MS,
                Ok(None) => {}
                Err(error) => tracing::warn!(subscription = %self.to.subscription.id, %error, "the account cannot be read"),
            }
            // An event says when it happened by a clock that may have been wrong; its place in the stream must be old as well.
            match self.ctx.store.seq_before(self.oldest_kept()).await {
                Ok(seq) => self.kept_after = seq,
                Err(error) => tracing::warn!(subscription = %self.to.subscription.id, %error, "the stream cannot be read"),
            }
        }
        let expired = self.lanes.expire(self.oldest_kept(), self.kept_after);
        if expired > 0 {
            self.seen.expired(&self.ctx.counters, expired);
        }
    }

    /// What happened then or earlier is given up, even if the clock is wrong now.
    fn oldest_kept(&self) -> Time {
        Time(self.ctx.world.bounds().earliest.0.saturating_sub(self.retention_ms))
    }

    /// A changed subscription is served at once; what was under way to another address is called off.
    fn update(&mut self, subscription: Arc<Subscription>) {
        let place = |of: &Subscription| (of.channel, of.callback_url.clone());
        let moved = place(&subscription) != place(&self.to.subscription);
        self.to.subscription = subscription;
        self.lanes.drop_held();
        if moved {
            self.call_off();
            self.to.link = self.ctx.sinks.of(self.to.subscription.channel).open(&self.to.subscription);
            self.lanes.recover();
        }
    }

    fn call_off(&mut self) {
        while let Some(Some(outcome)) = self.deliveries.next().now_or_never() {
            self.settle(outcome);
        }
        self.deliveries = FuturesUnordered::new();
        self.lanes.release_all();
    }

    /// Moves the cursor; durable when it returns.
    async fn replay(&mut self, to: Seq) -> Result<()> {
        if let Some(result) = pending(&mut self.commit).await {
            self.commit_done(&result);
        }
        self.call_off();
        let cursor = Cursor { subscription: self.to.subscription.id, read_to: to, open: Vec::new() };
        commit(&self.ctx, cursor, self.writes.clone()).await?;
        self.writes.clear();
        self.read = None;
        self.fall_behind();
        self.lanes = Lanes::new(to);
        Ok(())
    }

    /// Waits for what is under way, then writes the cursor a last time.
    async fn finish(mut self) {
        let limit = Duration::from_millis(self.ctx.config.shutdown_timeout_ms);
        let in_time = tokio::time::timeout(limit, async {
            while let Some(outcome) = self.deliveries.next().await {
                self.settle(outcome);
            }
        });
        if in_time.await.is_err() {
            tracing::info!(subscription = %self.to.subscription.id, "requests under way are left to the next start");
        }
        if let Some(result) = pending(&mut self.commit).await {
            self.commit_done(&result);
        }
        let now = self.ctx.world.now();
        self.ingest();
        self.start_commit(now, true);
        if let Some(result) = pending(&mut self.commit).await {
            self.commit_done(&result);
        }
    }

    fn publish(&mut self, now: Time) {
        let board = &self.ties.board;
        board.read_to.store(self.lanes.read_to().0, Ordering::Relaxed);
        board.live.store(self.reading == Reading::Live, Ordering::Relaxed);
        board.durable_to.store(self.lanes.durable_to().0, Ordering::Relaxed);
        self.seen.backlog_open = self.lanes.open_count() as u64;
        self.seen.oldest_undelivered = self.lanes.oldest().map(|(seq, open)| Undelivered { seq, at: open.at, device: open.lane });
        self.seen.state = match (self.lanes.health(), self.lanes.resting_until(now)) {
            (_, Some(until)) if self.away => DeliveryState::Away { until },
            (Health::Probing { until, .. }, rest) => DeliveryState::Probing { until: rest.unwrap_or(until) },
            (Health::Good, Some(until)) => DeliveryState::BackingOff { until },
            (Health::Good, None) => DeliveryState::Delivering,
        };
        board.status.lock().clone_from(&self.seen);
    }

    fn next_wake(&self, now: Time) -> Option<Time> {
        let idle = self.to.link.as_ref().ok().and_then(|link| link.close_idle(now));
        let expiry = self.lanes.oldest().map(|(_, open)| Time(open.at.0.saturating_add(self.retention_ms).max(now.0 + 1_000)));
        let store = Some(self.store_rest_until).filter(|until| *until > now);
        [self.lanes.next_wake(now), idle, expiry, store].into_iter().flatten().min()
    }
}

/// Writes a cursor with what the events before it mean for the registry.
fn commit(ctx: &Context, cursor: Cursor, mut writes: Vec<Write>) -> BoxFuture<'static, Result<Seq>> {
    let store = Arc::clone(&ctx.store);
    writes.push(Write::Cursor(cursor));
    let batch = Batch { writes, events: Vec::new() };
    async move { store.commit(batch).await.map(|committed| committed.seq) }.boxed()
}

/// The result of what is under way; none when nothing is.
fn pending<'a, T>(future: &'a mut Option<BoxFuture<'static, T>>) -> OptionFuture<&'a mut BoxFuture<'static, T>> {
    future.as_mut().into()
}
