//! `landfall user`: who logs in with a name and a password.

use super::{
    Done, Failure,
    client::{Client, Payload, encoded},
    output::{Columns, Output},
};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::json;
use std::io::Read;

const COLUMNS: Columns<'_> = &[
    ("TENANT", "/tenant"),
    ("NAME", "/name"),
    ("ROLE", "/role"),
    ("ENABLED", "/enabled"),
    ("DEVICE", "/deviceId"),
    ("CAME", "/proven"),
    ("CREATED", "/createdAt"),
];
/// Bytes of a password that is read.
const PASSWORD_BYTES: u64 = 4_096;

/// What to do with users. WHO is NAME, or TENANT/NAME; the tenant `management` is the server itself.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List users by name
    List {
        /// Of this tenant
        #[arg(long)]
        tenant: Option<String>,
        /// Of this role
        #[arg(long, value_name = "admin|reader|device|bootstrap")]
        role: Option<String>,
        #[command(flatten)]
        paging: super::client::Paging,
    },
    /// Make a user; prints its password once, if that was generated
    Add {
        /// [TENANT/]NAME; devices ask for credentials as management/devicebootstrap
        who: String,
        /// What it may; bootstrap is for users of the tenant management
        #[arg(long, value_name = "admin|reader|bootstrap", default_value = "admin")]
        role: String,
        #[command(flatten)]
        password: Given,
    },
    /// Show a user
    Show {
        /// [TENANT/]NAME
        who: String,
    },
    /// Change a user
    Set {
        /// [TENANT/]NAME
        who: String,
        /// Another role
        #[arg(long, value_name = "admin|reader|bootstrap")]
        role: Option<String>,
        /// Whether it may come; false ends its connections
        #[arg(long, value_name = "true|false")]
        enabled: Option<bool>,
    },
    /// Give a user another password; prints it once, if it was generated
    Password {
        /// [TENANT/]NAME
        who: String,
        #[command(flatten)]
        password: Given,
    },
    /// Delete a user
    Delete {
        /// [TENANT/]NAME
        who: String,
    },
}

/// Where a password comes from.
#[derive(Args, Debug)]
pub struct Given {
    /// Take the password from stdin, without the end of the line, instead of generating one
    #[arg(long)]
    password_stdin: bool,
}

impl Given {
    fn read(&self) -> Done<Option<String>> {
        if !self.password_stdin {
            return Ok(None);
        }
        let mut text = String::new();
        let read = std::io::stdin().take(PASSWORD_BYTES).read_to_string(&mut text);
        read.map_err(|error| Failure::new(format!("cannot read the password from stdin: {error}")))?;
        Ok(Some(text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line)).to_owned()))
    }
}

/// A user as it is named: its tenant, where one is, and its path.
struct Who {
    tenant: Option<String>,
    name: String,
}

impl Who {
    fn parse(text: &str) -> Self {
        match text.split_once('/') {
            Some((tenant, name)) => Self { tenant: Some(tenant.to_owned()), name: name.to_owned() },
            None => Self { tenant: None, name: text.to_owned() },
        }
    }

    fn query(&self) -> [(&'static str, Option<String>); 1] {
        [("tenant", self.tenant.clone())]
    }

    fn path(&self) -> String {
        format!("/users/{}", encoded(&self.name))
    }
}

impl Action {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        match self {
            Self::List { tenant, role, paging } => {
                let mut query = paging.query();
                query.extend([("tenant", tenant.clone()), ("role", role.clone())]);
                out.list(&client.get("/users", &query).await?, COLUMNS);
            }
            Self::Add { who, role, password } => {
                let who = Who::parse(who);
                let body = json!({ "name": who.name, "role": role, "password": password.read()? });
                out.record(&client.post("/users", &who.query(), body).await?);
            }
            Self::Show { who } => {
                let who = Who::parse(who);
                out.record(&client.get(&who.path(), &who.query()).await?);
            }
            Self::Set { who, role, enabled } => {
                let mut body = json!({});
                if let Some(role) = role {
                    body["role"] = role.as_str().into();
                }
                if let Some(enabled) = enabled {
                    body["enabled"] = (*enabled).into();
                }
                let who = Who::parse(who);
                out.record(&client.call(Method::PATCH, &who.path(), &who.query(), Payload::Json(body)).await?);
            }
            Self::Password { who, password } => {
                let who = Who::parse(who);
                let path = format!("{}/password", who.path());
                out.record(&client.post(&path, &who.query(), json!({ "password": password.read()? })).await?);
            }
            Self::Delete { who } => {
                let named = Who::parse(who);
                client.delete(&named.path(), &named.query()).await?;
                out.done(&format!("{who} is deleted"), &json!({ "deleted": who }));
            }
        }
        Ok(())
    }
}
