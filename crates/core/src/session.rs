//! Who a device is, for access protocols: lookups before a credential is checked, kept MQTT sessions, and self-registration.

use crate::{
    Core, DeviceCaller, batch,
    device::{added, bind_product, check_node_id, new_device},
};
use landfall_model::{AccessMode, Cause, Device, DeviceId, Error, Product, ProductId, Result, Secret, StoredSession, Write};
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

    /// The device that calls itself so.
    pub async fn device_by_node(&self, node_id: &str) -> Result<Arc<Device>> {
        let device = self.store.device_by_node(node_id).await?;
        device.ok_or_else(|| Error::new(Cause::DeviceNotFound, "there is no device of this nodeId"))
    }

    /// The product of one-model-one-secret access. `Forbidden` where it has no secret.
    pub async fn product_for_claim(&self, id: ProductId) -> Result<Arc<Product>> {
        let product = self.store.product(id).await?;
        let product = product.ok_or_else(|| Error::new(Cause::ProductNotFound, "there is no product of this id"))?;
        if product.secret.is_none() {
            return Err(Error::new(Cause::Forbidden, "the product does not allow one-model-one-secret access"));
        }
        Ok(product)
    }

    /// Gives a node of the product its own secret (device-side section 4, type 1), registering it if the product says for whom.
    ///
    /// `Forbidden` for a device that was active before (its secret must not go to whoever knows the product's), of another product, or
    /// where devices must be registered first.
    pub async fn claim(&self, product: &Product, node_id: &str) -> Result<(Arc<Device>, Secret)> {
        check_node_id(node_id)?;
        if let Some(device) = self.store.device_by_node(node_id).await? {
            let secret = device.credentials.secret.clone();
            return match secret {
                Some(secret) if device.product == Some(product.id) && !device.activated => Ok((device, secret)),
                _ => Err(Error::new(Cause::Forbidden, "the device is active already, or not of this product")),
            };
        }
        let app = product.auto_register;
        let app = app.ok_or_else(|| Error::new(Cause::Forbidden, "devices of the product must be registered first"))?;
        let now = self.now();
        let secret = Secret::new(self.generated(10));
        let mut device = new_device(DeviceId::from_random(self.random_16()), product.account, app, node_id.into(), now);
        device.access = AccessMode::Secret;
        device.credentials.secret = Some(secret.clone());
        device.credentials.psk = Some(Secret::new(self.generated(16)));
        bind_product(&mut device, product);
        self.store.commit(added(&device, now)).await?;
        Ok((Arc::new(device), secret))
    }

    /// The kept session of a device, unless it is over.
    pub async fn kept_session(&self, caller: &DeviceCaller) -> Result<Option<StoredSession>> {
        Ok(self.store.session(caller.device).await?.filter(|session| session.expires_at > self.now()))
    }

    /// Keeps a session for `seconds` at most, cut to the server's limit. Returns once it is durable.
    pub async fn keep_session(&self, caller: &DeviceCaller, mut session: StoredSession, seconds: u32) -> Result<()> {
        session.device = caller.device;
        session.expires_at = self.now().plus_s(seconds.min(self.settings.session_s).into());
        self.store.commit(batch(vec![Write::Session(Box::new(session))], vec![])).await.map(|_| ())
    }

    /// Forgets the kept session of a device.
    pub async fn drop_session(&self, caller: &DeviceCaller) -> Result<()> {
        self.store.commit(batch(vec![Write::DeleteSession(caller.device)], vec![])).await.map(|_| ())
    }
}
