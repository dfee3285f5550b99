//! /accounts: made by the operator of the server; each account's own operator sees and tunes only that one.

use super::{
    caller::{Caller, JsonBody, account_in_path},
    error::Answer,
    query::listed,
    view,
};
use axum::{Json, extract::Path, http::StatusCode};
use landfall_core::{AccountChange, NewAccount};
use landfall_model::{AccountSettings, AppId};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct SettingsBody {
    event_retention_days: Option<u32>,
    history_retention_days: Option<u32>,
    /// Absent: as it was; null: none.
    #[serde(deserialize_with = "given")]
    device_app: Option<Option<AppId>>,
}

/// What is there, though it be null.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<AppId>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl SettingsBody {
    fn over(self, base: AccountSettings) -> AccountSettings {
        AccountSettings {
            event_retention_days: self.event_retention_days.unwrap_or(base.event_retention_days),
            history_retention_days: self.history_retention_days.unwrap_or(base.history_retention_days),
            device_app: self.device_app.unwrap_or(base.device_app),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    name: String,
    tenant: Option<String>,
    #[serde(default)]
    settings: SettingsBody,
}

pub(super) async fn create(caller: Caller, JsonBody(body): JsonBody<CreateBody>) -> Answer<(StatusCode, Json<Value>)> {
    caller.params.only(&[])?;
    let new = NewAccount { name: body.name, tenant: body.tenant, settings: body.settings.over(AccountSettings::default()) };
    let (account, token) = caller.core.create_account(&caller.operator, new).await?;
    let mut shown = view::account(&account);
    shown["token"] = token.expose().into();
    Ok((StatusCode::CREATED, Json(shown)))
}

pub(super) async fn list(caller: Caller) -> Answer {
    let page = caller.params.paged(&[])?;
    Ok(listed(&caller.core.accounts(&caller.operator, page).await?, |account| view::account(account)))
}

pub(super) async fn show(caller: Caller, Path(account): Path<String>) -> Answer {
    caller.params.only(&[])?;
    let id = account_in_path(&caller, &account).await?;
    Ok(Json(view::account(&*caller.core.account(&caller.operator, id).await?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeBody {
    name: Option<String>,
    tenant: Option<String>,
    settings: Option<SettingsBody>,
}

pub(super) async fn change(caller: Caller, Path(account): Path<String>, JsonBody(body): JsonBody<ChangeBody>) -> Answer {
    caller.params.only(&[])?;
    let id = account_in_path(&caller, &account).await?;
    let settings = match body.settings {
        None => None,
        Some(new) => Some(new.over(caller.core.account(&caller.operator, id).await?.settings.clone())),
    };
    let change = AccountChange { name: body.name, tenant: body.tenant, settings };
    Ok(Json(view::account(&*caller.core.change_account(&caller.operator, id, change).await?)))
}

pub(super) async fn rotate_token(caller: Caller, Path(account): Path<String>) -> Answer {
    caller.params.only(&[])?;
    let id = account_in_path(&caller, &account).await?;
    let token = caller.core.rotate_account_token(&caller.operator, id).await?;
    Ok(Json(json!({ "accountId": id, "token": token.expose() })))
}
