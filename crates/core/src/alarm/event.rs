//! Events of devices: what happened once.

use super::{AT_ONCE, FRAGMENTS, Said, check_each, check_said, check_text, merged, too_long, unreached};
use crate::{Core, Permission, UserCaller, batch, device_event, store::DeviceEventFilter, turns::Record};
use landfall_model::{
    BinaryOf, Cause, Device, DeviceEvent, DeviceEventId, DeviceId, Error, EventBody, Page, PageRequest, Result, Sort, Time, Write,
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Events that a deletion of many deletes with one commit.
const SLICE: u32 = AT_ONCE as u32;
/// Commits of a deletion of many.
const SLICES: u32 = 500;

/// An event as it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDeviceEvent {
    /// What happened, as a word; 1 to 256 characters.
    pub kind: String,
    /// For people, at most 1,024 characters.
    pub text: String,
    /// When; now if absent.
    pub at: Option<Time>,
    /// Everything else.
    pub fragments: Map<String, Value>,
}

/// What of an event changes; `None` leaves what there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceEventChange {
    /// New text.
    pub text: Option<String>,
    /// Fragments that are set, or taken away where the value is null.
    pub fragments: Map<String, Value>,
}

/// Which events a user asks for; what is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceEventQuery {
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Of this kind.
    pub kind: Option<String>,
    /// With a fragment of this name at the top.
    pub fragment: Option<String>,
    /// At this time or later.
    pub from: Option<Time>,
    /// Before this time.
    pub to: Option<Time>,
    /// Order.
    pub sort: Sort,
}

impl Core {
    /// Tells an event of a device. `Forbidden`, `DeviceNotFound`, `InvalidField`.
    pub async fn tell_event(&self, caller: &UserCaller, device: DeviceId, new: NewDeviceEvent) -> Result<Arc<DeviceEvent>> {
        let told = self.tell_events(caller, &[(device, new)]).await?;
        told.into_iter().next().ok_or_else(|| Error::new(Cause::Internal, "an event that was told is not there"))
    }

    /// Tells events in their order, all of them or none; errors as [`Core::tell_event`], the path of each field begins with the place of its event
    /// where there are several. At most 1,000.
    pub async fn tell_events(&self, caller: &UserCaller, all: &[(DeviceId, NewDeviceEvent)]) -> Result<Vec<Arc<DeviceEvent>>> {
        check_each(all, |new| check_said(&new.kind, &new.text, &new.fragments))?;
        let ids: Vec<_> = all.iter().map(|_| DeviceEventId::new(self.now(), self.random_16())).collect();
        self.decide(&[], || {
            Box::pin(async {
                let (mut said, mut told) = (Said::default(), Vec::with_capacity(all.len()));
                for ((device, new), id) in all.iter().zip(&ids) {
                    let device = self.heard_by(caller, *device, &mut said).await?;
                    let event = Arc::new(decide_told(&device, new, *id, self.now()));
                    said.event(&device, &event);
                    told.push(event);
                }
                Ok((said.batch, told))
            })
        })
        .await
    }

    /// Changes an event. `Forbidden`, `ResourceNotFound`, `InvalidField`.
    pub async fn change_event(
        &self,
        caller: &UserCaller,
        id: DeviceEventId,
        change: &DeviceEventChange,
    ) -> Result<Arc<DeviceEvent>> {
        check_text(change.text.as_deref().unwrap_or_default())?;
        let device = self.device_event(caller, id).await?.device;
        self.decide(&[Record::Device(device)], || {
            Box::pin(async move {
                let mut said = Said::default();
                let device = self.heard_by(caller, device, &mut said).await?;
                let found = self.store.device_event(id).await?.ok_or_else(no_event)?;
                let next = Arc::new(decide_changed(&found, change, self.now())?);
                said.event(&device, &next);
                Ok((said.batch, next))
            })
        })
        .await
    }

    /// One event of a device that the caller reaches. `Forbidden`, `ResourceNotFound`.
    pub async fn device_event(&self, caller: &UserCaller, id: DeviceEventId) -> Result<Arc<DeviceEvent>> {
        caller.need(Permission::See)?;
        let event = self.store.device_event(id).await?.ok_or_else(no_event)?;
        self.reached_device(caller, event.device).await.map_err(|error| unreached(error, no_event))?;
        Ok(Arc::new(event))
    }

    /// Events that the caller reaches, by time. `Forbidden`, also for a device that names none, `DeviceNotFound`.
    pub async fn device_events(
        &self,
        caller: &UserCaller,
        query: &DeviceEventQuery,
        page: PageRequest,
    ) -> Result<Page<DeviceEvent>> {
        caller.need(Permission::See)?;
        let filter = self.event_filter(caller, query).await?;
        self.store.device_events(&filter, page).await
    }

    /// Deletes an event. `Forbidden`, `ResourceNotFound`.
    pub async fn delete_event(&self, caller: &UserCaller, id: DeviceEventId) -> Result<()> {
        caller.need(Permission::Speak)?;
        self.device_event(caller, id).await?;
        let mut whole = self.without_file(BinaryOf::Event(id)).await?;
        whole.writes.push(Write::DeleteDeviceEvent(id));
        self.store.commit(whole).await.map(|_| ())
    }

    /// Deletes all events that match. `Forbidden`, `DeviceNotFound`, `Overloaded` where there are more than one call deletes.
    pub async fn delete_events(&self, caller: &UserCaller, query: &DeviceEventQuery) -> Result<()> {
        caller.need(Permission::Speak)?;
        let filter = self.event_filter(caller, query).await?;
        for _ in 0..SLICES {
            let some = self.store.device_events(&filter, PageRequest { no: 0, size: SLICE }).await?.items;
            if some.is_empty() {
                return Ok(());
            }
            self.store.commit(batch(some.iter().map(|event| Write::DeleteDeviceEvent(event.id)).collect(), vec![])).await?;
        }
        Err(Error::new(Cause::Overloaded, "there are more events than one call deletes; call again"))
    }

    async fn event_filter(&self, caller: &UserCaller, query: &DeviceEventQuery) -> Result<DeviceEventFilter> {
        let device = self.device_or_all(caller, query.device).await?;
        let DeviceEventQuery { kind, fragment, from, to, sort, .. } = query.clone();
        Ok(DeviceEventFilter { account: caller.account(), device, kind, fragment, from, to, sort })
    }
}

impl Said {
    /// Keeps and tells an event, unless its device is muted.
    fn event(&mut self, device: &Device, event: &DeviceEvent) {
        if !device.mute {
            let event = Box::new(event.clone());
            self.batch.writes.push(Write::DeviceEvent(event.clone()));
            self.batch.events.push(device_event(device, event.modified_at, EventBody::DeviceEvent(event)));
        }
    }
}

fn decide_told(device: &Device, new: &NewDeviceEvent, id: DeviceEventId, now: Time) -> DeviceEvent {
    DeviceEvent {
        id,
        account: device.account,
        version: 1,
        device: device.id,
        kind: new.kind.clone(),
        text: new.text.clone(),
        at: new.at.unwrap_or(now),
        fragments: Value::Object(new.fragments.clone()).to_string(),
        created_at: now,
        modified_at: now,
    }
}

fn decide_changed(event: &DeviceEvent, change: &DeviceEventChange, now: Time) -> Result<DeviceEvent> {
    let fragments = merged(&event.fragments, &change.fragments);
    if fragments.len() > FRAGMENTS {
        return Err(too_long());
    }
    let text = change.text.clone().unwrap_or_else(|| event.text.clone());
    Ok(DeviceEvent { version: event.version + 1, text, fragments, modified_at: now, ..event.clone() })
}

fn no_event() -> Error {
    Error::new(Cause::ResourceNotFound, "there is no such event")
}
