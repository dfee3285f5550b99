//! Places that many want are given to one key after the other, and within a key in the order of asking.
//!
//! So who asks ten thousand times does not shut out who asks once. A key may have a limit of its own, of places and of those that wait for one.
//! Absent: time (who waits bounds the wait, and gives it up by dropping it).

use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// The key of an address: all of an IPv4 one; of IPv6 the network part (64 bits), as one host has all of it.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// Places, all alike, that are taken in turns.
#[derive(Clone, Debug)]
pub struct Places<K: Eq + Hash + Clone>(Arc<Mutex<Queue<K>>>);

#[derive(Debug)]
struct Queue<K> {
    size: usize,
    /// Places of one key at a time.
    each: usize,
    /// Waiting ones of one key.
    each_waiting: usize,
    free: usize,
    /// The next ticket.
    next: u64,
    /// The keys that have places or wait.
    of: HashMap<K, Share>,
    /// The keys that wait, the next one first.
    order: VecDeque<K>,
    /// Tickets whose places wait to be fetched.
    granted: HashMap<u64, usize>,
}

#[derive(Debug, Default)]
struct Share {
    taken: usize,
    /// Who waits, by ticket.
    waiting: BTreeMap<u64, Wish>,
}

#[derive(Debug)]
struct Wish {
    places: usize,
    waker: Waker,
}

/// Refused: too many of the key wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowded;

impl<K: Eq + Hash + Clone> Places<K> {
    /// `size` places, at least one. A key may have all of them, and any number of it may wait.
    pub fn new(size: usize) -> Self {
        let (size, all) = (size.max(1), usize::MAX);
        let (of, order, granted) = (HashMap::new(), VecDeque::new(), HashMap::new());
        Self(Arc::new(Mutex::new(Queue { size, each: all, each_waiting: all, free: size, next: 0, of, order, granted })))
    }

    /// With at most so many places of one key at a time, at least one. A key that has them does not keep others waiting.
    #[must_use]
    pub fn each(self, places: usize) -> Self {
        self.0.lock().each = places.max(1);
        self
    }

    /// With at most so many waiting ones of one key; one more is [`Crowded`].
    #[must_use]
    pub fn each_waiting(self, waiting: usize) -> Self {
        self.0.lock().each_waiting = waiting;
        self
    }

    /// Waits for `places` at once; more than the key may have counts as all of these. What is given goes back when the value is dropped.
    /// [`Crowded`] only with a limit of waiting ones.
    pub fn take(&self, key: K, places: usize) -> Taking<K> {
        Taking { queue: Arc::clone(&self.0), key, places, ticket: None }
    }
}

impl<K: Eq + Hash + Clone> Queue<K> {
    /// Whether the key has the places now, as nobody is before it. Whoever waits had its chance when places came back.
    fn at_once(&mut self, key: &K, places: usize) -> bool {
        let may = self.of.get(key).is_none_or(|share| share.waiting.is_empty() && self.may(share, places));
        let has = may && places <= self.free && self.first().is_none();
        if has {
            self.free -= places;
            self.of.entry(key.clone()).or_default().taken += places;
        }
        has
    }

    /// A ticket of the places.
    fn wish(&mut self, key: &K, places: usize, waker: &Waker) -> Result<u64, Crowded> {
        let waiting = self.of.get(key).map_or(0, |share| share.waiting.len());
        if waiting >= self.each_waiting {
            return Err(Crowded);
        }
        if waiting == 0 {
            self.order.push_back(key.clone());
        }
        let ticket = self.next;
        self.next += 1;
        self.of.entry(key.clone()).or_default().waiting.insert(ticket, Wish { places, waker: waker.clone() });
        Ok(ticket)
    }

    fn may(&self, share: &Share, places: usize) -> bool {
        places <= self.each.saturating_sub(share.taken)
    }

    /// Whose turn it is, as an index of the order, and the places it waits for. Passes over keys that have all they may have.
    fn first(&self) -> Option<(usize, usize)> {
        self.order.iter().enumerate().find_map(|(index, key)| {
            let share = self.of.get(key)?;
            let (_, wish) = share.waiting.first_key_value()?;
            self.may(share, wish.places).then_some((index, wish.places))
        })
    }

    /// Gives places to those whose turn it is; returns whom to wake. A large wish is not overtaken, else it might never come true.
    fn give(&mut self) -> Vec<Waker> {
        let mut woken = vec![];
        while let Some((index, places)) = self.first().filter(|(_, places)| *places <= self.free) {
            let Some(key) = self.order.remove(index) else { break };
            let Some(share) = self.of.get_mut(&key) else { continue };
            let Some((ticket, wish)) = share.waiting.pop_first() else { continue };
            self.free -= places;
            share.taken += places;
            self.granted.insert(ticket, places);
            woken.push(wish.waker);
            if !share.waiting.is_empty() {
                self.order.push_back(key);
            }
        }
        woken
    }

    fn put_back(&mut self, key: &K, places: usize) {
        self.free += places;
        let Some(share) = self.of.get_mut(key) else { return };
        share.taken -= places;
        if share.taken == 0 && share.waiting.is_empty() {
            self.of.remove(key);
        }
    }

    fn forget(&mut self, key: &K, ticket: u64) {
        if let Some(places) = self.granted.remove(&ticket) {
            return self.put_back(key, places);
        }
        let Some(share) = self.of.get_mut(key) else { return };
        share.waiting.remove(&ticket);
        if share.waiting.is_empty() {
            self.order.retain(|other| other != key);
            if share.taken == 0 {
                self.of.remove(key);
            }
        }
    }
}

fn settle<K: Eq + Hash + Clone>(queue: &Mutex<Queue<K>>, change: impl FnOnce(&mut Queue<K>)) {
    let woken = {
        let mut queue = queue.lock();
        change(&mut queue);
        queue.give()
    };
    woken.into_iter().for_each(Waker::wake);
}

/// Waits for places.
#[derive(Debug)]
pub struct Taking<K: Eq + Hash + Clone> {
    queue: Arc<Mutex<Queue<K>>>,
    key: K,
    places: usize,
    ticket: Option<u64>,
}

impl<K: Eq + Hash + Clone + Unpin> Future for Taking<K> {
    type Output = Result<Place<K>, Crowded>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { queue: shared, key, places, ticket } = self.get_mut();
        let mut queue = shared.lock();
        let place = |places| Poll::Ready(Ok(Place { queue: Arc::clone(shared), key: key.clone(), places }));
        let Some(asked) = *ticket else {
            let places = (*places).min(queue.size).min(queue.each);
            if queue.at_once(key, places) {
                return place(places);
            }
            return match queue.wish(key, places, cx.waker()) {
                Ok(asked) => {
                    *ticket = Some(asked);
                    Poll::Pending
                }
                Err(crowded) => Poll::Ready(Err(crowded)),
            };
        };
        if let Some(places) = queue.granted.remove(&asked) {
            *ticket = None;
            return place(places);
        }
        if let Some(wish) = queue.of.get_mut(key).and_then(|share| share.waiting.get_mut(&asked)) {
            wish.waker.clone_from(cx.waker());
        }
        Poll::Pending
    }
}

impl<K: Eq + Hash + Clone> Drop for Taking<K> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            settle(&self.queue, |queue| queue.forget(&self.key, ticket));
        }
    }
}

/// Places taken, until it is dropped.
#[derive(Debug)]
pub struct Place<K: Eq + Hash + Clone> {
    queue: Arc<Mutex<Queue<K>>>,
    key: K,
    places: usize,
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        settle(&self.queue, |queue| queue.put_back(&self.key, self.places));
    }
}

#[cfg(test)]
mod tests;
