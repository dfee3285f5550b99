//! LwM2M devices that were provisioned over oneM2M: over real datagrams, from the first handshake to messages in containers.

use super::{Client, KEY_BYTES, inner, node_with, rsc, start};
use crate::wire::{
    api::send,
    server::{Server, until},
};
use landfall_dtls::ClientConfig;
use landfall_lwm2m::{Path, Value as Lwm2mValue, Version, sim};
use landfall_testkit::{
    SimDevice,
    device::{Happened, Verb},
};
use serde_json::{Value, json};
use std::{
    net::UdpSocket,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// A simulated device on a socket of its own, served by a thread until it is dropped.
struct Meter {
    device: Arc<Mutex<SimDevice>>,
    since: Instant,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Meter {
    /// A device with this endpoint name and identity.
    fn new(server: &Server, endpoint: &str, identity: &str, key: &[u8]) -> Self {
        let client = sim::Client::new(endpoint, Version::V1_1);
        let secured = SimDevice::new(client, 7).secured(ClientConfig::new(identity, key.to_vec()));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", server.port("coaps"))).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let (device, over, since) = (Arc::new(Mutex::new(secured)), Arc::new(AtomicBool::new(false)), now());
        let thread = {
            let (device, over) = (device.clone(), over.clone());
            std::thread::spawn(move || serve(&socket, &device, &over, since))
        };
        Self { device, since, over, thread: Some(thread) }
    }

    /// Registers and waits for what comes of it.
    fn register(&self) -> bool {
        self.tell(SimDevice::register);
        until("the registration to end", || {
            let mut happened = self.device.lock().unwrap().take_happened().into_iter();
            happened.find_map(|one| match one {
                Happened::Done(Verb::Register) => Some(true),
                Happened::Refused(Verb::Register, _) | Happened::Unanswered(Verb::Register) | Happened::Unsecured(_) => {
                    Some(false)
                }
                _ => None,
            })
        })
    }

    fn tell(&self, verb: impl FnOnce(&mut SimDevice, Duration)) {
        verb(&mut self.device.lock().unwrap(), now() - self.since);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the device lives in real time")]
fn now() -> Instant {
    Instant::now()
}

fn serve(socket: &UdpSocket, device: &Mutex<SimDevice>, over: &AtomicBool, since: Instant) {
    let mut input = vec![0; 65_536];
    while !over.load(Ordering::SeqCst) {
        let got = socket.recv(&mut input);
        let mut device = device.lock().unwrap();
        let time = now() - since;
        if let Ok(count) = got {
            device.handle(time, &input[..count]);
        }
        if device.poll_timeout().is_some_and(|due| due <= time) {
            device.timeout(time);
        }
        while let Some(datagram) = device.poll() {
            let _ = socket.send(&datagram);
        }
    }
}

fn info(client: &Client, name: &str) -> Value {
    let shown = inner(&client.call("GET", &format!("/{name}?ty=14&rcn=4"), None));
    let infos = shown["m2m:dvi"].as_array().unwrap();
    infos.iter().find(|info| info["rn"] == "device-info").unwrap().clone()
}

fn received(client: &Client, name: &str) -> Vec<Value> {
    let shown = client.read(&format!("/device-communication/{name}/received-msg?rcn=4&ty=4"));
    shown["m2m:cin"].as_array().into_iter().flatten().map(|instance| instance["con"].clone()).collect()
}

const ENDPOINT: &str = "urn:gsma:imei:meter";

#[test]
fn a_provisioned_device_comes_at_once_and_is_one_device_everywhere() {
    let server = start();
    let client = Client::start(&server, "meters");
    let labels = json!(["d2c:1.0", "d2c-uplink-property_Room:12:34", "Location:Berlin"]);
    let ndvi = json!({"rn": "mine", "mgd": 1007, "man": "ACME", "dty": "Some sensor"});
    assert_eq!(client.provision(&[node_with("meter", json!({"lbl": labels, "ndvi": ndvi}))])["resSs"], 1);
    assert!(!Meter::new(&server, ENDPOINT, "meter-id", b"another key").register(), "with another key it stays outside");
    let meter = Meter::new(&server, ENDPOINT, "meter-id", KEY_BYTES);
    assert!(meter.register());

    let filled = until("device-info to be filled", || {
        Some(info(&client, "meter")).filter(|info| info["man"].is_string() && info["loc"].is_string())
    });
    let expected = [
        ("man", json!("Landfall")),
        ("dvnm", json!("Landfall")),
        ("mod", json!("Simulated device")),
        ("fwv", json!("1.0.0")),
        ("loc", json!("geo:54.32,10.13")),
        ("ptl", json!(["LWM2M"])),
        ("dlb", json!(ENDPOINT)),
        ("dty", json!("device")),
        ("hwv", Value::Null),
    ];
    for (name, value) in expected {
        assert_eq!(filled[name], value, "{name}: {filled}");
    }
    let shown = inner(&client.call("GET", "/meter?ty=14&rcn=4", None));
    assert!(shown["lbl"].as_array().unwrap().contains(&json!(format!("d2c_lifecycle:{ENDPOINT}"))), "{shown}");
    let mine = client.read("/meter/mine");
    assert_eq!((&mine["man"], &mine["dty"]), (&json!("ACME"), &json!("Some sensor")), "the customer's object is left alone");

    let listed = client.app.call("GET", "/iocm/app/dm/v1.4.0/devices?pageNo=0", None).json();
    let device = &listed["devices"][0];
    assert_eq!((&listed["totalCount"], &device["deviceInfo"]["nodeId"]), (&json!(1), &json!(ENDPOINT)));
    assert_eq!((&device["deviceInfo"]["status"], &device["deviceInfo"]["fwVersion"]), (&json!("ONLINE"), &json!("1.0.0")));
}

#[test]
fn messages_go_to_the_device_and_its_answers_come_back() {
    let server = start();
    let client = Client::start(&server, "messages");
    let labels = json!(["d2c:1.0", "d2c-uplink-property_Room:12:34"]);
    client.provision(&[node_with("meter", json!({"lbl": labels}))]);
    let outgoing = "/device-communication/meter/outgoing-msg";
    let ask = |text: &str| client.create(outgoing, 4, json!({"m2m:cin": {"con": text}}));
    ask("GET /3/0/1");
    let meter = Meter::new(&server, ENDPOINT, "meter-id", KEY_BYTES);
    assert!(meter.register());
    let first = until("the answer to what had waited", || received(&client, "meter").first().cloned());
    assert_eq!((&first["nodeResourceName"], &first["nodeID"]), (&json!("meter"), &json!(ENDPOINT)));
    assert_eq!(first["uplinkProperties"], json!({"Room": "12:34"}));
    assert!(first["data"].as_str().unwrap().contains("Simulated device"), "{first}");
    assert_eq!(client.read("/device-communication/meter/sent-msg/la")["con"], "GET /3/0/1");
    assert_eq!(client.get(&format!("{outgoing}/la")).status, 404);

    ask("GET /3/0");
    let second = until("the next answer", || received(&client, "meter").get(1).cloned());
    assert!(second["data"].as_str().unwrap().contains("1.0.0"), "{second}");
    ask("GET /9999");
    let error = "/device-communication/meter/error-msg/la";
    let refused = until("the refusal", || Some(client.call("GET", error, None)).filter(|answer| answer.status == 200));
    let detail = "Internal server error: device-provisioning unable to process notification data.";
    assert_eq!(inner(&refused)["con"]["status"], json!({"code": 500, "message": "internal server error", "detail": detail}));
    let logged = inner(&client.call("GET", "/device-provisioning/logs/la", None));
    assert_eq!((&logged["con"]["type"], &logged["con"]["identifier"]), (&json!("device processing failed"), &json!(ENDPOINT)));
    assert_eq!(logged["st"], logged["stg"], "the state tag under both names (Amb-5)");
}

#[test]
fn what_is_observed_comes_as_messages_until_it_is_canceled() {
    let server = start();
    let client = Client::start(&server, "observed");
    client.provision(&[node_with("meter", json!({}))]);
    let meter = Meter::new(&server, ENDPOINT, "meter-id", KEY_BYTES);
    assert!(meter.register());
    let ask = |text: &str| client.create("/device-communication/meter/outgoing-msg", 4, json!({"m2m:cin": {"con": text}}));
    let label = || {
        let labels = client.read("/meter")["lbl"].as_array().unwrap().clone();
        labels.iter().filter_map(Value::as_str).any(|label| label.starts_with("d2c_resource_/3303/0/5700:"))
    };
    ask("OBSERVE /3303/0/5700");
    until("the observation to be known", || label().then_some(()));
    let told = |number: &str| received(&client, "meter").iter().any(|one| one["data"].as_str().unwrap().contains(number));
    until("the first value", || told("21.5").then_some(()));
    meter.tell(|device, now| device.set(now, Path::resource(3303, 0, 5700), Lwm2mValue::Float(33.25)));
    until("the changed value", || told("33.25").then_some(()));
    ask("CANCEL /3303/0/5700");
    until("the observation to be over", || (!label()).then_some(()));
}

/// Section 5: without the label of its profile, what a device says is refused.
#[test]
fn without_its_profile_label_a_device_is_not_listened_to() {
    let server = start();
    let client = Client::start(&server, "unlabelled");
    client.provision(&[node_with("meter", json!({}))]);
    let labels = json!({"m2m:nod": {"lbl": ["d2c:1.0"]}});
    assert_eq!(client.call("PUT", "/meter", Some(labels)).status, 200);
    let meter = Meter::new(&server, ENDPOINT, "meter-id", KEY_BYTES);
    assert!(meter.register());
    let error = "/device-communication/meter/error-msg/la";
    let refused = until("the refusal", || Some(client.call("GET", error, None)).filter(|answer| answer.status == 200));
    let detail = "device event could not been handled. Check the data of device. profile is missed.";
    assert_eq!(inner(&refused)["con"]["status"], json!({"code": 400, "message": "bad request", "detail": detail}));
    assert_eq!(info(&client, "meter")["man"], Value::Null);
    assert_eq!(received(&client, "meter"), Vec::<Value>::new());
}

#[test]
fn a_deleted_device_is_out_at_once() {
    let server = start();
    let client = Client::start(&server, "out");
    client.provision(&[node_with("meter", json!({}))]);
    assert!(Meter::new(&server, ENDPOINT, "meter-id", KEY_BYTES).register());
    let gone = client.call("DELETE", "/meter", None);
    assert_eq!((gone.status, rsc(&gone)), (200, 2002));
    assert!(!Meter::new(&server, ENDPOINT, "meter-id", KEY_BYTES).register(), "nobody knows it");
    client.provision(&[node_with("meter", json!({}))]);
    assert!(Meter::new(&server, ENDPOINT, "meter-id", KEY_BYTES).register(), "made anew, it comes again");
}

/// Live DTLS sessions, as /metrics has them.
fn sessions(server: &Server) -> String {
    let bearer = format!("Bearer {}", server.admin_token());
    let metrics = send(server, "GET", "/metrics", &[("Authorization", bearer.as_str())], None).text;
    metrics.lines().find_map(|line| line.strip_prefix("landfall_dtls_sessions ")).unwrap().to_owned()
}

/// The numbers of a session's records go on after any end of the program, so they must not go on from a copy.
#[test]
fn sessions_outlive_a_kill_and_no_restored_backup() {
    let mut server = start();
    let client = Client::start(&server, "backup");
    assert_eq!(client.provision(&[node_with("meter", json!({}))])["resSs"], 1);
    assert!(Meter::new(&server, ENDPOINT, "meter-id", KEY_BYTES).register());
    until("the session to be saved", || (sessions(&server) == "1").then_some(()));
    let (backup, data) = (tempfile::tempdir().unwrap(), server.data().to_owned());
    let shell = |script: &str| {
        let done = Command::new("sh").args(["-ec", script, "sh"]).args([&data, backup.path()]).status().unwrap();
        assert!(done.success(), "{script}");
    };
    server.stop();
    shell("cp -a $1/. $2");
    for _ in 0..2 {
        server.resume();
        assert_eq!(sessions(&server), "1");
        server.kill();
    }
    server.resume_with(&["--forget-sessions"]);
    assert_eq!(sessions(&server), "0");
    server.stop();
    shell("rm -rf $1/*; cp -a $2/. $1");
    server.resume();
    assert_eq!(sessions(&server), "0");
    assert!(Meter::new(&server, ENDPOINT, "meter-id", KEY_BYTES).register(), "it shakes hands again");
}
