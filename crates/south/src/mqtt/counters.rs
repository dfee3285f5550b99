//! What the MQTT listeners count, for metrics.

use crate::driver::Arrivals;
use landfall_mqtt::{ConnectRefusal, Version};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// Totals since the start, but for the connections, which are those of now.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            /// Open network connections: TCP, TLS, WebSocket, WebSocket over TLS.
            pub connections: [u64; 4],
            /// Network connections that were taken.
            pub accepted: u64,
            /// Network connections that were closed at once, for lack of room.
            pub turned_away: u64,
            /// TLS and WebSocket handshakes that failed.
            pub handshakes_failed: u64,
            /// Refused CONNECTs by MQTT 3.1.1 return code (index 0 is not used).
            pub connects_refused: [u64; 6],
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counters as they count.
        #[derive(Default)]
        pub(crate) struct Tally {
            connects_refused: [AtomicU64; 6],
            $(pub(crate) $name: AtomicU64,)*
        }

        impl Tally {
            pub(crate) fn counters(&self, arrivals: &Arrivals) -> Counters {
                Counters {
                    connections: arrivals.open.each_ref().map(|n| n.load(Relaxed)),
                    accepted: arrivals.accepted.load(Relaxed),
                    turned_away: arrivals.turned_away.load(Relaxed),
                    handshakes_failed: arrivals.handshakes_failed.load(Relaxed),
                    connects_refused: self.connects_refused.each_ref().map(|n| n.load(Relaxed)),
                    $($name: self.$name.load(Relaxed),)*
                }
            }
        }
    };
}

counters! {
    /// Accepted CONNECTs.
    connects;
    /// Secrets that nodes got with that of their product.
    claims;
    /// Claims that were refused.
    claims_refused;
    /// Messages that were published to the platform.
    publishes;
    /// Bytes of their payloads.
    publish_bytes;
    /// Messages that were refused for their topic or content.
    publishes_refused;
    /// Commands that were sent to devices.
    commands;
    /// Commands that devices acknowledged.
    commands_delivered;
    /// Notifications that were sent to applications.
    notifications;
    /// Notifications that applications confirmed.
    notifications_confirmed;
}

impl Tally {
    pub(crate) fn refused(&self, refusal: ConnectRefusal) {
        if let Some(count) = self.connects_refused.get(usize::from(refusal.code(Version::V311))) {
            count.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::count;

    #[test]
    fn refusals_count_by_their_code() {
        let tally = Tally::default();
        tally.refused(ConnectRefusal::BadUserNameOrPassword);
        tally.refused(ConnectRefusal::NotAuthorized);
        tally.refused(ConnectRefusal::Banned);
        count(&tally.connects);
        let counters = tally.counters(&Arrivals::default());
        assert_eq!((counters.connects_refused, counters.connects), ([0, 0, 0, 0, 1, 2], 1));
    }
}
