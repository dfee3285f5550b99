//! Where a test keeps its store, and records to put there.

use landfall_core::store::*;
use landfall_model::*;
use landfall_store::{Options, SharedStore};
use landfall_testkit::World;
pub use landfall_testkit::ground::place::Place as At;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use uuid::Uuid;

pub const DAY_S: i64 = 86_400;
pub const START: Time = Time(1_700_000_000_000);

pub struct Place {
    pub world: Arc<World>,
    pub at: At,
}

static COUNTER: AtomicU64 = AtomicU64::new(1);

impl Place {
    pub fn sqlite() -> Self {
        Self { world: world(), at: At::sqlite() }
    }

    /// `None`, loudly, without a server to test against.
    pub fn postgres(test: &str) -> Option<Self> {
        At::postgres(test).map(|at| Self { world: world(), at })
    }

    /// Another one at the same time.
    pub fn beside(&self, at: At) -> Self {
        Self { world: self.world.clone(), at }
    }

    pub fn try_open(&self, options: Options) -> Result<SharedStore> {
        landfall_store::open(self.at.url(), options, self.world.clone())
    }

    pub fn open(&self) -> SharedStore {
        self.try_open(Options::default()).unwrap()
    }

    pub fn set(&self, time: Time) {
        self.world.set(time);
    }

    pub fn pass_s(&self, seconds: i64) {
        self.set(self.now().plus_s(seconds));
    }

    pub fn now(&self) -> Time {
        Time(self.world.now_ms())
    }
}

/// A world that begins at [`START`].
fn world() -> Arc<World> {
    let world = World::new(1);
    world.set(START);
    Arc::new(world)
}

pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

pub fn fresh_uuid() -> Uuid {
    // Of version 4, as an id of a device tells that of its object.
    let number = COUNTER.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9E37_79B9_7F4A_7C15) & !0xf000 | 0x4000;
    Uuid::from_u64_pair(number, 0x8000_0000_0000_0001)
}

pub fn account(name: &str) -> Account {
    Account {
        id: AccountId(fresh_uuid()),
        version: 1,
        name: name.into(),
        tenant: None,
        token: Some(Digest([3; 32])),
        settings: AccountSettings::default(),
        created_at: START,
    }
}

pub fn app(account: AccountId, name: &str) -> App {
    App {
        id: AppId(fresh_uuid()),
        account,
        version: 1,
        name: name.into(),
        secret: Digest([4; 32]),
        frozen: false,
        authorized: vec![],
        limits: AppLimits::default(),
        token: None,
        originator: None,
        session: None,
        created_at: START,
    }
}

pub fn product(account: AccountId, model: &str) -> Product {
    Product {
        id: ProductId(fresh_uuid()),
        account,
        version: 1,
        key: ProductKey { model: model.into(), ..ProductKey::default() },
        name: format!("product {model}"),
        format: DataFormat::Json,
        services: vec![Service { service_id: "Meter".into(), ..Service::default() }],
        codecs: vec![],
        lwm2m: Lwm2mModel::default(),
        secret: Some(Secret::new("s")),
        auto_register: None,
        claims: true,
        created_at: START,
        modified_at: START,
    }
}

pub fn device(account: AccountId, principals: impl Into<Principals>, node_id: &str) -> Device {
    Device {
        access: AccessMode::Secret,
        node_type: NodeType::Endpoint,
        credentials: Credentials { secret: Some(Secret::new("k")), ..Credentials::default() },
        ..Device::new(DeviceId(fresh_uuid()), account, principals, node_id, START)
    }
}

pub fn group(account: AccountId, name: &str) -> Group {
    let (id, name) = (GroupId(fresh_uuid()), name.into());
    Group {
        id,
        account,
        version: 1,
        name,
        description: None,
        owner: None,
        max_members: 0,
        creator: String::new(),
        created_at: START,
    }
}

pub fn subscription(account: AccountId, owner: AppId, kind: SubscriptionKind, url: &str) -> Subscription {
    Subscription {
        id: SubscriptionId(fresh_uuid()),
        account,
        version: 1,
        owner,
        target: owner,
        kind,
        channel: Channel::Http,
        callback_url: url.into(),
        by: None,
        created_at: START,
    }
}

pub fn call(device: &Device, mid: u16, expires_at: Time) -> ServiceCall {
    ServiceCall {
        id: CallId(fresh_uuid()),
        account: device.account,
        app: device.app(),
        by: None,
        device: device.id,
        mid,
        request_id: format!("r{mid}"),
        from: "app".into(),
        ack: true,
        service_id: "Meter".into(),
        service_type: "Meter".into(),
        method: "read".into(),
        response: None,
        paras: "{}".into(),
        callback_url: None,
        state: CallState::Sent,
        created_at: Time(START.0 + i64::from(mid)),
        expires_at,
    }
}

pub fn session(device: DeviceId, expires_at: Time) -> StoredSession {
    StoredSession {
        device,
        subscriptions: vec![SubscribedFilter { filter: "/a/#".into(), qos: 1 }],
        qos2_received: vec![4],
        outbound: vec![OutboundMessage { packet_id: 9, call: None, topic: "t".into(), payload: vec![0, 255] }],
        expires_at,
    }
}

pub fn command(device: &Device, place: u64, created_at: Time) -> Command {
    Command {
        id: CommandId(fresh_uuid()),
        account: device.account,
        app: device.app(),
        by: None,
        job: Some((JobId(fresh_uuid()), 7)),
        device: device.id,
        version: 1,
        place,
        mid: 7,
        service_id: "Meter".into(),
        method: "SET".into(),
        paras: r#"{"rate":"\u0000"}"#.into(),
        callback_url: Some("http://x".into()),
        expire_s: Some(60),
        max_retransmit: 3,
        state: CommandState::Pending,
        created_at,
        issued_times: 0,
        issued_at: None,
        delivered_at: None,
        executed_at: None,
        result: Some("a\0b".into()),
        due_at: None,
    }
}

pub fn shadow(device: DeviceId) -> Shadow {
    let open = vec!["rate".into()];
    let by = [("rate".into(), AppId(fresh_uuid()))].into();
    let desired = Desired { service_id: "Meter".into(), desired: r#"{"rate":1}"#.into(), set_at: START, open, by };
    Shadow { device, version: 1, services: vec![desired] }
}

pub fn setting(device: &Device, service_id: &str, desired: &str, at: Time) -> Setting {
    Setting {
        account: device.account,
        app: device.app(),
        device: device.id,
        gateway: device.gateway_id(),
        service_id: service_id.into(),
        desired: desired.into(),
        at,
    }
}

pub fn registration(device: DeviceId, expires_at: Time) -> Registration {
    Registration {
        device,
        location: "5a".into(),
        endpoint: "urn:imei:490154203237518".into(),
        lifetime_s: 86_400,
        version: "1.1".into(),
        binding: "UQ".into(),
        queue_mode: true,
        links: "</1/0>,</3/0>\0".into(),
        peer: "[2001:db8::1]:40000".into(),
        session: Some(u64::MAX),
        observed: Observed { generation: 3, paths: vec!["/3/0".into()] },
        registered_at: START,
        updated_at: START,
        expires_at,
        contacts: vec![START.minus_s(60), START],
    }
}

pub fn secure(id: u64, device: DeviceId, state: &str) -> SecureSession {
    SecureSession { id, device, state: Secret::new(state) }
}

/// A report of one service.
pub fn reported(device: &Device, at: Time, service: &str, data: &str, event_time: Time) -> Event {
    let services =
        vec![ServiceReport { service_id: service.into(), service_type: None, data: data.into(), event_time, meta: None }];
    report_of(device, at, services)
}

pub fn report_of(device: &Device, at: Time, services: Vec<ServiceReport>) -> Event {
    let report = Report {
        device: device.id,
        account: device.account,
        app: device.app(),
        gateway: device.gateway_id(),
        received_at: at,
        services,
        raw: None,
    };
    Event {
        account: device.account,
        principals: Some(device.principals.clone()),
        device: Some(device.id),
        at,
        body: EventBody::Reported(report),
    }
}

pub fn gone(device: &Device, at: Time) -> Event {
    let body = EventBody::DeviceDeleted { gateway: device.gateway_id() };
    Event { account: device.account, principals: Some(device.principals.clone()), device: Some(device.id), at, body }
}

pub fn node(name: &str) -> Node {
    Node {
        name: name.into(),
        labels: vec!["d2c:1.0".into()],
        profile: None,
        iccid: None,
        infos: vec![],
        credentials_at: None,
        observed: vec![],
        managed: vec![],
        created_at: START,
        modified_at: START,
    }
}

/// An id in the order of the calls.
pub fn fresh_id() -> ResourceId {
    let n = COUNTER.fetch_add(1, Ordering::SeqCst);
    ResourceId::new(Time(START.0 + n as i64), [n as u8; 16])
}

pub fn resource(account: AccountId, parent: ResourceId, name: &str) -> Resource {
    Resource {
        id: fresh_id(),
        account,
        app: AppId(account.0),
        version: 1,
        parent,
        device: None,
        name: name.into(),
        kind: ResourceKind::Container,
        creator: "C1".into(),
        labels: vec!["a\0b".into()],
        policies: vec![fresh_id()],
        attributes: serde_json::Map::from_iter([("mni".to_owned(), serde_json::json!(10))]),
        expires_at: None,
        created_at: START,
        modified_at: START,
    }
}

pub fn instance(account: AccountId, container: ResourceId, name: &str) -> Instance {
    Instance {
        id: fresh_id(),
        container,
        account,
        device: None,
        name: name.into(),
        state: 0,
        content: r#""20\u0000 °C""#.into(),
        format: Some("text/plain:0".into()),
        size: 10,
        labels: vec!["x".into(), String::new()],
        other: serde_json::Map::from_iter([("or".to_owned(), "http://o".into())]),
        creator: Some("C1".into()),
        by: Some(AppId(fresh_uuid())),
        created_at: START,
        expires_at: None,
    }
}

/// An append to a container that is hard to fill.
pub fn append(instance: &Instance) -> Write {
    append_to(instance, 1_000_000, 1_000_000_000)
}

pub fn append_to(instance: &Instance, max_instances: u64, max_bytes: u64) -> Write {
    Write::Append(Box::new(Append { instance: instance.clone(), max_instances, max_bytes }))
}

pub fn write_resource(resource: &Resource) -> Write {
    Write::Resource(Box::new(resource.clone()))
}

pub fn put(writes: impl IntoIterator<Item = Write>) -> Batch {
    Batch { writes: writes.into_iter().collect(), events: vec![] }
}

pub fn tell(events: Vec<Event>) -> Batch {
    Batch { writes: vec![], events }
}

pub fn write_device(device: &Device) -> Write {
    Write::Device(Box::new(device.clone()))
}

/// The next version of a device.
pub fn next(device: &Device, change: impl FnOnce(&mut Device)) -> Device {
    let mut device = device.clone();
    device.version += 1;
    change(&mut device);
    device
}

pub const ALL: PageRequest = PageRequest { no: 0, size: 1_000 };

/// An account with an application and a device in the store.
pub async fn one_device(store: &SharedStore, node_id: &str) -> Device {
    let account = account(&format!("account of {node_id}"));
    let app = app(account.id, "app");
    let device = device(account.id, app.id, node_id);
    store.commit(put([Write::Account(Box::new(account)), Write::App(Box::new(app)), write_device(&device)])).await.unwrap();
    device
}

/// The place of what was committed.
pub fn seq(result: Result<Committed>) -> Result<Seq> {
    result.map(|committed| committed.seq)
}

pub fn cause<T: std::fmt::Debug>(result: Result<T>) -> Cause {
    result.unwrap_err().cause
}
