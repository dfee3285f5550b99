//! The options of a message: kept as their wire bytes, read by walking them. Absent: any table of options, any allocation for reading.

use core::fmt;

use crate::check::{self, Check};
use crate::code::ContentFormat;
use crate::number::{Block, OptionNumber};
use crate::wire::Parse;

/// Options in wire form that were checked, borrowed from a datagram or from [`Options`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct OptionsRef<'a> {
    wire: &'a [u8],
}

impl<'a> OptionsRef<'a> {
    /// Splits what follows the token into options and payload (RFC 7252 3, 3.1).
    pub(crate) fn split(body: &'a [u8], most: usize) -> Parse<(Self, &'a [u8])> {
        let mut rest = body;
        let mut number = 0_u16;
        let mut count = 0;
        loop {
            match rest.split_first() {
                None => return Ok((Self { wire: body }, &[])),
                Some((0xff, [])) => return Err(&check::MARKER_ALONE),
                Some((0xff, payload)) => {
                    let length = body.len() - payload.len() - 1;
                    return Ok((Self { wire: body.get(..length).unwrap_or_default() }, payload));
                }
                Some(_) => {}
            }
            let (delta, _, after) = one(rest)?;
            number = number.checked_add(delta).ok_or(&check::OPTION_NUMBER)?;
            count += 1;
            if count > most {
                return Err(&check::OPTION_COUNT);
            }
            rest = after;
        }
    }

    /// The options in wire form.
    pub fn as_wire(self) -> &'a [u8] {
        self.wire
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.wire.is_empty()
    }

    /// All options in ascending order, repeated ones in the order of the message.
    pub fn iter(self) -> Iter<'a> {
        Iter { rest: self.wire, number: 0 }
    }

    /// The first option of that number.
    pub fn first(self, number: OptionNumber) -> Option<&'a [u8]> {
        self.all(number).next()
    }

    /// Every option of that number.
    pub fn all(self, number: OptionNumber) -> impl Iterator<Item = &'a [u8]> {
        self.iter().skip_while(move |(n, _)| *n < number).take_while(move |(n, _)| *n == number).map(|(_, value)| value)
    }

    /// The first option of that number as an unsigned integer (RFC 7252 3.2); one with a length that the option may not have counts as absent.
    pub fn uint(self, number: OptionNumber) -> Option<u32> {
        let value = self.first(number).filter(|value| value.len() <= 4 && number.allows(value))?;
        Some(value.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    fn texts(self, number: OptionNumber) -> impl Iterator<Item = &'a str> {
        self.all(number).filter_map(|value| core::str::from_utf8(value).ok())
    }

    /// The segments of the path. The endpoint has refused segments that are not UTF-8; elsewhere they are left out.
    pub fn uri_path(self) -> impl Iterator<Item = &'a str> {
        self.texts(OptionNumber::URI_PATH)
    }

    /// The arguments of the query, such as `ep=name`. As for [`Self::uri_path`].
    pub fn uri_query(self) -> impl Iterator<Item = &'a str> {
        self.texts(OptionNumber::URI_QUERY)
    }

    /// The segments of the location of what was created.
    pub fn location_path(self) -> impl Iterator<Item = &'a str> {
        self.texts(OptionNumber::LOCATION_PATH)
    }

    /// The arguments of that location.
    pub fn location_query(self) -> impl Iterator<Item = &'a str> {
        self.texts(OptionNumber::LOCATION_QUERY)
    }

    /// The host asked for.
    pub fn uri_host(self) -> Option<&'a str> {
        self.texts(OptionNumber::URI_HOST).next()
    }

    /// The port asked for.
    pub fn uri_port(self) -> Option<u16> {
        self.uint(OptionNumber::URI_PORT).and_then(|port| port.try_into().ok())
    }

    /// Format of the payload.
    pub fn content_format(self) -> Option<ContentFormat> {
        self.uint(OptionNumber::CONTENT_FORMAT).and_then(|number| number.try_into().ok()).map(ContentFormat)
    }

    /// Format that the answer shall have.
    pub fn accept(self) -> Option<ContentFormat> {
        self.uint(OptionNumber::ACCEPT).and_then(|number| number.try_into().ok()).map(ContentFormat)
    }

    /// Request: 0 registers, 1 cancels. Notification: the sequence number, 24 bits (RFC 7641 2).
    pub fn observe(self) -> Option<u32> {
        self.uint(OptionNumber::OBSERVE)
    }

    /// The block of the request's body.
    pub fn block1(self) -> Option<Block> {
        self.uint(OptionNumber::BLOCK1).map(Block::from_value)
    }

    /// The block of the response's body.
    pub fn block2(self) -> Option<Block> {
        self.uint(OptionNumber::BLOCK2).map(Block::from_value)
    }

    /// Size of the request's body, bytes.
    pub fn size1(self) -> Option<u32> {
        self.uint(OptionNumber::SIZE1)
    }

    /// Size of the response's body, bytes.
    pub fn size2(self) -> Option<u32> {
        self.uint(OptionNumber::SIZE2)
    }

    /// Freshness of the answer, seconds; 60 where the option is absent (RFC 7252 5.10.5).
    pub fn max_age_s(self) -> u32 {
        self.uint(OptionNumber::MAX_AGE).unwrap_or(60)
    }

    /// The first entity tag, 1 to 8 bytes.
    pub fn etag(self) -> Option<&'a [u8]> {
        self.first(OptionNumber::ETAG).filter(|value| OptionNumber::ETAG.allows(value))
    }

    /// Entity tags of which one must fit; an empty one asks for existence.
    pub fn if_match(self) -> impl Iterator<Item = &'a [u8]> {
        self.all(OptionNumber::IF_MATCH)
    }

    /// Whether the target must not exist.
    pub fn if_none_match(self) -> bool {
        self.first(OptionNumber::IF_NONE_MATCH).is_some()
    }

    /// The whole target for a proxy.
    pub fn proxy_uri(self) -> Option<&'a str> {
        self.texts(OptionNumber::PROXY_URI).next()
    }

    /// The scheme for a proxy.
    pub fn proxy_scheme(self) -> Option<&'a str> {
        self.texts(OptionNumber::PROXY_SCHEME).next()
    }

    /// Echo value, 1 to 40 bytes (RFC 9175 2).
    pub fn echo(self) -> Option<&'a [u8]> {
        self.first(OptionNumber::ECHO).filter(|value| OptionNumber::ECHO.allows(value))
    }

    /// The first Request-Tag, 0 to 8 bytes (RFC 9175 3).
    pub fn request_tag(self) -> Option<&'a [u8]> {
        self.first(OptionNumber::REQUEST_TAG).filter(|value| OptionNumber::REQUEST_TAG.allows(value))
    }

    /// Classes of responses that are not wanted: bit 1 for 2.xx, bit 3 for 4.xx, bit 4 for 5.xx (RFC 7967 2.1).
    pub fn no_response(self) -> Option<u8> {
        self.uint(OptionNumber::NO_RESPONSE).and_then(|bits| bits.try_into().ok())
    }

    /// Proxies that the request may still pass, 1 to 255 (RFC 8768 3); 0 is not a value.
    pub fn hop_limit(self) -> Option<u8> {
        self.uint(OptionNumber::HOP_LIMIT).and_then(|hops| hops.try_into().ok()).filter(|hops| *hops > 0)
    }

    /// The first critical option that is unknown, has a value that it may not have, or is there once too often
    /// (RFC 7252 5.4.1, 5.4.3, 5.4.5).
    pub fn unacceptable(self) -> Option<OptionNumber> {
        let mut before = OptionNumber(0);
        for (number, value) in self.iter() {
            let again = number == before && !number.is_repeatable();
            if number.is_critical() && (again || !number.allows(value)) {
                return Some(number);
            }
            before = number;
        }
        None
    }
}

impl fmt::Debug for OptionsRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for (number, value) in self.iter() {
            match core::str::from_utf8(value).ok().filter(|_| number.is_text()) {
                Some(text) => list.entry(&format_args!("{number:?} {text:?}")),
                None => list.entry(&format_args!("{number:?} {value:02x?}")),
            };
        }
        list.finish()
    }
}

/// Walks options; made by [`OptionsRef::iter`].
#[derive(Clone)]
pub struct Iter<'a> {
    rest: &'a [u8],
    number: u16,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (OptionNumber, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (delta, value, rest) = one(self.rest).ok()?;
        self.rest = rest;
        self.number = self.number.wrapping_add(delta);
        Some((OptionNumber(self.number), value))
    }
}

/// One option: its delta, its value, what follows.
fn one(wire: &[u8]) -> Parse<(u16, &[u8], &[u8])> {
    let (first, rest) = wire.split_first().ok_or(&check::OPTION_TRUNCATED)?;
    let (delta, rest) = extended(first >> 4, rest, &check::OPTION_DELTA)?;
    let (length, rest) = extended(first & 0x0f, rest, &check::OPTION_LENGTH)?;
    let (value, rest) = rest.split_at_checked(usize::from(length)).ok_or(&check::OPTION_TRUNCATED)?;
    Ok((delta, value, rest))
}

/// A delta or length whose nibble may say that one or two more bytes hold it (RFC 7252 3.1). 65,535 covers every number and every datagram.
fn extended<'a>(nibble: u8, rest: &'a [u8], reserved: &'static Check) -> Parse<(u16, &'a [u8])> {
    match nibble {
        0..=12 => Ok((u16::from(nibble), rest)),
        13 => {
            let (byte, rest) = rest.split_first().ok_or(&check::OPTION_TRUNCATED)?;
            Ok((u16::from(*byte) + 13, rest))
        }
        14 => {
            let (bytes, rest) = rest.split_first_chunk().ok_or(&check::OPTION_TRUNCATED)?;
            let value = u16::from_be_bytes(*bytes).checked_add(269).ok_or(&check::OPTION_NUMBER)?;
            Ok((value, rest))
        }
        _ => Err(reserved),
    }
}

/// Options that are owned: their wire bytes in one allocation, always sorted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options {
    wire: Vec<u8>,
    last: u16,
}

impl Options {
    /// To read them.
    pub fn get(&self) -> OptionsRef<'_> {
        OptionsRef { wire: &self.wire }
    }

    /// Adds an option behind those of the same number. Cheapest in ascending order. A value above 65,535 bytes is cut there.
    pub fn add(&mut self, number: OptionNumber, value: &[u8]) {
        if number.0 >= self.last {
            append(&mut self.wire, number.0 - self.last, value);
            self.last = number.0;
            return;
        }
        let mut sorted = Self { wire: Vec::with_capacity(self.wire.len() + value.len() + 5), last: 0 };
        let mut inserted = false;
        for (old, bytes) in self.get().iter() {
            if old > number && !inserted {
                inserted = true;
                sorted.add(number, value);
            }
            sorted.add(old, bytes);
        }
        *self = sorted;
    }

    /// Adds an unsigned integer in its shortest form (RFC 7252 3.2).
    pub fn add_uint(&mut self, number: OptionNumber, value: u32) {
        let skip = value.leading_zeros() as usize / 8;
        self.add(number, value.to_be_bytes().get(skip..).unwrap_or_default());
    }

    /// Removes every option of that number.
    pub fn remove(&mut self, number: OptionNumber) {
        if self.get().first(number).is_some() {
            *self = self.get().iter().filter(|(n, _)| *n != number).collect();
        }
    }

    /// Makes `value` the only option of that number.
    pub fn set(&mut self, number: OptionNumber, value: &[u8]) {
        self.remove(number);
        self.add(number, value);
    }

    /// Makes the integer the only option of that number.
    pub fn set_uint(&mut self, number: OptionNumber, value: u32) {
        self.remove(number);
        self.add_uint(number, value);
    }
}

fn append(wire: &mut Vec<u8>, delta: u16, value: &[u8]) {
    let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
    let nibble = |n: usize| match n {
        0..=12 => n as u8,
        13..=268 => 13,
        _ => 14,
    };
    let (delta, length) = (usize::from(delta), value.len());
    wire.push(nibble(delta) << 4 | nibble(length));
    for n in [delta, length] {
        match n {
            0..=12 => {}
            13..=268 => wire.push((n - 13) as u8),
            _ => wire.extend_from_slice(&((n - 269) as u16).to_be_bytes()),
        }
    }
    wire.extend_from_slice(value);
}

impl<'a> FromIterator<(OptionNumber, &'a [u8])> for Options {
    fn from_iter<I: IntoIterator<Item = (OptionNumber, &'a [u8])>>(all: I) -> Self {
        let mut options = Self::default();
        all.into_iter().for_each(|(number, value)| options.add(number, value));
        options
    }
}

impl From<OptionsRef<'_>> for Options {
    fn from(options: OptionsRef<'_>) -> Self {
        let last = options.iter().last().map_or(0, |(number, _)| number.0);
        Self { wire: options.wire.to_vec(), last }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sorted_however_they_are_added() {
        let orders = [[(11, "a"), (11, "b"), (12, "c"), (300, "d")], [(300, "d"), (12, "c"), (11, "a"), (11, "b")]];
        for order in orders {
            let mut options = Options::default();
            order.iter().for_each(|(number, value)| options.add(OptionNumber(*number), value.as_bytes()));
            let read: Vec<_> = options.get().iter().map(|(n, v)| (n.0, core::str::from_utf8(v).unwrap())).collect();
            assert_eq!(read, orders[0]);
            assert_eq!(Options::from(options.get()), options);
        }
    }

    #[test]
    fn numbers_and_lengths_at_every_form() {
        for number in [0, 1, 12, 13, 14, 268, 269, 270, 65_534, 65_535] {
            for length in [0, 12, 13, 268, 269, 270, 1_034, 65_535] {
                let mut options = Options::default();
                options.add(OptionNumber(number), &vec![5; length]);
                let (read, payload) = OptionsRef::split(options.get().as_wire(), 1).unwrap();
                assert_eq!(read.iter().map(|(n, v)| (n.0, v.len())).collect::<Vec<_>>(), [(number, length)]);
                assert!(payload.is_empty());
            }
        }
    }

    #[test]
    fn integers_are_short_and_read_with_leading_zeros() {
        for (value, wire) in [(0, &b"\x60"[..]), (1, b"\x61\x01"), (256, b"\x62\x01\x00"), (0xff_ffff, b"\x63\xff\xff\xff")] {
            let mut options = Options::default();
            options.add_uint(OptionNumber::OBSERVE, value);
            assert_eq!(options.get().as_wire(), wire);
            assert_eq!(options.get().observe(), Some(value));
        }
        let mut padded = Options::default();
        padded.add(OptionNumber::ACCEPT, &[0, 60]);
        assert_eq!(padded.get().accept(), Some(ContentFormat::CBOR));
        padded.set(OptionNumber::ACCEPT, &[0, 0, 60]);
        assert_eq!(padded.get().accept(), None, "three bytes are not a content format");
    }

    #[test]
    fn remove_and_set_keep_the_others() {
        let mut options = Options::default();
        for (number, value) in [(4, "e"), (11, "p"), (11, "q"), (60, "s")] {
            options.add(OptionNumber(number), value.as_bytes());
        }
        options.remove(OptionNumber::URI_PATH);
        options.set_uint(OptionNumber::ETAG, 7);
        let read: Vec<_> = options.get().iter().map(|(n, v)| (n.0, v.to_vec())).collect();
        assert_eq!(read, [(4, vec![7]), (60, b"s".to_vec())]);
    }

    #[test]
    fn critical_options_must_be_known_whole_and_single() {
        for (list, bad) in [
            (&[(11, "rd"), (15, "ep=a"), (2048, "elective")][..], None),
            (&[(9, "")], Some(9)),
            (&[(11, "a"), (2049, "x")], Some(2049)),
            (&[(12, "too long")], None),
            (&[(17, "long")], Some(17)),
            (&[(17, "<"), (17, "<")], Some(17)),
            (&[(11, "a"), (11, "a")], None),
            (&[(6, "1"), (6, "2")], None),
        ] {
            let options: Options = list.iter().map(|(n, v)| (OptionNumber(*n), v.as_bytes())).collect();
            assert_eq!(options.get().unacceptable(), bad.map(OptionNumber), "{list:?}");
        }
    }
}
