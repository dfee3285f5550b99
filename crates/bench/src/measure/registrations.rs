//! Device registrations (1.4.2) over HTTPS with kept connections. The peer is a bare hyper server over the same TLS that answers the same
//! bytes and stores nothing.

use super::Bench;
use crate::{
    Outcome,
    api::{self, App, Http},
    clock,
    peers::Echo,
    process,
    scene::Scene,
    stats::{Spread, whole},
    table::Row,
};
use bytes::Bytes;
use futures_util::future::try_join_all;
use hyper::Method;
use std::{path::Path, time::Duration};

const CONNECTIONS: usize = 16;

pub(super) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let scene = Scene::fresh(&bench.program, &dir.join("landfall")).await?;
    let answer = sample_answer(&scene).await?;
    let echo = Echo::start(&dir.join("echo"), &answer, true)?;
    let (mut own, mut own_cpu, mut peer, mut peer_cpu) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for turn in 0..bench.scale.repeats {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(scene.server.https().await?);
        }
        let cpu = process::cpu_s(scene.server.pid())?;
        let (count, elapsed) = flood(connections, &scene.app, &scene.product, &format!("r{turn}"), bench.scale.run).await?;
        own.push(count as f64 / elapsed.as_secs_f64());
        own_cpu.push(count as f64 / (process::cpu_s(scene.server.pid())? - cpu));
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Http::tls(echo.address, &echo.certificate).await?);
        }
        let cpu = process::cpu_s(echo.pid())?;
        let (count, elapsed) = flood(connections, &scene.app, &scene.product, &format!("r{turn}"), bench.scale.run).await?;
        peer.push(count as f64 / elapsed.as_secs_f64());
        peer_cpu.push(count as f64 / (process::cpu_s(echo.pid())? - cpu));
    }
    let spread = |values: &[f64]| Spread::of(values).ok_or("nothing was measured");
    let (own, own_cpu, peer, peer_cpu) = (spread(&own)?, spread(&own_cpu)?, spread(&peer)?, spread(&peer_cpu)?);
    Ok(vec![
        Row::new(format!("device registrations (1.4.2) a second, HTTPS, {CONNECTIONS} kept connections"), own.show(whole, ""))
            .against(format!("bare hyper echo over TLS: {}", peer.show(whole, "")), own.median / peer.median),
        Row::new("registrations a CPU-second of the server", own_cpu.show(whole, ""))
            .against(format!("bare hyper echo: {}", peer_cpu.show(whole, "")), own_cpu.median / peer_cpu.median),
    ])
}

async fn sample_answer(scene: &Scene) -> Outcome<Bytes> {
    let headers = [("content-type", "application/json"), ("app_key", &scene.app.id), ("authorization", &scene.app.bearer)];
    let body = api::registration(&scene.product, "sample");
    let (status, answer) = scene.server.https().await?.call(Method::POST, api::REGISTER, &headers, body).await?;
    if status.is_success() { Ok(answer) } else { Err(format!("{status} {}", String::from_utf8_lossy(&answer)).into()) }
}

/// Registers over all connections until the time is over; every answer must hold a device.
async fn flood(connections: Vec<Http>, app: &App, product: &str, prefix: &str, time: Duration) -> Outcome<(u64, Duration)> {
    let began = clock::now();
    let lanes = connections.into_iter().enumerate().map(|(lane, mut http)| async move {
        let mut count = 0_u64;
        while began.elapsed() < time {
            let body = api::registration(product, &format!("{prefix}-{lane}-{count}"));
            api::register(&mut http, app, body).await?;
            count += 1;
        }
        Outcome::Ok(count)
    });
    let count = try_join_all(lanes).await?.into_iter().sum();
    Ok((count, began.elapsed()))
}
