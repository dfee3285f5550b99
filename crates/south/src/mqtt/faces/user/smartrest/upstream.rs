//! The static templates of SmartREST 2.0 that a device publishes, one row each (contract section 7). Pure.

use super::{
    super::said::{Fragments, Progress, Said, Which, cleared, number, series, time, without},
    csv::Line,
};
use landfall_core::{AlarmChange, NewAlarm, NewDeviceEvent, NewMeasurement};
use landfall_model::{Severity, Time};
use serde_json::{Map, Value, json};

/// A static template.
pub(crate) struct Template {
    pub(crate) id: &'static str,
    /// Its values, in order; those in brackets may be left out. The contract has the same text.
    pub(crate) values: &'static str,
    read: fn(&Line<'_>) -> Read,
}

/// What a line says, or what is wrong with it, for the device.
type Read = Result<Said, String>;

macro_rules! templates {
    ($($id:literal $values:literal $read:expr;)*) => {
        /// All that are taken.
        pub(crate) const TEMPLATES: &[Template] = &[$(Template { id: $id, values: $values, read: $read },)*];
    };
}

templates! {
    "100" "[name],[type]" |line| Ok(Said::Made { name: owned(line.value(1)), kind: owned(line.value(2)) });
    "101" "childId,[name],[type]" |line| Ok(Said::Child { id: text(line, 1, "childId")?, name: owned(line.value(2)), kind: owned(line.value(3)) });
    "102" "serviceId,type,name,status" |line| {
        let (id, kind) = (text(line, 1, "serviceId")?, text(line, 2, "type")?);
        Ok(Said::Service { id, kind, name: text(line, 3, "name")?, status: text(line, 4, "status")? })
    };
    "104" "status" |line| has("status", text(line, 1, "status")?.into());
    "105" "" |_| Ok(Said::Children);
    "107" "fragment,..." |line| Ok(Said::Has(names(line, 1, "fragment")?));
    "110" "[serialNumber],[model],[revision]" |line| has("c8y_Hardware", texts(line, &["serialNumber", "model", "revision"]));
    "111" "[imei],[iccid],[imsi],[mcc],[mnc],[lac],[cellId]" |line| {
        has("c8y_Mobile", texts(line, &["imei", "iccid", "imsi", "mcc", "mnc", "lac", "cellId"]))
    };
    "112" "[latitude],[longitude],[altitude],[accuracy]" |line| has("c8y_Position", position(line)?);
    "113" "[configuration]" |line| has("c8y_Configuration", json!({"config": line.value(1).unwrap_or_default()}));
    "114" "[operation],..." |line| has("c8y_SupportedOperations", list(line, 1));
    "115" "[name],[version],[url]" |line| has("c8y_Firmware", texts(line, &["name", "version", "url"]));
    "116" "[name,version,url],..." |line| has("c8y_SoftwareList", groups(line, 1, &["name", "version", "url"])?.into());
    "117" "[minutes]" |line| {
        let minutes = line.value(1).map_or(Ok(0), |text| text.trim().parse::<i32>().map_err(|_| wrong("minutes", text, "a whole number")))?;
        Ok(Said::HasAtFirst(one("c8y_RequiredAvailability", json!({"responseInterval": minutes}))))
    };
    "118" "[log],..." |line| has("c8y_SupportedLogs", list(line, 1));
    "119" "[configuration],..." |line| has("c8y_SupportedConfigurations", list(line, 1));
    "120" "type,url,[fileName],[time]" |line| {
        let kind = text(line, 1, "type")?;
        let file = line.value(3).unwrap_or(&kind);
        let mut about = json!({"type": kind, "url": text(line, 2, "url")?, "name": file});
        if let (Some(at), Value::Object(about)) = (at(line, 4)?, &mut about) {
            about.insert("time".into(), at.iso().into());
        }
        has(&format!("c8y_Configuration_{kind}"), about)
    };
    "121" "executed,[profileId]" |line| {
        Ok(Said::Profile { executed: text(line, 1, "executed")?.eq_ignore_ascii_case("true"), id: owned(line.value(2)) })
    };
    "122" "name,version,[url],maintainer" |line| {
        let (name, version, maintainer) = (text(line, 1, "name")?, text(line, 2, "version")?, text(line, 4, "maintainer")?);
        has("c8y_Agent", json!({"name": name, "version": version, "url": line.value(3).unwrap_or_default(), "maintainer": maintainer}))
    };
    "123" "" |_| Ok(Said::WhoAmI);
    "125" "" |_| Ok(Said::Heartbeat);
    "140" "[name,version,type,url],..." |line| has("c8y_SoftwareList", groups(line, 1, SOFTWARE)?.into());
    "141" "[name,version,type,url],..." |line| Ok(Said::Installed(groups(line, 1, SOFTWARE)?));
    "142" "[name,version],..." |line| {
        let one = |pair: &[std::borrow::Cow<'_, str>]| match pair {
            [name, rest @ ..] => (name.to_string(), rest.first().map(ToString::to_string).unwrap_or_default()),
            [] => Default::default(),
        };
        Ok(Said::Removed(line.rest(1).chunks(2).map(one).filter(|(name, _)| !name.is_empty()).collect()))
    };
    "143" "[type],..." |line| match list(line, 1) {
        Value::Array(types) if types.is_empty() => has("c8y_SupportedSoftwareTypes", Value::Null),
        types => has("c8y_SupportedSoftwareTypes", types),
    };
    "150" "[endpoint],..." |line| has("c8y_RemoteAccessList", list(line, 1));
    "200" "fragment,series,value,[unit],[time]" |line| {
        let (fragment, name) = (text(line, 1, "fragment")?, text(line, 2, "series")?);
        let value = series(numeric(line, 3, "value")?, line.value(4));
        measured(&fragment, at(line, 5)?, one(&fragment, one(&name, value).into()))
    };
    "201" "type,[time],(fragment,series,value,[unit]),..." |line| {
        let (kind, at) = (text(line, 1, "type")?, at(line, 2)?);
        measured(&kind, at, measurements(line)?)
    };
    "210" "[rssi],[ber],[time]" |line| {
        let value = |place, name: &str, unit| match line.value(place) {
            Some(_) => numeric(line, place, name).map(|value| Some((name.to_owned(), series(value, Some(unit))))),
            None => Ok(None),
        };
        let both = [value(1, "rssi", "dBm")?, value(2, "ber", "%")?];
        let found: Map<_, _> = both.into_iter().flatten().collect();
        if found.is_empty() {
            return Err("one of rssi and ber is needed".into());
        }
        measured("c8y_SignalStrength", at(line, 3)?, one("c8y_SignalStrength", found.into()))
    };
    "211" "temperature,[time]" |line| single(line, "c8y_TemperatureMeasurement", "T", "C", "temperature");
    "212" "battery,[time]" |line| single(line, "c8y_Battery", "level", "%", "battery");
    "301" "type,[text],[time]" |line| alarm(line, Severity::Critical);
    "302" "type,[text],[time]" |line| alarm(line, Severity::Major);
    "303" "type,[text],[time]" |line| alarm(line, Severity::Minor);
    "304" "type,[text],[time]" |line| alarm(line, Severity::Warning);
    "305" "type,severity" |line| {
        let (kind, word) = (text(line, 1, "type")?, text(line, 2, "severity")?);
        let found = Severity::ALL.into_iter().find(|severity| severity.as_str().eq_ignore_ascii_case(word.trim()));
        let severity = found.ok_or_else(|| wrong("severity", &word, "CRITICAL, MAJOR, MINOR or WARNING"))?;
        Ok(Said::AlarmIs { kind, change: AlarmChange { severity: Some(severity), ..AlarmChange::default() } })
    };
    "306" "type" |line| Ok(Said::AlarmIs { kind: text(line, 1, "type")?, change: cleared() });
    "307" "type,fragment,..." |line| {
        let change = AlarmChange { fragments: names(line, 2, "fragment")?, ..AlarmChange::default() };
        Ok(Said::AlarmIs { kind: text(line, 1, "type")?, change })
    };
    "400" "type,text,[time]" |line| {
        let (kind, words) = (text(line, 1, "type")?, text(line, 2, "text")?);
        let event = NewDeviceEvent { kind, text: words, at: at(line, 3)?, fragments: Fragments::new() };
        Ok(Said::Event { event, also: false })
    };
    "401" "[latitude],[longitude],[altitude],[accuracy],[time]" |line| moved(line, false);
    "402" "[latitude],[longitude],[altitude],[accuracy],[time]" |line| moved(line, true);
    "407" "type,[fragment],..." |line| Ok(Said::EventHas { kind: text(line, 1, "type")?, fragments: without(line.rest(2)) });
    "500" "" |_| Ok(Said::Pending);
    "501" "fragment" |line| step(Which::Oldest(text(line, 1, "fragment")?), Progress::Executing);
    "502" "fragment,[reason]" |line| step(Which::Oldest(text(line, 1, "fragment")?), Progress::Failed(owned(line.value(2))));
    "503" "fragment,[result],..." |line| step(Which::Oldest(text(line, 1, "fragment")?), Progress::Successful(results(line)));
    "504" "operationId" |line| step(Which::Id(text(line, 1, "operationId")?), Progress::Executing);
    "505" "operationId,[reason]" |line| step(Which::Id(text(line, 1, "operationId")?), Progress::Failed(owned(line.value(2))));
    "506" "operationId,[result],..." |line| step(Which::Id(text(line, 1, "operationId")?), Progress::Successful(results(line)));
    "507" "[fragment],[reason]" |line| Ok(Said::Failed { fragment: owned(line.value(1)), reason: owned(line.value(2)) });
}

const SOFTWARE: &[&str] = &["name", "version", "softwareType", "url"];

/// What a line says. The error is for the device.
pub(crate) fn read(line: &Line<'_>) -> Read {
    let template = TEMPLATES.iter().find(|template| template.id == line.id());
    let Some(template) = template else { return Err("there is no static template of this id".into()) };
    (template.read)(line).map_err(|why| format!("{why}; the form is {},{}", template.id, template.values))
}

fn owned(value: Option<&str>) -> Option<String> {
    value.map(str::to_owned)
}

fn wrong(name: &str, value: &str, must: &str) -> String {
    format!("{name} must be {must}, not {value:.64}")
}

fn text(line: &Line<'_>, place: usize, name: &str) -> Result<String, String> {
    line.value(place).map(str::to_owned).ok_or_else(|| format!("{name} is missing"))
}

fn numeric(line: &Line<'_>, place: usize, name: &str) -> Result<Value, String> {
    let text = text(line, place, name)?;
    number(&text).ok_or_else(|| wrong(name, &text, "a number"))
}

fn at(line: &Line<'_>, place: usize) -> Result<Option<Time>, String> {
    line.value(place).map(|text| time(text).ok_or_else(|| wrong("time", text, "ISO 8601"))).transpose()
}

fn one(name: &str, value: Value) -> Fragments {
    Map::from_iter([(name.to_owned(), value)])
}

fn has(name: &str, value: Value) -> Read {
    Ok(Said::Has(one(name, value)))
}

/// The values under these names, but for those that are left out.
fn texts(line: &Line<'_>, names: &[&str]) -> Value {
    let named = (1..).zip(names).filter_map(|(place, name)| Some(((*name).to_owned(), line.value(place)?.into())));
    Value::Object(named.collect())
}

fn list(line: &Line<'_>, place: usize) -> Value {
    line.rest(place).iter().map(|value| value.trim()).filter(|value| !value.is_empty()).collect()
}

/// The rest in groups of as many values as there are names; those that are left out at the end count as empty.
fn groups(line: &Line<'_>, place: usize, names: &[&str]) -> Result<Vec<Value>, String> {
    let groups = line.rest(place).chunks(names.len()).filter(|group| group.iter().any(|value| !value.is_empty()));
    let group = |group: &[std::borrow::Cow<'_, str>]| {
        if group.first().is_none_or(|name| name.is_empty()) {
            return Err("a name is missing".to_owned());
        }
        let value = |at: usize| group.get(at).map_or("", |value| value);
        Ok((0..).zip(names).map(|(at, name)| ((*name).to_owned(), Value::from(value(at)))).collect::<Map<_, _>>().into())
    };
    groups.map(group).collect()
}

fn names(line: &Line<'_>, place: usize, name: &str) -> Result<Fragments, String> {
    let names = without(line.rest(place));
    if names.is_empty() { Err(format!("{name} is missing")) } else { Ok(names) }
}

fn position(line: &Line<'_>) -> Result<Value, String> {
    let mut position = Map::new();
    for (place, name) in (1..).zip(["lat", "lng", "alt", "accuracy"]) {
        if line.value(place).is_some() {
            position.insert(name.to_owned(), numeric(line, place, name)?);
        }
    }
    Ok(position.into())
}

fn measured(kind: &str, at: Option<Time>, fragments: Fragments) -> Read {
    Ok(Said::Measured(NewMeasurement { kind: kind.to_owned(), at, fragments }))
}

fn single(line: &Line<'_>, kind: &str, name: &str, unit: &str, what: &str) -> Read {
    let value = series(numeric(line, 1, what)?, Some(unit));
    measured(kind, at(line, 2)?, one(kind, one(name, value).into()))
}

fn measurements(line: &Line<'_>) -> Result<Fragments, String> {
    let mut found = Fragments::new();
    for place in (3..3 + line.rest(3).len()).step_by(4) {
        let (fragment, name) = (text(line, place, "fragment")?, text(line, place + 1, "series")?);
        let value = series(numeric(line, place + 2, "value")?, line.value(place + 3));
        if let Value::Object(all) = found.entry(fragment).or_insert_with(|| Map::new().into()) {
            all.insert(name, value);
        }
    }
    if found.is_empty() { Err("a fragment with its series and value is missing".into()) } else { Ok(found) }
}

fn alarm(line: &Line<'_>, severity: Severity) -> Read {
    let kind = text(line, 1, "type")?;
    let words = line.value(2).map_or_else(|| format!("Alarm of type {kind} raised"), str::to_owned);
    Ok(Said::Alarm(NewAlarm { kind, text: words, severity, status: None, at: at(line, 3)?, fragments: Fragments::new() }))
}

fn moved(line: &Line<'_>, also: bool) -> Read {
    let (kind, text) = ("c8y_LocationUpdate".to_owned(), "Location updated".to_owned());
    let event = NewDeviceEvent { kind, text, at: at(line, 5)?, fragments: one("c8y_Position", position(line)?) };
    Ok(Said::Event { event, also })
}

fn step(which: Which, progress: Progress) -> Read {
    Ok(Said::Operation { which, progress })
}

fn results(line: &Line<'_>) -> Vec<String> {
    let mut results: Vec<String> = line.rest(2).iter().map(ToString::to_string).collect();
    while results.last().is_some_and(String::is_empty) {
        results.pop();
    }
    results
}
