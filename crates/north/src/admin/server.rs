//! The server itself: status, effective settings, records of unknown origin, and the API's own document.

use super::{
    DOCUMENT,
    caller::{Caller, Over},
    error::Answer,
    query::{cut, listed},
    view,
};
use crate::http::Origin;
use axum::{
    Extension, Json,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde_json::json;

/// Needs no token: it says nothing about this server.
pub(super) async fn document(Extension(origin): Extension<Origin>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/yaml")], DOCUMENT.at(&origin))
}

pub(super) async fn status(caller: Caller) -> Answer {
    caller.need_server()?;
    caller.params.only(&[])?;
    let stats = caller.core.store().stats().await?;
    let mut shown = view::status(&caller.ops.status(), caller.core.now());
    shown["devices"] = stats.devices.into();
    if let Some(doubt) = caller.core.clock_doubt() {
        shown["clockDoubt"] = json!({ "aheadSeconds": doubt.ahead_ms / 1_000, "secondsLeft": doubt.left_ms / 1_000 });
    }
    shown["events"] = json!({ "newest": caller.core.store().newest(), "oldest": stats.oldest_seq });
    Ok(Json(shown))
}

/// The operator says that the clock is right.
pub(super) async fn accept_clock(caller: Caller) -> Answer<StatusCode> {
    caller.params.only(&[])?;
    caller.core.accept_clock(&caller.operator)?;
    Ok(StatusCode::NO_CONTENT)
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
