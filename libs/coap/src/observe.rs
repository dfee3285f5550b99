//! Which of two notifications is newer. Absent: the relations, which the owner keeps.

use core::time::Duration;

/// Notifications further apart than this are in the order of their arrival (RFC 7641 3.4).
const REORDER_WINDOW: Duration = Duration::from_secs(128);
const HALF: u32 = 1 << 23;

/// Whether a notification with Observe number and time of arrival `new` is newer than the freshest so far, `last` (RFC 7641 3.4).
pub fn observe_is_newer(last: (u32, Duration), new: (u32, Duration)) -> bool {
    let ((v1, t1), (v2, t2)) = (last, new);
    (v1 < v2 && v2 - v1 < HALF) || (v1 > v2 && v1 - v2 > HALF) || t2 > t1 + REORDER_WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_by_number_or_by_time() {
        let s = Duration::from_secs;
        for (last, new, newer) in [
            ((1, s(0)), (2, s(0)), true),
            ((2, s(0)), (1, s(1)), false),
            ((2, s(0)), (2, s(1)), false),
            ((0xff_ffff, s(0)), (0, s(1)), true),
            ((0, s(0)), (0xff_ffff, s(1)), false),
            ((0, s(0)), (HALF, s(1)), false),
            ((0, s(0)), (HALF - 1, s(1)), true),
            ((HALF + 1, s(0)), (0, s(1)), true),
            ((HALF, s(0)), (0, s(1)), false),
            ((2, s(0)), (1, s(128)), false),
            ((2, s(0)), (1, s(129)), true),
        ] {
            assert_eq!(observe_is_newer(last, new), newer, "{last:?} {new:?}");
        }
    }
}
