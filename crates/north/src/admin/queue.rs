//! What waits for a device or is to be set on it: cached commands and the shadow; and the LwM2M registration that says when it comes.

use super::{
    caller::{JsonBody, Over, device_id},
    error::{Answer, Refusal},
    query::{id, listed},
};
use axum::{Json, extract::Path, http::StatusCode};
use landfall_core::{CommandFilter, CommandRequest, DesiredRequest};
use landfall_model::{Cause, Command, CommandId, Desired, Device, Registration, Reported, Time};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SendBody {
    service_id: String,
    method: String,
    /// As it is sent to the device: numbers keep their form.
    paras: Option<Box<RawValue>>,
    callback_url: Option<String>,
    expire_seconds: Option<u32>,
    #[serde(default)]
    max_retransmit: u8,
}

/// Queues a command, as 1.7.1 does for applications.
pub(super) async fn send(
    over: Over,
    Path(device): Path<String>,
    JsonBody(body): JsonBody<SendBody>,
) -> Answer<(StatusCode, Json<Value>)> {
    over.params.only(&[])?;
    let request = CommandRequest {
        service_id: body.service_id,
        method: body.method,
        paras: body.paras.map_or_else(|| "{}".to_owned(), |paras| paras.get().to_owned()),
        callback_url: body.callback_url,
        expire_s: body.expire_seconds,
        max_retransmit: body.max_retransmit,
    };
    let made = over.core.submit_command(&over.scope, device_id(&device)?, request).await?;
    Ok((StatusCode::CREATED, Json(command(&made))))
}

/// Commands of a device, newest first.
pub(super) async fn list(over: Over, Path(device): Path<String>) -> Answer {
    let page = over.params.paged(&["after", "before"])?;
    let filter = CommandFilter {
        account: over.scope.account(),
        app: None,
        device: Some(device_id(&device)?),
        after: over.params.time("after")?,
        before: over.params.time("before")?,
    };
    Ok(listed(&over.core.commands(&over.scope, filter, page).await?, command))
}

pub(super) async fn show(over: Over, Path(which): Path<String>) -> Answer {
    over.params.only(&[])?;
    Ok(Json(command(&over.core.command(&over.scope, command_id(&which)?).await?)))
}

/// Cancels a command that was not sent yet.
pub(super) async fn cancel(over: Over, Path(which): Path<String>) -> Answer {
    over.params.only(&[])?;
    Ok(Json(command(&over.core.cancel_command(&over.scope, command_id(&which)?).await?)))
}

fn command_id(text: &str) -> std::result::Result<CommandId, Refusal> {
    id(text, Cause::CommandNotFound)
}

/// Reported and desired values side by side.
pub(super) async fn shadow(over: Over, Path(device): Path<String>) -> Answer {
    over.params.only(&[])?;
    let device = over.core.device(&over.scope, device_id(&device)?).await?;
    shown(&over, &device).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DesiredBody {
    services: Vec<ServiceDesired>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServiceDesired {
    service_id: String,
    desired: Box<RawValue>,
}

/// Sets desired values, as 1.4.8 does; properties that are not named stay as they are.
pub(super) async fn set_desired(over: Over, Path(device): Path<String>, JsonBody(body): JsonBody<DesiredBody>) -> Answer {
    over.params.only(&[])?;
    let request =
        |service: ServiceDesired| DesiredRequest { service_id: service.service_id, desired: service.desired.get().to_owned() };
    let requests: Vec<DesiredRequest> = body.services.into_iter().map(request).collect();
    let id = device_id(&device)?;
    over.core.set_desired(&over.scope, id, &requests).await?;
    let device = over.core.device(&over.scope, id).await?;
    shown(&over, &device).await
}

async fn shown(over: &Over, device: &Device) -> Answer {
    let reported = over.core.device_state(device).await?.services;
    let desired = over.core.desired(device).await?;
    Ok(Json(json!({ "deviceId": device.id, "services": services(&reported, &desired) })))
}

/// Services that were reported or set, by id.
fn services(reported: &[Reported], desired: &[Desired]) -> Vec<Value> {
    let mut ids: Vec<&str> = reported.iter().map(|service| service.service_id.as_str()).collect();
    ids.extend(desired.iter().map(|service| service.service_id.as_str()));
    ids.sort_unstable();
    ids.dedup();
    let service = |id: &str| {
        let reported = reported.iter().find(|service| service.service_id == id);
        let desired = desired.iter().find(|service| service.service_id == id);
        json!({
            "serviceId": id,
            "reported": reported.map(|service| object(&service.data)),
            "reportedAt": reported.map(|service| service.event_time.iso()),
            "desired": desired.map(|service| object(&service.desired)),
            "desiredAt": desired.map(|service| service.set_at.iso()),
            "open": desired.map_or(&[][..], |service| &service.open),
        })
    };
    ids.into_iter().map(service).collect()
}

fn command(command: &Command) -> Value {
    json!({
        "commandId": command.id,
        "appId": command.app,
        "deviceId": command.device,
        "serviceId": command.service_id,
        "method": command.method,
        "paras": object(&command.paras),
        "callbackUrl": command.callback_url,
        "expireSeconds": command.expire_s,
        "maxRetransmit": command.max_retransmit,
        "state": command.state,
        "result": command.result.as_deref().map(object),
        "issuedTimes": command.issued_times,
        "createdAt": command.created_at.iso(),
        "issuedAt": command.issued_at.map(Time::iso),
        "deliveredAt": command.delivered_at.map(Time::iso),
        "executedAt": command.executed_at.map(Time::iso),
        "dueAt": command.due_at.map(Time::iso),
    })
}

/// JSON that was an object when it was taken.
fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::Object(Map::new()))
}

/// An LwM2M registration without what identifies its session.
pub(super) fn registration(registration: &Registration) -> Value {
    json!({
        "endpoint": registration.endpoint,
        "version": registration.version,
        "binding": registration.binding,
        "queueMode": registration.queue_mode,
        "lifetimeS": registration.lifetime_s,
        "registeredAt": registration.registered_at.iso(),
        "updatedAt": registration.updated_at.iso(),
        "expiresAt": registration.expires_at.iso(),
        "nextContact": registration.next_contact().map(Time::iso),
        "contacts": registration.contacts.iter().map(|at| at.iso()).collect::<Vec<_>>(),
        "objects": registration.links,
        "peer": registration.peer,
        "secure": registration.session.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reported_and_desired_services_stand_side_by_side() {
        let reported =
            |id: &str| Reported { service_id: id.into(), service_type: None, data: r#"{"a":1}"#.into(), event_time: Time(0) };
        let desired = |id: &str| Desired {
            service_id: id.into(),
            desired: r#"{"b":2}"#.into(),
            set_at: Time(0),
            open: vec!["b".into()],
            by: Default::default(),
        };
        let shown = services(&[reported("x"), reported("y")], &[desired("a"), desired("y")]);
        let at = "1970-01-01T00:00:00.000Z";
        assert_eq!(
            shown[0],
            json!({"serviceId":"a","reported":null,"reportedAt":null,"desired":{"b":2},"desiredAt":at,"open":["b"]})
        );
        assert_eq!(
            shown[1],
            json!({"serviceId":"x","reported":{"a":1},"reportedAt":at,"desired":null,"desiredAt":null,"open":[]})
        );
        assert_eq!((&shown[2]["reported"], &shown[2]["desired"]), (&json!({"a":1}), &json!({"b":2})));
    }

    #[test]
    fn bodies_are_read_strictly() {
        let body: SendBody = serde_json::from_str(r#"{"serviceId":"s","method":"m","paras":{"a": 1.0}}"#).unwrap();
        assert_eq!((body.paras.unwrap().get(), body.max_retransmit), (r#"{"a": 1.0}"#, 0));
        assert!(serde_json::from_str::<SendBody>(r#"{"serviceId":"s","method":"m","expire":1}"#).is_err());
        assert!(serde_json::from_str::<DesiredBody>(r#"{"services":[{"serviceId":"s"}]}"#).is_err());
    }

    #[test]
    fn a_registration_shows_no_session() {
        let kept = Registration {
            device: landfall_model::DeviceId::from_random([1; 16]),
            location: "secret-place".into(),
            endpoint: "e".into(),
            lifetime_s: 60,
            version: "1.1".into(),
            binding: "UQ".into(),
            queue_mode: true,
            links: "</3/0>".into(),
            peer: "127.0.0.1:1".into(),
            session: Some(4711),
            observed: landfall_model::Observed::default(),
            registered_at: Time(0),
            updated_at: Time(0),
            expires_at: Time(60_000),
            contacts: vec![Time(0)],
        };
        let shown = registration(&kept);
        assert_eq!((&shown["secure"], &shown["nextContact"], &shown["lifetimeS"]), (&json!(true), &Value::Null, &json!(60)));
        assert!(!shown.to_string().contains("4711") && !shown.to_string().contains("secret-place"));
    }
}
