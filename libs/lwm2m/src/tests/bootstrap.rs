//! Bootstrap interface, 0 to 99. Absent: smartcards, certificates, enrolment, OSCORE, and where a client looks for a server first.

use super::*;
use crate::bootstrap::{BootstrapFailure, BootstrapRequest, Progress, Sequence};

/// A client that knows only a bootstrap server.
fn unprovisioned(version: Version) -> Client {
    let mut client = Client::new(ENDPOINT, version);
    client.set(Path::resource(0, 0, 0), Value::Text("coaps://bootstrap.example.com:5684".into()));
    client.set(Path::resource(0, 0, 1), Value::Boolean(true));
    client
}

/// The Bootstrap-Request of a client as the server reads it from the wire.
fn asked(client: &mut Client) -> BootstrapRequest {
    let request = client.bootstrap().to_request();
    assert_eq!((request.method, request.path.join("/").as_str()), (Method::Post, "bs"));
    BootstrapRequest::parse(&request.query).unwrap()
}

/// Plays the server's part; returns each request with the code that the client answered.
fn play(client: &mut Client, config: BootstrapConfig) -> (Vec<String>, Progress) {
    let format = asked(client).format();
    let mut sequence = Sequence::new(config, format, true).unwrap();
    let mut lines = Vec::new();
    while let Some(request) = sequence.next_request().unwrap() {
        let response = client.handle(0, 0, &request);
        lines.push(format!("{:?} /{} {:?}", request.method, request.path.join("/"), response.code));
        sequence.answered(&response);
    }
    (lines, sequence.progress())
}

fn known(client: &Client, at: &str) -> Option<Value> {
    client.get(&path(at)).cloned()
}

/// `LightweightM2M-1.1-int-0`: from the client's request to Finish, without security.
#[test]
fn int_0_client_initiated_bootstrap() {
    let mut plain = account(1, 1);
    (plain.uri, plain.mode) = ("coap://server1.example.com:5683".into(), SecurityMode::NoSec);
    (plain.identity, plain.key) = (Vec::new(), Vec::new());
    let config = BootstrapConfig { security: vec![plain], ..one_server() };
    for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
        let mut client = unprovisioned(version);
        assert_eq!(asked(&mut client).endpoint.as_deref(), Some(ENDPOINT));
        let (lines, progress) = play(&mut client, config.clone());
        let wanted = ["Get / 2.05", "Delete /0 2.02", "Delete /1 2.02", "Put /0/1 2.04", "Put /1/0 2.04", "Post /bs 2.04"];
        assert_eq!((lines, progress), (wanted.map(str::to_owned).to_vec(), Progress::Finished), "{version}");
        assert_eq!(known(&client, "/0/1/0"), Some("coap://server1.example.com:5683".value()));
        assert_eq!(known(&client, "/0/1/2"), Some(3.value()), "no security");
        assert!(client.register().list.has_instance(1, 0));
    }
}

/// `LightweightM2M-1.1-int-1`: every resource of the account and of the server object arrives.
#[test]
fn int_1_client_initiated_bootstrap_full_psk() {
    let mut client = unprovisioned(Version::V1_1);
    let (_, progress) = play(&mut client, one_server());
    assert_eq!(progress, Progress::Finished);
    let wanted = [
        entry("/0/1/0", "coaps://server1.example.com:5684"),
        entry("/0/1/1", false),
        entry("/0/1/2", 0),
        entry("/0/1/3", &b"863703030668222"[..]),
        entry("/0/1/5", &b"secretkey16bytes"[..]),
        entry("/0/1/10", 1),
        entry("/1/0/0", 1),
        entry("/1/0/1", 86_400),
        entry("/1/0/2", 1),
        entry("/1/0/3", 10),
        entry("/1/0/5", 86_400),
        entry("/1/0/6", false),
        entry("/1/0/7", "U"),
    ];
    for entry in wanted {
        assert_eq!(client.get(&entry.path), Some(&entry.value), "{}", entry.path);
    }
    assert_eq!(known(&client, "/0/0/1"), Some(true.value()), "the bootstrap account stays");
}

/// `LightweightM2M-1.1-int-4`: an object instance, and everything there is.
#[test]
fn int_4_bootstrap_delete() {
    let mut client = unprovisioned(Version::V1_1);
    let two = BootstrapConfig {
        security: vec![account(1, 1), account(2, 2)],
        servers: vec![behaviour(0, 1), behaviour(1, 2)],
        ..one_server()
    };
    assert_eq!(play(&mut client, two).1, Progress::Finished);
    let delete = vec![path("/1/1"), path("/0/2"), path("/1/9")];
    let (lines, progress) = play(&mut client, BootstrapConfig { delete, ..one_server() });
    assert_eq!(lines[1..4], ["Delete /1/1 2.02", "Delete /0/2 2.02", "Delete /1/9 4.04"]);
    assert_eq!((progress, known(&client, "/1/1/0"), known(&client, "/0/2/0")), (Progress::Finished, None, None));
    let (lines, progress) = play(&mut client, BootstrapConfig { delete: vec![Path::ROOT], ..one_server() });
    assert_eq!((lines[1].as_str(), progress), ("Delete / 2.02", Progress::Finished));
    assert!(known(&client, "/0/0/1").is_some() && known(&client, "/3/0/0").is_some(), "its own account and object 3 stay");
    assert!(known(&client, "/6/0/0").is_none());
}

/// `LightweightM2M-1.1-int-5`: the server triggers it by executing resource 9 of the server object.
#[test]
fn int_5_server_initiated_bootstrap() {
    let mut bench = Bench::new(Version::V1_1);
    bench.set(&[entry("/0/0/1", true)]);
    assert_eq!(bench.execute("/1/0/9"), Code::CHANGED);
    assert_eq!(bench.client.take_executed(), [(path("/1/0/9"), vec![])]);
    assert_eq!(play(&mut bench.client, one_server()).1, Progress::Finished);
    bench.registers();
    assert_eq!(bench.register.endpoint.as_deref(), Some(ENDPOINT));
}

/// `LightweightM2M-1.1-int-6`: the server's part of the sequence keeps its order, one request at a time.
#[test]
fn int_6_bootstrap_sequence() {
    let mut client = unprovisioned(Version::V1_1);
    let mut sequence = Sequence::new(one_server(), asked(&mut client).format(), false).unwrap();
    for (method, at) in
        [(Method::Delete, "0"), (Method::Delete, "1"), (Method::Put, "0/0"), (Method::Put, "1/0"), (Method::Post, "bs")]
    {
        let request = sequence.next_request().unwrap().unwrap();
        assert_eq!((request.method, request.path.join("/").as_str()), (method, at));
        assert_eq!(sequence.next_request(), Ok(None), "not before the answer to {at}");
        let answer = client.handle(0, 0, &request);
        sequence.answered(&answer);
    }
    assert_eq!(sequence.progress(), Progress::Finished);
    let mut silent = Sequence::new(one_server(), ContentFormat::TLV, false).unwrap();
    silent.next_request().unwrap();
    assert!(matches!(silent.no_answer(), Progress::Failed(BootstrapFailure::NoAnswer(_))));
}

/// `LightweightM2M-1.1-int-8`: the server object is told, keys are not.
#[test]
fn int_8_bootstrap_read() {
    let mut bench = Bench::new(Version::V1_1);
    bench.set(&[entry("/0/0/1", true), entry("/0/0/5", &b"secretkey16bytes"[..])]);
    asked(&mut bench.client);
    let server = bench.read("/1", ContentFormat::SENML_CBOR);
    assert!(server.contains(&entry("/1/0/0", 1)) && server.contains(&entry("/1/0/1", 86_400)));
    let keys = bench.ask(operation::read("", &path("/0"), Some(ContentFormat::SENML_CBOR)));
    assert_eq!((keys.code, keys.payload.len()), (Code::METHOD_NOT_ALLOWED, 0));
    assert!(bench.client.is_bootstrapping());
}

/// `LightweightM2M-1.1-int-9`: a client that is left without a server object answers 4.06 to Finish, and can be told again.
#[test]
fn int_9_bootstrap_and_configuration_consistency() {
    let mut client = unprovisioned(Version::V1_1);
    let mut sequence = Sequence::new(one_server(), asked(&mut client).format(), true).unwrap();
    while let Some(request) = sequence.next_request().unwrap() {
        if request.path == ["bs"] {
            assert_eq!(client.handle(0, 0, &operation::delete("", &path("/1/0")).unwrap()).code, Code::DELETED);
        }
        let response = client.handle(0, 0, &request);
        sequence.answered(&response);
    }
    assert_eq!(sequence.progress(), Progress::Failed(BootstrapFailure::Inconsistent));
    assert_eq!(play(&mut client, one_server()).1, Progress::Finished);
}

/// `LightweightM2M-1.2-int-12`: all of it in one document.
#[test]
fn int_12_bootstrap_via_bootstrap_pack_request() {
    let models = ObjectModels::builtin();
    for format in [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR, ContentFormat::LWM2M_CBOR] {
        let pack = one_server().pack(format).unwrap();
        assert_eq!((pack.code, pack.content_format), (Code::CONTENT, Some(format)));
        let entries = operation::values(&pack, &Path::ROOT, &reading(&models)).unwrap().whole().unwrap();
        for wanted in [entry("/0/0/5", &b"secretkey16bytes"[..]), entry("/0/0/10", 1), entry("/1/0/1", 86_400)] {
            assert!(entries.contains(&wanted), "{format} {}", wanted.path);
        }
    }
}

/// `LightweightM2M-1.1-int-950`: a client is told of several servers; each sees the registration that is meant for it.
#[test]
fn int_950_multi_servers_registration() {
    let mut client = unprovisioned(Version::V1_1);
    let two = BootstrapConfig {
        security: vec![account(1, 101), account(2, 102)],
        servers: vec![behaviour(0, 101), behaviour(1, 102)],
        ..one_server()
    };
    assert_eq!(play(&mut client, two).1, Progress::Finished);
    for (security, server, short_id) in [("/0/1/10", "/1/0/0", 101), ("/0/2/10", "/1/1/0", 102)] {
        assert_eq!((known(&client, security), known(&client, server)), (Some(short_id.value()), Some(short_id.value())));
    }
    let list = client.register().list;
    assert!(list.has_instance(1, 0) && list.has_instance(1, 1) && !list.has_object(0));
}
