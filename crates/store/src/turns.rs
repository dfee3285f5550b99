//! Turns: who may do what only few can do at once. Accounts that wait take turns, and none has all the places.

use landfall_model::{Cause, Error, Result};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};
use tokio::sync::oneshot;
use uuid::Uuid;

pub(crate) struct Turns {
    /// How many may be at it at once.
    places: usize,
    /// And how many of them of one account.
    each: usize,
    /// How many of one account may wait; one more is refused.
    waiting: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    of: HashMap<Uuid, Account>,
    /// Accounts of which somebody waits, the next one first.
    order: VecDeque<Uuid>,
}

#[derive(Default)]
struct Account {
    taken: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// A place, given on when this is dropped.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    account: Uuid,
}

impl Turns {
    pub(crate) fn new(places: usize, each: usize, waiting: usize) -> Arc<Self> {
        Arc::new(Self { places, each, waiting, state: Mutex::default() })
    }

    /// Waits for a place. `Overloaded` when too many of the account wait already.
    pub(crate) async fn take(self: &Arc<Self>, account: Uuid) -> Result<Turn> {
        let next = match self.place_or_wait(account)? {
            Ok(turn) => return Ok(turn),
            Err(next) => next,
        };
        next.await.map_err(|_| Error::new(Cause::Stopping, "the server is stopping"))
    }

    fn place_or_wait(self: &Arc<Self>, account: Uuid) -> Result<std::result::Result<Turn, oneshot::Receiver<Turn>>> {
        let mut state = self.state.lock();
        let State { taken, of, order } = &mut *state;
        let one = of.entry(account).or_default();
        one.waiting.retain(|waiting| !waiting.is_closed());
        if *taken < self.places && one.taken < self.each {
            *taken += 1;
            one.taken += 1;
            return Ok(Ok(self.turn(account)));
        }
        if one.waiting.len() >= self.waiting {
            return Err(Error::new(Cause::Overloaded, "too many lists of this account wait already; try again"));
        }
        let (give, next) = oneshot::channel();
        one.waiting.push_back(give);
        if !order.contains(&account) {
            order.push_back(account);
        }
        Ok(Err(next))
    }

    fn turn(self: &Arc<Self>, account: Uuid) -> Turn {
        Turn { turns: self.clone(), account }
    }

    /// Takes the next one that waits, with the place counted as its own.
    fn next(&self, state: &mut State) -> Option<(Uuid, oneshot::Sender<Turn>)> {
        for _ in 0..state.order.len() {
            let account = state.order.pop_front()?;
            let Some(one) = state.of.get_mut(&account) else { continue };
            one.waiting.retain(|waiting| !waiting.is_closed());
            if one.taken >= self.each && !one.waiting.is_empty() {
                state.order.push_back(account);
                continue;
            }
            let Some(give) = one.waiting.pop_front() else {
                state.forget_idle(account);
                continue;
            };
            if !one.waiting.is_empty() {
                state.order.push_back(account);
            }
            one.taken += 1;
            state.taken += 1;
            return Some((account, give));
        }
        None
    }
}

impl State {
    fn forget_idle(&mut self, account: Uuid) {
        if self.of.get(&account).is_some_and(|one| one.taken == 0 && one.waiting.is_empty()) {
            self.of.remove(&account);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut state = self.turns.state.lock();
            state.taken -= 1;
            if let Some(one) = state.of.get_mut(&self.account) {
                one.taken -= 1;
            }
            state.forget_idle(self.account);
            if state.taken < self.turns.places { self.turns.next(&mut state) } else { None }
        };
        if let Some((account, give)) = next {
            // One that has stopped waiting since gives the place on at once.
            drop(give.send(self.turns.turn(account)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    /// What a future says when it is asked once more.
    macro_rules! asked {
        ($future:expr) => {
            $future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
    }

    fn account(n: u64) -> Uuid {
        Uuid::from_u64_pair(1, n)
    }

    #[test]
    fn accounts_take_turns_and_none_has_all_places() {
        let turns = Turns::new(3, 2, 8);
        let (mut a1, mut a2, mut a3) = (pin!(turns.take(account(1))), pin!(turns.take(account(1))), pin!(turns.take(account(1))));
        let (Poll::Ready(Ok(first)), Poll::Ready(Ok(_second))) = (asked!(a1), asked!(a2)) else { panic!("two places") };
        assert!(asked!(a3).is_pending(), "the third place is for others");
        let mut a4 = pin!(turns.take(account(1)));
        assert!(asked!(a4).is_pending());
        let (mut b1, mut b2) = (pin!(turns.take(account(2))), pin!(turns.take(account(2))));
        let Poll::Ready(Ok(other)) = asked!(b1) else { panic!("a place for another account") };
        assert!(asked!(b2).is_pending());
        drop(other);
        let Poll::Ready(Ok(_other)) = asked!(b2) else { panic!("the first account has its two places") };
        drop(first);
        let Poll::Ready(Ok(third)) = asked!(a3) else { panic!("its next one") };
        assert!(asked!(a4).is_pending());
        drop(third);
        assert!(asked!(a4).is_ready());
    }

    #[test]
    fn who_stops_waiting_leaves_no_gap() {
        let turns = Turns::new(1, 1, 2);
        let mut held = pin!(turns.take(account(1)));
        let Poll::Ready(Ok(held)) = asked!(held) else { panic!("a place") };
        let mut last = pin!(turns.take(account(2)));
        {
            let mut gone = pin!(turns.take(account(1)));
            let mut also = pin!(turns.take(account(1)));
            assert!(asked!(gone).is_pending() && asked!(also).is_pending());
            let mut more = pin!(turns.take(account(1)));
            let Poll::Ready(Err(refused)) = asked!(more) else { panic!("two wait already") };
            assert_eq!(refused.cause, Cause::Overloaded);
            assert!(asked!(last).is_pending());
        }
        drop(held);
        let Poll::Ready(Ok(_last)) = asked!(last) else { panic!("the one that still waits") };
        assert_eq!(turns.state.lock().of.len(), 1);
    }

    /// The place was given to one that is gone before it looked.
    #[test]
    fn a_place_that_nobody_took_up_is_given_on() {
        let turns = Turns::new(1, 1, 2);
        let mut held = pin!(turns.take(account(1)));
        let Poll::Ready(Ok(held)) = asked!(held) else { panic!("a place") };
        {
            let mut gone = pin!(turns.take(account(2)));
            assert!(asked!(gone).is_pending());
            drop(held);
        }
        assert!(asked!(pin!(turns.take(account(3)))).is_ready());
        assert!(turns.state.lock().of.is_empty());
    }
}
