//! The admin API under /api/v1, for operators: accounts, applications, products, devices, provisioning, jobs,
//! subscriptions, settings and status.
//!
//! Authentication is a bearer token (`Core::operator`): the server's sees every account, that of an account only its own. The query
//! parameter `account` (id or name) chooses the account; without it an account's operator works in that account and the server's
//! in the one named "default". Absent: any rule of the domain, which is `landfall-core`'s.

mod accounts;
mod apps;
mod caller;
mod codecs;
mod devices;
mod error;
mod groups;
mod import;
mod imports;
mod jobs;
mod manage;
pub mod observe;
mod onem2m;
mod ops;
mod package;
mod products;
mod query;
mod queue;
mod register;
mod routes;
mod server;
mod subscriptions;
mod users;
mod view;

pub use ops::{Certificate, Delivery, DeliveryError, DeviceRequest, Operations, Snapshot, Status, Undelivered};
pub use package::fuzz_profile_package;
pub use routes::{OPERATIONS, router};

use crate::{http::Form, openapi::Document};
use axum::response::IntoResponse;

use landfall_core::Core;
use onem2m::WITHHELD_HELP;
use std::sync::Arc;

/// What is answered where a handler panicked.
pub(crate) const FORM: Form = Form { api: "admin", echoes: &[], failed: |_, _| error::failed().into_response() };

/// The OpenAPI document of this API.
pub const DOCUMENT: Document = Document { name: FORM.api, yaml: include_str!("../../../../spec/admin/openapi.yaml") };

/// What the admin API works on.
pub struct Admin {
    core: Arc<Core>,
    ops: Arc<dyn Operations>,
}

impl Admin {
    /// An admin API over a core and the server around it.
    pub fn new(core: Arc<Core>, ops: Arc<dyn Operations>) -> Self {
        Self { core, ops }
    }
}
