//! Counts in minutes: for each key a minute that begins with its first count. Bounded, and time is an argument.

use landfall_model::Time;
use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
};

const MINUTE_S: i64 = 60;
/// Keys that are looked at for one to forget when the table is full.
const LOOKED_AT: usize = 8;

/// A table of counts. Full, it forgets one of the oldest keys that `kept` does not hold on to, and takes nobody new where there is none.
#[derive(Debug)]
pub(crate) struct Minutes<K> {
    counts: HashMap<K, Count>,
    /// The keys by the beginning of their minutes.
    order: VecDeque<K>,
    room: usize,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Time,
    count: u32,
}

impl Count {
    /// A clock that was set back ends the minute too.
    fn is_open(self, now: Time) -> bool {
        (self.since..self.until()).contains(&now)
    }

    fn until(self) -> Time {
        self.since.plus_s(MINUTE_S)
    }
}

impl<K: Clone + Eq + Hash> Minutes<K> {
    /// A table of so many keys.
    pub(crate) fn new(room: usize) -> Self {
        Self { counts: HashMap::new(), order: VecDeque::new(), room }
    }

    /// The count of a key in its minute, and when that ends.
    pub(crate) fn get(&self, key: &K, now: Time) -> (u32, Time) {
        self.counts.get(key).filter(|count| count.is_open(now)).map_or((0, now), |count| (count.count, count.until()))
    }

    /// Counts; gives the new count and the end of the minute. `kept`: from which count on a key is not forgotten before its minute is over.
    pub(crate) fn add(&mut self, key: K, now: Time, kept: u32) -> (u32, Time) {
        self.forget(now);
        let full = self.counts.len() >= self.room && !self.counts.contains_key(&key) && !self.make_room(now, kept);
        let new = Count { since: now, count: 1 };
        if full {
            return (1, new.until());
        }
        let count = match self.counts.entry(key) {
            Entry::Occupied(mut found) => {
                let found = found.get_mut();
                // Its place in the order stays: it is only forgotten a little sooner when the table is full.
                *found = if found.is_open(now) { Count { count: found.count.saturating_add(1), ..*found } } else { new };
                *found
            }
            Entry::Vacant(free) => {
                self.order.push_back(free.key().clone());
                *free.insert(new)
            }
        };
        (count.count, count.until())
    }

    /// Forgets the oldest keys whose minute is over.
    fn forget(&mut self, now: Time) {
        while let Some(oldest) = self.order.front()
            && self.counts.get(oldest).is_none_or(|count| !count.is_open(now))
        {
            self.counts.remove(oldest);
            self.order.pop_front();
        }
    }

    fn make_room(&mut self, now: Time, kept: u32) -> bool {
        for _ in 0..LOOKED_AT {
            let Some(key) = self.order.pop_front() else { return false };
            if self.counts.get(&key).is_none_or(|count| count.count < kept || !count.is_open(now)) {
                self.counts.remove(&key);
                return true;
            }
            self.order.push_back(key);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_begins_with_its_first_count_and_ends_when_the_clock_is_set_back() {
        let mut minutes = Minutes::new(10);
        for n in 0..3 {
            assert_eq!(minutes.add("a", Time(n * 10_000), 9), (n as u32 + 1, Time(60_000)));
        }
        assert_eq!(minutes.get(&"a", Time(59_999)), (3, Time(60_000)));
        assert_eq!(minutes.get(&"b", Time(1)), (0, Time(1)));
        for now in [Time(60_000), Time(-1)] {
            assert_eq!(minutes.get(&"a", now).0, 0, "{now:?}");
        }
        assert_eq!(minutes.add("a", Time(-1), 9), (1, Time(59_999)));
    }

    #[test]
    fn a_full_table_keeps_those_who_are_held_and_takes_others_in_turn() {
        let mut minutes = Minutes::new(3);
        for key in [1, 1, 2, 3] {
            minutes.add(key, Time(0), 2);
        }
        for key in 4..100 {
            minutes.add(key, Time(1), 2);
            assert_eq!((minutes.counts.len(), minutes.order.len()), (3, 3));
            assert_eq!((minutes.get(&1, Time(1)).0, minutes.get(&key, Time(1)).0), (2, 1));
        }
        for key in [98, 99] {
            minutes.add(key, Time(2), 2);
        }
        assert_eq!(minutes.add(7, Time(3), 2).0, 1, "a full table shuts nobody out");
        assert_eq!([1, 98, 99, 7].map(|key| minutes.get(&key, Time(3)).0), [2, 2, 2, 0]);
        minutes.add(7, Time(61_000), 2);
        assert_eq!((minutes.counts.len(), minutes.order.len()), (1, 1));
    }
}
