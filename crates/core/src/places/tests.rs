//! Turns, limits of a key, and those that give up. Absent: threads; each test polls by hand.

use super::*;

fn poll<K: Eq + Hash + Clone + Unpin>(taking: &mut Taking<K>) -> Option<Place<K>> {
    match Pin::new(taking).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(place) => Some(place.expect("nobody is refused")),
        Poll::Pending => None,
    }
}

fn refused<K: Eq + Hash + Clone + Unpin>(mut taking: Taking<K>) -> bool {
    matches!(Pin::new(&mut taking).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(Crowded)))
}

/// Whether nothing is kept of those that are gone.
fn idle<K: Eq + Hash + Clone>(turns: &Places<K>) -> bool {
    let queue = turns.0.lock();
    queue.free == queue.size && queue.of.is_empty() && queue.order.is_empty() && queue.granted.is_empty()
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
        assert!(idle(&turns));
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
    drop(place);
    assert!(idle(&turns));
    let free = poll(&mut turns.take('d', 1));
    assert!(free.is_some());
}

/// The place was given to one that is gone before it looked.
#[test]
fn a_place_that_nobody_took_up_is_given_on() {
    let turns = Places::new(1).each(1).each_waiting(2);
    let held = poll(&mut turns.take('a', 1)).unwrap();
    let mut gone = turns.take('b', 1);
    assert!(poll(&mut gone).is_none());
    drop(held);
    drop(gone);
    assert!(poll(&mut turns.take('c', 1)).is_some());
    assert!(idle(&turns));
}

#[test]
fn one_key_has_no_more_than_its_share_and_others_go_on() {
    let turns = Places::new(4).each(2).each_waiting(3);
    let ask = |key| turns.take(key, 1);
    let (first, second) = (poll(&mut ask('a')).unwrap(), poll(&mut ask('a')).unwrap());
    let mut waiting: Vec<_> = (0..3).map(|_| ask('a')).collect();
    waiting.iter_mut().for_each(|taking| assert!(poll(taking).is_none()));
    assert!(refused(ask('a')), "no more than three wait");
    let other = poll(&mut ask('b')).expect("another has room");
    drop(first);
    let third = poll(&mut waiting[0]).expect("the first in the queue");
    assert!(poll(&mut waiting[1]).is_none());
    drop((second, third, other));
    assert!(poll(&mut waiting[1]).is_some() && poll(&mut waiting[2]).is_some());
    drop(waiting);
    assert!(idle(&turns));
}

#[test]
fn a_key_that_has_its_share_waits_for_its_own_and_keeps_its_turn() {
    let turns = Places::new(3).each(2).each_waiting(8);
    let ask = |key| turns.take(key, 1);
    let (first, second) = (poll(&mut ask('a')).unwrap(), poll(&mut ask('a')).unwrap());
    let (mut a3, mut a4) = (ask('a'), ask('a'));
    assert!(poll(&mut a3).is_none() && poll(&mut a4).is_none(), "the third place is for others");
    let other = poll(&mut ask('b')).expect("a place for another key");
    let (mut b2, mut b3) = (ask('b'), ask('b'));
    assert!(poll(&mut b2).is_none() && poll(&mut b3).is_none());
    drop(other);
    let other = poll(&mut b2).expect("the first key has its two places");
    drop(first);
    let third = poll(&mut a3).expect("its next one, which asked before");
    assert!(poll(&mut a4).is_none() && poll(&mut b3).is_none());
    drop(third);
    assert!(poll(&mut a4).is_none(), "the key had a turn");
    let more = poll(&mut b3).expect("whose turn it is");
    drop(second);
    let fourth = poll(&mut a4).unwrap();
    drop((other, more, fourth));
    assert!(idle(&turns));
}

#[test]
fn keys_that_wait_take_turns_and_who_gave_up_is_passed_over() {
    let turns = Places::new(4).each(2).each_waiting(3);
    let mut held: Vec<_> = "aabb".chars().map(|key| poll(&mut turns.take(key, 1)).unwrap()).collect();
    let mut waiting: Vec<_> = "ccd".chars().map(|key| turns.take(key, 1)).collect();
    waiting.iter_mut().for_each(|taking| assert!(poll(taking).is_none(), "all places are taken"));
    drop(waiting.remove(0));
    held.pop();
    let third = poll(&mut waiting[0]).expect("c came first, whose first one gave up");
    held.pop();
    assert_eq!(poll(&mut waiting[1]).expect("then d").key, 'd');
    drop((third, held));
    assert!(idle(&turns));
}

#[test]
fn who_stops_waiting_makes_room_for_another() {
    let turns = Places::new(1).each(1).each_waiting(2);
    let ask = |key| turns.take(key, 1);
    let held = poll(&mut ask('a')).unwrap();
    let (mut gone, mut also, mut last) = (ask('a'), ask('a'), ask('b'));
    assert!(poll(&mut gone).is_none() && poll(&mut also).is_none());
    assert!(refused(ask('a')), "two wait already");
    assert!(poll(&mut last).is_none(), "another key may wait");
    drop(gone);
    let mut more = ask('a');
    assert!(poll(&mut more).is_none());
    drop((also, more, held));
    let last = poll(&mut last).expect("the one that still waits");
    assert_eq!(turns.0.lock().of.len(), 1);
    drop(last);
    assert!(idle(&turns));
}

#[test]
fn where_none_may_wait_free_places_are_given() {
    let turns = Places::new(1).each_waiting(0);
    let held = poll(&mut turns.take('a', 1)).unwrap();
    assert!(refused(turns.take('b', 1)));
    drop(held);
    assert!(poll(&mut turns.take('b', 1)).is_some());
    assert!(idle(&turns));
}

#[test]
fn a_large_wish_is_no_larger_than_its_key_may_have_and_not_overtaken_by_its_own() {
    let turns = Places::new(4).each(2);
    let one = poll(&mut turns.take('a', 1)).unwrap();
    let (mut large, mut small) = (turns.take('a', 9), turns.take('a', 1));
    assert!(poll(&mut large).is_none() && poll(&mut small).is_none());
    let others = poll(&mut turns.take('b', 2)).expect("the others wait for none of it");
    drop(one);
    let large = poll(&mut large).unwrap();
    assert_eq!(large.places, 2);
    assert!(poll(&mut small).is_none());
    drop(large);
    let small = poll(&mut small).unwrap();
    drop((others, small));
    assert!(idle(&turns));
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
