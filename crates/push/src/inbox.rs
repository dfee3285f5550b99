//! The hand-over of events from the one tail of the stream to the workers that are at its head.
//!
//! A worker attaches its inbox, then reads [`Tail::claimed`]: every event beyond that place is routed to the inbox from now on, so it reads
//! the store itself up to there and lives on the inbox afterwards. An inbox that overflows is detached and the worker reads the store again.

use landfall_model::{Seq, StoredEvent};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Events an inbox holds; beyond that its worker reads the store by itself.
const INBOX_LIMIT: usize = 1_024;

/// Where the tail is.
#[derive(Debug)]
pub(crate) struct Tail {
    claimed: AtomicU64,
    routed: AtomicU64,
}

impl Tail {
    /// A tail that begins after `seq`.
    pub fn new(seq: Seq) -> Self {
        Self { claimed: AtomicU64::new(seq.0), routed: AtomicU64::new(seq.0) }
    }

    /// Events up to here are being routed or were.
    pub fn claimed(&self) -> Seq {
        Seq(self.claimed.load(Ordering::SeqCst))
    }

    /// Events up to here were routed.
    pub fn routed(&self) -> Seq {
        Seq(self.routed.load(Ordering::SeqCst))
    }

    /// Called before the first event up to `seq` is routed.
    pub fn claim(&self, seq: Seq) {
        self.claimed.store(seq.0, Ordering::SeqCst);
    }

    /// Called after the last event up to `seq` was routed.
    pub fn finish(&self, seq: Seq) {
        self.routed.store(seq.0, Ordering::SeqCst);
    }
}

/// A worker's place at the head of the stream.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    inner: Mutex<Inner>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    attached: bool,
    queue: VecDeque<StoredEvent>,
}

/// What an inbox gives.
#[derive(Debug, PartialEq)]
pub(crate) enum Taken {
    /// The next event.
    Event(StoredEvent),
    /// Nothing more for now: everything routed up to the given place was taken or does not concern the worker.
    Empty(Seq),
    /// The inbox is not attached.
    Detached,
}

impl Inbox {
    /// Offers an event; wakes the worker.
    pub fn offer(&self, event: &StoredEvent) {
        let mut inner = self.inner.lock();
        if !inner.attached {
            return;
        }
        if inner.queue.len() >= INBOX_LIMIT {
            inner.attached = false;
            inner.queue = VecDeque::new();
        } else {
            inner.queue.push_back(event.clone());
        }
        drop(inner);
        self.bell.notify_one();
    }

    /// Begins to take events, with an empty inbox.
    pub fn attach(&self) {
        *self.inner.lock() = Inner { attached: true, queue: VecDeque::new() };
    }

    /// Ends it.
    pub fn detach(&self) {
        *self.inner.lock() = Inner::default();
    }

    /// The next event.
    pub fn take(&self, tail: &Tail) -> Taken {
        // Read first: what is routed between here and the lock is then in the queue or beyond this place.
        let routed = tail.routed();
        let mut inner = self.inner.lock();
        match inner.queue.pop_front() {
            Some(event) => Taken::Event(event),
            None if inner.attached => Taken::Empty(routed),
            None => Taken::Detached,
        }
    }

    /// Whether a worker that lives on the inbox has nothing to take.
    pub fn is_idle(&self) -> bool {
        let inner = self.inner.lock();
        inner.attached && inner.queue.is_empty()
    }

    /// Wakes the worker.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Returns once the worker was woken.
    pub async fn woken(&self) {
        self.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{AccountId, DeviceId, Event, EventBody, Time};
    use std::sync::Arc;

    fn event(seq: u64) -> StoredEvent {
        let id = [1; 16];
        let body = EventBody::DeviceDeleted { gateway: DeviceId::from_random(id) };
        let event = Event { account: AccountId::from_random(id), principals: None, device: None, at: Time(0), body };
        StoredEvent { seq: Seq(seq), event: Arc::new(event) }
    }

    #[test]
    fn only_an_attached_inbox_takes_events() {
        let (tail, inbox) = (Tail::new(Seq(4)), Inbox::default());
        inbox.offer(&event(5));
        assert_eq!(inbox.take(&tail), Taken::Detached);
        inbox.attach();
        assert_eq!(inbox.take(&tail), Taken::Empty(Seq(4)));
        tail.claim(Seq(9));
        inbox.offer(&event(6));
        assert!(!inbox.is_idle());
        assert_eq!(inbox.take(&tail), Taken::Event(event(6)));
        assert_eq!(inbox.take(&tail), Taken::Empty(Seq(4)), "9 is claimed, not routed");
        tail.finish(Seq(9));
        assert_eq!(inbox.take(&tail), Taken::Empty(Seq(9)));
    }

    #[test]
    fn an_inbox_that_overflows_is_detached() {
        let (tail, inbox) = (Tail::new(Seq(0)), Inbox::default());
        inbox.attach();
        for seq in 0..INBOX_LIMIT as u64 {
            inbox.offer(&event(seq));
        }
        assert!(matches!(inbox.take(&tail), Taken::Event(_)));
        inbox.offer(&event(5_000));
        inbox.offer(&event(5_001));
        assert_eq!(inbox.take(&tail), Taken::Detached);
    }
}
