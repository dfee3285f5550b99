//! What a device of this kind says, whichever form it says it in.

use landfall_core::{AlarmChange, NewAlarm, NewDeviceEvent, NewMeasurement};
use landfall_model::{AlarmStatus, Time};
use serde_json::{Map, Number, Value};

/// Named fragments of an object, a measurement, an alarm or an event.
pub(crate) type Fragments = Map<String, Value>;

/// One statement of a device about itself, or about the one its topic names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    /// It is to be made, under the id that it is connected or named with.
    Made { name: Option<String>, kind: Option<String> },
    /// A device behind it is to be made.
    Child { id: String, name: Option<String>, kind: Option<String> },
    /// A program on it, an object that goes with it.
    Service { id: String, kind: String, name: String, status: String },
    /// It asks for the ids of those behind it.
    Children,
    /// It asks for the id of its object.
    WhoAmI,
    /// It is there.
    Heartbeat,
    /// Its object has these fragments; `null` takes one away.
    Has(Fragments),
    /// Its object has these, unless it has such already.
    HasAtFirst(Fragments),
    /// A profile was carried out, that of the operation that is going on where it names none.
    Profile { executed: bool, id: Option<String> },
    /// Software was added to its list, or one of the same name replaced.
    Installed(Vec<Value>),
    /// Software of these names and versions was taken from its list.
    Removed(Vec<(String, String)>),
    /// It measured something.
    Measured(NewMeasurement),
    /// Something is wrong.
    Alarm(NewAlarm),
    /// Its open alarm of a kind is like this.
    AlarmIs { kind: String, change: AlarmChange },
    /// Something happened. `also`: its object has the fragments, too.
    Event { event: NewDeviceEvent, also: bool },
    /// The newest event of a kind has these fragments; `null` takes one away.
    EventHas { kind: String, fragments: Fragments },
    /// It asks for everything that it is to do.
    Pending,
    /// How far an operation is.
    Operation { which: Which, progress: Progress },
    /// All that it began ended in failure: operations with this fragment, or all.
    Failed { fragment: Option<String>, reason: Option<String> },
}

/// Which operation is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The oldest with this fragment that can take the step.
    Oldest(String),
    /// The oldest with this fragment that is EXECUTING, else PENDING.
    Current(String),
    /// That of this id.
    Id(String),
}

/// A step of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The device began.
    Executing,
    /// It failed.
    Failed(Option<String>),
    /// It is done; what came of it.
    Successful(Vec<String>),
}

/// A number, whole where it can be; nothing for what JSON has none for.
pub(crate) fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    let whole = text.parse::<i64>().ok().map(Value::from);
    whole.or_else(|| text.parse().ok().and_then(Number::from_f64).map(Value::Number))
}

/// One series of a measurement.
pub(crate) fn series(value: Value, unit: Option<&str>) -> Value {
    let mut series = Map::from_iter([("value".to_owned(), value)]);
    series.extend(unit.map(|unit| ("unit".to_owned(), unit.into())));
    Value::Object(series)
}

/// The alarm is over.
pub(crate) fn cleared() -> AlarmChange {
    AlarmChange { status: Some(AlarmStatus::Cleared), ..AlarmChange::default() }
}

/// Fragments of which each is to go.
pub(crate) fn without<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Fragments {
    names.into_iter().map(|name| (name.as_ref().trim().to_owned(), Value::Null)).filter(|(name, _)| !name.is_empty()).collect()
}

/// A date with its offset from UTC, as ISO 8601 and the programs write it.
pub(crate) fn time(text: &str) -> Option<Time> {
    let text = text.trim();
    if let Some(at) = Time::parse_iso(text) {
        return Some(at);
    }
    let sign_at = text.rfind(['+', '-']).filter(|at| text.get(..*at).is_some_and(|head| head.contains('T')))?;
    let (local, offset) = text.split_at_checked(sign_at)?;
    let digits: String = offset.chars().skip(1).filter(|sign| *sign != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (digits.parse::<i64>().ok()?, 0),
        4 => (digits.get(..2)?.parse::<i64>().ok()?, digits.get(2..)?.parse::<i64>().ok()?),
        _ => return None,
    };
    let seconds = (hours <= 14 && minutes < 60).then_some(hours * 3600 + minutes * 60)?;
    let at = Time::parse_iso(&format!("{local}Z"))?;
    Some(if offset.starts_with('-') { at.plus_s(seconds) } else { at.minus_s(seconds) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_whole_where_they_can_be() {
        for (text, expected) in [("25", Some(json!(25))), (" -1.5 ", Some(json!(-1.5))), ("1e3", Some(json!(1000.0)))] {
            assert_eq!(number(text), expected, "{text}");
        }
        for none in ["", "x", "inf", "NaN", "1,5", "0x10"] {
            assert_eq!(number(none), None, "{none}");
        }
    }

    #[test]
    fn dates_have_offsets() {
        let noon = Time::parse_iso("2016-06-22T12:00:00.000Z");
        for text in [
            "2016-06-22T12:00:00Z",
            "2016-06-22T14:00:00.000+02:00",
            "2016-06-22T14:00:00+0200",
            "2016-06-22T06:30:00.000-05:30",
            "2016-06-22T14:00:00+02",
        ] {
            assert_eq!(time(text), noon, "{text}");
        }
        for none in ["", "2016-06-22", "2016-06-22T12:00:00+99:00", "2016-06-22T12:00:00+2", "now", "+02:00", "é+02:00"] {
            assert_eq!(time(none), None, "{none}");
        }
    }
}
