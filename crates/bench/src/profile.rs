//! Where the time of a busy process goes: CPU of each thread from proc(5), and the hottest functions where `perf` can be used.

use crate::{Outcome, process};
use std::{
    collections::BTreeMap,
    fmt::Write,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const FREQUENCY: &str = "499";
const FUNCTIONS: usize = 40;

/// Profiles `pid` while `load` runs for about `time`, and tells it as Markdown.
pub fn take(pid: u32, dir: &Path, time: Duration, load: impl FnOnce() -> Outcome<()>) -> Outcome<String> {
    let before = by_name(pid)?;
    let data = dir.join("perf.data");
    let seconds = time.as_secs_f64().to_string();
    let recording = Command::new("perf")
        .args(["record", "-q", "-F", FREQUENCY, "-g", "-p", &pid.to_string(), "-o"])
        .arg(&data)
        .args(["--", "sleep", &seconds])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    load()?;
    let after = by_name(pid)?;
    let mut text = threads(&before, &after)?;
    match recording {
        Err(error) => writeln!(text, "\n`perf` cannot be used ({error}), so the functions are not known.")?,
        Ok(mut recording) => {
            recording.wait()?;
            text.push_str(&functions(&data));
        }
    }
    Ok(text)
}

type Use = BTreeMap<String, (u64, u64, usize)>;

/// User and kernel ticks and the number of threads of each name; digits at the end of a name do not count.
fn by_name(pid: u32) -> Outcome<Use> {
    let mut all = Use::new();
    for thread in process::threads(pid)? {
        let name = thread.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
        let entry = all.entry(name.to_owned()).or_default();
        *entry = (entry.0 + thread.ticks.user, entry.1 + thread.ticks.system, entry.2 + 1);
    }
    Ok(all)
}

fn threads(before: &Use, after: &Use) -> Outcome<String> {
    let per_s = process::ticks_per_s()?;
    let mut rows: Vec<(f64, f64, String)> = Vec::new();
    for (name, (user, system, count)) in after {
        let (user_before, system_before, _) = before.get(name).copied().unwrap_or_default();
        let user = user.saturating_sub(user_before) as f64 / per_s;
        let system = system.saturating_sub(system_before) as f64 / per_s;
        rows.push((user, system, format!("{name} ({count})")));
    }
    rows.sort_by(|a, b| (b.0 + b.1).total_cmp(&(a.0 + a.1)));
    let mut text = String::from(
        "CPU of the server's threads during one more flood of publishes (threads of a name together, their number in brackets):\n\n\
         | threads | user s | kernel s |\n|---|---|---|\n",
    );
    for (user, system, name) in rows {
        writeln!(text, "| {name} | {user:.2} | {system:.2} |")?;
    }
    Ok(text)
}

fn functions(data: &Path) -> String {
    let path = data.display().to_string();
    let common = ["report", "-i", &path, "--stdio", "-g", "none", "--percent-limit", "0.5"];
    let report = |more: &[&str]| {
        let arguments: Vec<&str> = common.iter().chain(more).copied().collect();
        process::output("perf", &arguments).map(|text| {
            let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).map(str::trim_end);
            lines.take(FUNCTIONS).collect::<Vec<_>>().join("\n")
        })
    };
    let own = report(&["--no-children", "--sort", "symbol"]);
    let with_callees = report(&["--children", "--sort", "symbol"]);
    match (own, with_callees) {
        (Ok(own), Ok(all)) => {
            format!("\nShare of samples by function, itself:\n\n```\n{own}\n```\n\nWith what it calls:\n\n```\n{all}\n```\n")
        }
        (Err(error), _) | (_, Err(error)) => format!("\n`perf` gave no report ({error}), so the functions are not known.\n"),
    }
}
