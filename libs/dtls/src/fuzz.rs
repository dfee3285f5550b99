//! Entry points for fuzzers: a conversation whose datagrams are changed, raw datagrams, saved sessions. Invariants are asserted.
//! Absent: the fuzzer itself; any engine that hands over bytes will do.

use core::net::SocketAddr;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::wire::{CLIENT_HELLO, DTLS_1_2, Fragment, HANDSHAKE, Reader, Record, fragment_header, plain_record};
use crate::{
    Alert, Client, ClientConfig, ClientOutput, Config, LookupId, Output, Random, SavedSession, Server, SessionId, Suite,
};

const KEY: &[u8] = b"fuzzed key";
const HANDSHAKES_MAX: usize = 3;
const LOOKUPS_MAX: usize = 2;
const SESSIONS_MAX: usize = 4;
const PEERS: u16 = 4;

/// A server and a client talk, and `data` is what happens on the way: its first byte chooses the form of the handshake, the rest is read as a script of
/// deliveries, losses, fragments of hellos, changed and invented bytes, other addresses, answers, time, and wishes of both owners.
///
/// # Panics
/// When an invariant does not hold: data that was not sent, or twice; limits exceeded; a saved session that cannot be read. Hostile bytes alone must never get here.
pub fn fuzz_conversation(data: &[u8]) {
    let mut script = Reader(data);
    let mut run = Run::new(script.u8().unwrap_or(0));
    while let Some(order) = script.u8() {
        run.obey(order, &mut script);
        run.drain();
        run.check();
    }
    run.finish();
}

/// A script for [`fuzz_conversation`] by which a handshake of this form comes to its end and data goes both ways.
pub fn honest_script(form: u8) -> Vec<u8> {
    let (to_server, to_client) = ([1, 0x3c], [1, 0x3d]);
    let mut script = vec![form, 0, 0];
    for pair in [to_server, to_client, to_server, to_client, to_server, [5, 0x30], to_client] {
        script.extend(pair);
    }
    for _ in 0..3 {
        for pair in [[6, 0], to_server, [7, 0], to_client] {
            script.extend(pair);
        }
    }
    script
}

/// The datagrams in which a ClientHello comes over a path that carries `size` bytes of it each; anything else comes as it is.
pub(crate) fn cut_hello(datagram: &[u8], size: usize) -> Vec<Vec<u8>> {
    let record = Record::read(&mut Reader(datagram), 0).filter(|record| record.kind == HANDSHAKE && record.epoch == 0);
    let hello = record.and_then(|record| Some((record.seq, Fragment::read(&mut Reader(record.body))?)));
    let Some((record_seq, hello)) = hello.filter(|(_, hello)| hello.kind == CLIENT_HELLO && hello.is_whole()) else {
        return vec![datagram.to_vec()];
    };
    let (body, size) = (hello.bytes, size.max(1));
    let parts = body.chunks(size).enumerate().map(|(number, part)| {
        let header = fragment_header(CLIENT_HELLO, body.len(), hello.seq, number * size, part.len());
        let mut out = Vec::new();
        plain_record(&mut out, HANDSHAKE, DTLS_1_2, record_seq * 16 + number as u64, &[&header[..], part].concat());
        out
    });
    parts.collect()
}

/// How many sessions live after a script of [`fuzz_conversation`]; all that was said has arrived then.
#[cfg(test)]
pub(crate) fn sessions_of(data: &[u8]) -> usize {
    let mut script = Reader(data);
    let mut run = Run::new(script.u8().unwrap_or(0));
    while let Some(order) = script.u8() {
        run.obey(order, &mut script);
        run.drain();
    }
    assert!(run.said > 0 && run.client_said.is_empty() && run.server_said.is_empty(), "not all arrived");
    run.server.sessions()
}

/// Raw datagrams for a server that knows nobody; each begins with its length and the number of its sender.
///
/// # Panics
/// When one of them opens a session, or more state is kept than the limits allow.
pub fn fuzz_datagrams(data: &[u8]) {
    let mut run = Run::new(1);
    let mut script = Reader(data);
    while let (Some(from), Some(count)) = (script.u8(), script.u8()) {
        let datagram = script.bytes(usize::from(count)).unwrap_or(script.0);
        run.server.handle(run.now, peer(u16::from(from)), datagram);
        run.now += Duration::from_millis(u64::from(from));
        while let Some(output) = run.server.poll() {
            assert!(!matches!(output, Output::Established { .. } | Output::Data { .. }), "{output:?}");
            if let Output::Send { datagram: reply, .. } = &output {
                assert!(run.server.handshakes() > 0 || reply.len() <= datagram.len(), "amplified");
            }
        }
        run.check();
    }
}

/// The bytes of a saved session.
///
/// # Panics
/// When bytes are accepted that are not the form of what they mean, or a session made of them breaks the server.
pub fn fuzz_saved(data: &[u8]) {
    let Ok(saved) = SavedSession::from_bytes(data) else { return };
    assert_eq!(saved.to_bytes().as_slice(), data, "another form of the same session");
    let mut server = Server::new(Config::default(), random(1));
    let (from, write_seq) = (saved.peer(), saved.write_seq());
    let id = saved.id();
    assert_eq!(server.restore(saved.clone()), Ok(id), "an empty server takes it");
    assert_eq!(server.restore(saved), Err(crate::RestoreError::Exists));
    assert_eq!(server.session(id).map(|info| (info.write_seq, info.reserved)), Some((write_seq, write_seq)));
    assert!(server.send(Duration::ZERO, id, b"x").is_err(), "nothing is reserved");
    if let Some(again) = server.saved(id, 10) {
        server.reserved(id, again.write_seq());
        let _ = server.send(Duration::ZERO, id, b"x");
    }
    server.handle(Duration::ZERO, from, data);
    server.close(Duration::ZERO, id, Alert::CloseNotify);
    assert_eq!(server.sessions(), 0);
}

fn peer(number: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], number % PEERS))
}

/// Repeats with its seed; a fuzzer needs runs that repeat.
fn random(seed: u64) -> Random {
    let mut state = seed | 1;
    Box::new(move |bytes| {
        bytes.fill_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
    })
}

struct Run {
    server: Server,
    client: Client,
    now: Duration,
    from: u16,
    to_server: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    asked: Vec<LookupId>,
    session: Option<SessionId>,
    /// Numbered payloads that were sent and not yet received; each may come once.
    client_said: BTreeSet<u32>,
    server_said: BTreeSet<u32>,
    said: u32,
}

impl Run {
    fn new(form: u8) -> Self {
        let config = Config {
            handshakes: HANDSHAKES_MAX,
            lookups: LOOKUPS_MAX,
            sessions: SESSIONS_MAX,
            lingering: 2,
            handshake_bytes: 2_048,
            first_reserve: 16,
            forgeries_per_s: 20,
            resumption_without_ems: form & 128 != 0,
            ..Config::default()
        };
        let mut own = ClientConfig::new(*b"fuzzed identity", KEY);
        own.suites = Suite::ALL.into_iter().skip(usize::from(form & 3)).collect();
        own.ems = form & 4 != 0;
        own.encrypt_then_mac = form & 8 != 0;
        own.cid =
            [None, Some(Vec::new()), Some(vec![1]), Some(vec![2; 32])].into_iter().nth(usize::from(form >> 4 & 3)).flatten();
        own.record_size_limit = (form & 64 != 0).then_some(64);
        Self {
            server: Server::new(config, random(3)),
            client: Client::new(own, random(5)),
            now: Duration::ZERO,
            from: 0,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            asked: Vec::new(),
            session: None,
            client_said: BTreeSet::new(),
            server_said: BTreeSet::new(),
            said: 0,
        }
    }

    fn obey(&mut self, order: u8, script: &mut Reader<'_>) {
        let argument = script.u8().unwrap_or(0);
        match order % 16 {
            0 => self.client.connect(self.now),
            1..=4 => self.deliver(argument, script),
            5 => self.answer(argument),
            6 => {
                self.said += 1;
                if self.client.send(&self.said.to_be_bytes()).is_ok() {
                    self.client_said.insert(self.said);
                }
            }
            7 => {
                self.said += 1;
                if let Some(id) = self.session
                    && self.server.send(self.now, id, &self.said.to_be_bytes()).is_ok()
                {
                    self.server_said.insert(self.said);
                }
            }
            8 => self.pass(Duration::from_millis(u64::from(argument) * 100)),
            9 => self.from = u16::from(argument),
            10 => self.invent(argument, script),
            11 => self.keep(argument),
            12 if argument == 0 => self.client.close(),
            12 if argument == 1 => self.close(),
            13 if argument == 0 => self.client.forget(),
            _ => {
                self.to_server.truncate(8);
                self.to_client.truncate(8);
            }
        }
    }

    /// Hands over the next datagram to either side: whole, changed, cut, twice, or not at all.
    fn deliver(&mut self, how: u8, script: &mut Reader<'_>) {
        let to_server = how & 1 == 0;
        let queue = if to_server { &mut self.to_server } else { &mut self.to_client };
        let Some(mut datagram) = (if how & 2 == 0 { queue.pop_front() } else { queue.pop_back() }) else { return };
        match how >> 2 & 15 {
            0 => return,
            1 => {
                let at = usize::from(script.u8().unwrap_or(0)) % datagram.len().max(1);
                if let Some(byte) = datagram.get_mut(at) {
                    *byte ^= script.u8().unwrap_or(1);
                }
            }
            2 => datagram.truncate(usize::from(script.u8().unwrap_or(0))),
            3 => queue.push_back(datagram.clone()),
            4 => datagram = [datagram.as_slice(), &datagram].concat(),
            5 => {
                let at = usize::from(script.u8().unwrap_or(0)).min(datagram.len());
                datagram.insert(at, script.u8().unwrap_or(0));
            }
            6 if to_server => {
                let size = usize::from(script.u8().unwrap_or(0));
                let parts = cut_hello(&datagram, size);
                return parts.iter().for_each(|part| self.server.handle(self.now, peer(self.from), part));
            }
            _ => {}
        }
        if to_server {
            self.server.handle(self.now, peer(self.from), &datagram);
        } else {
            self.client.handle(self.now, &datagram);
        }
    }

    fn invent(&mut self, how: u8, script: &mut Reader<'_>) {
        let count = usize::from(how >> 1).min(script.0.len());
        let datagram = script.bytes(count).unwrap_or_default();
        if how & 1 == 0 {
            self.server.handle(self.now, peer(self.from), datagram);
        } else {
            self.client.handle(self.now, datagram);
        }
    }

    fn answer(&mut self, how: u8) {
        if self.asked.is_empty() {
            return self.server.psk(self.now, LookupId(u64::from(how)), Some(KEY));
        }
        let lookup = self.asked.swap_remove(usize::from(how) % self.asked.len());
        let key = match how >> 4 {
            0 => None,
            1 => Some(&b"wrong"[..]),
            2 => Some(&[][..]),
            _ => Some(KEY),
        };
        self.server.psk(self.now, lookup, key);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.server.poll_timeout().is_some_and(|at| at <= self.now) {
            self.server.timeout(self.now);
            assert!(self.server.poll_timeout().is_none_or(|at| at > self.now), "a timer that does not move");
        }
        self.client.timeout(self.now);
    }

    fn keep(&mut self, how: u8) {
        let Some(id) = self.session else { return };
        let Some(saved) = self.server.saved(id, u64::from(how & 31)) else { return };
        assert_eq!(SavedSession::from_bytes(&saved.to_bytes()).as_ref(), Ok(&saved), "not readable");
        match how >> 5 {
            0 | 1 => {}
            2 => {
                self.server.close(self.now, id, Alert::UserCanceled);
                // What the client sends from now on may reach the restored one.
                let _ = self.server.restore(saved);
            }
            _ => self.server.reserved(id, saved.write_seq()),
        }
    }

    fn close(&mut self) {
        if let Some(id) = self.session.take() {
            self.server.close(self.now, id, Alert::CloseNotify);
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll() {
            match output {
                Output::Send { datagram, .. } => {
                    assert!(!datagram.is_empty() && datagram.len() <= 1_280, "{} bytes", datagram.len());
                    self.to_client.push_back(datagram);
                }
                Output::PskWanted { lookup, .. } => self.asked.push(lookup),
                Output::Established { session, replaces, .. } => {
                    assert!(self.server.session(session).is_some() && replaces != Some(session));
                    self.session = Some(session);
                }
                Output::Data { bytes, .. } => assert!(take(&mut self.client_said, &bytes), "never sent, or twice: {bytes:?}"),
                Output::Closed { session, .. } => assert!(self.server.session(session).is_none(), "closed and alive"),
                _ => {}
            }
        }
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Send(datagram) => self.to_server.push_back(datagram),
                ClientOutput::Data(bytes) => assert!(take(&mut self.server_said, &bytes), "never sent, or twice: {bytes:?}"),
                _ => {}
            }
        }
        self.to_server.truncate(64);
        self.to_client.truncate(64);
        self.asked.truncate(64);
    }

    fn check(&self) {
        assert!(self.server.handshakes() <= HANDSHAKES_MAX && self.server.sessions() <= SESSIONS_MAX, "over the limits");
    }

    fn finish(mut self) {
        self.pass(Duration::from_secs(1_000_000));
        self.drain();
        assert_eq!((self.server.handshakes(), self.server.poll_timeout()), (0, None), "something stays for ever");
    }
}

/// Takes a numbered payload that was sent.
fn take(said: &mut BTreeSet<u32>, bytes: &[u8]) -> bool {
    bytes.try_into().is_ok_and(|bytes| said.remove(&u32::from_be_bytes(bytes)))
}
