//! `landfall settings`, `landfall status` and `landfall clock`.

use super::{Done, client::Client, output::Output};
use clap::Subcommand;
use serde_json::{Value, json};

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub enum SettingsAction {
    /// Show the limits in force
    Show,
}

impl SettingsAction {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        let Self::Show = self;
        out.record(&client.get("/settings", &[]).await?);
        Ok(())
    }
}

/// What to do about the clock.
#[derive(Debug, Subcommand)]
pub enum ClockAction {
    /// Take the clock for right, so that retention and expiry go on
    Accept,
}

impl ClockAction {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        let Self::Accept = self;
        client.post("/clock/accept", &[], Value::Null).await?;
        out.done("The clock is taken for right.", &json!({ "accepted": true }));
        Ok(())
    }
}

/// What is running.
pub(super) async fn status(client: &Client, out: &Output) -> Done {
    let mut status = client.get("/status", &[]).await?;
    if out.json {
        out.record(&status);
        return Ok(());
    }
    let (listeners, certificates) = (status["listeners"].take(), status["certificates"].take());
    out.record(&status);
    out.rows(
        listeners.as_array().map(Vec::as_slice).unwrap_or_default(),
        &[("LISTENER", "/name"), ("HOST", "/host"), ("PORT", "/port")],
    );
    out.rows(
        certificates.as_array().map(Vec::as_slice).unwrap_or_default(),
        &[("CERTIFICATE", "/name"), ("UNTIL", "/until"), ("DAYS LEFT", "/daysLeft"), ("ENDS SOON", "/endsSoon")],
    );
    Ok(())
}
