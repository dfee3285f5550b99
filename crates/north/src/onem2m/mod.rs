//! oneM2M over HTTP (TS-0009) as Telekom Device-to-Cloud has it (spec/onem2m/onem2m-d2c.md): an account's tree of nodes, containers,
//! subscriptions and provisioning over the core.
//!
//! Absent: creation of nodes, management objects that applications make beside information and credentials, non-blocking requests, XML and CBOR, and the
//! bindings to other protocols.

mod answer;
mod attributes;
mod compose;
mod errors;
mod flex;
mod group;
pub(crate) mod list;
mod names;
mod node;
mod notify;
mod operate;
mod primitive;
mod provisioning;
mod show;
mod token;
mod wanted;

pub use list::{DEFINITION, ROOT, fuzz_list};
pub use primitive::fuzz_primitive;

use crate::{
    dialect::{self, Dialect},
    http::{Call, Form, Unread, guarded},
};
use answer::{Outcome, answer};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{header, request::Parts},
    response::Response,
    routing::{any, post},
};
use errors::Fault;
use landfall_core::{Core, Target};
use landfall_model::{AccountPart, Cause, Error};
use operate::{Addressed, locate};
use primitive::{Operation, Primitive};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use wanted::Wanted;

/// Its line in the list.
pub const DIALECT: Dialect = Dialect {
    name: "onem2m",
    prefixes: &["/device-management-orchestrator/v3", "/device-management-orchestrator/oauth", "/auth/realms"],
    settings: dialect::settings::<Settings>,
    former_keys: &[("northbound.d2c_client_root", "d2c_client_root")],
    document: include_str!("../../../../spec/onem2m/onem2m-d2c.openapi.yaml"),
    routes: |core, settings| {
        let settings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        Ok(router(Arc::new(OneM2M { core, settings })))
    },
    form: Form {
        api: "onem2m",
        echoes: &["accept", "fullname", "x-m2m-ri"],
        failed: |headers, now| answer(Err(Fault::broken()), &primitive::echo(headers), now),
    },
    notifier: Some(&notify::Notices),
};

const BASE: &str = "/device-management-orchestrator/v3/";
/// Bytes of a body.
const BODY_BYTES: usize = 1024 * 1024;

/// What an operator may tune in the dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Shows the outcome of a provisioning request, and the list of them, also under the root `flexContainer`, where the client `dtiot-d2c`
    /// looks for it (contract, Amb-34).
    d2c_client_root: bool,
}

/// The dialect over a core.
struct OneM2M {
    core: Arc<Core>,
    settings: Settings,
}

/// The routes of the dialect: the tree of each tenant, and the addresses under which tokens are given out.
fn router(state: Arc<OneM2M>) -> Router {
    let clock = Arc::clone(&state.core);
    let tokens = Router::new()
        .route("/device-management-orchestrator/oauth/token", post(token::grant))
        .route("/auth/realms/{realm}/protocol/openid-connect/token", post(token::grant))
        .with_state(Arc::clone(&state));
    let tree = Router::new().route("/device-management-orchestrator/v3/{*rest}", any(serve)).with_state(state);
    tree.merge(guarded(tokens, token::FORM, move || clock.now()))
}

async fn serve(State(state): State<Arc<OneM2M>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let echo = primitive::echo(&parts.headers);
    let outcome = state.outcome(&parts, body).await;
    answer(outcome, &echo, state.core.now())
}

impl OneM2M {
    /// Token, primitive, originator, target, body: a body is read for those alone who may send it.
    async fn outcome(&self, parts: &Parts, body: Body) -> Result<Outcome, Fault> {
        let call = Call::of(&parts.extensions);
        let token = token::presented(&parts.headers);
        primitive::introduce(&call, &parts.method, &parts.headers, token.as_ref());
        let token = token.ok_or_else(|| Error::new(Cause::Unauthenticated, "the Authorization header has no token"))?;
        let path = parts.uri.path().strip_prefix(BASE).unwrap_or_default();
        let asked = Primitive::read(&parts.method, path, parts.uri.query().unwrap_or_default(), &parts.headers)?;
        if asked.operation == Operation::Discover {
            call.asks("discover");
        }
        let wanted = Wanted::read(&parts.headers, self.core.now())?;
        let by = self.core.originator(asked.tenant.as_deref(), token.expose(), &asked.origin).await?;
        call.is_of(by.app());
        let addressed = locate(&self.core, &by, &asked).await?;
        if !matches!(asked.operation, Operation::Create(_) | Operation::Update) {
            let twice = self.settings.d2c_client_root && addressed.shows_outcomes();
            let outcome = addressed.operate(&self.core, &by, &asked, &[]).await?;
            return Ok(if twice { with_client_root(outcome) } else { outcome });
        }
        let provisions = matches!(addressed, Addressed::One(Target::Place(AccountPart::Requests)));
        let small = declared_bytes(parts).is_some_and(|bytes| bytes <= BODY_BYTES as u64);
        let limit_bytes = if provisions && !small { list::BODY_BYTES } else { BODY_BYTES };
        if declared_bytes(parts).is_some_and(|bytes| bytes > limit_bytes as u64) {
            return Err(Fault::too_large(limit_bytes));
        }
        if limit_bytes > BODY_BYTES {
            list::upload(&parts.extensions);
        }
        let body = read(body, limit_bytes).await?;
        wanted.check(self.core.now())?;
        addressed.operate(&self.core, &by, &asked, &body).await
    }
}

/// The outcome, or the list of those that are children of their place, a second time where the client looks.
fn with_client_root(mut outcome: Outcome) -> Outcome {
    const ROOT: &str = "dtiot:prRRe";
    if let Some(Value::Object(body)) = &mut outcome.body {
        let listed = || body.get("m2m:cnt").map(|place| place.get(ROOT).cloned().unwrap_or_else(|| Value::Array(vec![])));
        if let Some(shown) = body.get(ROOT).cloned().or_else(listed) {
            body.insert("flexContainer".to_owned(), shown);
        }
    }
    outcome
}

/// `Content-Length`
fn declared_bytes(parts: &Parts) -> Option<u64> {
    parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(body: Body, limit_bytes: usize) -> Result<bytes::Bytes, Fault> {
    axum::body::to_bytes(body, limit_bytes).await.map_err(|error| match Unread::of(&error) {
        Some(Unread::TooSlow) => Fault::too_slow(),
        Some(why @ Unread::NoRoom) => Error::new(Cause::Overloaded, why.to_string()).into(),
        None if error.into_inner().is::<http_body_util::LengthLimitError>() => Fault::too_large(limit_bytes),
        None => Fault::bad("the body ended too early"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn outcomes_are_shown_twice_alone_and_listed() {
        for (body, expected) in [
            (json!({"dtiot:prRRe": {"rn": "a"}}), Some(json!({"rn": "a"}))),
            (json!({"m2m:cnt": {"rn": "response", "dtiot:prRRe": [{"rn": "a"}]}}), Some(json!([{"rn": "a"}]))),
            (json!({"m2m:cnt": {"rn": "response"}}), Some(json!([]))),
            (json!({"m2m:rrl": {"rrf": []}}), None),
        ] {
            let shown = with_client_root(Outcome::of(2000, body.clone())).body.unwrap();
            assert_eq!(shown.get("flexContainer"), expected.as_ref(), "{body}");
        }
    }

    #[tokio::test]
    async fn bodies_have_a_limit() {
        assert_eq!(read(Body::from("12345"), 5).await.unwrap().len(), 5);
        let fault = read(Body::from("123456"), 5).await.unwrap_err();
        assert_eq!((fault.status, fault.rsc), (413, 4000));
    }

    #[tokio::test]
    async fn bodies_that_do_not_come_are_given_up() {
        for (why, status, rsc) in [(Unread::TooSlow, 408, 4008), (Unread::NoRoom, 503, 5000)] {
            let given_up = Body::from_stream(futures_util::stream::iter([Err::<bytes::Bytes, _>(why)]));
            let fault = read(given_up, 5).await.unwrap_err();
            assert_eq!((fault.status, fault.rsc), (status, rsc));
        }
    }
}
