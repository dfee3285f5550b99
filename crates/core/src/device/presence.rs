//! Reachability: connections, silence and registrations that end (1.4.1, 1.4.9).

use crate::{
    Core, DeviceCaller, DeviceFilter, Due,
    device::status::{self, Heard},
    turns::Record,
};
use futures_util::future::{join_all, try_join_all};
use landfall_model::{Batch, Cause, DeviceId, DeviceStatus, Result, Sort, StatusDetail, Time};

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
                Ok((status::heard(&device, Heard::Connected, self.now(), self.earliest()), ()))
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
        let device = self.store.device(caller.device).await?;
        let Some(device) = device.filter(|device| device.connected && !self.live.connects(device.id)) else {
            return Ok((Batch::default(), None));
        };
        // A gateway is listed with those behind it.
        let behind = DeviceFilter { gateway: Some(device.id), sort: Sort::Ascending, ..DeviceFilter::of(device.account) };
        let slice = self.store.devices_after(&behind, after, SLICE).await?;
        Ok(status::disconnected(&device, &slice, SLICE as usize, self.now()))
    }

    /// Silent devices become ABNORMAL, then OFFLINE; registrations that were not activated in time and lifetimes end; calls that nobody
    /// answered free their `mid`; commands expire. Works in rounds of at most 500 devices and returns whether more is left.
    pub async fn sweep(&self) -> Result<bool> {
        let now = self.earliest();
        let abnormal = now.minus_s(self.settings.abnormal_after_s.into());
        let offline = now.minus_s(self.settings.offline_after_s.into());
        let mut more = false;
        for (due, next, detail) in [
            (Due::Silent(DeviceStatus::Abnormal, offline), DeviceStatus::Offline, StatusDetail::TimeOut),
            (Due::Silent(DeviceStatus::Online, offline), DeviceStatus::Offline, StatusDetail::TimeOut),
            (Due::Silent(DeviceStatus::Online, abnormal), DeviceStatus::Abnormal, StatusDetail::None),
        ] {
            let devices = self.store.due_devices(due, ROUND).await?;
            more |= devices.len() as u32 == ROUND;
            self.commit_each(devices.iter().map(|device| status::silent(device, next, detail, now))).await?;
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
        let mut work = Vec::with_capacity(ended.len());
        for device in &ended {
            let keep = !self.settings.delete_refreshed && device.heard_at.is_some();
            let mut whole = status::unbound(device, keep, now);
            if !keep {
                whole.merge(self.released(std::slice::from_ref(device), now).await?);
            }
            work.push(whole);
        }
        self.commit_each(work.into_iter()).await?;
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
            let gone = callers.iter().filter(|caller| !self.live.connects(caller.device));
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
