//! Bodies on their way, in order of their last use, bounded in number and bytes. Absent: whose they are; the peers keep the keys.

use core::time::Duration;
use std::collections::BTreeSet;

use super::slab::Slab;

/// Something that is kept for a peer until its time is over.
pub(super) trait Body {
    /// Bytes that count.
    fn bytes(&self) -> usize;
}

pub(super) struct Kept<T> {
    slab: Slab<Entry<T>>,
    order: BTreeSet<(Duration, u64)>,
    bytes: usize,
}

struct Entry<T> {
    peer: u64,
    until: Duration,
    bytes: usize,
    value: T,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { slab: Slab::default(), order: BTreeSet::new(), bytes: 0 }
    }
}

impl<T: Body> Kept<T> {
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn insert(&mut self, peer: u64, until: Duration, value: T) -> u64 {
        let bytes = value.bytes();
        self.bytes += bytes;
        let key = self.slab.insert(Entry { peer, until, bytes, value });
        self.order.insert((until, key));
        key
    }

    pub fn get(&self, key: u64) -> Option<&T> {
        self.slab.get(key).map(|entry| &entry.value)
    }

    /// Changes the value, and says until when it is kept from now on.
    pub fn touch<R>(&mut self, key: u64, until: Duration, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let entry = self.slab.get_mut(key)?;
        let result = change(&mut entry.value);
        let bytes = entry.value.bytes();
        self.bytes = self.bytes - entry.bytes + bytes;
        entry.bytes = bytes;
        self.order.remove(&(entry.until, key));
        entry.until = until;
        self.order.insert((until, key));
        Some(result)
    }

    /// Whose it is from now on.
    pub fn give(&mut self, key: u64, peer: u64) {
        if let Some(entry) = self.slab.get_mut(key) {
            entry.peer = peer;
        }
    }

    pub fn remove(&mut self, key: u64) -> Option<T> {
        let entry = self.slab.remove(key)?;
        self.order.remove(&(entry.until, key));
        self.bytes -= entry.bytes;
        Some(entry.value)
    }

    /// The one used longest ago: until when it is kept, its key, its peer.
    pub fn oldest(&self) -> Option<(Duration, u64, u64)> {
        let (until, key) = self.order.first()?;
        self.slab.get(*key).map(|entry| (*until, *key, entry.peer))
    }
}
