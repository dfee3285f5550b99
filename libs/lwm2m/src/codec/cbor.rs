//! CBOR items as LwM2M needs them (RFC 8949), and the format for single values (core 1.1 section 7.4.3). Absent: big numbers, simple
//! values other than booleans, tags other than times and decimal fractions; half floats are read and not written.

use super::collect::{Collector, Raw};
use super::fault::{At, DecodeCheck, DecodeError, EncodeError};
use super::single::one;
use super::{DecodeLimits, Decoded, Reading};
use crate::objects::Models;
use crate::path::Path;
use crate::value::{Entry, Value};

/// Levels of items that are skipped without being understood.
const SKIP_DEPTH_MAX: u8 = 16;

/// The beginning of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub major: u8,
    pub info: u8,
    /// The argument; `None` for an indefinite length, or the break.
    pub argument: Option<u64>,
}

pub(super) const MAJOR_UNSIGNED: u8 = 0;
const MAJOR_NEGATIVE: u8 = 1;
const MAJOR_BYTES: u8 = 2;
pub(super) const MAJOR_TEXT: u8 = 3;
pub(super) const MAJOR_ARRAY: u8 = 4;
pub(super) const MAJOR_MAP: u8 = 5;
const MAJOR_TAG: u8 = 6;
const MAJOR_SIMPLE: u8 = 7;
const TAG_DATE: u64 = 0;
const TAG_TIME: u64 = 1;
const TAG_DECIMAL: u64 = 4;

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The items of an array or map that are still to come.
pub(super) struct Items {
    left: Option<u64>,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn at(&self) -> At {
        At::Offset(self.at)
    }

    pub fn fail<T>(&self, check: DecodeCheck) -> Result<T, DecodeError> {
        Err(DecodeError::new(check, self.at()))
    }

    pub fn end(&self) -> Result<(), DecodeError> {
        if self.at == self.bytes.len() { Ok(()) } else { self.fail(DecodeCheck::Trailing) }
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(count).ok().and_then(|count| rest.get(..count));
        let Some(taken) = taken else { return self.fail(DecodeCheck::Truncated) };
        self.at += taken.len();
        Ok(taken)
    }

    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub fn head(&mut self) -> Result<Head, DecodeError> {
        let start = self.at;
        let first = self.take(1)?.first().copied().unwrap_or_default();
        let (major, info) = (first >> 5, first & 0x1f);
        let argument = match info {
            0..=23 => Some(u64::from(info)),
            24..=27 => Some(self.take(1 << (info - 24))?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))),
            31 if matches!(major, MAJOR_BYTES..=MAJOR_MAP | MAJOR_SIMPLE) => None,
            _ => {
                self.at = start;
                return self.fail(DecodeCheck::Cbor("reserved length"));
            }
        };
        Ok(Head { major, info, argument })
    }

    /// Enters an array or map; the count of a map is in pairs.
    pub fn enter(&mut self, major: u8, wanted: &'static str) -> Result<Items, DecodeError> {
        let start = self.at;
        let head = self.head()?;
        if head.major != major {
            self.at = start;
            return self.fail(DecodeCheck::Cbor(wanted));
        }
        Ok(Items { left: head.argument })
    }

    /// Whether there is one more item, or pair.
    pub fn more(&mut self, items: &mut Items) -> Result<bool, DecodeError> {
        match &mut items.left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None if self.peek() == Some(0xff) => {
                self.at += 1;
                items.left = Some(0);
                Ok(false)
            }
            None => Ok(true),
        }
    }

    /// Bytes or text, whole or in parts.
    fn string(&mut self, head: Head) -> Result<Vec<u8>, DecodeError> {
        if let Some(length) = head.argument {
            return Ok(self.take(length)?.to_vec());
        }
        let mut whole = Vec::new();
        let mut parts = Items { left: None };
        while self.more(&mut parts)? {
            let part = self.head()?;
            match part.argument {
                Some(length) if part.major == head.major => whole.extend_from_slice(self.take(length)?),
                _ => return self.fail(DecodeCheck::Cbor("a part of another kind")),
            }
        }
        Ok(whole)
    }

    fn text(&mut self, head: Head) -> Result<String, DecodeError> {
        let start = self.at();
        String::from_utf8(self.string(head)?).map_err(|_| DecodeError::new(DecodeCheck::Utf8, start))
    }

    /// The text that comes next.
    pub fn next_text(&mut self) -> Result<String, DecodeError> {
        let start = self.at;
        let head = self.head()?;
        if head.major != MAJOR_TEXT {
            self.at = start;
            return self.fail(DecodeCheck::Cbor("text is wanted"));
        }
        self.text(head)
    }

    /// An integer; anything beyond 64 bits is refused.
    fn integer(&self, head: Head) -> Result<Raw, DecodeError> {
        let argument = head.argument.unwrap_or_default();
        match (head.major, i64::try_from(argument)) {
            (MAJOR_UNSIGNED, Ok(n)) => Ok(Raw::Int(n)),
            (MAJOR_UNSIGNED, Err(_)) => Ok(Raw::Uint(argument)),
            (_, Ok(n)) => Ok(Raw::Int(-1 - n)),
            (_, Err(_)) => self.fail(DecodeCheck::Cbor("integer is below 64 bits")),
        }
    }

    /// A number that comes next, as floating.
    pub fn next_number(&mut self) -> Result<f64, DecodeError> {
        match self.value()? {
            Raw::Int(n) => Ok(n as f64),
            Raw::Uint(n) => Ok(n as f64),
            Raw::Float(x) if x.is_finite() => Ok(x),
            Raw::Float(_) => self.fail(DecodeCheck::NotFinite),
            _ => self.fail(DecodeCheck::Cbor("a number is wanted")),
        }
    }

    /// The integer that comes next.
    pub fn next_integer(&mut self) -> Result<i64, DecodeError> {
        let start = self.at;
        match self.value()? {
            Raw::Int(n) => Ok(n),
            _ => {
                self.at = start;
                self.fail(DecodeCheck::Cbor("an integer is wanted"))
            }
        }
    }

    /// The value that comes next: number, boolean, text, bytes or time.
    pub fn value(&mut self) -> Result<Raw, DecodeError> {
        let start = self.at;
        let head = self.head()?;
        match head.major {
            MAJOR_UNSIGNED | MAJOR_NEGATIVE => self.integer(head),
            MAJOR_BYTES => self.string(head).map(Raw::Bytes),
            MAJOR_TEXT => self.text(head).map(Raw::Text),
            MAJOR_TAG => self.tagged(head.argument.unwrap_or_default()),
            MAJOR_SIMPLE => match (head.info, head.argument) {
                (20, _) => Ok(Raw::Bool(false)),
                (21, _) => Ok(Raw::Bool(true)),
                (25, Some(bits)) => Ok(Raw::Float(half(bits as u16))),
                (26, Some(bits)) => Ok(Raw::Float(f64::from(f32::from_bits(bits as u32)))),
                (27, Some(bits)) => Ok(Raw::Float(f64::from_bits(bits))),
                _ => self.fail(DecodeCheck::Cbor("simple value has no meaning here")),
            },
            _ => {
                self.at = start;
                self.fail(DecodeCheck::Cbor("a single value is wanted"))
            }
        }
    }

    /// The same, or an item that is no value and is passed over.
    pub fn any_value(&mut self) -> Result<Raw, DecodeError> {
        let start = self.at;
        self.value().or_else(|error| {
            self.at = start;
            self.skip()?;
            Ok(Raw::Unusable(error.check))
        })
    }

    fn tagged(&mut self, tag: u64) -> Result<Raw, DecodeError> {
        match tag {
            TAG_DATE => {
                let text = self.next_text()?;
                super::date::seconds(&text).map_or_else(|| self.fail(DecodeCheck::Time), |seconds| Ok(Raw::Time(seconds)))
            }
            TAG_TIME => {
                let head = self.head()?;
                let number = match head.major {
                    MAJOR_UNSIGNED | MAJOR_NEGATIVE => self.integer(head)?,
                    MAJOR_SIMPLE => match (head.info, head.argument) {
                        (25, Some(bits)) => Raw::Float(half(bits as u16)),
                        (26, Some(bits)) => Raw::Float(f64::from(f32::from_bits(bits as u32))),
                        (27, Some(bits)) => Raw::Float(f64::from_bits(bits)),
                        _ => return self.fail(DecodeCheck::Time),
                    },
                    _ => return self.fail(DecodeCheck::Time),
                };
                match number {
                    Raw::Int(n) => Ok(Raw::Time(n)),
                    // Values of type Time are whole seconds.
                    Raw::Float(x) if x.abs() < 1e15 => Ok(Raw::Time(x.round() as i64)),
                    _ => self.fail(DecodeCheck::Time),
                }
            }
            TAG_DECIMAL => {
                let mut items = self.enter(MAJOR_ARRAY, "a decimal fraction is an array of two")?;
                let mut part = || -> Result<i64, DecodeError> {
                    if !self.more(&mut items)? {
                        return self.fail(DecodeCheck::Cbor("a decimal fraction is an array of two"));
                    }
                    let head = self.head()?;
                    match (head.major, head.argument.map(i64::try_from)) {
                        (MAJOR_UNSIGNED, Some(Ok(n))) => Ok(n),
                        (MAJOR_NEGATIVE, Some(Ok(n))) => Ok(-1 - n),
                        _ => self.fail(DecodeCheck::Cbor("a decimal fraction is of two integers")),
                    }
                };
                let (exponent, mantissa) = (part()?, part()?);
                if self.more(&mut items)? {
                    return self.fail(DecodeCheck::Cbor("a decimal fraction is an array of two"));
                }
                let number = format!("{mantissa}e{}", exponent.clamp(-1_000, 1_000)).parse();
                number.map(Raw::Float).or_else(|_| self.fail(DecodeCheck::NotFinite))
            }
            _ => self.fail(DecodeCheck::Cbor("tag has no meaning here")),
        }
    }

    /// Passes over an item that is not understood.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        self.skip_below(0)
    }

    fn skip_below(&mut self, depth: u8) -> Result<(), DecodeError> {
        if depth > SKIP_DEPTH_MAX {
            return self.fail(DecodeCheck::TooDeep);
        }
        let head = self.head()?;
        match head.major {
            MAJOR_BYTES | MAJOR_TEXT => self.string(head).map(|_| ()),
            MAJOR_ARRAY | MAJOR_MAP => {
                let mut items = Items { left: head.argument };
                while self.more(&mut items)? {
                    self.skip_below(depth + 1)?;
                    if head.major == MAJOR_MAP {
                        self.skip_below(depth + 1)?;
                    }
                }
                Ok(())
            }
            MAJOR_TAG => self.skip_below(depth + 1),
            MAJOR_SIMPLE if head.argument.is_none() => self.fail(DecodeCheck::Cbor("break without a beginning")),
            _ => Ok(()),
        }
    }
}

/// A float of 16 bits (RFC 8949 appendix D).
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1_024.0) * 2_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

/// Writes the beginning of an item, in the shortest form.
pub(super) fn put_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, bytes[7]]),
        0x100..=0xffff => out.extend([&[major | 25], &bytes[6..]].concat()),
        0x1_0000..=0xffff_ffff => out.extend([&[major | 26], &bytes[4..]].concat()),
        _ => out.extend([&[major | 27][..], &bytes].concat()),
    }
}

pub(super) fn put_integer(out: &mut Vec<u8>, n: i64) {
    match u64::try_from(n) {
        Ok(n) => put_head(out, MAJOR_UNSIGNED, n),
        Err(_) => put_head(out, MAJOR_NEGATIVE, !n as u64),
    }
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_head(out, MAJOR_TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_float(out: &mut Vec<u8>, x: f64) {
    if f64::from(x as f32) == x {
        out.push(MAJOR_SIMPLE << 5 | 26);
        out.extend_from_slice(&(x as f32).to_be_bytes());
    } else {
        out.push(MAJOR_SIMPLE << 5 | 27);
        out.extend_from_slice(&x.to_be_bytes());
    }
}

/// Writes a value. Times are tagged where `tag_times`; SenML and LwM2M CBOR have them as numbers (core 1.2 table C.2).
pub(super) fn put_value(out: &mut Vec<u8>, value: &Value, tag_times: bool) -> Result<(), EncodeError> {
    match value {
        Value::Text(text) | Value::CoreLink(text) => put_text(out, text),
        Value::Integer(n) => put_integer(out, *n),
        Value::Unsigned(n) => put_head(out, MAJOR_UNSIGNED, *n),
        Value::Float(x) if x.is_finite() => put_float(out, *x),
        Value::Float(_) => return Err(EncodeError::NotFinite),
        Value::Boolean(b) => out.push(MAJOR_SIMPLE << 5 | if *b { 21 } else { 20 }),
        Value::Opaque(bytes) => {
            put_head(out, MAJOR_BYTES, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        Value::Time(n) => {
            if tag_times {
                put_head(out, MAJOR_TAG, TAG_TIME);
            }
            put_integer(out, *n);
        }
        Value::ObjectLink(link) => put_text(out, &link.to_string()),
    }
    Ok(())
}

pub(super) fn decode_single(base: &Path, payload: &[u8], models: Models<'_>) -> Result<Decoded, DecodeError> {
    let mut reader = Reader::new(payload);
    let raw = reader.value()?;
    reader.end()?;
    if base.depth() < 3 {
        return Err(DecodeError::new(DecodeCheck::NotSingle, At::Whole));
    }
    let mut collector = Collector::new(base, &Reading { models, root: "", limits: DecodeLimits::default() });
    collector.raw(At::Offset(0), *base, raw, None)?;
    Ok(Decoded { entries: collector.finish().whole()?, ..Decoded::default() })
}

pub(super) fn encode_single(base: &Path, entries: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    put_value(&mut out, &one(base, entries)?.value, true)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of RFC 8949 appendix A, and what is not well-formed or has no meaning here.
    #[test]
    fn items_are_read_as_the_standard_shows() {
        let good: [(&[u8], Raw); 23] = [
            (b"\x00", Raw::Int(0)),
            (b"\x18\x64", Raw::Int(100)),
            (b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff", Raw::Uint(u64::MAX)),
            (b"\x20", Raw::Int(-1)),
            (b"\x39\x03\xe7", Raw::Int(-1000)),
            (b"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff", Raw::Int(i64::MIN)),
            (b"\xf9\x00\x00", Raw::Float(0.0)),
            (b"\xf9\x3c\x00", Raw::Float(1.0)),
            (b"\xf9\x3e\x00", Raw::Float(1.5)),
            (b"\xf9\x7b\xff", Raw::Float(65504.0)),
            (b"\xf9\x00\x01", Raw::Float(5.960464477539063e-8)),
            (b"\xf9\x04\x00", Raw::Float(0.00006103515625)),
            (b"\xf9\xc4\x00", Raw::Float(-4.0)),
            (b"\xfa\x47\xc3\x50\x00", Raw::Float(100000.0)),
            (b"\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a", Raw::Float(1.1)),
            (b"\xf4", Raw::Bool(false)),
            (b"\xf5", Raw::Bool(true)),
            (b"\xc1\x1a\x51\x4b\x67\xb0", Raw::Time(1_363_896_240)),
            (b"\xc0\x74\x32013-03-21T20:04:00Z", Raw::Time(1_363_896_240)),
            (b"\xc4\x82\x21\x19\x6a\xb3", Raw::Float(273.15)),
            (b"\x44\x01\x02\x03\x04", Raw::Bytes(vec![1, 2, 3, 4])),
            (b"\x64IETF", Raw::Text("IETF".into())),
            (b"\x7f\x65strea\x64ming\xff", Raw::Text("streaming".into())),
        ];
        for (bytes, raw) in good {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.value(), Ok(raw), "{bytes:02x?}");
            assert_eq!(reader.end(), Ok(()), "{bytes:02x?}");
        }
        let bad: [(&[u8], DecodeCheck); 13] = [
            (b"", DecodeCheck::Truncated),
            (b"\x18", DecodeCheck::Truncated),
            (b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", DecodeCheck::Truncated),
            (b"\x1c", DecodeCheck::Cbor("reserved length")),
            (b"\x1f", DecodeCheck::Cbor("reserved length")),
            (b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff", DecodeCheck::Cbor("integer is below 64 bits")),
            (b"\x61\xff", DecodeCheck::Utf8),
            (b"\x7f\x41\x00\xff", DecodeCheck::Cbor("a part of another kind")),
            (b"\x80", DecodeCheck::Cbor("a single value is wanted")),
            (b"\xf6", DecodeCheck::Cbor("simple value has no meaning here")),
            (b"\xc2\x41\x01", DecodeCheck::Cbor("tag has no meaning here")),
            (b"\xc1\xc1\x00", DecodeCheck::Time),
            (b"\xc0\x61x", DecodeCheck::Time),
        ];
        for (bytes, check) in bad {
            assert_eq!(Reader::new(bytes).value().unwrap_err().check, check, "{bytes:02x?}");
        }
    }

    #[test]
    fn what_is_skipped_is_bounded() {
        let nested = |levels: usize| [vec![0x81; levels], vec![0]].concat();
        assert_eq!(Reader::new(&nested(16)).skip(), Ok(()));
        assert_eq!(Reader::new(&nested(17)).skip().unwrap_err().check, DecodeCheck::TooDeep);
        assert_eq!(Reader::new(&[0xc1; 100_000]).skip().unwrap_err().check, DecodeCheck::TooDeep);
        assert_eq!(Reader::new(b"\xff").skip().unwrap_err().check, DecodeCheck::Cbor("break without a beginning"));
    }
}
