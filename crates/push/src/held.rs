//! Events in memory that wait to be sent, with what is sent for them once that is rendered, all of it counted against one budget.

use landfall_core::Notification;
use landfall_model::StoredEvent;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What an event that is not rendered yet is taken to weigh, in bytes.
const EVENT_BYTES: usize = 4_096;

/// How many bytes are in memory.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    /// Bytes in memory.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether nothing more should wait in memory.
    pub fn is_spent(&self) -> bool {
        self.used() >= self.limit
    }
}

/// An event in memory; it leaves the budget when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    event: StoredEvent,
    rendered: Option<Vec<Notification>>,
    bytes: usize,
    budget: Arc<Budget>,
}

impl Held {
    /// Takes it on, whatever the budget says: the caller asks [`Budget::is_spent`] unless it is sent now.
    pub fn new(event: StoredEvent, rendered: Option<Vec<Notification>>, budget: &Arc<Budget>) -> Arc<Self> {
        let bytes = rendered.as_ref().map_or(EVENT_BYTES, |list| list.iter().map(weight).sum());
        budget.used.fetch_add(bytes, Ordering::Relaxed);
        Arc::new(Self { event, rendered, bytes, budget: Arc::clone(budget) })
    }

    /// The event.
    pub fn event(&self) -> &StoredEvent {
        &self.event
    }

    /// What is sent for it, in order; none while that is not rendered.
    pub fn rendered(&self) -> Option<&[Notification]> {
        self.rendered.as_deref()
    }
}

fn weight(notification: &Notification) -> usize {
    let headers = notification.headers.iter().map(|(name, value)| name.len() + value.len());
    notification.body.len() + headers.sum::<usize>()
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
