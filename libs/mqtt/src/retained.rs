//! Retained messages (MQTT 5, 3.3.1.3), bounded and with their expiry. Absent: a clock and a store; the owner passes the time, and keeps what
//! must outlive it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{Delivery, Filter, Publish, PublishProperties, Qos, Subscription};

/// What one message weighs beside its topic, payload and properties.
const OVERHEAD_BYTES: usize = 192;

/// The retained message of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retained {
    /// Topic name.
    pub topic: Arc<str>,
    /// Payload, never empty.
    pub payload: Bytes,
    /// Quality of service it was published with.
    pub qos: Qos,
    /// MQTT 5 properties.
    pub properties: Option<Arc<PublishProperties>>,
    /// When it is over, counted from the same point as all times of the table.
    pub expires_at: Option<Duration>,
}

/// A table is full: the message was not retained, and an older one of its topic is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetainedFull;

/// One message for each topic. Times count from any fixed point.
#[derive(Debug)]
pub struct RetainedMessages {
    messages: BTreeMap<Arc<str>, Retained>,
    expiries: BTreeSet<(Duration, Arc<str>)>,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

impl Retained {
    /// It as a message for a subscription that was just made, with RETAIN set (3.3.1.3).
    pub fn delivery(&self, token: u64, subscription: &Subscription) -> Delivery {
        Delivery {
            retain: true,
            properties: self.properties.clone(),
            subscription_ids: subscription.id.into_iter().collect(),
            expires_at: self.expires_at,
            ..Delivery::new(token, Arc::clone(&self.topic), self.payload.clone(), self.qos.min(subscription.qos))
        }
    }

    fn is_over(&self, now: Duration) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    fn weight(&self) -> usize {
        let properties = self.properties.as_ref().map_or(0, |properties| properties.weight());
        OVERHEAD_BYTES + self.topic.len() + self.payload.len() + properties
    }
}

impl RetainedMessages {
    /// A table for at most `most` messages that weigh at most `most_bytes` together.
    pub fn new(most: usize, most_bytes: usize) -> Self {
        Self { messages: BTreeMap::new(), expiries: BTreeSet::new(), bytes: 0, most, most_bytes }
    }

    /// Takes in a message that came with RETAIN: it replaces that of its topic [MQTT-3.3.1-5]; one with an empty payload only removes it
    /// [MQTT-3.3.1-6], [MQTT-3.3.1-7]. Messages without RETAIN change nothing [MQTT-3.3.1-8].
    ///
    /// # Errors
    /// When there is no room for it, what has expired already counted out; nothing is changed then.
    pub fn publish(&mut self, now: Duration, publish: &Publish) -> Result<(), RetainedFull> {
        if !publish.retain {
            return Ok(());
        }
        if publish.payload.is_empty() {
            self.remove(&publish.topic);
            return Ok(());
        }
        let expiry_s = publish.properties.as_ref().and_then(|properties| properties.message_expiry_s);
        self.insert(
            now,
            Retained {
                topic: Arc::clone(&publish.topic),
                payload: publish.payload.clone(),
                qos: publish.qos,
                properties: publish.properties.clone(),
                expires_at: expiry_s.map(|seconds| now + Duration::from_secs(seconds.into())),
            },
        )
    }

    /// Puts a message in its place, also one that the owner kept.
    ///
    /// # Errors
    /// As [`RetainedMessages::publish`].
    pub fn insert(&mut self, now: Duration, message: Retained) -> Result<(), RetainedFull> {
        self.expire(now);
        let old = self.messages.get(&message.topic).map(Retained::weight);
        let count = self.messages.len() - usize::from(old.is_some()) + 1;
        let bytes = self.bytes - old.unwrap_or(0) + message.weight();
        if count > self.most || bytes > self.most_bytes {
            return Err(RetainedFull);
        }
        self.remove(&message.topic);
        self.bytes += message.weight();
        if let Some(at) = message.expires_at {
            self.expiries.insert((at, Arc::clone(&message.topic)));
        }
        self.messages.insert(Arc::clone(&message.topic), message);
        Ok(())
    }

    /// Removes the message of a topic; gives whether there was one.
    pub fn remove(&mut self, topic: &str) -> bool {
        let Some(old) = self.messages.remove(topic) else { return false };
        self.bytes -= old.weight();
        if let Some(at) = old.expires_at {
            self.expiries.remove(&(at, old.topic));
        }
        true
    }

    /// The messages that belong to `filter` at `now`, by topic. `after`: go on behind this topic; so an owner sends them as the client takes
    /// them, and holds none twice. Only topics with the part of the filter before its first wildcard are looked at.
    pub fn matching<'a, 'f>(
        &'a self,
        now: Duration,
        filter: &'f Filter,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Retained> + use<'a, 'f> {
        let text = filter.topic_filter();
        let fixed = text.find(['+', '#']).map_or(text, |at| text.get(..at).unwrap_or_default().trim_end_matches('/'));
        let from = match after {
            Some(after) if after >= fixed => Bound::Excluded(after),
            _ => Bound::Included(fixed),
        };
        // A filter without a wildcard has one topic; longer ones that begin with it are not looked at.
        let most = if filter.has_wildcard() { usize::MAX } else { 1 };
        let range = self.messages.range::<str, _>((from, Bound::Unbounded)).take(most);
        let range = range.take_while(move |(topic, _)| topic.starts_with(fixed));
        range.map(|(_, message)| message).filter(move |message| !message.is_over(now) && filter.matches(&message.topic))
    }

    /// Drops what is over at `now`; gives how many.
    pub fn expire(&mut self, now: Duration) -> usize {
        let mut dropped = 0;
        while let Some((at, topic)) = self.expiries.first()
            && *at <= now
        {
            let topic = Arc::clone(topic);
            self.remove(&topic);
            dropped += 1;
        }
        dropped
    }

    /// When to call [`RetainedMessages::expire`] next.
    pub fn next_expiry(&self) -> Option<Duration> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ticket;

    fn publish(topic: &str, payload: &'static str, expiry_s: Option<u32>) -> Publish {
        let properties = PublishProperties { message_expiry_s: expiry_s, ..PublishProperties::default() };
        Publish {
            ticket: Ticket(0),
            topic: topic.into(),
            payload: Bytes::from_static(payload.as_bytes()),
            qos: Qos::ExactlyOnce,
            dup: false,
            retain: true,
            packet_id: None,
            properties: expiry_s.map(|_| Arc::new(properties)),
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn topics(table: &RetainedMessages, now: u64, filter: &str, after: Option<&str>) -> Vec<String> {
        let filter = Filter::new(filter).unwrap();
        table.matching(at(now), &filter, after).map(|message| message.topic.to_string()).collect()
    }

    #[test]
    fn the_last_message_of_a_topic_is_kept_and_an_empty_one_removes_it() {
        let mut table = RetainedMessages::new(10, 10_000);
        let say = |table: &RetainedMessages| {
            let filter = Filter::new("a").unwrap();
            table.matching(at(0), &filter, None).next().map(|message| message.payload.clone())
        };
        table.publish(at(0), &publish("a", "1", None)).unwrap();
        table.publish(at(0), &publish("a", "2", None)).unwrap();
        assert_eq!((table.len(), say(&table).as_deref()), (1, Some(&b"2"[..])));
        for payload in ["", "3"] {
            table.publish(at(0), &Publish { retain: false, ..publish("a", payload, None) }).unwrap();
            assert_eq!(say(&table).as_deref(), Some(&b"2"[..]), "without RETAIN");
        }
        table.publish(at(0), &publish("b", "", None)).unwrap();
        table.publish(at(0), &publish("a", "", None)).unwrap();
        assert!(table.is_empty() && table.bytes == 0);
    }

    #[test]
    fn matching_cases() {
        let mut table = RetainedMessages::new(10, 10_000);
        for topic in ["a", "a/b", "a/b/c", "a/c", "ab", "/a", "$SYS/a"] {
            table.publish(at(0), &publish(topic, "x", None)).unwrap();
        }
        let cases: &[(&str, Option<&str>, &[&str])] = &[
            ("a", None, &["a"]),
            ("a", Some("a"), &[]),
            ("b", None, &[]),
            ("a/+", None, &["a/b", "a/c"]),
            ("a/+", Some("a/b"), &["a/c"]),
            ("a/+", Some("a/c"), &[]),
            ("a/+", Some("A"), &["a/b", "a/c"]),
            ("a/#", None, &["a", "a/b", "a/b/c", "a/c"]),
            ("a/b/#", None, &["a/b", "a/b/c"]),
            ("+/b", None, &["a/b"]),
            ("+/a", None, &["/a"]),
            ("/+", None, &["/a"]),
            ("#", None, &["/a", "a", "a/b", "a/b/c", "a/c", "ab"]),
            ("#", Some("a/b/c"), &["a/c", "ab"]),
            ("$SYS/#", None, &["$SYS/a"]),
        ];
        for (filter, after, expected) in cases {
            assert_eq!(topics(&table, 0, filter, *after), *expected, "{filter} after {after:?}");
        }
    }

    #[test]
    fn what_is_over_is_gone() {
        let mut table = RetainedMessages::new(2, 10_000);
        table.publish(at(10), &publish("a", "x", Some(5))).unwrap();
        table.publish(at(10), &publish("b", "x", Some(50))).unwrap();
        assert_eq!(table.next_expiry(), Some(at(15)));
        assert_eq!(topics(&table, 14, "#", None), ["a", "b"]);
        assert_eq!(topics(&table, 15, "#", None), ["b"]);
        // It makes room for another, and a replaced message takes its expiry with it.
        table.publish(at(15), &publish("c", "x", None)).unwrap();
        table.publish(at(16), &publish("b", "y", None)).unwrap();
        assert_eq!((table.next_expiry(), table.expire(at(1_000)), table.len()), (None, 0, 2));
    }

    #[test]
    fn a_full_table_refuses_and_keeps_what_it_has() {
        let mut table = RetainedMessages::new(2, 1_000);
        for topic in ["a", "b"] {
            table.publish(at(0), &publish(topic, "x", None)).unwrap();
        }
        assert_eq!(table.publish(at(0), &publish("c", "x", None)), Err(RetainedFull));
        table.publish(at(0), &publish("b", "y", None)).unwrap();
        let large = Publish { payload: vec![0; 900].into(), ..publish("b", "", None) };
        assert_eq!(table.publish(at(0), &large), Err(RetainedFull));
        assert_eq!(topics(&table, 0, "#", None), ["a", "b"]);
        table.remove("a");
        table.publish(at(0), &Publish { payload: vec![0; 700].into(), ..large }).unwrap();
    }

    #[test]
    fn a_delivery_has_retain_the_lower_qos_the_identifier_and_the_expiry() {
        let mut table = RetainedMessages::new(2, 1_000);
        table.publish(at(1), &publish("a", "x", Some(9))).unwrap();
        let filter = Filter::new("+").unwrap();
        let subscription = Subscription { id: 7.try_into().ok(), ..Subscription::new(filter.clone(), Qos::AtLeastOnce) };
        let delivery = table.matching(at(1), &filter, None).next().unwrap().delivery(4, &subscription);
        assert_eq!((delivery.token, &*delivery.topic, delivery.qos, delivery.retain), (4, "a", Qos::AtLeastOnce, true));
        assert_eq!((delivery.subscription_ids.len(), delivery.expires_at), (1, Some(at(10))));
    }
}
