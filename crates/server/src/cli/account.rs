//! `landfall account`: for the operator of the server, and for each account's own.

use super::{
    Done,
    client::{Client, encoded},
    output::{Columns, Output},
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

const COLUMNS: Columns<'_> = &[
    ("ID", "/accountId"),
    ("NAME", "/name"),
    ("TENANT", "/tenant"),
    ("EVENT DAYS", "/settings/eventRetentionDays"),
    ("HISTORY DAYS", "/settings/historyRetentionDays"),
    ("CREATED", "/createdAt"),
];

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Make an account; prints its operator token once
    Create {
        /// Unique name
        name: String,
        /// Tenant id, 1 to 32 lower-case letters and digits; without one it has t and digits
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        #[command(flatten)]
        retention: Retention,
    },
    /// List accounts
    List(super::client::Paging),
    /// Show an account
    Show {
        /// Id or name
        which: String,
    },
    /// Change an account
    Set {
        /// Id or name
        which: String,
        /// New name
        #[arg(long)]
        name: Option<String>,
        /// New tenant id; users and devices must use it from now on
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// The application that sees devices which onboard by themselves or with a user, by id or name; - for none
        #[arg(long, value_name = "APP")]
        device_app: Option<String>,
        #[command(flatten)]
        retention: Retention,
    },
    /// Give an account a new operator token; the old one ends at once
    RotateToken {
        /// Id or name
        which: String,
    },
}

/// Retention of an account.
#[derive(Args, Debug)]
pub struct Retention {
    /// Days for which undelivered pushes are tried and events can be replayed, 1 to 90
    #[arg(long, value_name = "DAYS")]
    event_days: Option<u32>,
    /// Days for which history is kept, 1 to 3650
    #[arg(long, value_name = "DAYS")]
    history_days: Option<u32>,
}

impl Retention {
    fn json(&self) -> Value {
        let mut settings = json!({});
        if let Some(days) = self.event_days {
            settings["eventRetentionDays"] = days.into();
        }
        if let Some(days) = self.history_days {
            settings["historyRetentionDays"] = days.into();
        }
        settings
    }
}

impl Action {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        match self {
            Self::Create { name, tenant, retention } => {
                let body = json!({ "name": name, "tenant": tenant, "settings": retention.json() });
                out.record(&client.post("/accounts", &[], body).await?);
            }
            Self::List(paging) => out.list(&client.get("/accounts", &paging.query()).await?, COLUMNS),
            Self::Show { which } => out.record(&client.get(&format!("/accounts/{}", encoded(which)), &[]).await?),
            Self::Set { which, name, tenant, device_app, retention } => {
                let mut body = json!({ "tenant": tenant, "settings": retention.json() });
                match device_app.as_deref() {
                    None => (),
                    Some("-") => body["settings"]["deviceApp"] = Value::Null,
                    Some(app) => {
                        let found = client.get(&format!("/apps/{}", encoded(app)), &[("account", Some(which.clone()))]).await?;
                        body["settings"]["deviceApp"] = found["appId"].clone();
                    }
                }
                if let Some(name) = name {
                    body["name"] = name.as_str().into();
                }
                out.record(&client.patch(&format!("/accounts/{}", encoded(which)), body).await?);
            }
            Self::RotateToken { which } => {
                let path = format!("/accounts/{}/token", encoded(which));
                out.record(&client.post(&path, &[], Value::Null).await?);
            }
        }
        Ok(())
    }
}
