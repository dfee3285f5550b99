//! Date and time as text (RFC 3339), as CBOR tags it (RFC 8949 section 3.4.1). Absent: leap seconds beyond being read as the next second,
//! and years outside of four digits.

/// Seconds since 1970-01-01T00:00:00Z of a text such as `2013-03-21T20:04:00.5+01:00`; fractions are cut off.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = fields(time, ':', [2, 2, 2])?;
    let days_in_month = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds - offset_s(without_fraction(rest)?)?)
}

/// Numbers of exactly these widths with `between` them.
fn fields(text: &str, between: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(between);
    let mut next = |width: usize| {
        let part = parts.next().filter(|part| part.len() == width && part.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse().ok()
    };
    let fields = [next(widths[0])?, next(widths[1])?, next(widths[2])?];
    parts.next().is_none().then_some(fields)
}

fn without_fraction(text: &str) -> Option<&str> {
    let Some(fraction) = text.strip_prefix('.') else { return Some(text) };
    let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < fraction.len()).then_some(rest)
}

/// `Z`, `+01:00` or `-01:00`.
fn offset_s(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, digits) = text.strip_prefix('+').map(|d| (1, d)).or_else(|| text.strip_prefix('-').map(|d| (-1, d)))?;
    let [hour, minute, _] = fields(&format!("{digits}:00"), ':', [2, 2, 2])?;
    (hour <= 23 && minute <= 59).then_some(sign * (hour * 3_600 + minute * 60))
}

/// Days from 1970-01-01 in the Gregorian calendar, for years 0 to 9999. A year is counted from March, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("2013-03-21T20:04:00Z", 1_363_896_240),
            ("2013-03-21T21:04:00.75+01:00", 1_363_896_240),
            ("2013-03-21t14:34:00-05:30", 1_363_896_240),
            ("2013-05-02T10:40:15Z", 1_367_491_215),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("1969-12-31T23:59:59Z", -1),
            ("2016-12-31T23:59:60Z", 1_483_228_800),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
            ("0000-01-01T00:00:00Z", -62_167_219_200),
        ];
        for (text, wanted) in cases {
            assert_eq!(seconds(text), Some(wanted), "{text}");
        }
        for bad in [
            "",
            "2013-03-21",
            "2013-03-21T20:04:00",
            "2013-03-21T20:04Z",
            "2013-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2013-13-01T00:00:00Z",
            "2013-00-01T00:00:00Z",
            "2013-03-21T24:00:00Z",
            "2013-03-21T20:04:00.Z",
            "2013-03-21T20:04:00+1:00",
            "2013-03-21T20:04:00+24:00",
            "2013-03-21T20:04:00Zx",
            "+013-03-21T20:04:00Z",
            "2013-03-2\u{e9}T20:04:00Z",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
