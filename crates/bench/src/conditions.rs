//! Under which conditions a run was made: they belong to its numbers.

use crate::{Outcome, clock, libcoap, measure::Bench, mosquitto, onem2m::acme, process, stats};
use std::{fs::File, io::Write, path::Path, time::Instant};

const SYNCS: usize = 300;
const SYNC_BYTES: usize = 4096;

/// What is known before the first measurement.
pub struct Conditions {
    began: Instant,
    date: String,
    machine: String,
    versions: String,
    disk: String,
    load: String,
    /// Busy and stolen ticks of the machine, and ticks of this program and its ended children.
    ticks: (u64, u64, u64),
}

impl Conditions {
    /// Reads the machine.
    pub fn read(bench: &Bench) -> Outcome<Self> {
        let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
        let model =
            cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map_or("unknown", |(_, m)| m.trim());
        let memory = std::fs::read_to_string("/proc/meminfo")?;
        let total = process::parse_kb(&memory, "MemTotal").ok_or("no MemTotal")?;
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let cores = std::thread::available_parallelism()?;
        let landfall = process::output(&bench.program.display().to_string(), &["--version"])?;
        let (p50, p99) = sync_times(bench.dir())?;
        Ok(Self {
            began: clock::now(),
            date: clock::utc().iso(),
            machine: format!("{cores} cores of {model}, {:.1} GiB memory, Linux {}", gib(total), kernel.trim()),
            versions: [landfall.trim().to_owned(), mosquitto::version()?, libcoap::version()?, acme::version()?].join(", "),
            disk: format!(
                "{}; writing 4 KiB and fdatasync takes {p50} µs (p50), {p99} µs (p99)",
                process::file_system(bench.dir())?
            ),
            load: std::fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned(),
            ticks: ticks()?,
        })
    }

    /// As a list, with what the rest of the machine did meanwhile.
    pub fn markdown(&self, quick: bool) -> Outcome<String> {
        let (busy, stolen, own) = ticks()?;
        let (busy, stolen, own) = (busy - self.ticks.0, stolen - self.ticks.1, own - self.ticks.2);
        let all =
            self.began.elapsed().as_secs_f64() * process::ticks_per_s()? * std::thread::available_parallelism()?.get() as f64;
        let others = busy.saturating_sub(own) as f64 / all * 100.0;
        let stolen = stolen as f64 / all * 100.0;
        let small = if quick { "- A quick run with small numbers: these are no results.\n" } else { "" };
        Ok(format!(
            "{small}- Date: {} (system clock); the run took {:.0} s.\n- Machine: {}.\n- Programs: {}; release builds on loopback, beside \
             the load generator on the same cores; Landfall in its default configuration without flow control, mosquitto with `set_tcp_nodelay`.\n- Disk: {}.\n- Noise: load average {} before the run; during it other \
             processes took {others:.1} % of all cores and the hypervisor {stolen:.1} %. Values are medians of the repetitions (lowest–highest); \
             trust the ratios more than the absolute numbers.\n",
            self.date,
            self.began.elapsed().as_secs_f64(),
            self.machine,
            self.versions,
            self.disk,
            self.load,
        ))
    }
}

fn ticks() -> Outcome<(u64, u64, u64)> {
    let (busy, stolen) = process::parse_busy(&std::fs::read_to_string("/proc/stat")?).ok_or("unreadable /proc/stat")?;
    let own = process::parse_stat(&std::fs::read_to_string("/proc/self/stat")?).ok_or("unreadable stat")?.ticks;
    Ok((busy, stolen, own.user + own.system + own.children))
}

/// Microseconds (p50, p99) for an append that reaches the disk.
fn sync_times(dir: &Path) -> Outcome<(u64, u64)> {
    let path = dir.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = clock::now();
        file.write_all(&[7; SYNC_BYTES])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    std::fs::remove_file(&path)?;
    let sorted = stats::sorted_us(times);
    Ok((stats::percentile(&sorted, 500).unwrap_or_default(), stats::percentile(&sorted, 990).unwrap_or_default()))
}

/// Bytes in GiB.
pub fn gib(bytes: u64) -> f64 {
    bytes as f64 / (1 << 30) as f64
}
