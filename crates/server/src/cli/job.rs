//! `landfall job`: long work on many targets.

use super::{
    Done, Failure,
    client::{Client, Paging, encoded},
    output::{Columns, Output, emit, printable},
};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

const COLUMNS: Columns<'_> = &[
    ("ID", "/jobId"),
    ("KIND", "/kind"),
    ("NAME", "/name"),
    ("STATE", "/state"),
    ("DONE", "/done"),
    ("TOTAL", "/total"),
    ("FAILED", "/counts/failed"),
    ("CREATED", "/createdAt"),
    ("EXPECTED END", "/expectedEnd"),
];
/// States in which targets end that did not succeed, with their counts.
const UNDONE: [(&str, &str); 4] =
    [("failed", "failed"), ("timed-out", "timedOut"), ("expired", "expired"), ("stopped", "stopped")];
/// Targets that are read at once.
const PAGE: usize = 1_000;

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List jobs, newest first
    List {
        /// Of this application, by id or name
        #[arg(long)]
        app: Option<String>,
        /// Of this kind, such as commands or provisioning
        #[arg(long)]
        kind: Option<String>,
        /// open or over
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a job and how far it is
    Show {
        /// jobId
        job: String,
    },
    /// Show progress until a job is over; fails unless every target succeeded
    Watch {
        /// jobId
        job: String,
    },
    /// Begin no further target until the job is resumed
    Pause {
        /// jobId
        job: String,
    },
    /// Go on with a job that was paused
    Resume {
        /// jobId
        job: String,
    },
    /// End a job: what was not sent is withdrawn, open targets end as stopped
    Stop {
        /// jobId
        job: String,
    },
    /// Print every target that ended without success, one a line, with the reason
    Failed {
        /// jobId
        job: String,
    },
    /// Make a new job of the targets that failed
    Retry {
        /// jobId
        job: String,
        /// Name of the new job; one is made where there is none
        #[arg(long)]
        name: Option<String>,
        /// Then watch it to its end
        #[arg(long)]
        watch: bool,
    },
}

impl Action {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        match self {
            Self::List { app, kind, state, paging } => {
                let mut query = paging.query();
                query.extend([("app", app.clone()), ("kind", kind.clone()), ("state", state.clone())]);
                out.list(&client.get("/jobs", &query).await?, COLUMNS);
            }
            Self::Show { job } => out.record(&client.get(&path(job), &[]).await?),
            Self::Watch { job } => return watch(client, out, job).await,
            Self::Pause { job } => out.record(&asked(client, job, "pause").await?),
            Self::Resume { job } => out.record(&asked(client, job, "resume").await?),
            Self::Stop { job } => out.record(&asked(client, job, "stop").await?),
            Self::Failed { job } => return failed(client, out, job).await,
            Self::Retry { job, name, watch: watched } => {
                let made = client.post(&format!("{}/retry", path(job)), &[], json!({ "name": name })).await?;
                if *watched {
                    return watch(client, out, made["jobId"].as_str().unwrap_or_default()).await;
                }
                out.record(&made);
            }
        }
        Ok(())
    }
}

fn path(job: &str) -> String {
    format!("/jobs/{}", encoded(job))
}

async fn asked(client: &Client, job: &str, verb: &str) -> Done<Value> {
    client.post(&format!("{}/{verb}", path(job)), &[], json!({})).await
}

async fn watch(client: &Client, out: &Output, job: &str) -> Done {
    let shown = follow(client, job).await?;
    out.record(&shown);
    verdict(&shown)
}

/// Follows a job to its end. The server answers when something has changed.
pub(super) async fn follow(client: &Client, job: &str) -> Done<Value> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta} left {msg}") {
        bar.set_style(style);
    }
    let mut shown = client.get(&path(job), &[]).await?;
    bar.set_position(shown["done"].as_u64().unwrap_or_default());
    bar.reset_eta();
    while shown["finishedAt"].is_null() {
        bar.set_length(shown["total"].as_u64().unwrap_or_default());
        bar.set_position(shown["done"].as_u64().unwrap_or_default());
        bar.set_message(beside(&shown));
        let seen = shown["mark"].as_str().map(str::to_owned);
        shown = client.get(&path(job), &[("seen", seen)]).await?;
    }
    bar.finish_and_clear();
    Ok(shown)
}

/// State and failures beside the bar.
fn beside(shown: &Value) -> String {
    let state = shown["state"].as_str().filter(|state| *state != "running").unwrap_or_default();
    let undone = if undone(shown).is_empty() { String::new() } else { undone(shown).join(", ") };
    [state, &undone].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Counts of targets that ended without success, where there are any.
fn undone(shown: &Value) -> Vec<String> {
    let count = |(word, name): &(&str, &str)| {
        shown["counts"][*name].as_u64().filter(|count| *count > 0).map(|count| format!("{count} {word}"))
    };
    UNDONE.iter().filter_map(count).collect()
}

/// A job is good when every target succeeded.
fn verdict(shown: &Value) -> Done {
    if shown["counts"]["succeeded"] == shown["total"] {
        return Ok(());
    }
    let (total, id) = (&shown["total"], shown["jobId"].as_str().unwrap_or_default());
    let mut parts = vec![format!("{} of {total} targets succeeded", shown["counts"]["succeeded"])];
    parts.extend(undone(shown));
    Err(Failure::new(format!("{}: see landfall job failed {id}", parts.join(", "))))
}

/// All targets that ended without success, read page by page.
async fn failed(client: &Client, out: &Output, job: &str) -> Done {
    let shown = client.get(&path(job), &[]).await?;
    let mut all = vec![];
    for (state, _) in UNDONE.into_iter().filter(|(_, count)| shown["counts"][*count] != 0) {
        let mut from = 0;
        loop {
            let query =
                [("state", Some(state.to_owned())), ("from", Some(from.to_string())), ("pageSize", Some(PAGE.to_string()))];
            let mut page = client.get(&format!("{}/targets", path(job)), &query).await?;
            let Some(items) = page["items"].as_array_mut() else { break };
            let Some(last) = items.last().and_then(|item| item["place"].as_u64()) else { break };
            from = last + 1;
            if out.json {
                all.append(items);
            } else {
                emit(&items.iter().map(line).collect::<String>());
            }
        }
    }
    if out.json {
        out.record(&json!({ "total": all.len(), "items": all }));
    }
    Ok(())
}

/// `PLACE STATE DEVICE REASON`
fn line(target: &Value) -> String {
    let text = |name: &str| target[name].as_str().unwrap_or("-").to_owned();
    let line = format!("{} {} {} {}", target["place"], text("state"), text("deviceId"), text("detail"));
    format!("{}\n", printable(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(counts: Value) -> Value {
        json!({ "jobId": "j", "state": "finished", "total": 5, "counts": counts })
    }

    #[test]
    fn a_job_is_good_when_every_target_succeeded() {
        assert_eq!(verdict(&job(json!({ "succeeded": 5, "failed": 0 }))), Ok(()));
        let told = "2 of 5 targets succeeded, 2 failed, 1 timed-out: see landfall job failed j";
        assert_eq!(verdict(&job(json!({ "succeeded": 2, "failed": 2, "timedOut": 1 }))), Err(Failure::new(told)));
    }

    #[test]
    fn the_bar_tells_of_failures_and_states() {
        let shown = job(json!({ "failed": 2, "expired": 1 }));
        assert_eq!(beside(&shown), "finished, 2 failed, 1 expired");
        assert_eq!(beside(&json!({ "state": "running", "counts": {} })), "");
        assert_eq!(beside(&json!({ "state": "paused", "counts": {} })), "paused");
    }

    #[test]
    fn a_target_is_a_line() {
        let target = json!({ "place": 7, "state": "failed", "deviceId": null, "commandId": null, "detail": "a\nb" });
        assert_eq!(line(&target), "7 failed - a\u{fffd}b\n");
    }
}
