//! Back-off between attempts: pure, so that every delay is a function of its arguments.

/// First delay.
const FIRST_MS: i64 = 1_000;

/// Longest delay, also of one that a receiver asks for.
pub(crate) const LONGEST_MS: i64 = 300_000;

/// The delay in milliseconds before the attempt that follows `failures` failures in a row.
///
/// It doubles from 1 s to 5 min; `jitter` (any value, uniformly random) takes away up to a half of it, so that receivers which failed
/// together are not called together.
pub(crate) fn backoff_ms(failures: u32, jitter: u32) -> i64 {
    let doublings = failures.saturating_sub(1).min(16);
    let full = (FIRST_MS << doublings).min(LONGEST_MS);
    let half = full / 2;
    full - half * i64::from(jitter) / i64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_doubles_between_its_bounds() {
        let cases = [
            (0, 1_000),
            (1, 1_000),
            (2, 2_000),
            (3, 4_000),
            (8, 128_000),
            (9, 256_000),
            (10, 300_000),
            (11, 300_000),
            (u32::MAX, 300_000),
        ];
        for (failures, full) in cases {
            assert_eq!(backoff_ms(failures, 0), full, "{failures} failures, no jitter");
            assert_eq!(backoff_ms(failures, u32::MAX), full - full / 2, "{failures} failures, all jitter");
            let middle = backoff_ms(failures, u32::MAX / 2);
            assert!(middle > full / 2 && middle < full, "{failures} failures: {middle}");
        }
    }
}
