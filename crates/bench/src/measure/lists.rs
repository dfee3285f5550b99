//! Publishes, and reads of one device, beside long lists of a large account: what the size of one is to the others.
//! The lists are the last pages of 1.5.2, each of which passes over all devices. Beside it: the same without lists.

use super::{Bench, report_of};
use crate::{
    Outcome,
    api::{self, App},
    clock,
    load::Fleet,
    preload,
    scene::Scene,
    stats::{Spread, percentile, sorted_us, whole},
    table::Row,
};
use bytes::Bytes;
use hyper::Method;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

const LISTS: usize = 6;
const PUBLISHERS: usize = 100;
const WINDOW: u32 = 8;
const CONNECTS_AT_ONCE: usize = 64;
const KEEP_ALIVE_S: u16 = 1200;
const PAGE: usize = 50;
/// Between two reads of a device, and two looks at the log.
const PAUSE: Duration = Duration::from_millis(5);

/// Of each repetition.
#[derive(Default)]
struct Values {
    publishes: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    lists: Vec<f64>,
    log_mib: Vec<f64>,
}

/// One of the clients that go on until they are stopped.
enum Client {
    Lists(u64),
    Reads(Vec<Duration>),
    Log(u64),
}

pub(super) async fn measure(bench: &Bench, scene: &Scene, ids: &[String]) -> Outcome<Vec<Row>> {
    let devices = scene.devices("lists", PUBLISHERS).await?;
    let hour = clock::utc().hour();
    let hellos = devices.iter().map(|device| device.login(&hour).connect(KEEP_ALIVE_S)).collect();
    let (mut fleet, _) = Fleet::connect(scene.server.address("mqtt")?, hellos, CONNECTS_AT_ONCE)?;
    fleet.templates(|i| report_of(&devices[i].id, "21.5"));
    let (mut alone, mut beside) = (Values::default(), Values::default());
    for turn in 0..=bench.scale.repeats {
        for (values, lists) in [(&mut alone, 0), (&mut beside, LISTS)] {
            fleet = values.run(scene, fleet, ids, lists, bench.scale.run).await?;
            if turn == 0 {
                *values = Values::default();
            }
        }
    }
    let spread = |values: &[f64]| Spread::of(values).ok_or("nothing was measured");
    let versus = |name: String, of: fn(&Values) -> &Vec<f64>, number: fn(f64) -> String, unit: &str| -> Outcome<Row> {
        let (own, other) = (spread(of(&beside))?, spread(of(&alone))?);
        Ok(Row::new(name, own.show(number, unit))
            .against(format!("without lists: {}", other.show(number, unit)), own.median / other.median))
    };
    let two = |x: f64| format!("{x:.2}");
    let of = format!("{} devices", whole(ids.len() as f64));
    Ok(vec![
        versus(format!("QoS 1 publishes a second beside {LISTS} long lists of {of}"), |v| &v.publishes, whole, "")?,
        versus("read of a device (1.5.1) meanwhile, p50".into(), |v| &v.p50_ms, two, " ms")?,
        versus("the same, p99".into(), |v| &v.p99_ms, two, " ms")?,
        versus("largest write-ahead log meanwhile".into(), |v| &v.log_mib, whole, " MiB")?,
        Row::new("lists answered a second meanwhile", spread(&beside.lists)?.show(whole, "")),
    ])
}

impl Values {
    /// Gives the fleet back.
    async fn run(&mut self, scene: &Scene, mut fleet: Fleet, ids: &[String], lists: usize, time: Duration) -> Outcome<Fleet> {
        let stopped = Arc::new(AtomicBool::default());
        let mut clients = JoinSet::new();
        for _ in 0..lists {
            clients.spawn(list(scene.server.http().await?, scene.app.clone(), ids.len(), stopped.clone()));
        }
        clients.spawn(read(scene.server.http().await?, scene.app.clone(), ids.to_vec(), stopped.clone()));
        clients.spawn(watch(preload::log_of_database(&scene.server.data)?, stopped.clone()));
        let flood = tokio::task::spawn_blocking(move || (fleet.flood(WINDOW, u64::MAX, time), fleet));
        let (published, fleet) = flood.await?;
        stopped.store(true, Ordering::Relaxed);
        let published = published?;
        let seconds = published.elapsed.as_secs_f64();
        self.publishes.push(published.acked as f64 / seconds);
        let mut answered = 0;
        for client in clients.join_all().await {
            match client? {
                Client::Lists(count) => answered += count,
                Client::Log(bytes) => self.log_mib.push(bytes as f64 / f64::from(1 << 20)),
                Client::Reads(times) => {
                    let sorted = sorted_us(times);
                    for (values, per_mille) in [(&mut self.p50_ms, 500), (&mut self.p99_ms, 990)] {
                        values.push(percentile(&sorted, per_mille).ok_or("nothing was read")? as f64 / 1000.0);
                    }
                }
            }
        }
        self.lists.push(answered as f64 / seconds);
        Ok(fleet)
    }
}

async fn list(mut http: api::Http, app: App, devices: usize, stopped: Arc<AtomicBool>) -> Outcome<Client> {
    let path = format!("/iocm/app/dm/v1.4.0/devices?appId={}&pageNo={}&pageSize={PAGE}", app.id, devices / PAGE - 1);
    let headers = [("app_key", app.id.as_str()), ("authorization", app.bearer.as_str())];
    let mut answered = 0;
    while !stopped.load(Ordering::Relaxed) {
        let (status, body) = http.call(Method::GET, &path, &headers, Bytes::new()).await?;
        if !status.is_success() {
            return Err(format!("a list is answered {status}: {}", String::from_utf8_lossy(&body)).into());
        }
        answered += 1;
    }
    Ok(Client::Lists(answered))
}

async fn read(mut http: api::Http, app: App, ids: Vec<String>, stopped: Arc<AtomicBool>) -> Outcome<Client> {
    let mut times = vec![];
    while !stopped.load(Ordering::Relaxed) {
        let began = clock::now();
        api::read_device(&mut http, &app, &ids[preload::below(ids.len())]).await?;
        times.push(began.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Client::Reads(times))
}

async fn watch(log: PathBuf, stopped: Arc<AtomicBool>) -> Outcome<Client> {
    let mut largest = 0;
    while !stopped.load(Ordering::Relaxed) {
        largest = largest.max(std::fs::metadata(&log).map_or(0, |file| file.len()));
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Client::Log(largest))
}
