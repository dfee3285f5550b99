//! One-model-one-secret (authentication type 1; device-side section 4): a node that knows only its product's secret asks for its own.
//!
//! Such a session has two topics: it subscribes `.../secretNotify`, which makes the platform register the node and publish its secret there, and
//! publishes an empty message to `.../secretACK` once it has stored it.

use super::{Admitted, Face, Granted, at_stake, login::check_password, named, password, topics::ClaimTopics};
use crate::{
    mqtt::{Peer, admission::Refused, count, flow::Job},
    note::About,
};
use landfall_core::ClaimRefused;
use landfall_model::{ErrorKind, ProductId};
use landfall_mqtt::{
    ConnectRefusal, ConnectRequest, Delivery, DisconnectReason, Publish, PublishRefusal, Qos, SubscribeRefusal, Subscription,
};

/// A session of this kind.
#[derive(Clone)]
pub(crate) struct Claim {
    product: ProductId,
    node_id: Box<str>,
    topics: Box<ClaimTopics>,
    /// The message with the secret, once the subscription was granted.
    secret: Option<Box<Delivery>>,
}

impl Face for Claim {
    async fn admit(peer: &Peer, request: &ConnectRequest) -> Result<Admitted<Self>, Refused> {
        let refused = |refused: ClaimRefused| {
            let code = match refused.error.kind() {
                ErrorKind::NotFound => ConnectRefusal::ClientIdentifierNotValid,
                ErrorKind::Denied => ConnectRefusal::NotAuthorized,
                _ => ConnectRefusal::ServerUnavailable,
            };
            Refused::new(code, refused.check, &refused.error.to_string())
        };
        let (login, node_id) = named(request)?;
        let product = request.username.as_deref().unwrap_or_default();
        let Ok(id) = product.parse::<ProductId>() else {
            let detail = "username is no productId";
            return Err(Refused::new(ConnectRefusal::ClientIdentifierNotValid, "product.unknown", detail));
        };
        let found = peer.mqtt.core.product_for_claim(id).await.map_err(refused)?;
        let Some(secret) = &found.secret else {
            return Err(Refused::new(ConnectRefusal::NotAuthorized, "product.no-claims", "the product has no secret"));
        };
        check_password(&peer.mqtt, Some(peer.address), &login, product, secret, password(request))?;
        let topics = Box::new(ClaimTopics::new(product, node_id));
        Ok((Self { product: id, node_id: node_id.into(), topics, secret: None }, None))
    }

    fn at_stake(client_id: &str) -> &str {
        at_stake(client_id)
    }

    fn identity(&self) -> &str {
        &self.node_id
    }

    /// Grants the notify topic and prepares the secret for it.
    async fn subscribe(
        &mut self,
        peer: &Peer,
        asked: &Subscription,
    ) -> Result<Result<Granted, SubscribeRefusal>, DisconnectReason> {
        if asked.filter.as_str() == self.topics.notify {
            return self.claim(peer).await;
        }
        let detail = "this session may subscribe its secretNotify topic only";
        peer.note(None, &self.node_id, "mqtt.subscribe", "topic.claim", detail.into());
        Ok(Err(SubscribeRefusal::NotAuthorized))
    }

    /// The message that waits for the subscription, once.
    fn subscribed(&mut self) -> Option<Delivery> {
        self.secret.take().map(|message| *message)
    }

    /// The confirmation is taken and means nothing further: until the device has connected with its secret, it may ask again.
    fn publish(&self, peer: &Peer, publish: Publish) -> Result<Job, Result<(), PublishRefusal>> {
        if *publish.topic == *self.topics.ack {
            return Err(Ok(()));
        }
        count(&peer.mqtt.tally.publishes_refused);
        let detail = "this session may publish to its secretACK topic only";
        peer.note(None, &self.node_id, "mqtt.publish", "topic.claim", detail.into());
        Err(Err(PublishRefusal::NotAuthorized))
    }
}

impl Claim {
    async fn claim(&mut self, peer: &Peer) -> Result<Result<Granted, SubscribeRefusal>, DisconnectReason> {
        let core = &peer.mqtt.core;
        let claimed = match core.product_for_claim(self.product).await {
            Ok(product) => core.claim(&product, &self.node_id).await,
            Err(error) => Err(error),
        };
        match claimed {
            Ok((device, secret)) => {
                count(&peer.mqtt.tally.claims);
                let message = serde_json::json!({"msgType": "cloudSendSecret", "deviceid": device.id.to_string(), "secret": secret.expose()});
                let message = Delivery::new(0, self.topics.notify.as_str(), message.to_string(), Qos::AtLeastOnce);
                self.secret = Some(Box::new(message));
                Ok(Ok(Granted { qos: Qos::AtLeastOnce, commands: None }))
            }
            Err(refused) => {
                count(&peer.mqtt.tally.claims_refused);
                peer.note(refused.device.map(About::from), &self.node_id, "mqtt.claim", refused.check, refused.error.to_string());
                match refused.error.kind() {
                    ErrorKind::Unavailable | ErrorKind::Internal => Err(DisconnectReason::ServerBusy),
                    ErrorKind::Limit => Ok(Err(SubscribeRefusal::QuotaExceeded)),
                    _ => Ok(Err(SubscribeRefusal::NotAuthorized)),
                }
            }
        }
    }
}
