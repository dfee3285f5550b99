//! Devices as nodes (D2C): what they say of themselves and of their values, and messages to them.

use super::*;
use landfall_lwm2m::{Entry, EntryTime, Method, Observe, Request, Response};
use landfall_model::{
    Append, Batch, DevicePart, Instance, MessageBox, Node, NodeInfo, NodeObservation, PageRequest, ResourceId, Sort, Write,
};
use landfall_testkit::network::Conditions;

const GET_DEVICE_DATA: &str = "Internal server error: device-provisioning unable to get device data.";
const PROCESS_NOTIFICATION: &str = "Internal server error: device-provisioning unable to process notification data.";

impl Ground {
    /// A device that was provisioned as a node.
    pub(super) async fn node(&mut self, node_id: &str, product: Option<ProductId>) -> usize {
        let asked =
            RegisterDevice { product: product.map(|id| ProductRef::Id(id.to_string())), ..self.registration(node_id, false) };
        let id = self.core.register_device(&self.scope, asked).await.unwrap().id;
        let seed = self.sims.len() as u64 + 1;
        let sim = self.join(SimDevice::new(Client::new(node_id, Version::V1_1), seed).secured(key_of(node_id)), true, id);
        let now = self.core.now();
        let labels = vec!["d2c:1.0".to_owned(), "profile:SCS-LwM2M".to_owned()];
        let info = NodeInfo {
            name: "device-info".into(),
            labels: labels[..1].to_vec(),
            attributes: Default::default(),
            created_at: now,
            modified_at: now,
        };
        let node = Node {
            name: format!("node-{node_id}"),
            labels,
            profile: Some("SCS-LwM2M".into()),
            iccid: None,
            infos: vec![Some(info)],
            credentials_at: Some(now),
            observed: vec![],
            managed: vec![],
            created_at: now,
            modified_at: now,
        };
        self.put_node(sim, node).await;
        sim
    }

    pub(super) async fn put_node(&self, sim: usize, node: Node) {
        let device = self.device(sim).await;
        let next = Device { version: device.version + 1, node: Some(Arc::new(node)), ..(*device).clone() };
        let writes = vec![Write::Device(Box::new(next))];
        self.core.store().commit(Batch { writes, events: vec![] }).await.unwrap();
    }

    /// The same, registered.
    pub(super) async fn running_node(&mut self, node_id: &str) -> usize {
        let sim = self.node(node_id, None).await;
        self.tell(sim, SimDevice::register);
        self.run_s(5).await;
        assert!(self.happened(sim).contains(&Happened::Done(Verb::Register)));
        self.sims[sim].device.take_served();
        sim
    }

    /// These paths are observed on behalf of applications from now on.
    pub(super) async fn want(&self, sim: usize, paths: &[&str]) {
        let node = (*self.device(sim).await.node.clone().unwrap()).clone();
        let one = |path: &&str| NodeObservation { path: (*path).into(), id: format!("id of {path}") };
        self.put_node(sim, Node { observed: paths.iter().map(one).collect(), ..node }).await;
        self.shared.desk.wake(self.sims[sim].id, Wake::ObserveAnew);
    }

    pub(super) async fn info(&self, sim: usize) -> Json {
        let node = self.device(sim).await.node.clone().unwrap();
        Json::Object(node.infos[0].as_ref().unwrap().attributes.clone())
    }

    pub(super) async fn contents(&self, sim: usize, of: MessageBox) -> Vec<Json> {
        let container = ResourceId::of_device(self.sims[sim].id, DevicePart::Box(of));
        let page = PageRequest { no: 0, size: 100 };
        let found = self.core.store().instances(container, self.core.now(), Sort::Ascending, page).await.unwrap();
        found.items.iter().map(|instance| serde_json::from_str(&instance.content).unwrap()).collect()
    }

    /// What `received-msg` holds, as JSON where it is.
    pub(super) async fn received(&self, sim: usize) -> Vec<Json> {
        let contents = self.contents(sim, MessageBox::Received).await;
        let parsed = |content: &Json| serde_json::from_str(content["data"].as_str().unwrap());
        contents.iter().map(|content| parsed(content).unwrap_or_else(|_| content["data"].clone())).collect()
    }

    /// Numbers that `received-msg` holds.
    pub(super) async fn numbers(&self, sim: usize) -> Vec<f64> {
        let received = self.received(sim).await;
        received.iter().flat_map(|message| message.as_array().unwrap()).filter_map(|record| record["v"].as_f64()).collect()
    }

    /// Texts and data of `error-msg`.
    pub(super) async fn faults(&self, sim: usize) -> Vec<(String, String)> {
        let contents = self.contents(sim, MessageBox::Errors).await;
        let text = |json: &Json| json.as_str().unwrap().to_owned();
        contents.iter().map(|content| (text(&content["status"]["detail"]), text(&content["data"]))).collect()
    }

    /// Puts a message for the device into `outgoing-msg`.
    pub(super) async fn post(&mut self, sim: usize, text: &str) {
        let id = self.sims[sim].id;
        let (now, random) = (self.core.now(), self.core.store().newest().0 as u8);
        let instance = Instance {
            id: ResourceId::new(now, [random; 16]),
            container: ResourceId::of_device(id, DevicePart::Box(MessageBox::Outgoing)),
            account: self.all.account(),
            device: Some(id),
            name: format!("message-{text}"),
            state: 0,
            content: Json::from(text).to_string(),
            format: None,
            size: text.len() as u64,
            labels: vec![],
            other: serde_json::Map::new(),
            creator: None,
            by: None,
            created_at: now,
            expires_at: None,
        };
        let append = Append { instance, max_instances: 100, max_bytes: 1_000_000 };
        let writes = vec![Write::Append(Box::new(append))];
        self.core.store().commit(Batch { writes, events: vec![] }).await.unwrap();
        self.shared.desk.wake(id, Wake::Work);
    }

    /// Observations that were begun and ended since the last call.
    pub(super) fn changed(&mut self, sim: usize) -> Vec<String> {
        let served = self.sims[sim].device.take_served();
        let told = |request: &Request| {
            let sign = if request.observe? == Observe::Register { '+' } else { '-' };
            Some(format!("{sign}/{}", request.path.join("/")))
        };
        served.iter().filter_map(told).collect()
    }

    pub(super) fn remove(&mut self, sim: usize, path: &str) -> Response {
        let path: Path = path.parse().unwrap();
        self.sims[sim].device.lwm2m().handle(0, 0, &Request::new(Method::Delete, path.segments()))
    }

    pub(super) async fn temperature(&mut self, sim: usize, value: f64) {
        self.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(value)));
        self.run_s(5).await;
    }
}

pub(super) fn temperature(value: f64) -> Json {
    json!([{"bn": "/3303/0/", "n": "5700", "v": value}])
}

/// What the client of the contract says of itself.
fn be_leshan(client: &mut Client) {
    let text = |text: &str| Value::Text(text.to_owned());
    for (resource, value) in [
        (0, text("Leshan Demo Device")),
        (1, text("Model 500")),
        (3, text("1.0.0")),
        (13, Value::Time(0x69f9_cdf5)),
        (17, text("Demo")),
        (19, text("1.0.2")),
    ] {
        client.set(Path::resource(3, 0, resource), value);
    }
    client.set(Path::resource(6, 0, 0), Value::Float(-84.0));
    client.set(Path::resource(6, 0, 1), Value::Float(-138.0));
}

#[tokio::test]
async fn a_node_says_what_it_is_when_it_registers() {
    for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
        registers_and_says(version).await;
    }
}

async fn registers_and_says(version: Version) {
    let name = "urn:gsma:imei:490154203237518";
    let mut ground = Ground::new(1).await;
    let sim = ground.node(name, None).await;
    ground.sims[sim].device = SimDevice::new(Client::new(name, version), 1).secured(key_of(name));
    be_leshan(ground.sims[sim].device.lwm2m());
    ground.want(sim, &["/4/0/2"]).await;
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    let mut expected = json!({
        "man": "Leshan Demo Device", "dvnm": "Leshan Demo Device", "mod": "Model 500", "fwv": "1.0.0", "swv": "1.0.2",
        "syst": "afnN9Q==", "loc": "geo:-84.0,-138.0", "ptl": ["LWM2M"],
    });
    let told = ground.info(sim).await;
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&told[name], value, "{version} {name}");
    }
    assert_eq!(told.get("hwv"), None, "the device has none");
    // An update reads nothing again, a registration does.
    ground.sims[sim].device.lwm2m().set(Path::resource(3, 0, 18), Value::Text("rev 2".into()));
    ground.sims[sim].device.lwm2m().set(Path::resource(6, 0, 0), Value::Float(54.32));
    ground.sims[sim].device.take_served();
    ground.tell(sim, SimDevice::update);
    ground.run_s(5).await;
    let mut other = ground.sims[sim].device.lwm2m().register().list;
    other.objects.retain(|object| object.id != 4);
    let change = landfall_lwm2m::UpdateRequest { list: Some(other), ..Default::default() };
    ground.tell(sim, |device, now| device.update_with(now, &change));
    ground.run_s(5).await;
    assert_eq!((ground.info(sim).await, ground.sims[sim].device.take_served().len()), (told, 0));
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    expected["hwv"] = "rev 2".into();
    expected["loc"] = "geo:54.32,-138.0".into();
    let told = ground.info(sim).await;
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&told[name], value, "{version} {name}");
    }
    assert_eq!((ground.numbers(sim).await, ground.faults(sim).await), (vec![-92.0; 2], vec![]), "it is no message");
}

#[tokio::test]
async fn what_a_node_does_not_have_is_no_fault() {
    let mut ground = Ground::new(2).await;
    let sim = ground.node("n-1", None).await;
    // It lists the object, and has nothing in it.
    let mut registers = ground.sims[sim].device.lwm2m().register();
    assert!(registers.list.has_instance(6, 0));
    ground.tell(sim, SimDevice::register);
    ground.remove(sim, "/6/0");
    ground.run_s(5).await;
    let told = ground.info(sim).await;
    assert_eq!((&told["man"], told.get("loc")), (&json!("Landfall"), None));
    // It does not even list it.
    registers = ground.sims[sim].device.lwm2m().register();
    assert!(!registers.list.has_object(6));
    ground.sims[sim].device.take_served();
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    let paths: Vec<String> = ground.sims[sim].device.take_served().iter().map(|request| request.path.join("/")).collect();
    assert_eq!(paths, ["3/0"]);
    assert_eq!((ground.faults(sim).await, ground.whys(ground.sims[sim].id).await), (vec![], vec![]));
}

#[tokio::test]
async fn silence_after_a_registration_is_told_once() {
    let mut ground = Ground::new(3).await;
    let sim = ground.running_node("n-1").await;
    be_leshan(ground.sims[sim].device.lwm2m());
    for verb in [SimDevice::register, SimDevice::update] {
        ground.network.set(Conditions::default());
        ground.held = Some(vec![]);
        ground.tell(sim, verb);
        ground.run_s(1).await;
        // The answer is on its way, and what it says next is lost.
        ground.release().await;
        ground.network.set(Conditions { loss_percent: 100, ..Conditions::default() });
        ground.run_s(300).await;
        assert!(matches!(ground.happened(sim)[..], [.., Happened::Done(_)]));
        assert_eq!(ground.faults(sim).await, [(GET_DEVICE_DATA.to_owned(), String::new())]);
        assert_eq!(ground.info(sim).await["man"], "Landfall");
    }
    // What it did not say it says when it is heard again.
    ground.network.set(Conditions::default());
    ground.tell(sim, SimDevice::update);
    ground.run_s(20).await;
    let told = ground.info(sim).await;
    assert_eq!((&told["man"], &told["loc"]), (&json!("Leshan Demo Device"), &json!("geo:-84.0,-138.0")));
    assert_eq!(ground.faults(sim).await.len(), 1);
}

#[tokio::test]
async fn a_node_with_a_product_reports_and_says_the_same() {
    let mut ground = Ground::new(10).await;
    let product = ground.product.id;
    let sim = ground.node("n-1", Some(product)).await;
    ground.want(sim, &["/3303/0/5601", "/19"]).await;
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    assert_eq!(ground.changed(sim), ["+/3303/0/5700", "+/19/0/0", "+/3303/0/5601", "+/19"]);
    assert_eq!(ground.info(sim).await["man"], "Landfall");
    ground.temperature(sim, 30.0).await;
    assert_eq!(ground.temperatures(sim).await, [21.5, 30.0]);
    let frame = report(31);
    ground.tell(sim, |device, now| device.uplink(now, &frame));
    ground.run_s(5).await;
    assert_eq!(ground.temperatures(sim).await, [21.5, 30.0, 31.0], "the frame counts once");
    let received = ground.received(sim).await;
    assert!(received.contains(&temperature(30.0)), "{received:?}");
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let whole = json!([{"bn": "/19/0/", "n": "0", "vd": URL_SAFE_NO_PAD.encode(&frame)}]);
    assert!(received.contains(&whole), "{received:?}");
    // What the product does not understand is a message all the same.
    ground.tell(sim, |device, now| device.uplink(now, b"broken"));
    ground.run_s(5).await;
    let broken = json!([{"bn": "/19/0/", "n": "0", "vd": URL_SAFE_NO_PAD.encode(b"broken")}]);
    assert!(ground.received(sim).await.contains(&broken));
}

#[tokio::test]
async fn frames_of_a_node_without_a_product_are_messages() {
    let mut ground = Ground::new(11).await;
    let sim = ground.running_node("n-1").await;
    ground.want(sim, &["/19/0/0"]).await;
    ground.run_s(5).await;
    ground.tell(sim, |device, now| device.uplink(now, &[0xfb, 0xff]));
    ground.run_s(5).await;
    assert_eq!(ground.received(sim).await.last(), Some(&json!([{"bn": "/19/0/", "n": "0", "vd": "-_8"}])));
    let at = ground.core.now();
    let old = Entry { time: Some(EntryTime::RelativeMs(-60_000)), ..Entry::new(TEMPERATURE, Value::Float(7.0)) };
    ground.tell(sim, |device, now| device.send(now, &[old]).unwrap());
    ground.run_s(5).await;
    let last = ground.received(sim).await.pop().unwrap();
    let sent_s = last[0]["t"].as_f64().unwrap();
    assert!((sent_s - (at.minus_s(60).0 as f64 / 1_000.0)).abs() < 2.0, "{last}");
    assert_eq!((&last[0]["n"], &last[0]["v"]), (&json!("5700"), &json!(7.0)));
}

#[tokio::test]
async fn what_cannot_be_read_or_may_not_be_said_is_told_or_dropped() {
    let mut ground = Ground::new(14).await;
    let sim = ground.running_node("n-1").await;
    ground.want(sim, &["/3303/0/5700"]).await;
    ground.run_s(5).await;
    // A text where the definition of the object has a number.
    ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Text("warm".into())));
    ground.run_s(5).await;
    let faults = ground.faults(sim).await;
    assert_eq!((faults.len(), faults[0].0.as_str()), (1, PROCESS_NOTIFICATION));
    assert!(faults[0].1.contains(&hex::encode("warm")), "{faults:?}");
    let device = ground.device(sim).await;
    let frozen = Device { version: device.version + 1, mute: true, ..(*device).clone() };
    let writes = vec![Write::Device(Box::new(frozen))];
    ground.core.store().commit(Batch { writes, events: vec![] }).await.unwrap();
    let happened = ground.happened(sim).len();
    ground.temperature(sim, 30.0).await;
    assert_eq!((happened > 0, ground.happened(sim)), (true, vec![Happened::Notified]), "a frozen device is not told");
    assert_eq!(ground.received(sim).await, [temperature(21.5)]);
}

#[tokio::test]
async fn messages_are_asked_and_answered() {
    let mut ground = Ground::new(12).await;
    let sim = ground.running_node("n-1").await;
    for text in ["GET /3/0/0", "GET /6", "DISCOVER /3303/0", "PUT /3/0/15 Europe/Rome", "POST /3/0/4"] {
        ground.post(sim, text).await;
        ground.run_s(5).await;
    }
    let received = ground.received(sim).await;
    assert_eq!(received[0], json!([{"bn": "/3/0/", "n": "0", "vs": "Landfall"}]));
    let location = json!([{"bn": "/6/0/", "n": "0", "v": 54.32}, {"n": "1", "v": 10.13}, {"n": "5", "v": 1_700_000_000}]);
    assert_eq!(received[1], location);
    let links = "</3303/0>,</3303/0/5601>,</3303/0/5602>,</3303/0/5700>,</3303/0/5701>";
    assert_eq!(ground.contents(sim, MessageBox::Received).await[2]["data"], links, "as the device wrote it");
    assert_eq!(ground.sims[sim].device.lwm2m().get(&ZONE), Some(&Value::Text("Europe/Rome".into())));
    assert_eq!(ground.sims[sim].device.lwm2m().take_executed().len(), 1);
    assert_eq!(ground.faults(sim).await, []);
    ground.post(sim, "GET /9").await;
    ground.run_s(5).await;
    let faults = ground.faults(sim).await;
    assert_eq!((faults.len(), faults[0].0.as_str()), (1, PROCESS_NOTIFICATION));
    assert!(faults[0].1.contains("4.04"), "{faults:?}");
    assert_eq!(ground.contents(sim, MessageBox::Outgoing).await, [Json::Null; 0]);
}

#[tokio::test]
async fn a_message_observes() {
    let mut ground = Ground::new(13).await;
    let sim = ground.running_node("n-1").await;
    ground.post(sim, "OBSERVE /3303/0/5700").await;
    ground.run_s(5).await;
    ground.temperature(sim, 30.0).await;
    ground.post(sim, "CANCEL /3303/0/5700").await;
    ground.run_s(5).await;
    ground.temperature(sim, 31.0).await;
    assert_eq!(ground.changed(sim), ["+/3303/0/5700", "-/3303/0/5700"]);
    assert_eq!(ground.received(sim).await, [temperature(21.5), temperature(30.0)]);
}
