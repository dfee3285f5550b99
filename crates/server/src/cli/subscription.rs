//! `landfall subscription`.

use super::{
    Done,
    client::{Client, encoded},
    output::{Columns, Output},
};
use clap::Subcommand;
use serde_json::json;

const COLUMNS: Columns<'_> = &[
    ("ID", "/subscriptionId"),
    ("KIND", "/kind"),
    ("OWNER", "/owner"),
    ("CHANNEL", "/channel"),
    ("ADDRESS", "/callbackUrl"),
    ("CREATED", "/createdAt"),
];

/// What to do with subscriptions.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List subscriptions
    List {
        /// About the devices of this application, by id or name
        #[arg(long)]
        app: Option<String>,
        /// Of this kind: a notifyType, or callAddress
        #[arg(long)]
        kind: Option<String>,
        #[command(flatten)]
        paging: super::client::Paging,
    },
    /// Show a subscription with its delivery state
    Show {
        /// subscriptionId
        id: String,
    },
    /// Point a subscription to another address
    Move {
        /// subscriptionId
        id: String,
        /// The new address
        url: String,
    },
    /// Delete a subscription
    Delete {
        /// subscriptionId
        id: String,
    },
    /// Send everything again from a time on
    Replay {
        /// subscriptionId
        id: String,
        /// Time in UTC such as 2026-01-31T12:00:00Z
        #[arg(long)]
        from: String,
    },
}

impl Action {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        match self {
            Self::List { app, kind, paging } => {
                let mut query = paging.query();
                query.extend([("app", app.clone()), ("kind", kind.clone())]);
                out.list(&client.get("/subscriptions", &query).await?, COLUMNS);
            }
            Self::Show { id } => out.record(&client.get(&path(id), &[]).await?),
            Self::Move { id, url } => out.record(&client.patch(&path(id), json!({ "callbackUrl": url })).await?),
            Self::Delete { id } => {
                client.delete(&path(id), &[]).await?;
                out.done(&format!("deleted {id}"), &json!({ "deleted": id }));
            }
            Self::Replay { id, from } => {
                let replayed = client.post(&format!("{}/replay", path(id)), &[], json!({ "from": from })).await?;
                out.done(&format!("replays everything after event {}", replayed["after"]), &replayed);
            }
        }
        Ok(())
    }
}

fn path(id: &str) -> String {
    format!("/subscriptions/{}", encoded(id))
}
