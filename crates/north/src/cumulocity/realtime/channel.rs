//! What a client may listen to.

use landfall_model::ObjectId;

/// A channel as it was subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    pub what: What,
    /// As it was written; empty for operations at their own address.
    prefix: String,
    /// The object; none for all that the user reaches.
    pub id: Option<ObjectId>,
}

/// What a channel tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Operations,
    Objects,
    Measurements,
    Events,
    Alarms,
    /// Of an object and of the devices behind it.
    AlarmsOfChildren,
}

const WORDS: [(&str, What); 7] = [
    ("operations", What::Operations),
    ("managedobjects", What::Objects),
    ("inventory", What::Objects),
    ("measurements", What::Measurements),
    ("events", What::Events),
    ("alarms", What::Alarms),
    ("alarmswithchildren", What::AlarmsOfChildren),
];

impl Channel {
    /// None for a channel that there is not; at the address of operations there is nothing else.
    pub fn parse(text: &str, operations: bool) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let named = |prefix: &str| WORDS.iter().find(|(word, _)| prefix.eq_ignore_ascii_case(word)).map(|(_, what)| *what);
        let (what, prefix, id) = match rest.split_once('/') {
            Some((prefix, id)) => (named(prefix)?, prefix, id),
            None if operations => (What::Operations, "", rest),
            None => return None,
        };
        if operations && what != What::Operations {
            return None;
        }
        let id = match id {
            "*" if what != What::AlarmsOfChildren => None,
            digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Self { what, prefix: prefix.to_owned(), id })
    }

    /// Whether it tells of this object.
    pub fn tells(&self, what: What, id: ObjectId) -> bool {
        self.what == what && self.id.is_none_or(|own| own == id)
    }

    /// The channel of a message about an object.
    pub fn of(&self, id: ObjectId) -> String {
        if self.prefix.is_empty() { format!("/{id}") } else { format!("/{}/{id}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_known_by_their_first_word() {
        let parsed = |text, operations| Channel::parse(text, operations).map(|channel| (channel.what, channel.id.map(|id| id.0)));
        for (text, anywhere, operations) in [
            ("/operations/12", Some((What::Operations, Some(12))), Some((What::Operations, Some(12)))),
            ("/operations/*", Some((What::Operations, None)), Some((What::Operations, None))),
            ("/12", None, Some((What::Operations, Some(12)))),
            ("/managedobjects/*", Some((What::Objects, None)), None),
            ("/inventory/7", Some((What::Objects, Some(7))), None),
            ("/measurements/7", Some((What::Measurements, Some(7))), None),
            ("/events/*", Some((What::Events, None)), None),
            ("/alarms/7", Some((What::Alarms, Some(7))), None),
            ("/alarmsWithChildren/7", Some((What::AlarmsOfChildren, Some(7))), None),
            ("/alarmsWithChildren/*", None, None),
            ("/audits/*", None, None),
            ("/operations/", None, None),
            ("/operations/x", None, None),
            ("/operations/1/2", None, None),
            ("//1", None, None),
            ("operations/1", None, None),
            ("/", None, None),
            ("", None, None),
        ] {
            assert_eq!((parsed(text, false), parsed(text, true)), (anywhere, operations), "{text}");
        }
    }

    #[test]
    fn a_message_is_of_the_channel_that_was_written() {
        let channel = Channel::parse("/Operations/*", false).unwrap();
        assert_eq!(channel.of(ObjectId(4)), "/Operations/4");
        assert_eq!(Channel::parse("/4", true).unwrap().of(ObjectId(4)), "/4");
        assert!(channel.tells(What::Operations, ObjectId(1)) && !channel.tells(What::Alarms, ObjectId(1)));
    }
}
