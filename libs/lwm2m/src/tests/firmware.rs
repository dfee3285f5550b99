//! Object 5, 751 to 779: what a server writes, executes and reads of an update. The client's part, its states and results, is played by
//! hand. Absent: blocks of a package, which CoAP has, and when to update whom, which an owner decides.

use super::*;

const IDLE: i64 = 0;
const DOWNLOADING: i64 = 1;
const DOWNLOADED: i64 = 2;
const UPDATING: i64 = 3;

/// A client that waits for a package, its state and result observed.
fn observed() -> Bench {
    let mut bench = Bench::new(Version::V1_1);
    let begun = bench.observe("/5/0");
    assert!(begun.contains(&entry("/5/0/3", IDLE)) && begun.contains(&entry("/5/0/5", 0)), "{begun:?}");
    bench
}

/// The client comes to a state and result at a time; what the server reads from the notification.
fn comes_to(bench: &mut Bench, now_ms: u64, state: i64, result: i64) -> (Value, Value) {
    bench.set(&[entry("/5/0/3", state), entry("/5/0/5", result)]);
    let told = bench.notified(now_ms, "/5/0");
    let value = |at: &str| told.iter().find(|entry| entry.path == path(at)).unwrap().value.clone();
    (value("/5/0/3"), value("/5/0/5"))
}

fn pulls(bench: &mut Bench, uri: &str) {
    let uri = entry("/5/0/1", uri);
    let request = operation::write("", &uri.path, WriteMode::Replace, ContentFormat::TEXT, std::slice::from_ref(&uri)).unwrap();
    assert_eq!((request.method, request.path.join("/").as_str()), (Method::Put, "5/0/1"));
    assert_eq!(bench.ask(Ok(request)).code, Code::CHANGED);
    assert_eq!(bench.value("/5/0/1"), uri.value);
}

fn pushes(bench: &mut Bench, package: &[u8]) {
    let package = entry("/5/0/0", package);
    let request =
        operation::write("", &package.path, WriteMode::Replace, ContentFormat::OPAQUE, std::slice::from_ref(&package)).unwrap();
    assert_eq!((request.path.join("/").as_str(), request.content_format), ("5/0/0", Some(ContentFormat::OPAQUE)));
    assert_eq!(request.payload.as_slice().value(), package.value);
    assert_eq!(bench.ask(Ok(request)).code, Code::CHANGED);
    assert_eq!(bench.client.get(&path("/5/0/0")), Some(&package.value));
}

/// A download that ends with an update result in the state Idle.
fn fails_downloading(result: i64) {
    let mut bench = observed();
    pulls(&mut bench, "coap://firmware.example.com/image");
    assert_eq!(comes_to(&mut bench, 1_000, DOWNLOADING, 0), (DOWNLOADING.value(), 0.value()));
    assert_eq!(comes_to(&mut bench, 2_000, IDLE, result), (IDLE.value(), result.value()));
    assert_eq!(bench.value("/5/0/5"), result.value());
}

/// `LightweightM2M-1.1-int-751`: address, state, result, name, version, protocols and delivery; the package itself cannot be read.
#[test]
fn int_751_firmware_update_querying_the_readable_resources() {
    let readable = [
        entry("/5/0/1", ""),
        entry("/5/0/3", IDLE),
        entry("/5/0/5", 0),
        entry("/5/0/6", "image"),
        entry("/5/0/7", "1.0"),
        entry("/5/0/8/0", 0),
        entry("/5/0/9", 2),
    ];
    for format in ALL_OBJECT_FORMATS {
        let mut bench = Bench::new(Version::V1_2);
        bench.set(&readable);
        bench.set(&[entry("/5/0/0", &b"image"[..])]);
        assert_eq!(bench.read("/5/0", format), readable, "{format}");
        assert_eq!(bench.ask(operation::read("", &path("/5/0/0"), None)).code, Code::METHOD_NOT_ALLOWED);
    }
}

/// `LightweightM2M-1.1-int-755`.
#[test]
fn int_755_firmware_update_setting_the_writable_resource_package() {
    let package: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    pushes(&mut observed(), &package);
}

/// `LightweightM2M-1.1-int-756`.
#[test]
fn int_756_firmware_update_setting_the_writable_resource_package_uri() {
    pulls(&mut observed(), "coaps://firmware.example.com:5684/images/7");
}

/// `LightweightM2M-1.1-int-760`: state and result are told as they change.
#[test]
fn int_760_firmware_update_basic_observation_and_notification() {
    let mut bench = observed();
    for (now_ms, state) in [(1_000, DOWNLOADING), (2_000, DOWNLOADED), (3_000, UPDATING), (4_000, IDLE)] {
        assert_eq!(comes_to(&mut bench, now_ms, state, 0), (state.value(), 0.value()));
    }
}

/// `LightweightM2M-1.1-int-770`: the package in one Write, Update, and the result.
#[test]
fn int_770_successful_firmware_update_via_coap() {
    let mut bench = observed();
    pushes(&mut bench, b"image");
    assert_eq!(comes_to(&mut bench, 1_000, DOWNLOADED, 0), (DOWNLOADED.value(), 0.value()));
    assert_eq!(bench.execute("/5/0/2"), Code::CHANGED);
    assert_eq!(bench.client.take_executed(), [(path("/5/0/2"), vec![])]);
    assert_eq!(comes_to(&mut bench, 2_000, UPDATING, 0), (UPDATING.value(), 0.value()));
    assert_eq!(comes_to(&mut bench, 3_000, IDLE, 1), (IDLE.value(), 1.value()));
    bench.set(&[entry("/3/0/3", "2.0")]);
    assert_eq!(bench.value("/3/0/3"), "2.0".value());
}

/// `LightweightM2M-1.1-int-771`: the address of the package, which the client fetches.
#[test]
fn int_771_successful_firmware_update_via_alternative_mechanism() {
    let mut bench = observed();
    pulls(&mut bench, "https://firmware.example.com/images/7");
    assert_eq!(comes_to(&mut bench, 1_000, DOWNLOADING, 0), (DOWNLOADING.value(), 0.value()));
    assert_eq!(comes_to(&mut bench, 2_000, DOWNLOADED, 0), (DOWNLOADED.value(), 0.value()));
    assert_eq!(bench.execute("/5/0/2"), Code::CHANGED);
    assert_eq!(comes_to(&mut bench, 3_000, IDLE, 1), (IDLE.value(), 1.value()));
}

/// `LightweightM2M-1.1-int-772`: the client refuses Update without a package with 4.05, and its state stays.
#[test]
fn int_772_firmware_error_case_1_installation_without_downloaded_package() {
    let mut bench = observed();
    let code = bench.execute("/5/0/2");
    assert_eq!((code, Outcome::of(code)), (Code::METHOD_NOT_ALLOWED, Outcome::MethodNotAllowed));
    assert_eq!(bench.client.take_executed(), []);
    assert_eq!((bench.value("/5/0/3"), bench.value("/5/0/5")), (IDLE.value(), 0.value()));
}

/// `LightweightM2M-1.1-int-773`: result 2.
#[test]
fn int_773_firmware_error_case_2_shortage_of_storage_memory() {
    fails_downloading(2);
}

/// `LightweightM2M-1.1-int-774`: result 3.
#[test]
fn int_774_firmware_error_case_3_out_of_memory() {
    fails_downloading(3);
}

/// `LightweightM2M-1.1-int-775`: result 4.
#[test]
fn int_775_firmware_error_case_4_connection_lost_during_download_package_uri() {
    fails_downloading(4);
}

/// `LightweightM2M-1.1-int-776`: result 5.
#[test]
fn int_776_firmware_error_case_5_package_integrity_check_failure() {
    fails_downloading(5);
}

/// `LightweightM2M-1.1-int-777`: result 6, of a package that was written.
#[test]
fn int_777_firmware_error_case_6_unsupported_package_type() {
    let mut bench = observed();
    pushes(&mut bench, b"no image");
    assert_eq!(comes_to(&mut bench, 1_000, IDLE, 6), (IDLE.value(), 6.value()));
}

/// `LightweightM2M-1.1-int-778`: result 7.
#[test]
fn int_778_firmware_error_case_7_invalid_uri_package_uri() {
    let mut bench = observed();
    pulls(&mut bench, "coap://nowhere.invalid");
    assert_eq!(comes_to(&mut bench, 1_000, IDLE, 7), (IDLE.value(), 7.value()));
}

/// `LightweightM2M-1.1-int-779`: result 8, after Update.
#[test]
fn int_779_firmware_error_case_8_unsuccessful_firmware_update() {
    let mut bench = observed();
    pushes(&mut bench, b"image");
    assert_eq!(comes_to(&mut bench, 1_000, DOWNLOADED, 0), (DOWNLOADED.value(), 0.value()));
    assert_eq!(bench.execute("/5/0/2"), Code::CHANGED);
    assert_eq!(comes_to(&mut bench, 2_000, UPDATING, 0), (UPDATING.value(), 0.value()));
    assert_eq!(comes_to(&mut bench, 3_000, IDLE, 8), (IDLE.value(), 8.value()));
    assert_eq!(bench.value("/3/0/3"), "1.0".value(), "the old one stays");
}
