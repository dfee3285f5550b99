//! Registration of devices, one or up to 1,000 at once.

use super::{
    caller::{JsonBody, Over},
    devices,
    error::{Answer, Refusal},
    view::{self, Info},
};
use axum::{Json, http::StatusCode};
use futures_util::{StreamExt, stream};
use landfall_core::{Core, ProductRef, RegisterDevice, Scope};
use landfall_model::{AccessMode, Cause, Device, Error, Identity, ProductKey, Result, Secret, Tag};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Devices of one bulk request.
const ROWS_MAX: usize = 1_000;
/// Registrations under way at once: they share the store's commits.
const AT_ONCE: usize = 32;
const TAGS_MAX: usize = 100;

/// A product by id, or by its five keys.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum ProductName {
    Id(String),
    Key(KeyBody),
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeyBody {
    manufacturer_id: String,
    manufacturer_name: String,
    device_type: String,
    model: String,
    protocol_type: String,
}

impl ProductName {
    pub(super) fn into_ref(self) -> ProductRef {
        match self {
            Self::Id(id) => ProductRef::Id(id),
            Self::Key(key) => ProductRef::Key(ProductKey {
                manufacturer_id: key.manufacturer_id,
                manufacturer_name: key.manufacturer_name,
                device_type: key.device_type,
                model: key.model,
                protocol_type: key.protocol_type,
            }),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TagBody {
    name: String,
    value: String,
    kind: Option<i64>,
}

impl TagBody {
    /// Checked tags: names of 1 to 128, values of 1 to 1024 characters (1.4.4), at most 100.
    pub(super) fn all(tags: Vec<Self>) -> Result<Vec<Tag>> {
        if tags.len() > TAGS_MAX {
            return Err(Error::invalid("tags", "must be at most 100 tags"));
        }
        let fits = |text: &str, max: usize| (1..=max).contains(&text.chars().count());
        if !tags.iter().all(|tag| fits(&tag.name, 128) && fits(&tag.value, 1024)) {
            return Err(Error::invalid("tags", "name must be 1 to 128 and value 1 to 1024 characters"));
        }
        Ok(tags.into_iter().map(|tag| Tag { name: tag.name, value: tag.value, kind: tag.kind }).collect())
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RegisterBody {
    /// Application by id or name; may be left out where the account has exactly one.
    app: Option<String>,
    node_id: String,
    #[serde(default)]
    access: Access,
    product: Option<ProductName>,
    #[serde(default)]
    info: Info,
    #[serde(default)]
    tags: Vec<TagBody>,
    secret: Option<String>,
    verify_code: Option<String>,
    psk: Option<String>,
    psk_identity: Option<String>,
    timeout_seconds: Option<u32>,
    #[serde(default)]
    is_secure: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Access {
    #[default]
    Secret,
    VerifyCode,
}

impl RegisterBody {
    /// The application that is named, and the request.
    pub(super) fn into_named_request(self) -> Result<(Option<String>, RegisterDevice)> {
        let app = self.app.clone();
        Ok((app, self.into_request()?))
    }

    fn into_request(self) -> Result<RegisterDevice> {
        self.info.check()?;
        let mut info = self.info.into_model();
        info.tags = TagBody::all(self.tags)?;
        Ok(RegisterDevice {
            node_id: self.node_id,
            access: match self.access {
                Access::Secret => AccessMode::Secret,
                Access::VerifyCode => AccessMode::VerifyCode,
            },
            product: self.product.map(ProductName::into_ref),
            info,
            verify_code: self.verify_code.map(Secret::new),
            psk: self.psk.map(Secret::new),
            psk_identity: self.psk_identity,
            secret: self.secret.map(Secret::new),
            timeout_s: self.timeout_seconds,
            is_secure: self.is_secure,
        })
    }
}

/// Registers one device and shows the credentials it has now.
pub(super) async fn register(over: Over, JsonBody(body): JsonBody<RegisterBody>) -> Answer<(StatusCode, Json<Value>)> {
    over.params.only(&["app", "dryRun"])?;
    let scope = over.narrowed(body.app.as_deref().or(over.params.text("app"))).await?;
    let request = body.into_request()?;
    if over.params.flag("dryRun")? {
        plan(&over.core, &scope, &request).await?;
        return Ok((StatusCode::OK, Json(json!({ "nodeId": request.node_id, "dryRun": true }))));
    }
    let device = over.core.register_device(&scope, request).await?;
    let mut shown = devices::shown(&device);
    shown["credentials"] = view::credentials(&device);
    Ok((StatusCode::CREATED, Json(shown)))
}

type Row = std::result::Result<(Scope, RegisterDevice), Refusal>;

/// Registers up to 1,000 devices. `mode=keepGood` (default) registers every row that is good; `mode=allOrNothing` registers all in one
/// commit, or none. `dryRun=true` only checks.
pub(super) async fn bulk(over: Over, JsonBody(rows): JsonBody<Vec<Value>>) -> Answer {
    over.params.only(&["app", "mode", "dryRun"])?;
    let whole = match over.params.text("mode") {
        None | Some("keepGood") => false,
        Some("allOrNothing") => true,
        Some(_) => return Err(Error::invalid("mode", "must be keepGood or allOrNothing").into()),
    };
    let dry_run = over.params.flag("dryRun")?;
    if rows.is_empty() || rows.len() > ROWS_MAX {
        return Err(Error::invalid("body", "must be an array of 1 to 1000 devices").into());
    }
    let names: Vec<Value> = rows.iter().map(|row| row.get("nodeId").cloned().unwrap_or(Value::Null)).collect();
    let read = read_rows(&over, rows).await;
    let results = if whole { all_or_nothing(&over, read, dry_run).await? } else { keep_good(&over, read, dry_run).await };
    let failed = results.iter().filter(|result| result.get("error").is_some()).count();
    let done = results.iter().filter(|result| result.get("deviceId").is_some()).count();
    let results: Vec<Value> = results.into_iter().zip(names).enumerate().map(numbered).collect();
    Ok(Json(json!({ "dryRun": dry_run, "registered": done, "failed": failed, "results": results })))
}

fn numbered((index, (mut result, name)): (usize, (Value, Value))) -> Value {
    result["index"] = index.into();
    result["nodeId"] = name;
    result
}

/// Parses the rows and finds the application of each. Of rows that mean the same device the first counts.
async fn read_rows(over: &Over, rows: Vec<Value>) -> Vec<Row> {
    let mut scopes: HashMap<Option<String>, Result<Scope>> = HashMap::new();
    let mut seen: HashSet<Identity> = HashSet::new();
    let mut read = Vec::with_capacity(rows.len());
    for row in rows {
        let parsed = serde_json::from_value::<RegisterBody>(row).map_err(|error| Error::invalid("body", error.to_string()));
        let (app, request) = match parsed.and_then(RegisterBody::into_named_request) {
            Ok(named) => named,
            Err(error) => {
                read.push(Err(error.into()));
                continue;
            }
        };
        let identities = request.identities();
        if let Some(at) = identities.iter().position(|identity| seen.contains(identity)) {
            let path = if at == 0 { "nodeId" } else { "pskIdentity" };
            read.push(Err(Error::new(Cause::NodeIdTaken, "means a device that stands before in the list").at(path).into()));
            continue;
        }
        seen.extend(identities);
        let app = app.or_else(|| over.params.text("app").map(str::to_owned));
        if !scopes.contains_key(&app) {
            scopes.insert(app.clone(), over.narrowed(app.as_deref()).await);
        }
        let scope = scopes.get(&app).cloned().unwrap_or_else(|| Err(Error::invalid("app", "is missing")));
        read.push(scope.map(|scope| (scope, request)).map_err(Refusal::from));
    }
    read
}

async fn keep_good(over: &Over, rows: Vec<Row>, dry_run: bool) -> Vec<Value> {
    let mut work = Vec::with_capacity(rows.len());
    for row in rows {
        work.push(one_row(over.core.clone(), row, dry_run));
    }
    stream::iter(work).buffered(AT_ONCE).collect().await
}

async fn one_row(core: Arc<Core>, row: Row, dry_run: bool) -> Value {
    let (scope, request) = match row {
        Ok(row) => row,
        Err(refusal) => return json!({ "error": refusal.json() }),
    };
    let done = if dry_run {
        plan(&core, &scope, &request).await.map(|()| json!({}))
    } else {
        core.register_device(&scope, request).await.map(|device| registered(&device))
    };
    done.unwrap_or_else(|error| json!({ "error": Refusal::from(error).json() }))
}

async fn all_or_nothing(over: &Over, rows: Vec<Row>, dry_run: bool) -> Answer<Vec<Value>> {
    let mut work = Vec::with_capacity(rows.len());
    for row in &rows {
        work.push(one_row(over.core.clone(), row.clone(), true));
    }
    let checked: Vec<Value> = stream::iter(work).buffered(AT_ONCE).collect().await;
    if dry_run || checked.iter().any(|result| result.get("error").is_some()) {
        return Ok(checked);
    }
    let good: Vec<(Scope, RegisterDevice)> = rows.into_iter().filter_map(std::result::Result::ok).collect();
    let Some(scope) = good.first().map(|(scope, _)| scope.clone()) else { return Ok(checked) };
    if good.iter().any(|(other, _)| *other != scope) {
        return Err(Error::invalid("app", "must be the same in every row where all or nothing is asked for").into());
    }
    let requests: Vec<RegisterDevice> = good.into_iter().map(|(_, request)| request).collect();
    Ok(over.core.register_devices(&scope, &requests).await?.iter().map(|device| registered(device)).collect())
}

fn registered(device: &Device) -> Value {
    json!({ "deviceId": device.id, "credentials": view::credentials(device) })
}

/// Every check of a registration, without registering.
async fn plan(core: &Core, scope: &Scope, request: &RegisterDevice) -> Result<()> {
    core.plan_device(scope, request).await?;
    core.check_names(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_strictly() {
        let body: RegisterBody = serde_json::from_str(
            r#"{"nodeId":"n","access":"verifyCode","product":"p","info":{"name":"x"},"tags":[{"name":"a","value":"b"}],"timeoutSeconds":0}"#,
        )
        .unwrap();
        let request = body.into_request().unwrap();
        assert_eq!((request.access, request.timeout_s, request.info.tags.len()), (AccessMode::VerifyCode, Some(0), 1));
        assert_eq!(request.product, Some(ProductRef::Id("p".into())));
        for bad in [
            r#"{}"#,
            r#"{"nodeId":"n","acces":"secret"}"#,
            r#"{"nodeId":"n","access":"child"}"#,
            r#"{"nodeId":"n","product":{}}"#,
        ] {
            assert!(serde_json::from_str::<RegisterBody>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tags_are_bounded() {
        let tag = |name: &str, value: &str| TagBody { name: name.into(), value: value.into(), kind: None };
        assert!(TagBody::all(vec![tag("a", "b"); 100]).is_ok());
        for bad in [vec![tag("", "b")], vec![tag("a", "")], vec![tag(&"a".repeat(129), "b")], vec![tag("a", "b"); 101]] {
            assert!(TagBody::all(bad).is_err());
        }
    }
}
