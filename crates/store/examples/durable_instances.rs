//! Durable content instances and provisioned devices a second: `durable_instances PLACE [COMMITTERS] [SECONDS]`, where PLACE is an empty
//! directory or a PostgreSQL URL.
//!
//! Devices come first, a hundred with their labels in a batch. Then each batch is one append, and each committer waits for its commit before
//! the next one: to as many containers as there are devices, to a thousand and to one. The containers are full, so that each append evicts.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)] // A measurement reads the clock.

mod machine;

use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;
use machine::{now, world};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use uuid::Uuid;

const DEVICES: u64 = 20_000;
const BATCH: u64 = 100;
/// Batches of devices under way at once.
const PROVISIONERS: u64 = 4;
const HELD: u64 = 10;
const ACCOUNT: AccountId = AccountId(Uuid::from_u128(1));

/// Numbers as scattered as random ones.
fn scattered(i: u64) -> u64 {
    i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn device_id(i: u64) -> DeviceId {
    DeviceId(Uuid::from_u64_pair(scattered(i), i))
}

fn device(i: u64) -> Device {
    let at = now();
    let node = Node {
        name: format!("meter-{i}"),
        labels: ["d2c:1.0", "profile:water", "group:north"].map(str::to_owned).into(),
        profile: Some("water".into()),
        iccid: None,
        infos: vec![],
        credentials_at: Some(at),
        observed: vec![],
        managed: vec![],
        created_at: at,
        modified_at: at,
    };
    Device {
        access: AccessMode::Secret,
        node_type: NodeType::Endpoint,
        credentials: Credentials {
            psk: Some(Secret::new("00112233445566778899aabbccddeeff")),
            psk_identity: Some(format!("psk-{:x}", scattered(i))),
            ..Credentials::default()
        },
        node: Some(Arc::new(node)),
        ..Device::new(
            device_id(i),
            ACCOUNT,
            AppId(Uuid::from_u128(2)),
            format!("urn:imei:{:015}", scattered(i) % 1_000_000_000_000_000),
            at,
        )
    }
}

/// Devices with their labels.
fn provisioned(first: u64) -> Batch {
    let mut batch = Batch::default();
    for device in (first..first + BATCH).map(device) {
        let subject = ResourceId::of_device(device.id, DevicePart::Node);
        let labels = device.node.as_ref().map(|node| node.labels.clone()).unwrap_or_default();
        let body = EventBody::DeviceAdded(Box::new(device.view()));
        batch.events.push(Event {
            account: ACCOUNT,
            principals: Some(device.principals.clone()),
            device: Some(device.id),
            at: device.created_at,
            body,
        });
        batch.writes.push(Write::Device(Box::new(device)));
        batch.writes.push(Write::Labels { account: ACCOUNT, subject, labels });
    }
    batch
}

/// The `n`-th message of a device; its name is made of its id, or is a UUID.
fn append(i: u64, n: u64, uuids: bool) -> Write {
    let (now, device) = (now(), device_id(i));
    let mut random = [0; 16];
    random[..8].copy_from_slice(&scattered(n).to_be_bytes());
    let id = ResourceId::new(now, random);
    let name = if uuids { Uuid::from_u64_pair(scattered(n), n).to_string() } else { id.to_string() };
    let content = r#""{\"n\":\"0003303/0/5700\",\"v\":21.5,\"t\":1700000000,\"labels\":{\"site\":\"north\",\"room\":\"2.17\"}}""#;
    let instance = Instance {
        id,
        container: ResourceId::of_device(device, DevicePart::Box(MessageBox::Received)),
        account: ACCOUNT,
        device: Some(device),
        name,
        state: 0,
        content: content.into(),
        format: Some("application/json:0".into()),
        size: content.len() as u64,
        labels: vec!["d2c:1.0".into(), "resource:/3303/0/5700".into()],
        other: serde_json::Map::new(),
        creator: Some("C-d2c-platform".into()),
        by: None,
        created_at: now,
        expires_at: None,
    };
    Write::Append(Box::new(Append { instance, max_instances: HELD, max_bytes: 1_000_000 }))
}

async fn provision(store: &SharedStore) {
    let started = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..PROVISIONERS)
        .map(|_| {
            let (store, next) = (store.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= DEVICES {
                        return;
                    }
                    store.commit(provisioned(first)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let rate = DEVICES as f64 / started.elapsed().as_secs_f64();
    println!("{rate:>8.0} devices a second, {BATCH} with their labels a batch, {PROVISIONERS} batches at once");
}

/// Appends to scattered containers until the time is over.
async fn measure(store: &SharedStore, committers: u64, seconds: u64, containers: u64, uuids: bool, names: &Arc<AtomicU64>) {
    for first in (0..containers * HELD).step_by(1_000) {
        let n = names.fetch_add(1_000, Ordering::Relaxed);
        let writes = (0..1_000).map(|k| append((first + k) % containers, n + k, uuids)).collect();
        store.commit(Batch { writes, events: vec![] }).await.unwrap();
    }
    let commits = store.stats().await.unwrap().commits;
    let (started, until) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
    let tasks: Vec<_> = (0..committers)
        .map(|_| {
            let (store, names) = (store.clone(), names.clone());
            tokio::spawn(async move {
                let mut done = 0;
                while Instant::now() < until {
                    let n = names.fetch_add(1, Ordering::Relaxed);
                    let write = append(scattered(n) % containers, n, uuids);
                    store.commit(Batch { writes: vec![write], events: vec![] }).await.unwrap();
                    done += 1u64;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    let commits = store.stats().await.unwrap().commits - commits;
    let rate = done as f64 / started.elapsed().as_secs_f64();
    let kind = if uuids { "UUIDs" } else { "made of the id" };
    println!("{rate:>8.0} appends a second, {containers} containers, names {kind}, {} a commit", done / commits.max(1));
    let container = ResourceId::of_device(device_id(0), DevicePart::Box(MessageBox::Received));
    assert_eq!(store.container_state(container).await.unwrap().instances, HELD);
}

fn main() {
    let mut args = std::env::args().skip(1);
    let place = args.next().unwrap();
    let committers = args.next().map_or(256, |n| n.parse().unwrap());
    let seconds = args.next().map_or(5, |n| n.parse().unwrap());
    let store = landfall_store::open(&place, Default::default(), world()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        provision(&store).await;
        let names = Arc::new(AtomicU64::new(0));
        for (containers, uuids) in [(DEVICES, false), (DEVICES, true), (1_000, false), (1, false)] {
            measure(&store, committers, seconds, containers, uuids, &names).await;
        }
        store.shutdown().await;
    });
}
