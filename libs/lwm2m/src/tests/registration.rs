//! Registration interface, 100 to 199. Absent: locations and expiry, which an owner keeps, and TCP.

use super::*;
use crate::queue::{AWAKE_DEFAULT_S, is_awake};

fn parse(query: &str, payload: &str) -> Result<RegisterRequest, RegisterError> {
    let query: Vec<&str> = query.split('&').collect();
    RegisterRequest::parse(&query, Some(ContentFormat::LINK), payload.as_bytes(), &LinkLimits::default())
}

/// An Update as the server reads it from the wire.
fn renewed(update: &UpdateRequest, version: Version) -> UpdateRequest {
    let request = update.to_request(vec!["rd".into(), "5a3f".into()], version);
    assert_eq!((request.method, request.path.join("/").as_str()), (Method::Post, "rd/5a3f"));
    UpdateRequest::parse(&request.query, request.content_format, &request.payload, version, &LinkLimits::default()).unwrap()
}

/// `LightweightM2M-1.1-int-101`: endpoint, lifetime, version, binding, root, formats and objects with their versions.
#[test]
fn int_101_initial_registration() {
    let old = parse("ep=urn:imei:863703030668222&lt=86400&b=U", "</1/0>,</3/0>").unwrap();
    assert_eq!((old.endpoint.as_deref(), old.version, old.lifetime_s), (Some(ENDPOINT), Version::V1_0, 86_400));
    let new = r#"</m>;rt="oma.lwm2m";ct="60 110 112 11542 11543",</m/1/0>,</m/3/0>,</m/4>;ver=1.3,</m/4/0>"#;
    let new = parse("ep=urn:imei:863703030668222&lt=300&lwm2m=1.1&b=U", new).unwrap();
    assert_eq!((new.version, new.lifetime_s, new.binding), (Version::V1_1, 300, Binding::UDP));
    assert_eq!((new.list.root.as_str(), new.list.versions()), ("/m", vec![(4, "1.3".parse().unwrap())]));
    assert!(new.list.has_instance(1, 0) && new.list.has_instance(3, 0) && new.list.has_instance(4, 0));
    assert_eq!(new.formats().many(), ContentFormat::SENML_CBOR);
    for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
        let bench = Bench::new(version);
        assert_eq!((bench.register.version, bench.register.lifetime_s), (version, 86_400));
        assert!(bench.register.list.has_instance(1, 0) && bench.register.list.has_instance(3, 0));
    }
    assert_eq!(parse("ep=a&lwm2m=2.0", "</3/0>").unwrap_err().code(), Code::PRECONDITION_FAILED);
    assert_eq!(parse("lt=60", "</3/0>").unwrap_err().code(), Code::BAD_REQUEST);
}

/// `LightweightM2M-1.1-int-102`: after the lifetime is written, the client tells it.
#[test]
fn int_102_registration_update() {
    let mut bench = Bench::new(Version::V1_1);
    assert_eq!(bench.write(ContentFormat::TEXT, &entry("/1/0/1", 86_410)), Code::CHANGED);
    let told = UpdateRequest { lifetime_s: Some(bench.client.register().lifetime_s), ..UpdateRequest::default() };
    assert_eq!(renewed(&told, Version::V1_1).lifetime_s, Some(86_410));
}

/// `LightweightM2M-1.1-int-104`: executing resource 8 of the server object; the Update that follows changes nothing.
#[test]
fn int_104_registration_update_trigger() {
    let mut bench = Bench::new(Version::V1_1);
    let request = operation::execute("", &path("/1/0/8"), &[]).unwrap();
    assert_eq!((request.method, request.path.join("/").as_str(), request.payload.len()), (Method::Post, "1/0/8", 0));
    assert_eq!(bench.ask(Ok(request)).code, Code::CHANGED);
    assert_eq!(bench.client.take_executed(), [(path("/1/0/8"), vec![])]);
    assert_eq!(renewed(&UpdateRequest::default(), Version::V1_1), UpdateRequest::default());
}

/// `LightweightM2M-1.1-int-107`: a new lifetime is read back and told with the next Update.
#[test]
fn int_107_extending_the_lifetime_of_a_registration() {
    let mut bench = Bench::new(Version::V1_1);
    assert_eq!(bench.write(ContentFormat::TEXT, &entry("/1/0/1", 120)), Code::CHANGED);
    assert_eq!(bench.value("/1/0/1"), 120.value());
    let told = UpdateRequest { lifetime_s: Some(120), ..UpdateRequest::default() };
    assert_eq!(renewed(&told, Version::V1_1), told);
}

/// `LightweightM2M-1.1-int-108`: the letter in the binding of 1.0, a parameter of its own since 1.1.
#[test]
fn int_108_turn_on_queue_mode() {
    let cases = [("ep=a&lt=60&b=UQ", true), ("ep=a&lt=60&lwm2m=1.1&b=U&Q", true), ("ep=a&lt=60&lwm2m=1.1&b=U", false)];
    for (query, queue) in cases {
        let binding = parse(query, "</1/0>,</3/0>").unwrap().binding;
        assert_eq!((binding.udp, binding.queue), (true, queue), "{query}");
    }
    assert!(parse("ep=a&lt=60&b=U&Q", "</3/0>").unwrap().binding.queue, "not in 1.0, but who says that it sleeps does");
    for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
        let sleepy = Client::new(ENDPOINT, version).sleepy().register().to_request();
        let limits = LinkLimits::default();
        let read = RegisterRequest::parse(&sleepy.query, sleepy.content_format, &sleepy.payload, &limits).unwrap();
        assert!(read.binding.queue, "{version}");
    }
}

/// `LightweightM2M-1.1-int-109`: a client is awake for a time after each word of it, then requests wait.
#[test]
fn int_109_behavior_in_queue_mode() {
    let awake_ms = u64::from(AWAKE_DEFAULT_S) * 1_000;
    for (heard_ms, now_ms, awake) in
        [(0, 0, true), (0, awake_ms - 1, true), (0, awake_ms + 1, false), (awake_ms, awake_ms + 1, true)]
    {
        assert_eq!(is_awake(heard_ms, now_ms, awake_ms), awake, "{heard_ms} {now_ms}");
    }
}

/// `LightweightM2M-1.2-int-110`: a profile stands for the objects.
#[test]
fn int_110_initial_registration_using_profile_id() {
    let register = parse("ep=a&lt=60&lwm2m=1.2&b=U&pid=urn:example:profile:7", "").unwrap();
    assert_eq!((register.profile.as_deref(), register.list.objects.len()), (Some("urn:example:profile:7"), 0));
    assert_eq!(parse("ep=a&lt=60&lwm2m=1.2&b=U", ""), Err(RegisterError::NoObjects(Ignored::default())));
}

/// `LightweightM2M-1.2-int-111`: objects beside the profile are added to it.
#[test]
fn int_111_registration_with_profile_id_and_object_list() {
    let register = parse("ep=a&lt=60&lwm2m=1.2&b=U&pid=7", "</3303/0>").unwrap();
    assert_eq!(register.profile.as_deref(), Some("7"));
    assert!(register.list.has_instance(3303, 0));
    let again = register.to_request();
    let limits = LinkLimits::default();
    assert_eq!(RegisterRequest::parse(&again.query, again.content_format, &again.payload, &limits), Ok(register));
}
