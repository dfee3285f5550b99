//! Where pages of members end, for who asks for the next one: it goes on there, however deep in the group that is and whoever left meanwhile.
//!
//! A hint in memory: without it a page is found by counting to its place.

use landfall_model::{DeviceId, GroupId, Time};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use uuid::Uuid;

/// How long a page goes on where the one before it ended, in milliseconds.
const LASTS_MS: i64 = 60_000;
/// Ends of pages that are known at a time.
const ROOM: usize = 10_000;

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    /// The application that reads, or the account.
    pub(crate) reader: Uuid,
    pub(crate) group: GroupId,
    pub(crate) size: u32,
    /// From 0.
    pub(crate) no: u64,
}

/// The device after which a page begins.
#[derive(Debug, Default)]
pub(crate) struct Marks(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    begins: HashMap<Mark, (DeviceId, Time)>,
    /// By the time when they were made.
    order: VecDeque<(Mark, Time)>,
}

impl Marks {
    /// The device after which the page begins, if the page before it was read lately.
    pub(crate) fn find(&self, page: &Mark, now: Time) -> Option<DeviceId> {
        let known = self.0.lock();
        let (after, at) = known.begins.get(page)?;
        (now.0.abs_diff(at.0) <= LASTS_MS.unsigned_abs()).then_some(*after)
    }

    /// The page begins after this device.
    pub(crate) fn set(&self, page: Mark, after: DeviceId, now: Time) {
        let mut known = self.0.lock();
        known.begins.insert(page, (after, now));
        known.order.push_back((page, now));
        while known.order.len() > ROOM {
            let Some((oldest, at)) = known.order.pop_front() else { return };
            // One that was set again stays.
            if known.begins.get(&oldest).is_some_and(|(_, set)| *set == at) {
                known.begins.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_last_a_minute_and_the_oldest_make_room() {
        let device = |n: u8| DeviceId::from_random([n; 16]);
        let page = |no| Mark { reader: Uuid::nil(), group: GroupId(Uuid::nil()), size: 10, no };
        let marks = Marks::default();
        marks.set(page(1), device(1), Time(0));
        assert_eq!(marks.find(&page(1), Time(LASTS_MS)), Some(device(1)));
        assert_eq!(marks.find(&page(1), Time(LASTS_MS + 1)), None);
        for other in [page(2), Mark { size: 11, ..page(1) }, Mark { reader: Uuid::max(), ..page(1) }] {
            assert_eq!(marks.find(&other, Time(0)), None);
        }
        marks.set(page(1), device(2), Time(5));
        for no in 2..=ROOM as u64 {
            marks.set(page(no), device(3), Time(6));
        }
        assert_eq!(marks.find(&page(1), Time(6)), Some(device(2)), "the newer one of two");
        marks.set(page(ROOM as u64 + 1), device(3), Time(6));
        assert_eq!((marks.find(&page(1), Time(6)), marks.find(&page(2), Time(6))), (None, Some(device(3))));
        assert!(marks.0.lock().begins.len() <= ROOM);
    }
}
