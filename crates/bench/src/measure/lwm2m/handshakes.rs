//! Full PSK handshakes. Landfall finds the key of each identity in its registry and keeps each session durably; libcoap has one key and
//! keeps nothing.

use super::{Runs, Scene, sessions};
use crate::{
    Outcome,
    device::KEY,
    libcoap::CoapServer,
    measure::Bench,
    stats::whole,
    swarm::{Job, Swarm},
    table::Row,
};
use std::path::Path;

/// libcoap drops the oldest of more than a hundred handshakes.
const LANES: usize = 64;

pub(in crate::measure) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let (each, repeats) = (bench.scale.handshakes, bench.scale.repeats);
    let scene = Scene::fresh(&bench.program, &dir.join("landfall"), each * repeats).await?;
    let peer = CoapServer::start(&dir.join("libcoap"), KEY)?;
    let mut swarm = Swarm::new(scene.coaps, &scene.names, LANES)?;
    let mut others = Swarm::new(peer.address, &scene.names, LANES)?;
    let (mut own, mut other) = (Runs::default(), Runs::default());
    for turn in 0..repeats {
        let clients = turn * each..(turn + 1) * each;
        own.run(scene.server.pid(), || swarm.run(clients.clone(), Job::Handshake { close: false }))?;
        other.run(peer.pid(), || others.run(clients, Job::Handshake { close: true }))?;
    }
    let (rate, peer_rate) = (own.per_s()?, other.per_s()?);
    let (cpu, peer_cpu) = (own.per_cpu_s()?, other.per_cpu_s()?);
    Ok(vec![
        Row::new(format!("full DTLS 1.2 PSK handshakes a second, {}", sessions(LANES)), rate.show(whole, ""))
            .against(format!("coap-server: {}", peer_rate.show(whole, "")), rate.median / peer_rate.median),
        Row::new("handshakes a CPU-second of the server", cpu.show(whole, ""))
            .against(format!("coap-server: {}", peer_cpu.show(whole, "")), cpu.median / peer_cpu.median),
        Row::new("a handshake from its first datagram to its last, p50 / p99", own.latency())
            .beside(format!("coap-server: {}", other.latency())),
        Row::new("flights repeated, of all handshakes", format!("{} of {}", own.repeated(), whole((each * repeats) as f64)))
            .beside(format!("coap-server: {}", other.repeated())),
    ])
}
