//! Devices on rumqttc, a client that is not ours.

use super::server::Server;
use hmac::{Hmac, KeyInit, Mac};
use rumqttc::{Client, Connection, Event, MqttOptions, Packet, QoS, SubscribeReasonCode, TlsConfiguration, Transport};
use serde_json::Value;
use sha2::Sha256;
use std::time::Duration;

pub const STAMP: &str = "2026010100";

/// The MQTT password of a secret (device-side section 4).
pub fn password(secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(STAMP.as_bytes()).unwrap();
    mac.update(secret.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Which listener.
#[derive(Clone, Copy, Debug)]
pub enum Via {
    Tcp,
    Tls,
}

/// A connected device.
pub struct Device {
    pub id: String,
    client: Client,
    connection: Connection,
}

impl Device {
    /// Connects or tells why not.
    pub fn connect(server: &Server, via: Via, id: &str, client_id: &str, password: &str, clean: bool) -> Result<Self, String> {
        let (port, transport) = match via {
            Via::Tcp => (server.port("mqtt"), Transport::Tcp),
            Via::Tls => (server.port("mqtts"), tls(server)),
        };
        let mut options = MqttOptions::new(client_id, "localhost", port);
        options.set_credentials(id, password).set_transport(transport).set_clean_session(clean);
        options.set_keep_alive(Duration::from_secs(30));
        let (client, mut connection) = Client::new(options, 100);
        match connection.recv_timeout(Duration::from_secs(20)) {
            Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => Ok(Self { id: id.to_owned(), client, connection }),
            other => Err(format!("{other:?}")),
        }
    }

    /// By deviceId over TLS, with the right password.
    pub fn login(server: &Server, id: &str, secret: &str) -> Self {
        Self::connect(server, Via::Tls, id, &format!("{id}_0_0_{STAMP}"), &password(secret), true).unwrap()
    }

    /// Subscribes to its commands.
    pub fn listen(&mut self) {
        self.listen_to("json");
    }

    /// Subscribes to its commands in a codec mode.
    pub fn listen_to(&mut self, codec_mode: &str) {
        let topic = format!("/huawei/v1/devices/{}/command/{codec_mode}", self.id);
        self.client.subscribe(topic, QoS::AtLeastOnce).unwrap();
        self.wait("SUBACK", |packet| matches!(packet, Packet::SubAck(_)).then_some(()));
    }

    /// Publishes to `.../data/json` and waits for the PUBACK.
    pub fn report(&mut self, message: &Value) {
        self.send("json", message.to_string().into_bytes());
    }

    /// Publishes a payload and waits for the PUBACK.
    pub fn send(&mut self, codec_mode: &str, payload: Vec<u8>) {
        let topic = format!("/huawei/v1/devices/{}/data/{codec_mode}", self.id);
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).unwrap();
        self.wait("PUBACK", |packet| matches!(packet, Packet::PubAck(_)).then_some(()));
    }

    /// The same; false once the connection is gone.
    pub fn try_report(&mut self, message: &Value) -> bool {
        let topic = format!("/huawei/v1/devices/{}/data/json", self.id);
        if self.client.publish(topic, QoS::AtLeastOnce, false, message.to_string()).is_err() {
            return false;
        }
        loop {
            match self.connection.recv_timeout(Duration::from_secs(20)) {
                Ok(Ok(Event::Incoming(Packet::PubAck(_)))) => return true,
                Ok(Ok(_)) => {}
                _ => return false,
            }
        }
    }

    /// The next command.
    pub fn command(&mut self) -> Value {
        serde_json::from_slice(&self.frame()).unwrap()
    }

    /// The payload of the next command.
    pub fn frame(&mut self) -> Vec<u8> {
        self.wait("a command", |packet| match packet {
            Packet::Publish(publish) => Some(publish.payload.to_vec()),
            _ => None,
        })
    }

    /// The next command and its topic, which is confirmed.
    pub fn told(&mut self) -> (String, Value) {
        let publish = self.wait("a command", |packet| match packet {
            Packet::Publish(publish) => Some(publish.clone()),
            _ => None,
        });
        (publish.topic.to_string(), serde_json::from_slice(&publish.payload).unwrap())
    }

    /// Subscribes to a filter; gives the code of the SUBACK.
    pub fn subscribe(&mut self, filter: &str) -> SubscribeReasonCode {
        self.client.subscribe(filter, QoS::AtLeastOnce).unwrap();
        self.wait("SUBACK", |packet| match packet {
            Packet::SubAck(ack) => ack.return_codes.first().copied(),
            _ => None,
        })
    }

    /// Publishes to any topic and waits for the PUBACK.
    pub fn publish(&mut self, topic: &str, payload: &Value) {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload.to_string()).unwrap();
        self.wait("PUBACK", |packet| matches!(packet, Packet::PubAck(_)).then_some(()));
    }

    /// The server ends the connection.
    pub fn ended(mut self) {
        while let Ok(Ok(_)) = self.connection.recv_timeout(Duration::from_secs(20)) {}
    }

    pub fn close(mut self) {
        self.client.disconnect().unwrap();
        while let Ok(Ok(_)) = self.connection.recv_timeout(Duration::from_secs(5)) {}
    }

    fn wait<T>(&mut self, what: &str, mut want: impl FnMut(&Packet) -> Option<T>) -> T {
        loop {
            match self.connection.recv_timeout(Duration::from_secs(20)) {
                Ok(Ok(Event::Incoming(packet))) => {
                    if let Some(found) = want(&packet) {
                        return found;
                    }
                }
                Ok(Ok(Event::Outgoing(_))) => {}
                other => panic!("{} waited for {what}: {other:?}", self.id),
            }
        }
    }
}

fn tls(server: &Server) -> Transport {
    let ca = std::fs::read(server.data().join("ca.pem")).unwrap();
    Transport::Tls(TlsConfiguration::Simple { ca, alpn: None, client_auth: None })
}
