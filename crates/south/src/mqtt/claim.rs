//! One-model-one-secret (authentication type 1; device-side section 4): a node that knows only its product's secret asks for its own.
//!
//! Such a session has two topics: it subscribes `.../secretNotify`, which makes the platform register the node and publish its secret there, and
//! publishes an empty message to `.../secretACK` once it has stored it.

use landfall_core::ClaimRefused;
use landfall_model::{AccountId, DeviceId, ErrorKind, ProductId};
use landfall_mqtt::{
    ConnectRefusal, ConnectRequest, Delivery, DisconnectReason, PublishRefusal, Qos, SubscribeGrant, SubscribeRefusal,
    Subscription,
};
use std::net::SocketAddr;

use super::{
    Mqtt, Note,
    access::{Refused, check_password, password},
    count,
    identity::Login,
    topics::ClaimTopics,
};

/// A session of this kind.
pub(crate) struct Claim {
    product: ProductId,
    node_id: Box<str>,
    topics: ClaimTopics,
    peer: SocketAddr,
    /// The message with the secret, once the subscription was granted.
    secret: Option<Delivery>,
}

/// Checks a login of this kind.
pub(super) async fn connect(
    mqtt: &Mqtt,
    peer: SocketAddr,
    request: &ConnectRequest,
    login: &Login<'_>,
    product: &str,
    node_id: &str,
) -> Result<Claim, Refused> {
    let refused = |refused: ClaimRefused| {
        let code = match refused.error.kind() {
            ErrorKind::NotFound => ConnectRefusal::ClientIdentifierNotValid,
            ErrorKind::Denied => ConnectRefusal::NotAuthorized,
            _ => ConnectRefusal::ServerUnavailable,
        };
        Refused::new(code, refused.check, &refused.error.to_string())
    };
    let Ok(id) = product.parse::<ProductId>() else {
        return Err(Refused::new(ConnectRefusal::ClientIdentifierNotValid, "product.unknown", "username is no productId"));
    };
    let found = mqtt.core.product_for_claim(id).await.map_err(refused)?;
    let Some(secret) = &found.secret else {
        return Err(Refused::new(ConnectRefusal::NotAuthorized, "product.no-claims", "the product has no secret"));
    };
    check_password(mqtt, Some(peer), login, product, secret, password(request))?;
    Ok(Claim { product: id, node_id: node_id.into(), topics: ClaimTopics::new(product, node_id), peer, secret: None })
}

impl Claim {
    /// Grants the notify topic and prepares the secret for it.
    pub(super) async fn subscribe(
        &mut self,
        mqtt: &Mqtt,
        asked: &[Subscription],
    ) -> Result<Vec<SubscribeGrant>, DisconnectReason> {
        let mut grants = Vec::with_capacity(asked.len());
        for subscription in asked {
            let grant = if subscription.filter.as_str() == self.topics.notify {
                self.claim(mqtt).await?
            } else {
                self.note(mqtt, None, "mqtt.subscribe", "topic.claim", "this session may subscribe its secretNotify topic only");
                SubscribeGrant::Refused(SubscribeRefusal::NotAuthorized)
            };
            grants.push(grant);
        }
        Ok(grants)
    }

    async fn claim(&mut self, mqtt: &Mqtt) -> Result<SubscribeGrant, DisconnectReason> {
        let claimed = match mqtt.core.product_for_claim(self.product).await {
            Ok(product) => mqtt.core.claim(&product, &self.node_id).await,
            Err(error) => Err(error),
        };
        match claimed {
            Ok((device, secret)) => {
                count(&mqtt.tally.claims);
                let message = serde_json::json!({"msgType": "cloudSendSecret", "deviceid": device.id.to_string(), "secret": secret.expose()});
                self.secret = Some(Delivery::new(0, self.topics.notify.as_str(), message.to_string(), Qos::AtLeastOnce));
                Ok(SubscribeGrant::Granted(Qos::AtLeastOnce))
            }
            Err(refused) => {
                count(&mqtt.tally.claims_refused);
                self.note(mqtt, refused.device, "mqtt.claim", refused.check, &refused.error.to_string());
                match refused.error.kind() {
                    ErrorKind::Unavailable | ErrorKind::Internal => Err(DisconnectReason::ServerBusy),
                    ErrorKind::Limit => Ok(SubscribeGrant::Refused(SubscribeRefusal::QuotaExceeded)),
                    _ => Ok(SubscribeGrant::Refused(SubscribeRefusal::NotAuthorized)),
                }
            }
        }
    }

    /// The message that waits for the subscription, once.
    pub(super) fn secret(&mut self) -> Option<Delivery> {
        self.secret.take()
    }

    /// The confirmation is taken and means nothing further: until the device has connected with its secret, it may ask again.
    pub(super) fn publish(&self, mqtt: &Mqtt, topic: &str) -> Result<(), PublishRefusal> {
        if topic == self.topics.ack {
            return Ok(());
        }
        count(&mqtt.tally.publishes_refused);
        self.note(mqtt, None, "mqtt.publish", "topic.claim", "this session may publish to its secretACK topic only");
        Err(PublishRefusal::NotAuthorized)
    }

    pub(super) fn note(
        &self,
        mqtt: &Mqtt,
        of: Option<(AccountId, DeviceId)>,
        step: &'static str,
        check: &'static str,
        detail: &str,
    ) {
        mqtt.note(of, Note { identity: &self.node_id, peer: Some(self.peer), step, check, detail: detail.to_owned() });
    }
}
