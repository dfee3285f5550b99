//! The suite of all accesses, with devices that speak MQTT 3.1.1.

use super::{commands::parts, *};
use crate::access::tests::suite::{Shore, suite};
use landfall_model::Seq;
use std::collections::HashMap;

struct Clients {
    ground: Ground,
    here: HashMap<DeviceId, Client>,
}

impl Clients {
    fn client(&mut self, device: DeviceId) -> &mut Client {
        self.here.get_mut(&device).expect("a device that came")
    }
}

impl Shore for Clients {
    const REQUEST: (&str, &str, &str) = ("Switch", "SET", r#"{"value":4}"#);

    async fn new() -> Self {
        Self { ground: Ground::new().await, here: HashMap::new() }
    }

    fn core(&self) -> &Arc<Core> {
        &self.ground.core
    }

    fn scope(&self) -> &Scope {
        &self.ground.scope
    }

    fn access(&self) -> Arc<dyn Access> {
        self.ground.connections.clone()
    }

    async fn device(&mut self, node_id: &str) -> DeviceId {
        self.ground.device(node_id).await.id
    }

    async fn connect(&mut self, device: DeviceId) {
        let known = self.ground.core.device_by_id(device).await.unwrap();
        let mut client = self.ground.online(&known).await;
        assert_eq!(client.subscribe(&[&super::commands(device)]).await, [1]);
        if let Some(first) = self.here.insert(device, client) {
            first.ended().await;
        }
    }

    async fn report(&mut self, device: DeviceId, temperature: i32) -> Option<Seq> {
        let client = self.client(device);
        client.publish(&data(device), 1, 1, &super::report(temperature)).await;
        client.expect(0x40).await;
        Some(self.ground.core.store().newest())
    }

    async fn answer(&mut self, device: DeviceId) {
        let client = self.client(device);
        let (_, id, message) = parts(&client.expect(0x32).await);
        client.send(0x40, &id).await;
        let answer = serde_json::json!({"msgType": "deviceRsp", "mid": message["mid"], "errcode": 0, "body": {}});
        client.publish(&data(device), 1, 1, answer.to_string().as_bytes()).await;
        client.expect(0x40).await;
    }

    async fn sent_away(&mut self, device: DeviceId) {
        let mut client = self.here.remove(&device).expect("a device that came");
        let (_, id, _) = parts(&client.expect(0x32).await);
        client.send(0x40, &id).await;
        client.ended().await;
    }

    async fn restart(&mut self) {
        self.ground.stop.send_replace(true);
        for (_, client) in self.here.drain() {
            client.ended().await;
        }
        self.ground.mqtt = Mqtt::new(self.ground.core.clone(), self.ground.mqtt.config.clone());
        self.ground.connections = self.ground.mqtt.connections.clone();
        self.ground.stop = watch::Sender::new(false);
    }
}

suite!(Clients);
