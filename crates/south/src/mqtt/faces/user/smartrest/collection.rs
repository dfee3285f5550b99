//! Templates of a tenant's own: what a line of them asks for, and which lines they make of a document (contract section 7). Pure.
//!
//! Absent: lists among what a line sets, and paths with filters.

use super::{
    super::{
        json,
        said::{Fragments, Progress, Said, Which, number},
    },
    csv::{self, Line, lines},
};
use landfall_core::AlarmChange;
use landfall_model::{AlarmStatus, Severity, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Where an object keeps its collection.
pub(crate) const FRAGMENT: &str = "com_cumulocity_model_smartrest_csv_CsvSmartRestTemplate";

/// Templates under one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Collection {
    request_templates: Vec<Request>,
    response_templates: Vec<Response>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Request {
    msg_id: String,
    method: String,
    api: String,
    response: Option<bool>,
    by_id: Option<bool>,
    external_id_type: Option<String>,
    mandatory_values: Vec<Option<String>>,
    custom_values: Vec<Custom>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Custom {
    path: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    value: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Response {
    msg_id: String,
    base: Option<String>,
    condition: Option<String>,
    pattern: Vec<String>,
}

/// What a line asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    /// A statement about the client's device.
    Said(Said),
    /// An object, which is changed where there is something to change, and shown where that is wanted.
    Object { of: Named, change: Fragments, shown: bool },
    /// A new object, and its other name.
    Make { external: Option<(String, String)>, fragments: Fragments },
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Id(String),
    External(String, String),
}

impl Collection {
    /// Reads the lines that make a collection: 10 for what is asked, 11 for what is answered. The error is for the device.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut all = Self::default();
        for line in lines(text) {
            let line = line.map_err(|unread| unread.why.to_owned())?;
            match line.id() {
                "10" => all.request_templates.push(Request::read(&line)?),
                "11" => all.response_templates.push(Response::read(&line)?),
                _ => return Err("each line of a collection begins with 10 or 11".into()),
            }
        }
        Ok(all)
    }

    /// What a line asks for at a time. The error is for the device.
    pub(crate) fn call(&self, line: &Line<'_>, now: Time) -> Result<Call, String> {
        let request = self.request_templates.iter().find(|request| request.msg_id == line.id());
        request.ok_or("the collection has no template of this id")?.call(line, now)
    }

    /// A document as lines, one for each template whose condition it meets. `whose`: the device of an operation.
    pub(crate) fn answers(&self, document: &Value, whose: Option<&str>) -> Vec<String> {
        self.response_templates.iter().filter_map(|response| response.line(document, whose)).collect()
    }
}

/// The values of a line that were not used yet.
struct Rest<'a>(std::slice::Iter<'a, Cow<'a, str>>);

impl Rest<'_> {
    fn next(&mut self) -> String {
        self.0.next().map(ToString::to_string).unwrap_or_default()
    }

    /// The value that the template has, else the next one.
    fn filled(&mut self, value: Option<&String>) -> String {
        value.filter(|value| !value.is_empty()).cloned().unwrap_or_else(|| self.next())
    }
}

impl Request {
    fn read(line: &Line<'_>) -> Result<Self, String> {
        let value = |place| line.value(place).map(str::to_owned);
        let text = |place, name: &str| value(place).ok_or_else(|| format!("{name} is missing"));
        let flag = |place| value(place).map(|text| text.eq_ignore_ascii_case("true"));
        let (method, api) = (text(2, "method")?, text(3, "api")?);
        let mut request = Self { msg_id: text(1, "messageId")?, response: flag(4), ..Self::default() };
        let customs_at = if api == "INVENTORY" && method != "POST" {
            (request.by_id, request.external_id_type) = (flag(5), value(6));
            7
        } else {
            let names = fields(&method, &api).ok_or_else(|| format!("there is no {method} of {api}"))?;
            request.mandatory_values = (5..5 + names.len()).map(value).collect();
            5 + names.len()
        };
        let custom = |triple: &[Cow<'_, str>]| {
            let value = |at: usize| triple.get(at).map(ToString::to_string).filter(|value| !value.is_empty());
            Custom { path: value(0).unwrap_or_default(), kind: value(1), value: value(2) }
        };
        request.custom_values = line.rest(customs_at).chunks(3).map(custom).filter(|custom| !custom.path.is_empty()).collect();
        (request.method, request.api) = (method, api);
        Ok(request)
    }

    fn call(&self, line: &Line<'_>, now: Time) -> Result<Call, String> {
        let mut rest = Rest(line.rest(1).iter());
        match (&*self.method, &*self.api) {
            (method @ ("GET" | "PUT"), "INVENTORY") => {
                let of = self.named(&mut rest);
                let change = if method == "PUT" { self.customs(&mut rest, now)? } else { Map::new() };
                Ok(Call::Object { of, change, shown: self.response.unwrap_or(method == "GET") })
            }
            ("POST", "INVENTORY") => {
                let value = rest.next();
                let kind = rest.filled(self.mandatory_values.first().and_then(Option::as_ref).or(self.external_id_type.as_ref()));
                let external = (!value.is_empty() && !kind.is_empty()).then_some((kind, value));
                Ok(Call::Make { external, fragments: self.customs(&mut rest, now)? })
            }
            (method, api) => {
                let names = fields(method, api).ok_or_else(|| format!("there is no {method} of {api}"))?;
                let mut document = Map::new();
                for (at, name) in names.iter().enumerate() {
                    let text = rest.filled(self.mandatory_values.get(at).and_then(Option::as_ref));
                    if !text.is_empty() {
                        document.insert((*name).to_owned(), text.into());
                    }
                }
                document.extend(self.customs(&mut rest, now)?);
                said(method, api, document).map(Call::Said)
            }
        }
    }

    fn named(&self, rest: &mut Rest<'_>) -> Named {
        if self.by_id == Some(true) {
            return Named::Id(rest.next());
        }
        let kind = rest.filled(self.external_id_type.as_ref());
        Named::External(kind, rest.next())
    }

    fn customs(&self, rest: &mut Rest<'_>, now: Time) -> Result<Fragments, String> {
        let mut all = Map::new();
        for custom in &self.custom_values {
            let kind = custom.kind.as_deref().unwrap_or("STRING");
            let value =
                if kind == "FLAG" { json!({}) } else { typed(kind, rest.filled(custom.value.as_ref()), now, &custom.path)? };
            let path: Vec<&str> = custom.path.trim_start_matches("$.").split('.').collect();
            set(&mut all, &path, value);
        }
        Ok(all)
    }
}

/// The fields that each thing must have, in the order of their values.
fn fields(method: &str, api: &str) -> Option<&'static [&'static str]> {
    match (method, api) {
        ("POST", "MEASUREMENT") => Some(&["type", "time"]),
        ("POST", "EVENT") => Some(&["type", "text", "time"]),
        ("POST", "ALARM") => Some(&["type", "text", "status", "severity", "time"]),
        ("POST", "INVENTORY") => Some(&["externalIdType"]),
        ("PUT", "ALARM") => Some(&["type"]),
        ("PUT", "OPERATION") => Some(&["fragment"]),
        _ => None,
    }
}

fn said(method: &str, api: &str, mut document: Fragments) -> Result<Said, String> {
    let mut text = |name: &str| document.remove(name).and_then(|value| value.as_str().map(str::to_owned));
    match (method, api) {
        ("POST", "MEASUREMENT") => json::measurement(document).map(|told| told.said),
        ("POST", "EVENT") => json::event(document).map(|told| told.said),
        ("POST", "ALARM") => json::alarm(document).map(|told| told.said),
        ("PUT", "ALARM") => {
            let kind = text("type").ok_or("type is missing")?;
            let (status, severity, words) = (text("status"), text("severity"), text("text"));
            let status = status.and_then(|word| AlarmStatus::ALL.into_iter().find(|status| status.as_str() == word));
            let severity = severity.and_then(|word| Severity::ALL.into_iter().find(|severity| severity.as_str() == word));
            Ok(Said::AlarmIs { kind, change: AlarmChange { status, severity, text: words, fragments: document } })
        }
        _ => {
            let which = Which::Current(text("fragment").ok_or("fragment is missing")?);
            let (status, reason) = (text("status"), text("failureReason"));
            let progress = match status.as_deref() {
                Some("EXECUTING") => Progress::Executing,
                Some("FAILED") => Progress::Failed(reason),
                Some("SUCCESSFUL") => Progress::Successful(vec![]),
                _ => return Err("status must be EXECUTING, FAILED or SUCCESSFUL".into()),
            };
            Ok(Said::Operation { which, progress })
        }
    }
}

fn typed(kind: &str, text: String, now: Time, path: &str) -> Result<Value, String> {
    let wrong = |must: &str| format!("{path} must be {must}, not {text:.64}");
    match kind {
        "NUMBER" => number(&text).ok_or_else(|| wrong("a number")),
        "INTEGER" => text.trim().parse::<i64>().map(Value::from).map_err(|_| wrong("a whole number")),
        "UNSIGNED" => text.trim().parse::<u64>().map(Value::from).map_err(|_| wrong("a whole number that is not negative")),
        "DATE" if text.is_empty() => Ok(now.iso().into()),
        _ => Ok(text.into()),
    }
}

fn set(all: &mut Fragments, path: &[&str], value: Value) {
    match path {
        [] => {}
        [name] => {
            all.insert((*name).to_owned(), value);
        }
        [name, rest @ ..] => {
            let below = all.entry(*name).or_insert_with(|| Map::new().into());
            if !below.is_object() {
                *below = Map::new().into();
            }
            if let Value::Object(below) = below {
                set(below, rest, value);
            }
        }
    }
}

impl Response {
    fn read(line: &Line<'_>) -> Result<Self, String> {
        let value = |place| line.value(place).map(str::to_owned);
        let msg_id = value(1).ok_or("messageId is missing")?;
        let pattern = line.rest(4).iter().map(ToString::to_string).collect();
        Ok(Self { msg_id, base: value(2), condition: value(3), pattern })
    }

    fn line(&self, document: &Value, whose: Option<&str>) -> Option<String> {
        let condition = self.condition.as_deref().filter(|condition| !condition.is_empty());
        if condition.is_some_and(|condition| found(document, condition).is_empty()) {
            return None;
        }
        let base = self.base.as_deref().filter(|base| !base.is_empty());
        let mut values = vec![Cow::Borrowed(&*self.msg_id)];
        values.extend(whose.map(Cow::Borrowed));
        for pattern in &self.pattern {
            let path = base.map_or_else(|| pattern.clone(), |base| format!("{base}.{}", pattern.trim_start_matches("$.")));
            let all = found(document, &path);
            if all.is_empty() {
                values.push(Cow::Borrowed(""));
            }
            values.extend(all.into_iter().map(|value| match value {
                Value::Null => Cow::Borrowed(""),
                Value::String(text) => Cow::Borrowed(&**text),
                other => Cow::Owned(other.to_string()),
            }));
        }
        Some(csv::written(values))
    }
}

/// What stands at a path of names, `[*]` and `[n]`.
fn found<'a>(document: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut at = vec![document];
    for part in path.trim_start_matches("$.").split('.') {
        let (name, index) = part.split_once('[').map_or((part, None), |(name, index)| (name, Some(index.trim_end_matches(']'))));
        at = at.into_iter().filter_map(|value| if name.is_empty() { Some(value) } else { value.get(name) }).collect();
        at = match index {
            None => at,
            Some("*") => at.into_iter().filter_map(Value::as_array).flatten().collect(),
            Some(index) => match index.parse::<usize>() {
                Ok(index) => at.into_iter().filter_map(|value| value.get(index)).collect(),
                Err(_) => vec![],
            },
        };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragments(value: Value) -> Fragments {
        value.as_object().unwrap().clone()
    }

    fn calls(collection: &str, line: &str) -> Result<Call, String> {
        let collection = Collection::read(collection).unwrap();
        // What is kept means the same.
        let kept: Collection = serde_json::from_value(serde_json::to_value(&collection).unwrap()).unwrap();
        assert_eq!(kept, collection);
        kept.call(&lines(line).next().unwrap().unwrap(), Time(0))
    }

    #[test]
    fn lines_ask_by_own_templates() {
        let object = |of, change: Value, shown| Call::Object { of, change: fragments(change), shown };
        let serial = || Named::External("c8y_Serial".into(), "d-1".into());
        let cases = [
            ("10,9,GET,INVENTORY,,true", "9,123", object(Named::Id("123".into()), json!({}), true)),
            ("10,9,GET,INVENTORY,,false,c8y_Serial", "9,d-1", object(serial(), json!({}), true)),
            ("10,9,GET,INVENTORY,,false", "9,c8y_Serial,d-1", object(serial(), json!({}), true)),
            (
                "10,9,PUT,INVENTORY,,false,c8y_Serial,c8y_Net.ip,STRING,,c8y_Net.up,INTEGER,,c8y_IsAgent,FLAG,",
                "9,d-1,10.0.0.1,1",
                object(serial(), json!({"c8y_Net": {"ip": "10.0.0.1", "up": 1}, "c8y_IsAgent": {}}), false),
            ),
            (
                "10,9,POST,INVENTORY,,my_Serial,type,STRING,fixed",
                "9,d-2",
                Call::Make { external: Some(("my_Serial".into(), "d-2".into())), fragments: fragments(json!({"type": "fixed"})) },
            ),
            (
                "10,9,PUT,ALARM,,hot,status,ALARMSTATUS,CLEARED",
                "9",
                Call::Said(Said::AlarmIs { kind: "hot".into(), change: super::super::super::said::cleared() }),
            ),
            (
                "10,9,PUT,OPERATION,,c8y_Own,status,OPERATIONSTATUS,SUCCESSFUL",
                "9",
                Call::Said(Said::Operation { which: Which::Current("c8y_Own".into()), progress: Progress::Successful(vec![]) }),
            ),
        ];
        for (collection, line, expected) in cases {
            assert_eq!(calls(collection, line), Ok(expected), "{collection}");
        }
        let Ok(Call::Said(Said::Measured(measured))) =
            calls("10,9,POST,MEASUREMENT,,m,,c8y_M.M.value,NUMBER,,c8y_M.M.unit,STRING,X", "9,,30.6")
        else {
            panic!("a measurement")
        };
        assert_eq!(
            (&*measured.kind, Value::Object(measured.fragments)),
            ("m", json!({"c8y_M": {"M": {"value": 30.6, "unit": "X"}}}))
        );
        let Ok(Call::Said(Said::Event { event, .. })) = calls("10,9,POST,EVENT,,e,,", "9,words") else { panic!("an event") };
        assert_eq!((&*event.kind, &*event.text), ("e", "words"));
    }

    #[test]
    fn documents_become_lines_by_own_templates() {
        let own = "11,111,c8y_Own,deviceId,val1,val2,list[*]\n11,222,,deviceId,c8y_Own.val1,$.c8y_Own.list[1]\n11,333,,deviceId,val1,val2,list[*]\n11,444,c8y_Own,c8y_Own.val3,val1";
        let collection = Collection::read(own).unwrap();
        let operation = json!({"deviceId": "6", "c8y_Own": {"val1": "1", "val2": 2, "list": ["a", "b,c"]}});
        assert_eq!(collection.answers(&operation, Some("d-1")), ["111,d-1,1,2,a,\"b,c\"", "222,d-1,1,\"b,c\"", "333,d-1,,,"]);
        let shown = Collection::read("11,888,,c8y_IsDevice,type,c8y_Test").unwrap();
        assert_eq!(shown.answers(&json!({"type": "t", "c8y_IsDevice": {}}), None), ["888,t,"]);
        let imported = json!({"requestTemplates": [], "responseTemplates": [
            {"msgId": "dm101", "condition": "set_wifi", "base": "set_wifi", "name": "set_wifi", "pattern": ["name", "ssid", "type"]}
        ]});
        let imported: Collection = serde_json::from_value(imported).unwrap();
        assert_eq!(imported.answers(&json!({"set_wifi": {"name": "n", "ssid": "s"}}), Some("d-1")), ["dm101,d-1,n,s,"]);
    }

    #[test]
    fn the_device_learns_what_is_wrong() {
        for (collection, why) in [
            ("100", "each line of a collection begins with 10 or 11"),
            ("10,9,GET", "api is missing"),
            ("10,9,DELETE,EVENT", "there is no DELETE of EVENT"),
            ("11", "messageId is missing"),
        ] {
            assert_eq!(Collection::read(collection), Err(why.to_owned()), "{collection}");
        }
        let number = "10,9,PUT,INVENTORY,,true,,a.b,UNSIGNED,";
        assert_eq!(calls(number, "9,1,-5"), Err("a.b must be a whole number that is not negative, not -5".into()));
        assert_eq!(calls(number, "8"), Err("the collection has no template of this id".into()));
        assert_eq!(calls("10,9,PUT,OPERATION,,o", "9"), Err("status must be EXECUTING, FAILED or SUCCESSFUL".into()));
    }
}
