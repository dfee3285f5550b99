//! Places that are taken in turns: so many in all, so many of each, and whoever finds none waits in a queue of its own kind.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use tokio::sync::oneshot;

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Places in all.
    pub places: usize,
    /// Places that one key has at a time.
    pub each: usize,
    /// Waiting ones of one key.
    pub waiting: usize,
}

/// The places; clones share them.
#[derive(Debug)]
pub(crate) struct Turns<K: Copy + Eq + Hash>(Arc<Shared<K>>);

#[derive(Debug)]
struct Shared<K: Copy + Eq + Hash> {
    limits: Limits,
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K: Copy + Eq + Hash> {
    taken: usize,
    of: HashMap<K, Queue<K>>,
    /// Keys that wait, in the order of their turns.
    turns: VecDeque<K>,
}

#[derive(Debug)]
struct Queue<K: Copy + Eq + Hash> {
    taken: usize,
    waiting: VecDeque<oneshot::Sender<Place<K>>>,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place<K: Copy + Eq + Hash> {
    shared: Arc<Shared<K>>,
    key: K,
}

impl<K: Copy + Eq + Hash> Turns<K> {
    pub fn new(limits: Limits) -> Self {
        let state = State { taken: 0, of: HashMap::new(), turns: VecDeque::new() };
        Self(Arc::new(Shared { limits, state: Mutex::new(state) }))
    }

    /// A place, once it is this key's turn; the caller bounds the time. None: too many of the key wait already.
    pub async fn take(&self, key: K) -> Option<Place<K>> {
        let turn = {
            let mut state = self.0.state.lock();
            let queue = state.of.entry(key).or_insert(Queue { taken: 0, waiting: VecDeque::new() });
            queue.waiting.retain(|waiting| !waiting.is_closed());
            if queue.waiting.len() >= self.0.limits.waiting {
                return None;
            }
            let (sender, turn) = oneshot::channel();
            queue.waiting.push_back(sender);
            if queue.waiting.len() == 1 && !state.turns.contains(&key) {
                state.turns.push_back(key);
            }
            turn
        };
        Shared::hand_out(&self.0);
        turn.await.ok()
    }
}

impl<K: Copy + Eq + Hash> Shared<K> {
    /// Gives free places to those whose turn it is.
    fn hand_out(shared: &Arc<Self>) {
        loop {
            let next = shared.state.lock().next(shared.limits);
            let Some((sender, key)) = next else { return };
            // Who gave up meanwhile gives the place back by dropping it.
            drop(sender.send(Place { shared: Arc::clone(shared), key }));
        }
    }
}

impl<K: Copy + Eq + Hash> State<K> {
    /// The next one that may have a place, which is counted as taken.
    fn next(&mut self, limits: Limits) -> Option<(oneshot::Sender<Place<K>>, K)> {
        for _ in 0..self.turns.len() {
            if self.taken >= limits.places {
                return None;
            }
            let key = self.turns.pop_front()?;
            let Some(queue) = self.of.get_mut(&key) else { continue };
            queue.waiting.retain(|waiting| !waiting.is_closed());
            let next = if queue.taken < limits.each { queue.waiting.pop_front() } else { None };
            queue.taken += usize::from(next.is_some());
            let (waits, idle) = (!queue.waiting.is_empty(), queue.taken == 0);
            if waits {
                self.turns.push_back(key);
            } else if idle {
                self.of.remove(&key);
            }
            if let Some(sender) = next {
                self.taken += 1;
                return Some((sender, key));
            }
        }
        None
    }

    fn leave(&mut self, key: K) {
        self.taken -= 1;
        if let Some(queue) = self.of.get_mut(&key) {
            queue.taken -= 1;
            if queue.taken == 0 && queue.waiting.is_empty() {
                self.of.remove(&key);
            }
        }
    }
}

impl<K: Copy + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        self.shared.state.lock().leave(self.key);
        Shared::hand_out(&self.shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn turns() -> Turns<u8> {
        Turns::new(Limits { places: 4, each: 2, waiting: 3 })
    }

    /// Polls once; the place, if it is there at once.
    fn at_once<F: Future<Output = Option<Place<u8>>> + Unpin>(asked: &mut F) -> Option<Place<u8>> {
        asked.now_or_never().flatten()
    }

    #[test]
    fn one_key_has_no_more_than_its_share_and_others_go_on() {
        let turns = turns();
        let ask = |key| Box::pin(turns.take(key));
        let (first, second) = (at_once(&mut ask(1)).unwrap(), at_once(&mut ask(1)).unwrap());
        let mut waiting: Vec<_> = (0..3).map(|_| ask(1)).collect();
        assert!(waiting.iter_mut().all(|asked| asked.now_or_never().is_none()));
        assert!(ask(1).now_or_never().unwrap().is_none(), "no more than three wait");
        let other = at_once(&mut ask(2)).expect("another has room");
        drop(first);
        let third = at_once(&mut waiting[0]).expect("the first in the queue");
        assert!(at_once(&mut waiting[1]).is_none());
        drop((second, third, other));
        assert!(at_once(&mut waiting[1]).is_some() && at_once(&mut waiting[2]).is_some());
        drop(waiting);
        let state = turns.0.state.lock();
        assert!(state.of.is_empty() && state.taken == 0, "{state:?}");
    }

    #[test]
    fn keys_that_wait_take_turns_and_who_gave_up_is_passed_over() {
        let turns = turns();
        let ask = |key| Box::pin(turns.take(key));
        let mut held: Vec<_> = [1, 1, 2, 2].map(|key| at_once(&mut ask(key)).unwrap()).into();
        let mut waiting: Vec<_> = [3, 3, 4].map(ask).into();
        assert!(waiting.iter_mut().all(|asked| asked.now_or_never().is_none()), "all places are taken");
        drop(waiting.remove(0));
        held.pop();
        let third = at_once(&mut waiting[0]).expect("3 came first, whose first one gave up");
        held.pop();
        assert_eq!(at_once(&mut waiting[1]).expect("then 4").key, 4);
        drop((third, held));
        assert_eq!(turns.0.state.lock().taken, 0);
    }
}
