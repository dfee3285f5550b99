//! Devices: registered, changed, listed and deleted by applications (1.4, 1.5.1, 1.5.2).

pub(crate) mod change;
pub(crate) mod claim;
pub(crate) mod deletion;
pub(crate) mod gateway;
pub(crate) mod history;
pub(crate) mod key;
pub(crate) mod presence;
pub(crate) mod registration;
pub(crate) mod session;
pub(crate) mod shadow;
pub(crate) mod status;

use crate::{CloseCause, Core, DeviceChange, DeviceFilter, DeviceState, Scope, batch, device_event, turns::Record};
use landfall_model::{
    AccessMode, AccountId, AppId, Batch, Cause, Credentials, Device, DeviceId, DeviceInfo, DeviceLimit, Error, EventBody,
    Identity, Page, PageRequest, Product, ProductKey, Result, Secret, Time, Write,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How a request names a product.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProductRef {
    /// By id.
    Id(String),
    /// By all five keys.
    Key(ProductKey),
}

/// A device to be registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegisterDevice {
    /// What the device calls itself, 1 to 256 characters; no other device of the server may have a name that means the same ([`Identity`]).
    pub node_id: String,
    /// How it is to prove who it is: `Secret` (1.4.2) or `VerifyCode` (1.4.1).
    pub access: AccessMode,
    /// Its product; may be given later (1.4.4).
    pub product: Option<ProductRef>,
    /// Descriptive fields; the keys of the product fill those that are absent.
    pub info: DeviceInfo,
    /// Echoed when given, else made.
    pub verify_code: Option<Secret>,
    /// 8 to 32 hex digits, an even number of them; made when absent.
    pub psk: Option<Secret>,
    /// Identity that goes with the key, 1 to 128 characters (RFC 4279, 5.1), as unique as the nodeId; absent: the nodeId.
    pub psk_identity: Option<String>,
    /// Echoed when given, else made.
    pub secret: Option<Secret>,
    /// Validity of a verification code in seconds, 0 for ever; absent: the server's default.
    pub timeout_s: Option<u32>,
    /// Encryption device.
    pub is_secure: bool,
}

impl RegisterDevice {
    /// What the names of the device will stand for, that of the nodeId first.
    pub fn identities(&self) -> Vec<Identity> {
        Identity::of_device(&self.node_id, self.psk_identity.as_deref())
    }
}

impl Core {
    /// Registers a device for the application of the scope (1.4.1, 1.4.2) and tells deviceAdded.
    ///
    /// `InvalidField`, `ProductNotFound`, `NodeIdTaken` (another device has a name that means the same as the nodeId or the pre-shared key
    /// identity), `DeviceLimit`.
    pub async fn register_device(&self, scope: &Scope, request: RegisterDevice) -> Result<Arc<Device>> {
        let device = self.plan_device(scope, &request).await?;
        let mut whole = batch(self.device_limit(device.account, device.app(), 1).await?, vec![]);
        whole.merge(self.added(&device).await?);
        self.store.commit(whole).await?;
        Ok(device)
    }

    /// Registers all of them or none, in one commit; the same errors.
    pub async fn register_devices(&self, scope: &Scope, requests: &[RegisterDevice]) -> Result<Vec<Arc<Device>>> {
        let (app, adding) = (scope.need_app()?, requests.len() as u64);
        self.check_device_limit(scope.account, app, adding).await?;
        let mut whole = batch(self.device_limit(scope.account, Some(app), adding).await?, vec![]);
        let mut devices = Vec::with_capacity(requests.len());
        for request in requests {
            let device = self.plan_device(scope, request).await?;
            whole.merge(self.added(&device).await?);
            devices.push(device);
        }
        self.store.commit(whole).await?;
        Ok(devices)
    }

    /// The device that [`Core::register_device`] would make, after all its checks except that its names are free ([`Core::check_names`]).
    pub async fn plan_device(&self, scope: &Scope, request: &RegisterDevice) -> Result<Arc<Device>> {
        let app = scope.need_app()?;
        check_registration(request)?;
        let product = self.named_product(scope.account, request.product.as_ref()).await?;
        self.check_device_limit(scope.account, app, 1).await?;
        Ok(Arc::new(self.planned_device(scope.account, app, request, product.as_deref())))
    }

    /// The device that a checked request makes.
    pub(crate) fn planned_device(
        &self,
        account: AccountId,
        app: AppId,
        request: &RegisterDevice,
        product: Option<&Product>,
    ) -> Device {
        let mut device = Device::new(self.new_device_id(), account, app, request.node_id.clone(), self.now());
        device.access = request.access;
        device.info = Arc::new(request.info.clone());
        device.credentials = self.first_credentials(request);
        if let Some(product) = product {
            bind_product(&mut device, product);
        }
        device
    }

    /// Whether the names of a device to be registered are free now. `NodeIdTaken` with the path of the first that is not.
    pub async fn check_names(&self, request: &RegisterDevice) -> Result<()> {
        for (identity, path) in request.identities().iter().zip(["nodeId", "pskIdentity"]) {
            if self.store.device_of(identity).await?.is_some() {
                return Err(Error::new(Cause::NodeIdTaken, "another device has a name that means the same").at(path));
            }
        }
        Ok(())
    }

    /// Whether the device that a name means is of the scope's account and was active: of others an account must not learn that.
    pub async fn is_bound(&self, scope: &Scope, node_id: &str) -> Result<bool> {
        let holder = self.store.device_by_node(node_id).await?;
        Ok(holder.is_some_and(|device| device.account == scope.account && device.activated))
    }

    fn first_credentials(&self, request: &RegisterDevice) -> Credentials {
        let psk = request.psk.clone().unwrap_or_else(|| Secret::new(self.generated(16)));
        let psk_identity = request.psk_identity.clone();
        let mut made = Credentials { psk: Some(psk), psk_identity, is_secure: request.is_secure, ..Credentials::default() };
        if request.access == AccessMode::Secret {
            made.secret = Some(request.secret.clone().unwrap_or_else(|| Secret::new(self.generated(10))));
        } else {
            let timeout_s = request.timeout_s.unwrap_or(self.settings.code_timeout_s);
            made.verify_code = Some(request.verify_code.clone().unwrap_or_else(|| Secret::new(self.generated(10))));
            made.code_timeout_s = Some(timeout_s);
            made.code_expires_at = (timeout_s > 0).then(|| self.end_of(timeout_s.into()));
        }
        made
    }

    /// Refuses early what [`Core::device_limit`] would refuse when it is written.
    pub(crate) async fn check_device_limit(&self, account: AccountId, app: AppId, adding: u64) -> Result<()> {
        let Some(limit) = self.most_devices(app).await? else { return Ok(()) };
        let filter = DeviceFilter { principal: Some(app), ..DeviceFilter::of(account) };
        if self.store.devices(&filter, PageRequest { no: 0, size: 1 }).await?.total.saturating_add(adding) > limit {
            return Err(limit_reached());
        }
        Ok(())
    }

    /// The check of `limits.devices` that goes into the batch before the devices, so that parallel registrations cannot pass it together.
    pub(crate) async fn device_limit(&self, account: AccountId, app: Option<AppId>, adding: u64) -> Result<Vec<Write>> {
        let Some(app) = app else { return Ok(vec![]) };
        let limit = self.most_devices(app).await?.map(|most| {
            let limit = DeviceLimit { account, owner: app.0, adding, most, error: limit_reached() };
            Write::DeviceLimit(Box::new(limit))
        });
        Ok(limit.into_iter().collect())
    }

    pub(crate) async fn most_devices(&self, app: AppId) -> Result<Option<u64>> {
        let own = self.store.app(app).await?.and_then(|app| app.limits.devices);
        Ok(own.or(self.settings.devices))
    }

    /// The product a request names, within the account; a key without the name of the manufacturer, which agents need not know (device-side
    /// section 8), must mean one. `ProductNotFound`, `InvalidField`.
    pub(crate) async fn named_product(&self, account: AccountId, named: Option<&ProductRef>) -> Result<Option<Arc<Product>>> {
        let found = match named {
            None => return Ok(None),
            Some(ProductRef::Id(text)) => match text.parse() {
                Ok(id) => self.store.product(id).await?.filter(|product| product.account == account),
                Err(_) => None,
            },
            Some(ProductRef::Key(key)) if key.manufacturer_name.is_empty() => {
                let mut found = self.store.products_by_model(account, key).await?;
                if found.len() > 1 {
                    return Err(Error::invalid("manufacturerName", "is needed: products differ in it alone"));
                }
                found.pop()
            }
            Some(ProductRef::Key(key)) => self.store.product_by_key(account, key).await?,
        };
        found.map(Some).ok_or_else(|| Error::new(Cause::ProductNotFound, "there is no such product"))
    }

    /// One device within the scope. `DeviceNotFound` where the server has none, `DeviceForeign` where it is somebody else's; an
    /// account must not be able to tell the two apart for devices of another account, so those are `DeviceNotFound`.
    pub async fn device(&self, scope: &Scope, id: DeviceId) -> Result<Arc<Device>> {
        let device = self.store.device(id).await?.filter(|device| device.account == scope.account);
        let device = device.ok_or_else(|| Error::new(Cause::DeviceNotFound, "there is no such device"))?;
        if !scope.covers(&device) {
            return Err(Error::new(Cause::DeviceForeign, "the device is of another application"));
        }
        Ok(device)
    }

    /// Newest values of a device of the scope.
    pub async fn device_state(&self, device: &Device) -> Result<DeviceState> {
        self.store.device_state(device.id).await
    }

    /// Devices of the scope that match; the filter's account and principal are set from the scope.
    pub async fn devices(&self, scope: &Scope, mut filter: DeviceFilter, page: PageRequest) -> Result<Page<Arc<Device>>> {
        filter.account = scope.account;
        filter.principal = scope.app.or(filter.principal);
        self.store.devices(&filter, page).await
    }

    /// Changes a device (1.4.4) and tells deviceInfoChanged. `NodeIdTaken` for a pre-shared key identity of another device.
    pub async fn modify_device(&self, scope: &Scope, id: DeviceId, change: DeviceChange) -> Result<Arc<Device>> {
        change::check(&change)?;
        let product = self.named_product(scope.account, change.product.as_ref()).await?;
        let rekeyed = change.psk.is_some() || change.psk_identity.is_some();
        let changed = self
            .decide(&[Record::Device(id)], || {
                Box::pin(async {
                    let device = self.device(scope, id).await?;
                    let product = match (&product, change::key_named(&device, &change)) {
                        (None, Some(key)) => self.store.product_by_key(scope.account, &key).await?,
                        _ => product.clone(),
                    };
                    let next = Arc::new(change::changed(&device, &change, product.as_deref(), self.now()));
                    Ok((info_changed(&device, &next, next.modified_at), next))
                })
            })
            .await?;
        if rekeyed {
            self.live.close(id, CloseCause::CredentialsChanged);
        }
        Ok(changed)
    }
}

pub(crate) fn limit_reached() -> Error {
    Error::new(Cause::DeviceLimit, "the application owns as many devices as it may")
}

/// The batch of a new device.
pub(crate) fn added(device: &Device, now: Time) -> Batch {
    let event = device_event(device, now, EventBody::DeviceAdded(Box::new(device.view())));
    batch(vec![Write::Device(Box::new(device.clone()))], vec![event])
}

/// Writes the device as it is and tells deviceInfoChanged with what is new of it.
pub(crate) fn info_changed(before: &Device, device: &Device, now: Time) -> Batch {
    let event = device_event(device, now, EventBody::DeviceInfoChanged(Box::new(device.news(before))));
    batch(vec![Write::Device(Box::new(device.clone()))], vec![event])
}

/// Takes product and keys into a device.
pub(crate) fn bind_product(device: &mut Device, product: &Product) {
    device.product = Some(product.id);
    let (info, key) = (Arc::make_mut(&mut device.info), &product.key);
    info.manufacturer_id = Some(key.manufacturer_id.clone());
    info.manufacturer_name = Some(key.manufacturer_name.clone());
    info.device_type = Some(key.device_type.clone());
    info.model = Some(key.model.clone());
    info.protocol_type = Some(key.protocol_type.clone());
}

/// Sets the fields that are still empty (device-side section 3: binding never overwrites northbound values).
pub(crate) fn fill_info(info: &mut DeviceInfo, new: DeviceInfo) {
    let mut filled = new;
    filled.merge(info);
    filled.end_user = info.end_user.take();
    filled.tags = std::mem::take(&mut info.tags);
    *info = filled;
}

pub(crate) fn check_registration(request: &RegisterDevice) -> Result<()> {
    check_node_id(&request.node_id)?;
    for (path, value) in [("verifyCode", &request.verify_code), ("secret", &request.secret)] {
        if value.as_ref().is_some_and(|v| v.expose().is_empty() || v.expose().chars().count() > 256) {
            return Err(Error::invalid(path, "must be 1 to 256 characters"));
        }
    }
    if let Some(psk) = &request.psk {
        check_psk(psk)?;
    }
    request.psk_identity.as_deref().map_or(Ok(()), check_psk_identity)?;
    if request.timeout_s.is_some_and(|timeout| timeout > i32::MAX as u32) {
        return Err(Error::invalid("timeout", "must be 0 to 2147483647 seconds"));
    }
    Ok(())
}

/// A node id is part of topics, so it must not hold what is special there.
pub(crate) fn check_node_id(node_id: &str) -> Result<()> {
    let chars = node_id.chars().count();
    if chars == 0 || chars > 256 || node_id.contains(['/', '+', '#']) || node_id.chars().any(char::is_control) {
        return Err(Error::invalid("nodeId", "must be 1 to 256 characters without /, + , # and control characters"));
    }
    Ok(())
}

pub(crate) fn check_psk_identity(identity: &str) -> Result<()> {
    if !(1..=128).contains(&identity.chars().count()) || identity.chars().any(char::is_control) {
        return Err(Error::invalid("pskIdentity", "must be 1 to 128 characters without control characters"));
    }
    Ok(())
}

fn check_psk(psk: &Secret) -> Result<()> {
    let text = psk.expose();
    if !(8..=32).contains(&text.len()) || !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Error::invalid("psk", "must be 8 to 32 hex digits, two for each byte"));
    }
    Ok(())
}
