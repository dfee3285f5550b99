//! /tenant: what clients ask for before and after they log in.

use super::{Fault, Inbound, Reply};
use landfall_model::{Cause, Error};
use serde_json::{Value, json};

/// The ways to log in: HTTP Basic alone. Everybody may ask, as nobody has logged in yet.
pub(super) async fn login_options(inbound: Inbound<()>) -> Result<Reply, Fault> {
    Ok(Reply::ok(json!({ "self": inbound.url("/tenant/loginOptions"), "loginOptions": [basic(&inbound)] })))
}

pub(super) async fn login_option(inbound: Inbound<()>) -> Result<Reply, Fault> {
    if inbound.segment("type").eq_ignore_ascii_case("basic") {
        return Ok(Reply::ok(basic(&inbound)));
    }
    Err(Error::new(Cause::ResourceNotFound, "there is no such way to log in").into())
}

fn basic(inbound: &Inbound<()>) -> Value {
    json!({
        "self": inbound.url("/tenant/loginOptions/basic"),
        "id": "basic",
        "type": "BASIC",
        "userManagementSource": "INTERNAL",
        "visibleOnLoginPage": true,
    })
}

/// The tenant of the user that asks. All tenants have the host that the client called.
pub(super) async fn current(inbound: Inbound) -> Result<Reply, Fault> {
    let name = inbound.core().tenant_of(inbound.caller().account()).await?;
    let address = inbound.url("");
    let host = address.split_once("://").map_or(address.as_str(), |(_, host)| host);
    Ok(Reply::ok(json!({
        "self": inbound.url("/tenant/currentTenant"),
        "name": name,
        "domainName": host,
        "allowCreateTenants": false,
        "applications": { "references": [] },
        "customProperties": {},
    })))
}
