//! Option numbers with what the standards say of each, and the block option's value. Absent: the options of a message, see
//! [`crate::Options`].

use core::fmt;

/// An option's number (RFC 7252 5.10). Odd numbers are critical.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptionNumber(pub u16);

/// How an option's value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Empty,
    Opaque,
    Uint,
    Text,
}

struct Rule {
    form: Form,
    shortest: usize,
    longest: usize,
    repeatable: bool,
}

macro_rules! options {
    ($($id:ident $number:literal $name:literal $form:ident $shortest:literal $longest:literal $repeatable:literal;)*) => {
        impl OptionNumber {
            $(#[doc = $name] pub const $id: Self = Self($number);)*

            /// The registered name, where this library knows the option.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$id => Some($name),)*
                    _ => None,
                }
            }

            fn rule(self) -> Option<Rule> {
                match self {
                    $(Self::$id =>
                        Some(Rule { form: Form::$form, shortest: $shortest, longest: $longest, repeatable: $repeatable }),)*
                    _ => None,
                }
            }
        }
    };
}

options! {
    IF_MATCH 1 "If-Match" Opaque 0 8 true;
    URI_HOST 3 "Uri-Host" Text 1 255 false;
    ETAG 4 "ETag" Opaque 1 8 true;
    IF_NONE_MATCH 5 "If-None-Match" Empty 0 0 false;
    OBSERVE 6 "Observe" Uint 0 3 false;
    URI_PORT 7 "Uri-Port" Uint 0 2 false;
    LOCATION_PATH 8 "Location-Path" Text 0 255 true;
    URI_PATH 11 "Uri-Path" Text 0 255 true;
    CONTENT_FORMAT 12 "Content-Format" Uint 0 2 false;
    MAX_AGE 14 "Max-Age" Uint 0 4 false;
    URI_QUERY 15 "Uri-Query" Text 0 255 true;
    HOP_LIMIT 16 "Hop-Limit" Uint 1 1 false;
    ACCEPT 17 "Accept" Uint 0 2 false;
    LOCATION_QUERY 20 "Location-Query" Text 0 255 true;
    BLOCK2 23 "Block2" Uint 0 3 false;
    BLOCK1 27 "Block1" Uint 0 3 false;
    SIZE2 28 "Size2" Uint 0 4 false;
    PROXY_URI 35 "Proxy-Uri" Text 1 1034 false;
    PROXY_SCHEME 39 "Proxy-Scheme" Text 1 255 false;
    SIZE1 60 "Size1" Uint 0 4 false;
    ECHO 252 "Echo" Opaque 1 40 false;
    NO_RESPONSE 258 "No-Response" Uint 0 1 false;
    REQUEST_TAG 292 "Request-Tag" Opaque 0 8 true;
}

impl OptionNumber {
    /// Whether a receiver that does not know the option must refuse the message (RFC 7252 5.4.1).
    pub const fn is_critical(self) -> bool {
        self.0 & 1 == 1
    }

    /// Whether the option takes no part in finding out if two requests ask for the same (RFC 7252 5.4.6).
    pub const fn is_no_cache_key(self) -> bool {
        self.0 & 0x1e == 0x1c
    }

    /// Whether the option is known and `value` is one that it may have; `.` and `..` are no path segments (RFC 7252 5.10.1).
    pub fn allows(self, value: &[u8]) -> bool {
        let Some(rule) = self.rule() else { return false };
        let dots = self == Self::URI_PATH && (value == b"." || value == b"..");
        let text = rule.form != Form::Text || value.is_ascii() || core::str::from_utf8(value).is_ok();
        (rule.shortest..=rule.longest).contains(&value.len()) && text && !dots
    }

    pub(crate) fn is_text(self) -> bool {
        self.rule().is_some_and(|rule| rule.form == Form::Text)
    }

    /// Whether the option may occur more than once; `false` for one that is not known.
    pub fn is_repeatable(self) -> bool {
        self.rule().is_some_and(|rule| rule.repeatable)
    }
}

impl fmt::Debug for OptionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The value of Block1 and Block2 (RFC 7959 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Number of the block, below 2^20.
    pub num: u32,
    /// Whether more blocks follow.
    pub more: bool,
    /// Size exponent 0..=6: a block has 2^(szx + 4) bytes. 7 is reserved.
    pub szx: u8,
}

impl Block {
    /// Most blocks of one body.
    pub const COUNT: u32 = 1 << 20;

    /// From the option's number.
    pub const fn from_value(value: u32) -> Self {
        Self { num: value >> 4, more: value & 8 != 0, szx: (value & 7) as u8 }
    }

    /// The option's number.
    pub const fn value(self) -> u32 {
        self.num << 4 | (self.more as u32) << 3 | (self.szx & 7) as u32
    }

    /// Bytes of one block: 16 to 1,024 (2,048 for the reserved exponent).
    pub const fn size(self) -> usize {
        16 << self.szx
    }

    /// Where the block begins in the body.
    pub const fn offset(self) -> usize {
        self.num as usize * self.size()
    }

    /// The greatest exponent whose block has at most `bytes`; 0 below 32.
    pub const fn szx_for(bytes: usize) -> u8 {
        let mut szx = 6;
        while szx > 0 && (16 << szx) > bytes {
            szx -= 1;
        }
        szx
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_values() {
        for (value, num, more, szx, size, offset) in [
            (0, 0, false, 0, 16, 0),
            (0x0e, 0, true, 6, 1024, 0),
            (0x12, 1, false, 2, 64, 64),
            (0xff_fffe, 0xf_ffff, true, 6, 1024, 0x3fff_fc00),
        ] {
            let block = Block::from_value(value);
            assert_eq!(block, Block { num, more, szx });
            assert_eq!((block.value(), block.size(), block.offset()), (value, size, offset));
        }
        for (bytes, szx) in [(0, 0), (16, 0), (31, 0), (32, 1), (512, 5), (1023, 5), (1024, 6), (9000, 6)] {
            assert_eq!(Block::szx_for(bytes), szx, "{bytes}");
        }
    }

    #[test]
    fn rules_of_options() {
        for (number, value, allowed) in [
            (OptionNumber::URI_PATH, &b"rd"[..], true),
            (OptionNumber::URI_PATH, b"", true),
            (OptionNumber::URI_PATH, b".", false),
            (OptionNumber::URI_PATH, b"..", false),
            (OptionNumber::URI_PATH, b"...", true),
            (OptionNumber::URI_PATH, b"\xff", false),
            (OptionNumber::URI_PATH, &[b'a'; 256], false),
            (OptionNumber::URI_HOST, b"", false),
            (OptionNumber::IF_NONE_MATCH, b"", true),
            (OptionNumber::IF_NONE_MATCH, b"x", false),
            (OptionNumber::ETAG, b"", false),
            (OptionNumber::ETAG, b"12345678", true),
            (OptionNumber::OBSERVE, b"1234", false),
            (OptionNumber::HOP_LIMIT, b"", false),
            (OptionNumber(9), b"", false),
            (OptionNumber(19), b"", false),
        ] {
            assert_eq!(number.allows(value), allowed, "{number:?} {value:?}");
        }
        assert!(OptionNumber::SIZE1.is_no_cache_key() && !OptionNumber::BLOCK1.is_no_cache_key());
        assert!(OptionNumber::URI_PATH.is_critical() && !OptionNumber::ETAG.is_critical());
    }
}
