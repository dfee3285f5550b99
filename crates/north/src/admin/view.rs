//! Records as JSON. Credentials appear only where a function says so.

use super::ops::{Certificate, Delivery, Status};
use landfall_core::{DeviceState, NameClash, Settings, Why};
use landfall_model::{
    AccessMode, Account, App, Channel, Codec, CommandResponse, DataFormat, Device, DeviceInfo, HistoryPoint, Parameter, Product,
    Service, ServiceCommand, Subscription, SubscriptionKind, Time,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(super) fn account(account: &Account) -> Value {
    json!({
        "accountId": account.id,
        "name": account.name,
        "tenant": account.tenant_id(),
        "settings": {
            "eventRetentionDays": account.settings.event_retention_days,
            "historyRetentionDays": account.settings.history_retention_days,
            "deviceApp": account.settings.device_app,
        },
        "createdAt": account.created_at.iso(),
    })
}

pub(super) fn app(app: &App) -> Value {
    json!({
        "appId": app.id,
        "accountId": app.account,
        "name": app.name,
        "frozen": app.frozen,
        "authorized": app.authorized,
        "originator": app.originator.as_ref().map(|own| &own.name),
        "lastingToken": app.originator.as_ref().is_some_and(|own| own.token.is_some()),
        "limits": { "callsPerMinute": app.limits.calls_per_minute, "devices": app.limits.devices },
        "createdAt": app.created_at.iso(),
    })
}

/// A product without its services.
pub(super) fn product_summary(product: &Product) -> Value {
    json!({
        "productId": product.id,
        "accountId": product.account,
        "name": product.name,
        "manufacturerId": product.key.manufacturer_id,
        "manufacturerName": product.key.manufacturer_name,
        "deviceType": product.key.device_type,
        "model": product.key.model,
        "protocolType": product.key.protocol_type,
        "format": format(product.format),
        "autoRegister": product.auto_register,
        "claims": product.claims,
        "lwm2m": product.lwm2m,
        "secretEnabled": product.secret.is_some(),
        "codecVersion": product.codec().map(|codec| codec.version),
        "serviceCount": product.services.len(),
        "createdAt": product.created_at.iso(),
        "modifiedAt": product.modified_at.iso(),
    })
}

/// A product with its services; the services have the form that the import takes.
pub(super) fn product(product: &Product) -> Value {
    let mut value = product_summary(product);
    value["services"] = services(&product.services);
    value
}

pub(super) fn format(format: DataFormat) -> &'static str {
    match format {
        DataFormat::Json => "json",
        DataFormat::Binary => "binary",
    }
}

pub(super) fn services(services: &[Service]) -> Value {
    services.iter().map(service).collect()
}

fn service(service: &Service) -> Value {
    let properties: Vec<Value> = service
        .properties
        .iter()
        .map(|property| {
            let mut value = parameter("propertyName", &property.parameter);
            value["method"] = property.method.as_str().into();
            value
        })
        .collect();
    json!({
        "serviceId": service.service_id,
        "serviceType": service.service_type,
        "option": service.option,
        "description": service.description,
        "properties": properties,
        "commands": service.commands.iter().map(command).collect::<Vec<_>>(),
    })
}

fn command(command: &ServiceCommand) -> Value {
    let response = |response: &CommandResponse| json!({ "responseName": response.name, "paras": paras(&response.paras) });
    let mut value = json!({
        "commandName": command.name,
        "paras": paras(&command.paras),
        "responses": command.responses.iter().map(response).collect::<Vec<_>>(),
    });
    if let Some(path) = &command.execute {
        value["execute"] = path.as_str().into();
    }
    value
}

fn paras(paras: &[Parameter]) -> Vec<Value> {
    paras.iter().map(|para| parameter("paraName", para)).collect()
}

fn parameter(name: &str, parameter: &Parameter) -> Value {
    let mut value = Map::new();
    value.insert(name.into(), parameter.name.as_str().into());
    value.insert("dataType".into(), parameter.data_type.as_str().into());
    value.insert("required".into(), parameter.required.into());
    value.insert("min".into(), json!(parameter.min));
    value.insert("max".into(), json!(parameter.max));
    value.insert("step".into(), json!(parameter.step));
    value.insert("maxLength".into(), json!(parameter.max_length));
    value.insert("unit".into(), json!(parameter.unit));
    value.insert("enumList".into(), json!(parameter.enum_list));
    if let Some(path) = &parameter.path {
        value.insert("path".into(), path.as_str().into());
    }
    Value::Object(value)
}

/// A codec version without its source.
pub(super) fn codec(codec: &Codec) -> Value {
    json!({
        "version": codec.version,
        "bytes": codec.source.len(),
        "samples": codec.samples,
        "createdAt": codec.created_at.iso(),
    })
}

/// The credentials of a device in clear, for its rightful operator.
pub(super) fn credentials(device: &Device) -> Value {
    let kept = &device.credentials;
    json!({
        "secret": kept.secret.as_ref().map(|secret| secret.expose()),
        "psk": kept.psk.as_ref().map(|psk| psk.expose()),
        "pskIdentity": kept.psk_identity.as_deref().unwrap_or(&device.node_id),
        "verifyCode": kept.verify_code.as_ref().map(|code| code.expose()),
        "timeoutSeconds": kept.code_timeout_s,
        "codeExpiresAt": kept.code_expires_at.map(Time::iso),
    })
}

pub(super) fn access(mode: AccessMode) -> &'static str {
    match mode {
        AccessMode::Secret => "secret",
        AccessMode::VerifyCode => "verifyCode",
        AccessMode::Child => "child",
    }
}

pub(super) fn state(state: &DeviceState) -> Value {
    let services: Vec<Value> = state
        .services
        .iter()
        .map(|reported| {
            json!({
                "serviceId": reported.service_id,
                "serviceType": reported.service_type.as_deref().unwrap_or(&reported.service_id),
                "data": data(&reported.data),
                "eventTime": reported.event_time.iso(),
            })
        })
        .collect();
    json!({ "lastSeenAt": state.last_seen.map(Time::iso), "services": services })
}

pub(super) fn point(point: &HistoryPoint) -> Value {
    json!({
        "deviceId": point.device,
        "gatewayId": point.gateway,
        "appId": point.app,
        "serviceId": point.service_id,
        "data": data(&point.data),
        "eventTime": point.event_time.iso(),
    })
}

fn data(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

pub(super) fn name_clash(clash: &NameClash) -> Value {
    let named = |device: &Device| {
        json!({
            "deviceId": device.id,
            "accountId": device.account,
            "nodeId": device.node_id,
            "pskIdentity": device.psk_identity(),
            "createdAt": device.created_at.iso(),
        })
    };
    json!({ "name": clash.identity, "device": named(&clash.device), "holder": named(&clash.holder) })
}

pub(super) fn why(why: &Why) -> Value {
    json!({
        "at": why.at.iso(),
        "identity": why.identity,
        "peer": why.peer.map(|peer| peer.to_string()),
        "step": why.step,
        "check": why.check,
        "detail": why.detail,
        "call": why.call.as_ref().map(|call| json!({
            "requestId": call.request_id, "dialect": why.step, "operation": call.operation, "status": call.status, "code": call.code
        })),
    })
}

pub(super) fn subscription(subscription: &Subscription) -> Value {
    let (kind, resource) = match subscription.kind {
        SubscriptionKind::Notify(notify) => (notify.as_str(), None),
        SubscriptionKind::CallAddress => ("callAddress", None),
        SubscriptionKind::Resource(resource, _) => ("resource", Some(resource)),
    };
    json!({
        "subscriptionId": subscription.id,
        "accountId": subscription.account,
        "owner": subscription.owner,
        "target": subscription.target,
        "by": subscription.by,
        "kind": kind,
        "resourceId": resource,
        "channel": subscription.channel,
        "clientId": (subscription.channel == Channel::Mqtt).then_some(subscription.owner),
        "callbackUrl": subscription.callback_url,
        "createdAt": subscription.created_at.iso(),
    })
}

pub(super) fn delivery(delivery: &Delivery) -> Value {
    json!({
        "state": delivery.state,
        "openEvents": delivery.open_events,
        "behind": delivery.behind,
        "lastError": delivery.last_error.as_ref().map(|e| json!({ "at": e.at.iso(), "text": e.text, "status": e.status })),
        "lastSuccessAt": delivery.last_success_at.map(Time::iso),
        "oldestUndelivered": delivery.oldest_undelivered.map(|u| json!({ "seq": u.seq, "at": u.at.iso(), "deviceId": u.device })),
        "delivered": delivery.delivered,
        "failedAttempts": delivery.failed_attempts,
        "expired": delivery.expired,
        "withheld": delivery.withheld,
        "lastWithheld": delivery.withheld_because.as_ref().map(|(at, text)| json!({ "at": at.iso(), "text": text })),
    })
}

pub(super) fn status(status: &Status, now: Time) -> Value {
    let certificate = |one: &Certificate| {
        let days = (one.until.unix_s() - now.unix_s()).div_euclid(86_400);
        json!({ "name": one.name, "until": one.until.iso(), "daysLeft": days, "endsSoon": one.ends_soon })
    };
    let listener = |(name, host, port): &(String, String, u16)| json!({ "name": name, "host": host, "port": port });
    json!({
        "version": status.version,
        "startedAt": status.started_at.iso(),
        "uptimeSeconds": now.unix_s().saturating_sub(status.started_at.unix_s()).max(0),
        "store": status.store,
        "listeners": status.listeners.iter().map(listener).collect::<Vec<_>>(),
        "certificates": status.certificates.iter().map(certificate).collect::<Vec<_>>(),
    })
}

pub(super) fn settings(settings: &Settings) -> Value {
    json!({
        "codeTimeoutSeconds": settings.code_timeout_s,
        "abnormalAfterSeconds": settings.abnormal_after_s,
        "offlineAfterSeconds": settings.offline_after_s,
        "callTimeoutSeconds": settings.call_timeout_s,
        "callsPerDevice": settings.calls_per_device,
        "commandExpireSeconds": settings.command_expire_s,
        "immediateCommandSeconds": settings.immediate_command_s,
        "commandAckSeconds": settings.command_ack_s,
        "commandResultSeconds": settings.command_result_s,
        "commandsPerDevice": settings.commands_per_device,
        "zombieAfterSeconds": settings.zombie_after_s,
        "deleteRefreshed": settings.delete_refreshed,
        "accessTokenSeconds": settings.access_token_s,
        "refreshTokenSeconds": settings.refresh_token_s,
        "sessionSeconds": settings.session_s,
        "accounts": settings.accounts,
        "apps": settings.apps,
        "products": settings.products,
        "groups": settings.groups,
        "subscriptions": settings.subscriptions,
        "callAddresses": settings.call_addresses,
        "children": settings.children,
        "devices": settings.devices,
        "claimsPerMinute": settings.claims_per_minute,
    })
}

macro_rules! declare {
    ($($group:ident { $($(#[$doc:meta])* $text:ident $word:literal)* })*) => {
        /// Descriptive fields of a device; absent fields are left out.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        pub(super) struct Info {
            $($(#[serde(skip_serializing_if = "Option::is_none")] $text: Option<String>,)*)*
            #[serde(skip_serializing_if = "Option::is_none")]
            pub(super) end_user: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            custom_fields: Option<Value>,
        }

        impl Info {
            /// The words of its texts.
            pub(super) const WORDS: &[&str] = &[$($($word,)*)*];

            pub(super) fn of(info: &DeviceInfo) -> Self {
                Self {
                    $($($text: info.$text.clone(),)*)*
                    end_user: info.end_user.clone(),
                    custom_fields: info.custom_fields.clone(),
                }
            }

            /// As the domain keeps them, without tags.
            pub(super) fn into_model(self) -> DeviceInfo {
                DeviceInfo {
                    $($($text: self.$text,)*)*
                    end_user: self.end_user,
                    custom_fields: self.custom_fields,
                    tags: vec![],
                }
            }

            /// `InvalidField` for texts that no dialect could show.
            pub(super) fn check(&self) -> landfall_model::Result<()> {
                $($(check_text($word, self.$text.as_deref())?;)*)*
                check_text("endUser", self.end_user.as_deref())?;
                if self.custom_fields.as_ref().is_some_and(|fields| !fields.is_array()) {
                    return Err(landfall_model::Error::invalid("info.customFields", "must be an array"));
                }
                Ok(())
            }
        }
    };
}

landfall_model::device_texts!(declare);

fn check_text(field: &'static str, text: Option<&str>) -> landfall_model::Result<()> {
    let max = if field == "description" { 2048 } else { 256 };
    match text {
        Some(text) if text.chars().count() > max || text.chars().any(char::is_control) => Err(landfall_model::Error::invalid(
            format!("info.{field}"),
            format!("must be at most {max} characters without control characters"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_survives_the_way_through_the_api() {
        let text = r#"{"name":"n","swVersion":"1","endUser":"u","customFields":[{"a":1}]}"#;
        let info: Info = serde_json::from_str(text).unwrap();
        let back = Info::of(&info.clone().into_model());
        assert_eq!(info, back);
        let shown: Value = serde_json::to_value(&back).unwrap();
        assert_eq!(shown, serde_json::from_str::<Value>(text).unwrap());
        assert!(serde_json::from_str::<Info>(r#"{"nmae":"n"}"#).is_err());
    }

    #[test]
    fn info_texts_are_bounded() {
        let long = Info { sw_version: Some("x".repeat(257)), ..Info::default() };
        assert_eq!(long.check().unwrap_err().path.as_deref(), Some("info.swVersion"));
        let odd = Info { custom_fields: Some(json!({})), ..Info::default() };
        assert_eq!(odd.check().unwrap_err().path.as_deref(), Some("info.customFields"));
        assert_eq!(Info { name: Some("Zähler".into()), ..Info::default() }.check(), Ok(()));
    }
}
