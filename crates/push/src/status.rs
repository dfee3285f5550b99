//! What operators see of the push.

use crate::sink::Failure;
use landfall_model::{DeviceId, Seq, Time};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How one subscription is served. Counters begin with the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// Events that were looked at and are not confirmed, at most 1,000.
    pub backlog_open: u64,
    /// Events of the stream that were not looked at yet, concerned or not.
    pub behind: u64,
    /// What the push does.
    pub state: DeliveryState,
    /// The newest failure; it stays after a success.
    pub last_error: Option<DeliveryError>,
    /// When an event was last confirmed.
    pub last_success_at: Option<Time>,
    /// The oldest event that is not confirmed.
    pub oldest_undelivered: Option<Undelivered>,
    /// Events confirmed.
    pub delivered_total: u64,
    /// Attempts that failed.
    pub failed_attempts_total: u64,
    /// Events given up after the account's retention.
    pub expired_total: u64,
    /// Events passed over because the subscription was suspended.
    pub withheld_total: u64,
}

/// What the push does for a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryState {
    /// It sends, or has nothing to send.
    #[default]
    Delivering,
    /// It rests because the receiver asked for it or the last attempts failed.
    BackingOff {
        /// When it goes on.
        until: Time,
    },
    /// The receiver is the one who connects, and is not there.
    Away {
        /// When it is looked for at the latest; what waits is sent when it comes.
        until: Time,
    },
    /// Everything failed: single requests find out whether the receiver is back.
    Probing {
        /// When the next one is sent.
        until: Time,
    },
}

impl DeliveryStatus {
    pub(crate) fn delivered(&mut self, all: &Counters, at: Time, events: u64) {
        self.last_success_at = Some(at);
        self.delivered_total += events;
        all.delivered.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn failed(&mut self, all: &Counters, at: Time, failure: Failure) {
        self.last_error = Some(DeliveryError { at, text: failure.text.into_owned(), status: failure.status });
        self.failed_attempts_total += 1;
        all.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn expired(&mut self, all: &Counters, events: u64) {
        self.expired_total += events;
        all.expired.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn withheld(&mut self, all: &Counters, events: u64) {
        self.withheld_total += events;
        all.withheld.fetch_add(events, Ordering::Relaxed);
    }
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryError {
    /// When.
    pub at: Time,
    /// What happened, for people.
    pub text: String,
    /// The answer's status in the numbers of its channel (HTTP: 404), if there was an answer.
    pub status: Option<u16>,
}

/// An event that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Its place.
    pub seq: Seq,
    /// When it happened.
    pub at: Time,
    /// Its device.
    pub device: Option<DeviceId>,
}

/// Numbers of all subscriptions together, for metrics. Totals begin with the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Subscriptions that are served.
    pub subscriptions: u64,
    /// Events that are not confirmed.
    pub backlog_open: u64,
    /// Connections that are open.
    pub sockets: u64,
    /// Bytes of bodies that wait in memory.
    pub held_bytes: u64,
    /// Events confirmed.
    pub delivered_total: u64,
    /// Attempts that failed.
    pub failed_attempts_total: u64,
    /// Events given up after the account's retention.
    pub expired_total: u64,
    /// Events passed over because their subscription was suspended.
    pub withheld_total: u64,
}

/// The totals as workers write them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub delivered: AtomicU64,
    pub failed: AtomicU64,
    pub expired: AtomicU64,
    pub withheld: AtomicU64,
}

/// What a worker shows of itself.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// As the worker saw it last; `behind` is filled in by the reader.
    pub status: Mutex<DeliveryStatus>,
    /// Events up to here were looked at.
    pub read_to: AtomicU64,
    /// Whether its inbox brings all there is.
    pub live: AtomicBool,
    /// As in the durable cursor.
    pub durable_to: AtomicU64,
}

impl Board {
    /// Where the worker reads.
    pub fn read_to(&self) -> Seq {
        Seq(self.read_to.load(Ordering::Relaxed))
    }
}
