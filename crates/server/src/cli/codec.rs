//! `landfall codec`.

use super::{
    Done, Failure,
    client::Client,
    output::{Columns, Output, emit},
    product::path,
    read_file,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

const COLUMNS: Columns<'_> = &[("VERSION", "/version"), ("BYTES", "/bytes"), ("SAMPLES", "/samples"), ("CREATED", "/createdAt")];
const TRIALS: Columns<'_> = &[("FRAME", "/hex"), ("OK", "/ok"), ("RESULT", "/result"), ("ERROR", "/error")];

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
    /// Run a codec on frames without keeping anything; fails if a frame does
    Try {
        /// Product, by id or name
        product: String,
        /// JavaScript; without it the codec in force
        file: Option<PathBuf>,
        #[command(flatten)]
        samples: Samples,
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

fn sample(text: &str) -> Done<Value> {
    let Some((hex, expected)) = text.split_once('=') else { return Ok(json!({ "hex": text })) };
    let expected: Value = serde_json::from_str(expected)
        .map_err(|error| Failure::new(format!("the result expected of {hex} is no JSON: {error}")))?;
    Ok(json!({ "hex": hex, "expected": expected }))
}

impl Action {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        match self {
            Self::Upload { product, file, samples } => {
                let body = json!({ "source": source(file)?, "samples": samples.json()? });
                let path = format!("{}/codecs", path(client, product).await?);
                let made = client.post(&path, &[], body).await?;
                out.done(&format!("codec version {} is in force", made["version"]), &made);
            }
            Self::Try { product, file, samples } => {
                let mut body = json!({ "samples": samples.json()? });
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
    let trials = tried["trials"].as_array().map(Vec::as_slice).unwrap_or_default();
    if out.json {
        out.record(tried);
    } else {
        out.rows(trials, TRIALS);
    }
    match trials.iter().filter(|trial| trial["ok"] != true).count() {
        0 => Ok(()),
        bad => Err(Failure::new(format!("CodecFailed: {bad} of {} frames failed", trials.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_hex_with_an_expectation() {
        assert_eq!(sample("00ff"), Ok(json!({ "hex": "00ff" })));
        assert_eq!(sample(r#"00ff={"a":"b=c"}"#), Ok(json!({ "hex": "00ff", "expected": { "a": "b=c" } })));
        assert!(sample("00ff=nonsense").is_err());
    }
}
