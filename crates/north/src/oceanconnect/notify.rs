//! Notifications (1.6.7.1 to 1.6.7.12 and 1.6.7.14): the bodies a subscriber gets for an event.
//!
//! Absent: rule events and upgrade notifications, as nothing here makes such events.

use super::{
    info::DeviceInfoBody,
    map::{self, raw},
    wire::CommandResultBody,
};
use landfall_core::{Notification, Notifier, Subject};
use landfall_model::{
    BindResult, Confirmation, DeviceId, DeviceView, Event, EventBody, NotifyType, ProductChange, ProductKey, Report, Seq,
    ServiceReport, StoredEvent, Subscription, SubscriptionKind,
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

/// `to` of a push about a call without `header.from`: the contract wants at least one character.
const NOBODY: &str = "/users/unknown";

/// The dialect's notifications, and those about calls and commands with an address of their own.
pub(super) struct Notifications;

impl Notifier for Notifications {
    fn serves(&self, kind: SubscriptionKind) -> bool {
        matches!(kind, SubscriptionKind::Notify(_) | SubscriptionKind::CallAddress)
    }

    fn render(&self, subscription: &Subscription, event: &StoredEvent, _: &Subject) -> Vec<Notification> {
        notifications(subscription, event).into_iter().map(Notification::json).collect()
    }
}

/// The bodies that `event` means for `subscription`, in the order to send them; none where it is not concerned.
///
/// A report gives `deviceDataChanged` for each service, and `deviceDatasChanged` once ([A 14]). Confirmations of a call with an address of its
/// own go to that address alone, the device's answer to it and to the subscribers ([A 20]); a command is told to its own address or to nobody.
fn notifications(subscription: &Subscription, event: &StoredEvent) -> Vec<Vec<u8>> {
    let (seq, event) = (event.seq, &*event.event);
    let concerned = event.concerns(subscription.account, subscription.target);
    if !concerned || !wanted(subscription, event) {
        return vec![];
    }
    let Some(device) = event.device else {
        return match &event.body {
            EventBody::ProductModel { change, key, .. } => vec![product_model(subscription, *change, key)],
            _ => vec![],
        };
    };
    match &event.body {
        EventBody::DeviceAdded(view) => vec![device_added(device, view)],
        EventBody::DeviceBound { result, device: view } => vec![device_bound(device, *result, view)],
        EventBody::DeviceInfoChanged(view) => vec![device_info_changed(device, view)],
        EventBody::DeviceDeleted { gateway } => vec![device_deleted(device, *gateway)],
        EventBody::Reported(report) => reported(subscription, report, seq),
        EventBody::MessageConfirmed { .. } => message_confirm(device, event).into_iter().collect(),
        EventBody::CommandAnswered { .. } => command_rsp(device, event).into_iter().collect(),
        EventBody::CommandChanged { .. } => command_status(device, event).into_iter().collect(),
        EventBody::DesiredDelivered { service_id, properties, delivered } => {
            vec![desired_delivered(device, service_id, properties, *delivered)]
        }
        EventBody::SubscriptionChanged(_) | EventBody::ProductModel { .. } | EventBody::Notice(_) => vec![],
        EventBody::AlarmChanged(_) | EventBody::DeviceEvent(_) => vec![],
    }
}

/// Whether the subscription selects events of this kind and address.
fn wanted(subscription: &Subscription, event: &Event) -> bool {
    let kind = match subscription.kind {
        SubscriptionKind::CallAddress => return event.body.call_address() == Some(subscription.id),
        SubscriptionKind::Resource(..) => return false,
        SubscriptionKind::Notify(kind) => kind,
    };
    let told = match &event.body {
        EventBody::DeviceAdded(_) => NotifyType::DeviceAdded,
        EventBody::DeviceBound { .. } => NotifyType::BindDevice,
        EventBody::DeviceInfoChanged(_) => NotifyType::DeviceInfoChanged,
        EventBody::DeviceDeleted { .. } => NotifyType::DeviceDeleted,
        EventBody::MessageConfirmed { .. } => NotifyType::MessageConfirm,
        EventBody::CommandAnswered { .. } => NotifyType::CommandRsp,
        EventBody::ProductModel { change, .. } => model_type(*change),
        EventBody::Reported(_) if kind == NotifyType::DeviceDatasChanged => NotifyType::DeviceDatasChanged,
        EventBody::Reported(_) => NotifyType::DeviceDataChanged,
        EventBody::DesiredDelivered { .. } => NotifyType::DeviceDesiredPropertiesModifyStatusChanged,
        EventBody::CommandChanged { .. } | EventBody::SubscriptionChanged(_) | EventBody::Notice(_) => return false,
        EventBody::AlarmChanged(_) | EventBody::DeviceEvent(_) => return false,
    };
    told == kind && event.body.has_subscribers()
}

fn model_type(change: ProductChange) -> NotifyType {
    match change {
        ProductChange::Added => NotifyType::DeviceCapabilitiesAdded,
        ProductChange::Changed => NotifyType::DeviceCapabilitiesChanged,
        ProductChange::Deleted => NotifyType::DeviceCapabilitiesDeleted,
    }
}

fn render(body: &impl Serialize) -> Vec<u8> {
    // Structs of strings and JSON that was read before always serialize.
    serde_json::to_vec(body).unwrap_or_default()
}

/// 1.6.7.1
fn device_added(device: DeviceId, view: &DeviceView) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        notify_type: &'static str,
        device_id: String,
        gateway_id: String,
        node_type: &'static str,
        device_info: DeviceInfoBody<'a>,
    }
    render(&Body {
        notify_type: "deviceAdded",
        device_id: device.to_string(),
        gateway_id: view.gateway.to_string(),
        node_type: view.node_type.as_str(),
        device_info: DeviceInfoBody::of(view),
    })
}

/// 1.6.7.2
fn device_bound(device: DeviceId, result: BindResult, view: &DeviceView) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        notify_type: &'static str,
        device_id: String,
        result_code: BindResult,
        device_info: DeviceInfoBody<'a>,
    }
    let device_info = DeviceInfoBody::of(view);
    render(&Body { notify_type: "bindDevice", device_id: device.to_string(), result_code: result, device_info })
}

/// 1.6.7.3, where what did not change is null.
fn device_info_changed(device: DeviceId, view: &DeviceView) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        notify_type: &'static str,
        device_id: String,
        gateway_id: String,
        /// Not in the table; the original sends it, always null.
        network_status: Option<()>,
        device_info: DeviceInfoBody<'a>,
    }
    render(&Body {
        notify_type: "deviceInfoChanged",
        device_id: device.to_string(),
        gateway_id: view.gateway.to_string(),
        network_status: None,
        device_info: DeviceInfoBody::news(view),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceData<'a> {
    service_id: &'a str,
    service_type: &'a str,
    data: &'a RawValue,
    event_time: String,
}

impl<'a> From<&'a ServiceReport> for ServiceData<'a> {
    fn from(report: &'a ServiceReport) -> Self {
        Self {
            service_id: &report.service_id,
            service_type: report.service_type(),
            data: raw(&report.data),
            event_time: report.event_time.compact(),
        }
    }
}

/// `requestId` of the `n`th push of an event to a subscription: no other push has it, and a repeat of this one has it again (1.6.7.4).
fn request_id(subscription: &Subscription, seq: Seq, n: usize) -> String {
    format!("{seq}-{n}-{}", subscription.id.0.simple())
}

/// 1.6.7.4 for each service, or 1.6.7.5 for all of them, however many there are.
fn reported(subscription: &Subscription, report: &Report, seq: Seq) -> Vec<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        notify_type: &'static str,
        request_id: String,
        device_id: String,
        gateway_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        service: Option<ServiceData<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        services: Option<Vec<ServiceData<'a>>>,
    }
    let body = |notify_type, n| Body {
        notify_type,
        request_id: request_id(subscription, seq, n),
        device_id: report.device.to_string(),
        gateway_id: report.gateway.to_string(),
        service: None,
        services: None,
    };
    if subscription.kind != SubscriptionKind::Notify(NotifyType::DeviceDatasChanged) {
        let single = |(n, service)| render(&Body { service: Some(ServiceData::from(service)), ..body("deviceDataChanged", n) });
        return report.services.iter().enumerate().map(single).collect();
    }
    if report.services.is_empty() {
        return vec![];
    }
    let services = report.services.iter().map(ServiceData::from).collect();
    vec![render(&Body { services: Some(services), ..body("deviceDatasChanged", 0) })]
}

/// 1.6.7.6 to 1.6.7.8
fn product_model(subscription: &Subscription, change: ProductChange, key: &ProductKey) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        notify_type: &'static str,
        app_id: String,
        device_type: &'a str,
        manufacturer_name: &'a str,
        manufacturer_id: &'a str,
        model: &'a str,
        protocol_type: &'a str,
    }
    render(&Body {
        notify_type: model_type(change).as_str(),
        app_id: subscription.target.to_string(),
        device_type: &key.device_type,
        manufacturer_name: &key.manufacturer_name,
        manufacturer_id: &key.manufacturer_id,
        model: &key.model,
        protocol_type: &key.protocol_type,
    })
}

/// 1.6.7.9
fn device_deleted(device: DeviceId, gateway: DeviceId) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        notify_type: &'static str,
        device_id: String,
        gateway_id: String,
    }
    render(&Body { notify_type: "deviceDeleted", device_id: device.to_string(), gateway_id: gateway.to_string() })
}

/// `from` of 1.6.7.10 and 1.6.7.11 (device-side section 7).
fn from_service(device: DeviceId, service_id: &str) -> String {
    format!("/devices/{device}/services/{service_id}")
}

fn recipient(to: &str) -> &str {
    if to.is_empty() { NOBODY } else { to }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a, H> {
    notify_type: &'static str,
    header: H,
    body: &'a RawValue,
}

/// 1.6.7.10, with an empty body: a confirmation carries no content of the service.
fn message_confirm(device: DeviceId, event: &Event) -> Option<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Header<'a> {
        request_id: &'a str,
        from: String,
        to: &'a str,
        status: Confirmation,
        timestamp: String,
    }
    let EventBody::MessageConfirmed { status, request_id, service_id, to, .. } = &event.body else { return None };
    let header = Header {
        request_id,
        from: from_service(device, service_id),
        to: recipient(to),
        status: *status,
        timestamp: event.at.compact(),
    };
    Some(render(&Message { notify_type: "messageConfirm", header, body: raw("{}") }))
}

/// 1.6.7.11. After a failure the body carries the device's `errcode` (device-side section 7).
fn command_rsp(device: DeviceId, event: &Event) -> Option<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Header<'a> {
        request_id: &'a str,
        from: String,
        to: &'a str,
        device_id: String,
        service_type: &'a str,
        method: &'a str,
    }
    let EventBody::CommandAnswered { request_id, service_id, service_type, method, to, body, errcode, .. } = &event.body else {
        return None;
    };
    let header = Header {
        request_id,
        from: from_service(device, service_id),
        to: recipient(to),
        device_id: device.to_string(),
        service_type,
        method,
    };
    let body = with_errcode(body, *errcode);
    Some(render(&Message { notify_type: "commandRsp", header, body: raw(&body) }))
}

/// 1.6.7.12, the only push without `notifyType`; its words are the states themselves (contract row 16).
fn command_status(device: DeviceId, event: &Event) -> Option<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        device_id: String,
        command_id: String,
        result: CommandResultBody<'a>,
    }
    let EventBody::CommandChanged { command, state, result, .. } = &event.body else { return None };
    let result = map::result(*state, result.as_deref());
    Some(render(&Body { device_id: device.to_string(), command_id: map::command_id(*command), result }))
}

/// 1.6.7.14
fn desired_delivered(device: DeviceId, service_id: &str, properties: &str, delivered: bool) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        notify_type: &'static str,
        device_id: String,
        service_id: &'a str,
        properties: &'a RawValue,
        status: &'static str,
    }
    render(&Body {
        notify_type: "deviceDesiredPropertiesModifyStatusChanged",
        device_id: device.to_string(),
        service_id,
        properties: raw(properties),
        status: if delivered { "DELIVERED" } else { "FAILED" },
    })
}

/// The device's body, which keeps an `errcode` of its own.
fn with_errcode(body: &str, errcode: i64) -> String {
    #[derive(Deserialize)]
    struct Probe {
        errcode: Option<IgnoredAny>,
    }
    let has_own = serde_json::from_str::<Probe>(body).is_ok_and(|probe| probe.errcode.is_some());
    let inside = body.trim().strip_prefix('{').map(str::trim_start).unwrap_or("}");
    if errcode == 0 || has_own {
        body.to_owned()
    } else if inside == "}" {
        format!("{{\"errcode\":{errcode}}}")
    } else {
        format!("{{\"errcode\":{errcode},{inside}")
    }
}

#[cfg(test)]
mod tests;
