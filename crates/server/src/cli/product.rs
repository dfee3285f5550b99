//! `landfall product`.

use super::{
    Done, Failure,
    client::{Client, Payload, encoded},
    output::{Columns, Output},
    read_file,
};
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const COLUMNS: Columns<'_> = &[
    ("ID", "/productId"),
    ("NAME", "/name"),
    ("TYPE", "/deviceType"),
    ("MODEL", "/model"),
    ("FORMAT", "/format"),
    ("SERVICES", "/serviceCount"),
    ("CODEC", "/codecVersion"),
];
const MODEL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What to do with products.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Make a product from a JSON model
    Create {
        /// The model
        file: PathBuf,
    },
    /// Import a JSON model or an OceanConnect profile package (zip)
    Import {
        /// The model or package
        file: PathBuf,
        /// Update the product that has the same keys
        #[arg(long)]
        replace: bool,
        /// Only check, and tell what would change
        #[arg(long)]
        dry_run: bool,
        /// Name for people
        #[arg(long)]
        name: Option<String>,
        /// What devices send: json or binary
        #[arg(long)]
        format: Option<String>,
    },
    /// List products
    List(super::client::Paging),
    /// Show a product with its services
    Show {
        /// Id or name
        which: String,
    },
    /// Change name, format, self-registration, claims or CoAP access of a product
    Set {
        /// Id or name
        which: String,
        /// Name for people
        #[arg(long)]
        name: Option<String>,
        /// What devices send: json or binary
        #[arg(long)]
        format: Option<String>,
        /// Application that owns devices which register themselves with the product secret; "none" ends that
        #[arg(long, value_name = "APP")]
        auto_register: Option<String>,
        /// Whether nodes may claim secrets with that of the product; off, the secret is kept and refused
        #[arg(long, value_name = "true|false")]
        claims: Option<bool>,
        /// Whether devices that are not isSecure may come over CoAP without DTLS
        #[arg(long, value_name = "true|false")]
        plain_coap: Option<bool>,
    },
    /// Delete a product that no device uses
    Delete {
        /// Id or name
        which: String,
    },
    /// Switch one-model-one-secret access on (prints a new secret once) or off
    Secret {
        /// Id or name
        which: String,
        /// on or off
        #[arg(value_parser = ["on", "off"])]
        state: String,
    },
}

impl Action {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        match self {
            Self::Create { file } => {
                let payload = Payload::Raw("application/json", read_file(file)?);
                let made = client.call(Method::POST, "/products", &[], payload).await?;
                told(out, &made, "created");
            }
            Self::Import { file, replace, dry_run, name, format } => {
                let flag = |set: bool| set.then(|| "true".to_owned());
                let query =
                    [("replace", flag(*replace)), ("dryRun", flag(*dry_run)), ("name", name.clone()), ("format", format.clone())];
                out.record(&client.call(Method::POST, "/products/import", &query, model(file)?).await?);
            }
            Self::List(paging) => out.list(&client.get("/products", &paging.query()).await?, COLUMNS),
            Self::Show { which } => {
                let shown = client.get(&path(client, which).await?, &[]).await?;
                show(out, shown);
            }
            Self::Set { which, name, format, auto_register, claims, plain_coap } => {
                let path = path(client, which).await?;
                let mut body = json!({});
                if let Some(claims) = claims {
                    body["claims"] = (*claims).into();
                }
                if let Some(plain) = plain_coap {
                    // A change replaces the whole of lwm2m.
                    body["lwm2m"] = client.get(&path, &[]).await?["lwm2m"].take();
                    body["lwm2m"]["plainCoap"] = (*plain).into();
                }
                for (field, value) in [("name", name), ("format", format), ("autoRegister", auto_register)] {
                    if let Some(value) = value {
                        let none = field == "autoRegister" && value == "none";
                        body[field] = if none { Value::Null } else { value.as_str().into() };
                    }
                }
                let changed = client.patch(&path, body).await?;
                show(out, changed);
            }
            Self::Delete { which } => {
                client.delete(&path(client, which).await?, &[]).await?;
                out.done(&format!("deleted {which}"), &json!({ "deleted": which }));
            }
            Self::Secret { which, state } => {
                let path = format!("{}/secret", path(client, which).await?);
                if state == "on" {
                    out.record(&client.put(&path).await?);
                } else {
                    client.delete(&path, &[]).await?;
                    out.done("one-model-one-secret access is off", &json!({ "secret": null }));
                }
            }
        }
        Ok(())
    }
}

fn told(out: &Output, product: &Value, what: &str) {
    let id = product["productId"].as_str().unwrap_or_default();
    out.done(&format!("{what} product {id}"), product);
}

/// Fields as lines, then a table of services.
fn show(out: &Output, mut product: Value) {
    if out.json {
        return out.record(&product);
    }
    let services = product["services"].take();
    out.record(&product);
    let rows: Vec<Value> = services.as_array().into_iter().flatten().map(service_row).collect();
    out.rows(
        &rows,
        &[("SERVICE", "/serviceId"), ("TYPE", "/serviceType"), ("PROPERTIES", "/properties"), ("COMMANDS", "/commands")],
    );
}

fn service_row(service: &Value) -> Value {
    let names = |list: &str, name: &str| -> Vec<Value> {
        service[list].as_array().into_iter().flatten().map(|item| item[name].clone()).collect()
    };
    json!({
        "serviceId": service["serviceId"],
        "serviceType": service["serviceType"],
        "properties": names("properties", "propertyName"),
        "commands": names("commands", "commandName"),
    })
}

/// A zip starts with PK; all else is taken for a model.
fn model(file: &Path) -> Done<Payload> {
    let bytes = read_file(file)?;
    if bytes.len() > MODEL_BYTES_MAX {
        return Err(Failure::new(format!("{} is larger than 4 MiB", file.display())));
    }
    let media = if bytes.starts_with(b"PK") { "application/zip" } else { "application/json" };
    Ok(Payload::Raw(media, bytes))
}

/// The path of a product by id, or by a name that only one has.
pub(super) async fn path(client: &Client, which: &str) -> Done<String> {
    if which.parse::<uuid::Uuid>().is_ok() {
        return Ok(format!("/products/{}", encoded(which)));
    }
    Ok(format!("/products/{}", named(client, which).await?))
}

/// The productId behind an id or name.
pub(super) async fn named(client: &Client, which: &str) -> Done<String> {
    if which.parse::<uuid::Uuid>().is_ok() {
        return Ok(which.to_owned());
    }
    let mut found = vec![];
    for no in 0.. {
        let page = client.get("/products", &[("pageNo", Some(format!("{no}"))), ("pageSize", Some("1000".into()))]).await?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        found.extend(
            items.iter().filter(|item| item["name"] == which).filter_map(|item| item["productId"].as_str().map(str::to_owned)),
        );
        if items.len() < 1_000 {
            break;
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Failure::new(format!("ProductNotFound: there is no product of the id or name {which}"))),
        _ => Err(Failure::new(format!("several products are called {which}; name one by id"))),
    }
}
