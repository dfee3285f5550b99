//! Places that many want are given to one key after the other, and within a key in the order of asking.
//!
//! So who asks ten thousand times does not shut out who asks once. Absent: time (who waits bounds the wait, and gives it up by dropping it) and
//! a limit of waiters, which those have who let them in.

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
    free: usize,
    /// The next ticket.
    next: u64,
    /// Who waits, by key and ticket.
    waiting: HashMap<K, BTreeMap<u64, Wish>>,
    /// The keys that wait, the next one first.
    order: VecDeque<K>,
    /// Tickets whose places wait to be fetched.
    granted: HashMap<u64, usize>,
}

#[derive(Debug)]
struct Wish {
    places: usize,
    waker: Waker,
}

impl<K: Eq + Hash + Clone> Places<K> {
    /// `size` places, at least one.
    pub fn new(size: usize) -> Self {
        let size = size.max(1);
        let empty = Queue { size, free: size, next: 0, waiting: HashMap::new(), order: VecDeque::new(), granted: HashMap::new() };
        Self(Arc::new(Mutex::new(empty)))
    }

    /// Waits for `places` at once; more than there are counts as all. What is given goes back when the value is dropped.
    pub fn take(&self, key: K, places: usize) -> Taking<K> {
        Taking { queue: Arc::clone(&self.0), key, places, ticket: None }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().waiting.values().map(BTreeMap::len).sum()
    }
}

impl<K: Eq + Hash + Clone> Queue<K> {
    fn wish(&mut self, key: &K, places: usize, waker: &Waker) -> u64 {
        let ticket = self.next;
        self.next += 1;
        if !self.waiting.contains_key(key) {
            self.order.push_back(key.clone());
        }
        self.waiting.entry(key.clone()).or_default().insert(ticket, Wish { places, waker: waker.clone() });
        ticket
    }

    /// Gives places to those whose turn it is; returns whom to wake. A large wish is not overtaken, else it might never come true.
    fn give(&mut self) -> Vec<Waker> {
        let mut woken = vec![];
        while let Some(key) = self.order.front() {
            let Some(mine) = self.waiting.get_mut(key) else {
                self.order.pop_front();
                continue;
            };
            let Some(first) = mine.first_entry().filter(|first| first.get().places <= self.free) else { break };
            let (ticket, wish) = first.remove_entry();
            self.free -= wish.places;
            self.granted.insert(ticket, wish.places);
            woken.push(wish.waker);
            let more = !mine.is_empty();
            if let Some(key) = self.order.pop_front() {
                if more {
                    self.order.push_back(key);
                } else {
                    self.waiting.remove(&key);
                }
            }
        }
        woken
    }

    fn forget(&mut self, key: &K, ticket: u64) {
        if let Some(places) = self.granted.remove(&ticket) {
            self.free += places;
            return;
        }
        let Some(mine) = self.waiting.get_mut(key) else { return };
        mine.remove(&ticket);
        if mine.is_empty() {
            self.waiting.remove(key);
            self.order.retain(|other| other != key);
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
    type Output = Place<K>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Place<K>> {
        let shared = Arc::clone(&self.queue);
        let mut queue = shared.lock();
        let ticket = match self.ticket {
            Some(ticket) => ticket,
            None => {
                let places = self.places.min(queue.size);
                let ticket = queue.wish(&self.key, places, cx.waker());
                self.ticket = Some(ticket);
                // Whoever waited before has had its chance when places came back: at most this wish can come true.
                drop(queue.give());
                ticket
            }
        };
        if let Some(places) = queue.granted.remove(&ticket) {
            self.ticket = None;
            return Poll::Ready(Place { queue: Arc::clone(&shared), places });
        }
        if let Some(wish) = queue.waiting.get_mut(&self.key).and_then(|mine| mine.get_mut(&ticket)) {
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
    places: usize,
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        settle(&self.queue, |queue| queue.free += self.places);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll<K: Eq + Hash + Clone + Unpin>(taking: &mut Taking<K>) -> Option<Place<K>> {
        match Pin::new(taking).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    /// Frees places one by one; the keys in the order in which they got theirs.
    fn order(turns: &Places<char>, held: Place<char>, asked: &str) -> String {
        let mut waiting: Vec<_> = asked.chars().map(|key| (key, turns.take(key, 1))).collect();
        waiting.iter_mut().for_each(|(_, taking)| assert!(poll(taking).is_none()));
        drop(held);
        let mut got = String::new();
        while !waiting.is_empty() {
            let found = waiting.iter_mut().enumerate().find_map(|(n, (_, taking))| poll(taking).map(|place| (n, place)));
            let (n, place) = found.unwrap();
            got.push(waiting.remove(n).0);
            drop(place);
        }
        got
    }

    #[test]
    fn keys_take_turns_and_within_a_key_the_first_is_first() {
        for (asked, expected) in [("aaaab", "abaaa"), ("aabbc", "abcab"), ("abcabc", "abcabc"), ("a", "a")] {
            let turns = Places::new(1);
            let held = poll(&mut turns.take('x', 1)).unwrap();
            assert_eq!(order(&turns, held, asked), expected);
            assert_eq!(turns.waiting(), 0);
        }
    }

    #[test]
    fn a_large_wish_is_not_overtaken_and_never_larger_than_all() {
        let turns = Places::new(4);
        let (one, two) = (poll(&mut turns.take('a', 1)).unwrap(), poll(&mut turns.take('a', 1)).unwrap());
        let (mut all, mut small) = (turns.take('b', 9), turns.take('c', 1));
        assert!(poll(&mut all).is_none() && poll(&mut small).is_none());
        drop(one);
        assert!(poll(&mut all).is_none() && poll(&mut small).is_none());
        drop(two);
        assert!(poll(&mut small).is_none());
        let all = poll(&mut all).unwrap();
        drop(all);
        assert!(poll(&mut small).is_some());
    }

    #[test]
    fn who_gives_up_leaves_nothing_behind() {
        let turns = Places::new(1);
        let held = poll(&mut turns.take('a', 1)).unwrap();
        let (mut first, mut second, mut third) = (turns.take('b', 1), turns.take('b', 1), turns.take('c', 1));
        for taking in [&mut first, &mut second, &mut third] {
            assert!(poll(taking).is_none());
        }
        drop(first);
        drop(held);
        // Granted to the second, which goes without having fetched it.
        drop(second);
        let place = poll(&mut third).unwrap();
        assert_eq!(turns.waiting(), 0);
        drop(place);
        let free = poll(&mut turns.take('d', 1));
        assert!(free.is_some());
    }

    #[test]
    fn a_waiter_is_woken() {
        struct Flag(std::sync::atomic::AtomicBool);
        impl std::task::Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        }
        let (turns, flag) = (Places::new(1), Arc::new(Flag(false.into())));
        let held = poll(&mut turns.take('a', 1)).unwrap();
        let mut waits = turns.take('b', 1);
        assert!(Pin::new(&mut waits).poll(&mut Context::from_waker(&Arc::clone(&flag).into())).is_pending());
        drop(held);
        assert!(flag.0.load(std::sync::atomic::Ordering::SeqCst));
    }

    #[test]
    fn hosts_of_ipv6_are_networks() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
