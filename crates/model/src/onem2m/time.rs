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

/// The seconds of a duration written `PnDTnHnMnS` (ISO 8601, `xs:duration`), all parts but one optional and whole numbers; none for months and
/// years, whose length differs.
pub fn parse_duration_s(text: &str) -> Option<u64> {
    let (days, time) =
        text.strip_prefix('P')?.split_once('T').map_or((text.strip_prefix('P')?, None), |(days, time)| (days, Some(time)));
    let mut total: u64 = 0;
    let mut parts = 0;
    let mut read = |mut text: &str, units: &[(char, u64)]| -> Option<()> {
        for (unit, seconds) in units {
            if let Some((number, rest)) = text.split_once(*unit) {
                let number = Some(number).filter(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))?;
                total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*seconds)?)?;
                (text, parts) = (rest, parts + 1);
            }
        }
        text.is_empty().then_some(())
    };
    read(days, &[('D', 86_400)])?;
    if let Some(time) = time {
        Some(time).filter(|time| !time.is_empty())?;
        read(time, &[('H', 3_600), ('M', 60), ('S', 1)])?;
    }
    (parts > 0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [
            ("PT5S", Some(5)),
            ("PT1H30M5S", Some(5_405)),
            ("P1D", Some(86_400)),
            ("P2DT1M", Some(172_860)),
            ("PT0S", Some(0)),
            ("", None),
            ("P", None),
            ("PT", None),
            ("P1DT", None),
            ("5S", None),
            ("P5S", None),
            ("PT5", None),
            ("PT5S1M", None),
            ("PT-5S", None),
            ("PT1.5S", None),
            ("P1M", None),
            ("P1Y", None),
            ("PT99999999999999999999S", None),
            ("P999999999999999999D", None),
        ] {
            assert_eq!(parse_duration_s(text), seconds, "{text}");
        }
    }

    #[test]
    fn timestamps_are_read_and_written() {
        assert_eq!(Time(1_449_922_332_007).onem2m(), "20151212T121212,007000");
        assert_eq!(Time::parse_onem2m("20151212T121212,007000"), Some(Time(1_449_922_332_007)));
        assert_eq!(Time::parse_onem2m("20151212T121212"), Some(Time(1_449_922_332_000)));
        assert_eq!(Time::parse_onem2m("2015-12-12T12:12:12Z"), None);
    }
}
