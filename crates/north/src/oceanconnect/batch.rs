//! Batch tasks: a command for each of many devices (1.8.1 to 1.8.3, and so 1.7.4).

use super::{
    Errors, Fault, map,
    map::within,
    request::{Inbound, Query, answer, check_size},
    row,
    wire::{BatchTaskMade, CreateBatchTask, SubTasksBody, WantedBatch, WantedTag},
};
use axum::{http::StatusCode, response::Response};
use landfall_core::{BatchOrder, Selection, Tag, TargetFilter};
use landfall_model::{Cause, CommandId, DeviceId, Error, JobId, PageRequest, TargetState};

/// Groups that one batch may name.
const GROUPS: usize = 256;
/// Sub-tasks that one page may have, and has by default.
const PAGE: u64 = 250;
const DEFAULT_PAGE: u32 = 25;

const NO_TASK: row::Row = (404, "105005", "The batchTask is not existed.");
/// 1.8.2 and 1.8.3 print these so.
const INVALID: row::Row = (400, "100022", "The input is invalid");
const NOT_AUTHORIZED: row::Row = (403, "100217", "The application hasn't been authorized");
const ILLEGAL: row::Row = (400, "100019", "Illegal request.");

pub(super) const CREATE: Errors = Errors::of(&[
    (200, "105001", "The batchTask count has reached the limit."),
    (200, "105002", "The batchTask name has exist."),
    row::INVALID,
    row::NO_APP,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::INTERNAL,
]);

/// 1.8.1
pub(super) async fn create(inbound: Inbound) -> Result<Response, Fault> {
    let request: CreateBatchTask<'_> = inbound.json()?;
    let app = request.app_id.as_deref().filter(|app| !app.is_empty()).ok_or(Fault::Missing("appId"))?;
    let scope = inbound.scope_of(Some(app)).await?;
    let (name, order) = order_of(request)?;
    let made = inbound.core().order_batch(&scope, name, order).await.map_err(crowded)?;
    answer(StatusCode::OK, &BatchTaskMade { task_id: made.id.to_string() })
}

/// Too many callback addresses are answered as in 1.7.1: too many tasks have a row of their own.
fn crowded(error: Error) -> Error {
    let of_addresses = error.cause == Cause::TooMany && error.path.as_deref() == Some("callbackUrl");
    if of_addresses { Error { cause: Cause::Overloaded, ..error } } else { error }
}

fn order_of(request: CreateBatchTask<'_>) -> Result<(String, BatchOrder), Fault> {
    let name = request.task_name.ok_or(Fault::Missing("taskName"))?;
    within("taskName", Some(&name), 1, 256)?;
    match request.task_type.as_deref() {
        Some("DeviceCmd") => {}
        Some(other @ ("DeviceReg" | "DeviceLocation" | "DeviceMod" | "DeviceDel" | "DeviceLicense")) => {
            let detail = format!("{other} is named without its parameters in the contract and not supported; DeviceCmd is");
            return Err(Fault::invalid("taskType", detail));
        }
        Some(_) => return Err(Fault::invalid("taskType", "must be DeviceCmd")),
        None => return Err(Fault::Missing("taskType")),
    }
    let timeout = request.timeout.ok_or(Fault::Missing("timeout"))?;
    let timeout_min = u32::try_from(timeout).map_err(|_| Fault::invalid("timeout", "must be 10 to 2880 minutes"))?;
    let param = request.param.ok_or(Fault::Missing("param"))?;
    let command = param.command.as_ref().ok_or(Fault::Missing("param.command"))?;
    let service_id = command.service_id.clone().ok_or(Fault::Missing("param.command.serviceId"))?;
    within("param.command.serviceId", Some(&service_id), 1, 64)?;
    let method = command.method.clone().ok_or(Fault::Missing("param.command.method"))?;
    within("param.command.method", Some(&method), 1, 128)?;
    let paras = command.paras.map_or("{}", |paras| paras.get());
    if !paras.starts_with('{') {
        return Err(Fault::invalid("param.command.paras", "must be an object"));
    }
    within("param.callbackUrl", param.callback_url.as_ref(), 0, 1024)?;
    let max_retransmit = u8::try_from(param.max_retransmit.unwrap_or(0)).ok().filter(|times| *times <= 3);
    let order = BatchOrder {
        selection: selection_of(&param)?,
        service_id,
        method,
        paras: paras.to_owned(),
        callback_url: param.callback_url.filter(|url| !url.is_empty()),
        max_retransmit: max_retransmit.ok_or_else(|| Fault::invalid("param.maxRetransmit", "must be 0 to 3"))?,
        timeout_min,
        tags: request.tags.unwrap_or_default().into_iter().map(tag_of).collect::<Result<_, _>>()?,
        group_tag: param.group_tag,
    };
    Ok((name, order))
}

fn selection_of(param: &WantedBatch<'_>) -> Result<Selection, Fault> {
    let text = |path, text: &Option<String>| {
        within(path, text.as_ref(), 1, 256)?;
        text.clone().ok_or(Fault::Missing(path))
    };
    let groups = || {
        let list = param.group_list.clone().ok_or(Fault::Missing("param.groupList"))?;
        if list.len() > GROUPS || list.iter().any(|group| group.chars().count() > 256) {
            return Err(Fault::invalid(
                "param.groupList",
                format!("must be at most {GROUPS} names or ids of at most 256 characters"),
            ));
        }
        Ok(list)
    };
    match param.r#type.as_deref().ok_or(Fault::Missing("param.type"))? {
        "DeviceList" => {
            let list = param.device_list.clone().ok_or(Fault::Missing("param.deviceList"))?;
            if list.iter().any(|id| id.chars().count() > 256) {
                return Err(Fault::invalid("param.deviceList", "must be ids of at most 256 characters"));
            }
            Ok(Selection::Devices(list))
        }
        "DeviceType" => Ok(Selection::Model {
            device_type: text("param.deviceType", &param.device_type)?,
            manufacturer_id: text("param.manufacturerId", &param.manufacturer_id)?,
            model: text("param.model", &param.model)?,
        }),
        "DeviceArea" => Ok(Selection::Location(text("param.deviceLocation", &param.device_location)?)),
        "GroupList" => Ok(Selection::GroupsNamed(groups()?)),
        "GroupIdList" => Ok(Selection::Groups(groups()?)),
        "Broadcast" => Ok(Selection::All),
        _ => Err(Fault::invalid("param.type", "must be DeviceList, DeviceType, DeviceArea, GroupList, GroupIdList or Broadcast")),
    }
}

fn tag_of(tag: WantedTag) -> Result<Tag, Fault> {
    let name = tag.tag_name.ok_or(Fault::Missing("tags.tagName"))?;
    within("tags.tagName", Some(&name), 1, 128)?;
    let value = tag.tag_value.ok_or(Fault::Missing("tags.tagValue"))?;
    within("tags.tagValue", Some(&value), 1, 1024)?;
    Ok(Tag { name, value })
}

/// Of 1.8.2 and 1.8.3; the printed table of 1.8.3 has no 100019.
pub(super) const READ: Errors =
    Errors::of(&[ILLEGAL, INVALID, row::NO_APP, NOT_AUTHORIZED, row::THROTTLED, row::UNAUTHENTICATED, NO_TASK])
        .invalid(INVALID)
        .missing(ILLEGAL)
        .malformed(INVALID);

/// 1.8.2
pub(super) async fn get(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let id = task_id(Some(inbound.segment("taskId")))?;
    // The SDK chapters call it `tag`.
    let tags = inbound.query().word("select", &[("tags", true), ("tag", true)])?.unwrap_or(false);
    let task = inbound.core().batch_task(&scope, id).await?;
    let operator = match task.job.by {
        Some(by) => inbound.core().app(&scope, by).await.map_or_else(|_| by.to_string(), |app| app.name.clone()),
        None => "operator".to_owned(),
    };
    answer(StatusCode::OK, &map::batch_task(&task, &operator, tags))
}

/// 1.8.3
pub(super) async fn details(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let (filter, page) = filter_of(inbound.query())?;
    let found = inbound.core().sub_tasks(&scope, &filter, page).await?;
    let task_details: Vec<_> = found.items.iter().map(map::sub_task).collect();
    check_size(task_details.iter().filter_map(|one| one.output.as_ref()).map(String::len).sum())?;
    answer(StatusCode::OK, &SubTasksBody { total_count: found.total, page_no: page.no, page_size: page.size, task_details })
}

fn filter_of(query: &Query) -> Result<(TargetFilter, PageRequest), Fault> {
    use TargetState::{Expired, Failed, Running, Stopped, Succeeded, TimedOut, Waiting};
    let words: [(&str, &[TargetState]); 5] = [
        ("Pending", &[Waiting]),
        ("WaitResult", &[Running]),
        ("Success", &[Succeeded]),
        ("Fail", &[Failed, Stopped]),
        ("Timeout", &[TimedOut, Expired]),
    ];
    let filter = TargetFilter {
        job: task_id(query.text("taskId"))?,
        states: query.word("status", &words)?.unwrap_or_default().to_vec(),
        device: id_of::<DeviceId>(query, "deviceId")?,
        command: id_of::<CommandId>(query, "commandId")?,
    };
    let no = query.number("pageNo", 0, u32::MAX.into())?.unwrap_or(0);
    let size = query.number("pageSize", 1, PAGE)?.map_or(DEFAULT_PAGE, |size| size as u32);
    Ok((filter, PageRequest { no, size }))
}

fn id_of<T: std::str::FromStr>(query: &Query, name: &'static str) -> Result<Option<T>, Fault> {
    let Some(text) = query.text(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Fault::invalid(name, "is no id"))
}

fn task_id(text: Option<&str>) -> Result<JobId, Fault> {
    let text = text.filter(|text| !text.is_empty()).ok_or(Fault::Missing("taskId"))?;
    text.parse().map_err(|_| Fault::invalid("taskId", "is no id of a task"))
}

/// Rows of what keeps a device from its command: those of 1.7.1, and 100403 for one that is not there.
pub(super) const SUB_TASK: Errors = Errors::of(&[
    (200, "100403", "The device is not existed."),
    row::NO_DEVICE_200,
    row::OFFLINE,
    row::NO_SERVICE,
    row::INVALID_100022,
    row::COMMAND_LIMIT,
    row::NOT_AUTHORIZED,
    row::ZOMBIE,
    row::COMMAND_INTERNAL,
    row::CONGESTION,
])
.invalid(row::INVALID_100022);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oceanconnect::request::parse;

    const GOOD: &str = r#"{"appId":"a","timeout":10,"taskName":"t","taskType":"DeviceCmd","tags":[{"tagName":"n","tagValue":"v"}],
        "param":{"type":"DeviceList","deviceList":["d"],"command":{"serviceId":"S","method":"M","paras":{"x": 1.0}},
        "callbackUrl":"http://c","maxRetransmit":3,"groupTag":"g"}}"#;

    fn read(text: &str) -> Result<(String, BatchOrder), Fault> {
        order_of(parse(text)?)
    }

    #[test]
    fn all_that_is_asked_is_kept() {
        let expected = BatchOrder {
            selection: Selection::Devices(vec!["d".into()]),
            service_id: "S".into(),
            method: "M".into(),
            paras: r#"{"x": 1.0}"#.into(),
            callback_url: Some("http://c".into()),
            max_retransmit: 3,
            timeout_min: 10,
            tags: vec![Tag { name: "n".into(), value: "v".into() }],
            group_tag: Some("g".into()),
        };
        assert_eq!(read(GOOD).unwrap(), ("t".to_owned(), expected));
        let least = r#"{"timeout":"2880","taskName":"t","taskType":"DeviceCmd","param":{"type":"Broadcast","callbackUrl":"",
            "command":{"serviceId":"S","method":"M"}}}"#;
        let (_, least) = read(least).unwrap();
        assert_eq!((least.selection, least.paras.as_str(), least.timeout_min), (Selection::All, "{}", 2_880));
        assert_eq!((least.callback_url, least.max_retransmit, least.tags, least.group_tag), (None, 0, vec![], None));
    }

    #[test]
    fn every_way_to_choose_needs_its_fields() {
        let with = |param: &str| {
            read(&GOOD.replace(r#""type":"DeviceList","deviceList":["d"]"#, param)).map(|(_, order)| order.selection)
        };
        let keys = ["Meter", "acme", "M1"].map(str::to_owned);
        let [device_type, manufacturer_id, model] = keys;
        for (param, expected) in [
            (r#""type":"DeviceList","deviceList":[]"#, Selection::Devices(vec![])),
            (
                r#""type":"DeviceType","deviceType":"Meter","manufacturerId":"acme","model":"M1""#,
                Selection::Model { device_type, manufacturer_id, model },
            ),
            (r#""type":"DeviceArea","deviceLocation":"hall""#, Selection::Location("hall".into())),
            (r#""type":"GroupList","groupList":["a","b"]"#, Selection::GroupsNamed(vec!["a".into(), "b".into()])),
            (r#""type":"GroupIdList","groupList":["i"]"#, Selection::Groups(vec!["i".into()])),
            (r#""type":"Broadcast","deviceList":["d"]"#, Selection::All),
        ] {
            assert_eq!(with(param).unwrap(), expected, "{param}");
        }
        let many = format!(r#""type":"GroupList","groupList":[{}"a"]"#, r#""a","#.repeat(GROUPS));
        for bad in [
            r#""deviceList":["d"]"#,
            r#""type":"devicelist","deviceList":["d"]"#,
            r#""type":"DeviceList""#,
            r#""type":"DeviceList","deviceList":"d""#,
            r#""type":"DeviceType","deviceType":"Meter","manufacturerId":"acme""#,
            r#""type":"DeviceType","manufacturerId":"acme","model":"M1""#,
            r#""type":"DeviceType","deviceType":"Meter","model":"M1""#,
            r#""type":"DeviceArea","deviceLocation":"""#,
            r#""type":"GroupList","deviceList":["d"]"#,
            r#""type":"GroupIdList""#,
            &many,
        ] {
            assert_eq!(CREATE.row(&with(bad).unwrap_err()), row::INVALID, "{bad}");
        }
    }

    #[test]
    fn every_bad_field_is_refused() {
        for (from, to) in [
            (r#""timeout":10,"#, ""),
            (r#""timeout":10"#, r#""timeout":-1"#),
            (r#""timeout":10"#, r#""timeout":"1h""#),
            (r#""taskName":"t","#, ""),
            (r#""taskName":"t""#, r#""taskName":"""#),
            (r#""taskType":"DeviceCmd","#, ""),
            ("DeviceCmd", "DeviceReg"),
            ("DeviceCmd", "devicecmd"),
            (r#"{"tagName":"n","#, "{"),
            (r#","tagValue":"v""#, ""),
            (r#""v"}]"#, r#"""}]"#),
            (r#""param":"#, r#""parameters":"#),
            (r#""command":"#, r#""order":"#),
            (r#""serviceId":"S","#, ""),
            (r#""method":"M","#, ""),
            (r#"{"x": 1.0}"#, "[]"),
            (r#""maxRetransmit":3"#, r#""maxRetransmit":4"#),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let fault = read(&text).unwrap_err();
            assert_eq!(CREATE.row(&fault), row::INVALID, "{text}: {fault}");
        }
        let long = GOOD.replace(r#""t""#, &format!(r#""{}""#, "t".repeat(257)));
        assert!(read(&long).is_err());
        let Err(fault) = read(&GOOD.replace("DeviceCmd", "DeviceDel")) else { panic!("taken") };
        assert!(fault.to_string().contains("DeviceDel is named without its parameters"), "{fault}");
    }

    #[test]
    fn sub_tasks_are_picked_and_paged() {
        let id = "92d3f8da-200a-4143-8d0d-591a7e11de6c";
        let filter = |more: &str| filter_of(&Query::read(&format!("taskId={id}{more}")).unwrap());
        let (all, page) = filter("").unwrap();
        let expected = TargetFilter { job: id.parse().unwrap(), states: vec![], device: None, command: None };
        assert_eq!((all, page), (expected, PageRequest { no: 0, size: 25 }));
        let (one, page) =
            filter(&format!("&status=Fail&deviceId={id}&commandId={}&pageNo=2&pageSize=250", id.replace('-', ""))).unwrap();
        assert_eq!(one.states, [TargetState::Failed, TargetState::Stopped]);
        assert_eq!((one.device.map(|id| id.0), one.command.map(|id| id.0)), (id.parse().ok(), id.parse().ok()));
        assert_eq!(page, PageRequest { no: 2, size: 250 });
        for bad in ["&status=Failed", "&deviceId=d", "&commandId=c", "&pageNo=-1", "&pageSize=0", "&pageSize=251"] {
            assert_eq!(READ.row(&filter(bad).unwrap_err()), INVALID, "{bad}");
        }
        let of = |text: &str| READ.row(&filter_of(&Query::read(text).unwrap()).unwrap_err());
        assert_eq!((of(""), of("taskId="), of("taskId=1")), (ILLEGAL, ILLEGAL, INVALID));
    }

    #[test]
    fn each_refusal_has_the_code_of_a_single_command() {
        for (cause, code) in [
            (Cause::DeviceNotFound, "100403"),
            (Cause::DeviceForeign, "100418"),
            (Cause::ServiceNotFound, "100431"),
            (Cause::InvalidField, "100022"),
            (Cause::TakesNoWork, "100428"),
            (Cause::DeviceZombie, "100612"),
            (Cause::CommandLimit, "100223"),
            (Cause::AppNotAuthorized, "100217"),
            (Cause::Internal, "100001"),
        ] {
            let fault = Fault::Core(Error::new(cause, ""));
            assert_eq!(SUB_TASK.row(&fault).1, code, "{cause:?}");
            if cause != Cause::DeviceNotFound {
                assert_eq!(SUB_TASK.row(&fault), super::super::command::CREATE.row(&fault), "{cause:?}");
            }
        }
        assert_eq!(CREATE.row(&Fault::Core(Error::new(Cause::TooMany, ""))).1, "105001");
        assert_eq!(CREATE.row(&Fault::Core(crowded(Error::new(Cause::TooMany, "").at("callbackUrl")))), row::CONGESTION);
        assert_eq!(CREATE.row(&Fault::Core(Error::new(Cause::NameTaken, ""))).1, "105002");
        assert_eq!(CREATE.row(&Fault::Core(Error::new(Cause::CallbackInvalid, "").at("callbackUrl"))), row::INVALID);
        assert_eq!(READ.row(&Fault::Core(Error::new(Cause::ResourceNotFound, ""))), NO_TASK);
    }
}
