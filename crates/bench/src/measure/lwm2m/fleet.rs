//! Many registered devices with live sessions: what they cost in memory, and how soon a killed server serves them again without handshakes.

use super::{LANES, Scene};
use crate::{
    Outcome, clock,
    conditions::gib,
    device::Ask,
    landfall::Landfall,
    measure::Bench,
    process,
    profile::{self, Sampled},
    stats::whole,
    swarm::{Done, Job, Swarm},
    table::Row,
};
use std::{path::Path, time::Duration};

const AIM_BYTES: f64 = 2048.0;
const AIM_S: f64 = 2.0;
const PROJECTED: f64 = 10_000_000.0;
/// About how many sessions, from all over the fleet, must be served for a restarted server to count as back.
const SAMPLE: usize = 1_000;
/// Devices whose coming in is profiled: perf keeps 16 KiB of stack for each page.
const PROFILED: usize = 5_000;
/// Of a new process before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);
/// Until sessions that were used are saved again: the configured 5 s, and 0.1 s for each 2,000 of them.
const SAVED: Duration = Duration::from_secs(6);
const SAVED_EACH: Duration = Duration::from_micros(50);

/// Resident bytes of the server at some moments.
#[derive(Default)]
struct Memory {
    idle: u64,
    sessions: u64,
    registered: u64,
    again: u64,
}

/// What a restart took.
struct Restart {
    ports_s: f64,
    served_s: f64,
    sample: Done,
    all: Done,
}

pub(in crate::measure) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let count = bench.scale.fleet;
    let data = dir.join("landfall");
    let scene = Scene::fresh(&bench.program, &data, count).await?;
    let (coaps, names) = (scene.coaps, scene.names);
    // What the registration of the devices left in memory is not theirs.
    scene.server.stop()?;
    let server = Landfall::start_at(&bench.program, &data, coaps)?;
    clock::pause(SETTLE);
    let mut memory = Memory { idle: resident(&server)?, ..Memory::default() };
    let mut swarm = Swarm::new(coaps, &names, LANES)?;
    let hands = swarm.run(0..count, Job::Handshake { close: false })?;
    let saved = SAVED + SAVED_EACH * u32::try_from(count)?;
    swarm.listen(SETTLE)?;
    memory.sessions = resident(&server)?;
    let registrations = swarm.run(0..count, Job::Register)?;
    swarm.listen(saved)?;
    memory.registered = resident(&server)?;

    server.kill()?;
    let server = Landfall::start_at(&bench.program, &data, coaps)?;
    let restart = restarted(&server, &mut swarm, count)?;
    memory.again = resident(&server)?;
    drop(server);
    let per_s = |done: &Done| whole(done.count as f64 / done.elapsed.as_secs_f64());
    let mut rows = memory_rows(&memory, count);
    if rows.iter().any(|row| row.met == Some(false)) || bench.always_profile {
        let text = growth(bench, dir, count.min(PROFILED)).await?;
        bench.add_profile("handshakes and registrations of LwM2M devices", &text);
    }
    rows.push(Row::new(
        "bringing those devices in: handshakes and registrations a second",
        format!("{}; {}", per_s(&hands), per_s(&registrations)),
    ));
    rows.extend(restart_rows(&restart, count));
    Ok(rows)
}

/// Who touches new pages while devices come in, at another server.
async fn growth(bench: &Bench, dir: &Path, count: usize) -> Outcome<String> {
    let data = dir.join("profiled");
    let Scene { server, coaps, names } = Scene::fresh(&bench.program, &data, count).await?;
    server.stop()?;
    let server = Landfall::start_at(&bench.program, &data, coaps)?;
    clock::pause(SETTLE);
    let mut swarm = Swarm::new(coaps, &names, LANES)?;
    let mut sizes = vec![resident(&server)?];
    let pages = profile::take(Sampled::Pages, server.pid(), dir, || {
        for job in [Job::Handshake { close: false }, Job::Register] {
            swarm.run(0..count, job)?;
            swarm.listen(SETTLE)?;
            sizes.push(resident(&server)?);
        }
        Ok(())
    })?;
    server.stop()?;
    let sizes: Vec<String> = sizes.into_iter().map(|bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20))).collect();
    Ok(format!(
        "Resident MiB of a new process: before, after {} handshakes, and after their registrations: {}.\n{pages}",
        whole(count as f64),
        sizes.join(", ")
    ))
}

fn resident(server: &Landfall) -> Outcome<u64> {
    Ok(process::memory(server.pid())?.0)
}

/// Asks over old sessions until all answered: first some of them for an Update, which is durable, then every one for a little.
fn restarted(server: &Landfall, swarm: &mut Swarm, count: usize) -> Outcome<Restart> {
    let ports_s = server.started.elapsed().as_secs_f64();
    // An odd step, so that all lanes take part.
    let sample = (0..count).step_by((count / SAMPLE).saturating_sub(1) | 1);
    let sample = swarm.run(sample, Job::Ask(Ask::Update))?;
    let served_s = server.started.elapsed().as_secs_f64();
    let all = swarm.run(0..count, Job::Ask(Ask::Get(&[".well-known", "core"])))?;
    swarm.listen(SETTLE)?;
    Ok(Restart { ports_s, served_s, sample, all })
}

fn memory_rows(memory: &Memory, count: usize) -> Vec<Row> {
    let each = |bytes: u64| bytes.saturating_sub(memory.idle) as f64 / count as f64;
    let (sessions, registered, again) = (each(memory.sessions), each(memory.registered), each(memory.again));
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    vec![
        Row::new("resident memory of the idle server, those devices in its database", mib(memory.idle)),
        Row::new(
            format!("resident bytes a registered device with a live DTLS session, {} of them", whole(count as f64)),
            whole(registered),
        )
        .beside(format!("after the handshakes: {}; after the restart: {}", whole(sessions), whole(again)))
        .aims(format!("≤ {}", whole(AIM_BYTES)), registered <= AIM_BYTES),
        Row::new("projected to 10 million devices", format!("{:.1} GiB", gib((registered * PROJECTED) as u64)))
            .beside(format!("after a restart: {:.1} GiB", gib((again * PROJECTED) as u64))),
    ]
}

fn restart_rows(restart: &Restart, count: usize) -> Vec<Row> {
    let (sample, all) = (&restart.sample, &restart.all);
    vec![
        Row::new(
            format!(
                "killed server: process start until {} sampled sessions had an Update answered, no handshake",
                whole(sample.count as f64)
            ),
            format!("{:.2} s", restart.served_s),
        )
        .beside(format!("ports.json after {:.2} s", restart.ports_s))
        .aims(format!("< {AIM_S} s"), restart.served_s < AIM_S),
        Row::new(
            "sessions that then answered a request without a handshake",
            format!("{} of {}", whole(all.count as f64), whole(count as f64)),
        )
        .beside(format!("in {:.1} s; {} requests repeated", all.elapsed.as_secs_f64(), sample.repeated + all.repeated)),
    ]
}
