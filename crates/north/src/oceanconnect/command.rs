//! Cached commands: made, listed and canceled (1.7.1 to 1.7.3).

use super::{
    Errors, Fault, map,
    map::within,
    request::{Inbound, Query, answer, check_size, device_id, existing},
    row,
    wire::{CreateCommand, ModifyCommand, OlderCommandsBody, Paged, Pagination},
};
use axum::{http::StatusCode, response::Response};
use landfall_core::{CommandFilter, CommandRequest};
use landfall_model::{Cause, Command, CommandId, DeviceId, Error, PageRequest};

/// Commands or tasks one page may have, and has by default (contract section 6).
const PAGE: u32 = 1_000;

pub(super) const CREATE: Errors = Errors::of(&[
    row::NO_APP_200,
    row::NO_DEVICE_200,
    row::OFFLINE,
    row::NO_SERVICE,
    row::INVALID_100022,
    row::COMMAND_LIMIT,
    row::NOT_AUTHORIZED,
    row::ZOMBIE,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::COMMAND_INTERNAL,
    row::COMMAND_NO_APP_KEY,
    row::CONGESTION,
])
.invalid(row::INVALID_100022);

/// 1.7.1
pub(super) async fn create(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let mut request: CreateCommand<'_> = inbound.json()?;
    if !inbound.segment("deviceId").is_empty() {
        request.device_id = Some(inbound.segment("deviceId").to_owned());
    }
    let (device, request) = request_of(request)?;
    let made = inbound.core().submit_command(&scope, device, request).await?;
    if inbound.is_older() {
        return answer(StatusCode::OK, &map::command_of_1_2(&made));
    }
    answer(StatusCode::CREATED, &map::command_made(&made))
}

fn request_of(request: CreateCommand<'_>) -> Result<(DeviceId, CommandRequest), Fault> {
    let device = request.device_id.filter(|id| !id.is_empty()).ok_or(Fault::Missing("deviceId"))?;
    within("deviceId", Some(&device), 1, 64)?;
    let command = request.command.ok_or(Fault::Missing("command"))?;
    let service_id = command.service_id.ok_or(Fault::Missing("command.serviceId"))?;
    within("command.serviceId", Some(&service_id), 1, 64)?;
    let paras = command.paras.ok_or(Fault::Missing("command.paras"))?.get();
    if !paras.starts_with('{') {
        return Err(Fault::invalid("command.paras", "must be an object"));
    }
    within("callbackUrl", request.callback_url.as_ref(), 0, 1024)?;
    let expire_s = request.expire_time.map(u32::try_from).transpose();
    let max_retransmit = u8::try_from(request.max_retransmit.unwrap_or(0));
    let request = CommandRequest {
        service_id,
        method: command.method.ok_or(Fault::Missing("command.method"))?,
        paras: paras.to_owned(),
        callback_url: request.callback_url.filter(|url| !url.is_empty()),
        expire_s: expire_s.map_err(|_| Fault::invalid("expireTime", "must be 0 to 4294967295 seconds"))?,
        max_retransmit: max_retransmit.map_err(|_| Fault::invalid("maxRetransmit", "must be 0 to 3"))?,
    };
    Ok((existing(&device, "deviceId")?, request))
}

pub(super) const LIST: Errors = Errors::of(&[
    row::NO_APP_200,
    row::NO_DEVICE_200,
    row::INVALID_100022,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::COMMAND_INTERNAL,
    row::COMMAND_NO_APP_KEY,
    row::CONGESTION,
])
.invalid(row::INVALID_100022);

/// 1.7.2
pub(super) async fn list(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let query = inbound.query();
    let page = page_of(query)?;
    let (after, before) = query.period()?;
    let filter = CommandFilter { account: scope.account(), app: None, device: inbound.asked_device()?, after, before };
    let found = inbound.core().commands(&scope, filter, page).await?;
    check_size(found.items.iter().map(bytes).sum())?;
    if inbound.is_older() {
        let list = found.items.iter().map(map::command_of_1_2).collect();
        let body = OlderCommandsBody { total_count: found.total, page_no: page.no, page_size: page.size, list };
        return answer(StatusCode::OK, &body);
    }
    let data = found.items.iter().map(map::command).collect();
    answer(StatusCode::OK, &Paged { pagination: pagination(page, found.total), data })
}

/// Page of 1.7.2 and 1.7.6; both bounds are those of the table (contract row 30).
pub(super) fn page_of(query: &Query) -> Result<PageRequest, Fault> {
    let no = query.number("pageNo", 0, u32::MAX.into())?.unwrap_or(0);
    let size = query.number("pageSize", 1, PAGE.into())?.map_or(PAGE, |size| size as u32);
    Ok(PageRequest { no, size })
}

pub(super) fn pagination(page: PageRequest, total_size: u64) -> Pagination {
    Pagination { page_no: page.no, page_size: page.size, total_size }
}

/// What a command's own data adds to an answer.
pub(super) fn bytes(command: &Command) -> usize {
    command.paras.len() + command.result.as_ref().map_or(0, String::len)
}

pub(super) const CANCEL: Errors = Errors::of(&[
    row::NO_APP_200,
    row::NOT_AUTHORIZED_200,
    (200, "100434", "The device command is not existed."),
    (200, "100435", "The device command already canceled, expired or executed, Cannot cancel."),
    row::INVALID_100022,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::COMMAND_INTERNAL,
    row::COMMAND_NO_APP_KEY,
    row::CONGESTION,
])
.invalid(row::INVALID_100022);

/// 1.7.3
pub(super) async fn cancel(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let request: ModifyCommand = inbound.json()?;
    match request.wanted() {
        Some("CANCELED") => {}
        Some(_) => return Err(Fault::invalid("status", "must be CANCELED")),
        None => return Err(Fault::Missing("status")),
    }
    let id = command_id(inbound.segment("deviceCommandId"))?;
    if !inbound.is_older() {
        return answer(StatusCode::OK, &map::command(&inbound.core().cancel_command(&scope, id).await?));
    }
    if device_id(inbound.segment("deviceId")) != Some(inbound.core().command(&scope, id).await?.device) {
        return Err(Error::new(Cause::CommandNotFound, "the device has no such command").into());
    }
    answer(StatusCode::OK, &map::command_of_1_2(&inbound.core().cancel_command(&scope, id).await?))
}

/// What is no id names no command.
fn command_id(text: &str) -> Result<CommandId, Fault> {
    text.parse().map_err(|_| Error::new(Cause::CommandNotFound, "there is no such command").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oceanconnect::request::parse;

    const DEVICE: &str = "92d3f8da-200a-4143-8d0d-591a7e11de6c";

    fn read(text: &str) -> Result<CommandRequest, Fault> {
        request_of(parse(text)?).map(|(_, request)| request)
    }

    #[test]
    fn a_command_is_passed_as_it_is() {
        let text = format!(
            r#"{{"deviceId":"{DEVICE}","command":{{"serviceId":"Valve","method":"SET","paras":{{"value": 1.00}}}},"callbackUrl":"",
            "expireTime":0,"maxRetransmit":3}}"#
        );
        let expected = CommandRequest {
            service_id: "Valve".into(),
            method: "SET".into(),
            paras: r#"{"value": 1.00}"#.into(),
            callback_url: None,
            expire_s: Some(0),
            max_retransmit: 3,
        };
        assert_eq!(read(&text).unwrap(), expected);
        let least = format!(
            r#"{{"deviceId":"{DEVICE}","command":{{"serviceId":"V","method":"S","paras":{{}}}},"expireTime":null,"maxRetransmit":null}}"#
        );
        let least = read(&least).unwrap();
        assert_eq!((least.expire_s, least.max_retransmit, least.paras.as_str()), (None, 0, "{}"));
    }

    #[test]
    fn every_bad_field_has_its_code() {
        let good = format!(r#"{{"deviceId":"{DEVICE}","command":{{"serviceId":"V","method":"S","paras":{{}}}},"expireTime":1}}"#);
        let cases = [
            (DEVICE, "nobody", "100418"),
            (DEVICE, "", "100022"),
            (r#""serviceId":"V","#, "", "100022"),
            (r#""method":"S","#, "", "100022"),
            (r#""V""#, r#""""#, "100022"),
            (r#""paras":{}"#, r#""paras":[]"#, "100022"),
            (r#","paras":{}"#, "", "100022"),
            (r#""expireTime":1"#, r#""expireTime":-1"#, "100022"),
            (r#""expireTime":1"#, r#""expireTime":"1h""#, "100022"),
            (r#""expireTime":1"#, r#""maxRetransmit":-1"#, "100022"),
            (r#""expireTime":1"#, r#""callbackUrl":[1]"#, "100022"),
        ];
        assert!(read(&good).is_ok());
        for (from, to, code) in cases {
            let text = good.replacen(from, to, 1);
            let fault = read(&text).unwrap_err();
            assert_eq!(CREATE.row(&fault).1, code, "{text}");
        }
    }

    #[test]
    fn pages_are_those_of_the_table() {
        let page = |text: &str| page_of(&Query::read(text).unwrap());
        assert_eq!(page("").unwrap(), PageRequest { no: 0, size: 1_000 });
        assert_eq!(page("pageNo=2&pageSize=1").unwrap(), PageRequest { no: 2, size: 1 });
        assert!(page("pageSize=1001").is_err() && page("pageSize=0").is_err() && page("pageNo=-1").is_err());
    }

    #[test]
    fn command_ids_have_32_digits_and_are_read_in_both_forms() {
        let id = command_id("108a9c71462a48e09426e06e844d47ba").unwrap();
        assert_eq!(id, command_id("108a9c71-462a-48e0-9426-e06e844d47ba").unwrap());
        assert!(command_id("none").is_err());
    }
}
