//! Alarms of devices: raised, counted, changed and cleared. A device has one open alarm of a kind.
//!
//! Who may is a user that reaches the device. What is said about a muted device is answered as if all were well, and nothing is kept (1.4.4).

pub(crate) mod event;

use crate::{Core, Permission, UserCaller, batch, device::status, device_event, store::AlarmFilter, turns::Record};
use landfall_model::{
    Alarm, AlarmId, AlarmStatus, Batch, Cause, Device, DeviceId, Error, EventBody, Page, PageRequest, Result, Role, Severity,
    Sort, Time, Write,
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, collections::HashMap, sync::Arc};

/// Alarms, or events, that one call may bring.
pub(crate) const AT_ONCE: usize = 1_000;
/// Alarms that a device may have open.
const OPEN: u64 = 1_000;
/// Alarms that a change of many changes with one commit.
const SLICE: u32 = 200;
/// Commits of a change of many.
const SLICES: u32 = 500;
/// Characters of a kind and of a text.
pub(crate) const KIND: usize = 256;
const TEXT: usize = 1_024;
/// Bytes of everything else.
pub(crate) const FRAGMENTS: usize = 65_536;

/// An alarm as it is raised.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAlarm {
    /// What is wrong, as a word; 1 to 256 characters.
    pub kind: String,
    /// For people, at most 1,024 characters.
    pub text: String,
    /// How bad it is.
    pub severity: Severity,
    /// Active if absent.
    pub status: Option<AlarmStatus>,
    /// When; now if absent.
    pub at: Option<Time>,
    /// Everything else.
    pub fragments: Map<String, Value>,
}

/// What of an alarm changes; `None` leaves what there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlarmChange {
    /// New status.
    pub status: Option<AlarmStatus>,
    /// New severity.
    pub severity: Option<Severity>,
    /// New text.
    pub text: Option<String>,
    /// Fragments that are set, or taken away where the value is null.
    pub fragments: Map<String, Value>,
}

/// Which alarms a user asks for; what is absent or empty does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlarmQuery {
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Of these kinds.
    pub kinds: Vec<String>,
    /// In one of these states.
    pub statuses: Vec<AlarmStatus>,
    /// Of one of these.
    pub severities: Vec<Severity>,
    /// Last raised at this time or later.
    pub from: Option<Time>,
    /// Last raised before this time.
    pub to: Option<Time>,
    /// Order.
    pub sort: Sort,
}

impl Core {
    /// Raises an alarm of a device: what is open of its kind counts up, and takes on the text and severity of the newest; else there is a new one.
    ///
    /// `Forbidden`, `DeviceNotFound`, `InvalidField`, `TooMany` where the device has 1,000 open ones.
    pub async fn raise_alarm(&self, caller: &UserCaller, device: DeviceId, new: NewAlarm) -> Result<Arc<Alarm>> {
        let raised = self.raise_alarms(caller, &[(device, new)]).await?;
        raised.into_iter().next().ok_or_else(|| Error::new(Cause::Internal, "an alarm that was raised is not there"))
    }

    /// Raises alarms in their order, all of them or none; errors as [`Core::raise_alarm`], the path of each field begins with the place of its alarm
    /// where there are several. At most 1,000.
    pub async fn raise_alarms(&self, caller: &UserCaller, all: &[(DeviceId, NewAlarm)]) -> Result<Vec<Arc<Alarm>>> {
        check_each(all, |new| check_said(&new.kind, &new.text, &new.fragments))?;
        let ids: Vec<AlarmId> = all.iter().map(|_| AlarmId::new(self.now(), self.random_16())).collect();
        let records: Vec<Record> = all.iter().map(|(device, _)| Record::Device(*device)).collect();
        self.decide(&records, || {
            Box::pin(async {
                let (mut said, mut open) = (Said::default(), HashMap::new());
                let mut raised = Vec::with_capacity(all.len());
                for ((device, new), id) in all.iter().zip(&ids) {
                    let device = self.heard_by(caller, *device, &mut said).await?;
                    let known = match open.get(&(device.id, &*new.kind)) {
                        Some(known) => Some(Arc::clone(known)),
                        None => self.store.open_alarm(device.id, &new.kind).await?.map(Arc::new),
                    };
                    if known.is_none() && !device.mute {
                        self.check_alarm_room(&device).await?;
                    }
                    let known = known.filter(|known: &Arc<Alarm>| known.status.is_open());
                    let alarm = Arc::new(decide_raised(&device, known.as_deref(), new, *id, self.now()));
                    said.alarm(&device, &alarm);
                    open.insert((device.id, &*new.kind), Arc::clone(&alarm));
                    raised.push(alarm);
                }
                Ok((said.batch, raised))
            })
        })
        .await
    }

    /// Changes an alarm. `Forbidden`, `ResourceNotFound`, `InvalidField`, `ResourceExists` where it would be open beside another one of its kind.
    pub async fn change_alarm(&self, caller: &UserCaller, id: AlarmId, change: &AlarmChange) -> Result<Arc<Alarm>> {
        let device = self.alarm(caller, id).await?.device;
        self.change_found(caller, device, Which::Id(id), change).await
    }

    /// Changes the open alarm of a kind that a device has. `Forbidden`, `DeviceNotFound`, `ResourceNotFound` where it has none, `InvalidField`.
    pub async fn change_alarm_of_kind(
        &self,
        caller: &UserCaller,
        device: DeviceId,
        kind: &str,
        change: &AlarmChange,
    ) -> Result<Arc<Alarm>> {
        self.change_found(caller, device, Which::Kind(kind), change).await
    }

    /// Clears the open alarm of a kind that a device has; errors as [`Core::change_alarm_of_kind`].
    pub async fn clear_alarm_of_kind(&self, caller: &UserCaller, device: DeviceId, kind: &str) -> Result<Arc<Alarm>> {
        let change = AlarmChange { status: Some(AlarmStatus::Cleared), ..AlarmChange::default() };
        self.change_alarm_of_kind(caller, device, kind, &change).await
    }

    async fn change_found(
        &self,
        caller: &UserCaller,
        device: DeviceId,
        which: Which<'_>,
        change: &AlarmChange,
    ) -> Result<Arc<Alarm>> {
        check_text(change.text.as_deref().unwrap_or_default())?;
        self.decide(&[Record::Device(device)], || {
            Box::pin(async move {
                let mut said = Said::default();
                let device = self.heard_by(caller, device, &mut said).await?;
                let found = match which {
                    Which::Id(id) => self.store.alarm(id).await?,
                    Which::Kind(kind) => self.store.open_alarm(device.id, kind).await?,
                };
                let found = found.ok_or_else(no_alarm)?;
                let open = self.store.open_alarm(device.id, &found.kind).await?;
                let next = Arc::new(decide_changed(&found, open.as_ref(), change, self.now())?);
                said.alarm(&device, &next);
                Ok((said.batch, next))
            })
        })
        .await
    }

    /// Gives all alarms that match a status; returns how many changed. One that is cleared is not opened again in this way.
    ///
    /// `Forbidden`, `DeviceNotFound`, `Overloaded` where more change meanwhile than can be followed.
    pub async fn change_alarms(&self, caller: &UserCaller, query: &AlarmQuery, status: AlarmStatus) -> Result<u64> {
        caller.need(Permission::Speak)?;
        let mut filter = self.alarm_filter(caller, query).await?;
        let wanted =
            |one: &AlarmStatus| *one != status && one.is_open() && (filter.statuses.is_empty() || filter.statuses.contains(one));
        filter.statuses = AlarmStatus::ALL.into_iter().filter(wanted).collect();
        if filter.statuses.is_empty() {
            return Ok(0);
        }
        let mut changed = 0;
        for _ in 0..SLICES {
            let n = self.decide(&[], || Box::pin(self.change_slice(&filter, status))).await?;
            changed += n;
            if n == 0 {
                return Ok(changed);
            }
        }
        Err(Error::new(Cause::Overloaded, "there are more alarms than one call changes; call again"))
    }

    async fn change_slice(&self, filter: &AlarmFilter, status: AlarmStatus) -> Result<(Batch, u64)> {
        let some = self.store.alarms(filter, PageRequest { no: 0, size: SLICE }).await?.items;
        let change = AlarmChange { status: Some(status), ..AlarmChange::default() };
        let mut said = Said::default();
        for alarm in &some {
            let Some(device) = self.store.device(alarm.device).await? else { continue };
            said.put(&device, &decide_changed(alarm, None, &change, self.now())?);
        }
        let n = said.batch.writes.len() as u64;
        Ok((said.batch, n))
    }

    /// One alarm of a device that the caller reaches. `Forbidden`, `ResourceNotFound`.
    pub async fn alarm(&self, caller: &UserCaller, id: AlarmId) -> Result<Arc<Alarm>> {
        caller.need(Permission::See)?;
        let alarm = self.store.alarm(id).await?.ok_or_else(no_alarm)?;
        self.reached_device(caller, alarm.device).await.map_err(|error| unreached(error, no_alarm))?;
        Ok(Arc::new(alarm))
    }

    /// Alarms that the caller reaches, by the time they were last raised. `Forbidden`, also for a device that names none, `DeviceNotFound`.
    pub async fn alarms(&self, caller: &UserCaller, query: &AlarmQuery, page: PageRequest) -> Result<Page<Alarm>> {
        caller.need(Permission::See)?;
        let filter = self.alarm_filter(caller, query).await?;
        self.store.alarms(&filter, page).await
    }

    /// Deletes an alarm. `Forbidden`, `ResourceNotFound`.
    pub async fn delete_alarm(&self, caller: &UserCaller, id: AlarmId) -> Result<()> {
        caller.need(Permission::Speak)?;
        self.alarm(caller, id).await?;
        self.store.commit(batch(vec![Write::DeleteAlarm(id)], vec![])).await.map(|_| ())
    }

    /// Deletes all alarms that match; errors as [`Core::change_alarms`].
    pub async fn delete_alarms(&self, caller: &UserCaller, query: &AlarmQuery) -> Result<()> {
        caller.need(Permission::Speak)?;
        let filter = self.alarm_filter(caller, query).await?;
        for _ in 0..SLICES {
            let some = self.store.alarms(&filter, PageRequest { no: 0, size: SLICE }).await?.items;
            if some.is_empty() {
                return Ok(());
            }
            self.store.commit(batch(some.iter().map(|alarm| Write::DeleteAlarm(alarm.id)).collect(), vec![])).await?;
        }
        Err(Error::new(Cause::Overloaded, "there are more alarms than one call deletes; call again"))
    }

    /// Of each of these devices that has one, the newest alarm that is not cleared.
    pub async fn newest_alarms(&self, devices: &[DeviceId]) -> Result<BTreeMap<DeviceId, Alarm>> {
        let found = self.store.newest_open_alarms(devices).await?;
        Ok(found.into_iter().map(|alarm| (alarm.device, alarm)).collect())
    }

    async fn alarm_filter(&self, caller: &UserCaller, query: &AlarmQuery) -> Result<AlarmFilter> {
        let device = self.device_or_all(caller, query.device).await?;
        let AlarmQuery { kinds, statuses, severities, from, to, sort, .. } = query.clone();
        Ok(AlarmFilter { account: caller.account(), device, kinds, statuses, severities, from, to, sort })
    }

    /// The device that is asked for, or the whole account of who may see all of it.
    async fn device_or_all(&self, caller: &UserCaller, device: Option<DeviceId>) -> Result<Option<DeviceId>> {
        match device {
            Some(id) => Ok(Some(self.reached_device(caller, id).await?.id)),
            None => caller.scope().map(|_| None),
        }
    }

    /// The device that a caller speaks for; what a device says itself is a sign of life.
    async fn heard_by(&self, caller: &UserCaller, id: DeviceId, said: &mut Said) -> Result<Arc<Device>> {
        let (_, device) = self.speak_for(caller, id).await?;
        if caller.user().role == Role::Device && !device.mute && said.heard(id) {
            said.batch.merge(status::heard(&device, status::Heard::Speaking, self.now(), self.earliest()));
        }
        Ok(device)
    }

    async fn check_alarm_room(&self, device: &Device) -> Result<()> {
        let statuses = vec![AlarmStatus::Active, AlarmStatus::Acknowledged];
        let open = AlarmFilter { device: Some(device.id), statuses, ..AlarmFilter::of(device.account) };
        if self.store.newest_open_alarms(&[device.id]).await?.is_empty() {
            return Ok(());
        }
        match self.store.alarms(&open, PageRequest { no: 0, size: 1 }).await?.total {
            ..OPEN => Ok(()),
            _ => Err(Error::new(Cause::TooMany, format!("the device has {OPEN} open alarms; clear some"))),
        }
    }
}

/// How an alarm that is to be changed is found.
#[derive(Clone, Copy)]
enum Which<'a> {
    Id(AlarmId),
    Kind(&'a str),
}

/// What is written of what was said.
#[derive(Default)]
struct Said {
    batch: Batch,
    heard: Vec<DeviceId>,
}

impl Said {
    /// Whether the device is heard for the first time.
    fn heard(&mut self, device: DeviceId) -> bool {
        let first = !self.heard.contains(&device);
        self.heard.push(device);
        first
    }

    /// Keeps and tells an alarm, unless its device is muted.
    fn alarm(&mut self, device: &Device, alarm: &Alarm) {
        if !device.mute {
            self.put(device, alarm);
        }
    }

    fn put(&mut self, device: &Device, alarm: &Alarm) {
        let alarm = Box::new(alarm.clone());
        self.batch.writes.push(Write::Alarm(alarm.clone()));
        self.batch.events.push(device_event(device, alarm.modified_at, EventBody::AlarmChanged(alarm)));
    }
}

/// The alarm once it is raised anew, beside the open one of its kind.
fn decide_raised(device: &Device, open: Option<&Alarm>, new: &NewAlarm, id: AlarmId, now: Time) -> Alarm {
    let at = new.at.unwrap_or(now);
    let Some(known) = open else {
        return Alarm {
            id,
            account: device.account,
            version: 1,
            device: device.id,
            kind: new.kind.clone(),
            text: new.text.clone(),
            severity: new.severity,
            status: new.status.unwrap_or(AlarmStatus::Active),
            count: 1,
            first_at: at,
            at,
            fragments: Value::Object(new.fragments.clone()).to_string(),
            created_at: now,
            modified_at: now,
        };
    };
    let mut next = Alarm {
        version: known.version + 1,
        count: known.count.saturating_add(1),
        first_at: known.first_at.min(at),
        modified_at: now,
        ..known.clone()
    };
    if at >= known.at {
        next.at = at;
        next.severity = new.severity;
        next.text.clone_from(&new.text);
        next.fragments = merged(&known.fragments, &new.fragments);
        // Raised again, it stays acknowledged.
        next.status = new.status.filter(|status| *status != AlarmStatus::Active).unwrap_or(known.status);
    }
    next
}

/// The alarm once it is changed; `open` is the open one of its kind.
fn decide_changed(alarm: &Alarm, open: Option<&Alarm>, change: &AlarmChange, now: Time) -> Result<Alarm> {
    let status = change.status.unwrap_or(alarm.status);
    if status.is_open() && open.is_some_and(|other| other.id != alarm.id) {
        return Err(
            Error::new(Cause::ResourceExists, "the device has another alarm of this type that is not cleared").at("status")
        );
    }
    let fragments = merged(&alarm.fragments, &change.fragments);
    if fragments.len() > FRAGMENTS {
        return Err(too_long());
    }
    Ok(Alarm {
        version: alarm.version + 1,
        status,
        severity: change.severity.unwrap_or(alarm.severity),
        text: change.text.clone().unwrap_or_else(|| alarm.text.clone()),
        fragments,
        modified_at: now,
        ..alarm.clone()
    })
}

/// Fragments with some set, or taken away where they are null.
fn merged(fragments: &str, change: &Map<String, Value>) -> String {
    if change.is_empty() {
        return fragments.to_owned();
    }
    let mut all: Map<String, Value> = serde_json::from_str(fragments).unwrap_or_default();
    for (name, value) in change {
        match value {
            Value::Null => drop(all.remove(name)),
            value => drop(all.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(all).to_string()
}

/// Checks each of several; where there are several, the path begins with the place.
pub(crate) fn check_each<T>(all: &[(DeviceId, T)], check: impl Fn(&T) -> Result<()>) -> Result<()> {
    if all.len() > AT_ONCE {
        return Err(Error::new(Cause::TooMany, format!("at most {AT_ONCE} are taken at once")));
    }
    for (place, (_, one)) in all.iter().enumerate() {
        check(one).map_err(|error| within(place, all.len(), error))?;
    }
    Ok(())
}

/// The error with the place of what it is about, where there are several.
pub(crate) fn within(place: usize, of: usize, error: Error) -> Error {
    match &error.path {
        Some(path) if of > 1 => {
            let path = format!("{place}.{path}");
            error.at(path)
        }
        _ => error,
    }
}

/// What alarms and events have in common.
fn check_said(kind: &str, text: &str, fragments: &Map<String, Value>) -> Result<()> {
    check_kind(kind)?;
    check_text(text)?;
    match Value::Object(fragments.clone()).to_string().len() {
        ..=FRAGMENTS => Ok(()),
        _ => Err(too_long()),
    }
}

pub(crate) fn check_kind(kind: &str) -> Result<()> {
    if kind.is_empty() || kind.chars().count() > KIND {
        return Err(Error::invalid("type", format!("must have 1 to {KIND} characters")));
    }
    Ok(())
}

fn check_text(text: &str) -> Result<()> {
    if text.chars().count() > TEXT {
        return Err(Error::invalid("text", format!("must have at most {TEXT} characters")));
    }
    Ok(())
}

fn too_long() -> Error {
    Error::new(Cause::InvalidField, format!("the fragments must have at most {FRAGMENTS} bytes together"))
}

fn no_alarm() -> Error {
    Error::new(Cause::ResourceNotFound, "there is no such alarm")
}

/// What belongs to a device that is not reached is as if it were not there.
fn unreached(error: Error, unknown: impl Fn() -> Error) -> Error {
    if error.cause == Cause::DeviceNotFound { unknown() } else { error }
}

#[cfg(test)]
mod tests;
