//! Devices of OceanConnect: who may connect by a clientId, and what its topics are (8.2; device-side sections 4 and 5).
//!
//! A frozen device may connect: its reports are taken and dropped by the core (device-side, row 18), so code 5 is for devices that were removed,
//! are not bound yet, or are behind a gateway.

mod claim;
mod identity;
mod login;
mod publishing;
mod topics;

pub(super) use claim::Claim;
pub(in crate::mqtt) use identity::fuzz as fuzz_identity;
pub(in crate::mqtt) use login::authenticate;
pub(in crate::mqtt) use topics::fuzz as fuzz_topics;

use super::{Admitted, Face, Granted};
use crate::mqtt::{Peer, admission::Refused, count, flow::Job, listening::Commands};
use identity::{Kind, Login};
use landfall_core::{DeviceCaller, Downlink};
use landfall_model::ErrorKind;
use landfall_mqtt::{
    ConnectRefusal, ConnectRequest, DisconnectReason, Publish, PublishRefusal, Qos, SubscribeRefusal, Subscription,
};
use std::{borrow::Cow, sync::Arc};
use topics::Own;

/// A device with a secret of its own, which it proves in each CONNECT.
#[derive(Clone)]
pub(crate) struct Node {
    caller: DeviceCaller,
    own: Own,
}

impl Face for Node {
    async fn admit(peer: &Peer, request: &ConnectRequest) -> Result<Admitted<Self>, Refused> {
        let (login, name) = named(request)?;
        let device = login::check(&peer.mqtt, Some(peer.address), &login, password(request)).await?;
        let caller = peer.mqtt.core.device_caller(&device).over("mqtt.publish");
        let own = Own { device: device.id, text: name.into() };
        Ok((Self { caller, own }, Some(device)))
    }

    fn at_stake(client_id: &str) -> &str {
        at_stake(client_id)
    }

    fn identity(&self) -> &str {
        &self.own.text
    }

    fn device(&self) -> Option<&DeviceCaller> {
        Some(&self.caller)
    }

    async fn subscribe(
        &mut self,
        peer: &Peer,
        asked: &Subscription,
    ) -> Result<Result<Granted, SubscribeRefusal>, DisconnectReason> {
        let filter = asked.filter.as_str();
        let commands = match self.own.subscribe(filter) {
            Ok(commands) => commands,
            Err(why) => return Ok(Err(self.refuse_filter(peer, "topic.form", filter, why))),
        };
        match peer.mqtt.core.reachable(&self.caller, commands.device.unwrap_or(self.own.device)).await {
            Ok(_) => Ok(Ok(Granted { qos: asked.qos.min(Qos::AtLeastOnce), commands: Some(commands) })),
            Err(error) => match error.kind() {
                ErrorKind::NotFound => Ok(Err(self.refuse_filter(peer, "topic.device", filter, &error.to_string()))),
                kind => {
                    self.note(peer, error.cause.as_str(), format!("{filter:.256}: {error}"));
                    Err(if kind == ErrorKind::Denied { DisconnectReason::NotAuthorized } else { DisconnectReason::ServerBusy })
                }
            },
        }
    }

    fn commands(&self, filter: &str) -> Option<Commands> {
        self.own.subscribe(filter).ok()
    }

    fn publish(&self, peer: &Peer, publish: Publish) -> Result<Job, Result<(), PublishRefusal>> {
        let topic = Arc::clone(&publish.topic);
        match self.own.publish(&topic) {
            Ok(Some(target)) => Ok(publishing::take(peer, &self.caller, publish, target)),
            Ok(None) => Err(Ok(())),
            Err(why) => {
                count(&peer.mqtt.tally.publishes_refused);
                publishing::note_topic(&peer.mqtt, &self.caller, peer.address, "topic.form", &topic, why);
                Err(Err(PublishRefusal::NotAuthorized))
            }
        }
    }

    fn message<'a>(&self, message: &'a Downlink) -> Option<(String, Cow<'a, [u8]>)> {
        Some((self.own.command(message.device, message.binary), Cow::Borrowed(&message.payload)))
    }

    fn kept(&self, filter: &str) -> String {
        self.own.kept(filter)
    }

    fn resumed(&self, filter: &str) -> String {
        self.own.resumed(filter)
    }
}

impl Node {
    fn refuse_filter(&self, peer: &Peer, check: &'static str, filter: &str, why: &str) -> SubscribeRefusal {
        self.note(peer, check, format!("{filter:.256}: {why}"));
        SubscribeRefusal::NotAuthorized
    }

    fn note(&self, peer: &Peer, check: &'static str, detail: String) {
        let of = (self.caller.account(), self.caller.device());
        peer.note(Some(of.into()), &self.own.text, "mqtt.subscribe", check, detail);
    }
}

/// Whether a CONNECT has the form of one that asks for its secret.
pub(super) fn claims(request: &ConnectRequest) -> bool {
    Login::parse(&request.client_id).is_ok_and(|login| login.kind == Kind::Claim)
}

/// Whether a CONNECT has the form of a device's that has one.
pub(super) fn logs_in(request: &ConnectRequest) -> bool {
    Login::parse(&request.client_id).is_ok_and(|login| login.kind != Kind::Claim)
}

/// Reads the clientId, and the name that it and the user name agree on.
fn named(request: &ConnectRequest) -> Result<(Login<'_>, &str), Refused> {
    let invalid = |check, detail: &str| Refused::new(ConnectRefusal::ClientIdentifierNotValid, check, detail);
    let login = Login::parse(&request.client_id).map_err(|why| invalid("client-id.form", why))?;
    let username = request.username.as_deref().unwrap_or_default();
    let name = login.named(username).map_err(|why| invalid("username.differs", why))?;
    Ok((login, name))
}

fn password(request: &ConnectRequest) -> Option<&[u8]> {
    request.password.as_ref().map(|password| password.as_bytes())
}

/// A product's secret, or that of nobody under the name that was sent.
fn at_stake(client_id: &str) -> &str {
    match Login::parse(client_id) {
        Ok(login) if login.kind == Kind::Claim => login.id.split('_').next().unwrap_or_default(),
        Ok(login) => login.id,
        Err(_) => client_id,
    }
}
