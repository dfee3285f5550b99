//! Durable QoS 1 publishes: parsed, checked, stored and on the stream before the PUBACK. The peer parses and acknowledges, and stores nothing.

use super::{Bench, report_of};
use crate::{
    Outcome,
    api::{self, Device},
    clock,
    load::{Fleet, Published},
    mosquitto::Mosquitto,
    process,
    profile::{self, Sampled},
    scene::Scene,
    stats::{Spread, percentile, sorted_us, whole},
    table::Row,
};
use std::{net::SocketAddr, path::Path, time::Duration};

const WINDOW: u32 = 8;
const CONNECTS_AT_ONCE: usize = 64;
const KEEP_ALIVE_S: u16 = 1200;
const SETTLE: Duration = Duration::from_secs(2);
const AIM_PER_S: f64 = 50_000.0;

/// A broker under load.
struct Target {
    pid: u32,
    fleet: Fleet,
    runs: Vec<Run>,
}

struct Run {
    per_s: f64,
    server_cpu_s: f64,
    own_cpu_s: f64,
    published: Published,
}

pub(super) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let count = bench.scale.publishers;
    let scene = Scene::fresh(&bench.program, &dir.join("landfall")).await?;
    let devices = scene.devices("publish", count).await?;
    let hour = clock::utc().hour();
    let hellos = devices.iter().map(|d| d.login(&hour).connect(KEEP_ALIVE_S)).collect();
    let mut landfall = Target::new(scene.server.pid(), scene.server.address("mqtt")?, hellos, &devices)?;
    let (plain, kept) = (Mosquitto::start(&dir.join("plain"), false)?, Mosquitto::start(&dir.join("kept"), true)?);
    let mut peers = Vec::new();
    for peer in [&plain, &kept] {
        let hellos = devices.iter().map(|d| Mosquitto::login(&d.id).connect(KEEP_ALIVE_S)).collect();
        peers.push(Target::new(peer.pid(), peer.address, hellos, &devices)?);
    }
    // The first run of each is a warm-up, and does not count.
    for turn in 0..=bench.scale.repeats {
        for target in std::iter::once(&mut landfall).chain(&mut peers) {
            target.run(bench.scale.run)?;
            if turn == 0 {
                target.runs.clear();
            }
            clock::pause(SETTLE.min(bench.scale.run));
        }
    }
    let rate = landfall.spread(|run| run.per_s)?;
    if rate.median < AIM_PER_S || bench.always_profile {
        let run = bench.scale.run;
        let fleet = &mut landfall.fleet;
        let text = profile::take(Sampled::Cpu, landfall.pid, dir, || fleet.flood(WINDOW, u64::MAX, run).map(drop))?;
        bench.add_profile("one more flood of publishes", &text);
    }
    let stored = stored_equals_acknowledged(&scene, &landfall.fleet, &devices).await?;
    rows(&landfall, &peers, rate, count).map(|mut rows| {
        rows.push(stored);
        rows
    })
}

fn rows(landfall: &Target, peers: &[Target], rate: Spread, count: usize) -> Outcome<Vec<Row>> {
    let [plain, kept] = peers else { return Err("two peers were started".into()) };
    let name = format!("QoS 1 publishes a second, {count} connections, window {WINDOW}");
    let versus = |peer: &Target, what: &str| -> Outcome<(String, f64)> {
        let spread = peer.spread(|run| run.per_s)?;
        Ok((format!("mosquitto, {what}: {}", spread.show(whole, "")), rate.median / spread.median))
    };
    let (text, ratio) = versus(plain, "nothing stored")?;
    let (kept_text, kept_ratio) = versus(kept, "`persistence true`, nothing synced")?;
    let per_cpu = |run: &Run| run.published.acked as f64 / run.server_cpu_s;
    let (own, other) = (landfall.spread(per_cpu)?, plain.spread(per_cpu)?);
    let cores = |run: &Run| run.server_cpu_s / run.published.elapsed.as_secs_f64();
    let (cores_own, cores_other) = (landfall.spread(cores)?, plain.spread(cores)?);
    let generator = |run: &Run| run.own_cpu_s / run.published.elapsed.as_secs_f64();
    let (load_own, load_other) = (landfall.spread(generator)?, plain.spread(generator)?);
    let two = |x: f64| format!("{x:.2}");
    Ok(vec![
        Row::new(format!("durable {name}"), rate.show(whole, ""))
            .against(text, ratio)
            .aims(format!("≥ {}", whole(AIM_PER_S)), rate.median >= AIM_PER_S),
        Row::new("the same against mosquitto that persists", rate.show(whole, "")).against(kept_text, kept_ratio),
        Row::new("messages a CPU-second of the server", own.show(whole, ""))
            .against(format!("mosquitto: {}", other.show(whole, "")), own.median / other.median),
        Row::new("cores the server used meanwhile", cores_own.show(two, ""))
            .beside(format!("mosquitto: {}", cores_other.show(two, ""))),
        Row::new("cores the load generator used meanwhile", load_own.show(two, ""))
            .beside(format!("against mosquitto: {}", load_other.show(two, ""))),
        Row::new("publish to PUBACK in that flood, p50 / p99", landfall.latency())
            .beside(format!("mosquitto: {}", plain.latency())),
    ])
}

impl Target {
    fn new(pid: u32, address: SocketAddr, hellos: Vec<Vec<u8>>, devices: &[Device]) -> Outcome<Self> {
        let (mut fleet, _) = Fleet::connect(address, hellos, CONNECTS_AT_ONCE)?;
        fleet.templates(|i| report_of(&devices[i].id, "21.5"));
        Ok(Self { pid, fleet, runs: Vec::new() })
    }

    fn run(&mut self, time: Duration) -> Outcome<()> {
        let (server, own) = (process::cpu_s(self.pid)?, process::cpu_s(std::process::id())?);
        let published = self.fleet.flood(WINDOW, u64::MAX, time)?;
        let (server_cpu_s, own_cpu_s) = (process::cpu_s(self.pid)? - server, process::cpu_s(std::process::id())? - own);
        let per_s = published.acked as f64 / published.elapsed.as_secs_f64();
        self.runs.push(Run { per_s, server_cpu_s, own_cpu_s, published });
        Ok(())
    }

    fn spread(&self, value: impl Fn(&Run) -> f64) -> Outcome<Spread> {
        Ok(Spread::of(&self.runs.iter().map(value).collect::<Vec<_>>()).ok_or("nothing was measured")?)
    }

    fn latency(&self) -> String {
        let sorted = sorted_us(self.runs.iter().flat_map(|run| run.published.latencies.clone()).collect());
        let ms = |per_mille| percentile(&sorted, per_mille).map_or("?".into(), |us| format!("{:.1}", us as f64 / 1000.0));
        format!("{} / {} ms", ms(500), ms(990))
    }
}

/// Asks for the history of every device (1.5.3): as many points as PUBACKs.
async fn stored_equals_acknowledged(scene: &Scene, fleet: &Fleet, devices: &[Device]) -> Outcome<Row> {
    let mut http = scene.server.http().await?;
    let (mut acknowledged, mut stored, mut differing) = (0, 0, 0);
    for (i, device) in devices.iter().enumerate() {
        let (points, _) = api::history_counts(&api::history(&mut http, &scene.app, &device.id, 0, 1).await?)?;
        acknowledged += fleet.acked(i);
        stored += points;
        differing += usize::from(points != fleet.acked(i));
    }
    let text = format!("{} of {}, {differing} devices differ", whole(stored as f64), whole(acknowledged as f64));
    Ok(Row::new("points found in the history (1.5.3) of what was acknowledged", text).aims("all", differing == 0))
}
