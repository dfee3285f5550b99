//! The client's half of a handshake (RFC 5246 section 7.3, RFC 6347 section 4.2). Absent: timers' order and what comes after Finished; `Client` has them.

use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Resume;
use crate::channel::{Channel, PEER_CID_BYTES_MAX, Side};
use crate::flight::{Item, Retransmit};
use crate::hello::{Extensions, ServerHello, max_plaintext, write_client_hello};
use crate::prf::{self, Master};
use crate::reassembly::Reassembly;
use crate::wire::{
    ALERT, CLIENT_HELLO, CLIENT_KEY_EXCHANGE, FINISHED, Fragment, HANDSHAKE, HELLO_REQUEST, HELLO_VERIFY_REQUEST, Reader, Record,
    SERVER_HELLO, SERVER_HELLO_DONE, SERVER_KEY_EXCHANGE, fragment_header,
};
use crate::{Alert, Check, ClientConfig, CloseReason, Random};

/// Most bytes of the server's messages that wait for their missing parts.
const HANDSHAKE_BYTES_MAX: usize = 16_384;
/// HelloVerifyRequests followed before the server is given up.
const COOKIES_MAX: u8 = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// ClientHello is sent.
    Hello,
    /// ServerHello is there, of a full handshake.
    Parameters,
    /// The server's Finished is due.
    Finished,
}

pub(super) struct Opening {
    phase: Phase,
    client_random: [u8; 32],
    server_random: [u8; 32],
    offered_id: Vec<u8>,
    pub(super) session_id: Vec<u8>,
    cookies: u8,
    transcript: Sha256,
    reassembly: Reassembly,
    next_in: u16,
    next_out: u16,
    pub(super) plain_seq: u64,
    pub(super) flight: Vec<Item>,
    pub(super) retransmit: Retransmit,
    pub(super) sent_at: Duration,
    pub(super) ends_at: Duration,
    pub(super) resumed: bool,
    pub(super) ems: bool,
    etm: bool,
    peer_cid: Box<[u8]>,
    reads_cid: bool,
    pub(super) max_plaintext: u16,
    suite: crate::Suite,
    pub(super) master: Option<Master>,
    pub(super) channel: Option<Channel>,
}

/// What a record led to.
pub(super) enum Progress {
    Wait,
    /// A new flight is there.
    Send,
    /// The server repeated itself: send the flight again.
    Repeat,
    Done,
}

impl Opening {
    pub(super) fn start(now: Duration, config: &ClientConfig, random: &mut Random, resume: Option<&Resume>) -> Self {
        let mut client_random = [0; 32];
        random(&mut client_random);
        let mut opening = Self {
            phase: Phase::Hello,
            client_random,
            server_random: [0; 32],
            offered_id: resume.map(|old| old.session_id.clone()).unwrap_or_default(),
            session_id: Vec::new(),
            cookies: 0,
            transcript: Sha256::new(),
            reassembly: Reassembly::default(),
            next_in: 0,
            next_out: 0,
            plain_seq: 0,
            flight: Vec::new(),
            retransmit: Retransmit::start(now, config.retransmit_first),
            sent_at: now,
            ends_at: now.saturating_add(config.handshake_timeout),
            resumed: false,
            ems: false,
            etm: false,
            peer_cid: Box::default(),
            reads_cid: false,
            max_plaintext: 0,
            suite: crate::Suite::PskAes128Ccm8,
            master: None,
            channel: None,
        };
        opening.say_hello(config, &[]);
        opening
    }

    pub(super) fn wakes_at(&self) -> Duration {
        self.retransmit.at.min(self.ends_at)
    }

    pub(super) fn restart(&mut self, now: Duration, first: Duration) {
        self.retransmit = Retransmit::start(now, first);
    }

    fn say_hello(&mut self, config: &ClientConfig, cookie: &[u8]) {
        let extensions = Extensions {
            ems: config.ems,
            etm: config.encrypt_then_mac,
            cid: config.cid.as_deref(),
            renegotiation: Some(&[]),
            max_fragment: None,
            record_size: config.record_size_limit,
        };
        let body = write_client_hello(&self.client_random, &self.offered_id, cookie, &config.suites, &extensions);
        // The hello that the server judges is the first message of the transcript (RFC 6347 section 4.2.1).
        self.transcript = Sha256::new();
        self.flight.clear();
        self.say(CLIENT_HELLO, body);
    }

    fn say(&mut self, kind: u8, body: Vec<u8>) {
        let seq = self.next_out;
        self.next_out += 1;
        self.record(kind, seq, &body);
        self.flight.push(Item::Message(kind, seq, body));
    }

    fn say_finished(&mut self) {
        let Some(master) = &self.master else { return };
        let verify = prf::verify_data(master, prf::CLIENT_FINISHED, &self.transcript);
        let seq = self.next_out;
        self.next_out += 1;
        self.record(FINISHED, seq, &verify);
        self.flight.extend([Item::ChangeCipherSpec, Item::Protected(FINISHED, seq, verify.to_vec())]);
    }

    fn record(&mut self, kind: u8, seq: u16, body: &[u8]) {
        self.transcript.update(fragment_header(kind, body.len(), seq, 0, body.len()));
        self.transcript.update(body);
    }

    pub(super) fn take(
        &mut self,
        record: &Record<'_>,
        config: &ClientConfig,
        resume: Option<&Resume>,
    ) -> Result<Progress, CloseReason> {
        let (kind, plaintext) = match (record.epoch, &mut self.channel) {
            (0, _) => (record.kind, record.body.to_vec()),
            (1, Some(channel)) => match channel.open(record) {
                Ok(opened) => (opened.kind, opened.plaintext),
                Err(_) => return Ok(Progress::Wait),
            },
            _ => return Ok(Progress::Wait),
        };
        match (kind, plaintext.as_slice()) {
            (ALERT, [2, description]) => Err(CloseReason::Refused(Some(*description), None)),
            (HANDSHAKE, body) => self.take_messages(record.epoch, body, config, resume),
            _ => Ok(Progress::Wait),
        }
    }

    fn take_messages(
        &mut self,
        epoch: u16,
        body: &[u8],
        config: &ClientConfig,
        resume: Option<&Resume>,
    ) -> Result<Progress, CloseReason> {
        let mut reader = Reader(body);
        let mut repeated = false;
        while !reader.is_empty() {
            let fragment = Fragment::read(&mut reader).ok_or_else(malformed)?;
            match fragment.kind {
                HELLO_REQUEST => {}
                HELLO_VERIFY_REQUEST if epoch == 0 => {
                    if self.phase == Phase::Hello && fragment.seq >= self.next_in {
                        return self.take_cookie(&fragment, config);
                    }
                }
                // The end of the server's flight comes again: ours did not arrive.
                SERVER_HELLO_DONE if fragment.seq < self.next_in => repeated = self.phase == Phase::Finished,
                _ => {
                    let kept = self.reassembly.insert(epoch, &fragment, self.next_in, HANDSHAKE_BYTES_MAX);
                    kept.map_err(|()| refused(Alert::IllegalParameter, Check::Fragments))?;
                }
            }
        }
        let before = self.phase;
        loop {
            let epoch = u16::from(self.phase == Phase::Finished);
            let Some((kind, body)) = self.reassembly.take(epoch, self.next_in) else { break };
            let seq = self.next_in;
            self.next_in += 1;
            if self.take_message(kind, seq, &body, config, resume)? {
                return Ok(Progress::Done);
            }
        }
        Ok(match (before, self.phase) {
            (Phase::Hello | Phase::Parameters, Phase::Finished) if !self.resumed => Progress::Send,
            _ if repeated => Progress::Repeat,
            _ => Progress::Wait,
        })
    }

    fn take_cookie(&mut self, fragment: &Fragment<'_>, config: &ClientConfig) -> Result<Progress, CloseReason> {
        let mut reader = Reader(fragment.bytes);
        let cookie = reader.array::<2>().and_then(|_| reader.short()).filter(|_| fragment.is_whole()).ok_or_else(malformed)?;
        self.cookies += 1;
        if self.cookies > COOKIES_MAX {
            return Err(refused(Alert::HandshakeFailure, Check::UnexpectedMessage));
        }
        self.next_in = fragment.seq.saturating_add(1);
        self.say_hello(config, cookie);
        Ok(Progress::Send)
    }

    /// Takes the next message; true when it was the last one.
    fn take_message(
        &mut self,
        kind: u8,
        seq: u16,
        body: &[u8],
        config: &ClientConfig,
        resume: Option<&Resume>,
    ) -> Result<bool, CloseReason> {
        match (self.phase, kind) {
            (Phase::Hello, SERVER_HELLO) => {
                self.take_server_hello(body, config, resume)?;
                self.record(kind, seq, body);
                if let Some(old) = resume.filter(|_| self.resumed) {
                    self.use_master(old.master.clone());
                    self.phase = Phase::Finished;
                } else {
                    self.phase = Phase::Parameters;
                }
            }
            // A hint; there is one identity only.
            (Phase::Parameters, SERVER_KEY_EXCHANGE) => self.record(kind, seq, body),
            (Phase::Parameters, SERVER_HELLO_DONE) => {
                self.record(kind, seq, body);
                self.exchange_keys(config);
            }
            (Phase::Finished, FINISHED) => return self.take_finished(seq, body),
            _ => return Err(refused(Alert::UnexpectedMessage, Check::UnexpectedMessage)),
        }
        Ok(false)
    }

    fn take_server_hello(&mut self, body: &[u8], config: &ClientConfig, resume: Option<&Resume>) -> Result<(), CloseReason> {
        let illegal = || refused(Alert::IllegalParameter, Check::HelloMalformed);
        let hello = ServerHello::read(body).ok_or_else(malformed)?;
        let suite = crate::Suite::from_code(hello.suite).filter(|suite| config.suites.contains(suite)).ok_or_else(illegal)?;
        let answer = &hello.extensions;
        let unasked = answer.ems && !config.ems
            || answer.etm && !(config.encrypt_then_mac && suite.is_cbc())
            || answer.cid.is_some() && config.cid.is_none()
            || answer.max_fragment.is_some()
            || answer.record_size.is_some() && config.record_size_limit.is_none();
        let cid = answer.cid.unwrap_or_default();
        if unasked || answer.renegotiation.is_some_and(|data| !data.is_empty()) || cid.len() > PEER_CID_BYTES_MAX {
            return Err(illegal());
        }
        self.resumed = !self.offered_id.is_empty() && hello.session_id == self.offered_id;
        if self.resumed && resume.is_none_or(|old| old.suite != suite || old.ems != answer.ems) {
            return Err(illegal());
        }
        self.server_random = *hello.random;
        self.session_id = hello.session_id.to_vec();
        self.suite = suite;
        (self.ems, self.etm) = (answer.ems, answer.etm);
        self.max_plaintext = max_plaintext(answer);
        self.peer_cid = cid.into();
        self.reads_cid = answer.cid.is_some() && config.cid.as_ref().is_some_and(|own| !own.is_empty());
        Ok(())
    }

    fn exchange_keys(&mut self, config: &ClientConfig) {
        self.flight.clear();
        let mut body = (config.identity.len() as u16).to_be_bytes().to_vec();
        body.extend(&config.identity);
        self.say(CLIENT_KEY_EXCHANGE, body);
        let master = if self.ems {
            prf::extended_master(&config.psk, &self.transcript.clone().finalize().into())
        } else {
            prf::master(&config.psk, &self.client_random, &self.server_random)
        };
        self.use_master(master);
        self.say_finished();
        self.phase = Phase::Finished;
    }

    fn use_master(&mut self, master: Master) {
        let (how, randoms) = ((self.suite, Side::Client, self.etm), [&self.client_random, &self.server_random]);
        self.channel = Some(Channel::derive(how, &master, randoms, self.peer_cid.clone(), self.reads_cid));
        self.master = Some(master);
    }

    fn take_finished(&mut self, seq: u16, body: &[u8]) -> Result<bool, CloseReason> {
        let want = self.master.as_ref().map(|master| prf::verify_data(master, prf::SERVER_FINISHED, &self.transcript));
        if !want.is_some_and(|want| bool::from(want.ct_eq(body))) {
            return Err(refused(Alert::DecryptError, Check::Finished));
        }
        self.record(FINISHED, seq, body);
        if self.resumed {
            self.flight.clear();
            self.say_finished();
        }
        Ok(true)
    }
}

fn refused(alert: Alert, check: Check) -> CloseReason {
    CloseReason::Refused(Some(alert as u8), Some(check))
}

fn malformed() -> CloseReason {
    refused(Alert::DecodeError, Check::MessageMalformed)
}
