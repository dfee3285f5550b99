//! CONNECT: from a clientId to a session, or to the exact check that refused it (8.2.2; device-side section 4).
//!
//! A frozen device may connect: its reports are taken and dropped by the core (device-side, row 18), so code 5 is for devices that were removed,
//! are not bound yet, or are behind a gateway.

use landfall_core::{DeviceCaller, ShutOut};
use landfall_model::{AccessMode, AccountId, Cause, Device, DeviceId, Error, ErrorKind, Secret};
use landfall_mqtt::{Accept, ConnectRefusal, ConnectRequest};
use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{
    Mqtt, Note,
    claim::{self, Claim},
    connections::Largest,
    count,
    identity::{Kind, Login},
    kept,
    session::Session,
    topics::{self, Own},
};
use crate::driver::within;

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
    /// Whether it may have been a guess: of an identity, or of a secret.
    guessed: bool,
    shut: Option<ShutOut>,
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
            let refused = refuse(mqtt, Some(peer), "mqtt.connect", &request.client_id, refused);
            mqtt.tally.refused(refused.refusal);
            tracing::debug!(%peer, client_id = &*request.client_id, check = refused.check, "MQTT connect refused");
            Err(refused.refusal)
        }
    }
}

/// Counts a refusal that may have been a guess, and leaves its why record; the shut-out leaves one a minute.
fn refuse(mqtt: &Mqtt, peer: Option<SocketAddr>, step: &'static str, client_id: &str, mut refused: Refused) -> Refused {
    if let Some(peer) = peer.filter(|_| refused.guessed) {
        let identity = budget(client_id, refused.device);
        let shut = mqtt.throttle.failed(&identity, peer.ip(), mqtt.core.now());
        if let Some(shut) = shut {
            refused = Refused { device: refused.device, ..Refused::shut_out(shut) };
        }
    }
    if refused.shut.is_none_or(|shut| shut.is_first) {
        let note = Note { identity: client_id, peer, step, check: refused.check, detail: refused.detail.clone() };
        mqtt.note(refused.device, note);
    } else {
        mqtt.core.why().count(step, refused.check);
    }
    refused
}

/// Whose secret is at stake: a device's under all its names, or a product's; else nobody's under the name that was sent.
fn budget(client_id: &str, device: Option<(AccountId, DeviceId)>) -> String {
    match (device, Login::parse(client_id)) {
        (Some((_, device)), _) => device.to_string(),
        (None, Ok(login)) if login.kind == Kind::Claim => login.id.split('_').next().unwrap_or_default().to_owned(),
        (None, Ok(login)) => login.id.to_owned(),
        (None, Err(_)) => client_id.to_owned(),
    }
}

async fn attempt(mqtt: &Arc<Mqtt>, peer: SocketAddr, request: &ConnectRequest) -> Result<(Role, Accept), Refused> {
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
    check_password(mqtt, Some(peer), &login, &device.id.to_string(), secret, password(request))
        .map_err(|refused| refused.of(&device))?;
    let own = Own { device: device.id, text: name.into() };
    let (session, accept) = admit(mqtt, peer, request, &device, own).await.map_err(|refused| refused.of(&device))?;
    Ok((Role::Device(session), accept))
}

/// Checks a clientId and its password outside of MQTT (device-side section 8: HTTP Basic on port 8943).
pub(super) async fn authenticate(
    mqtt: &Mqtt,
    peer: Option<SocketAddr>,
    client_id: &str,
    password: &str,
) -> Result<DeviceCaller, Error> {
    verify(mqtt, peer, client_id, password).await.map_err(|refused| {
        let refused = refuse(mqtt, peer, "bind.login", client_id, refused);
        let cause = match refused.refusal {
            _ if refused.shut.is_some() => Cause::Throttled,
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
    let device = find(mqtt, &login).await.map_err(|error| Refused::lookup(&error))?;
    let secret = check_device(&device)?;
    check_password(mqtt, peer, &login, &device.id.to_string(), secret, Some(password.as_bytes()))
        .map_err(|refused| refused.of(&device))?;
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
        return Err(Refused { guessed: false, ..wrong("timestamp.stale", &detail) });
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
    let caller = mqtt.core.device_caller(device).over("mqtt.publish");
    let (handle, session) = mqtt.connections.enter(device.id);
    let turn = within(TAKE_OVER, session.lock_owned()).await;
    let outcome = match &turn {
        Some(_) => enter(mqtt, request, device, &caller, &own).await,
        None => {
            let detail = "the device's connection before this one does not end";
            Err(Refused::new(ConnectRefusal::ServerUnavailable, "device.still-ending", detail))
        }
    };
    match outcome {
        Ok((kept, accept)) => {
            if request.maximum_packet_bytes < u32::MAX {
                handle.limit(Largest { own: own.clone(), packet_bytes: request.maximum_packet_bytes });
            }
            Ok((Session::new(caller, own, peer, (handle, turn), kept), accept))
        }
        Err(refused) => {
            handle.ending();
            // The connection before left this to the one that took its place.
            if let Err(error) = mqtt.core.disconnected(&caller).await {
                tracing::warn!(device = %device.id, %error, "the end of a connection could not be stored");
            }
            mqtt.connections.leave(device.id, &handle, turn);
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
) -> Result<(kept::Resumed, Accept), Refused> {
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
        let guessed = refusal != ConnectRefusal::ServerUnavailable;
        Self { refusal, check, detail: detail.to_owned(), device: None, guessed, shut: None }
    }

    fn shut_out(shut: ShutOut) -> Self {
        let detail = format!(
            "too many attempts failed in a minute; until {} further ones are not told why, and a secret that people chose is not looked at",
            shut.until.iso()
        );
        let refused = Self::new(ConnectRefusal::ServerBusy, "identity.throttled", &detail);
        Self { guessed: false, shut: Some(shut), ..refused }
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
