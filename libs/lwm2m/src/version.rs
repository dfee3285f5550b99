//! Versions of the protocol and of objects. Absent: which features a version has; that is said where the feature is.

use std::fmt;
use std::str::FromStr;

/// A version of LwM2M that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// LwM2M 1.0, the default when a client names none.
    #[default]
    V1_0,
    /// LwM2M 1.1.
    V1_1,
    /// LwM2M 1.2.
    V1_2,
}

impl Version {
    /// `1.0`, `1.1` or `1.2`.
    pub const fn text(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }
}

impl Version {
    /// The version that is spoken with a client that names `text`: that one, or the nearest that is served of those that begin with 1, such as
    /// 1.0 for `1.0.2` and 1.2 for `1.3`. `None` for others.
    pub fn nearest(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut number =
            || parts.next().map(|part| part.parse::<u32>().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit())));
        let (major, minor) = (number()?, number().unwrap_or(Some(0)));
        std::iter::from_fn(number).all(|part| part.is_some()).then_some(())?;
        match (major?, minor?) {
            (1, 0) => Some(Self::V1_0),
            (1, 1) => Some(Self::V1_1),
            (1, _) => Some(Self::V1_2),
            _ => None,
        }
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::V1_0, Self::V1_1, Self::V1_2].into_iter().find(|v| v.text() == text).ok_or(())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The version of an object, such as 1.1; 1.0 where none is told (core 1.1 section 7.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectVersion {
    /// Changes when the object becomes incompatible.
    pub major: u8,
    /// Changes when something is added.
    pub minor: u8,
}

impl ObjectVersion {
    /// The version of an object that names none.
    pub const V1_0: Self = Self { major: 1, minor: 0 };
}

impl Default for ObjectVersion {
    fn default() -> Self {
        Self::V1_0
    }
}

impl FromStr for ObjectVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let part = |digits: &str| match digits.bytes().all(|b| b.is_ascii_digit()) {
            true => digits.parse().map_err(|_| ()),
            false => Err(()),
        };
        let (major, minor) = text.split_once('.').ok_or(())?;
        Ok(Self { major: part(major)?, minor: part(minor)? })
    }
}

impl fmt::Display for ObjectVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_two_numbers() {
        assert_eq!("1.1".parse(), Ok(Version::V1_1));
        assert_eq!("2.0".parse::<Version>(), Err(()));
        for (text, nearest) in [
            ("1.0", Some(Version::V1_0)),
            ("1.0.2", Some(Version::V1_0)),
            ("1", Some(Version::V1_0)),
            ("1.1.1", Some(Version::V1_1)),
            ("1.3", Some(Version::V1_2)),
            ("1.10", Some(Version::V1_2)),
            ("2.0", None),
            ("0.9", None),
            ("", None),
            ("1.", None),
            ("1.x", None),
            ("+1.0", None),
            ("1.1.", None),
        ] {
            assert_eq!(Version::nearest(text), nearest, "{text}");
        }
        assert_eq!("1.2".parse::<ObjectVersion>().unwrap().to_string(), "1.2");
        for bad in ["", "1", "1.", ".1", "1.1.1", "+1.0", "256.0", "a.b"] {
            assert_eq!(bad.parse::<ObjectVersion>(), Err(()), "{bad}");
        }
        assert!(ObjectVersion { major: 1, minor: 10 } > ObjectVersion { major: 1, minor: 9 });
    }
}
