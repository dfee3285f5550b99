//! What outlives a restart of an LwM2M device's presence: its registration, and the keys of its secure session.

use crate::{DeviceId, Secret, Time};
use serde::{Deserialize, Serialize};

/// A registration with the LwM2M server (LwM2M core, 6.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The device; one registration a device.
    pub device: DeviceId,
    /// The part of its location after `/rd/`.
    pub location: String,
    /// Endpoint name as registered; empty where the device gave none.
    pub endpoint: String,
    /// Lifetime, seconds.
    pub lifetime_s: u32,
    /// LwM2M version, such as `1.1`.
    pub version: String,
    /// Binding as registered, such as `U` or `UQ`.
    pub binding: String,
    /// Sleeps between contacts: is sent to only in its awake window.
    pub queue_mode: bool,
    /// Objects and instances in link format, as registered.
    pub links: String,
    /// Address it last came from.
    pub peer: String,
    /// The secure session it came over; absent: plain CoAP.
    pub session: Option<u64>,
    /// Token generation of its observations, and the paths they are on.
    pub observed: Observed,
    /// When it registered.
    pub registered_at: Time,
    /// Last registration or update.
    pub updated_at: Time,
    /// When it is over unless an update comes.
    pub expires_at: Time,
    /// Moments of its last contacts, oldest first, at most 8: what the next one is forecast from.
    pub contacts: Vec<Time>,
    /// When the next contact is to be expected, where they show a pattern.
    pub next_contact: Option<Time>,
}

/// The observations of a registration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Part of each token, so that notifications of an older registration are told apart.
    pub generation: u16,
    /// Paths; the index is the other part of the token.
    pub paths: Vec<String>,
}

/// The state of a secure session, with which it goes on after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureSession {
    /// Number of the session, and the Connection ID it was given.
    pub id: u64,
    /// The device that holds it.
    pub device: DeviceId,
    /// Keys and counters in hex.
    pub state: Secret,
}
