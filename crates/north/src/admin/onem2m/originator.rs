//! /apps/{app}/originator: as whom an application comes over oneM2M.

use crate::admin::{
    caller::{JsonBody, Over},
    error::Answer,
    view,
};
use axum::{Json, extract::Path};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct OriginatorBody {
    originator: String,
}

/// Lets the application come over oneM2M; a token it has for that stays.
pub(in crate::admin) async fn set(over: Over, Path(app): Path<String>, JsonBody(body): JsonBody<OriginatorBody>) -> Answer {
    change(over, &app, Some(&body.originator)).await
}

/// No longer lets it come over oneM2M; its token for that ends.
pub(in crate::admin) async fn clear(over: Over, Path(app): Path<String>) -> Answer {
    change(over, &app, None).await
}

async fn change(over: Over, app: &str, name: Option<&str>) -> Answer {
    over.params.only(&[])?;
    let id = over.app(app).await?.id;
    Ok(Json(view::app(&*over.core.set_originator(&over.scope, id, name).await?)))
}

pub(in crate::admin) async fn rotate_token(over: Over, Path(app): Path<String>) -> Answer {
    over.params.only(&[])?;
    let app = over.app(&app).await?;
    let token = over.core.rotate_originator_token(&over.scope, app.id).await?;
    let name = app.originator.as_ref().map(|own| &own.name);
    Ok(Json(json!({ "appId": app.id, "originator": name, "token": token.expose() })))
}
