//! One simulated LwM2M client: a DTLS session and the few messages of CoAP that the load needs, written by hand so that little CPU is left to
//! the generator. Absent: its socket and repetitions (`swarm.rs`), block-wise transfer, a data model: it knows one temperature and its maker.

use crate::Outcome;
use landfall_coap::{Code, Header, Kind, Limits, MessageRef, OptionNumber, Options, encode, encode_empty};
use landfall_dtls::{Client, ClientConfig, Random, Suite};

/// The key of every client, as text; Landfall is told it in hex digits.
pub const KEY: &str = "sixteen bytes ok";
/// The suite of every client.
pub const SUITE: Suite = Suite::PskAes128Ccm8;

const LINK_FORMAT: u32 = 40;
const TLV: u32 = 11_542;
const OBJECTS: &[u8] = b"</1/0>,</3/0>,</4/0>,</3303/0>";
/// `/3/0` in TLV: manufacturer and model.
const MAKER: &[u8] = b"\xc5\x00bench\xc2\x01L1";
const TEMPERATURE: &[u8] = b"21.5";

/// A client.
pub struct Device {
    /// Its session; absent where bare datagrams are exchanged.
    pub dtls: Option<Box<Client>>,
    name: Box<str>,
    location: Box<str>,
    message_id: u16,
}

/// What a device asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Register (LwM2M core, 6.2.1).
    Register,
    /// Update where it is registered, with nothing changed (LwM2M core, 6.2.2).
    Update,
    /// GET of a path of these segments.
    Get(&'static [&'static str]),
}

/// What a message from the server is for its device.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing to be told.
    Nothing,
    /// The answer to the request with this token.
    Answer {
        /// Of the request.
        token: [u8; 4],
        /// Its code.
        code: Code,
    },
    /// An observation began.
    Observed,
}

impl Device {
    /// A client that did nothing yet. Records to it carry `number`, so that those of many clients can come to one socket.
    pub fn new(name: &str, number: u32) -> Self {
        let mut config = ClientConfig::new(name, KEY);
        config.suites = vec![SUITE];
        config.cid = Some(number.to_be_bytes().to_vec());
        let client = Client::new(config, random(number.into()));
        Self { dtls: Some(Box::new(client)), name: name.into(), location: "".into(), message_id: number as u16 }
    }

    /// One without DTLS.
    pub fn bare() -> Self {
        Self { dtls: None, name: "".into(), location: "".into(), message_id: 0 }
    }

    /// The next request, with its token.
    pub fn request(&mut self, ask: Ask) -> ([u8; 4], Vec<u8>) {
        self.message_id = self.message_id.wrapping_add(1);
        let mut options = Options::default();
        let (code, payload): (Code, &[u8]) = match ask {
            Ask::Register => {
                options.add(OptionNumber::URI_PATH, b"rd");
                options.add_uint(OptionNumber::CONTENT_FORMAT, LINK_FORMAT);
                let endpoint = format!("ep={}", self.name);
                for query in [endpoint.as_str(), "lt=86400", "lwm2m=1.0", "b=U"] {
                    options.add(OptionNumber::URI_QUERY, query.as_bytes());
                }
                (Code::POST, OBJECTS)
            }
            Ask::Update => {
                options.add(OptionNumber::URI_PATH, b"rd");
                options.add(OptionNumber::URI_PATH, self.location.as_bytes());
                (Code::POST, b"")
            }
            Ask::Get(path) => {
                path.iter().for_each(|segment| options.add(OptionNumber::URI_PATH, segment.as_bytes()));
                (Code::GET, b"")
            }
        };
        let token = [0x71, 0, (self.message_id >> 8) as u8, self.message_id as u8];
        let header = Header { kind: Kind::Confirmable, code, message_id: self.message_id };
        (token, encode(header, &token, options.get(), payload))
    }

    /// Takes a message in; the second value is what it says to it.
    pub fn hear(&mut self, message: &[u8]) -> Outcome<(Heard, Option<Vec<u8>>)> {
        let message = MessageRef::parse(message, &Limits::default()).map_err(|check| format!("CoAP: {}", check.name))?;
        let Header { kind, code, message_id } = message.header;
        if code.is_request() {
            let (heard, answer) = answer(&message);
            return Ok((heard, Some(answer)));
        }
        let acknowledged = (kind == Kind::Confirmable).then(|| encode_empty(Kind::Acknowledgement, message_id).to_vec());
        let Ok(token) = <[u8; 4]>::try_from(message.token) else { return Ok((Heard::Nothing, acknowledged)) };
        if code == Code::CREATED {
            self.location = message.options.location_path().nth(1).unwrap_or_default().into();
        }
        Ok((Heard::Answer { token, code }, acknowledged))
    }
}

/// Answers a request of the server with what the device knows.
fn answer(message: &MessageRef<'_>) -> (Heard, Vec<u8>) {
    let path: Vec<&str> = message.options.uri_path().collect();
    let mut options = Options::default();
    let (code, payload): (Code, &[u8]) = match (message.header.code, path.as_slice()) {
        (Code::GET, ["3303", "0", "5700"]) => (Code::CONTENT, TEMPERATURE),
        (Code::GET, ["3", "0"]) => (Code::CONTENT, MAKER),
        _ => (Code::NOT_FOUND, b""),
    };
    let observed = code == Code::CONTENT && message.options.observe() == Some(0);
    if observed {
        options.add_uint(OptionNumber::OBSERVE, 1);
    }
    if payload == MAKER {
        options.add_uint(OptionNumber::CONTENT_FORMAT, TLV);
    } else if code == Code::CONTENT {
        // Content-Format 0, text/plain.
        options.add(OptionNumber::CONTENT_FORMAT, b"");
    }
    let header = Header { kind: Kind::Acknowledgement, code, message_id: message.header.message_id };
    (if observed { Heard::Observed } else { Heard::Nothing }, encode(header, message.token, options.get(), payload))
}

/// Cheap numbers that differ: the keys of simulated clients are no secret, and what a system call costs would be the generator's (splitmix64).
fn random(seed: u64) -> Random {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(std::process::id());
    Box::new(move |bytes| {
        for chunk in bytes.chunks_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let mixed = (mixed ^ (mixed >> 31)).to_le_bytes();
            chunk.copy_from_slice(&mixed[..chunk.len()]);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: Kind, code: Code, path: &[&str], observe: bool) -> Vec<u8> {
        let mut options = Options::default();
        if observe {
            options.add_uint(OptionNumber::OBSERVE, 0);
        }
        path.iter().for_each(|segment| options.add(OptionNumber::URI_PATH, segment.as_bytes()));
        encode(Header { kind, code, message_id: 7 }, b"abcd", options.get(), b"")
    }

    #[test]
    fn it_answers_what_a_server_asks() {
        type Case = (&'static [&'static str], bool, Heard, Code, &'static [u8]);
        let cases: [Case; 4] = [
            (&["3303", "0", "5700"], true, Heard::Observed, Code::CONTENT, TEMPERATURE),
            (&["3303", "0", "5700"], false, Heard::Nothing, Code::CONTENT, TEMPERATURE),
            (&["3", "0"], false, Heard::Nothing, Code::CONTENT, MAKER),
            (&["5", "0"], true, Heard::Nothing, Code::NOT_FOUND, b""),
        ];
        for (path, observe, heard, code, payload) in cases {
            let (told, answer) = Device::new("x", 1).hear(&message(Kind::Confirmable, Code::GET, path, observe)).unwrap();
            let answer = answer.unwrap();
            let answer = MessageRef::parse(&answer, &Limits::default()).unwrap();
            assert_eq!((told, answer.header.code, answer.payload), (heard, code, payload), "{path:?}");
            assert_eq!((answer.header.kind, answer.header.message_id, answer.token), (Kind::Acknowledgement, 7, &b"abcd"[..]));
        }
    }

    #[test]
    fn it_updates_where_it_was_registered() {
        let mut device = Device::new("x", 1);
        let (token, _) = device.request(Ask::Register);
        let mut options = Options::default();
        options.add(OptionNumber::LOCATION_PATH, b"rd");
        options.add(OptionNumber::LOCATION_PATH, b"5a3f");
        let header = Header { kind: Kind::Confirmable, code: Code::CREATED, message_id: 9 };
        let (heard, said) = device.hear(&encode(header, &token, options.get(), b"")).unwrap();
        assert_eq!(heard, Heard::Answer { token, code: Code::CREATED });
        assert_eq!(said.unwrap(), encode_empty(Kind::Acknowledgement, 9));
        let (next, update) = device.request(Ask::Update);
        assert_ne!(next, token);
        let update = MessageRef::parse(&update, &Limits::default()).unwrap();
        assert_eq!(update.options.uri_path().collect::<Vec<_>>(), ["rd", "5a3f"]);
    }

    #[test]
    fn numbers_differ_from_client_to_client_and_from_draw_to_draw() {
        let draw = |random: &mut Random| {
            let mut bytes = [0; 12];
            random(&mut bytes);
            bytes
        };
        let (mut one, mut two) = (random(1), random(2));
        let drawn = [draw(&mut one), draw(&mut one), draw(&mut two), draw(&mut two)];
        for (i, value) in drawn.iter().enumerate() {
            assert!(!drawn[..i].contains(value));
        }
    }
}
