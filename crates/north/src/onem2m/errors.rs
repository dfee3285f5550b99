//! The error table: from a cause to its response status code (`X-M2M-RSC`), HTTP status and text (contract section 8, "RSC to HTTP").

use crate::http::Reason;
use landfall_model::{Cause, Error, ErrorKind};

/// Response status codes (TS-0004, 6.6.3).
pub(super) mod rsc {
    #![allow(missing_docs)]
    pub const OK: u16 = 2000;
    pub const CREATED: u16 = 2001;
    pub const DELETED: u16 = 2002;
    pub const UPDATED: u16 = 2004;
    pub const BAD_REQUEST: u16 = 4000;
    pub const RELEASE_NOT_SUPPORTED: u16 = 4001;
    pub const NOT_FOUND: u16 = 4004;
    pub const OPERATION_NOT_ALLOWED: u16 = 4005;
    pub const REQUEST_TIMEOUT: u16 = 4008;
    pub const UNSUPPORTED_MEDIA_TYPE: u16 = 4015;
    pub const CONTENTS_UNACCEPTABLE: u16 = 4102;
    pub const NO_PRIVILEGE: u16 = 4103;
    pub const CONFLICT: u16 = 4105;
    pub const INVALID_CHILD: u16 = 4108;
    pub const NO_MEMBERS: u16 = 4109;
    pub const INCONSISTENT_MEMBERS: u16 = 4110;
    pub const ALREADY_REGISTERED: u16 = 4117;
    pub const INTERNAL: u16 = 5000;
    pub const NOT_IMPLEMENTED: u16 = 5001;
    pub const TARGET_NOT_REACHABLE: u16 = 5103;
    pub const VERIFICATION_FAILED: u16 = 5204;
    pub const NOT_ACCEPTABLE: u16 = 5207;
    pub const TOO_MANY_MEMBERS: u16 = 6010;
}

/// Why a request is refused, as the answer says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// `X-M2M-RSC`
    pub rsc: u16,
    /// HTTP status.
    pub status: u16,
    /// `m2m:dbg`
    pub text: String,
    /// What it comes from, where that is an error of the core: operators are told more.
    pub error: Option<Box<Error>>,
}

impl Fault {
    /// A fault whose HTTP status follows from its code.
    pub fn new(rsc: u16, text: impl Into<String>) -> Self {
        Self { rsc, status: status_of(rsc), text: text.into(), error: None }
    }

    /// A request that cannot be understood.
    pub fn bad(text: impl Into<String>) -> Self {
        Self::new(rsc::BAD_REQUEST, text)
    }

    /// A parameter of every request that is missing.
    pub fn missing(short: &str, long: &str) -> Self {
        Self::bad(format!("invalid arguments/attributes: {short}/{long} parameter is mandatory in request"))
    }

    /// A body larger than its limit: HTTP refuses it before there is a primitive.
    pub fn too_large(limit_bytes: usize) -> Self {
        Self { status: 413, ..Self::bad(format!("the body is larger than {limit_bytes} bytes")) }
    }

    /// A defect of ours.
    pub fn broken() -> Self {
        Self::new(rsc::INTERNAL, "internal server error")
    }

    /// A body that does not come in.
    pub fn too_slow() -> Self {
        Self { status: 408, ..Self::new(rsc::REQUEST_TIMEOUT, "the body came too slowly") }
    }

    /// The same for operators and for whoever asks.
    pub fn reason(&self) -> Reason {
        let code = self.rsc.to_string();
        match &self.error {
            Some(error) => Reason::of(code, error),
            None => Reason::new(code, check_of(self.rsc), self.text.clone()),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let rsc = rsc_of(error.cause);
        let status = match error.cause {
            Cause::Unauthenticated => 401,
            Cause::Overloaded | Cause::Stopping => 503,
            _ => status_of(rsc),
        };
        let text = match error.kind() {
            ErrorKind::Internal => {
                tracing::error!(%error, "a oneM2M request failed");
                "internal server error".to_owned()
            }
            ErrorKind::Invalid => error.to_string(),
            _ if error.cause == Cause::Unauthenticated => "missing or invalid access token".to_owned(),
            _ if error.cause == Cause::ResourceExists => "resource already exists".to_owned(),
            _ => error.detail.clone().into_owned(),
        };
        Self { rsc, status, text, error: Some(Box::new(error)) }
    }
}

/// The response status code of each cause.
fn rsc_of(cause: Cause) -> u16 {
    match cause {
        Cause::ChildNotAllowed => rsc::INVALID_CHILD,
        Cause::OperationNotAllowed => rsc::OPERATION_NOT_ALLOWED,
        Cause::ContentTooLarge => rsc::NOT_ACCEPTABLE,
        Cause::VerificationFailed => rsc::VERIFICATION_FAILED,
        Cause::DeviceOffline | Cause::GatewayOffline => rsc::TARGET_NOT_REACHABLE,
        cause => match cause.kind() {
            ErrorKind::NotFound => rsc::NOT_FOUND,
            ErrorKind::Conflict => rsc::CONFLICT,
            ErrorKind::Invalid => rsc::BAD_REQUEST,
            ErrorKind::Denied => rsc::NO_PRIVILEGE,
            ErrorKind::Limit => rsc::NOT_ACCEPTABLE,
            ErrorKind::Unavailable | ErrorKind::Internal => rsc::INTERNAL,
        },
    }
}

/// The check that failed where the request itself was not right, a stable word.
fn check_of(rsc: u16) -> &'static str {
    match rsc {
        rsc::BAD_REQUEST => "request.malformed",
        rsc::RELEASE_NOT_SUPPORTED => "release.unknown",
        rsc::NOT_FOUND => "resource.unknown",
        rsc::OPERATION_NOT_ALLOWED => "operation.not-allowed",
        rsc::REQUEST_TIMEOUT => "request.timeout",
        rsc::UNSUPPORTED_MEDIA_TYPE => "content-type.unknown",
        rsc::CONTENTS_UNACCEPTABLE => "content.unacceptable",
        rsc::NO_PRIVILEGE => "originator.no-privilege",
        rsc::CONFLICT => "resource.conflict",
        rsc::INVALID_CHILD => "child.not-allowed",
        rsc::ALREADY_REGISTERED => "originator.registered",
        rsc::NOT_IMPLEMENTED => "not-implemented",
        rsc::NOT_ACCEPTABLE => "not-acceptable",
        _ => "other",
    }
}

/// The HTTP status of each response status code.
pub(super) fn status_of(rsc: u16) -> u16 {
    match rsc {
        2001 => 201,
        2000..3000 => 200,
        4000 | 4102 | 4110 | 6010 | 6023 | 6024 => 400,
        4101 | 4103 | 4107 | 4108 | 4109 | 4117 | 5105 | 5203 | 5205 => 403,
        4004 | 5103 | 5107 => 404,
        4005 => 405,
        5207 => 406,
        4105 | 5106 => 409,
        4015 => 415,
        4001 | 5001 => 501,
        4008 => 504,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_status_of_the_contract() {
        let table: [(&[u16], u16); 13] = [
            (&[2000, 2002, 2004], 200),
            (&[2001], 201),
            (&[4000, 4102, 4110, 6010, 6023, 6024], 400),
            (&[4101, 4103, 4107, 4108, 4109, 4117, 5105, 5203, 5205], 403),
            (&[4004, 5103, 5107], 404),
            (&[4005], 405),
            (&[5207], 406),
            (&[4105, 5106], 409),
            (&[4015], 415),
            (&[5000, 5204], 500),
            (&[4001, 5001], 501),
            (&[4008], 504),
            (&[1], 500),
        ];
        for (codes, status) in table {
            codes.iter().for_each(|code| assert_eq!(status_of(*code), status, "{code}"));
        }
    }

    #[test]
    fn causes_have_their_rows() {
        let rows = [
            (Cause::ResourceNotFound, 4004, 404),
            (Cause::DeviceForeign, 4004, 404),
            (Cause::ResourceExists, 4105, 409),
            (Cause::NameTaken, 4105, 409),
            (Cause::NodeIdTaken, 4105, 409),
            (Cause::InvalidField, 4000, 400),
            (Cause::CallbackInvalid, 4000, 400),
            (Cause::ChildNotAllowed, 4108, 403),
            (Cause::OperationNotAllowed, 4005, 405),
            (Cause::ContentTooLarge, 5207, 406),
            (Cause::VerificationFailed, 5204, 500),
            (Cause::Unauthenticated, 4103, 401),
            (Cause::Forbidden, 4103, 403),
            (Cause::AppFrozen, 4103, 403),
            (Cause::DeviceOffline, 5103, 404),
            (Cause::Overloaded, 5000, 503),
            (Cause::TooMany, 5207, 406),
            (Cause::Internal, 5000, 500),
        ];
        for (cause, code, status) in rows {
            let fault = Fault::from(Error::new(cause, "x").at("p"));
            assert_eq!((fault.rsc, fault.status), (code, status), "{cause:?}");
        }
        for cause in Cause::ALL {
            let fault = Fault::from(Error::new(*cause, "x"));
            assert!(fault.rsc >= 4000 && fault.status >= 400, "{cause:?}");
        }
    }

    #[test]
    fn texts_name_the_attribute_and_hide_what_is_internal() {
        let cases = [
            (Error::invalid("mni", "must be a number"), "mni: must be a number"),
            (Error::new(Cause::ResourceExists, "a row of this name").at("rn"), "resource already exists"),
            (Error::new(Cause::NameTaken, "name taken").at("rn"), "name taken"),
            (Error::new(Cause::Internal, "disk /dev/x"), "internal server error"),
        ];
        for (error, text) in cases {
            assert_eq!(Fault::from(error).text, text);
        }
    }
}
