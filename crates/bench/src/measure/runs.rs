//! Repeated runs of one load against one server, with the CPU that both took. Absent: the load.

use crate::{
    Outcome, process,
    stats::{Spread, percentile, sorted_us},
    swarm::Done,
};

/// Runs of one kind against one server.
#[derive(Default)]
pub(super) struct Runs {
    pub(super) per_s: Vec<f64>,
    pub(super) per_cpu_s: Vec<f64>,
    pub(super) server_cores: Vec<f64>,
    pub(super) own_cores: Vec<f64>,
    done: Vec<Done>,
}

/// A run that has begun.
pub(super) struct Begun {
    pid: u32,
    server_cpu_s: f64,
    own_cpu_s: f64,
}

impl Begun {
    /// A run against the server with this process id begins now.
    pub(super) fn now(pid: u32) -> Outcome<Self> {
        Ok(Self { pid, server_cpu_s: process::cpu_s(pid)?, own_cpu_s: process::cpu_s(std::process::id())? })
    }
}

impl Runs {
    /// One more; `pid` is the server's process.
    pub(super) fn run(&mut self, pid: u32, work: impl FnOnce() -> Outcome<Done>) -> Outcome<()> {
        let begun = Begun::now(pid)?;
        self.add(&begun, work()?)
    }

    /// One more, which has just ended.
    pub(super) fn add(&mut self, begun: &Begun, done: Done) -> Outcome<()> {
        let server = process::cpu_s(begun.pid)? - begun.server_cpu_s;
        let own = process::cpu_s(std::process::id())? - begun.own_cpu_s;
        let elapsed_s = done.elapsed.as_secs_f64();
        self.per_s.push(done.count as f64 / elapsed_s);
        self.per_cpu_s.push(done.count as f64 / server);
        self.server_cores.push(server / elapsed_s);
        self.own_cores.push(own / elapsed_s);
        self.done.push(done);
        Ok(())
    }

    pub(super) fn per_s(&self) -> Outcome<Spread> {
        spread(&self.per_s)
    }

    pub(super) fn per_cpu_s(&self) -> Outcome<Spread> {
        spread(&self.per_cpu_s)
    }

    /// `12.3 / 45.6 ms`, the 50th and the 99th percentile.
    pub(super) fn latency(&self) -> String {
        let sorted = sorted_us(self.done.iter().flat_map(|done| done.latencies.clone()).collect());
        let ms = |per_mille| percentile(&sorted, per_mille).map_or("?".into(), |us| format!("{:.1}", us as f64 / 1000.0));
        format!("{} / {} ms", ms(500), ms(990))
    }

    pub(super) fn repeated(&self) -> u64 {
        self.done.iter().map(|done| done.repeated).sum()
    }
}

pub(super) fn spread(values: &[f64]) -> Outcome<Spread> {
    Ok(Spread::of(values).ok_or("nothing was measured")?)
}
