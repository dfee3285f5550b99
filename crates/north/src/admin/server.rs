//! The server itself: status, effective settings, records of unknown origin, and the API's own document.

use super::{
    caller::{Caller, Over},
    error::Answer,
    query::{cut, listed},
    view,
};
use axum::{Json, http::header, response::IntoResponse};
use serde_json::json;

/// The OpenAPI document of this API.
pub(super) const DOCUMENT: &str = include_str!("../../../../spec/admin/openapi.yaml");

/// Needs no token: it says nothing about this server.
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/yaml")], DOCUMENT)
}

pub(super) async fn status(caller: Caller) -> Answer {
    caller.need_server()?;
    caller.params.only(&[])?;
    let stats = caller.core.store().stats().await?;
    let mut shown = view::status(&caller.ops.status(), caller.core.now());
    shown["devices"] = stats.devices.into();
    shown["events"] = json!({ "newest": caller.core.store().newest(), "oldest": stats.oldest_seq });
    Ok(Json(shown))
}

/// The limits in force, with the retention of the account chosen.
pub(super) async fn settings(over: Over) -> Answer {
    over.params.only(&[])?;
    let mut shown = view::settings(over.core.settings());
    if let Some(account) = over.core.store().account(over.scope.account()).await? {
        shown["account"] = view::account(&account);
    }
    Ok(Json(shown))
}

/// Records of unknown origin: no account can be told, so they are for the operator of the server.
pub(super) async fn why_unknown(caller: Caller) -> Answer {
    caller.need_server()?;
    let page = caller.params.paged(&[])?;
    Ok(listed(&cut(caller.core.why().unknown(), page), view::why))
}
