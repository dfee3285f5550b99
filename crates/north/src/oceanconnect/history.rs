//! History of reported values (1.5.3).

use super::{
    Fault, map,
    request::{Inbound, answer, device_id},
    wire::HistoryBody,
};
use axum::{http::StatusCode, response::Response};
use landfall_core::HistoryFilter;
use landfall_model::{Cause, DeviceId, Error, PageRequest};

/// "Keep an answer under 16 MB" (1.5.3): room for the data, the rest is for names and ids.
const DATA_BYTES_MAX: usize = 15 * 1024 * 1024;

/// 1.5.3
pub(super) async fn list(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let query = inbound.query();
    let (device, gateway) = (query.text("deviceId"), query.text("gatewayId"));
    if device.is_none() && gateway.is_none() {
        return Err(Fault::Coded("100419", "deviceId or gatewayId must be given".into()));
    }
    let page_no = query.number("pageNo", 0, u32::MAX.into())?.unwrap_or(0);
    let page_size = query.number("pageSize", 1, 2000)?.unwrap_or(1) as u32;
    let (after, before) = (query.time("startTime")?, query.time("endTime")?);
    let filter = HistoryFilter { device: known(device)?, gateway: known(gateway)?, after, before };
    let page = inbound.core().history(&scope, filter, PageRequest { no: page_no, size: page_size }).await?;
    if page.items.iter().map(|point| point.data.len()).sum::<usize>() > DATA_BYTES_MAX {
        // Leaving records out would lose them for a client that goes on to the next page.
        return Err(Fault::invalid("pageSize", "the answer would be larger than 16 MB; ask for fewer records"));
    }
    let points = page.items.iter().map(map::point).collect();
    answer(StatusCode::OK, &HistoryBody { total_count: page.total, page_no, page_size, points })
}

fn known(text: Option<&str>) -> Result<Option<DeviceId>, Fault> {
    let unknown = || Error::new(Cause::DeviceNotFound, "there is no such device");
    text.map(|text| device_id(text).ok_or_else(unknown)).transpose().map_err(Fault::from)
}
