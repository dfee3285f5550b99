//! From the model to the contract's bodies, and limits that several bodies share.

use super::{
    Fault,
    info::DeviceInfoBody,
    wire::{
        CapabilityBody, CommandBody, CommandResultBody, DeviceBody, DeviceCommandBody, LimitsBody, ParaBody, PointBody,
        PropertyBody, ResponseBody, RevocationBody, SentCommand, ServiceBody, ServiceInfoBody, ServiceShadowBody, SettingBody,
        ShadowBody, SubscriptionBody,
    },
};
use landfall_model::{
    AppId, Command, CommandId, CommandState, Desired, Device, DeviceView, HistoryPoint, Parameter, Product, Reported, RevokeTask,
    Service, ServiceCommand, Setting, Subscription, SubscriptionKind, Time,
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

/// A device with its newest values (1.5.1); `imsi` only where it was asked for.
pub(super) fn device<'a>(device: &'a Device, view: &'a DeviceView, services: &'a [Reported], imsi: bool) -> DeviceBody<'a> {
    let asked = if imsi { view.info.imsi.as_deref() } else { None };
    DeviceBody {
        device_id: device.id.to_string(),
        gateway_id: view.gateway.to_string(),
        node_type: view.node_type.as_str(),
        create_time: device.created_at.compact(),
        last_modified_time: device.modified_at.compact(),
        device_info: DeviceInfoBody { imsi: Some(asked), radius_ip: Some(()), ..DeviceInfoBody::of(view) },
        services: services.iter().map(|reported| service(device, reported)).collect(),
        alarm_info: None,
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
