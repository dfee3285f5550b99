//! The driver with machines and rules made for the tests.

mod handshakes;
mod messages;

use super::*;
use crate::transport::Upgrade;
use parking_lot::Mutex;
use std::sync::Arc;

/// Step and check of those who were turned away, oldest first.
type Words = Arc<Mutex<Vec<(&'static str, &'static str)>>>;

/// Rules that let one handshake at once.
fn admission(words: &Words) -> Arc<Admission> {
    let words = Arc::clone(words);
    Arc::new(Admission {
        name: "echo",
        steps: ["echo.tcp", "echo.tls", "echo.ws", "echo.wss"],
        max_connections: 100,
        handshakes: 1,
        handshake_timeout: Duration::from_secs(30),
        upgrade: Upgrade { subprotocol: None, first_bytes: 100, message_bytes: 1_000 },
        word: Box::new(move |note| words.lock().push((note.step, note.check))),
        arrivals: Arrivals::default(),
        ends: Admission::ends(),
    })
}
