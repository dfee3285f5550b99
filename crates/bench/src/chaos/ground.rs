//! One server under one kind of fault, with all that it acknowledged.

use super::{
    fault::{Fault, Stage},
    load::{self, Control},
};
use crate::{
    Outcome,
    api::{self, App, Device},
    clock,
    landfall::Landfall,
    measure::Bench,
    preload, process,
    receiver::Receiver,
    scene::Scene,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};
use tokio::{task::JoinSet, time::sleep};

const DEVICES: usize = 16;
const REGISTRARS: usize = 2;
/// Acknowledgements of each kind that show that the server works.
const PROGRESS: u64 = 20;
/// For that, and for pushes that still come.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Bytes of the log of a database from which on it begins anew (the store's bound), and of its head.
const LOG_BOUND: u64 = 64 << 20;
const LOG_HEAD: usize = 32;
/// The most that 1.5.3 gives at once.
const PAGE: u32 = 2_000;
/// Numbers of a round are apart from those of the round before.
const ROUND: u64 = 1_000_000;

/// A server, its load, and what it acknowledged.
pub struct Ground {
    program: PathBuf,
    /// What the fault needs beside the server.
    pub stage: Stage,
    /// The server, while it runs.
    pub server: Option<Landfall>,
    app: App,
    product: String,
    devices: Vec<Device>,
    receiver: Receiver,
    control: Control,
    reporters: JoinSet<(usize, Vec<u64>)>,
    registrars: JoinSet<Vec<String>>,
    values: Vec<BTreeSet<u64>>,
    registered: Vec<String>,
    round: u64,
}

impl Ground {
    /// Starts a server with an application, a subscription and devices.
    pub async fn prepare(bench: &Bench, fault: Fault) -> Outcome<Self> {
        let stage = Stage::prepare(fault, bench.dir())?;
        let server = Landfall::start_with(&bench.program, &stage.data, &stage.environment)?;
        let receiver = Receiver::keeping_bodies(bench.epoch)?;
        let scene = Scene::on(server).await?;
        api::subscribe(&mut scene.server.http().await?, &scene.app, &receiver.url("/")).await?;
        let devices = scene.devices("chaos", DEVICES).await?;
        let Scene { server, app, product } = scene;
        Ok(Self {
            program: bench.program.clone(),
            stage,
            server: Some(server),
            app,
            product,
            values: vec![BTreeSet::new(); devices.len()],
            devices,
            receiver,
            control: Control::default(),
            reporters: JoinSet::new(),
            registrars: JoinSet::new(),
            registered: Vec::new(),
            round: 0,
        })
    }

    fn running(&self) -> Outcome<&Landfall> {
        Ok(self.server.as_ref().ok_or("the server does not run")?)
    }

    /// Begins the load, with numbers of its own.
    pub fn load(&mut self) {
        self.round += 1;
        self.control = Control::default();
        let Some(server) = &self.server else { return };
        let (Ok(mqtt), Ok(http)) = (server.address("mqtt"), server.address("http")) else { return };
        for (i, device) in self.devices.iter().enumerate() {
            let reports = load::report(device.clone(), mqtt, self.round * ROUND, self.control.clone());
            self.reporters.spawn(async move { (i, reports.await) });
        }
        for lane in 0..REGISTRARS {
            let prefix = format!("extra-{}-{lane}", self.round);
            self.registrars.spawn(load::register(self.app.clone(), self.product.clone(), http, prefix, self.control.clone()));
        }
    }

    /// Ends the load and notes what was acknowledged.
    pub async fn rest(&mut self) -> Outcome<()> {
        self.control.stop.store(true, Relaxed);
        while let Some(ended) = self.reporters.join_next().await {
            let (device, values) = ended?;
            self.values[device].extend(values);
        }
        while let Some(ended) = self.registrars.join_next().await {
            self.registered.extend(ended?);
        }
        Ok(())
    }

    /// Returns once both kinds of load were acknowledged some more.
    pub async fn wait_for_progress(&self) -> Outcome<()> {
        let counts = || (self.control.reports.load(Relaxed), self.control.registrations.load(Relaxed));
        let (before, began) = (counts(), clock::now());
        loop {
            let now = counts();
            if now.0 >= before.0 + PROGRESS && now.1 >= before.1 + PROGRESS {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("from {before:?} reports and registrations only to {now:?} within {PATIENCE:?}").into());
            }
            sleep(POLL).await;
        }
    }

    /// Kills the server, ends its load and starts it again under a new one.
    pub async fn kill(&mut self) -> Outcome<()> {
        self.server.take().ok_or("the server does not run")?.kill()?;
        self.rest().await?;
        self.server = Some(Landfall::start_with(&self.program, &self.stage.data, &self.stage.environment)?);
        self.load();
        Ok(())
    }

    /// Loads as fast as it goes until the log of the database was as long as it may be, and was begun anew.
    pub async fn hurry(&self) -> Outcome<()> {
        let log = preload::log_of_database(&self.stage.data)?;
        self.control.hurry.store(true, Relaxed);
        let (began, mut beginning) = (clock::now(), Vec::new());
        loop {
            let length = std::fs::metadata(&log)?.len();
            // The salt in the head of the log changes when it begins anew.
            let head = process::head_of(&log, LOG_HEAD)?;
            if length >= LOG_BOUND && beginning.is_empty() {
                beginning = head;
            } else if !beginning.is_empty() && head != beginning {
                self.control.hurry.store(false, Relaxed);
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("the log has {length} bytes and did not begin anew within {PATIENCE:?}").into());
            }
            sleep(POLL).await;
        }
    }

    /// What is there of all that was acknowledged.
    pub async fn balance(&self) -> Outcome<Balance> {
        let mut http = self.running()?.http().await?;
        let mut balance = Balance { acknowledged: self.registered.len() as u64, ..Balance::default() };
        for id in &self.registered {
            if api::read_device(&mut http, &self.app, id).await.is_err() {
                balance.lost += 1;
            }
        }
        let mut kept = BTreeMap::new();
        for (device, values) in self.devices.iter().zip(&self.values) {
            let mut found = BTreeSet::new();
            for page in 0.. {
                let page: Value = serde_json::from_slice(&api::history(&mut http, &self.app, &device.id, page, PAGE).await?)?;
                let points = page["deviceDataHistoryDTOs"].as_array().ok_or("no history")?;
                found.extend(points.iter().filter_map(|point| point["data"]["temperature"].as_u64()));
                if points.len() < PAGE as usize {
                    break;
                }
            }
            balance.acknowledged += values.len() as u64;
            balance.lost += values.difference(&found).count() as u64;
            kept.insert(device.id.clone(), found);
        }
        self.pushes(&kept, &mut balance).await;
        Ok(balance)
    }

    /// Waits for pushes as long as more come, then counts them.
    async fn pushes(&self, kept: &BTreeMap<String, BTreeSet<u64>>, balance: &mut Balance) {
        let total: usize = kept.values().map(BTreeSet::len).sum();
        let (mut seen, mut since) = (0, clock::now());
        loop {
            let bodies = self.receiver.seen().bodies.unwrap_or_default();
            if bodies.len() > seen {
                (seen, since) = (bodies.len(), clock::now());
            }
            let pushed: BTreeSet<(String, u64)> = bodies.iter().filter_map(|body| pushed(body)).collect();
            let there = kept.iter().flat_map(|(id, values)| values.iter().map(move |value| (id.clone(), *value)));
            let missing = there.filter(|value| !pushed.contains(value)).count();
            if missing == 0 || since.elapsed() > PATIENCE {
                balance.pushed = (total - missing) as u64;
                balance.unpushed = missing as u64;
                balance.repeated = (bodies.len() - pushed.len()) as u64;
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Device and number of a push.
fn pushed(body: &[u8]) -> Option<(String, u64)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    Some((body["deviceId"].as_str()?.to_owned(), body["service"]["data"]["temperature"].as_u64()?))
}

/// What came of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    acknowledged: u64,
    lost: u64,
    pushed: u64,
    unpushed: u64,
    repeated: u64,
}

impl Balance {
    /// Nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.lost == 0 && self.unpushed == 0
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {} | {} | {} | {}", self.acknowledged, self.lost, self.pushed, self.unpushed, self.repeated)
    }
}
