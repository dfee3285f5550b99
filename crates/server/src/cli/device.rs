//! `landfall device`.

use super::{
    Done, Failure,
    client::{Client, Paging, Payload, encoded},
    command::values,
    import::Import,
    output::{Columns, Output},
    product::named,
};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

const COLUMNS: Columns<'_> = &[
    ("ID", "/deviceId"),
    ("NODE", "/nodeId"),
    ("NAME", "/info/name"),
    ("TYPE", "/info/deviceType"),
    ("STATUS", "/status"),
    ("ACTIVATED", "/activated"),
    ("CREATED", "/createdAt"),
];
const HISTORY: Columns<'_> = &[("TIME", "/eventTime"), ("SERVICE", "/serviceId"), ("DATA", "/data")];
const SHADOW: Columns<'_> = &[
    ("SERVICE", "/serviceId"),
    ("DESIRED", "/desired"),
    ("OPEN", "/open"),
    ("SET", "/desiredAt"),
    ("REPORTED", "/reported"),
    ("TIME", "/reportedAt"),
];
const WHY: Columns<'_> =
    &[("TIME", "/at"), ("WHO", "/identity"), ("FROM", "/peer"), ("STEP", "/step"), ("CHECK", "/check"), ("DETAIL", "/detail")];

const CLASHES: Columns<'_> = &[
    ("NAME", "/name"),
    ("DEVICE", "/device/deviceId"),
    ("ACCOUNT", "/device/accountId"),
    ("NODE", "/device/nodeId"),
    ("PSK IDENTITY", "/device/pskIdentity"),
    ("HELD BY", "/holder/deviceId"),
    ("OF ACCOUNT", "/holder/accountId"),
];

/// What to do with devices. DEVICE is a deviceId or a nodeId.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Register a device; prints its credentials
    Register(Box<Register>),
    /// List devices, newest first
    List(Box<List>),
    /// Show a device
    Show {
        /// deviceId or nodeId
        device: String,
        /// Also its keys
        #[arg(long)]
        credentials: bool,
    },
    /// Show the newest values of a device
    State {
        /// deviceId or nodeId
        device: String,
    },
    /// Show what applications desire of a device beside what it reported
    Shadow {
        /// deviceId or nodeId
        device: String,
    },
    /// Set desired properties; they are delivered at once where the device can hear it, else when it comes
    Desire {
        /// deviceId or nodeId
        device: String,
        /// Service of the product
        service: String,
        /// Properties; a value that is no JSON is taken as text
        #[arg(value_name = "NAME=VALUE", required = true)]
        values: Vec<String>,
    },
    /// Show how a device is registered over LwM2M, and when it is expected next
    Registration {
        /// deviceId or nodeId
        device: String,
    },
    /// Change a device
    Set(Box<Set>),
    /// Delete a device
    Delete {
        /// deviceId or nodeId
        device: String,
        /// Also the devices behind it
        #[arg(long)]
        cascade: bool,
    },
    /// List reported values, newest first
    History {
        /// deviceId or nodeId
        device: String,
        /// Measured later than this time in UTC
        #[arg(long)]
        after: Option<String>,
        /// Measured earlier than this time in UTC
        #[arg(long)]
        before: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// List why things of a device were refused; without DEVICE those of unknown origin
    Why {
        /// deviceId or nodeId
        device: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Add a device behind a gateway
    AddChild {
        /// deviceId or nodeId of the gateway
        gateway: String,
        /// What the new device calls itself
        node_id: String,
        /// Product, by id or name
        #[arg(long)]
        product: Option<String>,
        /// Name for people
        #[arg(long)]
        name: Option<String>,
    },
    /// List the devices behind a gateway
    Children {
        /// deviceId or nodeId of the gateway
        gateway: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// Register many devices from a CSV or JSON file
    Import(Import),
    /// List devices that are not found by one of their names, as an older device has one that means the same
    Clashes(Paging),
}

/// A device to be registered.
#[derive(Args, Debug)]
pub struct Register {
    /// What the device calls itself
    node_id: String,
    /// Application, by id or name; may be left out where there is exactly one
    #[arg(long)]
    app: Option<String>,
    /// How it proves who it is
    #[arg(long, value_parser = ["secret", "verifyCode"], default_value = "secret")]
    access: String,
    /// Product, by id or name
    #[arg(long)]
    product: Option<String>,
    /// Name for people
    #[arg(long)]
    name: Option<String>,
    /// Its secret; made when absent
    #[arg(long)]
    secret: Option<String>,
    /// Its verification code; made when absent
    #[arg(long)]
    verify_code: Option<String>,
    /// Pre-shared key of 8 to 32 hex digits, two for each byte; made when absent
    #[arg(long)]
    psk: Option<String>,
    /// Identity that goes with the pre-shared key; default: the nodeId
    #[arg(long)]
    psk_identity: Option<String>,
    /// Encryption device: comes over DTLS or not at all
    #[arg(long)]
    secure: bool,
    /// Seconds for which the verification code is valid; 0 is for ever
    #[arg(long)]
    timeout: Option<u32>,
    /// Only check
    #[arg(long)]
    dry_run: bool,
}

/// Which devices.
#[derive(Args, Debug)]
pub struct List {
    /// Application, by id or name
    #[arg(long)]
    app: Option<String>,
    /// Product, by id or name
    #[arg(long)]
    product: Option<String>,
    /// deviceId of a gateway: it and the devices behind it
    #[arg(long)]
    gateway: Option<String>,
    /// INACTIVE, ONLINE, ABNORMAL or OFFLINE
    #[arg(long)]
    status: Option<String>,
    /// ENDPOINT, GATEWAY or UNKNOWN
    #[arg(long)]
    node_type: Option<String>,
    /// Device type
    #[arg(long)]
    device_type: Option<String>,
    /// Name
    #[arg(long)]
    name: Option<String>,
    /// Location
    #[arg(long)]
    location: Option<String>,
    /// asc or desc, by registration
    #[arg(long)]
    sort: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

/// What to change.
#[derive(Args, Debug)]
pub struct Set {
    /// deviceId or nodeId
    device: String,
    /// Product, by id or name
    #[arg(long)]
    product: Option<String>,
    /// Name for people
    #[arg(long)]
    name: Option<String>,
    /// Description
    #[arg(long)]
    description: Option<String>,
    /// Location
    #[arg(long)]
    location: Option<String>,
    /// Freeze (reports are dropped) or thaw
    #[arg(long, value_name = "true|false")]
    mute: Option<bool>,
    /// Shield a command; may be repeated, and replaces those shielded before
    #[arg(long = "mute-command", value_name = "SERVICE/COMMAND")]
    mute_commands: Vec<String>,
    /// Shield no command any more
    #[arg(long, conflicts_with = "mute_commands")]
    unmute_commands: bool,
    /// Days of history, 0 to 90
    #[arg(long, value_name = "DAYS")]
    data_aging: Option<u8>,
    /// New pre-shared key of 8 to 32 hex digits
    #[arg(long)]
    psk: Option<String>,
    /// Identity that goes with the pre-shared key
    #[arg(long)]
    psk_identity: Option<String>,
    /// Encryption device or not
    #[arg(long, value_name = "true|false")]
    secure: Option<bool>,
    /// A tag; may be repeated, and replaces the tags it had
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    tags: Vec<String>,
}

impl Action {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        match self {
            Self::Register(register) => register.run(client, out).await?,
            Self::List(list) => list.run(client, out).await?,
            Self::Show { device, credentials } => {
                let query = [("credentials", credentials.then(|| "true".to_owned()))];
                out.record(&client.get(&path(client, device).await?, &query).await?);
            }
            Self::State { device } => {
                let state = client.get(&format!("{}/state", path(client, device).await?), &[]).await?;
                if out.json {
                    out.record(&state);
                } else {
                    out.rows(state["services"].as_array().map(Vec::as_slice).unwrap_or_default(), HISTORY);
                }
            }
            Self::Shadow { device } => {
                let shadow = client.get(&format!("{}/shadow", path(client, device).await?), &[]).await?;
                show_shadow(out, &shadow);
            }
            Self::Desire { device, service, values: pairs } => {
                let body = json!({ "services": [{ "serviceId": service, "desired": values(pairs)? }] });
                let path = format!("{}/shadow", path(client, device).await?);
                show_shadow(out, &client.call(Method::PUT, &path, &[], Payload::Json(body)).await?);
            }
            Self::Registration { device } => {
                let shown = client.get(&path(client, device).await?, &[]).await?;
                match &shown["registration"] {
                    Value::Null => out.done(&format!("{device} is not registered over LwM2M"), &Value::Null),
                    registration => out.record(registration),
                }
            }
            Self::Set(set) => {
                let body = set.body(client).await?;
                out.record(&client.patch(&path(client, &set.device).await?, body).await?);
            }
            Self::Delete { device, cascade } => {
                let query = [("cascade", cascade.then(|| "true".to_owned()))];
                client.delete(&path(client, device).await?, &query).await?;
                out.done(&format!("deleted {device}"), &json!({ "deleted": device }));
            }
            Self::History { device, after, before, paging } => {
                let mut query = paging.query();
                query.extend([("after", after.clone()), ("before", before.clone())]);
                out.list(&client.get(&format!("{}/history", path(client, device).await?), &query).await?, HISTORY);
            }
            Self::Why { device, paging } => {
                let path = match device {
                    Some(device) => format!("{}/why", path(client, device).await?),
                    None => "/why".into(),
                };
                out.list(&client.get(&path, &paging.query()).await?, WHY);
            }
            Self::AddChild { gateway, node_id, product, name } => {
                let mut body = json!({ "nodeId": node_id, "info": info(&[("name", name)]) });
                if let Some(product) = product {
                    body["product"] = named(client, product).await?.into();
                }
                out.record(&client.post(&format!("{}/children", path(client, gateway).await?), &[], body).await?);
            }
            Self::Children { gateway, paging } => {
                let path = format!("{}/children", path(client, gateway).await?);
                out.list(&client.get(&path, &paging.query()).await?, COLUMNS);
            }
            Self::Import(import) => import.run(client, out).await?,
            Self::Clashes(paging) => out.list(&client.get("/devices/clashes", &paging.query()).await?, CLASHES),
        }
        Ok(())
    }
}

impl Register {
    async fn run(&self, client: &Client, out: &Output) -> Done {
        let mut body = json!({ "nodeId": self.node_id, "access": self.access, "info": info(&[("name", &self.name)]) });
        for (field, value) in [
            ("app", &self.app),
            ("secret", &self.secret),
            ("verifyCode", &self.verify_code),
            ("psk", &self.psk),
            ("pskIdentity", &self.psk_identity),
        ] {
            if let Some(value) = value {
                body[field] = value.as_str().into();
            }
        }
        if let Some(product) = &self.product {
            body["product"] = named(client, product).await?.into();
        }
        if self.secure {
            body["isSecure"] = true.into();
        }
        if let Some(timeout) = self.timeout {
            body["timeoutSeconds"] = timeout.into();
        }
        let query = [("dryRun", self.dry_run.then(|| "true".to_owned()))];
        out.record(&client.post("/devices", &query, body).await?);
        Ok(())
    }
}

impl List {
    async fn run(&self, client: &Client, out: &Output) -> Done {
        let mut query = self.paging.query();
        let product = match &self.product {
            Some(which) => Some(named(client, which).await?),
            None => None,
        };
        query.extend([
            ("app", self.app.clone()),
            ("product", product),
            ("gateway", self.gateway.clone()),
            ("status", self.status.clone()),
            ("nodeType", self.node_type.clone()),
            ("deviceType", self.device_type.clone()),
            ("name", self.name.clone()),
            ("location", self.location.clone()),
            ("sort", self.sort.clone()),
        ]);
        out.list(&client.get("/devices", &query).await?, COLUMNS);
        Ok(())
    }
}

impl Set {
    async fn body(&self, client: &Client) -> Done<Value> {
        let mut body = json!({
            "info": info(&[("name", &self.name), ("description", &self.description), ("location", &self.location)]),
        });
        if let Some(product) = &self.product {
            body["product"] = named(client, product).await?.into();
        }
        if let Some(mute) = self.mute {
            body["mute"] = mute.into();
        }
        if let Some(days) = self.data_aging {
            body["dataAgingDays"] = days.into();
        }
        for (field, value) in [("psk", &self.psk), ("pskIdentity", &self.psk_identity)] {
            if let Some(value) = value {
                body[field] = value.as_str().into();
            }
        }
        if let Some(secure) = self.secure {
            body["isSecure"] = secure.into();
        }
        if !self.mute_commands.is_empty() || self.unmute_commands {
            let pairs = split_all(&self.mute_commands, '/', "--mute-command must be SERVICE/COMMAND")?;
            body["mutedCommands"] =
                pairs.iter().map(|(service, method)| json!({ "serviceId": service, "method": method })).collect();
        }
        if !self.tags.is_empty() {
            let pairs = split_all(&self.tags, '=', "--tag must be NAME=VALUE")?;
            body["tags"] = pairs.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        }
        Ok(body)
    }
}

fn show_shadow(out: &Output, shadow: &Value) {
    if out.json {
        out.record(shadow);
    } else {
        out.rows(shadow["services"].as_array().map(Vec::as_slice).unwrap_or_default(), SHADOW);
    }
}

fn split_all<'a>(texts: &'a [String], at: char, rule: &str) -> Done<Vec<(&'a str, &'a str)>> {
    texts.iter().map(|text| text.split_once(at).ok_or_else(|| Failure::new(rule))).collect()
}

fn info(fields: &[(&str, &Option<String>)]) -> Value {
    fields.iter().filter_map(|(name, value)| Some(((*name).to_owned(), Value::from(value.as_deref()?)))).collect()
}

/// The path of a device by deviceId or nodeId. A nodeId that looks like a deviceId is found only by its deviceId.
pub(super) async fn path(client: &Client, device: &str) -> Done<String> {
    Ok(format!("/devices/{}", encoded(&id(client, device).await?)))
}

/// The deviceId behind an id or nodeId.
pub(super) async fn id(client: &Client, device: &str) -> Done<String> {
    if device.parse::<uuid::Uuid>().is_ok() {
        return Ok(device.to_owned());
    }
    let found = client.get("/devices", &[("nodeId", Some(device.to_owned()))]).await?;
    match found["items"][0]["deviceId"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => Err(Failure::new(format!("DeviceNotFound: there is no device of the id or node {device}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_given_fields_are_sent() {
        assert_eq!(info(&[("name", &Some("n".into())), ("location", &None)]), json!({ "name": "n" }));
        assert_eq!(info(&[]), json!({}));
    }

    #[test]
    fn pairs_are_split_once() {
        let texts = ["a=b=c".to_owned()];
        assert_eq!(split_all(&texts, '=', "").unwrap(), [("a", "b=c")]);
        assert_eq!(split_all(&texts, '/', "rule"), Err(Failure::new("rule")));
    }
}
