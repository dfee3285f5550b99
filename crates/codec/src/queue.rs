//! The bounded queue between callers and workers.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

/// First in, first out; refuses instead of growing. Items carry the codec they belong to, so that one codec cannot fill it alone.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    most: usize,
}

struct State<T> {
    items: VecDeque<(u128, T)>,
    closed: bool,
}

impl<T> Queue<T> {
    /// Holds at most `most` items.
    pub(crate) fn new(most: usize) -> Queue<T> {
        Queue { state: Mutex::new(State { items: VecDeque::new(), closed: false }), filled: Condvar::new(), most }
    }

    /// False when the queue is full, or half full and a quarter of it of this very `owner`.
    pub(crate) fn push(&self, owner: u128, item: T) -> bool {
        let mut state = self.state.lock();
        let waiting = state.items.len();
        let share = (self.most / 4).max(1);
        if waiting >= self.most
            || (waiting * 2 >= self.most && state.items.iter().filter(|(of, _)| *of == owner).count() >= share)
        {
            return false;
        }
        state.items.push_back((owner, item));
        self.filled.notify_one();
        true
    }

    /// Waits for an item; `None` once closed.
    pub(crate) fn take(&self) -> Option<T> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some((_, item)) = state.items.pop_front() {
                return Some(item);
            }
            self.filled.wait(&mut state);
        }
    }

    /// Drops what waits and ends every `take`.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.items.clear();
        self.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_queue_refuses_and_one_owner_gets_a_share() {
        let queue = Queue::new(8);
        let pushed: Vec<bool> = [1, 1, 1, 1, 1, 2, 2, 2, 3, 4, 5].iter().map(|owner| queue.push(*owner, *owner)).collect();
        assert_eq!(pushed, [true, true, true, true, false, true, true, false, true, true, false]);
        let drained: Vec<u128> = (0..8).filter_map(|_| queue.take()).collect();
        assert_eq!(drained, [1, 1, 1, 1, 2, 2, 3, 4]);
    }

    #[test]
    fn closed_queue_gives_nothing() {
        let queue = Queue::new(2);
        assert!(queue.push(1, ()));
        queue.close();
        assert_eq!(queue.take(), None);
    }
}
