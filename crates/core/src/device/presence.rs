//! Reachability: connections, silence and registrations that end (1.4.1, 1.4.9).

use crate::{
    Core, DeviceCaller, DeviceFilter, Due, Takes, batch,
    device::{deletion::delete, gateway::activate, info_changed},
    device_event,
    turns::Record,
};
use futures_util::future::{join_all, try_join_all};
use landfall_model::{
    Batch, BindResult, Cause, Device, DeviceId, DeviceStatus, EventBody, Result, Sort, StatusDetail, Time, Write,
};
use std::sync::Arc;

/// Devices looked at in one round of background work.
const ROUND: u32 = 500;
/// Devices behind a gateway that one commit takes.
const SLICE: u32 = 200;

impl Core {
    /// A connection of the device was opened: ONLINE; the first time it is bound to its application.
    pub async fn connected(&self, caller: &DeviceCaller) -> Result<()> {
        self.decide(&[Record::Device(caller.device)], || {
            Box::pin(async {
                let device = self.caller_device(caller).await?;
                if device.connected && device.status == DeviceStatus::Online && device.activated {
                    return Ok((Batch::default(), ()));
                }
                Ok((went_online(&device, true, (self.now(), self.earliest())), ()))
            })
        })
        .await
    }

    /// The connection of a device is gone: it is OFFLINE, and so are the devices behind it. Does nothing if it holds another one by now.
    ///
    /// The devices behind it come first, a slice a commit, so that what stops it in between leaves a gateway that is to be disconnected again.
    pub async fn disconnected(&self, caller: &DeviceCaller) -> Result<()> {
        let mut after = None;
        for _ in 0..=self.settings.children / u64::from(SLICE) + 1 {
            after = self.decide(&[Record::Device(caller.device)], || Box::pin(self.disconnection(caller, after))).await?;
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The next devices behind a gateway, and where to go on; the gateway with the last of them.
    async fn disconnection(
        &self,
        caller: &DeviceCaller,
        after: Option<(Time, DeviceId)>,
    ) -> Result<(Batch, Option<(Time, DeviceId)>)> {
        let mut whole = Batch::default();
        let Some(device) = self.store.device(caller.device).await? else { return Ok((whole, None)) };
        if !device.connected || self.live.takes(device.id, Takes::Calls) {
            return Ok((whole, None));
        }
        let now = self.now();
        // A gateway is listed with those behind it.
        let behind = DeviceFilter { gateway: Some(device.id), sort: Sort::Ascending, ..DeviceFilter::of(device.account) };
        let slice = self.store.devices_after(&behind, after, SLICE).await?;
        let online = |child: &&Arc<Device>| matches!(child.status, DeviceStatus::Online | DeviceStatus::Abnormal);
        for child in slice.iter().filter(|child| child.id != device.id).filter(online) {
            whole.merge(went(child, DeviceStatus::Offline, StatusDetail::None, now));
        }
        let last = slice.last().filter(|_| slice.len() == SLICE as usize);
        if last.is_none() {
            whole.merge(went(&device, DeviceStatus::Offline, StatusDetail::None, now));
        }
        Ok((whole, last.map(|last| (last.created_at, last.id))))
    }

    /// Silent devices become ABNORMAL, then OFFLINE; registrations that were not activated in time and lifetimes end; calls that nobody
    /// answered free their `mid`; commands expire. Works in rounds of at most 500 devices and returns whether more is left.
    pub async fn sweep(&self) -> Result<bool> {
        let now = self.earliest();
        let abnormal = now.minus_s(self.settings.abnormal_after_s.into());
        let offline = now.minus_s(self.settings.offline_after_s.into());
        let mut more = false;
        for (due, status, detail) in [
            (Due::Silent(DeviceStatus::Abnormal, offline), DeviceStatus::Offline, StatusDetail::TimeOut),
            (Due::Silent(DeviceStatus::Online, offline), DeviceStatus::Offline, StatusDetail::TimeOut),
            (Due::Silent(DeviceStatus::Online, abnormal), DeviceStatus::Abnormal, StatusDetail::None),
        ] {
            let devices = self.store.due_devices(due, ROUND).await?;
            more |= devices.len() as u32 == ROUND;
            self.commit_each(devices.iter().map(|device| went_silent(device, status, detail, now))).await?;
        }
        more |= self.end_registrations(now).await?;
        more |= self.free_mids(now).await?;
        more |= self.end_commands(now).await?;
        more |= self.free_addresses().await?;
        more |= self.end_lifetimes(now).await?;
        self.end_pushes(now).await?;
        Ok(more)
    }

    async fn end_registrations(&self, now: Time) -> Result<bool> {
        let ended = self.store.due_devices(Due::Expired(now), ROUND).await?;
        let over = |device: &Arc<Device>| {
            let keep = !self.settings.delete_refreshed && device.heard_at.is_some();
            if keep { code_over(device, now) } else { expired(device, now) }
        };
        self.commit_each(ended.iter().map(over)).await?;
        Ok(ended.len() as u32 == ROUND)
    }

    /// After a start: devices that the last run left as connected and that did not come back are OFFLINE. Call once their clients had
    /// time to reconnect.
    pub async fn reconcile(&self) -> Result<()> {
        let mut after: Option<DeviceId> = None;
        loop {
            let devices = self.store.connected_devices(after, ROUND).await?;
            let Some(last) = devices.last() else { return Ok(()) };
            after = Some(last.id);
            let callers: Vec<_> = devices.iter().map(|device| self.device_caller(device)).collect();
            let gone = callers.iter().filter(|caller| !self.live.takes(caller.device, Takes::Calls));
            try_join_all(gone.map(|caller| self.disconnected(caller))).await?;
        }
    }

    /// Commits background work side by side, so that many pieces share a transaction; what moved meanwhile is left for the next round.
    pub(crate) async fn commit_each(&self, work: impl Iterator<Item = Batch> + Send) -> Result<()> {
        let commits: Vec<_> = work.map(|one| self.store.commit(one)).collect();
        let failed = join_all(commits).await.into_iter().filter_map(Result::err);
        failed.into_iter().find(|error| error.cause != Cause::Stale).map_or(Ok(()), Err)
    }
}

/// The device is heard, surely not before `earliest`: ONLINE, and bound if this is the first time.
pub(crate) fn went_online(device: &Arc<Device>, connected: bool, (now, earliest): (Time, Time)) -> Batch {
    let mut next = Device {
        version: device.version + 1,
        modified_at: now,
        status: DeviceStatus::Online,
        status_detail: StatusDetail::None,
        connected: connected || device.connected,
        heard_at: Some(earliest),
        ..(**device).clone()
    };
    let mut whole = batch(vec![], vec![]);
    activate(&mut next, &mut whole);
    let changed = info_changed(&next, now);
    whole.writes.extend(changed.writes);
    if device.status != DeviceStatus::Online {
        whole.events.extend(changed.events);
    }
    whole
}

pub(crate) fn went(device: &Arc<Device>, status: DeviceStatus, detail: StatusDetail, now: Time) -> Batch {
    let next = Device {
        version: device.version + 1,
        modified_at: now,
        status,
        status_detail: detail,
        connected: false,
        ..(**device).clone()
    };
    info_changed(&next, now)
}

fn went_silent(device: &Arc<Device>, status: DeviceStatus, detail: StatusDetail, now: Time) -> Batch {
    let next = Device { version: device.version + 1, modified_at: now, status, status_detail: detail, ..(**device).clone() };
    info_changed(&next, now)
}

/// A device whose key was refreshed did not bind in time: bindDevice expired, and it stays inactive.
fn code_over(device: &Arc<Device>, now: Time) -> Batch {
    let mut next = Device { version: device.version + 1, modified_at: now, ..(**device).clone() };
    next.credentials.code_expires_at = None;
    next.credentials.verify_code = None;
    let body = EventBody::DeviceBound { result: BindResult::Expired, device: Box::new(next.view()) };
    batch(vec![Write::Device(Box::new(next.clone()))], vec![device_event(&next, now, body)])
}

/// The period of a registration is over: bindDevice expired, then the record goes (contract section 4).
fn expired(device: &Arc<Device>, now: Time) -> Batch {
    let body = EventBody::DeviceBound { result: BindResult::Expired, device: Box::new(device.view()) };
    let mut whole = batch(vec![], vec![device_event(device, now, body)]);
    delete(&mut whole, device, now);
    whole
}
