//! The same login over HTTPS: clientId and password as HTTP Basic credentials (device-side section 8).

use super::{
    Mqtt,
    access::find,
    identity::{Kind, Login},
};
use landfall_core::DeviceCaller;
use landfall_model::{Cause, Error, Result};

impl Mqtt {
    /// The device behind a clientId and its password. `Unauthenticated`, or `DeviceNotFound` and `Forbidden` as a CONNECT would find.
    pub async fn authenticate(&self, client_id: &str, password: &str) -> Result<DeviceCaller> {
        let refused = |detail: &'static str| Error::new(Cause::Unauthenticated, detail);
        let login = Login::parse(client_id).map_err(refused)?;
        if login.kind == Kind::Claim {
            return Err(refused("the secret of a product is no credential of a device"));
        }
        let device = find(self, &login).await?;
        let secret = device.credentials.secret.as_ref().ok_or_else(|| refused("the device has no secret"))?;
        if !login.proves(secret, password.as_bytes()) || !login.is_fresh(self.core.now(), self.config.clock_tolerance_h) {
            return Err(refused("the password or its timestamp is wrong"));
        }
        Ok(self.core.device_caller(&device))
    }
}
