//! CONNECT: from a clientId to a session, or to the exact check that refused it (8.2.2; device-side section 4).
//!
//! A frozen device may connect: its reports are taken and dropped by the core (device-side, row 18), so code 5 is for devices that were removed,
//! are not bound yet, or are behind a gateway.

use landfall_core::DeviceCaller;
use landfall_model::{AccessMode, AccountId, Cause, Device, DeviceId, Error, ErrorKind, Secret};
use landfall_mqtt::{Accept, ConnectRefusal, ConnectRequest};
use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{
    Mqtt, Note,
    claim::{self, Claim},
    connections::Handle,
    count,
    identity::{Kind, Login},
    kept,
    session::Session,
    topics::{self, Own},
};

/// How long the connection that a device held before may take to end.
const TAKE_OVER: Duration = Duration::from_secs(10);

/// What a connection may do once it is accepted.
pub(crate) enum Role {
    /// A device, with all its topics.
    Device(Session),
    /// One-model-one-secret: a node that asks for its own secret.
    Claim(Claim),
}

/// Why a CONNECT is refused, for its client and for the operator.
pub(crate) struct Refused {
    pub(super) refusal: ConnectRefusal,
    pub(super) check: &'static str,
    pub(super) detail: String,
    pub(super) device: Option<(AccountId, DeviceId)>,
}

/// Decides about a CONNECT. When it is accepted, the device's record says so durably.
pub(crate) async fn connect(
    mqtt: &Arc<Mqtt>,
    peer: SocketAddr,
    request: &ConnectRequest,
) -> Result<(Role, Accept), ConnectRefusal> {
    match attempt(mqtt, peer, request).await {
        Ok(accepted) => {
            count(&mqtt.tally.connects);
            Ok(accepted)
        }
        Err(refused) => {
            mqtt.tally.refused(refused.refusal);
            let guessed = refused.refusal.code(landfall_mqtt::Version::V311) != 3;
            if guessed {
                mqtt.throttle.failed(peer.ip(), mqtt.core.now());
            }
            tracing::debug!(%peer, client_id = &*request.client_id, check = refused.check, "MQTT connect refused");
            let note = Note {
                identity: &request.client_id,
                peer: Some(peer),
                step: "mqtt.connect",
                check: refused.check,
                detail: refused.detail,
            };
            mqtt.note(refused.device, note);
            Err(refused.refusal)
        }
    }
}

async fn attempt(mqtt: &Arc<Mqtt>, peer: SocketAddr, request: &ConnectRequest) -> Result<(Role, Accept), Refused> {
    if mqtt.throttle.is_closed(peer.ip(), mqtt.core.now()) {
        let detail = "the address had too many refused connects in a minute";
        return Err(Refused::new(ConnectRefusal::ServerBusy, "peer.throttled", detail));
    }
    let invalid = |check, detail: &str| Refused::new(ConnectRefusal::ClientIdentifierNotValid, check, detail);
    let login = Login::parse(&request.client_id).map_err(|why| invalid("client-id.form", why))?;
    let username = request.username.as_deref().unwrap_or_default();
    let name = login.named(username).map_err(|why| invalid("username.differs", why))?;
    if login.kind == Kind::Claim {
        let claim = claim::connect(mqtt, peer, request, &login, username, name).await?;
        return Ok((Role::Claim(claim), Accept { session_expiry_s: Some(0), ..Accept::default() }));
    }
    let device = find(mqtt, &login).await.map_err(|error| Refused::lookup(&error))?;
    let secret = check_device(&device)?;
    check_password(mqtt, &login, secret, password(request)).map_err(|refused| refused.of(&device))?;
    let own = Own { device: device.id, text: name.into() };
    let (session, accept) = admit(mqtt, peer, request, &device, own).await.map_err(|refused| refused.of(&device))?;
    Ok((Role::Device(session), accept))
}

/// Checks a clientId and its password outside of MQTT (device-side section 8: HTTP Basic on port 8943).
pub(super) async fn authenticate(mqtt: &Mqtt, client_id: &str, password: &str) -> Result<DeviceCaller, Error> {
    let refused = |detail: &'static str| Error::new(Cause::Unauthenticated, detail);
    let login = Login::parse(client_id).map_err(refused)?;
    if login.kind == Kind::Claim {
        return Err(refused("one-model-one-secret is for MQTT only"));
    }
    let device = find(mqtt, &login).await?;
    let checked = check_device(&device).and_then(|secret| check_password(mqtt, &login, secret, Some(password.as_bytes())));
    checked.map_err(|refused| {
        let removed = refused.refusal == ConnectRefusal::NotAuthorized;
        Error::new(if removed { Cause::Forbidden } else { Cause::Unauthenticated }, refused.detail)
    })?;
    Ok(mqtt.core.device_caller(&device))
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

pub(super) fn password(request: &ConnectRequest) -> Option<&[u8]> {
    request.password.as_ref().map(|password| password.as_bytes())
}

/// The password first, so that only its owner learns about the clock.
pub(super) fn check_password(mqtt: &Mqtt, login: &Login<'_>, secret: &Secret, password: Option<&[u8]>) -> Result<(), Refused> {
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
        return Err(wrong("timestamp.stale", &detail));
    }
    Ok(())
}

/// Takes the place of the device's connection, then takes over its session.
async fn admit(
    mqtt: &Arc<Mqtt>,
    peer: SocketAddr,
    request: &ConnectRequest,
    device: &Device,
    own: Own,
) -> Result<(Session, Accept), Refused> {
    let caller = mqtt.core.device_caller(device);
    let (handle, old) = mqtt.connections.enter(device.id);
    match enter(mqtt, request, device, &caller, &own, old).await {
        Ok((kept, accept)) => {
            let session = Session::new(caller, own, peer, handle, kept);
            Ok((session, accept))
        }
        Err(refused) => {
            handle.ending();
            // The connection before left this to the one that took its place.
            if let Err(error) = mqtt.core.disconnected(&caller).await {
                tracing::warn!(device = %device.id, %error, "the end of a connection could not be stored");
            }
            mqtt.connections.leave(device.id, &handle);
            Err(refused)
        }
    }
}

async fn enter(
    mqtt: &Arc<Mqtt>,
    request: &ConnectRequest,
    checked: &Device,
    caller: &DeviceCaller,
    own: &Own,
    old: Option<Arc<Handle>>,
) -> Result<(kept::Resumed, Accept), Refused> {
    if let Some(old) = old
        && tokio::time::timeout(TAKE_OVER, old.has_ended()).await.is_err()
    {
        let detail = "the device's connection before this one does not end";
        return Err(Refused::new(ConnectRefusal::ServerUnavailable, "device.still-ending", detail));
    }
    // From here on a change of the credentials closes this connection; one that came before is seen now.
    let device = mqtt.core.device_by_id(checked.id).await.map_err(|error| Refused::lookup(&error))?;
    if device.credentials.secret != checked.credentials.secret {
        let detail = "the secret changed while the device connected";
        return Err(Refused::new(ConnectRefusal::BadUserNameOrPassword, "password.changed", detail));
    }
    let kept = kept::resume(mqtt, caller, own, request.clean_start).await.map_err(|error| Refused::lookup(&error))?;
    mqtt.core.connected(caller).await.map_err(|error| Refused::lookup(&error))?;
    let expiry_s = request.session_expiry_s.min(mqtt.core.settings().session_s);
    let accept = Accept {
        session_present: kept.session.is_some(),
        resume: kept.session.clone(),
        assigned_client_id: None,
        session_expiry_s: Some(expiry_s),
    };
    Ok((kept, accept))
}

impl Refused {
    pub(super) fn new(refusal: ConnectRefusal, check: &'static str, detail: &str) -> Self {
        Self { refusal, check, detail: detail.to_owned(), device: None }
    }

    /// What the core answered to a lookup.
    pub(super) fn lookup(error: &Error) -> Self {
        let (refusal, check) = match error.kind() {
            ErrorKind::NotFound => (ConnectRefusal::ClientIdentifierNotValid, "device.unknown"),
            ErrorKind::Denied => (ConnectRefusal::NotAuthorized, "device.removed"),
            _ => (ConnectRefusal::ServerUnavailable, "server.unavailable"),
        };
        Self::new(refusal, check, &error.to_string())
    }

    fn of(mut self, device: &Device) -> Self {
        self.device = Some((device.account, device.id));
        self
    }
}
