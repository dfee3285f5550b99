//! Points in time, always an argument, never read here.

use serde::{Deserialize, Serialize};
use time::{
    Date, OffsetDateTime, PrimitiveDateTime,
    format_description::{BorrowedFormatItem, well_known::Iso8601},
    macros::format_description,
};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

const COMPACT: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");
const COMPACT_COLONS: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour]:[minute]:[second]Z");
const HOUR: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day][hour]");
const ISO: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const ISO_SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

impl Time {
    /// This time plus `seconds`, saturating.
    pub fn plus_s(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// This time minus `seconds`, saturating.
    pub fn minus_s(self, seconds: i64) -> Self {
        self.plus_s(seconds.saturating_neg())
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn unix_s(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// `yyyyMMdd'T'HHmmss'Z'`, the form of the OceanConnect and device-side contracts (1.5.1).
    pub fn compact(self) -> String {
        self.formatted(COMPACT)
    }

    /// Reads [`Time::compact`], and the form with colons that device-side section 11 row 1 tolerates.
    pub fn parse_compact(text: &str) -> Option<Self> {
        let form = if text.len() == 18 { COMPACT_COLONS } else { COMPACT };
        Self::parsed(text, form)
    }

    /// `YYYYMMDDHH`, the timestamp of an MQTT clientId (8.2.2).
    pub fn hour(self) -> String {
        self.formatted(HOUR)
    }

    /// ISO 8601 with milliseconds, the form of the admin API.
    pub fn iso(self) -> String {
        self.formatted(ISO)
    }

    /// Reads [`Time::iso`], with or without milliseconds, or the compact form.
    pub fn parse_iso(text: &str) -> Option<Self> {
        Self::parsed(text, ISO).or_else(|| Self::parsed(text, ISO_SECONDS)).or_else(|| Self::parse_compact(text))
    }

    /// Reads a date, or a time with or without an offset, as ISO 8601 writes them; UTC where there is none, and milliseconds rounded down.
    pub fn parse_iso8601(text: &str) -> Option<Self> {
        if text.len() > 40 {
            return None;
        }
        let form = &Iso8601::PARSING;
        let at = OffsetDateTime::parse(text, form)
            .or_else(|_| PrimitiveDateTime::parse(text, form).map(PrimitiveDateTime::assume_utc))
            .or_else(|_| Date::parse(text, form).map(|date| date.midnight().assume_utc()));
        i64::try_from(at.ok()?.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Self)
    }

    pub(crate) fn formatted(self, form: &[BorrowedFormatItem<'_>]) -> String {
        let clamped = self.0.clamp(0, 253_402_300_799_999);
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(clamped) * 1_000_000)
            .ok()
            .and_then(|t| t.format(form).ok())
            .unwrap_or_default()
    }

    pub(crate) fn parsed(text: &str, form: &[BorrowedFormatItem<'_>]) -> Option<Self> {
        if !text.is_ascii() || text.len() > 24 {
            return None;
        }
        let at = PrimitiveDateTime::parse(text, form).ok()?.assume_utc();
        i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_any_offset_are_read() {
        let at = 1_778_092_785_501;
        for (text, ms) in [
            ("2026-05-06T18:39:45.501Z", at),
            ("2026-05-06T20:39:45.501+02:00", at),
            ("2026-05-06T18:39:45.5019-00:00", at),
            ("2026-05-06T20:39:45.501+0200", at),
            ("2026-05-06T18:39:45.501", at),
            ("2026-05-06T18:39:45+00:00", at - 501),
            ("2026-05-06", 1_778_025_600_000),
        ] {
            assert_eq!(Time::parse_iso8601(text), Some(Time(ms)), "{text}");
        }
        for bad in ["", "now", "2026-13-01", "2026-05-06T25:00:00Z", "20261"] {
            assert_eq!(Time::parse_iso8601(bad), None, "{bad}");
        }
    }

    #[test]
    fn compact_times_are_read_and_written() {
        let cases = [("19700101T000000Z", 0), ("20151212T121212Z", 1_449_922_332_000), ("20160229T235959Z", 1_456_790_399_000)];
        for (text, ms) in cases {
            assert_eq!(Time::parse_compact(text), Some(Time(ms)), "{text}");
            assert_eq!(Time(ms).compact(), text);
        }
        assert_eq!(Time::parse_compact("20161219T11:49:20Z"), Time::parse_compact("20161219T114920Z"));
        for bad in [
            "",
            "20151212T121212",
            "20151312T121212Z",
            "20150229T000000Z",
            "2015-12-12T12:12:12Z",
            "20151212T246060Z",
            "２0151212T121212Z",
        ] {
            assert_eq!(Time::parse_compact(bad), None, "{bad}");
        }
    }

    #[test]
    fn iso_times_are_read_and_written() {
        assert_eq!(Time(1_449_922_332_007).iso(), "2015-12-12T12:12:12.007Z");
        for text in ["2015-12-12T12:12:12.000Z", "2015-12-12T12:12:12Z", "20151212T121212Z"] {
            assert_eq!(Time::parse_iso(text), Some(Time(1_449_922_332_000)), "{text}");
        }
        assert_eq!(Time(1_532_451_380_000).hour(), "2018072416");
    }
}
