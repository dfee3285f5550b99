//! The datagram: header, token, options, payload, read without an allocation and written with one. Strict: what RFC 7252 calls a
//! message format error is one. Absent: what a message means, see [`crate::Endpoint`].

use core::fmt;

use crate::check::{self, Check};
use crate::code::Code;
use crate::limits::Limits;
use crate::options::OptionsRef;
use crate::token::LONGEST;

pub(crate) type Parse<T> = Result<T, &'static Check>;

/// The type of a message (RFC 7252 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// CON: wants an acknowledgement.
    Confirmable = 0,
    /// NON: wants none.
    NonConfirmable = 1,
    /// ACK.
    Acknowledgement = 2,
    /// RST.
    Reset = 3,
}

/// The fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type.
    pub kind: Kind,
    /// Method or response code.
    pub code: Code,
    /// Message identifier.
    pub message_id: u16,
}

/// A message in the datagram it came in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MessageRef<'a> {
    /// The fixed header.
    pub header: Header,
    /// The token; up to 65,804 bytes (RFC 8974).
    pub token: &'a [u8],
    /// The options.
    pub options: OptionsRef<'a>,
    /// What follows the marker.
    pub payload: &'a [u8],
}

impl Header {
    /// Reads the four bytes that every message has, so that one whose rest is wrong can be rejected. `None` below four bytes and for
    /// a version other than 1, which must be ignored in silence (RFC 7252 3).
    pub fn peek(datagram: &[u8]) -> Option<Self> {
        let ([first, code, high, low], _) = datagram.split_first_chunk()?;
        let kind = match first >> 4 & 3 {
            0 => Kind::Confirmable,
            1 => Kind::NonConfirmable,
            2 => Kind::Acknowledgement,
            _ => Kind::Reset,
        };
        (first >> 6 == 1).then_some(Self { kind, code: Code(*code), message_id: u16::from_be_bytes([*high, *low]) })
    }
}

impl<'a> MessageRef<'a> {
    /// Reads a whole datagram (RFC 7252 3, RFC 8974 2.1).
    ///
    /// # Errors
    /// The check that the datagram fails.
    pub fn parse(datagram: &'a [u8], limits: &Limits) -> Result<Self, &'static Check> {
        if datagram.len() > limits.datagram_bytes {
            return Err(&check::DATAGRAM_TOO_LARGE);
        }
        let ([first, ..], rest) = datagram.split_first_chunk::<4>().ok_or(&check::HEADER)?;
        let header = Header::peek(datagram).ok_or(&check::VERSION)?;
        if header.code == Code::EMPTY {
            // An empty message is its header and nothing else (RFC 7252 4.1).
            let empty = rest.is_empty() && first & 0x0f == 0;
            let message = Self { header, token: &[], options: OptionsRef::default(), payload: &[] };
            return if empty { Ok(message) } else { Err(&check::EMPTY_NOT_EMPTY) };
        }
        if header.kind == Kind::Reset {
            return Err(&check::RESET_NOT_EMPTY);
        }
        if matches!(header.code.class(), 1 | 6 | 7) {
            return Err(&check::CODE_CLASS);
        }
        let (token, rest) = split_token(first & 0x0f, rest)?;
        let (options, payload) = OptionsRef::split(rest, limits.options)?;
        Ok(Self { header, token, options, payload })
    }
}

fn split_token(nibble: u8, rest: &[u8]) -> Parse<(&[u8], &[u8])> {
    let (length, rest) = match nibble {
        0..=12 => (usize::from(nibble), rest),
        13 => rest.split_first().map(|(byte, rest)| (usize::from(*byte) + 13, rest)).ok_or(&check::TOKEN_TRUNCATED)?,
        14 => {
            let (bytes, rest) = rest.split_first_chunk().ok_or(&check::TOKEN_TRUNCATED)?;
            (usize::from(u16::from_be_bytes(*bytes)) + 269, rest)
        }
        _ => return Err(&check::TOKEN_LENGTH),
    };
    rest.split_at_checked(length).ok_or(&check::TOKEN_TRUNCATED)
}

impl fmt::Debug for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { kind, code, message_id } = self.header;
        write!(f, "{kind:?} {code} mid={message_id} token={:02x?} {:?} +{} B", self.token, self.options, self.payload.len())
    }
}

/// Writes a message into one allocation of its exact size. A token above 65,804 bytes is cut there.
pub fn encode(header: Header, token: &[u8], options: OptionsRef<'_>, payload: &[u8]) -> Vec<u8> {
    let token = token.get(..LONGEST).unwrap_or(token);
    let (nibble, extension) = match token.len() {
        short @ 0..=12 => (short as u8, 0),
        13..=268 => (13, 1),
        _ => (14, 2),
    };
    let marker = usize::from(!payload.is_empty());
    let mut wire = Vec::with_capacity(4 + extension + token.len() + options.as_wire().len() + marker + payload.len());
    let [high, low] = header.message_id.to_be_bytes();
    wire.extend_from_slice(&[0x40 | (header.kind as u8) << 4 | nibble, header.code.0, high, low]);
    match extension {
        0 => {}
        1 => wire.push((token.len() - 13) as u8),
        _ => wire.extend_from_slice(&((token.len() - 269) as u16).to_be_bytes()),
    }
    wire.extend_from_slice(token);
    wire.extend_from_slice(options.as_wire());
    if marker == 1 {
        wire.push(0xff);
        wire.extend_from_slice(payload);
    }
    wire
}

/// An empty message: ACK, RST or ping (RFC 7252 4.1).
pub fn encode_empty(kind: Kind, message_id: u16) -> [u8; 4] {
    let [high, low] = message_id.to_be_bytes();
    [0x40 | (kind as u8) << 4, 0, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::OptionNumber;
    use crate::options::Options;

    fn parse(datagram: &[u8]) -> Result<MessageRef<'_>, &'static str> {
        let limits = Limits { options: 8, datagram_bytes: 2_000, ..Limits::default() };
        MessageRef::parse(datagram, &limits).map_err(|check| check.name)
    }

    /// The messages of RFC 7252 appendix A, and some in the manner of the examples of RFC 7641 and RFC 7959.
    #[test]
    fn messages_of_the_standards_are_read_and_written() {
        type Case = (&'static [u8], Kind, Code, u16, &'static [u8], &'static [(u16, &'static [u8])], &'static [u8]);
        let cases: [Case; 7] = [
            (b"\x40\x01\x7d\x34\xbbtemperature", Kind::Confirmable, Code::GET, 0x7d34, b"", &[(11, b"temperature")], b""),
            (b"\x60\x45\x7d\x34\xff22.3 C", Kind::Acknowledgement, Code::CONTENT, 0x7d34, b"", &[], b"22.3 C"),
            (b"\x41\x01\x7d\x35\x20\xbbtemperature", Kind::Confirmable, Code::GET, 0x7d35, b"\x20", &[(11, b"temperature")], b""),
            (
                b"\x51\x01\x7d\x35\x20\xbbtemperature",
                Kind::NonConfirmable,
                Code::GET,
                0x7d35,
                b"\x20",
                &[(11, b"temperature")],
                b"",
            ),
            (
                b"\x61\x45\x7d\x38\x4a\x61\x0c\xff22.9 Cel",
                Kind::Acknowledgement,
                Code::CONTENT,
                0x7d38,
                b"\x4a",
                &[(6, b"\x0c")],
                b"22.9 Cel",
            ),
            (
                b"\x40\x01\x04\xd2\xb6status\xc1\x06",
                Kind::Confirmable,
                Code::GET,
                1234,
                b"",
                &[(11, b"status"), (23, b"\x06")],
                b"",
            ),
            (b"\x70\x00\x12\x34", Kind::Reset, Code::EMPTY, 0x1234, b"", &[], b""),
        ];
        for (wire, kind, code, message_id, token, options, payload) in cases {
            let message = parse(wire).unwrap();
            assert_eq!(message.header, Header { kind, code, message_id }, "{wire:02x?}");
            assert_eq!((message.token, message.payload), (token, payload));
            assert_eq!(message.options.iter().map(|(n, v)| (n.0, v)).collect::<Vec<_>>(), options);
            let options: Options = options.iter().map(|(n, v)| (OptionNumber(*n), *v)).collect();
            assert_eq!(encode(message.header, token, options.get(), payload), wire);
        }
        assert_eq!(encode_empty(Kind::Reset, 0x1234), *b"\x70\x00\x12\x34");
    }

    #[test]
    fn format_errors_are_named() {
        let long_token = [&b"\x4e\x01\0\0\0\0"[..], &[9; 268]].concat();
        for (wire, name) in [
            (&b""[..], "header.truncated"),
            (b"\x40\x01\x00", "header.truncated"),
            (b"\x00\x01\x00\x00", "header.version"),
            (b"\x80\x01\x00\x00", "header.version"),
            (b"\xc0\x01\x00\x00", "header.version"),
            (b"\x41\x00\x00\x00\x01", "empty.with-bytes"),
            (b"\x40\x00\x00\x00\x01", "empty.with-bytes"),
            (b"\x41\x00\x00\x00", "empty.with-bytes"),
            (b"\x60\x00\x00\x00\xff\x01", "empty.with-bytes"),
            (b"\x70\x01\x00\x00", "reset.not-empty"),
            (b"\x40\x20\x00\x00", "code.class-reserved"),
            (b"\x40\xc1\x00\x00", "code.class-reserved"),
            (b"\x40\xe1\x00\x00", "code.class-reserved"),
            (b"\x4f\x01\x00\x00", "token.length-reserved"),
            (b"\x48\x01\x00\x00\x01\x02", "token.truncated"),
            (b"\x4d\x01\x00\x00", "token.truncated"),
            (b"\x4d\x01\x00\x00\x00\x01", "token.truncated"),
            (b"\x4e\x01\x00\x00\x00", "token.truncated"),
            (&long_token, "token.truncated"),
            (b"\x40\x01\x00\x00\xff", "payload.marker-alone"),
            (b"\x40\x01\x00\x00\xb1a\xff", "payload.marker-alone"),
            (b"\x40\x01\x00\x00\xb2a", "option.truncated"),
            (b"\x40\x01\x00\x00\xbd", "option.truncated"),
            (b"\x40\x01\x00\x00\xbe\x00", "option.truncated"),
            (b"\x40\x01\x00\x00\xd0", "option.truncated"),
            (b"\x40\x01\x00\x00\xf0", "option.delta-15"),
            (b"\x40\x01\x00\x00\xf1\x00", "option.delta-15"),
            (b"\x40\x01\x00\x00\xbf", "option.length-15"),
            (b"\x40\x01\x00\x00\xe0\xff\xff", "option.number-overflow"),
            (b"\x40\x01\x00\x00\xe0\xfe\xf2\x10", "option.number-overflow"),
            (b"\x40\x01\x00\x00\x10\x10\x10\x10\x10\x10\x10\x10\x10", "option.too-many"),
            (&[0x40; 2_001], "datagram.too-large"),
        ] {
            assert_eq!(parse(wire).err(), Some(name), "{wire:02x?}");
        }
    }

    #[test]
    fn extended_tokens() {
        for length in [8, 9, 12, 13, 20, 268, 269, 300, 1_000] {
            let token = vec![3; length];
            let header = Header { kind: Kind::Confirmable, code: Code::GET, message_id: 9 };
            let wire = encode(header, &token, OptionsRef::default(), b"x");
            let message = parse(&wire).unwrap();
            assert_eq!((message.token, message.payload), (&token[..], &b"x"[..]), "{length}");
        }
    }

    #[test]
    fn the_header_of_a_broken_message_can_be_read() {
        let peek = |wire: &[u8]| Header::peek(wire).map(|header| (header.kind, header.message_id));
        assert_eq!(peek(b"\x4f\x01\x12\x34"), Some((Kind::Confirmable, 0x1234)));
        assert_eq!(peek(b"\x50\x01\x12\x34\xff"), Some((Kind::NonConfirmable, 0x1234)));
        assert_eq!((peek(b"\x80\x01\x12\x34"), peek(b"\x40\x01\x12")), (None, None));
    }
}
