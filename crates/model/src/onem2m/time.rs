//! Times as oneM2M writes them.

use crate::Time;
use time::{format_description::BorrowedFormatItem, macros::format_description};

const ONEM2M: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second],[subsecond digits:6]");
const ONEM2M_SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]");

impl Time {
    /// `yyyyMMdd'T'HHmmss,SSSSSS`, the form of oneM2M (TS-0004, 6.3.3), of which milliseconds are kept.
    pub fn onem2m(self) -> String {
        self.formatted(ONEM2M)
    }

    /// Reads [`Time::onem2m`], with or without a fraction.
    pub fn parse_onem2m(text: &str) -> Option<Self> {
        Self::parsed(text, ONEM2M).or_else(|| Self::parsed(text, ONEM2M_SECONDS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_and_written() {
        assert_eq!(Time(1_449_922_332_007).onem2m(), "20151212T121212,007000");
        assert_eq!(Time::parse_onem2m("20151212T121212,007000"), Some(Time(1_449_922_332_007)));
        assert_eq!(Time::parse_onem2m("20151212T121212"), Some(Time(1_449_922_332_000)));
        assert_eq!(Time::parse_onem2m("2015-12-12T12:12:12Z"), None);
    }
}
