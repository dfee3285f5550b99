//! What one subscription still owes its receiver and what may be sent now: a pure state machine.
//!
//! Each device is a lane; events without a device share one. [`Lanes::open`] appends an event to its lane. [`Lanes::pick`] names the next
//! event to send, which then ends with exactly one of [`Lanes::confirmed`], [`Lanes::failed`], [`Lanes::gone`] or [`Lanes::release_all`].
//! A confirmed lane rests until the cursor without that event is durable: [`Lanes::begin_commit`], then [`Lanes::commit_done`].
//!
//! Absent on purpose: the clock, sockets, the store, the events themselves.

use crate::retry::{LONGEST_MS, backoff_ms};
use landfall_core::Gathering;
use landfall_model::{Cursor, DeviceId, Seq, SubscriptionId, Time};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Unconfirmed events a cursor holds; the reader rests at this number.
pub(crate) const OPEN_LIMIT: usize = 1_000;

/// Failures in a row after which a receiver is probed with one request at a time.
const PROBE_AFTER: u32 = 5;

/// The order that must be kept: a device's, or that of the account.
pub(crate) type LaneKey = Option<DeviceId>;

/// An unconfirmed event.
#[derive(Debug)]
pub(crate) struct Open<H> {
    /// Its lane.
    pub lane: LaneKey,
    /// When it happened: the start of its retention.
    pub at: Time,
    /// How much of what is sent for it is over already; forgotten by a restart.
    pub done: usize,
    /// How long it waits for others that are sent with it.
    pub gathering: Option<Gathering>,
    /// The event, when it is in memory.
    pub held: Option<H>,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Seq>,
    phase: Phase,
    failures: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Ready,
    Waiting(Time),
    /// Its first event waits for others, but no longer than that.
    Gathering(Time),
    InFlight,
    /// Confirmed or given up while the cursor still names the event.
    Settled,
}

/// How the receiver does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Attempts succeed, or have not failed often enough.
    Good,
    /// Everything failed: one attempt at a time, the next one at `until`.
    Probing { failures: u32, until: Time },
}

/// The state of one subscription; `H` is an event kept for sending.
#[derive(Debug)]
pub(crate) struct Lanes<H> {
    read_to: Seq,
    durable_to: Seq,
    open: BTreeMap<Seq, Open<H>>,
    lanes: HashMap<LaneKey, Lane>,
    ready: VecDeque<LaneKey>,
    waiting: BTreeSet<(Time, LaneKey)>,
    in_flight: usize,
    settled: Vec<LaneKey>,
    committing: Option<(Seq, Vec<LaneKey>)>,
    dirty: bool,
    failures_in_row: u32,
    probe: Option<Seq>,
    health: Health,
    hold_until: Time,
}

impl<H> Lanes<H> {
    /// Starts behind `read_to`, with nothing open.
    pub fn new(read_to: Seq) -> Self {
        Self {
            read_to,
            durable_to: read_to,
            open: BTreeMap::new(),
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            in_flight: 0,
            settled: Vec::new(),
            committing: None,
            dirty: false,
            failures_in_row: 0,
            probe: None,
            health: Health::Good,
            hold_until: Time(i64::MIN),
        }
    }

    /// Events up to here were looked at.
    pub fn read_to(&self) -> Seq {
        self.read_to
    }

    /// As [`Lanes::read_to`], in the newest durable cursor.
    pub fn durable_to(&self) -> Seq {
        self.durable_to
    }

    /// How the receiver does.
    pub fn health(&self) -> Health {
        self.health
    }

    /// Unconfirmed events.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Whether another event may be opened.
    pub fn has_room(&self) -> bool {
        self.open.len() < OPEN_LIMIT
    }

    /// The oldest unconfirmed event.
    pub fn oldest(&self) -> Option<(Seq, &Open<H>)> {
        self.open.first_key_value().map(|(seq, open)| (*seq, open))
    }

    /// An unconfirmed event.
    pub fn get_mut(&mut self, seq: Seq) -> Option<&mut Open<H>> {
        self.open.get_mut(&seq)
    }

    /// Forgets all events in memory; they are read from the stream again when they are sent.
    pub fn drop_held(&mut self) {
        for open in self.open.values_mut() {
            open.held = None;
        }
    }

    /// Notes that everything up to `seq` was looked at.
    pub fn pass(&mut self, seq: Seq) {
        self.read_to = self.read_to.max(seq);
    }

    /// Opens an event and passes it.
    pub fn open(&mut self, seq: Seq, lane: LaneKey, at: Time, held: Option<H>) {
        self.put(seq, Open { lane, at, done: 0, gathering: None, held });
    }

    /// Opens an event that waits for others of its lane, and passes it.
    pub fn gather(&mut self, seq: Seq, lane: LaneKey, at: Time, gathering: Gathering) {
        self.put(seq, Open { lane, at, done: 0, gathering: Some(gathering), held: None });
    }

    fn put(&mut self, seq: Seq, open: Open<H>) {
        let key = open.lane;
        self.pass(seq);
        self.open.insert(seq, open);
        let lane = self.lanes.entry(key).or_default();
        lane.queue.push_back(seq);
        let (phase, first) = (lane.phase, lane.queue.len() == 1);
        match phase {
            Phase::Ready if first => self.line_up(key),
            Phase::Gathering(until) if self.gathers_until(key).is_none() => {
                self.waiting.remove(&(until, key));
                self.make_ready(key);
            }
            _ => {}
        }
    }

    /// Until when the first event of a lane waits for others; none: it waits for none, or they are there.
    fn gathers_until(&self, key: LaneKey) -> Option<Time> {
        let queue = &self.lanes.get(&key)?.queue;
        let first = self.open.get(queue.front()?)?;
        let gathering = first.gathering?;
        (queue.len() < gathering.most).then(|| plus_ms(first.at, gathering.wait_ms))
    }

    /// The event that was picked and those that go with it; none: it goes alone.
    pub fn together(&self, seq: Seq) -> Option<Vec<Seq>> {
        let open = self.open.get(&seq)?;
        let most = open.gathering?.most;
        let queue = &self.lanes.get(&open.lane)?.queue;
        let gathers = |seq: &&Seq| self.open.get(seq).is_some_and(|open| open.gathering.is_some());
        Some(queue.iter().take(most.max(1)).take_while(gathers).copied().collect())
    }

    /// The next `more` events after the one that was picked went with it, and end as it does.
    pub fn take_along(&mut self, seq: Seq, more: usize) {
        let Some(lane) = self.open.get(&seq).and_then(|open| self.lanes.get_mut(&open.lane)) else { return };
        let until = lane.queue.len().min(more.saturating_add(1));
        for along in lane.queue.drain(1..until.max(1)) {
            self.open.remove(&along);
        }
    }

    /// The cursor lists an event that is gone: the next cursor must not.
    pub fn mark_dirty(&mut self) {
        self.dirty = true;
    }

    /// The next event to send, at most `width` at a time.
    pub fn pick(&mut self, now: Time, width: usize) -> Option<Seq> {
        if self.hold_until > now {
            return None;
        }
        let key = match self.health {
            Health::Probing { until, .. } => {
                if self.in_flight > 0 || until > now {
                    return None;
                }
                self.pick_probe()?
            }
            Health::Good => {
                if self.in_flight >= width {
                    return None;
                }
                self.wake_due(now);
                self.ready.pop_front()?
            }
        };
        let lane = self.lanes.get_mut(&key)?;
        lane.phase = Phase::InFlight;
        let seq = *lane.queue.front()?;
        self.in_flight += 1;
        if self.health != Health::Good {
            self.probe = Some(seq);
        }
        Some(seq)
    }

    /// The lane that failed least, then longest ago opened: a device whose events are refused does not hide a receiver that is back.
    fn pick_probe(&mut self) -> Option<LaneKey> {
        let (key, phase) = self
            .lanes
            .iter()
            .filter(|(_, lane)| matches!(lane.phase, Phase::Ready | Phase::Waiting(_) | Phase::Gathering(_)))
            .filter_map(|(key, lane)| Some((lane.failures, *lane.queue.front()?, *key, lane.phase)))
            .min_by_key(|(failures, seq, ..)| (*failures, *seq))
            .map(|(_, _, key, phase)| (key, phase))?;
        match phase {
            Phase::Waiting(until) | Phase::Gathering(until) => {
                self.waiting.remove(&(until, key));
            }
            _ => self.ready.retain(|ready| *ready != key),
        }
        Some(key)
    }

    fn wake_due(&mut self, now: Time) {
        while let Some((until, key)) = self.waiting.first().copied() {
            if until > now {
                break;
            }
            self.waiting.pop_first();
            self.make_ready(key);
        }
    }

    /// Lets a lane go on: at once, or when its first event has waited for others.
    fn line_up(&mut self, key: LaneKey) {
        let Some(until) = self.gathers_until(key) else { return self.make_ready(key) };
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.phase = Phase::Gathering(until);
            self.waiting.insert((until, key));
        }
    }

    fn make_ready(&mut self, key: LaneKey) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.phase = Phase::Ready;
            self.ready.push_back(key);
        }
    }

    /// The receiver has all of the event.
    pub fn confirmed(&mut self, seq: Seq) {
        self.gone(seq);
        self.failures_in_row = 0;
        if self.health != Health::Good {
            self.wake_all();
        }
    }

    /// Gives another receiver a fresh start: nothing that the former one did counts.
    pub fn recover(&mut self) {
        self.hold_until = Time(i64::MIN);
        self.wake_all();
    }

    fn wake_all(&mut self) {
        self.health = Health::Good;
        self.probe = None;
        self.failures_in_row = 0;
        for (_, key) in std::mem::take(&mut self.waiting) {
            self.line_up(key);
        }
    }

    /// The event that was picked needs no delivery any more: it left the stream or means nothing to the subscription.
    pub fn gone(&mut self, seq: Seq) {
        self.end_attempt(seq);
        let Some(open) = self.open.remove(&seq) else { return };
        if let Some(lane) = self.lanes.get_mut(&open.lane) {
            lane.queue.pop_front();
            lane.failures = 0;
            lane.phase = Phase::Settled;
            self.settled.push(open.lane);
        }
    }

    /// The attempt failed after `done` parts; `retry_after_ms` is what the receiver asked for.
    pub fn failed(&mut self, seq: Seq, now: Time, done: usize, retry_after_ms: Option<i64>, jitter: u32) {
        let was_probe = self.probe == Some(seq);
        self.end_attempt(seq);
        if let Some(ms) = retry_after_ms {
            self.hold_until = self.hold_until.max(plus_ms(now, ms.clamp(0, LONGEST_MS)));
        }
        let Some(open) = self.open.get_mut(&seq) else { return };
        open.done = open.done.max(done);
        let key = open.lane;
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.failures = lane.failures.saturating_add(1);
            let until = plus_ms(now, backoff_ms(lane.failures, jitter));
            lane.phase = Phase::Waiting(until);
            self.waiting.insert((until, key));
        }
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        let failures = match self.health {
            Health::Good if self.failures_in_row >= PROBE_AFTER => 1,
            Health::Probing { failures, .. } if was_probe => failures.saturating_add(1),
            _ => return,
        };
        self.health = Health::Probing { failures, until: plus_ms(now, backoff_ms(failures, jitter)) };
    }

    /// All attempts were called off.
    pub fn release_all(&mut self) {
        let flying: Vec<LaneKey> =
            self.lanes.iter().filter(|(_, lane)| lane.phase == Phase::InFlight).map(|(key, _)| *key).collect();
        for key in flying {
            self.make_ready(key);
        }
        self.in_flight = 0;
        self.probe = None;
    }

    fn end_attempt(&mut self, seq: Seq) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.probe == Some(seq) {
            self.probe = None;
        }
    }

    /// Gives up what happened before `oldest`, has a place up to `until` and is not under way; returns how many.
    pub fn expire(&mut self, oldest: Time, until: Seq) -> u64 {
        let mut expired = Vec::new();
        for (seq, open) in &self.open {
            if open.at > oldest || *seq > until {
                break;
            }
            expired.push((*seq, open.lane));
        }
        let mut count = 0;
        for (seq, key) in expired {
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            if lane.phase == Phase::InFlight || lane.queue.front() != Some(&seq) {
                continue;
            }
            lane.queue.pop_front();
            self.open.remove(&seq);
            self.dirty = true;
            count += 1;
            if lane.queue.is_empty() && lane.phase != Phase::Settled {
                match lane.phase {
                    Phase::Waiting(until) | Phase::Gathering(until) => {
                        self.waiting.remove(&(until, key));
                    }
                    _ => self.ready.retain(|ready| *ready != key),
                }
                self.lanes.remove(&key);
            }
        }
        count
    }

    /// Whether a cursor is on its way to the store.
    pub fn is_committing(&self) -> bool {
        self.committing.is_some()
    }

    /// Whether the durable cursor names an event that is settled.
    pub fn must_commit(&self) -> bool {
        self.dirty || !self.settled.is_empty()
    }

    /// The cursor to write now, with every confirmation so far; none while one is on its way. `lazy`: also for mere progress.
    pub fn begin_commit(&mut self, subscription: SubscriptionId, lazy: bool) -> Option<Cursor> {
        if self.is_committing() || !(self.must_commit() || lazy && self.read_to > self.durable_to) {
            return None;
        }
        self.dirty = false;
        self.committing = Some((self.read_to, std::mem::take(&mut self.settled)));
        Some(Cursor { subscription, read_to: self.read_to, open: self.open.keys().copied().collect() })
    }

    /// The cursor of [`Lanes::begin_commit`] is durable (or not: then the next one carries its confirmations).
    pub fn commit_done(&mut self, durable: bool) {
        let Some((read_to, keys)) = self.committing.take() else { return };
        if !durable {
            self.settled.extend(keys);
            self.dirty = true;
            return;
        }
        self.durable_to = read_to;
        for key in keys {
            match self.lanes.get(&key) {
                Some(lane) if lane.queue.is_empty() => {
                    self.lanes.remove(&key);
                }
                Some(_) => self.line_up(key),
                None => {}
            }
        }
    }

    /// Until when nothing is sent though something is open, for people.
    pub fn resting_until(&self, now: Time) -> Option<Time> {
        let until = match self.health {
            Health::Probing { until, .. } => until.max(self.hold_until),
            Health::Good if self.hold_until > now => self.hold_until,
            Health::Good if self.ready.is_empty() && self.in_flight == 0 && !self.lanes.is_empty() => {
                let backs_off = |key: &LaneKey| self.lanes.get(key).is_some_and(|lane| matches!(lane.phase, Phase::Waiting(_)));
                self.waiting.iter().find(|(_, key)| backs_off(key)).map(|(until, _)| *until)?
            }
            Health::Good => return None,
        };
        (until > now).then_some(until)
    }

    /// When [`Lanes::pick`] may have more to say without anything else happening.
    pub fn next_wake(&self, now: Time) -> Option<Time> {
        if self.open.is_empty() {
            return None;
        }
        let next = match self.health {
            Health::Probing { .. } if self.in_flight > 0 => return None,
            Health::Probing { until, .. } => until,
            Health::Good if !self.ready.is_empty() => now,
            Health::Good => self.waiting.first()?.0,
        };
        let next = next.max(self.hold_until);
        (next > now).then_some(next)
    }
}

fn plus_ms(time: Time, ms: i64) -> Time {
    Time(time.0.saturating_add(ms))
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
