//! Subscriptions and what they make of a message (MQTT 5, 3.3.4 and 3.8.3.1). Absent: which sessions there are.

use std::num::NonZeroU32;

use crate::{Filter, Qos};

/// A granted subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// What it matches.
    pub filter: Filter,
    /// Highest quality of service for it.
    pub qos: Qos,
    /// MQTT 5: do not send the client its own messages.
    pub no_local: bool,
    /// MQTT 5: keep the RETAIN flag as published.
    pub retain_as_published: bool,
    /// MQTT 5 retain handling, 0 to 2 (3.8.3.1).
    pub retain_handling: u8,
    /// MQTT 5 subscription identifier, at most 268,435,455.
    pub id: Option<NonZeroU32>,
}

/// What the subscriptions of one session make of a message: one copy of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The highest quality of service of the subscriptions that match [MQTT-3.3.4-2].
    pub qos: Qos,
    /// Whether one of them keeps the RETAIN flag [MQTT-3.3.1-12], [MQTT-3.3.1-13].
    pub retain_as_published: bool,
    /// All their identifiers [MQTT-3.3.4-4].
    pub ids: Box<[NonZeroU32]>,
}

impl Subscription {
    /// A subscription without the options of MQTT 5.
    pub fn new(filter: Filter, qos: Qos) -> Self {
        Self { filter, qos, no_local: false, retain_as_published: false, retain_handling: 0, id: None }
    }

    /// Whether retained messages are sent now that it is made; `existed`: one with the same filter was there [MQTT-3.3.1-9] to
    /// [MQTT-3.3.1-11]. A shared subscription gets none (MQTT 5, 4.8.2).
    pub fn wants_retained(&self, existed: bool) -> bool {
        match self.retain_handling {
            _ if self.filter.group().is_some() => false,
            0 => true,
            1 => !existed,
            _ => false,
        }
    }
}

/// What `subscriptions` make of a message of `topic`; `None`: the session does not get it. `is_own`: its client published the message
/// [MQTT-3.8.3-3]. Shared subscriptions are left out: [`crate::SharedSubscriptions`] chooses who gets their messages.
pub fn matched<'a>(subscriptions: impl IntoIterator<Item = &'a Subscription>, topic: &str, is_own: bool) -> Option<Matched> {
    let mut found: Option<(Qos, bool)> = None;
    let mut ids = Vec::new();
    for subscription in subscriptions {
        let is_left_out = subscription.filter.group().is_some() || is_own && subscription.no_local;
        if is_left_out || !subscription.filter.matches(topic) {
            continue;
        }
        let (qos, retain) = found.unwrap_or((Qos::AtMostOnce, false));
        found = Some((qos.max(subscription.qos), retain || subscription.retain_as_published));
        ids.extend(subscription.id);
    }
    found.map(|(qos, retain_as_published)| Matched { qos, retain_as_published, ids: ids.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(filter: &str, qos: Qos, id: u32) -> Subscription {
        Subscription { id: NonZeroU32::new(id), ..Subscription::new(Filter::new(filter).unwrap(), qos) }
    }

    /// Topic, whether it is the client's own message, what becomes of it.
    type Case<'a> = (&'a str, bool, Option<(Qos, bool, &'a [u32])>);

    #[test]
    fn overlapping_subscriptions_make_one_copy() {
        let all = [
            subscription("a/+", Qos::AtMostOnce, 3),
            Subscription { no_local: true, retain_as_published: true, ..subscription("a/#", Qos::ExactlyOnce, 268_435_455) },
            subscription("#", Qos::AtLeastOnce, 0),
            subscription("$share/g/a/b", Qos::ExactlyOnce, 9),
        ];
        let cases: &[Case<'_>] = &[
            ("a/b", false, Some((Qos::ExactlyOnce, true, &[3, 268_435_455]))),
            ("a/b", true, Some((Qos::AtLeastOnce, false, &[3]))),
            ("a", false, Some((Qos::ExactlyOnce, true, &[268_435_455]))),
            ("c", false, Some((Qos::AtLeastOnce, false, &[]))),
            ("$SYS", false, None),
        ];
        for (topic, is_own, expected) in cases {
            let found = matched(&all, topic, *is_own);
            let found = found.map(|m| (m.qos, m.retain_as_published, m.ids.iter().map(|id| id.get()).collect::<Vec<_>>()));
            assert_eq!(found, expected.map(|(qos, retain, ids)| (qos, retain, ids.to_vec())), "{topic}, own {is_own}");
        }
    }

    #[test]
    fn retain_handling_decides_about_retained_messages() {
        for (handling, new, existed) in [(0, true, true), (1, true, false), (2, false, false)] {
            let plain = Subscription { retain_handling: handling, ..subscription("a", Qos::AtMostOnce, 0) };
            assert_eq!((plain.wants_retained(false), plain.wants_retained(true)), (new, existed), "handling {handling}");
            let shared = Subscription { retain_handling: handling, ..subscription("$share/g/a", Qos::AtMostOnce, 0) };
            assert!(!shared.wants_retained(false), "handling {handling}, shared");
        }
    }
}
