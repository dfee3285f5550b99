//! Registrations over live sessions: 2.01, which comes after the commit, and the observation that follows.

use super::{Runs, Scene};
use crate::{
    Outcome,
    measure::Bench,
    profile::{self, Sampled},
    stats::whole,
    swarm::{Job, Swarm},
    table::Row,
};
use std::{path::Path, time::Duration};

/// More would overflow the receive buffer that the system gives a socket, with the answers to the reads that follow.
const LANES: usize = 128;
const AIM_PER_S: f64 = 10_000.0;
/// The reads and commits that follow the last observation of a run do not slow the next one.
const SETTLE: Duration = Duration::from_secs(2);

pub(in crate::measure) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let (each, repeats) = (bench.scale.registrations, bench.scale.repeats);
    // One more lot for a profile.
    let scene = Scene::fresh(&bench.program, &dir.join("landfall"), each * (repeats + 1)).await?;
    let mut swarm = Swarm::new(scene.coaps, &scene.names, LANES)?;
    swarm.run(0..scene.names.len(), Job::Handshake { close: false })?;
    swarm.listen(SETTLE)?;
    let mut runs = Runs::default();
    for turn in 0..repeats {
        runs.run(scene.server.pid(), || swarm.run(turn * each..(turn + 1) * each, Job::Register))?;
        swarm.listen(SETTLE)?;
    }
    let (rate, cpu) = (runs.per_s()?, runs.per_cpu_s()?);
    if rate.median < AIM_PER_S || bench.always_profile {
        let clients = repeats * each..(repeats + 1) * each;
        let text = profile::take(Sampled::Cpu, scene.server.pid(), dir, || swarm.run(clients, Job::Register).map(drop))?;
        bench.add_profile("LwM2M registrations", &text);
    }
    Ok(vec![
        Row::new(
            format!("LwM2M registrations a second, durable, with one observation answered, {LANES} in flight, over DTLS"),
            rate.show(whole, ""),
        )
        .aims(format!("≥ {}", whole(AIM_PER_S)), rate.median >= AIM_PER_S),
        Row::new("LwM2M registrations a CPU-second of the server", cpu.show(whole, "")),
        Row::new("Register to the answered observation, p50 / p99; requests repeated", runs.latency()).beside(format!(
            "{} of {}",
            runs.repeated(),
            whole((each * repeats) as f64)
        )),
    ])
}
