//! Bootstraps against a simulated client and against scripted answers, by the enabler tests. Absent: DTLS, time.

use super::*;
use crate::codec::{self, DecodeLimits};
use crate::message::Response;
use crate::objects::ObjectModels;
use crate::path::Path;
use crate::registration::Binding;
use crate::sim::Client;
use crate::value::Value;
use crate::version::Version;

fn account(instance: u16, short_id: u16) -> SecurityInstance {
    SecurityInstance {
        instance,
        uri: "coaps://lwm2m.example.com:5684".into(),
        bootstrap: false,
        mode: SecurityMode::Psk,
        identity: b"863703030668222".to_vec(),
        key: b"\x01\x02\x03\x04".to_vec(),
        short_id,
        hold_off_s: None,
    }
}

fn behaviour(instance: u16, short_id: u16) -> ServerInstance {
    ServerInstance {
        instance,
        short_id,
        lifetime_s: 86_400,
        binding: Binding::UDP,
        notification_storing: false,
        pmin_s: None,
        pmax_s: None,
        disable_timeout_s: None,
        trigger: None,
        mute_send: None,
    }
}

fn config() -> BootstrapConfig {
    BootstrapConfig {
        delete: vec![Path::object(0), Path::object(1)],
        security: vec![account(0, 1)],
        servers: vec![behaviour(0, 1)],
    }
}

#[test]
fn requests_are_read() {
    let parse = |text: &str| BootstrapRequest::parse(&text.split('&').collect::<Vec<_>>());
    let request = parse("ep=urn:imei:863703030668222&pct=112&x=y").unwrap();
    assert_eq!((request.endpoint.as_deref(), request.format()), (Some("urn:imei:863703030668222"), ContentFormat::SENML_CBOR));
    assert_eq!(parse("ep=a").unwrap().format(), ContentFormat::TLV);
    assert_eq!(parse("ep=a&pct=60").unwrap().format(), ContentFormat::TLV, "a single value cannot carry an instance");
    assert_eq!(parse("ep="), Err(BootstrapRequestError::Endpoint));
    assert_eq!(parse("ep=a&ep=b"), Err(BootstrapRequestError::Twice("ep")));
    assert_eq!(parse("ep=a&pct=x"), Err(BootstrapRequestError::Format));
    assert_eq!(parse("ep=a").unwrap().to_request().query, ["ep=a"]);
}

#[test]
fn a_configuration_must_be_usable() {
    let with = |change: &dyn Fn(&mut BootstrapConfig)| {
        let mut config = config();
        change(&mut config);
        config.validate()
    };
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(with(&|c| c.security.clear()), Err(ConfigError::ShortId(1)));
    assert_eq!(BootstrapConfig::default().validate(), Err(ConfigError::NoServer));
    assert_eq!(with(&|c| c.servers.clear()), Err(ConfigError::ShortId(1)));
    assert_eq!(with(&|c| c.security.push(account(0, 2))), Err(ConfigError::Instance(Path::instance(0, 0))));
    assert_eq!(with(&|c| c.security.push(account(1, 1))), Err(ConfigError::ShortId(1)));
    assert_eq!(with(&|c| c.security[0].short_id = 65_535), Err(ConfigError::ShortId(65_535)));
    assert_eq!(with(&|c| c.security[0].uri = "coap://x".into()), Err(ConfigError::Uri(0)));
    assert_eq!(with(&|c| c.security[0].key.clear()), Err(ConfigError::Key(0)));
    assert_eq!(with(&|c| c.delete.push(Path::resource(3, 0, 9))), Err(ConfigError::Delete(Path::resource(3, 0, 9))));
    assert_eq!(with(&|c| c.delete = vec![Path::ROOT; 17]), Err(ConfigError::TooMany));
    let shown = format!("{:?}", config());
    assert!(!shown.contains("863703030668222") && !shown.contains("[1, 2, 3, 4]"), "{shown}");
}

/// Plays a bootstrap with a simulated client; returns the requests as method and path.
fn play(client: &mut Client, config: BootstrapConfig, discover: bool) -> (Vec<String>, Progress) {
    let mut sequence = Sequence::new(config, client.bootstrap().format(), discover).unwrap();
    let mut requests = Vec::new();
    while let Some(request) = sequence.next_request().unwrap() {
        requests.push(format!("{:?} /{}", request.method, request.path.join("/")));
        let response = client.handle(0, 0, &request);
        sequence.answered(&response);
    }
    (requests, sequence.progress())
}

fn with_bootstrap_account(version: Version, instance: u16) -> Client {
    let mut client = Client::new("863703030668222", version);
    client.set(Path::resource(0, instance, 0), Value::Text("coaps://bootstrap.example.com".into()));
    client.set(Path::resource(0, instance, 1), Value::Boolean(true));
    client
}

/// LightweightM2M-1.1-int-1 and -4, in TLV and in SenML CBOR.
#[test]
fn a_client_is_told_its_server() {
    for version in [Version::V1_0, Version::V1_1] {
        let mut client = with_bootstrap_account(version, 1);
        let (requests, progress) = play(&mut client, config(), false);
        assert_eq!(requests, ["Delete /0", "Delete /1", "Put /0/0", "Put /1/0", "Post /bs"]);
        assert_eq!(progress, Progress::Finished);
        assert!(!client.is_bootstrapping());
        let value = |path: Path| client.get(&path).cloned();
        assert_eq!(value(Path::resource(0, 0, 5)), Some(Value::Opaque(vec![1, 2, 3, 4])));
        assert_eq!(value(Path::resource(0, 0, 10)), Some(Value::Integer(1)));
        assert_eq!(value(Path::resource(1, 0, 7)), Some(Value::Text("U".into())));
        assert_eq!(value(Path::resource(0, 1, 1)), Some(Value::Boolean(true)), "the bootstrap account stays");
    }
}

#[test]
fn a_bootstrap_account_is_not_written_over() {
    let mut client = with_bootstrap_account(Version::V1_1, 0);
    let (requests, progress) = play(&mut client, config(), true);
    assert_eq!(requests, ["Get /", "Delete /0", "Delete /1", "Put /0/1", "Put /1/0", "Post /bs"]);
    assert_eq!(progress, Progress::Finished);
    assert_eq!(client.get(&Path::resource(0, 0, 1)), Some(&Value::Boolean(true)));
}

/// What a client can answer, step by step; LightweightM2M-1.1-int-9 is the last but one.
#[test]
fn refusals_and_silence_end_it_by_name() {
    let ok = [Code::DELETED, Code::NOT_FOUND, Code::CHANGED, Code::CHANGED, Code::CHANGED];
    let cases = [
        (0, Code::METHOD_NOT_ALLOWED, BootstrapFailure::Refused(StepName::Delete(Path::object(0)), Code::METHOD_NOT_ALLOWED)),
        (2, Code::BAD_REQUEST, BootstrapFailure::Refused(StepName::Write(Path::instance(0, 0)), Code::BAD_REQUEST)),
        (4, Code::NOT_ACCEPTABLE, BootstrapFailure::Inconsistent),
        (4, Code::BAD_REQUEST, BootstrapFailure::Refused(StepName::Finish, Code::BAD_REQUEST)),
    ];
    for (at, code, failure) in cases {
        let mut sequence = Sequence::new(config(), ContentFormat::TLV, false).unwrap();
        for (step, good) in ok.into_iter().enumerate().take(at + 1) {
            assert!(sequence.next_request().unwrap().is_some());
            assert_eq!(sequence.next_request(), Ok(None), "one at a time");
            sequence.answered(&Response::new(if step == at { code } else { good }));
        }
        assert_eq!(sequence.progress(), Progress::Failed(failure));
        assert_eq!(sequence.next_request(), Ok(None));
        assert_eq!(sequence.answered(&Response::new(Code::CHANGED)), Progress::Failed(failure), "an answer too late");
    }
    let mut sequence = Sequence::new(config(), ContentFormat::TLV, true).unwrap();
    assert_eq!(sequence.answered(&Response::new(Code::CHANGED)), Progress::Ready, "an answer to nothing");
    sequence.next_request().unwrap();
    assert_eq!(sequence.no_answer(), Progress::Failed(BootstrapFailure::NoAnswer(StepName::Discover)));
}

#[test]
fn a_client_that_cannot_discover_goes_on() {
    let mut sequence = Sequence::new(config(), ContentFormat::TLV, true).unwrap();
    sequence.next_request().unwrap();
    assert_eq!(sequence.answered(&Response::new(Code::METHOD_NOT_ALLOWED)), Progress::Ready);
    assert_eq!(sequence.next_request().unwrap().unwrap().method, Method::Delete);
}

/// LightweightM2M-1.2-int-12.
#[test]
fn a_pack_is_one_document() {
    let models = ObjectModels::builtin();
    for format in [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR, ContentFormat::LWM2M_CBOR] {
        let pack = config().pack(format).unwrap();
        assert_eq!((pack.code, pack.content_format), (Code::CONTENT, Some(format)));
        let entries = codec::decode(format, &Path::ROOT, &pack.payload, models.newest(), &DecodeLimits::default()).unwrap();
        assert_eq!((entries.len(), entries[0].path, entries[7].path), (11, Path::resource(0, 0, 0), Path::resource(1, 0, 0)));
    }
    assert!(config().pack(ContentFormat::TLV).is_err());
}

/// The letter Q in a binding is of 1.0: a client that refuses it gets the others.
#[test]
fn queue_mode_is_kept_where_the_client_takes_it() {
    for (takes, written) in [(true, vec!["UQ"]), (false, vec!["UQ", "U"])] {
        let mut queued = config();
        queued.servers[0].binding.queue = true;
        let mut sequence = Sequence::new(queued, ContentFormat::SENML_JSON, false).unwrap();
        let mut told = vec![];
        while let Some(request) = sequence.next_request().unwrap() {
            let binding = String::from_utf8(request.payload).unwrap();
            let binding = ["UQ", "U"].into_iter().find(|letters| binding.contains(&format!("\"vs\":\"{letters}\"")));
            told.extend(binding);
            let code = match (request.method, binding) {
                (Method::Delete, _) => Code::DELETED,
                (_, Some("UQ")) if !takes => Code::BAD_REQUEST,
                _ => Code::CHANGED,
            };
            sequence.answered(&Response::new(code));
        }
        assert_eq!((told, sequence.progress()), (written, Progress::Finished));
    }
}
