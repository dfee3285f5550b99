//! Requests and responses in the words that LwM2M uses of CoAP. Absent: messages, tokens, blocks and retransmission; whoever owns a CoAP
//! endpoint maps these to it field by field.

use std::fmt;

use crate::content_format::ContentFormat;

/// A CoAP method that LwM2M uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Read, Discover, Observe.
    Get,
    /// Register, Update, Execute, Create, Write (partial), Send, Bootstrap-Request and -Finish.
    Post,
    /// Write (replace), Write-Attributes.
    Put,
    /// De-register, Delete.
    Delete,
    /// Read-Composite, Observe-Composite (RFC 8132).
    Fetch,
    /// Write-Composite (RFC 8132).
    Ipatch,
}

/// The value of the Observe option in a request (RFC 7641).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Observe {
    /// 0: begin.
    Register,
    /// 1: end.
    Cancel,
}

/// A request in either direction.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Uri-Path segments, decoded.
    pub path: Vec<String>,
    /// Uri-Query items such as `ep=urn:imei:...`, decoded.
    pub query: Vec<String>,
    /// The format of the payload.
    pub content_format: Option<ContentFormat>,
    /// The format wanted for the answer.
    pub accept: Option<ContentFormat>,
    /// Whether an observation begins or ends.
    pub observe: Option<Observe>,
    /// The whole body.
    pub payload: Vec<u8>,
}

impl Request {
    /// A request without options and body.
    pub fn new(method: Method, path: Vec<String>) -> Self {
        Self { method, path, query: Vec::new(), content_format: None, accept: None, observe: None, payload: Vec::new() }
    }
}

/// Payloads may hold keys: only the length is shown.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("content_format", &self.content_format)
            .field("accept", &self.accept)
            .field("observe", &self.observe)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

/// A response code: class in the upper three bits, detail in the lower five (RFC 7252 section 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u8);

impl Code {
    /// 2.01
    pub const CREATED: Self = Self::of(2, 1);
    /// 2.02
    pub const DELETED: Self = Self::of(2, 2);
    /// 2.03
    pub const VALID: Self = Self::of(2, 3);
    /// 2.04
    pub const CHANGED: Self = Self::of(2, 4);
    /// 2.05
    pub const CONTENT: Self = Self::of(2, 5);
    /// 4.00
    pub const BAD_REQUEST: Self = Self::of(4, 0);
    /// 4.01
    pub const UNAUTHORIZED: Self = Self::of(4, 1);
    /// 4.02
    pub const BAD_OPTION: Self = Self::of(4, 2);
    /// 4.03
    pub const FORBIDDEN: Self = Self::of(4, 3);
    /// 4.04
    pub const NOT_FOUND: Self = Self::of(4, 4);
    /// 4.05
    pub const METHOD_NOT_ALLOWED: Self = Self::of(4, 5);
    /// 4.06
    pub const NOT_ACCEPTABLE: Self = Self::of(4, 6);
    /// 4.08
    pub const REQUEST_ENTITY_INCOMPLETE: Self = Self::of(4, 8);
    /// 4.12
    pub const PRECONDITION_FAILED: Self = Self::of(4, 12);
    /// 4.13
    pub const REQUEST_ENTITY_TOO_LARGE: Self = Self::of(4, 13);
    /// 4.15
    pub const UNSUPPORTED_CONTENT_FORMAT: Self = Self::of(4, 15);
    /// 5.00
    pub const INTERNAL_SERVER_ERROR: Self = Self::of(5, 0);
    /// 5.01
    pub const NOT_IMPLEMENTED: Self = Self::of(5, 1);
    /// 5.03
    pub const SERVICE_UNAVAILABLE: Self = Self::of(5, 3);

    /// The code of a class (0 to 7) and a detail (0 to 31).
    pub const fn of(class: u8, detail: u8) -> Self {
        Self(class << 5 | detail & 0x1f)
    }

    /// 2 success, 4 the request was wrong, 5 the other side failed.
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// The part behind the point.
    pub const fn detail(self) -> u8 {
        self.0 & 0x1f
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An answer in either direction.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// What came of it.
    pub code: Code,
    /// The format of the payload.
    pub content_format: Option<ContentFormat>,
    /// Location-Path segments (2.01).
    pub location: Vec<String>,
    /// The Observe option: present when the observation stands.
    pub observe: Option<u32>,
    /// The whole body; of an error, a diagnostic text.
    pub payload: Vec<u8>,
}

impl Response {
    /// An answer that is only a code.
    pub fn new(code: Code) -> Self {
        Self { code, content_format: None, location: Vec::new(), observe: None, payload: Vec::new() }
    }

    /// 2.05 with a body.
    pub fn content(format: ContentFormat, payload: Vec<u8>) -> Self {
        Self { content_format: Some(format), payload, ..Self::new(Code::CONTENT) }
    }

    /// An error with a diagnostic text.
    pub fn error(code: Code, text: impl Into<String>) -> Self {
        Self { payload: text.into().into_bytes(), ..Self::new(code) }
    }
}

/// Payloads may hold keys: only the length is shown.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("code", &self.code)
            .field("content_format", &self.content_format)
            .field("location", &self.location)
            .field("observe", &self.observe)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}
