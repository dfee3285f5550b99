//! Which commands a connection hears, found as fast for ten thousand devices behind a gateway as for one.

use landfall_model::DeviceId;
use std::ops::BitOrAssign;

/// The calls that come by a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Commands {
    /// Absent: of the session's device and of each behind it.
    pub(crate) device: Option<DeviceId>,
    pub(crate) json: bool,
    pub(crate) binary: bool,
}

/// The calls that come by the subscriptions of a session.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// Of its device and each behind it.
    all: Modes,
    /// Of one device each, in order.
    devices: Vec<(DeviceId, Modes)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Modes {
    json: bool,
    binary: bool,
}

impl BitOrAssign for Modes {
    fn bitor_assign(&mut self, other: Self) {
        self.json |= other.json;
        self.binary |= other.binary;
    }
}

impl Listening {
    pub(super) fn new(commands: impl IntoIterator<Item = Commands>) -> Self {
        let mut listening = Self::default();
        commands.into_iter().for_each(|commands| listening.add(commands));
        listening.devices.shrink_to_fit();
        listening
    }

    pub(super) fn add(&mut self, commands: Commands) {
        let modes = Modes { json: commands.json, binary: commands.binary };
        let Some(device) = commands.device else { return self.all |= modes };
        match self.devices.binary_search_by_key(&device, |(device, _)| *device) {
            Ok(at) => self.devices.get_mut(at).into_iter().for_each(|(_, known)| *known |= modes),
            Err(at) => {
                if self.devices.is_empty() {
                    self.devices.reserve_exact(1);
                }
                self.devices.insert(at, (device, modes));
            }
        }
    }

    /// Whether any command of the device is heard; it is the session's own or behind it.
    pub(super) fn hears(&self, device: DeviceId) -> bool {
        self.modes(device) != Modes::default()
    }

    /// Whether its commands of this form are.
    pub(super) fn hears_form(&self, device: DeviceId, binary: bool) -> bool {
        let modes = self.modes(device);
        if binary { modes.binary } else { modes.json }
    }

    fn modes(&self, device: DeviceId) -> Modes {
        let mut modes = self.all;
        if let Ok(at) = self.devices.binary_search_by_key(&device, |(device, _)| *device)
            && let Some((_, own)) = self.devices.get(at)
        {
            modes |= *own;
        }
        modes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_add_up() {
        let device = |n: u8| DeviceId::from_random([n; 16]);
        let commands = |device, json, binary| Commands { device, json, binary };
        let mut listening = Listening::new([commands(Some(device(2)), true, false), commands(Some(device(1)), false, true)]);
        let heard = |listening: &Listening, n| [false, true].map(|binary| listening.hears_form(device(n), binary));
        assert_eq!([1, 2, 3].map(|n| heard(&listening, n)), [[false, true], [true, false], [false, false]]);
        assert_eq!([1, 2, 3].map(|n| listening.hears(device(n))), [true, true, false]);
        listening.add(commands(Some(device(1)), true, false));
        assert_eq!(heard(&listening, 1), [true, true]);
        listening.add(commands(None, true, false));
        assert_eq!([2, 3].map(|n| heard(&listening, n)), [[true, false], [true, false]]);
    }
}
