//! Payloads of the specifications byte by byte, and what is refused. Absent: seeded round trips; see [`crate::fuzz`].

use super::*;
use crate::objects::ObjectModels;
use crate::value::{EntryTime, ObjectLink, Value};

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn entry(at: &str, value: Value) -> Entry {
    Entry::new(path(at), value)
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn read(format: ContentFormat, base: &str, payload: &[u8]) -> Result<Vec<Entry>, DecodeError> {
    let models = ObjectModels::builtin();
    decode(format, &path(base), payload, models.newest(), &DecodeLimits { entries: 64, ..DecodeLimits::default() })
}

fn refused(format: ContentFormat, base: &str, payload: &[u8]) -> DecodeCheck {
    read(format, base, payload).unwrap_err().check
}

/// The device of core 1.1 section 7.4.4.2, without the optional resources that came later.
fn device() -> Vec<Entry> {
    vec![
        entry("/3/0/0", text("Open Mobile Alliance")),
        entry("/3/0/1", text("Lightweight M2M Client")),
        entry("/3/0/2", text("345000123")),
        entry("/3/0/3", text("1.0")),
        entry("/3/0/6/0", Value::Integer(1)),
        entry("/3/0/6/1", Value::Integer(5)),
        entry("/3/0/7/0", Value::Integer(3_800)),
        entry("/3/0/7/1", Value::Integer(5_000)),
        entry("/3/0/8/0", Value::Integer(125)),
        entry("/3/0/8/1", Value::Integer(900)),
        entry("/3/0/9", Value::Integer(100)),
        entry("/3/0/10", Value::Integer(15)),
        entry("/3/0/11/0", Value::Integer(0)),
        entry("/3/0/13", Value::Time(1_367_491_215)),
        entry("/3/0/14", text("+02:00")),
        entry("/3/0/16", text("U")),
    ]
}

const DEVICE_TLV: &str = "
    C8 00 14 4F 70 65 6E 20 4D 6F 62 69 6C 65 20 41 6C 6C 69 61 6E 63 65
    C8 01 16 4C 69 67 68 74 77 65 69 67 68 74 20 4D 32 4D 20 43 6C 69 65 6E 74
    C8 02 09 33 34 35 30 30 30 31 32 33
    C3 03 31 2E 30
    86 06 41 00 01 41 01 05
    88 07 08 42 00 0E D8 42 01 13 88
    87 08 41 00 7D 42 01 03 84
    C1 09 64
    C1 0A 0F
    83 0B 41 00 00
    C4 0D 51 82 42 8F
    C6 0E 2B 30 32 3A 30 30
    C1 10 55";

#[test]
fn the_device_in_tlv() {
    let bare = hex(DEVICE_TLV);
    assert_eq!(read(ContentFormat::TLV, "/3/0", &bare), Ok(device()));
    assert_eq!(encode(ContentFormat::TLV, &path("/3/0"), &device()), Ok(bare.clone()));
    let wrapped = [&hex("08 00 79"), &bare[..]].concat();
    assert_eq!(read(ContentFormat::TLV, "/3", &wrapped), Ok(device()));
    assert_eq!(read(ContentFormat::TLV, "/3/0", &wrapped), Ok(device()), "some clients wrap the instance");
    assert_eq!(read(ContentFormat::TLV_OLD, "/3/0", &bare), Ok(device()));
    assert_eq!(encode(ContentFormat::TLV, &path("/3"), &device()), Ok(wrapped));
}

#[test]
fn single_resources_in_tlv() {
    let cases = [
        ("/3/0/0", "C8 00 14 4F 70 65 6E 20 4D 6F 62 69 6C 65 20 41 6C 6C 69 61 6E 63 65", vec![device().remove(0)]),
        ("/3/0/6", "86 06 41 00 01 41 01 05", device()[4..6].to_vec()),
        ("/3/0/7/1", "42 01 13 88", vec![device().remove(7)]),
        ("/1/0/1", "C4 01 00 01 51 80", vec![entry("/1/0/1", Value::Integer(86_400))]),
        ("/1/0/1", "C2 01 FF 38", vec![entry("/1/0/1", Value::Integer(-200))]),
        ("/1/0/6", "C1 06 01", vec![entry("/1/0/6", Value::Boolean(true))]),
        ("/3303/0/5700", "E4 16 44 41 AC 00 00", vec![entry("/3303/0/5700", Value::Float(21.5))]),
        ("/6/0/0", "C8 00 08 40 45 4C CC CC CC CC CD", vec![entry("/6/0/0", Value::Float(42.6))]),
        ("/1/0/17", "C2 11 FF FE", vec![entry("/1/0/17", Value::Unsigned(65_534))]),
        ("/19/0/0", "C4 00 00 FF 80 0A", vec![entry("/19/0/0", Value::Opaque(vec![0, 255, 128, 10]))]),
        (
            "/3/0/22",
            "86 16 44 00 00 42 00 00",
            vec![entry("/3/0/22/0", Value::ObjectLink(ObjectLink { object: 66, instance: 0 }))],
        ),
        ("/33000/0/7", "C2 07 01 02", vec![entry("/33000/0/7", Value::Opaque(vec![1, 2]))]),
    ];
    for (base, bytes, entries) in cases {
        assert_eq!(read(ContentFormat::TLV, base, &hex(bytes)), Ok(entries.clone()), "{base}");
        assert_eq!(encode(ContentFormat::TLV, &path(base), &entries), Ok(hex(bytes)), "{base}");
    }
    // Old clients answer a read of a multiple resource with its instances alone, or repeat the levels around an instance.
    assert_eq!(read(ContentFormat::TLV, "/3/0/6", &hex("41 00 01 41 01 05")), Ok(device()[4..6].to_vec()));
    assert_eq!(read(ContentFormat::TLV, "/3/0/7/1", &hex("84 07 42 01 13 88")), Ok(vec![device().remove(7)]));
}

/// Core 1.0 section 6.4.3.2: two instances of access control, with wide lengths and identifiers of both sizes.
#[test]
fn access_control_in_tlv() {
    let bytes = hex("
        08 00 0E C1 00 01 C1 01 00 83 02 41 7F 07 C1 03 7F
        08 02 12 C1 00 03 C1 01 00 87 02 41 7F 07 61 01 36 01 C1 03 7F");
    let entries = vec![
        entry("/2/0/0", Value::Integer(1)),
        entry("/2/0/1", Value::Integer(0)),
        entry("/2/0/2/127", Value::Integer(7)),
        entry("/2/0/3", Value::Integer(127)),
        entry("/2/2/0", Value::Integer(3)),
        entry("/2/2/1", Value::Integer(0)),
        entry("/2/2/2/127", Value::Integer(7)),
        entry("/2/2/2/310", Value::Integer(1)),
        entry("/2/2/3", Value::Integer(127)),
    ];
    assert_eq!(read(ContentFormat::TLV, "/2", &bytes), Ok(entries.clone()));
    assert_eq!(encode(ContentFormat::TLV, &path("/2"), &entries), Ok(bytes));
}

#[test]
fn long_values_have_long_lengths_in_tlv() {
    for (length, head) in [(7, "C7 00"), (8, "C8 00 08"), (255, "C8 00 FF"), (256, "D0 00 01 00"), (65_536, "D8 00 01 00 00")] {
        let entries = [entry("/19/0/0", Value::Opaque(vec![7; length]))];
        let bytes = encode(ContentFormat::TLV, &path("/19/0/0"), &entries).unwrap();
        assert_eq!(bytes, [hex(head), vec![7; length]].concat());
        assert_eq!(read(ContentFormat::TLV, "/19/0/0", &bytes).unwrap(), entries);
    }
}

#[test]
fn bad_tlv_is_refused_where_it_is_bad() {
    let cases = [
        ("/3/0", "C8", DecodeCheck::Truncated, 1),
        ("/3/0", "C8 00", DecodeCheck::Truncated, 2),
        ("/3/0", "C8 00 14 4F", DecodeCheck::Truncated, 3),
        ("/3/0", "C1 09 64 C2 0A 0F", DecodeCheck::Truncated, 5),
        ("/3/0", "86 06 41 00 01 C1 01 05", DecodeCheck::Tlv("this kind does not belong inside the other"), 5),
        ("/3", "08 00 03 41 00 01", DecodeCheck::Tlv("this kind does not belong inside the other"), 3),
        ("/3", "C1 09 64", DecodeCheck::Tlv("this level is missing around it"), 0),
        ("/3/0", "41 00 01", DecodeCheck::Tlv("this level is missing around it"), 0),
        ("/3/0", "E1 FF FF 64", DecodeCheck::Path, 0),
        ("/3/0", "C3 09 00 00 64", DecodeCheck::Type(Path::resource(3, 0, 9)), 2),
        ("/3/0", "C0 09", DecodeCheck::Type(Path::resource(3, 0, 9)), 2),
        ("/1/0", "C1 06 02", DecodeCheck::Type(Path::resource(1, 0, 6)), 2),
        ("/3/0", "C1 00 FF", DecodeCheck::Utf8, 2),
        ("/3303/0", "E4 16 44 7F C0 00 00", DecodeCheck::NotFinite, 3),
        ("/3/0", "C1 04 00", DecodeCheck::NoValue(Path::resource(3, 0, 4)), 0),
        ("/3/0", "08 01 03 C1 09 64", DecodeCheck::OutsideBase(Path::resource(3, 1, 9)), 3),
        ("/3/0/9", "C1 0A 0F", DecodeCheck::OutsideBase(Path::resource(3, 0, 10)), 0),
        ("/3/0", "C1 09 64 C1 09 65", DecodeCheck::Duplicate(Path::resource(3, 0, 9)), 5),
    ];
    for (base, bytes, check, at) in cases {
        let error = read(ContentFormat::TLV, base, &hex(bytes)).unwrap_err();
        assert_eq!(error, DecodeError::new(check, At::Offset(at)), "{base} {bytes}");
    }
}

/// Core 1.1 section 7.4.5.2, and the notification with times of section 7.4.5.3.
#[test]
fn senml_json_of_the_specification() {
    let document = br#"[{"bn":"/3/0/","n":"0","vs":"Open Mobile Alliance"},{"n":"1","vs":"Lightweight M2M Client"},{"n":"2","vs":"345000123"},{"n":"3","vs":"1.0"},{"n":"6/0","v":1},{"n":"6/1","v":5},{"n":"7/0","v":3800},{"n":"7/1","v":5000},{"n":"8/0","v":125},{"n":"8/1","v":900},{"n":"9","v":100},{"n":"10","v":15},{"n":"11/0","v":0},{"n":"13","v":1367491215},{"n":"14","vs":"+02:00"},{"n":"16","vs":"U"}]"#;
    assert_eq!(read(ContentFormat::SENML_JSON, "/3/0", document), Ok(device()));
    assert_eq!(read(ContentFormat::SENML_JSON, "/", document), Ok(device()));
    let written = encode(ContentFormat::SENML_JSON, &path("/3/0"), &device()).unwrap();
    let same: [serde_json::Value; 2] = [&document[..], &written].map(|json| serde_json::from_slice(json).unwrap());
    assert_eq!(same[0], same[1]);

    let times =
        br#"[{"bn":"/72/","bt":25462634,"n":"1/2","v":22.4,"t":-5},{"n":"1/2","v":22.9,"t":-30},{"n":"1/2","v":24.1,"t":-50}]"#;
    let at = |s: i64| Some(EntryTime::RelativeMs((25_462_634 + s) * 1_000));
    let expected: Vec<Entry> =
        [(22.4, -5), (22.9, -30), (24.1, -50)].map(|(x, s)| Entry { time: at(s), ..entry("/72/1/2", Value::Float(x)) }).to_vec();
    assert_eq!(read(ContentFormat::SENML_JSON, "/72", times), Ok(expected));

    let rest = br#"[{"bn":"/","n":"3/0/22/0","vlo":"66:0"},{"n":"19/0/0","vd":"AP-ACg"},{"n":"1/0/6","vb":false},{"n":"3303/0/5700","bt":1700000000.5,"v":21}]"#;
    let expected = vec![
        entry("/3/0/22/0", Value::ObjectLink(ObjectLink { object: 66, instance: 0 })),
        entry("/19/0/0", Value::Opaque(hex("00 FF 80 0A"))),
        entry("/1/0/6", Value::Boolean(false)),
        Entry { time: Some(EntryTime::AbsoluteMs(1_700_000_000_500)), ..entry("/3303/0/5700", Value::Float(21.0)) },
    ];
    assert_eq!(read(ContentFormat::SENML_JSON, "/", rest), Ok(expected));
    let base_value = br#"[{"bn":"/3303/0/5700","bv":20,"v":1.5},{"bn":"/3303/1/5700"}]"#;
    let expected = vec![entry("/3303/0/5700", Value::Float(21.5)), entry("/3303/1/5700", Value::Float(20.0))];
    assert_eq!(read(ContentFormat::SENML_JSON, "/3303", base_value), Ok(expected));
}

#[test]
fn bad_json_is_refused_by_name() {
    let senml = |payload: &str| refused(ContentFormat::SENML_JSON, "/3/0", payload.as_bytes());
    assert_eq!(senml(r#"[{"n":"/3/0/9","v":1"#), DecodeCheck::Truncated);
    assert_eq!(senml(r#"[{"n":"/3/0/9"}]"#), DecodeCheck::NotOneValue);
    assert_eq!(refused(ContentFormat::SENML_JSON, "/19/0", br#"[{"n":"/19/0/0","vd":"*"}]"#), DecodeCheck::Base64);
    assert_eq!(senml(r#"[{"n":"3/0/9","v":1}]"#), DecodeCheck::Path);
    assert_eq!(senml(r#"[{"n":"/3/0","v":1}]"#), DecodeCheck::Path);
    assert_eq!(senml(r#"[{"n":"/3/1/9","v":1}]"#), DecodeCheck::OutsideBase(path("/3/1/9")));
    assert_eq!(senml(r#"[{"n":"/3/0/9","vs":"x"}]"#), DecodeCheck::Type(path("/3/0/9")));
    assert_eq!(senml(r#"[{"n":"/3/0/9","v":1.5}]"#), DecodeCheck::Type(path("/3/0/9")));
    assert_eq!(senml(r#"[{"bver":11,"n":"/3/0/9","v":1}]"#), DecodeCheck::SenmlVersion);
    assert_eq!(senml(r#"[{"n":"/3/0/9","v":1,"t":1e300}]"#), DecodeCheck::Time);
    assert_eq!(senml(r#"[{"n":"/3/0/9","v":1},{"n":"/3/0/9","v":2}]"#), DecodeCheck::Duplicate(path("/3/0/9")));
    for bad in [
        r#"{"n":"/3/0/9","v":1}"#,
        r#"[{"n":"/3/0/9","v":1,"vs":"x"}]"#,
        r#"[{"n":"/3/0/9","n":"/3/0/9","v":1}]"#,
        r#"[{"n":"/3/0/9","v":1,"unknown_":0}]"#,
        r#"[{"n":"/3/0/9","v":1}] x"#,
        r#"[{"n":"/3/0/9","v":1e999}]"#,
        r#"[{"n":"/3/0/9","v":null}]"#,
    ] {
        assert!(matches!(senml(bad), DecodeCheck::Json(_)), "{bad}: {:?}", senml(bad));
    }
    let deep = format!("[{{\"x\":{}", "[".repeat(100_000));
    assert_eq!(senml(&deep), DecodeCheck::Truncated);
    let many = format!("[{}]", vec![r#"{"n":"/3/0/9","v":1}"#; 65].join(","));
    assert!(matches!(senml(&many), DecodeCheck::Json(_)));
    let long = format!(r#"[{{"bn":"/3/0/{}","n":"9","v":1}}]"#, "0".repeat(100));
    assert_eq!(senml(&long), DecodeCheck::Path);
}

#[test]
fn an_error_does_not_tell_what_the_payload_said() {
    for (payload, told) in [
        (r#"[{"n":"/0/0/5","v":"hunter2"}]"#, "a number is wanted"),
        (r#"[{"n":"/0/0/5","vd":["hunter2"]}]"#, "a text is wanted"),
        (r#"["hunter2"]"#, "invalid type at line 1 column"),
        (r#""hunter2""#, "invalid type at line 1 column"),
    ] {
        let error = read(ContentFormat::SENML_JSON, "/", payload.as_bytes()).unwrap_err().to_string();
        assert!(!error.contains("hunter2") && error.contains(told), "{error}");
    }
}

/// Core 1.0 section 6.4.4: an instance, and a notification with times.
#[test]
fn json_of_1_0() {
    let document = br#"{"bn":"/3/0/","e":[{"n":"0","sv":"Open Mobile Alliance"},{"n":"6/0","v":1},{"n":"13","v":1367491215}]}"#;
    let expected = vec![device().remove(0), device().remove(4), device().remove(13)];
    assert_eq!(read(ContentFormat::JSON, "/3/0", document), Ok(expected.clone()));
    assert_eq!(read(ContentFormat::JSON_OLD, "/3/0", document), Ok(expected));
    let times = br#"{"bn":"/72/","bt":1700000000,"e":[{"n":"1/2","v":22.4,"t":-5},{"n":"1/2","v":22.9,"t":-30}]}"#;
    let moments: Vec<_> = read(ContentFormat::JSON, "/72", times).unwrap().iter().map(|e| e.time).collect();
    assert_eq!(moments, [1_699_999_995_000, 1_699_999_970_000].map(|ms| Some(EntryTime::AbsoluteMs(ms))));
    let links = br#"{"e":[{"n":"0/22/0","ov":"66:0"},{"n":"0/9","v":5}]}"#;
    assert_eq!(read(ContentFormat::JSON, "/3", links).unwrap().len(), 2, "without a base name the request's path counts");
    let opaque = br#"{"bn":"/19/0/0","e":[{"n":"","sv":"AP+ACg=="}]}"#;
    assert_eq!(read(ContentFormat::JSON, "/19/0/0", opaque), Ok(vec![entry("/19/0/0", Value::Opaque(hex("00 FF 80 0A")))]));
    let json = |payload: &str| refused(ContentFormat::JSON, "/3/0", payload.as_bytes());
    assert_eq!(json(r#"{"bn":"/3/0/"}"#), DecodeCheck::Json("e is missing".into()));
    assert_eq!(json(r#"{"e":[{"n":"9"}]}"#), DecodeCheck::NotOneValue);
    assert!(matches!(json(r#"{"e":[],"e":[]}"#), DecodeCheck::Json(_)));
}

/// The same records as in JSON; the second document is the Write-Composite of the enabler test LightweightM2M-1.1-int-257.
#[test]
fn senml_cbor_by_bytes() {
    let entries = vec![
        entry("/3/0/0", text("Open Mobile Alliance")),
        entry("/3/0/9", Value::Integer(100)),
        entry("/3/0/11/0", Value::Integer(0)),
    ];
    let bytes = hex("83
        A3 21 65 2F 33 2F 30 2F 00 61 30 03 74 4F 70 65 6E 20 4D 6F 62 69 6C 65 20 41 6C 6C 69 61 6E 63 65
        A2 00 61 39 02 18 64
        A2 00 64 31 31 2F 30 02 00");
    assert_eq!(read(ContentFormat::SENML_CBOR, "/3/0", &bytes), Ok(entries.clone()));
    assert_eq!(encode(ContentFormat::SENML_CBOR, &path("/3/0"), &entries), Ok(bytes));
    let composite = hex("83
        A3 21 61 2F 00 65 31 2F 30 2F 32 02 18 65
        A2 00 65 31 2F 30 2F 36 04 F5
        A2 00 66 33 2F 30 2F 31 33 02 00");
    let expected =
        vec![entry("/1/0/2", Value::Integer(101)), entry("/1/0/6", Value::Boolean(true)), entry("/3/0/13", Value::Time(0))];
    assert_eq!(read(ContentFormat::SENML_CBOR, "/", &composite), Ok(expected));
    for (label, time) in [("02", "C1 1A 51 82 42 8F"), ("03", "C0 74 32303133 2D 3035 2D 3032 54 3130 3A 3430 3A 3135 5A")] {
        let tagged = hex(&format!("81 A2 00 67 2F 33 2F 30 2F 31 33 {label} {time}"));
        assert_eq!(read(ContentFormat::SENML_CBOR, "/", &tagged), Ok(vec![device().remove(13)]), "{label}");
    }
    // Indefinite lengths, half floats, a link and a field that is not known.
    let loose = hex("9F BF 00 6D 2F 33 33 30 33 2F 30 2F 35 37 30 30 02 F9 4D 60 01 63 43 65 6C FF
        BF 00 69 2F 33 2F 30 2F 32 32 2F 30 63 76 6C 6F 64 36 36 3A 30 FF FF");
    let loose = [&loose[..2], &hex("00 6C"), &loose[4..]].concat();
    let expected = vec![
        entry("/3303/0/5700", Value::Float(21.5)),
        entry("/3/0/22/0", Value::ObjectLink(ObjectLink { object: 66, instance: 0 })),
    ];
    assert_eq!(read(ContentFormat::SENML_CBOR, "/", &loose), Ok(expected));
}

#[test]
fn bad_senml_cbor_is_refused_by_name() {
    let cases = [
        ("A0", DecodeCheck::Cbor("an array of records is wanted")),
        ("81 80", DecodeCheck::Cbor("a record is a map")),
        ("81 A2 00 66 2F 33 2F 30 2F 39 02", DecodeCheck::Truncated),
        ("81 A1 00 66 2F 33 2F 30 2F 39", DecodeCheck::NotOneValue),
        ("81 A3 00 66 2F 33 2F 30 2F 39 02 01 02 02", DecodeCheck::Twice("value")),
        ("81 A2 00 66 2F 33 2F 30 2F 39 03 01", DecodeCheck::Cbor("value is not of the kind that its label says")),
        ("81 A1 62 78 5F 00", DecodeCheck::MustUnderstand),
        ("81 A2 00 66 2F 33 2F 30 2F 39 02 01 00", DecodeCheck::Trailing),
        ("81 A2 00 66 2F 33 2F 30 2F 39 02 F9 7E 00", DecodeCheck::NotFinite),
        ("9B FF FF FF FF FF FF FF FF", DecodeCheck::Truncated),
    ];
    for (bytes, check) in cases {
        assert_eq!(refused(ContentFormat::SENML_CBOR, "/3/0", &hex(bytes)), check, "{bytes}");
    }
    let many = [vec![0x98, 65], vec![0xa0; 65]].concat();
    assert_eq!(refused(ContentFormat::SENML_CBOR, "/3/0", &many), DecodeCheck::TooMany);
}

/// Core 1.2 section 7.4.4: nested maps, or keys that are arrays of identifiers.
#[test]
fn lwm2m_cbor_by_bytes() {
    let entries = vec![
        entry("/3/0/9", Value::Integer(100)),
        entry("/3/0/11/0", Value::Integer(0)),
        entry("/3/0/13", Value::Time(1_367_491_215)),
        entry("/3/0/22/0", Value::ObjectLink(ObjectLink { object: 66, instance: 0 })),
    ];
    let nested = hex("A1 03 A1 00 A4 09 18 64 0B A1 00 00 0D 1A 51 82 42 8F 16 A1 00 64 36 36 3A 30");
    assert_eq!(read(ContentFormat::LWM2M_CBOR, "/3/0", &nested), Ok(entries.clone()));
    assert_eq!(encode(ContentFormat::LWM2M_CBOR, &path("/3/0"), &entries), Ok(nested));
    let arrays = hex("A1 82 03 00 A2 09 18 64 82 0B 00 00");
    assert_eq!(read(ContentFormat::LWM2M_CBOR, "/3/0", &arrays), Ok(entries[..2].to_vec()));
    let whole = hex("BF 9F 03 00 09 FF 18 64 FF");
    assert_eq!(read(ContentFormat::LWM2M_CBOR, "/3/0/9", &whole), Ok(entries[..1].to_vec()));
    let cases = [
        ("80", DecodeCheck::Cbor("a map is wanted")),
        ("A1 03 01", DecodeCheck::Path),
        ("A1 80 A1 80 A0", DecodeCheck::Path),
        ("A1 20 00", DecodeCheck::Cbor("a key is an identifier or an array of them")),
        ("A1 19 FF FF A0", DecodeCheck::Path),
        ("A1 03 A1 00 A1 0B A1 00 A1 00 00", DecodeCheck::TooDeep),
        ("A1 04 A1 00 A1 00 00", DecodeCheck::OutsideBase(path("/4/0/0"))),
        ("A1 03 A1 00 A2 09 01 09 02", DecodeCheck::Duplicate(path("/3/0/9"))),
    ];
    for (bytes, check) in cases {
        assert_eq!(refused(ContentFormat::LWM2M_CBOR, "/3", &hex(bytes)), check, "{bytes}");
    }
}

#[test]
fn single_values_without_structure() {
    let cases: [(ContentFormat, &str, &[u8], Value); 14] = [
        (ContentFormat::TEXT, "/3/0/0", b"Open Mobile Alliance", text("Open Mobile Alliance")),
        (ContentFormat::TEXT, "/3/0/9", b"-7", Value::Integer(-7)),
        (ContentFormat::TEXT, "/3303/0/5700", b"21.5", Value::Float(21.5)),
        (ContentFormat::TEXT, "/1/0/6", b"1", Value::Boolean(true)),
        (ContentFormat::TEXT, "/3/0/13", b"1367491215", Value::Time(1_367_491_215)),
        (ContentFormat::TEXT, "/3/0/22/0", b"66:0", Value::ObjectLink(ObjectLink { object: 66, instance: 0 })),
        (ContentFormat::TEXT, "/19/0/0", b"AP+ACg==", Value::Opaque(vec![0, 255, 128, 10])),
        (ContentFormat::TEXT, "/33000/0/0", b"7", text("7")),
        (ContentFormat::OPAQUE, "/19/0/0", b"\x00\xff", Value::Opaque(vec![0, 255])),
        (ContentFormat::OPAQUE, "/19/0/0", b"", Value::Opaque(vec![])),
        (ContentFormat::CBOR, "/1/0/0", b"\x01", Value::Integer(1)),
        (ContentFormat::CBOR, "/1/0/7", b"\x61U", text("U")),
        (ContentFormat::CBOR, "/1/0/6", b"\xf4", Value::Boolean(false)),
        (ContentFormat::CBOR, "/3/0/13", b"\xc1\x1a\x51\x82\x42\x8f", Value::Time(1_367_491_215)),
    ];
    for (format, base, bytes, value) in cases {
        let entries = vec![entry(base, value)];
        assert_eq!(read(format, base, bytes), Ok(entries.clone()), "{format} {base}");
        assert_eq!(encode(format, &path(base), &entries).as_deref(), Ok(bytes), "{format} {base}");
    }
    let bad: [(ContentFormat, &str, &[u8], DecodeCheck); 10] = [
        (ContentFormat::TEXT, "/3/0/9", b"+7", DecodeCheck::Type(Path::resource(3, 0, 9))),
        (ContentFormat::TEXT, "/3/0/9", b"", DecodeCheck::Type(Path::resource(3, 0, 9))),
        (ContentFormat::TEXT, "/3303/0/5700", b"NaN", DecodeCheck::Type(Path::resource(3303, 0, 5700))),
        (ContentFormat::TEXT, "/1/0/6", b"true", DecodeCheck::Type(Path::resource(1, 0, 6))),
        (ContentFormat::TEXT, "/3/0", b"x", DecodeCheck::NotSingle),
        (ContentFormat::TEXT, "/3/0/4", b"", DecodeCheck::NoValue(Path::resource(3, 0, 4))),
        (ContentFormat::OPAQUE, "/3/0/0", b"x", DecodeCheck::Type(Path::resource(3, 0, 0))),
        (ContentFormat::CBOR, "/1/0/0", b"\x01\x02", DecodeCheck::Trailing),
        (ContentFormat::CBOR, "/1", b"\x01", DecodeCheck::NotSingle),
        (ContentFormat(50), "/3/0/0", b"{}", DecodeCheck::UnknownFormat(ContentFormat(50))),
    ];
    for (format, base, bytes, check) in bad {
        assert_eq!(refused(format, base, bytes), check, "{format} {base}");
    }
}

#[test]
fn what_a_format_cannot_say_is_not_written() {
    let write = |format, base: &str, entries: &[Entry]| encode(format, &path(base), entries).unwrap_err();
    let level = entry("/3/0/9", Value::Integer(1));
    let timed = Entry { time: Some(EntryTime::RelativeMs(-5)), ..level.clone() };
    let pair = [level.clone(), entry("/3/0/10", Value::Integer(1))];
    assert_eq!(write(ContentFormat::TEXT, "/3/0", &pair), EncodeError::NotSingle);
    assert_eq!(write(ContentFormat::TEXT, "/3/0/9", std::slice::from_ref(&timed)), EncodeError::Time);
    assert_eq!(write(ContentFormat::TLV, "/3/0", std::slice::from_ref(&timed)), EncodeError::Time);
    assert_eq!(write(ContentFormat::LWM2M_CBOR, "/3/0", &[timed]), EncodeError::Time);
    assert_eq!(write(ContentFormat::TLV, "/4", &pair), EncodeError::OutsideBase(path("/3/0/9")));
    assert_eq!(write(ContentFormat::SENML_CBOR, "/", &[level.clone(), level.clone()]), EncodeError::Twice(path("/3/0/9")));
    assert_eq!(write(ContentFormat::TLV, "/", &pair), EncodeError::OutsideBase(Path::ROOT));
    let both = [entry("/3/0/6", Value::Integer(1)), entry("/3/0/6/0", Value::Integer(1))];
    assert_eq!(write(ContentFormat::TLV, "/3/0", &both), EncodeError::Twice(path("/3/0/6/0")));
    let wild = [entry("/6/0/0", Value::Float(f64::NAN))];
    for format in [0, 60, 110, 112, 11_542, 11_543, 11_544].map(ContentFormat) {
        assert_eq!(write(format, "/6/0/0", &wild), EncodeError::NotFinite, "{format}");
    }
}

#[test]
fn composite_paths_are_read_and_written() {
    let paths = [path("/3/0/16"), path("/3/0/11/0"), path("/1/0"), path("/")];
    let json = br#"[{"n":"/3/0/16"},{"n":"/3/0/11/0"},{"n":"/1/0"},{"n":"/"}]"#;
    let cbor = hex("84 A1 00 67 2F 33 2F 30 2F 31 36 A1 00 69 2F 33 2F 30 2F 31 31 2F 30 A1 00 64 2F 31 2F 30 A1 00 61 2F");
    assert_eq!(encode_paths(ContentFormat::SENML_JSON, &paths).as_deref(), Ok(&json[..]));
    assert_eq!(encode_paths(ContentFormat::SENML_CBOR, &paths), Ok(cbor.clone()));
    let limits = DecodeLimits::default();
    assert_eq!(decode_paths(ContentFormat::SENML_JSON, json, &limits).as_deref(), Ok(&paths[..]));
    assert_eq!(decode_paths(ContentFormat::SENML_CBOR, &cbor, &limits).as_deref(), Ok(&paths[..]));
    let valued = br#"[{"n":"/3/0/16","vs":"U"}]"#;
    assert_eq!(decode_paths(ContentFormat::SENML_JSON, valued, &limits).unwrap_err().check, DecodeCheck::UnwantedValue);
    assert!(decode_paths(ContentFormat::TLV, json, &limits).is_err());
}

/// The usable values and the words for the others.
fn each(format: ContentFormat, base: &str, payload: &[u8]) -> (Vec<Entry>, Vec<String>) {
    let models = ObjectModels::builtin();
    let reading = Reading { models: models.newest(), root: "", limits: DecodeLimits::default() };
    let decoded = decode_each(format, &path(base), payload, &reading).unwrap();
    (decoded.entries, decoded.faults.iter().map(ToString::to_string).collect())
}

/// A voltage that is no multiple resource, an altitude that is no number, an empty resource, an integer for a boolean.
#[test]
fn one_bad_value_does_not_spoil_the_others() {
    let level = || vec![entry("/3/0/9", Value::Integer(100))];
    let cases: [(ContentFormat, &str, Vec<u8>, &str); 22] = [
        (ContentFormat::TLV, "/3/0", hex("C0 0A C1 09 64"), "value of /3/0/10 has another type (byte 2)"),
        (ContentFormat::TLV, "/3/0", hex("C1 00 FF C1 09 64"), "/3/0/0: not UTF-8 (byte 2)"),
        (ContentFormat::TLV, "/3/0", hex("C1 04 00 C1 09 64"), "/3/0/4 has no value (byte 0)"),
        (ContentFormat::TLV, "/3/0", hex("82 07 42 01 C1 09 64"), "/3/0/7: truncated (byte 4)"),
        (
            ContentFormat::TLV,
            "/3/0",
            hex("83 07 C1 00 01 C1 09 64"),
            "/3/0/7: bad TLV: this kind does not belong inside the other (byte 2)",
        ),
        (ContentFormat::TLV, "/3/0", hex("C1 09 64 C1 09 65"), "/3/0/9 is given twice (byte 5)"),
        (ContentFormat::TLV, "/3/0", hex("41 00 01 C1 09 64"), "bad TLV: this level is missing around it (byte 0)"),
        (ContentFormat::TLV, "/3/0", hex("E1 FF FF 64 C1 09 64"), "bad path (byte 0)"),
        (ContentFormat::TLV, "/3", hex("08 00 05 C0 0A C1 09 64"), "value of /3/0/10 has another type (byte 5)"),
        (
            ContentFormat::SENML_JSON,
            "/3/0",
            br#"[{"bn":"/3/0/","n":"10","v":1.5},{"n":"9","v":100}]"#.to_vec(),
            "value of /3/0/10 has another type (record 0)",
        ),
        (
            ContentFormat::SENML_JSON,
            "/3/0",
            br#"[{"bn":"/3/0/","n":"10","v":null},{"n":"9","v":100}]"#.to_vec(),
            "/3/0/10: bad JSON: a number is wanted (record 0)",
        ),
        (
            ContentFormat::SENML_JSON,
            "/3/0",
            br#"[{"bn":"/3/0/","n":"x","v":1},{"n":"9","v":100}]"#.to_vec(),
            "bad path (record 0)",
        ),
        (
            ContentFormat::SENML_JSON,
            "/3/0",
            br#"[{"bn":"/3/0/","n":"10","vb":1},{"n":"9","v":100}]"#.to_vec(),
            "/3/0/10: bad JSON: true or false is wanted (record 0)",
        ),
        (
            ContentFormat::SENML_JSON,
            "/",
            br#"[{"n":"/19/0/0","vd":"*"},{"n":"/3/0/9","v":100}]"#.to_vec(),
            "/19/0/0: bad base64 (record 0)",
        ),
        (
            ContentFormat::SENML_JSON,
            "/",
            br#"[{"n":"/3/0/10","v":1,"t":1e300},{"n":"/3/0/9","v":100}]"#.to_vec(),
            "/3/0/10: bad time (record 0)",
        ),
        (
            ContentFormat::SENML_CBOR,
            "/3/0",
            hex("82 A3 21 65 2F 33 2F 30 2F 00 62 31 30 02 F6 A2 00 61 39 02 18 64"),
            "/3/0/10: bad CBOR: simple value has no meaning here (record 0)",
        ),
        (
            ContentFormat::SENML_CBOR,
            "/3/0",
            hex("82 A3 21 65 2F 33 2F 30 2F 00 62 31 30 04 01 A2 00 61 39 02 18 64"),
            "/3/0/10: bad CBOR: value is not of the kind that its label says (record 0)",
        ),
        (
            ContentFormat::SENML_CBOR,
            "/3/0",
            hex("82 A3 21 65 2F 33 2F 30 2F 00 61 37 02 82 01 02 A2 00 61 39 02 18 64"),
            "/3/0/7: bad CBOR: a single value is wanted (record 0)",
        ),
        (
            ContentFormat::LWM2M_CBOR,
            "/3/0",
            hex("A1 03 A1 00 A2 0A F6 09 18 64"),
            "/3/0/10: bad CBOR: simple value has no meaning here (byte 6)",
        ),
        (ContentFormat::LWM2M_CBOR, "/3/0", hex("A1 03 A1 00 A2 0A F5 09 18 64"), "value of /3/0/10 has another type (byte 6)"),
        (
            ContentFormat::JSON,
            "/3/0",
            br#"{"bn":"/3/0/","e":[{"n":"10","bv":1},{"n":"9","v":100}]}"#.to_vec(),
            "/3/0/10: bad JSON: true or false is wanted (record 0)",
        ),
        (
            ContentFormat::JSON,
            "/3/0",
            br#"{"bn":"/3/0/","e":[{"n":"10"},{"n":"9","v":100}]}"#.to_vec(),
            "/3/0/10: a record has not exactly one value (record 0)",
        ),
    ];
    for (format, base, payload, told) in cases {
        assert_eq!(each(format, base, &payload), (level(), vec![told.to_owned()]), "{format} {base} {payload:02x?}");
    }
    let altitude = hex("C8 00 08 40 45 4C CC CC CC CC CD C4 02 7F C0 00 00");
    let (values, told) = each(ContentFormat::TLV, "/6/0", &altitude);
    assert_eq!(
        (values, told),
        (vec![entry("/6/0/0", Value::Float(42.6))], vec!["/6/0/2: number is not finite (byte 13)".into()])
    );
}

#[test]
fn what_is_told_of_bad_values_is_bounded() {
    let models = ObjectModels::builtin();
    let reading = Reading { models: models.newest(), root: "", limits: DecodeLimits { entries: 64, ..DecodeLimits::default() } };
    let bad = |count: usize| [hex("C0 0A").repeat(count), hex("C1 09 64")].concat();
    let read = |count| decode_each(ContentFormat::TLV, &path("/3/0"), &bad(count), &reading);
    let decoded = read(63).unwrap();
    assert_eq!((decoded.entries.len(), decoded.faults.len(), decoded.faults_untold), (1, 8, 55));
    assert_eq!(read(64).unwrap_err().check, DecodeCheck::TooMany);
}

/// Clients with an alternative root name their values below it; LwM2M JSON without a base name has whole paths, or those behind the request's.
#[test]
fn names_may_begin_with_the_root_or_stand_alone() {
    let models = ObjectModels::builtin();
    let level = vec![entry("/3/0/9", Value::Integer(100))];
    let cases: [(ContentFormat, &str, &str, &[u8]); 11] = [
        (ContentFormat::SENML_JSON, "/lwm2m", "/3/0", br#"[{"bn":"/lwm2m/3/0/","n":"9","v":100}]"#),
        (ContentFormat::SENML_JSON, "/lwm2m", "/", br#"[{"n":"/lwm2m/3/0/9","v":100}]"#),
        (ContentFormat::SENML_JSON, "/lwm2m", "/", br#"[{"bn":"/lwm2m/","n":"3/0/9","v":100}]"#),
        (ContentFormat::SENML_JSON, "/lwm2m", "/3/0", br#"[{"bn":"/3/0/","n":"9","v":100}]"#),
        (ContentFormat::SENML_CBOR, "/l", "/", b"\x81\xa2\x00\x68/l/3/0/9\x02\x18\x64"),
        (ContentFormat::JSON, "/lwm2m", "/3/0", br#"{"bn":"/lwm2m/3/0/","e":[{"n":"9","v":100}]}"#),
        (ContentFormat::JSON, "/lwm2m", "/3/0", br#"{"e":[{"n":"/lwm2m/3/0/9","v":100}]}"#),
        (ContentFormat::JSON, "", "/3/0", br#"{"e":[{"n":"/3/0/9","v":100}]}"#),
        (ContentFormat::JSON, "", "/3/0", br#"{"e":[{"n":"9","v":100}]}"#),
        (ContentFormat::JSON, "", "/3/0/9", br#"{"e":[{"v":100}]}"#),
        (ContentFormat::JSON, "", "/3/0/9", br#"{"bn":"","e":[{"n":"/3/0/9","v":100}]}"#),
    ];
    for (format, root, base, payload) in cases {
        let reading = Reading { models: models.newest(), root, limits: DecodeLimits::default() };
        let decoded = decode_each(format, &path(base), payload, &reading).unwrap();
        assert_eq!(decoded.whole(), Ok(level.clone()), "{}", String::from_utf8_lossy(payload));
    }
    let elsewhere = Reading { models: models.newest(), root: "/other", limits: DecodeLimits::default() };
    assert!(decode_each(ContentFormat::SENML_JSON, &path("/3/0"), cases[0].3, &elsewhere).unwrap().whole().is_err());
}
