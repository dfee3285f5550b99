//! LwM2M over DTLS: handshakes, requests, registrations, and a fleet of live sessions. Devices come in as `swarm.rs` says.

pub(super) mod fleet;
pub(super) mod handshakes;
pub(super) mod registrations;
pub(super) mod requests;

use super::runs::{Runs, spread};
use crate::{
    Outcome,
    api::{self, Http},
    device::{KEY, SUITE},
    landfall::Landfall,
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

/// How the sessions are made, for the name of a row.
fn sessions(in_flight: usize) -> String {
    format!("{}, {in_flight} in flight", SUITE.name())
}
