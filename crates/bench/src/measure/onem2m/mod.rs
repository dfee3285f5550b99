//! oneM2M over HTTP: content instances beside ACME CSE, and the provisioning of nodes (Device-to-Cloud).

pub(super) mod instances;
pub(super) mod provisioning;

use crate::{
    Outcome, api,
    landfall::Landfall,
    onem2m::{cse::Cse, originator::make_originator},
};
use std::path::Path;

/// A server with one application that speaks oneM2M.
struct Scene {
    server: Landfall,
    cse: Cse,
}

impl Scene {
    /// Starts a server on an empty directory.
    async fn fresh(program: &Path, data: &Path) -> Outcome<Self> {
        let server = Landfall::start(program, data)?;
        let token = server.admin_token()?;
        let mut http = server.http().await?;
        let app = api::make_app(&mut http, &token, "bench").await?;
        let cse = make_originator(&mut http, &token, &app, server.address("http")?).await?;
        Ok(Self { server, cse })
    }
}
