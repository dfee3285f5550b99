//! Arithmetic over measured values. Absent: any judgement of them.

use std::time::Duration;

/// The middle of some repetitions, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Median; of an even count the mean of the two in the middle.
    pub median: f64,
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
}

impl Spread {
    /// Of at least one finite value.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        Some(Self { median, low, high })
    }

    /// `median (low–high) unit`, each number with `number`.
    pub fn show(&self, number: fn(f64) -> String, unit: &str) -> String {
        format!("{} ({}–{}){unit}", number(self.median), number(self.low), number(self.high))
    }
}

/// The value below or at which `per_mille` of a thousand values lie (nearest rank). `sorted` is ascending.
pub fn percentile(sorted: &[u64], per_mille: usize) -> Option<u64> {
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied()
}

/// Microseconds, ascending.
pub fn sorted_us(mut durations: Vec<Duration>) -> Vec<u64> {
    durations.sort_unstable();
    durations.into_iter().map(|d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX)).collect()
}

/// `12,345`, rounded to a whole number.
pub fn whole(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value < -0.5 { format!("-{grouped}") } else { grouped }
}

/// With two decimals.
pub fn decimal(value: f64) -> String {
    format!("{value:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_ends() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[f64::NAN]), None);
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, low: 1.0, high: 3.0 }));
        assert_eq!(Spread::of(&[4.0, 1.0]), Some(Spread { median: 2.5, low: 1.0, high: 4.0 }));
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred: Vec<u64> = (1..=100).collect();
        for (per_mille, expected) in [(0, 1), (10, 1), (11, 2), (500, 50), (990, 99), (999, 100), (1000, 100)] {
            assert_eq!(percentile(&hundred, per_mille), Some(expected), "{per_mille}");
        }
        assert_eq!(percentile(&[7], 500), Some(7));
        assert_eq!(percentile(&[], 500), None);
    }

    #[test]
    fn numbers_for_people() {
        for (value, text) in
            [(0.4, "0"), (-0.2, "0"), (999.0, "999"), (1000.0, "1,000"), (1_234_567.8, "1,234,568"), (-4321.0, "-4,321")]
        {
            assert_eq!(whole(value), text);
        }
        assert_eq!(Spread { median: 1.5, low: 1.0, high: 2.0 }.show(decimal, " s"), "1.50 (1.00–2.00) s");
    }
}
