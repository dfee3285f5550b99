//! History queries (1.5.3) over many stored points, one after the other on one connection. The peer is a bare hyper server that answers
//! the same bytes. The points are put there by Landfall's own store before the server starts.

use super::Bench;
use crate::{
    Outcome,
    api::{self, App, Http},
    clock,
    conditions::gib,
    landfall::Landfall,
    peers::Echo,
    preload::Preload,
    process,
    scene::Scene,
    stats::{Spread, percentile, sorted_us, whole},
    table::Row,
};
use std::{path::Path, time::Duration};

const PAGE: u32 = 50;
/// Free bytes for each point, events and chunks and their log together.
const DISK_PER_POINT: u64 = 1_000;

/// p50 and p99 in milliseconds, of each repetition.
#[derive(Default)]
struct Times {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

pub(super) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let (count, points) = (bench.scale.history_devices, bench.scale.history_points);
    let total = (count * points) as u64;
    if process::free_disk(dir)? < total * DISK_PER_POINT {
        return Err(format!("{:.0} GiB of free disk are needed", gib(total * DISK_PER_POINT)).into());
    }
    let scene = Scene::fresh(&bench.program, &dir.join("landfall")).await?;
    let template = scene.devices("history", 1).await?;
    let data = scene.server.data.clone();
    let (app, product) = (scene.app, scene.product);
    scene.server.stop()?;
    let began = clock::now();
    let preload = Preload::open(&data, &template).await?;
    let devices = preload.devices("history", count).await?;
    preload.points(&devices, points).await?;
    preload.close().await;
    let filling = total as f64 / began.elapsed().as_secs_f64();
    let disk = process::disk_usage(&data)?;
    let scene = Scene { server: Landfall::start(&bench.program, &data)?, app, product };
    let mut http = scene.server.http().await?;
    let ids: Vec<String> = devices.iter().map(ToString::to_string).collect();
    let last = (points as u64).div_ceil(u64::from(PAGE)) - 1;
    let sample = api::history(&mut http, &scene.app, ids.first().ok_or("no devices")?, 0, PAGE).await?;
    let found = api::history_counts(&sample)?;
    if found != (points as u64, PAGE as usize) {
        return Err(format!("{found:?} points where {points} were stored").into());
    }
    let echo = Echo::start(&dir.join("echo"), &sample, false)?;
    let (mut first, mut deep, mut bare) = (Times::default(), Times::default(), Times::default());
    for _ in 0..bench.scale.repeats {
        first.run(&mut http, &scene.app, &ids, 0, bench.scale.queries).await?;
        deep.run(&mut http, &scene.app, &ids, last, bench.scale.queries).await?;
        bare.run(&mut Http::plain(echo.address).await?, &scene.app, &ids, 0, bench.scale.queries).await?;
    }
    let of = format!("{} points of {} devices, page of {PAGE}", whole(total as f64), whole(count as f64));
    let mut rows = Vec::new();
    for (name, times) in [("newest page", &first), ("oldest page", &deep)] {
        rows.push(row(&format!("history query (1.5.3) p50, {of}, {name}"), &times.p50, &bare.p50)?);
        rows.push(row(&format!("the same, p99, {name}"), &times.p99, &bare.p99)?);
    }
    let text = format!("{} points a second; {:.0} bytes a point", whole(filling), disk as f64 / total as f64);
    rows.push(Row::new("filling that history through the store, and its size on disk with the event stream", text));
    Ok(rows)
}

fn row(name: &str, own: &[f64], peer: &[f64]) -> Outcome<Row> {
    let spread = |values: &[f64]| Spread::of(values).ok_or("nothing was measured");
    let (own, peer) = (spread(own)?, spread(peer)?);
    let ms = |x: f64| format!("{x:.2}");
    Ok(Row::new(name, own.show(ms, " ms"))
        .against(format!("bare hyper echo: {}", peer.show(ms, " ms")), own.median / peer.median))
}

impl Times {
    async fn run(&mut self, http: &mut Http, app: &App, ids: &[String], page: u64, queries: usize) -> Outcome<()> {
        let mut times: Vec<Duration> = Vec::with_capacity(queries);
        for _ in 0..queries {
            let id = &ids[crate::preload::below(ids.len())];
            let began = clock::now();
            let answer = api::history(http, app, id, page, PAGE).await?;
            times.push(began.elapsed());
            if answer.is_empty() {
                return Err("an empty answer".into());
            }
        }
        let sorted = sorted_us(times);
        for (values, per_mille) in [(&mut self.p50, 500), (&mut self.p99, 990)] {
            values.push(percentile(&sorted, per_mille).ok_or("nothing was measured")? as f64 / 1000.0);
        }
        Ok(())
    }
}
