//! From the model to the contract's bodies, and limits that several bodies share.

use super::{
    Fault,
    wire::{
        CapabilityBody, CommandBody, DeviceBody, DeviceInfoBody, LimitsBody, ParaBody, PointBody, PropertyBody, ResponseBody,
        ServiceBody, ServiceInfoBody, SubscriptionBody,
    },
};
use landfall_model::{
    Device, DeviceView, HistoryPoint, Parameter, Reported, Service, ServiceCommand, Subscription, SubscriptionKind,
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

/// JSON that is kept as text, embedded as it is. What is kept was read as JSON before.
pub(super) fn raw(text: &str) -> &RawValue {
    serde_json::from_str(text).unwrap_or(RawValue::NULL)
}

fn flag(on: bool) -> &'static str {
    if on { "TRUE" } else { "FALSE" }
}

/// `DeviceInfo` of a push (1.6.7.1 to 1.6.7.3).
pub(super) fn device_info(view: &DeviceView) -> DeviceInfoBody<'_> {
    let info = &view.info;
    DeviceInfoBody {
        node_id: &view.node_id,
        name: info.name.as_deref(),
        description: info.description.as_deref(),
        manufacturer_id: info.manufacturer_id.as_deref(),
        manufacturer_name: info.manufacturer_name.as_deref(),
        mac: info.mac.as_deref(),
        location: info.location.as_deref(),
        device_type: info.device_type.as_deref(),
        model: info.model.as_deref(),
        sw_version: info.sw_version.as_deref(),
        fw_version: info.fw_version.as_deref(),
        hw_version: info.hw_version.as_deref(),
        imsi: None,
        protocol_type: info.protocol_type.as_deref(),
        radius_ip: None,
        bridge_id: info.bridge_id.as_deref(),
        status: view.status.as_str(),
        status_detail: view.status_detail.as_str(),
        mute: flag(view.mute),
        supported_security: None,
        is_security: flag(view.is_secure),
        signal_strength: info.signal_strength.as_deref(),
        sig_version: info.sig_version.as_deref(),
        serial_number: info.serial_number.as_deref(),
        battery_level: info.battery_level.as_deref(),
    }
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
        device_info: DeviceInfoBody { imsi: Some(asked), radius_ip: Some(()), ..device_info(view) },
        services: services.iter().map(|reported| service(device, reported)).collect(),
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
        app_id: point.app.to_string(),
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
        commands: service.commands.iter().map(command).collect(),
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

fn command(command: &ServiceCommand) -> CommandBody<'_> {
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
    })
}
