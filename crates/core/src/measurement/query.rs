//! Measurements that are asked for: walked report by report, as far as a page reaches.

use super::{Measurement, measured};
use crate::{Core, Permission, UserCaller, store::PointQuery};
use landfall_model::{Cause, DeviceId, Error, HistoryPoint, PageRequest, Result, Seq, Sort, Time};

/// Points that are read at once, and for one page at most.
const SLICE: u32 = 2_000;
const MOST: usize = 500_000;

/// Which measurements; what is absent does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasurementQuery {
    /// Of this device.
    pub device: DeviceId,
    /// Of this kind.
    pub kind: Option<String>,
    /// With a fragment of this name.
    pub fragment: Option<String>,
    /// With a series of this name, in that fragment where one is given.
    pub series: Option<String>,
    /// Measured at this time or later.
    pub from: Option<Time>,
    /// Measured before this time.
    pub to: Option<Time>,
    /// By arrival.
    pub sort: Sort,
}

/// A page of measurements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    /// Those of the page.
    pub items: Vec<Measurement>,
    /// How many match, where that was asked for and there are not too many to be counted.
    pub total: Option<u64>,
}

impl Core {
    /// A page of the measurements of a device that the caller reaches, counted on request. `Forbidden`, `DeviceNotFound`, `TooMany` where the page lies
    /// behind more points than one call looks at.
    pub async fn measurements(
        &self,
        caller: &UserCaller,
        query: &MeasurementQuery,
        page: PageRequest,
        count: bool,
    ) -> Result<Measurements> {
        caller.need(Permission::See)?;
        let device = self.reached_device(caller, query.device).await?.id;
        let MeasurementQuery { from, to, sort, .. } = *query;
        let mut points = PointQuery { device, from, to, beyond: None, sort, now: self.now(), limit: SLICE };
        let (mut found, mut matching, mut looked_at) = (Measurements::default(), 0, 0);
        loop {
            let slice = self.store.points(&points).await?;
            looked_at += slice.points.len();
            for report in slice.points.chunk_by(|a, b| a.seq == b.seq) {
                let Some(measurement) = measured(report).filter(|one| query.wants(one)) else { continue };
                if matching >= page.offset() && found.items.len() < page.size as usize {
                    found.items.push(measurement);
                }
                matching += 1;
            }
            points.beyond = slice.points.last().map(|point| point.seq);
            let full = found.items.len() == page.size as usize;
            if !slice.more {
                return Ok(Measurements { total: Some(matching), ..found });
            }
            if full && !count {
                return Ok(found);
            }
            if looked_at > MOST {
                let narrow = "there are too many measurements before this page; narrow it by dateFrom and dateTo";
                return if full { Ok(found) } else { Err(Error::new(Cause::TooMany, narrow)) };
            }
        }
    }

    /// One measurement. `Forbidden`, `ResourceNotFound`.
    pub async fn measurement(&self, caller: &UserCaller, device: DeviceId, seq: Seq) -> Result<Measurement> {
        caller.need(Permission::See)?;
        let unknown = || Error::new(Cause::ResourceNotFound, "there is no such measurement");
        let reached = self.reached_device(caller, device).await;
        let device = reached.map_err(|error| if error.cause == Cause::DeviceNotFound { unknown() } else { error })?.id;
        let beyond = Some(Seq(seq.0.saturating_sub(1)));
        let points = PointQuery { device, from: None, to: None, beyond, sort: Sort::Ascending, now: self.now(), limit: 1 };
        let found: Vec<HistoryPoint> = self.store.points(&points).await?.points;
        measured(&found).filter(|found| found.seq == seq).ok_or_else(unknown)
    }
}

impl MeasurementQuery {
    fn wants(&self, one: &Measurement) -> bool {
        let has = |fragment: &serde_json::Value| self.series.as_ref().is_none_or(|series| fragment.get(series).is_some());
        self.kind.as_ref().is_none_or(|kind| *kind == one.kind)
            && match &self.fragment {
                Some(name) => one.fragments.get(name).is_some_and(has),
                None => one.fragments.values().any(has),
            }
    }
}
