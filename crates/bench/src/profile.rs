//! Where the time or the memory of a process goes: CPU of each thread from proc(5), and functions where `perf` can be used.
//!
//! Absent: what an allocation is for. Memory is told by the code that touched a page for the first time.

use crate::{Outcome, clock, process};
use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const LINES: usize = 40;
/// For `perf` to attach.
const ATTACH: Duration = Duration::from_millis(500);
/// Seconds for one report.
const REPORT_S: &str = "90";
/// Functions that say what a share is for, among all those that call others.
const TELLING: [&str; 11] = [
    "landfall_",
    "sqlite3_step",
    "malloc",
    "realloc",
    "cfree",
    "fdatasync",
    "send",
    "recv",
    "epoll_wait",
    "rustls::",
    "serde_json::de",
];

/// What is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampled {
    /// CPU time.
    Cpu,
    /// Every page that is touched for the first time.
    Pages,
}

impl Sampled {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Cpu => &["-F", "199"],
            Self::Pages => &["-e", "page-faults", "-c", "1"],
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Cpu => "samples",
            Self::Pages => "first touches of pages",
        }
    }
}

/// Profiles `pid` while `load` runs, and tells it as Markdown.
pub fn take(what: Sampled, pid: u32, dir: &Path, load: impl FnOnce() -> Outcome<()>) -> Outcome<String> {
    let begun = Begun::now(what, pid, dir)?;
    load()?;
    begun.end()
}

/// A profile that is being taken.
pub struct Begun {
    what: Sampled,
    pid: u32,
    data: PathBuf,
    recording: Outcome<Child>,
    before: Use,
}

impl Begun {
    /// Begins one of `pid`; its files go to `dir`.
    pub fn now(what: Sampled, pid: u32, dir: &Path) -> Outcome<Self> {
        let data = dir.join("perf.data");
        let recording = record(what, pid, &data);
        Ok(Self { what, pid, data, recording, before: by_name(pid)? })
    }

    /// Ends it and tells it as Markdown.
    pub fn end(self) -> Outcome<String> {
        let after = by_name(self.pid)?;
        let mut text = if self.what == Sampled::Cpu { threads(&self.before, &after)? } else { String::new() };
        match self.recording {
            Err(error) => writeln!(text, "\n`perf` cannot be used ({error}), so the functions are not known.")?,
            Ok(mut recording) => {
                process::output("kill", &["-INT", &recording.id().to_string()])?;
                recording.wait()?;
                text.push_str(&functions(self.what, &self.data));
            }
        }
        Ok(text)
    }
}

fn record(what: Sampled, pid: u32, data: &Path) -> Outcome<Child> {
    let mut command = Command::new("perf");
    command
        .args(["record", "-q"])
        .args(what.arguments())
        .args(["--call-graph", "dwarf,16384", "-p", &pid.to_string(), "-o"])
        .arg(data);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    clock::pause(ATTACH);
    Ok(child)
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
        "CPU of the server's threads (threads of a name together, their number in brackets):\n\n\
         | threads | user s | kernel s |\n|---|---|---|\n",
    );
    for (user, system, name) in rows {
        writeln!(text, "| {name} | {user:.2} | {system:.2} |")?;
    }
    Ok(text)
}

fn functions(what: Sampled, data: &Path) -> String {
    let path = data.display().to_string();
    let report = |more: &[&str], telling: &[&str]| -> Outcome<String> {
        let common = [REPORT_S, "perf", "report", "-i", &path, "--stdio", "-g", "none", "--no-inline", "--percent-limit", "0.5"];
        let arguments: Vec<&str> = common.iter().chain(more).copied().collect();
        Ok(lines(&process::output("timeout", &arguments)?, telling))
    };
    let words = what.words();
    let own = report(&["--no-children", "--sort", "symbol"], &[]);
    let with_callees = report(&["--children", "--sort", "symbol"], &TELLING);
    match (own, with_callees) {
        (Ok(own), Ok(all)) => format!(
            "\nShare of {words} by function, itself:\n\n```\n{own}\n```\n\nTogether with what it calls (first column), functions that tell \
             something:\n\n```\n{all}\n```\n"
        ),
        (Err(error), _) | (_, Err(error)) => format!("\n`perf` gave no report ({error}), so the functions are not known.\n"),
    }
}

/// The lines of a report that name one of `telling`, or all; without the columns that hold nothing.
fn lines(report: &str, telling: &[&str]) -> String {
    let named = |line: &&str| telling.is_empty() || telling.iter().any(|word| line.contains(word));
    let rows = report.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).filter(named);
    rows.take(LINES).map(|line| line.trim_end_matches([' ', '-'])).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_cut_to_what_tells_something() {
        let report =
            "# head\n\n  13.06%  [.] _int_malloc      -      -\n   2.00%  [.] landfall_x::y   - -\n   1.00%  [k] other\n";
        assert_eq!(lines(report, &[]).lines().count(), 3);
        assert_eq!(lines(report, &["landfall_"]), "   2.00%  [.] landfall_x::y");
        assert_eq!(lines("", &[]), "");
    }
}
