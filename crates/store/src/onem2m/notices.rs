//! Notices tell what their own batch made of a container: its counters, and the `st` of a new instance; and there are no more of them than their
//! subscription allows. The writer alone knows that.

use crate::{
    effects::{Counted, Effects},
    engine::queue::Job,
    stream::record::encode_event,
};
use landfall_model::{Changed, ContainerState, Event, EventBody, Notice, ResourceId, SubscriptionId, Write};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Writes the events of a job with what its steps did; false where none of them tells of that.
pub(crate) fn complete(job: &Job, effects: &mut Effects, blob: &mut Vec<u8>) -> bool {
    let nothing = effects.held.is_empty() && effects.counted.is_empty();
    if nothing || !job.events.iter().any(|(event, _)| matches!(event.body, EventBody::Notice(_))) {
        return false;
    }
    let (done, mut allowed) = (done(job, &effects.held), Allowed::of(&effects.counted));
    let mut encoded = Vec::with_capacity(job.encoded.len() + 64);
    let mut told = Vec::with_capacity(job.events.len());
    for (event, _) in &job.events {
        let event = allowed.judge(completed(event, &done));
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

/// What may be sent to the addresses of subscriptions whose notices are counted: by address, the outcomes that are still to be used.
struct Allowed(HashMap<SubscriptionId, VecDeque<Counted>>);

impl Allowed {
    /// Addresses of a subscription: those of `nu`, and `su`.
    const ADDRESSES: u8 = 11;

    fn of(counted: &[(ResourceId, Counted)]) -> Self {
        let mut allowed: HashMap<_, VecDeque<_>> = HashMap::new();
        for (id, outcome) in counted {
            for address in 0..Self::ADDRESSES {
                allowed.entry(SubscriptionId::of_resource(*id, address)).or_default().push_back(*outcome);
            }
        }
        Self(allowed)
    }

    /// The event, or one in its place that nobody is told of: places in the stream are given out already.
    fn judge(&mut self, event: Arc<Event>) -> Arc<Event> {
        let EventBody::Notice(notice) = &event.body else { return event };
        let Some(outcome) = self.0.get_mut(&notice.address).and_then(VecDeque::pop_front) else { return event };
        let sent = if notice.changed == Changed::Ended { outcome == Counted::Last } else { outcome != Counted::Over };
        if sent {
            return event;
        }
        Arc::new(Event { body: EventBody::SubscriptionChanged(notice.address), ..(*event).clone() })
    }
}
