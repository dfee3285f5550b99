//! What a device publishes, into the core.

use futures_util::FutureExt;
use landfall_core::{DeviceCaller, Reading};
use landfall_model::{Cause, DeviceId, Error, ErrorKind};
use landfall_mqtt::{DisconnectReason, Publish, PublishRefusal};
use std::{net::SocketAddr, sync::Arc};

use super::{
    super::super::{
        Mqtt, Note, Peer, count,
        flow::{Failure, Job},
    },
    topics::{Content, Target},
};

/// Takes a message into the core; what it is for was read from its topic.
pub(super) fn take(peer: &Peer, caller: &DeviceCaller, publish: Publish, target: Target<'_>) -> Job {
    let (mqtt, peer, caller) = (Arc::clone(&peer.mqtt), peer.address, caller.clone());
    let Publish { ticket, topic, payload, qos, packet_id, .. } = publish;
    let message = Some((ticket, qos, packet_id));
    let (device, form) = (target.device, Form::of(&target, &topic));
    // With the records in memory the message is read here, in its turn; else it must end before the next one starts.
    if let Some(read) = form.read(&mqtt, &caller, device, &topic, &payload).now_or_never() {
        let task = Box::pin(async move {
            let taken = match read {
                Ok(Some(reading)) => mqtt.core.keep(reading).await.map(|_| ()),
                Ok(None) => take_frame(&mqtt, &caller, device, &payload).await,
                Err(error) => Err(error),
            };
            taken.map_err(|error| failed(&mqtt, &caller, peer, &topic, &error))
        });
        return Job { message, alone: matches!(form, Form::Binary), task };
    }
    let task = Box::pin(async move {
        let taken = async {
            match form.read(&mqtt, &caller, device, &topic, &payload).await? {
                Some(reading) => mqtt.core.keep(reading).await.map(|_| ()),
                None => take_frame(&mqtt, &caller, device, &payload).await,
            }
        };
        taken.await.map_err(|error| failed(&mqtt, &caller, peer, &topic, &error))
    });
    Job { message, alone: true, task }
}

/// Stores what the product's codec makes of a frame, then sends the acknowledgement that the codec wants.
async fn take_frame(mqtt: &Mqtt, caller: &DeviceCaller, device: DeviceId, frame: &[u8]) -> Result<(), Error> {
    let reading = mqtt.core.read_binary(caller, device, frame, "{}").await?;
    if let (_, Some(owed)) = mqtt.core.keep_owing(reading).await? {
        mqtt.core.acknowledge(*owed).await;
    }
    Ok(())
}

/// What a payload is, and where the service id begins in its topic.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Binary,
    Service(usize),
}

impl Form {
    fn of(target: &Target<'_>, topic: &str) -> Self {
        match target.content {
            Content::Json => Self::Json,
            Content::Binary => Self::Binary,
            Content::Service(id) => Self::Service(topic.len() - id.len()),
        }
    }

    /// What a JSON payload says; nothing for a frame, which its codec reads when its turn comes.
    async fn read(
        self,
        mqtt: &Mqtt,
        caller: &DeviceCaller,
        device: DeviceId,
        topic: &str,
        payload: &[u8],
    ) -> Result<Option<Reading>, Error> {
        match self {
            Self::Binary => Ok(None),
            Self::Json => mqtt.core.read_json(caller, device, payload).await.map(Some),
            Self::Service(at) => {
                mqtt.core.read_service(caller, device, topic.get(at..).unwrap_or_default(), payload).await.map(Some)
            }
        }
    }
}

/// What the client is told. The core has left a why record, unless the device was not the client's.
fn failed(mqtt: &Mqtt, caller: &DeviceCaller, peer: SocketAddr, topic: &str, error: &Error) -> Failure {
    let refusal = match error.kind() {
        ErrorKind::Unavailable => return Failure::Disconnect(DisconnectReason::ServerBusy),
        ErrorKind::Internal => {
            tracing::error!(device = %caller.device(), %error, "a message could not be stored");
            return Failure::Disconnect(DisconnectReason::Unspecified);
        }
        ErrorKind::Denied => return Failure::Disconnect(DisconnectReason::NotAuthorized),
        ErrorKind::Invalid => PublishRefusal::PayloadFormatInvalid,
        ErrorKind::Limit => PublishRefusal::QuotaExceeded,
        _ if error.cause == Cause::DeviceNotFound => {
            note_topic(mqtt, caller, peer, "topic.device", topic, &error.to_string());
            PublishRefusal::NotAuthorized
        }
        _ => PublishRefusal::ImplementationSpecific,
    };
    count(&mqtt.tally.publishes_refused);
    Failure::Refused(refusal)
}

/// Leaves a why record about a publish topic.
pub(super) fn note_topic(mqtt: &Mqtt, caller: &DeviceCaller, peer: SocketAddr, check: &'static str, topic: &str, why: &str) {
    let identity = caller.device().to_string();
    let detail = format!("{topic:.256}: {why}");
    mqtt.note(
        Some((caller.account(), caller.device()).into()),
        Note { identity: &identity, peer: Some(peer), step: "mqtt.publish", check, detail },
    );
}
