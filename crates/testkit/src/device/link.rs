//! What is below the CoAP of a simulated device: datagrams as they are, or a DTLS session that opens itself when there is something to say.
//! Absent: addresses; a device sends to its one server.

use landfall_dtls::{Client, ClientConfig, ClientOutput, Random};
use std::{collections::VecDeque, time::Duration};

/// Messages that wait for a handshake; further ones are lost like any datagram.
const WAITING: usize = 16;

pub(super) enum Link {
    Plain,
    Secure(Box<Secure>),
}

pub(super) struct Secure {
    pub(super) dtls: Client,
    waiting: VecDeque<Vec<u8>>,
    /// A handshake is under way.
    opening: bool,
}

impl Link {
    pub(super) fn secure(config: ClientConfig, random: Random) -> Self {
        Self::Secure(Box::new(Secure { dtls: Client::new(config, random), waiting: VecDeque::new(), opening: false }))
    }

    pub(super) fn dtls(&mut self) -> Option<&mut Client> {
        match self {
            Self::Plain => None,
            Self::Secure(secure) => Some(&mut secure.dtls),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        match self {
            Self::Plain => None,
            Self::Secure(secure) => secure.dtls.poll_timeout(),
        }
    }

    /// Sends a message, or keeps it until the handshake that it causes is over. Returns what goes out as it is.
    pub(super) fn send(&mut self, now: Duration, message: Vec<u8>) -> Option<Vec<u8>> {
        let Self::Secure(secure) = self else { return Some(message) };
        if secure.dtls.is_established() {
            // One that is too long for a record is lost like any datagram.
            let _ = secure.dtls.send(&message);
            return None;
        }
        if secure.waiting.len() < WAITING {
            secure.waiting.push_back(message);
        }
        if !secure.opening {
            secure.opening = true;
            secure.dtls.connect(now);
        }
        None
    }

    /// What the session says; it has sent what waited for it.
    pub(super) fn poll(&mut self) -> Option<ClientOutput> {
        let Self::Secure(secure) = self else { return None };
        let output = secure.dtls.poll()?;
        match &output {
            ClientOutput::Established { .. } => {
                secure.opening = false;
                for message in std::mem::take(&mut secure.waiting) {
                    let _ = secure.dtls.send(&message);
                }
            }
            ClientOutput::Closed(_) => {
                secure.opening = false;
                secure.waiting = VecDeque::new();
            }
            ClientOutput::Send(_) | ClientOutput::Data(_) => {}
        }
        Some(output)
    }

    /// Nothing came back over the session: begins a new one.
    pub(super) fn distrust(&mut self, now: Duration) {
        if let Self::Secure(secure) = self
            && !secure.opening
        {
            secure.opening = true;
            secure.dtls.connect(now);
        }
    }
}
