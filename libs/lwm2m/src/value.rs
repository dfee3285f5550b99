//! What a resource holds, and a value at its place and time. Absent: bytes; those are the business of [`crate::codec`].

use std::fmt;
use std::str::FromStr;

use crate::path::Path;

/// The data type of a resource (core 1.1 appendix C).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// UTF-8 text.
    String,
    /// Signed, up to 64 bits.
    Integer,
    /// Unsigned, up to 64 bits (since 1.1).
    Unsigned,
    /// 32 or 64 bits.
    Float,
    /// True or false.
    Boolean,
    /// Any bytes.
    Opaque,
    /// Seconds since 1970-01-01T00:00:00Z.
    Time,
    /// A reference to an object instance.
    ObjectLink,
    /// Text in CoRE Link Format (since 1.1).
    CoreLink,
}

/// A reference to an object instance; 65535 in both means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectLink {
    /// The object, or [`crate::MAX_ID`].
    pub object: u16,
    /// The instance, or [`crate::MAX_ID`].
    pub instance: u16,
}

impl fmt::Display for ObjectLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.object, self.instance)
    }
}

impl FromStr for ObjectLink {
    type Err = ();

    /// `10:3`, as plain text and JSON write it.
    fn from_str(text: &str) -> Result<Self, ()> {
        let id = |part: &str| {
            let digits = part.len() <= 5 && part.bytes().all(|b| b.is_ascii_digit());
            part.parse().ok().filter(|_| digits).ok_or(())
        };
        let (object, instance) = text.split_once(':').ok_or(())?;
        Ok(Self { object: id(object)?, instance: id(instance)? })
    }
}

/// The value of one resource or resource instance. Floats are finite: codecs refuse the others, which JSON could not carry on.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// UTF-8 text.
    Text(String),
    /// Signed integer.
    Integer(i64),
    /// Unsigned integer.
    Unsigned(u64),
    /// Finite number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// Any bytes.
    Opaque(Vec<u8>),
    /// Seconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// A reference to an object instance.
    ObjectLink(ObjectLink),
    /// Text in CoRE Link Format.
    CoreLink(String),
}

impl Value {
    /// The type of it.
    pub const fn value_type(&self) -> ValueType {
        match self {
            Self::Text(_) => ValueType::String,
            Self::Integer(_) => ValueType::Integer,
            Self::Unsigned(_) => ValueType::Unsigned,
            Self::Float(_) => ValueType::Float,
            Self::Boolean(_) => ValueType::Boolean,
            Self::Opaque(_) => ValueType::Opaque,
            Self::Time(_) => ValueType::Time,
            Self::ObjectLink(_) => ValueType::ObjectLink,
            Self::CoreLink(_) => ValueType::CoreLink,
        }
    }

    /// It as a number, where it is one; integers beyond 2^53 lose digits.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Integer(n) | Self::Time(n) => Some(n as f64),
            Self::Unsigned(n) => Some(n as f64),
            Self::Float(x) => Some(x),
            _ => None,
        }
    }

    /// It as `wanted`, where nothing is lost: numbers that the other type can hold exactly, text and links in text. `None` else.
    pub fn cast(self, wanted: ValueType) -> Option<Self> {
        if self.value_type() == wanted {
            return Some(self);
        }
        match wanted {
            ValueType::Integer => self.exact_i64().map(Self::Integer),
            ValueType::Time => self.exact_i64().map(Self::Time),
            ValueType::Unsigned => match self {
                Self::Float(x) => (x.fract() == 0.0 && (0.0..TWO_POW_64).contains(&x)).then_some(Self::Unsigned(x as u64)),
                other => u64::try_from(other.exact_i64()?).ok().map(Self::Unsigned),
            },
            ValueType::Float => self.as_f64().map(Self::Float),
            ValueType::String => match self {
                Self::CoreLink(text) => Some(Self::Text(text)),
                _ => None,
            },
            ValueType::CoreLink => match self {
                Self::Text(text) => Some(Self::CoreLink(text)),
                _ => None,
            },
            ValueType::Boolean | ValueType::Opaque | ValueType::ObjectLink => None,
        }
    }

    fn exact_i64(&self) -> Option<i64> {
        match *self {
            Self::Integer(n) | Self::Time(n) => Some(n),
            Self::Unsigned(n) => i64::try_from(n).ok(),
            Self::Float(x) => (x.fract() == 0.0 && (-TWO_POW_63..TWO_POW_63).contains(&x)).then_some(x as i64),
            _ => None,
        }
    }
}

const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;

/// Text and bytes may be keys: only their length is shown.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::CoreLink(text) => write!(f, "CoreLink({} bytes)", text.len()),
            Self::Opaque(bytes) => write!(f, "Opaque({} bytes)", bytes.len()),
            Self::Integer(n) => write!(f, "Integer({n})"),
            Self::Unsigned(n) => write!(f, "Unsigned({n})"),
            Self::Float(x) => write!(f, "Float({x:?})"),
            Self::Boolean(b) => write!(f, "Boolean({b})"),
            Self::Time(s) => write!(f, "Time({s})"),
            Self::ObjectLink(link) => write!(f, "ObjectLink({link})"),
        }
    }
}

/// When a value was true, as a message can say it (RFC 8428 section 4.5.3), in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryTime {
    /// Milliseconds before (negative) or after the message was received.
    RelativeMs(i64),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    AbsoluteMs(i64),
}

impl EntryTime {
    /// The moment, for a message received at `received_ms` since 1970-01-01T00:00:00Z.
    pub const fn at_ms(self, received_ms: i64) -> i64 {
        match self {
            Self::RelativeMs(offset_ms) => received_ms.saturating_add(offset_ms),
            Self::AbsoluteMs(ms) => ms,
        }
    }
}

/// A value at its place, and when, if the message said so.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// A resource (depth 3) or resource instance (depth 4).
    pub path: Path,
    /// What is there.
    pub value: Value,
    /// When it was so; `None` means when the message was received.
    pub time: Option<EntryTime>,
}

impl Entry {
    /// A value without a time of its own.
    pub const fn new(path: Path, value: Value) -> Self {
        Self { path, value, time: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_lose_nothing() {
        let cases = [
            (Value::Float(21.0), ValueType::Integer, Some(Value::Integer(21))),
            (Value::Float(21.5), ValueType::Integer, None),
            (Value::Float(9.3e18), ValueType::Integer, None),
            (Value::Float(9.3e18), ValueType::Unsigned, Some(Value::Unsigned(9_300_000_000_000_000_000))),
            (Value::Float(-1.0), ValueType::Unsigned, None),
            (Value::Integer(-1), ValueType::Unsigned, None),
            (Value::Integer(7), ValueType::Time, Some(Value::Time(7))),
            (Value::Integer(7), ValueType::Float, Some(Value::Float(7.0))),
            (Value::Unsigned(u64::MAX), ValueType::Integer, None),
            (Value::Text("</a>".into()), ValueType::CoreLink, Some(Value::CoreLink("</a>".into()))),
            (Value::Text("1".into()), ValueType::Integer, None),
            (Value::Boolean(true), ValueType::Integer, None),
        ];
        for (value, wanted, result) in cases {
            assert_eq!(value.clone().cast(wanted), result, "{value:?} as {wanted:?}");
        }
    }

    #[test]
    fn object_links_are_two_numbers() {
        assert_eq!("10:3".parse(), Ok(ObjectLink { object: 10, instance: 3 }));
        assert_eq!("65535:65535".parse(), Ok(ObjectLink { object: 65_535, instance: 65_535 }));
        for bad in ["", ":", "1:", ":1", "1:2:3", "-1:2", "65536:0", "1", "+1:1", "000001:1"] {
            assert_eq!(bad.parse::<ObjectLink>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let shown = format!("{:?} {:?}", Value::Opaque(b"secretpsk".to_vec()), Value::Text("secretpsk".into()));
        assert_eq!(shown, "Opaque(9 bytes) Text(9 bytes)");
    }
}
