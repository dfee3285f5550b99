//! The dialect over a core with two tenants, in virtual time, without a listener.

mod bootstrap;
mod golden;
mod realtime;
mod walls;

use super::{Cumulocity, OPERATIONS, Settings, router};
use crate::http::{Origin, Peer, guarded};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use landfall_core::{AccountChange, NewObject};
use landfall_testkit::{Contract, Ground, golden::Bindings, ground::Tenant};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Bytes of an answer.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// What the tests of the dialect stand on.
pub(super) struct Scene {
    pub ground: Ground,
    pub mine: Tenant,
    pub theirs: Tenant,
    bindings: Bindings,
    service: TowerToHyperService<Router>,
    realtime: Arc<super::realtime::Clients>,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// An answer, and the operation it was held to the contract of; none for a path of none.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub operation: Option<String>,
}

impl Answer {
    /// The body.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Scene {
    pub async fn new() -> Self {
        let ground = Ground::new(14).await;
        let (mine, theirs) = ground.two_tenants().await;
        let bindings = users(&ground, &mine, &theirs).await;
        Self::over(ground, mine, theirs, bindings)
    }

    /// The same after a restart of the server.
    pub async fn restart(self) -> Self {
        let Self { ground, mine, theirs, bindings, service, realtime } = self;
        drop((service, realtime));
        Self::over(ground.restart().await, mine, theirs, bindings)
    }

    fn over(ground: Ground, mine: Tenant, theirs: Tenant, bindings: Bindings) -> Self {
        let state = Arc::new(Cumulocity::new(ground.core.clone(), Settings::default()));
        let (core, realtime) = (ground.core.clone(), state.realtime.clone());
        let routes = guarded(router(state), super::DIALECT.form, move || core.now());
        Self { ground, mine, theirs, bindings, service: TowerToHyperService::new(routes), realtime }
    }

    /// What golden files may name: for each user its header `Authorization`.
    pub fn bindings(&self) -> Bindings {
        self.bindings.clone()
    }

    /// The header `Authorization` of a user that golden files may name.
    pub fn basic(&self, user: &str) -> &str {
        self.bindings.get(user).unwrap()
    }

    /// Works off jobs, for answers that wait for one.
    async fn work(&self) -> std::convert::Infallible {
        loop {
            while self.ground.core.turn_jobs().await.unwrap().more {}
            self.ground.core.jobs_bell().rung().await;
        }
    }

    /// Makes the objects `sensor`, a device of `device`, and `foreign`, one of the other tenant, neither with a product, for files that name them.
    pub async fn name_devices(&self, bindings: &mut Bindings) {
        let (mine, theirs) = (self.ground.device_user(&self.mine, "dev1").await, self.ground.admin(&self.theirs).await);
        for (name, owner) in [("sensor", mine), ("foreign", theirs)] {
            let fragments = Map::from_iter([("c8y_IsDevice".to_owned(), Value::Object(Map::new()))]);
            let new = NewObject { name: Some(name.into()), fragments, ..NewObject::default() };
            let made = self.ground.core.create_object(&owner, new).await.unwrap();
            bindings.set(name, made.id().to_string());
        }
    }

    /// The answer, which the contract has; panics with what is wrong with it.
    pub async fn answer(&self, asked: Asked<'_>) -> Answer {
        let request = Request::builder().method(asked.method).uri(asked.path);
        let request = asked.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut request = request.body(Body::from(asked.body.to_vec())).unwrap();
        request.extensions_mut().insert(Origin::of(true, Some("landfall.example")));
        request.extensions_mut().insert(Peer(([192, 0, 2, 1], 50_000).into()));
        let response = tokio::select! {
            response = self.service.call(request) => response.unwrap(),
            never = self.work() => match never {},
        };
        let status = response.status().as_u16();
        let text = |value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body = to_bytes(response.into_body(), ANSWER_BYTES).await.unwrap().to_vec();
        let operation = Contract::cumulocity().operation(asked.method, &tidy(asked.path));
        let operation = operation.filter(|operation| OPERATIONS.iter().any(|one| one.id == operation.id));
        if operation.is_some() {
            let judged = Contract::cumulocity().check_answer(asked.method, &tidy(asked.path), status, &body);
            judged.unwrap_or_else(|why| panic!("{} {}: {why}", asked.method, asked.path));
        }
        Answer { status, headers, body, operation: operation.map(|operation| operation.id.clone()) }
    }
}

/// The tenants `mine` and `theirs`, in `mine` the users `admin`, `reader` and `device` (`device_dev1`), in `theirs` the `stranger` (`admin`), and of
/// the server itself `bootstrap` and `management`.
async fn users(ground: &Ground, mine: &Tenant, theirs: &Tenant) -> Bindings {
    for (tenant, id) in [(mine, "mine"), (theirs, "theirs")] {
        let change = AccountChange { tenant: Some(id.into()), ..Default::default() };
        ground.core.change_account(&ground.operator, tenant.all.account(), change).await.unwrap();
    }
    let mut bindings = Bindings::default();
    for (name, caller) in [
        ("admin", ground.admin(mine).await),
        ("reader", ground.reader(mine).await),
        ("device", ground.device_user(mine, "dev1").await),
        ("stranger", ground.admin(theirs).await),
        ("bootstrap", ground.bootstrap().await),
        ("management", ground.management().await),
    ] {
        bindings.set(name, ground.basic(&caller).await);
    }
    bindings
}

/// The path without slashes at its end.
fn tidy(path: &str) -> String {
    path.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned()
}

#[test]
fn the_contract_has_every_operation_with_its_path() {
    for operation in OPERATIONS {
        let contract = Contract::cumulocity().operation_by_id(operation.id);
        let contract = contract.unwrap_or_else(|| panic!("no {} in the contract", operation.id));
        assert_eq!((contract.method.to_lowercase().as_str(), contract.template.as_str()), (operation.method, operation.path));
    }
    let keys: Vec<_> = OPERATIONS.iter().map(|operation| (operation.path, operation.method)).collect();
    assert!(keys.is_sorted(), "keep the list sorted");
}
