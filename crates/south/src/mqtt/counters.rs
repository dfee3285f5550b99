//! What the MQTT listeners count, for metrics.

use landfall_mqtt::{ConnectRefusal, Version};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// Totals since the start, but for the connections, which are those of now.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            /// Open network connections: TCP, TLS, WebSocket, WebSocket over TLS.
            pub connections: [u64; 4],
            /// Refused CONNECTs by MQTT 3.1.1 return code (index 0 is not used).
            pub connects_refused: [u64; 6],
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counters as they count.
        #[derive(Default)]
        pub(crate) struct Tally {
            pub(crate) connections: [AtomicU64; 4],
            connects_refused: [AtomicU64; 6],
            $(pub(crate) $name: AtomicU64,)*
        }

        impl Tally {
            pub(crate) fn counters(&self) -> Counters {
                Counters {
                    connections: self.connections.each_ref().map(|n| n.load(Relaxed)),
                    connects_refused: self.connects_refused.each_ref().map(|n| n.load(Relaxed)),
                    $($name: self.$name.load(Relaxed),)*
                }
            }
        }
    };
}

counters! {
    /// Network connections that were taken.
    accepted;
    /// Network connections that were closed at once, for lack of room.
    turned_away;
    /// TLS and WebSocket handshakes that failed.
    handshakes_failed;
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
}

impl Tally {
    pub(crate) fn refused(&self, refusal: ConnectRefusal) {
        if let Some(count) = self.connects_refused.get(usize::from(refusal.code(Version::V311))) {
            count.fetch_add(1, Relaxed);
        }
    }
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_count_by_their_code() {
        let tally = Tally::default();
        tally.refused(ConnectRefusal::BadUserNameOrPassword);
        tally.refused(ConnectRefusal::NotAuthorized);
        tally.refused(ConnectRefusal::Banned);
        count(&tally.connects);
        let counters = tally.counters();
        assert_eq!((counters.connects_refused, counters.connects), ([0, 0, 0, 0, 1, 2], 1));
    }
}
