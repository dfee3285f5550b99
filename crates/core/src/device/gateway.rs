//! Binding by verification code, and the devices behind a gateway (device-side sections 3 and 8).

use crate::{
    CloseCause, Core, DeviceCaller, ProductRef, Scope, batch,
    device::{added, bind_product, check_node_id, deletion::delete, fill_info, info_changed, new_device},
    device_event,
    turns::Record,
};
use landfall_model::{
    AccessMode, Batch, BindResult, Cause, Device, DeviceId, DeviceInfo, DeviceLimit, DeviceStatus, Error, EventBody, NodeType,
    Result, Secret, StatusDetail, Write,
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
}

impl Core {
    /// Binds a device: it gets a fresh secret and is active (device-side section 3). Tells bindDevice once.
    ///
    /// `DeviceNotFound` for an unknown node or a wrong code, alike; `Forbidden` for a code that is over or spent.
    pub async fn bind(&self, request: BindRequest) -> Result<(Arc<Device>, Secret)> {
        let unknown = || Error::new(Cause::DeviceNotFound, "no device waits with this nodeId and verifyCode");
        let secret = Secret::new(self.generated(10));
        let waiting = self.store.device_by_node(&request.node_id).await?.ok_or_else(unknown)?;
        let bound = self
            .decide(&[Record::Device(waiting.id)], || {
                Box::pin(async {
                    let device = self.store.device_by_node(&request.node_id).await?.ok_or_else(unknown)?;
                    let code = device.credentials.verify_code.as_ref().ok_or_else(unknown)?;
                    if !bool::from(code.expose().as_bytes().ct_eq(request.verify_code.expose().as_bytes())) {
                        return Err(unknown());
                    }
                    let now = self.now();
                    let spent = device.activated && device.credentials.code_timeout_s != Some(0);
                    if spent || device.credentials.code_expires_at.is_some_and(|end| now >= end) {
                        return Err(Error::new(Cause::Forbidden, "the verification code is over"));
                    }
                    let mut next = (*device).clone();
                    next.version += 1;
                    next.modified_at = now;
                    next.credentials.secret = Some(secret.clone());
                    next.credentials.code_expires_at = None;
                    fill_info(Arc::make_mut(&mut next.info), request.info.clone());
                    let mut whole = batch(vec![], vec![]);
                    activate(&mut next, &mut whole);
                    let changed = info_changed(&next, now);
                    whole.merge(changed);
                    Ok((whole, Arc::new(next)))
                })
            })
            .await?;
        self.live.close(bound.id, CloseCause::CredentialsChanged);
        Ok((bound, secret))
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
        let id = DeviceId::from_random(self.random_16());
        self.decide(&[Record::Device(gateway.device)], || {
            Box::pin(async {
                let parent = self.caller_device(gateway).await?;
                let scope = Scope { account: parent.account, app: parent.app(), by: None };
                let product = self.named_product(&scope, product.as_ref()).await?;
                let now = self.now();
                let mut child = new_device(id, parent.account, parent.principals.clone(), node_id.into(), now);
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
                whole.merge(added(&child, now));
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
                let mut whole = Batch::default();
                delete(&mut whole, &child, self.now());
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
                if device.status == status && device.status_detail == detail {
                    return Ok((Batch::default(), ()));
                }
                let now = self.now();
                let mut next =
                    Device { version: device.version + 1, modified_at: now, status, status_detail: detail, ..(*device).clone() };
                let mut whole = Batch::default();
                if status == DeviceStatus::Online {
                    activate(&mut next, &mut whole);
                }
                let changed = info_changed(&next, now);
                whole.merge(changed);
                Ok((whole, ()))
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

/// Marks a device as active; tells bindDevice the first time (1.4.7, 1.6.7.2).
pub(crate) fn activate(device: &mut Device, whole: &mut Batch) {
    if !device.activated {
        device.activated = true;
        device.credentials.code_expires_at = None;
        let body = EventBody::DeviceBound { result: BindResult::Succeeded, device: Box::new(device.view()) };
        whole.events.push(device_event(device, device.modified_at, body));
    }
}
