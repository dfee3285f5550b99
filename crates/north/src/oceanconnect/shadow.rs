//! The shadow: desired values set, shown beside the reported ones, and their history (1.4.8, 1.4.9, 1.5.4).

use super::{
    Errors, Fault, map,
    map::within,
    request::{Inbound, answer, check_size, taken},
    row,
    wire::{ModifyShadow, ShadowHistoryBody},
};
use axum::{http::StatusCode, response::Response};
use landfall_core::{DesiredRequest, HistoryFilter};
use landfall_model::{Cause, Page, PageRequest};

pub(super) const MODIFY: Errors = Errors::of(&[
    (200, "100425", "The special deviceCapability is not exist."),
    row::NO_SERVICE,
    (400, "107002", "The properties is empty in database."),
    (400, "107003", "The request properties is unknown."),
    row::INVALID,
    row::NO_APP,
    row::NOT_AUTHORIZED,
    (403, "100443", "The property is forbidden to write."),
    row::THROTTLED,
    row::UNAUTHENTICATED_SHADOW,
    row::NO_DEVICE,
    row::FOREIGN_DEVICE,
    row::INTERNAL,
]);

/// 1.4.8
pub(super) async fn modify(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let requests = requests_of(inbound.json()?)?;
    inbound.core().set_desired(&scope, inbound.device_id()?, &requests).await?;
    taken()
}

fn requests_of(request: ModifyShadow<'_>) -> Result<Vec<DesiredRequest>, Fault> {
    let mut requests = vec![];
    for service in request.services.ok_or(Fault::Missing("serviceDesireds"))? {
        let service_id = service.service_id.ok_or(Fault::Missing("serviceDesireds.serviceId"))?;
        within("serviceDesireds.serviceId", Some(&service_id), 1, 256)?;
        let desired = service.desired.ok_or(Fault::Missing("serviceDesireds.desired"))?.get().to_owned();
        requests.push(DesiredRequest { service_id, desired });
    }
    Ok(requests)
}

/// Nothing that this takes could be out of range.
pub(super) const GET: Errors = Errors::of(&[
    row::NO_APP,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED_SHADOW,
    row::FOREIGN_DEVICE,
    row::INTERNAL,
]);

/// 1.4.9
pub(super) async fn get(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let device = inbound.core().device(&scope, inbound.device_id()?).await?;
    let state = inbound.core().device_state(&device).await?;
    let desired = inbound.core().desired(&device).await?;
    let product = match device.product {
        Some(id) => inbound.core().product(&scope, id).await.ok(),
        None => None,
    };
    answer(StatusCode::OK, &map::shadow(&device, &device.view(), product.as_deref(), &state.services, &desired))
}

pub(super) const HISTORY: Errors = Errors::of(&[
    row::APP_INPUT_INVALID,
    row::NO_SUBJECT,
    row::NO_APP,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::INTERNAL,
])
.invalid(row::APP_INPUT_INVALID);

/// 1.5.4. As its table has no code for a device that is not there, the history of such a device is empty.
pub(super) async fn history(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let query = inbound.query();
    query.need_subject()?;
    let page_no = query.number("pageNo", 0, u32::MAX.into())?.unwrap_or(0);
    let page_size = query.number("pageSize", 1, 250)?.unwrap_or(25) as u32;
    let (after, before) = query.period()?;
    let (service_id, property) = (query.short("serviceId")?, query.short("property")?);
    let found = match (query.device("deviceId"), query.device("gatewayId")) {
        (Ok(device), Ok(gateway)) => {
            let filter = HistoryFilter { device, gateway, after, before };
            let page = PageRequest { no: page_no, size: page_size };
            inbound.core().desired_history(&scope, filter, service_id, property, page).await
        }
        _ => Ok(Page { items: vec![], total: 0 }),
    };
    let found = match found {
        Err(error) if matches!(error.cause, Cause::DeviceNotFound | Cause::DeviceForeign) => Page { items: vec![], total: 0 },
        found => found?,
    };
    check_size(found.items.iter().map(|setting| setting.desired.len()).sum())?;
    let settings = found.items.iter().map(map::setting).collect();
    answer(StatusCode::OK, &ShadowHistoryBody { total_count: found.total, page_no, page_size, settings })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oceanconnect::request::parse;

    fn read(text: &str) -> Result<Vec<DesiredRequest>, Fault> {
        requests_of(parse(text)?)
    }

    #[test]
    fn both_names_of_the_list_are_taken() {
        let expected = vec![DesiredRequest { service_id: "T".into(), desired: r#"{"target": 35.0}"#.into() }];
        for name in ["serviceDesireds", "serviceDesires"] {
            let text = format!(r#"{{"{name}":[{{"serviceId":"T","desired":{{"target": 35.0}}}}]}}"#);
            assert_eq!(read(&text).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn every_bad_field_has_its_code() {
        for text in [
            "",
            "{}",
            r#"{"serviceDesireds":{}}"#,
            r#"{"serviceDesireds":[{"desired":{}}]}"#,
            r#"{"serviceDesireds":[{"serviceId":"","desired":{}}]}"#,
            r#"{"serviceDesireds":[{"serviceId":"T"}]}"#,
        ] {
            let fault = read(text).unwrap_err();
            assert_eq!(MODIFY.row(&fault).1, "50400", "{text}");
        }
    }
}
