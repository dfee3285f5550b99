//! From the model to the contract's bodies, and limits that several bodies share.

use super::{
    Fault, batch,
    info::DeviceInfoBody,
    wire::{
        AlarmBody, BatchBody, BatchTag, BatchTaskBody, CapabilityBody, CommandBody, CommandResultBody, DeviceBody,
        DeviceCommandBody, LimitsBody, OutputBody, ParaBody, PointBody, PropertyBody, RefusalBody, ResponseBody, RevocationBody,
        SelectionBody, SentCommand, ServiceBody, ServiceInfoBody, ServiceShadowBody, SettingBody, ShadowBody, SubTaskBody,
        SubTaskParam, SubscriptionBody,
    },
};
use landfall_core::{BatchOrder, BatchTask, Selection, SubTask};
use landfall_model::{
    Alarm, AppId, Command, CommandId, CommandState, Desired, Device, DeviceView, HistoryPoint, Job, JobCounts, JobState,
    Parameter, Product, Reported, RevokeTask, Service, ServiceCommand, Setting, Subscription, SubscriptionKind, TargetState,
    Time,
};
use serde_json::value::RawValue;

/// Checks the characters of a text, where one is given.
pub(super) fn within(path: &'static str, text: Option<&String>, from: usize, to: usize) -> Result<(), Fault> {
    match text {
        Some(text) if !(from..=to).contains(&text.chars().count()) => {
            Err(Fault::invalid(path, format!("must be {from} to {to} characters")))
        }
        _ => Ok(()),
    }
}

/// `appId`; empty where it is of no application.
fn app_id(app: Option<AppId>) -> String {
    app.map(|app| app.to_string()).unwrap_or_default()
}

/// JSON that is kept as text, embedded as it is. What is kept was read as JSON before.
pub(super) fn raw(text: &str) -> &RawValue {
    serde_json::from_str(text).unwrap_or(RawValue::NULL)
}

pub(super) fn flag(on: bool) -> &'static str {
    if on { "TRUE" } else { "FALSE" }
}

/// A device with its newest values and alarm (1.5.1); `imsi` only where it was asked for.
pub(super) fn device<'a>(
    device: &'a Device,
    view: &'a DeviceView,
    services: &'a [Reported],
    alarm: Option<&Alarm>,
    imsi: bool,
) -> DeviceBody<'a> {
    let asked = if imsi { view.info.imsi.as_deref() } else { None };
    DeviceBody {
        device_id: device.id.to_string(),
        gateway_id: view.gateway.to_string(),
        node_type: view.node_type.as_str(),
        create_time: device.created_at.compact(),
        last_modified_time: device.modified_at.compact(),
        device_info: DeviceInfoBody { imsi: Some(asked), radius_ip: Some(()), ..DeviceInfoBody::of(view) },
        services: services.iter().map(|reported| service(device, reported)).collect(),
        alarm_info: alarm.map(|alarm| AlarmBody {
            alarm_severity: alarm.severity.as_str(),
            alarm_status: alarm.status.is_open(),
            alarm_time: alarm.at.compact(),
        }),
    }
}

fn service<'a>(device: &'a Device, reported: &'a Reported) -> ServiceBody<'a> {
    let muted = device.muted_commands.iter().filter(|muted| muted.service_id == reported.service_id);
    ServiceBody {
        service_id: &reported.service_id,
        service_type: reported.service_type.as_deref().unwrap_or(&reported.service_id),
        service_info: ServiceInfoBody { mute_cmds: muted.map(|muted| muted.method.as_str()).collect() },
        data: raw(&reported.data),
        event_time: reported.event_time.compact(),
    }
}

/// A record of 1.5.3.
pub(super) fn point(point: &HistoryPoint) -> PointBody<'_> {
    PointBody {
        service_id: &point.service_id,
        device_id: point.device.to_string(),
        gateway_id: point.gateway.to_string(),
        app_id: app_id(point.app),
        data: raw(&point.data),
        timestamp: point.event_time.compact(),
    }
}

/// A service of a product model (1.5.5).
pub(super) fn capability(service: &Service) -> CapabilityBody<'_> {
    let service_type = if service.service_type.is_empty() { &service.service_id } else { &service.service_type };
    CapabilityBody {
        service_id: &service.service_id,
        service_type,
        option: &service.option,
        description: &service.description,
        commands: service.commands.iter().map(command_model).collect(),
        properties: service
            .properties
            .iter()
            .map(|property| PropertyBody {
                property_name: &property.parameter.name,
                limits: limits(&property.parameter),
                method: &property.method,
            })
            .collect(),
    }
}

fn command_model(command: &ServiceCommand) -> CommandBody<'_> {
    let responses = command.responses.iter();
    CommandBody {
        command_name: &command.name,
        paras: paras(&command.paras),
        responses: responses.map(|r| ResponseBody { response_name: &r.name, paras: paras(&r.paras) }).collect(),
    }
}

fn paras(parameters: &[Parameter]) -> Vec<ParaBody<'_>> {
    parameters.iter().map(|parameter| ParaBody { para_name: &parameter.name, limits: limits(parameter) }).collect()
}

fn limits(parameter: &Parameter) -> LimitsBody<'_> {
    LimitsBody {
        data_type: &parameter.data_type,
        required: parameter.required,
        min: parameter.min.as_deref(),
        max: parameter.max.as_deref(),
        step: parameter.step,
        max_length: parameter.max_length,
        unit: parameter.unit.as_deref(),
        enum_list: &parameter.enum_list,
    }
}

/// A subscription that applications see; the hidden ones of call addresses are none.
pub(super) fn subscription(subscription: &Subscription) -> Option<SubscriptionBody<'_>> {
    let SubscriptionKind::Notify(kind) = subscription.kind else { return None };
    Some(SubscriptionBody {
        subscription_id: subscription.id.to_string(),
        notify_type: kind.as_str(),
        callback_url: &subscription.callback_url,
        client_ids: None,
    })
}

/// `commandId`: 32 hex digits (1.6.7.12).
pub(super) fn command_id(id: CommandId) -> String {
    id.0.simple().to_string()
}

/// `result` of a command, with its state as the code.
pub(super) fn result(state: CommandState, result: Option<&str>) -> CommandResultBody<'_> {
    CommandResultBody { result_code: state.as_str(), result_detail: result.map(raw) }
}

/// The answer of 1.7.1, which has no `result`.
pub(super) fn command_made(command: &Command) -> DeviceCommandBody<'_> {
    DeviceCommandBody {
        command_id: command_id(command.id),
        app_id: app_id(command.app),
        device_id: command.device.to_string(),
        command: SentCommand { service_id: &command.service_id, method: &command.method, paras: raw(&command.paras) },
        callback_url: command.callback_url.as_deref(),
        expire_time: command.expire_s,
        status: command.state.as_str(),
        result: None,
        creation_time: command.created_at.compact(),
        execute_time: command.executed_at.map(Time::compact),
        platform_issued_time: command.issued_at.map(Time::compact),
        delivered_time: command.delivered_at.map(Time::compact),
        issued_times: Some(command.issued_times).filter(|times| *times > 0),
        max_retransmit: command.max_retransmit,
    }
}

/// A command of 1.7.2 to 1.7.6; `result` is null before there is one.
pub(super) fn command(command: &Command) -> DeviceCommandBody<'_> {
    let result = command.result.as_deref().map(|detail| result(command.state, Some(detail)));
    DeviceCommandBody { result: Some(result), ..command_made(command) }
}

/// A command of version 1.2.0, which tells its state as the code of a result that is always there.
pub(super) fn command_of_1_2(command: &Command) -> DeviceCommandBody<'_> {
    let result = result(command.state, command.result.as_deref());
    DeviceCommandBody { result: Some(Some(result)), ..command_made(command) }
}

/// A revocation task with its commands.
pub(super) fn revocation<'a>(task: &RevokeTask, commands: &'a [Command]) -> RevocationBody<'a> {
    RevocationBody {
        task_id: task.id.to_string(),
        app_id: app_id(task.app),
        device_id: task.device.to_string(),
        status: task.state.as_str(),
        total_count: task.commands.len(),
        device_commands: commands.iter().map(command).collect(),
    }
}

/// The shadow of a device (1.4.9): services that were reported or set, by id.
pub(super) fn shadow<'a>(
    device: &'a Device,
    view: &'a DeviceView,
    product: Option<&'a Product>,
    reported: &'a [Reported],
    desired: &'a [Desired],
) -> ShadowBody<'a> {
    let mut ids: Vec<&str> = reported.iter().map(|service| service.service_id.as_str()).collect();
    ids.extend(desired.iter().map(|service| service.service_id.as_str()));
    ids.sort_unstable();
    ids.dedup();
    let service = |id: &'a str| {
        let reported = reported.iter().find(|service| service.service_id == id);
        let desired = desired.iter().find(|service| service.service_id == id);
        let model = product.and_then(|product| product.service(id)).map(|service| service.service_type.as_str());
        let time = reported.map(|service| service.event_time).or(desired.map(|service| service.set_at));
        ServiceShadowBody {
            service_id: id,
            reported_props: raw(reported.map_or("{}", |service| &service.data)),
            desired_props: raw(desired.map_or("{}", |service| &service.desired)),
            event_time: time.unwrap_or(device.created_at).compact(),
            service_type: reported.and_then(|service| service.service_type.as_deref()).or(model).unwrap_or(id),
        }
    };
    ShadowBody {
        device_id: device.id.to_string(),
        gateway_id: view.gateway.to_string(),
        node_type: view.node_type.as_str(),
        create_time: device.created_at.compact(),
        last_modified_time: device.modified_at.compact(),
        device_info: DeviceInfoBody::of(view),
        services: ids.into_iter().map(service).collect(),
    }
}

/// A record of 1.5.4.
pub(super) fn setting(setting: &Setting) -> SettingBody<'_> {
    SettingBody {
        service_id: &setting.service_id,
        device_id: setting.device.to_string(),
        gateway_id: setting.gateway.to_string(),
        app_id: app_id(setting.app),
        desired: raw(&setting.desired),
        timestamp: setting.at.compact(),
    }
}

/// A batch task (1.8.2); `tags` only where they were asked for.
pub(super) fn batch_task<'a>(task: &'a BatchTask, operator: &'a str, tags: bool) -> BatchTaskBody<'a> {
    let BatchTask { job, counts, order } = task;
    let over = counts.over();
    let progress = match (job.is_over(), job.choosing.is_some()) {
        (true, _) => 1_000,
        // More may be chosen than there is now.
        (false, true) => 0,
        (false, false) => permille(over, job.total).min(999),
    };
    BatchTaskBody {
        task_id: job.id.to_string(),
        task_name: &job.name,
        app_id: app_id(job.app),
        operator,
        task_from: if job.by.is_some() { "Northbound" } else { "Portal" },
        task_type: "DeviceCmd",
        status: task_status(job, counts),
        start_time: job.created_at.compact(),
        timeout: order.timeout_min,
        progress,
        total_cnt: job.total,
        success_cnt: counts.succeeded,
        fail_cnt: counts.failed + counts.stopped,
        timeout_cnt: counts.timed_out,
        expired_cnt: counts.expired,
        complete_cnt: over,
        success_rate: permille(counts.succeeded, job.total),
        param: batch_param(order),
        tags: tags.then(|| order.tags.iter().map(|tag| BatchTag { tag_name: &tag.name, tag_value: &tag.value }).collect()),
    }
}

/// Rounded down; of nothing: 0.
fn permille(part: u64, whole: u64) -> u64 {
    part.saturating_mul(1_000).checked_div(whole).unwrap_or(0)
}

/// What an operator has paused goes on, and what one has stopped is complete. Commands expire with the task, which may be over by that alone.
fn task_status(job: &Job, counts: &JobCounts) -> &'static str {
    let by_time = job.due_at.is_some_and(|due| job.finished_at >= Some(due)) && counts.expired + counts.timed_out > 0;
    match job.state {
        JobState::Receiving | JobState::Waiting => "Pending",
        JobState::Paused if job.begun == 0 => "Pending",
        JobState::Running | JobState::Paused => "Running",
        JobState::Finished if !by_time => "Complete",
        JobState::Stopped => "Complete",
        JobState::TimedOut | JobState::Finished => "Timeout",
    }
}

fn batch_param(order: &BatchOrder) -> BatchBody<'_> {
    let none = SelectionBody::default();
    let (kind, selection) = match &order.selection {
        Selection::Devices(list) => ("DeviceList", SelectionBody { device_list: Some(list), ..none }),
        Selection::Model { device_type, manufacturer_id, model } => (
            "DeviceType",
            SelectionBody { device_type: Some(device_type), manufacturer_id: Some(manufacturer_id), model: Some(model), ..none },
        ),
        Selection::Location(location) => ("DeviceArea", SelectionBody { device_location: Some(location), ..none }),
        Selection::GroupsNamed(list) => ("GroupList", SelectionBody { group_list: Some(list), ..none }),
        Selection::Groups(list) => ("GroupIdList", SelectionBody { group_list: Some(list), ..none }),
        Selection::All => ("Broadcast", none),
    };
    BatchBody {
        r#type: kind,
        selection,
        command: SentCommand { service_id: &order.service_id, method: &order.method, paras: raw(&order.paras) },
        callback_url: order.callback_url.as_deref(),
        max_retransmit: order.max_retransmit,
        group_tag: order.group_tag.as_deref(),
    }
}

/// A sub-task (1.8.3): `output` where it has a command, `error` where it has none and why.
pub(super) fn sub_task(sub_task: &SubTask) -> SubTaskBody {
    let status = match sub_task.state {
        TargetState::Waiting => "Pending",
        TargetState::Running => "WaitResult",
        TargetState::Succeeded => "Success",
        TargetState::Failed | TargetState::Stopped => "Fail",
        TargetState::TimedOut | TargetState::Expired => "Timeout",
    };
    let output = sub_task.command.map(|command| {
        let ended = sub_task.ended.as_ref();
        let command_result = ended.map(|(state, detail)| result(*state, detail.as_deref()));
        packed(&OutputBody { request_id: command_id(command), command_result })
    });
    let error = sub_task.refused.as_ref().map(|error| {
        let (_, error_code, error_desc) = batch::SUB_TASK.row(&Fault::Core(error.clone()));
        packed(&RefusalBody { error_code, error_desc })
    });
    let param = SubTaskParam { device_id: sub_task.device.clone(), command_id: sub_task.command.map(command_id) };
    SubTaskBody { status, output, error, param }
}

/// JSON in a text. Structs of texts and JSON that was read before always serialize.
fn packed(body: &impl serde::Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{AccountId, AlarmId, AlarmStatus, Cause, DeviceId, Error, JobId, JobKind, Severity};

    #[test]
    fn a_device_shows_the_alarm_that_it_has() {
        let made = Device::new(DeviceId::from_random([1; 16]), AccountId::from_random([1; 16]), None, "n", Time(0));
        let alarm = Alarm {
            id: AlarmId::from_random([1; 16]),
            account: made.account,
            version: 1,
            device: made.id,
            kind: "hot".into(),
            text: String::new(),
            severity: Severity::Major,
            status: AlarmStatus::Acknowledged,
            count: 1,
            first_at: Time(0),
            at: Time(1_449_922_332_000),
            fragments: "{}".into(),
            created_at: Time(0),
            modified_at: Time(0),
        };
        let shown = |alarm| serde_json::to_value(device(&made, &made.view(), &[], alarm, false)).unwrap()["alarmInfo"].clone();
        assert_eq!(shown(None), serde_json::Value::Null);
        let info = serde_json::json!({"alarmSeverity": "MAJOR", "alarmStatus": true, "alarmTime": "20151212T121212Z"});
        assert_eq!(shown(Some(&alarm)), info);
    }

    #[test]
    fn states_of_jobs_have_the_words_of_tasks() {
        use JobState::{Finished, Paused, Running, Stopped, TimedOut, Waiting};
        let job = Job {
            id: JobId::from_random([1; 16]),
            account: AccountId::from_random([1; 16]),
            version: 1,
            app: None,
            by: None,
            kind: JobKind::Commands,
            name: "j".into(),
            order: String::new(),
            state: Waiting,
            reason: None,
            retry_of: None,
            choosing: None,
            total: 1,
            begun: 0,
            in_flight: 1,
            created_at: Time(0),
            started_at: None,
            finished_at: None,
            due_at: Some(Time(5)),
        };
        for (state, begun, finished_at, expired, word) in [
            (Waiting, 0, None, 0, "Pending"),
            (Paused, 0, None, 0, "Pending"),
            (Paused, 1, None, 0, "Running"),
            (Running, 1, None, 0, "Running"),
            (Finished, 1, Some(Time(4)), 1, "Complete"),
            (Finished, 1, Some(Time(5)), 0, "Complete"),
            (Finished, 1, Some(Time(5)), 1, "Timeout"),
            (Stopped, 1, Some(Time(4)), 0, "Complete"),
            (TimedOut, 1, None, 0, "Timeout"),
        ] {
            let (job, counts) = (Job { state, begun, finished_at, ..job.clone() }, JobCounts { expired, ..JobCounts::default() });
            assert_eq!(task_status(&job, &counts), word, "{state:?} {finished_at:?} {expired}");
        }
        assert_eq!((permille(1, 3), permille(3, 3), permille(0, 0), permille(1_000_000, 1_000_000)), (333, 1_000, 0, 1_000));
    }

    #[test]
    fn output_and_error_are_packed() {
        let command = CommandId("108a9c71-462a-48e0-9426-e06e844d47ba".parse().unwrap());
        let part = |state, command, refused, ended| {
            let body = sub_task(&SubTask { state, device: "d".into(), command, refused, ended });
            (body.status, body.output.unwrap_or_default(), body.error.unwrap_or_default())
        };
        let output = |result: &str| format!(r#"{{"requestId":"108a9c71462a48e09426e06e844d47ba","commandResult":{result}}}"#);
        let gone = Error::new(Cause::DeviceNotFound, "");
        let not_there = r#"{"error_code":"100403","error_desc":"The device is not existed."}"#;
        let failed = Some((CommandState::Failed, Some(r#"{"a": 1}"#.to_owned())));
        for (found, expected) in [
            (part(TargetState::Waiting, None, None, None), ("Pending", String::new(), "")),
            (part(TargetState::Running, Some(command), None, None), ("WaitResult", output("null"), "")),
            (part(TargetState::Failed, None, Some(gone), None), ("Fail", String::new(), not_there)),
            (
                part(TargetState::Failed, Some(command), None, failed),
                ("Fail", output(r#"{"resultCode":"FAILED","resultDetail":{"a": 1}}"#), ""),
            ),
            (
                part(TargetState::Expired, Some(command), None, Some((CommandState::Expired, None))),
                ("Timeout", output(r#"{"resultCode":"EXPIRED","resultDetail":null}"#), ""),
            ),
            (part(TargetState::TimedOut, None, None, None), ("Timeout", String::new(), "")),
            (part(TargetState::Stopped, None, None, None), ("Fail", String::new(), "")),
            (part(TargetState::Succeeded, Some(command), None, None), ("Success", output("null"), "")),
        ] {
            assert_eq!((found.0, found.1, found.2.as_str()), expected);
        }
    }
}
