//! The client: one peer, one identity. For devices, simulations and tests. Absent: sockets and addresses; the owner sends from wherever it is.

mod opening;

use std::collections::VecDeque;
use std::time::Duration;

use opening::{Opening, Progress};

use crate::channel::{Channel, Opened, SealError};
use crate::flight::{self, Item};
use crate::prf::Master;
use crate::wire::{self, ALERT, APPLICATION_DATA, DTLS_1_2, FINISHED, Fragment, HANDSHAKE, Reader, Record};
use crate::{Alert, ClientConfig, ClientOutput, CloseReason, Random, SendError, Suite};

/// A DTLS 1.2 client with one pre-shared key.
///
/// [`Client::connect`] begins; then feed [`Client::handle`] and [`Client::timeout`], and after each call drain [`Client::poll`] until `None`, then sleep until
/// [`Client::poll_timeout`]. Times are durations since any fixed start and never go back.
pub struct Client {
    config: ClientConfig,
    random: Random,
    outputs: VecDeque<ClientOutput>,
    opening: Option<Box<Opening>>,
    live: Option<Box<Live>>,
    resume: Option<Box<Resume>>,
}

struct Live {
    channel: Channel,
    max_plaintext: u16,
    /// The last flight of a resumption, until data shows that the server has it.
    last_flight: Option<(u64, Vec<Item>)>,
}

/// What a later handshake can begin from.
#[derive(Clone)]
struct Resume {
    session_id: Vec<u8>,
    master: Master,
    suite: Suite,
    ems: bool,
}

impl Client {
    /// A client that did nothing yet. `random` must be unpredictable.
    pub fn new(config: ClientConfig, random: Random) -> Self {
        Self { config, random, outputs: VecDeque::new(), opening: None, live: None, resume: None }
    }

    /// Begins a handshake; a short one where the secret of an earlier session is there. A session that lives is dropped without a word.
    pub fn connect(&mut self, now: Duration) {
        self.live = None;
        let mut opening = Opening::start(now, &self.config, &mut self.random, self.resume.as_deref());
        self.send_flight(now, &mut opening);
        self.opening = Some(Box::new(opening));
    }

    /// Forgets the secret of earlier sessions: the next handshake is a full one.
    pub fn forget(&mut self) {
        self.resume = None;
    }

    /// Takes one datagram from the server.
    pub fn handle(&mut self, now: Duration, datagram: &[u8]) {
        let mut reader = Reader(datagram);
        let cid_bytes = self.config.cid.as_ref().map_or(0, Vec::len);
        while !reader.is_empty() {
            let Some(record) = Record::read(&mut reader, cid_bytes) else { return };
            match (self.opening.take(), self.live.as_mut()) {
                (Some(opening), _) => self.open_further(now, opening, &record),
                (None, Some(live)) if record.cid == self.config.cid.as_deref().unwrap_or_default() || record.cid.is_empty() => {
                    if let Ok(opened) = live.channel.open(&record) {
                        self.take_opened(opened);
                    }
                }
                _ => {}
            }
        }
    }

    /// The next output, in order.
    pub fn poll(&mut self) -> Option<ClientOutput> {
        let output = self.outputs.pop_front();
        if output.is_none() && self.outputs.capacity() > 0 {
            self.outputs = VecDeque::new();
        }
        output
    }

    /// When to call [`Client::timeout`]; `None` while nothing waits for time.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.opening.as_ref().map(|opening| opening.wakes_at())
    }

    /// Does what is due: repeats the flight, or gives up.
    pub fn timeout(&mut self, now: Duration) {
        let Some(mut opening) = self.opening.take() else { return };
        if now >= opening.ends_at {
            return self.outputs.push_back(ClientOutput::Closed(CloseReason::Timeout));
        }
        if now >= opening.retransmit.at {
            self.send_flight(now, &mut opening);
            opening.retransmit.back_off(now, self.config.retransmit_max);
        }
        self.opening = Some(opening);
    }

    /// Sends `plaintext` in one record of one datagram.
    ///
    /// # Errors
    /// See [`SendError`]; nothing was sent then.
    pub fn send(&mut self, plaintext: &[u8]) -> Result<(), SendError> {
        let Some(live) = &mut self.live else { return Err(SendError::NoSession) };
        if plaintext.len() > usize::from(live.max_plaintext) {
            return Err(SendError::TooLong);
        }
        let mut datagram = Vec::new();
        match live.channel.seal(&mut datagram, APPLICATION_DATA, plaintext, &mut self.random) {
            Ok(()) => {
                self.outputs.push_back(ClientOutput::Send(datagram));
                Ok(())
            }
            Err(SealError::NotReserved | SealError::Exhausted) => Err(SendError::Exhausted),
        }
    }

    /// Says close_notify and forgets the session, but not its secret. No [`ClientOutput::Closed`] follows.
    pub fn close(&mut self) {
        self.opening = None;
        let mut datagram = Vec::new();
        if let Some(mut live) = self.live.take()
            && live.channel.seal(&mut datagram, ALERT, &Alert::CloseNotify.bytes(), &mut self.random).is_ok()
        {
            self.outputs.push_back(ClientOutput::Send(datagram));
        }
    }

    /// Whether data can be sent.
    pub fn is_established(&self) -> bool {
        self.live.is_some()
    }

    /// The server's Connection ID that our records carry; empty: none.
    pub fn server_cid(&self) -> &[u8] {
        self.live.as_ref().map_or(&[], |live| &live.channel.peer_cid)
    }

    fn open_further(&mut self, now: Duration, mut opening: Box<Opening>, record: &Record<'_>) {
        match opening.take(record, &self.config, self.resume.as_deref()) {
            Ok(Progress::Wait) => self.opening = Some(opening),
            Ok(Progress::Send) => {
                self.send_flight(now, &mut opening);
                opening.restart(now, self.config.retransmit_first);
                self.opening = Some(opening);
            }
            Ok(Progress::Repeat) => {
                self.send_flight(now, &mut opening);
                opening.retransmit.restart(now);
                self.opening = Some(opening);
            }
            Ok(Progress::Done) => self.establish(now, opening),
            Err(reason) => self.give_up(&mut opening, reason),
        }
    }

    fn give_up(&mut self, opening: &mut Opening, reason: CloseReason) {
        if let CloseReason::Refused(Some(alert), Some(_)) = reason {
            let mut datagram = Vec::new();
            wire::plain_record(&mut datagram, ALERT, DTLS_1_2, opening.plain_seq, &[2, alert]);
            self.outputs.push_back(ClientOutput::Send(datagram));
        }
        self.resume = None;
        self.outputs.push_back(ClientOutput::Closed(reason));
    }

    fn establish(&mut self, now: Duration, mut opening: Box<Opening>) {
        if opening.resumed {
            self.send_flight(now, &mut opening);
        }
        let opening = *opening;
        let (Some(channel), Some(master)) = (opening.channel, opening.master) else { return };
        let (suite, cid) = (channel.suite, !channel.peer_cid.is_empty());
        self.resume = (!opening.session_id.is_empty())
            .then(|| Box::new(Resume { session_id: opening.session_id, master, suite, ems: opening.ems }));
        let last_flight = opening.resumed.then_some((opening.plain_seq, opening.flight));
        self.live = Some(Box::new(Live { channel, max_plaintext: opening.max_plaintext, last_flight }));
        self.outputs.push_back(ClientOutput::Established { suite, resumed: opening.resumed, cid });
    }

    fn take_opened(&mut self, opened: Opened) {
        let Some(live) = &mut self.live else { return };
        match (opened.kind, opened.plaintext.as_slice()) {
            (APPLICATION_DATA, [_, ..]) => {
                live.last_flight = None;
                self.outputs.push_back(ClientOutput::Data(opened.plaintext));
            }
            (ALERT, [_, 0]) => {
                self.close();
                self.outputs.push_back(ClientOutput::Closed(CloseReason::PeerClosed));
            }
            (ALERT, [2, description]) => {
                self.live = None;
                self.resume = None;
                self.outputs.push_back(ClientOutput::Closed(CloseReason::PeerAlert(*description)));
            }
            (HANDSHAKE, bytes) => {
                // The server did not hear the last flight of a resumption.
                let again = Fragment::read(&mut Reader(bytes)).is_some_and(|fragment| fragment.kind == FINISHED);
                if let Some((plain_seq, flight)) = live.last_flight.as_mut().filter(|_| again) {
                    let channel = Some(&mut live.channel);
                    let datagrams = flight::pack(flight, plain_seq, channel, self.config.mtu_bytes, &mut self.random);
                    self.outputs.extend(datagrams.into_iter().map(ClientOutput::Send));
                }
            }
            _ => {}
        }
    }

    fn send_flight(&mut self, now: Duration, opening: &mut Opening) {
        opening.sent_at = now;
        let (seq, channel) = (&mut opening.plain_seq, opening.channel.as_mut());
        let datagrams = flight::pack(&opening.flight, seq, channel, self.config.mtu_bytes, &mut self.random);
        self.outputs.extend(datagrams.into_iter().map(ClientOutput::Send));
    }
}

#[cfg(test)]
impl Client {
    /// A record of any content type under the session's keys.
    pub(crate) fn seal_for_test(&mut self, kind: u8, plaintext: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::new();
        let live = self.live.as_mut().expect("a session");
        live.channel.seal(&mut datagram, kind, plaintext, &mut self.random).expect("sealed");
        datagram
    }

    /// Content type and plaintext of a record of the session, which does not count as received.
    pub(crate) fn open_for_test(&mut self, datagram: &[u8]) -> (u8, Vec<u8>) {
        let record = Record::read(&mut Reader(datagram), self.own_cid_bytes()).expect("a record");
        let live = self.live.as_mut().expect("a session");
        let window = live.channel.window;
        let opened = live.channel.open(&record).expect("opened");
        live.channel.window = window;
        (opened.kind, opened.plaintext)
    }

    pub(crate) fn own_cid_bytes(&self) -> usize {
        self.config.cid.as_ref().map_or(0, Vec::len)
    }

    pub(crate) fn set_ems_for_test(&mut self, ems: bool) {
        self.config.ems = ems;
    }

    pub(crate) fn set_resume_for_test(&mut self, session_id: Vec<u8>, master: [u8; 48], suite: Suite) {
        self.resume = Some(Box::new(Resume { session_id, master: Master(master), suite, ems: true }));
    }
}
