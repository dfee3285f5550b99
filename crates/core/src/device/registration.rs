//! Registrations (as LwM2M core, 6.2, has them): whose key it is, what outlives a restart, and when a lifetime is over.

use crate::{
    Core, DeviceCaller, Scope, Wake, batch,
    device::{
        info_changed,
        status::{self, Heard},
    },
    turns::Record,
};
use futures_util::future::try_join_all;
use landfall_model::{
    Batch, Cause, Device, DeviceId, DeviceInfo, Error, Observed, Registration, Result, SecureSession, StatusDetail, Time, Write,
};
use std::sync::Arc;

impl Core {
    /// The device whose pre-shared key goes with a name that means the same as this one. `DeviceNotFound`.
    pub async fn device_by_psk_identity(&self, identity: &str) -> Result<Arc<Device>> {
        let device = self.store.device_by_psk_identity(identity).await?;
        device.ok_or_else(|| Error::new(Cause::DeviceNotFound, "there is no device with this pre-shared key identity"))
    }

    /// A device registered or updated its registration: kept, ONLINE, and bound if this is the first time. Returns once it is durable.
    pub async fn register(&self, caller: &DeviceCaller, registration: Registration) -> Result<()> {
        self.decide(&[Record::Device(caller.device)], || {
            Box::pin(async {
                let device = self.caller_device(caller).await?;
                let mut whole = status::heard(&device, Heard::Speaking, self.now(), self.earliest());
                whole.writes.push(Write::Registration(Box::new(registration.clone())));
                Ok((whole, ()))
            })
        })
        .await
    }

    /// What is observed at a device, so that the rest is begun after a restart. Nothing is kept where its registration or the generation of its
    /// observations is over.
    pub async fn observes(&self, device: DeviceId, observed: Observed) -> Result<()> {
        self.store.commit(batch(vec![Write::Observed(device, observed)], vec![])).await.map(|_| ())
    }

    /// The registration of a device at a location is over, by its own wish or because its lifetime ended: OFFLINE. One that was made
    /// meanwhile stays.
    pub async fn deregister(&self, caller: &DeviceCaller, location: &str, detail: StatusDetail) -> Result<()> {
        self.decide(&[Record::Device(caller.device)], || {
            Box::pin(async {
                let Some(device) = self.store.device(caller.device).await? else { return Ok((Batch::default(), ())) };
                if self.store.registration(device.id).await?.is_some_and(|newer| newer.location != location) {
                    return Ok((Batch::default(), ()));
                }
                let mut whole = status::deregistered(&device, detail, self.now());
                whole.writes.push(Write::DeleteRegistration(device.id));
                Ok((whole, ()))
            })
        })
        .await
    }

    /// The registration of a device of the scope.
    pub async fn registration(&self, scope: &Scope, device: DeviceId) -> Result<Option<Registration>> {
        let device = self.device(scope, device).await?;
        self.store.registration(device.id).await
    }

    /// Takes what a device says of itself (objects 3 and 4) into its info, and tells deviceInfoChanged if that is new.
    pub async fn learn(&self, caller: &DeviceCaller, said: &DeviceInfo) -> Result<()> {
        self.decide(&[Record::Device(caller.device)], || {
            Box::pin(async {
                let device = self.caller_device(caller).await?;
                let mut info = (*device.info).clone();
                info.merge(said);
                if info == *device.info {
                    return Ok((Batch::default(), ()));
                }
                let now = self.now();
                let next = Device { version: device.version + 1, modified_at: now, info: Arc::new(info), ..(*device).clone() };
                Ok((info_changed(&device, &next, now), ()))
            })
        })
        .await
    }

    /// Keeps the state of secure sessions. Returns once it is durable.
    pub async fn keep_secure_sessions(&self, sessions: Vec<SecureSession>) -> Result<()> {
        let writes = sessions.into_iter().map(|session| Write::SecureSession(Box::new(session))).collect();
        self.store.commit(batch(writes, vec![])).await.map(|_| ())
    }

    /// Forgets a secure session.
    pub async fn drop_secure_session(&self, id: u64) -> Result<()> {
        self.store.commit(batch(vec![Write::DeleteSecureSession(id)], vec![])).await.map(|_| ())
    }

    /// Forgets all secure sessions; returns how many there were.
    pub async fn forget_secure_sessions(&self) -> Result<usize> {
        const ROUND: u32 = 10_000;
        let mut forgotten = 0;
        loop {
            let some = self.store.secure_sessions(None, ROUND).await?;
            if some.is_empty() {
                return Ok(forgotten);
            }
            forgotten += some.len();
            let writes = some.iter().map(|session| Write::DeleteSecureSession(session.id)).collect();
            self.store.commit(batch(writes, vec![])).await?;
        }
    }

    /// Ends registrations whose lifetime is over. Returns whether more is left.
    pub(crate) async fn end_lifetimes(&self, now: Time) -> Result<bool> {
        const ROUND: u32 = 500;
        let over = self.store.expired_registrations(now, ROUND).await?;
        let (mut left, mut ended) = (0, vec![]);
        for registration in &over {
            // Where a protocol holds it, that one alone changes it: a renewal may be under way.
            if self.live.wake(registration.device, Wake::LifetimeOver) {
                left += 1;
                continue;
            }
            let Some(device) = self.store.device(registration.device).await? else { continue };
            ended.push((self.device_caller(&device), &registration.location));
        }
        // Side by side, so that many share a transaction.
        try_join_all(ended.iter().map(|(caller, location)| self.deregister(caller, location, StatusDetail::TimeOut))).await?;
        Ok(over.len() as u32 == ROUND && left < ROUND)
    }
}
