//! New keys for a device that is registered already (1.4.3).

use crate::{
    CloseCause, Core, Scope,
    device::{check_node_id, info_changed},
    turns::Record,
};
use landfall_model::{AccessMode, Cause, Device, DeviceId, DeviceStatus, Error, Result, Secret, StatusDetail, Write};
use std::sync::Arc;

/// What 1.4.3 asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshKey {
    /// New nodeId, 1 to 256 characters; absent: the old one.
    pub node_id: Option<String>,
    /// Echoed when given, else made; 1 to 256 characters.
    pub verify_code: Option<Secret>,
    /// Seconds within which the device must bind again, 0 for ever; absent: the server's default.
    pub timeout_s: Option<u32>,
}

/// What 1.4.3 answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Verification code.
    pub verify_code: Secret,
    /// Validity, seconds; 0 is for ever.
    pub timeout_s: u32,
}

impl Core {
    /// Gives a device a new nodeId or verification code; its id, data and commands stay. It must bind again within the timeout, else
    /// its registration ends (contract row 10).
    ///
    /// `DeviceNotFound`, `DeviceForeign`, `DeviceNotActive`, `DeviceOnline`, `NodeIdTaken`, `InvalidField`.
    pub async fn refresh_key(&self, scope: &Scope, id: DeviceId, request: RefreshKey) -> Result<NewKey> {
        if let Some(node_id) = &request.node_id {
            check_node_id(node_id)?;
        }
        if request.verify_code.as_ref().is_some_and(|code| !(1..=256).contains(&code.expose().chars().count())) {
            return Err(Error::invalid("verifyCode", "must be 1 to 256 characters"));
        }
        let timeout_s = request.timeout_s.unwrap_or(self.settings.code_timeout_s);
        if timeout_s > i32::MAX as u32 {
            return Err(Error::invalid("timeout", "must be 0 to 2147483647 seconds"));
        }
        let verify_code = request.verify_code.clone().unwrap_or_else(|| Secret::new(self.generated(10)));
        self.decide(&[Record::Device(id)], || {
            Box::pin(async {
                let device = self.device(scope, id).await?;
                if !device.activated {
                    return Err(Error::new(Cause::DeviceNotActive, "the device was never active, so it has no key to refresh"));
                }
                if device.status != DeviceStatus::Offline {
                    return Err(Error::new(Cause::DeviceOnline, "the device must be offline"));
                }
                let now = self.now();
                let mut next = Device {
                    version: device.version + 1,
                    modified_at: now,
                    node_id: request.node_id.clone().unwrap_or_else(|| device.node_id.clone()),
                    access: AccessMode::VerifyCode,
                    activated: false,
                    status: DeviceStatus::Inactive,
                    status_detail: StatusDetail::NotActive,
                    ..(*device).clone()
                };
                next.credentials.secret = None;
                next.credentials.verify_code = Some(verify_code.clone());
                next.credentials.code_timeout_s = Some(timeout_s);
                next.credentials.code_expires_at = (timeout_s > 0).then(|| self.end_of(timeout_s.into()));
                let mut whole = info_changed(&Arc::new(next), now);
                whole.writes.push(Write::DeleteRegistration(id));
                Ok((whole, ()))
            })
        })
        .await?;
        self.live.close(id, CloseCause::CredentialsChanged);
        Ok(NewKey { verify_code, timeout_s })
    }
}
