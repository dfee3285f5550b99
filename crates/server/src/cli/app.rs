//! `landfall app`.

use super::{
    Done, Originator,
    client::{Client, encoded},
    output::{Columns, Output},
};
use clap::Subcommand;
use serde_json::{Value, json};

const COLUMNS: Columns<'_> = &[
    ("ID", "/appId"),
    ("NAME", "/name"),
    ("FROZEN", "/frozen"),
    ("ORIGINATOR", "/originator"),
    ("CALLS/MIN", "/limits/callsPerMinute"),
    ("DEVICES", "/limits/devices"),
    ("CREATED", "/createdAt"),
];

const WHY: Columns<'_> = &[
    ("TIME", "/at"),
    ("REQUEST", "/call/requestId"),
    ("STEP", "/step"),
    ("OPERATION", "/call/operation"),
    ("STATUS", "/call/status"),
    ("CODE", "/call/code"),
    ("CHECK", "/check"),
    ("DETAIL", "/detail"),
    ("FROM", "/peer"),
];

/// What to do with applications.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Make an application; prints its secret once
    Create {
        /// Unique name
        name: String,
        /// Calls a minute and operation; 0 switches flow control off
        #[arg(long)]
        calls_per_minute: Option<Limit>,
        /// Devices it may own
        #[arg(long)]
        devices: Option<Limit>,
    },
    /// List applications
    List(super::client::Paging),
    /// Show an application
    Show {
        /// Id or name
        which: String,
    },
    /// Change an application
    Set {
        /// Id or name
        which: String,
        /// New name
        #[arg(long)]
        name: Option<String>,
        /// Give it no more tokens and end those it has
        #[arg(long, value_name = "true|false")]
        frozen: Option<bool>,
        /// Calls a minute and operation; 0 switches flow control off, "default" takes the server's
        #[arg(long)]
        calls_per_minute: Option<Limit>,
        /// Devices it may own; "default" takes the server's
        #[arg(long)]
        devices: Option<Limit>,
    },
    /// Give an application a new secret; the old one and its tokens end at once
    RotateSecret {
        /// Id or name
        which: String,
    },
    #[command(subcommand)]
    Originator(Originator),
    /// Let OTHER act for an application
    Authorize {
        /// Id or name
        which: String,
        /// Id or name
        other: String,
    },
    /// No longer let OTHER act for an application
    Deauthorize {
        /// Id or name
        which: String,
        /// Id or name
        other: String,
    },
    /// List why calls and connections of an application were refused; `device why` without DEVICE lists those of nobody known
    Why {
        /// Id or name
        which: String,
        #[command(flatten)]
        paging: super::client::Paging,
    },
    /// Delete an application that owns no devices; its groups and subscriptions go with it
    Delete {
        /// Id or name
        which: String,
    },
}

/// A number, or the server's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(Option<u64>);

impl std::str::FromStr for Limit {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "default" {
            return Ok(Self(None));
        }
        text.parse().map(|number| Self(Some(number))).map_err(|_| "must be a number or \"default\"")
    }
}

fn limits(calls_per_minute: Option<Limit>, devices: Option<Limit>) -> Value {
    let mut limits = json!({});
    if let Some(Limit(calls)) = calls_per_minute {
        limits["callsPerMinute"] = json!(calls);
    }
    if let Some(Limit(devices)) = devices {
        limits["devices"] = json!(devices);
    }
    limits
}

impl Action {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        match self {
            Self::Create { name, calls_per_minute, devices } => {
                let body = json!({ "name": name, "limits": limits(*calls_per_minute, *devices) });
                out.record(&client.post("/apps", &[], body).await?);
            }
            Self::List(paging) => out.list(&client.get("/apps", &paging.query()).await?, COLUMNS),
            Self::Show { which } => out.record(&client.get(&path(which), &[]).await?),
            Self::Set { which, name, frozen, calls_per_minute, devices } => {
                let mut body = json!({ "limits": limits(*calls_per_minute, *devices) });
                if let Some(name) = name {
                    body["name"] = name.as_str().into();
                }
                if let Some(frozen) = frozen {
                    body["frozen"] = (*frozen).into();
                }
                out.record(&client.patch(&path(which), body).await?);
            }
            Self::RotateSecret { which } => {
                out.record(&client.post(&format!("{}/secret", path(which)), &[], Value::Null).await?);
            }
            Self::Originator(action) => action.run(client, out).await?,
            Self::Authorize { which, other } => out.record(&client.put(&authorized(which, other)).await?),
            Self::Deauthorize { which, other } => out.record(&client.delete(&authorized(which, other), &[]).await?),
            Self::Why { which, paging } => {
                out.list(&client.get(&format!("{}/why", path(which)), &paging.query()).await?, WHY);
            }
            Self::Delete { which } => {
                client.delete(&path(which), &[]).await?;
                out.done(&format!("deleted {which}"), &json!({ "deleted": which }));
            }
        }
        Ok(())
    }
}

pub(super) fn path(which: &str) -> String {
    format!("/apps/{}", encoded(which))
}

fn authorized(which: &str, other: &str) -> String {
    format!("{}/authorized/{}", path(which), encoded(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_given_limits_are_sent() {
        assert_eq!(limits(None, None), json!({}));
        let set = limits(Some("default".parse().unwrap()), Some("7".parse().unwrap()));
        assert_eq!(set, json!({ "callsPerMinute": null, "devices": 7 }));
        assert!("many".parse::<Limit>().is_err());
    }
}
