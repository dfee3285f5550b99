//! What measurements, events and alarms have in common: their source, their time, their fragments, ids as decimal numbers.

use super::{Fault, Inbound, Query};
use landfall_model::{Cause, DeviceId, Error, ObjectId, Sort, Time};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Fields that are no fragments, of any of the three.
const FIELDS: &[&str] = &[
    "id",
    "self",
    "type",
    "text",
    "time",
    "source",
    "severity",
    "status",
    "count",
    "creationTime",
    "lastUpdated",
    "firstOccurrenceTime",
    "history",
    "externalSource",
];

/// The object that a text names; of what is no number there is none.
pub(super) fn object(text: &str) -> Option<ObjectId> {
    text.trim().parse().ok()
}

/// The devices of some bodies, each asked for once.
#[derive(Default)]
pub(super) struct Sources(BTreeMap<ObjectId, DeviceId>);

impl Sources {
    /// The device in `source.id`. 422 where there is none, or none that the caller reaches.
    pub async fn device(&mut self, inbound: &Inbound, body: &Map<String, Value>) -> Result<DeviceId, Fault> {
        let id = match body.get("source").and_then(|source| source.get("id")) {
            Some(Value::String(text)) => object(text),
            Some(Value::Number(number)) => number.as_u64().map(ObjectId),
            _ => return Err(Fault::invalid("source.id", "must be given")),
        };
        let unknown = || Fault::invalid("source.id", "there is no such device");
        let id = id.ok_or_else(unknown)?;
        if let Some(known) = self.0.get(&id) {
            return Ok(*known);
        }
        let found = inbound.core().device_of_object(inbound.caller(), id).await.map_err(|error| missing(error, unknown))?.id;
        self.0.insert(id, found);
        Ok(found)
    }
}

fn missing(error: Error, unknown: impl Fn() -> Fault) -> Fault {
    if error.cause == Cause::ResourceNotFound { unknown() } else { error.into() }
}

/// The device of the parameter `source`; `None` inside where there is none that the caller reaches, so that nothing is found.
pub(super) async fn asked_source(inbound: &Inbound) -> Result<Option<Option<DeviceId>>, Fault> {
    let Some(text) = inbound.query().text("source") else { return Ok(None) };
    let Some(id) = object(text) else { return Ok(Some(None)) };
    match inbound.core().device_of_object(inbound.caller(), id).await {
        Ok(device) => Ok(Some(Some(device.id))),
        Err(error) if error.cause == Cause::ResourceNotFound => Ok(Some(None)),
        Err(error) => Err(error.into()),
    }
}

/// What a body says of its source.
pub(super) fn source(inbound: &Inbound, device: DeviceId) -> Value {
    let id = ObjectId::of_device(device);
    serde_json::json!({ "id": id.to_string(), "self": inbound.url(format_args!("/inventory/managedObjects/{id}")) })
}

/// The bodies that were sent: one, or those of a collection of this name.
pub(super) fn bodies(mut sent: Map<String, Value>, collection: &'static str) -> Result<(Vec<Map<String, Value>>, bool), Fault> {
    let one = |entry: Value| match entry {
        Value::Object(fields) => Ok(fields),
        _ => Err(Fault::invalid(collection, "must be a list of objects")),
    };
    match sent.remove(collection) {
        Some(Value::Array(all)) if !all.is_empty() => Ok((all.into_iter().map(one).collect::<Result<_, _>>()?, true)),
        Some(_) => Err(Fault::invalid(collection, "must be a list with at least one entry")),
        None => Ok((vec![sent], false)),
    }
}

/// A text that must be there.
pub(super) fn needed<'a>(body: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, Fault> {
    match body.get(name) {
        Some(Value::String(text)) => Ok(text),
        None | Some(Value::Null) => Err(Fault::invalid(name, "must be given")),
        Some(_) => Err(Fault::invalid(name, "must be a text")),
    }
}

/// The time, which must be there, in ISO 8601 with an offset or without.
pub(super) fn time(body: &Map<String, Value>) -> Result<Time, Fault> {
    let text = needed(body, "time")?;
    Time::parse_iso8601(text)
        .ok_or_else(|| Fault::invalid("time", "must be a time in ISO 8601, such as 2026-05-06T18:39:45.501+02:00"))
}

/// One of the words of a list.
pub(super) fn word<T: Copy>(text: &str, name: &'static str, words: &[(&'static str, T)]) -> Result<T, Fault> {
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim()));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Fault::invalid(name, format!("must be one of {}", all.join(", ")))
    })
}

/// Everything that is no field.
pub(super) fn fragments(body: Map<String, Value>) -> Map<String, Value> {
    body.into_iter().filter(|(name, _)| !FIELDS.contains(&name.as_str())).collect()
}

/// The id of an alarm or event, as a decimal number.
pub(super) fn number(id: Uuid) -> String {
    id.as_u128().to_string()
}

/// The other way; 404 for what is none.
pub(super) fn id(text: &str) -> Result<Uuid, Fault> {
    text.parse().map(Uuid::from_u128).map_err(|_| Error::new(Cause::ResourceNotFound, "there is nothing with this id").into())
}

/// The order that `revert` asks for: with `true` the newest first, with `false` the oldest.
pub(super) fn order(query: &Query, usual: Sort) -> Result<Sort, Fault> {
    match query.text("revert") {
        None => Ok(usual),
        Some(_) => Ok(if query.flag("revert")? { Sort::Descending } else { Sort::Ascending }),
    }
}

/// The words of a parameter, separated by commas.
pub(super) fn words<'a>(query: &'a Query, name: &str) -> Vec<&'a str> {
    query.text(name).into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// 422 where a deletion or change of many is narrowed by what is not known here, or by nothing: more would be meant than was said.
pub(super) fn narrowed(query: &Query, by: &[&str]) -> Result<(), Fault> {
    if let Some((name, _)) = query.others(by).next() {
        return Err(Fault::invalid(name.clone(), "cannot be used here"));
    }
    match by.iter().any(|name| query.text(name).is_some()) {
        true => Ok(()),
        false => Err(Fault::invalid("source", "name what is meant, by one of the parameters at least")),
    }
}
