//! A device that has no credentials yet and asks for them as the bootstrap user (contract sections 2 and 7).
//!
//! It subscribes `s/dcr` and publishes empty messages to `s/ucr` until a tenant has accepted it; nothing else is for it.

use super::{Admitted, Face, Granted, ends, platform, refused, signed_in, smartrest::csv, topics, topics::Topic};
use crate::mqtt::{
    Mqtt, Note, Peer,
    admission::Refused,
    count,
    flow::{Failure, Job},
    outbox::Outbox,
};
use landfall_core::{Permission, UserCaller};
use landfall_model::ErrorKind;
use landfall_mqtt::{ConnectRequest, DisconnectReason, Publish, PublishRefusal, Qos, SubscribeRefusal, Subscription};
use std::{net::SocketAddr, sync::Arc};

/// A device under the name of the bootstrap user.
#[derive(Clone)]
pub(crate) struct Newcomer(Arc<Asker>);

struct Asker {
    user: UserCaller,
    /// What the device calls itself.
    id: Box<str>,
    address: SocketAddr,
    outbox: Arc<Outbox>,
}

impl Face for Newcomer {
    async fn admit(peer: &Peer, request: &ConnectRequest) -> Result<Admitted<Self>, Refused> {
        let (user, login) = signed_in(peer, request).await?;
        user.need(Permission::Bootstrap).map_err(|error| refused(&error).not_guessed())?;
        let asker = Asker { user, id: login.id.into(), address: peer.address, outbox: Arc::default() };
        peer.mqtt.agents.sign_in(&asker.user, &asker.outbox);
        Ok((Self(Arc::new(asker)), None))
    }

    fn at_stake(client_id: &str) -> &str {
        client_id
    }

    fn identity(&self) -> &str {
        &self.0.id
    }

    fn outbox(&self) -> Option<&Arc<Outbox>> {
        Some(&self.0.outbox)
    }

    async fn gone(&self, mqtt: &Mqtt, _: bool) {
        mqtt.agents.sign_out(&self.0.user, &self.0.outbox);
    }

    async fn subscribe(
        &mut self,
        peer: &Peer,
        asked: &Subscription,
    ) -> Result<Result<Granted, SubscribeRefusal>, DisconnectReason> {
        let filter = asked.filter.as_str();
        if matches!(filter, topics::CREDENTIALS | topics::ERRORS) {
            return Ok(Ok(Granted { qos: asked.qos.min(Qos::AtLeastOnce), commands: None }));
        }
        let detail = format!("{filter:.256}: the bootstrap user subscribes to s/dcr only");
        self.0.note(&peer.mqtt, "mqtt.subscribe", "topic.bootstrap", detail);
        Ok(Err(SubscribeRefusal::NotAuthorized))
    }

    fn publish(&self, peer: &Peer, publish: Publish) -> Result<Job, Result<(), PublishRefusal>> {
        if topics::published(&publish.topic) != Ok(Topic::Credentials) {
            count(&peer.mqtt.tally.publishes_refused);
            let detail = format!("{:.256}: the bootstrap user publishes to s/ucr only", publish.topic);
            self.0.note(&peer.mqtt, "mqtt.publish", "topic.bootstrap", detail);
            return Err(Err(PublishRefusal::NotAuthorized));
        }
        let (asker, mqtt) = (Arc::clone(&self.0), Arc::clone(&peer.mqtt));
        let task = Box::pin(async move { asker.ask(&mqtt).await });
        Ok(Job { message: Some((publish.ticket, publish.qos, publish.packet_id)), alone: true, task })
    }
}

impl Asker {
    /// Polls. Who is not accepted yet hears nothing, and asks again.
    async fn ask(&self, mqtt: &Mqtt) -> Result<(), Failure> {
        let issued = match mqtt.core.still_signed_in(&self.user).await {
            Ok(()) => platform::issue(&mqtt.core, &self.user, &self.id, self.address.ip()).await,
            Err(error) => Err(error),
        };
        match issued {
            Ok(Some(issued)) => {
                let line = csv::written(["70", &issued.tenant, &issued.username, issued.password.expose()]);
                self.outbox.post(topics::CREDENTIALS, line);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Denied => Err(Failure::Disconnect(DisconnectReason::NotAuthorized)),
            Err(error) => match ends(mqtt, &error) {
                Some(reason) => Err(Failure::Disconnect(reason)),
                None => {
                    count(&mqtt.tally.publishes_refused);
                    self.note(mqtt, "mqtt.bootstrap", error.cause.as_str(), error.to_string());
                    Err(Failure::Refused(PublishRefusal::QuotaExceeded))
                }
            },
        }
    }

    fn note(&self, mqtt: &Mqtt, step: &'static str, check: &'static str, detail: String) {
        mqtt.note(None, Note { identity: &self.id, peer: Some(self.address), step, check, detail });
    }
}
