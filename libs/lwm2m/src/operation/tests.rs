//! Requests as the enabler tests describe them, and answers. Absent: payload formats; see [`crate::codec`].

use super::*;
use crate::attributes::AttributeChange;
use crate::codec::DecodeLimits;
use crate::objects::ObjectModels;
use crate::value::Value;

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn line(request: &Request) -> String {
    let option = |name: &str, format: Option<ContentFormat>| format.map(|f| format!(" {name}={}", f.0)).unwrap_or_default();
    let observe = request.observe.map(|o| format!(" {o:?}")).unwrap_or_default();
    let query = request.query.iter().map(|q| format!(" {q}")).collect::<String>();
    let formats = option("cf", request.content_format) + &option("accept", request.accept);
    format!("{:?} /{}{query}{formats}{observe} {:02x?}", request.method, request.path.join("/"), request.payload)
}

#[test]
fn requests_are_what_the_transport_binding_says() {
    let lifetime = [Entry::new(path("/1/0/1"), Value::Integer(61)), Entry::new(path("/1/0/6"), Value::Boolean(true))];
    let change = AttributeChange::parse(&["pmin=10", "pmax=200", "gt"]).unwrap();
    let text = Some(ContentFormat::TEXT);
    let paths = [path("/3/0/16")];
    let cases: [(Build, &str); 17] = [
        (read("", &path("/3/0/0"), text), "Get /3/0/0 accept=0 []"),
        (read("/lwm2m", &path("/3"), None), "Get /lwm2m/3 []"),
        (discover("", &path("/3")), "Get /3 accept=40 []"),
        (discover_depth("", &path("/3"), 1), "Get /3 depth=1 accept=40 []"),
        (write("", &path("/1/0/1"), WriteMode::Replace, ContentFormat::TEXT, &lifetime[..1]), "Put /1/0/1 cf=0 [36, 31]"),
        (
            write("", &path("/1/0"), WriteMode::Update, ContentFormat::TLV, &lifetime),
            "Post /1/0 cf=11542 [c1, 01, 3d, c1, 06, 01]",
        ),
        (write_attributes("", &path("/3"), &change), "Put /3 pmin=10 pmax=200 gt []"),
        (execute("", &path("/3/0/4"), &[]), "Post /3/0/4 []"),
        (
            execute("", &path("/5/0/2"), &[Argument { digit: 0, value: Some("a".into()) }]),
            "Post /5/0/2 cf=0 [30, 3d, 27, 61, 27]",
        ),
        (create("", &path("/1"), ContentFormat::TLV, &lifetime[1..]), "Post /1 cf=11542 [03, 00, c1, 06, 01]"),
        (delete("", &path("/16/1")), "Delete /16/1 []"),
        (observe("", &path("/3/0/7"), None), "Get /3/0/7 Register []"),
        (cancel_observe("", &path("/3/0/7"), None), "Get /3/0/7 Cancel []"),
        (observe_with("", &path("/3/0/7"), None, &change), "Get /3/0/7 pmin=10 pmax=200 gt Register []"),
        (
            read_composite("", &paths, ContentFormat::SENML_CBOR),
            "Fetch / cf=112 accept=112 [81, a1, 00, 67, 2f, 33, 2f, 30, 2f, 31, 36]",
        ),
        (
            observe_composite("", &paths, ContentFormat::SENML_CBOR, Observe::Cancel),
            "Fetch / cf=112 accept=112 Cancel [81, a1, 00, 67, 2f, 33, 2f, 30, 2f, 31, 36]",
        ),
        (
            write_composite("", &lifetime[1..], ContentFormat::SENML_CBOR),
            "Ipatch / cf=112 [81, a2, 00, 66, 2f, 31, 2f, 30, 2f, 36, 04, f5]",
        ),
    ];
    for (request, wanted) in cases {
        assert_eq!(line(&request.unwrap()), wanted);
    }
}

#[test]
fn requests_that_cannot_be_are_not_built() {
    let level = [Entry::new(path("/3/0/9"), Value::Integer(1))];
    assert_eq!(read("", &Path::ROOT, None), Err(OperationError::Path(Path::ROOT)));
    assert_eq!(discover("", &path("/3/0/7/1")), Err(OperationError::Path(path("/3/0/7/1"))));
    assert_eq!(execute("", &path("/3/0"), &[]), Err(OperationError::Path(path("/3/0"))));
    assert_eq!(create("", &path("/3/0"), ContentFormat::TLV, &[]), Err(OperationError::Path(path("/3/0"))));
    for at in ["/", "/3", "/3/0/7"] {
        assert_eq!(delete("", &path(at)), Err(OperationError::Path(path(at))));
    }
    let outside = write("", &path("/1/0"), WriteMode::Replace, ContentFormat::TLV, &level);
    assert_eq!(outside, Err(OperationError::Encode(EncodeError::OutsideBase(path("/3/0/9")))));
    assert!(write_composite("", &level, ContentFormat::TLV).is_err());
    assert!(read_composite("", &[path("/3")], ContentFormat::TLV).is_err());
    for bad in [("it's", 0), ("a b", 0), ("a\\", 0), ("\u{e9}", 0), ("a", 10)] {
        let argument = Argument { digit: bad.1, value: Some(bad.0.into()) };
        assert_eq!(execute("", &path("/3/0/4"), &[argument]), Err(OperationError::Argument), "{bad:?}");
    }
    let twice = [Argument { digit: 1, value: None }, Argument { digit: 1, value: None }];
    assert_eq!(execute("", &path("/3/0/4"), &twice), Err(OperationError::Argument));
}

#[test]
fn arguments_are_read_as_written() {
    let value = |text: &str| Some(text.to_owned());
    let arguments = parse_arguments("0='http://www.oma.org',5,9=''").unwrap();
    let wanted = [(0, value("http://www.oma.org")), (5, None), (9, value(""))];
    assert_eq!(arguments, wanted.map(|(digit, value)| Argument { digit, value }));
    assert_eq!(format_arguments(&arguments).as_deref(), Ok("0='http://www.oma.org',5,9=''"));
    assert_eq!(parse_arguments(""), Some(vec![]));
    for bad in ["a", "0=", "0='", "0='a", "0='a'1", "0,", ",0", "0,0", "00", "0='a b'", "0=a"] {
        assert_eq!(parse_arguments(bad), None, "{bad}");
    }
}

#[test]
fn answers_have_names() {
    assert_eq!(Outcome::of(Code::CHANGED).name(), "success");
    assert_eq!(Outcome::of(Code::NOT_FOUND).name(), "not_found");
    assert_eq!(Outcome::of(Code::of(4, 29)), Outcome::Other(Code::of(4, 29)));
    assert_eq!(Outcome::of(Code::of(4, 29)).name(), "other");
    assert!(Outcome::of(Code::SERVICE_UNAVAILABLE).is_transient() && !Outcome::of(Code::NOT_FOUND).is_transient());
    let models = ObjectModels::builtin();
    let reading = Reading { models: models.newest(), root: "", limits: DecodeLimits::default() };
    let bare = Response { content_format: None, ..Response::content(ContentFormat::TEXT, b"100".to_vec()) };
    let read = values(&bare, &path("/3/0/9"), &reading).map(|decoded| decoded.entries);
    assert_eq!(read, Ok(vec![Entry::new(path("/3/0/9"), Value::Integer(100))]));
    let read = values(&bare, &path("/19/0/0"), &reading).map(|decoded| decoded.entries);
    assert_eq!(read, Ok(vec![Entry::new(path("/19/0/0"), Value::Opaque(b"100".to_vec()))]));
}

/// LightweightM2M-1.1-int-311.
#[test]
fn a_send_is_senml_over_any_objects() {
    let models = ObjectModels::builtin();
    let reading = Reading { models: models.newest(), root: "", limits: DecodeLimits::default() };
    let entries = [Entry::new(path("/1/0/1"), Value::Integer(86_400)), Entry::new(path("/3/0/11/0"), Value::Integer(0))];
    for format in [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR, ContentFormat::LWM2M_CBOR] {
        let request = send(&entries, format).unwrap();
        assert_eq!(request.path, ["dp"]);
        assert_eq!(parse_send(&request, &reading).map(|decoded| decoded.entries).as_deref(), Ok(&entries[..]));
    }
    let mut request = send(&entries, ContentFormat::SENML_CBOR).unwrap();
    request.content_format = Some(ContentFormat::TLV);
    let odd = br#"[{"n":"/1/0/1","vs":"soon"},{"n":"/3/0/9","v":70},{"n":"/3/0/11/0"}]"#;
    let mut partly = Request { payload: odd.to_vec(), ..request.clone() };
    partly.content_format = Some(ContentFormat::SENML_JSON);
    let decoded = parse_send(&partly, &reading).unwrap();
    assert_eq!(decoded.entries, [Entry::new(path("/3/0/9"), Value::Integer(70))]);
    let told: Vec<String> = decoded.faults.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["value of /1/0/1 has another type (record 0)", "/3/0/11/0: a record has not exactly one value (record 2)"]);
    partly.payload = br#"[{"n":"/1/0/1","vs":"soon"}]"#.to_vec();
    assert_eq!(parse_send(&partly, &reading).unwrap_err().1.check, codec::DecodeCheck::Type(path("/1/0/1")));
    let refused = |request: &Request| parse_send(request, &reading).unwrap_err().0;
    assert_eq!(refused(&request), Code::UNSUPPORTED_CONTENT_FORMAT);
    request.content_format = Some(ContentFormat::SENML_JSON);
    assert_eq!(refused(&request), Code::BAD_REQUEST);
    assert!(send(&entries, ContentFormat::TLV).is_err());
}
