//! A world for tests: virtual time that only a test advances, and random bytes that follow from a seed.
//!
//! Absent: the machine's clock and its randomness. Two worlds of one seed that are asked the same questions give the same answers. Where
//! another clock leads (the paused one of a runtime, or the machine's for a measurement), it is an argument.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use landfall_core::{Clock, ClockDoubt, TimeBounds};
use landfall_model::Time;
use parking_lot::Mutex;

/// 2026-01-01T00:00:00Z, where every world starts. Milliseconds since 1970-01-01T00:00:00Z.
pub const START_MS: i64 = 1_767_225_600_000;

/// Milliseconds that have gone by on a clock that leads a world.
type Pace = Box<dyn Fn() -> i64 + Send + Sync>;

/// Virtual clock and seeded randomness; share it by reference or `Arc`.
pub struct World {
    pace: Option<Pace>,
    now_ms: AtomicI64,
    /// Goes on when the clock is set.
    monotonic_ms: AtomicI64,
    clock: Mutex<Clock>,
    /// Absent: all bytes are 0.
    random: Mutex<Option<Seeded>>,
    trusted: AtomicBool,
    known: Mutex<Option<Time>>,
}

impl World {
    /// A world at [`START_MS`] whose randomness follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            pace: None,
            now_ms: AtomicI64::new(START_MS),
            monotonic_ms: AtomicI64::new(0),
            clock: Mutex::new(Clock::new(Time(START_MS), 0)),
            random: Mutex::new(Some(Seeded::new(seed))),
            trusted: AtomicBool::new(false),
            known: Mutex::new(None),
        }
    }

    /// A world whose time also goes on with another clock: `gone_ms` milliseconds after [`START_MS`].
    #[must_use]
    pub fn paced(seed: u64, gone_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self { pace: Some(Box::new(gone_ms)), ..Self::new(seed) }
    }

    /// The same world without randomness: all bytes are 0, as where a test counts on delays without jitter.
    #[must_use]
    pub fn unrandom(self) -> Self {
        Self { random: Mutex::new(None), ..self }
    }

    fn paced_ms(&self) -> i64 {
        self.pace.as_ref().map_or(0, |gone_ms| gone_ms())
    }

    /// The virtual time, milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst) + self.paced_ms()
    }

    /// Sets the clock to any time; from now on nobody doubts it.
    pub fn set(&self, at: Time) {
        self.trusted.store(true, Ordering::SeqCst);
        self.now_ms.store(at.0 - self.paced_ms(), Ordering::SeqCst);
    }

    /// When the database was in use last, as the store said at its start.
    pub fn last_known(&self) -> Option<Time> {
        *self.known.lock()
    }

    /// Moves time forward and returns the new time.
    pub fn advance_ms(&self, by_ms: u32) -> i64 {
        self.pass(i64::from(by_ms))
    }

    /// Moves time forward by whole seconds and returns the new time in milliseconds.
    pub fn advance_s(&self, by_s: u32) -> i64 {
        self.pass(i64::from(by_s) * 1000)
    }

    fn pass(&self, by_ms: i64) -> i64 {
        self.monotonic_ms.fetch_add(by_ms, Ordering::SeqCst);
        self.now_ms.fetch_add(by_ms, Ordering::SeqCst);
        self.now_ms()
    }

    /// Sets the clock forward or back, although no time passes.
    pub fn set_clock_by_s(&self, by_s: i64) {
        landfall_core::World::bounds(self);
        self.now_ms.fetch_add(by_s * 1000, Ordering::SeqCst);
    }

    fn monotonic(&self) -> i64 {
        self.monotonic_ms.load(Ordering::SeqCst) + self.paced_ms()
    }

    /// Fills `bytes` from the seeded stream.
    pub fn random(&self, bytes: &mut [u8]) {
        match &mut *self.random.lock() {
            Some(seeded) => seeded.fill(bytes),
            None => bytes.fill(0),
        }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World(at {} ms)", self.now_ms())
    }
}

impl landfall_core::World for World {
    fn now(&self) -> Time {
        Time(self.now_ms())
    }

    fn random(&self, bytes: &mut [u8]) {
        Self::random(self, bytes);
    }

    fn bounds(&self) -> TimeBounds {
        if self.trusted.load(Ordering::SeqCst) {
            return TimeBounds::exactly(self.now());
        }
        self.clock.lock().read(self.now(), self.monotonic()).0
    }

    fn known(&self, at: Time) {
        *self.known.lock() = Some(at);
        self.clock.lock().known(at, self.monotonic());
    }

    fn clock_doubt(&self) -> Option<ClockDoubt> {
        self.bounds();
        self.clock.lock().doubt(self.now(), self.monotonic())
    }

    fn accept_clock(&self) {
        self.clock.lock().accept(self.now(), self.monotonic());
    }
}

/// SplitMix64: small, seedable, the same on every machine. Not for keys.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

impl Seeded {
    /// The stream that follows from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub const fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.next() % bound as u64) as usize }
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(word) {
                *to = from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_story() {
        let (a, b, c) = (World::new(7), World::new(7), World::new(8));
        let draw = |w: &World| {
            let mut bytes = [0; 19];
            w.random(&mut bytes);
            bytes
        };
        assert_eq!(draw(&a), draw(&b));
        assert_eq!(draw(&a), draw(&b), "the second draw follows the seed as well");
        assert_ne!(draw(&World::new(7)), draw(&c));
    }

    #[test]
    fn splitmix_matches_its_published_sequence() {
        // First outputs of SplitMix64 for seed 1234567 in the reference implementation's test data.
        let mut s = Seeded::new(1_234_567);
        assert_eq!([s.next(), s.next(), s.next()], [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn time_moves_only_when_told() {
        let w = World::new(0);
        assert_eq!(w.now_ms(), START_MS);
        assert_eq!(w.advance_ms(250), START_MS + 250);
        assert_eq!(w.advance_s(u32::MAX), START_MS + 250 + i64::from(u32::MAX) * 1000);
        assert_eq!(w.now_ms(), START_MS + 250 + i64::from(u32::MAX) * 1000);
    }

    #[test]
    fn another_clock_may_lead() {
        static GONE_MS: AtomicI64 = AtomicI64::new(0);
        let w = World::paced(0, || GONE_MS.load(Ordering::SeqCst));
        GONE_MS.store(7, Ordering::SeqCst);
        assert_eq!(w.advance_ms(1), START_MS + 8);
        w.set(Time(50));
        GONE_MS.store(9, Ordering::SeqCst);
        assert_eq!((w.now_ms(), w.monotonic()), (52, 10));
    }

    #[test]
    fn a_clock_that_jumps_is_doubted_but_one_that_is_set_is_not() {
        let exactly = |w: &World| landfall_core::World::bounds(w) == TimeBounds::exactly(Time(w.now_ms()));
        let w = World::new(0);
        w.set_clock_by_s(400 * 86_400);
        assert!(!exactly(&w));
        w.set(Time(START_MS - 400 * 86_400_000));
        assert!(exactly(&w));
    }
}
