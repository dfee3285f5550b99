//! Devices of Cumulocity, from bytes to records.

mod bootstrap;
mod operations;
mod startup;
mod suite;

use super::*;
use landfall_core::{ManagedObject, UserCaller};
use landfall_testkit::ground::user::PASSWORD;
use serde_json::{Map, Value};

/// A message that the client received.
type Told = (String, String);

impl Ground {
    fn tenant(&self) -> Tenant {
        Tenant {
            all: self.all.clone(),
            scope: self.scope.clone(),
            app: self.app.clone(),
            secret: self.secret.clone(),
            product: self.product.clone(),
        }
    }

    /// The user of a device, and what it logs in with.
    async fn device_login(&self, tenant: &Tenant, id: &str) -> (UserCaller, String) {
        let user = self.domain.device_user(tenant, id).await;
        let name = format!("{}/{}", self.core.tenant_of(tenant.all.account()).await.unwrap(), user.user().name);
        (user, name)
    }

    /// A device of the first tenant that is connected and listens to operations and errors.
    async fn agent(&self, id: &str) -> Client {
        let (_, name) = self.device_login(&self.tenant(), id).await;
        let mut client = self.dial();
        assert_eq!(client.connect(id, &name, PASSWORD, true).await, [0, 0]);
        assert_eq!(client.subscribe(&["s/ds", "s/e"]).await, [1, 1]);
        client
    }

    /// The object of an id, as the first tenant's administrator sees it.
    async fn object(&self, id: &str) -> ManagedObject {
        let admin = self.domain.admin(&self.tenant()).await;
        self.core.external(&admin, "c8y_Serial", id).await.unwrap()
    }

    async fn fragments(&self, id: &str) -> Map<String, Value> {
        self.object(id).await.fragments()
    }

    /// Checks of refusals of unknown origin, newest first.
    fn unknown_checks(&self) -> Vec<&'static str> {
        self.core.why().unknown().iter().map(|why| why.check).collect()
    }
}

impl Client {
    /// The next packet.
    async fn packet(&mut self) -> (u8, Vec<u8>) {
        let first = self.stream.read_u8().await.expect("a packet, not the end");
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
        (first, body)
    }

    async fn taken(&mut self, first: u8, body: &[u8]) -> Told {
        assert_eq!(first, 0x32, "{body:x?}");
        let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        self.send(0x40, &body[end..end + 2]).await;
        (text(&body[2..end]), text(&body[end + 2..]))
    }

    /// Publishes with QoS 1, and gives what came until it was acknowledged and so many messages were there.
    async fn says(&mut self, topic: &str, payload: &str, messages: usize) -> Vec<Told> {
        self.publish(topic, 1, 7, payload.as_bytes()).await;
        let (mut told, mut acknowledged) = (vec![], false);
        while !acknowledged || told.len() < messages {
            match self.packet().await {
                (0x40, id) => {
                    assert_eq!(id, [0, 7]);
                    acknowledged = true;
                }
                (first, body) => told.push(self.taken(first, &body).await),
            }
        }
        told
    }

    /// The only error that a line gets.
    async fn error(&mut self, payload: &str) -> String {
        let told = self.says("s/us", payload, 1).await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].0, "s/e");
        told[0].1.clone()
    }
}
