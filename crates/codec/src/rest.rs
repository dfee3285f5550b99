//! Codecs that take too long again and again rest: their calls are refused at once, for a time that doubles with each try that fails.
//! A pure machine; time is in milliseconds of any clock that only goes forward.

use std::collections::HashMap;
use std::sync::Arc;

use crate::script::Function;

/// Time-outs in a row after which a codec rests.
pub(crate) const IN_A_ROW: u32 = 3;
/// The longest rest, ms.
const LONGEST_MS: u64 = 60_000;
/// Most codecs that are watched; the one whose rest ended first is forgotten for a new one.
const WATCHED: usize = 4_096;

/// What a codec may rest from: decoding and encoding are watched apart.
pub(crate) type Watched = (u128, Function);

/// Codecs whose newest calls timed out.
pub(crate) struct Rests {
    watched: HashMap<Watched, Watch>,
    first_ms: u64,
}

struct Watch {
    /// Another source starts afresh.
    source: Arc<str>,
    in_a_row: u32,
    rest_ms: u64,
    until_ms: u64,
}

/// How a call was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Its outcome counts.
    Free,
    /// The one try after a rest.
    Try,
}

/// A codec that rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resting {
    pub(crate) in_a_row: u32,
    pub(crate) left_ms: u64,
}

impl Rests {
    /// The first rest takes `first_ms`.
    pub(crate) fn new(first_ms: u64) -> Rests {
        Rests { watched: HashMap::new(), first_ms }
    }

    /// Whether a call may run. After a rest one call may, and the next after as long again unless that one changed it.
    pub(crate) fn admit(&mut self, of: Watched, source: &Arc<str>, now_ms: u64) -> Result<Pass, Resting> {
        let Some(watch) = self.watched.get_mut(&of) else { return Ok(Pass::Free) };
        if watch.source != *source {
            self.watched.remove(&of);
            return Ok(Pass::Free);
        }
        if watch.in_a_row < IN_A_ROW {
            return Ok(Pass::Free);
        }
        if let Some(left_ms) = watch.until_ms.checked_sub(now_ms).filter(|left| *left > 0) {
            return Err(Resting { in_a_row: watch.in_a_row, left_ms });
        }
        watch.until_ms = now_ms.saturating_add(watch.rest_ms);
        Ok(Pass::Try)
    }

    /// A call ended in time: the codec works.
    pub(crate) fn ended(&mut self, of: Watched) {
        self.watched.remove(&of);
    }

    /// A call timed out. Returns the rest that begins with it.
    pub(crate) fn timed_out(&mut self, of: Watched, source: &Arc<str>, pass: Pass, now_ms: u64) -> Option<Resting> {
        if !self.watched.contains_key(&of) {
            self.make_room();
        }
        let new = || Watch { source: source.clone(), in_a_row: 0, rest_ms: 0, until_ms: now_ms };
        let watch = self.watched.entry(of).or_insert_with(new);
        // Of another source, or let through before the rest began: it says nothing about the codec as it is now.
        if watch.source != *source || (watch.in_a_row >= IN_A_ROW && pass == Pass::Free) {
            return None;
        }
        watch.in_a_row = watch.in_a_row.saturating_add(1);
        if watch.in_a_row < IN_A_ROW {
            return None;
        }
        watch.rest_ms = watch.rest_ms.saturating_mul(2).clamp(self.first_ms, LONGEST_MS.max(self.first_ms));
        watch.until_ms = now_ms.saturating_add(watch.rest_ms);
        Some(Resting { in_a_row: watch.in_a_row, left_ms: watch.rest_ms })
    }

    fn make_room(&mut self) {
        if self.watched.len() >= WATCHED {
            let first = self.watched.iter().min_by_key(|(_, watch)| watch.until_ms).map(|(of, _)| *of);
            first.and_then(|of| self.watched.remove(&of));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECODE: Watched = (1, Function::Decode);

    fn source(text: &str) -> Arc<str> {
        text.into()
    }

    /// Times out until it rests; returns the time at which the rest begins.
    fn exhaust(rests: &mut Rests, of: Watched, now_ms: u64) {
        for n in 1..=IN_A_ROW {
            assert_eq!(rests.admit(of, &source("a"), now_ms), Ok(Pass::Free));
            let rest = rests.timed_out(of, &source("a"), Pass::Free, now_ms);
            assert_eq!(rest.is_some(), n == IN_A_ROW, "after {n}");
        }
    }

    #[test]
    fn rests_double_up_to_a_minute_with_one_try_between_them() {
        let mut rests = Rests::new(1_000);
        exhaust(&mut rests, DECODE, 0);
        let mut now_ms = 0;
        for (n, rest_ms) in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000].into_iter().enumerate() {
            let in_a_row = IN_A_ROW + n as u32;
            let left = |left_ms| Err(Resting { in_a_row, left_ms });
            assert_eq!(rests.admit(DECODE, &source("a"), now_ms), left(rest_ms));
            assert_eq!(rests.admit(DECODE, &source("a"), now_ms + rest_ms - 1), left(1));
            now_ms += rest_ms;
            assert_eq!(rests.admit(DECODE, &source("a"), now_ms), Ok(Pass::Try));
            assert_eq!(rests.admit(DECODE, &source("a"), now_ms), left(rest_ms), "one try");
            assert!(rests.timed_out(DECODE, &source("a"), Pass::Try, now_ms).is_some());
        }
        rests.ended(DECODE);
        exhaust(&mut rests, DECODE, now_ms);
        assert_eq!(rests.admit(DECODE, &source("a"), now_ms), Err(Resting { in_a_row: IN_A_ROW, left_ms: 1_000 }), "afresh");
    }

    #[test]
    fn only_a_row_of_time_outs_makes_a_codec_rest() {
        let mut rests = Rests::new(1_000);
        for _ in 0..10 {
            assert_eq!(rests.timed_out(DECODE, &source("a"), Pass::Free, 0), None);
            assert_eq!(rests.timed_out(DECODE, &source("a"), Pass::Free, 0), None);
            rests.ended(DECODE);
        }
        assert_eq!(rests.admit(DECODE, &source("a"), 0), Ok(Pass::Free));
    }

    #[test]
    fn another_source_another_codec_and_the_other_function_do_not_rest() {
        let mut rests = Rests::new(1_000);
        exhaust(&mut rests, DECODE, 0);
        assert_eq!(rests.admit((1, Function::Encode), &source("a"), 0), Ok(Pass::Free));
        assert_eq!(rests.admit((2, Function::Decode), &source("a"), 0), Ok(Pass::Free));
        assert_eq!(rests.admit(DECODE, &source("b"), 0), Ok(Pass::Free), "a new version");
        assert_eq!(rests.admit(DECODE, &source("b"), 0), Ok(Pass::Free));
    }

    #[test]
    fn calls_from_before_the_rest_do_not_lengthen_it_and_a_lost_try_is_followed_by_another() {
        let mut rests = Rests::new(1_000);
        exhaust(&mut rests, DECODE, 0);
        assert_eq!(rests.timed_out(DECODE, &source("a"), Pass::Free, 5), None);
        assert_eq!(rests.admit(DECODE, &source("a"), 1_000), Ok(Pass::Try));
        assert_eq!(rests.admit(DECODE, &source("a"), 2_000), Ok(Pass::Try), "the first one's caller had left");
    }

    #[test]
    fn the_table_is_bounded() {
        let mut rests = Rests::new(1_000);
        (0..WATCHED as u128 + 10).for_each(|id| exhaust(&mut rests, (id, Function::Decode), id as u64));
        assert_eq!(rests.watched.len(), WATCHED);
        assert!(rests.admit((9, Function::Decode), &source("a"), 0).is_ok(), "the oldest is forgotten");
    }
}
