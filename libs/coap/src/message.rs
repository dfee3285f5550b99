//! A request or a response as an application sees it: code, options, body. Absent: type, message identifier and token, which belong to
//! the exchange.

use core::fmt;

use bytes::Bytes;

use crate::code::{Code, ContentFormat};
use crate::number::OptionNumber;
use crate::options::{Options, OptionsRef};

/// A request or a response with its whole body.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Method or response code.
    pub code: Code,
    /// The options; those of block-wise transfer are the endpoint's business.
    pub options: Options,
    /// The whole body.
    pub payload: Bytes,
}

/// The body may be a secret: only its length is told.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} +{} B", self.code, self.options, self.payload.len())
    }
}

/// A [`Message`] whose code is a method.
pub type Request = Message;
/// A [`Message`] whose code is a response code.
pub type Response = Message;

impl Message {
    /// A message without options and body.
    pub fn new(code: Code) -> Self {
        Self { code, options: Options::default(), payload: Bytes::new() }
    }

    /// To read the options.
    pub fn opts(&self) -> OptionsRef<'_> {
        self.options.get()
    }

    /// Adds an option.
    #[must_use]
    pub fn with(mut self, number: OptionNumber, value: &[u8]) -> Self {
        self.options.add(number, value);
        self
    }

    /// Adds an integer option.
    #[must_use]
    pub fn with_uint(mut self, number: OptionNumber, value: u32) -> Self {
        self.options.add_uint(number, value);
        self
    }

    /// Adds a path, such as `/3/0/9`: one Uri-Path for each segment between slashes; `/` and the empty text add none.
    #[must_use]
    pub fn with_path(mut self, path: &str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        if !path.is_empty() {
            path.split('/').for_each(|segment| self.options.add(OptionNumber::URI_PATH, segment.as_bytes()));
        }
        self
    }

    /// Adds one argument of the query, such as `lt=60`.
    #[must_use]
    pub fn with_query(self, argument: &str) -> Self {
        self.with(OptionNumber::URI_QUERY, argument.as_bytes())
    }

    /// Adds a path of what was created, such as `/rd/5a3f`.
    #[must_use]
    pub fn with_location(mut self, path: &str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        path.split('/').for_each(|segment| self.options.add(OptionNumber::LOCATION_PATH, segment.as_bytes()));
        self
    }

    /// Sets what format the answer shall have.
    #[must_use]
    pub fn with_accept(self, format: ContentFormat) -> Self {
        self.with_uint(OptionNumber::ACCEPT, u32::from(format.0))
    }

    /// Sets Observe: 0 registers, 1 cancels, in a notification the sequence number of 24 bits.
    #[must_use]
    pub fn with_observe(self, value: u32) -> Self {
        self.with_uint(OptionNumber::OBSERVE, value & 0xff_ffff)
    }

    /// Sets the body and its format.
    #[must_use]
    pub fn with_body(self, format: ContentFormat, body: impl Into<Bytes>) -> Self {
        self.with_uint(OptionNumber::CONTENT_FORMAT, u32::from(format.0)).with_payload(body)
    }

    /// Sets the body alone; for a response with an error code this is the diagnostic text (RFC 7252 5.5.2).
    #[must_use]
    pub fn with_payload(mut self, body: impl Into<Bytes>) -> Self {
        self.payload = body.into();
        self
    }
}
