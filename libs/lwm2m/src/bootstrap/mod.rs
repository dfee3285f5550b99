//! The bootstrap server (core 1.1 section 6.1): what a client asks, what it is to be told, and the sequence that tells it.
//! Absent: smartcards, factory settings, certificate enrolment (EST), OSCORE; who may bootstrap.

mod config;
mod sequence;

pub use config::{BootstrapConfig, ConfigError, SecurityInstance, SecurityMode, ServerInstance};
pub use sequence::{BootstrapFailure, Progress, Sequence, StepName};

use crate::content_format::ContentFormat;
use crate::message::{Code, Method, Request};
use crate::registration::endpoint_is_valid;

/// A Bootstrap-Request: `POST /bs`, or since 1.2 `GET /bspack`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapRequest {
    /// The endpoint name; since 1.1 a client may leave it to its credentials.
    pub endpoint: Option<String>,
    /// The format that the client prefers, if it told one (since 1.1).
    pub preferred: Option<ContentFormat>,
}

/// Why a Bootstrap-Request is refused; always with 4.00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapRequestError {
    /// Empty, too long, or with control characters.
    #[error("the endpoint name is empty, too long, or has control characters")]
    Endpoint,
    /// `pct` is not a number.
    #[error("the preferred content format is not a number")]
    Format,
    /// A parameter is given twice.
    #[error("parameter {0} is given twice")]
    Twice(&'static str),
}

impl BootstrapRequestError {
    /// The answer's code.
    pub const fn code(self) -> Code {
        Code::BAD_REQUEST
    }
}

impl BootstrapRequest {
    /// Reads the queries of it; those that are not known are left alone.
    ///
    /// # Errors
    /// What is wrong with which parameter.
    pub fn parse<S: AsRef<str>>(queries: &[S]) -> Result<Self, BootstrapRequestError> {
        let mut request = Self { endpoint: None, preferred: None };
        for query in queries.iter().map(AsRef::as_ref) {
            match query.split_once('=').unwrap_or((query, "")) {
                ("ep", _) if request.endpoint.is_some() => return Err(BootstrapRequestError::Twice("ep")),
                ("ep", name) if endpoint_is_valid(name) => request.endpoint = Some(name.to_owned()),
                ("ep", _) => return Err(BootstrapRequestError::Endpoint),
                ("pct", _) if request.preferred.is_some() => return Err(BootstrapRequestError::Twice("pct")),
                ("pct", number) => {
                    let number = number.parse().ok().filter(|_| number.bytes().all(|b| b.is_ascii_digit()));
                    request.preferred = Some(ContentFormat(number.ok_or(BootstrapRequestError::Format)?));
                }
                _ => {}
            }
        }
        Ok(request)
    }

    /// The request that says this (what a client does).
    pub fn to_request(&self) -> Request {
        let mut request = Request::new(Method::Post, vec!["bs".into()]);
        request.query.extend(self.endpoint.iter().map(|name| format!("ep={name}")));
        request.query.extend(self.preferred.map(|format| format!("pct={}", format.0)));
        request
    }

    /// The format to write with: the preferred one where it can be written here, TLV, which 1.0 clients know, where not.
    pub fn format(&self) -> ContentFormat {
        self.preferred.filter(|format| format.is_multiple()).unwrap_or(ContentFormat::TLV)
    }
}

#[cfg(test)]
mod tests;
