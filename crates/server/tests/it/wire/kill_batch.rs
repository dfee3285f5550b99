//! A batch over a whole fleet, killed again and again: every device has exactly one command of it.

use super::{
    api::{self, App},
    server::{Server, until},
};
use landfall_core::{CommandFilter, Store, TargetFilter};
use landfall_model::{
    AccessMode, Batch, Command, CommandId, CommandState, Device, DeviceId, JobCounts, JobState, NodeType, PageRequest,
    TargetState, Write,
};
use landfall_testkit::World;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const FLEET: u64 = 100_000;
/// Devices that are written at once, and entries of a page.
const SLICE: u64 = 10_000;
/// Deaths after the first, which comes right after the batch was accepted, and commands between them.
const DEATHS: u64 = 9;
const BETWEEN: u64 = 9_000;

#[test]
fn a_batch_that_is_killed_ten_times_leaves_each_device_one_command() {
    let mut server = Server::start_with(&[("LANDFALL_OCEANCONNECT_CALLS_PER_MINUTE", "0")]);
    let account = api::account(&server, "fleet");
    let product = api::example(&server, &account, include_str!("../../../../../docs/examples/lwm2m-sensor.json"));
    let app = App::create(&server, &account, "app");
    let body = json!({"nodeId": "first", "productId": product, "timeout": 0});
    let first = app.call("POST", "/iocm/app/reg/v1.1.0/deviceCredentials", Some(body));
    let first: DeviceId = api::text(&first.json(), "deviceId").parse().unwrap();
    let (id, secret, token) = (app.id.clone(), app.secret.clone(), app.token.clone());
    assert!(server.stop());
    beside(&server, async |store, world| populate(store, world, first).await);

    server.resume();
    let command = json!({"serviceId": "Device", "method": "REBOOT", "paras": {}});
    let task = json!({"appId": id, "timeout": 1_000, "taskName": "all", "taskType": "DeviceCmd",
        "param": {"type": "Broadcast", "command": command}});
    let call = |server: &Server, method: &str, path: &str, body: Option<Value>| {
        let app = App { server, id: id.clone(), secret: secret.clone(), token: token.clone() };
        let answer = app.call(method, path, body);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    };
    let task = api::text(&call(&server, "POST", "/iocm/app/batchtask/v1.1.0/tasks", Some(task)), "taskID");
    server.kill();
    server.resume();
    let commands = |server: &Server| {
        let found = call(server, "GET", "/iocm/app/cmd/v1.4.0/deviceCommands?pageSize=1", None);
        found["pagination"]["totalSize"].as_u64().unwrap()
    };
    for death in 1..=DEATHS {
        reach(death * BETWEEN, || commands(&server));
        server.kill();
        server.resume();
    }
    assert!(commands(&server) < FLEET, "it was killed half way");
    reach(FLEET, || commands(&server));
    let shown = call(&server, "GET", &format!("/iocm/app/batchtask/v1.1.0/tasks/{task}"), None);
    assert_eq!([&shown["totalCnt"], &shown["failCnt"], &shown["completeCnt"]], [FLEET, 0, 0]);
    assert!(server.stop());
    beside(&server, async |store, _| count(store, task.parse().unwrap()).await);
}

/// Waits until there are so many, for as long as they become more.
fn reach(count: u64, now: impl Fn() -> u64) {
    let mut there = now();
    while there < count {
        there = until("more of them", || Some(now()).filter(|more| *more > there));
    }
}

/// Does something with the database of a server that is not up.
fn beside(server: &Server, what: impl AsyncFnOnce(&dyn Store, &World)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (options, world) = (landfall_store::Options::default(), Arc::new(World::new(1)));
        let store = landfall_store::open_sqlite(server.data(), options, world.clone()).unwrap();
        what(&store, &world).await;
        store.shutdown().await;
    });
}

/// The fleet is registered, as the first one was.
async fn populate(store: &dyn Store, world: &World, first: DeviceId) {
    let first = store.device(first).await.unwrap().unwrap();
    // A commit of another time would be taken for a clock that jumps.
    world.set(first.created_at);
    let device = |n: u64| {
        let id = DeviceId::from_random(((u128::from(n) << 64) | u128::from(n)).to_be_bytes());
        let new = Device::new(id, first.account, first.principals.clone(), format!("n{n}"), first.created_at);
        let (access, node_type, product) = (AccessMode::Secret, NodeType::Endpoint, first.product);
        Write::Device(Box::new(Device { access, node_type, product, ..new }))
    };
    for slice in (1..FLEET).step_by(SLICE as usize) {
        let writes = (slice..FLEET.min(slice + SLICE)).map(device).collect();
        store.commit(Batch { writes, events: vec![] }).await.unwrap();
    }
}

async fn count(store: &dyn Store, job: landfall_model::JobId) {
    let (found, counts) = store.job(job).await.unwrap().unwrap();
    assert_eq!((found.state, found.total, found.begun), (JobState::Running, FLEET, FLEET));
    assert_eq!(counts, JobCounts { running: FLEET, ..JobCounts::default() });
    let pages = || (0..=FLEET / SLICE).map(|no| PageRequest { no, size: SLICE as u32 });

    let filter = CommandFilter { account: found.account, app: None, device: None, after: None, before: None };
    let mut commands: BTreeMap<CommandId, Command> = BTreeMap::new();
    for page in pages() {
        let some = store.commands(&filter, page).await.unwrap().items;
        commands.extend(some.into_iter().map(|command| (command.id, command)));
    }
    assert_eq!(commands.len() as u64, FLEET);
    assert!(commands.values().all(|command| command.state == CommandState::Pending));
    let devices: BTreeSet<DeviceId> = commands.values().map(|command| command.device).collect();
    assert_eq!(devices.len() as u64, FLEET, "each device has one");

    let targets = TargetFilter { job, states: vec![], device: None, command: None };
    let mut place = 0;
    for page in pages() {
        for target in store.job_targets(&targets, page).await.unwrap().items {
            let command = &commands[&target.command.unwrap()];
            assert_eq!((target.place, target.state), (place, TargetState::Running));
            assert_eq!((target.device, command.job), (Some(command.device), Some((job, place))));
            place += 1;
        }
    }
    assert_eq!(place, FLEET);
}
