//! A user who speaks for the device of its clientId, and for those behind it.

use super::{
    Admitted, Face, Granted, carrying,
    own::Own,
    platform::{self, Found},
    refused, signed_in,
    smartrest::PAYLOAD_MAX_BYTES,
    topics::{self, Topic},
    work,
};
use crate::mqtt::{Mqtt, Peer, admission::Refused, count, flow::Job, outbox::Outbox};
use landfall_core::{DeviceCaller, Permission};
use landfall_model::Error;
use landfall_mqtt::{ConnectRequest, Delivery, DisconnectReason, Publish, PublishRefusal, Qos, SubscribeRefusal, Subscription};
use std::sync::Arc;

/// A user who showed its password.
#[derive(Clone)]
pub(crate) struct Agent(Arc<Own>);

impl Agent {
    /// Takes its place, and that of its device where there is one.
    async fn enter(mqtt: &Mqtt, own: &Own) -> Result<(), Error> {
        mqtt.agents.sign_in(&own.user, &own.outbox);
        // From here on a change of the user closes this connection; one that came before is seen now.
        mqtt.core.still_signed_in(&own.user).await?;
        if let Some(Found::Device(device)) = platform::find(&mqtt.core, &own.user, &own.id).await? {
            let device = mqtt.core.reached_device(&own.user, device).await?;
            own.arrive(mqtt, &device).await?;
        }
        Ok(())
    }
}

impl Face for Agent {
    async fn admit(peer: &Peer, request: &ConnectRequest) -> Result<Admitted<Self>, Refused> {
        let (user, login) = signed_in(peer, request).await?;
        user.need(Permission::Speak).map_err(|error| refused(&error).not_guessed())?;
        let (mqtt, not_guessed) = (&peer.mqtt, |error: Error| refused(&error).not_guessed());
        let own = Own::new(user, login.id, login.collection, peer.address);
        match Self::enter(mqtt, &own).await {
            Ok(()) => Ok((Self(Arc::new(own)), None)),
            Err(error) => {
                own.part(mqtt, false).await;
                Err(not_guessed(error))
            }
        }
    }

    fn at_stake(client_id: &str) -> &str {
        client_id
    }

    fn identity(&self) -> &str {
        &self.0.id
    }

    fn device(&self) -> Option<&DeviceCaller> {
        self.0.device()
    }

    fn outbox(&self) -> Option<&Arc<Outbox>> {
        Some(&self.0.outbox)
    }

    fn errand(&self, peer: &Peer) -> Option<Job> {
        let (own, mqtt) = (Arc::clone(&self.0), Arc::clone(&peer.mqtt));
        let task = Box::pin(async move {
            work::tell(&own, &mqtt).await;
            Ok(())
        });
        Some(Job { message: None, alone: false, task })
    }

    async fn gone(&self, mqtt: &Mqtt, stopping: bool) {
        self.0.part(mqtt, stopping).await;
    }

    async fn subscribe(
        &mut self,
        peer: &Peer,
        asked: &Subscription,
    ) -> Result<Result<Granted, SubscribeRefusal>, DisconnectReason> {
        let filter = asked.filter.as_str();
        if let Err(why) = topics::subscribed(filter) {
            self.0.note(&peer.mqtt, "mqtt.subscribe", "topic.form", format!("{filter:.256}: {why}"));
            return Ok(Err(SubscribeRefusal::NotAuthorized));
        }
        if topics::is_of_operations(filter) && !self.0.listens(filter) {
            self.0.note(&peer.mqtt, "mqtt.subscribe", "topic.too-many", format!("{filter:.256}: too many topics of operations"));
            return Ok(Err(SubscribeRefusal::QuotaExceeded));
        }
        Ok(Ok(Granted { qos: asked.qos.min(Qos::AtLeastOnce), commands: None }))
    }

    /// What waits for the device is fetched, in the ways that it asked for by now.
    fn subscribed(&mut self) -> Option<Delivery> {
        self.0.outbox.want();
        None
    }

    fn publish(&self, peer: &Peer, publish: Publish) -> Result<Job, Result<(), PublishRefusal>> {
        let (own, mqtt) = (&self.0, &peer.mqtt);
        let refuse = |step, check, detail, refusal| {
            count(&mqtt.tally.publishes_refused);
            own.note(mqtt, step, check, detail);
            Err(Err(refusal))
        };
        match topics::published(&publish.topic) {
            Err(why) => {
                let detail = format!("{:.256}: {why}", publish.topic);
                refuse("mqtt.publish", "topic.form", detail, PublishRefusal::NotAuthorized)
            }
            // There are no tokens, and a client that asks for one must not hear of an error.
            Ok(Topic::Token) => Err(Ok(())),
            Ok(Topic::Credentials) => {
                let detail = "only the bootstrap user asks for credentials".to_owned();
                refuse("mqtt.publish", "topic.credentials", detail, PublishRefusal::NotAuthorized)
            }
            Ok(topic) if publish.payload.len() > PAYLOAD_MAX_BYTES => {
                let bytes = publish.payload.len();
                let why = format!("the payload has {bytes} bytes, at most {PAYLOAD_MAX_BYTES} are taken");
                carrying::answer_error(own, &topic, "", &why);
                refuse("mqtt.publish", "payload.too-large", why, PublishRefusal::QuotaExceeded)
            }
            Ok(_) => Ok(carrying::carry(Arc::clone(own), Arc::clone(mqtt), publish)),
        }
    }
}
