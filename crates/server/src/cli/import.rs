//! `landfall device import`: many devices from a file. Good rows are registered; the others go to a file that can be imported again.

use super::{
    Done, Failure,
    client::Client,
    csv,
    output::{Columns, Output},
    read_file, write_private,
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Rows of one request: the server takes 1,000 and 4 MiB.
const ROWS_AT_ONCE: usize = 500;
/// Columns of a CSV file that are no descriptive field.
const TOP: [&str; 9] = ["nodeId", "app", "access", "product", "secret", "verifyCode", "psk", "pskIdentity", "isSecure"];
/// The column of a failed row that says why; ignored when the file is imported again.
const ERROR: &str = "error";
const ERRORS_SHOWN: usize = 20;
const FAILED: Columns<'_> = &[("ROW", "/row"), ("NODE", "/nodeId"), ("CAUSE", "/error/cause"), ("DETAIL", "/error/detail")];

/// Which file, and how.
#[derive(Args, Debug)]
pub struct Import {
    /// CSV with a header (nodeId, app, access, product, secret, verifyCode, psk, pskIdentity, timeoutSeconds, isSecure, tag:NAME, and name,
    /// location and the other fields of a device's info), or a JSON array of what POST /devices takes
    file: PathBuf,
    /// Application for rows that name none, by id or name
    #[arg(long)]
    app: Option<String>,
    /// Only check
    #[arg(long)]
    dry_run: bool,
    /// Where failed rows go; default: FILE.failed.csv or .json
    #[arg(long, value_name = "FILE")]
    failed: Option<PathBuf>,
}

impl Import {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        let source = Source::read(&self.file)?;
        let rows = source.rows()?;
        let results = self.send(client, &rows).await;
        let failed: Vec<(usize, &Value)> =
            results.iter().enumerate().filter(|(_, result)| result.get("error").is_some()).collect();
        let path = self.failed.clone().unwrap_or_else(|| source.failed_path(&self.file));
        // Failed rows may hold secrets.
        if !failed.is_empty() {
            write_private(&path, &source.failed(&failed))?;
        }
        let good = results.len() - failed.len();
        let summary = json!({
            "dryRun": self.dry_run,
            "good": good,
            "failed": failed.len(),
            "failedFile": (!failed.is_empty()).then(|| path.display().to_string()),
            "results": results,
        });
        if out.json {
            out.record(&summary);
        } else {
            tell(out, &failed);
        }
        let done = if self.dry_run { "are good" } else { "registered" };
        if failed.is_empty() {
            if !out.json {
                out.done(&format!("{good} devices {done}"), &Value::Null);
            }
            return Ok(());
        }
        Err(Failure::new(format!("{good} devices {done}, {} failed: see {}", failed.len(), path.display())))
    }

    /// The result of every row. When the server can no longer be reached, the rest fails with that.
    async fn send(&self, client: &Client, rows: &[Value]) -> Vec<Value> {
        let bar = ProgressBar::new(rows.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}") {
            bar.set_style(style);
        }
        let query = [("app", self.app.clone()), ("dryRun", self.dry_run.then(|| "true".to_owned()))];
        let mut results: Vec<Value> = Vec::with_capacity(rows.len());
        for chunk in rows.chunks(ROWS_AT_ONCE) {
            match client.post("/devices/bulk", &query, json!(chunk)).await {
                Ok(answer) => {
                    let some = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
                    results.extend(some.iter().take(chunk.len()).cloned());
                }
                Err(failure) => {
                    let detail = json!({ "error": { "cause": "NotSent", "detail": failure.to_string() } });
                    results.extend(std::iter::repeat_n(detail, rows.len() - results.len()));
                    break;
                }
            }
            bar.set_position(results.len() as u64);
        }
        bar.finish_and_clear();
        let lost = json!({ "error": { "cause": "NotSent", "detail": "the server gave no result for this row" } });
        results.resize(rows.len(), lost);
        results
    }
}

fn tell(out: &Output, failed: &[(usize, &Value)]) {
    if failed.is_empty() {
        return;
    }
    let row = |(n, result): &(usize, &Value)| {
        let mut shown = (*result).clone();
        shown["row"] = (n + 1).into();
        shown
    };
    out.rows(&failed.iter().take(ERRORS_SHOWN).map(row).collect::<Vec<_>>(), FAILED);
    if failed.len() > ERRORS_SHOWN {
        eprintln!("... and {} more", failed.len() - ERRORS_SHOWN);
    }
}

/// The file as it was read, so that failed rows can be written back as they were.
enum Source {
    Csv { header: Vec<String>, rows: Vec<Vec<String>> },
    Json(Vec<Value>),
}

impl Source {
    fn read(file: &Path) -> Done<Self> {
        let wrong = |what: String| Failure::new(format!("{}: {what}", file.display()));
        let text = String::from_utf8(read_file(file)?).map_err(|_| wrong("is no UTF-8 text".into()))?;
        let source = if text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with('[') {
            Self::Json(serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| wrong(error.to_string()))?)
        } else {
            Self::csv(&text).map_err(|failure| wrong(failure.0))?
        };
        match &source {
            Self::Csv { rows, .. } if rows.is_empty() => Err(wrong("holds no devices".into())),
            Self::Json(rows) if rows.is_empty() => Err(wrong("holds no devices".into())),
            _ => Ok(source),
        }
    }

    fn csv(text: &str) -> Done<Self> {
        let mut rows = csv::read(text)?;
        if rows.is_empty() {
            return Err(Failure::new("holds no header"));
        }
        let header: Vec<String> = rows.remove(0).iter().map(|name| name.trim().to_owned()).collect();
        if !header.iter().any(|name| name == "nodeId") {
            return Err(Failure::new("the header names no column nodeId"));
        }
        if let Some(n) = rows.iter().position(|row| row.len() > header.len()) {
            return Err(Failure::new(format!("row {} has more cells than the header", n + 1)));
        }
        Ok(Self::Csv { header, rows })
    }

    /// What the server takes.
    fn rows(&self) -> Done<Vec<Value>> {
        match self {
            Self::Json(rows) => Ok(rows.iter().cloned().map(without_error).collect()),
            Self::Csv { header, rows } => {
                let read = |(n, row): (usize, &Vec<String>)| {
                    device(header, row).map_err(|what| Failure::new(format!("row {}: {what}", n + 1)))
                };
                rows.iter().enumerate().map(read).collect()
            }
        }
    }

    fn failed_path(&self, file: &Path) -> PathBuf {
        let ending = if matches!(self, Self::Csv { .. }) { ".failed.csv" } else { ".failed.json" };
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        name.into()
    }

    /// The failed rows as they were, each with its error.
    fn failed(&self, failed: &[(usize, &Value)]) -> String {
        match self {
            Self::Json(rows) => {
                let row = |(n, result): &(usize, &Value)| {
                    let mut row = rows[*n].clone();
                    if let Some(fields) = row.as_object_mut() {
                        fields.insert(ERROR.into(), result["error"].clone());
                    }
                    row
                };
                let rows: Vec<Value> = failed.iter().map(row).collect();
                format!("{:#}\n", json!(rows))
            }
            Self::Csv { header, rows } => {
                let keep: Vec<usize> = (0..header.len()).filter(|n| header[*n] != ERROR).collect();
                let kept = |row: &[String], last: String| -> Vec<String> {
                    let cells = keep.iter().map(|n| row.get(*n).cloned().unwrap_or_default());
                    cells.chain([last]).collect()
                };
                let mut written = vec![kept(header, ERROR.into())];
                written.extend(failed.iter().map(|(n, result)| kept(&rows[*n], explained(&result["error"]))));
                csv::write(&written)
            }
        }
    }
}

fn explained(error: &Value) -> String {
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    [text("cause"), text("path"), text("detail")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

fn without_error(mut row: Value) -> Value {
    if let Some(fields) = row.as_object_mut() {
        fields.remove(ERROR);
    }
    row
}

/// A row of CSV as a device; empty cells are absent.
fn device(header: &[String], row: &[String]) -> Result<Value, String> {
    let (mut device, mut info, mut tags) = (Map::new(), Map::new(), vec![]);
    for (name, cell) in header.iter().zip(row).filter(|(name, cell)| !cell.is_empty() && *name != ERROR) {
        match name.as_str() {
            "isSecure" => {
                let flag: bool = cell.parse().map_err(|_| "isSecure must be true or false")?;
                device.insert(name.clone(), flag.into());
            }
            "timeoutSeconds" => {
                let seconds: u32 = cell.parse().map_err(|_| "timeoutSeconds must be a number")?;
                device.insert(name.clone(), seconds.into());
            }
            top if TOP.contains(&top) => {
                device.insert(name.clone(), cell.as_str().into());
            }
            other => match other.strip_prefix("tag:") {
                Some(tag) => tags.push(json!({ "name": tag, "value": cell })),
                None => {
                    info.insert(name.clone(), cell.as_str().into());
                }
            },
        }
    }
    device.insert("info".into(), info.into());
    device.insert("tags".into(), tags.into());
    Ok(device.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "nodeId,name,isSecure,timeoutSeconds,tag:floor\nn1,\"a, b\",true,60,3\nn2,,,,\n";

    #[test]
    fn rows_of_csv_become_devices() {
        let rows = Source::csv(TABLE).unwrap().rows().unwrap();
        let first = json!({ "nodeId": "n1", "isSecure": true, "timeoutSeconds": 60, "info": { "name": "a, b" }, "tags": [{ "name": "floor", "value": "3" }] });
        assert_eq!(rows, [first, json!({ "nodeId": "n2", "info": {}, "tags": [] })]);
    }

    #[test]
    fn wrong_tables_are_refused() {
        assert!(Source::csv("name\nx\n").is_err());
        assert!(Source::csv("nodeId\nx,y\n").is_err());
        let odd = Source::csv("nodeId,isSecure\nx,maybe\n").unwrap().rows();
        assert_eq!(odd, Err(Failure::new("row 1: isSecure must be true or false")));
    }

    #[test]
    fn failed_rows_can_be_imported_again() {
        let error = json!({ "error": { "cause": "NodeIdTaken", "path": "nodeId", "detail": "another, older one" } });
        let table = Source::csv(TABLE).unwrap();
        let written = table.failed(&[(0, &error)]);
        let again = Source::csv(&written).unwrap();
        assert_eq!(again.rows().unwrap()[0], table.rows().unwrap()[0]);
        assert!(written.contains("NodeIdTaken: nodeId: another, older one"));
        assert_eq!(again.failed(&[(0, &error)]), written);
        let list = Source::Json(vec![json!({ "nodeId": "n1" })]);
        let again = Source::Json(serde_json::from_str(&list.failed(&[(0, &error)])).unwrap());
        assert_eq!(again.rows(), list.rows());
    }
}
