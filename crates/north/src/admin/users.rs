//! /users: who logs in to an account, or to the server itself, with a name and a password.

use super::{
    caller::{Caller, JsonBody, chosen_account},
    error::Answer,
    query::listed,
};
use axum::{Json, extract::Path, http::StatusCode};
use landfall_core::{NewUser, UserChange};
use landfall_model::{AccountId, Error, Role, Secret, User};
use serde::Deserialize;
use serde_json::{Value, json};

/// Whose users: those of a tenant, `management` being the server itself; else of the account chosen as everywhere.
async fn account(caller: &Caller) -> landfall_model::Result<AccountId> {
    match caller.params.text("tenant") {
        Some(tenant) => caller.core.account_by_tenant(&caller.operator, tenant).await.map_err(|error| error.at("tenant")),
        None => Ok(chosen_account(caller).await.map_err(|error| error.at("account"))?.account()),
    }
}

fn role(text: &str) -> landfall_model::Result<Role> {
    let unknown = || Error::invalid("role", "must be admin, reader, device or bootstrap");
    Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(unknown)
}

/// Users by name, all or those of one role.
pub(super) async fn list(caller: Caller) -> Answer {
    let page = caller.params.paged(&["tenant", "role"])?;
    let (account, role) = (account(&caller).await?, caller.params.text("role").map(role).transpose()?);
    let found = caller.core.users(&caller.operator, account, role, page).await?;
    let tenant = caller.core.tenant_of(account).await?;
    Ok(listed(&found, |user| shown(&tenant, user)))
}

pub(super) async fn show(caller: Caller, Path(name): Path<String>) -> Answer {
    caller.params.only(&["tenant"])?;
    let account = account(&caller).await?;
    let user = caller.core.user(&caller.operator, account, &name).await?;
    Ok(Json(shown(&caller.core.tenant_of(account).await?, &user)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    name: String,
    role: String,
    password: Option<Secret>,
}

/// The password is shown once, where it was generated.
pub(super) async fn create(caller: Caller, JsonBody(body): JsonBody<CreateBody>) -> Answer<(StatusCode, Json<Value>)> {
    caller.params.only(&["tenant"])?;
    let account = account(&caller).await?;
    let new = NewUser { name: body.name, role: role(&body.role)?, password: body.password };
    let (user, password) = caller.core.create_user(&caller.operator, account, new).await?;
    let mut made = shown(&caller.core.tenant_of(account).await?, &user);
    made["password"] = password.map(|password| password.expose().to_owned()).into();
    Ok((StatusCode::CREATED, Json(made)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeBody {
    role: Option<String>,
    enabled: Option<bool>,
}

pub(super) async fn change(caller: Caller, Path(name): Path<String>, JsonBody(body): JsonBody<ChangeBody>) -> Answer {
    caller.params.only(&["tenant"])?;
    let account = account(&caller).await?;
    let change = UserChange { role: body.role.as_deref().map(role).transpose()?, enabled: body.enabled, password: None };
    let user = caller.core.change_user(&caller.operator, account, &name, change).await?;
    Ok(Json(shown(&caller.core.tenant_of(account).await?, &user)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordBody {
    password: Option<Secret>,
}

/// Another password, which is shown once where it was generated; connections with the old one end.
pub(super) async fn set_password(caller: Caller, Path(name): Path<String>, JsonBody(body): JsonBody<PasswordBody>) -> Answer {
    caller.params.only(&["tenant"])?;
    let account = account(&caller).await?;
    let generated = body.password.is_none().then(|| caller.core.generated_password());
    let change = UserChange { password: body.password.or_else(|| generated.clone()), ..Default::default() };
    let user = caller.core.change_user(&caller.operator, account, &name, change).await?;
    let password = generated.map(|password| password.expose().to_owned());
    Ok(Json(json!({ "name": user.name, "password": password })))
}

pub(super) async fn delete(caller: Caller, Path(name): Path<String>) -> Answer<StatusCode> {
    caller.params.only(&["tenant"])?;
    let account = account(&caller).await?;
    caller.core.delete_user(&caller.operator, account, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(tenant: &str, user: &User) -> Value {
    json!({
        "tenant": tenant,
        "name": user.name,
        "role": user.role.as_str(),
        "enabled": user.enabled,
        "deviceId": user.device_id,
        "proven": user.proven,
        "createdAt": user.created_at.iso(),
    })
}
