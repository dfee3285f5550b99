//! Information reporting interface, 300 to 399. Absent: tokens, acknowledgements and the order of notifications, which CoAP has.

use super::*;

const COMPOSITE: [ContentFormat; 2] = [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR];

fn observe_composite(bench: &mut Bench, paths: &[&str], format: ContentFormat, observe: Observe) -> Response {
    let paths: Vec<Path> = paths.iter().copied().map(path).collect();
    let request = operation::observe_composite("", &paths, format, observe).unwrap();
    assert_eq!((request.method, request.path.len(), request.observe), (Method::Fetch, 0, Some(observe)));
    bench.ask(Ok(request))
}

/// `LightweightM2M-1.1-int-301`: at once, at changes not before pmin, and at pmax without any.
#[test]
fn int_301_observation_and_notification_of_parameter_values() {
    let mut bench = Bench::new(Version::V1_1);
    for at in ["/3/0/7", "/3/0/8"] {
        assert_eq!(bench.attributes(at, &["pmin=5", "pmax=15"]), Code::CHANGED);
    }
    assert_eq!(bench.observe("/3/0/7"), [entry("/3/0/7/0", 3_800), entry("/3/0/7/1", 5_000)]);
    bench.set(&[entry("/3/0/7/0", 3_700)]);
    assert!(bench.client.poll(4_999).is_empty());
    assert_eq!(bench.notified(5_000, "/3/0/7"), [entry("/3/0/7/0", 3_700), entry("/3/0/7/1", 5_000)]);
    assert!(bench.client.poll(19_999).is_empty());
    assert_eq!(bench.notified(20_000, "/3/0/7")[0], entry("/3/0/7/0", 3_700));
}

/// `LightweightM2M-1.1-int-302`: after a Reset there is no notification any more.
#[test]
fn int_302_cancel_observations_using_reset_operation() {
    let mut bench = Bench::new(Version::V1_1);
    bench.observe("/3/0/7");
    bench.set(&[entry("/3/0/7/0", 3_700)]);
    assert_eq!(bench.notified(1_000, "/3/0/7")[0], entry("/3/0/7/0", 3_700));
    bench.client.cancel(OBSERVATION);
    bench.set(&[entry("/3/0/7/0", 3_600)]);
    assert_eq!((bench.client.poll(100_000).len(), bench.client.poll_timeout()), (0, None));
}

/// `LightweightM2M-1.1-int-303`: the same request with Observe 1 answers the value and ends it.
#[test]
fn int_303_cancel_observations_using_observe_with_cancel_parameter() {
    let mut bench = Bench::new(Version::V1_1);
    bench.observe("/3/0/7");
    let request = operation::cancel_observe("", &path("/3/0/7"), Some(ContentFormat::SENML_CBOR)).unwrap();
    assert_eq!((request.method, request.observe), (Method::Get, Some(Observe::Cancel)));
    let answer = bench.ask(Ok(request));
    assert_eq!((answer.code, answer.observe), (Code::CONTENT, None));
    assert_eq!(bench.values(&answer, "/3/0/7"), [entry("/3/0/7/0", 3_800), entry("/3/0/7/1", 5_000)]);
    bench.set(&[entry("/3/0/7/0", 3_600)]);
    assert!(bench.client.poll(100_000).is_empty());
}

/// `LightweightM2M-1.1-int-304`: several resources in one observation; a change of one tells them all.
#[test]
fn int_304_observe_composite_operation() {
    for format in COMPOSITE {
        let mut bench = Bench::new(Version::V1_1);
        let begun = observe_composite(&mut bench, &["/3/0/7/0", "/3/0/9"], format, Observe::Register);
        assert_eq!((begun.code, begun.observe, begun.content_format), (Code::CONTENT, Some(0), Some(format)));
        assert_eq!(bench.values(&begun, "/"), [entry("/3/0/7/0", 3_800), entry("/3/0/9", 100)]);
        bench.set(&[entry("/3/0/9", 99)]);
        assert_eq!(bench.notified(1_000, "/"), [entry("/3/0/7/0", 3_800), entry("/3/0/9", 99)]);
    }
}

/// `LightweightM2M-1.1-int-305`.
#[test]
fn int_305_cancel_observation_composite_operation() {
    for format in COMPOSITE {
        let mut bench = Bench::new(Version::V1_1);
        observe_composite(&mut bench, &["/3/0/7/0", "/3/0/9"], format, Observe::Register);
        let ended = observe_composite(&mut bench, &["/3/0/7/0", "/3/0/9"], format, Observe::Cancel);
        assert_eq!((ended.code, ended.observe), (Code::CONTENT, None));
        assert_eq!(bench.values(&ended, "/"), [entry("/3/0/7/0", 3_800), entry("/3/0/9", 100)]);
        bench.set(&[entry("/3/0/9", 99)]);
        assert_eq!((bench.client.poll(100_000).len(), bench.client.poll_timeout()), (0, None));
    }
}

/// `LightweightM2M-1.1-int-306`: values of two objects that nobody asked for, in each format; anything else is answered by its code.
#[test]
fn int_306_send_operation() {
    let bench = Bench::new(Version::V1_2);
    let entries = [entry("/1/0/1", 86_400), entry("/3/0/0", "Open Mobile Alliance"), entry("/3/0/11/0", 0)];
    let read = |request: &Request| operation::parse_send(request, &reading(&bench.models)).map(|decoded| decoded.entries);
    for format in [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR, ContentFormat::LWM2M_CBOR] {
        let request = operation::send(&entries, format).unwrap();
        assert_eq!((request.method, request.path.join("/").as_str()), (Method::Post, "dp"));
        assert_eq!(read(&request).as_deref(), Ok(&entries[..]), "{format}");
    }
    let json = Request {
        content_format: Some(ContentFormat::SENML_JSON),
        payload: br#"[{"bn":"/3/0/","n":"0","vs":"Open Mobile Alliance"},{"n":"11/0","v":0}]"#.to_vec(),
        ..Request::new(Method::Post, vec!["dp".into()])
    };
    assert_eq!(read(&json).as_deref(), Ok(&entries[1..]));
    let broken = Request { payload: json.payload[1..].to_vec(), ..json.clone() };
    assert_eq!(read(&broken).unwrap_err().0, Code::BAD_REQUEST);
    let text = Request { content_format: Some(ContentFormat::TEXT), ..json };
    assert_eq!(read(&text).unwrap_err().0, Code::UNSUPPORTED_CONTENT_FORMAT);
}

/// `LightweightM2M-1.1-int-307`: resource 23 of the server object, by a Write and by a bootstrap.
#[test]
fn int_307_muting_send() {
    let mut bench = Bench::new(Version::V1_1);
    bench.set(&[entry("/1/0/23", false)]);
    for mute in [true, false] {
        assert_eq!(bench.write(ContentFormat::TEXT, &entry("/1/0/23", mute)), Code::CHANGED);
        assert_eq!(bench.value("/1/0/23"), mute.value());
    }
    let mut config = one_server();
    config.servers[0].mute_send = Some(true);
    let pack = config.pack(ContentFormat::SENML_CBOR).unwrap();
    assert!(bench.values(&pack, "/").contains(&entry("/1/0/23", true)));
}

/// `LightweightM2M-1.1-int-308`: an instance that comes is in the next notification.
#[test]
fn int_308_observe_composite_and_creating_object_instance() {
    for format in COMPOSITE {
        let mut bench = Bench::new(Version::V1_1);
        let begun = observe_composite(&mut bench, &["/16", "/3/0/9"], format, Observe::Register);
        assert_eq!(bench.values(&begun, "/"), [entry("/3/0/9", 100)]);
        let create = operation::create("", &path("/16"), ContentFormat::TLV, &[entry("/16/0/0/0", "Host Device ID")]);
        assert_eq!(bench.ask(create).code, Code::CREATED);
        assert_eq!(bench.notified(1_000, "/"), [entry("/3/0/9", 100), entry("/16/0/0/0", "Host Device ID")]);
    }
}

/// `LightweightM2M-1.1-int-309`: one that goes is no longer in it, and the observation stays.
#[test]
fn int_309_observe_composite_and_deleting_object_instance() {
    for format in COMPOSITE {
        let mut bench = Bench::new(Version::V1_1);
        bench.set(&[entry("/16/0/0/0", "Host Device ID")]);
        observe_composite(&mut bench, &["/16", "/3/0/9"], format, Observe::Register);
        assert_eq!(bench.ask(operation::delete("", &path("/16/0"))).code, Code::DELETED);
        assert_eq!(bench.notified(1_000, "/"), [entry("/3/0/9", 100)]);
        bench.set(&[entry("/3/0/9", 99)]);
        assert_eq!(bench.notified(2_000, "/"), [entry("/3/0/9", 99)]);
    }
}

/// `LightweightM2M-1.1-int-310`: a value that the server itself writes is told too.
#[test]
fn int_310_observe_composite_and_modification_of_parameter_values() {
    for format in COMPOSITE {
        let mut bench = Bench::new(Version::V1_1);
        observe_composite(&mut bench, &["/1/0/1", "/3/0/9"], format, Observe::Register);
        let change = operation::write_composite("", &[entry("/1/0/1", 60), entry("/1/0/6", true)], format);
        assert_eq!(bench.ask(change).code, Code::CHANGED);
        assert_eq!(bench.notified(1_000, "/"), [entry("/1/0/1", 60), entry("/3/0/9", 100)]);
    }
}

/// `LightweightM2M-1.1-int-311`: values with the times at which they were taken keep them.
#[test]
fn int_311_send_command() {
    let bench = Bench::new(Version::V1_1);
    let history = br#"[{"bn":"/3303/0/5700","bt":1700000000,"v":21.5},{"t":60,"v":22},{"t":120,"v":22.5}]"#;
    let request = Request {
        content_format: Some(ContentFormat::SENML_JSON),
        payload: history.to_vec(),
        ..Request::new(Method::Post, vec!["dp".into()])
    };
    let entries = operation::parse_send(&request, &reading(&bench.models)).unwrap().entries;
    let told: Vec<(i64, Value)> = entries.into_iter().map(|e| (e.time.unwrap().at_ms(0), e.value)).collect();
    let wanted = [(1_700_000_000_000, 21.5), (1_700_000_060_000, 22.0), (1_700_000_120_000, 22.5)];
    assert_eq!(told, wanted.map(|(at_ms, value)| (at_ms, value.value())));
}

/// `LightweightM2M-1.2-int-312`: attributes in the request of the observation itself.
#[test]
fn int_312_observe_with_attributes_as_parameters() {
    let mut bench = Bench::new(Version::V1_2);
    let own = AttributeChange::parse(&["pmin=5", "pmax=30"]).unwrap();
    let request = operation::observe_with("", &path("/3/0/9"), None, &own).unwrap();
    assert_eq!((request.query.join("&").as_str(), request.observe), ("pmin=5&pmax=30", Some(Observe::Register)));
    assert_eq!(bench.ask(Ok(request)).observe, Some(0));
    bench.set(&[entry("/3/0/9", 99)]);
    assert!(bench.client.poll(4_999).is_empty());
    assert_eq!(bench.notified(5_000, "/3/0/9"), [entry("/3/0/9", 99)]);
    assert_eq!(bench.client.poll_timeout(), Some(35_000));
}

/// `LightweightM2M-1.2-int-313`: those of the request count, those that were written before do not.
#[test]
fn int_313_observe_parameters_override_attributes() {
    let mut bench = Bench::new(Version::V1_2);
    assert_eq!(bench.attributes("/3/0/9", &["pmin=20", "pmax=60"]), Code::CHANGED);
    let own = AttributeChange::parse(&["pmin=5", "pmax=30"]).unwrap();
    bench.ask(operation::observe_with("", &path("/3/0/9"), None, &own));
    bench.set(&[entry("/3/0/9", 99)]);
    assert_eq!(bench.client.poll_timeout(), Some(5_000));
    bench.observe("/3/0/9");
    bench.set(&[entry("/3/0/9", 98)]);
    assert_eq!(bench.client.poll_timeout(), Some(20_000), "without parameters the written ones count");
}
