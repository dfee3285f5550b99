//! The simulated client by the enabler tests. Absent: CoAP.

use super::*;
use crate::attributes::AttributeChange;
use crate::codec::Reading;
use crate::operation::{self, WriteMode};

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn client(version: Version) -> Client {
    Client::new("863703030668222", version)
}

fn ask(client: &mut Client, request: Result<Request, operation::OperationError>) -> Response {
    client.handle(0, 7, &request.unwrap())
}

fn values(client: &Client, response: &Response, at: &str) -> Vec<Entry> {
    operation::values(response, &path(at), &Reading { models: client.models.newest(), root: "", limits: DecodeLimits::default() })
        .unwrap()
        .whole()
        .unwrap()
}

fn attributes(client: &mut Client, at: &str, queries: &[&str]) -> Code {
    let change = AttributeChange::parse(queries).unwrap();
    ask(client, operation::write_attributes("", &path(at), &change)).code
}

#[test]
fn a_registration_lists_what_is_there() {
    let register = client(Version::V1_1).sleepy().register();
    let objects: Vec<(u16, usize)> = register.list.objects.iter().map(|object| (object.id, object.instances.len())).collect();
    assert_eq!(objects, [(1, 1), (3, 1), (4, 1), (5, 1), (6, 1), (19, 2), (3303, 1)]);
    assert!(register.binding.queue && register.list.formats.contains(&ContentFormat::SENML_CBOR));
}

/// LightweightM2M-1.1-int-201, -203, -204, -222 to -225, -231, -232, -237.
#[test]
fn reads_answer_in_the_format_asked_for() {
    let mut client = client(Version::V1_2);
    for format in [11_542, 11_543, 110, 112, 11_544].map(ContentFormat) {
        for (at, count) in [("/3", 9), ("/3/0", 9), ("/3/0/9", 1), ("/3/0/7", 1), ("/3/0/7/0", 1)] {
            let response = ask(&mut client, operation::read("", &path(at), Some(format)));
            assert_eq!((response.code, response.content_format), (Code::CONTENT, Some(format)), "{at}");
            assert_eq!(values(&client, &response, at).len(), count, "{format} {at}");
        }
    }
    let response = ask(&mut client, operation::read("", &path("/3/0/0"), Some(ContentFormat::TEXT)));
    assert_eq!(response.payload, b"Landfall");
    for (at, code) in [("/3/0/77", Code::NOT_FOUND), ("/3/0/4", Code::METHOD_NOT_ALLOWED), ("/0", Code::UNAUTHORIZED)] {
        assert_eq!(ask(&mut client, operation::read("", &path(at), None)).code, code, "{at}");
    }
    let odd = operation::read("", &path("/3/0"), Some(ContentFormat(50)));
    assert_eq!(ask(&mut client, odd).code, Code::NOT_ACCEPTABLE);
}

/// LightweightM2M-1.1-int-205, -215, -221, -226, -256.
#[test]
fn writes_change_what_may_be_changed() {
    let mut client = client(Version::V1_1);
    let lifetime = [Entry::new(path("/1/0/1"), Value::Integer(60))];
    let write = |at: &str, mode, format, entries: &[Entry]| operation::write("", &path(at), mode, format, entries);
    let response = ask(&mut client, write("/1/0/1", WriteMode::Replace, ContentFormat::TEXT, &lifetime));
    assert_eq!((response.code, client.register().lifetime_s), (Code::CHANGED, 60));
    let both = [Entry::new(path("/1/0/1"), Value::Integer(61)), Entry::new(path("/1/0/6"), Value::Boolean(true))];
    let response = ask(&mut client, write("/1/0", WriteMode::Update, ContentFormat::SENML_CBOR, &both));
    assert_eq!((response.code, client.get(&path("/1/0/6"))), (Code::CHANGED, Some(&Value::Boolean(true))));
    let short_id = [Entry::new(path("/1/0/0"), Value::Integer(123))];
    let response = ask(&mut client, write("/1/0/0", WriteMode::Replace, ContentFormat::TEXT, &short_id));
    assert_eq!((response.code, client.get(&path("/1/0/0"))), (Code::METHOD_NOT_ALLOWED, Some(&Value::Integer(1))));
    let uri = [Entry::new(path("/0/0/0"), Value::Text("coap://evil".into()))];
    assert_eq!(ask(&mut client, write("/0/0/0", WriteMode::Replace, ContentFormat::TEXT, &uri)).code, Code::UNAUTHORIZED);
    assert_eq!(ask(&mut client, operation::write_composite("", &uri, ContentFormat::SENML_JSON)).code, Code::UNAUTHORIZED);
    let unknown = write("/1/0/1", WriteMode::Replace, ContentFormat::TEXT, &lifetime).unwrap();
    let unknown = Request { content_format: Some(ContentFormat(50)), ..unknown };
    assert_eq!(client.handle(0, 0, &unknown).code, Code::UNSUPPORTED_CONTENT_FORMAT);
}

#[test]
fn a_downlink_reaches_object_19() {
    let mut client = client(Version::V1_0);
    let bytes = [Entry::new(path("/19/1/0"), Value::Opaque(vec![1, 2, 3]))];
    let request = operation::write("", &path("/19/1/0"), WriteMode::Replace, ContentFormat::OPAQUE, &bytes);
    assert_eq!(ask(&mut client, request).code, Code::CHANGED);
    assert_eq!(client.get(&path("/19/1/0")), Some(&Value::Opaque(vec![1, 2, 3])));
}

/// LightweightM2M-1.1-int-241, -680, -685, -1630, -1635.
#[test]
fn things_are_executed_created_and_deleted() {
    let mut client = client(Version::V1_1);
    let argument = Argument { digit: 0, value: None };
    assert_eq!(ask(&mut client, operation::execute("", &path("/3/0/4"), std::slice::from_ref(&argument))).code, Code::CHANGED);
    assert_eq!(client.take_executed(), [(path("/3/0/4"), vec![argument])]);
    let names = |instance| [Entry::new(Path::resource_instance(16, instance, 0, 1), Value::Text("Host".into()))];
    let create = |entries: &[Entry]| operation::create("", &path("/16"), ContentFormat::TLV, entries);
    let created = ask(&mut client, create(&names(1)));
    assert_eq!((created.code, created.location), (Code::CREATED, vec!["16".to_owned(), "1".into()]));
    assert_eq!(ask(&mut client, create(&names(1))).code, Code::BAD_REQUEST, "it is there already");
    assert!(client.register().list.has_instance(16, 1));
    assert_eq!(ask(&mut client, operation::delete("", &path("/16/1"))).code, Code::DELETED);
    assert_eq!(ask(&mut client, operation::delete("", &path("/16/1"))).code, Code::NOT_FOUND);
    assert_eq!(ask(&mut client, operation::delete("", &path("/3/0"))).code, Code::METHOD_NOT_ALLOWED);
    let device = [Entry::new(path("/3/1/9"), Value::Integer(1))];
    let device = operation::create("", &path("/3"), ContentFormat::TLV, &device);
    assert_eq!(ask(&mut client, device).code, Code::METHOD_NOT_ALLOWED);
}

/// LightweightM2M-1.1-int-260.
#[test]
fn discovery_tells_attributes() {
    let mut client = client(Version::V1_1);
    assert_eq!(attributes(&mut client, "/3/0/7", &["lt=1", "gt=6", "st=1"]), Code::CHANGED);
    assert_eq!(attributes(&mut client, "/3/0/7", &["lt=9"]), Code::BAD_REQUEST);
    assert_eq!(attributes(&mut client, "/77", &["pmin=1"]), Code::NOT_FOUND);
    let response = ask(&mut client, operation::discover("", &path("/3/0")));
    assert_eq!(response.content_format, Some(ContentFormat::LINK));
    let text = String::from_utf8(response.payload).unwrap();
    assert!(text.starts_with("</3/0>,</3/0/0>,</3/0/1>"), "{text}");
    assert!(text.contains("</3/0/7>;dim=1;gt=6;lt=1;st=1,"), "{text}");
}

/// LightweightM2M-1.1-int-301 to -303.
#[test]
fn notifications_come_between_pmin_and_pmax() {
    let mut client = client(Version::V1_1);
    assert_eq!(attributes(&mut client, "/3303/0/5700", &["pmin=5", "pmax=15"]), Code::CHANGED);
    let response = ask(&mut client, operation::observe("", &path("/3303/0/5700"), Some(ContentFormat::SENML_CBOR)));
    assert_eq!(response.observe, Some(0));
    assert_eq!(client.poll_timeout(), Some(15_000));
    client.set(path("/3303/0/5700"), Value::Float(22.0));
    assert_eq!((client.poll_timeout(), client.poll(4_999).len()), (Some(5_000), 0));
    let due = client.poll(5_000);
    assert_eq!((due.len(), due[0].observation, due[0].response.observe), (1, 7, Some(1)));
    assert_eq!(values(&client, &due[0].response, "/3303/0/5700")[0].value, Value::Float(22.0));
    assert_eq!((client.poll(19_999).len(), client.poll(20_000).len()), (0, 1), "unchanged, at pmax");
    let response = ask(&mut client, operation::cancel_observe("", &path("/3303/0/5700"), None));
    assert_eq!((response.code, response.observe, client.poll_timeout()), (Code::CONTENT, None, None));
}

#[test]
fn thresholds_and_steps_hold_notifications_back() {
    let told = |queries: &[&str], values: &[f64]| {
        let mut client = client(Version::V1_1);
        attributes(&mut client, "/3303/0/5700", queries);
        ask(&mut client, operation::observe("", &path("/3303/0/5700"), None));
        values
            .iter()
            .enumerate()
            .filter(|(at, x)| {
                client.set(path("/3303/0/5700"), Value::Float(**x));
                !client.poll(1_000 * *at as u64).is_empty()
            })
            .map(|(_, x)| *x)
            .collect::<Vec<_>>()
    };
    // It begins at 21.5.
    assert_eq!(told(&[], &[21.5, 21.6, 21.6, 21.7]), [21.6, 21.7]);
    assert_eq!(told(&["gt=25"], &[24.0, 26.0, 27.0, 25.0]), [26.0, 25.0]);
    assert_eq!(told(&["lt=20"], &[20.0, 19.0, 18.0, 21.0]), [19.0, 21.0]);
    assert_eq!(told(&["st=2"], &[22.0, 23.5, 25.0, 21.5]), [23.5, 21.5]);
}

/// LightweightM2M-1.1-int-235, -236, -280, -281, -304, -308, -309.
#[test]
fn composite_reads_and_observations_leave_out_what_is_missing() {
    let mut client = client(Version::V1_1);
    let paths = ["/3/0/16", "/1/0/1", "/1/0/8", "/3339/0/5522"].map(path);
    let response = ask(&mut client, operation::read_composite("", &paths, ContentFormat::SENML_JSON));
    let found: Vec<Path> = values(&client, &response, "/").iter().map(|entry| entry.path).collect();
    assert_eq!(found, ["/1/0/1", "/3/0/16"].map(path));
    client.set(path("/0/0/5"), Value::Opaque(vec![1]));
    let all = ask(&mut client, operation::read_composite("", &[Path::ROOT], ContentFormat::SENML_CBOR));
    assert!(values(&client, &all, "/").iter().all(|entry| entry.path.object_id() != Some(0)));
    let observe = operation::observe_composite("", &paths, ContentFormat::SENML_CBOR, Observe::Register);
    assert_eq!(ask(&mut client, observe).observe, Some(0));
    client.set(path("/1/0/1"), Value::Integer(60));
    let due = client.poll(1);
    assert_eq!(values(&client, &due[0].response, "/").len(), 2);
    let cancel = operation::observe_composite("", &paths, ContentFormat::SENML_CBOR, Observe::Cancel);
    ask(&mut client, cancel);
    client.set(path("/1/0/1"), Value::Integer(61));
    assert!(client.poll(2).is_empty());
}

#[test]
fn an_observation_ends_when_its_object_goes() {
    let mut client = client(Version::V1_1);
    ask(&mut client, operation::observe("", &path("/3303/0"), None));
    ask(&mut client, operation::delete("", &path("/3303/0")));
    assert_eq!(client.poll(1)[0].response.code, Code::NOT_FOUND);
    assert_eq!((client.poll(2).len(), client.poll_timeout()), (0, None));
}
