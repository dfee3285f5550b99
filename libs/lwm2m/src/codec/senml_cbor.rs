//! SenML CBOR (RFC 8428 section 6). Absent: what the records mean; see [`super::senml`].

use super::DecodeLimits;
use super::cbor::{MAJOR_ARRAY, MAJOR_MAP, MAJOR_TEXT, Reader, put_float, put_head, put_integer, put_text, put_value};
use super::collect::Raw;
use super::fault::{DecodeCheck, DecodeError, EncodeError};
use super::senml::{self, Record};
use crate::path::Path;
use crate::value::{Entry, Value};

const BASE_VERSION: i64 = -1;
const BASE_NAME: i64 = -2;
const BASE_TIME: i64 = -3;
const BASE_VALUE: i64 = -5;
const NAME: i64 = 0;
const VALUE: i64 = 2;
const STRING: i64 = 3;
const BOOLEAN: i64 = 4;
const TIME: i64 = 6;
const DATA: i64 = 8;
const LINK: &str = "vlo";

pub(super) fn decode(payload: &[u8], limits: &DecodeLimits) -> Result<Vec<Record>, DecodeError> {
    let mut reader = Reader::new(payload);
    let mut items = reader.enter(MAJOR_ARRAY, "an array of records is wanted")?;
    let mut records = Vec::new();
    while reader.more(&mut items)? {
        if records.len() == limits.entries {
            return reader.fail(DecodeCheck::TooMany);
        }
        records.push(record(&mut reader)?);
    }
    reader.end()?;
    Ok(records)
}

fn record(reader: &mut Reader<'_>) -> Result<Record, DecodeError> {
    let mut record = Record::default();
    let mut items = reader.enter(MAJOR_MAP, "a record is a map")?;
    while reader.more(&mut items)? {
        if reader.peek().is_some_and(|byte| byte >> 5 == MAJOR_TEXT) {
            let label = reader.next_text()?;
            match label.as_str() {
                LINK => {
                    let link = Raw::Link(reader.next_text()?);
                    put(reader, &mut record.value, "value", link)?;
                }
                other if other.ends_with('_') => return reader.fail(DecodeCheck::MustUnderstand),
                _ => reader.skip()?,
            }
        } else {
            let label = reader.next_integer()?;
            field(reader, &mut record, label)?;
        }
    }
    Ok(record)
}

fn field(reader: &mut Reader<'_>, record: &mut Record, label: i64) -> Result<(), DecodeError> {
    match label {
        BASE_VERSION => {
            let version = reader.next_integer()?;
            put(reader, &mut record.base_version, "bver", version)
        }
        BASE_NAME => {
            let name = reader.next_text()?;
            put(reader, &mut record.base_name, "bn", name)
        }
        BASE_TIME => {
            let seconds = reader.next_number()?;
            put(reader, &mut record.base_time_s, "bt", seconds)
        }
        BASE_VALUE => {
            let number = reader.next_number()?;
            put(reader, &mut record.base_value, "bv", number)
        }
        NAME => {
            let name = reader.next_text()?;
            put(reader, &mut record.name, "n", name)
        }
        TIME => {
            let seconds = reader.next_number()?;
            put(reader, &mut record.time_s, "t", seconds)
        }
        VALUE | STRING | BOOLEAN | DATA => {
            let raw = reader.any_value()?;
            let fits = match raw {
                Raw::Int(_) | Raw::Uint(_) | Raw::Float(_) => label == VALUE,
                Raw::Text(_) => label == STRING,
                Raw::Bool(_) => label == BOOLEAN,
                Raw::Bytes(_) => label == DATA,
                // Core 1.1 table C.2 has times as tagged dates, and does not say under which label.
                Raw::Time(_) => matches!(label, VALUE | STRING),
                Raw::Link(_) => false,
                Raw::Unusable(_) => true,
            };
            let unfit = || Raw::Unusable(DecodeCheck::Cbor("value is not of the kind that its label says"));
            put(reader, &mut record.value, "value", if fits { raw } else { unfit() })
        }
        _ => reader.skip(),
    }
}

fn put<T>(reader: &Reader<'_>, place: &mut Option<T>, name: &'static str, value: T) -> Result<(), DecodeError> {
    if place.replace(value).is_some() { reader.fail(DecodeCheck::Twice(name)) } else { Ok(()) }
}

pub(super) fn encode(base: &Path, entries: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    put_head(&mut out, MAJOR_ARRAY, entries.len() as u64);
    for line in senml::lines(base, entries)? {
        let named = !line.name.is_empty();
        let fields = 1 + u64::from(line.base_name.is_some()) + u64::from(named) + u64::from(line.time_s.is_some());
        put_head(&mut out, MAJOR_MAP, fields);
        if let Some(name) = &line.base_name {
            put_integer(&mut out, BASE_NAME);
            put_text(&mut out, name);
        }
        if named {
            put_integer(&mut out, NAME);
            put_text(&mut out, &line.name);
        }
        if let Some(seconds) = line.time_s {
            put_integer(&mut out, TIME);
            put_seconds(&mut out, seconds);
        }
        match line.value {
            Value::ObjectLink(_) => put_text(&mut out, LINK),
            value => put_integer(&mut out, label(value)),
        }
        put_value(&mut out, line.value, false)?;
    }
    Ok(out)
}

const fn label(value: &Value) -> i64 {
    match value {
        Value::Text(_) | Value::CoreLink(_) | Value::ObjectLink(_) => STRING,
        Value::Boolean(_) => BOOLEAN,
        Value::Opaque(_) => DATA,
        Value::Integer(_) | Value::Unsigned(_) | Value::Float(_) | Value::Time(_) => VALUE,
    }
}

fn put_seconds(out: &mut Vec<u8>, seconds: f64) {
    if seconds.fract() == 0.0 { put_integer(out, seconds as i64) } else { put_float(out, seconds) }
}

pub(super) fn encode_paths(paths: &[Path]) -> Vec<u8> {
    let mut out = Vec::new();
    put_head(&mut out, MAJOR_ARRAY, paths.len() as u64);
    for path in paths {
        put_head(&mut out, MAJOR_MAP, 1);
        put_integer(&mut out, NAME);
        put_text(&mut out, &path.to_string());
    }
    out
}
