//! OMA TLV (core 1.1 section 7.4.4): type, identifier, length, value. Absent: times, and types; those come from the definitions, and
//! values of unknown resources are opaque.

use super::collect::Collector;
use super::fault::{At, DecodeCheck, DecodeError, EncodeError};
use super::{Decoded, Reading};
use crate::path::Path;
use crate::value::{Entry, ObjectLink, Value, ValueType};

/// Bits 7 and 6 of the type byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ObjectInstance = 0,
    ResourceInstance = 1,
    MultipleResource = 2,
    Resource = 3,
}

const WIDE_ID: u8 = 0x20;
const LENGTH_MAX: usize = 0xff_ffff;

struct Tlv<'a> {
    at: usize,
    kind: Kind,
    id: u16,
    value: &'a [u8],
    value_at: usize,
}

struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let truncated = DecodeError::new(DecodeCheck::Truncated, At::Offset(self.at));
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(truncated)?;
        self.rest = rest;
        self.at += count;
        Ok(taken)
    }

    /// An unsigned number of one to three bytes.
    fn number(&mut self, bytes: usize) -> Result<usize, DecodeError> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn next(&mut self) -> Result<Option<Tlv<'a>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let at = self.at;
        let head = self.number(1)? as u8;
        let kind = match head >> 6 {
            0 => Kind::ObjectInstance,
            1 => Kind::ResourceInstance,
            2 => Kind::MultipleResource,
            _ => Kind::Resource,
        };
        let id = self.number(if head & WIDE_ID == 0 { 1 } else { 2 })? as u16;
        let length = match head >> 3 & 3 {
            0 => usize::from(head & 7),
            bytes => self.number(usize::from(bytes))?,
        };
        let value_at = self.at;
        Ok(Some(Tlv { at, kind, id, value: self.take(length)?, value_at }))
    }
}

pub(super) fn decode(base: &Path, payload: &[u8], reading: &Reading<'_>) -> Result<Decoded, DecodeError> {
    let mut collector = Collector::new(base, reading);
    let mut reader = Reader { rest: payload, at: 0 };
    while let Some(tlv) = reader.next()? {
        // Old clients leave the outer levels out that the base says already; others repeat them.
        let needs = match tlv.kind {
            Kind::ObjectInstance => 1,
            Kind::MultipleResource | Kind::Resource => 2,
            Kind::ResourceInstance => 3,
        };
        if base.depth() < needs {
            collector.fault(At::Offset(tlv.at), None, DecodeCheck::Tlv("this level is missing around it"))?;
        } else {
            below(base.cut(needs), &tlv, &mut collector)?;
        }
    }
    Ok(collector.finish())
}

/// Takes one TLV below `parent`; what is wrong inside of it ends with it. At most three levels deep, since each kind allows only kinds of the
/// next level inside.
fn below(parent: Path, tlv: &Tlv<'_>, collector: &mut Collector<'_>) -> Result<(), DecodeError> {
    let Some(path) = parent.child(tlv.id) else {
        return collector.fault(At::Offset(tlv.at), None, DecodeCheck::Path);
    };
    let inside: &[Kind] = match tlv.kind {
        Kind::ObjectInstance => &[Kind::Resource, Kind::MultipleResource],
        Kind::MultipleResource => &[Kind::ResourceInstance],
        Kind::Resource | Kind::ResourceInstance => {
            let at = At::Offset(tlv.value_at);
            let wanted = match collector.wanted(&path) {
                Ok(wanted) => wanted.unwrap_or(ValueType::Opaque),
                Err(check) => return collector.fault(At::Offset(tlv.at), Some(path), check),
            };
            return match value(tlv.value, wanted) {
                Ok(value) => collector.value(at, path, value, None),
                Err(check) => collector.fault(at, Some(path), check.unwrap_or(DecodeCheck::Type(path))),
            };
        }
    };
    let mut reader = Reader { rest: tlv.value, at: tlv.value_at };
    loop {
        match reader.next() {
            Ok(Some(inner)) if inside.contains(&inner.kind) => below(path, &inner, collector)?,
            Ok(Some(inner)) => {
                let check = DecodeCheck::Tlv("this kind does not belong inside the other");
                collector.fault(At::Offset(inner.at), Some(path), check)?;
            }
            Ok(None) => return Ok(()),
            Err(error) => return collector.fault(error.at, Some(path), error.check),
        }
    }
}

/// Reads a value of a type; the error is `None` when the bytes are just not of that type.
fn value(bytes: &[u8], wanted: ValueType) -> Result<Value, Option<DecodeCheck>> {
    let text = || std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Some(DecodeCheck::Utf8));
    match wanted {
        ValueType::String => text().map(Value::Text),
        ValueType::CoreLink => text().map(Value::CoreLink),
        ValueType::Opaque => Ok(Value::Opaque(bytes.to_vec())),
        ValueType::Integer => signed(bytes).map(Value::Integer).ok_or(None),
        ValueType::Time => signed(bytes).map(Value::Time).ok_or(None),
        ValueType::Unsigned => unsigned(bytes).map(Value::Unsigned).ok_or(None),
        ValueType::Float => match float(bytes).ok_or(None)? {
            x if x.is_finite() => Ok(Value::Float(x)),
            _ => Err(Some(DecodeCheck::NotFinite)),
        },
        ValueType::Boolean => match bytes {
            [0] => Ok(Value::Boolean(false)),
            [1] => Ok(Value::Boolean(true)),
            _ => Err(None),
        },
        ValueType::ObjectLink => match bytes {
            [a, b, c, d] => {
                let (object, instance) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
                Ok(Value::ObjectLink(ObjectLink { object, instance }))
            }
            _ => Err(None),
        },
    }
}

/// Two's complement in 1, 2, 4 or 8 bytes.
fn signed(bytes: &[u8]) -> Option<i64> {
    match *bytes {
        [a] => Some(i64::from(a as i8)),
        [a, b] => Some(i64::from(i16::from_be_bytes([a, b]))),
        [a, b, c, d] => Some(i64::from(i32::from_be_bytes([a, b, c, d]))),
        _ => bytes.try_into().ok().map(i64::from_be_bytes),
    }
}

fn unsigned(bytes: &[u8]) -> Option<u64> {
    let whole = matches!(bytes.len(), 1 | 2 | 4 | 8);
    whole.then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn float(bytes: &[u8]) -> Option<f64> {
    match *bytes {
        [a, b, c, d] => Some(f64::from(f32::from_be_bytes([a, b, c, d]))),
        _ => bytes.try_into().ok().map(f64::from_be_bytes),
    }
}

pub(super) fn encode(base: &Path, entries: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    if base.is_root() {
        return Err(EncodeError::OutsideBase(*base));
    }
    let sorted = super::tree::sorted(entries)?;
    let mut out = Vec::new();
    match base.depth() {
        1 => {
            for instance in sorted.chunk_by(|a, b| a.path.cut(2) == b.path.cut(2)) {
                let mut inner = Vec::new();
                resources(instance, &mut inner)?;
                put(&mut out, Kind::ObjectInstance, instance.first().map_or(*base, |e| e.path.cut(2)), &inner)?;
            }
        }
        2 | 3 => resources(&sorted, &mut out)?,
        _ => {
            for entry in sorted {
                put(&mut out, Kind::ResourceInstance, entry.path, &bytes(entry)?)?;
            }
        }
    }
    Ok(out)
}

fn resources(entries: &[&Entry], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    for resource in entries.chunk_by(|a, b| a.path.cut(3) == b.path.cut(3)) {
        match resource {
            [single] if single.path.depth() == 3 => put(out, Kind::Resource, single.path, &bytes(single)?)?,
            several => {
                let mut inner = Vec::new();
                for entry in several {
                    put(&mut inner, Kind::ResourceInstance, entry.path, &bytes(entry)?)?;
                }
                let path = several.first().map_or(Path::ROOT, |entry| entry.path.cut(3));
                put(out, Kind::MultipleResource, path, &inner)?;
            }
        }
    }
    Ok(())
}

/// Writes one TLV whose identifier is the last of `path`.
fn put(out: &mut Vec<u8>, kind: Kind, path: Path, value: &[u8]) -> Result<(), EncodeError> {
    let id = path.ids().last().copied().unwrap_or_default().to_be_bytes();
    let length = value.len();
    let [_, .., l2, l1, l0] = length.to_be_bytes();
    let (bits, length_bytes): (u8, &[u8]) = match length {
        0..=7 => (l0, &[]),
        8..=0xff => (1 << 3, &[l0]),
        0x100..=0xffff => (2 << 3, &[l1, l0]),
        0x1_0000..=LENGTH_MAX => (3 << 3, &[l2, l1, l0]),
        _ => return Err(EncodeError::TooLong(path)),
    };
    let wide = id[0] != 0;
    out.push((kind as u8) << 6 | if wide { WIDE_ID } else { 0 } | bits);
    out.extend_from_slice(if wide { &id } else { &id[1..] });
    out.extend_from_slice(length_bytes);
    out.extend_from_slice(value);
    Ok(())
}

fn bytes(entry: &Entry) -> Result<Vec<u8>, EncodeError> {
    if entry.time.is_some() {
        return Err(EncodeError::Time);
    }
    Ok(match &entry.value {
        Value::Text(text) | Value::CoreLink(text) => text.clone().into_bytes(),
        Value::Opaque(bytes) => bytes.clone(),
        Value::Integer(n) | Value::Time(n) => shortest_signed(*n),
        Value::Unsigned(n) => shortest_unsigned(*n),
        Value::Float(x) if !x.is_finite() => return Err(EncodeError::NotFinite),
        Value::Float(x) if f64::from(*x as f32) == *x => (*x as f32).to_be_bytes().to_vec(),
        Value::Float(x) => x.to_be_bytes().to_vec(),
        Value::Boolean(b) => vec![u8::from(*b)],
        Value::ObjectLink(link) => [link.object.to_be_bytes(), link.instance.to_be_bytes()].concat(),
    })
}

fn shortest_signed(n: i64) -> Vec<u8> {
    if let Ok(n) = i8::try_from(n) {
        return n.to_be_bytes().to_vec();
    }
    if let Ok(n) = i16::try_from(n) {
        return n.to_be_bytes().to_vec();
    }
    i32::try_from(n).map_or(n.to_be_bytes().to_vec(), |n| n.to_be_bytes().to_vec())
}

fn shortest_unsigned(n: u64) -> Vec<u8> {
    if let Ok(n) = u8::try_from(n) {
        return vec![n];
    }
    if let Ok(n) = u16::try_from(n) {
        return n.to_be_bytes().to_vec();
    }
    u32::try_from(n).map_or(n.to_be_bytes().to_vec(), |n| n.to_be_bytes().to_vec())
}
