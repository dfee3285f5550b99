//! ClientHello: cookie, negotiation, the first flight (RFC 6347 section 4.2.1). Absent: everything after ServerHelloDone.

use core::net::SocketAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::handshake::{Handshake, State};
use super::session::{Secret, resume_id_of, session_id};
use super::{CID_BYTES, Server};
use crate::channel::PEER_CID_BYTES_MAX;
use crate::flight::{self, Retransmit};
use crate::hello::{ClientHello, Extensions, Fault, HelloStart, RENEGOTIATION_SCSV, ServerHello, max_plaintext};
use crate::reassembly::Reassembly;
use crate::wire::{self, ALERT, CLIENT_HELLO, DTLS_1_2, Fragment, PLAINTEXT_BYTES_MAX, Reader, SERVER_HELLO, SERVER_HELLO_DONE};
use crate::{Alert, Check, Output, SessionId, Suite};

/// A ClientHello is one of a client's first messages and records; numbers that leave no room to count on are refused.
const HELLO_MESSAGE_SEQ_MAX: u16 = 64;
const HELLO_RECORD_SEQ_MAX: u64 = 1 << 40;
/// How long the fragments of a ClientHello are kept. A client that hears nothing repeats all of them.
const PARTIAL_HELLO_FOR: Duration = Duration::from_secs(10);
/// A flight is not repeated on demand sooner than this after it was sent, so that copies of one datagram cause one answer.
pub(crate) const REPEAT_AFTER: Duration = Duration::from_millis(250);

/// A ClientHello of which some fragments are there.
pub(super) struct PartialHello {
    seq: u16,
    random: [u8; 32],
    reassembly: Reassembly,
}

impl Server {
    pub(super) fn take_client_hello(&mut self, now: Duration, from: SocketAddr, record_seq: u64, fragment: &Fragment<'_>) {
        if fragment.seq > HELLO_MESSAGE_SEQ_MAX || record_seq > HELLO_RECORD_SEQ_MAX {
            let detail = "ClientHello with a number that no first message has";
            return self.refuse_junk(now, from, None, Check::HelloMalformed, detail);
        }
        self.cookies.rotate(now, &mut self.random);
        if fragment.is_whole() {
            self.take_hello(now, from, record_seq, fragment, false);
        } else if let Some(body) = self.join_hello(now, from, record_seq, fragment) {
            self.take_hello(now, from, record_seq, &Fragment { offset: 0, bytes: &body, ..*fragment }, true);
        }
    }

    /// Keeps a fragment of a ClientHello of which the first one brought a cookie of ours; gives the body once it is whole. Other fragments leave nothing here.
    fn join_hello(&mut self, now: Duration, from: SocketAddr, record_seq: u64, fragment: &Fragment<'_>) -> Option<Vec<u8>> {
        if fragment.offset == 0 {
            let Some(start) = HelloStart::read(&mut Reader(fragment.bytes)) else {
                let detail = "the first fragment of a ClientHello ends before its cookie";
                self.refuse_junk(now, from, None, Check::HelloFragmented, detail);
                return None;
            };
            if !self.cookies.starts_valid(from, &start) {
                let datagram = self.cookies.verify_request(from, &start, None, (record_seq, fragment.seq));
                self.counters.cookies += 1;
                self.send_datagram(from, datagram);
                return None;
            }
            let same = |held: &&PartialHello| held.seq == fragment.seq && held.random == *start.random;
            if self.hellos.get(from).filter(same).is_none() {
                while self.hellos.len() >= self.config.partial_hellos.max(1) {
                    self.hellos.take_first();
                }
                let held = PartialHello { seq: fragment.seq, random: *start.random, reassembly: Reassembly::default() };
                self.hellos.put(now.saturating_add(PARTIAL_HELLO_FOR), from, held);
            }
        }
        let held = self.hellos.get_mut(from).filter(|held| held.seq == fragment.seq)?;
        if held.reassembly.insert(0, fragment, fragment.seq, self.config.handshake_bytes).is_err() {
            self.hellos.remove(from);
            let detail = "fragments of a ClientHello contradict or exceed the limit";
            self.refuse_junk(now, from, None, Check::HelloFragmented, detail);
            return None;
        }
        let (_, body) = held.reassembly.take(0, fragment.seq)?;
        self.hellos.remove(from);
        Some(body)
    }

    /// Takes a whole hello; `parted` where it came in fragments.
    fn take_hello(&mut self, now: Duration, from: SocketAddr, record_seq: u64, fragment: &Fragment<'_>, parted: bool) {
        let Some(hello) = ClientHello::read(fragment.bytes) else {
            return self.refuse_junk(now, from, None, Check::HelloMalformed, "ClientHello cannot be parsed");
        };
        if !self.cookies.is_valid(from, &hello, parted) {
            let numbers = (record_seq, fragment.seq);
            let datagram = self.cookies.verify_request(from, &hello.start, Some(hello.wishes()), numbers);
            self.counters.cookies += 1;
            return self.send_datagram(from, datagram);
        }
        if self.handshakes.get(from).is_some_and(|handshake| handshake.client_random == *hello.start.random) {
            return self.repeat_flight(now, from);
        }
        let finished = self.by_peer.get(&from).and_then(|id| self.lingering.get_mut(*id));
        if finished.is_some_and(|flight| flight.client_random == *hello.start.random) {
            // A late copy of the hello that the live session began with.
            return;
        }
        if let Err(fault) = self.open_handshake(now, from, record_seq, fragment, &hello) {
            let mut datagram = Vec::new();
            wire::plain_record(&mut datagram, ALERT, DTLS_1_2, record_seq, &fault.alert.bytes());
            self.send_datagram(from, datagram);
            self.refuse_fault(from, None, fault);
        }
    }

    /// The client repeated its hello: our flight did not arrive (RFC 6347 section 4.2.4).
    fn repeat_flight(&mut self, now: Duration, from: SocketAddr) {
        let Some(mut handshake) = self.handshakes.take(from) else { return };
        if !handshake.is_waiting() && now >= handshake.sent_at.saturating_add(REPEAT_AFTER) {
            handshake.quiet = false;
            self.counters.retransmits += 1;
            self.send_flight(now, &mut handshake);
            handshake.retransmit.restart(now);
        }
        self.handshakes.put(handshake);
    }

    fn open_handshake(
        &mut self,
        now: Duration,
        from: SocketAddr,
        record_seq: u64,
        fragment: &Fragment<'_>,
        hello: &ClientHello<'_>,
    ) -> Result<(), Fault> {
        let offered = self.judge(hello)?;
        let resumable = self.resumable(hello, &offered)?;
        let suite = match &resumable {
            Some((_, old)) => old.suite,
            None => self.choose(hello)?,
        };
        let id = self.fresh_id();
        let cid = offered.cid.filter(|cid| self.config.connection_id && cid.len() <= PEER_CID_BYTES_MAX);
        let mut server_random = [0; 32];
        (self.random)(&mut server_random);
        self.serial += 1;
        let mut handshake = Box::new(Handshake {
            serial: self.serial,
            peer: from,
            id,
            resume_id: resumable.as_ref().map_or(id.0, |(_, old)| old.resume_id),
            resumes: resumable.as_ref().map(|(session, _)| *session),
            state: State::KeyExchange,
            suite,
            ems: offered.ems,
            etm: self.config.encrypt_then_mac && offered.etm && suite.is_cbc(),
            reads_cid: cid.is_some(),
            peer_cid: cid.unwrap_or_default().into(),
            max_plaintext: max_plaintext(&offered),
            client_random: *hello.start.random,
            server_random,
            transcript: Sha256::new(),
            reassembly: Reassembly::default(),
            next_in: fragment.seq + 1,
            next_out: fragment.seq,
            plain_seq: record_seq,
            flight: Vec::new(),
            retransmit: Retransmit::start(now, self.config.retransmit_first),
            sent_at: now,
            ends_at: now.saturating_add(self.config.handshake_timeout),
            quiet: false,
            identity: None,
            before_identity: None,
            identities: 0,
            unopened: false,
            in_vain: 0,
            in_vain_at: now,
            told: Vec::new(),
            master: None,
            channel: None,
            early_records: Vec::new(),
            early_data: Vec::new(),
        });
        handshake.record(CLIENT_HELLO, fragment.seq, fragment.bytes);
        let body = self.server_hello(&handshake, hello, &offered);
        handshake.say(SERVER_HELLO, body);
        if let Some((_, old)) = resumable {
            handshake.identity = Some(old.identity.into_vec());
            handshake.use_master(old.master);
            handshake.say_finished();
        } else {
            handshake.say(SERVER_HELLO_DONE, Vec::new());
        }
        self.admit(now, handshake);
        Ok(())
    }

    fn admit(&mut self, now: Duration, mut handshake: Box<Handshake>) {
        self.counters.handshakes += 1;
        if let Some(old) = self.handshakes.take(handshake.peer) {
            self.refuse(old.peer, old.identity, Check::HandshakeEvicted, "the client began anew");
        }
        while self.handshakes.len() >= self.config.handshakes.max(1) {
            let Some(old) = self.handshakes.take_oldest() else { break };
            self.refuse(old.peer, old.identity, Check::HandshakeEvicted, "too many handshakes");
        }
        self.send_flight(now, &mut handshake);
        self.handshakes.put(handshake);
    }

    /// What does not depend on the choice of a suite.
    fn judge<'a>(&self, hello: &ClientHello<'a>) -> Result<Extensions<'a>, Fault> {
        // Versions count down: 1.0 is fe.ff, 1.2 is fe.fd, and later clients put 1.2 here.
        let [major, minor] = hello.start.version;
        if major != 0xfe || minor > DTLS_1_2[1] {
            return Err(Fault::new(Alert::ProtocolVersion, Check::ProtocolVersion, "older than DTLS 1.2"));
        }
        if !hello.offers_null_compression() {
            return Err(Fault::new(Alert::IllegalParameter, Check::Compression, "null compression is not offered"));
        }
        let offered = hello.extensions()?;
        if offered.renegotiation.is_some_and(|data| !data.is_empty()) {
            return Err(Fault::new(Alert::HandshakeFailure, Check::RenegotiationInfo, "renegotiation_info is not empty"));
        }
        if self.config.require_ems && !offered.ems {
            return Err(Fault::new(Alert::HandshakeFailure, Check::ExtendedMasterSecret, "extended master secret is required"));
        }
        if self.sessions.len() >= self.config.sessions {
            return Err(Fault::new(Alert::InternalError, Check::SessionLimit, "too many sessions"));
        }
        Ok(offered)
    }

    fn choose(&self, hello: &ClientHello<'_>) -> Result<Suite, Fault> {
        let common = self.config.suites.iter().copied().find(|suite| hello.offers(suite.code()));
        common.ok_or(Fault::new(Alert::HandshakeFailure, Check::CipherSuite, "no common cipher suite"))
    }

    /// The session that the client may resume. What RFC 7627 section 5.3 and RFC 7366 forbid becomes a full handshake, or an error where it must.
    fn resumable(&self, hello: &ClientHello<'_>, offered: &Extensions<'_>) -> Result<Option<(SessionId, Secret)>, Fault> {
        let Some(asked) = resume_id_of(hello.start.session_id).filter(|_| self.config.resumption) else { return Ok(None) };
        let id = self.by_resume_id.get(&asked).copied().unwrap_or(SessionId(asked));
        let live = self.sessions.get(&id).map(|session| Secret::from(&**session));
        let known = live.or_else(|| self.closed.get(id).map(|closed| (**closed).clone()));
        let Some(session) = known.filter(|known| known.resume_id == asked) else { return Ok(None) };
        if session.ems && !offered.ems {
            return Err(Fault::new(
                Alert::HandshakeFailure,
                Check::ResumptionSecret,
                "resumption without extended master secret",
            ));
        }
        let (suite, etm) = (session.suite, self.config.encrypt_then_mac && offered.etm);
        let same = session.ems == offered.ems && (!session.etm || etm);
        let safe = session.ems || self.config.resumption_without_ems;
        let offers = hello.offers(suite.code()) && self.config.suites.contains(&suite);
        Ok((same && safe && offers).then_some((id, session)))
    }

    fn server_hello(&self, handshake: &Handshake, hello: &ClientHello<'_>, offered: &Extensions<'_>) -> Vec<u8> {
        let cid: [u8; CID_BYTES] = handshake.id.0.to_be_bytes();
        let session_id = session_id(handshake.resume_id);
        let signalled = offered.renegotiation.is_some() || hello.offers(RENEGOTIATION_SCSV);
        let extensions = Extensions {
            ems: handshake.ems,
            etm: handshake.etm,
            cid: handshake.reads_cid.then_some(&cid),
            renegotiation: signalled.then_some(&[]),
            max_fragment: offered.max_fragment.filter(|_| offered.record_size.is_none()),
            record_size: offered.record_size.map(|_| PLAINTEXT_BYTES_MAX as u16),
        };
        let session_id = if self.config.resumption { &session_id[..] } else { &[] };
        ServerHello { random: &handshake.server_random, session_id, suite: handshake.suite.code(), extensions }.write()
    }

    /// An id that nothing alive has: the configured prefix, then random bits.
    fn fresh_id(&mut self) -> SessionId {
        let prefix_bits = u32::from(self.config.id_prefix_bits.min(32));
        let random_mask = u64::MAX >> prefix_bits;
        let prefix = u64::from(self.config.id_prefix).checked_shl(64 - prefix_bits).unwrap_or(0);
        let mut bytes = [0; 8];
        (self.random)(&mut bytes);
        let mut number = u64::from_be_bytes(bytes);
        loop {
            let id = SessionId(prefix | number & random_mask);
            if !self.is_taken(id, id.0) {
                return id;
            }
            number = number.wrapping_add(1);
        }
    }

    /// Whether an id, or the session id made of a number, has a meaning here.
    pub(super) fn is_taken(&self, id: SessionId, resume_id: u64) -> bool {
        let lives = self.sessions.contains_key(&id) || self.closed.get(id).is_some();
        lives || self.by_resume_id.contains_key(&resume_id) || self.handshakes.peer_of(id).is_some()
    }

    pub(super) fn send_flight(&mut self, now: Duration, handshake: &mut Handshake) {
        handshake.sent_at = now;
        let (seq, channel) = (&mut handshake.plain_seq, handshake.channel.as_mut());
        for datagram in flight::pack(&handshake.flight, seq, channel, self.config.mtu_bytes, &mut self.random) {
            self.outputs.push_back(Output::Send { to: handshake.peer, datagram });
        }
    }
}
