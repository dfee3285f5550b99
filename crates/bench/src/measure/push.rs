//! Pushes to one receiver: one application, one subscription, many devices; the reports come faster than they can be pushed. First to an HTTP
//! callback, then to one client of the channel MQTT. The peer posts the same body over as many connections, without reading it from anywhere.

use super::{Bench, report_of};
use crate::{
    Outcome, api, clock,
    load::Fleet,
    mqtt::{Login, subscribe},
    peers::post_loop,
    process,
    receiver::{Receiver, Seen},
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
    let scene = Scene::fresh(&bench.program, &dir.join("landfall")).await?;
    let (http, mqtt) = (Receiver::start(bench.epoch)?, client(bench, &scene)?);
    let devices = scene.devices("push", bench.scale.publishers).await?;
    let hour = clock::utc().hour();
    let hellos = devices.iter().map(|d| d.login(&hour).connect(KEEP_ALIVE_S)).collect();
    let (mut fleet, _) = Fleet::connect(scene.server.address("mqtt")?, hellos, AT_ONCE)?;
    fleet.templates(|i| report_of(&devices[i].id, "21.5"));
    let count = bench.scale.pushes;
    let (mut over_http, mut over_mqtt, mut peer, mut connections) = (Pushed::default(), Pushed::default(), Vec::new(), 0);
    for _ in 0..bench.scale.repeats {
        let seen = over_http.flood(&scene, &mut fleet, ("HTTP", &http), count).await?;
        connections = seen.connections;
        over_mqtt.flood(&scene, &mut fleet, ("MQTT", &mqtt), count).await?;
        clock::pause(Duration::from_secs(1));
        http.reset();
        let elapsed = post_loop(dir, http.address(), &seen.body, count, seen.connections)?;
        peer.push(count as f64 / elapsed.as_secs_f64());
    }
    let spread = |values: &[f64]| Spread::of(values).ok_or("nothing was measured");
    let (own, per_cpu, peer) = (spread(&over_http.per_s)?, spread(&over_http.per_cpu_s)?, spread(&peer)?);
    let (told, told_per_cpu) = (spread(&over_mqtt.per_s)?, spread(&over_mqtt.per_cpu_s)?);
    let from = format!("reports from {} devices", devices.len());
    Ok(vec![
        Row::new(format!("pushes a second to one receiver, {connections} connections, {from}"), own.show(whole, ""))
            .against(format!("bare posting loop: {}", peer.show(whole, "")), own.median / peer.median),
        Row::new("pushes a CPU-second of the server, taking and storing the reports included", per_cpu.show(whole, "")),
        Row::new(format!("deliveries a second over the channel MQTT to one client, QoS 1, {from}"), told.show(whole, ""))
            .against(format!("the HTTP pushes above: {}", own.show(whole, "")), told.median / own.median),
        Row::new("deliveries over MQTT a CPU-second of the server, the reports included", told_per_cpu.show(whole, ""))
            .against(format!("the same over HTTP: {}", per_cpu.show(whole, "")), told_per_cpu.median / per_cpu.median),
    ])
}

/// The application as a client of the channel MQTT.
fn client(bench: &Bench, scene: &Scene) -> Outcome<Receiver> {
    let (id, secret) = (&scene.app.id, &scene.app.secret);
    let login = Login { client_id: id.clone(), username: id.clone(), password: secret.clone() };
    let mut opening = login.connect(KEEP_ALIVE_S);
    opening.extend(subscribe(&format!("/huawei/v1/applications/{id}/notifications")));
    Receiver::connect(scene.server.address("mqtt")?, opening, bench.epoch)
}

/// What came by one channel, run by run.
#[derive(Default)]
struct Pushed {
    per_s: Vec<f64>,
    per_cpu_s: Vec<f64>,
}

impl Pushed {
    /// One run: the only subscription is over this channel.
    async fn flood(
        &mut self,
        scene: &Scene,
        fleet: &mut Fleet,
        (channel, receiver): (&str, &Receiver),
        count: u64,
    ) -> Outcome<Seen> {
        let mut http = scene.server.http().await?;
        api::subscribe_over(&mut http, &scene.app, channel, &receiver.url("/ok")).await?;
        receiver.reset();
        let cpu = process::cpu_s(scene.server.pid())?;
        let published = fleet.flood(WINDOW, count, Duration::MAX)?;
        let seen = receiver.wait_for(published.acked, PATIENCE)?;
        let cpu = process::cpu_s(scene.server.pid())? - cpu;
        api::unsubscribe(&mut http, &scene.app, channel).await?;
        let (Some(first), Some(last)) = (seen.first, seen.last) else { return Err("no push came".into()) };
        self.per_s.push(seen.requests as f64 / (last - first).as_secs_f64());
        self.per_cpu_s.push(seen.requests as f64 / cpu);
        Ok(seen)
    }
}
