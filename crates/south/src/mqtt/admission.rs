//! CONNECT: from the face whose client it is to a session, or to the exact check that refused it.

use landfall_core::{DeviceCaller, ShutOut};
use landfall_model::{Cause, Device, Error, ErrorKind};
use landfall_mqtt::{Accept, ConnectRefusal, ConnectRequest};
use std::{net::SocketAddr, time::Duration};

use super::{
    Mqtt, Note, Peer,
    connections::Largest,
    count,
    faces::{Client, Kind, whose},
    kept, receivers,
    session::{Role, Session},
};
use crate::{driver::within, note::About};

/// How long the connection that a client held before may take to end.
pub(super) const TAKE_OVER: Duration = Duration::from_secs(10);

/// Why a CONNECT is refused, for its client and for the operator.
pub(crate) struct Refused {
    pub(super) refusal: ConnectRefusal,
    pub(super) check: &'static str,
    pub(super) detail: String,
    about: Option<About>,
    /// Whether it may have been a guess: of an identity, or of a secret.
    guessed: bool,
    shut: Option<ShutOut>,
}

/// Decides about a CONNECT. When it is accepted, the device's record says so durably.
pub(crate) async fn connect(peer: &Peer, request: &ConnectRequest) -> Result<(Role, Accept), ConnectRefusal> {
    let kind = whose(&peer.mqtt.core, request).await;
    let outcome = match &kind {
        Ok(kind) => attempt(peer, request, *kind).await,
        Err(error) => Err(Refused::lookup(error)),
    };
    match outcome {
        Ok(accepted) => {
            count(&peer.mqtt.tally.connects);
            Ok(accepted)
        }
        Err(refused) => {
            let (mqtt, address, at_stake) =
                (&peer.mqtt, peer.address, kind.map_or(&*request.client_id, |kind| Client::at_stake(kind, request)));
            let refused = refuse(mqtt, Some(address), "mqtt.connect", &request.client_id, at_stake, refused);
            mqtt.tally.refused(refused.refusal);
            tracing::debug!(peer = %address, client_id = &*request.client_id, check = refused.check, "MQTT connect refused");
            Err(refused.refusal)
        }
    }
}

/// Counts a refusal that may have been a guess, and leaves its why record; the shut-out leaves one a minute. `at_stake`: whose secret that is
/// where nobody is known, a device's under all its names else.
pub(super) fn refuse(
    mqtt: &Mqtt,
    peer: Option<SocketAddr>,
    step: &'static str,
    client_id: &str,
    at_stake: &str,
    mut refused: Refused,
) -> Refused {
    if let Some(peer) = peer.filter(|_| refused.guessed) {
        let identity = match refused.about {
            Some(About::Device(_, device)) => device.to_string(),
            Some(About::App { app, .. }) => app.to_string(),
            None => at_stake.to_owned(),
        };
        let shut = mqtt.throttle.failed(&identity, peer.ip(), mqtt.core.now());
        if let Some(shut) = shut {
            refused = Refused { about: refused.about, ..Refused::shut_out(shut) };
        }
    }
    if refused.shut.is_none_or(|shut| shut.is_first) {
        let note = Note { identity: client_id, peer, step, check: refused.check, detail: refused.detail.clone() };
        mqtt.note(refused.about, note);
    } else {
        mqtt.core.why().count(step, refused.check);
    }
    refused
}

async fn attempt(peer: &Peer, request: &ConnectRequest, kind: Kind) -> Result<(Role, Accept), Refused> {
    let (client, device) = Client::admit(kind, peer, request).await?;
    if let (Some(caller), Some(device)) = (client.device().cloned(), device) {
        return seat(&peer.mqtt, request, &device, &caller, client).await.map_err(|refused| refused.of(&device));
    }
    if let Some((caller, topic)) = client.receiver() {
        let about = About::App { account: caller.app().account, app: caller.app().id, proven: true };
        let seated = receivers::seat(&peer.mqtt, request, caller, topic).await;
        let (seat, accept) = seated.map_err(|refused| refused.about(about))?;
        return Ok((Role::receiving(client, seat), accept));
    }
    Ok((Role::guest(client), Accept { session_expiry_s: Some(0), ..Accept::default() }))
}

/// Takes the place of the device's connection, then takes over its session.
async fn seat(
    mqtt: &Mqtt,
    request: &ConnectRequest,
    device: &Device,
    caller: &DeviceCaller,
    client: Client,
) -> Result<(Role, Accept), Refused> {
    let (handle, session) = mqtt.connections.enter(device.id);
    let turn = within(TAKE_OVER, session.lock_owned()).await;
    let outcome = match &turn {
        Some(_) => enter(mqtt, request, device, caller, &client).await,
        None => {
            let detail = "the device's connection before this one does not end";
            Err(Refused::new(ConnectRefusal::ServerUnavailable, "device.still-ending", detail))
        }
    };
    match outcome {
        Ok((kept, accept)) => {
            if request.maximum_packet_bytes < u32::MAX {
                handle.limit(Largest { client: client.clone(), packet_bytes: request.maximum_packet_bytes });
            }
            Ok((Role::seated(client, Session::new(handle, turn, kept)), accept))
        }
        Err(refused) => {
            handle.ending();
            // The connection before left this to the one that took its place.
            if let Err(error) = mqtt.core.disconnected(caller).await {
                tracing::warn!(device = %device.id, %error, "the end of a connection could not be stored");
            }
            mqtt.connections.leave(device.id, &handle, turn);
            Err(refused)
        }
    }
}

async fn enter(
    mqtt: &Mqtt,
    request: &ConnectRequest,
    checked: &Device,
    caller: &DeviceCaller,
    client: &Client,
) -> Result<(kept::Resumed, Accept), Refused> {
    // From here on a change of the credentials closes this connection; one that came before is seen now.
    let device = mqtt.core.device_by_id(checked.id).await.map_err(|error| Refused::lookup(&error))?;
    if device.credentials.secret != checked.credentials.secret {
        let detail = "the secret changed while the device connected";
        return Err(Refused::new(ConnectRefusal::BadUserNameOrPassword, "password.changed", detail));
    }
    let kept = kept::resume(mqtt, caller, client, request.clean_start).await.map_err(|error| Refused::lookup(&error))?;
    mqtt.core.connected(caller).await.map_err(|error| Refused::lookup(&error))?;
    let expiry_s = request.session_expiry_s.min(mqtt.core.settings().session_s);
    let accept = Accept {
        session_present: kept.session.is_some(),
        resume: kept.session.clone(),
        assigned_client_id: None,
        session_expiry_s: Some(expiry_s),
        ..Accept::default()
    };
    Ok((kept, accept))
}

impl Refused {
    pub(super) fn new(refusal: ConnectRefusal, check: &'static str, detail: &str) -> Self {
        let guessed = refusal != ConnectRefusal::ServerUnavailable;
        Self { refusal, check, detail: detail.to_owned(), about: None, guessed, shut: None }
    }

    pub(super) fn shut_out(shut: ShutOut) -> Self {
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

    /// What the core answered to an application that showed its secret.
    pub(super) fn unproven(error: &Error) -> Self {
        let refusal = match error.cause {
            Cause::Unauthenticated => ConnectRefusal::BadUserNameOrPassword,
            Cause::AppFrozen => {
                return Self::new(ConnectRefusal::NotAuthorized, error.cause.as_str(), &error.to_string()).not_guessed();
            }
            _ => return Self::lookup(error),
        };
        Self::new(refusal, error.cause.as_str(), &error.to_string())
    }

    /// Nobody guessed.
    pub(super) fn not_guessed(self) -> Self {
        Self { guessed: false, ..self }
    }

    /// Whether it is one of too many.
    pub(super) fn is_shut_out(&self) -> bool {
        self.shut.is_some()
    }

    /// About a device.
    pub(super) fn of(self, device: &Device) -> Self {
        self.about(About::Device(device.account, device.id))
    }

    /// About somebody known.
    pub(super) fn about(self, about: About) -> Self {
        Self { about: Some(about), ..self }
    }
}
