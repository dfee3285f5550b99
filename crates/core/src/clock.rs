//! What time it surely is: the wall clock, a monotonic one and what the database knows, held against each other.
//!
//! A wall clock may be wrong for a minute or for a day. What cannot be undone (retention, ends of registrations and commands, events given
//! up) goes by [`TimeBounds::earliest`]; what retention counts from is stamped with [`TimeBounds::latest`]. While the sources agree, both
//! are the wall clock. A jump that lasts for a day is taken for right, or sooner if an operator says so.

use landfall_model::Time;

/// Milliseconds that the wall clock may differ from the monotonic one without being a jump.
const JUMP_MS: i64 = 3_600_000;
/// Milliseconds that a start may be later than what the database knows without being a jump: the server may have been off.
const OFF_MS: i64 = 7 * DAY_MS;
/// Milliseconds after which a jump is taken for right.
const DOUBT_MS: i64 = DAY_MS;
const DAY_MS: i64 = 86_400_000;

/// What time it surely is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBounds {
    /// Not earlier than this.
    pub earliest: Time,
    /// Not later than this.
    pub latest: Time,
}

impl TimeBounds {
    /// A time that nobody doubts.
    pub fn exactly(now: Time) -> Self {
        Self { earliest: now, latest: now }
    }
}

/// A jump of the wall clock that is not taken for right yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDoubt {
    /// Milliseconds that the wall clock is ahead of what is expected; negative: behind.
    pub ahead_ms: i64,
    /// Milliseconds until it is taken for right.
    pub left_ms: i64,
}

/// A change of what is thought of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// It jumped.
    Doubted(ClockDoubt),
    /// It is back where it was expected.
    Agreed,
    /// It stayed where it had jumped to, or the operator said that it is right.
    Accepted,
}

/// A time that goes on with the monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Chain {
    time_ms: i64,
    monotonic_ms: i64,
}

impl Chain {
    fn at(self, monotonic_ms: i64) -> i64 {
        self.time_ms.saturating_add(monotonic_ms.saturating_sub(self.monotonic_ms))
    }
}

#[derive(Clone, Copy, Debug)]
struct Doubt {
    since_ms: i64,
    wall: Chain,
}

/// Judges a wall clock by a monotonic one (milliseconds from any start). Pure: both are arguments.
#[derive(Clone, Debug)]
pub struct Clock {
    trusted: Chain,
    /// How much later than the trusted time the wall clock may be.
    slack_ms: i64,
    doubt: Option<Doubt>,
}

impl Clock {
    /// Begins with trust in the wall clock.
    pub fn new(wall: Time, monotonic_ms: i64) -> Self {
        Self { trusted: Chain { time_ms: wall.0, monotonic_ms }, slack_ms: JUMP_MS, doubt: None }
    }

    /// The database was written at this time, before the start: from now on the wall clock is held against it.
    pub fn known(&mut self, at: Time, monotonic_ms: i64) {
        *self = Self { trusted: Chain { time_ms: at.0, monotonic_ms }, slack_ms: OFF_MS, doubt: None };
    }

    /// The bounds now, and what changed.
    pub fn read(&mut self, wall: Time, monotonic_ms: i64) -> (TimeBounds, Option<ClockChange>) {
        let expected = self.trusted.at(monotonic_ms);
        let ahead_ms = wall.0.saturating_sub(expected);
        let here = Chain { time_ms: wall.0, monotonic_ms };
        if (-JUMP_MS..=self.slack_ms).contains(&ahead_ms) {
            let change = self.doubt.map(|_| ClockChange::Agreed);
            *self = Self::new(wall, monotonic_ms);
            return (TimeBounds::exactly(wall), change);
        }
        let steady = |doubt: &Doubt| (-JUMP_MS..=JUMP_MS).contains(&wall.0.saturating_sub(doubt.wall.at(monotonic_ms)));
        let change = match self.doubt.filter(steady) {
            Some(doubt) if monotonic_ms.saturating_sub(doubt.since_ms) >= DOUBT_MS => {
                *self = Self::new(wall, monotonic_ms);
                return (TimeBounds::exactly(wall), Some(ClockChange::Accepted));
            }
            Some(doubt) => {
                self.doubt = Some(Doubt { wall: here, ..doubt });
                None
            }
            None => {
                self.doubt = Some(Doubt { since_ms: monotonic_ms, wall: here });
                Some(ClockChange::Doubted(ClockDoubt { ahead_ms, left_ms: DOUBT_MS }))
            }
        };
        (TimeBounds { earliest: Time(wall.0.min(expected)), latest: Time(wall.0.max(expected)) }, change)
    }

    /// The operator says that the wall clock is right.
    pub fn accept(&mut self, wall: Time, monotonic_ms: i64) {
        *self = Self::new(wall, monotonic_ms);
    }

    /// The jump that is doubted, if there is one.
    pub fn doubt(&self, wall: Time, monotonic_ms: i64) -> Option<ClockDoubt> {
        self.doubt.map(|doubt| ClockDoubt {
            ahead_ms: wall.0.saturating_sub(self.trusted.at(monotonic_ms)),
            left_ms: DOUBT_MS.saturating_sub(monotonic_ms.saturating_sub(doubt.since_ms)).max(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const MINUTE: i64 = 60_000;
    const START: i64 = 1_800_000_000_000;

    /// Readings as (monotonic, wall ahead of the right time), with what is expected of each: (earliest, latest) ahead of the right time.
    type Story<'a> = &'a [(i64, i64, (i64, i64))];

    fn play(name: &str, known: Option<i64>, story: Story<'_>) -> Clock {
        let mut clock = Clock::new(Time(START + story[0].1), story[0].0);
        if let Some(known) = known {
            clock.known(Time(START + known), 0);
        }
        for (n, (monotonic, ahead, (earliest, latest))) in story.iter().enumerate() {
            let right = START + monotonic;
            let (bounds, _) = clock.read(Time(right + ahead), *monotonic);
            let seen = (bounds.earliest.0 - right, bounds.latest.0 - right);
            assert_eq!(seen, (*earliest, *latest), "{name}, reading {n}");
        }
        clock
    }

    #[test]
    fn jumps_are_doubted_and_last_a_day_before_they_are_right() {
        let far = 400 * DAY_MS;
        let same = |ahead| (ahead, ahead);
        let cases: &[(&str, Option<i64>, Story<'_>)] = &[
            ("a good clock", None, &[(0, 0, same(0)), (DAY_MS, 0, same(0)), (90 * DAY_MS, 0, same(0))]),
            ("one that is set a little", None, &[(0, 0, same(0)), (MINUTE, HOUR, same(HOUR)), (2 * MINUTE, 0, same(0))]),
            ("wrong for a minute", None, &[(0, 0, same(0)), (MINUTE, far, (0, far)), (2 * MINUTE, 0, same(0))]),
            ("set back for a minute", None, &[(0, 0, same(0)), (MINUTE, -far, (-far, 0)), (2 * MINUTE, 0, same(0))]),
            (
                "it was right to jump",
                None,
                &[(0, -far, same(-far)), (MINUTE, 0, (-far, 0)), (DAY_MS, 0, (-far, 0)), (DAY_MS + MINUTE, 0, same(0))],
            ),
            (
                "it jumps again, so the day begins anew",
                None,
                &[
                    (0, 0, same(0)),
                    (MINUTE, far, (0, far)),
                    (DAY_MS, 2 * far, (0, 2 * far)),
                    (DAY_MS + HOUR, 2 * far, (0, 2 * far)),
                ],
            ),
            ("off for a week", Some(-7 * DAY_MS), &[(0, 0, same(0))]),
            (
                "off for a month",
                Some(-30 * DAY_MS),
                &[(0, 0, (-30 * DAY_MS, 0)), (HOUR, 0, (-30 * DAY_MS, 0)), (DAY_MS, 0, same(0))],
            ),
            ("wrong at the start, then set", Some(-DAY_MS), &[(0, far, (-DAY_MS, far)), (MINUTE, 0, same(0))]),
            ("behind at the start, then set", Some(-MINUTE), &[(0, -far, (-far, -MINUTE)), (MINUTE, 0, same(0))]),
            (
                "rows of the future",
                Some(far),
                &[(0, 0, (0, far)), (HOUR, 0, (0, far)), (DAY_MS, 0, same(0)), (DAY_MS + 1, 0, same(0))],
            ),
        ];
        for (name, known, story) in cases {
            play(name, *known, story);
        }
    }

    #[test]
    fn an_operator_ends_the_doubt() {
        let mut clock = play("off for a year", Some(-365 * DAY_MS), &[(0, 0, (-365 * DAY_MS, 0))]);
        let doubt = clock.doubt(Time(START + HOUR), HOUR).unwrap();
        assert_eq!(doubt, ClockDoubt { ahead_ms: 365 * DAY_MS, left_ms: 23 * HOUR });
        clock.accept(Time(START + HOUR), HOUR);
        assert_eq!(clock.doubt(Time(START + HOUR), HOUR), None);
        assert_eq!(clock.read(Time(START + HOUR), HOUR), (TimeBounds::exactly(Time(START + HOUR)), None));
    }

    #[test]
    fn each_change_is_told_once() {
        let mut clock = Clock::new(Time(START), 0);
        let mut told = |monotonic: i64, ahead: i64| clock.read(Time(START + monotonic + ahead), monotonic).1;
        assert_eq!(told(1, 2 * HOUR), Some(ClockChange::Doubted(ClockDoubt { ahead_ms: 2 * HOUR, left_ms: DAY_MS })));
        assert_eq!((told(2, 2 * HOUR), told(3, 0), told(4, 0)), (None, Some(ClockChange::Agreed), None));
        assert!(told(5, -2 * HOUR).is_some());
        assert_eq!((told(5 + DAY_MS, -2 * HOUR), told(6 + DAY_MS, -2 * HOUR)), (Some(ClockChange::Accepted), None));
    }
}
