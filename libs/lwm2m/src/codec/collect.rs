//! Where all readers put what they found: checked against the base, the definitions, the limits and each other. Absent: bytes.

use std::collections::BTreeSet;

use super::DecodeLimits;
use super::fault::{At, DecodeCheck, DecodeError};
use crate::objects::Models;
use crate::path::Path;
use crate::value::{Entry, EntryTime, Value, ValueType};

/// A value as a self-describing format says it, before the definition of the resource is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    Int(i64),
    Uint(u64),
    Float(f64),
    Bool(bool),
    Text(String),
    Bytes(Vec<u8>),
    /// An object link as text, `10:3`.
    Link(String),
    /// Seconds since 1970, where the format marks times as such.
    Time(i64),
}

impl Raw {
    /// The value for a resource of type `wanted`; `None` when it is not of that type.
    fn typed(self, wanted: Option<ValueType>) -> Result<Option<Value>, DecodeCheck> {
        let number = match self {
            Self::Float(x) if !x.is_finite() => return Err(DecodeCheck::NotFinite),
            Self::Int(n) => Value::Integer(n),
            Self::Uint(n) => i64::try_from(n).map_or(Value::Unsigned(n), Value::Integer),
            Self::Float(x) => Value::Float(x),
            Self::Time(n) => Value::Time(n),
            Self::Bool(b) => Value::Boolean(b),
            Self::Bytes(bytes) => Value::Opaque(bytes),
            Self::Link(text) => return Ok(text.parse().ok().map(Value::ObjectLink).filter(|v| of(v, wanted))),
            Self::Text(text) if wanted == Some(ValueType::ObjectLink) => return Ok(text.parse().ok().map(Value::ObjectLink)),
            Self::Text(text) => Value::Text(text),
        };
        Ok(match wanted {
            None => Some(number),
            Some(wanted) => number.cast(wanted),
        })
    }
}

fn of(value: &Value, wanted: Option<ValueType>) -> bool {
    wanted.is_none_or(|wanted| wanted == value.value_type())
}

pub(super) struct Collector<'a> {
    base: Path,
    pub models: Models<'a>,
    entries_max: usize,
    entries: Vec<Entry>,
    seen: BTreeSet<(Path, Option<(bool, i64)>)>,
}

impl<'a> Collector<'a> {
    pub fn new(base: &Path, models: Models<'a>, limits: &DecodeLimits) -> Self {
        Self { base: *base, models, entries_max: limits.entries, entries: Vec::new(), seen: BTreeSet::new() }
    }

    /// Takes a value that says its own type.
    pub fn raw(&mut self, at: At, path: Path, raw: Raw, time: Option<EntryTime>) -> Result<(), DecodeError> {
        let wanted = self.wanted(at, &path)?;
        let value = raw.typed(wanted).map_err(|check| DecodeError::new(check, at))?;
        let value = value.ok_or(DecodeError::new(DecodeCheck::Type(path), at))?;
        self.value(at, path, value, time)
    }

    /// The type that the resource has, where it is known; the checks of the path come first.
    pub fn wanted(&self, at: At, path: &Path) -> Result<Option<ValueType>, DecodeError> {
        let fail = |check| Err(DecodeError::new(check, at));
        if path.depth() < 3 {
            return fail(DecodeCheck::Path);
        }
        if !self.base.contains(path) {
            return fail(DecodeCheck::OutsideBase(*path));
        }
        match self.models.resource(path) {
            None => Ok(None),
            Some(resource) if resource.value_type.is_none() => fail(DecodeCheck::NoValue(*path)),
            Some(resource) => Ok(resource.value_type),
        }
    }

    /// Takes a value whose path was checked by [`Collector::wanted`].
    pub fn value(&mut self, at: At, path: Path, value: Value, time: Option<EntryTime>) -> Result<(), DecodeError> {
        if self.entries.len() == self.entries_max {
            return Err(DecodeError::new(DecodeCheck::TooMany, at));
        }
        let moment = time.map(|time| match time {
            EntryTime::RelativeMs(ms) => (false, ms),
            EntryTime::AbsoluteMs(ms) => (true, ms),
        });
        if !self.seen.insert((path, moment)) {
            return Err(DecodeError::new(DecodeCheck::Duplicate(path), at));
        }
        self.entries.push(Entry { path, value, time });
        Ok(())
    }

    pub fn finish(self) -> Vec<Entry> {
        self.entries
    }
}
