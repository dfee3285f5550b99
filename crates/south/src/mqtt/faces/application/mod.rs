//! Applications of OceanConnect that receive their notifications over MQTT (1.6.1, channel MQTT): who may connect, and the one topic of each.
//!
//! The clientId and the user name are the appId, the password is the application's secret. What a notification says is the push's business; an
//! application publishes nothing.

use super::{Admitted, Face, Granted};
use crate::{
    mqtt::{Peer, admission::Refused, count, flow::Job},
    note::About,
};
use landfall_core::AppCaller;
use landfall_model::{AppId, Cause, Error};
use landfall_mqtt::{
    ConnectRefusal, ConnectRequest, DisconnectReason, Publish, PublishRefusal, Qos, SubscribeRefusal, Subscription, Will,
};
use std::sync::Arc;

/// An application that proved its secret.
#[derive(Clone)]
pub(crate) struct Application {
    caller: AppCaller,
    client_id: Arc<str>,
    topic: Arc<str>,
}

impl Face for Application {
    async fn admit(peer: &Peer, request: &ConnectRequest) -> Result<Admitted<Self>, Refused> {
        let client_id = &request.client_id;
        if request.username.as_deref() != Some(client_id) {
            let detail = "clientId and user name of an application must both be its appId";
            return Err(Refused::new(ConnectRefusal::ClientIdentifierNotValid, "username.differs", detail));
        }
        let password = request.password.as_ref().map(|password| password.as_bytes());
        let Some(password) = password else {
            let detail = "there is no password: it must be the application's secret";
            return Err(Refused::new(ConnectRefusal::BadUserNameOrPassword, "password.missing", detail));
        };
        let secret = String::from_utf8_lossy(password);
        match peer.mqtt.core.authenticate_by_secret(client_id, &secret).await {
            Ok(caller) => {
                let topic = format!("/huawei/v1/applications/{client_id}/notifications").into();
                Ok((Self { caller, client_id: Arc::from(&**client_id), topic }, None))
            }
            Err(error) => Err(unproven(peer, client_id, &error).await),
        }
    }

    fn at_stake(client_id: &str) -> &str {
        client_id
    }

    fn identity(&self) -> &str {
        &self.client_id
    }

    fn receiver(&self) -> Option<(&AppCaller, &Arc<str>)> {
        Some((&self.caller, &self.topic))
    }

    /// Grants filters that match its topic, and they mean just that: no other topic is an application's.
    async fn subscribe(
        &mut self,
        peer: &Peer,
        asked: &Subscription,
    ) -> Result<Result<Granted, SubscribeRefusal>, DisconnectReason> {
        if !asked.filter.matches(&self.topic) {
            let detail = format!("{:.256}: an application subscribes to {} only", asked.filter.as_str(), self.topic);
            self.note(peer, "mqtt.subscribe", "topic.application", detail);
            return Ok(Err(SubscribeRefusal::NotAuthorized));
        }
        if asked.qos == Qos::AtMostOnce {
            let detail =
                "QoS 0 is not enough: a notification must be confirmed, or it could not be sent again; subscribe with QoS 1 or 2";
            self.note(peer, "mqtt.subscribe", "qos.unconfirmed", detail.into());
            return Ok(Err(SubscribeRefusal::ImplementationSpecific));
        }
        Ok(Ok(Granted { qos: asked.qos, commands: None }))
    }

    fn publish(&self, peer: &Peer, publish: Publish) -> Result<Job, Result<(), PublishRefusal>> {
        count(&peer.mqtt.tally.publishes_refused);
        let detail = format!("{:.256}: an application publishes nothing here, it calls the northbound API", publish.topic);
        self.note(peer, "mqtt.publish", "topic.application", detail);
        Err(Err(PublishRefusal::NotAuthorized))
    }

    fn will(&self, peer: &Peer, will: Will) -> Option<Job> {
        let detail = format!("{:.256}: nobody receives the will of an application", will.topic);
        self.note(peer, "mqtt.publish", "will.application", detail);
        None
    }
}

impl Application {
    fn note(&self, peer: &Peer, step: &'static str, check: &'static str, detail: String) {
        let app = self.caller.app();
        let about = About::App { account: app.account, app: app.id, proven: true };
        peer.note(Some(about), &self.client_id, step, check, detail);
    }
}

/// A refusal that the operator of the application reads among those of its calls; who proved nothing does not learn whether there is one.
async fn unproven(peer: &Peer, app_id: &str, error: &Error) -> Refused {
    let refused = Refused::unproven(error);
    let Ok(id) = app_id.parse::<AppId>() else { return refused };
    match peer.mqtt.core.store().app(id).await {
        Ok(Some(app)) => {
            let proven = error.cause == Cause::AppFrozen;
            refused.about(About::App { account: app.account, app: app.id, proven })
        }
        _ => refused,
    }
}
