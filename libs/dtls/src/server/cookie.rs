//! The stateless cookie of RFC 6347 section 4.2.1: a MAC over the client's address and what it asks for, under a secret that changes. Absent: any memory of clients.

use core::net::{IpAddr, SocketAddr};
use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::hello::ClientHello;
use crate::wire::{DTLS_1_0, HANDSHAKE, HELLO_VERIFY_REQUEST, fragment_header, plain_record};
use crate::{Random, prf};

const COOKIE_BYTES: usize = 16;

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

    pub(super) fn is_valid(&self, from: SocketAddr, hello: &ClientHello<'_>) -> bool {
        let secrets = std::iter::once(&self.current).chain(&self.previous);
        hello.cookie.len() == COOKIE_BYTES
            && secrets.into_iter().any(|secret| bool::from(cookie(secret, from, hello).ct_eq(hello.cookie)))
    }

    /// The HelloVerifyRequest that answers `hello`: 44 bytes, fewer than any ClientHello has. Numbers are the client's own, so no counter is needed.
    pub(super) fn verify_request(&self, from: SocketAddr, hello: &ClientHello<'_>, record_seq: u64, message_seq: u16) -> Vec<u8> {
        let mut body = Vec::with_capacity(32);
        body.extend(fragment_header(HELLO_VERIFY_REQUEST, 3 + COOKIE_BYTES, message_seq, 0, 3 + COOKIE_BYTES));
        // Always version 1.0 here; it says nothing about the version to come (RFC 6347 section 4.2.1).
        body.extend(DTLS_1_0);
        body.push(COOKIE_BYTES as u8);
        body.extend(cookie(&self.current, from, hello));
        let mut out = Vec::with_capacity(48);
        plain_record(&mut out, HANDSHAKE, DTLS_1_0, record_seq, &body);
        out
    }
}

fn cookie(secret: &[u8; 32], from: SocketAddr, hello: &ClientHello<'_>) -> [u8; COOKIE_BYTES] {
    let address = match from.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    let port = from.port().to_be_bytes();
    let [version, random, session_id, suites, compressions] = hello.essentials();
    let lengths = [session_id, suites].map(|field| (field.len() as u16).to_be_bytes()).concat();
    let mac = prf::hmac(secret, &[&address, &port, &lengths, version, random, session_id, suites, compressions]);
    let mut out = [0; COOKIE_BYTES];
    for (to, from) in out.iter_mut().zip(mac) {
        *to = from;
    }
    out
}
