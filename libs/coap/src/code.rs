//! Codes and content formats: numbers with names. Absent: what a method or a status means to an application.

use core::fmt;

/// A request method, a response code, or the empty message; class in the upper three bits (RFC 7252 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u8);

macro_rules! codes {
    ($($(#[$meta:meta])* $id:ident $class:literal $detail:literal $name:literal;)*) => {
        impl Code {
            $($(#[$meta])* #[doc = $name] pub const $id: Self = Self($class << 5 | $detail);)*

            /// The name in the standards, such as `2.05 Content`; `None` for a code that has none.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$id => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    EMPTY 0 0 "0.00 Empty";
    GET 0 1 "GET";
    POST 0 2 "POST";
    PUT 0 3 "PUT";
    DELETE 0 4 "DELETE";
    FETCH 0 5 "FETCH";
    PATCH 0 6 "PATCH";
    IPATCH 0 7 "iPATCH";
    CREATED 2 1 "2.01 Created";
    DELETED 2 2 "2.02 Deleted";
    VALID 2 3 "2.03 Valid";
    CHANGED 2 4 "2.04 Changed";
    CONTENT 2 5 "2.05 Content";
    CONTINUE 2 31 "2.31 Continue";
    BAD_REQUEST 4 0 "4.00 Bad Request";
    UNAUTHORIZED 4 1 "4.01 Unauthorized";
    BAD_OPTION 4 2 "4.02 Bad Option";
    FORBIDDEN 4 3 "4.03 Forbidden";
    NOT_FOUND 4 4 "4.04 Not Found";
    METHOD_NOT_ALLOWED 4 5 "4.05 Method Not Allowed";
    NOT_ACCEPTABLE 4 6 "4.06 Not Acceptable";
    REQUEST_ENTITY_INCOMPLETE 4 8 "4.08 Request Entity Incomplete";
    CONFLICT 4 9 "4.09 Conflict";
    PRECONDITION_FAILED 4 12 "4.12 Precondition Failed";
    REQUEST_ENTITY_TOO_LARGE 4 13 "4.13 Request Entity Too Large";
    UNSUPPORTED_CONTENT_FORMAT 4 15 "4.15 Unsupported Content-Format";
    UNPROCESSABLE_ENTITY 4 22 "4.22 Unprocessable Entity";
    TOO_MANY_REQUESTS 4 29 "4.29 Too Many Requests";
    INTERNAL_SERVER_ERROR 5 0 "5.00 Internal Server Error";
    NOT_IMPLEMENTED 5 1 "5.01 Not Implemented";
    BAD_GATEWAY 5 2 "5.02 Bad Gateway";
    SERVICE_UNAVAILABLE 5 3 "5.03 Service Unavailable";
    GATEWAY_TIMEOUT 5 4 "5.04 Gateway Timeout";
    PROXYING_NOT_SUPPORTED 5 5 "5.05 Proxying Not Supported";
    HOP_LIMIT_REACHED 5 8 "5.08 Hop Limit Reached";
}

impl Code {
    /// 0 request or empty, 2 success, 4 client error, 5 server error; 3 has no codes yet; 1, 6 and 7 are reserved (RFC 7252 12.1).
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// 0 to 31.
    pub const fn detail(self) -> u8 {
        self.0 & 0x1f
    }

    /// Whether this is a method, known or not.
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.0 != 0
    }

    /// Whether this is a response code, known or not.
    pub const fn is_response(self) -> bool {
        matches!(self.class(), 2..=5)
    }

    /// Class 2.
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}.{:02}", self.class(), self.detail()),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A media type and coding by its registered number (RFC 7252 12.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentFormat(pub u16);

macro_rules! formats {
    ($($id:ident $number:literal $name:literal;)*) => {
        impl ContentFormat {
            $(#[doc = $name] pub const $id: Self = Self($number);)*

            /// The media type, where this table has it.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$id => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

formats! {
    TEXT 0 "text/plain;charset=utf-8";
    LINK 40 "application/link-format";
    XML 41 "application/xml";
    OCTET_STREAM 42 "application/octet-stream";
    EXI 47 "application/exi";
    JSON 50 "application/json";
    JSON_PATCH 51 "application/json-patch+json";
    MERGE_PATCH 52 "application/merge-patch+json";
    CBOR 60 "application/cbor";
    SENML_JSON 110 "application/senml+json";
    SENML_CBOR 112 "application/senml+cbor";
    SENML_ETCH_JSON 320 "application/senml-etch+json";
    SENML_ETCH_CBOR 322 "application/senml-etch+cbor";
    LWM2M_TLV 11542 "application/vnd.oma.lwm2m+tlv";
    LWM2M_JSON 11543 "application/vnd.oma.lwm2m+json";
    LWM2M_CBOR 11544 "application/vnd.oma.lwm2m+cbor";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_split_into_class_and_detail() {
        for (code, class, detail, text) in [
            (Code(0), 0, 0, "0.00 Empty"),
            (Code(1), 0, 1, "GET"),
            (Code(7), 0, 7, "iPATCH"),
            (Code(69), 2, 5, "2.05 Content"),
            (Code(95), 2, 31, "2.31 Continue"),
            (Code(132), 4, 4, "4.04 Not Found"),
            (Code(165), 5, 5, "5.05 Proxying Not Supported"),
            (Code(0xff), 7, 31, "7.31"),
        ] {
            assert_eq!((code.class(), code.detail(), code.to_string().as_str()), (class, detail, text));
        }
        assert!(Code(31).is_request() && !Code::EMPTY.is_request() && !Code(0x21).is_response() && Code(0x5f).is_success());
    }

    #[test]
    fn formats_have_their_registered_numbers() {
        assert_eq!(ContentFormat(11542).name(), Some("application/vnd.oma.lwm2m+tlv"));
        assert_eq!((ContentFormat::SENML_CBOR.0, ContentFormat(9).name()), (112, None));
    }
}
