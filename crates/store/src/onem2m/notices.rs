//! Notices tell what their own batch made of a container: its counters, and the `st` of a new instance. The writer alone knows that.

use crate::{effects::Effects, engine::queue::Job, stream::record::encode_event};
use landfall_model::{Changed, ContainerState, Event, EventBody, Notice, ResourceId, Write};
use std::{collections::HashMap, sync::Arc};

/// Writes the events of a job with what its steps did; false where none of them tells of that.
pub(crate) fn complete(job: &Job, effects: &mut Effects, blob: &mut Vec<u8>) -> bool {
    if effects.held.is_empty() || !job.events.iter().any(|(event, _)| matches!(event.body, EventBody::Notice(_))) {
        return false;
    }
    let done = done(job, &effects.held);
    let mut encoded = Vec::with_capacity(job.encoded.len() + 64);
    let mut told = Vec::with_capacity(job.events.len());
    for (event, _) in &job.events {
        let event = completed(event, &done);
        let before = encoded.len();
        // It could be written as it was handed over, and numbers can be.
        if encode_event(&mut encoded, &event).is_err() {
            return false;
        }
        told.push((event, u32::try_from(encoded.len() - before).unwrap_or(u32::MAX)));
    }
    blob.extend_from_slice(&encoded);
    effects.told = Some(told);
    true
}

/// What was held after each append and change, by the instance or the container.
fn done(job: &Job, held: &[ContainerState]) -> HashMap<ResourceId, ContainerState> {
    let counted = job.steps.iter().filter_map(|step| match &step.write {
        Write::Append(append) => Some(append.instance.id),
        Write::ContainerChange(change) => Some(change.container),
        _ => None,
    });
    counted.zip(held.iter().copied()).collect()
}

fn completed(event: &Arc<Event>, done: &HashMap<ResourceId, ContainerState>) -> Arc<Event> {
    let EventBody::Notice(notice) = &event.body else { return event.clone() };
    let after = |id: &ResourceId| done.get(id).copied();
    let notice = match &notice.changed {
        Changed::Instance(instance) if instance.state == 0 => after(&instance.id).map(|held| {
            let mut instance = instance.clone();
            instance.state = held.state;
            Notice { changed: Changed::Instance(instance), ..(**notice).clone() }
        }),
        Changed::Resource(resource) if notice.held.is_some() => {
            after(&resource.id).map(|held| Notice { held: Some(held), ..(**notice).clone() })
        }
        _ => None,
    };
    notice.map_or_else(
        || event.clone(),
        |notice| Arc::new(Event { body: EventBody::Notice(Box::new(notice)), ..(**event).clone() }),
    )
}
