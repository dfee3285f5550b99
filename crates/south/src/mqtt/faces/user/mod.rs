//! Users of Cumulocity and the devices they speak for, over SmartREST 2.0 and JSON topics; devices that ask for their credentials (contract section 7).
//!
//! A client is a user, and its clientId names a device that it owns or that its first message makes; it speaks for those behind it, too. Absent:
//! kept sessions, as every connection begins anew and operations wait in the store until the device says how far they are.

mod agent;
mod carrying;
mod collections;
mod hearing;
mod json;
mod newcomer;
mod own;
mod platform;
mod said;
mod smartrest;
mod topics;
mod work;

pub(crate) use agent::Agent;
pub(crate) use newcomer::Newcomer;
pub(in crate::mqtt) use smartrest::fuzz as fuzz_smartrest;
pub(in crate::mqtt) use topics::fuzz as fuzz_topics;

use super::{Admitted, Face, Granted};
use crate::mqtt::{Mqtt, Peer, admission::Refused};
use landfall_core::UserCaller;
use landfall_model::{Cause, Error, ErrorKind};
use landfall_mqtt::{ConnectRefusal, ConnectRequest, DisconnectReason};
use topics::Login;

/// Whether a CONNECT is that of a device which asks for its credentials.
pub(super) fn asks(request: &ConnectRequest) -> bool {
    topics::names_management(request)
}

/// Whether a CONNECT is that of a user.
pub(super) fn speaks(request: &ConnectRequest) -> bool {
    topics::names_user(request) && !topics::names_management(request)
}

/// The user of a CONNECT whose password is right.
async fn signed_in<'a>(peer: &Peer, request: &'a ConnectRequest) -> Result<(UserCaller, Login<'a>), Refused> {
    let invalid = |why: &str| Refused::new(ConnectRefusal::ClientIdentifierNotValid, "client-id.form", why);
    let login = Login::parse(request).map_err(invalid)?;
    let Some(password) = request.password.as_ref().map(|password| String::from_utf8_lossy(password.as_bytes())) else {
        return Err(Refused::new(ConnectRefusal::BadUserNameOrPassword, "password.missing", "there is no password"));
    };
    let signed_in = peer.mqtt.core.sign_in(login.tenant, login.user, &password, peer.address.ip()).await;
    // Failures are counted where passwords are checked.
    signed_in.map(|user| (user, login)).map_err(|error| refused(&error).not_guessed())
}

/// What the core answered to somebody who wants to come in.
fn refused(error: &Error) -> Refused {
    let refusal = match (error.cause, error.kind()) {
        (Cause::Unauthenticated, _) => ConnectRefusal::BadUserNameOrPassword,
        (_, ErrorKind::Denied) => ConnectRefusal::NotAuthorized,
        _ => ConnectRefusal::ServerUnavailable,
    };
    Refused::new(refusal, error.cause.as_str(), &error.to_string())
}

/// Why a connection ends whose user may not do this any more, or that cannot be served now; nothing for what is wrong with the message alone.
fn ends(mqtt: &Mqtt, error: &Error) -> Option<DisconnectReason> {
    match error.kind() {
        ErrorKind::Unavailable => Some(DisconnectReason::ServerBusy),
        ErrorKind::Internal => {
            tracing::error!(%error, connections = mqtt.connections.len(), "what a device said could not be stored");
            Some(DisconnectReason::Unspecified)
        }
        _ => None,
    }
}
