//! Who calls: HTTP Basic with `tenant/user` and a password.

use super::{Fault, request::from};
use crate::http::Call;
use axum::{extract::Request, http::header};
use base64::{Engine, engine::general_purpose::STANDARD};
use landfall_core::{Core, UserCaller};
use landfall_model::{Cause, Error};
use std::net::IpAddr;

/// What a request shows of its user.
pub(super) struct Shown {
    call: Call,
    from: IpAddr,
    pair: Option<(String, String)>,
}

impl Shown {
    pub fn of(request: &Request) -> Self {
        Self { call: Call::of(request.extensions()), from: from(request), pair: basic(request) }
    }

    /// The user that it proves to be.
    pub async fn user(self, core: &Core) -> Result<UserCaller, Fault> {
        let missing = || Error::new(Cause::Unauthenticated, "the Authorization header has no Basic credentials");
        let (name, password) = self.pair.ok_or_else(missing)?;
        self.call.claims(&name, None);
        let (tenant, name) = match name.split_once('/') {
            Some((tenant, name)) => (Some(tenant), name),
            None => (None, &*name),
        };
        Ok(core.sign_in(tenant, name, &password, self.from).await?)
    }
}

/// Name and password of a header `Authorization: Basic ...` (RFC 7617).
fn basic(request: &Request) -> Option<(String, String)> {
    let (scheme, code) = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let pair = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
    let (name, password) = pair.split_once(':').filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    Some((name.to_owned(), password.to_owned()))
}

/// What is asked for in a refusal. A page whose program asks for `XBasic` does not want its browser to ask for a password.
pub(super) fn challenge(request: &Request) -> &'static str {
    let own = request.headers().get("usexbasic").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    if own { "XBasic realm=\"Landfall\"" } else { "Basic realm=\"Landfall\"" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn a_password_may_have_colons_and_a_name_may_not() {
        let asked = |text: &str| {
            let request = Request::builder().header("authorization", text).body(Body::empty()).unwrap();
            basic(&request)
        };
        let pair = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        for (text, expected) in [
            (format!("Basic {}", STANDARD.encode("t1/ann:a:b")), pair("t1/ann", "a:b")),
            (format!("basic  {} ", STANDARD.encode(":")), pair("", "")),
            (format!("Bearer {}", STANDARD.encode("ann:a")), None),
            (format!("Basic {}", STANDARD.encode("ann")), None),
            ("Basic !".to_owned(), None),
            ("Basic".to_owned(), None),
        ] {
            assert_eq!(asked(&text), expected, "{text}");
        }
    }
}
