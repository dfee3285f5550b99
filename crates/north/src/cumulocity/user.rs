//! /user/currentUser: who one is, and one's own password.

use super::{Fault, Inbound, Reply, request::text};
use landfall_model::{Role, Secret, User};
use serde_json::{Map, Value, json};

/// Characters of a password in a body; the core says what fits.
const PASSWORD: usize = 1_024;

pub(super) async fn current(inbound: Inbound) -> Result<Reply, Fault> {
    Ok(Reply::ok(shown(&inbound, inbound.caller().user())))
}

/// Of what a user could change of itself, the password alone is kept here; the answer says what is.
pub(super) async fn change(mut inbound: Inbound) -> Result<Reply, Fault> {
    let body = inbound.json().await?;
    let user = match secret(&body, "password")? {
        Some(password) => inbound.core().change_own_password(inbound.caller(), None, &password).await?,
        None => inbound.caller().user().clone().into(),
    };
    Ok(Reply::ok(shown(&inbound, &user)))
}

pub(super) async fn change_password(mut inbound: Inbound) -> Result<Reply, Fault> {
    let body = inbound.json().await?;
    let given = |name| secret(&body, name)?.ok_or_else(|| Fault::invalid(name, "must be given"));
    let (before, after) = (given("currentUserPassword")?, given("newPassword")?);
    let user = inbound.core().change_own_password(inbound.caller(), Some(&before), &after).await?;
    Ok(Reply::ok(shown(&inbound, &user)))
}

fn secret(body: &Map<String, Value>, name: &'static str) -> Result<Option<Secret>, Fault> {
    Ok(text(body, name, PASSWORD)?.map(Secret::new))
}

fn shown(inbound: &Inbound, user: &User) -> Value {
    let role = |name: &&str| json!({ "id": name, "name": name, "self": inbound.url(format_args!("/user/roles/{name}")) });
    json!({
        "self": inbound.url("/user/currentUser"),
        "id": user.name,
        "userName": user.name,
        "enabled": user.enabled,
        "shouldResetPassword": false,
        "effectiveRoles": roles(user.role).iter().map(role).collect::<Vec<_>>(),
        "devicePermissions": {},
    })
}

/// A role in the words of the seed and of clients, which know what each area may be asked for.
fn roles(role: Role) -> &'static [&'static str] {
    const ADMIN: &[&str] = &[
        "ROLE_ALARM_ADMIN",
        "ROLE_ALARM_READ",
        "ROLE_DEVICE_CONTROL_ADMIN",
        "ROLE_DEVICE_CONTROL_READ",
        "ROLE_EVENT_ADMIN",
        "ROLE_EVENT_READ",
        "ROLE_IDENTITY_ADMIN",
        "ROLE_IDENTITY_READ",
        "ROLE_INVENTORY_ADMIN",
        "ROLE_INVENTORY_CREATE",
        "ROLE_INVENTORY_READ",
        "ROLE_MEASUREMENT_ADMIN",
        "ROLE_MEASUREMENT_READ",
        "ROLE_USER_MANAGEMENT_OWN_ADMIN",
        "ROLE_USER_MANAGEMENT_OWN_READ",
    ];
    const READER: &[&str] = &[
        "ROLE_ALARM_READ",
        "ROLE_DEVICE_CONTROL_READ",
        "ROLE_EVENT_READ",
        "ROLE_IDENTITY_READ",
        "ROLE_INVENTORY_READ",
        "ROLE_MEASUREMENT_READ",
        "ROLE_USER_MANAGEMENT_OWN_ADMIN",
        "ROLE_USER_MANAGEMENT_OWN_READ",
    ];
    match role {
        Role::Admin => ADMIN,
        Role::Reader => READER,
        Role::Device => &["ROLE_DEVICE"],
        Role::Bootstrap => &["ROLE_DEVICE_BOOTSTRAP"],
    }
}
