//! The CoAP Content-Formats that LwM2M payloads have, and which one to use toward a client. Absent: the payloads.

use std::fmt;

use crate::path::Path;
use crate::value::ValueType;
use crate::version::Version;

/// A CoAP Content-Format by its number; any number can be represented, the constants are those that are understood here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentFormat(pub u16);

impl ContentFormat {
    /// `text/plain;charset=utf-8`
    pub const TEXT: Self = Self(0);
    /// `application/link-format`
    pub const LINK: Self = Self(40);
    /// `application/octet-stream`
    pub const OPAQUE: Self = Self(42);
    /// `application/cbor`, for a single value (since 1.1)
    pub const CBOR: Self = Self(60);
    /// `application/senml+json` (since 1.1)
    pub const SENML_JSON: Self = Self(110);
    /// `application/senml+cbor` (since 1.1)
    pub const SENML_CBOR: Self = Self(112);
    /// TLV under the number of the drafts, still sent by old clients
    pub const TLV_OLD: Self = Self(1542);
    /// JSON under the number of the drafts
    pub const JSON_OLD: Self = Self(1543);
    /// `application/vnd.oma.lwm2m+tlv`
    pub const TLV: Self = Self(11_542);
    /// `application/vnd.oma.lwm2m+json` (1.0)
    pub const JSON: Self = Self(11_543);
    /// `application/vnd.oma.lwm2m+cbor` (since 1.2)
    pub const LWM2M_CBOR: Self = Self(11_544);

    const NAMED: [(Self, &'static str); 11] = [
        (Self::TEXT, "text"),
        (Self::LINK, "link"),
        (Self::OPAQUE, "opaque"),
        (Self::CBOR, "cbor"),
        (Self::SENML_JSON, "senml+json"),
        (Self::SENML_CBOR, "senml+cbor"),
        (Self::TLV_OLD, "tlv(1542)"),
        (Self::JSON_OLD, "json(1543)"),
        (Self::TLV, "tlv"),
        (Self::JSON, "json"),
        (Self::LWM2M_CBOR, "lwm2m+cbor"),
    ];

    /// A short name, `None` for a number that is not understood here.
    pub fn name(self) -> Option<&'static str> {
        Self::NAMED.iter().find(|(format, _)| *format == self).map(|(_, name)| *name)
    }

    /// Whether it can carry more than one value.
    pub fn is_multiple(self) -> bool {
        matches!(
            self,
            Self::SENML_JSON | Self::SENML_CBOR | Self::TLV | Self::TLV_OLD | Self::JSON | Self::JSON_OLD | Self::LWM2M_CBOR
        )
    }

    /// Whether the composite operations and Send may use it (core 1.2 section 7.5).
    pub fn is_composite(self) -> bool {
        matches!(self, Self::SENML_JSON | Self::SENML_CBOR | Self::LWM2M_CBOR)
    }
}

impl fmt::Display for ContentFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for ContentFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a registration says about formats.
#[derive(Clone, Copy, Debug)]
pub struct FormatChoice<'a> {
    /// The version that the client registered with.
    pub version: Version,
    /// The formats in its `ct`, empty if it told none.
    pub announced: &'a [ContentFormat],
}

impl FormatChoice<'_> {
    /// The format for objects and object instances: TLV toward 1.0; from 1.1 on SenML CBOR (or SenML JSON) where it was announced, TLV
    /// where it was not, since that one format was mandatory until 1.1 made all but the announced ones optional.
    pub fn many(self) -> ContentFormat {
        let wanted: &[ContentFormat] = match self.version {
            Version::V1_0 => &[ContentFormat::TLV, ContentFormat::JSON],
            Version::V1_1 | Version::V1_2 => {
                &[ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON, ContentFormat::TLV, ContentFormat::LWM2M_CBOR]
            }
        };
        wanted.iter().copied().find(|format| self.announced.contains(format)).unwrap_or(ContentFormat::TLV)
    }

    /// The format for composite operations, which 1.0 does not have: SenML JSON if only that was announced, else SenML CBOR.
    pub fn composite(self) -> Option<ContentFormat> {
        let announced = |format| self.announced.contains(&format);
        match self.version {
            Version::V1_0 => None,
            _ if announced(ContentFormat::SENML_CBOR) || !announced(ContentFormat::SENML_JSON) => Some(ContentFormat::SENML_CBOR),
            _ => Some(ContentFormat::SENML_JSON),
        }
    }

    /// The format for what is written to or read from `path`. A single value of a known type goes as opaque or plain text where the
    /// client can: 1.0 clients need not announce them, later ones must. Anything else goes as [`FormatChoice::many`].
    pub fn at(self, path: &Path, value_type: Option<ValueType>, multiple: bool) -> ContentFormat {
        let single = path.depth() == 4 || path.depth() == 3 && !multiple;
        let simple = match value_type {
            Some(ValueType::Opaque) => ContentFormat::OPAQUE,
            Some(_) => ContentFormat::TEXT,
            None => return self.many(),
        };
        let able = match self.version {
            Version::V1_0 => true,
            Version::V1_1 | Version::V1_2 => self.announced.contains(&simple),
        };
        if single && able { simple } else { self.many() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_gets_a_format_it_knows() {
        let all = [60, 110, 112, 11_542, 11_543].map(ContentFormat);
        let json = [ContentFormat::SENML_JSON, ContentFormat::TLV];
        let choice = |version, announced| FormatChoice { version, announced };
        assert_eq!(choice(Version::V1_0, &[]).many(), ContentFormat::TLV);
        assert_eq!(choice(Version::V1_0, &all).many(), ContentFormat::TLV);
        assert_eq!(choice(Version::V1_1, &[]).many(), ContentFormat::TLV);
        assert_eq!(choice(Version::V1_1, &all).many(), ContentFormat::SENML_CBOR);
        assert_eq!(choice(Version::V1_1, &json).many(), ContentFormat::SENML_JSON);
        assert_eq!(choice(Version::V1_2, &[ContentFormat::LWM2M_CBOR]).many(), ContentFormat::LWM2M_CBOR);
        assert_eq!(choice(Version::V1_0, &all).composite(), None);
        assert_eq!(choice(Version::V1_1, &json).composite(), Some(ContentFormat::SENML_JSON));
        assert_eq!(choice(Version::V1_1, &[]).composite(), Some(ContentFormat::SENML_CBOR));
    }

    #[test]
    fn a_single_value_goes_plainly_where_the_client_can() {
        let old = FormatChoice { version: Version::V1_0, announced: &[] };
        let new = FormatChoice { version: Version::V1_1, announced: &[ContentFormat::TEXT, ContentFormat::SENML_CBOR] };
        let at =
            |choice: FormatChoice<'_>, path: &str, value_type, multiple| choice.at(&path.parse().unwrap(), value_type, multiple);
        assert_eq!(at(old, "/19/0/0", Some(ValueType::Opaque), false), ContentFormat::OPAQUE);
        assert_eq!(at(new, "/19/0/0", Some(ValueType::Opaque), false), ContentFormat::SENML_CBOR);
        assert_eq!(at(new, "/1/0/1", Some(ValueType::Integer), false), ContentFormat::TEXT);
        assert_eq!(at(old, "/3/0/11", Some(ValueType::Integer), true), ContentFormat::TLV);
        assert_eq!(at(old, "/3/0/11/0", Some(ValueType::Integer), true), ContentFormat::TEXT);
        assert_eq!(at(old, "/1/0", Some(ValueType::Integer), false), ContentFormat::TLV);
        assert_eq!(at(old, "/33000/0/1", None, false), ContentFormat::TLV);
    }
}
