//! What a client is to be told: new work of devices, and what the stream has since it was told last. Rights are judged here, when it goes out.

use super::{
    channel::{Channel, What},
    clients::{Client, Found, State},
};
use crate::cumulocity::{Fault, Inbound, alarm, control, event, inventory, measurement};
use landfall_core::OperationStatus;
use landfall_model::{CommandState, DeviceId, Error, ErrorKind, Event, EventBody, ObjectId, Seq, StoredEvent, Time};
use serde_json::{Value, json};

/// Messages after which an answer goes out.
const ENOUGH: usize = 500;
/// Events that are read at once, and how often before the clock is looked at.
const SLICE: u32 = 200;
const SLICES: usize = 50;
/// Operations of a device that are read at once.
const OPERATIONS: usize = 500;
/// How far a client may be behind in the stream.
const BEHIND: u64 = 100_000;

/// Looks for what a client in this state is to be told; none where it is too far behind.
pub(super) async fn found(inbound: &Inbound, client: &Client, state: &State) -> Result<Option<Found>, Fault> {
    let mut found = Found { messages: vec![], read_to: state.read_to, looked: vec![], told: vec![] };
    for (device, call) in &state.woken {
        if found.messages.len() >= ENOUGH {
            return Ok(Some(found));
        }
        let told = state.told.get(device).copied().unwrap_or(0);
        if let Some(place) = work(inbound, client, state, (*device, told), &mut found.messages).await? {
            found.told.push((*device, place));
        }
        found.looked.push((*device, *call));
    }
    if !client.reads(state) {
        return Ok(Some(found));
    }
    let store = inbound.core().store();
    if store.newest().0.saturating_sub(found.read_to.0) > BEHIND {
        return Ok(None);
    }
    for _ in 0..SLICES {
        let slice = store.events_after(found.read_to, SLICE).await?;
        for event in &slice {
            if event.event.account == inbound.caller().account() {
                tell(inbound, &state.channels, event, &mut found.messages).await?;
            }
            found.read_to = event.seq;
        }
        if slice.is_empty() || found.messages.len() >= ENOUGH {
            break;
        }
    }
    Ok(Some(found))
}

/// New operations of a device after a place in its queue; gives the last place that it told.
async fn work(
    inbound: &Inbound,
    client: &Client,
    state: &State,
    (device, told): (DeviceId, u64),
    messages: &mut Vec<Value>,
) -> Result<Option<u64>, Fault> {
    let id = ObjectId::of_device(device);
    let (mut after, mut last) = (told, None);
    loop {
        let pending = inbound.core().pending_operations_of(inbound.caller(), device, after).await;
        let pending = reached(pending)?.unwrap_or_default();
        let more = pending.len() >= OPERATIONS;
        for operation in pending {
            after = operation.place;
            last = Some(after);
            let since = |from: Time| operation.created_at >= from;
            let channels: Vec<_> =
                state.channels.iter().filter(|(channel, from)| channel.tells(What::Operations, id) && since(*from)).collect();
            if channels.is_empty() {
                continue;
            }
            let shown = control::view(inbound, operation);
            let data = if client.operations { shown } else { json!({ "realtimeAction": "CREATE", "data": shown }) };
            add(messages, channels.into_iter().map(|(channel, _)| channel.of(id)), &data);
        }
        if !more {
            return Ok(last);
        }
    }
}

/// The messages of an event.
async fn tell(
    inbound: &Inbound,
    channels: &[(Channel, Time)],
    stored: &StoredEvent,
    messages: &mut Vec<Value>,
) -> Result<(), Fault> {
    let (event, Some(device)) = (&stored.event, stored.event.device) else { return Ok(()) };
    let Some(what) = what(&event.body) else { return Ok(()) };
    let id = ObjectId::of_device(device);
    let mut to: Vec<String> = named(channels, what, id).collect();
    if what == What::Alarms && channels.iter().any(|(channel, _)| channel.what == What::AlarmsOfChildren) {
        let Some(device) = reached(inbound.core().reached_device(inbound.caller(), device).await)? else { return Ok(()) };
        to.extend(named(channels, What::AlarmsOfChildren, id));
        to.extend(
            device
                .gateway
                .into_iter()
                .flat_map(|above| named(channels, What::AlarmsOfChildren, ObjectId::of_device(above)).collect::<Vec<_>>()),
        );
    }
    if to.is_empty() {
        return Ok(());
    }
    if let Some((action, shown)) = shown(inbound, event, stored.seq, device).await? {
        add(messages, to.into_iter(), &json!({ "realtimeAction": action, "data": shown }));
    }
    Ok(())
}

fn named(channels: &[(Channel, Time)], what: What, id: ObjectId) -> impl Iterator<Item = String> {
    channels.iter().filter(move |(channel, _)| channel.tells(what, id)).map(move |(channel, _)| channel.of(id))
}

/// Once for each channel.
fn add(messages: &mut Vec<Value>, channels: impl Iterator<Item = String>, data: &Value) {
    let mut all: Vec<_> = channels.collect();
    all.sort_unstable();
    all.dedup();
    messages.extend(all.into_iter().map(|channel| json!({ "channel": channel, "data": data })));
}

/// What an event is of; operations that are sent are told once their device has them.
fn what(body: &EventBody) -> Option<What> {
    match body {
        EventBody::CommandChanged { state: CommandState::Sent, .. } => None,
        EventBody::CommandChanged { .. } => Some(What::Operations),
        EventBody::DeviceAdded(_) | EventBody::DeviceBound { .. } | EventBody::DeviceInfoChanged(_) => Some(What::Objects),
        EventBody::DeviceDeleted { .. } => Some(What::Objects),
        EventBody::Reported(_) => Some(What::Measurements),
        EventBody::AlarmChanged(_) => Some(What::Alarms),
        EventBody::DeviceEvent(_) => Some(What::Events),
        _ => None,
    }
}

/// What is told of an event; nothing where the user does not reach it, or it is gone.
async fn shown(inbound: &Inbound, event: &Event, seq: Seq, device: DeviceId) -> Result<Option<(&'static str, Value)>, Fault> {
    let (core, caller) = (inbound.core(), inbound.caller());
    let object = ObjectId::of_device(device);
    let action = |version: u64| if version == 1 { "CREATE" } else { "UPDATE" };
    Ok(match &event.body {
        EventBody::CommandChanged { command, state, .. } => {
            let operation = reached(core.operation(caller, *command).await)?;
            operation.map(|mut operation| {
                operation.status = OperationStatus::of(*state);
                ("UPDATE", control::view(inbound, operation))
            })
        }
        // Nobody but who reaches the whole account is known to have reached what is gone.
        EventBody::DeviceDeleted { .. } => caller.scope().is_ok().then(|| ("DELETE", object.to_string().into())),
        EventBody::Reported(_) => {
            let found = reached(core.measurement(caller, device, seq).await)?;
            found.map(|found| ("CREATE", measurement::view(inbound, &found)))
        }
        EventBody::AlarmChanged(alarm) => {
            let there = reached(core.reached_device(caller, device).await)?;
            there.map(|_| (action(alarm.version), alarm::view(inbound, alarm)))
        }
        EventBody::DeviceEvent(told) => {
            let there = reached(core.reached_device(caller, device).await)?;
            there.map(|_| (action(told.version), event::view(inbound, told)))
        }
        body => match reached(core.managed_object(caller, object).await)? {
            Some(found) => {
                let action = if matches!(body, EventBody::DeviceAdded(_)) { "CREATE" } else { "UPDATE" };
                Some((action, inventory::whole(inbound, &found).await?))
            }
            None => None,
        },
    })
}

/// None for what the user does not reach, or what is gone.
fn reached<T>(found: Result<T, Error>) -> Result<Option<T>, Fault> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
