//! Whether a clientId and its password are a device's (8.2.2; device-side section 4).

use super::{
    at_stake,
    identity::{Kind, Login},
    topics,
};
use crate::mqtt::{
    Mqtt,
    admission::{Refused, refuse},
};
use landfall_core::DeviceCaller;
use landfall_model::{AccessMode, Cause, Device, Error, Secret};
use landfall_mqtt::ConnectRefusal;
use std::{net::SocketAddr, sync::Arc};

/// Checks a clientId and its password outside of MQTT (device-side section 8: HTTP Basic on port 8943).
pub(in crate::mqtt) async fn authenticate(
    mqtt: &Mqtt,
    peer: Option<SocketAddr>,
    client_id: &str,
    password: &str,
) -> Result<DeviceCaller, Error> {
    verify(mqtt, peer, client_id, password).await.map_err(|refused| {
        let refused = refuse(mqtt, peer, "bind.login", client_id, at_stake(client_id), refused);
        let cause = match refused.refusal {
            _ if refused.is_shut_out() => Cause::Throttled,
            ConnectRefusal::ServerUnavailable => Cause::Overloaded,
            ConnectRefusal::NotAuthorized => Cause::Forbidden,
            _ => Cause::Unauthenticated,
        };
        Error::new(cause, refused.detail)
    })
}

async fn verify(mqtt: &Mqtt, peer: Option<SocketAddr>, client_id: &str, password: &str) -> Result<DeviceCaller, Refused> {
    let invalid = |detail: &str| Refused::new(ConnectRefusal::ClientIdentifierNotValid, "client-id.form", detail);
    let login = Login::parse(client_id).map_err(invalid)?;
    if login.kind == Kind::Claim {
        return Err(invalid("one-model-one-secret is for MQTT only"));
    }
    let device = check(mqtt, peer, &login, Some(password.as_bytes())).await?;
    Ok(mqtt.core.device_caller(&device))
}

/// The device of a login whose password is right.
pub(super) async fn check(
    mqtt: &Mqtt,
    peer: Option<SocketAddr>,
    login: &Login<'_>,
    password: Option<&[u8]>,
) -> Result<Arc<Device>, Refused> {
    let device = find(mqtt, login).await.map_err(|error| Refused::lookup(&error))?;
    let secret = check_device(&device)?;
    check_password(mqtt, peer, login, &device.id.to_string(), secret, password).map_err(|refused| refused.of(&device))?;
    Ok(device)
}

async fn find(mqtt: &Mqtt, login: &Login<'_>) -> Result<Arc<Device>, Error> {
    if login.kind == Kind::NodeId {
        return mqtt.core.device_by_node(login.id).await;
    }
    let unknown = || Error::new(Cause::DeviceNotFound, "the id in clientId is no deviceId (36 lower-case characters)");
    mqtt.core.device_by_id(topics::device_id(login.id).ok_or_else(unknown)?).await
}

fn check_device(device: &Device) -> Result<&Secret, Refused> {
    let Some(secret) = &device.credentials.secret else {
        let (check, detail) = match device.access {
            AccessMode::Child => ("device.behind-gateway", "the device has no credentials of its own; its gateway speaks for it"),
            _ => ("device.not-bound", "the device must first exchange its verification code for a secret (port 8943)"),
        };
        return Err(Refused::new(ConnectRefusal::NotAuthorized, check, detail).of(device));
    };
    Ok(secret)
}

/// The password first, so that only its owner learns about the clock. `owner`: whose secret it is, in the throttle's words.
pub(super) fn check_password(
    mqtt: &Mqtt,
    peer: Option<SocketAddr>,
    login: &Login<'_>,
    owner: &str,
    secret: &Secret,
    password: Option<&[u8]>,
) -> Result<(), Refused> {
    if let Some(peer) = peer {
        mqtt.throttle.check(owner, peer.ip(), secret, mqtt.core.now()).map_err(Refused::shut_out)?;
    }
    let wrong = |check, detail: &str| Refused::new(ConnectRefusal::BadUserNameOrPassword, check, detail);
    let Some(password) = password else { return Err(wrong("password.missing", "there is no password")) };
    if !login.proves(secret, password) {
        let detail = "the password is not the hex of HMAC-SHA256 with the clientId's timestamp as key and the secret as message";
        return Err(wrong("password.wrong", detail));
    }
    let now = mqtt.core.now();
    if !login.is_fresh(now, mqtt.config.clock_tolerance_h) {
        let detail = format!(
            "the timestamp {} is not within {} h of the server's {}; set the clock, or use passwordSignatureType 0",
            login.timestamp,
            mqtt.config.clock_tolerance_h,
            now.hour()
        );
        return Err(wrong("timestamp.stale", &detail).not_guessed());
    }
    Ok(())
}
