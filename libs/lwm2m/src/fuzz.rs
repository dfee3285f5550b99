//! Entry points for fuzzers: every reader with arbitrary bytes, and everything that can be written read back. Absent: the fuzzer itself;
//! any engine that hands over bytes will do.

use crate::attributes::AttributeChange;
use crate::bootstrap::BootstrapRequest;
use crate::codec::{self, DecodeLimits, Decoded, Reading};
use crate::content_format::ContentFormat;
use crate::ignored::Ignored;
use crate::link::{self, LinkLimits};
use crate::message::{Method, Request};
use crate::objects::{ObjectModels, XmlLimits};
use crate::operation::parse_arguments;
use crate::path::Path;
use crate::registration::{RegisterRequest, UpdateRequest};
use crate::sim::Client;
use crate::value::{Entry, EntryTime, ObjectLink, Value, ValueType};
use crate::version::Version;

/// The content formats that inputs choose from, by place.
pub const FORMATS: [u16; 10] = [0, 40, 42, 60, 110, 112, 1542, 11_542, 11_543, 11_544];
/// Payloads, by the place of their format: a value that cannot be used beside one that can, and names below a root.
pub const ODD_PAYLOADS: [(u8, &[u8]); 5] = [
    (4, br#"[{"bn":"/lwm2m/3/0/","n":"10","v":null},{"n":"x","vb":1},{"n":"9","v":100}]"#),
    (5, b"\x82\xa3\x21\x65/3/0/\x00\x6210\x02\xf6\xa2\x00\x619\x02\x18\x64"),
    (7, b"\xc0\x0a\x82\x07\x42\x01\xc1\x09\x64"),
    (8, br#"{"e":[{"n":"/3/0/10","bv":1},{"n":"9","v":100}]}"#),
    (9, b"\xa1\x03\xa1\x00\xa2\x0a\xf6\x09\x18\x64"),
];
const BASES: [Path; 6] = [
    Path::ROOT,
    Path::object(3),
    Path::instance(3, 0),
    Path::resource(3, 0, 9),
    Path::resource_instance(3, 0, 7, 1),
    Path::resource(19, 0, 0),
];

/// Reads a payload: the first byte picks the format, the second the base.
///
/// # Panics
/// When more is read than the limits allow or outside of the base, or when what was read cannot be written and read back the same.
pub fn fuzz_payload(models: &ObjectModels, data: &[u8]) {
    let [format, base, payload @ ..] = data else { return };
    let format = ContentFormat(FORMATS[usize::from(*format) % FORMATS.len()]);
    let base = BASES[usize::from(*base) % BASES.len()];
    let limits = DecodeLimits { bytes: 65_536, entries: 128 };
    let _ = codec::decode_paths(format, payload, &limits);
    let reading = Reading { models: models.newest(), root: "", limits };
    let Ok(Decoded { entries, faults, faults_untold }) = codec::decode_each(format, &base, payload, &reading) else { return };
    assert!(entries.len() + faults.len() + faults_untold <= limits.entries, "{} entries", entries.len());
    let _ = codec::decode_each(format, &base, payload, &Reading { root: "/lwm2m", ..reading });
    let strict = codec::decode(format, &base, payload, models.newest(), &limits);
    assert_eq!(strict.ok().as_ref(), Some(&entries).filter(|_| faults.is_empty()), "read as one it says something else");
    for entry in &entries {
        assert!(base.contains(&entry.path) && entry.path.depth() >= 3, "{} outside of {base}", entry.path);
        assert!(!matches!(entry.value, Value::Float(x) if !x.is_finite()), "not finite at {}", entry.path);
    }
    if let Ok(again) = codec::encode(ContentFormat::SENML_CBOR, &base, &entries) {
        let read = codec::decode(ContentFormat::SENML_CBOR, &base, &again, models.newest(), &DecodeLimits::default());
        assert_eq!(read.as_ref().map(Vec::len), Ok(entries.len()), "SenML CBOR of what was read cannot be read");
    }
}

/// Reads link format, queries and object definitions.
///
/// # Panics
/// When a registration that was read does not say the same when it is written.
pub fn fuzz_documents(data: &[u8]) {
    let limits = LinkLimits { bytes: 4_096, links: 64, params: 8 };
    if let Ok(read) = link::parse(data, &limits) {
        assert!(read.links.len() <= limits.links && read.links.iter().all(|link| link.params.len() <= limits.params));
    }
    let _ = link::parse_discover(data, "/lwm2m", &limits);
    let xml = XmlLimits { nodes: 512, ..XmlLimits::default() };
    let _ = ObjectModels::empty().load_xml(data, &xml);
    let text = String::from_utf8_lossy(data);
    let _ = (parse_arguments(&text), text.parse::<Path>());
    let queries: Vec<&str> = text.split('&').collect();
    let _ = AttributeChange::parse(&queries);
    let _ = BootstrapRequest::parse(&queries);
    let _ = UpdateRequest::parse(&queries, None, data, Version::V1_1, &limits);
    let (query, payload) = text.split_once('|').unwrap_or((&text, "</3/0>"));
    let queries: Vec<&str> = query.split('&').collect();
    if let Ok(mut register) = RegisterRequest::parse(&queries, None, payload.as_bytes(), &limits) {
        register.ignored = Ignored::default();
        let request = register.to_request();
        let again = RegisterRequest::parse(&request.query, request.content_format, &request.payload, &LinkLimits::default());
        assert_eq!(again.as_ref(), Ok(&register), "a registration that does not say the same when it is written");
    }
}

/// Gives a simulated client an arbitrary request: method, accept and format from the first three bytes, a path, and a payload.
pub fn fuzz_client(client: &mut Client, data: &[u8]) {
    let [method, accept, format, depth, rest @ ..] = data else { return };
    let methods = [Method::Get, Method::Post, Method::Put, Method::Delete, Method::Fetch, Method::Ipatch];
    let (path, payload) = rest.split_at(rest.len().min(usize::from(*depth % 5)));
    let mut request = Request::new(methods[usize::from(*method) % methods.len()], path.iter().map(u8::to_string).collect());
    let pick = |byte: u8| (byte & 0x80 == 0).then(|| ContentFormat(FORMATS[usize::from(byte) % FORMATS.len()]));
    (request.accept, request.content_format) = (pick(*accept), pick(*format));
    request.payload = payload.to_vec();
    let response = client.handle(u64::from(*depth), u64::from(*depth % 8), &request);
    assert!(matches!(response.code.class(), 2 | 4 | 5), "{}", response.code);
    let _ = client.poll(u64::from(*depth) * 1_000);
}

/// Makes values from `data`, one at least, and writes and reads them in every format.
///
/// # Panics
/// When a format reads something else than what was written.
pub fn fuzz_round_trip(models: &ObjectModels, data: &[u8]) {
    let mut bytes = data.iter().copied();
    let mut entries: Vec<Entry> = Vec::new();
    for resource in models
        .iter()
        .filter(|o| o.id == 3 || o.id == 1 || o.id == 3303)
        .flat_map(|object| object.resources.iter().map(move |resource| (object.id, resource)))
    {
        let (object, resource) = resource;
        let (Some(value_type), Some(pick)) = (resource.value_type, bytes.next()) else { continue };
        let instance = Path::instance(object, u16::from(pick % 3));
        let Some(path) = instance.child(resource.id) else { continue };
        for index in 0..if resource.multiple { u16::from(pick % 4) } else { 1 } {
            let path = if resource.multiple { path.child(index * 300) } else { Some(path) };
            let Some(path) = path.filter(|path| entries.iter().all(|entry| entry.path != *path)) else { continue };
            entries.push(Entry::new(path, arbitrary(value_type, &mut bytes)));
        }
    }
    entries.sort_by_key(|entry| entry.path);
    for object in entries.chunk_by(|a, b| a.path.cut(1) == b.path.cut(1)) {
        round_trip(models, &object.first().map_or(Path::ROOT, |entry| entry.path.cut(1)), object);
    }
    for instance in entries.chunk_by(|a, b| a.path.cut(2) == b.path.cut(2)) {
        round_trip(models, &instance.first().map_or(Path::ROOT, |entry| entry.path.cut(2)), instance);
    }
    for entry in &entries {
        round_trip(models, &entry.path, std::slice::from_ref(entry));
        for format in [ContentFormat::TEXT, ContentFormat::CBOR] {
            same(models, format, &entry.path, std::slice::from_ref(entry));
        }
    }
    let timed: Vec<Entry> = entries.iter().map(|entry| Entry { time: time(&mut bytes), ..entry.clone() }).collect();
    for format in [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR, ContentFormat::JSON] {
        same(models, format, &Path::ROOT, &timed);
    }
}

fn round_trip(models: &ObjectModels, base: &Path, entries: &[Entry]) {
    for format in [110, 112, 11_542, 11_543, 11_544].map(ContentFormat) {
        same(models, format, base, entries);
    }
}

fn same(models: &ObjectModels, format: ContentFormat, base: &Path, entries: &[Entry]) {
    let written = codec::encode(format, base, entries);
    let written = written.as_ref().map(Vec::as_slice);
    assert!(written.is_ok(), "{format} of {base}: {written:?}");
    let read = codec::decode(format, base, written.unwrap_or_default(), models.newest(), &DecodeLimits::default());
    assert!(read.as_deref() == Ok(entries), "{format} of {base}: {read:?} is not {entries:?}");
}

fn number(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    let width = bytes.next().unwrap_or_default() % 9;
    bytes.take(usize::from(width)).fold(0, |number, byte| number << 8 | u64::from(byte))
}

fn arbitrary(value_type: ValueType, bytes: &mut impl Iterator<Item = u8>) -> Value {
    let n = number(bytes);
    match value_type {
        ValueType::String => Value::Text(char::from_u32(n as u32 & 0xf_ffff).unwrap_or('"').to_string()),
        ValueType::CoreLink => Value::CoreLink(format!("</{n}>")),
        ValueType::Integer => Value::Integer(n as i64),
        ValueType::Time => Value::Time(n as i64),
        ValueType::Unsigned => Value::Unsigned(n),
        ValueType::Float => Value::Float(Some(f64::from_bits(n)).filter(|x| x.is_finite()).unwrap_or(n as f64)),
        ValueType::Boolean => Value::Boolean(n & 1 == 1),
        ValueType::Opaque => Value::Opaque(n.to_be_bytes().to_vec()),
        ValueType::ObjectLink => Value::ObjectLink(ObjectLink { object: n as u16, instance: (n >> 16) as u16 }),
    }
}

/// A time that SenML can say: milliseconds before or after the receipt, or since 1970.
fn time(bytes: &mut impl Iterator<Item = u8>) -> Option<EntryTime> {
    let ms = number(bytes) as i64;
    match ms & 3 {
        0 => None,
        1 => Some(EntryTime::AbsoluteMs(1_700_000_000_000 + ms % 1_000_000_000)),
        _ => Some(EntryTime::RelativeMs(1 + (ms % 1_000_000).abs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUNDS: u32 = 4_000;

    /// The same bytes on every machine.
    struct Dice(u32);

    impl Dice {
        fn roll(&mut self, below: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
            self.0 as usize % below
        }

        fn bytes(&mut self, most: usize) -> Vec<u8> {
            (0..self.roll(most)).map(|_| self.roll(256) as u8).collect()
        }

        /// One of the examples with a few bytes changed, cut, doubled or put in.
        fn mutate(&mut self, example: &[u8]) -> Vec<u8> {
            let mut bytes = example.to_vec();
            for _ in 0..=self.roll(4) {
                let at = self.roll(bytes.len().max(1)).min(bytes.len());
                match self.roll(5) {
                    0 if at < bytes.len() => bytes[at] = self.roll(256) as u8,
                    1 if at < bytes.len() => bytes[at] ^= 1 << self.roll(8),
                    2 => bytes.truncate(at),
                    3 => bytes.insert(at, self.roll(256) as u8),
                    _ => bytes.extend_from_within(at..),
                }
            }
            bytes
        }
    }

    #[test]
    fn hostile_payloads_are_survived() {
        let models = ObjectModels::builtin();
        let mut dice = Dice(0x5eed_0001);
        let entries = [
            Entry::new(Path::resource(3, 0, 0), Value::Text("Open Mobile Alliance".into())),
            Entry::new(Path::resource(3, 0, 9), Value::Integer(100)),
            Entry::new(Path::resource_instance(3, 0, 7, 1), Value::Integer(3_800)),
        ];
        for (at, format) in FORMATS.iter().enumerate() {
            let example =
                codec::encode(ContentFormat(*format), &Path::instance(3, 0), &entries).unwrap_or_else(|_| b"100".to_vec());
            for _ in 0..ROUNDS {
                let payload = if dice.roll(4) == 0 { dice.bytes(64) } else { dice.mutate(&example) };
                fuzz_payload(&models, &[&[at as u8, dice.roll(6) as u8], &payload[..]].concat());
            }
        }
        for (format, example) in ODD_PAYLOADS {
            for _ in 0..ROUNDS {
                fuzz_payload(&models, &[&[format, dice.roll(6) as u8], &dice.mutate(example)[..]].concat());
            }
        }
        (0..4).for_each(|length| fuzz_payload(&models, &vec![0; length]));
    }

    #[test]
    fn hostile_documents_are_survived() {
        let mut dice = Dice(0x5eed_0002);
        let examples: [&[u8]; 8] = [
            br#"ep=urn:imei:863703030668222&lt=300&lwm2m=1.1&b=U&Q|</>;rt="oma.lwm2m";ct="60 110 112",</1/0>,</3/0>,</5>;ver=1.1"#,
            b"ep=a&lwm2m=1.0&b=UQS&sms=4912345|</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/3/0>,</lwm2m/5>",
            b"ep=a&lwm2m=1.3&b=UX&sms=| </ >;ct=60 110;rt=oma.lwm2m,\r\n</3/0/1>,<http://a/b>,< /3/0 >;ver=1,</5>;ver=\"1.1,\0",
            b"ep=a&lwm2m=1.0.2|</lwm2m/>;rt=\"core oma.lwm2m\";ct=110;ct=112,</lwm2m/3/0></lwm2m/4/0>;,,",
            b"</3/0>;pmin=10;pmax=60,</3/0/6>;dim=8;gt=50;lt=42.2",
            b"pmin=1&pmax=2&gt=1.5&st",
            b"0='http://example.com/a',1,2='x'",
            b"<LWM2M><Object><Name>N</Name><ObjectID>1</ObjectID><MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory><Resources/></Object></LWM2M>",
        ];
        for example in examples {
            fuzz_documents(example);
            (0..ROUNDS).for_each(|_| fuzz_documents(&dice.mutate(example)));
        }
    }

    #[test]
    fn every_format_reads_what_it_wrote() {
        let models = ObjectModels::builtin();
        let mut dice = Dice(0x5eed_0003);
        (0..ROUNDS / 40).for_each(|_| fuzz_round_trip(&models, &(0..600).map(|_| dice.roll(256) as u8).collect::<Vec<_>>()));
    }

    #[test]
    fn a_client_survives_any_request() {
        let mut client = Client::new("fuzzed", Version::V1_2);
        let mut dice = Dice(0x5eed_0004);
        (0..ROUNDS).for_each(|_| fuzz_client(&mut client, &dice.bytes(48)));
    }
}
