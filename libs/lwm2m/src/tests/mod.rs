//! The test cases of the OMA enabler test specification for LwM2M, one function for each, named and cited by its id: what the server
//! builds and reads, against a simulated client in the configuration that the cases begin with.
//!
//! Absent: cases of which the server sees nothing, CoAP and DTLS, which are libraries of their own, and what an owner decides.

mod bootstrap;
mod connectivity;
mod firmware;
mod managing;
mod objects;
mod reading;
mod registration;
mod reporting;
mod writing;

use std::sync::Arc;

use crate::bootstrap::{BootstrapConfig, SecurityInstance, SecurityMode, ServerInstance};
use crate::operation::{self, OperationError, WriteMode};
use crate::sim::{Client, Notification};
use crate::*;

const ENDPOINT: &str = "urn:imei:863703030668222";
/// The server's name for the observation of a test.
const OBSERVATION: u64 = 7;
const ALL_OBJECT_FORMATS: [ContentFormat; 5] =
    [ContentFormat::TLV, ContentFormat::JSON, ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR, ContentFormat::LWM2M_CBOR];

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

/// Values as the cases write them.
trait Plain {
    fn value(self) -> Value;
}

impl Plain for i64 {
    fn value(self) -> Value {
        Value::Integer(self)
    }
}

impl Plain for bool {
    fn value(self) -> Value {
        Value::Boolean(self)
    }
}

impl Plain for f64 {
    fn value(self) -> Value {
        Value::Float(self)
    }
}

impl Plain for &str {
    fn value(self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl Plain for &[u8] {
    fn value(self) -> Value {
        Value::Opaque(self.to_vec())
    }
}

impl Plain for Value {
    fn value(self) -> Value {
        self
    }
}

fn entry(at: &str, value: impl Plain) -> Entry {
    Entry::new(path(at), value.value())
}

fn reading(models: &ObjectModels) -> Reading<'_> {
    Reading { models: models.newest(), root: "", limits: DecodeLimits::default() }
}

/// A server's view of one client: its definitions, and what the client registered.
struct Bench {
    client: Client,
    models: Arc<ObjectModels>,
    register: RegisterRequest,
}

impl Bench {
    /// A client with the server and device objects that the cases begin with, registered.
    fn new(version: Version) -> Self {
        let models = Arc::new(ObjectModels::builtin());
        let client = Client::with_models(ENDPOINT, version, Arc::clone(&models));
        let mut bench = Self { register: client.register(), client, models };
        bench.set(&[
            entry("/1/0/0", 1),
            entry("/1/0/1", 86_400),
            entry("/1/0/2", 1),
            entry("/1/0/3", 10),
            entry("/1/0/5", 86_400),
            entry("/1/0/6", false),
            entry("/1/0/7", "U"),
            entry("/3/0/0", "Open Mobile Alliance"),
            entry("/3/0/1", "Lightweight M2M Client"),
            entry("/3/0/2", "345000123"),
            entry("/3/0/3", "1.0"),
            entry("/3/0/6/0", 1),
            entry("/3/0/6/1", 5),
            entry("/3/0/7/0", 3_800),
            entry("/3/0/7/1", 5_000),
            entry("/3/0/8/0", 125),
            entry("/3/0/8/1", 900),
            entry("/3/0/9", 100),
            entry("/3/0/11/0", 0),
            entry("/3/0/13", Value::Time(1_367_491_215)),
            entry("/3/0/16", "U"),
        ]);
        bench.registers();
        bench
    }

    fn set(&mut self, entries: &[Entry]) {
        entries.iter().for_each(|entry| self.client.set(entry.path, entry.value.clone()));
    }

    /// The client registers, by what it writes on the wire.
    fn registers(&mut self) {
        let request = self.client.register().to_request();
        let limits = LinkLimits::default();
        self.register = RegisterRequest::parse(&request.query, request.content_format, &request.payload, &limits).unwrap();
    }

    fn ask(&mut self, request: Result<Request, OperationError>) -> Response {
        self.client.handle(0, OBSERVATION, &request.unwrap())
    }

    fn values(&self, response: &Response, at: &str) -> Vec<Entry> {
        operation::values(response, &path(at), &reading(&self.models)).unwrap().whole().unwrap()
    }

    /// Reads; the answer must be 2.05 in the format that was wanted.
    fn read(&mut self, at: &str, format: ContentFormat) -> Vec<Entry> {
        let response = self.ask(operation::read("", &path(at), Some(format)));
        assert_eq!((response.code, response.content_format), (Code::CONTENT, Some(format)), "{at} in {format}");
        self.values(&response, at)
    }

    /// The one value at a path, however the client likes to say it.
    fn value(&mut self, at: &str) -> Value {
        let response = self.ask(operation::read("", &path(at), None));
        assert_eq!(response.code, Code::CONTENT, "{at}");
        let mut values = self.values(&response, at);
        assert_eq!((values.len(), values[0].path), (1, path(at)));
        values.remove(0).value
    }

    /// The paths at or below `at` that are read, as texts.
    fn paths(&mut self, at: &str, format: ContentFormat) -> Vec<String> {
        self.read(at, format).iter().map(|entry| entry.path.to_string()).collect()
    }

    /// Replaces one resource or resource instance.
    fn write(&mut self, format: ContentFormat, entry: &Entry) -> Code {
        let written = std::slice::from_ref(entry);
        self.ask(operation::write("", &entry.path, WriteMode::Replace, format, written)).code
    }

    fn update(&mut self, at: &str, format: ContentFormat, entries: &[Entry]) -> Code {
        self.ask(operation::write("", &path(at), WriteMode::Update, format, entries)).code
    }

    fn attributes(&mut self, at: &str, queries: &[&str]) -> Code {
        let change = AttributeChange::parse(queries).unwrap();
        self.ask(operation::write_attributes("", &path(at), &change)).code
    }

    fn execute(&mut self, at: &str) -> Code {
        self.ask(operation::execute("", &path(at), &[])).code
    }

    /// Observes; the answer must be 2.05 and begin the observation.
    fn observe(&mut self, at: &str) -> Vec<Entry> {
        let response = self.ask(operation::observe("", &path(at), Some(ContentFormat::SENML_CBOR)));
        assert_eq!((response.code, response.observe), (Code::CONTENT, Some(0)), "{at}");
        self.values(&response, at)
    }

    /// The only notification that is due, as values.
    fn notified(&mut self, now_ms: u64, at: &str) -> Vec<Entry> {
        let due = self.client.poll(now_ms);
        let [Notification { observation: OBSERVATION, response, .. }] = &due[..] else { panic!("{due:?}") };
        assert_eq!(response.code, Code::CONTENT);
        self.values(response, at)
    }
}

fn account(instance: u16, short_id: u16) -> SecurityInstance {
    SecurityInstance {
        instance,
        uri: format!("coaps://server{short_id}.example.com:5684"),
        bootstrap: false,
        mode: SecurityMode::Psk,
        identity: b"863703030668222".to_vec(),
        key: b"secretkey16bytes".to_vec(),
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
        pmin_s: Some(1),
        pmax_s: Some(10),
        disable_timeout_s: Some(86_400),
        trigger: None,
        mute_send: None,
    }
}

/// One server over DTLS with a pre-shared key, after what was there is deleted.
fn one_server() -> BootstrapConfig {
    let delete = vec![Path::object(0), Path::object(1)];
    BootstrapConfig { delete, security: vec![account(0, 1)], servers: vec![behaviour(0, 1)] }
}
