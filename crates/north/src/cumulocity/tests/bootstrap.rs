//! Random sequences of what two tenants and the bootstrap user do to the requests of a few devices, and of their logins, against the table of contract
//! section 2 as a model. Every answer is held to the contract too.

use super::{Asked, Scene};
use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SEQUENCES: u32 = 24;
const STEPS: usize = 60;
const TENANTS: [(&str, &str); 2] = [("admin", "mine"), ("stranger", "theirs")];
const REQUESTS: &str = "/devicecontrol/newDeviceRequests";

/// Of a tenant, and of a device.
#[derive(Clone, Copy, Debug)]
enum Act {
    Announce(usize, usize),
    Look(usize, usize),
    List(usize),
    Accept(usize, usize),
    AcceptAll(usize),
    Withdraw(usize, usize),
    /// A device asks.
    Poll(usize),
    /// A device logs in with the last password it was given, or with the one before.
    Login(usize, bool),
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (tenant, device) = (0_usize..2, 0_usize..3);
    let act = prop_oneof![
        4 => (tenant.clone(), device.clone()).prop_map(|(tenant, device)| Act::Announce(tenant, device)),
        1 => (tenant.clone(), device.clone()).prop_map(|(tenant, device)| Act::Look(tenant, device)),
        1 => tenant.clone().prop_map(Act::List),
        4 => (tenant.clone(), device.clone()).prop_map(|(tenant, device)| Act::Accept(tenant, device)),
        1 => tenant.clone().prop_map(Act::AcceptAll),
        1 => (tenant, device.clone()).prop_map(|(tenant, device)| Act::Withdraw(tenant, device)),
        6 => device.clone().prop_map(Act::Poll),
        4 => (device, any::<bool>()).prop_map(|(device, last)| Act::Login(device, last)),
        1 => Just(Act::Restart),
    ];
    prop::collection::vec(act, 1..STEPS)
}

/// What there is, as the table has it.
#[derive(Default)]
struct Model {
    /// Owner and state of each request, and its place in the order of their making.
    requests: BTreeMap<usize, (usize, &'static str, u32)>,
    /// Tenant of each device that was given a password, the passwords, and whether it logged in with the last.
    users: BTreeMap<usize, (usize, Vec<String>, bool)>,
    /// What was issued for each request.
    issued: BTreeMap<usize, Vec<String>>,
    made: u32,
    seen: BTreeSet<u16>,
}

const WAITING: &str = "WAITING_FOR_CONNECTION";
const PENDING: &str = "PENDING_ACCEPTANCE";
const ACCEPTED: &str = "ACCEPTED";

impl Model {
    fn own(&self, tenant: usize, device: usize) -> Option<&'static str> {
        self.requests.get(&device).filter(|request| request.0 == tenant).map(|request| request.1)
    }

    /// The status that an act is to have, and what it leaves.
    fn does(&mut self, act: Act) -> u16 {
        match act {
            Act::Announce(tenant, device) => {
                let foreign = self.users.get(&device).is_some_and(|user| user.0 != tenant);
                if foreign || self.requests.contains_key(&device) {
                    return 422;
                }
                self.made += 1;
                self.requests.insert(device, (tenant, WAITING, self.made));
                201
            }
            Act::Look(tenant, device) => self.own(tenant, device).map_or(404, |_| 200),
            Act::Accept(tenant, device) => match self.own(tenant, device) {
                None => 404,
                Some(WAITING) => 422,
                Some(_) => {
                    self.move_to(device, ACCEPTED);
                    200
                }
            },
            Act::AcceptAll(tenant) => {
                let pending = |device: &usize| self.own(tenant, *device) == Some(PENDING);
                let devices: Vec<_> = self.requests.keys().copied().filter(pending).collect();
                devices.into_iter().for_each(|device| self.move_to(device, ACCEPTED));
                200
            }
            Act::Withdraw(tenant, device) => match self.own(tenant, device) {
                None => 404,
                Some(_) => {
                    self.requests.remove(&device);
                    self.issued.remove(&device);
                    200
                }
            },
            Act::Poll(device) => match self.requests.get(&device).map(|request| request.1) {
                Some(ACCEPTED) => 201,
                Some(_) => {
                    self.move_to(device, PENDING);
                    404
                }
                None => 404,
            },
            Act::Login(device, last) => {
                let Some((tenant, passwords, proven)) = self.users.get(&device).cloned() else { return 401 };
                let shown = if last { passwords.last() } else { passwords.first() }.unwrap();
                let open = !proven && self.own(tenant, device) == Some(ACCEPTED);
                let issued = self.issued.get(&device).is_some_and(|issued| issued.iter().rev().take(5).any(|one| one == shown));
                if Some(shown) != passwords.last() && !(open && issued) {
                    return 401;
                }
                if !proven {
                    let mut passwords: Vec<_> = passwords.iter().filter(|one| *one != shown).cloned().collect();
                    passwords.push(shown.clone());
                    self.users.insert(device, (tenant, passwords, true));
                }
                if open {
                    self.requests.remove(&device);
                    self.issued.remove(&device);
                }
                // A device may not list requests: that it is told so shows that it is known.
                403
            }
            Act::List(_) | Act::Restart => 200,
        }
    }

    fn move_to(&mut self, device: usize, state: &'static str) {
        if let Some(request) = self.requests.get_mut(&device) {
            request.1 = state;
        }
    }

    fn list(&self, tenant: usize) -> Vec<(String, &'static str)> {
        let mut own: Vec<_> = self.requests.iter().filter(|(_, request)| request.0 == tenant).collect();
        own.sort_by_key(|(_, request)| request.2);
        own.into_iter().map(|(device, request)| (id(*device), request.1)).collect()
    }
}

fn id(device: usize) -> String {
    format!("device {device}").replace(' ', "-")
}

async fn call(scene: &Scene, user: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let headers = [("authorization", user), ("accept", "application/json"), ("content-type", "application/json")];
    let answer = scene.answer(Asked { method, path, headers: &headers, body: body.as_bytes() }).await;
    let json = if answer.body.is_empty() { Value::Null } else { answer.json() };
    (answer.status, json)
}

async fn played(scene: &Scene, model: &mut Model, act: Act) {
    scene.ground.advance_s(60);
    let admin = |tenant: usize| scene.basic(TENANTS[tenant].0);
    let one = |device: usize| format!("{REQUESTS}/{}", id(device));
    let (status, body) = match act {
        Act::Announce(tenant, device) => call(scene, admin(tenant), "POST", REQUESTS, Some(json!({ "id": id(device) }))).await,
        Act::Look(tenant, device) => call(scene, admin(tenant), "GET", &one(device), None).await,
        Act::List(tenant) => call(scene, admin(tenant), "GET", REQUESTS, None).await,
        Act::Accept(tenant, device) => call(scene, admin(tenant), "PUT", &one(device), Some(json!({ "status": ACCEPTED }))).await,
        Act::AcceptAll(tenant) => call(scene, admin(tenant), "POST", &format!("{REQUESTS}/acceptAll"), None).await,
        Act::Withdraw(tenant, device) => call(scene, admin(tenant), "DELETE", &one(device), None).await,
        Act::Poll(device) => {
            let asked = json!({ "id": id(device) });
            call(scene, scene.basic("bootstrap"), "POST", "/devicecontrol/deviceCredentials", Some(asked)).await
        }
        Act::Login(device, last) => {
            let none = (0, vec!["nothing".to_owned()], false);
            let (tenant, passwords, _) = model.users.get(&device).unwrap_or(&none);
            let password = if last { passwords.last() } else { passwords.first() }.unwrap();
            let pair = format!("{}/device_{}:{password}", TENANTS[*tenant].1, id(device));
            call(scene, &format!("Basic {}", STANDARD.encode(pair)), "GET", REQUESTS, None).await
        }
        Act::Restart => (200, Value::Null),
    };
    assert_eq!(status, model.does(act), "{act:?}: {body}");
    model.seen.insert(status);
    match act {
        Act::List(tenant) => {
            let listed = body["newDeviceRequests"].as_array().unwrap().iter();
            let listed: Vec<_> = listed.map(|one| (one["id"].as_str().unwrap(), one["status"].as_str().unwrap())).collect();
            let expected = model.list(tenant);
            assert_eq!(listed, expected.iter().map(|(id, state)| (id.as_str(), *state)).collect::<Vec<_>>());
        }
        Act::Look(tenant, device) if status == 200 => assert_eq!(body["status"], model.own(tenant, device).unwrap()),
        Act::Poll(device) if status == 201 => {
            let tenant = model.requests[&device].0;
            assert_eq!(
                (&body["tenantId"], &body["username"]),
                (&json!(TENANTS[tenant].1), &json!(format!("device_{}", id(device))))
            );
            let (_, passwords, proven) = model.users.entry(device).or_insert((tenant, vec![], false));
            let password = body["password"].as_str().unwrap().to_owned();
            passwords.push(password.clone());
            *proven = false;
            model.issued.entry(device).or_default().push(password);
        }
        _ => {}
    }
}

#[test]
fn sequences_follow_the_table_of_states() {
    let config = Config { cases: SEQUENCES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let seen = std::cell::RefCell::new(BTreeSet::new());
    let played = runner.run(&acts(), |acts| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut scene, mut model) = (Scene::new().await, Model::default());
            for act in acts {
                if matches!(act, Act::Restart) {
                    scene = scene.restart().await;
                }
                played(&scene, &mut model, act).await;
            }
            seen.borrow_mut().extend(model.seen);
        });
        Ok(())
    });
    played.unwrap();
    assert_eq!(seen.into_inner(), BTreeSet::from([200, 201, 401, 403, 404, 422]), "the sequences come to all of it");
}

/// A flood of one device, and of one address, does not keep others from their credentials.
#[tokio::test]
async fn a_flood_of_polls_is_slowed() {
    let scene = Scene::new().await;
    let asks = async |device: usize| {
        let asked = json!({ "id": id(device) });
        call(&scene, scene.basic("bootstrap"), "POST", "/devicecontrol/deviceCredentials", Some(asked)).await.0
    };
    let limit = scene.ground.core.settings().credential_polls_per_device;
    for _ in 0..limit {
        assert_eq!(asks(1).await, 404);
    }
    assert_eq!((asks(1).await, asks(2).await), (429, 404));
    scene.ground.advance_s(60);
    assert_eq!(asks(1).await, 404);
}
