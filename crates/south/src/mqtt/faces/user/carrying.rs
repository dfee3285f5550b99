//! Messages of a client on their way into the core, one after the other, and what it is answered.
//!
//! A message is acknowledged once all its lines are done. A line that is refused stops none of the others: the client learns of it on its error topic,
//! the operator from the why record.

use super::{
    ends,
    hearing::Hearing,
    json,
    own::Own,
    said::Said,
    smartrest::{self, csv},
    topics::{self, Json, Topic},
};
use crate::mqtt::{
    Mqtt, count,
    flow::{Failure, Job},
};
use landfall_core::NewMeasurement;
use landfall_model::{Cause, Error, ErrorKind};
use landfall_mqtt::{DisconnectReason, Publish, PublishRefusal};
use serde_json::json;
use std::{borrow::Cow, sync::Arc};

/// Measurements that share a commit.
const AT_ONCE: usize = 500;

/// Carries a message; its topic was looked at.
pub(super) fn carry(own: Arc<Own>, mqtt: Arc<Mqtt>, publish: Publish) -> Job {
    let Publish { ticket, topic, payload, qos, packet_id, .. } = publish;
    let task = Box::pin(async move {
        if own.outbox.is_closing() {
            return Err(Failure::Disconnect(DisconnectReason::NotAuthorized));
        }
        let carrying = Carrying { own: &own, mqtt: &mqtt };
        let taken = match topics::published(&topic) {
            Ok(topic) => carrying.take(&topic, &payload).await,
            Err(_) => Ok(false),
        };
        match taken {
            Ok(true) => Ok(()),
            Ok(false) => {
                count(&mqtt.tally.publishes_refused);
                Err(Failure::Refused(PublishRefusal::PayloadFormatInvalid))
            }
            Err(reason) => Err(Failure::Disconnect(reason)),
        }
    });
    Job { message: Some((ticket, qos, packet_id)), alone: true, task }
}

/// Why a connection ends whose user may not go on.
pub(super) fn dismissed(own: &Own, mqtt: &Mqtt, error: &Error) -> DisconnectReason {
    own.note(mqtt, "mqtt.connection", error.cause.as_str(), error.to_string());
    ends(mqtt, error).unwrap_or(DisconnectReason::NotAuthorized)
}

/// Tells the client what was wrong with a line or a document, where it listens to that.
pub(super) fn answer_error(own: &Own, topic: &Topic<'_>, id: &str, why: &str) {
    let (topic, text) = match topic {
        Topic::Json(_) => (
            topics::JSON_ERRORS,
            json!({"messageId": null, "error": "undefined/validationError", "message": why, "info": ""}).to_string(),
        ),
        _ => (topics::ERRORS, csv::written(["41", id, why])),
    };
    own.outbox.post(topic, text);
}

pub(super) struct Carrying<'a> {
    pub(super) own: &'a Own,
    pub(super) mqtt: &'a Mqtt,
}

/// Whether all of a message was taken, or why the connection ends.
pub(super) type Taken = Result<bool, DisconnectReason>;

impl Carrying<'_> {
    async fn take(&self, topic: &Topic<'_>, payload: &[u8]) -> Taken {
        match topic {
            Topic::Json(of) => self.document(topic, *of, payload).await,
            _ => match (topic, std::str::from_utf8(payload)) {
                (Topic::Own(name), Ok(text)) => self.own_lines(topic, *name, text).await,
                (Topic::Collection(name), Ok(text)) => self.make_collection(topic, name, text).await,
                (_, Ok(text)) => self.lines(topic, text).await,
                (_, Err(_)) => self.refused(topic, "", &Error::new(Cause::PayloadInvalid, "the payload is no UTF-8")),
            },
        }
    }

    async fn lines(&self, topic: &Topic<'_>, text: &str) -> Taken {
        let path: &[&str] = if let Topic::Static(path) = topic { path } else { &[] };
        let mut whole = true;
        let mut measured = vec![];
        for heard in smartrest::heard(text) {
            let said = match heard.said {
                // Those that follow each other share a commit.
                Ok(Said::Measured(measurement)) if measured.len() < AT_ONCE => {
                    measured.push((heard.id, measurement));
                    continue;
                }
                said => said,
            };
            whole &= self.measurements(topic, path, std::mem::take(&mut measured)).await?;
            let taken = match said {
                Ok(said) => self.hearing(path).take(said).await,
                Err(why) => Err(Error::new(Cause::PayloadInvalid, why)),
            };
            if let Err(error) = taken {
                whole &= self.refused(topic, &heard.id, &error)?;
            }
        }
        Ok(self.measurements(topic, path, measured).await? && whole)
    }

    /// Keeps measurements that follow each other; where one cannot be kept, each by itself.
    async fn measurements(&self, topic: &Topic<'_>, path: &[&str], measured: Vec<(Cow<'_, str>, NewMeasurement)>) -> Taken {
        let hearing = self.hearing(path);
        if measured.len() > 1 {
            let all = measured.iter().map(|(_, measurement)| measurement.clone()).collect();
            match hearing.measured(all).await {
                Ok(()) => return Ok(true),
                Err(error) if ends(self.mqtt, &error).is_some() => return self.refused(topic, "", &error),
                Err(_) => {}
            }
        }
        let mut whole = true;
        for (id, measurement) in measured {
            if let Err(error) = hearing.measured(vec![measurement]).await {
                whole &= self.refused(topic, &id, &error)?;
            }
        }
        Ok(whole)
    }

    async fn document(&self, topic: &Topic<'_>, of: Json<'_>, payload: &[u8]) -> Taken {
        let told = match json::read(of, payload) {
            Ok(told) => told,
            Err(why) => return self.refused(topic, "", &Error::new(Cause::PayloadInvalid, why)),
        };
        let mut whole = true;
        for json::Told { about, said } in told {
            let about: Option<&str> = if let Json::Object(Some(id)) = of { Some(id) } else { about.as_deref() };
            let taken = match said {
                // An object is not made by a change of it.
                Said::Has(fragments) => self.hearing(about.as_slice()).change(fragments).await,
                said => self.hearing(about.as_slice()).take(said).await,
            };
            if let Err(error) = taken {
                whole &= self.refused(topic, "", &error)?;
            }
        }
        Ok(whole)
    }

    pub(super) fn hearing<'a>(&'a self, path: &'a [&'a str]) -> Hearing<'a> {
        Hearing { own: self.own, mqtt: self.mqtt, path: path.strip_prefix(&[&*self.own.id]).unwrap_or(path) }
    }

    /// Answers an error, unless it ends the connection.
    pub(super) fn refused(&self, topic: &Topic<'_>, id: &str, error: &Error) -> Taken {
        if let Some(reason) = ends(self.mqtt, error) {
            return Err(reason);
        }
        if error.kind() == ErrorKind::Denied {
            tracing::debug!(device = &*self.own.id, %error, "a device said what its user may not");
        }
        let detail = format!("{id:.32}: {}", error.detail);
        self.own.note(self.mqtt, "mqtt.publish", error.cause.as_str(), detail);
        answer_error(self.own, topic, id, &error.detail);
        Ok(false)
    }
}
