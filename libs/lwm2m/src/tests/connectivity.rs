//! Objects 4, 10, 11 and 13: 701, 710, 1200 to 1204, 1250, 1350. Absent: what the network does with it.

use super::*;

fn link(object: u16, instance: u16) -> Value {
    Value::ObjectLink(ObjectLink { object, instance })
}

/// A client with these values in an object that it did not have.
fn with(version: Version, entries: &[Entry]) -> Bench {
    let mut bench = Bench::new(version);
    bench.set(entries);
    bench
}

fn cellular() -> Vec<Entry> {
    vec![
        entry("/10/0/0", "+491710760000"),
        entry("/10/0/1", 0),
        entry("/10/0/4", 3_600),
        entry("/10/0/5", 16),
        entry("/10/0/8", &[0x5d][..]),
        entry("/10/0/9", &[0x4c][..]),
        entry("/10/0/11/0", link(11, 0)),
    ]
}

/// With what version 1.1 of the object added.
fn cellular_1_1() -> Vec<Entry> {
    let added = [(12, 3), (13, 1), (14, 2)].map(|(id, bits)| Entry::new(Path::resource(10, 0, id), Value::Unsigned(bits)));
    [cellular(), added.to_vec()].concat()
}

/// `LightweightM2M-1.1-int-701`: bearers, signal, addresses, cell.
#[test]
fn int_701_connectivity_monitoring_querying_the_readable_resources() {
    let wanted = [
        entry("/4/0/0", 7),
        entry("/4/0/1/0", 7),
        entry("/4/0/2", -92),
        entry("/4/0/3", 2),
        entry("/4/0/4/0", "192.0.2.7"),
        entry("/4/0/5/0", "192.0.2.1"),
        entry("/4/0/6", 5),
        entry("/4/0/7/0", "internet"),
        entry("/4/0/8", 12_345),
        entry("/4/0/9", 1),
        entry("/4/0/10", 262),
    ];
    let mut bench = with(Version::V1_2, &wanted);
    for format in ALL_OBJECT_FORMATS {
        assert_eq!(bench.read("/4", format), wanted, "{format}");
    }
}

/// `LightweightM2M-1.1-int-710`: the signal strength by steps.
#[test]
fn int_710_connectivity_monitoring_basic_observation_and_notification() {
    let mut bench = Bench::new(Version::V1_1);
    assert_eq!(bench.attributes("/4/0/2", &["pmin=5", "pmax=600", "st=5"]), Code::CHANGED);
    assert_eq!(bench.observe("/4/0/2"), [entry("/4/0/2", -92)]);
    bench.set(&[entry("/4/0/2", -94)]);
    assert!(bench.client.poll(10_000).is_empty(), "less than the step");
    bench.set(&[entry("/4/0/2", -97)]);
    assert_eq!(bench.notified(11_000, "/4/0/2"), [entry("/4/0/2", -97)]);
}

/// `LightweightM2M-1.1-int-1200`: the object of 1.0, of which the links to profiles are mandatory.
#[test]
fn int_1200_cellular_connectivity_querying_the_readable_resources() {
    let mut bench = with(Version::V1_2, &cellular());
    for format in ALL_OBJECT_FORMATS {
        assert_eq!(bench.read("/10/0", format), cellular(), "{format}");
    }
}

/// `LightweightM2M-1.1-int-1201`: supported and active power saving, release assistance.
#[test]
fn int_1201_cellular_connectivity_1_1_querying_the_readable_resources() {
    let mut bench = with(Version::V1_2, &cellular_1_1());
    for format in ALL_OBJECT_FORMATS {
        assert_eq!(bench.read("/10/0", format), cellular_1_1(), "{format}");
    }
}

/// `LightweightM2M-1.1-int-1202`: the active modes are set; the supported ones cannot be.
#[test]
fn int_1202_cellular_connectivity_1_1_setting_the_power_saving_mode() {
    let mut bench = with(Version::V1_1, &cellular_1_1());
    let modes = |id, bits| Entry::new(Path::resource(10, 0, id), Value::Unsigned(bits));
    assert_eq!(bench.write(ContentFormat::TEXT, &modes(13, 3)), Code::CHANGED);
    assert_eq!(bench.value("/10/0/13"), Value::Unsigned(3));
    assert_eq!(bench.write(ContentFormat::TEXT, &modes(12, 0)), Code::METHOD_NOT_ALLOWED);
}

/// `LightweightM2M-1.1-int-1203`.
#[test]
fn int_1203_cellular_connectivity_1_1_observation_of_the_power_saving_mode() {
    let mut bench = with(Version::V1_1, &cellular_1_1());
    assert_eq!(bench.observe("/10/0/13"), [entry("/10/0/13", Value::Unsigned(1))]);
    bench.set(&[entry("/10/0/13", Value::Unsigned(2))]);
    assert_eq!(bench.notified(1_000, "/10/0/13"), [entry("/10/0/13", Value::Unsigned(2))]);
}

/// `LightweightM2M-1.1-int-1204`: what is suggested, and what the network made of it.
#[test]
fn int_1204_cellular_connectivity_observation_of_timers() {
    let mut bench = with(Version::V1_1, &cellular());
    assert_eq!(bench.observe("/10/0/4"), [entry("/10/0/4", 3_600)]);
    assert_eq!(bench.write(ContentFormat::TEXT, &entry("/10/0/4", 7_200)), Code::CHANGED);
    assert_eq!(bench.notified(1_000, "/10/0/4"), [entry("/10/0/4", 7_200)]);
    bench.set(&[entry("/10/0/4", 7_000)]);
    assert_eq!(bench.notified(2_000, "/10/0/4"), [entry("/10/0/4", 7_000)]);
}

/// `LightweightM2M-CONMGMT-1.1-int-1250`: a profile is made, read, changed and linked to.
#[test]
fn int_1250_apn_configuration() {
    let profile = [
        entry("/11/3/0", "meters"),
        entry("/11/3/1", "iot.example"),
        entry("/11/3/3", true),
        entry("/11/3/4", 3),
        entry("/11/3/24", 1),
    ];
    for format in ALL_OBJECT_FORMATS {
        let mut bench = with(Version::V1_2, &cellular());
        let made = bench.ask(operation::create("", &path("/11"), format, &profile));
        assert_eq!((made.code, made.location.join("/").as_str()), (Code::CREATED, "11/3"), "{format}");
        assert_eq!(bench.read("/11/3", format), profile, "{format}");
        assert_eq!(bench.update("/11/3", format, &[entry("/11/3/1", "other.example"), entry("/11/3/3", false)]), Code::CHANGED);
        assert_eq!((bench.value("/11/3/1"), bench.value("/11/3/3")), ("other.example".value(), false.value()));
        bench.set(&[entry("/10/0/11/0", link(11, 3))]);
        assert_eq!(bench.read("/10/0/11", format), [entry("/10/0/11/0", link(11, 3))], "{format}");
    }
}

/// `LightweightM2M-CONMGMT-1.1-int-1350`: bearers in order of preference, and bounds of signals.
#[test]
fn int_1350_bearer_selection() {
    let wanted = [
        entry("/13/0/0/0", 14),
        entry("/13/0/0/1", 4),
        entry("/13/0/3", -110),
        entry("/13/0/6", "26201,26202"),
        entry("/13/0/7", false),
        entry("/13/0/10", -130),
    ];
    for format in ALL_OBJECT_FORMATS {
        let mut bench = with(Version::V1_2, &[entry("/13/0/0/0", 0), entry("/13/0/8", "26201")]);
        assert_eq!(bench.update("/13/0", format, &wanted), Code::CHANGED, "{format}");
        let read = bench.read("/13/0", format);
        assert!(wanted.iter().all(|entry| read.contains(entry)), "{format} {read:?}");
        assert_eq!(bench.write(ContentFormat::TEXT, &entry("/13/0/8", "x")), Code::METHOD_NOT_ALLOWED, "the networks in reach");
    }
}
