//! Devices that an agent serves: commands wait for them at any time, and desired values never reach them.

use super::check_form;
use crate::{Core, Wake};
use landfall_model::{Cause, Device, Error, Product, Result};
use std::sync::Arc;

impl Core {
    /// There may be work for a device; an agent before it takes that in its place.
    pub(super) fn wake_for_work(&self, device: &Device) {
        self.live.wake(device.id, Wake::Work);
        if let Some(gateway) = device.gateway {
            self.live.wake(gateway, Wake::Work);
        }
    }

    pub(super) async fn product_if_any(&self, device: &Device) -> Result<Option<Arc<Product>>> {
        match device.product {
            Some(id) => self.store.product(id).await,
            None => Ok(None),
        }
    }

    /// The parameters of a command for a device without a product: what an agent makes of a service is its own matter, others have none.
    pub(super) async fn check_free_call<'a>(
        &self,
        device: &Device,
        (service_id, method): (&str, &str),
        paras: &'a str,
    ) -> Result<&'a str> {
        if !self.is_operated(device).await? {
            return Err(Error::new(Cause::ServiceNotFound, "the device has no product"));
        }
        check_form(method, paras)?;
        if !(1..=64).contains(&service_id.chars().count()) {
            return Err(Error::invalid("command.serviceId", "must be 1 to 64 characters"));
        }
        let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(paras);
        object.map(|_| paras).map_err(|_| Error::invalid("command.paras", "must be an object"))
    }

    /// Whether an agent serves the device: a user owns it, or the device before it.
    pub(super) async fn is_operated(&self, device: &Device) -> Result<bool> {
        if device.owner.is_some() {
            return Ok(true);
        }
        let Some(gateway) = device.gateway else { return Ok(false) };
        Ok(self.store.device(gateway).await?.is_some_and(|gateway| gateway.owner.is_some()))
    }

    /// Whether commands can reach the device, which those of an agent always can; a refusal leaves a why record.
    pub(super) async fn check_takes_commands(
        &self,
        device: &Device,
        product: Option<&Product>,
        step: &'static str,
    ) -> Result<()> {
        let taken = self.takes_commands(device, product).await;
        taken.inspect_err(|error| self.refused(device, step, error))
    }

    pub(super) async fn takes_commands(&self, device: &Device, product: Option<&Product>) -> Result<()> {
        if self.is_operated(device).await? { Ok(()) } else { self.takes_work(device, product).await }
    }

    /// Whether desired values can reach the device, which no agent takes; a refusal leaves a why record.
    pub(crate) async fn check_takes_desired(&self, device: &Device, product: &Product) -> Result<()> {
        let taken = match self.is_operated(device).await? {
            true => Err(Error::new(
                Cause::TakesNoWork,
                "the device is served by an agent, which takes commands and no desired values",
            )),
            false => self.takes_work(device, Some(product)).await,
        };
        taken.inspect_err(|error| self.refused(device, "shadow.access", error))
    }
}
