//! The stateless cookie of RFC 6347 section 4.2.1: a MAC over the client's address and what it asks for, under a secret that changes. Absent: any memory of clients.

use core::net::{IpAddr, SocketAddr};
use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::hello::{ClientHello, HelloStart};
use crate::wire::{DTLS_1_0, HANDSHAKE, HELLO_VERIFY_REQUEST, fragment_header, plain_record};
use crate::{Random, prf};

const COOKIE_BYTES: usize = 16;
const HALF_BYTES: usize = 8;

/// The secrets that cookies are made with.
pub(super) struct Cookies {
    current: [u8; 32],
    previous: Option<[u8; 32]>,
    since: Duration,
    period: Duration,
}

impl Cookies {
    pub(super) fn new(period: Duration, random: &mut Random) -> Self {
        let mut current = [0; 32];
        random(&mut current);
        Self { current, previous: None, since: Duration::ZERO, period }
    }

    /// Changes the secret when its time is over; the one before stays valid for as long again.
    pub(super) fn rotate(&mut self, now: Duration, random: &mut Random) {
        let age = now.saturating_sub(self.since);
        if age >= self.period {
            self.previous = (age < self.period.saturating_mul(2)).then_some(self.current);
            random(&mut self.current);
            self.since = now;
        }
    }

    /// Whether a first fragment has a cookie of ours: the client hears at its address.
    pub(super) fn starts_valid(&self, from: SocketAddr, start: &HelloStart<'_>) -> bool {
        let half = |cookie: &[u8]| cookie.first_chunk::<HALF_BYTES>().copied().unwrap_or_default();
        let right = |secret: &[u8; 32]| half(&cookie(secret, from, start, None)).ct_eq(&half(start.cookie)).into();
        start.cookie.len() == COOKIE_BYTES && self.any(right)
    }

    /// Whether the cookie of a whole hello is right. Of one in fragments (`parted`) it may be the answer to its first fragment, which did not tell everything.
    pub(super) fn is_valid(&self, from: SocketAddr, hello: &ClientHello<'_>, parted: bool) -> bool {
        let start = &hello.start;
        let right =
            |secret: &[u8; 32], wishes: Option<[&[u8]; 2]>| bool::from(cookie(secret, from, start, wishes).ct_eq(start.cookie));
        self.any(|secret| right(secret, Some(hello.wishes())) || parted && right(secret, None))
    }

    fn any(&self, is_right: impl Fn(&[u8; 32]) -> bool) -> bool {
        std::iter::once(&self.current).chain(&self.previous).any(is_right)
    }

    /// The HelloVerifyRequest that answers a hello, or its first fragment (without wishes): 44 bytes, fewer than either has. Numbers are the client's own, so no
    /// counter is needed.
    pub(super) fn verify_request(
        &self,
        from: SocketAddr,
        start: &HelloStart<'_>,
        wishes: Option<[&[u8]; 2]>,
        (record_seq, message_seq): (u64, u16),
    ) -> Vec<u8> {
        let mut body = Vec::with_capacity(32);
        body.extend(fragment_header(HELLO_VERIFY_REQUEST, 3 + COOKIE_BYTES, message_seq, 0, 3 + COOKIE_BYTES));
        // Always version 1.0 here; it says nothing about the version to come (RFC 6347 section 4.2.1).
        body.extend(DTLS_1_0);
        body.push(COOKIE_BYTES as u8);
        body.extend(cookie(&self.current, from, start, wishes));
        let mut out = Vec::with_capacity(48);
        plain_record(&mut out, HANDSHAKE, DTLS_1_0, record_seq, &body);
        out
    }
}

/// Two halves: one over the address and the start, which a first fragment shows to be right, and one over everything that is known.
fn cookie(secret: &[u8; 32], from: SocketAddr, start: &HelloStart<'_>, wishes: Option<[&[u8]; 2]>) -> [u8; COOKIE_BYTES] {
    let address = match from.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    let (port, [suites, compressions]) = (from.port().to_be_bytes(), wishes.unwrap_or_default());
    let lengths = [start.session_id, suites].map(|field| (field.len() as u16).to_be_bytes()).concat();
    let (first, zero) = (&start.version[..], [0; 4]);
    let begin = prf::hmac(secret, &[&address, &port, &zero, first, start.random, start.session_id]);
    let all = prf::hmac(secret, &[&address, &port, &lengths, first, start.random, start.session_id, suites, compressions]);
    let mut out = [0; COOKIE_BYTES];
    for (to, from) in out.iter_mut().zip(begin.iter().take(HALF_BYTES).chain(&all)) {
        *to = *from;
    }
    out
}
