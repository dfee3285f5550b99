//! Durable reports a second: `durable_reports PLACE [COMMITTERS] [SECONDS]`, where PLACE is an empty directory or a PostgreSQL URL.
//!
//! Each committer waits for its commit before the next one. The processor time is that of this process, so without a PostgreSQL server.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, clippy::indexing_slicing)] // A measurement reads the clock.

mod machine;

use landfall_core::store::*;
use landfall_model::*;
use machine::{now, world};
use std::time::{Duration, Instant};
use uuid::Uuid;

const DEVICES: usize = 1_000;

/// Processor time of this process so far, in seconds (100 ticks each).
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn report(device: DeviceId, account: AccountId, app: AppId, n: u64) -> Event {
    let at = now();
    let data = format!("{{\"temperature\":{},\"battery\":87,\"state\":\"OPEN\",\"counter\":{n}}}", n % 40);
    let services = vec![ServiceReport { service_id: "Meter".into(), service_type: None, data, event_time: at, meta: None }];
    let report = Report { device, account, app: Some(app), gateway: device, received_at: at, services, raw: None };
    Event { account, principals: Some(app.into()), device: Some(device), at, body: EventBody::Reported(report) }
}

fn registered(account: AccountId, app: AppId, i: usize) -> Device {
    Device {
        access: AccessMode::Secret,
        node_type: NodeType::Endpoint,
        status: DeviceStatus::Online,
        status_detail: StatusDetail::None,
        activated: true,
        connected: true,
        ..Device::new(DeviceId(Uuid::from_u128(i as u128 + 1)), account, app, format!("node-{i}"), now())
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let place = args.next().unwrap();
    let committers: usize = args.next().map_or(64, |n| n.parse().unwrap());
    let seconds: u64 = args.next().map_or(10, |n| n.parse().unwrap());
    let store = landfall_store::open(&place, Default::default(), world()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (account, app) = (AccountId(Uuid::from_u128(1)), AppId(Uuid::from_u128(2)));
        let started = Instant::now();
        for block in 0..DEVICES / 100 {
            let writes = (0..100).map(|i| Write::Device(Box::new(registered(account, app, block * 100 + i)))).collect();
            store.commit(Batch { writes, events: vec![] }).await.unwrap();
        }
        println!("{DEVICES} devices registered, 100 a batch, in {:?}", started.elapsed());
        let before = (Instant::now(), cpu_s(), store.newest(), store.stats().await.unwrap().commits);
        let until = Instant::now() + Duration::from_secs(seconds);
        let tasks: Vec<_> = (0..committers)
            .map(|c| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut waits = Vec::new();
                    let mut n = c as u64;
                    while Instant::now() < until {
                        n += 64;
                        let device = DeviceId(Uuid::from_u128(u128::from(n) % DEVICES as u128 + 1));
                        let sent = Instant::now();
                        store.commit(Batch { writes: vec![], events: vec![report(device, account, app, n)] }).await.unwrap();
                        waits.push(sent.elapsed());
                    }
                    waits
                })
            })
            .collect();
        let mut waits = Vec::new();
        for task in tasks {
            waits.extend(task.await.unwrap());
        }
        let took = before.0.elapsed().as_secs_f64();
        let count = (store.newest().0 - before.2.0) as f64;
        waits.sort();
        let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
        let stats = store.stats().await.unwrap();
        println!(
            "{count:.0} durable reports in {took:.1} s: {:.0}/s, {:.2} us CPU each, {:.0} a commit; wait p50 {:?} p99 {:?} max {:?}",
            count / took,
            (cpu_s() - before.1) * 1e6 / count,
            count / (stats.commits - before.3) as f64,
            at(0.5),
            at(0.99),
            at(1.0)
        );
        for no in [0, 3] {
            let asked = Instant::now();
            let query = HistoryQuery { of: HistoryOf::Device(DeviceId(Uuid::from_u128(5))), after: None, before: None, now: Time(0) };
            let page = store.history(&query, PageRequest { no, size: 100 }).await.unwrap();
            println!("history page {no} of {} points: {:?}", page.total, asked.elapsed());
        }
        let stopping = Instant::now();
        store.shutdown().await;
        println!("shutdown with {} waiting points: {:?}", stats.pending_points, stopping.elapsed());
    });
    drop(store);
    let started = Instant::now();
    let store = landfall_store::open(&place, Default::default(), world()).unwrap();
    println!("start: {:?}, newest {}", started.elapsed(), store.newest());
}
