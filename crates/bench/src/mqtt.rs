//! The few MQTT 3.1.1 packets a load generator needs. Absent: QoS 2, everything a device needs besides.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What identifies a connection to a broker.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Client identifier.
    pub client_id: String,
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl Login {
    /// The login of a Landfall device: `{deviceId}_0_0_{hour}` and an HMAC-SHA256 of the secret with the hour as key (8.2.2).
    pub fn of_device(device: &str, secret: &str, hour: &str) -> Self {
        Self { client_id: format!("{device}_0_0_{hour}"), username: device.to_owned(), password: password(hour, secret) }
    }

    /// CONNECT with a clean session (MQTT 3.1.1, 3.1).
    pub fn connect(&self, keep_alive_s: u16) -> Vec<u8> {
        let mut body = b"\x00\x04MQTT\x04\xc2".to_vec();
        body.extend(keep_alive_s.to_be_bytes());
        for field in [&self.client_id, &self.username, &self.password] {
            push_text(&mut body, field);
        }
        framed(0x10, &body)
    }
}

/// SUBSCRIBE to one topic with QoS 1 (MQTT 3.1.1, 3.8).
pub fn subscribe(topic: &str) -> Vec<u8> {
    let mut body = vec![0, 1];
    push_text(&mut body, topic);
    body.push(1);
    framed(0x82, &body)
}

/// PUBACK (MQTT 3.1.1, 3.4).
pub fn acknowledgement(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [0x40, 2, high, low]
}

/// Identifier and payload of a message of QoS 1.
pub type Message<'a> = (u16, &'a [u8]);

/// Takes one packet from the front of `bytes`, with the message if it is one of QoS 1, and its length; `None` while it is incomplete.
pub fn delivery(bytes: &[u8]) -> Option<(Option<Message<'_>>, usize)> {
    let (_, total) = parse(bytes)?;
    Some((message(bytes.get(..total)?), total))
}

fn message(packet: &[u8]) -> Option<Message<'_>> {
    let (first, rest) = packet.split_first()?;
    let (_, header) = remaining_length(rest)?;
    let (topic_bytes, rest) = rest.get(header..)?.split_first_chunk()?;
    let (id, payload) = rest.get(usize::from(u16::from_be_bytes(*topic_bytes))..)?.split_first_chunk()?;
    (first & 0xf6 == 0x32).then_some((u16::from_be_bytes(*id), payload))
}

fn password(hour: &str, secret: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(hour.as_bytes()) else { return String::new() };
    mac.update(secret.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// A PUBLISH with QoS 1 whose packet identifier, and perhaps a number in its payload, are set anew for each message.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    id_at: usize,
    stamp_at: Option<usize>,
}

/// Stands in a payload where [`Template::write`] puts [`STAMP_BASE`] plus the stamp: a JSON number of always as many digits.
pub const STAMP: &str = "1000000000";
/// What is added to a stamp.
pub const STAMP_BASE: u64 = 1_000_000_000;

/// The stamp in a text that holds `key` in front of it.
pub fn read_stamp(text: &[u8], key: &[u8]) -> Option<u64> {
    let at = text.windows(key.len()).position(|window| window == key)? + key.len();
    let digits = std::str::from_utf8(text.get(at..at + STAMP.len())?).ok()?;
    digits.parse::<u64>().ok()?.checked_sub(STAMP_BASE)
}

impl Template {
    /// Of a topic and a payload (MQTT 3.1.1, 3.3).
    pub fn new(topic: &str, payload: &str) -> Self {
        let mut body = Vec::new();
        push_text(&mut body, topic);
        let id_in_body = body.len();
        body.extend([0, 0]);
        body.extend(payload.as_bytes());
        let bytes = framed(0x32, &body);
        let id_at = bytes.len() - body.len() + id_in_body;
        let stamp_at = payload.find(STAMP).map(|at| id_at + 2 + at);
        Self { bytes, id_at, stamp_at }
    }

    /// Appends the packet.
    pub fn write(&self, out: &mut Vec<u8>, id: u16, stamp: u64) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        out[start + self.id_at..start + self.id_at + 2].copy_from_slice(&id.to_be_bytes());
        if let Some(at) = self.stamp_at {
            let digits = (STAMP_BASE + stamp % (8 * STAMP_BASE)).to_string();
            out[start + at..start + at + STAMP.len()].copy_from_slice(&digits.as_bytes()[..STAMP.len()]);
        }
    }
}

/// A packet from a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// CONNACK with its return code.
    Connected(u8),
    /// PUBACK.
    Acknowledged(u16),
    /// Anything else, by its first byte.
    Other(u8),
}

/// Takes one packet from the front of `bytes`: the packet and its length; `None` while it is incomplete.
pub fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
    let first = *bytes.first()?;
    let (length, header) = remaining_length(bytes.get(1..)?)?;
    let total = 1 + header + length;
    let body = bytes.get(1 + header..total)?;
    let answer = match (first, body) {
        (0x20, [_, code]) => Answer::Connected(*code),
        (0x40, [high, low]) => Answer::Acknowledged(u16::from_be_bytes([*high, *low])),
        _ => Answer::Other(first),
    };
    Some((answer, total))
}

/// Value and number of bytes of a remaining length (MQTT 3.1.1, 2.2.3).
fn remaining_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (i, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(&text.as_bytes()[..usize::from(length)]);
}

fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        packet.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_match_the_vectors_of_the_contract() {
        for (hour, secret, expected) in [
            ("2018072417", "0123456789abcdef0123", "066decdb9d159476cf3117cbf3e818f41aa9c014e5204ae6b05d6349f04fc3fa"),
            ("2019082800", "s3cr3t-of-device", "f3ae7a961dfc8d2f3262eab241af7384727ae536bc12f097c5c00f76d991dc5a"),
        ] {
            assert_eq!(password(hour, secret), expected);
        }
    }

    #[test]
    fn a_connect_packet() {
        let login = Login { client_id: "c".into(), username: "u".into(), password: "p".into() };
        assert_eq!(login.connect(258), b"\x10\x13\x00\x04MQTT\x04\xc2\x01\x02\x00\x01c\x00\x01u\x00\x01p");
    }

    #[test]
    fn messages_are_taken_one_by_one() {
        assert_eq!(subscribe("t"), b"\x82\x06\x00\x01\x00\x01t\x01");
        assert_eq!(acknowledgement(0x0102), *b"\x40\x02\x01\x02");
        let cases = [
            (&b"\x32\x07\x00\x01t\x01\x02ab\x40"[..], Some((Some((0x0102, &b"ab"[..])), 9))),
            (b"\x3a\x05\x00\x01t\x00\x01", Some((Some((1, b"")), 7))),
            (b"\x30\x05\x00\x01tab", Some((None, 7))),
            (b"\x90\x03\x00\x01\x01", Some((None, 5))),
            (b"\x32\x07\x00\x01t", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(delivery(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_publish_packet_with_its_numbers() {
        let mut out = vec![1];
        Template::new("t", "x").write(&mut out, 0x0102, 5);
        assert_eq!(out, b"\x01\x32\x06\x00\x01t\x01\x02x");
        let mut out = Vec::new();
        let long = "l".repeat(200);
        Template::new(&long, &format!("[{STAMP}]")).write(&mut out, 3, 42);
        assert_eq!(out[..3], [0x32, 0xd8, 0x01], "216 bytes follow");
        assert!(out.ends_with(b"\x00\x03[1000000042]"), "{out:?}");
        assert_eq!(read_stamp(&out, b"["), Some(42));
        for broken in [&b"[100"[..], b"(1000000042", b"[0000000042", b"[10000000x2", b""] {
            assert_eq!(read_stamp(broken, b"["), None);
        }
    }

    #[test]
    fn packets_are_taken_one_by_one() {
        let cases = [
            (&b"\x20\x02\x00\x04"[..], Some((Answer::Connected(4), 4))),
            (b"\x40\x02\x01\x00\x40", Some((Answer::Acknowledged(256), 4))),
            (b"\xd0\x00", Some((Answer::Other(0xd0), 2))),
            (b"\x40\x02\x01", None),
            (b"\x40", None),
            (b"", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(parse(bytes), expected, "{bytes:?}");
        }
    }
}
