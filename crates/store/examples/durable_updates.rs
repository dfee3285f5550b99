//! Durable registration updates a second: `durable_updates PLACE [COMMITTERS] [SECONDS]`, where PLACE is an empty directory or a PostgreSQL URL.
//!
//! Each update is one batch, as an LwM2M update makes it; each committer waits for its commit before the next one. It is measured for the
//! registration alone, with its secure session, with the device's row, and with both. Then the secure sessions are read in pages.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)] // A measurement reads the clock.

mod machine;

use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;
use machine::{now, world};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;

const DEVICES: u64 = 100_000;
const PAGE: u32 = 1_000;

/// Ids as scattered as random ones.
fn device_id(i: u64) -> DeviceId {
    DeviceId(Uuid::from_u64_pair(i.wrapping_mul(0x9E37_79B9_7F4A_7C15), i))
}

fn device(i: u64, version: u64) -> Device {
    Device {
        id: device_id(i),
        account: AccountId(Uuid::from_u128(1)),
        principals: AppId(Uuid::from_u128(2)).into(),
        version,
        node_id: format!("{:015}", i * 7),
        access: AccessMode::Secret,
        product: Some(ProductId(Uuid::from_u128(3))),
        gateway: None,
        node_type: NodeType::Endpoint,
        info: Arc::default(),
        credentials: Credentials { psk: Some(Secret::new("00112233445566778899aabbccddeeff")), ..Credentials::default() },
        status: DeviceStatus::Online,
        status_detail: StatusDetail::None,
        activated: true,
        connected: true,
        mute: false,
        muted_commands: vec![],
        data_aging_days: None,
        created_at: Time(1_700_000_000_000 + i as i64),
        modified_at: Time(1_700_000_000_000),
        heard_at: Some(now()),
        node: None,
        owner: None,
    }
}

fn registration(i: u64) -> Registration {
    let now = now();
    Registration {
        device: device_id(i),
        location: format!("{i:x}"),
        endpoint: format!("urn:imei:{:015}", i * 7),
        lifetime_s: 86_400,
        version: "1.1".into(),
        binding: "UQ".into(),
        queue_mode: true,
        links: "</1/0>,</3/0>,</4/0>,</5/0>,</19/0>,</19/1>,</3303/0>".into(),
        peer: "192.0.2.7:40123".into(),
        session: Some(i),
        observed: Observed { generation: 1, paths: vec!["/3/0".into(), "/19/0/0".into(), "/3303/0".into()] },
        registered_at: now,
        updated_at: now,
        expires_at: now.plus_s(86_400),
        contacts: vec![now; 8],
    }
}

fn secure(i: u64) -> SecureSession {
    SecureSession { id: i.wrapping_mul(0x9E37_79B9_7F4A_7C15), device: device_id(i), state: Secret::new("7".repeat(240)) }
}

/// One update; `version` is the device's.
fn update(i: u64, version: u64, with_device: bool, with_session: bool) -> Batch {
    let mut writes = Vec::new();
    if with_device {
        writes.push(Write::Device(Box::new(device(i, version))));
    }
    writes.push(Write::Registration(Box::new(registration(i))));
    if with_session {
        writes.push(Write::SecureSession(Box::new(secure(i))));
    }
    Batch { writes, events: vec![] }
}

/// Commits updates of scattered devices until the time is over; each committer has devices of its own.
async fn measure(store: &SharedStore, label: &str, committers: u64, seconds: u64, versions: &mut [u64], parts: (bool, bool)) {
    let started = Instant::now();
    let commits = store.stats().await.unwrap().commits;
    let share = DEVICES / committers;
    let tasks: Vec<_> = versions
        .chunks(share as usize)
        .zip(0..committers)
        .map(|(mine, c)| {
            let (store, mut mine) = (store.clone(), mine.to_vec());
            tokio::spawn(async move {
                let mut count = 0u64;
                while started.elapsed() < Duration::from_secs(seconds) {
                    let at = count.wrapping_mul(7_919) % mine.len() as u64;
                    let version = mine.get_mut(at as usize).unwrap();
                    *version += u64::from(parts.0);
                    store.commit(update(c * share + at, *version, parts.0, parts.1)).await.unwrap();
                    count += 1;
                }
                (count, mine)
            })
        })
        .collect();
    let mut count = 0;
    for (task, mine) in tasks.into_iter().zip(versions.chunks_mut(share as usize)) {
        let (done, now) = task.await.unwrap();
        count += done;
        mine.copy_from_slice(&now);
    }
    let took = started.elapsed().as_secs_f64();
    let groups = store.stats().await.unwrap().commits - commits;
    println!("{label}: {:.0} durable batches/s, {:.0} a commit", count as f64 / took, count as f64 / groups as f64);
}

fn main() {
    let mut args = std::env::args().skip(1);
    let place = args.next().unwrap();
    let committers: u64 = args.next().map_or(256, |n| n.parse().unwrap());
    let seconds: u64 = args.next().map_or(5, |n| n.parse().unwrap());
    let store = landfall_store::open(&place, Default::default(), world()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let started = Instant::now();
        for block in 0..DEVICES / 500 {
            let batches = (0..500).flat_map(|i| update(block * 500 + i, 1, true, true).writes);
            store.commit(Batch { writes: batches.collect(), events: vec![] }).await.unwrap();
        }
        println!("{DEVICES} devices with registration and session, 500 a batch, in {:?}", started.elapsed());
        let mut versions = vec![1; DEVICES as usize];
        let cases = [
            ("registration", (false, false)),
            ("registration, session", (false, true)),
            ("device, registration", (true, false)),
            ("device, registration, session", (true, true)),
        ];
        for (label, parts) in cases {
            measure(&store, label, committers, seconds, &mut versions, parts).await;
        }
        let started = Instant::now();
        let (mut count, mut after) = (0, None);
        loop {
            let page = store.secure_sessions(after, PAGE).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            count += page.len();
        }
        println!("{count} secure sessions read, {PAGE} a page, in {:?}", started.elapsed());
        store.shutdown().await;
    });
}
