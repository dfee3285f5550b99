//! Idle authenticated connections: memory of each, and how fast they are made. Every repetition starts the server anew, so that no memory
//! of the one before is used again.

use super::Bench;
use crate::{
    Outcome,
    api::Device,
    clock,
    landfall::Landfall,
    load::Fleet,
    mosquitto::Mosquitto,
    process,
    profile::{self, Sampled},
    scene::Scene,
    stats::{Spread, whole},
    table::Row,
};
use std::{net::SocketAddr, path::Path, time::Duration};

const AT_ONCE: usize = 64;
const KEEP_ALIVE_S: u16 = 1200;
const SETTLE: Duration = Duration::from_secs(2);
const AIM_RATIO: f64 = 3.0;
/// Open files of a process besides the measured connections.
const OTHER_FILES: u64 = 500;

/// Bytes a connection and connects a second, of each repetition.
#[derive(Default)]
struct Values {
    bytes: Vec<f64>,
    per_s: Vec<f64>,
}

pub(super) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let most = usize::try_from(bench.open_files.saturating_sub(OTHER_FILES))?;
    let count = bench.scale.idle.min(most);
    let scene = Scene::fresh(&bench.program, &dir.join("landfall")).await?;
    let devices = scene.devices("idle", count).await?;
    let data = scene.server.data.clone();
    scene.server.stop()?;
    let (mut landfall, mut mosquitto) = (Values::default(), Values::default());
    for turn in 0..bench.scale.repeats {
        let server = Landfall::start(&bench.program, &data)?;
        let hour = clock::utc().hour();
        let hellos = devices.iter().map(|d| d.login(&hour).connect(KEEP_ALIVE_S)).collect();
        landfall.take(server.pid(), server.address("mqtt")?, hellos)?;
        server.stop()?;
        let broker = Mosquitto::start(&dir.join(format!("mosquitto-{turn}")), false)?;
        let hellos = devices.iter().map(|d| Mosquitto::login(&d.id).connect(KEEP_ALIVE_S)).collect();
        mosquitto.take(broker.pid(), broker.address, hellos)?;
    }
    let ratio_now = Spread::of(&landfall.bytes).zip(Spread::of(&mosquitto.bytes)).map(|(own, other)| own.median / other.median);
    if bench.always_profile || ratio_now.is_none_or(|ratio| ratio > AIM_RATIO) {
        let text = growth(&bench.program, &data, dir, &devices)?;
        bench.add_profile("connects", &text);
    }
    let spread = |values: &[f64]| Spread::of(values).ok_or("nothing was measured");
    let (own, other) = (spread(&landfall.bytes)?, spread(&mosquitto.bytes)?);
    let ratio = own.median / other.median;
    let (own_rate, other_rate) = (spread(&landfall.per_s)?, spread(&mosquitto.per_s)?);
    Ok(vec![
        Row::new(
            format!("resident bytes an idle authenticated connection, {} of them", whole(count as f64)),
            own.show(whole, ""),
        )
        .against(format!("mosquitto: {}", other.show(whole, "")), ratio)
        .aims(format!("ratio ≤ {AIM_RATIO}"), ratio <= AIM_RATIO),
        Row::new(format!("connects a second, {AT_ONCE} in flight"), own_rate.show(whole, ""))
            .against(format!("mosquitto: {}", other_rate.show(whole, "")), own_rate.median / other_rate.median),
    ])
}

impl Values {
    fn take(&mut self, pid: u32, address: SocketAddr, hellos: Vec<Vec<u8>>) -> Outcome<()> {
        let count = hellos.len() as f64;
        clock::pause(SETTLE);
        let (before, _) = process::memory(pid)?;
        let (fleet, elapsed) = Fleet::connect(address, hellos, AT_ONCE)?;
        clock::pause(SETTLE);
        let (after, _) = process::memory(pid)?;
        drop(fleet);
        self.bytes.push((after as f64 - before as f64) / count);
        self.per_s.push(count / elapsed.as_secs_f64());
        Ok(())
    }
}

/// Connects in two halves and closes all, and tells what each step did to the memory, and who touched new pages.
fn growth(program: &Path, data: &Path, dir: &Path, devices: &[Device]) -> Outcome<String> {
    let server = Landfall::start(program, data)?;
    clock::pause(SETTLE);
    let (pid, address, hour) = (server.pid(), server.address("mqtt")?, clock::utc().hour());
    let mut sizes = vec![process::memory(pid)?.0];
    let mut fleets = Vec::new();
    let pages = profile::take(Sampled::Pages, pid, dir, || {
        for half in devices.chunks(devices.len().div_ceil(2).max(1)) {
            let hellos = half.iter().map(|d| d.login(&hour).connect(KEEP_ALIVE_S)).collect();
            fleets.push(Fleet::connect(address, hellos, AT_ONCE)?);
            clock::pause(SETTLE);
            sizes.push(process::memory(pid)?.0);
        }
        Ok(())
    })?;
    drop(fleets);
    clock::pause(SETTLE);
    sizes.push(process::memory(pid)?.0);
    server.stop()?;
    let sizes: Vec<String> = sizes.into_iter().map(|bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20))).collect();
    Ok(format!(
        "Resident MiB of a new process: before, after each half of the {} connections, and two seconds after all were closed: {}.\n{pages}",
        whole(devices.len() as f64),
        sizes.join(", ")
    ))
}
