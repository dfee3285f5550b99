//! Plain text, opaque and link format: one value without any structure (core 1.1 sections 7.4.1 and 7.4.2). Absent: everything else.

use super::fault::{At, DecodeCheck, DecodeError, EncodeError};
use crate::objects::Models;
use crate::path::Path;
use crate::value::{Entry, Value, ValueType};

fn whole(check: DecodeCheck) -> DecodeError {
    DecodeError::new(check, At::Whole)
}

/// The type of the one resource at `base`, where it is known.
fn value_type(base: &Path, models: Models<'_>) -> Result<Option<ValueType>, DecodeError> {
    if base.depth() < 3 {
        return Err(whole(DecodeCheck::NotSingle));
    }
    match models.resource(base) {
        None => Ok(None),
        Some(resource) if resource.value_type.is_none() => Err(whole(DecodeCheck::NoValue(*base))),
        // That the definition has several instances does not matter: NB-IoT modules send /19/0/0, which has, as plain opaque bytes.
        Some(resource) => Ok(resource.value_type),
    }
}

pub(super) fn decode_text(base: &Path, payload: &[u8], models: Models<'_>) -> Result<Entry, DecodeError> {
    let wanted = value_type(base, models)?;
    let text = std::str::from_utf8(payload).map_err(|e| DecodeError::new(DecodeCheck::Utf8, At::Offset(e.valid_up_to())))?;
    let value = parse_text(text, wanted.unwrap_or(ValueType::String)).map_err(|check| match check {
        None => whole(DecodeCheck::Type(*base)),
        Some(check) => whole(check),
    })?;
    Ok(Entry::new(*base, value))
}

/// Reads a value of a type from its text form; the error is `None` when the text is just not of that type.
pub(super) fn parse_text(text: &str, wanted: ValueType) -> Result<Value, Option<DecodeCheck>> {
    match wanted {
        ValueType::String => Ok(Value::Text(text.to_owned())),
        ValueType::CoreLink => Ok(Value::CoreLink(text.to_owned())),
        ValueType::Integer => integer(text).map(Value::Integer).ok_or(None),
        ValueType::Time => integer(text).map(Value::Time).ok_or(None),
        ValueType::Unsigned => text.parse().ok().filter(|_| digits(text)).map(Value::Unsigned).ok_or(None),
        ValueType::Float => float(text).map(Value::Float).ok_or(None),
        ValueType::Boolean => match text {
            "0" => Ok(Value::Boolean(false)),
            "1" => Ok(Value::Boolean(true)),
            _ => Err(None),
        },
        ValueType::Opaque => super::senml::base64(text, false).map(Value::Opaque).map_err(Some),
        ValueType::ObjectLink => text.parse().map(Value::ObjectLink).map_err(|()| None),
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn integer(text: &str) -> Option<i64> {
    text.parse().ok().filter(|_| digits(text.strip_prefix('-').unwrap_or(text)))
}

/// Decimal with fraction and exponent; the names of infinities and of what is no number are refused.
fn float(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    text.parse().ok().filter(|x: &f64| plain && x.is_finite())
}

pub(super) fn encode_text(base: &Path, entries: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    Ok(match &one(base, entries)?.value {
        Value::Text(text) | Value::CoreLink(text) => text.clone(),
        Value::Integer(n) | Value::Time(n) => n.to_string(),
        Value::Unsigned(n) => n.to_string(),
        Value::Float(x) if x.is_finite() => x.to_string(),
        Value::Float(_) => return Err(EncodeError::NotFinite),
        Value::Boolean(b) => u8::from(*b).to_string(),
        Value::Opaque(bytes) => super::senml::to_base64(bytes, false),
        Value::ObjectLink(link) => link.to_string(),
    }
    .into_bytes())
}

pub(super) fn decode_opaque(base: &Path, payload: &[u8], models: Models<'_>) -> Result<Entry, DecodeError> {
    match value_type(base, models)? {
        None | Some(ValueType::Opaque) => Ok(Entry::new(*base, Value::Opaque(payload.to_vec()))),
        Some(_) => Err(whole(DecodeCheck::Type(*base))),
    }
}

pub(super) fn encode_opaque(base: &Path, entries: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    match &one(base, entries)?.value {
        Value::Opaque(bytes) => Ok(bytes.clone()),
        _ => Err(EncodeError::Type(*base)),
    }
}

pub(super) fn decode_link(base: &Path, payload: &[u8], models: Models<'_>) -> Result<Entry, DecodeError> {
    match value_type(base, models)? {
        Some(ValueType::CoreLink) => {
            let text =
                std::str::from_utf8(payload).map_err(|e| DecodeError::new(DecodeCheck::Utf8, At::Offset(e.valid_up_to())))?;
            Ok(Entry::new(*base, Value::CoreLink(text.to_owned())))
        }
        _ => Err(whole(DecodeCheck::Type(*base))),
    }
}

pub(super) fn encode_link(base: &Path, entries: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    match &one(base, entries)?.value {
        Value::CoreLink(text) => Ok(text.clone().into_bytes()),
        _ => Err(EncodeError::Type(*base)),
    }
}

/// The one entry that a format for single values can hold: exactly at `base`, and without a time.
pub(super) fn one<'a>(base: &Path, entries: &'a [Entry]) -> Result<&'a Entry, EncodeError> {
    match entries {
        [entry] if entry.path == *base && entry.time.is_none() => Ok(entry),
        [entry] if entry.path == *base => Err(EncodeError::Time),
        _ => Err(EncodeError::NotSingle),
    }
}
