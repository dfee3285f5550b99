//! Encrypted requests over live sessions, each with its answer, beside bare datagrams of the same sizes and libcoap.

use super::{LANES, Runs, Scene, sessions, spread};
use crate::{
    Outcome, clock,
    device::{Ask, KEY},
    libcoap::{self, CoapServer},
    measure::Bench,
    peers::DatagramEcho,
    profile::{self, Sampled},
    stats::{decimal, whole},
    swarm::{Job, Swarm},
    table::Row,
};
use std::path::Path;

/// At once: libcoap drops the oldest of more than a hundred.
const HANDSHAKES: usize = 64;
/// Of the rate of bare datagrams.
const AIM_SHARE: f64 = 0.4;
const OWN: Job = Job::Ask(Ask::Get(&[".well-known", "core"]));
const OTHER: Job = Job::Ask(Ask::Get(&[libcoap::RESOURCE]));

pub(in crate::measure) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let scene = Scene::fresh(&bench.program, &dir.join("landfall"), LANES).await?;
    let peer = CoapServer::start(&dir.join("libcoap"), KEY)?;
    let mut swarm = Swarm::new(scene.coaps, &scene.names, LANES)?;
    let mut others = Swarm::new(peer.address, &scene.names, LANES)?;
    for some in 0..LANES / HANDSHAKES {
        for swarm in [&mut swarm, &mut others] {
            swarm.run(some * HANDSHAKES..(some + 1) * HANDSHAKES, Job::Handshake { close: false })?;
        }
    }
    let time = bench.scale.run / 2;
    let (request, answer) = swarm.flood(OWN, time / 4)?.sizes;
    others.flood(OTHER, time / 4)?;
    let echo = DatagramEcho::start(answer)?;
    let mut bare = Swarm::bare(echo.address, LANES)?;
    let (mut own, mut plain, mut other) = (Runs::default(), Runs::default(), Runs::default());
    for _ in 0..bench.scale.repeats {
        own.run(scene.server.pid(), || swarm.flood(OWN, time))?;
        plain.run(echo.pid(), || bare.flood(Job::Datagram(request), time))?;
        other.run(peer.pid(), || others.flood(OTHER, time))?;
        clock::pause(time / 4);
    }
    let (rate, plain_rate, other_rate) = (own.per_s()?, plain.per_s()?, other.per_s()?);
    let (cpu, plain_cpu, other_cpu) = (own.per_cpu_s()?, plain.per_cpu_s()?, other.per_cpu_s()?);
    let share = rate.median / plain_rate.median;
    if share < AIM_SHARE || bench.always_profile {
        let text = profile::take(Sampled::Cpu, scene.server.pid(), dir, || swarm.flood(OWN, time).map(drop))?;
        bench.add_profile("encrypted requests", &text);
    }
    let cores = |runs: &Runs| Outcome::Ok(spread(&runs.own_cores)?.show(decimal, ""));
    let (own_cores, plain_cores, other_cores) = (cores(&own)?, cores(&plain)?, cores(&other)?);
    Ok(vec![
        Row::new(format!("encrypted requests a second (GET /.well-known/core), {}", sessions(LANES)), rate.show(whole, ""))
            .against(format!("bare UDP echo, {request} and {answer} bytes: {}", plain_rate.show(whole, "")), share)
            .aims(format!("ratio ≥ {AIM_SHARE}"), share >= AIM_SHARE),
        Row::new("the same against libcoap", rate.show(whole, "")).against(
            format!("coap-server, GET /{}: {}", libcoap::RESOURCE, other_rate.show(whole, "")),
            rate.median / other_rate.median,
        ),
        Row::new("requests a CPU-second of the server", cpu.show(whole, ""))
            .against(format!("bare UDP echo: {}", plain_cpu.show(whole, "")), cpu.median / plain_cpu.median),
        Row::new("the same against libcoap", cpu.show(whole, ""))
            .against(format!("coap-server: {}", other_cpu.show(whole, "")), cpu.median / other_cpu.median),
        Row::new("request to answer in that flood, p50 / p99", own.latency()).beside(format!(
            "bare UDP echo: {}; coap-server: {}",
            plain.latency(),
            other.latency()
        )),
        Row::new("cores the load generator used meanwhile, its encryption included", own_cores)
            .beside(format!("against the echo: {plain_cores}; against coap-server: {other_cores}")),
    ])
}
