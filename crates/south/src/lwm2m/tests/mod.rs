//! Whole lives of simulated devices in virtual time: from their datagrams over a network with accidents to records in a store on disk.

mod bootstraps;
mod commands;
mod direct;
mod endings;
mod frames;
mod hostile;
mod node;
mod observations;
mod refusals;
mod registrations;
mod restarts;
mod roaming;
mod sessions;
mod shadows;
mod suite;
mod wishes;

use super::{
    asks::{Ask, answer},
    hub::{Effect, Hub, Moment},
    *,
};
use crate::driver::datagram::DatagramMachine;
use landfall_core::{
    Access, CloseCause, CommandRequest, DesiredRequest, ProductDraft, ProductRef, RegisterDevice, Scope, Takes, Wake,
};
use landfall_dtls::ClientConfig;
use landfall_lwm2m::{Path, Value, Version, sim::Client};
use landfall_model::{
    AccessMode, Cause, Command, CommandId, CommandResponse, CommandState, DataFormat, Device, DeviceId, EventBody, Lwm2mModel,
    Product, ProductId, Result, SampleFrame, Secret, Seq, ServiceCommand,
};
use landfall_testkit::{
    Network, SimDevice, Tenant, World as VirtualWorld,
    device::{Happened, Verb},
    ground::{
        codec::UNWRITABLE,
        new_device,
        product::{bound, command, draft, execute, parameter, property, service},
    },
    world::{START_MS, Seeded},
};
use serde_json::{Value as Json, json};
use std::net::SocketAddr;

const PLAIN: &str = "192.0.2.1:5683";
const SECURE: &str = "192.0.2.1:5684";
/// Pre-shared key of all devices, in hex.
const PSK: &str = "00112233445566778899aabbccddeeff";
/// Resource behind the property `temperature`.
const TEMPERATURE: Path = Path::resource(3303, 0, 5700);
/// Resource behind the property `zone`.
const ZONE: Path = Path::resource(3, 0, 15);
/// Rounds of one run; more is a machine that spins.
const ROUNDS: usize = 200_000;

/// A server without sockets, the network before it, and devices.
struct Ground {
    core: Arc<Core>,
    world: Arc<VirtualWorld>,
    config: Config,
    shared: Arc<Lwm2m>,
    hub: Hub,
    /// When this run of the hub began.
    epoch: Duration,
    network: Network,
    sims: Vec<Sim>,
    all: Scope,
    scope: Scope,
    product: Arc<Product>,
    /// Present: questions to the core wait here.
    held: Option<Vec<Ask>>,
    /// Present: questions are answered in any order, as a busy store may do.
    shuffle: Option<Seeded>,
    asked: Vec<Ask>,
    /// What the hub was sent (over DTLS or not, from whom) and what it sent.
    heard: Vec<(bool, SocketAddr, Vec<u8>)>,
    said: Vec<(bool, SocketAddr, Vec<u8>)>,
    _domain: landfall_testkit::Ground,
}

/// A device and its place.
struct Sim {
    device: SimDevice,
    host: SocketAddr,
    server: SocketAddr,
    id: DeviceId,
}

impl Ground {
    async fn new(seed: u64) -> Self {
        Self::with(seed, Config::default()).await
    }

    async fn with(seed: u64, config: Config) -> Self {
        let domain = landfall_testkit::Ground::new(seed).await;
        let Tenant { all, scope, .. } = domain.tenant("account").await;
        let (core, world) = (domain.core.clone(), domain.world.clone());
        let product = core.create_product(&all, meter("secure")).await.unwrap();
        let sample = SampleFrame { hex: hex::encode(report(1)), expected: None };
        let product = core.upload_codec(&all, product.id, "forwards", &[sample]).await.unwrap();
        let shared = access(&core, &world, &config);
        let hub = Hub::new(Arc::clone(&shared));
        Self {
            core,
            world,
            config,
            shared,
            hub,
            epoch: Duration::ZERO,
            network: Network::new(seed),
            sims: vec![],
            all,
            scope,
            product,
            held: None,
            shuffle: None,
            asked: vec![],
            heard: vec![],
            said: vec![],
            _domain: domain,
        }
    }

    /// A registered device of the usual product.
    async fn known(&self, node_id: &str) -> Arc<Device> {
        self.core.register_device(&self.scope, self.registration(node_id, false)).await.unwrap()
    }

    fn registration(&self, node_id: &str, is_secure: bool) -> RegisterDevice {
        RegisterDevice {
            access: AccessMode::VerifyCode,
            psk: Some(Secret::new(PSK.to_owned())),
            timeout_s: Some(0),
            is_secure,
            ..new_device(node_id, &self.product)
        }
    }

    /// Puts a device into the world; returns its number.
    fn join(&mut self, device: SimDevice, secure: bool, id: DeviceId) -> usize {
        let number = self.sims.len();
        let host = format!("10.0.{}.{}:5000", number / 250, number % 250 + 1).parse().unwrap();
        let server = if secure { SECURE } else { PLAIN }.parse().unwrap();
        self.sims.push(Sim { device, host, server, id });
        number
    }

    /// A known device that comes over DTLS.
    async fn meter(&mut self, node_id: &str) -> usize {
        let id = self.known(node_id).await.id;
        let seed = self.sims.len() as u64 + 1;
        self.join(SimDevice::new(Client::new(node_id, Version::V1_1), seed).secured(key_of(node_id)), true, id)
    }

    /// The same, registered, with its observations under way.
    async fn running(&mut self, node_id: &str) -> usize {
        let sim = self.meter(node_id).await;
        self.tell(sim, SimDevice::register);
        self.run_s(5).await;
        assert!(self.happened(sim).contains(&Happened::Done(Verb::Register)));
        sim
    }

    /// The same with a device that sleeps: registered, asleep, and beyond its awake window.
    async fn sleeping(&mut self, node_id: &str) -> usize {
        let id = self.known(node_id).await.id;
        let seed = self.sims.len() as u64 + 1;
        let client = Client::new(node_id, Version::V1_1).sleepy();
        let sim = self.join(SimDevice::new(client, seed).secured(key_of(node_id)), true, id);
        self.tell(sim, SimDevice::register);
        self.run_s(5).await;
        assert!(self.happened(sim).contains(&Happened::Done(Verb::Register)));
        self.sims[sim].device.sleep();
        self.run_s(100).await;
        self.sims[sim].device.take_served();
        sim
    }

    fn tell(&mut self, sim: usize, verb: impl FnOnce(&mut SimDevice, Duration)) {
        let now = self.since_start();
        verb(&mut self.sims[sim].device, now);
    }

    fn happened(&mut self, sim: usize) -> Vec<Happened> {
        self.sims[sim].device.take_happened()
    }

    fn since_start(&self) -> Duration {
        Duration::from_millis((self.world.now_ms() - START_MS) as u64)
    }

    fn moment(&self) -> Moment {
        Moment { since: self.since_start() - self.epoch, at: self.core.now() }
    }

    /// Lets everything happen that happens now.
    async fn settle(&mut self) {
        for _ in 0..ROUNDS {
            if !self.round().await {
                return;
            }
        }
        panic!("no end at {:?}", self.since_start());
    }

    async fn round(&mut self) -> bool {
        let (mut moved, now) = (false, self.since_start());
        self.hub.word(self.moment());
        while let Some(effect) = self.hub.poll() {
            moved = true;
            match (effect, &mut self.held) {
                (Effect::Send { secure, to, datagram }, _) => {
                    let from = if secure { SECURE } else { PLAIN }.parse().unwrap();
                    self.said.push((secure, to, datagram.to_vec()));
                    self.network.send(now, from, to, &datagram);
                }
                (Effect::Ask(ask), Some(held)) => held.push(ask),
                (Effect::Ask(ask), None) => self.asked.push(ask),
            }
            if self.shuffle.is_none() {
                for ask in std::mem::take(&mut self.asked) {
                    self.answer(ask).await;
                }
            }
        }
        if let Some(ask) = self.any_ask() {
            moved = true;
            self.answer(ask).await;
        }
        for sim in &mut self.sims {
            while let Some(datagram) = sim.device.poll() {
                moved = true;
                self.network.send(now, sim.host, sim.server, &datagram);
            }
        }
        while let Some(parcel) = self.network.arrival(now) {
            moved = true;
            match self.sims.iter_mut().find(|sim| sim.host == parcel.to) {
                Some(sim) => sim.device.handle(now, &parcel.datagram),
                None => self.deliver(parcel.to == SECURE.parse().unwrap(), parcel.from, parcel.datagram),
            }
        }
        moved
    }

    fn deliver(&mut self, secure: bool, from: SocketAddr, datagram: Vec<u8>) {
        self.heard.push((secure, from, datagram.clone()));
        self.hub.datagram(self.moment(), secure, from, &datagram);
    }

    /// One of the questions; those about the states of sessions reach the store in their order.
    fn any_ask(&mut self) -> Option<Ask> {
        let seeded = self.shuffle.as_mut()?;
        let ordered = |ask: &Ask| matches!(ask, Ask::SaveSessions(_) | Ask::DropSession(_));
        let mut at = seeded.below(self.asked.len());
        if ordered(self.asked.get(at)?) {
            at = self.asked.iter().position(ordered)?;
        }
        Some(self.asked.remove(at))
    }

    async fn answer(&mut self, ask: Ask) {
        let answer = answer(Arc::clone(&self.shared), ask).await;
        self.hub.answered(self.moment(), answer);
    }

    /// Answers what was held back, and holds nothing back any more.
    async fn release(&mut self) {
        for ask in self.held.take().unwrap_or_default() {
            self.answer(ask).await;
        }
        self.settle().await;
    }

    async fn run_s(&mut self, seconds: u32) {
        let end = self.since_start() + Duration::from_secs(seconds.into());
        for _ in 0..ROUNDS {
            self.settle().await;
            let devices = self.sims.iter().filter_map(|sim| sim.device.poll_timeout()).min();
            let hub = self.hub.poll_timeout().map(|due| due + self.epoch);
            let Some(due) = [devices, hub, self.network.next_due()].into_iter().flatten().min().filter(|due| *due < end) else {
                self.advance_to(end);
                return self.settle().await;
            };
            self.advance_to(due);
            let now = self.since_start();
            for sim in &mut self.sims {
                if sim.device.poll_timeout().is_some_and(|due| due <= now) {
                    sim.device.timeout(now);
                }
            }
            if hub.is_some_and(|due| due <= now) {
                self.hub.timeout(self.moment());
            }
        }
        panic!("no end at {:?}", self.since_start());
    }

    /// To this time, in whole milliseconds, and by one at least.
    fn advance_to(&mut self, due: Duration) {
        let by = due.saturating_sub(self.since_start()).as_micros().div_ceil(1_000).max(1);
        self.world.advance_ms(u32::try_from(by).unwrap());
    }

    async fn sweep(&mut self) {
        while self.core.sweep().await.unwrap() {}
        self.settle().await;
    }

    async fn device(&self, sim: usize) -> Arc<Device> {
        self.core.device_by_id(self.sims[sim].id).await.unwrap()
    }

    async fn events(&self, sim: usize) -> Vec<EventBody> {
        let events = self.core.store().events_after(Seq(0), 100_000).await.unwrap();
        let of = |event: &landfall_model::StoredEvent| event.event.device == Some(self.sims[sim].id);
        events.into_iter().filter(of).map(|event| event.event.body.clone()).collect()
    }

    /// Service and data of each report of a device, in order.
    async fn reports(&self, sim: usize) -> Vec<(String, Json)> {
        let mut reports = vec![];
        for event in self.events(sim).await {
            let EventBody::Reported(report) = event else { continue };
            for service in report.services {
                reports.push((service.service_id, serde_json::from_str(&service.data).unwrap()));
            }
        }
        reports
    }

    /// Temperatures that were reported, in order.
    async fn temperatures(&self, sim: usize) -> Vec<f64> {
        let reports = self.reports(sim).await;
        reports.iter().filter_map(|(_, data)| data.get("temperature")?.as_f64()).collect()
    }

    /// Step and check of the refusals of a device, newest first.
    async fn whys(&self, id: DeviceId) -> Vec<(&'static str, &'static str)> {
        let device = self.core.device_by_id(id).await.unwrap();
        self.core.why().device(device.account, id).iter().map(|why| (why.step, why.check)).collect()
    }

    async fn submit(&mut self, sim: usize, method: &str, paras: Json, expire_s: Option<u32>) -> CommandId {
        let request = CommandRequest {
            service_id: "Control".into(),
            method: method.into(),
            paras: paras.to_string(),
            callback_url: None,
            expire_s,
            max_retransmit: 0,
        };
        self.core.submit_command(&self.scope, self.sims[sim].id, request).await.unwrap().id
    }

    async fn command(&self, id: CommandId) -> Command {
        self.core.command(&self.scope, id).await.unwrap()
    }

    async fn states(&self, ids: &[CommandId]) -> Vec<CommandState> {
        let mut states = vec![];
        for id in ids {
            states.push(self.command(*id).await.state);
        }
        states
    }

    async fn desire(&mut self, sim: usize, desired: Json) {
        let request = DesiredRequest { service_id: "Settings".into(), desired: desired.to_string() };
        self.core.set_desired(&self.scope, self.sims[sim].id, &[request]).await.unwrap();
    }

    /// Observations that were asked for since the last call.
    fn observed(&mut self, sim: usize) -> usize {
        self.sims[sim].device.take_served().iter().filter(|request| request.observe.is_some()).count()
    }

    /// What the server wrote and executed at a device since the last call, as path and text.
    fn done_to(&mut self, sim: usize) -> Vec<(String, String)> {
        let served = self.sims[sim].device.take_served().into_iter();
        let changes = served.filter(|request| request.observe.is_none() && request.method != landfall_lwm2m::Method::Get);
        changes.map(|request| (request.path.join("/"), String::from_utf8_lossy(&request.payload).into_owned())).collect()
    }
}

fn access(core: &Arc<Core>, world: &Arc<VirtualWorld>, config: &Config) -> Arc<Lwm2m> {
    Lwm2m::new(Arc::clone(core), Arc::clone(world) as Arc<dyn World>, config.clone(), ObjectModels::builtin())
}

/// What a device proves itself with.
fn key_of(identity: &str) -> ClientConfig {
    ClientConfig::new(identity, hex::decode(PSK).unwrap())
}

/// A report as the codec of the product speaks it.
fn report(temperature: i32) -> Vec<u8> {
    let item = json!({"serviceId": "Thermometer", "serviceData": {"temperature": temperature}});
    json!({"msgType": "deviceReq", "data": [item]}).to_string().into_bytes()
}

/// Values, settings and commands bound to resources, and frames for the rest.
fn meter(model: &str) -> ProductDraft {
    let responses = vec![CommandResponse { name: "READ_RSP".into(), paras: vec![parameter("value", "int")] }];
    let commands = vec![
        execute("REBOOT", vec![], "/3/0/4"),
        command("SET_ZONE", vec![bound("zone", "string", "/3/0/15")]),
        command("SET_MAKER", vec![bound("maker", "string", "/3/0/0")]),
        ServiceCommand { responses, ..command("READ", vec![parameter("register", "int")]) },
    ];
    let setting = |name: &str, path: &str| property("RW", bound(name, "string", path));
    let settings = vec![setting("zone", "/3/0/15"), setting("offset", "/3/0/14"), setting("maker", "/3/0/0")];
    let temperature = property("RE", bound("temperature", "decimal", "/3303/0/5700"));
    let services = vec![
        service("Thermometer", vec![temperature], vec![]),
        service("Settings", settings, vec![]),
        service("Control", vec![], commands),
    ];
    draft("Meter", model, "LWM2M", DataFormat::Binary, services)
}
