//! /apps: the northbound applications of an account. A path names one by id or name.

use super::{
    caller::{JsonBody, Over},
    error::Answer,
    query::{cut, listed},
    view,
};
use axum::{Json, extract::Path, http::StatusCode};
use landfall_core::{AppChange, NewApp};
use landfall_model::AppLimits;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// A field that was sent is `Some`, even as null: null goes back to the server's default.
fn sent<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(input).map(Some)
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct LimitsBody {
    #[serde(deserialize_with = "sent")]
    calls_per_minute: Option<Option<u32>>,
    #[serde(deserialize_with = "sent")]
    devices: Option<Option<u64>>,
}

impl LimitsBody {
    fn over(self, base: AppLimits) -> AppLimits {
        AppLimits {
            calls_per_minute: self.calls_per_minute.unwrap_or(base.calls_per_minute),
            devices: self.devices.unwrap_or(base.devices),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    name: String,
    #[serde(default)]
    limits: LimitsBody,
}

pub(super) async fn create(over: Over, JsonBody(body): JsonBody<CreateBody>) -> Answer<(StatusCode, Json<Value>)> {
    over.params.only(&[])?;
    let new = NewApp { name: body.name, limits: body.limits.over(AppLimits::default()) };
    let (app, secret) = over.core.create_app(&over.scope, new).await?;
    let mut shown = view::app(&app);
    shown["secret"] = secret.expose().into();
    Ok((StatusCode::CREATED, Json(shown)))
}

pub(super) async fn list(over: Over) -> Answer {
    let page = over.params.paged(&[])?;
    Ok(listed(&over.core.apps(&over.scope, page).await?, |app| view::app(app)))
}

pub(super) async fn show(over: Over, Path(app): Path<String>) -> Answer {
    over.params.only(&[])?;
    Ok(Json(view::app(&*over.app(&app).await?)))
}

/// Why calls of this application were refused, newest first.
pub(super) async fn why(over: Over, Path(app): Path<String>) -> Answer {
    let page = over.params.paged(&[])?;
    let app = over.app(&app).await?;
    Ok(listed(&cut(over.core.why().app(app.account, app.id), page), view::why))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeBody {
    name: Option<String>,
    frozen: Option<bool>,
    limits: Option<LimitsBody>,
}

pub(super) async fn change(over: Over, Path(app): Path<String>, JsonBody(body): JsonBody<ChangeBody>) -> Answer {
    over.params.only(&[])?;
    let app = over.app(&app).await?;
    let limits = body.limits.map(|limits| limits.over(app.limits.clone()));
    let change = AppChange { name: body.name, frozen: body.frozen, limits };
    Ok(Json(view::app(&*over.core.change_app(&over.scope, app.id, change).await?)))
}

pub(super) async fn rotate_secret(over: Over, Path(app): Path<String>) -> Answer {
    over.params.only(&[])?;
    let id = over.app(&app).await?.id;
    let secret = over.core.rotate_app_secret(&over.scope, id).await?;
    Ok(Json(json!({ "appId": id, "secret": secret.expose() })))
}

pub(super) async fn authorize(over: Over, Path((app, other)): Path<(String, String)>) -> Answer {
    set_authorized(over, &app, &other, true).await
}

pub(super) async fn deauthorize(over: Over, Path((app, other)): Path<(String, String)>) -> Answer {
    set_authorized(over, &app, &other, false).await
}

async fn set_authorized(over: Over, app: &str, other: &str, allowed: bool) -> Answer {
    over.params.only(&[])?;
    let (app, other) = (over.app(app).await?.id, over.app(other).await?.id);
    Ok(Json(view::app(&*over.core.authorize_app(&over.scope, app, other, allowed).await?)))
}

pub(super) async fn delete(over: Over, Path(app): Path<String>) -> Answer<StatusCode> {
    over.params.only(&[])?;
    let id = over.app(&app).await?.id;
    over.core.delete_app(&over.scope, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_kept_set_or_reset() {
        let base = AppLimits { calls_per_minute: Some(5), devices: Some(7) };
        let cases = [
            ("{}", Some(5), Some(7)),
            (r#"{"callsPerMinute":0}"#, Some(0), Some(7)),
            (r#"{"callsPerMinute":null,"devices":null}"#, None, None),
        ];
        for (body, calls_per_minute, devices) in cases {
            let read: LimitsBody = serde_json::from_str(body).unwrap();
            assert_eq!(read.over(base.clone()), AppLimits { calls_per_minute, devices }, "{body}");
        }
    }
}
