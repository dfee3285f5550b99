//! Tokens (1.3): no flow control, no token needed. Both operations take a form or JSON ([A 1]).

use super::{
    Errors, Fault, OceanConnect,
    request::{Query, answer, content_type, parse, read_body, sound},
    row,
    wire::TokenBody,
};
use crate::http::Call;
use axum::{extract::Request, http::StatusCode, response::Response};
use landfall_core::TokenPair;
use serde_json::{Map, Value};
use std::sync::Arc;

pub(super) const LOGIN: Errors =
    Errors::of(&[(400, "100449", "The device is frozen cant operate."), row::FIELD_NULL, row::WRONG_SECRET, row::INTERNAL])
        .invalid(row::FIELD_NULL);

/// 1.3.1
pub(super) async fn login(dialect: Arc<OceanConnect>, request: Request) -> Result<Response, Fault> {
    let call = Call::of(request.extensions());
    let fields = Fields::read(request).await?;
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
    let fields = Fields::read(request).await?;
    let (app_id, secret) = fields.claimed(&call)?;
    render(&dialect.core.refresh(app_id, secret, fields.need("refreshToken")?).await?)
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

/// The fields of a form or a JSON object.
enum Fields {
    Form(Query),
    Json(Map<String, Value>),
}

impl Fields {
    async fn read(request: Request) -> Result<Self, Fault> {
        let kind = content_type(request.headers()).unwrap_or_default();
        let body = read_body(request).await?;
        if kind == "application/x-www-form-urlencoded" {
            let text = std::str::from_utf8(&body).map_err(|_| Fault::Malformed("the form is not UTF-8".into()))?;
            return Query::read(text).map(Self::Form);
        }
        if kind.is_empty() || kind.ends_with("json") {
            return parse(&sound(&body)?).map(Self::Json);
        }
        Err(Fault::Malformed("Content-Type must be a form or JSON".into()))
    }

    /// Who says to call, and its secret.
    fn claimed(&self, call: &Call) -> Result<(&str, &str), Fault> {
        let app_id = self.need("appId")?;
        call.claims(app_id, app_id.parse().ok());
        Ok((app_id, self.need("secret")?))
    }

    fn need(&self, name: &'static str) -> Result<&str, Fault> {
        let value = match self {
            Self::Form(form) => form.text(name),
            Self::Json(object) => match object.get(name) {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) => Some(text.as_str()).filter(|text| !text.is_empty()),
                Some(_) => return Err(Fault::Malformed(format!("{name}: must be a string"))),
            },
        };
        value.ok_or(Fault::Missing(name))
    }
}
