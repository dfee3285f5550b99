//! The suite of all accesses, with agents that speak SmartREST and hear of operations as JSON.

use super::*;
use crate::access::tests::suite::{Shore, suite};
use landfall_core::{DeviceChange, NewObject, ProductRef};
use landfall_model::Seq;
use serde_json::json;
use std::collections::HashMap;

struct Agents {
    ground: Ground,
    logins: HashMap<DeviceId, (String, String)>,
    here: HashMap<DeviceId, Client>,
}

impl Agents {
    fn client(&mut self, device: DeviceId) -> &mut Client {
        self.here.get_mut(&device).expect("a device that came")
    }
}

impl Shore for Agents {
    const REQUEST: (&str, &str, &str) = ("Switch", "SET", r#"{"value":4}"#);

    async fn new() -> Self {
        Self { ground: Ground::new().await, logins: HashMap::new(), here: HashMap::new() }
    }

    fn core(&self) -> &Arc<Core> {
        &self.ground.core
    }

    #[allow(clippy::misnamed_getters, reason = "no application sees these devices, so the whole account asks")]
    fn scope(&self) -> &Scope {
        &self.ground.all
    }

    fn access(&self) -> Arc<dyn Access> {
        self.ground.mqtt.agents.clone()
    }

    async fn device(&mut self, node_id: &str) -> DeviceId {
        let (user, name) = self.ground.device_login(&self.ground.tenant(), node_id).await;
        let new = NewObject {
            name: Some(node_id.into()),
            fragments: Map::from_iter([("c8y_IsDevice".to_owned(), json!({}))]),
            external: vec![("c8y_Serial".into(), node_id.into())],
            ..NewObject::default()
        };
        let made = self.ground.core.create_object(&user, new).await.unwrap().device().unwrap().id;
        let change =
            DeviceChange { product: Some(ProductRef::Id(self.ground.product.id.to_string())), ..DeviceChange::default() };
        self.ground.core.modify_device(&self.ground.all, made, change).await.unwrap();
        self.logins.insert(made, (node_id.to_owned(), name));
        made
    }

    async fn connect(&mut self, device: DeviceId) {
        let (id, name) = self.logins[&device].clone();
        let mut client = self.ground.dial();
        assert_eq!(client.connect(&id, &name, PASSWORD, true).await, [0, 0]);
        assert_eq!(client.subscribe(&["devicecontrol/notifications"]).await, [1]);
        if let Some(first) = self.here.insert(device, client) {
            first.ended().await;
        }
    }

    async fn report(&mut self, device: DeviceId, temperature: i32) -> Option<Seq> {
        let line = format!("200,Thermometer,temperature,{temperature}");
        assert_eq!(self.client(device).says("s/us", &line, 0).await, []);
        Some(self.ground.core.store().newest())
    }

    async fn answer(&mut self, device: DeviceId) {
        let client = self.client(device);
        let (_, text) = client.told().await;
        let operation: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(operation["Switch"], json!({"value": 4}));
        let id = operation["id"].as_str().unwrap();
        assert_eq!(client.says("s/us", &format!("504,{id}\n506,{id}"), 0).await, []);
    }

    async fn sent_away(&mut self, device: DeviceId) {
        self.here.remove(&device).expect("a device that came").ended().await;
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

suite!(Agents);
