//! A running Landfall with one application and one product, made through its public interfaces.

use crate::{
    Outcome,
    api::{self, App, Device, Http},
    landfall::Landfall,
};
use std::path::Path;

/// Connections that register devices.
const LANES: usize = 16;

/// A server that is ready to be measured.
pub struct Scene {
    /// The server.
    pub server: Landfall,
    /// An application that is logged in; its token outlives a restart of the server, but not an hour.
    pub app: App,
    /// The product.
    pub product: String,
}

impl Scene {
    /// Starts a server on an empty directory.
    pub async fn fresh(program: &Path, data: &Path) -> Outcome<Self> {
        Self::on(Landfall::start(program, data)?).await
    }

    /// Sets the scene on a server that is empty.
    pub async fn on(server: Landfall) -> Outcome<Self> {
        let token = server.admin_token()?;
        let mut http = server.http().await?;
        let product = api::make_product(&mut http, &token).await?;
        let app = api::make_app(&mut http, &token, "bench").await?;
        Ok(Self { server, app, product })
    }

    /// Registers devices (1.4.2).
    pub async fn devices(&self, prefix: &str, count: usize) -> Outcome<Vec<Device>> {
        let mut connections: Vec<Http> = Vec::with_capacity(LANES);
        for _ in 0..LANES {
            connections.push(self.server.http().await?);
        }
        api::register_all(&mut connections, &self.app, &self.product, prefix, count).await
    }
}
