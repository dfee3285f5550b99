//! Devices: queried, listed, changed and deleted (1.4.4, 1.4.5, 1.4.7, 1.5.1, 1.5.2).

use super::{
    Errors, Fault,
    info::ModifyDevice,
    map::{self, within},
    request::{Inbound, answer, device_id, done, parse},
    row,
    wire::{ActivationBody, DeviceListBody, TagBody},
};
use axum::{http::StatusCode, response::Response};
use futures_util::{StreamExt, TryStreamExt, stream};
use landfall_core::{DeviceChange, DeviceFilter, ProductRef};
use landfall_model::{DeviceInfo, DeviceStatus, NodeType, PageRequest, Secret, Sort, Tag};

/// State reads of one list that are under way at a time.
const STATE_READS: usize = 16;
/// Tags or custom fields of one device; the contract gives no limit.
const ENTRIES: usize = 100;

/// Nothing that this takes could be out of range.
pub(super) const ACTIVATION: Errors =
    Errors::of(&[row::NO_APP, row::NOT_AUTHORIZED, row::THROTTLED, row::UNAUTHENTICATED, row::NO_DEVICE, row::INTERNAL]);

/// 1.4.7
pub(super) async fn activation(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let device = inbound.core().device(&scope, inbound.device_id()?).await?;
    let name = device.info.name.as_deref();
    answer(StatusCode::OK, &ActivationBody { device_id: device.id.to_string(), activated: device.activated, name })
}

pub(super) const GET: Errors = Errors::of(&[
    row::PARAMETER_INVALID,
    row::NO_APP,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::NO_DEVICE,
    row::FOREIGN_DEVICE,
    row::INTERNAL,
])
.invalid(row::PARAMETER_INVALID);

/// 1.5.1
pub(super) async fn get(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let imsi = selects_imsi(&inbound)?;
    let device = inbound.core().device(&scope, inbound.device_id()?).await?;
    let state = inbound.core().device_state(&device).await?;
    let alarms = inbound.core().newest_alarms(&[device.id]).await?;
    answer(StatusCode::OK, &map::device(&device, &device.view(), &state.services, alarms.get(&device.id), imsi))
}

fn selects_imsi(inbound: &Inbound) -> Result<bool, Fault> {
    match inbound.query().text("select") {
        None => Ok(false),
        Some(word) if word.eq_ignore_ascii_case("imsi") => Ok(true),
        Some(_) => Err(Fault::invalid("select", "imsi is all that can be selected")),
    }
}

pub(super) const LIST: Errors = Errors::of(&[
    row::APP_INPUT_INVALID,
    (400, "100218", "The gatewayId and pageNo cannot be both null."),
    row::PARAMETER_INVALID,
    row::NO_APP,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::INTERNAL,
])
.invalid(row::PARAMETER_INVALID);

/// 1.5.2
pub(super) async fn list(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let query = inbound.query();
    let (page_no, page_size) = list_page(&inbound)?;
    let imsi = selects_imsi(&inbound)?;
    let types = [("ENDPOINT", NodeType::Endpoint), ("GATEWAY", NodeType::Gateway), ("UNKNOWN", NodeType::Unknown)];
    let statuses = [DeviceStatus::Inactive, DeviceStatus::Online, DeviceStatus::Abnormal, DeviceStatus::Offline];
    let mut filter = DeviceFilter::of(scope.account());
    filter.node_type = query.word("nodeType", &types)?;
    filter.device_type = query.short("deviceType")?;
    filter.location = query.text("location").map(str::to_owned);
    filter.name = query.short("name")?;
    filter.status = query.word("status", &statuses.map(|status| (status.as_str(), status)))?;
    (filter.created_after, filter.created_before) = query.period()?;
    filter.sort = query.word("sort", &[("ASC", Sort::Ascending), ("DESC", Sort::Descending)])?.unwrap_or_default();
    let gateway = query.text("gatewayId").map(device_id);
    let mut body = DeviceListBody { total_count: 0, page_no, page_size, devices: vec![] };
    if gateway == Some(None) {
        // No device has such a gateway.
        return answer(StatusCode::OK, &body);
    }
    filter.gateway = gateway.flatten();
    let page = inbound.core().devices(&scope, filter, PageRequest { no: page_no, size: page_size }).await?;
    let core = inbound.core();
    let reads = page.items.iter().cloned().map(|device| async move { core.device_state(&device).await });
    let states: Vec<_> = stream::iter(reads).buffered(STATE_READS).try_collect().await?;
    let views: Vec<_> = page.items.iter().map(|device| device.view()).collect();
    let ids: Vec<_> = page.items.iter().map(|device| device.id).collect();
    let alarms = core.newest_alarms(&ids).await?;
    body.total_count = page.total;
    let shown = page.items.iter().zip(&views).zip(&states).map(|((device, view), state)| {
        let alarm = alarms.get(&device.id);
        map::device(device, view, &state.services, alarm, imsi)
    });
    body.devices = shown.collect();
    answer(StatusCode::OK, &body)
}

/// Page number and size of 1.5.2: one of gatewayId and pageNo must be given ([A 11]).
fn list_page(inbound: &Inbound) -> Result<(u64, u32), Fault> {
    let query = inbound.query();
    if query.text("gatewayId").is_none() && query.text("pageNo").is_none() {
        return Err(Fault::Coded("100218", "gatewayId or pageNo must be given".into()));
    }
    let bad = |fault: Fault| Fault::Coded("100216", fault.to_string());
    let page_no = query.number("pageNo", 0, u32::MAX.into()).map_err(bad)?.unwrap_or(0);
    let page_size = query.number("pageSize", 1, 250).map_err(bad)?.unwrap_or(25);
    Ok((page_no, page_size as u32))
}

/// The contract lists no code for a bad `cascade`, and guessing would delete devices: it is answered with 50400.
pub(super) const DELETE: Errors = Errors::of(&[
    row::NO_APP,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::NO_DEVICE,
    row::FOREIGN_DEVICE,
    row::INTERNAL,
]);

/// 1.4.5
pub(super) async fn delete(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let cascade = inbound.query().word("cascade", &[("true", true), ("false", false)])?.unwrap_or(true);
    inbound.core().delete_device(&scope, inbound.device_id()?, cascade).await?;
    done()
}

/// 1.4.4 lists both 100022 and 50400 with the same text: the latter for what is no request at all.
pub(super) const MODIFY: Errors = Errors::of(&[
    row::INVALID_100022,
    (400, "100440", "The isSecure is invalid."),
    row::INVALID,
    row::NO_APP,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::NO_DEVICE,
    row::FOREIGN_DEVICE,
    row::INTERNAL,
])
.invalid(row::INVALID_100022)
.malformed(row::INVALID);

/// 1.4.4
pub(super) async fn modify(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let change = change_of(inbound.json()?)?;
    inbound.core().modify_device(&scope, inbound.device_id()?, change).await?;
    done()
}

fn change_of(request: ModifyDevice) -> Result<DeviceChange, Fault> {
    let texts = request.texts()?;
    let is_secure = match request.is_secure {
        None => None,
        Some(given) => {
            let on = parse(&given.to_string());
            Some(on.map_err(|_| Fault::Coded("100440", "isSecure: must be true or false".into()))?)
        }
    };
    let mute = match request.mute.as_deref() {
        None => None,
        Some("TRUE") => Some(true),
        Some("FALSE") => Some(false),
        Some(_) => return Err(Fault::invalid("mute", "must be TRUE or FALSE")),
    };
    let days = request.device_config.and_then(|config| config.data_config).and_then(|config| config.data_aging_time);
    let data_aging_days = match days {
        None => None,
        Some(days) => Some(
            u8::try_from(days)
                .ok()
                .filter(|days| *days <= 90)
                .ok_or_else(|| Fault::invalid("deviceConfig.dataConfig.dataAgingTime", "must be 0 to 90 days"))?,
        ),
    };
    let custom_fields = match request.custom_fields {
        None => None,
        Some(fields) if fields.len() > ENTRIES => return Err(Fault::invalid("customFields", "must be at most 100 fields")),
        Some(fields) => Some(serde_json::to_value(fields).map_err(|error| Fault::Malformed(error.to_string()))?),
    };
    Ok(DeviceChange {
        product: request.product_id.filter(|id| !id.is_empty()).map(ProductRef::Id),
        info: DeviceInfo { custom_fields, ..texts },
        tags: request.tags.map(tags_of).transpose()?,
        end_user: request.end_user,
        mute,
        is_secure,
        psk: request.psk.map(Secret::new),
        data_aging_days,
        ..DeviceChange::default()
    })
}

fn tags_of(given: Vec<TagBody>) -> Result<Vec<Tag>, Fault> {
    if given.len() > ENTRIES {
        return Err(Fault::invalid("tags", "must be at most 100 tags"));
    }
    let tag = |tag: TagBody| {
        within("tags.tagName", Some(&tag.tag_name), 1, 128)?;
        within("tags.tagValue", Some(&tag.tag_value), 1, 1024)?;
        Ok(Tag { name: tag.tag_name, value: tag.tag_value, kind: tag.tag_type })
    };
    given.into_iter().map(tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    fn change(text: &str) -> Result<DeviceChange, Fault> {
        change_of(crate::oceanconnect::request::parse(text)?)
    }

    #[test]
    fn only_what_is_sent_changes() {
        assert_eq!(change("{}").unwrap(), DeviceChange::default());
        let all = change(
            r#"{"name":"n","endUser":null,"mute":"TRUE","isSecure":false,"deviceConfig":{"dataConfig":{"dataAgingTime":0}},
            "tags":[{"tagName":"a","tagValue":"b","tagType":1}],"customFields":[{"fieldName":"f","fieldValue":{"x":1}}],"later":1}"#,
        )
        .unwrap();
        assert_eq!((all.end_user, all.mute, all.is_secure), (Some(None), Some(true), Some(false)));
        assert_eq!(all.data_aging_days, Some(0));
        assert_eq!(all.tags, Some(vec![Tag { name: "a".into(), value: "b".into(), kind: Some(1) }]));
        assert_eq!(all.info.name.as_deref(), Some("n"));
        assert_eq!(change(r#"{"endUser":"u"}"#).unwrap().end_user, Some(Some("u".into())));
        assert_eq!(
            change(r#"{"endUser":"","name":"","location":"","mute":"","isSecure":"","psk":""}"#).unwrap(),
            DeviceChange::default()
        );
        assert_eq!(change(r#"{"isSecure":"true"}"#).unwrap().is_secure, Some(true));
    }

    #[test]
    fn every_bad_field_has_its_code() {
        let long = format!(r#"{{"name":"{}"}}"#, "ä".repeat(257));
        let cases = [
            (r#"{"isSecure":"yes"}"#, "100440"),
            (r#"{"mute":"true"}"#, "100022"),
            (long.as_str(), "100022"),
            (r#"{"deviceConfig":{"dataConfig":{"dataAgingTime":91}}}"#, "100022"),
            (r#"{"deviceConfig":{"dataConfig":{"dataAgingTime":-1}}}"#, "100022"),
            (r#"{"tags":[{"tagName":"","tagValue":"b"}]}"#, "100022"),
            (r#"{"tags":[{"tagName":"a"}]}"#, "50400"),
            (r#"{"name":[1]}"#, "50400"),
            ("{", "50400"),
            ("", "50400"),
        ];
        for (text, code) in cases {
            let fault = change(text).unwrap_err();
            assert_eq!(MODIFY.row(&fault).1, code, "{text}");
        }
    }
}
