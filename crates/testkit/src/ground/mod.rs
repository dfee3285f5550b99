//! The ground that tests stand on: a core over a real store, in virtual time, with a codec that follows a script, and with connections and
//! callbacks that are written down.
//!
//! ```no_run
//! # async fn story() {
//! let ground = landfall_testkit::Ground::new(1).await;
//! let (mine, theirs) = ground.two_tenants().await;
//! let device = ground.online_device(&mine, "n").await;
//! ground.advance_s(60);
//! assert!(ground.core.device(&theirs.scope, device.id).await.is_err());
//! # }
//! ```
//!
//! Other settings, another store or codec come in by [`Ground::plan`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

pub mod codec;
pub mod live;
mod onem2m;
pub mod password;
pub mod place;
pub mod product;
pub mod user;

use crate::World;
use async_trait::async_trait;
use codec::ScriptedCodec;
use landfall_core::{
    CallbackPolicy, Core, DeviceCaller, Hashing, NewAccount, NewApp, Operator, Parts, PasswordKey, PayloadCodec, ProductRef,
    RegisterDevice, Scope, Settings, Taken, Task, digest,
};
use landfall_model::{
    AccessMode, AccountId, AccountSettings, App, AppLimits, Cause, DataFormat, Device, DeviceId, DeviceInfo, Error, EventBody,
    Observed, Product, Registration, Result, Seq, StoredEvent,
};
use live::Connections;
use parking_lot::Mutex;
use password::PlainHashing;
use place::Place;
use std::sync::Arc;

const ADMIN_TOKEN: &str = "operator-of-the-test";
/// Seconds for which [`Ground::come`] registers a device.
const LIFETIME_S: u32 = 90_000;

/// A core with everything around it.
pub struct Ground {
    /// What is tested.
    pub core: Arc<Core>,
    /// Its time and randomness.
    pub world: Arc<World>,
    /// Connections that are open because the test says so. A test of a protocol enlists that one beside them.
    pub live: Arc<Connections>,
    /// What the core sees of callback addresses.
    pub callbacks: Arc<Callbacks>,
    /// May do everything.
    pub operator: Operator,
    plan: Plan,
}

/// An account with an application and a product.
pub struct Tenant {
    /// The whole account.
    pub all: Scope,
    /// Its application.
    pub app: Arc<App>,
    /// What the application logs in with.
    pub secret: String,
    /// What the application may.
    pub scope: Scope,
    /// A [`product::thermometer`] of JSON.
    pub product: Arc<Product>,
}

/// What a ground is made of.
pub struct Plan {
    world: Arc<World>,
    place: Place,
    settings: Settings,
    connections: Arc<Connections>,
    codecs: Arc<dyn PayloadCodec>,
    hashing: Arc<dyn Hashing>,
    password_key: PasswordKey,
    tasks: Option<&'static [&'static dyn Task]>,
}

impl Plan {
    /// Other kinds of jobs than those of the server.
    #[must_use]
    pub fn tasks(self, tasks: &'static [&'static dyn Task]) -> Self {
        Self { tasks: Some(tasks), ..self }
    }

    /// Other settings than the usual ones.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Another store than SQLite in a scratch directory.
    #[must_use]
    pub fn place(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// Another codec than the scripted one.
    #[must_use]
    pub fn codecs(self, codecs: Arc<dyn PayloadCodec>) -> Self {
        Self { codecs, ..self }
    }

    /// Another hashing of people's passwords than none.
    #[must_use]
    pub fn hashing(self, hashing: Arc<dyn Hashing>) -> Self {
        Self { hashing, ..self }
    }

    /// Opens the store and starts the core.
    pub async fn open(self) -> Ground {
        let store = landfall_store::open(self.place.url(), landfall_store::Options::default(), self.world.clone()).unwrap();
        let callbacks = Arc::new(Callbacks::default());
        let core = Core::new(Parts {
            store: Arc::new(store),
            world: self.world.clone(),
            codecs: self.codecs.clone(),
            callbacks: callbacks.clone(),
            settings: self.settings.clone(),
            admin_token: digest(ADMIN_TOKEN),
            password_key: self.password_key.clone(),
            hashing: self.hashing.clone(),
        });
        let core = self.tasks.iter().fold(core, |core, tasks| core.with_tasks(tasks));
        core.enlist(&self.connections);
        let operator = core.operator(ADMIN_TOKEN).await.unwrap();
        Ground {
            core: Arc::new(core),
            world: self.world.clone(),
            live: self.connections.clone(),
            callbacks,
            operator,
            plan: self,
        }
    }
}

impl Ground {
    /// The usual ground, whose randomness follows from `seed`.
    pub async fn new(seed: u64) -> Self {
        Self::plan(seed).open().await
    }

    /// The usual ground, before it is opened.
    #[must_use]
    pub fn plan(seed: u64) -> Plan {
        Plan {
            world: Arc::new(World::new(seed)),
            place: Place::sqlite(),
            settings: Settings::default(),
            connections: Arc::default(),
            codecs: Arc::new(ScriptedCodec),
            hashing: Arc::new(PlainHashing),
            password_key: PasswordKey::new([7; 32]),
            tasks: None,
        }
    }

    /// The same after a restart: only what was committed is left.
    pub async fn restart(self) -> Self {
        let Self { core, plan, .. } = self;
        assert_eq!(Arc::strong_count(&core), 1, "the core is held by somebody else");
        drop(core);
        plan.open().await
    }

    /// The same where the server's key for the passwords of devices is another one.
    pub async fn restart_with_key(mut self, key: PasswordKey) -> Self {
        self.plan.password_key = key;
        self.restart().await
    }

    /// Does something to the SQLite database beside the server.
    pub fn beside(&self, sql: &str) {
        let folder = self.plan.place.folder().expect("only SQLite has a file");
        rusqlite::Connection::open(folder.join("landfall.db")).unwrap().execute_batch(sql).unwrap();
    }

    /// A new account.
    pub async fn tenant(&self, name: &str) -> Tenant {
        let new = NewAccount { name: name.into(), tenant: None, settings: AccountSettings::default() };
        let (account, _) = self.core.create_account(&self.operator, new).await.unwrap();
        let all = self.operator.over(account.id).unwrap();
        let new = NewApp { name: "app".into(), limits: AppLimits::default() };
        let (app, secret) = self.core.create_app(&all, new).await.unwrap();
        let scope = self.core.narrow(&all, app.id).await.unwrap();
        let product = self.core.create_product(&all, product::thermometer(DataFormat::Json)).await.unwrap();
        Tenant { all, app, secret: secret.expose().to_owned(), scope, product }
    }

    /// The accounts `mine` and `theirs`.
    pub async fn two_tenants(&self) -> (Tenant, Tenant) {
        (self.tenant("mine").await, self.tenant("theirs").await)
    }

    /// A device of the tenant's product that never came.
    pub async fn device(&self, tenant: &Tenant, node_id: &str) -> Arc<Device> {
        self.core.register_device(&tenant.scope, new_device(node_id, &tenant.product)).await.unwrap()
    }

    /// A device with a connection that listens to its own commands.
    pub async fn online_device(&self, tenant: &Tenant, node_id: &str) -> Arc<Device> {
        let device = self.device(tenant, node_id).await;
        self.live.open(device.id);
        self.core.connected(&self.core.device_caller(&device)).await.unwrap();
        self.reread(&device).await
    }

    /// A device of a [`product::sensor`] that is registered over LwM2M, for 25 hours.
    pub async fn lwm2m_device(&self, tenant: &Tenant, node_id: &str) -> Arc<Device> {
        let product = match self.core.product_by_key(&tenant.all, &product::sensor().key).await.unwrap() {
            Some(product) => product,
            None => self.core.create_product(&tenant.all, product::sensor()).await.unwrap(),
        };
        let device = self.core.register_device(&tenant.scope, new_device(node_id, &product)).await.unwrap();
        self.come(&device).await;
        self.reread(&device).await
    }

    /// The device registers over LwM2M, or renews its registration.
    pub async fn come(&self, device: &Device) {
        self.live.registered.lock().insert(device.id);
        let now = self.core.now();
        let registration = Registration {
            device: device.id,
            location: "l".into(),
            endpoint: device.node_id.clone(),
            lifetime_s: LIFETIME_S,
            version: "1.1".into(),
            binding: "UQ".into(),
            queue_mode: true,
            links: "</3/0>".into(),
            peer: "127.0.0.1:5683".into(),
            session: None,
            observed: Observed::default(),
            registered_at: now,
            updated_at: now,
            expires_at: now.plus_s(i64::from(LIFETIME_S)),
            contacts: vec![now],
        };
        self.core.register(&self.core.device_caller(device), registration).await.unwrap();
    }

    /// A device sends a JSON message of `device`, itself or one behind it.
    pub async fn says(&self, by: &DeviceCaller, device: DeviceId, payload: &[u8]) -> Result<Taken> {
        self.core.keep(self.core.read_json(by, device, payload).await?).await
    }

    /// The device as it is now.
    pub async fn reread(&self, device: &Device) -> Arc<Device> {
        self.core.device_by_id(device.id).await.unwrap()
    }

    /// The newest place of the stream.
    #[must_use]
    pub fn newest(&self) -> Seq {
        self.core.store().newest()
    }

    /// What happened since `seq`.
    pub async fn events_since(&self, seq: Seq) -> Vec<StoredEvent> {
        self.core.store().events_after(seq, 10_000).await.unwrap()
    }

    /// The kinds of the events since `seq`, as short words.
    pub async fn told_since(&self, seq: Seq) -> Vec<String> {
        self.events_since(seq).await.iter().map(|stored| word(&stored.event.body)).collect()
    }

    /// Lets time pass.
    pub fn advance_s(&self, seconds: u32) {
        self.world.advance_s(seconds);
    }
}

fn word(body: &EventBody) -> String {
    match body {
        EventBody::DeviceAdded(_) => "added".into(),
        EventBody::DeviceBound { result, .. } => format!("bound {result:?}"),
        EventBody::DeviceInfoChanged(view) => format!("info {}", view.status.as_str()),
        EventBody::Reported(report) => format!("reported {}", report.services.len()),
        EventBody::DeviceDeleted { .. } => "deleted".into(),
        EventBody::MessageConfirmed { status, .. } => format!("confirmed {status:?}"),
        EventBody::CommandAnswered { errcode, .. } => format!("answered {errcode}"),
        EventBody::CommandChanged { state, .. } => format!("command {}", state.as_str()),
        EventBody::DesiredDelivered { service_id, delivered, .. } => format!("desired {service_id} {delivered}"),
        EventBody::SubscriptionChanged(_) => "subscription".into(),
        EventBody::ProductModel { change, .. } => format!("model {change:?}"),
        EventBody::AlarmChanged(alarm) => format!("alarm {} {}", alarm.status.as_str(), alarm.count),
        EventBody::DeviceEvent(event) => format!("event {}", event.kind),
        EventBody::Notice(notice) => format!("notice {}", notice.kind),
    }
}

/// A device of a product, known by its secret.
#[must_use]
pub fn new_device(node_id: &str, product: &Product) -> RegisterDevice {
    RegisterDevice {
        node_id: node_id.into(),
        access: AccessMode::Secret,
        product: Some(ProductRef::Id(product.id.to_string())),
        info: DeviceInfo::default(),
        verify_code: None,
        psk: None,
        psk_identity: None,
        secret: None,
        timeout_s: None,
        is_secure: false,
    }
}

/// The cause of a refusal.
///
/// # Panics
/// When nothing was refused.
pub fn cause<T: std::fmt::Debug>(result: Result<T>) -> Cause {
    result.unwrap_err().cause
}

/// Callback addresses: all of HTTP are allowed, and all answer.
#[derive(Debug, Default)]
pub struct Callbacks {
    /// Addresses that were asked whether they agree to be called.
    pub asked: Mutex<Vec<String>>,
}

#[async_trait]
impl CallbackPolicy for Callbacks {
    fn check(&self, url: &str) -> Result<()> {
        if url.starts_with("http://") || url.starts_with("https://") {
            return Ok(());
        }
        Err(Error::new(Cause::CallbackInvalid, "must be http or https"))
    }

    async fn verify(&self, _: AccountId, url: &str, _: &[(&'static str, String)], _: Vec<u8>) -> Result<()> {
        self.asked.lock().push(url.to_owned());
        Ok(())
    }
}

impl std::fmt::Debug for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tenant({})", self.app.account)
    }
}
