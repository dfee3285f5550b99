//! Binding by verification code, and the devices behind a gateway (device-side sections 3 and 8).

use crate::{
    CloseCause, Core, DeviceCaller, ProductRef, Scope, batch,
    device::{
        bind_product, check_node_id,
        deletion::delete,
        fill_info, info_changed,
        status::{self, activate},
    },
    turns::Record,
};
use landfall_model::{
    AccessMode, Batch, Cause, Device, DeviceId, DeviceInfo, DeviceLimit, DeviceStatus, Error, ErrorKind, NodeType, Product,
    Result, Secret, StatusDetail, Time, Write,
};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// A device that wants to exchange its verification code for a secret.
#[derive(Clone, Debug, PartialEq)]
pub struct BindRequest {
    /// Verification code.
    pub verify_code: Secret,
    /// Node id.
    pub node_id: String,
    /// Fields that fill what is still empty.
    pub info: DeviceInfo,
    /// The product of a device that has none yet.
    pub product: Option<ProductRef>,
}

impl Core {
    /// Binds a device: it gets a fresh secret and is active (device-side section 3). Tells bindDevice once.
    ///
    /// `DeviceNotFound` for an unknown node or a wrong code, alike; `Forbidden` for a code that is over or spent.
    pub async fn bind(&self, request: BindRequest) -> Result<(Arc<Device>, Secret)> {
        let secret = Secret::new(self.generated(10));
        let waiting = self.store.device_by_node(&request.node_id).await?.ok_or_else(unknown)?;
        let bound = self
            .decide(&[Record::Device(waiting.id)], || {
                Box::pin(async {
                    let device = self.store.device_by_node(&request.node_id).await?.ok_or_else(unknown)?;
                    let product = self.said_product(&device, request.product.as_ref()).await?;
                    exchange(&device, &request, product.as_deref(), &secret, self.now())
                })
            })
            .await?;
        self.live.close(bound.id, CloseCause::CredentialsChanged);
        Ok((bound, secret))
    }

    /// The product that a device without one says it is of. One that there is not leaves a why record: it is bound all the same.
    async fn said_product(&self, device: &Arc<Device>, said: Option<&ProductRef>) -> Result<Option<Arc<Product>>> {
        match self.named_product(device.account, said.filter(|_| device.product.is_none())).await {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => {
                self.refused(device, "bind.product", &error);
                Ok(None)
            }
            product => product,
        }
    }

    /// Adds a device behind the calling gateway and tells deviceAdded. `NodeIdTaken` where a device has a name that means the same,
    /// `DeviceLimit`, `TooMany`.
    pub async fn add_child(
        &self,
        gateway: &DeviceCaller,
        node_id: &str,
        product: Option<ProductRef>,
        info: DeviceInfo,
    ) -> Result<Arc<Device>> {
        check_node_id(node_id)?;
        let id = self.new_device_id();
        self.decide(&[Record::Device(gateway.device)], || {
            Box::pin(async {
                let parent = self.caller_device(gateway).await?;
                let product = self.named_product(parent.account, product.as_ref()).await?;
                let now = self.now();
                let mut child = Device::new(id, parent.account, parent.principals.clone(), node_id, now);
                child.access = AccessMode::Child;
                child.gateway = Some(parent.id);
                child.node_type = NodeType::Endpoint;
                child.info = Arc::new(info.clone());
                if let Some(product) = &product {
                    bind_product(&mut child, product);
                }
                let child = Arc::new(child);
                let error = Error::new(Cause::TooMany, "the gateway has as many devices behind it as it may");
                let (account, most) = (parent.account, self.settings.children);
                let limit = DeviceLimit { account, owner: parent.id.0, adding: 1, most, error };
                let mut whole = batch(self.device_limit(account, parent.app(), 1).await?, vec![]);
                whole.writes.push(Write::DeviceLimit(Box::new(limit)));
                // Whoever deletes the gateway at the same moment sees the child, or the child that it is gone.
                whole.writes.push(Write::Device(Box::new(Device { version: parent.version + 1, ..(*parent).clone() })));
                whole.merge(self.added(&child).await?);
                Ok((whole, child))
            })
        })
        .await
    }

    /// Adds a device behind a gateway in the name of an operator or application.
    pub async fn add_child_for(
        &self,
        scope: &Scope,
        gateway: DeviceId,
        node_id: &str,
        product: Option<ProductRef>,
        info: DeviceInfo,
    ) -> Result<Arc<Device>> {
        let parent = self.device(scope, gateway).await?;
        if parent.gateway.is_some() {
            return Err(Error::invalid("gatewayId", "is itself behind a gateway"));
        }
        self.add_child(&self.device_caller(&parent), node_id, product, info).await
    }

    /// Removes a device behind the calling gateway and tells deviceDeleted.
    pub async fn remove_child(&self, gateway: &DeviceCaller, id: DeviceId) -> Result<()> {
        self.decide(&[Record::Device(id)], || {
            Box::pin(async {
                let child = self.child_of(gateway, id).await?;
                let now = self.now();
                let mut whole = self.released(std::slice::from_ref(&child), now).await?;
                delete(&mut whole, &child, now);
                Ok((whole, ()))
            })
        })
        .await
    }

    /// Sets the status of the caller or of a device behind it (device-side section 8).
    pub async fn report_status(
        &self,
        caller: &DeviceCaller,
        id: DeviceId,
        status: DeviceStatus,
        detail: StatusDetail,
    ) -> Result<()> {
        self.decide(&[Record::Device(id)], || {
            Box::pin(async {
                let device = self.reachable(caller, id).await?;
                Ok((status::reported(&device, status, detail, self.now()), ()))
            })
        })
        .await
    }

    /// The record of the calling device. `Forbidden` once it was deleted.
    pub(crate) async fn caller_device(&self, caller: &DeviceCaller) -> Result<Arc<Device>> {
        let device = self.store.device(caller.device).await?;
        device.ok_or_else(|| Error::new(Cause::Forbidden, "the device was deleted"))
    }

    /// A device that the caller speaks for: itself, or one behind it. `DeviceNotFound` for all others.
    pub async fn reachable(&self, caller: &DeviceCaller, id: DeviceId) -> Result<Arc<Device>> {
        if id == caller.device {
            return self.caller_device(caller).await;
        }
        self.child_of(caller, id).await
    }

    async fn child_of(&self, caller: &DeviceCaller, id: DeviceId) -> Result<Arc<Device>> {
        let child = self.store.device(id).await?.filter(|device| device.gateway == Some(caller.device));
        child.ok_or_else(|| Error::new(Cause::DeviceNotFound, "is neither this device nor one behind it"))
    }
}

fn unknown() -> Error {
    Error::new(Cause::DeviceNotFound, "no device waits with this nodeId and verifyCode")
}

/// The verification code of a device is exchanged for a secret; the errors of [`Core::bind`].
fn exchange(
    device: &Device,
    request: &BindRequest,
    product: Option<&Product>,
    secret: &Secret,
    now: Time,
) -> Result<(Batch, Arc<Device>)> {
    let code = device.credentials.verify_code.as_ref().ok_or_else(unknown)?;
    if !bool::from(code.expose().as_bytes().ct_eq(request.verify_code.expose().as_bytes())) {
        return Err(unknown());
    }
    let spent = device.activated && device.credentials.code_timeout_s != Some(0);
    if spent || device.credentials.code_expires_at.is_some_and(|end| now >= end) {
        return Err(Error::new(Cause::Forbidden, "the verification code is over"));
    }
    let mut next = Device { version: device.version + 1, modified_at: now, ..device.clone() };
    next.credentials.secret = Some(secret.clone());
    next.credentials.code_expires_at = None;
    fill_info(Arc::make_mut(&mut next.info), request.info.clone());
    if let Some(product) = product {
        bind_product(&mut next, product);
    }
    let mut whole = Batch::default();
    activate(&mut next, &mut whole);
    whole.merge(info_changed(device, &next, now));
    Ok((whole, Arc::new(next)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{AccountId, AppId};

    #[test]
    fn a_code_is_exchanged_once_and_in_time() {
        let (now, later) = (Time(1_000), Some(Time(2_000)));
        let (account, app) = (AccountId::from_random([1; 16]), AppId::from_random([2; 16]));
        for (case, code, timeout_s, ends, activated, refused) in [
            ("in time", Some("code"), Some(60), later, false, None),
            ("no code", None, None, None, false, Some(Cause::DeviceNotFound)),
            ("another code", Some("other"), Some(60), later, false, Some(Cause::DeviceNotFound)),
            ("at its end", Some("code"), Some(60), Some(now), false, Some(Cause::Forbidden)),
            ("spent", Some("code"), Some(60), None, true, Some(Cause::Forbidden)),
            ("for ever", Some("code"), Some(0), None, true, None),
        ] {
            let mut device = Device::new(DeviceId::from_random([3; 16]), account, app, "n", Time(0));
            device.activated = activated;
            device.credentials.verify_code = code.map(Secret::new);
            (device.credentials.code_timeout_s, device.credentials.code_expires_at) = (timeout_s, ends);
            let (verify_code, info) = (Secret::new("code"), DeviceInfo::default());
            let request = BindRequest { verify_code, node_id: "n".into(), info, product: None };
            let done = exchange(&device, &request, None, &Secret::new("secret"), now);
            let Ok((whole, next)) = done else {
                assert_eq!(done.err().map(|error| error.cause), refused, "{case}");
                continue;
            };
            assert_eq!(refused, None, "{case}");
            assert_eq!(next.credentials.secret.as_ref().map(Secret::expose), Some("secret"), "{case}");
            assert_eq!((next.activated, next.version, next.credentials.code_expires_at), (true, 2, None), "{case}");
            assert_eq!(whole.events.len(), if activated { 1 } else { 2 }, "bound only the first time: {case}");
        }
    }
}
