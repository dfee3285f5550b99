//! Service capabilities: the product models of devices (1.5.5).

use super::{
    Errors, Fault, map,
    request::{Inbound, answer, device_id},
    row,
    wire::{CapabilitiesBody, DeviceCapabilityBody},
};
use axum::{http::StatusCode, response::Response};
use landfall_core::{DeviceFilter, Scope};
use landfall_model::{Cause, Device, Error, PageRequest, ProductId};
use serde_json::value::RawValue;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

/// Devices one answer may describe: the operation has no pages.
const DEVICES: u32 = 2_000;
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A device without a product.
const NONE: &str = "[]";

pub(super) const LIST: Errors =
    Errors::of(&[row::INVALID_100022, row::NO_APP, row::NOT_AUTHORIZED, row::THROTTLED, row::UNAUTHENTICATED, row::INTERNAL])
        .invalid(row::INVALID_100022);

/// 1.5.5
pub(super) async fn list(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let devices = chosen(&inbound, &scope).await?;
    let mut models: HashMap<ProductId, Box<RawValue>> = HashMap::new();
    let mut bytes = 0;
    for device in &devices {
        let Some(id) = device.product else { continue };
        let model = match models.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(model(&inbound, &scope, id).await?),
        };
        bytes += model.get().len();
        if bytes > ANSWER_BYTES_MAX {
            return Err(too_many());
        }
    }
    let none = map::raw(NONE);
    let shown = devices.iter().map(|device| DeviceCapabilityBody {
        device_id: device.id.to_string(),
        service_capabilities: device.product.and_then(|id| models.get(&id)).map_or(none, |model| model),
    });
    answer(StatusCode::OK, &CapabilitiesBody { device_capabilities: shown.collect() })
}

async fn model(inbound: &Inbound, scope: &Scope, id: ProductId) -> Result<Box<RawValue>, Fault> {
    let product = inbound.core().product(scope, id).await?;
    let services: Vec<_> = product.services.iter().map(map::capability).collect();
    serde_json::value::to_raw_value(&services).map_err(|error| Error::new(Cause::Internal, error.to_string()).into())
}

/// The devices that deviceId and gatewayId choose; what does not exist or is not the caller's is left out, as there is no
/// not-found code.
async fn chosen(inbound: &Inbound, scope: &Scope) -> Result<Vec<Arc<Device>>, Fault> {
    let (device, gateway) = (inbound.query().short("deviceId")?, inbound.query().short("gatewayId")?);
    let gateway = gateway.as_deref().map(device_id);
    if gateway == Some(None) {
        return Ok(vec![]);
    }
    let gateway = gateway.flatten();
    if let Some(text) = device {
        let Some(id) = device_id(&text) else { return Ok(vec![]) };
        return match inbound.core().device(scope, id).await {
            Ok(device) if gateway.is_none_or(|gateway| gateway == device.gateway_id()) => Ok(vec![device]),
            Ok(_) => Ok(vec![]),
            Err(error) if matches!(error.cause, Cause::DeviceNotFound | Cause::DeviceForeign) => Ok(vec![]),
            Err(error) => Err(error.into()),
        };
    }
    let filter = DeviceFilter { gateway, ..DeviceFilter::of(scope.account()) };
    let page = inbound.core().devices(scope, filter, PageRequest { no: 0, size: DEVICES }).await?;
    if page.total > u64::from(DEVICES) { Err(too_many()) } else { Ok(page.items) }
}

fn too_many() -> Fault {
    Fault::invalid("deviceId", "too many devices for one answer; name a deviceId or gatewayId")
}
