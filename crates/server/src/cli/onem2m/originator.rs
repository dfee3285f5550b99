//! `landfall app originator`.

use crate::cli::{Done, app::path, client::Client, output::Output};
use clap::Subcommand;
use serde_json::{Value, json};

/// How an application comes over oneM2M
#[derive(Debug, Subcommand)]
pub enum Originator {
    /// Let it come over oneM2M under this originator
    Set {
        /// Id or name
        which: String,
        /// X-M2M-Origin: C and 1 to 63 letters, digits, - _ . or :
        originator: String,
    },
    /// Give it a new access token that does not end; prints it once, and the old one ends at once
    Token {
        /// Id or name
        which: String,
    },
    /// No longer let it come over oneM2M; its token that does not end ends at once
    Clear {
        /// Id or name
        which: String,
    },
}

impl Originator {
    pub(in crate::cli) async fn run(&self, client: &Client, out: &Output) -> Done {
        let at = |which: &str| format!("{}/originator", path(which));
        out.record(&match self {
            Self::Set { which, originator } => client.put_json(&at(which), json!({ "originator": originator })).await?,
            Self::Token { which } => client.post(&format!("{}/token", at(which)), &[], Value::Null).await?,
            Self::Clear { which } => client.delete(&at(which), &[]).await?,
        });
        Ok(())
    }
}
