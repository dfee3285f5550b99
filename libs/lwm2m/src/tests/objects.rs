//! Objects 3, 6, 7, 19 and 20: 651, 652, 801 to 910, 1900 to 2001. Absent: creating and deleting, see `managing.rs`.

use super::*;

/// Reads an object in every format; each must tell exactly these values.
fn reads(entries: &[Entry], object: &str) {
    let mut bench = Bench::new(Version::V1_2);
    bench.ask(operation::delete("", &path(&format!("{object}/0"))));
    bench.set(entries);
    for format in ALL_OBJECT_FORMATS {
        assert_eq!(bench.read(object, format), entries, "{format}");
    }
}

/// `LightweightM2M-1.1-int-651`: what can be read is read, what can be executed is not, and what cannot be written stays.
#[test]
fn int_651_device_object_check_access_to_the_resources() {
    let mut bench = Bench::new(Version::V1_1);
    for at in ["/3/0/0", "/3/0/1", "/3/0/2", "/3/0/3", "/3/0/9", "/3/0/13", "/3/0/16"] {
        assert_eq!(bench.paths(at, ContentFormat::SENML_CBOR), [at]);
    }
    for at in ["/3/0/4", "/3/0/5", "/3/0/12"] {
        assert_eq!(bench.ask(operation::read("", &path(at), None)).code, Code::METHOD_NOT_ALLOWED, "{at}");
        assert_eq!(bench.execute(at), Code::CHANGED, "{at}");
    }
    for entry in [entry("/3/0/0", "x"), entry("/3/0/9", 1), entry("/3/0/16", "U")] {
        assert_eq!(bench.write(ContentFormat::SENML_CBOR, &entry), Code::METHOD_NOT_ALLOWED, "{}", entry.path);
    }
    for entry in [entry("/3/0/13", Value::Time(1_400_000_000)), entry("/3/0/14", "+02:00"), entry("/3/0/15", "Europe/Berlin")] {
        assert_eq!(bench.write(ContentFormat::SENML_CBOR, &entry), Code::CHANGED);
        assert_eq!(bench.value(&entry.path.to_string()), entry.value);
    }
    assert_eq!(bench.execute("/3/0/9"), Code::METHOD_NOT_ALLOWED, "POST on a resource that is not executable");
}

/// `LightweightM2M-1.1-int-652`.
#[test]
fn int_652_device_object_querying_the_firmware_version_from_the_client() {
    let mut bench = Bench::new(Version::V1_1);
    let answer = bench.ask(operation::read("", &path("/3/0/3"), Some(ContentFormat::TEXT)));
    assert_eq!((answer.code, answer.payload.as_slice()), (Code::CONTENT, &b"1.0"[..]));
    assert_eq!(bench.values(&answer, "/3/0/3"), [entry("/3/0/3", "1.0")]);
}

/// `LightweightM2M-1.1-int-801`: latitude to speed, velocity as bytes.
#[test]
fn int_801_location_querying_the_readable_resources() {
    reads(
        &[
            entry("/6/0/0", 43.5723),
            entry("/6/0/1", 153.2176),
            entry("/6/0/2", 12.5),
            entry("/6/0/3", 3.25),
            entry("/6/0/4", &[0x02, 0x42][..]),
            entry("/6/0/5", Value::Time(1_700_000_000)),
            entry("/6/0/6", 1.5),
        ],
        "/6",
    );
}

/// `LightweightM2M-1.1-int-810`: each change of place is told.
#[test]
fn int_810_location_basic_observation_and_notification() {
    let mut bench = Bench::new(Version::V1_1);
    let begun = bench.observe("/6/0");
    assert!(begun.contains(&entry("/6/0/0", 54.32)) && begun.contains(&entry("/6/0/1", 10.13)));
    bench.set(&[entry("/6/0/0", 54.5), entry("/6/0/5", Value::Time(1_700_000_060))]);
    let told = bench.notified(1_000, "/6/0");
    assert!(told.contains(&entry("/6/0/0", 54.5)) && told.contains(&entry("/6/0/5", Value::Time(1_700_000_060))), "{told:?}");
}

/// `LightweightM2M-1.1-int-901`: a collection is started, stopped and read.
#[test]
fn int_901_connectivity_statistics_querying_a_data_collection() {
    let statistics = [
        entry("/7/0/0", 3),
        entry("/7/0/1", 5),
        entry("/7/0/2", 20),
        entry("/7/0/3", 50),
        entry("/7/0/4", 1_024),
        entry("/7/0/5", 128),
        entry("/7/0/8", 0),
    ];
    reads(&statistics, "/7");
    let mut bench = Bench::new(Version::V1_1);
    bench.set(&statistics);
    assert_eq!((bench.execute("/7/0/6"), bench.execute("/7/0/7")), (Code::CHANGED, Code::CHANGED));
    let executed: Vec<Path> = bench.client.take_executed().into_iter().map(|(at, _)| at).collect();
    assert_eq!(executed, ["/7/0/6", "/7/0/7"].map(path));
}

/// `LightweightM2M-1.1-int-905`: the period of a collection.
#[test]
fn int_905_connectivity_statistics_setting_the_writable_resources() {
    let mut bench = Bench::new(Version::V1_1);
    bench.set(&[entry("/7/0/2", 0), entry("/7/0/8", 0)]);
    assert_eq!(bench.write(ContentFormat::TEXT, &entry("/7/0/8", 30)), Code::CHANGED);
    assert_eq!(bench.value("/7/0/8"), 30.value());
    assert_eq!(bench.write(ContentFormat::TEXT, &entry("/7/0/2", 1)), Code::METHOD_NOT_ALLOWED);
}

/// `LightweightM2M-1.1-int-910`.
#[test]
fn int_910_connectivity_statistics_basic_observation_and_notification() {
    let mut bench = Bench::new(Version::V1_1);
    bench.set(&[entry("/7/0/2", 20), entry("/7/0/3", 50)]);
    assert_eq!(bench.observe("/7/0"), [entry("/7/0/2", 20), entry("/7/0/3", 50)]);
    bench.set(&[entry("/7/0/2", 21)]);
    assert_eq!(bench.notified(1_000, "/7/0"), [entry("/7/0/2", 21), entry("/7/0/3", 50)]);
}

/// `LightweightM2M-1.1-int-1900`: bytes of the device's own, observed.
#[test]
fn int_1900_binary_app_data_container_observation() {
    for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
        let mut bench = Bench::new(version);
        let begun = bench.ask(operation::observe("", &path("/19/0/0"), None));
        assert_eq!((begun.code, begun.observe), (Code::CONTENT, Some(0)));
        assert_eq!(bench.values(&begun, "/19/0/0"), [entry("/19/0/0", &[][..])]);
        bench.set(&[entry("/19/0/0", &[0x00, 0xff, 0x0b, 0xb8][..])]);
        assert_eq!(bench.notified(1_000, "/19/0/0"), [entry("/19/0/0", &[0x00, 0xff, 0x0b, 0xb8][..])], "{version}");
    }
}

/// `LightweightM2M-1.1-int-1901`: bytes to the device, as they are and in the formats of objects.
#[test]
fn int_1901_binary_app_data_container_write_data() {
    let bytes = entry("/19/1/0", &[0x01, 0x00, 0xfe][..]);
    let request =
        operation::write("", &bytes.path, WriteMode::Replace, ContentFormat::OPAQUE, std::slice::from_ref(&bytes)).unwrap();
    assert_eq!((request.content_format, request.payload.as_slice()), (Some(ContentFormat::OPAQUE), &[0x01, 0x00, 0xfe][..]));
    for format in ALL_OBJECT_FORMATS.into_iter().chain([ContentFormat::OPAQUE]) {
        let mut bench = Bench::new(Version::V1_2);
        assert_eq!(bench.write(format, &bytes), Code::CHANGED, "{format}");
        assert_eq!(bench.value("/19/1/0"), bytes.value, "{format}");
    }
}

/// `LightweightM2M-1.1-int-2000`: with the argument that says whether what was logged stays.
#[test]
fn int_2000_event_log_setting_log_start() {
    let mut bench = Bench::new(Version::V1_1);
    bench.set(&[entry("/20/0/4010", 1), entry("/20/0/4014", &b"log"[..])]);
    let keep = operation::Argument { digit: 0, value: Some("1".into()) };
    let request = operation::execute("", &path("/20/0/4011"), std::slice::from_ref(&keep)).unwrap();
    assert_eq!(request.payload, b"0='1'");
    assert_eq!(bench.ask(Ok(request)).code, Code::CHANGED);
    assert_eq!(bench.client.take_executed(), [(path("/20/0/4011"), vec![keep])]);
    assert_eq!(bench.write(ContentFormat::TEXT, &entry("/20/0/4010", 2)), Code::CHANGED);
}

/// `LightweightM2M-1.1-int-2001`.
#[test]
fn int_2001_event_log_querying_the_readable_resources() {
    reads(
        &[entry("/20/0/4010", 1), entry("/20/0/4013", 3), entry("/20/0/4014", &b"00:01 start"[..]), entry("/20/0/4015", 0)],
        "/20",
    );
}
