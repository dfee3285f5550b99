//! Whole connections, from bytes to records, over a stream in memory and a store on disk.

mod applications;
mod commands;
mod connects;
mod costs;

mod listeners;
mod lossy;
mod notifications;
mod publishes;
mod sessions;
mod suite;
mod users;

use super::*;
use crate::{
    driver::Open,
    transport::{Stream, Transport},
};
use hmac::{Hmac, KeyInit, Mac};
use landfall_core::{Access, ProductDraft, ProductRef, RegisterDevice, Scope};
use landfall_ingress::Proxies;
use landfall_model::{AccessMode, App, DataFormat, Device, DeviceId, DeviceInfo, Product};
use landfall_testkit::{
    Tenant, World,
    ground::{new_device, product},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// 2026-01-01T00, where the virtual world begins.
const HOUR: &str = "2026010100";
const PEER: &str = "192.0.2.1:4711";

impl Stream for DuplexStream {}

/// A server without sockets, with one application and one product.
struct Ground {
    core: Arc<Core>,
    world: Arc<World>,
    connections: Arc<Connections>,
    mqtt: Arc<Mqtt>,
    all: Scope,
    scope: Scope,
    app: Arc<App>,
    secret: String,
    product: Arc<Product>,
    stop: watch::Sender<bool>,
    domain: landfall_testkit::Ground,
}

impl Ground {
    async fn new() -> Self {
        let domain = landfall_testkit::Ground::new(1).await;
        let Tenant { all, scope, app, secret, product } = domain.tenant("account").await;
        let (core, world) = (domain.core.clone(), domain.world.clone());
        let config = Config { failures_per_minute: 0, ..Config::default() };
        let mqtt = Mqtt::new(core.clone(), config);
        let stop = watch::Sender::new(false);
        let connections = mqtt.connections.clone();
        Self { core, world, connections, mqtt, all, scope, app, secret, product, stop, domain }
    }

    async fn device(&self, node_id: &str) -> Arc<Device> {
        self.core.register_device(&self.scope, self.registration(node_id, AccessMode::Secret)).await.unwrap()
    }

    fn registration(&self, node_id: &str, access: AccessMode) -> RegisterDevice {
        RegisterDevice { access, ..new_device(node_id, &self.product) }
    }

    async fn reread(&self, device: &Device) -> Arc<Device> {
        self.core.device_by_id(device.id).await.unwrap()
    }

    /// A connection without a CONNECT.
    fn dial(&self) -> Client {
        self.dial_at(&self.mqtt)
    }

    fn dial_at(&self, mqtt: &Arc<Mqtt>) -> Client {
        self.dial_from(mqtt, PEER, 1 << 20)
    }

    /// From an address, over a stream that holds so many bytes.
    #[allow(clippy::disallowed_methods, reason = "what a listener does, without a socket")]
    fn dial_from(&self, mqtt: &Arc<Mqtt>, peer: &str, room: usize) -> Client {
        let (near, far) = tokio::io::duplex(room);
        let task = tokio::spawn(stream::serve(mqtt.clone(), far, peer.parse().unwrap(), self.stop.subscribe(), taken(mqtt)));
        Client { stream: near, task: Some(task), v5: false }
    }

    /// A device that is connected with MQTT 3.1.1 and a clean session.
    async fn online(&self, device: &Device) -> Client {
        let mut client = self.dial();
        assert_eq!(client.login(device, true).await, [0, 0]);
        client
    }

    /// The checks of a device's refusals, newest first.
    fn checks(&self, device: &Device) -> Vec<&'static str> {
        self.core.why().device(device.account, device.id).iter().map(|why| why.check).collect()
    }
}

/// What a listener holds of a connection over TCP.
fn taken(mqtt: &Mqtt) -> Open {
    Open::new(&mqtt.admission, Transport::Tcp.index(), &mpsc::channel(1).0).unwrap()
}

/// A device on the other end, speaking bytes.
struct Client {
    stream: DuplexStream,
    task: Option<JoinHandle<()>>,
    v5: bool,
}

impl Client {
    /// CONNECT by deviceId; gives the body of CONNACK.
    async fn login(&mut self, device: &Device, clean: bool) -> Vec<u8> {
        let secret = device.credentials.secret.as_ref().unwrap();
        let id = device.id.to_string();
        self.connect(&format!("{id}_0_1_{HOUR}"), &id, &password(HOUR, secret.expose()), clean).await
    }

    async fn login_v5(&mut self, device: &Device, clean: bool) -> Vec<u8> {
        self.v5 = true;
        self.login(device, clean).await
    }

    async fn connect(&mut self, client_id: &str, username: &str, password: &str, clean: bool) -> Vec<u8> {
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', if self.v5 { 5 } else { 4 }, 0xc0 | u8::from(clean) << 1, 0, 60];
        if self.v5 {
            body.extend_from_slice(if clean { &[0] } else { &[5, 17, 0, 0, 1, 0] });
        }
        for field in [client_id, username, password] {
            text(&mut body, field);
        }
        self.send(0x10, &body).await;
        self.expect(0x20).await
    }

    async fn send(&mut self, first: u8, body: &[u8]) {
        self.stream.write_all(&packet(first, body)).await.unwrap();
    }

    /// PUBLISH; the identifier is left out for QoS 0.
    async fn publish(&mut self, topic: &str, qos: u8, id: u16, payload: &[u8]) {
        let bytes = self.publish_bytes(topic, qos, id, payload);
        self.stream.write_all(&bytes).await.unwrap();
    }

    fn publish_bytes(&self, topic: &str, qos: u8, id: u16, payload: &[u8]) -> Vec<u8> {
        let mut body = vec![];
        text(&mut body, topic);
        if qos > 0 {
            body.extend_from_slice(&id.to_be_bytes());
        }
        if self.v5 {
            body.push(0);
        }
        body.extend_from_slice(payload);
        packet(0x30 | qos << 1, &body)
    }

    /// SUBSCRIBE with QoS 1; gives the codes of SUBACK.
    async fn subscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let mut body = vec![0, 9];
        if self.v5 {
            body.push(0);
        }
        for filter in filters {
            text(&mut body, filter);
            body.push(1);
        }
        self.send(0x82, &body).await;
        let suback = self.expect(0x90).await;
        suback[if self.v5 { 3 } else { 2 }..].to_vec()
    }

    /// The next packet, which must be of this first byte; gives its body.
    async fn expect(&mut self, first: u8) -> Vec<u8> {
        let found = self.stream.read_u8().await.expect("a packet, not the end");
        let mut size = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.stream.read_u8().await.unwrap();
            size |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        let mut body = vec![0; size];
        self.stream.read_exact(&mut body).await.unwrap();
        assert_eq!(found, first, "{found:#x} {body:x?}");
        body
    }

    /// Nothing but the end comes, and the server is done with the connection.
    async fn ended(mut self) {
        let mut rest = vec![];
        self.stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, [0; 0]);
        self.task.take().unwrap().await.unwrap();
    }

    /// Goes away without a word.
    async fn hang_up(mut self) {
        let task = self.task.take().unwrap();
        drop(self);
        task.await.unwrap();
    }

    /// DISCONNECT.
    async fn leave(mut self) {
        self.send(0xe0, &[]).await;
        self.ended().await;
    }
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut size = body.len();
    loop {
        out.push((size % 128) as u8 | if size > 127 { 0x80 } else { 0 });
        size /= 128;
        if size == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn password(timestamp: &str, secret: &str) -> String {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(timestamp.as_bytes()).unwrap();
    hex::encode(mac.chain_update(secret.as_bytes()).finalize().into_bytes())
}

fn data(id: impl std::fmt::Display) -> String {
    format!("/huawei/v1/devices/{id}/data/json")
}

fn commands(id: impl std::fmt::Display) -> String {
    format!("/huawei/v1/devices/{id}/command/json")
}

fn report(temperature: i32) -> Vec<u8> {
    let item = serde_json::json!({"serviceId": "Thermometer", "serviceData": {"temperature": temperature}});
    serde_json::json!({"msgType": "deviceReq", "data": [item]}).to_string().into_bytes()
}

/// One for each format.
fn thermometer(format: DataFormat) -> ProductDraft {
    let mut draft = product::thermometer(format);
    draft.key.model = format!("{format:?}");
    draft
}
