//! The only code that owns device sockets, spawns their tasks and looks at the clock. It runs machines, and names no protocol.
//!
//! `listener.rs` takes connections in as a protocol's [`Admission`] says; `connection.rs` runs one machine each, over bytes (`stream.rs`) or
//! messages (`message.rs`); `datagram.rs` runs one machine for all peers of its sockets. A machine is fed one thing, drained, and waited for.

mod admission;
mod connection;
pub(crate) mod datagram;
mod listener;
#[cfg_attr(not(test), expect(dead_code, reason = "no protocol of messages is in yet"))]
pub(crate) mod message;
pub(crate) mod stream;

#[cfg(test)]
pub(crate) use admission::Open;
pub(crate) use admission::{Admission, Arrivals, count};
pub(crate) use connection::{Event, Machine, Step};

use landfall_model::Time;
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// How long what ended waits for the answers it is still owed.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// How long a socket rests after the system had nothing for it but an error.
const SOCKET_PAUSE: Duration = Duration::from_millis(100);

/// Now: on a machine's clock, which only goes forward, and on the calendar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) since: Duration,
    pub(crate) at: Time,
}

/// Time since a machine began, as it counts it.
#[derive(Clone, Copy)]
struct Clock(Instant);

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "this is the driver: it gives machines their time")]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn now(self) -> Duration {
        self.0.elapsed()
    }

    fn at(self, since: Duration) -> Instant {
        self.0 + since
    }
}

/// Gives up what takes too long.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    timeout(limit, future).await.ok()
}

/// Waits.
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests;
