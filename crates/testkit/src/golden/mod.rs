//! Golden files: requests and the exact answers to them, as text that a person can read and a tool can rewrite.
//!
//! ```text
//! # A comment. Several exchanges follow each other in one file and share what they capture.
//! >>> POST /iocm/app/sec/v1.1.0/login
//! Content-Type: application/x-www-form-urlencoded
//!
//! appId={{app}}&secret={{secret}}
//! <<< 200
//! Content-Type: application/json
//!
//! {"accessToken":"{{access:token}}","expiresIn":3600}
//! ```
//!
//! Of the answer's headers only those the file names are compared; status and body are compared wholly. `{{name:kind}}`
//! captures what `kind` allows the first time and must be the same text ever after; see [`Kind`].
//! `UPDATE_GOLDEN=1` rewrites files from what was really answered; an exchange without `<<<` is recorded.
//! Absent: sockets (the caller sends) and bodies that are no text or end in a line end.

mod file;
mod template;

use std::path::Path;

pub use file::{Request, Response};
pub use template::{Bindings, Kind};

use file::{Exchange, File};

/// Plays the file at `path` through `send`, or rewrites it when `UPDATE_GOLDEN=1`.
///
/// # Errors
/// All mismatches with file and line, or what is wrong with the file.
pub fn run_file(path: &Path, bindings: &mut Bindings, send: impl FnMut(Request) -> Response) -> Result<(), String> {
    let at = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("{at}: {e}"))?;
    let played = play(&text, bindings, send).map_err(|e| format!("{at}:{e}"))?;
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|v| v == "1") {
        return if played.text == text { Ok(()) } else { std::fs::write(path, played.text).map_err(|e| format!("{at}: {e}")) };
    }
    if played.mismatches.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = played.mismatches.iter().map(|m| format!("{at}:{m}")).collect();
    Err(format!("{}\nUPDATE_GOLDEN=1 rewrites the file", list.join("\n")))
}

/// Every `*.http` file directly in `dir`, sorted by name.
///
/// # Errors
/// When the directory cannot be read or holds no such file: a golden test that finds nothing must not pass.
pub fn files(dir: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let entries = std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut paths: Vec<_> =
        entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.extension().is_some_and(|x| x == "http")).collect();
    paths.sort();
    if paths.is_empty() { Err(format!("{}: no *.http file", dir.display())) } else { Ok(paths) }
}

/// What came of playing a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Played {
    /// The file as it should be for these answers; the same text when everything matched.
    pub text: String,
    /// `line: METHOD path: what differs`, one for each part that differs.
    pub mismatches: Vec<String>,
}

/// Plays the exchanges in `text` through `send`, in order.
///
/// # Errors
/// `line: what is wrong` when the text is no golden file, or a request names something that is not bound.
pub fn play(text: &str, bindings: &mut Bindings, mut send: impl FnMut(Request) -> Response) -> Result<Played, String> {
    let mut file = File::parse(text)?;
    let mut mismatches = Vec::new();
    for exchange in &mut file.exchanges {
        let heading = format!("{}: {}", exchange.line, exchange.target);
        let request = match exchange.request(bindings) {
            Ok(request) => request,
            Err(why) if mismatches.is_empty() => return Err(format!("{}: {why}", exchange.line)),
            // What could not be captured above explains this one; the first mismatch must stay the news.
            Err(why) => {
                mismatches.push(format!("{heading}: cannot be sent: {why}"));
                break;
            }
        };
        let differences = judge(exchange, &send(request), bindings);
        mismatches.extend(differences.into_iter().map(|d| format!("{heading}: {d}")));
    }
    let text = if mismatches.is_empty() { text.to_owned() } else { file.render() };
    Ok(Played { text, mismatches })
}

/// Compares, and changes the exchange to what was answered wherever it differs.
fn judge(exchange: &mut Exchange, response: &Response, bindings: &mut Bindings) -> Vec<String> {
    let mut differences = Vec::new();
    let Some(answer) = &mut exchange.answer else {
        exchange.answer = Some(file::Answer::record(response, bindings));
        return vec!["has no answer yet".to_owned()];
    };
    if answer.status != response.status {
        differences.push(format!("status {}, not {}", response.status, answer.status));
        answer.status = response.status;
    }
    for (name, wanted) in &mut answer.headers {
        let given = response.header(name).unwrap_or_default();
        if let Err(why) = bindings.check(wanted, given) {
            differences.push(format!("header {name}: {why}"));
            *wanted = bindings.generalise(wanted, given);
        }
    }
    let given = String::from_utf8_lossy(&response.body).into_owned();
    if let Err(why) = bindings.check(&answer.body, &given) {
        differences.push(format!("body: {why}"));
        answer.body = bindings.generalise(&answer.body, &given);
    }
    differences
}

#[cfg(test)]
mod tests;
