//! One handshake, from the ClientHello with a valid cookie to the client's Finished. Absent: tables, timers' order and the socket side; `Server` has them.

use core::net::SocketAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::channel::{Channel, Side};
use crate::flight::{Item, Retransmit};
use crate::hello::Fault;
use crate::prf::{self, Master};
use crate::reassembly::Reassembly;
use crate::wire::{CLIENT_KEY_EXCHANGE, FINISHED, Fragment, Reader, fragment_header};
use crate::{Alert, Check, SessionId, Suite};

/// Protected records kept until there are keys, and data kept until the handshake is over.
const EARLY_RECORDS_MAX: usize = 8;
const EARLY_BYTES_MAX: usize = 4_096;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    KeyExchange,
    Psk,
    Finished,
}

pub(super) struct Handshake {
    pub(super) serial: u64,
    pub(super) peer: SocketAddr,
    pub(super) id: SessionId,
    pub(super) resume_id: u64,
    /// The session whose secret is used again.
    pub(super) resumes: Option<SessionId>,
    pub(super) state: State,
    pub(super) suite: Suite,
    pub(super) ems: bool,
    pub(super) etm: bool,
    pub(super) reads_cid: bool,
    pub(super) peer_cid: Box<[u8]>,
    pub(super) max_plaintext: u16,
    pub(super) client_random: [u8; 32],
    pub(super) server_random: [u8; 32],
    pub(super) transcript: Sha256,
    pub(super) reassembly: Reassembly,
    pub(super) next_in: u16,
    pub(super) next_out: u16,
    pub(super) plain_seq: u64,
    pub(super) flight: Vec<Item>,
    pub(super) retransmit: Retransmit,
    pub(super) sent_at: Duration,
    pub(super) ends_at: Duration,
    /// The client seems to have given up: nothing is repeated unless it repeats first.
    pub(super) quiet: bool,
    pub(super) identity: Option<Vec<u8>>,
    /// The transcript up to the identity, from which another one may go on.
    pub(super) before_identity: Option<Box<Sha256>>,
    /// Identities that took the place of another one.
    pub(super) identities: u8,
    /// What should be Finished could not be opened since the identity last came.
    pub(super) unopened: bool,
    /// How often the client repeated its last flight after that, and when last.
    pub(super) in_vain: u8,
    pub(super) in_vain_at: Duration,
    /// What was told to the owner.
    pub(super) told: Vec<Check>,
    pub(super) master: Option<Master>,
    pub(super) channel: Option<Channel>,
    /// Records before there are keys.
    pub(super) early_records: Vec<Vec<u8>>,
    /// Plaintext that overtook the Finished of a resumption.
    pub(super) early_data: Vec<Vec<u8>>,
}

/// What a look at the collected messages found.
pub(super) enum Step {
    /// More must come.
    Wait,
    /// The identity is there; the owner must be asked.
    Ask,
    /// The client's Finished is right.
    Done,
}

impl Handshake {
    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Psk
    }

    pub(super) fn wakes_at(&self) -> Duration {
        self.retransmit.at.min(self.ends_at)
    }

    /// Adds a whole message to the transcript.
    pub(super) fn record(&mut self, kind: u8, seq: u16, body: &[u8]) {
        self.transcript.update(fragment_header(kind, body.len(), seq, 0, body.len()));
        self.transcript.update(body);
    }

    /// Appends an unprotected message to the flight and the transcript.
    pub(super) fn say(&mut self, kind: u8, body: Vec<u8>) {
        let seq = self.next_out;
        self.next_out += 1;
        self.record(kind, seq, &body);
        self.flight.push(Item::Message(kind, seq, body));
    }

    /// Appends ChangeCipherSpec and our Finished to the flight, and Finished to the transcript.
    pub(super) fn say_finished(&mut self) -> Option<[u8; 12]> {
        let verify = prf::verify_data(self.master.as_ref()?, prf::SERVER_FINISHED, &self.transcript);
        let seq = self.next_out;
        self.next_out += 1;
        self.record(FINISHED, seq, &verify);
        self.flight.extend([Item::ChangeCipherSpec, Item::Protected(FINISHED, seq, verify.to_vec())]);
        Some(verify)
    }

    pub(super) fn insert(&mut self, epoch: u16, fragment: &Fragment<'_>, limit_bytes: usize) -> Result<(), Fault> {
        const TOO_MUCH: Fault = Fault::new(Alert::IllegalParameter, Check::Fragments, "fragments contradict or exceed the limit");
        let mut kept = self.reassembly.insert(epoch, fragment, self.next_in, limit_bytes);
        if kept.is_err() {
            // Anyone may have sent what is there of epoch 0: it must not stand in the way.
            self.reassembly.clear(0);
            kept = self.reassembly.insert(epoch, fragment, self.next_in, limit_bytes);
        }
        kept.map_err(|()| TOO_MUCH)
    }

    /// The identity that a repeated ClientKeyExchange brings, where it comes in one piece.
    pub(super) fn identity_again<'a>(&self, fragment: &Fragment<'a>) -> Option<&'a [u8]> {
        let due = self.state != State::KeyExchange && self.resumes.is_none() && fragment.seq.checked_add(1) == Some(self.next_in);
        let mut reader = Reader(fragment.bytes);
        let identity = reader.long().filter(|_| due && fragment.kind == CLIENT_KEY_EXCHANGE && fragment.is_whole())?;
        reader.is_empty().then_some(identity)
    }

    /// Goes back to where the identity was due, because what came may have been another's.
    pub(super) fn await_identity(&mut self) {
        if let Some(transcript) = self.before_identity.take() {
            self.transcript = *transcript;
            self.next_in -= 1;
            self.identities += 1;
            self.state = State::KeyExchange;
            (self.master, self.channel, self.unopened, self.in_vain) = (None, None, false, 0);
            self.early_records.clear();
        }
    }

    /// Takes the next message where it is whole. What is wrong in epoch 0 may be anyone's, and is skipped. `may_ask` is false while too many handshakes wait for
    /// the owner.
    pub(super) fn step(&mut self, may_ask: bool, identity_bytes: usize) -> Result<Step, Fault> {
        const ORDER: Fault = Fault::new(Alert::UnexpectedMessage, Check::UnexpectedMessage, "another message was due");
        let (epoch, due) = match self.state {
            State::KeyExchange => (0, CLIENT_KEY_EXCHANGE),
            State::Finished => (1, FINISHED),
            State::Psk => return Ok(Step::Wait),
        };
        match self.reassembly.peek(epoch, self.next_in) {
            None => return Ok(Step::Wait),
            Some(kind) if kind != due => {
                self.reassembly.clear(epoch);
                return Err(ORDER);
            }
            Some(_) if self.state == State::KeyExchange && !may_ask => return Ok(Step::Wait),
            Some(_) => {}
        }
        let Some((kind, body)) = self.reassembly.take(epoch, self.next_in) else { return Ok(Step::Wait) };
        let result = if kind == FINISHED { self.check_finished(&body) } else { self.take_identity(&body, identity_bytes) }?;
        let seq = self.next_in;
        self.record(kind, seq, &body);
        self.next_in += 1;
        Ok(result)
    }

    fn take_identity(&mut self, body: &[u8], identity_bytes: usize) -> Result<Step, Fault> {
        const FORM: Fault = Fault::new(Alert::DecodeError, Check::MessageMalformed, "ClientKeyExchange cannot be parsed");
        let mut reader = Reader(body);
        let identity = reader.long().ok_or(FORM)?;
        if !reader.is_empty() {
            return Err(FORM);
        }
        if identity.len() > identity_bytes {
            return Err(Fault::new(Alert::IllegalParameter, Check::IdentityLength, "the identity is too long"));
        }
        self.identity = Some(identity.to_vec());
        self.before_identity = Some(Box::new(self.transcript.clone()));
        self.state = State::Psk;
        Ok(Step::Ask)
    }

    fn check_finished(&self, body: &[u8]) -> Result<Step, Fault> {
        let want = self.master.as_ref().map(|master| prf::verify_data(master, prf::CLIENT_FINISHED, &self.transcript));
        if want.is_some_and(|want| bool::from(want.ct_eq(body))) {
            return Ok(Step::Done);
        }
        Err(Fault::new(Alert::DecryptError, Check::Finished, "Finished does not verify"))
    }

    /// The key is there: derives the master secret. The transcript ends with ClientKeyExchange here.
    pub(super) fn use_psk(&mut self, psk: &[u8]) {
        let master = if self.ems {
            prf::extended_master(psk, &self.transcript.clone().finalize().into())
        } else {
            prf::master(psk, &self.client_random, &self.server_random)
        };
        self.use_master(master);
    }

    pub(super) fn use_master(&mut self, master: Master) {
        let (how, randoms) = ((self.suite, Side::Server, self.etm), [&self.client_random, &self.server_random]);
        self.channel = Some(Channel::derive(how, &master, randoms, self.peer_cid.clone(), self.reads_cid));
        self.master = Some(master);
        self.state = State::Finished;
    }

    /// Keeps a record that came before the keys.
    pub(super) fn keep_record(&mut self, record: Vec<u8>) {
        keep(&mut self.early_records, record);
    }

    /// Keeps data that came before Finished; only a resuming client may send before it heard our Finished.
    pub(super) fn keep_data(&mut self, data: Vec<u8>) {
        if self.resumes.is_some() {
            keep(&mut self.early_data, data);
        }
    }
}

fn keep(held: &mut Vec<Vec<u8>>, bytes: Vec<u8>) {
    let total: usize = held.iter().map(Vec::len).sum();
    if held.len() < EARLY_RECORDS_MAX && total + bytes.len() <= EARLY_BYTES_MAX {
        held.push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_early_is_bounded() {
        for (size, kept) in [(0, EARLY_RECORDS_MAX), (100, EARLY_RECORDS_MAX), (1_024, 4), (4_097, 0)] {
            let mut held = Vec::new();
            for _ in 0..100 {
                keep(&mut held, vec![0; size]);
            }
            assert_eq!(held.len(), kept, "{size}");
        }
    }
}
