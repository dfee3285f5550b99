//! Random sequences of operations by three applications, one of which acts for another and one of another account, against a model that is as small
//! as the rules. Every answer is judged by the contract too. `LANDFALL_SEQUENCES=N` plays N of them instead of those that are the same in every run.

mod batches;
mod groups;
mod waiting;

use crate::oceanconnect::DIALECT;
use axum::{Router, body::Body, http::Request};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use landfall_core::{NewApp, Scope};
use landfall_model::{App, AppLimits};
use landfall_testkit::{
    Contract,
    ground::{Ground, product},
};
use parking_lot::Mutex;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

/// Sequences of a usual run, and the longest of them.
const SEQUENCES: u32 = 48;
const STEPS: usize = 80;
/// Commands that may wait for a device.
const PENDING_MOST: usize = 20;
/// What the usual run comes to.
const REFUSALS: &[&str] = &[
    "100203", "100217", "100223", "100225", "100227", "100403", "100418", "100426", "100434", "100435", "100601", "100602",
    "100603", "100604", "105001", "105002", "105005", "50400",
];
/// Whoever is not among the applications.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
/// Who has authorised whom: the first the second. The third is of another account.
const GRANTOR: usize = 0;
const GRANTEE: usize = 1;
const FOREIGNER: usize = 2;

/// What an application does, for itself or in the name of another.
#[derive(Clone, Debug)]
struct Step {
    by: usize,
    of: Option<usize>,
    act: Act,
}

/// Numbers choose among what was made so far, by whomever, also among what is gone.
#[derive(Clone, Copy, Debug)]
enum Act {
    Register(usize),
    Rename(usize, usize),
    Device(usize),
    Delete(usize),
    Devices,
    Subscribe(usize),
    Subscription(usize),
    Unsubscribe(usize),
    Subscriptions,
    Command(usize),
    Cancel(usize),
    Commands,
    Revoke(usize),
    Revocations,
    Set(usize, u64),
    Shadow(usize),
    Settings(usize),
    /// By its name, over two devices.
    Batch(usize, [usize; 2]),
    Task(usize),
    /// By its name, with its greatest size and a device.
    Group(usize, usize, usize),
    Join(usize, usize),
    Leave(usize, usize),
    Ungroup(usize),
    Members(usize),
    Groups,
}

/// Some are about everything; in others few do much of one thing, so that they come to its bounds.
fn sequences() -> impl Strategy<Value = Vec<Step>> {
    let some = 0_usize..8;
    let devices = prop_oneof![
        4 => (0_usize..6).prop_map(Act::Register),
        1 => (some.clone(), 0_usize..3).prop_map(|(device, name)| Act::Rename(device, name)),
        2 => some.clone().prop_map(Act::Device),
        1 => some.clone().prop_map(Act::Delete),
        2 => Just(Act::Devices),
    ]
    .boxed();
    let subscriptions = prop_oneof![
        2 => (0_usize..3).prop_map(Act::Subscribe),
        1 => some.clone().prop_map(Act::Subscription),
        1 => some.clone().prop_map(Act::Unsubscribe),
        1 => Just(Act::Subscriptions),
    ];
    let waiting = prop_oneof![
        2 => Just(Act::Commands),
        1 => some.clone().prop_map(Act::Revoke),
        1 => Just(Act::Revocations),
        2 => (some.clone(), 0_u64..100).prop_map(|(device, value)| Act::Set(device, value)),
        1 => some.clone().prop_map(Act::Shadow),
        1 => some.clone().prop_map(Act::Settings),
    ];
    let command = prop_oneof![3 => some.clone().prop_map(Act::Command), 1 => some.clone().prop_map(Act::Cancel)].boxed();
    let batches = prop_oneof![
        (0_usize..14, some.clone(), some.clone()).prop_map(|(name, one, other)| Act::Batch(name, [one, other])),
        some.clone().prop_map(Act::Task),
    ]
    .boxed();
    let groups = prop_oneof![
        3 => (0_usize..3, 0_usize..2, some.clone()).prop_map(|(name, most, device)| Act::Group(name, most, device)),
        5 => (some.clone(), some.clone()).prop_map(|(group, device)| Act::Join(group, device)),
        1 => (some.clone(), some.clone()).prop_map(|(group, device)| Act::Leave(group, device)),
        1 => some.clone().prop_map(Act::Ungroup),
        2 => some.prop_map(Act::Members),
        1 => Just(Act::Groups),
    ]
    .boxed();
    let commands = prop_oneof![1 => (0_usize..2).prop_map(Act::Register), 30 => command.clone()];
    let tasks = prop_oneof![1 => (0_usize..3).prop_map(Act::Register), 10 => batches.clone()];
    let crowds = prop_oneof![1 => (0_usize..3).prop_map(Act::Register), 6 => groups.clone()];
    let all = prop_oneof![10 => devices, 5 => subscriptions, 8 => waiting, 4 => command, 4 => batches, 13 => groups];
    let of = |own: u32| prop_oneof![own => Just(None), 2 => (0_usize..4).prop_map(Some)];
    let mostly_one = || (prop_oneof![8 => Just(GRANTOR), 1 => 0_usize..3], of(16));
    prop_oneof![
        3 => sequence((0_usize..3, of(3)), all),
        2 => sequence(mostly_one(), crowds),
        1 => sequence(mostly_one(), commands),
        1 => sequence(mostly_one(), tasks),
    ]
}

fn sequence(
    who: impl Strategy<Value = (usize, Option<usize>)>,
    act: impl Strategy<Value = Act>,
) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((who, act).prop_map(|((by, of), act)| Step { by, of, act }), 1..STEPS)
}

/// Something that was made, and whose it is.
struct Made {
    id: String,
    /// The application in whose name.
    of: usize,
    /// The application that asked.
    by: usize,
    /// Node, type of notification, or device: what tells one from another.
    what: usize,
    name: String,
    gone: bool,
}

/// Codes for an application to act for that is none, and one that has not authorised the caller.
type Strangers = (&'static str, &'static str);
const USUAL: Strangers = ("100203", "100217");
const SUBSCRIBING: Strangers = ("100217", "100217");

struct Play {
    ground: Ground,
    service: TowerToHyperService<Router>,
    apps: Vec<(Arc<App>, String)>,
    product_of: [String; 3],
    devices: Vec<Made>,
    subscriptions: Vec<Made>,
    commands: Vec<Made>,
    revocations: Vec<Made>,
    /// What was set at which device, oldest first.
    settings: Vec<(usize, u64)>,
    tasks: Vec<Made>,
    /// The task and the command of each sub-task, in order.
    sub_tasks: Vec<(usize, Option<usize>)>,
    groups: Vec<Made>,
    /// The greatest size of each group (0: none) and its devices.
    members: Vec<(usize, BTreeSet<usize>)>,
    /// Codes of the answers that were refusals.
    refusals: Mutex<BTreeSet<String>>,
}

impl Play {
    async fn begin() -> Self {
        let ground = Ground::new(1).await;
        let (mine, theirs) = ground.two_tenants().await;
        let new = NewApp { name: "guest".into(), limits: AppLimits::default() };
        let (guest, secret) = ground.core.create_app(&mine.all, new).await.unwrap();
        ground.core.authorize_app(&mine.all, mine.app.id, guest.id, true).await.unwrap();
        let sensor = async |all: &Scope| ground.core.create_product(all, product::sensor()).await.unwrap().id.to_string();
        let (own, foreign) = (sensor(&mine.all).await, sensor(&theirs.all).await);
        let secrets = [(mine.app, mine.secret), (guest, secret.expose().to_owned()), (theirs.app, theirs.secret)];
        let mut apps = vec![];
        for (app, secret) in secrets {
            let tokens = ground.core.login(&app.id.to_string(), &secret).await.unwrap();
            apps.push((app, tokens.access.expose().to_owned()));
        }
        let router = (DIALECT.routes)(Arc::clone(&ground.core), json!({ "calls_per_minute": 0 })).unwrap();
        Self {
            ground,
            service: TowerToHyperService::new(router),
            apps,
            product_of: [own.clone(), own, foreign],
            devices: vec![],
            subscriptions: vec![],
            commands: vec![],
            revocations: vec![],
            settings: vec![],
            tasks: vec![],
            sub_tasks: vec![],
            groups: vec![],
            members: vec![],
            refusals: Mutex::default(),
        }
    }

    /// The answer to a call, which is as the contract says.
    async fn call(&self, by: usize, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let (app, token) = &self.apps[by];
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("app_key", app.id.to_string())
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json")
            .body(body.map_or_else(Body::empty, |body| body.to_string().into()))
            .unwrap();
        let response = self.service.call(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let bare = path.split('?').next().unwrap_or_default();
        Contract::oceanconnect().check_answer(method, bare, status, &body).map_err(|violation| violation.to_string())?;
        let answer = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        self.refusals.lock().extend(answer["error_code"].as_str().map(str::to_owned));
        Ok(answer)
    }

    /// `appId` of the application to act for.
    fn named(&self, of: Option<usize>) -> String {
        of.map_or_else(String::new, |of| self.apps.get(of).map_or(NOBODY.to_owned(), |(app, _)| app.id.to_string()))
    }

    /// The same as the query of a path.
    fn query(&self, of: Option<usize>) -> String {
        of.map_or_else(String::new, |_| format!("?appId={}", self.named(of)))
    }

    async fn step(&mut self, Step { by, of, act }: &Step) -> Result<(), String> {
        let (by, of) = (*by, *of);
        match *act {
            Act::Register(_) | Act::Rename(..) | Act::Device(_) | Act::Delete(_) | Act::Devices => {
                self.devices(by, of, *act).await
            }
            Act::Subscribe(_) | Act::Subscription(_) | Act::Unsubscribe(_) | Act::Subscriptions => {
                self.subscriptions(by, of, *act).await
            }
            Act::Command(_) | Act::Cancel(_) | Act::Commands => self.commands(by, of, *act).await,
            Act::Revoke(_) | Act::Revocations => self.revocations(by, of, *act).await,
            Act::Set(..) | Act::Shadow(_) | Act::Settings(_) => self.shadows(by, of, *act).await,
            Act::Batch(name, over) => self.batch(by, of, name, over).await,
            Act::Task(n) => self.task(by, of, n).await,
            Act::Group(..) | Act::Join(..) | Act::Leave(..) | Act::Ungroup(_) => self.group(by, of, *act).await,
            Act::Members(_) | Act::Groups => self.grouped(by, of, *act).await,
        }
    }

    async fn devices(&mut self, by: usize, of: Option<usize>, act: Act) -> Result<(), String> {
        let (scope, query) = (scope(by, of, USUAL), self.query(of));
        let path = |n| format!("/iocm/app/dm/v1.4.0/devices/{}{query}", id(&self.devices, n));
        let device = |n| scope.and_then(|app| visible(&self.devices, n, app, "100403", "100418"));
        match act {
            Act::Register(node) => {
                let product = scope.map_or("", |app| &self.product_of[app]);
                let body = json!({"nodeId": format!("node-{node}"), "productId": product, "timeout": 0, "verifyCode": format!("code-{node}")});
                let answer = self.call(by, "POST", &format!("/iocm/app/reg/v1.1.0/deviceCredentials{query}"), Some(body)).await?;
                // A name is taken on the whole server, whosever it is.
                let taken = self.devices.iter().any(|device| device.what == node && !device.gone);
                let expected = scope.and_then(|app| if taken { Err("100426") } else { Ok(app) });
                if let Some(app) = verdict(&answer, expected)? {
                    self.devices.push(made(&answer["deviceId"], by, app, node));
                }
            }
            Act::Rename(n, name) => {
                let name = format!("name-{name}");
                let answer = self.call(by, "PUT", &path(n), Some(json!({ "name": name }))).await?;
                if let Some(at) = verdict(&answer, device(n))? {
                    self.devices[at].name = name;
                }
            }
            Act::Device(n) => {
                let answer = self.call(by, "GET", &path(n), None).await?;
                if let Some(at) = verdict(&answer, device(n))? {
                    let device = &self.devices[at];
                    let name = Some(device.name.as_str()).filter(|name| !name.is_empty());
                    same("nodeId", answer["deviceInfo"]["nodeId"].as_str(), Some(format!("node-{}", device.what).as_str()))?;
                    same("name", answer["deviceInfo"]["name"].as_str(), name)?;
                }
            }
            Act::Delete(n) => {
                let answer = self.call(by, "DELETE", &path(n), None).await?;
                if let Some(at) = verdict(&answer, device(n))? {
                    self.devices[at].gone = true;
                    let of_it = self.commands.iter_mut().chain(&mut self.revocations).filter(|made| made.what == at);
                    of_it.for_each(|made| made.gone = true);
                    self.settings.retain(|(device, _)| *device != at);
                    self.members.iter_mut().for_each(|(_, members)| members.retain(|member| *member != at));
                }
            }
            _ => {
                let path = format!("/iocm/app/dm/v1.4.0/devices?pageNo=0&pageSize=100{}", query.replace('?', "&"));
                let answer = self.call(by, "GET", &path, None).await?;
                if let Some(app) = verdict(&answer, scope)? {
                    listed(&answer, "devices", "deviceId", &self.devices, |device| device.of == app)?;
                }
            }
        }
        Ok(())
    }

    async fn subscriptions(&mut self, by: usize, of: Option<usize>, act: Act) -> Result<(), String> {
        const TYPES: [&str; 3] = ["deviceAdded", "deviceDataChanged", "deviceDeleted"];
        let (scope, query) = (scope(by, of, SUBSCRIBING), self.query(of));
        let all = "/iocm/app/sub/v1.2.0/subscriptions";
        let path = |n| format!("{all}/{}{query}", id(&self.subscriptions, n));
        // All about one's own devices; of those about another's, what one has made.
        let covers = |app: usize| move |found: &Made| !found.gone && found.of == app && (app == by || found.by == by);
        let found = |n: usize| {
            let at = n % self.subscriptions.len().max(1);
            scope.and_then(|app| self.subscriptions.get(at).filter(|found| covers(app)(found)).map(|_| at).ok_or("100225"))
        };
        match act {
            Act::Subscribe(kind) => {
                let mut body = json!({"notifyType": TYPES[kind], "callbackUrl": "https://example.org:443/push"});
                if of.is_some() {
                    body["appId"] = self.named(of).into();
                }
                let answer = self.call(by, "POST", all, Some(body)).await?;
                let is_same = |app| move |there: &Made| (there.by, there.of, there.what, there.gone) == (by, app, kind, false);
                let taken = |app| self.subscriptions.iter().any(is_same(app));
                let expected = scope.and_then(|app| if taken(app) { Err("100227") } else { Ok(app) });
                if let Some(app) = verdict(&answer, expected)? {
                    self.subscriptions.push(made(&answer["subscriptionId"], by, app, kind));
                }
            }
            Act::Subscription(n) => {
                let answer = self.call(by, "GET", &path(n), None).await?;
                if let Some(at) = verdict(&answer, found(n))? {
                    same("notifyType", answer["notifyType"].as_str(), Some(TYPES[self.subscriptions[at].what]))?;
                }
            }
            Act::Unsubscribe(n) => {
                let answer = self.call(by, "DELETE", &path(n), None).await?;
                if let Some(at) = verdict(&answer, found(n))? {
                    self.subscriptions[at].gone = true;
                }
            }
            _ => {
                let answer = self.call(by, "GET", &format!("{all}{query}"), None).await?;
                if let Some(app) = verdict(&answer, scope)? {
                    listed(&answer, "subscriptions", "subscriptionId", &self.subscriptions, covers(app))?;
                }
            }
        }
        Ok(())
    }

    async fn commands(&mut self, by: usize, of: Option<usize>, act: Act) -> Result<(), String> {
        let (scope, query) = (scope(by, of, USUAL), self.query(of));
        let all = "/iocm/app/cmd/v1.4.0/deviceCommands";
        match act {
            Act::Command(n) => {
                let command = json!({"serviceId": "Device", "method": "REBOOT", "paras": {"delay": 1}});
                let body = json!({"deviceId": id(&self.devices, n), "command": command, "expireTime": 600});
                let answer = self.call(by, "POST", &format!("{all}{query}"), Some(body)).await?;
                let expected = scope.and_then(|app| Ok((app, visible(&self.devices, n, app, "100418", "100418")?)));
                let expected = expected.and_then(|(app, device)| {
                    if self.pending(device).count() < PENDING_MOST { Ok((app, device)) } else { Err("100223") }
                });
                if let Some((app, device)) = verdict(&answer, expected)? {
                    self.commands.push(Made { name: "PENDING".into(), ..made(&answer["commandId"], by, app, device) });
                }
            }
            Act::Cancel(n) => {
                let path = format!("{all}/{}{query}", id(&self.commands, n));
                let answer = self.call(by, "PUT", &path, Some(json!({"status": "CANCELED"}))).await?;
                let expected = scope.and_then(|app| {
                    let at = visible(&self.commands, n, app, "100434", "100434")?;
                    if self.commands[at].name == "PENDING" { Ok(at) } else { Err("100435") }
                });
                if let Some(at) = verdict(&answer, expected)? {
                    self.commands[at].name = "CANCELED".into();
                }
            }
            _ => {
                let answer = self.call(by, "GET", &format!("{all}{query}"), None).await?;
                if let Some(app) = verdict(&answer, scope)? {
                    listed(&answer, "data", "commandId", &self.commands, |command| command.of == app)?;
                    for shown in answer["data"].as_array().into_iter().flatten() {
                        let command = self.commands.iter().find(|command| shown["commandId"] == command.id);
                        same("status", shown["status"].as_str(), command.map(|command| command.name.as_str()))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The application in whose name somebody acts.
fn scope(by: usize, of: Option<usize>, (none, not_authorised): Strangers) -> Result<usize, &'static str> {
    match of {
        None => Ok(by),
        Some(of) if of == by || (of, by) == (GRANTOR, GRANTEE) => Ok(of),
        Some(of) if of > FOREIGNER || (of == FOREIGNER) != (by == FOREIGNER) => Err(none),
        Some(_) => Err(not_authorised),
    }
}

fn made(id: &Value, by: usize, of: usize, what: usize) -> Made {
    Made { id: id.as_str().unwrap_or_default().to_owned(), by, of, what, name: String::new(), gone: false }
}

/// The id of one of what was made.
fn id(of: &[Made], n: usize) -> &str {
    of.get(n % of.len().max(1)).map_or(NOBODY, |made| &made.id)
}

/// Its place, where the application sees it; else the code for what is not there or of another account, or for what is another's.
fn visible(of: &[Made], n: usize, app: usize, none: &'static str, foreign: &'static str) -> Result<usize, &'static str> {
    let at = n % of.len().max(1);
    let made = of.get(at).filter(|made| !made.gone && (made.of == FOREIGNER) == (app == FOREIGNER)).ok_or(none)?;
    if made.of == app { Ok(at) } else { Err(foreign) }
}

/// Whether an answer is what the model says; if it is good, what the model knows of it.
fn verdict<T>(answer: &Value, expected: Result<T, &'static str>) -> Result<Option<T>, String> {
    match (answer["error_code"].as_str(), expected) {
        (None, Ok(known)) => Ok(Some(known)),
        (Some(code), Err(expected)) if code == expected => Ok(None),
        (_, Ok(_)) => Err(format!("{answer} is no good answer")),
        (_, Err(expected)) => Err(format!("{answer} instead of {expected}")),
    }
}

fn same(what: &str, found: Option<&str>, expected: Option<&str>) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found:?} instead of {expected:?}")) }
}

/// Whether a list shows exactly what there is and the caller sees.
fn listed(answer: &Value, list: &str, key: &str, of: &[Made], sees: impl Fn(&Made) -> bool) -> Result<(), String> {
    let shown: BTreeSet<_> = answer[list].as_array().into_iter().flatten().filter_map(|item| item[key].as_str()).collect();
    let expected: BTreeSet<_> = of.iter().filter(|made| !made.gone && sees(made)).map(|made| made.id.as_str()).collect();
    let total = answer.get("totalCount").unwrap_or(&answer["pagination"]["totalSize"]);
    if shown == expected && *total == expected.len() {
        return Ok(());
    }
    Err(format!("{list} are {shown:?} of {total} instead of {expected:?}"))
}

#[test]
fn sequences_of_operations_do_what_the_model_says() {
    let more = std::env::var("LANDFALL_SEQUENCES").ok().and_then(|number| number.parse().ok());
    let config = Config { cases: more.unwrap_or(SEQUENCES), failure_persistence: None, ..Config::default() };
    let mut runner = match more {
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
        Some(_) => TestRunner::new(config),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let reached = Mutex::new(BTreeSet::new());
    let played = runner.run(&sequences(), |steps| {
        runtime.block_on(async {
            let mut play = Play::begin().await;
            for (n, step) in steps.iter().enumerate() {
                play.step(step).await.map_err(|fault| TestCaseError::fail(format!("step {n}, {step:?}: {fault}")))?;
            }
            reached.lock().extend(play.refusals.into_inner());
            Ok(())
        })
    });
    played.unwrap_or_else(|fault| panic!("{fault}"));
    let reached = reached.into_inner();
    let missed: Vec<_> = REFUSALS.iter().filter(|code| !reached.contains(**code)).collect();
    assert!(missed.is_empty() || more.is_some(), "no sequence comes to {missed:?}");
}
