//! The JSON of LwM2M 1.0 (core 1.0 section 6.4.4): one object with `bn`, `bt` and an array `e`. Absent: anything of SenML; fields share only
//! their names.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::collect::{Collector, Raw};
use super::fault::{At, DecodeCheck, DecodeError, EncodeError};
use super::senml::{self, NAME_BYTES_MAX};
use super::senml_json::{Scalar, fault, finite, put, seconds_json};
use super::{Decoded, Reading};
use crate::path::Path;
use crate::value::{Entry, Value, ValueType};

#[derive(Default)]
struct Document {
    base_name: Option<String>,
    base_time_s: Option<f64>,
    elements: Option<Vec<Element>>,
}

#[derive(Default)]
struct Element {
    name: Option<String>,
    time_s: Option<f64>,
    value: Option<Raw>,
}

/// Guards the memory that elements take before they are checked one by one; the limit of the caller comes after.
const ELEMENTS_MAX: usize = 65_536;

pub(super) fn decode(base: &Path, payload: &[u8], reading: &Reading<'_>) -> Result<Decoded, DecodeError> {
    let document: Document = serde_json::from_slice(payload).map_err(|e| fault(&e))?;
    let whole = |check| DecodeError::new(check, At::Whole);
    let elements = document.elements.ok_or(whole(DecodeCheck::Json("e is missing".into())))?;
    // Without a base name a name says the whole path (core 1.0 section 6.4.4), or, as some clients have it, the rest behind the request's.
    let base_name = document.base_name.unwrap_or_default();
    let behind = if base.is_root() { String::new() } else { base.to_string() };
    if base_name.len() > NAME_BYTES_MAX {
        return Err(whole(DecodeCheck::Path));
    }
    let mut collector = Collector::new(base, reading);
    for (index, element) in elements.into_iter().enumerate() {
        let at = At::Record(index);
        let name = element.name.unwrap_or_default();
        let full = if base_name.is_empty() && !name.starts_with('/') {
            format!("{behind}/{name}")
        } else {
            format!("{base_name}{name}")
        };
        let Some(path) = senml::path_of(&full, reading.root).filter(|_| name.len() <= NAME_BYTES_MAX) else {
            collector.fault(at, None, DecodeCheck::Path)?;
            continue;
        };
        let raw = match element.value {
            Some(Raw::Text(text)) if reading.models.value_type(&path) == Some(ValueType::Opaque) => {
                senml::base64(&text, false).map(Raw::Bytes)
            }
            other => other.ok_or(DecodeCheck::NotOneValue),
        };
        let time = senml::time(document.base_time_s.unwrap_or_default() + element.time_s.unwrap_or_default());
        match raw.and_then(|raw| Ok((raw, time?))) {
            Ok((raw, time)) => collector.raw(at, path, raw, time)?,
            Err(check) => collector.fault(at, Some(path), check)?,
        }
    }
    Ok(collector.finish())
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneDocument)
    }
}

struct OneDocument;

impl<'de> Visitor<'de> for OneDocument {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with e")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut document = Document::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "bn" => put(&mut document.base_name, "bn", map.next_value()?)?,
                "bt" => put(&mut document.base_time_s, "bt", finite(&map.next_value()?)?)?,
                "e" => put(&mut document.elements, "e", map.next_value::<Elements>()?.0)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(document)
    }
}

struct Elements(Vec<Element>);

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(AllElements)
    }
}

struct AllElements;

impl<'de> Visitor<'de> for AllElements {
    type Value = Elements;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Elements, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element::<Element>()? {
            if elements.len() == ELEMENTS_MAX {
                return Err(de::Error::custom("too many elements"));
            }
            elements.push(element);
        }
        Ok(Elements(elements))
    }
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneElement)
    }
}

struct OneElement;

impl<'de> Visitor<'de> for OneElement {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an element")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element, A::Error> {
        let mut element = Element::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "n" => put(&mut element.name, "n", map.next_value()?)?,
                "t" => put(&mut element.time_s, "t", finite(&map.next_value()?)?)?,
                "v" => put(&mut element.value, "value", map.next_value::<Scalar>()?.number())?,
                "sv" => put(&mut element.value, "value", map.next_value::<Scalar>()?.text(Raw::Text))?,
                "bv" => put(&mut element.value, "value", map.next_value::<Scalar>()?.bool())?,
                "ov" => put(&mut element.value, "value", map.next_value::<Scalar>()?.text(Raw::Link))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(element)
    }
}

pub(super) fn encode(base: &Path, entries: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    let mut elements = Vec::with_capacity(entries.len());
    for line in senml::lines(base, entries)? {
        let mut element = Map::new();
        element.insert("n".into(), line.name.into());
        element.extend(line.time_s.map(|seconds| ("t".to_owned(), seconds_json(seconds))));
        let (field, value) = match line.value {
            Value::Text(text) | Value::CoreLink(text) => ("sv", text.as_str().into()),
            Value::Integer(n) | Value::Time(n) => ("v", (*n).into()),
            Value::Unsigned(n) => ("v", (*n).into()),
            Value::Float(x) => ("v", (*x).into()),
            Value::Boolean(b) => ("bv", (*b).into()),
            Value::Opaque(bytes) => ("sv", senml::to_base64(bytes, false).into()),
            Value::ObjectLink(link) => ("ov", link.to_string().into()),
        };
        element.insert(field.into(), value);
        elements.push(Json::Object(element));
    }
    let mut document = Map::new();
    let shared = base.cut(2);
    document.insert("bn".into(), if shared.is_root() { String::new() } else { format!("{shared}/") }.into());
    document.insert("e".into(), Json::Array(elements));
    Ok(Json::Object(document).to_string().into_bytes())
}
