//! As whom the measurements come to Landfall over oneM2M.

use crate::{
    Outcome,
    api::{App, Http, text},
    onem2m::cse::Cse,
};
use hyper::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Above the accounts' CSE bases.
const ONEM2M_BASE: &str = "/device-management-orchestrator/v3";
/// Of the application that speaks oneM2M.
const ORIGINATOR: &str = "Cbench";

/// Makes an application an originator of oneM2M, with a token that does not end, and says how it works then (admin API).
pub async fn make_originator(http: &mut Http, admin_token: &str, app: &App, address: SocketAddr) -> Outcome<Cse> {
    let admin = format!("Bearer {admin_token}");
    let headers = [("authorization", admin.as_str())];
    let path = format!("/api/v1/apps/{}/originator", app.id);
    let set = http.json(Method::PUT, &path, &headers, &json!({ "originator": ORIGINATOR }), 200).await?;
    let account = format!("/api/v1/accounts/{}", text(&set, "accountId")?);
    let account = http.json(Method::GET, &account, &headers, &Value::Null, 200).await?;
    let given = http.json(Method::POST, &format!("{path}/token"), &headers, &Value::Null, 200).await?;
    let base = format!("{ONEM2M_BASE}/{}", text(&account, "name")?);
    Ok(Cse::new(address, &base, ORIGINATOR, Some(format!("Bearer {}", text(&given, "token")?))))
}
