//! What LwM2M access counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// Totals since the start, but for the registrations and sessions, which are those of now.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            /// Registered clients.
            pub registered: u64,
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counters as they count.
        #[derive(Default)]
        pub(crate) struct Tally {
            $(pub(crate) $name: AtomicU64,)*
        }

        impl Tally {
            pub(crate) fn counters(&self, registered: usize) -> Counters {
                Counters { registered: registered as u64, $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Live DTLS sessions.
    sessions;
    /// Full and abbreviated DTLS handshakes.
    handshakes;
    /// Refused handshakes, records and messages.
    refused;
    /// Registrations and their updates.
    registrations;
    /// Notifications, Sends and answers that were stored.
    reports;
    /// Requests sent to clients.
    requests;
}
