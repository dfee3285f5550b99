//! Shared subscriptions (MQTT 5, 4.8.2): who of a group gets a message. Absent: sessions; the owner says who takes messages now, and gives
//! what a member never got to another one with [`crate::SavedSession::take_unsent`].

use std::collections::BTreeMap;

use crate::subscription::{Matched, Subscription};

/// The table has no place for another membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedFull;

/// The member of a group that gets a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen<K> {
    /// The shared subscription, as subscribed.
    pub filter: Box<str>,
    /// The session.
    pub key: K,
    /// What its subscription makes of the message.
    pub matched: Matched,
}

/// Groups of `$share/GROUP/FILTER` and their members, by the owner's key of a session.
#[derive(Debug)]
pub struct SharedSubscriptions<K> {
    /// By whole filter: the same group name with another filter is another subscription.
    groups: BTreeMap<Box<str>, Group<K>>,
    memberships: usize,
    most: usize,
}

#[derive(Debug)]
struct Group<K> {
    members: Vec<(K, Subscription)>,
    /// The place of the member whose turn it is.
    turn: usize,
}

impl<K: PartialEq + Clone> SharedSubscriptions<K> {
    /// A table for at most `most` memberships in all groups together.
    pub fn new(most: usize) -> Self {
        Self { groups: BTreeMap::new(), memberships: 0, most }
    }

    /// Makes a session a member of the group that the subscription names; a subscription that is not shared is none. An old membership is
    /// replaced [MQTT-3.8.4-3].
    ///
    /// # Errors
    /// When there are as many memberships as allowed.
    pub fn join(&mut self, key: &K, subscription: &Subscription) -> Result<(), SharedFull> {
        if subscription.filter.group().is_none() {
            return Ok(());
        }
        let name = subscription.filter.as_str();
        if let Some((_, old)) =
            self.groups.get_mut(name).and_then(|group| group.members.iter_mut().find(|(member, _)| member == key))
        {
            *old = subscription.clone();
            return Ok(());
        }
        if self.memberships >= self.most {
            return Err(SharedFull);
        }
        self.memberships += 1;
        let group = self.groups.entry(name.into()).or_insert(Group { members: Vec::new(), turn: 0 });
        group.members.push((key.clone(), subscription.clone()));
        Ok(())
    }

    /// Ends the membership that `filter`, the text as subscribed, stands for.
    pub fn leave(&mut self, key: &K, filter: &str) {
        let Some(group) = self.groups.get_mut(filter) else { return };
        self.memberships -= usize::from(group.remove(key));
        if group.members.is_empty() {
            self.groups.remove(filter);
        }
    }

    /// Ends all memberships of a session that is over.
    pub fn session_ended(&mut self, key: &K) {
        self.groups.retain(|_, group| {
            self.memberships -= usize::from(group.remove(key));
            !group.members.is_empty()
        });
    }

    /// Who gets a message of `topic`: one member of each group that matches, in turn. One for whom `takes` is true (connected, with room) comes
    /// before the others; if there is none, the message waits in the session of the one whose turn it is.
    pub fn choose(&mut self, topic: &str, mut takes: impl FnMut(&K) -> bool) -> Vec<Chosen<K>> {
        let matches = |group: &Group<K>| group.members.first().is_some_and(|(_, first)| first.filter.matches(topic));
        let groups = self.groups.iter_mut().filter(|(_, group)| matches(group));
        groups.filter_map(|(filter, group)| group.choose(filter, &mut takes)).collect()
    }

    /// Who of the group of `filter` gets a message that another member has not got.
    pub fn choose_in(&mut self, filter: &str, mut takes: impl FnMut(&K) -> bool) -> Option<Chosen<K>> {
        self.groups.get_mut(filter)?.choose(filter, &mut takes)
    }
}

impl<K: PartialEq + Clone> Group<K> {
    fn choose(&mut self, filter: &str, takes: &mut impl FnMut(&K) -> bool) -> Option<Chosen<K>> {
        let count = self.members.len();
        let mut places = (self.turn..count).chain(0..self.turn.min(count));
        let at = places.find(|at| self.members.get(*at).is_some_and(|(key, _)| takes(key))).unwrap_or(self.turn % count.max(1));
        let (key, subscription) = self.members.get(at)?;
        let matched = Matched {
            qos: subscription.qos,
            retain_as_published: subscription.retain_as_published,
            ids: subscription.id.into_iter().collect(),
        };
        let chosen = Chosen { filter: filter.into(), key: key.clone(), matched };
        self.turn = (at + 1) % count;
        Some(chosen)
    }

    /// The turn stays with whom it was.
    fn remove(&mut self, key: &K) -> bool {
        let Some(at) = self.members.iter().position(|(member, _)| member == key) else { return false };
        self.members.remove(at);
        if at < self.turn {
            self.turn -= 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Filter, Qos};

    fn shared(filter: &str) -> Subscription {
        Subscription::new(Filter::new(filter).unwrap(), Qos::AtLeastOnce)
    }

    fn table(members: &[&'static str]) -> SharedSubscriptions<&'static str> {
        let mut table = SharedSubscriptions::new(10);
        for member in members {
            table.join(member, &shared("$share/g/t")).unwrap();
        }
        table
    }

    fn chosen(table: &mut SharedSubscriptions<&'static str>, topic: &str, takes: &[&str]) -> Vec<&'static str> {
        table.choose(topic, |member| takes.contains(member)).into_iter().map(|chosen| chosen.key).collect()
    }

    #[test]
    fn members_take_turns() {
        let mut table = table(&["a", "b", "c"]);
        let all = ["a", "b", "c"];
        let cases: &[(&str, &[&str], &str)] = &[
            ("all take", &all, "a"),
            ("the next", &all, "b"),
            ("one does not", &["a", "b"], "a"),
            ("none: it waits for whose turn it is", &[], "b"),
            ("and for the next", &[], "c"),
            ("one came back", &["c"], "c"),
        ];
        for (name, takes, expected) in cases {
            assert_eq!(chosen(&mut table, "t", takes), [*expected], "{name}");
        }
        assert!(chosen(&mut table, "u", &all).is_empty());
    }

    #[test]
    fn a_member_that_leaves_gets_no_more_and_the_turn_stays() {
        let mut table = table(&["a", "b", "c"]);
        let all = ["a", "b", "c"];
        assert_eq!(chosen(&mut table, "t", &all), ["a"]);
        table.leave(&"a", "$share/g/t");
        table.leave(&"a", "$share/g/t");
        assert_eq!(chosen(&mut table, "t", &all), ["b"]);
        table.session_ended(&"c");
        assert_eq!(chosen(&mut table, "t", &all), ["b"]);
        table.session_ended(&"b");
        assert!(chosen(&mut table, "t", &all).is_empty() && table.memberships == 0 && table.groups.is_empty());
    }

    #[test]
    fn each_group_gets_its_own_copy() {
        let mut table = table(&["a"]);
        table.join(&"b", &shared("$share/h/t")).unwrap();
        table.join(&"c", &shared("$share/g/+")).unwrap();
        table.join(&"d", &shared("t")).unwrap();
        let mut all = chosen(&mut table, "t", &["a", "b", "c", "d"]);
        all.sort_unstable();
        assert_eq!(all, ["a", "b", "c"]);
    }

    #[test]
    fn a_membership_is_replaced_and_their_number_is_limited() {
        let mut table = SharedSubscriptions::new(2);
        table.join(&1, &shared("$share/g/t")).unwrap();
        table.join(&2, &shared("$share/g/t")).unwrap();
        assert_eq!(table.join(&3, &shared("$share/g/t")), Err(SharedFull));
        let other = Subscription { qos: Qos::ExactlyOnce, id: 5.try_into().ok(), ..shared("$share/g/t") };
        table.join(&1, &other).unwrap();
        let chosen = table.choose("t", |_| true).remove(0);
        assert_eq!(
            (&*chosen.filter, chosen.key, chosen.matched.qos, chosen.matched.ids.len()),
            ("$share/g/t", 1, Qos::ExactlyOnce, 1)
        );
        assert_eq!(table.choose_in("$share/g/t", |key| *key == 1).map(|chosen| chosen.key), Some(1));
        assert_eq!(table.choose_in("$share/g/u", |_| true), None);
        table.leave(&2, "$share/g/t");
        table.join(&3, &shared("$share/h/t")).unwrap();
    }
}
