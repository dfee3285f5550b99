//! History of reported values (1.5.3).

use super::{
    Errors, Fault, map,
    request::{Inbound, answer, check_size},
    row,
    wire::HistoryBody,
};
use axum::{http::StatusCode, response::Response};
use landfall_core::HistoryFilter;
use landfall_model::PageRequest;

pub(super) const LIST: Errors = Errors::of(&[
    row::NO_DEVICE_200,
    row::APP_INPUT_INVALID,
    row::NO_SUBJECT,
    row::NO_APP,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::INTERNAL,
])
.invalid(row::APP_INPUT_INVALID);

/// 1.5.3
pub(super) async fn list(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let query = inbound.query();
    query.need_subject()?;
    let page_no = query.number("pageNo", 0, u32::MAX.into())?.unwrap_or(0);
    let page_size = query.number("pageSize", 1, 2000)?.unwrap_or(1) as u32;
    let (after, before) = query.period()?;
    let filter = HistoryFilter { device: query.device("deviceId")?, gateway: query.device("gatewayId")?, after, before };
    let page = inbound.core().history(&scope, filter, PageRequest { no: page_no, size: page_size }).await?;
    check_size(page.items.iter().map(|point| point.data.len()).sum())?;
    let points = page.items.iter().map(map::point).collect();
    answer(StatusCode::OK, &HistoryBody { total_count: page.total, page_no, page_size, points })
}
