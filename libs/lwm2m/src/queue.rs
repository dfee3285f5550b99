//! Queue mode (core 1.1 section 6.5): when a client that sleeps can be reached, and when it is likely to be so next. Absent: the queue
//! itself, and clocks; moments are arguments.

/// How long a client listens after its last message unless told otherwise, seconds: CoAP's MAX_TRANSMIT_WAIT.
pub const AWAKE_DEFAULT_S: u32 = 93;
/// How many intervals a forecast looks back on.
pub const INTERVALS_MAX: usize = 7;
/// How many wakings it takes before there is a forecast.
pub const WAKINGS_MIN: usize = 3;

/// Whether a client in queue mode still listens at `now_ms`, `awake_ms` after its last message at the latest.
pub const fn is_awake(last_contact_ms: u64, now_ms: u64, awake_ms: u64) -> bool {
    now_ms.saturating_sub(last_contact_ms) < awake_ms
}

/// The rhythm in which a client wakes, learnt from its contacts. 40 bytes, so that every device can have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WakeForecast {
    intervals_s: [u32; INTERVALS_MAX],
    /// The beginning of the newest waking, seconds since 1970.
    woke_s: u32,
    /// The newest contact, seconds since 1970.
    contact_s: u32,
    count: u8,
    next: u8,
}

/// When a client is likely to wake next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// The moment, seconds since 1970, not before the one asked at.
    pub at_s: u64,
    /// The usual distance between two wakings, seconds: the median.
    pub interval_s: u32,
    /// How far wakings usually are from that, seconds: the median of the deviations.
    pub deviation_s: u32,
    /// 0 to 100: falls with the deviation, with few wakings, and with each expected waking that was missed.
    pub confidence_percent: u8,
}

impl WakeForecast {
    /// Takes a contact at `at_s` (seconds since 1970). Contacts within `awake_s` of the one before belong to the same waking; one that
    /// is older than what is known is left out.
    pub fn contact(&mut self, at_s: u64, awake_s: u32) {
        let at_s = u32::try_from(at_s).unwrap_or(u32::MAX);
        if self.woke_s == 0 {
            (self.woke_s, self.contact_s) = (at_s, at_s);
            return;
        }
        let Some(since_s) = at_s.checked_sub(self.contact_s) else { return };
        self.contact_s = at_s;
        if since_s < awake_s {
            return;
        }
        if let Some(place) = self.intervals_s.get_mut(usize::from(self.next)) {
            *place = at_s - self.woke_s;
        }
        self.woke_s = at_s;
        self.next = (self.next + 1) % INTERVALS_MAX as u8;
        self.count = (self.count + 1).min(INTERVALS_MAX as u8);
    }

    /// The next waking as seen at `now_s`; `None` before [`WAKINGS_MIN`] wakings.
    pub fn forecast(&self, now_s: u64) -> Option<Forecast> {
        let count = usize::from(self.count);
        if count + 1 < WAKINGS_MIN {
            return None;
        }
        let mut known = self.intervals_s;
        let known = known.get_mut(..count)?;
        let interval_s = median(known)?;
        known.iter_mut().for_each(|interval| *interval = interval.abs_diff(interval_s));
        let deviation_s = median(known)?;
        let step_s = u64::from(interval_s.max(1));
        let first_s = u64::from(self.woke_s) + step_s;
        let missed = now_s.saturating_sub(first_s).div_ceil(step_s);
        let steady = 100_u64.saturating_sub(200 * u64::from(deviation_s) / step_s);
        let confidence = steady * count as u64 / (count as u64 + 1) / (missed + 1);
        let confidence_percent = u8::try_from(confidence).unwrap_or(100);
        Some(Forecast { at_s: first_s + missed * step_s, interval_s, deviation_s, confidence_percent })
    }
}

/// The lower of the two in the middle where there are two.
fn median(values: &mut [u32]) -> Option<u32> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(contacts_s: &[u64]) -> WakeForecast {
        let mut forecast = WakeForecast::default();
        contacts_s.iter().for_each(|at_s| forecast.contact(*at_s, AWAKE_DEFAULT_S));
        forecast
    }

    #[test]
    fn it_takes_three_wakings_and_forty_bytes() {
        assert_eq!(after(&[]).forecast(0), None);
        assert_eq!(after(&[1_000, 4_600]).forecast(5_000), None);
        assert_eq!(after(&[1_000, 1_010, 1_020, 1_100]).forecast(1_200), None, "one waking");
        let forecast = after(&[1_000, 4_600, 8_200]).forecast(9_000).unwrap();
        assert_eq!(forecast, Forecast { at_s: 11_800, interval_s: 3_600, deviation_s: 0, confidence_percent: 66 });
        assert!(std::mem::size_of::<WakeForecast>() <= 40);
    }

    #[test]
    fn the_rhythm_survives_bursts_gaps_and_disorder() {
        let mut contacts: Vec<u64> = (0..12).flat_map(|n| [10_000 + n * 3_600, 10_005 + n * 3_600, 10_090 + n * 3_600]).collect();
        contacts.push(9_000);
        let forecast = after(&contacts).forecast(50_000).unwrap();
        assert_eq!((forecast.at_s, forecast.interval_s, forecast.confidence_percent), (53_200, 3_600, 87));
        let gap: Vec<u64> = [0, 1, 2, 3, 4, 9, 10, 11].iter().map(|n| 10_000 + n * 3_600).collect();
        assert_eq!(after(&gap).forecast(50_000).unwrap().interval_s, 3_600);
    }

    #[test]
    fn missed_wakings_cost_confidence() {
        let forecast = after(&[1_000, 4_600, 8_200]);
        let asked = |now_s| forecast.forecast(now_s).map(|f| (f.at_s, f.confidence_percent)).unwrap();
        assert_eq!(asked(11_800), (11_800, 66));
        assert_eq!(asked(11_801), (15_400, 33));
        assert_eq!(asked(20_000), (22_600, 16));
        let wild = after(&[1_000, 2_000, 9_000, 9_500]).forecast(9_600).unwrap();
        assert_eq!((wild.interval_s, wild.deviation_s, wild.confidence_percent), (1_000, 500, 0));
    }

    #[test]
    fn a_client_listens_for_its_window() {
        assert!(is_awake(1_000, 93_999, 93_000));
        assert!(!is_awake(1_000, 94_000, 93_000));
        assert!(is_awake(1_000, 500, 93_000), "a clock that went back");
    }
}
