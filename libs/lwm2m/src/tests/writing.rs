//! Device management, writing: 205, 212, 215, 220, 226 to 228, 230, 233, 234, 256, 257. Absent: what a device does about it.

use super::*;

/// Sets, reads back and restores the server object in a format.
fn sets_the_server(format: ContentFormat) {
    let mut bench = Bench::new(Version::V1_2);
    let before: Vec<Entry> = bench.read("/1/0", format).into_iter().filter(|entry| entry.path != path("/1/0/0")).collect();
    let changed =
        [entry("/1/0/2", 101), entry("/1/0/3", 1_010), entry("/1/0/5", 2_000), entry("/1/0/6", true), entry("/1/0/7", "UQ")];
    assert_eq!(bench.update("/1/0", format, &changed), Code::CHANGED);
    let after = bench.read("/1/0", format);
    assert!(changed.iter().all(|entry| after.contains(entry)), "{after:?}");
    assert!(after.contains(&entry("/1/0/0", 1)) && after.contains(&entry("/1/0/1", 86_400)), "the rest stays");
    let replace = operation::write("", &path("/1/0"), WriteMode::Replace, format, &before);
    assert_eq!(bench.ask(replace).code, Code::CHANGED);
    let restored: Vec<Entry> = bench.read("/1/0", format).into_iter().filter(|entry| entry.path != path("/1/0/0")).collect();
    assert_eq!(restored, before);
}

/// Sets single resources in a format and reads them back.
fn sets_resources(format: ContentFormat, entries: &[Entry]) {
    let mut bench = Bench::new(Version::V1_1);
    for entry in entries {
        let at = entry.path.to_string();
        assert_eq!(bench.write(format, entry), Code::CHANGED, "{at}");
        assert_eq!(bench.read(&at, format), std::slice::from_ref(entry));
    }
}

/// Writes on an instance, a resource and a resource instance in a format of SenML.
fn sets_in_senml(format: ContentFormat) {
    let mut bench = Bench::new(Version::V1_1);
    bench.set(&[entry("/16/0/0/0", "old")]);
    assert_eq!(bench.update("/1/0", format, &[entry("/1/0/1", 61), entry("/1/0/6", true)]), Code::CHANGED);
    assert_eq!((bench.value("/1/0/1"), bench.value("/1/0/6")), (61.value(), true.value()));
    assert_eq!(bench.write(format, &entry("/16/0/0/0", "test_value")), Code::CHANGED);
    assert_eq!(bench.read("/16", format), [entry("/16/0/0/0", "test_value")]);
    assert_eq!(bench.write(format, &entry("/1/0/1", 63)), Code::CHANGED);
    assert_eq!(bench.value("/1/0/1"), 63.value());
}

/// `LightweightM2M-1.1-int-205`: least and longest period and the timeout of Disable as plain text.
#[test]
fn int_205_setting_basic_information_in_plain_text_format() {
    let request =
        operation::write("", &path("/1/0/2"), WriteMode::Replace, ContentFormat::TEXT, &[entry("/1/0/2", 101)]).unwrap();
    assert_eq!(
        (request.method, request.content_format, request.payload.as_slice()),
        (Method::Put, Some(ContentFormat::TEXT), &b"101"[..])
    );
    let changed = [entry("/1/0/2", 101), entry("/1/0/3", 1_010), entry("/1/0/5", 2_000)];
    let before = [entry("/1/0/2", 1), entry("/1/0/3", 10), entry("/1/0/5", 86_400)];
    sets_resources(ContentFormat::TEXT, &[changed, before].concat());
}

/// `LightweightM2M-1.1-int-212`: periods and storing as single CBOR values.
#[test]
fn int_212_setting_basic_information_in_cbor_format() {
    let request =
        operation::write("", &path("/1/0/2"), WriteMode::Replace, ContentFormat::CBOR, &[entry("/1/0/2", 101)]).unwrap();
    assert_eq!((request.content_format, request.payload.as_slice()), (Some(ContentFormat::CBOR), &b"\x18\x65"[..]));
    sets_resources(ContentFormat::CBOR, &[entry("/1/0/2", 101), entry("/1/0/3", 1_010), entry("/1/0/6", true)]);
}

/// `LightweightM2M-1.1-int-215`: the server object in TLV.
#[test]
fn int_215_setting_basic_information_in_tlv_format() {
    let entries = [entry("/1/0/2", 101), entry("/1/0/3", 1_010), entry("/1/0/6", true)];
    let request = operation::write("", &path("/1/0"), WriteMode::Update, ContentFormat::TLV, &entries).unwrap();
    assert_eq!((request.method, request.payload.as_slice()), (Method::Post, &b"\xc1\x02\x65\xc2\x03\x03\xf2\xc1\x06\x01"[..]));
    sets_the_server(ContentFormat::TLV);
}

/// `LightweightM2M-1.1-int-220`: the server object in the JSON of 1.0.
#[test]
fn int_220_setting_basic_information_in_json_format() {
    sets_the_server(ContentFormat::JSON);
}

/// `LightweightM2M-1.1-int-226`: POST on an instance changes what it names.
#[test]
fn int_226_write_partial_update_on_object_instance() {
    for format in ALL_OBJECT_FORMATS {
        let mut bench = Bench::new(Version::V1_2);
        assert_eq!(bench.update("/1/0", format, &[entry("/1/0/1", 60), entry("/1/0/6", true)]), Code::CHANGED, "{format}");
        let after = bench.read("/1/0", format);
        assert!(after.contains(&entry("/1/0/1", 60)) && after.contains(&entry("/1/0/6", true)), "{format}");
        assert!(after.contains(&entry("/1/0/7", "U")), "{format}");
    }
}

/// `LightweightM2M-1.1-int-227`: PUT on a resource; the client then tells the new lifetime.
#[test]
fn int_227_write_replace_on_resource() {
    for format in ALL_OBJECT_FORMATS.into_iter().chain([ContentFormat::TEXT, ContentFormat::CBOR]) {
        let mut bench = Bench::new(Version::V1_2);
        assert_eq!(bench.write(format, &entry("/1/0/1", 63)), Code::CHANGED, "{format}");
        bench.registers();
        assert_eq!((bench.value("/1/0/1"), bench.register.lifetime_s), (63.value(), 63), "{format}");
    }
}

/// `LightweightM2M-1.1-int-228`: one value of a multiple resource; its neighbour stays.
#[test]
fn int_228_write_on_resource_instance() {
    let mut bench = Bench::new(Version::V1_1);
    let create = operation::create("", &path("/16"), ContentFormat::TLV, &[entry("/16/0/0/0", "a"), entry("/16/0/0/1", "b")]);
    assert_eq!(bench.ask(create).code, Code::CREATED);
    assert_eq!(bench.write(ContentFormat::TEXT, &entry("/16/0/0/0", "test")), Code::CHANGED);
    assert_eq!(bench.read("/16/0", ContentFormat::SENML_CBOR), [entry("/16/0/0/0", "test"), entry("/16/0/0/1", "b")]);
}

/// `LightweightM2M-1.1-int-230`: resources of two objects and resource instances in one request.
#[test]
fn int_230_write_composite_operation() {
    let mut entries = vec![entry("/1/0/1", 60), entry("/1/0/6", true)];
    entries.extend(
        (0..).zip(["aa", "bb", "cc", "dd"]).map(|(at, text)| Entry::new(Path::resource_instance(16, 0, 0, at), text.value())),
    );
    for format in [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR] {
        let mut bench = Bench::new(Version::V1_1);
        bench.set(&[entry("/16/0/0/0", "old")]);
        let request = operation::write_composite("", &entries, format).unwrap();
        assert_eq!((request.method, request.path.len(), request.content_format), (Method::Ipatch, 0, Some(format)));
        assert_eq!(bench.ask(Ok(request)).code, Code::CHANGED, "{format}");
        assert_eq!((bench.value("/1/0/1"), bench.value("/1/0/6")), (60.value(), true.value()));
        assert_eq!(bench.read("/16", format), entries[2..]);
    }
}

/// `LightweightM2M-1.1-int-233`.
#[test]
fn int_233_setting_basic_information_in_senml_cbor_format() {
    sets_in_senml(ContentFormat::SENML_CBOR);
}

/// `LightweightM2M-1.1-int-234`.
#[test]
fn int_234_setting_basic_information_in_senml_json_format() {
    sets_in_senml(ContentFormat::SENML_JSON);
}

/// `LightweightM2M-1.1-int-256`: a resource that can only be read stays; the refusal is known by its name.
#[test]
fn int_256_write_operation_failure() {
    let mut bench = Bench::new(Version::V1_1);
    let code = bench.write(ContentFormat::TEXT, &entry("/1/0/0", 123));
    assert_eq!((code, Outcome::of(code)), (Code::METHOD_NOT_ALLOWED, Outcome::MethodNotAllowed));
    assert!(!Outcome::of(code).is_transient());
    assert_eq!(bench.value("/1/0/0"), 1.value());
}

/// `LightweightM2M-1.1-int-257`: server and device object together, a time among the values; all or nothing.
#[test]
fn int_257_write_composite_operation_server_and_device_object() {
    let entries = [entry("/1/0/2", 102), entry("/1/0/6", true), entry("/3/0/13", Value::Time(1_400_000_000))];
    for format in [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR] {
        let mut bench = Bench::new(Version::V1_1);
        assert_eq!(bench.ask(operation::write_composite("", &entries, format)).code, Code::CHANGED, "{format}");
        for entry in &entries {
            assert_eq!(bench.value(&entry.path.to_string()), entry.value, "{format}");
        }
        let refused = [entry("/1/0/2", 7), entry("/3/0/0", "another")];
        assert_eq!(bench.ask(operation::write_composite("", &refused, format)).code, Code::METHOD_NOT_ALLOWED);
        assert_eq!(bench.value("/1/0/2"), 102.value());
    }
}
