//! The fixed header: where one packet ends and the next begins. Absent: buffering, which the connection does.

use crate::check::{self, Check};

/// What the first bytes of a stream say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// More bytes are needed to know the length.
    Incomplete,
    /// A remaining length of more than four bytes, or in more bytes than it needs.
    Bad(&'static Check),
    /// First byte, length of the fixed header, length of the body.
    Known { first: u8, header: usize, body: usize },
}

pub(crate) fn header(bytes: &[u8]) -> Header {
    let Some((first, rest)) = bytes.split_first() else { return Header::Incomplete };
    let mut body = 0_usize;
    for (at, byte) in rest.iter().take(4).enumerate() {
        body |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            if *byte == 0 && at > 0 {
                return Header::Bad(&check::REMAINING_LENGTH);
            }
            return Header::Known { first: *first, header: at + 2, body };
        }
    }
    if rest.len() >= 4 { Header::Bad(&check::REMAINING_LENGTH) } else { Header::Incomplete }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_cases() {
        let known = |first, header, body| Header::Known { first, header, body };
        let cases: &[(&[u8], Header)] = &[
            (&[], Header::Incomplete),
            (&[0x30], Header::Incomplete),
            (&[0x30, 0x80], Header::Incomplete),
            (&[0x30, 0xff, 0xff, 0xff], Header::Incomplete),
            (&[0xc0, 0], known(0xc0, 2, 0)),
            (&[0x30, 0x7f, 9], known(0x30, 2, 127)),
            (&[0x30, 0x80, 0x01], known(0x30, 3, 128)),
            (&[0x30, 0xff, 0xff, 0xff, 0x7f], known(0x30, 5, 268_435_455)),
            (&[0x30, 0xff, 0xff, 0xff, 0x80], Header::Bad(&check::REMAINING_LENGTH)),
            (&[0xc0, 0x80, 0x00], Header::Bad(&check::REMAINING_LENGTH)),
            (&[0x30, 0x85, 0x80, 0x00], Header::Bad(&check::REMAINING_LENGTH)),
            (&[0x30, 0x80, 0x80, 0x01], known(0x30, 4, 16_384)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(&header(bytes), expected, "{bytes:02x?}");
        }
    }
}
