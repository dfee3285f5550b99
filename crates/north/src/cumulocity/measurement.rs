//! Measurements (`/measurement/measurements`): reports of a device, by the order of their arrival.

use super::{
    Fault, Inbound, Paging, Reply,
    telemetry::{self, Sources, bodies, fragments, needed, time},
};
use landfall_core::{Measurement, MeasurementQuery, NewMeasurement};
use landfall_model::{Cause, Error, ObjectId, Seq, Sort};
use serde_json::{Map, Value, json};

/// Bits of an id that name the object of the device; those above are the place of the report.
const OBJECT_BITS: u32 = 61;

pub(super) async fn create(mut inbound: Inbound) -> Result<Reply, Fault> {
    let (sent, many) = bodies(inbound.json().await?, "measurements")?;
    let (mut sources, mut all) = (Sources::default(), vec![]);
    for body in sent {
        all.push((sources.device(&inbound, &body).await?, new(body)?));
    }
    let measured = inbound.core().measure(inbound.caller(), &all).await?;
    let mut shown: Vec<Value> = measured.iter().map(|one| view(&inbound, one)).collect();
    match (many, shown.pop()) {
        (false, Some(one)) => Ok(Reply::created(one)),
        (_, last) => {
            shown.extend(last);
            Ok(Reply::created(json!({ "measurements": shown })).of("measurementCollection"))
        }
    }
}

pub(super) async fn list(inbound: Inbound) -> Result<Reply, Fault> {
    let asked = inbound.query();
    let paging = Paging::read(asked)?;
    let text = |name| asked.text(name).map(str::to_owned);
    let (kind, fragment, series) =
        (text("type"), text("valueFragmentType").or(text("fragmentType")), text("valueFragmentSeries"));
    let (from, to) = (asked.time("dateFrom")?, asked.time("dateTo")?);
    let sort = telemetry::order(asked, Sort::Ascending)?;
    let device = telemetry::asked_source(&inbound).await?;
    let device = device.ok_or_else(|| Fault::invalid("source", "must be given: measurements are listed by device"))?;
    let (items, total) = match device {
        Some(device) => {
            let query = MeasurementQuery { device, kind, fragment, series, from, to, sort };
            let counted = paging.counts();
            let found = inbound.core().measurements(inbound.caller(), &query, paging.core_page(), counted).await?;
            (found.items.iter().map(|one| view(&inbound, one)).collect(), found.total)
        }
        None => (vec![], Some(0)),
    };
    Ok(Reply::ok(paging.collection(&inbound, "measurements", items, total)))
}

pub(super) async fn get(inbound: Inbound) -> Result<Reply, Fault> {
    let unknown = || Error::new(Cause::ResourceNotFound, "there is no such measurement");
    let (seq, object) = place(inbound.segment("measurementId")).ok_or_else(unknown)?;
    let device = inbound.core().device_of_object(inbound.caller(), object).await;
    let device = device.map_err(|error| if error.cause == Cause::ResourceNotFound { unknown() } else { error })?;
    let found = inbound.core().measurement(inbound.caller(), device.id, seq).await?;
    Ok(Reply::ok(view(&inbound, &found)))
}

fn new(body: Map<String, Value>) -> Result<NewMeasurement, Fault> {
    Ok(NewMeasurement { kind: needed(&body, "type")?.to_owned(), at: Some(time(&body)?), fragments: fragments(body) })
}

/// A measurement as it is shown.
pub(super) fn view(inbound: &Inbound, one: &Measurement) -> Value {
    let id = id(one.seq, ObjectId::of_device(one.device));
    let mut body = one.fragments.clone();
    body.extend([
        ("self".to_owned(), inbound.url(format_args!("/measurement/measurements/{id}")).into()),
        ("id".to_owned(), id.into()),
        ("type".to_owned(), one.kind.as_str().into()),
        ("time".to_owned(), one.at.iso().into()),
        ("source".to_owned(), telemetry::source(inbound, one.device)),
    ]);
    body.into()
}

fn id(seq: Seq, object: ObjectId) -> String {
    (u128::from(seq.0) << OBJECT_BITS | u128::from(object.0)).to_string()
}

/// The place and the object that an id names.
fn place(id: &str) -> Option<(Seq, ObjectId)> {
    let number: u128 = id.parse().ok()?;
    let object = u64::try_from(number & ((1 << OBJECT_BITS) - 1)).ok()?;
    Some((Seq(u64::try_from(number >> OBJECT_BITS).ok()?), ObjectId(object)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_a_place_and_an_object() {
        for (seq, object) in [(0, 0), (1, 2), (7, (1 << 61) - 2), (u64::MAX, 4)] {
            assert_eq!(place(&id(Seq(seq), ObjectId(object))), Some((Seq(seq), ObjectId(object))));
        }
        for none in ["", "x", "-1", &u128::MAX.to_string()] {
            assert_eq!(place(none), None, "{none}");
        }
    }
}
