//! Rendered bodies and their headers in memory, all of them counted against one budget.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes of bodies are in memory.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

/// One request of an event.
#[derive(Debug)]
pub(crate) struct Part {
    /// Headers of its own.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body.
    pub body: Bytes,
}

impl Part {
    fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        self.body.len() + headers.sum::<usize>()
    }
}

/// The bodies of one event; they leave the budget when dropped.
#[derive(Debug)]
pub(crate) struct Bodies {
    list: Vec<Part>,
    bytes: usize,
    budget: Arc<Budget>,
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

impl Bodies {
    /// Takes them on, whatever the budget says: the caller asks [`Budget::is_spent`] unless it sends them now.
    pub fn new(list: Vec<Part>, budget: &Arc<Budget>) -> Arc<Self> {
        let bytes = list.iter().map(Part::bytes).sum();
        budget.used.fetch_add(bytes, Ordering::Relaxed);
        Arc::new(Self { list, bytes, budget: Arc::clone(budget) })
    }

    /// In the order of delivery.
    pub fn list(&self) -> &[Part] {
        &self.list
    }
}

impl Drop for Bodies {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
