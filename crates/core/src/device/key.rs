//! New keys for a device that is registered already (1.4.3).

use crate::{
    CloseCause, Core, Scope,
    device::{check_node_id, info_changed},
    turns::Record,
};
use landfall_model::{AccessMode, Cause, Device, DeviceId, DeviceStatus, Error, Result, Secret, StatusDetail, Time, Write};

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
                let now = self.now();
                let code = Code { text: verify_code.clone(), timeout_s, ends: self.end_of(timeout_s.into()) };
                let next = refreshed(&device, request.node_id.as_deref(), &code, now)?;
                let mut whole = info_changed(&device, &next, now);
                whole.writes.push(Write::DeleteRegistration(id));
                Ok((whole, ()))
            })
        })
        .await?;
        self.live.close(id, CloseCause::CredentialsChanged);
        Ok(NewKey { verify_code, timeout_s })
    }
}

/// A verification code, and when it is over.
struct Code {
    text: Secret,
    /// Seconds; 0 is for ever.
    timeout_s: u32,
    ends: Time,
}

/// The device as it waits to be bound anew. `DeviceNotActive`, `DeviceOnline`.
fn refreshed(device: &Device, node_id: Option<&str>, code: &Code, now: Time) -> Result<Device> {
    if !device.activated && !device.credentials.refreshed {
        return Err(Error::new(Cause::DeviceNotActive, "the device was never active, so it has no key to refresh"));
    }
    if matches!(device.status, DeviceStatus::Online | DeviceStatus::Abnormal) {
        return Err(Error::new(Cause::DeviceOnline, "the device must be offline"));
    }
    let mut next = Device {
        version: device.version + 1,
        modified_at: now,
        access: AccessMode::VerifyCode,
        activated: false,
        status: DeviceStatus::Inactive,
        status_detail: StatusDetail::NotActive,
        ..device.clone()
    };
    next.node_id = node_id.map_or(next.node_id, str::to_owned);
    next.credentials.refreshed = true;
    next.credentials.secret = None;
    next.credentials.verify_code = Some(code.text.clone());
    next.credentials.code_timeout_s = Some(code.timeout_s);
    next.credentials.code_expires_at = (code.timeout_s > 0).then_some(code.ends);
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{AccountId, AppId};

    #[test]
    fn only_a_device_that_was_active_and_is_away_waits_to_be_bound_anew() {
        let (account, app) = (AccountId::from_random([1; 16]), AppId::from_random([2; 16]));
        let new = landfall_model::Device::new(DeviceId::from_random([3; 16]), account, app, "old", Time(0));
        for (activated, status, timeout_s, outcome) in [
            (false, DeviceStatus::Inactive, 60, Err(Cause::DeviceNotActive)),
            (true, DeviceStatus::Online, 60, Err(Cause::DeviceOnline)),
            (true, DeviceStatus::Abnormal, 60, Err(Cause::DeviceOnline)),
            (true, DeviceStatus::Offline, 60, Ok(Some(Time(99)))),
            (true, DeviceStatus::Offline, 0, Ok(None)),
            (true, DeviceStatus::Inactive, 60, Ok(Some(Time(99)))),
        ] {
            let mut device = Device { activated, status, ..new.clone() };
            device.credentials.secret = Some(Secret::new("old"));
            let code = Code { text: Secret::new("code"), timeout_s, ends: Time(99) };
            let next = refreshed(&device, None, &code, Time(9));
            let ends = next.as_ref().map(|next| next.credentials.code_expires_at).map_err(|error| error.cause);
            assert_eq!(ends, outcome, "{activated} {status:?} {timeout_s}");
            let Ok(next) = next else { continue };
            assert_eq!((next.activated, next.status, next.node_id.as_str()), (false, DeviceStatus::Inactive, "old"));
            assert_eq!((next.credentials.secret.is_none(), next.version, next.modified_at), (true, 2, Time(9)));
            assert_eq!(refreshed(&device, Some("new"), &code, Time(9)).unwrap().node_id, "new");
            let again = refreshed(&next, Some("again"), &code, Time(10)).unwrap();
            assert_eq!((again.node_id.as_str(), again.version), ("again", 3), "before it has bound");
        }
    }
}
