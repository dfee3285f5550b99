//! From publish to receipt at healthy receivers, while one of many never answers. The peer is Landfall itself with only healthy ones.

use super::{Bench, report_of};
use crate::{
    Outcome, api, clock,
    load::Fleet,
    mqtt::STAMP,
    receiver::{HANG, Receiver},
    scene::Scene,
    stats::{Spread, percentile, sorted_us},
    table::Row,
};
use std::{path::Path, time::Duration};

const AT_ONCE: usize = 64;
const KEEP_ALIVE_S: u16 = 1200;
/// Every device reports so often.
const INTERVAL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(20);

/// A server with one application, device and subscription for each receiver.
struct Field {
    _scene: Scene,
    receiver: Receiver,
    fleet: Fleet,
    healthy: u64,
    /// Milliseconds of each repetition.
    p50: Vec<f64>,
    p99: Vec<f64>,
    hanging: u64,
}

pub(super) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let mut sick = Field::new(bench, &dir.join("hanging"), true).await?;
    let mut well = Field::new(bench, &dir.join("healthy"), false).await?;
    for _ in 0..bench.scale.repeats {
        sick.run(bench)?;
        well.run(bench)?;
    }
    if sick.hanging == 0 {
        return Err("the receiver that should hang got nothing".into());
    }
    let name = |quantile: &str| {
        let (count, per_s) = (bench.scale.receivers, 1.0 / INTERVAL.as_secs_f64());
        format!("publish to receipt at healthy receivers, {quantile}, one of {count} hangs, {per_s:.0} reports a second for each")
    };
    let ms = |x: f64| format!("{x:.1}");
    let row = |quantile: &str, sick: &[f64], well: &[f64]| -> Outcome<Row> {
        let spread = |values: &[f64]| Spread::of(values).ok_or("nothing was measured");
        let (sick, well) = (spread(sick)?, spread(well)?);
        Ok(Row::new(name(quantile), sick.show(ms, " ms"))
            .against(format!("none hangs: {}", well.show(ms, " ms")), sick.median / well.median))
    };
    Ok(vec![row("p50", &sick.p50, &well.p50)?, row("p99", &sick.p99, &well.p99)?])
}

impl Field {
    async fn new(bench: &Bench, data: &Path, one_hangs: bool) -> Outcome<Self> {
        let receiver = Receiver::start(bench.epoch)?;
        let scene = Scene::fresh(&bench.program, data).await?;
        let token = scene.server.admin_token()?;
        let mut http = scene.server.http().await?;
        let mut devices = Vec::new();
        for i in 0..bench.scale.receivers {
            let app = api::make_app(&mut http, &token, &format!("receiver-{i}")).await?;
            let path = if one_hangs && i == 0 { HANG.to_owned() } else { format!("/ok/{i}") };
            api::subscribe(&mut http, &app, &receiver.url(&path)).await?;
            let body = api::registration(&scene.product, &format!("receiver-{i}"));
            devices.push(api::register(&mut http, &app, body).await?);
        }
        let hour = clock::utc().hour();
        let hellos = devices.iter().map(|d| d.login(&hour).connect(KEEP_ALIVE_S)).collect();
        let (mut fleet, _) = Fleet::connect(scene.server.address("mqtt")?, hellos, AT_ONCE)?;
        fleet.templates(|i| report_of(&devices[i].id, STAMP));
        let healthy = (devices.len() - usize::from(one_hangs)) as u64;
        Ok(Self { _scene: scene, receiver, fleet, healthy, p50: Vec::new(), p99: Vec::new(), hanging: 0 })
    }

    fn run(&mut self, bench: &Bench) -> Outcome<()> {
        let before = self.receiver.seen().hanging;
        self.hanging = self.hanging.max(before);
        self.receiver.reset();
        self.fleet.pace(INTERVAL, bench.scale.rounds, bench.epoch)?;
        let expected = self.healthy * u64::from(bench.scale.rounds);
        let seen = self.receiver.wait_for(expected, PATIENCE)?;
        self.hanging = self.hanging.max(seen.hanging);
        if seen.latencies.len() as u64 != seen.requests || seen.requests != expected {
            return Err(format!("{} pushes, {} with a stamp, {expected} expected", seen.requests, seen.latencies.len()).into());
        }
        let sorted = sorted_us(seen.latencies);
        for (values, per_mille) in [(&mut self.p50, 500), (&mut self.p99, 990)] {
            values.push(percentile(&sorted, per_mille).ok_or("nothing was measured")? as f64 / 1000.0);
        }
        Ok(())
    }
}
