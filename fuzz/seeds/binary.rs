//! Seeds of binary protocols: CoAP, DTLS, LwM2M, MQTT and the PROXY protocol.

use crate::Seeds;
use landfall_coap::{Block, Code, ContentFormat, Header, Kind, Message, OptionNumber};
use landfall_dtls::{Client, ClientConfig, ClientOutput, Config, Output, Random, Server};
use landfall_lwm2m::{Entry, Path, Value, codec};
use std::{net::SocketAddr, time::Duration};

/// Datagrams as devices and servers send them.
pub fn coap_datagrams() -> Seeds {
    let block = |num, more| Block { num, more, szx: 0 }.value();
    let put = |num, more| {
        let part = Message::new(Code::PUT).with_path("/5/0").with_uint(OptionNumber::BLOCK1, block(num, more));
        part.with_payload(vec![7; 16])
    };
    let get = |path| Message::new(Code::GET).with_path(path);
    let content = |body: &'static str| Message::new(Code::CONTENT).with_payload(body);
    let register = Message::new(Code::POST).with_path("/rd").with_query("ep=urn:imei:1").with_query("lt=60");
    let messages: [(Kind, &[u8], Message); 11] = [
        (Kind::Confirmable, b"tok", get("/3/0/9").with_query("a=1").with_accept(ContentFormat::SENML_CBOR)),
        (Kind::Confirmable, b"", register.with_payload("</3/0>")),
        (Kind::Confirmable, b"12345678", get("/big").with_uint(OptionNumber::BLOCK2, block(1, false))),
        (Kind::Confirmable, b"u", put(0, true)),
        (Kind::Confirmable, b"u", put(1, true)),
        (Kind::Confirmable, b"u", put(2, false)),
        (Kind::NonConfirmable, b"obs", content("21").with_observe(300)),
        (Kind::Confirmable, b"obs", content("22").with_observe(301).with_uint(OptionNumber::BLOCK2, block(0, true))),
        (Kind::Acknowledgement, b"tok", content("x").with(OptionNumber::ETAG, b"etag").with_uint(OptionNumber::MAX_AGE, 30)),
        (Kind::Confirmable, b"f", Message::new(Code::FETCH).with(OptionNumber(2048), &[0; 300]).with_payload("q")),
        (Kind::NonConfirmable, b"n", get("/x").with_uint(OptionNumber::NO_RESPONSE, 26).with_uint(OptionNumber::SIZE2, 0)),
    ];
    let written = messages.iter().zip(1..).map(|((kind, token, message), message_id)| {
        let header = Header { kind: *kind, code: message.code, message_id };
        landfall_coap::encode(header, token, message.options.get(), &message.payload)
    });
    written.chain([b"\x40\0\0\x0c".to_vec(), b"\x60\0\0\x0d".to_vec(), b"\x70\0\0\x0e".to_vec()]).collect()
}

/// The same one by one, all together, and some of them twice, each with its sender and length.
pub fn coap_traffic() -> Seeds {
    let framed = |datagram: &Vec<u8>| [&[1, datagram.len() as u8][..], &datagram[..]].concat();
    let mut single: Seeds = coap_datagrams().iter().filter(|datagram| datagram.len() < 256).map(framed).collect();
    let all = single.concat();
    single.extend([all.clone(), all.repeat(2)]);
    single
}

/// A handshake with data after it, in forms with and without what is optional.
pub fn dtls_scripts() -> Seeds {
    [0, 1, 2, 4, 8, 12, 16, 32, 48, 64, 76, 128, 140, 255].into_iter().map(landfall_dtls::fuzz::honest_script).collect()
}

/// What a client sends, each datagram with its sender and length.
pub fn dtls_datagrams() -> Seeds {
    let (sent, _) = conversation();
    let framed = |datagram: &Vec<u8>| [&[0, datagram.len() as u8][..], &datagram[..]].concat();
    let mut seeds: Seeds = sent.iter().filter(|datagram| datagram.len() < 256).map(framed).collect();
    seeds.push(seeds.concat());
    seeds
}

/// A saved session.
pub fn dtls_saved() -> Seeds {
    conversation().1
}

/// The datagrams of a client until it has said something, and the session then.
fn conversation() -> (Seeds, Seeds) {
    const KEY: &[u8] = b"fuzzed key";
    let random = |seed: u8| -> Random { Box::new(move |bytes| bytes.fill(seed)) };
    let (mut server, now) = (Server::new(Config::default(), random(3)), Duration::ZERO);
    let mut client = Client::new(ClientConfig::new(*b"fuzzed identity", KEY), random(5));
    let from = SocketAddr::from(([192, 0, 2, 1], 0));
    let (mut sent, mut saved, mut session) = (vec![], vec![], None);
    client.connect(now);
    for _ in 0..32 {
        while let Some(output) = client.poll() {
            if let ClientOutput::Send(datagram) = output {
                server.handle(now, from, &datagram);
                sent.push(datagram);
            }
        }
        while let Some(output) = server.poll() {
            match output {
                Output::Send { datagram, .. } => client.handle(now, &datagram),
                Output::PskWanted { lookup, .. } => server.psk(now, lookup, Some(KEY)),
                Output::Established { session: id, .. } => session = Some(id),
                _ => {}
            }
        }
        let _early = client.send(b"data");
        saved.extend(session.take().and_then(|id| server.saved(id, 5)).map(|saved| saved.to_bytes().to_vec()));
    }
    (sent, saved)
}

fn device_object() -> Vec<Entry> {
    vec![
        Entry::new(Path::resource(3, 0, 0), Value::Text("Open Mobile Alliance".into())),
        Entry::new(Path::resource(3, 0, 9), Value::Integer(100)),
        Entry::new(Path::resource_instance(3, 0, 7, 1), Value::Integer(3_800)),
    ]
}

/// Object 3 in every format that can say it, and single values in the others.
pub fn lwm2m_payloads() -> Seeds {
    let formats = landfall_lwm2m::fuzz::FORMATS.iter().zip(0u8..);
    let written = formats.map(|(format, number)| {
        let format = landfall_lwm2m::ContentFormat(*format);
        let payload = codec::encode(format, &Path::instance(3, 0), &device_object()).unwrap_or_else(|_| b"100".to_vec());
        [&[number, 2][..], &payload[..]].concat()
    });
    written.chain(landfall_lwm2m::fuzz::ODD_PAYLOADS.map(|(format, payload)| [&[format, 2][..], payload].concat())).collect()
}

/// Reads, writes, executions and the rest, on paths that are there.
pub fn lwm2m_requests() -> Seeds {
    const NO_FORMAT: u8 = 0x80;
    let mut seeds: Seeds = Vec::new();
    for (method, path) in [(0, &[3, 0][..]), (0, &[3, 0, 9]), (0, &[1]), (1, &[3, 0, 4]), (3, &[1, 0]), (4, &[]), (5, &[])] {
        seeds.push([&[method, NO_FORMAT, NO_FORMAT, path.len() as u8][..], path].concat());
        seeds.push([&[method, 4, NO_FORMAT, path.len() as u8][..], path].concat());
    }
    for payload in lwm2m_payloads() {
        for method in [1, 2, 4, 5] {
            seeds.push([&[method, NO_FORMAT, payload[0], 2, 3, 0][..], &payload[2..]].concat());
        }
    }
    seeds
}

/// What clients of both protocol levels send, from short to long; the first byte chooses portions and answers.
pub fn mqtt_connections() -> Seeds {
    let mut flows: Seeds = Vec::new();
    for level in [4, 5] {
        let properties: &[u8] = if level == 5 { &[0] } else { &[] };
        let with = |head: &[u8], tail: &[u8]| [head, properties, tail].concat();
        let connect = packet(0x10, &[b"\0\x04MQTT", &[level, 2, 0, 60][..], properties, b"\0\x02id"].concat());
        let publish = |first: u8, id: &[u8]| packet(first, &[b"\0\x01t", id, properties, b"payload"].concat());
        let subscribe = packet(0x82, &with(&[0, 1], b"\0\x03a/+\x01\0\x01#\0"));
        let unsubscribe = packet(0xa2, &with(&[0, 2], b"\0\x03a/+"));
        let acknowledgements = [[0x62, 2, 0, 2], [0x40, 2, 0, 1], [0x50, 2, 0, 1], [0x70, 2, 0, 1]].concat();
        let (ping, end) = ([0xc0, 0].to_vec(), [0xe0, 0].to_vec());
        flows.extend([
            connect.clone(),
            [connect.clone(), publish(0x30, b""), end.clone()].concat(),
            [connect.clone(), subscribe.clone(), unsubscribe.clone(), ping.clone()].concat(),
            [connect.clone(), publish(0x32, &[0, 1]), publish(0x3a, &[0, 1]), acknowledgements.clone()].concat(),
            [connect.clone(), publish(0x34, &[0, 2]), publish(0x3c, &[0, 2]), acknowledgements.clone(), ping.clone()].concat(),
            [connect.clone(), publish(0x33, &[0, 9]).repeat(20)].concat(),
            [connect, subscribe, publish(0x32, &[0, 1]), acknowledgements, unsubscribe, ping, end].concat(),
        ]);
    }
    let will = b"\0\x04MQTT\x05\xee\x01\0\x05\x11\0\0\0\x07\0\x02id\x05\x18\0\0\0\x09\0\x01w\0\x02pl\0\x01u\0\x03sec";
    let rich = b"\0\x01t\0\x05\x1d\x01\x01\x02\0\0\0\x05\x03\0\x01c\x08\0\x01r\x09\0\x01d\x23\0\x03\x26\0\x01n\0\0pay";
    let alias = [packet(0x10, will), packet(0x32, rich), packet(0x30, b"\0\0\x03\x23\0\x03x"), b"\xe0\x01\x04".to_vec()];
    flows.push(alias.concat());
    let shared = packet(0x82, b"\0\x03\x05\x0b\xff\xff\xff\x7f\0\x0c$share/g/a/+\x29\0\x01#\x12");
    let leave = packet(0xa2, b"\0\x04\0\0\x0c$share/g/a/+");
    let taken = [[0x50, 2, 0, 2], [0x70, 2, 0, 1], [0x70, 2, 0, 2], [0x50, 2, 0, 3], [0x70, 2, 0, 3]].concat();
    flows.push([packet(0x10, b"\0\x04MQTT\x05\x02\0\x3c\x03\x21\0\x02\0\x02id"), shared, taken, leave].concat());
    flows.iter().zip(1u8..).map(|(flow, seed)| [&[seed][..], &flow[..]].concat()).collect()
}

/// A packet of at most 127 bytes.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first, body.len() as u8][..], body].concat()
}

/// PROXY protocol, both versions, with and without addresses and extensions, and lines of `X-Forwarded-For`.
pub fn proxy_headers() -> Seeds {
    let second = |command: u8, family: u8, rest: &[u8]| {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        header.extend([0x20 | command, family, 0, rest.len() as u8]);
        header.extend_from_slice(rest);
        header
    };
    let ports: [u8; 4] = [0xDC, 0x04, 0x01, 0xBB];
    let v4 = [&[192_u8, 0, 2, 1, 198, 51, 100, 1][..], &ports].concat();
    let v6 = [&[0x20_u8, 0x01, 0x0D, 0xB8][..], &[1; 28], &ports].concat();
    let texts = [
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n",
        "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n",
        "PROXY UNKNOWN\r\n",
        "192.0.2.1, 10.0.0.2\n[2001:db8::1]:443, unknown",
    ];
    let mut seeds: Seeds = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    // An extension (ALPN) behind the addresses.
    seeds.extend([
        second(1, 0x11, &v4),
        second(1, 0x21, &v6),
        second(0, 0, &[]),
        second(1, 0x11, &[&v4[..], &[1, 0, 2, 0x68, 0x32]].concat()),
    ]);
    seeds
}
