//! Whose call runs next: processor time is shared out by account, and within an account by codec.
//!
//! The next turn goes to the account that waits and has used the least, so a cheap codec waits for at most the calls that run already,
//! however many dear ones wait. Who comes back after a pause begins where the others are: pauses are not saved up. A full queue is shared
//! the same way: what is given up is the newest call of whoever has most waiting. A pure machine.

use std::collections::{HashMap, VecDeque};

/// Whose a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) account: u128,
    pub(crate) codec: u128,
}

/// Calls that wait and calls that run, at most `most` of the first.
pub(crate) struct Turns<T> {
    accounts: Sharers<Sharers<VecDeque<T>>>,
    most: usize,
}

impl<T> Turns<T> {
    pub(crate) fn new(most: usize) -> Turns<T> {
        Turns { accounts: Sharers::default(), most }
    }

    /// Lets a call wait. Returns the call that has no place any more: this one, or one of who has more waiting.
    pub(crate) fn push(&mut self, owner: Owner, call: T) -> Option<T> {
        let account = self.accounts.enter(owner.account);
        account.holds.enter(owner.codec).holds.push_back(call);
        if self.accounts.waiting <= self.most {
            return None;
        }
        let account = self.accounts.longest(owner.account)?;
        let codecs = &mut self.accounts.by_id.get_mut(&account)?.holds;
        let codec = codecs.longest(owner.codec)?;
        let given_up = codecs.by_id.get_mut(&codec)?.holds.pop_back();
        codecs.left(codec, 1);
        self.accounts.left(account, 1);
        given_up
    }

    /// The call whose turn it is. It runs until [`Turns::done`].
    pub(crate) fn take(&mut self) -> Option<(Owner, T)> {
        let account = self.accounts.begin()?;
        let codecs = &mut self.accounts.by_id.get_mut(&account)?.holds;
        let codec = codecs.begin()?;
        let call = codecs.by_id.get_mut(&codec)?.holds.pop_front()?;
        Some((Owner { account, codec }, call))
    }

    /// A call that ran is over and has used so much time.
    pub(crate) fn done(&mut self, owner: Owner, used_ns: u64) {
        if let Some(account) = self.accounts.by_id.get_mut(&owner.account) {
            account.holds.end(owner.codec, used_ns);
        }
        self.accounts.end(owner.account, used_ns);
    }

    /// Takes out what waits of a codec and is meant.
    pub(crate) fn take_out(&mut self, owner: Owner, is_meant: impl Fn(&T) -> bool) -> Vec<T> {
        let Some(account) = self.accounts.by_id.get_mut(&owner.account) else { return vec![] };
        let Some(codec) = account.holds.by_id.get_mut(&owner.codec) else { return vec![] };
        let (out, stays) = std::mem::take(&mut codec.holds).into_iter().partition(is_meant);
        codec.holds = stays;
        let out: Vec<T> = Vec::from(out);
        account.holds.left(owner.codec, out.len());
        self.accounts.left(owner.account, out.len());
        out
    }

    /// Takes out all that waits.
    pub(crate) fn clear(&mut self) {
        self.accounts = Sharers::default();
    }
}

/// Those who share what is above them.
struct Sharers<Q> {
    by_id: HashMap<u128, Sharer<Q>>,
    /// Of all of them together.
    waiting: usize,
    /// What the newest turn's owner had used before it: who comes now begins here.
    level_ns: u64,
    turn: u64,
}

struct Sharer<Q> {
    used_ns: u64,
    /// The newest turn it had; among equals the one that had none for longest is next.
    turn: u64,
    waiting: usize,
    running: usize,
    holds: Q,
}

impl<Q> Default for Sharers<Q> {
    fn default() -> Self {
        Sharers { by_id: HashMap::new(), waiting: 0, level_ns: 0, turn: 0 }
    }
}

impl<Q: Default> Sharers<Q> {
    /// One more call of `id` waits.
    fn enter(&mut self, id: u128) -> &mut Sharer<Q> {
        self.waiting += 1;
        let level_ns = self.level_ns;
        let new = || Sharer { used_ns: level_ns, turn: 0, waiting: 0, running: 0, holds: Q::default() };
        let sharer = self.by_id.entry(id).or_insert_with(new);
        if sharer.waiting == 0 && sharer.running == 0 {
            sharer.used_ns = sharer.used_ns.max(level_ns);
        }
        sharer.waiting += 1;
        sharer
    }

    /// So many calls of `id` no longer wait, and do not run either.
    fn left(&mut self, id: u128, calls: usize) {
        self.waiting -= calls;
        if let Some(sharer) = self.by_id.get_mut(&id) {
            sharer.waiting -= calls;
        }
        self.forget_idle();
    }

    fn begin(&mut self) -> Option<u128> {
        let waiting = self.by_id.iter_mut().filter(|(_, sharer)| sharer.waiting > 0);
        let (id, next) = waiting.min_by_key(|(_, sharer)| (sharer.used_ns, sharer.turn))?;
        self.turn += 1;
        self.waiting -= 1;
        self.level_ns = self.level_ns.max(next.used_ns);
        (next.turn, next.waiting, next.running) = (self.turn, next.waiting - 1, next.running + 1);
        Some(*id)
    }

    fn end(&mut self, id: u128, used_ns: u64) {
        if let Some(sharer) = self.by_id.get_mut(&id) {
            sharer.running = sharer.running.saturating_sub(1);
            sharer.used_ns = sharer.used_ns.saturating_add(used_ns);
        }
        self.forget_idle();
    }

    /// Who has most waiting; among equals `own`.
    fn longest(&self, own: u128) -> Option<u128> {
        self.by_id.iter().max_by_key(|(id, sharer)| (sharer.waiting, **id == own, **id)).map(|(id, _)| *id)
    }

    /// What one has used matters while it is more than a newcomer's, and others wait.
    fn forget_idle(&mut self) {
        let (nobody_waits, level_ns) = (self.waiting == 0, self.level_ns);
        self.by_id.retain(|_, s| s.waiting > 0 || s.running > 0 || (s.used_ns > level_ns && !nobody_waits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn owner(account: u128, codec: u128) -> Owner {
        Owner { account, codec }
    }

    /// Virtual workers: each call says how long it takes, and the answer is when it was over, ns.
    struct Workers {
        turns: Turns<(u64, u64)>,
        free_at: Vec<u64>,
        running: Vec<(u64, Owner, u64)>,
    }

    impl Workers {
        fn new(workers: usize, most: usize) -> Workers {
            Workers { turns: Turns::new(most), free_at: vec![0; workers], running: vec![] }
        }

        /// Works until `to`; returns who was served, when its call had come and when it was over.
        fn run_to(&mut self, to: u64) -> Vec<(Owner, u64, u64)> {
            let mut over = vec![];
            loop {
                let (at, worker) = self.free_at.iter().zip(0..).map(|(at, n)| (*at, n)).min().unwrap();
                self.running.sort_by_key(|(end, ..)| *end);
                while self.running.first().is_some_and(|(end, ..)| *end <= at.min(to)) {
                    let (_, owner, took) = self.running.remove(0);
                    self.turns.done(owner, took);
                }
                if at > to {
                    return over;
                }
                let Some((owner, (came, took))) = self.turns.take() else {
                    self.free_at.iter_mut().for_each(|free| *free = (*free).max(to));
                    return over;
                };
                let end = at.max(came) + took;
                self.free_at[worker] = end;
                self.running.push((end, owner, took));
                over.push((owner, came, end));
            }
        }
    }

    #[test]
    fn looping_codecs_of_one_account_do_not_delay_another() {
        for codecs in [1, 4, 1_000] {
            let mut workers = Workers::new(2, 1024);
            let mut slowest = 0;
            for ms in 0..2_000 {
                for call in 0..3 {
                    workers.turns.push(owner(1, (ms + call) as u128 % codecs), (ms * MS, 10 * MS));
                }
                workers.turns.push(owner(2, 7), (ms * MS, MS / 10));
                for (owner, came, over) in workers.run_to(ms * MS) {
                    slowest = slowest.max(if owner.account == 2 { over - came } else { 0 });
                }
            }
            assert!(slowest <= 11 * MS, "a frame waits for calls that run already, not for those that wait: {slowest} ns");
        }
    }

    #[test]
    fn a_looping_codec_does_not_delay_another_of_its_account() {
        let mut workers = Workers::new(1, 1024);
        for _ in 0..1_000 {
            workers.turns.push(owner(1, 1), (0, 10 * MS));
        }
        for _ in 0..10 {
            workers.turns.push(owner(1, 2), (0, MS));
        }
        let served = workers.run_to(100 * MS);
        let last = served.iter().filter(|(owner, ..)| owner.codec == 2).map(|(_, _, over)| *over).max();
        assert!(last.is_some_and(|over| over <= 31 * MS), "{served:?}");
    }

    #[test]
    fn time_is_shared_evenly_however_dear_calls_are() {
        let mut workers = Workers::new(2, 100_000);
        for _ in 0..5_000 {
            workers.turns.push(owner(1, 1), (0, 10 * MS));
            workers.turns.push(owner(2, 2), (0, MS));
        }
        let served = workers.run_to(2_000 * MS);
        let used = |account| -> u64 {
            let of = |(owner, ..): &&(Owner, u64, u64)| owner.account == account;
            served.iter().filter(of).count() as u64 * if account == 1 { 10 } else { 1 }
        };
        assert!(used(1).abs_diff(used(2)) <= 40, "{} and {} ms", used(1), used(2));
    }

    #[test]
    fn a_pause_is_not_saved_up() {
        let mut turns = Turns::new(100);
        for n in 0..10 {
            turns.push(owner(1, 1), n);
            turns.push(owner(3, 3), n);
        }
        for _ in 0..10 {
            let (of, _) = turns.take().unwrap();
            turns.done(of, MS);
        }
        assert!((0..6).all(|n| turns.push(owner(2, 2), n).is_none()));
        let mut order = vec![];
        while let Some((of, _)) = turns.take() {
            order.push(of.account);
            turns.done(of, MS);
        }
        assert_eq!(order[..6].iter().filter(|account| **account == 2).count(), 2, "a third, not all: {order:?}");
    }

    #[test]
    fn a_full_queue_gives_up_the_newest_of_who_has_most() {
        let mut turns = Turns::new(6);
        assert!((0..6).all(|n| turns.push(owner(1, n % 2), n).is_none()), "nobody else needs the place");
        assert_eq!(turns.push(owner(1, 1), 6), Some(6), "its own");
        assert_eq!(turns.push(owner(2, 9), 7), Some(5), "of the longer codec or the last");
        assert_eq!(turns.push(owner(2, 9), 8), Some(4));
        assert_eq!(turns.push(owner(2, 9), 9), Some(3), "until both have as many");
        assert_eq!(turns.push(owner(2, 9), 10), Some(10));
        let mut left: Vec<_> = std::iter::from_fn(|| turns.take()).map(|(_, call)| call).collect();
        left.sort_unstable();
        assert_eq!(left, [0, 1, 2, 7, 8, 9]);
    }

    #[test]
    fn what_is_taken_out_is_no_longer_counted() {
        let mut turns = Turns::new(4);
        assert!((0..4).all(|n| turns.push(owner(1, 1), n).is_none()));
        assert_eq!(turns.take_out(owner(1, 1), |call| call % 2 == 0), [0, 2]);
        assert_eq!(turns.take_out(owner(1, 2), |_| true), [0; 0]);
        assert!((4..6).all(|n| turns.push(owner(2, 1), n).is_none()), "two places are free");
        let left: Vec<_> = std::iter::from_fn(|| turns.take()).collect();
        assert_eq!(left.len(), 4);
        left.iter().for_each(|(owner, _)| turns.done(*owner, 1));
        assert!(turns.accounts.by_id.is_empty(), "nothing is kept of who is idle");
    }
}
