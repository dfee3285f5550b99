//! The times that a request gives itself: until when it and its result are wanted, and when it is to be done (TS-0001, 8.1.2; TS-0009, 6.4).
//!
//! Requests are done at once, so one that is to be done later is refused.

use super::errors::{Fault, rsc};
use axum::http::HeaderMap;
use landfall_model::Time;

/// Until when a request is wanted; none: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted(Option<Time>);

impl Wanted {
    /// Reads `X-M2M-RET`, `X-M2M-RST` (some programs write it `X-M2M-RSET`) and `X-M2M-OET`. A request that has expired already is refused.
    pub fn read(headers: &HeaderMap, now: Time) -> Result<Self, Fault> {
        if time(headers, "X-M2M-OET", now)?.is_some_and(|at| at > now) {
            return Err(Fault::new(rsc::NOT_IMPLEMENTED, "X-M2M-OET: a request is done at once, and not later"));
        }
        let mut until = None;
        for name in ["X-M2M-RET", "X-M2M-RST", "X-M2M-RSET"] {
            until = until.into_iter().chain(time(headers, name, now)?).min();
        }
        let wanted = Self(until);
        wanted.check(now)?;
        Ok(wanted)
    }

    /// Refuses it where it is not wanted any more.
    pub fn check(self, now: Time) -> Result<(), Fault> {
        match self.0 {
            Some(until) if until <= now => Err(Fault::new(rsc::REQUEST_TIMEOUT, "the request expired before it was done")),
            _ => Ok(()),
        }
    }
}

/// A time, or milliseconds from now (TS-0004, 6.3.3, `m2m:absRelTimestamp`).
fn time(headers: &HeaderMap, name: &str, now: Time) -> Result<Option<Time>, Fault> {
    let Some(given) = headers.get(name) else { return Ok(None) };
    let text = given.to_str().unwrap_or_default().trim();
    let relative = text.parse().ok().map(|ms: i64| Time(now.0.saturating_add(ms)));
    let read = relative.or_else(|| Time::parse_onem2m(text));
    read.map(Some)
        .ok_or_else(|| Fault::bad(format!("{name}: must be a time written yyyyMMddTHHmmss or a number of milliseconds")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const NOW: Time = Time(1_449_922_332_000);

    fn read(given: &[(&'static str, &'static str)]) -> Result<Option<Time>, u16> {
        let mut headers = HeaderMap::new();
        given.iter().for_each(|(name, value)| drop(headers.insert(*name, HeaderValue::from_static(value))));
        Wanted::read(&headers, NOW).map(|wanted| wanted.0).map_err(|fault| fault.rsc)
    }

    #[test]
    fn times_are_kept_or_refused() {
        let after = |ms| Ok(Some(Time(NOW.0 + ms)));
        for (given, expected) in [
            (&[][..], Ok(None)),
            (&[("x-m2m-ret", "5000")], after(5_000)),
            (&[("x-m2m-ret", "20151212T121213")], after(1_000)),
            (&[("x-m2m-ret", "20151212T121212,500000"), ("x-m2m-rst", "400")], after(400)),
            (&[("x-m2m-rset", "300"), ("x-m2m-rst", "400")], after(300)),
            (&[("x-m2m-oet", "20151212T121211")], Ok(None)),
            (&[("x-m2m-oet", "0")], Ok(None)),
            (&[("x-m2m-ret", "20151212T121212")], Err(4008)),
            (&[("x-m2m-ret", "-1")], Err(4008)),
            (&[("x-m2m-rst", "20150101T000000")], Err(4008)),
            (&[("x-m2m-oet", "1")], Err(5001)),
            (&[("x-m2m-ret", "soon")], Err(4000)),
            (&[("x-m2m-rst", "")], Err(4000)),
            (&[("x-m2m-oet", "2015-12-12T12:12:12Z")], Err(4000)),
            (&[("x-m2m-ret", "9223372036854775807")], Ok(Some(Time(i64::MAX)))),
        ] {
            assert_eq!(read(given), expected, "{given:?}");
        }
    }

    #[test]
    fn a_request_may_expire_on_its_way() {
        let wanted = Wanted(Some(Time(NOW.0 + 10)));
        assert!(wanted.check(Time(NOW.0 + 9)).is_ok());
        let fault = wanted.check(Time(NOW.0 + 10)).unwrap_err();
        assert_eq!((fault.rsc, fault.status), (4008, 504));
    }
}
