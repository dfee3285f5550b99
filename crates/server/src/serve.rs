//! `landfall serve`: puts the parts together, tells where everything is, and takes them apart in order.

use crate::{
    config::{Config, LogFormat},
    files,
    listeners::Sockets,
    northbound,
    origin::Origin,
    password,
    tls::Tls,
    wiring::{Callbacks, Codecs, Running},
    world::RealWorld,
};
use landfall_core::{Core, NewAccount, Parts, World, digest};
use landfall_model::{AccountSettings, PageRequest};
use landfall_north::{bind, http};
use landfall_push::{Push, Verifier};
use landfall_south::{Opened, Opening, PROTOCOLS, mqtt::Mqtt};
use landfall_store::SharedStore;
use std::{
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet};

/// Seconds between rounds of background work.
const ROUND_S: u64 = 15;
/// Seconds after the start in which devices may come back before they are marked as offline.
const RECONCILE_S: u64 = 120;
/// Seconds between renewals of the marker that tells copies of the data.
const RENEW_S: u64 = 3_600;
/// Milliseconds after which jobs are looked at though nobody told of work: for those whose time is over.
const JOBS_MS: u64 = 1_000;
/// Milliseconds in which ends of targets gather before jobs are looked at again.
const GATHER_MS: u64 = 20;
/// Seconds for requests under way when the server ends.
const GRACE_S: u64 = 10;

/// A server that is up.
pub struct Server {
    /// Its data directory.
    pub data: PathBuf,
    /// Name, host and port of each listener.
    pub listeners: Vec<(String, String, u16)>,
    store: SharedStore,
    origin: Arc<Origin>,
    push: Arc<Push>,
    ready: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Prepares the log; call once.
pub fn start_log(config: &Config) -> Result<(), String> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.level).map_err(|e| format!("log.level: {e}"))?;
    // Told of a line that could not be written, the library would write of that in the same place, and panic there: a log on a full disk ended the writer.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match config.log.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    }
    .map_err(|e| e.to_string())
}

/// What the operator wants of this start alone.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Once {
    /// Forget the DTLS sessions of the last run: after a snapshot of a whole machine or file system was restored
    #[arg(long)]
    forget_sessions: bool,
    /// Begin with an empty database although the data directory has been used
    #[arg(long)]
    new_database: bool,
}

/// Starts a server on a data directory; returns once every listener is up and `ports.json` is written. A directory that has been used must
/// still have its database.
pub async fn start(config: &Config, data: &Path, once: Once) -> Result<Server, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let data = &make_dir(data)?;
    let world = Arc::new(RealWorld::default());
    // The database comes first: files without one are those of a database that is gone.
    let store = open_store(config, data, world.clone(), once.new_database)?;
    let tls = Tls::start(data, &config.tls, world.clone(), once.forget_sessions)?;
    let token = admin_token(data, &*world)?;
    let password_key = password::key(data, &*world)?;
    forget_ports(data);
    let codecs = Arc::new(Codecs::new(sandbox(config)?));
    let push_config = push_config(config, policy(config)?);
    let verifier = Verifier::new(&push_config).map_err(|e| e.to_string())?;
    let core = Arc::new(Core::new(Parts {
        store: Arc::new(store.clone()),
        world: world.clone(),
        codecs: codecs.clone(),
        callbacks: Arc::new(Callbacks(verifier)),
        settings: config.limits.clone(),
        admin_token: digest(&token),
        password_key,
        hashing: Arc::new(password::Argon2id::default()),
    }));
    default_account(&core, &token).await?;
    let origin = Origin::look(data, store.clone()).await?;
    if let Some(why) = origin.copy().or(once.forget_sessions.then_some("--forget-sessions")) {
        forget(&core, why).await?;
    }
    origin.renew(&*world).await?;
    let origin = Arc::new(origin);
    let push = Push::start(
        Arc::new(store.clone()),
        world.clone(),
        (core.clone(), config.dialects.notifiers()),
        core.clients().clone(),
        push_config,
    );
    let push = Arc::new(push.map_err(|e| e.to_string())?);
    let opened = open(config, &core, &world)?;
    let mut sockets = Sockets::bind(config, &tls).await?;
    let ready = Arc::new(AtomicBool::new(false));
    let running = Arc::new(Running {
        push: push.clone(),
        accesses: opened.iter().map(|one| one.access.clone()).collect(),
        desk: opened.iter().find_map(|one| one.desk.clone()),
        codecs,
        store: if config.store.url.is_empty() { "sqlite" } else { "postgresql" },
        started_at: world.now(),
        listeners: sockets.ports(),
        tls: tls.clone(),
        ready: ready.clone(),
    });
    let (stop, stopping) = watch::channel(false);
    let listeners = sockets.ports();
    let mut tasks = JoinSet::new();
    for (one, sockets) in opened.iter().zip(std::mem::take(&mut sockets.devices)) {
        let serving = one.access.clone().start(sockets, stopping.clone()).await.map_err(|e| e.to_string())?;
        serving.into_iter().for_each(|task| drop(tasks.spawn(task)));
    }
    let logins = opened.into_iter().find_map(|one| one.logins).ok_or("no protocol checks the logins of devices")?;
    listen(config, sockets, &tls, &core, logins, running, &stopping, &mut tasks)?;
    tasks.spawn(tls.watch(stopping.clone()));
    work_on_jobs(core.clone(), stopping.clone(), &mut tasks);
    background(core, origin.clone(), stopping, &mut tasks);
    write_ports(data, &listeners)?;
    ready.store(true, Ordering::Release);
    Ok(Server { data: data.to_owned(), listeners, store, origin, push, ready, stop, tasks })
}

impl Server {
    /// Stops in order: listeners and connections, pushes, store.
    pub async fn stop(mut self) {
        self.ready.store(false, Ordering::Release);
        self.stop.send_replace(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(GRACE_S + 5), ended).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        self.push.shutdown().await;
        if let Err(error) = self.origin.renew(&RealWorld::default()).await {
            tracing::warn!(%error, "the marker of the data could not be renewed");
        }
        self.store.shutdown().await;
        forget_ports(&self.data);
    }

    /// Returns, with the reason, once the database belongs to another server.
    pub async fn lost(&self) -> String {
        self.store.lost().await
    }

    /// The port of a listener.
    pub fn port(&self, name: &str) -> Option<u16> {
        self.listeners.iter().find(|(listener, _, _)| listener == name).map(|(_, _, port)| *port)
    }
}

/// Makes the directory; returns its whole path, which is valid wherever it is typed.
fn make_dir(data: &Path) -> Result<PathBuf, String> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).and_then(|()| data.canonicalize());
    made.map_err(|e| files::told(data, &e))
}

/// Reads or makes the operator token.
fn admin_token(data: &Path, world: &dyn World) -> Result<String, String> {
    let path = data.join("admin.token");
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().len() >= 32 => return Ok(text.trim().to_owned()),
        Ok(_) => return Err(format!("{}: is too short for a token", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (),
        Err(error) => return Err(files::told(&path, &error)),
    }
    let mut random = [0; 32];
    world.random(&mut random);
    let token = hex::encode(random);
    files::replace_text(&path, files::PRIVATE, &format!("{token}\n"))?;
    Ok(token)
}

fn open_store(config: &Config, data: &Path, world: Arc<RealWorld>, new_database: bool) -> Result<SharedStore, String> {
    let options = landfall_store::Options {
        cache_devices: config.store.cache_devices,
        statement_ms: u64::from(config.store.statement_s) * 1_000,
        must_exist: !new_database && ["admin.token", "ca.key"].iter().any(|name| data.join(name).exists()),
        ca_file: Some(&config.store.ca_file).filter(|path| !path.is_empty()).map(PathBuf::from),
        ..Default::default()
    };
    match config.store.url.as_str() {
        "" => landfall_store::open_sqlite(data, options, world).map_err(|e| format!("{}: {}", data.display(), e.detail)),
        url => landfall_store::open_postgres(url, options, world).map_err(|e| format!("store.url: {}", e.detail)),
    }
}

fn sandbox(config: &Config) -> Result<landfall_codec::Sandbox, String> {
    let limits = landfall_codec::Limits { time_ms: config.codec.time_ms, ..Default::default() };
    landfall_codec::Sandbox::new(limits, config.codec.workers).map_err(|e| e.to_string())
}

fn policy(config: &Config) -> Result<landfall_push::Policy, String> {
    let allow = config.push.allow.iter().map(|text| landfall_push::Allow::parse(text)).collect::<Result<_, _>>();
    Ok(landfall_push::Policy { allow_private: config.push.allow_private, allow: allow.map_err(|e| format!("push.allow: {e}"))? })
}

fn push_config(config: &Config, policy: landfall_push::Policy) -> landfall_push::Config {
    let extra = config.push.ca_files.iter().map(PathBuf::from).collect();
    landfall_push::Config {
        policy,
        trust: landfall_push::Trust { extra, ..Default::default() },
        in_flight: config.push.concurrency,
        request_timeout_ms: config.push.timeout_ms,
        ..Default::default()
    }
}

/// Opens access by every protocol.
fn open(config: &Config, core: &Arc<Core>, world: &Arc<RealWorld>) -> Result<Vec<Opened>, String> {
    let opening = |name| Opening { core: core.clone(), world: world.clone(), section: config.section(name) };
    PROTOCOLS.iter().map(|protocol| (protocol.open)(opening(protocol.name))).collect()
}

/// A copy may be older than what devices were sent: with the keys of its sessions, numbers would be used a second time.
async fn forget(core: &Core, why: &str) -> Result<(), String> {
    let sessions = core.forget_secure_sessions().await.map_err(|e| e.to_string())?;
    tracing::warn!(
        why,
        sessions,
        "the data is taken for a copy: DTLS sessions are forgotten, their devices must shake hands again"
    );
    Ok(())
}

/// A fresh server has one account, so that the first journey needs none.
async fn default_account(core: &Core, token: &str) -> Result<(), String> {
    let operator = core.operator(token).await.map_err(|e| e.to_string())?;
    let some = core.accounts(&operator, PageRequest { no: 0, size: 1 }).await.map_err(|e| e.to_string())?;
    if some.total == 0 {
        let new = NewAccount { name: "default".into(), tenant: None, settings: AccountSettings::default() };
        core.create_account(&operator, new).await.map_err(|e| e.to_string())?;
    }
    Ok(())
}

#[allow(clippy::too_many_arguments, reason = "called once, with everything there is")]
fn listen(
    config: &Config,
    sockets: Sockets,
    tls: &Tls,
    core: &Arc<Core>,
    logins: Arc<Mqtt>,
    running: Arc<Running>,
    stopping: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> Result<(), String> {
    let north = northbound::applications(config, core, running)?;
    let addresses = bind::Addresses { host: None, https_port: sockets.port("bind"), mqtts_port: sockets.port("mqtts") };
    let devices = northbound::devices(core, logins, addresses);
    let limits = northbound::limits(config);
    let over_tls = tls.listener(&[b"h2", b"http/1.1"]);
    let requests = Arc::<AtomicU64>::default();
    for (name, socket) in sockets.http {
        let (stopping, proxies) = (stopping.clone(), Arc::new(config.proxy.of(name)?));
        let word = |step| Arc::new(http::WhyWord { core: core.clone(), step });
        let front = |step| http::Front { proxies: proxies.clone(), word: Some(word(step)), requests: requests.clone() };
        match name {
            "https" => tasks.spawn(http::serve(socket, Some(over_tls.clone()), north.clone(), limits, front("https"), stopping)),
            "http" => tasks.spawn(http::serve(socket, None, north.clone(), limits, front("http"), stopping)),
            _ => tasks.spawn(http::serve(socket, Some(over_tls.clone()), devices.clone(), limits, front("bind"), stopping)),
        };
    }
    Ok(())
}

/// Works on jobs: first on those that the last run left, then whenever one came or targets ended.
fn work_on_jobs(core: Arc<Core>, mut stopping: watch::Receiver<bool>, tasks: &mut JoinSet<()>) {
    tasks.spawn(async move {
        loop {
            if let Err(error) = turn_jobs(&core, &stopping).await {
                tracing::error!(%error, "jobs could not be looked at; this is tried again");
            }
            let told = async {
                core.jobs_bell().rung().await;
                tokio::time::sleep(Duration::from_millis(GATHER_MS)).await;
            };
            tokio::select! {
                () = told => {}
                () = tokio::time::sleep(Duration::from_millis(JOBS_MS)) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
        }
    });
}

async fn turn_jobs(core: &Core, stopping: &watch::Receiver<bool>) -> landfall_model::Result<()> {
    while !*stopping.borrow() {
        let turn = core.turn_jobs().await?;
        for (job, error) in &turn.failed {
            tracing::error!(%job, %error, "a job rests for a while after a fault of the server");
        }
        if !turn.more {
            break;
        }
    }
    Ok(())
}

/// Status changes by silence, ends of registrations and calls, retention, the marker of the data.
fn background(core: Arc<Core>, origin: Arc<Origin>, mut stopping: watch::Receiver<bool>, tasks: &mut JoinSet<()>) {
    tasks.spawn(async move {
        let mut rounds = 0;
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(ROUND_S)) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            rounds += 1;
            if rounds == RECONCILE_S / ROUND_S
                && let Err(error) = core.reconcile().await
            {
                tracing::error!(%error, "devices of the last run could not be looked through");
            }
            work_through(&core, &stopping).await;
            if rounds % (RENEW_S / ROUND_S) == 0
                && let Err(error) = origin.renew(&RealWorld::default()).await
            {
                tracing::error!(%error, "the marker of the data could not be renewed and is tried again later");
            }
        }
    });
}

async fn work_through(core: &Core, stopping: &watch::Receiver<bool>) {
    let (mut sweep, mut prune) = (true, true);
    while (sweep || prune) && !*stopping.borrow() {
        let done = async {
            sweep = sweep && core.sweep().await?;
            prune = prune && core.prune().await?;
            landfall_model::Result::Ok(())
        };
        if let Err(error) = done.await {
            tracing::error!(%error, "background work failed and is tried again later");
            return;
        }
    }
}

/// The file of a server that was killed would lead to ports that are no longer its own.
fn forget_ports(data: &Path) {
    let _ = std::fs::remove_file(data.join("ports.json"));
}

/// Written last: who finds it finds a server that is up.
fn write_ports(data: &Path, listeners: &[(String, String, u16)]) -> Result<(), String> {
    let entry = |(name, host, port): &(String, String, u16)| (name.clone(), serde_json::json!({"host": host, "port": port}));
    let ports: serde_json::Map<String, serde_json::Value> = listeners.iter().map(entry).collect();
    files::replace_text(&data.join("ports.json"), files::PUBLIC, &serde_json::Value::Object(ports).to_string())
}
