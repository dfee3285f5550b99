//! `landfall provisioning`: lists of nodes that become devices in the background.

use crate::cli::{
    Done, Failure,
    client::{Client, Paging, encoded},
    output::{Columns, Output, emit},
    read_file, write_private,
};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

const COLUMNS: Columns<'_> = &[
    ("ID", "/requestId"),
    ("NAME", "/name"),
    ("ORIGINATOR", "/originator"),
    ("STATE", "/state"),
    ("DONE", "/done"),
    ("TOTAL", "/total"),
    ("FAILED", "/failed"),
    ("CREATED", "/createdAt"),
    ("EXPECTED END", "/expectedEnd"),
];
const FAILED: Columns<'_> = &[("PLACE", "/place"), ("NODE", "/nodeId"), ("NAME", "/name"), ("MESSAGE", "/message")];
/// Time between two looks at a request that is watched.
const LOOK: Duration = Duration::from_millis(500);
const REFUSED_SHOWN: usize = 50;
/// Where a request goes that no file is named for.
const STDOUT: &str = "-";

/// What to do with provisioning requests. FILE is the JSON body that applications POST over oneM2M.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List requests, newest first
    List {
        /// Only those of this application, by id or name
        #[arg(long)]
        app: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a request and how far it is
    Show {
        /// requestId
        request: String,
    },
    /// Show a progress bar until a request is finished; fails where nodes failed
    Watch {
        /// requestId
        request: String,
    },
    /// List the nodes of a request that failed so far
    Failed {
        /// requestId
        request: String,
        /// Write them as a new request, with their keys, to FILE or stdout
        #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = STDOUT)]
        json_request: Option<PathBuf>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Say what would become of a list now; nothing is made. Fails where nodes would fail
    Check {
        /// Request as JSON
        file: PathBuf,
        /// Application that is to own the devices, by id or name; needed where the account has several
        #[arg(long)]
        app: Option<String>,
    },
    /// Provision a list in the name of an application's originator
    Submit {
        /// Request as JSON
        file: PathBuf,
        /// Application that is to own the devices, by id or name; needed where the account has several
        #[arg(long)]
        app: Option<String>,
        /// Then watch it to its end
        #[arg(long)]
        watch: bool,
    },
}

impl Action {
    pub(in crate::cli) async fn run(&self, client: &Client, out: &Output) -> Done {
        match self {
            Self::List { app, paging } => {
                let mut query = paging.query();
                query.push(("app", app.clone()));
                out.list(&client.get("/provisioning", &query).await?, COLUMNS);
            }
            Self::Show { request } => out.record(&client.get(&path(request), &[]).await?),
            Self::Watch { request } => return watch(client, out, request).await,
            Self::Failed { request, json_request: Some(file), .. } => return failed_request(client, out, request, file).await,
            Self::Failed { request, json_request: None, paging } => {
                out.list(&client.get(&format!("{}/failures", path(request)), &paging.query()).await?, FAILED);
            }
            Self::Check { file, app } => {
                return told(out, &client.post("/provisioning/dry-run", &[("app", app.clone())], read(file)?).await?);
            }
            Self::Submit { file, app, watch: watched } => {
                let made = client.post("/provisioning", &[("app", app.clone())], read(file)?).await?;
                if *watched {
                    return watch(client, out, made["requestId"].as_str().unwrap_or_default()).await;
                }
                out.record(&made);
            }
        }
        Ok(())
    }
}

fn path(request: &str) -> String {
    format!("/provisioning/{}", encoded(request))
}

fn read(file: &Path) -> Done<Value> {
    let wrong = |what: serde_json::Error| Failure::new(format!("{}: {what}", file.display()));
    serde_json::from_slice(&read_file(file)?).map_err(wrong)
}

/// Follows a request to its end.
async fn watch(client: &Client, out: &Output, request: &str) -> Done {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let shown = loop {
        let shown = client.get(&path(request), &[]).await?;
        bar.set_length(shown["total"].as_u64().unwrap_or_default());
        bar.set_position(shown["done"].as_u64().unwrap_or_default());
        bar.set_message(pace(&shown));
        if !shown["finishedAt"].is_null() {
            break shown;
        }
        tokio::time::sleep(LOOK).await;
    };
    bar.finish_and_clear();
    out.record(&shown);
    match shown["failed"].as_u64() {
        Some(0) => Ok(()),
        _ => Err(Failure::new(format!(
            "{} of {} nodes failed: see landfall provisioning failed {request}",
            shown["failed"], shown["total"]
        ))),
    }
}

/// Pace and failures beside the bar.
fn pace(shown: &Value) -> String {
    let mut text = shown["nodesPerSecond"].as_f64().map(|per_s| format!("{per_s:.0}/s")).unwrap_or_default();
    if shown["failed"] != 0 {
        text += &format!(" {} failed", shown["failed"]);
    }
    if let Some(time) = shown["expectedEnd"].as_str().and_then(|end| end.get(11..19)) {
        text += &format!(" until {time} UTC");
    }
    text
}

async fn failed_request(client: &Client, out: &Output, request: &str, file: &Path) -> Done {
    let body = client.get(&format!("{}/failed-request", path(request)), &[]).await?;
    let count = body.pointer("/dtiot:noPRt/reqLt").and_then(Value::as_array).map_or(0, Vec::len);
    if count == 0 {
        return Err(Failure::new("no node of this request failed so far"));
    }
    if file == Path::new(STDOUT) {
        emit(&format!("{body:#}\n"));
        return Ok(());
    }
    write_private(file, &format!("{body:#}\n"))?;
    let done = json!({ "file": file.display().to_string(), "nodes": count });
    out.done(&format!("{count} nodes with their keys are in {}", file.display()), &done);
    Ok(())
}

/// The outcome of a dry run.
fn told(out: &Output, trial: &Value) -> Done {
    let refused = trial["refused"].as_array().map(Vec::as_slice).unwrap_or_default();
    if out.json {
        out.record(trial);
    } else if refused.is_empty() {
        out.done(&format!("{} nodes are good", trial["good"]), &Value::Null);
    } else {
        out.rows(refused.get(..REFUSED_SHOWN).unwrap_or(refused), FAILED);
        if refused.len() > REFUSED_SHOWN {
            eprintln!("... and {} more", refused.len() - REFUSED_SHOWN);
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{} of {} nodes would fail", trial["failed"], trial["total"])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_pace_failures_and_end() {
        let cases = [
            (json!({ "nodesPerSecond": null, "failed": 0, "expectedEnd": null }), ""),
            (json!({ "nodesPerSecond": 99.7, "failed": 0, "expectedEnd": null }), "100/s"),
            (
                json!({ "nodesPerSecond": 99.7, "failed": 2, "expectedEnd": "2026-01-31T12:00:01.500Z" }),
                "100/s 2 failed until 12:00:01 UTC",
            ),
        ];
        for (shown, expected) in cases {
            assert_eq!(pace(&shown), expected);
        }
    }

    #[test]
    fn a_trial_with_refusals_is_a_failure() {
        let refused = json!([{ "place": 1, "nodeId": "n", "name": "m", "message": "psk info is missing" }]);
        for json in [true, false] {
            let out = Output { json };
            assert_eq!(told(&out, &json!({ "total": 2, "good": 2, "failed": 0, "refused": [] })), Ok(()));
            let failed = told(&out, &json!({ "total": 2, "good": 1, "failed": 1, "refused": refused }));
            assert_eq!(failed, Err(Failure::new("1 of 2 nodes would fail")));
        }
    }
}
