//! The device of the demonstration: rumqttc over TLS.

use super::within;
use hmac::{Hmac, KeyInit, Mac};
use landfall_core::World;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS, TlsConfiguration, Transport};
use serde_json::Value;
use sha2::Sha256;
use std::path::Path;

/// A connected device that listens to its commands.
pub struct Device {
    id: String,
    client: AsyncClient,
    events: EventLoop,
    command: Option<Value>,
}

/// The UTC hour of a clientId (8.2.2).
pub fn stamp() -> String {
    crate::world::RealWorld::default().now().hour()
}

impl Device {
    /// Connects by deviceId with a checked timestamp, and subscribes to its commands.
    pub async fn connect(id: &str, secret: &str, port: u16, ca: &Path) -> Result<Self, String> {
        let stamp = stamp();
        let mut mac = Hmac::<Sha256>::new_from_slice(stamp.as_bytes()).map_err(|e| e.to_string())?;
        mac.update(secret.as_bytes());
        let mut options = MqttOptions::new(format!("{id}_0_1_{stamp}"), "localhost", port);
        let ca = std::fs::read(ca).map_err(|e| format!("{}: {e}", ca.display()))?;
        options.set_credentials(id, hex::encode(mac.finalize().into_bytes()));
        options.set_transport(Transport::Tls(TlsConfiguration::Simple { ca, alpn: None, client_auth: None }));
        let (client, events) = AsyncClient::new(options, 10);
        let mut device = Self { id: id.to_owned(), client, events, command: None };
        device.wait("CONNACK", |packet| matches!(packet, Packet::ConnAck(_))).await?;
        let topic = format!("/huawei/v1/devices/{id}/command/json");
        device.client.subscribe(topic, QoS::AtLeastOnce).await.map_err(|e| e.to_string())?;
        device.wait("SUBACK", |packet| matches!(packet, Packet::SubAck(_))).await?;
        Ok(device)
    }

    /// Publishes with QoS 1 and waits for the PUBACK: the message is durable.
    pub async fn report(&mut self, message: &str) -> Result<(), String> {
        let topic = format!("/huawei/v1/devices/{}/data/json", self.id);
        self.client.publish(topic, QoS::AtLeastOnce, false, message).await.map_err(|e| e.to_string())?;
        self.wait("PUBACK", |packet| matches!(packet, Packet::PubAck(_))).await
    }

    /// The next command.
    pub async fn command(&mut self) -> Result<Value, String> {
        if self.command.is_none() {
            self.wait("a command", |packet| matches!(packet, Packet::Publish(_))).await?;
        }
        self.command.take().ok_or_else(|| "the command is no JSON".to_owned())
    }

    /// Says goodbye.
    pub async fn close(mut self) -> Result<(), String> {
        self.client.disconnect().await.map_err(|e| e.to_string())?;
        while let Ok(Event::Incoming(_)) = self.events.poll().await {}
        Ok(())
    }

    async fn wait(&mut self, what: &str, wanted: impl Fn(&Packet) -> bool) -> Result<(), String> {
        within(what, async {
            loop {
                if let Event::Incoming(packet) = self.events.poll().await.map_err(|e| format!("{what}: {e}"))? {
                    if let Packet::Publish(publish) = &packet {
                        self.command = serde_json::from_slice(&publish.payload).ok();
                    }
                    if wanted(&packet) {
                        return Ok(());
                    }
                }
            }
        })
        .await
    }
}
