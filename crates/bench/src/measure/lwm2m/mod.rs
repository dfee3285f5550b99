//! LwM2M over DTLS: handshakes, requests, registrations, and a fleet of live sessions. Devices come in as `swarm.rs` says.

pub(super) mod fleet;
pub(super) mod handshakes;
pub(super) mod registrations;
pub(super) mod requests;

use crate::{
    Outcome,
    api::{self, Http},
    device::{KEY, SUITE},
    landfall::Landfall,
    process,
    stats::{Spread, percentile, sorted_us},
    swarm::Done,
};
use std::{
    net::{SocketAddr, UdpSocket},
    path::Path,
};

/// Sockets of the load, and so what is in flight.
const LANES: usize = 256;
/// Connections that register devices.
const HTTP_LANES: usize = 32;

/// A server with LwM2M devices that have not come in yet.
struct Scene {
    server: Landfall,
    /// Where it speaks CoAP over DTLS; a restarted one is there again.
    coaps: SocketAddr,
    /// Endpoint names, which are the key identities as well.
    names: Vec<String>,
}

impl Scene {
    /// Starts a server on an empty directory and registers devices (1.4.1).
    async fn fresh(program: &Path, data: &Path, devices: usize) -> Outcome<Self> {
        let coaps = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let server = Landfall::start_at(program, data, coaps)?;
        let token = server.admin_token()?;
        let mut http = server.http().await?;
        let product = api::make_lwm2m_product(&mut http, &token).await?;
        let app = api::make_app(&mut http, &token, "bench").await?;
        let names: Vec<String> = (0..devices).map(|i| format!("urn-bench-{i:07}")).collect();
        let mut connections: Vec<Http> = Vec::with_capacity(HTTP_LANES);
        for _ in 0..HTTP_LANES {
            connections.push(server.http().await?);
        }
        api::register_keyed(&mut connections, &app, &product, &names, &hex::encode(KEY)).await?;
        Ok(Self { server, coaps, names })
    }
}

/// Runs of one kind against one server.
#[derive(Default)]
struct Runs {
    per_s: Vec<f64>,
    per_cpu_s: Vec<f64>,
    own_cores: Vec<f64>,
    done: Vec<Done>,
}

impl Runs {
    /// One more; `pid` is the server's process.
    fn run(&mut self, pid: u32, work: impl FnOnce() -> Outcome<Done>) -> Outcome<()> {
        let (server, own) = (process::cpu_s(pid)?, process::cpu_s(std::process::id())?);
        let done = work()?;
        let (server, own) = (process::cpu_s(pid)? - server, process::cpu_s(std::process::id())? - own);
        self.per_s.push(done.count as f64 / done.elapsed.as_secs_f64());
        self.per_cpu_s.push(done.count as f64 / server);
        self.own_cores.push(own / done.elapsed.as_secs_f64());
        self.done.push(done);
        Ok(())
    }

    fn per_s(&self) -> Outcome<Spread> {
        spread(&self.per_s)
    }

    fn per_cpu_s(&self) -> Outcome<Spread> {
        spread(&self.per_cpu_s)
    }

    /// `12.3 / 45.6 ms`, the 50th and the 99th percentile.
    fn latency(&self) -> String {
        let sorted = sorted_us(self.done.iter().flat_map(|done| done.latencies.clone()).collect());
        let ms = |per_mille| percentile(&sorted, per_mille).map_or("?".into(), |us| format!("{:.1}", us as f64 / 1000.0));
        format!("{} / {} ms", ms(500), ms(990))
    }

    fn repeated(&self) -> u64 {
        self.done.iter().map(|done| done.repeated).sum()
    }
}

fn spread(values: &[f64]) -> Outcome<Spread> {
    Ok(Spread::of(values).ok_or("nothing was measured")?)
}

/// How the sessions are made, for the name of a row.
fn sessions(in_flight: usize) -> String {
    format!("{}, {in_flight} in flight", SUITE.name())
}
