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
    /// Token generation of its observations, and the paths of those that stand.
    pub observed: Observed,
    /// When it registered.
    pub registered_at: Time,
    /// Last registration or update.
    pub updated_at: Time,
    /// When it is over unless an update comes.
    pub expires_at: Time,
    /// Moments of its last contacts, oldest first, at most 8: what the next one is forecast from.
    pub contacts: Vec<Time>,
}

impl Registration {
    /// When the next contact is to be expected: the last one plus the median interval, where most intervals are near it (within a
    /// quarter). `None` with fewer than four contacts or without such a pattern.
    pub fn next_contact(&self) -> Option<Time> {
        let (last, before) = self.contacts.split_last().filter(|(_, before)| before.len() >= 3)?;
        let next = before.iter().skip(1).chain([last]);
        let mut intervals: Vec<i64> = before.iter().zip(next).map(|(a, b)| b.0.saturating_sub(a.0).max(0)).collect();
        intervals.sort_unstable();
        let median = *intervals.get(intervals.len() / 2)?;
        let near = intervals.iter().filter(|interval| interval.abs_diff(median) <= median.unsigned_abs() / 4).count();
        (median > 0 && near * 3 >= intervals.len() * 2).then(|| Time(last.0.saturating_add(median)))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(contacts: &[i64]) -> Registration {
        Registration {
            device: DeviceId(uuid::Uuid::nil()),
            location: String::new(),
            endpoint: String::new(),
            lifetime_s: 0,
            version: String::new(),
            binding: String::new(),
            queue_mode: true,
            links: String::new(),
            peer: String::new(),
            session: None,
            observed: Observed::default(),
            registered_at: Time(0),
            updated_at: Time(0),
            expires_at: Time(0),
            contacts: contacts.iter().map(|s| Time(s * 1000)).collect(),
        }
    }

    #[test]
    fn a_pattern_of_contacts_is_seen_and_its_absence_too() {
        for (contacts, expected) in [
            (&[][..], None),
            (&[0, 600, 1200], None),
            (&[0, 600, 1200, 1800], Some(2400)),
            (&[0, 590, 1210, 1800, 2420], Some(3040)),
            (&[0, 600, 1200, 7200, 7800, 8400], Some(9000)),
            (&[0, 10, 5000, 5100, 90_000], None),
            (&[5, 5, 5, 5], None),
        ] {
            assert_eq!(registration(contacts).next_contact().map(Time::unix_s), expected, "{contacts:?}");
        }
    }
}
