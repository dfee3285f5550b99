//! Tables of good and bad packets, both versions.

use super::{Bench, connect, packet, publish};
use crate::{CloseKind, ConnectRefusal, Input, Limits, Output, Qos, Version};

/// Name of the check, bytes, what is sent back.
type Case<'a> = (&'a str, &'a [u8], &'a [u8]);

#[test]
fn connects_that_end_at_once() {
    let cases: &[Case<'_>] = &[
        ("connect.first", b"GET / HTTP/1.1\r\n", &[]),
        ("connect.first", &[0xc0, 0], &[]),
        ("connect.first", &[0x30], &[]),
        ("connect.first", &[0x00], &[]),
        ("packet.flags", &[0x11, 0], &[]),
        ("packet.remaining-length", &[0x10, 0x80, 0x80, 0x80, 0x80], &[]),
        ("packet.too-large", &[0x10, 0x80, 0x80, 0x10], &[]),
        ("packet.truncated", &[0x10, 0], &[]),
        ("connect.protocol-name", b"\x10\x0c\0\x04mqtt\x04\x02\0\x3c\0\0", &[]),
        ("packet.remaining-length", b"\x10\x8d\0\0\x04MQTT\x04\x02\0\x3c\0\x01c", &[]),
        ("packet.remaining-length", b"\x10\x0f\0\x04MQTT\x05\x02\0\x3c\x80\0\0\x01c", &[0x20, 3, 0, 0x81, 0]),
        ("connect.protocol-level", b"\x10\x0e\0\x06MQIsdp\x04\x02\0\x3c\0\0", &[0x20, 2, 0, 1]),
        ("connect.protocol-level", b"\x10\x0c\0\x04MQTT\x03\x02\0\x3c\0\0", &[0x20, 2, 0, 1]),
        ("connect.protocol-level", b"\x10\x0c\0\x04MQTT\x06\x02\0\x3c\0\0", &[0x20, 3, 0, 0x84, 0]),
        ("connect.reserved-flag", b"\x10\x0c\0\x04MQTT\x04\x03\0\x3c\0\0", &[]),
        ("connect.will-qos-without-will", b"\x10\x0c\0\x04MQTT\x04\x0a\0\x3c\0\0", &[]),
        ("connect.will-retain-without-will", b"\x10\x0c\0\x04MQTT\x04\x22\0\x3c\0\0", &[]),
        ("connect.will-qos", b"\x10\x12\0\x04MQTT\x04\x1e\0\x3c\0\0\0\x01w\0\x01p", &[]),
        ("connect.password-alone", b"\x10\x0f\0\x04MQTT\x04\x42\0\x3c\0\0\0\x01p", &[]),
        ("connect.client-id-empty", b"\x10\x0c\0\x04MQTT\x04\x00\0\x3c\0\0", &[0x20, 2, 0, 2]),
        ("packet.trailing-bytes", b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\0x", &[]),
        ("packet.truncated", b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\x01", &[]),
        ("string.utf8", b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01\xff", &[]),
        ("string.utf8", b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03\xed\xa0\x80", &[]),
        ("string.nul", b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01\0", &[]),
        ("publish.topic-wildcard", b"\x10\x12\0\x04MQTT\x04\x06\0\x3c\0\0\0\x01#\0\x01p", &[]),
        ("connect.reserved-flag", b"\x10\x0d\0\x04MQTT\x05\x03\0\x3c\0\0\0", &[0x20, 3, 0, 0x81, 0]),
        ("property.twice", b"\x10\x13\0\x04MQTT\x05\x02\0\x3c\x06\x21\0\x01\x21\0\x01\0\0", &[0x20, 3, 0, 0x82, 0]),
        ("property.zero", b"\x10\x10\0\x04MQTT\x05\x02\0\x3c\x03\x21\0\0\0\0", &[0x20, 3, 0, 0x82, 0]),
        ("property.not-for-this-packet", b"\x10\x10\0\x04MQTT\x05\x02\0\x3c\x03\x23\0\x01\0\0", &[0x20, 3, 0, 0x81, 0]),
        ("property.length", b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\x09\0\0", &[0x20, 3, 0, 0x81, 0]),
        ("connect.auth-method", b"\x10\x11\0\x04MQTT\x05\x02\0\x3c\x04\x15\0\x01S\0\0", &[0x20, 3, 0, 0x8c, 0]),
        ("connect.auth-data-alone", b"\x10\x11\0\x04MQTT\x05\x02\0\x3c\x04\x16\0\x01S\0\0", &[0x20, 3, 0, 0x82, 0]),
    ];
    for (check, bytes, answer) in cases {
        let mut bench = Bench::new(Limits::default());
        bench.data(bytes);
        assert_eq!(bench.closed.map(|why| why.check), Some(*check), "{bytes:02x?}");
        assert_eq!(bench.take(), *answer, "{check} {bytes:02x?}");
        assert!(bench.events.is_empty(), "{check}");
    }
}

#[test]
fn packets_that_end_an_open_connection() {
    let both: &[(&str, &[u8], u8)] = &[
        ("packet.type-reserved", &[0x00, 0], 0x81),
        ("packet.server-only", &[0x20, 2, 0, 0], 0x82),
        ("packet.server-only", &[0x90, 3, 0, 1, 0], 0x82),
        ("packet.server-only", &[0xd0, 0], 0x82),
        ("packet.flags", &[0x80, 0], 0x81),
        ("packet.flags", &[0x60, 2, 0, 1], 0x81),
        ("packet.flags", &[0xc1, 0], 0x81),
        ("packet.flags", &[0xe1, 0], 0x81),
        ("packet.trailing-bytes", &[0xc0, 1, 0], 0x81),
        ("publish.qos", &[0x36, 5, 0, 1, b't', 0, 1], 0x81),
        ("publish.dup-qos0", &[0x38, 3, 0, 1, b't'], 0x81),
        ("packet.id-zero", &[0x32, 5, 0, 1, b't', 0, 0], 0x82),
        ("packet.truncated", &[0x32, 4, 0, 1, b't', 0], 0x81),
        ("packet.truncated", &[0x30, 1, 0], 0x81),
        ("string.nul", &[0x30, 4, 0, 1, 0, 0], 0x81),
        ("packet.id-zero", &[0x40, 2, 0, 0], 0x82),
        ("packet.too-large", &[0x30, 0x80, 0x80, 0x80, 0x01], 0x95),
        ("packet.too-large", &[0x82, 0x80, 0x80, 0x08], 0x95),
    ];
    for level in [4, 5] {
        for (check, bytes, code) in both {
            expect_end(level, check, bytes, *code);
        }
        expect_end(level, "connect.twice", &connect(level), 0x82);
    }
    let v311: &[(&str, &[u8])] = &[
        ("packet.type-reserved", &[0xf0, 0]),
        ("publish.topic-empty", &[0x30, 2, 0, 0]),
        ("publish.topic-wildcard", &[0x30, 5, 0, 3, b'a', b'/', b'+']),
        ("subscribe.empty", &[0x82, 2, 0, 1]),
        ("subscribe.options", &[0x82, 6, 0, 1, 0, 1, b'a', 3]),
        ("subscribe.options", &[0x82, 6, 0, 1, 0, 1, b'a', 4]),
        ("filter.empty", &[0x82, 5, 0, 1, 0, 0, 0]),
        ("packet.truncated", &[0x82, 5, 0, 1, 0, 1, b'a']),
        ("unsubscribe.empty", &[0xa2, 2, 0, 1]),
        ("packet.trailing-bytes", &[0x40, 3, 0, 1, 0]),
        ("packet.trailing-bytes", &[0xe0, 1, 0]),
    ];
    for (check, bytes) in v311 {
        expect_end(4, check, bytes, 0);
    }
    let v5: &[(&str, &[u8], u8)] = &[
        ("auth.not-started", &[0xf0, 0], 0x82),
        ("publish.topic-empty", &[0x30, 3, 0, 0, 0], 0x82),
        ("publish.topic-alias-unknown", &[0x30, 6, 0, 0, 3, 0x23, 0, 1], 0x82),
        ("publish.topic-alias-range", &[0x30, 7, 0, 1, b't', 3, 0x23, 0, 17], 0x94),
        ("publish.topic-alias-range", &[0x30, 7, 0, 1, b't', 3, 0x23, 0, 0], 0x94),
        ("publish.subscription-id", &[0x30, 6, 0, 1, b't', 2, 0x0b, 1], 0x82),
        ("publish.response-topic", &[0x30, 8, 0, 1, b't', 4, 8, 0, 1, b'#'], 0x82),
        ("property.not-boolean", &[0x30, 6, 0, 1, b't', 2, 1, 2], 0x82),
        ("property.twice", &[0x30, 8, 0, 1, b't', 4, 1, 1, 1, 1], 0x82),
        ("property.not-for-this-packet", &[0x30, 6, 0, 1, b't', 2, 0x24, 1], 0x81),
        ("property.not-for-this-packet", &[0x30, 7, 0, 1, b't', 3, 0xff, 0x7f, 1], 0x81),
        ("packet.truncated", &[0x30, 3, 0, 1, b't'], 0x81),
        ("property.length", &[0x30, 4, 0, 1, b't', 9], 0x81),
        ("property.too-many", &[0x30, 6, 0, 1, b't', 0x81, 0x40, 0], 0x97),
        ("subscribe.empty", &[0x82, 3, 0, 1, 0], 0x82),
        ("subscribe.options", &[0x82, 7, 0, 1, 0, 0, 1, b'a', 0x30], 0x81),
        ("subscribe.options", &[0x82, 7, 0, 1, 0, 0, 1, b'a', 0x40], 0x81),
        ("subscribe.shared-no-local", b"\x82\x10\0\x01\0\0\x0a$share/g/t\x04", 0x82),
        ("property.zero", &[0x82, 9, 0, 1, 2, 0x0b, 0, 0, 1, b'a', 0], 0x82),
        ("property.twice", &[0x82, 11, 0, 1, 4, 0x0b, 1, 0x0b, 2, 0, 1, b'a', 0], 0x82),
        ("unsubscribe.empty", &[0xa2, 3, 0, 1, 0], 0x82),
        ("disconnect.session-expiry", &[0xe0, 7, 0, 5, 17, 0, 0, 0, 9], 0x82),
        ("packet.trailing-bytes", &[0x40, 5, 0, 1, 0, 0, 0], 0x81),
    ];
    for (check, bytes, code) in v5 {
        expect_end(5, check, bytes, *code);
    }
}

fn expect_end(level: u8, check: &str, bytes: &[u8], code: u8) {
    let mut bench = Bench::open(level);
    bench.data(bytes);
    let why = bench.closed.unwrap_or_else(|| panic!("{check}: open after {bytes:02x?} at level {level}"));
    assert_eq!(why.check, check, "{bytes:02x?} at level {level}");
    assert_ne!(why.paragraph, "-", "{check} at level {level}");
    let answer: &[u8] = if level == 5 { &[0xe0, 2, code, 0] } else { &[] };
    assert_eq!(bench.take(), answer, "{check} at level {level}");
    assert!(bench.publishes.is_empty());
}

#[test]
fn limits_end_a_connection_by_name() {
    let topic = packet(0x30, &[&[4, 1][..], &[b'a'; 1025]].concat());
    expect_end(4, "topic.too-long", &topic, 0);
    for (limits, check, code) in [
        (Limits { qos_in: Qos::AtLeastOnce, ..Limits::default() }, "publish.qos-not-supported", 0x9b),
        (Limits { retain_available: false, ..Limits::default() }, "publish.retain-not-supported", 0x9a),
    ] {
        let mut bench = Bench::open_with(5, limits, None);
        bench.data(&publish(5, 0x35, 1));
        assert_eq!(bench.closed.map(|why| (why.check, why.code)), Some((check, code)));
        assert_eq!(bench.take(), [0xe0, 2, code, 0]);
    }
}

#[test]
fn connect_fields_are_passed_on_and_the_password_is_not_printed() {
    let cases: &[(&[u8], Version, u32)] = &[
        (b"\x10\x1d\0\x04MQTT\x04\xee\x01\x00\0\x02id\0\x01w\0\x02pl\0\x01u\0\x03sec", Version::V311, 0),
        (
            b"\x10\x29\0\x04MQTT\x05\xee\x01\x00\x05\x11\0\0\0\x07\0\x02id\x05\x18\0\0\0\x09\0\x01w\0\x02pl\0\x01u\0\x03sec",
            Version::V5,
            7,
        ),
    ];
    for (bytes, version, expiry) in cases {
        let mut bench = Bench::new(Limits::default());
        bench.data(bytes);
        let Some(Output::Connect(request)) = bench.events.first() else { panic!("{:?} {:?}", bench.closed, bench.events) };
        assert_eq!((request.version, &*request.client_id, request.keep_alive_s), (*version, "id", 256));
        assert_eq!((request.username.as_deref(), request.clean_start), (Some("u"), true));
        assert_eq!(request.password.as_ref().map(|secret| secret.as_bytes()), Some(&b"sec"[..]));
        assert_eq!(request.session_expiry_s, *expiry);
        let will = request.will.as_ref().unwrap();
        assert_eq!((&*will.topic, &will.payload[..], will.qos, will.retain), ("w", &b"pl"[..], Qos::AtLeastOnce, true));
        assert_eq!(will.delay_s, if *version == Version::V5 { 9 } else { 0 });
        assert!(!format!("{request:?}").contains("sec\""), "{request:?}");
        assert!(format!("{request:?}").contains("[redacted]"));
    }
}

#[test]
fn a_password_without_user_name_is_fine_in_version_5() {
    let mut bench = Bench::new(Limits::default());
    bench.data(b"\x10\x10\0\x04MQTT\x05\x42\0\x3c\0\0\0\0\x01p");
    assert!(
        matches!(bench.events.first(), Some(Output::Connect(request)) if request.username.is_none() && request.password.is_some())
    );
}

#[test]
fn refusals_have_a_code_per_version() {
    let cases = [
        (ConnectRefusal::ClientIdentifierNotValid, 2, 0x85),
        (ConnectRefusal::ServerUnavailable, 3, 0x88),
        (ConnectRefusal::ServerBusy, 3, 0x89),
        (ConnectRefusal::BadUserNameOrPassword, 4, 0x86),
        (ConnectRefusal::NotAuthorized, 5, 0x87),
        (ConnectRefusal::Banned, 5, 0x8a),
        (ConnectRefusal::QuotaExceeded, 3, 0x97),
    ];
    for (refusal, v311, v5) in cases {
        for (level, code, answer) in [(4, v311, vec![0x20, 2, 0, v311]), (5, v5, vec![0x20, 3, 0, v5, 0])] {
            let mut bench = Bench::new(Limits::default());
            bench.data(&connect(level));
            bench.input(Input::Refuse(refusal));
            assert_eq!(bench.take(), answer, "{refusal:?}");
            assert_eq!(bench.closed.map(|why| (why.kind, why.code)), Some((CloseKind::Refused, code)));
        }
    }
}

#[test]
fn connack_announces_what_is_limited() {
    let mut bench =
        Bench::new(Limits { qos_in: Qos::AtLeastOnce, retain_available: false, wildcards_available: false, ..Limits::default() });
    bench.data(b"\x10\x0d\0\x04MQTT\x05\x02\0\0\0\0\0");
    bench.input(Input::Accept(crate::Accept {
        assigned_client_id: Some("x".to_owned()),
        session_expiry_s: Some(5),
        ..crate::Accept::default()
    }));
    let mut expected = vec![0x20, 0, 0, 0, 0];
    expected.extend([17, 0, 0, 0, 5, 18, 0, 1, b'x', 33, 0, 64, 34, 0, 16, 36, 1, 37, 0]);
    expected.extend([39, 0, 0x10, 0x40, 0, 40, 0, 41, 0, 42, 0]);
    expected[1] = (expected.len() - 2) as u8;
    expected[4] = (expected.len() - 5) as u8;
    assert_eq!(bench.take(), expected);
    assert_eq!((bench.connection.keep_alive_s(), bench.connection.session_expiry_s()), (0, 5));
}

#[test]
fn bridges_and_mqtt_3_1_are_taken_as_what_they_speak() {
    let cases: &[(&[u8], Version)] = &[
        (b"\x10\x0d\0\x04MQTT\x84\x02\0\x3c\0\x01c", Version::V311),
        (b"\x10\x0e\0\x04MQTT\x85\x02\0\x3c\0\0\x01c", Version::V5),
        (b"\x10\x0f\0\x06MQIsdp\x03\x02\0\x3c\0\x01c", Version::V311),
        (b"\x10\x0f\0\x06MQIsdp\x83\x02\0\x3c\0\x01c", Version::V311),
    ];
    for (bytes, version) in cases {
        let mut bench = Bench::new(Limits::default());
        bench.data(bytes);
        assert!(
            matches!(bench.events.first(), Some(Output::Connect(asked)) if asked.version == *version && &*asked.client_id == "c"),
            "{bytes:02x?}: {:?}",
            bench.closed
        );
    }
}

#[test]
fn repeated_packets_of_mqtt_3_1_say_so() {
    for (connect, check) in [
        (&b"\x10\x0f\0\x06MQIsdp\x03\x02\0\x3c\0\x01c"[..], None),
        (b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c", Some("packet.flags")),
    ] {
        let mut bench = Bench::new(Limits::default());
        bench.data(connect);
        bench.input(Input::Accept(crate::Accept::default()));
        bench.data(&[0x6a, 2, 0, 7]);
        assert_eq!(bench.closed.map(|why| why.check), check);
    }
}

/// The flag of CONNACK is reserved in MQTT 3.1.
#[test]
fn mqtt_3_1_is_told_of_no_session() {
    for (connect, flags) in [(&b"\x10\x0f\0\x06MQIsdp\x03\0\0\x3c\0\x01c"[..], 0), (b"\x10\x0d\0\x04MQTT\x04\0\0\x3c\0\x01c", 1)]
    {
        let mut bench = Bench::new(Limits::default());
        bench.data(connect);
        bench.input(Input::Accept(crate::Accept { session_present: true, ..crate::Accept::default() }));
        assert_eq!(bench.take(), [0x20, 2, flags, 0]);
    }
}

#[test]
fn user_properties_are_counted() {
    let block: Vec<u8> = std::iter::repeat_n([38, 0, 0, 0, 0], 33).flatten().collect();
    let mut body = vec![0, 1, b't', 0xa5, 0x01];
    body.extend(block);
    expect_end(5, "property.too-many", &packet(0x30, &body), 0x97);
}
