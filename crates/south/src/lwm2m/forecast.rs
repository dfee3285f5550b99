//! When a client will be heard next, from when it was heard before.

use landfall_model::Time;

/// Contacts below which no pattern is seen.
const CONTACTS_MIN: usize = 4;

/// The next contact: the last one plus the median interval, where most intervals are near it (within a quarter); ascending moments.
pub(super) fn next(contacts: &[Time]) -> Option<Time> {
    if contacts.len() < CONTACTS_MIN {
        return None;
    }
    let mut intervals: Vec<i64> = contacts.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0).max(0)).collect();
    intervals.sort_unstable();
    let median = *intervals.get(intervals.len() / 2)?;
    let near = intervals.iter().filter(|interval| interval.abs_diff(median) <= median.unsigned_abs() / 4).count();
    (median > 0 && near * 3 >= intervals.len() * 2).then(|| Time(contacts.last().map_or(0, |last| last.0.saturating_add(median))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_seen_and_its_absence_too() {
        let at = |moments: &[i64]| next(&moments.iter().map(|s| Time(s * 1000)).collect::<Vec<_>>()).map(Time::unix_s);
        for (moments, expected) in [
            (&[][..], None),
            (&[0, 600, 1200], None),
            (&[0, 600, 1200, 1800], Some(2400)),
            (&[0, 590, 1210, 1800, 2420], Some(3030)),
            (&[0, 600, 1200, 7200, 7800, 8400], Some(9000)),
            (&[0, 10, 5000, 5100, 90_000], None),
            (&[5, 5, 5, 5], None),
        ] {
            assert_eq!(at(moments), expected, "{moments:?}");
        }
    }
}
