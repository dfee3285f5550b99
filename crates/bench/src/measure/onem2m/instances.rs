//! CREATE of content instances over kept connections: one container for each connection, and one for all. Landfall answers after the commit;
//! ACME CSE keeps what it gets in memory, and gets slower as it fills, so each of its runs has a new process.

use super::Scene;
use crate::{
    Outcome,
    api::Http,
    clock,
    measure::{
        Bench,
        runs::{Begun, Runs, spread},
    },
    onem2m::acme::Acme,
    onem2m::cse::Cse,
    profile::{self, Sampled},
    stats::{Spread, decimal, whole},
    swarm::Done,
    table::Row,
};
use futures_util::future::try_join_all;
use std::{path::Path, time::Duration};

/// Tried with each server; the runs that count use the number with which it was fastest.
const CONNECTIONS: [usize; 5] = [1, 4, 16, 64, 256];
/// Of the content of an instance.
const CONTENT_BYTES: usize = 100;
/// Instances; more than a run can bring, and as many as Landfall lets a container hold.
const ALL: u64 = 1_000_000;
const AIM_RATIO: f64 = 100.0;

/// Which instances share a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Containers {
    /// Those of one connection.
    Each,
    /// Those of one connection, and it keeps them all.
    Kept,
    /// All.
    One,
}

/// A server.
#[derive(Clone, Copy)]
struct Target<'a> {
    pid: u32,
    cse: &'a Cse,
    /// Whether its containers must tell as many instances as it answered with 201; those of ACME CSE lose some when several connections
    /// share one.
    counted: bool,
}

/// Connections with the container that each fills.
struct Lot<'a> {
    cse: &'a Cse,
    lanes: Vec<(Http, String)>,
    containers: Vec<String>,
}

/// Both servers' runs of one kind.
#[derive(Default)]
struct Pair {
    own: Runs,
    peer: Runs,
}

pub(in crate::measure) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let time = bench.scale.run / 2;
    let scene = Scene::fresh(&bench.program, &dir.join("landfall")).await?;
    let own = Target { pid: scene.server.pid(), cse: &scene.cse, counted: true };
    let (own_rates, peer_rates) = rates(own, dir, time / 2).await?;
    let (own_best, peer_best) = (best(&own_rates), best(&peer_rates));
    let (mut each, mut one, mut kept) = (Pair::default(), Pair::default(), Runs::default());
    for turn in 0..bench.scale.repeats {
        for (pair, containers) in [(&mut each, Containers::Each), (&mut one, Containers::One)] {
            let name = format!("run{turn}");
            run(&mut pair.own, own, &name, own_best, containers, time).await?;
            let acme = Acme::start(&dir.join("acme")).await?;
            run(&mut pair.peer, Target::of(&acme), &name, peer_best, containers, time).await?;
        }
        run(&mut kept, own, &format!("run{turn}"), own_best, Containers::Kept, time).await?;
    }
    let ratio = each.own.per_s()?.median / each.peer.per_s()?.median;
    if ratio < AIM_RATIO || bench.always_profile {
        let mut lot = Lot::prepare(own.cse, "profile", own_best, Containers::Each).await?;
        let begun = profile::Begun::now(Sampled::Cpu, own.pid, dir)?;
        lot.flood(time).await?;
        let text = begun.end()?;
        bench.add_profile("creates of content instances", &text);
    }
    let mut rows = rows(&each, &one, &kept, (own_best, peer_best))?;
    rows.push(
        Row::new(
            format!("contentInstance creates a second with {} connections", list(CONNECTIONS.map(|n| n as f64))),
            list(own_rates),
        )
        .beside(format!("ACME CSE: {}", list(peer_rates))),
    );
    Ok(rows)
}

/// Creates a second with each number of connections, of both servers.
async fn rates(
    landfall: Target<'_>,
    dir: &Path,
    time: Duration,
) -> Outcome<([f64; CONNECTIONS.len()], [f64; CONNECTIONS.len()])> {
    let (mut own, mut peer) = ([0.0; CONNECTIONS.len()], [0.0; CONNECTIONS.len()]);
    for (at, connections) in CONNECTIONS.into_iter().enumerate() {
        let name = format!("try{connections}");
        let mut runs = Runs::default();
        run(&mut runs, landfall, &name, connections, Containers::Each, time).await?;
        own[at] = runs.per_s()?.median;
        let acme = Acme::start(&dir.join("acme")).await?;
        let mut runs = Runs::default();
        run(&mut runs, Target::of(&acme), &name, connections, Containers::Each, time).await?;
        peer[at] = runs.per_s()?.median;
    }
    Ok((own, peer))
}

fn best(rates: &[f64; CONNECTIONS.len()]) -> usize {
    CONNECTIONS.into_iter().zip(rates).max_by(|a, b| a.1.total_cmp(b.1)).map_or(1, |(connections, _)| connections)
}

async fn run(
    runs: &mut Runs,
    target: Target<'_>,
    name: &str,
    connections: usize,
    containers: Containers,
    time: Duration,
) -> Outcome<()> {
    let mut lot = Lot::prepare(target.cse, name, connections, containers).await?;
    let begun = Begun::now(target.pid)?;
    let done = lot.flood(time).await?;
    let taken = if target.counted { lot.taken().await? } else { done.count };
    if taken != done.count {
        return Err(format!("{} creates were answered with 201, the containers have taken {taken}", done.count).into());
    }
    runs.add(&begun, done)
}

impl<'a> Target<'a> {
    fn of(acme: &'a Acme) -> Self {
        Self { pid: acme.pid(), cse: &acme.cse, counted: false }
    }
}

impl<'a> Lot<'a> {
    async fn prepare(cse: &'a Cse, name: &str, connections: usize, containers: Containers) -> Outcome<Self> {
        let mut lot = Self { cse, lanes: Vec::with_capacity(connections), containers: Vec::new() };
        for lane in 0..connections {
            let mut http = cse.connect().await?;
            let container = match containers {
                Containers::Each => format!("{name}-{lane}"),
                Containers::Kept => format!("{name}-kept-{lane}"),
                Containers::One => format!("{name}-all"),
            };
            if lot.containers.last() != Some(&container) {
                cse.make_container(&mut http, &container, (containers == Containers::Kept).then_some(ALL)).await?;
                lot.containers.push(container.clone());
            }
            lot.lanes.push((http, container));
        }
        Ok(lot)
    }

    /// Creates over all connections until the time is over. Every answer must be 201.
    async fn flood(&mut self, time: Duration) -> Outcome<Done> {
        let began = clock::now();
        let cse = self.cse;
        let lanes = self.lanes.iter_mut().enumerate().map(|(lane, (http, container))| async move {
            let place = format!("/{container}");
            let mut latencies = Vec::new();
            while began.elapsed() < time {
                let content = format!("{lane}:{}", latencies.len());
                let body = format!(r#"{{"m2m:cin":{{"con":"{content:.<CONTENT_BYTES$}"}}}}"#);
                let sent = clock::now();
                cse.create(http, &place, 4, body.into()).await?;
                latencies.push(sent.elapsed());
            }
            Outcome::Ok(latencies)
        });
        let latencies: Vec<Duration> = try_join_all(lanes).await?.into_iter().flatten().collect();
        Ok(Done { count: latencies.len() as u64, elapsed: began.elapsed(), latencies, ..Done::default() })
    }

    /// What the containers say they have taken.
    async fn taken(&self) -> Outcome<u64> {
        let mut http = self.cse.connect().await?;
        let mut taken = 0;
        for container in &self.containers {
            taken += self.cse.taken(&mut http, container).await?;
        }
        Ok(taken)
    }
}

fn rows(each: &Pair, one: &Pair, kept: &Runs, (own_best, peer_best): (usize, usize)) -> Outcome<Vec<Row>> {
    let connections = |n: usize| if n == 1 { "1 connection".to_owned() } else { format!("{n} connections") };
    let versus = |name: String, pair: &Pair, of: fn(&Runs) -> Outcome<Spread>| -> Outcome<(Row, f64)> {
        let (own, peer) = (of(&pair.own)?, of(&pair.peer)?);
        let ratio = own.median / peer.median;
        Ok((Row::new(name, own.show(whole, "")).against(format!("ACME CSE, in memory: {}", peer.show(whole, "")), ratio), ratio))
    };
    let name = format!(
        "contentInstance creates a second, durable, HTTP, {CONTENT_BYTES} bytes each, a container for each connection; {} (ACME CSE: {})",
        connections(own_best),
        connections(peer_best)
    );
    let (first, ratio) = versus(name, each, Runs::per_s)?;
    let (second, _) = versus("the same into one container".into(), one, Runs::per_s)?;
    let (third, _) = versus("creates a CPU-second of the server, a container for each connection".into(), each, Runs::per_cpu_s)?;
    let cores = |values: &[f64]| Outcome::Ok(spread(values)?.show(decimal, ""));
    Ok(vec![
        first.aims(format!("ratio ≥ {AIM_RATIO}"), ratio >= AIM_RATIO),
        second,
        Row::new("the same where each container keeps all, not the newest 100", kept.per_s()?.show(whole, "")),
        third,
        Row::new("cores the server used meanwhile", cores(&each.own.server_cores)?)
            .beside(format!("ACME CSE: {}", cores(&each.peer.server_cores)?)),
        Row::new("cores the load generator used meanwhile", cores(&each.own.own_cores)?)
            .beside(format!("against ACME CSE: {}", cores(&each.peer.own_cores)?)),
        Row::new("CREATE to 201 in that flood, p50 / p99", each.own.latency())
            .beside(format!("ACME CSE: {}", each.peer.latency())),
    ])
}

/// `1,234 / 567`
fn list<const N: usize>(values: [f64; N]) -> String {
    values.map(whole).join(" / ")
}
