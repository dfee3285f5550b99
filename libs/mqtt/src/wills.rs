//! Wills that wait for their delay (MQTT 5, 3.1.3.2.2). Absent: a clock; the owner passes the time and asks when to come back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::Will;

/// The wills of ended connections whose sessions go on, by the owner's key of a session. Times count from any fixed point.
///
/// Feed it every [`crate::Output::Will`] with [`DelayedWills::hold`], every resumed session with [`DelayedWills::resumed`] and every end of a
/// session with [`DelayedWills::session_ended`]; publish what comes back, and what [`DelayedWills::due`] gives at [`DelayedWills::next_due`].
#[derive(Debug)]
pub struct DelayedWills<K> {
    wills: BTreeMap<K, (Duration, Box<Will>)>,
    order: BTreeSet<(Duration, K)>,
    most: usize,
}

impl<K: Ord + Clone> DelayedWills<K> {
    /// A table for at most `most` wills.
    pub fn new(most: usize) -> Self {
        Self { wills: BTreeMap::new(), order: BTreeSet::new(), most }
    }

    /// Keeps a will until its delay or its session is over, whatever is first [MQTT-3.1.2-8]. `session_expiry_s`: how long the session outlives
    /// the connection that ended at `now`.
    ///
    /// Gives back the will that is to be published at once: one without a delay, or one too many, as early is better than never.
    pub fn hold(&mut self, now: Duration, key: K, will: Box<Will>, session_expiry_s: u32) -> Option<Box<Will>> {
        self.resumed(&key);
        let delay_s = will.delay_s.min(session_expiry_s);
        if delay_s == 0 || self.wills.len() >= self.most {
            return Some(will);
        }
        let due = now + Duration::from_secs(delay_s.into());
        self.order.insert((due, key.clone()));
        self.wills.insert(key, (due, will));
        None
    }

    /// A new connection goes on with the session: its will must not be sent [MQTT-3.1.3-9].
    pub fn resumed(&mut self, key: &K) {
        self.session_ended(key);
    }

    /// The session is over, by its expiry or a clean start: gives its will, to be published now.
    pub fn session_ended(&mut self, key: &K) -> Option<Box<Will>> {
        let (due, will) = self.wills.remove(key)?;
        self.order.remove(&(due, key.clone()));
        Some(will)
    }

    /// A will whose delay is over at `now`; ask again until there is none.
    pub fn due(&mut self, now: Duration) -> Option<(K, Box<Will>)> {
        let (_, key) = self.order.first().filter(|(due, _)| *due <= now)?.clone();
        self.session_ended(&key).map(|will| (key, will))
    }

    /// When to call [`DelayedWills::due`] next.
    pub fn next_due(&self) -> Option<Duration> {
        self.order.first().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Qos;
    use bytes::Bytes;

    fn will(delay_s: u32) -> Box<Will> {
        let topic = delay_s.to_string().as_str().into();
        Box::new(Will { topic, payload: Bytes::new(), qos: Qos::AtMostOnce, retain: false, delay_s, properties: None })
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_will_waits_for_its_delay_or_the_end_of_its_session() {
        // Delay, session expiry, due; `None`: at once.
        let cases = [
            (0, 100, None),
            (5, 0, None),
            (5, 100, Some(15)),
            (100, 5, Some(15)),
            (u32::MAX, u32::MAX, Some(10 + u64::from(u32::MAX))),
        ];
        for (delay_s, session_s, due) in cases {
            let mut wills = DelayedWills::new(10);
            let at_once = wills.hold(at(10), "c", will(delay_s), session_s);
            assert_eq!(at_once.is_some(), due.is_none(), "{delay_s}, {session_s}");
            assert_eq!(wills.next_due(), due.map(at), "{delay_s}, {session_s}");
            if let Some(due) = due {
                assert!(wills.due(at(due - 1)).is_none());
                assert_eq!(wills.due(at(due)), Some(("c", will(delay_s))));
            }
            assert!(wills.due(at(u64::MAX)).is_none() && wills.next_due().is_none());
        }
    }

    #[test]
    fn a_reconnect_cancels_and_a_clean_start_publishes() {
        let mut wills = DelayedWills::new(10);
        wills.hold(at(0), "resumed", will(5), 100);
        wills.hold(at(0), "clean", will(5), 100);
        wills.resumed(&"resumed");
        wills.resumed(&"unknown");
        assert_eq!(wills.session_ended(&"clean"), Some(will(5)));
        assert_eq!(wills.session_ended(&"clean"), None);
        assert!(wills.due(at(100)).is_none());
        // The next connection of the same session has a will of its own.
        wills.hold(at(1), "c", will(5), 100);
        wills.hold(at(2), "c", will(9), 100);
        assert_eq!((wills.due(at(6)), wills.due(at(11))), (None, Some(("c", will(9)))));
    }

    #[test]
    fn one_too_many_is_early_and_the_others_come_in_order() {
        let mut wills = DelayedWills::new(2);
        assert_eq!(wills.hold(at(0), 1, will(9), 100), None);
        assert_eq!(wills.hold(at(0), 2, will(3), 100), None);
        assert_eq!(wills.hold(at(0), 3, will(1), 100), Some(will(1)));
        assert_eq!(wills.due(at(9)), Some((2, will(3))));
        assert_eq!(wills.due(at(9)), Some((1, will(9))));
    }
}
