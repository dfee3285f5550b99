//! The domain over a real SQLite store, in virtual time, with connections that the test pretends.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod addresses;
mod calls;
mod clock;
mod commands;
mod deletion;
mod devices;
mod interrupted;
mod isolation;
mod keys;
mod names;
mod nodes;
mod onem2m;
mod products;
mod redecode;
mod rights;
mod shadow;
mod status;
mod subscriptions;
mod tree;
mod turns;
mod uplinks;
mod withdrawn;

use async_trait::async_trait;
use landfall_core::{
    Access, CallbackPolicy, CloseCause, CodecRun, Core, Downlink, NewAccount, NewApp, Obstacle, Operator, Parts, PayloadCodec,
    ProductDraft, RegisterDevice, Scope, Settings, Takes, Undelivered, Wake, World, digest,
};
use landfall_model::{
    AccessMode, AccountId, AccountSettings, App, AppLimits, Cause, CommandResponse, DataFormat, Device, DeviceId, DeviceInfo,
    Error, EventBody, Lwm2mModel, Observed, Parameter, Product, ProductKey, Property, Registration, Result, Seq, Service,
    ServiceCommand, StoredEvent,
};
use landfall_testkit::World as VirtualWorld;
use parking_lot::Mutex;
use std::{collections::HashSet, sync::Arc};

const ADMIN_TOKEN: &str = "operator-of-the-test";

/// A core with everything around it.
pub struct Domain {
    pub core: Arc<Core>,
    pub world: Arc<VirtualWorld>,
    pub live: Arc<PretendedConnections>,
    pub operator: Operator,
    /// Addresses that were asked whether they agree to be called.
    pub verified: Arc<Mutex<Vec<String>>>,
    data: Option<tempfile::TempDir>,
}

/// An account with an application and a product.
pub struct Tenant {
    pub all: Scope,
    pub app: Arc<App>,
    pub secret: String,
    pub scope: Scope,
    pub product: Arc<Product>,
}

impl Domain {
    pub async fn new(seed: u64) -> Self {
        Self::with(seed, Settings { calls_per_device: 3, ..Settings::default() }).await
    }

    pub async fn with(seed: u64, settings: Settings) -> Self {
        let data = tempfile::tempdir().unwrap();
        let place = data.path().to_str().unwrap().to_owned();
        Self { data: Some(data), ..Self::over(seed, settings, &place).await }
    }

    /// Over the store at a place, as [`landfall_store::open`] takes it.
    pub async fn over(seed: u64, settings: Settings, place: &str) -> Self {
        let world = Arc::new(VirtualWorld::new(seed));
        let live = Arc::new(PretendedConnections::default());
        let verified = Arc::<Mutex<Vec<String>>>::default();
        let store = landfall_store::open(place, landfall_store::Options::default(), world.clone()).unwrap();
        let core = Core::new(Parts {
            store: Arc::new(store),
            world: world.clone(),
            codecs: Arc::new(HexCodec),
            callbacks: Arc::new(AnyHttp(verified.clone())),
            settings,
            admin_token: digest(ADMIN_TOKEN),
        });
        core.enlist(&live);
        let operator = core.operator(ADMIN_TOKEN).await.unwrap();
        Self { core: Arc::new(core), world, live, operator, verified, data: None }
    }

    pub async fn tenant(&self, name: &str) -> Tenant {
        let new = NewAccount { name: name.into(), settings: AccountSettings::default() };
        let (account, _) = self.core.create_account(&self.operator, new).await.unwrap();
        let all = self.operator.over(account.id).unwrap();
        let new = NewApp { name: "app".into(), limits: AppLimits::default() };
        let (app, secret) = self.core.create_app(&all, new).await.unwrap();
        let scope = self.core.narrow(&all, app.id).await.unwrap();
        let product = self.core.create_product(&all, thermometer(DataFormat::Json)).await.unwrap();
        Tenant { all, app, secret: secret.expose().to_owned(), scope, product }
    }

    pub async fn device(&self, tenant: &Tenant, node_id: &str) -> Arc<Device> {
        self.core.register_device(&tenant.scope, mqtt_device(node_id, &tenant.product)).await.unwrap()
    }

    /// A device with a connection that listens to its own commands.
    pub async fn online_device(&self, tenant: &Tenant, node_id: &str) -> Arc<Device> {
        let device = self.device(tenant, node_id).await;
        self.live.open(device.id);
        self.core.connected(&self.core.device_caller(&device)).await.unwrap();
        self.reread(&device).await
    }

    /// A device of [`sensor`] that is registered over LwM2M, for 25 hours.
    pub async fn lwm2m_device(&self, tenant: &Tenant, node_id: &str) -> Arc<Device> {
        let product = match self.core.product_by_key(&tenant.all, &sensor().key).await.unwrap() {
            Some(product) => product,
            None => self.core.create_product(&tenant.all, sensor()).await.unwrap(),
        };
        let device = self.core.register_device(&tenant.scope, mqtt_device(node_id, &product)).await.unwrap();
        self.come(&device).await;
        self.reread(&device).await
    }

    /// The device registers, or renews its registration.
    pub async fn come(&self, device: &Device) {
        self.live.registered.lock().insert(device.id);
        let now = self.core.now();
        let registration = Registration {
            device: device.id,
            location: "l".into(),
            endpoint: device.node_id.clone(),
            lifetime_s: 90_000,
            version: "1.1".into(),
            binding: "UQ".into(),
            queue_mode: true,
            links: "</3/0>".into(),
            peer: "127.0.0.1:5683".into(),
            session: None,
            observed: Observed::default(),
            registered_at: now,
            updated_at: now,
            expires_at: now.plus_s(90_000),
            contacts: vec![now],
        };
        self.core.register(&self.core.device_caller(device), registration).await.unwrap();
    }

    pub async fn reread(&self, device: &Device) -> Arc<Device> {
        self.core.device_by_id(device.id).await.unwrap()
    }

    pub async fn events_since(&self, seq: Seq) -> Vec<StoredEvent> {
        self.core.store().events_after(seq, 10_000).await.unwrap()
    }

    pub fn newest(&self) -> Seq {
        self.core.store().newest()
    }

    /// The kinds of the events since `seq`, as short words.
    pub async fn told_since(&self, seq: Seq) -> Vec<String> {
        self.events_since(seq).await.iter().map(|stored| word(&stored.event.body)).collect()
    }

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
        EventBody::Notice(notice) => format!("notice {}", notice.kind),
    }
}

pub fn thermometer(format: DataFormat) -> ProductDraft {
    let parameter =
        |name: &str, data_type: &str| Parameter { name: name.into(), data_type: data_type.into(), ..Parameter::default() };
    let temperature = Property { parameter: parameter("temperature", "decimal"), method: "RE".into() };
    let set = ServiceCommand {
        name: "SET".into(),
        paras: vec![Parameter { required: true, ..parameter("value", "int") }],
        ..ServiceCommand::default()
    };
    let service = |id: &str, properties, commands| Service {
        service_id: id.into(),
        service_type: id.into(),
        properties,
        commands,
        ..Service::default()
    };
    ProductDraft {
        key: ProductKey {
            manufacturer_id: "acme".into(),
            manufacturer_name: "Acme".into(),
            device_type: "Thermometer".into(),
            model: "T1".into(),
            protocol_type: "MQTT".into(),
        },
        name: "Thermometer T1".into(),
        format,
        services: vec![service("Thermometer", vec![temperature], vec![]), service("Switch", vec![], vec![set])],
        lwm2m: Lwm2mModel::default(),
        auto_register: None,
        claims: None,
    }
}

/// A model that is bound to LwM2M resources. Its service `Meter` is not, and so has frames where the format is binary.
pub fn sensor() -> ProductDraft {
    let parameter = |name: &str, data_type: &str, path: Option<&str>| Parameter {
        name: name.into(),
        data_type: data_type.into(),
        path: path.map(str::to_owned),
        ..Parameter::default()
    };
    let property = |name: &str, method: &str, path| Property { parameter: parameter(name, "int", path), method: method.into() };
    let service = |id: &str, properties, commands| Service {
        service_id: id.into(),
        service_type: id.into(),
        properties,
        commands,
        ..Service::default()
    };
    let command = |name: &str, paras, execute: Option<&str>| ServiceCommand {
        name: name.into(),
        paras,
        execute: execute.map(str::to_owned),
        ..ServiceCommand::default()
    };
    let reboot = command("REBOOT", vec![parameter("delay", "int", None)], Some("/3/0/4"));
    let offset = command("OFFSET", vec![parameter("offset", "string", Some("/3/0/14"))], None);
    let ask = ServiceCommand {
        responses: vec![CommandResponse { name: "ASK-RSP".into(), paras: vec![] }],
        ..command("ASK", vec![], None)
    };
    let settings =
        vec![property("interval", "RW", Some("/1/0/2")), property("seen", "R", Some("/1/0/3")), property("label", "RW", None)];
    ProductDraft {
        key: ProductKey { model: "L1".into(), protocol_type: "LWM2M".into(), ..thermometer(DataFormat::Json).key },
        name: "Sensor L1".into(),
        services: vec![
            service("Settings", settings, vec![]),
            service("Device", vec![], vec![reboot, offset]),
            service("Meter", vec![property("value", "R", None)], vec![ask]),
        ],
        ..thermometer(DataFormat::Json)
    }
}

pub fn mqtt_device(node_id: &str, product: &Product) -> RegisterDevice {
    RegisterDevice {
        node_id: node_id.into(),
        access: AccessMode::Secret,
        product: Some(landfall_core::ProductRef::Id(product.id.to_string())),
        info: DeviceInfo::default(),
        verify_code: None,
        psk: None,
        psk_identity: None,
        secret: None,
        timeout_s: None,
        is_secure: false,
    }
}

/// Connections that are open because the test says so.
#[derive(Default)]
pub struct PretendedConnections {
    open: Mutex<HashSet<DeviceId>>,
    pub sent: Mutex<Vec<Downlink>>,
    pub closed: Mutex<Vec<(DeviceId, CloseCause)>>,
    pub registered: Mutex<HashSet<DeviceId>>,
    pub woken: Mutex<Vec<DeviceId>>,
}

/// Commands that a connection takes before it is full.
pub const SENT_MAX: usize = 64;

impl PretendedConnections {
    pub fn open(&self, device: DeviceId) {
        self.open.lock().insert(device);
    }

    pub fn shut(&self, device: DeviceId) {
        self.open.lock().remove(&device);
    }
}

impl Access for PretendedConnections {
    fn holds(&self, device: DeviceId) -> Option<Takes> {
        let open = self.open.lock().contains(&device).then_some(Takes::Calls);
        open.or_else(|| self.registered.lock().contains(&device).then_some(Takes::Work))
    }

    fn accepts(&self, _: DeviceId, _: DeviceId, _: Option<&Downlink>) -> std::result::Result<(), Undelivered> {
        Ok(())
    }

    fn deliver(&self, _: DeviceId, message: Downlink) -> std::result::Result<(), Undelivered> {
        let mut sent = self.sent.lock();
        if sent.len() >= SENT_MAX {
            return Err(Undelivered { obstacle: Obstacle::Full, step: "pretended.command", detail: "full".into() });
        }
        sent.push(message);
        Ok(())
    }

    fn wake(&self, device: DeviceId, why: Wake) -> bool {
        if why == Wake::Work {
            self.woken.lock().push(device);
        }
        why != Wake::LifetimeOver
    }

    fn close(&self, device: DeviceId, why: CloseCause) {
        self.shut(device);
        self.registered.lock().remove(&device);
        self.closed.lock().push((device, why));
    }
}

/// A codec whose frames are JSON in hex, so that these tests need no sandbox. Some words of a source change what it does: `broken` fails,
/// `inverted` frames have all bits turned over, `A->B` replaces A in the result, and `meta` returns what the codec is told beside the frame.
struct HexCodec;

#[async_trait]
impl PayloadCodec for HexCodec {
    async fn decode(&self, run: CodecRun<'_>, bytes: &[u8], meta: &str) -> Result<String> {
        let codec = run.codec;
        if codec.source.contains("broken") {
            return Err(Error::new(Cause::CodecFailed, "broken"));
        }
        if &*codec.source == "meta" && meta != "{}" {
            return Ok(meta.to_owned());
        }
        let turned = if codec.source.contains("inverted") { 0xff } else { 0 };
        let bytes = bytes.iter().map(|byte| byte ^ turned).collect();
        let text = String::from_utf8(bytes).map_err(|e| Error::new(Cause::CodecFailed, e.to_string()))?;
        Ok(codec.source.split_once("->").map_or(text.clone(), |(from, to)| text.replace(from, to)))
    }

    async fn encode(&self, _: CodecRun<'_>, command: &str) -> Result<Vec<u8>> {
        Ok(command.bytes().rev().collect())
    }
}

struct AnyHttp(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl CallbackPolicy for AnyHttp {
    fn check(&self, url: &str) -> Result<()> {
        if url.starts_with("http://") || url.starts_with("https://") {
            return Ok(());
        }
        Err(Error::new(Cause::CallbackInvalid, "must be http or https"))
    }

    async fn verify(&self, _: AccountId, url: &str, _: &[(&'static str, String)], _: Vec<u8>) -> Result<()> {
        self.0.lock().push(url.to_owned());
        Ok(())
    }
}

/// The cause of a refusal.
pub fn cause<T: std::fmt::Debug>(result: Result<T>) -> Cause {
    result.unwrap_err().cause
}

impl std::fmt::Debug for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tenant({})", self.app.account)
    }
}

/// The virtual clock seen as the core sees it.
pub fn now(domain: &Domain) -> landfall_model::Time {
    World::now(&*domain.world)
}
