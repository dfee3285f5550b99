//! What LwM2M access counts, for metrics.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// Totals since the start, but for the registrations and sessions, which are those of now.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            /// Registered clients.
            pub registered: u64,
            /// What was refused, by step and check of the why record: handshakes, records, messages, requests.
            pub refused: Vec<(&'static str, &'static str, u64)>,
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counters as they count.
        #[derive(Default)]
        pub(crate) struct Tally {
            /// Steps and checks are words of the program, so there are not many.
            refused: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
            $(pub(crate) $name: AtomicU64,)*
        }

        impl Tally {
            pub(crate) fn refuse(&self, step: &'static str, check: &'static str) {
                *self.refused.lock().entry((step, check)).or_default() += 1;
            }

            pub(crate) fn counters(&self, registered: usize) -> Counters {
                let mut refused: Vec<_> = self.refused.lock().iter().map(|((step, check), n)| (*step, *check, *n)).collect();
                refused.extend(Some(("dtls.record", "unreported", self.unreported.load(Relaxed))).filter(|(.., n)| *n > 0));
                Counters { registered: registered as u64, refused, $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Live DTLS sessions.
    sessions;
    /// Full and abbreviated DTLS handshakes.
    handshakes;
    /// DTLS records of nobody known that were refused beyond the rate at which they are told.
    unreported;
    /// DTLS records that failed authentication.
    forged;
    /// Registrations and their updates.
    registrations;
    /// Notifications, Sends and answers that were stored.
    reports;
    /// Requests sent to clients.
    requests;
}
