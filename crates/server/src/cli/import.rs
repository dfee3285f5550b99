//! `landfall device import`: devices from a file of any length, which the server takes while it is read. Good rows are registered in the
//! background; the others go to a file that can be imported again.

use super::{
    Done, Failure,
    client::{Client, Payload, encoded},
    job::follow,
    output::{Columns, Output, printable},
};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::{
    io::Read,
    path::{Path, PathBuf},
};

const ERRORS_SHOWN: usize = 20;
const FAILED: Columns<'_> = &[("ROW", "/row"), ("ERROR", "/detail")];

/// Which file, and how.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Import {
    /// CSV with a header (nodeId, app, access, product, secret, verifyCode, psk, pskIdentity, timeoutSeconds, isSecure, tag:NAME, and name,
    /// location and the other fields of a device's info), or what POST /devices takes, as a JSON array or one a line
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// Application for rows that name none, by id or name
    #[arg(long)]
    app: Option<String>,
    /// Only check
    #[arg(long)]
    dry_run: bool,
    /// Register all rows, or none when one is bad
    #[arg(long)]
    all_or_nothing: bool,
    /// Where failed rows go, with their numbers and errors; default: FILE.failed.csv
    #[arg(long, value_name = "FILE")]
    failed: Option<PathBuf>,
    #[command(subcommand)]
    undo: Option<Undo>,
}

/// What becomes of an import.
#[derive(Debug, Subcommand)]
enum Undo {
    /// Delete what an import made and nobody used since
    Undo {
        /// jobId of the import
        job: String,
    },
}

impl Import {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        match (&self.undo, &self.file) {
            (Some(Undo::Undo { job }), _) => undo(client, out, job).await,
            (None, Some(file)) => self.import(client, out, file).await,
            (None, None) => Err(Failure::new("name a file")),
        }
    }

    async fn import(&self, client: &Client, out: &Output, file: &Path) -> Done {
        let text = |flag: bool, word: &str| flag.then(|| word.to_owned());
        let query = [
            ("app", self.app.clone()),
            ("dryRun", text(self.dry_run, "true")),
            ("mode", text(self.all_or_nothing, "allOrNothing")),
        ];
        let payload = Payload::File(media(file)?, file.to_owned());
        let job = client.call(Method::POST, "/imports", &query, payload).await?;
        let id = job["jobId"].as_str().unwrap_or_default().to_owned();
        let over = follow(client, &id).await?;
        let count = |name: &str| over["counts"][name].as_u64().unwrap_or_default();
        let (good, failed) = (count("succeeded"), count("failed"));
        let path = self.failed.clone().unwrap_or_else(|| failed_path(file));
        if failed > 0 {
            client.download(&format!("/imports/{}/failed", encoded(&id)), &path).await?;
        }
        if out.json {
            let failed_file = (failed > 0).then(|| path.display().to_string());
            out.record(
                &json!({ "dryRun": self.dry_run, "good": good, "failed": failed, "failedFile": failed_file, "job": over }),
            );
        } else if failed > 0 {
            tell(client, out, &id, failed).await?;
        }
        let done = if self.dry_run { "are good" } else { "registered" };
        match over["total"] == good {
            true if out.json => Ok(()),
            true => {
                out.done(&format!("{good} devices {done} (job {id})"), &Value::Null);
                Ok(())
            }
            false if failed > 0 => {
                Err(Failure::new(format!("{good} devices {done}, {failed} failed: see {} (job {id})", path.display())))
            }
            false => {
                let reason = over["reason"].as_str().unwrap_or("the job was stopped");
                Err(Failure::new(format!("{good} devices {done}: {} (job {id})", printable(reason))))
            }
        }
    }
}

/// The first of the rows that failed.
async fn tell(client: &Client, out: &Output, job: &str, failed: u64) -> Done {
    let query = [("state", Some("failed".to_owned())), ("pageSize", Some(ERRORS_SHOWN.to_string()))];
    let mut page = client.get(&format!("/jobs/{}/targets", encoded(job)), &query).await?;
    let Some(items) = page["items"].as_array_mut() else { return Ok(()) };
    for item in items.iter_mut() {
        item["row"] = item["place"].as_u64().map(|place| place + 1).into();
    }
    out.rows(items, FAILED);
    if failed > ERRORS_SHOWN as u64 {
        eprintln!("... and {} more", failed - ERRORS_SHOWN as u64);
    }
    Ok(())
}

async fn undo(client: &Client, out: &Output, job: &str) -> Done {
    let made = client.post(&format!("/imports/{}/undo", encoded(job)), &[], json!({})).await?;
    let over = follow(client, made["jobId"].as_str().unwrap_or_default()).await?;
    out.record(&over);
    match over["counts"]["failed"].as_u64() {
        Some(0) => Ok(()),
        _ => {
            let id = over["jobId"].as_str().unwrap_or_default();
            Err(Failure::new(format!("{} devices stay: see landfall job failed {id}", over["counts"]["failed"])))
        }
    }
}

/// By the first character that says it.
fn media(file: &Path) -> Done<&'static str> {
    let mut start = [0; 1_024];
    let read = std::fs::File::open(file).and_then(|mut file| file.read(&mut start));
    let read = read.map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))?;
    let text = start[..read].strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start[..read]).trim_ascii_start();
    Ok(match text.first() {
        Some(b'[') => "application/json",
        Some(b'{') => "application/x-ndjson",
        _ => "text/csv",
    })
}

fn failed_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".failed.csv");
    name.into()
}
