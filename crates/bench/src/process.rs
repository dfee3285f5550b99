//! What the kernel tells of processes and of the machine (proc(5)). Absent: anything but Linux.

use crate::Outcome;
use std::{io::Read, path::Path, process::Command};

/// CPU time in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks {
    /// In user mode.
    pub user: u64,
    /// In the kernel for this process.
    pub system: u64,
    /// Of children that ended and were waited for, both modes.
    pub children: u64,
}

/// One thread's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its name.
    pub name: String,
    /// Its CPU time.
    pub ticks: Ticks,
}

/// Reads `/proc/PID/stat` or `/proc/PID/task/TID/stat`. The name may hold blanks and parentheses, so fields count from the last `)`.
pub fn parse_stat(text: &str) -> Option<Thread> {
    let (head, tail) = text.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    // The first field behind the name is field 3 of proc(5): utime is 14, stime 15, cutime 16, cstime 17.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Thread { name, ticks: Ticks { user: field(14)?, system: field(15)?, children: field(16)? + field(17)? } })
}

/// A line `Key:   123 kB` of `/proc/PID/status` or `/proc/meminfo`, in bytes.
pub fn parse_kb(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Busy and stolen ticks of the first line of `/proc/stat`.
pub fn parse_busy(text: &str) -> Option<(u64, u64)> {
    let fields: Vec<u64> = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().filter_map(|f| f.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal] = *fields.get(..8)? else { return None };
    Some((user + nice + system + irq + softirq, steal))
}

/// CPU seconds of a process so far, its threads included.
pub fn cpu_s(pid: u32) -> Outcome<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = parse_stat(&text).ok_or("unreadable stat")?.ticks;
    Ok((ticks.user + ticks.system) as f64 / ticks_per_s()?)
}

/// Threads of a process, the busiest first.
pub fn threads(pid: u32) -> Outcome<Vec<Thread>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while its folder is listed.
        let Ok(text) = std::fs::read_to_string(entry?.path().join("stat")) else { continue };
        found.extend(parse_stat(&text));
    }
    found.sort_by_key(|t| std::cmp::Reverse(t.ticks.user + t.ticks.system));
    Ok(found)
}

/// Resident bytes now (`VmRSS`) and at most so far (`VmHWM`).
pub fn memory(pid: u32) -> Outcome<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok((parse_kb(&text, "VmRSS").ok_or("no VmRSS")?, parse_kb(&text, "VmHWM").ok_or("no VmHWM")?))
}

/// Clock ticks a second.
pub fn ticks_per_s() -> Outcome<f64> {
    Ok(output("getconf", &["CLK_TCK"])?.trim().parse()?)
}

/// Raises the limit of open files of this process and so of its children to the hard limit, and returns it.
pub fn raise_open_files() -> Outcome<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find(|l| l.starts_with("Max open files")).ok_or("no limit of open files")?;
    let hard = line.split_whitespace().nth(4).ok_or("no hard limit of open files")?;
    output("prlimit", &["--pid", &std::process::id().to_string(), &format!("--nofile={hard}:{hard}")])?;
    Ok(hard.parse()?)
}

/// Free bytes of the disk that holds `dir`.
pub fn free_disk(dir: &Path) -> Outcome<u64> {
    let text = output("df", &["--output=avail", "-B1", &dir.display().to_string()])?;
    Ok(text.lines().nth(1).ok_or("df printed nothing")?.trim().parse()?)
}

/// Bytes of all files below `dir`.
pub fn disk_usage(dir: &Path) -> Outcome<u64> {
    let text = output("du", &["-s", "--block-size=1", &dir.display().to_string()])?;
    Ok(text.split_whitespace().next().ok_or("du printed nothing")?.parse()?)
}

/// File system type of `dir`.
pub fn file_system(dir: &Path) -> Outcome<String> {
    let text = output("df", &["--output=fstype", &dir.display().to_string()])?;
    Ok(text.lines().nth(1).ok_or("df printed nothing")?.trim().to_owned())
}

/// Asks a process to end.
pub fn terminate(pid: u32) -> Outcome<()> {
    output("kill", &["-TERM", &pid.to_string()]).map(drop)
}

/// Runs a program to its end and returns what it printed.
pub fn output(program: &str, arguments: &[&str]) -> Outcome<String> {
    let done = Command::new(program).args(arguments).output().map_err(|e| format!("{program}: {e}"))?;
    if !done.status.success() {
        return Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The first bytes of a file.
pub fn head_of(path: &Path, bytes: usize) -> Outcome<Vec<u8>> {
    let mut head = vec![0; bytes];
    std::fs::File::open(path)?.read_exact(&mut head)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_with_any_name() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 700 42 5 6 20 0 4 0 100 1000 50";
        for name in ["landfall", "a b", "x) (y", ")"] {
            let thread = parse_stat(&format!("77 ({name}) {tail}")).unwrap();
            assert_eq!(thread, Thread { name: name.into(), ticks: Ticks { user: 700, system: 42, children: 11 } });
        }
        for broken in ["", "77 (x", "77 (x) S 1 2", "77 x S"] {
            assert_eq!(parse_stat(broken), None, "{broken}");
        }
    }

    #[test]
    fn own_process_is_readable() {
        let own = parse_stat(&std::fs::read_to_string("/proc/self/stat").unwrap());
        assert!(own.is_some());
        let (now, most) = memory(std::process::id()).unwrap();
        assert!(now > 0 && most >= now);
    }

    #[test]
    fn sizes_and_busy_time() {
        let status = "VmPeak:\t  99 kB\nVmRSS:\t    12 kB\nVmRSSx: 1 kB\nThreads: 3\n";
        assert_eq!(parse_kb(status, "VmRSS"), Some(12 * 1024));
        assert_eq!(parse_kb(status, "Threads"), None);
        assert_eq!(parse_kb(status, "Nothing"), None);
        assert_eq!(parse_busy("cpu  1 2 3 400 500 6 7 8 0 0\ncpu0 1\n"), Some((19, 8)));
        assert_eq!(parse_busy("cpu0 1 2"), None);
    }
}
