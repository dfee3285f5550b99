//! /devices: listed, shown, changed and deleted by an operator, with values, history and why records.

use super::{
    caller::{Caller, JsonBody, Over, device_id},
    error::Answer,
    query::{cut, listed},
    queue::registration,
    register::{ProductName, TagBody},
    view::{self, Info},
};
use axum::{Json, extract::Path, http::StatusCode};
use landfall_core::{DeviceChange, DeviceFilter, HistoryFilter, Scope};
use landfall_model::{Device, DeviceStatus, Error, MutedCommand, NodeType, Result, Secret, Sort, Time};
use serde::Deserialize;
use serde_json::{Value, json};

const FILTERS: [&str; 12] = [
    "app",
    "product",
    "gateway",
    "nodeType",
    "status",
    "deviceType",
    "location",
    "name",
    "nodeId",
    "createdAfter",
    "createdBefore",
    "sort",
];

pub(super) async fn list(over: Over) -> Answer {
    let page = over.params.paged(&FILTERS)?;
    let mut filter = filter(&over)?;
    if let Some(app) = over.params.text("app") {
        filter.principal = Some(over.app(app).await.map_err(|error| error.at("app"))?.id);
    }
    Ok(listed(&over.core.devices(&over.scope, filter, page).await?, |device| shown(device)))
}

fn filter(over: &Over) -> Result<DeviceFilter> {
    let params = &over.params;
    let text = |name| params.text(name).map(str::to_owned);
    Ok(DeviceFilter {
        gateway: params.parsed("gateway", "must be a deviceId")?,
        product: params.parsed("product", "must be a productId")?,
        node_type: params.text("nodeType").map(node_type).transpose()?,
        status: params.text("status").map(status).transpose()?,
        device_type: text("deviceType"),
        location: text("location"),
        name: text("name"),
        node_id: text("nodeId"),
        created_after: params.time("createdAfter")?,
        created_before: params.time("createdBefore")?,
        sort: match params.text("sort") {
            None | Some("desc") => Sort::Descending,
            Some("asc") => Sort::Ascending,
            Some(_) => return Err(Error::invalid("sort", "must be asc or desc")),
        },
        ..DeviceFilter::of(over.scope.account())
    })
}

fn node_type(word: &str) -> Result<NodeType> {
    let all = [NodeType::Endpoint, NodeType::Gateway, NodeType::Unknown];
    let found = all.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(word));
    found.ok_or_else(|| Error::invalid("nodeType", "must be ENDPOINT, GATEWAY or UNKNOWN"))
}

fn status(word: &str) -> Result<DeviceStatus> {
    let all = [DeviceStatus::Inactive, DeviceStatus::Online, DeviceStatus::Abnormal, DeviceStatus::Offline];
    let found = all.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(word));
    found.ok_or_else(|| Error::invalid("status", "must be INACTIVE, ONLINE, ABNORMAL or OFFLINE"))
}

/// A device as operators see it, without credentials.
pub(super) fn shown(device: &Device) -> Value {
    let muted = |c: &MutedCommand| json!({ "serviceId": c.service_id, "method": c.method });
    json!({
        "deviceId": device.id,
        "accountId": device.account,
        "appId": device.app(),
        "nodeId": device.node_id,
        "nodeType": device.node_type,
        "access": view::access(device.access),
        "productId": device.product,
        "gatewayId": device.gateway_id(),
        "status": device.status,
        "statusDetail": device.status_detail,
        "activated": device.activated,
        "connected": device.connected,
        "mute": device.mute,
        "mutedCommands": device.muted_commands.iter().map(muted).collect::<Vec<_>>(),
        "dataAgingDays": device.data_aging_days,
        "isSecure": device.credentials.is_secure,
        "info": Info::of(&device.info),
        "tags": device.info.tags.iter().map(|t| json!({ "name": t.name, "value": t.value, "kind": t.kind })).collect::<Vec<_>>(),
        "createdAt": device.created_at.iso(),
        "modifiedAt": device.modified_at.iso(),
        "heardAt": device.heard_at.map(Time::iso),
    })
}

/// One device with its LwM2M registration; with `credentials=true` also its keys.
pub(super) async fn show(over: Over, Path(device): Path<String>) -> Answer {
    over.params.only(&["credentials"])?;
    let device = over.core.device(&over.scope, device_id(&device)?).await?;
    let mut found = shown(&device);
    found["registration"] = over.core.registration(&over.scope, device.id).await?.as_ref().map_or(Value::Null, registration);
    if over.params.flag("credentials")? {
        found["credentials"] = view::credentials(&device);
    }
    Ok(Json(found))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Muted {
    service_id: String,
    method: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangeBody {
    product: Option<ProductName>,
    #[serde(default)]
    info: Info,
    tags: Option<Vec<TagBody>>,
    mute: Option<bool>,
    muted_commands: Option<Vec<Muted>>,
    is_secure: Option<bool>,
    psk: Option<String>,
    psk_identity: Option<String>,
    data_aging_days: Option<u8>,
}

impl ChangeBody {
    fn into_change(self) -> Result<DeviceChange> {
        self.info.check()?;
        if self.muted_commands.as_ref().is_some_and(|muted| muted.len() > 1_000) {
            return Err(Error::invalid("mutedCommands", "must be at most 1000 commands"));
        }
        let end_user = self.info.end_user.clone().map(|user| Some(user).filter(|user| !user.is_empty()));
        let muted = |muted: Muted| MutedCommand { service_id: muted.service_id, method: muted.method };
        Ok(DeviceChange {
            product: self.product.map(ProductName::into_ref),
            info: self.info.into_model(),
            tags: self.tags.map(TagBody::all).transpose()?,
            end_user,
            mute: self.mute,
            is_secure: self.is_secure,
            psk: self.psk.map(Secret::new),
            psk_identity: self.psk_identity,
            data_aging_days: self.data_aging_days,
            muted_commands: self.muted_commands.map(|all| all.into_iter().map(muted).collect()),
        })
    }
}

pub(super) async fn change(over: Over, Path(device): Path<String>, JsonBody(body): JsonBody<ChangeBody>) -> Answer {
    over.params.only(&[])?;
    let change = body.into_change()?;
    Ok(Json(shown(&*over.core.modify_device(&over.scope, device_id(&device)?, change).await?)))
}

/// Deletes a device; with `cascade=true` also the devices behind it, which else become directly connected.
pub(super) async fn delete(over: Over, Path(device): Path<String>) -> Answer<StatusCode> {
    over.params.only(&["cascade"])?;
    over.core.delete_device(&over.scope, device_id(&device)?, over.params.flag("cascade")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChildBody {
    node_id: String,
    product: Option<ProductName>,
    #[serde(default)]
    info: Info,
}

pub(super) async fn add_child(
    over: Over,
    Path(gateway): Path<String>,
    JsonBody(body): JsonBody<ChildBody>,
) -> Answer<(StatusCode, Json<Value>)> {
    over.params.only(&[])?;
    body.info.check()?;
    let gateway = device_id(&gateway)?;
    let product = body.product.map(ProductName::into_ref);
    let child = over.core.add_child_for(&over.scope, gateway, &body.node_id, product, body.info.into_model()).await?;
    Ok((StatusCode::CREATED, Json(shown(&child))))
}

/// The devices behind a gateway; the gateway itself is not among them.
pub(super) async fn children(over: Over, Path(gateway): Path<String>) -> Answer {
    let page = over.params.paged(&[])?;
    let gateway = over.core.device(&over.scope, device_id(&gateway)?).await?;
    let filter =
        DeviceFilter { gateway: Some(gateway.id), node_type: Some(NodeType::Endpoint), ..DeviceFilter::of(gateway.account) };
    Ok(listed(&over.core.devices(&over.scope, filter, page).await?, |device| shown(device)))
}

/// The newest values.
pub(super) async fn state(over: Over, Path(device): Path<String>) -> Answer {
    over.params.only(&[])?;
    let device = over.core.device(&over.scope, device_id(&device)?).await?;
    let mut shown = view::state(&over.core.device_state(&device).await?);
    shown["deviceId"] = json!(device.id);
    Ok(Json(shown))
}

pub(super) async fn history(over: Over, Path(device): Path<String>) -> Answer {
    let page = over.params.paged(&["after", "before"])?;
    let filter = HistoryFilter {
        device: Some(device_id(&device)?),
        gateway: None,
        after: over.params.time("after")?,
        before: over.params.time("before")?,
    };
    Ok(listed(&over.core.history(&over.scope, filter, page).await?, view::point))
}

/// Devices that are not found by one of their names. They may be of two accounts, so this is for the operator of the server.
pub(super) async fn clashes(caller: Caller) -> Answer {
    caller.need_server()?;
    let page = caller.params.paged(&[])?;
    Ok(listed(&caller.core.store().name_clashes(page).await?, view::name_clash))
}

/// Why things of this device were refused, newest first.
pub(super) async fn why(over: Over, Path(device): Path<String>) -> Answer {
    let page = over.params.paged(&[])?;
    let device = over.core.device(&over.scope, device_id(&device)?).await?;
    let scope: &Scope = &over.scope;
    Ok(listed(&cut(over.core.why().device(scope.account(), device.id), page), view::why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_filters() {
        assert_eq!(status("online"), Ok(DeviceStatus::Online));
        assert_eq!(status("gone").unwrap_err().path.as_deref(), Some("status"));
        assert_eq!(node_type("GATEWAY"), Ok(NodeType::Gateway));
        assert!(node_type("").is_err());
    }

    #[test]
    fn changes_set_only_what_was_sent() {
        let body: ChangeBody = serde_json::from_str(
            r#"{"info":{"name":"n","endUser":""},"mute":true,"mutedCommands":[{"serviceId":"s","method":"SET"}]}"#,
        )
        .unwrap();
        let change = body.into_change().unwrap();
        assert_eq!((change.info.name.as_deref(), change.mute, &change.tags), (Some("n"), Some(true), &None));
        assert_eq!(change.end_user, Some(None));
        assert_eq!(change.muted_commands, Some(vec![MutedCommand { service_id: "s".into(), method: "SET".into() }]));
        assert!(serde_json::from_str::<ChangeBody>(r#"{"muted":true}"#).is_err());
    }
}
