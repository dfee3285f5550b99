//! `landfall codec`.

use super::{
    Done, Failure,
    client::Client,
    device,
    output::{Columns, Output, emit},
    product::{named, path},
    read_file,
};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::path::PathBuf;

const COLUMNS: Columns<'_> = &[("VERSION", "/version"), ("BYTES", "/bytes"), ("SAMPLES", "/samples"), ("CREATED", "/createdAt")];
const TRIALS: Columns<'_> =
    &[("FRAME", "/hex"), ("OK", "/ok"), ("RESULT", "/result"), ("ACKNOWLEDGEMENT", "/acknowledgement"), ("ERROR", "/error")];
const COMMANDS: Columns<'_> = &[("COMMAND", "/command"), ("OK", "/ok"), ("FRAME", "/hex"), ("ERROR", "/error")];

/// What to do with codecs.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Take a new codec version once its sample frames work
    Upload {
        /// Product, by id or name
        product: String,
        /// JavaScript
        file: PathBuf,
        #[command(flatten)]
        samples: Samples,
    },
    /// Run a codec on frames and commands without keeping anything; fails if one of them does
    Try {
        /// Product, by id or name
        product: String,
        /// JavaScript; without it the codec in force
        file: Option<PathBuf>,
        #[command(flatten)]
        samples: Samples,
        /// A command to encode, {"serviceId": ..., "cmd": ..., "paras": {...}, "mid": 1}; may be repeated
        #[arg(long = "command", value_name = "JSON")]
        commands: Vec<String>,
    },
    /// List codec versions
    List {
        /// Product, by id or name
        product: String,
        #[command(flatten)]
        paging: super::client::Paging,
    },
    /// Print the source of a codec version
    Show {
        /// Product, by id or name
        product: String,
        /// Version
        version: u32,
    },
    /// Decode history again with the codec in force: frames that it reads now, or reads otherwise, change history and newest values
    Redecode(Redecode),
}

/// Which history, and how.
#[derive(Args, Debug)]
pub struct Redecode {
    /// Product, by id or name
    product: String,
    /// Of this device alone, by id or node
    #[arg(long)]
    device: Option<String>,
    /// Frames received at this time or later, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Frames received at this time or earlier
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only count what would change
    #[arg(long)]
    dry_run: bool,
}

impl Redecode {
    /// Asks for page after page; one that was done stays done when a later one fails.
    async fn run(&self, client: &Client, out: &Output) -> Done {
        let product = named(client, &self.product).await?;
        let device = match &self.device {
            Some(device) => Some(device::id(client, device).await?),
            None => None,
        };
        let bar = ProgressBar::new(self.devices(client, &product).await?);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} devices {msg} {elapsed}") {
            bar.set_style(style);
        }
        let path = format!("/products/{product}/codecs/redecode");
        let query = [("dryRun", self.dry_run.then(|| "true".to_owned()))];
        let mut body = json!({ "device": device, "from": self.from, "to": self.to });
        let mut sum = Sum::default();
        loop {
            let page = client.post(&path, &query, body.clone()).await?;
            sum.add(&page);
            bar.set_position(sum.devices);
            bar.set_message(format!("{} frames", sum.frames));
            if page["next"].is_null() {
                break;
            }
            body["after"] = page["next"].clone();
        }
        bar.finish_and_clear();
        let Sum { devices, frames, changed, failed, first_failure } = &sum;
        let record = json!({
            "dryRun": self.dry_run, "devices": devices, "frames": frames, "changed": changed, "failed": failed,
            "firstFailure": first_failure,
        });
        out.done(&sum.sentence(self.dry_run), &record);
        Ok(())
    }

    async fn devices(&self, client: &Client, product: &str) -> Done<u64> {
        if self.device.is_some() {
            return Ok(1);
        }
        let query = [("product", Some(product.to_owned())), ("pageSize", Some("1".to_owned()))];
        Ok(client.get("/devices", &query).await?["total"].as_u64().unwrap_or_default())
    }
}

/// All pages together.
#[derive(Default)]
struct Sum {
    devices: u64,
    frames: u64,
    changed: u64,
    failed: u64,
    first_failure: Value,
}

impl Sum {
    fn add(&mut self, page: &Value) {
        let number = |name: &str| page[name].as_u64().unwrap_or_default();
        self.devices += number("devices");
        self.frames += number("frames");
        self.changed += number("changed");
        self.failed += number("failed");
        if self.first_failure.is_null() {
            self.first_failure = page["firstFailure"].clone();
        }
    }

    fn sentence(&self, dry_run: bool) -> String {
        let changed = if dry_run { "would change" } else { "changed" };
        let text =
            format!("{} frames of {} devices: {} {changed}, {} failed", self.frames, self.devices, self.changed, self.failed);
        match self.first_failure["error"].as_str() {
            None => text,
            Some(error) => {
                let word = |name: &str| self.first_failure[name].as_str().unwrap_or_default();
                format!("{text}; the first, of device {} at {}: {error}", word("deviceId"), word("receivedAt"))
            }
        }
    }
}

/// Frames to run a codec on.
#[derive(Args, Debug)]
pub struct Samples {
    /// A frame in hex, with =JSON after it for the expected result; may be repeated
    #[arg(long = "sample", value_name = "HEX[=JSON]")]
    given: Vec<String>,
    /// A JSON file: [{"hex": ..., "expected": ...}]
    #[arg(long = "samples", value_name = "FILE")]
    samples_file: Option<PathBuf>,
}

impl Samples {
    fn json(&self) -> Done<Vec<Value>> {
        let mut all = match &self.samples_file {
            None => vec![],
            Some(file) => serde_json::from_slice(&read_file(file)?)
                .map_err(|error| Failure::new(format!("{} is no list of samples: {error}", file.display())))?,
        };
        for text in &self.given {
            all.push(sample(text)?);
        }
        Ok(all)
    }
}

fn command(text: &str) -> Done<Value> {
    serde_json::from_str(text).map_err(|error| Failure::new(format!("the command {text} is no JSON: {error}")))
}

fn sample(text: &str) -> Done<Value> {
    let Some((hex, expected)) = text.split_once('=') else { return Ok(json!({ "hex": text })) };
    let expected: Value = serde_json::from_str(expected)
        .map_err(|error| Failure::new(format!("the result expected of {hex} is no JSON: {error}")))?;
    Ok(json!({ "hex": hex, "expected": expected }))
}

impl Action {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        match self {
            Self::Redecode(redecode) => redecode.run(client, out).await?,
            Self::Upload { product, file, samples } => {
                let body = json!({ "source": source(file)?, "samples": samples.json()? });
                let path = format!("{}/codecs", path(client, product).await?);
                let made = client.post(&path, &[], body).await?;
                out.done(&format!("codec version {} is in force", made["version"]), &made);
            }
            Self::Try { product, file, samples, commands } => {
                let commands = commands.iter().map(|text| command(text)).collect::<Done<Vec<Value>>>()?;
                let mut body = json!({ "samples": samples.json()?, "commands": commands });
                if let Some(file) = file {
                    body["source"] = source(file)?.into();
                }
                let path = format!("{}/codecs", path(client, product).await?);
                let tried = client.post(&path, &[("dryRun", Some("true".into()))], body).await?;
                return told(out, &tried);
            }
            Self::List { product, paging } => {
                let path = format!("{}/codecs", path(client, product).await?);
                let mut page = client.get(&path, &paging.query()).await?;
                if !out.json {
                    for codec in page["items"].as_array_mut().into_iter().flatten() {
                        codec["samples"] = codec["samples"].as_array().map_or(0, Vec::len).into();
                    }
                }
                out.list(&page, COLUMNS);
            }
            Self::Show { product, version } => {
                let shown = client.get(&format!("{}/codecs/{version}", path(client, product).await?), &[]).await?;
                if out.json {
                    out.record(&shown);
                } else {
                    emit(shown["source"].as_str().unwrap_or_default());
                }
            }
        }
        Ok(())
    }
}

fn source(file: &std::path::Path) -> Done<String> {
    String::from_utf8(read_file(file)?).map_err(|_| Failure::new(format!("{} is no text", file.display())))
}

fn told(out: &Output, tried: &Value) -> Done {
    let rows = |name: &str| tried[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let (trials, commands) = (rows("trials"), rows("commands"));
    if out.json {
        out.record(tried);
    } else {
        for (rows, columns) in [(trials, TRIALS), (commands, COMMANDS)] {
            if !rows.is_empty() {
                out.rows(rows, columns);
            }
        }
    }
    let failed = |rows: &[Value]| rows.iter().filter(|trial| trial["ok"] != true).count();
    match (failed(trials), failed(commands)) {
        (0, 0) => Ok(()),
        (bad, 0) => Err(Failure::new(format!("CodecFailed: {bad} of {} frames failed", trials.len()))),
        (0, bad) => Err(Failure::new(format!("CodecFailed: {bad} of {} commands failed", commands.len()))),
        (frames, bad) => Err(Failure::new(format!("CodecFailed: {frames} frames and {bad} commands failed"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_add_up_to_one_sentence() {
        let mut sum = Sum::default();
        sum.add(&json!({ "devices": 1, "frames": 10, "changed": 2, "failed": 0, "firstFailure": null, "next": "x" }));
        assert_eq!(sum.sentence(true), "10 frames of 1 devices: 2 would change, 0 failed");
        for error in ["first", "second"] {
            let failure = json!({ "deviceId": "d", "receivedAt": "t", "error": error });
            sum.add(&json!({ "devices": 2, "frames": 5, "changed": 1, "failed": 1, "firstFailure": failure, "next": null }));
        }
        assert_eq!(sum.sentence(false), "20 frames of 5 devices: 4 changed, 2 failed; the first, of device d at t: first");
    }

    #[test]
    fn samples_are_hex_with_an_expectation() {
        assert_eq!(sample("00ff"), Ok(json!({ "hex": "00ff" })));
        assert_eq!(sample(r#"00ff={"a":"b=c"}"#), Ok(json!({ "hex": "00ff", "expected": { "a": "b=c" } })));
        assert!(sample("00ff=nonsense").is_err());
    }
}
