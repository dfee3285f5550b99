//! Measurements: reports whose fragments are services and whose series are values, so that every dialect shows them.
//!
//! A device without a product may measure anything; what a product defines is held to it. Type, units and whatever else there is are kept beside the
//! values. A measurement is known by its device and the place of its report.

mod query;

pub use query::{MeasurementQuery, Measurements};

use crate::{
    Core, Item, UserCaller,
    alarm::{FRAGMENTS, KIND, check_each, check_kind, within},
    batch, device_event,
    uplink::{fit, report},
};
use landfall_model::{
    Batch, Cause, Device, DeviceId, DeviceStatus, Error, EventBody, HistoryPoint, Product, Result, Role, Seq, ServiceReport, Time,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::HashMap, sync::Arc};

/// Fragments with series that a measurement may have, and series that one of them may have.
const SERVICES: usize = 100;
const SERIES: usize = 1_000;

/// A measurement as it is reported.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMeasurement {
    /// What was measured, as a word; 1 to 256 characters.
    pub kind: String,
    /// When; now if absent.
    pub at: Option<Time>,
    /// Objects of series, `{"T": {"value": 21.5, "unit": "C"}}`, and whatever else there is.
    pub fragments: Map<String, Value>,
}

/// A measurement that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// The device.
    pub device: DeviceId,
    /// The place of its report.
    pub seq: Seq,
    /// What was measured; of a report of another dialect its first service.
    pub kind: String,
    /// When it was measured.
    pub at: Time,
    /// As they were reported.
    pub fragments: Map<String, Value>,
}

/// What is kept beside the values of a service.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Beside {
    /// Type of the measurement, at its first service.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Of the fragment, what is no value: units and the like, by series.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    rest: Map<String, Value>,
    /// Fragments without series, at the first service.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    more: Map<String, Value>,
}

impl Core {
    /// Reports measurements in their order, all of them with one commit or none.
    ///
    /// `Forbidden`, `DeviceNotFound`, `InvalidField`, `PayloadInvalid` where one does not fit the product of its device; the path begins with the place
    /// of the measurement where there are several. At most 1,000. What is refused of a device leaves a why record.
    pub async fn measure(&self, caller: &UserCaller, all: &[(DeviceId, NewMeasurement)]) -> Result<Vec<Measurement>> {
        check_each(all, |new| check_kind(&new.kind))?;
        let now = self.now();
        let mut known: HashMap<DeviceId, (Arc<Device>, Option<Arc<Product>>)> = HashMap::new();
        let (mut whole, mut measured) = (Batch::default(), Vec::with_capacity(all.len()));
        for (place, (id, new)) in all.iter().enumerate() {
            let (device, product) = match known.get(id) {
                Some(known) => known.clone(),
                None => {
                    let (_, device) = self.speak_for(caller, *id).await?;
                    let product = match device.product {
                        Some(product) => self.store.product(product).await?,
                        None => None,
                    };
                    known.insert(*id, (Arc::clone(&device), product.clone()));
                    (device, product)
                }
            };
            let at = new.at.unwrap_or(now);
            let services = services_of(new, product.as_deref(), at).map_err(|error| {
                self.refused(&device, "measurement.read", &error);
                within(place, all.len(), error)
            })?;
            if !device.mute {
                let body = EventBody::Reported(report(&device, services, None, now));
                whole.events.push(device_event(&device, now, body));
            }
            let (kind, fragments) = (new.kind.clone(), new.fragments.clone());
            measured.push((!device.mute, Measurement { device: *id, seq: Seq(0), kind, at, fragments }));
        }
        if caller.user().role == Role::Device {
            self.heard_all(known.values().map(|(device, _)| device)).await?;
        }
        let kept = whole.events.len() as u64;
        let last = match kept {
            0 => self.store.newest(),
            _ => self.store.commit(whole).await?.seq,
        };
        let mut next = last.0.saturating_sub(kept.saturating_sub(1));
        let placed = |(kept, measurement): (bool, Measurement)| {
            let seq = Seq(next);
            next += u64::from(kept);
            Measurement { seq, ..measurement }
        };
        Ok(measured.into_iter().map(placed).collect())
    }

    /// What these devices say is a sign of life.
    async fn heard_all(&self, devices: impl Iterator<Item = &Arc<Device>>) -> Result<()> {
        for device in devices.filter(|device| !device.mute && device.status != DeviceStatus::Online) {
            self.commit_heard(device, batch(vec![], vec![])).await?;
        }
        Ok(())
    }
}

/// The services that a measurement reports.
fn services_of(new: &NewMeasurement, product: Option<&Product>, at: Time) -> Result<Vec<ServiceReport>> {
    let mut more = Map::new();
    let mut services: Vec<(ServiceReport, Beside)> = vec![];
    for (name, fragment) in &new.fragments {
        let Some((data, rest)) = series_of(fragment) else {
            more.insert(name.clone(), fragment.clone());
            continue;
        };
        check_name(name, name)?;
        if data.len() > SERIES || services.len() == SERVICES {
            let most = format!("has more than {SERVICES} fragments with series, or more than {SERIES} series in one");
            return Err(Error::invalid(name.clone(), most));
        }
        data.keys().try_for_each(|series| check_name(series, name))?;
        let item = Item { service_id: name.into(), data: Value::Object(data).to_string().into(), event_time: Some(at) };
        let service = match product.filter(|product| product.service(name).is_some()) {
            Some(product) => fit(product, &item, at).map_err(|error| below(name, error))?,
            None => open(&item, at),
        };
        services.push((service, Beside { rest, ..Beside::default() }));
    }
    let Some((_, first)) = services.first_mut() else {
        return Err(Error::invalid("fragments", "must have one with a series, such as {\"T\": {\"value\": 21.5}}"));
    };
    first.kind = Some(new.kind.clone());
    first.more = more;
    let kept = |(service, beside): (ServiceReport, Beside)| {
        let meta = (beside != Beside::default()).then(|| serde_json::to_string(&beside).unwrap_or_default());
        match meta {
            Some(meta) if meta.len() > FRAGMENTS => {
                let most = format!("units and what has no value may have {FRAGMENTS} bytes together");
                Err(Error::invalid(service.service_id, most))
            }
            meta => Ok(ServiceReport { meta, ..service }),
        }
    };
    services.into_iter().map(kept).collect()
}

/// A service that no product defines, as it is.
fn open(item: &Item<'_>, at: Time) -> ServiceReport {
    let (service_id, data) = (item.service_id.clone().into_owned(), item.data.clone().into_owned());
    ServiceReport { service_id, service_type: None, data, event_time: at, meta: None }
}

/// The values of a fragment's series, and what there is beside them; none of a fragment without series.
fn series_of(fragment: &Value) -> Option<(Map<String, Value>, Map<String, Value>)> {
    let (mut values, mut rest) = (Map::new(), Map::new());
    for (name, series) in fragment.as_object()? {
        match series.get("value").filter(|value| value.is_number()) {
            Some(value) => {
                values.insert(name.clone(), value.clone());
                let others = series.as_object()?.iter().filter(|(key, _)| *key != "value");
                let others: Map<String, Value> = others.map(|(key, value)| (key.clone(), value.clone())).collect();
                if !others.is_empty() {
                    rest.insert(name.clone(), others.into());
                }
            }
            None => drop(rest.insert(name.clone(), series.clone())),
        }
    }
    (!values.is_empty()).then_some((values, rest))
}

fn check_name(name: &str, of: &str) -> Result<()> {
    if name.is_empty() || name.chars().count() > KIND {
        return Err(Error::invalid(
            format!("{of:.64}"),
            format!("names of fragments and series must have 1 to {KIND} characters"),
        ));
    }
    Ok(())
}

/// The error of a part of a fragment.
fn below(name: &str, error: Error) -> Error {
    let path = match &error.path {
        Some(path) => format!("{name}.{path}"),
        None => name.to_owned(),
    };
    Error { cause: Cause::PayloadInvalid, ..error.at(path) }
}

/// The measurement that a report is, of all its points in their order.
fn measured(points: &[HistoryPoint]) -> Option<Measurement> {
    let first = points.first()?;
    let mut fragments = Map::new();
    let mut kind = None;
    for point in points {
        let beside: Beside = point.meta.as_deref().and_then(|meta| serde_json::from_str(meta).ok()).unwrap_or_default();
        kind = kind.or(beside.kind);
        fragments.extend(beside.more);
        let values: Map<String, Value> = serde_json::from_str(&point.data).unwrap_or_default();
        let mut fragment = beside.rest;
        for (series, value) in values {
            let shown = match (value.is_number(), fragment.remove(&series)) {
                (true, Some(Value::Object(mut rest))) => {
                    rest.insert("value".to_owned(), value);
                    rest.into()
                }
                (true, _) => Map::from_iter([("value".to_owned(), value)]).into(),
                (false, _) => value,
            };
            fragment.insert(series, shown);
        }
        fragments.insert(point.service_id.clone(), fragment.into());
    }
    let kind = kind.unwrap_or_else(|| first.service_id.clone());
    Some(Measurement { device: first.device, seq: first.seq, kind, at: first.event_time, fragments })
}

#[cfg(test)]
mod tests;
