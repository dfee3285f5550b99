//! Who a device is, for access protocols: lookups before a credential is checked, and kept sessions.

use crate::{Core, DeviceCaller, batch};
use landfall_model::{Cause, Device, DeviceId, Error, Result, StoredSession, Write};
use std::sync::Arc;

impl Core {
    /// The device of this id. `DeviceNotFound` for an unknown one, `Forbidden` for one that was deleted.
    pub async fn device_by_id(&self, id: DeviceId) -> Result<Arc<Device>> {
        if let Some(device) = self.store.device(id).await? {
            return Ok(device);
        }
        if self.store.was_deleted(id).await? {
            return Err(Error::new(Cause::Forbidden, "the device was deleted"));
        }
        Err(Error::new(Cause::DeviceNotFound, "there is no device of this id"))
    }

    /// The device whose nodeId means the same as this name. `DeviceNotFound`.
    pub async fn device_by_node(&self, node_id: &str) -> Result<Arc<Device>> {
        let device = self.store.device_by_node(node_id).await?;
        device.ok_or_else(|| Error::new(Cause::DeviceNotFound, "there is no device of this nodeId"))
    }

    /// The kept session of a device, unless it is over.
    pub async fn kept_session(&self, caller: &DeviceCaller) -> Result<Option<StoredSession>> {
        Ok(self.store.session(caller.device).await?.filter(|session| session.expires_at > self.earliest()))
    }

    /// Keeps a session for `seconds` at most, cut to the server's limit. Returns once it is durable.
    pub async fn keep_session(&self, caller: &DeviceCaller, mut session: StoredSession, seconds: u32) -> Result<()> {
        session.device = caller.device;
        session.expires_at = self.end_of(seconds.min(self.settings.session_s).into());
        self.store.commit(batch(vec![Write::Session(Box::new(session))], vec![])).await.map(|_| ())
    }

    /// Forgets the kept session of a device.
    pub async fn drop_session(&self, caller: &DeviceCaller) -> Result<()> {
        self.store.commit(batch(vec![Write::DeleteSession(caller.device)], vec![])).await.map(|_| ())
    }
}
