//! Pushes to one receiver: one application, one subscription, many devices; the reports come faster than they can be pushed.
//! The peer posts the same body over as many connections, without reading it from anywhere.

use super::{Bench, report_of};
use crate::{
    Outcome, api, clock,
    load::Fleet,
    peers::post_loop,
    process,
    receiver::Receiver,
    scene::Scene,
    stats::{Spread, whole},
    table::Row,
};
use std::{path::Path, time::Duration};

const WINDOW: u32 = 8;
const AT_ONCE: usize = 64;
const KEEP_ALIVE_S: u16 = 1200;
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let receiver = Receiver::start(bench.epoch)?;
    let scene = Scene::fresh(&bench.program, &dir.join("landfall")).await?;
    api::subscribe(&mut scene.server.http().await?, &scene.app, &receiver.url("/ok")).await?;
    let devices = scene.devices("push", bench.scale.publishers).await?;
    let hour = clock::utc().hour();
    let hellos = devices.iter().map(|d| d.login(&hour).connect(KEEP_ALIVE_S)).collect();
    let (mut fleet, _) = Fleet::connect(scene.server.address("mqtt")?, hellos, AT_ONCE)?;
    fleet.templates(|i| report_of(&devices[i].id, "21.5"));
    let count = bench.scale.pushes;
    let (mut own, mut per_cpu, mut peer, mut connections) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..bench.scale.repeats {
        receiver.reset();
        let cpu = process::cpu_s(scene.server.pid())?;
        let published = fleet.flood(WINDOW, count, Duration::MAX)?;
        let seen = receiver.wait_for(published.acked, PATIENCE)?;
        let cpu = process::cpu_s(scene.server.pid())? - cpu;
        let (Some(first), Some(last)) = (seen.first, seen.last) else { return Err("no push came".into()) };
        own.push(seen.requests as f64 / (last - first).as_secs_f64());
        per_cpu.push(seen.requests as f64 / cpu);
        connections = seen.connections;
        clock::pause(Duration::from_secs(1));
        receiver.reset();
        let elapsed = post_loop(dir, receiver.address(), &seen.body, count, seen.connections)?;
        peer.push(count as f64 / elapsed.as_secs_f64());
    }
    let spread = |values: &[f64]| Spread::of(values).ok_or("nothing was measured");
    let (own, per_cpu, peer) = (spread(&own)?, spread(&per_cpu)?, spread(&peer)?);
    let name = format!("pushes a second to one receiver, {connections} connections, reports from {} devices", devices.len());
    Ok(vec![
        Row::new(name, own.show(whole, ""))
            .against(format!("bare posting loop: {}", peer.show(whole, "")), own.median / peer.median),
        Row::new("pushes a CPU-second of the server, taking and storing the reports included", per_cpu.show(whole, "")),
    ])
}
