//! JSON topics: documents of the REST API without its envelope (contract section 7). Pure.

use super::{
    said::{Fragments, Said, cleared, time},
    topics::Json,
};
use landfall_core::{NewAlarm, NewDeviceEvent, NewMeasurement};
use landfall_model::{Severity, Time};
use serde_json::{Map, Value};

/// A statement, and whose it is where the document says so.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    /// The id of the device under its usual kind of name; none: that of the topic, else the client's own.
    pub(super) about: Option<String>,
    pub(super) said: Said,
}

/// What a document says. The error is for the device.
pub(super) fn read(of: Json<'_>, payload: &[u8]) -> Result<Vec<Told>, String> {
    let document: Value = serde_json::from_slice(payload).map_err(|error| format!("the payload is no JSON: {error}"))?;
    let Value::Object(document) = document else { return Err("the payload must be a JSON object".into()) };
    match of {
        Json::Measurement => Ok(vec![measurement(document)?]),
        Json::Event => Ok(vec![event(document)?]),
        Json::Alarm => Ok(vec![alarm(document)?]),
        Json::Measurements => each(document, "measurements", measurement),
        Json::Events => each(document, "events", event),
        Json::Alarms => each(document, "alarms", alarm),
        Json::Object(_) => Ok(vec![Told { about: None, said: Said::Has(document) }]),
    }
}

fn each(mut document: Fragments, name: &str, read: fn(Fragments) -> Result<Told, String>) -> Result<Vec<Told>, String> {
    let Some(Value::Array(all)) = document.remove(name) else { return Err(format!("{name} must be a list")) };
    let one = |(at, one)| match one {
        Value::Object(one) => read(one).map_err(|why| format!("{name}[{at}]: {why}")),
        _ => Err(format!("{name}[{at}] must be an object")),
    };
    all.into_iter().enumerate().map(one).collect()
}

pub(super) fn measurement(mut document: Fragments) -> Result<Told, String> {
    let (about, at) = (source(&mut document)?, at(&mut document)?);
    let kind = text(&mut document, "type")?.ok_or("type is missing")?;
    Ok(Told { about, said: Said::Measured(NewMeasurement { kind, at, fragments: document }) })
}

pub(super) fn event(mut document: Fragments) -> Result<Told, String> {
    let (about, at) = (source(&mut document)?, at(&mut document)?);
    let kind = text(&mut document, "type")?.ok_or("type is missing")?;
    let text = text(&mut document, "text")?.ok_or("text is missing")?;
    Ok(Told { about, said: Said::Event { event: NewDeviceEvent { kind, text, at, fragments: document }, also: false } })
}

pub(super) fn alarm(mut document: Fragments) -> Result<Told, String> {
    let (about, at) = (source(&mut document)?, at(&mut document)?);
    let kind = text(&mut document, "type")?.ok_or("type is missing")?;
    let said = match text(&mut document, "status")?.as_deref() {
        Some("CLEARED") => Said::AlarmIs { kind, change: cleared() },
        None | Some("ACTIVE") => {
            let word = text(&mut document, "severity")?.ok_or("severity is missing")?;
            let severity = Severity::ALL.into_iter().find(|severity| severity.as_str() == word);
            let severity = severity.ok_or("severity must be CRITICAL, MAJOR, MINOR or WARNING")?;
            let text = text(&mut document, "text")?.unwrap_or_else(|| format!("Alarm of type {kind} raised"));
            Said::Alarm(NewAlarm { kind, text, severity, status: None, at, fragments: document })
        }
        Some(_) => return Err("status must be ACTIVE or CLEARED".into()),
    };
    Ok(Told { about, said })
}

/// Whose it is: `externalSource` by its usual kind of name. A `source` without one is the client's own, whatever it says.
fn source(document: &mut Fragments) -> Result<Option<String>, String> {
    document.remove("source");
    match document.remove("externalSource") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(source)) => external(&source).map(Some),
        Some(_) => Err("externalSource must be an object".into()),
    }
}

fn external(source: &Map<String, Value>) -> Result<String, String> {
    match source.get("type") {
        None | Some(Value::Null) => {}
        Some(kind) if kind == "c8y_Serial" => {}
        Some(_) => return Err("externalSource.type must be c8y_Serial".into()),
    }
    let id = source.get("externalId").and_then(Value::as_str).filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or_else(|| "externalSource.externalId must be a text".into())
}

fn text(document: &mut Fragments, name: &str) -> Result<Option<String>, String> {
    match document.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} must be a text")),
    }
}

fn at(document: &mut Fragments) -> Result<Option<Time>, String> {
    let Some(text) = text(document, "time")? else { return Ok(None) };
    time(&text).map(Some).ok_or_else(|| "time must be ISO 8601".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn says(of: Json<'_>, document: &Value) -> Result<Vec<Told>, String> {
        read(of, document.to_string().as_bytes())
    }

    #[test]
    fn documents_are_read() {
        let fragments = |value: Value| value.as_object().unwrap().clone();
        let t = json!({"T": {"value": 25, "unit": "C"}});
        let at = Time::parse_iso("2016-06-22T15:03:14.000Z");
        let measured = |at| Said::Measured(NewMeasurement { kind: "m".into(), at, fragments: fragments(json!({"c8y_T": t})) });
        let one = json!({"type": "m", "time": "2016-06-22T17:03:14.000+02:00", "c8y_T": t, "source": {"id": "1"}});
        let other = json!({"type": "m", "c8y_T": t, "externalSource": {"externalId": "c-1", "type": "c8y_Serial"}});
        assert_eq!(says(Json::Measurement, &one), Ok(vec![Told { about: None, said: measured(at) }]));
        let both = vec![Told { about: None, said: measured(at) }, Told { about: Some("c-1".into()), said: measured(None) }];
        assert_eq!(says(Json::Measurements, &json!({"measurements": [one, other]})), Ok(both));
        let event = NewDeviceEvent { kind: "e".into(), text: "t".into(), at: None, fragments: fragments(json!({"more": 1})) };
        let event = Said::Event { event, also: false };
        assert_eq!(says(Json::Event, &json!({"type": "e", "text": "t", "more": 1})), Ok(vec![Told { about: None, said: event }]));
        let alarm = |document: Value| says(Json::Alarm, &document).map(|mut told| told.remove(0).said);
        let raised = Said::Alarm(NewAlarm {
            kind: "a".into(),
            text: "Alarm of type a raised".into(),
            severity: Severity::Major,
            status: None,
            at: None,
            fragments: Map::new(),
        });
        assert_eq!(alarm(json!({"type": "a", "severity": "MAJOR", "status": "ACTIVE"})), Ok(raised));
        assert_eq!(alarm(json!({"type": "a", "status": "CLEARED"})), Ok(Said::AlarmIs { kind: "a".into(), change: cleared() }));
        let object = json!({"c8y_Own": {"a": 1}, "type": "t"});
        assert_eq!(says(Json::Object(None), &object), Ok(vec![Told { about: None, said: Said::Has(fragments(object)) }]));
    }

    #[test]
    fn the_device_learns_what_is_wrong() {
        let cases = [
            (Json::Measurement, json!([]), "the payload must be a JSON object"),
            (Json::Measurement, json!({"c8y_T": {}}), "type is missing"),
            (Json::Measurement, json!({"type": 5}), "type must be a text"),
            (Json::Measurement, json!({"type": "m", "time": "now"}), "time must be ISO 8601"),
            (Json::Measurement, json!({"type": "m", "externalSource": "c"}), "externalSource must be an object"),
            (Json::Measurement, json!({"type": "m", "externalSource": {}}), "externalSource.externalId must be a text"),
            (
                Json::Measurement,
                json!({"type": "m", "externalSource": {"externalId": "c", "type": "x"}}),
                "externalSource.type must be c8y_Serial",
            ),
            (Json::Measurements, json!({}), "measurements must be a list"),
            (Json::Measurements, json!({"measurements": [5]}), "measurements[0] must be an object"),
            (Json::Events, json!({"events": [{"type": "e", "text": "t"}, {"type": "e"}]}), "events[1]: text is missing"),
            (Json::Alarm, json!({"type": "a"}), "severity is missing"),
            (Json::Alarm, json!({"type": "a", "severity": "BAD"}), "severity must be CRITICAL, MAJOR, MINOR or WARNING"),
            (Json::Alarm, json!({"type": "a", "status": "LOST"}), "status must be ACTIVE or CLEARED"),
        ];
        for (of, document, why) in cases {
            assert_eq!(says(of, &document), Err(why.to_owned()), "{document}");
        }
        assert!(read(Json::Event, b"{").unwrap_err().starts_with("the payload is no JSON: "));
    }
}
