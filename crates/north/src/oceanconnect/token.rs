//! Tokens (1.3): no flow control, no token needed. Both operations take a form or JSON ([A 1]).

use super::{
    Errors, Fault, OceanConnect,
    request::{Query, answer, content_type, parse, read_body, sound},
    row,
    wire::{TokenBody, TokenRequest},
};
use crate::http::Call;
use axum::{extract::Request, http::StatusCode, response::Response};
use landfall_core::TokenPair;
use std::sync::Arc;

pub(super) const LOGIN: Errors =
    Errors::of(&[(400, "100449", "The device is frozen cant operate."), row::FIELD_NULL, row::WRONG_SECRET, row::INTERNAL])
        .invalid(row::FIELD_NULL);

/// 1.3.1
pub(super) async fn login(dialect: Arc<OceanConnect>, request: Request) -> Result<Response, Fault> {
    let call = Call::of(request.extensions());
    let fields = read(request).await?;
    let (app_id, secret) = fields.claimed(&call)?;
    render(&dialect.core.login(app_id, secret).await?)
}

pub(super) const REFRESH: Errors = Errors::of(&[
    (400, "100449", "The device is freezed cant operate."),
    row::FIELD_NULL,
    row::INVALID,
    row::WRONG_SECRET,
    row::INTERNAL,
]);

/// 1.3.2
pub(super) async fn refresh(dialect: Arc<OceanConnect>, request: Request) -> Result<Response, Fault> {
    let call = Call::of(request.extensions());
    let fields = read(request).await?;
    let (app_id, secret) = fields.claimed(&call)?;
    let refresh = fields.refresh_token.as_deref().ok_or(Fault::Missing("refreshToken"))?;
    render(&dialect.core.refresh(app_id, secret, refresh).await?)
}

fn render(tokens: &TokenPair) -> Result<Response, Fault> {
    let body = TokenBody {
        scope: "default",
        token_type: "Bearer",
        expires_in: tokens.expires_in_s,
        access_token: tokens.access.expose(),
        refresh_token: tokens.refresh.expose(),
    };
    answer(StatusCode::OK, &body)
}

/// A form or a JSON object. Where no content type says that it is JSON the first byte decides: programs send forms without one, and JSON as a form.
async fn read(request: Request) -> Result<TokenRequest, Fault> {
    let kind = content_type(request.headers()).unwrap_or_default();
    let body = read_body(request).await?;
    if !(kind.is_empty() || kind == "application/x-www-form-urlencoded" || kind.ends_with("json")) {
        return Err(Fault::Malformed("Content-Type must be a form or JSON".into()));
    }
    fields(&body, kind.ends_with("json"))
}

fn fields(body: &[u8], is_json: bool) -> Result<TokenRequest, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::Malformed("the body is not UTF-8".into()))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if is_json || text.starts_with('{') {
        return parse(&sound(text.as_bytes())?);
    }
    let form = Query::read(text)?;
    let field = |name| form.text(name).map(str::to_owned);
    Ok(TokenRequest { app_id: field("appId"), secret: field("secret"), refresh_token: field("refreshToken") })
}

impl TokenRequest {
    /// Who says to call, and its secret.
    fn claimed(&self, call: &Call) -> Result<(&str, &str), Fault> {
        if let Some(app_id) = &self.app_id {
            call.claims(app_id, app_id.parse().ok());
        }
        self.pair()
    }

    fn pair(&self) -> Result<(&str, &str), Fault> {
        let app_id = self.app_id.as_deref().ok_or(Fault::Missing("appId"))?;
        Ok((app_id, self.secret.as_deref().ok_or(Fault::Missing("secret"))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells_a_form_from_json_and_letter_case_does_not_matter() {
        for body in [
            "appId=a&secret=s",
            "\u{feff}appid=a&Secret=s\r\n",
            r#"{"appId":"a","secret":"s"}"#,
            "\u{feff} {\"appid\":\"a\",\"Secret\":\"s\",\"refreshToken\":\"\"}",
        ] {
            let fields = fields(body.as_bytes(), false).unwrap();
            assert_eq!((fields.pair().unwrap(), &fields.refresh_token), (("a", "s"), &None), "{body}");
        }
        assert_eq!(fields(br#"{"appId":1,"secret":2.50}"#, true).unwrap().pair().unwrap(), ("1", "2.50"));
        for missing in ["", "appId=a", "appId=&secret=s", r#"{"appId":"a","secret":null}"#] {
            assert!(fields(missing.as_bytes(), false).unwrap().pair().is_err(), "{missing}");
        }
        for (bad, is_json) in
            [(r#"{"appId""#, false), (r#"{"appId":"a","secret":[]}"#, false), ("appId=a&secret=s", true), ("", true)]
        {
            assert!(matches!(fields(bad.as_bytes(), is_json), Err(Fault::Malformed(_))), "{bad}");
        }
    }
}
