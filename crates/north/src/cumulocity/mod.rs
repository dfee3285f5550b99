//! The Cumulocity REST API (spec/devicecontrol/cumulocity-devicecontrol.md): operations ([`OPERATIONS`]) over the core.
//!
//! **How to add a resource.** Its file has one function an operation, `async fn list(inbound: Inbound) -> Result<Reply, Fault>`; a row in
//! `operation.rs` says method, path, id in the contract, who may ([`landfall_core::Permission`], or `open` for everybody, whose function takes an
//! `Inbound<()>`), and the name in the media type of its answer. All the rest is done around it:
//!
//! - [`Inbound`] is the authenticated request: `core()`, `caller()`, `segment("id")` (decoded), `query()`, `json().await` (the body as an object, at
//!   most 1 MiB; other sizes by `into_request()`), `url("/identity/...")` for what is told of addresses.
//! - [`Query`]: `text`, `flag`, `number`, `time`. [`Paging::read`] takes `pageSize` and the others; `core_page()` is the core's, and
//!   `collection(&inbound, "operations", items, total)` the body, with `self`, `prev`, `next` and `statistics`.
//! - [`Reply`]: `ok(value)` 200, `created(value)` 201 with `Location` of its `self`, `done()` 204; `of("name")` for another media type than the
//!   row's; `Raw(response)` for what is no JSON. A POST or PUT without `Accept` gets the same without a body (seed 11).
//! - [`Fault`]: an error of the core by `?`; `Fault::invalid(path, why)` 422, `Fault::malformed(why)` 400; `saying(text)` for a message that the
//!   contract prints. `errors.rs` has the one table from causes to answers.
//! - `tests/golden.rs` plays `golden/*.http` and holds each answer to the contract.

mod alarm;
mod auth;
mod binaries;
mod bulk;
mod control;
mod device_request;
mod errors;
mod event;
mod identity;
mod inventory;
mod measurement;
mod media;
mod operation;
mod page;
mod query;
mod realtime;
mod reply;
mod request;
mod telemetry;
mod tenant;
mod user;

pub use operation::{OPERATIONS, Operation};

use crate::{
    dialect::{self, Dialect},
    http::{Form, Rest},
};
use axum::Router;
use errors::Fault;
use landfall_core::Core;
use page::Paging;
use query::Query;
use reply::Reply;
use request::Inbound;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Its line in the list.
pub const DIALECT: Dialect = Dialect {
    name: "cumulocity",
    prefixes: &[
        "/devicecontrol",
        "/inventory",
        "/identity",
        "/measurement",
        "/event",
        "/alarm",
        "/user",
        "/tenant",
        "/notification",
        "/cep",
    ],
    settings: dialect::settings::<Settings>,
    former_keys: &[],
    document: include_str!("../../../../spec/devicecontrol/cumulocity-devicecontrol.openapi.yaml"),
    routes: |core, settings| {
        let settings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        Ok(router(Arc::new(Cumulocity::new(core, settings))))
    },
    form: Form { api: "cumulocity", echoes: &[], failed: |_, _| errors::failed() },
    notifier: None,
};

/// What an operator may tune in the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Whether an answer to somebody who accepts nothing but `application/json` says to be that, and not the vendor's type (Amb-8).
    plain_json: bool,
    /// Whether users that only see may accept devices, as the seed has it (Amb-6).
    readers_accept: bool,
    /// Whether a device is accepted only with the token that it showed.
    security_token: bool,
    /// Bytes of a form with a file of devices.
    bulk_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { plain_json: false, readers_accept: false, security_token: false, bulk_bytes: 256 * 1024 * 1024 }
    }
}

/// The dialect over a core.
struct Cumulocity {
    core: Arc<Core>,
    settings: Settings,
    realtime: Arc<realtime::Clients>,
}

impl Cumulocity {
    fn new(core: Arc<Core>, settings: Settings) -> Self {
        let realtime = Arc::<realtime::Clients>::default();
        core.enlist(&realtime);
        Self { core, settings, realtime }
    }
}

/// The routes of the dialect.
fn router(state: Arc<Cumulocity>) -> Router {
    REST.refused(operation::routes().merge(realtime::routes()).with_state(state))
}

/// Whatever else there is under its prefixes gets an error body.
const REST: Rest = Rest {
    prefixes: DIALECT.prefixes,
    unknown: errors::unknown,
    wrong_method: errors::wrong_method,
    deletes_below: operation::deletes_below,
};

#[cfg(test)]
mod tests;
