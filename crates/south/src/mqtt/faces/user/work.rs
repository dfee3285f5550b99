//! Operations on their way to the client: all that its device and those behind it did not take yet, each once in a connection and topic. They stay
//! as they are until the device says how far it is.

use super::{
    carrying,
    own::Own,
    platform,
    smartrest::{collection::Collection, downstream},
    topics,
};
use crate::mqtt::{Mqtt, count};
use landfall_core::Operation;
use landfall_model::{ErrorKind, ObjectId, Result};
use serde_json::{Value, json};
use std::{collections::HashSet, sync::Arc};

/// Collections of a tenant that a wildcard stands for.
const COLLECTIONS: u32 = 100;

/// A topic on which the client hears of operations, and in which form.
struct Way {
    topic: Arc<str>,
    form: Form,
}

enum Form {
    Static,
    Json,
    Own(Collection),
}

/// Tells what was not told yet, as far as there is room.
pub(super) async fn tell(own: &Own, mqtt: &Mqtt) {
    let more = match told(own, mqtt).await {
        Ok(more) => more,
        Err(error) => {
            own.outbox.close(carrying::dismissed(own, mqtt, &error));
            false
        }
    };
    own.outbox.fetched(more);
}

/// Whether there is more than room.
async fn told(own: &Own, mqtt: &Mqtt) -> Result<bool> {
    let Some(device) = own.device() else { return Ok(false) };
    let filters = own.ways();
    if filters.is_empty() {
        return Ok(false);
    }
    mqtt.core.still_signed_in(&own.user).await?;
    let waiting = platform::waiting(&mqtt.core, &own.user, device.device()).await?;
    let open: HashSet<_> = waiting.iter().map(|operation| operation.id).collect();
    own.told.lock().retain(|id, _| open.contains(id));
    if waiting.is_empty() {
        return Ok(false);
    }
    let ways = ways(own, mqtt, &filters).await?;
    for operation in &waiting {
        let serial = match own.id_of(mqtt, operation.device).await {
            // It went meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            found => found?,
        };
        let document = document(operation, &serial, ObjectId::of_device(device.device()));
        for way in &ways {
            if own.told.lock().get(&operation.id).is_some_and(|topics| topics.contains(&way.topic)) {
                continue;
            }
            if own.outbox.room() == 0 {
                return Ok(true);
            }
            if let Some(payload) = way.form.shown(operation, &serial, &document)
                && own.outbox.post(Arc::clone(&way.topic), payload)
            {
                count(&mqtt.tally.commands);
            }
            own.told.lock().entry(operation.id).or_default().push(Arc::clone(&way.topic));
        }
    }
    Ok(false)
}

/// The topics that the client's filters stand for.
async fn ways(own: &Own, mqtt: &Mqtt, filters: &[Arc<str>]) -> Result<Vec<Way>> {
    let (core, user) = (&mqtt.core, &own.user);
    let mut ways: Vec<Way> = vec![];
    for filter in filters {
        let (topic, names) = match &**filter {
            topics::OPERATIONS => {
                ways.push(Way { topic: Arc::clone(filter), form: Form::Static });
                continue;
            }
            topics::JSON_OPERATIONS => {
                ways.push(Way { topic: Arc::clone(filter), form: Form::Json });
                continue;
            }
            topics::OWN_DEFAULT => (Some(filter), own.collection.iter().map(ToString::to_string).collect()),
            other => match other.strip_prefix(topics::OWN).unwrap_or_default() {
                "#" | "+" => (None, platform::collections(core, user, COLLECTIONS).await?),
                name => (None, vec![name.to_owned()]),
            },
        };
        for name in names {
            let topic = topic.map_or_else(|| format!("{}{name}", topics::OWN).into(), Arc::clone);
            if ways.iter().all(|way| way.topic != topic)
                && let Some((_, collection)) = platform::collection(core, user, &name).await?
            {
                ways.push(Way { topic, form: Form::Own(collection) });
            }
        }
    }
    Ok(ways)
}

impl Form {
    /// An operation in this form, if it has one.
    fn shown(&self, operation: &Operation, serial: &str, document: &Value) -> Option<String> {
        let lines = match self {
            Self::Json => return Some(document.to_string()),
            Self::Static => downstream::lines(serial, &operation.fragments),
            Self::Own(collection) => collection.answers(document, Some(serial)),
        };
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

fn document(operation: &Operation, serial: &str, agent: ObjectId) -> Value {
    let mut whole = json!({
        "id": operation.number().to_string(),
        "deviceId": ObjectId::of_device(operation.device).to_string(),
        "agentId": agent.to_string(),
        "status": operation.status.as_str(),
        "creationTime": operation.created_at.iso(),
        "externalSource": {"externalId": serial, "type": "c8y_Serial"},
    });
    if let Value::Object(whole) = &mut whole {
        whole.extend(operation.fragments.clone());
    }
    whole
}
