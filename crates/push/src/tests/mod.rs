//! The push against a store and receivers in memory, in virtual time.
#![allow(clippy::disallowed_methods, reason = "virtual time is read from the paused runtime; receivers are tasks")]

mod ask;
mod clients;
mod delivery;
mod dialect;
mod fake_store;
mod gathering;
mod lifecycle;
mod network;
mod receiver;
mod verify;

use crate::sink::clients::ToClients;
use crate::sink::http::connect::Dial;
use crate::sink::http::{Caller, Http};
use crate::*;
use fake_store::FakeStore;
use http::HeaderValue;
use landfall_core::{Needs, Notification, Receipt, Subject, Verdict};
use landfall_model::{
    AccountId, AppId, Batch, Cursor, DeviceId, Event, EventBody, NotifyType, StoredEvent, SubscriptionKind, Write,
};
use landfall_testkit::{World as VirtualWorld, world::START_MS};
use receiver::{Exchange, Receiver};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

const START: Time = Time(START_MS);

/// A world whose time is that of the paused runtime; without jitter.
fn led_by_the_runtime() -> VirtualWorld {
    let start = tokio::time::Instant::now();
    VirtualWorld::paced(1, move || start.elapsed().as_millis() as i64).unrandom()
}

/// Bodies `device:seq`; the devices named `x` give three, with a number and a type as headers, those named `n` none. Of those named `d` the
/// name is told as it is now, and their answers have a meaning of their own.
struct Names;

impl Notifier for Names {
    fn serves(&self, kind: SubscriptionKind) -> bool {
        kind != SubscriptionKind::CallAddress
    }

    fn needs(&self, _: &Subscription, stored: &StoredEvent) -> Needs {
        let device = stored.event.device == Some(device(b'd'));
        Needs { device, product: device, entity: false }
    }

    fn render(&self, subscription: &Subscription, stored: &StoredEvent, subject: &Subject) -> Vec<Notification> {
        let n = stored.event.device.map_or(0, |device| device.0.as_bytes()[0]);
        let body = |text: String| Notification::json(text.into_bytes());
        let part = |part| {
            let id = format!("{}-{}-{}", subscription.id, stored.seq, part - 1);
            let rest =
                body(format!("x:{}:{part}", stored.seq)).with("X-M2M-RI", id).with("Content-Type", "application/json;ty=5");
            rest.with("Host", "elsewhere").with("X-Unfit", "two\r\nlines")
        };
        match n {
            b'n' => Vec::new(),
            b'x' => (1..=3).map(part).collect(),
            b'd' => {
                let (device, product) = (subject.device.as_ref(), subject.product.as_ref());
                let of = product.map_or("", |product| &product.name);
                vec![body(device.map_or("deleted".to_owned(), |device| {
                    format!("{} of {of}", device.info.name.as_deref().unwrap_or_default())
                }))]
            }
            _ => vec![body(format!("{n}:{}", stored.seq))],
        }
    }

    fn judge(&self, subscription: &Subscription, stored: &StoredEvent, receipt: Receipt) -> Verdict {
        let mine = || vec![Write::FreeAddress(subscription.id)];
        match receipt.status {
            _ if stored.event.device != Some(device(b'd')) => Plain.judge(subscription, stored, receipt),
            Some(200) => Verdict::Done(mine()),
            Some(202) => Verdict::Done(Vec::new()),
            Some(204) => Verdict::Retry,
            Some(_) => Verdict::GivenUp(mine()),
            None => Verdict::GivenUp(Vec::new()),
        }
    }
}

/// A dialect without rules of its own.
struct Plain;

impl Notifier for Plain {
    fn serves(&self, _: SubscriptionKind) -> bool {
        true
    }

    fn render(&self, subscription: &Subscription, stored: &StoredEvent, subject: &Subject) -> Vec<Notification> {
        Names.render(subscription, stored, subject)
    }
}

struct Rig {
    store: Arc<FakeStore>,
    world: Arc<VirtualWorld>,
    exchange: Arc<Exchange>,
    clients: Arc<Clients>,
    domain: Arc<FakeDomain>,
    notifiers: Vec<&'static dyn Notifier>,
    config: Config,
}

/// What the domain says.
struct FakeDomain {
    /// What is suspended; an error while rights cannot be read.
    suspended: Mutex<Result<HashSet<SubscriptionId>>>,
    /// What every event is about.
    subject: Mutex<Subject>,
    /// Subjects read.
    reads: AtomicU64,
}

#[async_trait::async_trait]
impl Domain for FakeDomain {
    async fn suspension(&self, subscription: &Subscription) -> Result<Option<String>> {
        let suspended = self.suspended.lock().clone()?;
        Ok(suspended.contains(&subscription.id).then(|| "suspended".to_owned()))
    }

    async fn subject(&self, _: &Event, needs: Needs) -> Result<Subject> {
        self.reads.fetch_add(u64::from(needs != Needs::NOTHING), Ordering::SeqCst);
        Ok(self.subject.lock().clone())
    }
}

impl Rig {
    fn new() -> Self {
        Self {
            store: FakeStore::new(),
            world: Arc::new(led_by_the_runtime()),
            exchange: Arc::new(Exchange::default()),
            clients: Arc::default(),
            domain: Arc::new(FakeDomain {
                suspended: Mutex::new(Ok(HashSet::new())),
                subject: Mutex::default(),
                reads: AtomicU64::new(0),
            }),
            notifiers: vec![&Names],
            config: Config::default(),
        }
    }

    fn start(&self) -> Push {
        let http = Http::new(self.caller(), &self.config, Arc::clone(&self.world) as _);
        let told = (Arc::clone(&self.domain) as _, self.notifiers.clone());
        let mqtt = ToClients::new(
            landfall_model::Channel::Mqtt,
            Arc::clone(&self.clients),
            Duration::from_millis(self.config.request_timeout_ms),
        );
        let sinks = Sinks { http: Box::new(http), mqtt: Box::new(mqtt) };
        Push::start_with(Arc::clone(&self.store) as _, Arc::clone(&self.world) as _, told, self.config.clone(), sinks)
    }

    fn caller(&self) -> Caller {
        Caller::over(Arc::clone(&self.exchange) as Arc<dyn Dial>, &self.config)
    }

    /// A receiver at `http://NAME/`.
    fn receiver(&self, name: &str, answer: impl Fn(u64, &str) -> u16 + Send + Sync + 'static) -> Arc<Receiver> {
        let receiver = Receiver::new(answer);
        self.exchange.0.lock().insert(name.to_owned(), Arc::clone(&receiver));
        receiver
    }

    /// Subscribes as the core does: the subscription, its cursor and the event in one batch.
    fn subscribe(&self, n: u8, name: &str) -> SubscriptionId {
        self.make(subscription(n, name))
    }

    fn make(&self, subscription: Subscription) -> SubscriptionId {
        let id = subscription.id;
        let read_to = self.store.newest();
        let cursor = Cursor { subscription: id, read_to, open: Vec::new() };
        self.write(vec![Write::Subscription(Box::new(subscription)), Write::Cursor(cursor)], id);
        id
    }

    fn write(&self, writes: Vec<Write>, id: SubscriptionId) {
        let events = vec![event_of(self.world.now(), None, EventBody::SubscriptionChanged(id))];
        self.store.apply(Batch { writes, events });
    }

    /// One event of each device, in order; returns the place of the last.
    fn report(&self, devices: &[u8]) -> Seq {
        let body = |device| EventBody::DeviceDeleted { gateway: device };
        let events = devices.iter().map(|n| event_of(self.world.now(), Some(*n), body(device(*n)))).collect();
        self.store.apply(Batch { writes: Vec::new(), events })
    }
}

fn device(n: u8) -> DeviceId {
    let mut bytes = [0; 16];
    bytes[0] = n;
    DeviceId::from_random(bytes)
}

fn account() -> AccountId {
    AccountId::from_random([1; 16])
}

fn app() -> AppId {
    AppId::from_random([2; 16])
}

fn event_of(at: Time, n: Option<u8>, body: EventBody) -> Event {
    Event { account: account(), principals: Some(app().into()), device: n.map(device), at, body }
}

fn subscription(n: u8, name: &str) -> Subscription {
    Subscription {
        id: SubscriptionId::from_random([n; 16]),
        account: account(),
        version: 1,
        owner: app(),
        target: app(),
        kind: SubscriptionKind::Notify(NotifyType::DeviceDeleted),
        channel: landfall_model::Channel::Http,
        callback_url: format!("http://{name}/"),
        by: None,
        created_at: START,
    }
}

/// Lets virtual time pass until `done`, at most an hour of it.
async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..360_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
