//! Registrations as clients in the field send them, and what is refused. Absent: bytes of link format; see [`crate::link`].

use super::*;

fn register(queries: &str, payload: &str) -> Result<RegisterRequest, RegisterError> {
    let queries: Vec<&str> = queries.split('&').collect();
    RegisterRequest::parse(&queries, Some(ContentFormat::LINK), payload.as_bytes(), &LinkLimits::default())
}

fn object(id: u16, version: Option<&str>, instances: &[u16]) -> RegisteredObject {
    RegisteredObject { id, version: version.map(|text| text.parse().unwrap()), instances: instances.to_vec() }
}

/// LightweightM2M-1.1-int-101 and -108, with everything that a client may say.
#[test]
fn a_registration_of_1_1_is_read() {
    let payload = r#"</>;rt="oma.lwm2m";ct="60 110 112 11542 11543",</0/0>,</1/0>,</3/0>,</5>;ver=1.1,</5/0>,</3303/1>,</3303/0>,</3303/1>,</21/0>"#;
    let request = register("ep=urn:imei:863703030668222&lt=300&lwm2m=1.1&b=UT&Q&sms=+4912345&x=y", payload).unwrap();
    assert_eq!(request.endpoint.as_deref(), Some("urn:imei:863703030668222"));
    assert_eq!((request.lifetime_s, request.version, request.sms.as_deref()), (300, Version::V1_1, Some("+4912345")));
    assert_eq!(request.binding, Binding { tcp: true, queue: true, ..Binding::UDP });
    let objects = [object(1, None, &[0]), object(3, None, &[0]), object(5, Some("1.1"), &[0]), object(3303, None, &[0, 1])];
    assert_eq!(request.list.objects, objects);
    assert_eq!(request.list.formats, [60, 110, 112, 11_542, 11_543].map(ContentFormat));
    assert_eq!(request.list.versions(), [(5, "1.1".parse().unwrap())]);
    assert!(request.list.has_object(3303) && request.list.has_instance(3303, 1) && !request.list.has_instance(3303, 2));
    assert!(!request.list.has_object(0), "keys are nobody's business");
    assert_eq!(request.formats().many(), ContentFormat::SENML_CBOR);
    let said = request.to_request();
    let again = RegisterRequest::parse(&said.query, said.content_format, &said.payload, &LinkLimits::default());
    assert_eq!(again, Ok(request));
}

#[test]
fn a_registration_of_1_0_has_defaults() {
    let request = register("ep=meter", "</1/0>,</3/0>,</19/0>,</19/1>").unwrap();
    assert_eq!((request.lifetime_s, request.version, request.binding), (86_400, Version::V1_0, Binding::UDP));
    assert_eq!(request.formats().many(), ContentFormat::TLV);
    let queued = register("ep=meter&b=UQS", "</lwm2m>;rt=\"oma.lwm2m\";ct=11543,</lwm2m/1/0>,</lwm2m/3/0>").unwrap();
    assert_eq!(queued.binding, Binding { queue: true, sms: true, ..Binding::UDP });
    assert_eq!((queued.list.root.as_str(), queued.list.formats.as_slice()), ("/lwm2m", &[ContentFormat::JSON][..]));
    assert_eq!(queued.list.objects, [object(1, None, &[0]), object(3, None, &[0])]);
    assert_eq!(queued.to_request().query, ["ep=meter", "lt=86400", "lwm2m=1.0", "b=UQS"]);
}

#[test]
fn formats_are_bounded_and_unknown_ones_kept() {
    let many: Vec<String> = (1_000..1_100).map(|n| n.to_string()).collect();
    let request = register("ep=a", &format!("</>;ct=\"{0} {0} x 70000\",</3>", many.join(" "))).unwrap();
    assert_eq!((request.list.formats.len(), request.list.formats[0]), (32, ContentFormat(1_000)));
}

#[test]
fn what_is_wrong_is_named_and_coded() {
    let cases = [
        ("lt=60", "</3/0>", RegisterError::EndpointMissing),
        ("ep=", "</3/0>", RegisterError::Endpoint),
        ("ep=a\u{7}", "</3/0>", RegisterError::Endpoint),
        ("ep=a&ep=b", "</3/0>", RegisterError::Twice("ep")),
        ("ep=a&lwm2m=2.0", "</3/0>", RegisterError::Version("2.0".into())),
        ("ep=a&lt=-1", "</3/0>", RegisterError::Lifetime),
        ("ep=a&lt=", "</3/0>", RegisterError::Lifetime),
        ("ep=a&lt=4294967296", "</3/0>", RegisterError::Lifetime),
        ("ep=a&lwm2m=1.x", "</3/0>", RegisterError::Version("1.x".into())),
        ("ep=a", "", RegisterError::NoObjects(Ignored::default())),
        ("ep=a", "</0/0>", RegisterError::NoObjects(Ignored::default())),
    ];
    for (queries, payload, error) in cases {
        let code = if matches!(error, RegisterError::Version(_)) { Code::PRECONDITION_FAILED } else { Code::BAD_REQUEST };
        let got = register(queries, payload).unwrap_err();
        assert_eq!((got.code(), got), (code, error), "{queries} {payload}");
    }
    let nothing = register("ep=a", "3/0,</3/0/1>").unwrap_err().to_string();
    assert_eq!(
        nothing,
        "no objects are listed that can be used: link format: expected < at byte 0; \"/3/0/1\" is neither an object nor an object instance"
    );
    let format = RegisterRequest::parse(&["ep=a"], Some(ContentFormat::TLV), b"", &LinkLimits::default()).unwrap_err();
    assert_eq!(format.code(), Code::UNSUPPORTED_CONTENT_FORMAT);
    assert_eq!(register(&["x"; 33].join("&"), "</3>"), Err(RegisterError::TooManyQueries));
    assert_eq!(register(&format!("ep={}", "a".repeat(257)), "</3>"), Err(RegisterError::Endpoint));
}

/// LightweightM2M-1.2-int-110: a profile stands for the list; and since 1.1 credentials may stand for the name.
#[test]
fn later_versions_may_leave_things_out() {
    let request = register("lwm2m=1.2&pid=6:27354b9a", "").unwrap();
    assert_eq!((request.endpoint, request.profile.as_deref()), (None, Some("6:27354b9a")));
    assert_eq!(register("ep=a&lwm2m=1.1&pid=6:27354b9a", ""), Err(RegisterError::NoObjects(Ignored::default())));
}

/// LightweightM2M-1.1-int-102, -104 and -107.
#[test]
fn updates_tell_only_what_changes() {
    let update = |queries: &[&str], payload: &str| {
        UpdateRequest::parse(queries, None, payload.as_bytes(), Version::V1_1, &LinkLimits::default())
    };
    assert_eq!(update(&[], ""), Ok(UpdateRequest::default()));
    let changed = update(&["lt=20", "b=U", "Q"], "</3/0>,</11/1>").unwrap();
    assert_eq!((changed.lifetime_s, changed.binding), (Some(20), Some(Binding { queue: true, ..Binding::UDP })));
    assert!(changed.list.as_ref().is_some_and(|list| list.has_instance(11, 1)));
    let said = changed.to_request(vec!["rd".into(), "7".into()], Version::V1_1);
    assert_eq!((said.path.join("/"), said.query.join("&")), ("rd/7".into(), "lt=20&b=U&Q".into()));
    assert_eq!(update(&["lt=x"], ""), Err(RegisterError::Lifetime));
}

/// As devices of many makers write it: the one link or parameter is passed over and told, the rest counts.
#[test]
fn one_bad_link_or_parameter_does_not_spoil_a_registration() {
    let formats = [60, 110].map(ContentFormat);
    let good = |queries: &str, payload: &str| {
        let request = register(queries, payload).unwrap();
        assert_eq!(
            (&request.list.objects[..], request.endpoint.as_deref()),
            (&[object(3, None, &[0])][..], Some("a")),
            "{payload}"
        );
        request
    };
    for (payload, told) in [
        ("</>;ct=60 110,</3/0>", ""),
        ("</>;ct=60;ct=110,</3/0>", ""),
        ("</>;ct=\"60,110\",</3/0>", ""),
        (" </>;ct=60 110 , \r\n< /3/0 >\r\n\0", ""),
        ("</>;ct=60 110,</3/0>,", "link format: expected < at byte 21"),
        ("</>;ct=60 110,</3/0>,</3/0/1>", "\"/3/0/1\" is neither an object nor an object instance"),
        (
            "</>;ct=60 110,<http://example.com/>,</rd>,</3/0>",
            "\"http://example.com/\" is neither an object nor an object instance; \"/rd\" is neither an object nor an object instance",
        ),
        ("</>;ct=60 110,</3>;ver=1,</3/0>", "version \"1\" of object 3"),
        ("<x>;rt=\"oma.lwm2m\",</>;ct=60 110,</3/0>", "\"x\" is neither an object nor an object instance"),
    ] {
        let request = good("ep=a", payload);
        assert_eq!((request.list.formats.as_slice(), request.ignored.to_string().as_str()), (&formats[..], told), "{payload}");
    }
    let contradicting = register("ep=a", "</3>;ver=1.0,</3/0>;ver=1.1").unwrap();
    assert_eq!(contradicting.list.objects, [object(3, Some("1.0"), &[0])]);
    let many = good("ep=a", &("</rd>,".repeat(100) + "</3/0>")).ignored.to_string();
    assert!(many.ends_with("; and 92 more") && many.len() < 1_000, "{many}");
    for (queries, version, binding, told) in [
        ("ep=a&sms=", Version::V1_0, "U", "\"\" is no telephone number"),
        ("ep=a&sms=abc", Version::V1_0, "U", "\"abc\" is no telephone number"),
        ("ep=a&lwm2m=1.0.2&b=UQ", Version::V1_0, "UQ", "LwM2M version \"1.0.2\", taken as 1.0"),
        ("ep=a&lwm2m=1.3", Version::V1_2, "U", "LwM2M version \"1.3\", taken as 1.2"),
        ("ep=a&b=UT", Version::V1_0, "U", "letters of the binding \"UT\""),
        ("ep=a&b=Q", Version::V1_0, "UQ", "letters of the binding \"Q\""),
        ("ep=a&b=", Version::V1_0, "U", "letters of the binding \"\""),
        ("ep=a&b=U&Q", Version::V1_0, "UQ", ""),
    ] {
        let request = good(queries, "</3/0>");
        assert_eq!(
            (request.version, request.binding.to_string().as_str(), request.ignored.to_string().as_str()),
            (version, binding, told)
        );
    }
    let update = |payload: &str| UpdateRequest::parse(&["sms="], None, payload.as_bytes(), Version::V1_1, &LinkLimits::default());
    let updated = update("</3/0>,</rd>").unwrap();
    assert_eq!(updated.list.map(|list| list.objects), Some(vec![object(3, None, &[0])]));
    assert!(updated.ignored.to_string().starts_with("\"/rd\" is neither"), "{}", updated.ignored);
    assert!(matches!(update("</rd>"), Err(RegisterError::NoObjects(_))), "it would end everything");
}
