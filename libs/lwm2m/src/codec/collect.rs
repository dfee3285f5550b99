//! Where all readers put what they found: checked value by value against the base, the definitions, the limits and each other. Absent: bytes.

use std::collections::BTreeSet;

use super::fault::{At, DecodeCheck, DecodeError, Fault};
use super::{Decoded, Reading};
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
    /// Something else, that ends where it should.
    Unusable(DecodeCheck),
}

impl Raw {
    /// The value for a resource of type `wanted`; `None` when it is not of that type.
    fn typed(self, wanted: Option<ValueType>) -> Result<Option<Value>, DecodeCheck> {
        let number = match self {
            Self::Unusable(check) => return Err(check),
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
    decoded: Decoded,
    seen: BTreeSet<(Path, Option<(bool, i64)>)>,
}

impl<'a> Collector<'a> {
    pub fn new(base: &Path, reading: &Reading<'a>) -> Self {
        let decoded = Decoded::default();
        Self { base: *base, models: reading.models, entries_max: reading.limits.entries, decoded, seen: BTreeSet::new() }
    }

    /// Takes a value that says its own type, or what is wrong with it.
    pub fn raw(&mut self, at: At, path: Path, raw: Raw, time: Option<EntryTime>) -> Result<(), DecodeError> {
        let value = self.wanted(&path).and_then(|wanted| raw.typed(wanted)?.ok_or(DecodeCheck::Type(path)));
        match value {
            Ok(value) => self.value(at, path, value, time),
            Err(check) => self.fault(at, Some(path), check),
        }
    }

    /// The type that the resource has, where it is known; the checks of the path come first.
    pub fn wanted(&self, path: &Path) -> Result<Option<ValueType>, DecodeCheck> {
        if path.depth() < 3 {
            return Err(DecodeCheck::Path);
        }
        if !self.base.contains(path) {
            return Err(DecodeCheck::OutsideBase(*path));
        }
        match self.models.resource(path) {
            None => Ok(None),
            Some(resource) if resource.value_type.is_none() => Err(DecodeCheck::NoValue(*path)),
            Some(resource) => Ok(resource.value_type),
        }
    }

    /// Takes a value whose path was checked by [`Collector::wanted`].
    pub fn value(&mut self, at: At, path: Path, value: Value, time: Option<EntryTime>) -> Result<(), DecodeError> {
        let moment = time.map(|time| match time {
            EntryTime::RelativeMs(ms) => (false, ms),
            EntryTime::AbsoluteMs(ms) => (true, ms),
        });
        if !self.seen.insert((path, moment)) {
            return self.fault(at, None, DecodeCheck::Duplicate(path));
        }
        self.count(at)?;
        self.decoded.entries.push(Entry { path, value, time });
        Ok(())
    }

    /// Leaves a value out.
    pub fn fault(&mut self, at: At, path: Option<Path>, check: DecodeCheck) -> Result<(), DecodeError> {
        self.count(at)?;
        if self.decoded.faults.len() < Decoded::FAULTS_MAX {
            self.decoded.faults.push(Fault { path, error: DecodeError::new(check, at) });
        } else {
            self.decoded.faults_untold += 1;
        }
        Ok(())
    }

    fn count(&self, at: At) -> Result<(), DecodeError> {
        let Decoded { entries, faults, faults_untold } = &self.decoded;
        let full = entries.len() + faults.len() + faults_untold == self.entries_max;
        if full { Err(DecodeError::new(DecodeCheck::TooMany, at)) } else { Ok(()) }
    }

    pub fn finish(self) -> Decoded {
        self.decoded
    }
}
