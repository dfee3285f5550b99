//! SenML JSON (RFC 8428 section 5). Absent: what the records mean; see [`super::senml`].

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

use super::DecodeLimits;
use super::collect::Raw;
use super::fault::{At, DecodeCheck, DecodeError, EncodeError};
use super::senml::{self, Record};
use crate::path::Path;
use crate::value::{Entry, Value};

pub(super) fn decode(payload: &[u8], limits: &DecodeLimits) -> Result<Vec<Record>, DecodeError> {
    let mut json = serde_json::Deserializer::from_slice(payload);
    let records = json.deserialize_seq(Records { max: limits.entries });
    records.and_then(|records| json.end().map(|()| records)).map_err(|e| fault(&e))
}

/// The reason and the place of a JSON error. What the payload says stays out of it: that may be a key.
pub(super) fn fault(error: &serde_json::Error) -> DecodeError {
    if error.classify() == serde_json::error::Category::Eof {
        return DecodeError::new(DecodeCheck::Truncated, At::Whole);
    }
    let text = error.to_string();
    let reason = match text.split_once(':') {
        Some((kind @ ("invalid type" | "invalid value" | "invalid length"), _)) => {
            format!("{kind} at line {} column {}", error.line(), error.column())
        }
        _ => text.chars().take(160).collect(),
    };
    DecodeError::new(DecodeCheck::Json(reason), At::Whole)
}

struct Records {
    max: usize,
}

impl<'de> Visitor<'de> for Records {
    type Value = Vec<Record>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Record>, A::Error> {
        let mut records = Vec::new();
        while let Some(record) = seq.next_element::<Record>()? {
            if records.len() == self.max {
                return Err(de::Error::custom("too many records"));
            }
            records.push(record);
        }
        Ok(records)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneRecord)
    }
}

struct OneRecord;

impl<'de> Visitor<'de> for OneRecord {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let mut record = Record::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "bn" => put(&mut record.base_name, "bn", map.next_value()?)?,
                "n" => put(&mut record.name, "n", map.next_value()?)?,
                "bt" => put(&mut record.base_time_s, "bt", finite(&map.next_value()?)?)?,
                "t" => put(&mut record.time_s, "t", finite(&map.next_value()?)?)?,
                "bv" => put(&mut record.base_value, "bv", finite(&map.next_value()?)?)?,
                "bver" => put(&mut record.base_version, "bver", map.next_value()?)?,
                "v" => put(&mut record.value, "value", map.next_value::<Scalar>()?.number())?,
                "vs" => put(&mut record.value, "value", map.next_value::<Scalar>()?.text(Raw::Text))?,
                "vb" => put(&mut record.value, "value", map.next_value::<Scalar>()?.bool())?,
                "vlo" => put(&mut record.value, "value", map.next_value::<Scalar>()?.text(Raw::Link))?,
                "vd" => put(&mut record.value, "value", map.next_value::<Scalar>()?.text(data))?,
                // RFC 8428 section 4.4: names that end so must be understood.
                other if other.ends_with('_') => return Err(de::Error::custom("a field that must be understood is not")),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(record)
    }
}

pub(super) fn put<T, E: de::Error>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    if place.replace(value).is_some() {
        return Err(E::custom(format_args!("{name} is given twice")));
    }
    Ok(())
}

/// A value as JSON has it, before it is asked whether it is of the kind that its field says.
pub(super) struct Scalar(Raw);

impl Scalar {
    /// A number, as the narrowest of signed, unsigned and floating.
    pub fn number(self) -> Raw {
        match self.0 {
            number @ (Raw::Int(_) | Raw::Uint(_) | Raw::Float(_)) => number,
            _ => unusable("a number is wanted"),
        }
    }

    pub fn bool(self) -> Raw {
        if let Raw::Bool(_) = self.0 { self.0 } else { unusable("true or false is wanted") }
    }

    pub fn text(self, then: impl FnOnce(String) -> Raw) -> Raw {
        if let Raw::Text(text) = self.0 { then(text) } else { unusable("a text is wanted") }
    }
}

fn unusable(why: &str) -> Raw {
    Raw::Unusable(DecodeCheck::Json(why.into()))
}

fn data(text: String) -> Raw {
    senml::base64(&text, true).map_or_else(Raw::Unusable, Raw::Bytes)
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyScalar).map(Self)
    }
}

struct AnyScalar;

impl<'de> Visitor<'de> for AnyScalar {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_i64<E>(self, n: i64) -> Result<Raw, E> {
        Ok(Raw::Int(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Raw, E> {
        Ok(i64::try_from(n).map_or(Raw::Uint(n), Raw::Int))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Raw, E> {
        Ok(Raw::Float(x))
    }

    fn visit_bool<E>(self, b: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(b))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(unusable("null is no value"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(unusable("an array is no value"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(unusable("an object is no value"))
    }
}

pub(super) fn finite<E: de::Error>(number: &Number) -> Result<f64, E> {
    number.as_f64().filter(|x| x.is_finite()).ok_or_else(|| E::custom("number is not finite"))
}

pub(super) fn encode(base: &Path, entries: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    let mut records = Vec::with_capacity(entries.len());
    for line in senml::lines(base, entries)? {
        let mut record = Map::new();
        record.extend(line.base_name.map(|name| ("bn".to_owned(), Json::from(name))));
        if !line.name.is_empty() {
            record.insert("n".into(), line.name.into());
        }
        record.extend(line.time_s.map(|seconds| ("t".to_owned(), seconds_json(seconds))));
        let (field, value) = match line.value {
            Value::Text(text) | Value::CoreLink(text) => ("vs", text.as_str().into()),
            Value::Integer(n) | Value::Time(n) => ("v", (*n).into()),
            Value::Unsigned(n) => ("v", (*n).into()),
            Value::Float(x) => ("v", (*x).into()),
            Value::Boolean(b) => ("vb", (*b).into()),
            Value::Opaque(bytes) => ("vd", senml::to_base64(bytes, true).into()),
            Value::ObjectLink(link) => ("vlo", link.to_string().into()),
        };
        record.insert(field.into(), value);
        records.push(Json::Object(record));
    }
    Ok(Json::Array(records).to_string().into_bytes())
}

/// Seconds without a fraction where there is none.
pub(super) fn seconds_json(seconds: f64) -> Json {
    if seconds.fract() == 0.0 { (seconds as i64).into() } else { seconds.into() }
}

pub(super) fn encode_paths(paths: &[Path]) -> Vec<u8> {
    let records = paths.iter().map(|path| serde_json::json!({ "n": path.to_string() })).collect();
    Json::Array(records).to_string().into_bytes()
}
