//! Bounded caches of records that the writer keeps coherent.
//!
//! The writer tells the cache of each change after its commit and before its answer. A reader that fills an entry announces itself first;
//! a change in between spoils that fill, so no entry is ever older than the newest answered commit.

use parking_lot::Mutex;
use std::{borrow::Borrow, collections::HashMap, hash::Hash, sync::Arc};

/// A map of at most `bound` entries that forgets what was not used for a while: two generations, the older one dropped whole.
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Eq + Hash, V: Clone> Generations<K, V> {
    fn new(bound: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (bound / 2).max(1) }
    }

    fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.young.remove(key);
        self.old.remove(key);
    }

    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

/// A fill under way.
struct Fill {
    readers: u32,
    spoiled: bool,
}

struct Inner<K, V> {
    entries: Generations<K, Arc<V>>,
    fills: HashMap<K, Fill>,
}

/// Records by id.
pub(crate) struct Cache<K, V>(Mutex<Inner<K, V>>);

/// What a look into the cache found.
pub(crate) enum Look<'c, K: Eq + Hash + Copy, V> {
    Hit(Arc<V>),
    Miss(Ticket<'c, K, V>),
}

/// The right to fill one entry.
pub(crate) struct Ticket<'c, K: Eq + Hash + Copy, V> {
    cache: &'c Cache<K, V>,
    key: K,
}

impl<K: Eq + Hash + Copy, V> Cache<K, V> {
    pub(crate) fn new(bound: usize) -> Self {
        Self(Mutex::new(Inner { entries: Generations::new(bound), fills: HashMap::new() }))
    }

    pub(crate) fn look(&self, key: K) -> Look<'_, K, V> {
        let mut inner = self.0.lock();
        if let Some(value) = inner.entries.get(&key) {
            return Look::Hit(value);
        }
        inner.fills.entry(key).or_insert(Fill { readers: 0, spoiled: false }).readers += 1;
        Look::Miss(Ticket { cache: self, key })
    }

    /// By the writer: the record is now this, or gone.
    pub(crate) fn changed(&self, key: K, value: Option<Arc<V>>) {
        let mut inner = self.0.lock();
        if let Some(fill) = inner.fills.get_mut(&key) {
            fill.spoiled = true;
        }
        match value {
            Some(value) => inner.entries.insert(key, value),
            None => inner.entries.remove(&key),
        }
    }

    /// By the writer: anything may have changed.
    pub(crate) fn forget_all(&self) {
        let mut inner = self.0.lock();
        inner.fills.values_mut().for_each(|fill| fill.spoiled = true);
        inner.entries.clear();
    }
}

impl<K: Eq + Hash + Copy, V> Ticket<'_, K, V> {
    /// Puts in what was read, unless the writer was faster.
    pub(crate) fn fill(self, value: Arc<V>) {
        let mut inner = self.cache.0.lock();
        if inner.fills.get(&self.key).is_some_and(|fill| !fill.spoiled) {
            inner.entries.insert(self.key, value);
        }
    }
}

impl<K: Eq + Hash + Copy, V> Drop for Ticket<'_, K, V> {
    fn drop(&mut self) {
        let mut inner = self.cache.0.lock();
        if let Some(fill) = inner.fills.get_mut(&self.key) {
            fill.readers -= 1;
            if fill.readers == 0 {
                inner.fills.remove(&self.key);
            }
        }
    }
}

/// Hints from another unique key to an id. A hint may be out of date: whoever follows it compares the record.
pub(crate) struct Hints<A, K>(Mutex<Generations<A, K>>);

impl<A: Eq + Hash, K: Copy> Hints<A, K> {
    pub(crate) fn new(bound: usize) -> Self {
        Self(Mutex::new(Generations::new(bound)))
    }

    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<K>
    where
        A: Borrow<Q>,
    {
        self.0.lock().get(key)
    }

    pub(crate) fn put(&self, key: A, id: K) {
        self.0.lock().insert(key, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(cache: &Cache<u32, u32>, key: u32) -> Option<u32> {
        match cache.look(key) {
            Look::Hit(value) => Some(*value),
            Look::Miss(_) => None,
        }
    }

    #[test]
    fn a_change_spoils_the_fill_that_it_overtakes() {
        let cache = Cache::new(10);
        let Look::Miss(ticket) = cache.look(1) else { panic!("empty") };
        cache.changed(1, None);
        ticket.fill(Arc::new(5));
        assert_eq!(hit(&cache, 1), None);
        let Look::Miss(ticket) = cache.look(1) else { panic!("empty") };
        cache.changed(2, Some(Arc::new(6)));
        ticket.fill(Arc::new(7));
        assert_eq!((hit(&cache, 1), hit(&cache, 2)), (Some(7), Some(6)));
        let Look::Miss(ticket) = cache.look(3) else { panic!("empty") };
        cache.forget_all();
        ticket.fill(Arc::new(8));
        assert_eq!((hit(&cache, 1), hit(&cache, 3)), (None, None));
        assert!(cache.0.lock().fills.is_empty());
    }

    #[test]
    fn a_cache_keeps_what_is_used_within_its_bound() {
        let cache = Cache::new(10);
        cache.changed(0, Some(Arc::new(0)));
        for n in 1..100 {
            cache.changed(n, Some(Arc::new(n)));
            assert_eq!(hit(&cache, 0), Some(0));
        }
        let inner = cache.0.lock();
        assert!(inner.entries.young.len() + inner.entries.old.len() <= 10);
    }
}
