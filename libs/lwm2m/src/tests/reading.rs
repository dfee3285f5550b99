//! Device management, reading: 201 to 204, 211, 221 to 225, 229, 231, 232, 235 to 237, 280, 281. Absent: what the client's device is.

use super::*;

const MANUFACTURER: &str = "Open Mobile Alliance";

/// What the configuration says of object 3, in the order of paths.
fn device() -> Vec<Entry> {
    vec![
        entry("/3/0/0", MANUFACTURER),
        entry("/3/0/1", "Lightweight M2M Client"),
        entry("/3/0/2", "345000123"),
        entry("/3/0/3", "1.0"),
        entry("/3/0/6/0", 1),
        entry("/3/0/6/1", 5),
        entry("/3/0/7/0", 3_800),
        entry("/3/0/7/1", 5_000),
        entry("/3/0/8/0", 125),
        entry("/3/0/8/1", 900),
        entry("/3/0/9", 100),
        entry("/3/0/11/0", 0),
        entry("/3/0/13", Value::Time(1_367_491_215)),
        entry("/3/0/16", "U"),
    ]
}

fn server() -> Vec<Entry> {
    vec![
        entry("/1/0/0", 1),
        entry("/1/0/1", 86_400),
        entry("/1/0/2", 1),
        entry("/1/0/3", 10),
        entry("/1/0/5", 86_400),
        entry("/1/0/6", false),
        entry("/1/0/7", "U"),
    ]
}

fn queries_the_device(format: ContentFormat) {
    let mut bench = Bench::new(Version::V1_2);
    assert_eq!(bench.read("/3/0", format), device());
    assert_eq!(bench.read("/3", format), device());
    assert_eq!(bench.read("/1/0", format), server());
}

fn composite(paths: &[&str], format: ContentFormat) -> Vec<Entry> {
    let mut bench = Bench::new(Version::V1_2);
    let paths: Vec<Path> = paths.iter().copied().map(path).collect();
    let response = bench.ask(operation::read_composite("", &paths, format));
    assert_eq!((response.code, response.content_format), (Code::CONTENT, Some(format)));
    bench.values(&response, "/")
}

/// `LightweightM2M-1.1-int-201`: manufacturer, model and serial number as plain text.
#[test]
fn int_201_querying_basic_information_in_plain_text_format() {
    let mut bench = Bench::new(Version::V1_1);
    for (at, text) in [("/3/0/0", MANUFACTURER), ("/3/0/1", "Lightweight M2M Client"), ("/3/0/2", "345000123")] {
        let response = bench.ask(operation::read("", &path(at), Some(ContentFormat::TEXT)));
        assert_eq!((response.code, response.content_format), (Code::CONTENT, Some(ContentFormat::TEXT)));
        assert_eq!(response.payload, text.as_bytes());
        assert_eq!(bench.values(&response, at), [entry(at, text)]);
    }
}

/// `LightweightM2M-1.1-int-203`: the device object in TLV, of which the first resource by its bytes.
#[test]
fn int_203_querying_basic_information_in_tlv_format() {
    queries_the_device(ContentFormat::TLV);
    let mut bench = Bench::new(Version::V1_0);
    let response = bench.ask(operation::read("", &path("/3/0"), Some(ContentFormat::TLV)));
    assert!(response.payload.starts_with(b"\xc8\x00\x14Open Mobile Alliance\xc8\x01\x16Lightweight M2M Client"));
}

/// `LightweightM2M-1.1-int-204`: the device object in the JSON of 1.0.
#[test]
fn int_204_querying_basic_information_in_json_format() {
    queries_the_device(ContentFormat::JSON);
    let document = br#"{"bn":"/3/0/","e":[{"n":"0","sv":"Open Mobile Alliance"},{"n":"11/0","v":0},{"n":"16","sv":"U"}]}"#;
    let response = Response::content(ContentFormat::JSON, document.to_vec());
    let wanted = [entry("/3/0/0", MANUFACTURER), entry("/3/0/11/0", 0), entry("/3/0/16", "U")];
    assert_eq!(Bench::new(Version::V1_0).values(&response, "/3/0"), wanted);
}

/// `LightweightM2M-1.1-int-211`: short server id, storing and binding as single CBOR values.
#[test]
fn int_211_querying_basic_information_in_cbor_format() {
    let mut bench = Bench::new(Version::V1_1);
    let cases = [("/1/0/0", 1.value(), &b"\x01"[..]), ("/1/0/6", false.value(), b"\xf4"), ("/1/0/7", "U".value(), b"\x61U")];
    for (at, value, payload) in cases {
        let response = bench.ask(operation::read("", &path(at), Some(ContentFormat::CBOR)));
        assert_eq!((response.code, response.payload.as_slice()), (Code::CONTENT, payload), "{at}");
        assert_eq!(bench.values(&response, at), [entry(at, value)]);
    }
}

/// `LightweightM2M-1.1-int-221`: reading, writing and attributes of the security object are answered 4.01.
#[test]
fn int_221_attempt_to_perform_operations_on_security_object() {
    let mut bench = Bench::new(Version::V1_1);
    bench.set(&[entry("/0/0/0", "coaps://server1.example.com"), entry("/0/0/5", &b"secretkey16bytes"[..])]);
    let read = bench.ask(operation::read("", &path("/0/0"), None));
    assert_eq!((read.code, Outcome::of(read.code), read.payload.len()), (Code::UNAUTHORIZED, Outcome::Unauthorized, 0));
    assert_eq!(bench.write(ContentFormat::TEXT, &entry("/0/0/0", "coap://localhost")), Code::UNAUTHORIZED);
    assert_eq!(bench.attributes("/0", &["pmin=10"]), Code::UNAUTHORIZED);
    assert_eq!(bench.client.get(&path("/0/0/0")), Some(&"coaps://server1.example.com".value()));
    bench.registers();
    assert!(!bench.register.list.has_object(0));
}

/// `LightweightM2M-1.1-int-222`: an object with its instances.
#[test]
fn int_222_read_on_object() {
    let mut bench = Bench::new(Version::V1_2);
    for format in ALL_OBJECT_FORMATS {
        assert_eq!(bench.read("/1", format), server(), "{format}");
        assert_eq!(bench.read("/3", format), device(), "{format}");
        assert_eq!(bench.read("/19", format).len(), 2, "{format}: two instances");
    }
}

/// `LightweightM2M-1.1-int-223`: an object instance.
#[test]
fn int_223_read_on_object_instance() {
    let mut bench = Bench::new(Version::V1_2);
    for format in ALL_OBJECT_FORMATS {
        assert_eq!(bench.read("/1/0", format), server(), "{format}");
        assert_eq!(bench.paths("/19/1", format), ["/19/1/0"], "{format}");
    }
}

/// `LightweightM2M-1.1-int-224`: a resource, in every format that can say it.
#[test]
fn int_224_read_on_resource() {
    let mut bench = Bench::new(Version::V1_2);
    let single = [ContentFormat::TEXT, ContentFormat::CBOR];
    for format in ALL_OBJECT_FORMATS.into_iter().chain(single) {
        for wanted in server() {
            let at = wanted.path.to_string();
            assert_eq!(bench.read(&at, format), [wanted], "{format}");
        }
    }
    assert_eq!(bench.ask(operation::read("", &path("/1/0/77"), None)).code, Code::NOT_FOUND);
}

/// `LightweightM2M-1.1-int-225`: one value of a multiple resource.
#[test]
fn int_225_read_on_resource_instance() {
    let mut bench = Bench::new(Version::V1_2);
    for format in ALL_OBJECT_FORMATS.into_iter().chain([ContentFormat::TEXT, ContentFormat::CBOR]) {
        assert_eq!(bench.read("/3/0/11/0", format), [entry("/3/0/11/0", 0)], "{format}");
        assert_eq!(bench.read("/3/0/7/1", format), [entry("/3/0/7/1", 5_000)], "{format}");
    }
}

/// `LightweightM2M-1.1-int-229`: an object beside an object instance, and resources of both.
#[test]
fn int_229_read_composite_operation() {
    for format in [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR] {
        assert_eq!(composite(&["/3", "/1/0"], format), [server(), device()].concat());
        assert_eq!(composite(&["/1/0/1", "/3/0/11/0"], format), [entry("/1/0/1", 86_400), entry("/3/0/11/0", 0)]);
    }
}

/// `LightweightM2M-1.1-int-231`: object, instance, resource and resource instance in SenML JSON.
#[test]
fn int_231_querying_basic_information_in_senml_json_format() {
    queries_the_device(ContentFormat::SENML_JSON);
    let mut bench = Bench::new(Version::V1_1);
    assert_eq!(bench.read("/3/0/16", ContentFormat::SENML_JSON), [entry("/3/0/16", "U")]);
    let document = br#"[{"bn":"/3/0/","n":"0","vs":"Open Mobile Alliance"},{"n":"11/0","v":0},{"n":"16","vs":"U"}]"#;
    let response = Response::content(ContentFormat::SENML_JSON, document.to_vec());
    let wanted = [entry("/3/0/0", MANUFACTURER), entry("/3/0/11/0", 0), entry("/3/0/16", "U")];
    assert_eq!(bench.values(&response, "/3/0"), wanted);
}

/// `LightweightM2M-1.1-int-232`: the same in SenML CBOR.
#[test]
fn int_232_querying_basic_information_in_senml_cbor_format() {
    queries_the_device(ContentFormat::SENML_CBOR);
    let mut bench = Bench::new(Version::V1_1);
    assert_eq!(bench.read("/3/0/11/0", ContentFormat::SENML_CBOR), [entry("/3/0/11/0", 0)]);
    // [{-2: "/3/0/", 0: "16", 3: "U"}]
    let response = Response::content(ContentFormat::SENML_CBOR, b"\x81\xa3\x21\x65/3/0/\x00\x6216\x03\x61U".to_vec());
    assert_eq!(bench.values(&response, "/3/0"), [entry("/3/0/16", "U")]);
}

/// `LightweightM2M-1.1-int-235`: everything but the security object.
#[test]
fn int_235_read_composite_operation_on_root_path() {
    for format in [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR] {
        let mut bench = Bench::new(Version::V1_1);
        bench.set(&[entry("/0/0/5", &b"secretkey16bytes"[..])]);
        let response = bench.ask(operation::read_composite("", &[Path::ROOT], format));
        assert_eq!(response.code, Code::CONTENT);
        let values = bench.values(&response, "/");
        let of = |object: u16| values.iter().filter(|entry| entry.path.object_id() == Some(object)).cloned().collect::<Vec<_>>();
        assert_eq!((of(1), of(3), of(0)), (server(), device(), vec![]));
    }
}

/// `LightweightM2M-1.1-int-236`: what is not there is left out.
#[test]
fn int_236_read_composite_partial_presence() {
    let found = composite(&["/1/0", "/3/0/11/0", "/3339/0/5522", "/3353/0/6030"], ContentFormat::SENML_CBOR);
    assert_eq!(found, [server(), vec![entry("/3/0/11/0", 0)]].concat());
}

/// `LightweightM2M-1.1-int-237`: without Accept the client picks a format, and it is read.
#[test]
fn int_237_read_on_object_without_specifying_content_type() {
    for (version, format) in [(Version::V1_0, ContentFormat::TLV), (Version::V1_1, ContentFormat::SENML_CBOR)] {
        let mut bench = Bench::new(version);
        let request = operation::read("", &path("/1"), None).unwrap();
        assert_eq!(request.accept, None);
        let response = bench.ask(Ok(request));
        assert_eq!((response.code, response.content_format), (Code::CONTENT, Some(format)));
        assert_eq!(bench.values(&response, "/1"), server());
    }
}

/// `LightweightM2M-1.1-int-280`: all that is asked for and nothing else; the request by its bytes.
#[test]
fn int_280_successful_read_composite_operation() {
    let paths = ["/3/0/16", "/3/0/11/0", "/1/0"].map(path);
    let request = operation::read_composite("", &paths, ContentFormat::SENML_JSON).unwrap();
    assert_eq!((request.method, request.path.len()), (Method::Fetch, 0));
    assert_eq!(request.payload, br#"[{"n":"/3/0/16"},{"n":"/3/0/11/0"},{"n":"/1/0"}]"#);
    for format in [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR] {
        let found = composite(&["/3/0/16", "/3/0/11/0", "/1/0"], format);
        assert_eq!(found, [server(), vec![entry("/3/0/11/0", 0), entry("/3/0/16", "U")]].concat());
    }
}

/// `LightweightM2M-1.1-int-281`: a resource that can only be executed is not among the values.
#[test]
fn int_281_partially_successful_read_composite_operation() {
    let found = composite(&["/1/0/1", "/1/0/7", "/1/0/8"], ContentFormat::SENML_JSON);
    assert_eq!(found, [entry("/1/0/1", 86_400), entry("/1/0/7", "U")]);
}
