//! Device-to-Cloud over oneM2M, as its applications use it; answers of the contract's operations are held to it.

mod containers;
mod device;
mod golden;
mod groups;
mod nodes;
mod provisioning;
mod reasons;
mod requests;
mod subscriptions;
mod tree;
mod walls;

use super::{
    api::{self, Answer, App, admin},
    server::{Server, until},
};
use landfall_testkit::Contract;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

const BASE: &str = "/device-management-orchestrator/v3";
/// The key of every device, in base64 and in clear.
const KEY: &str = "c29tZU5ld1JhbmRvbUQyY1Bhc3N3b3Jk";
const KEY_BYTES: &[u8] = b"someNewRandomD2cPassword";

/// An application of Device-to-Cloud.
struct Client<'a> {
    app: App<'a>,
    tenant: String,
    originator: String,
    token: String,
}

impl<'a> Client<'a> {
    /// An application in an account of its own; the account's name is the tenant.
    fn start(server: &'a Server, tenant: &str) -> Self {
        api::account(server, tenant);
        Self::join(server, tenant, "app")
    }

    /// A further application in an account.
    fn join(server: &'a Server, tenant: &str, name: &str) -> Self {
        let app = App::create(server, tenant, name);
        let (originator, path) = (format!("C{name}"), format!("/apps/{}/originator", app.id));
        let set = admin(server, "PUT", &format!("{path}?account={tenant}"), Some(json!({"originator": originator})));
        assert_eq!(set.status, 200, "{}", set.text);
        let rotated = admin(server, "POST", &format!("{path}/token?account={tenant}"), None);
        assert_eq!(rotated.status, 200, "{}", rotated.text);
        Self { app, tenant: tenant.to_owned(), originator, token: api::text(&rotated.json(), "token") }
    }

    /// The same application after a restart of the server.
    fn known(server: &'a Server, identity: &[String; 5]) -> Self {
        let [id, secret, tenant, originator, token] = identity.clone();
        let app = App { server, id, secret, token: String::new() };
        Self { app, tenant, originator, token }
    }

    fn identity(&self) -> [String; 5] {
        [&self.app.id, &self.app.secret, &self.tenant, &self.originator, &self.token].map(Clone::clone)
    }

    /// Somebody who says something else than they may.
    fn disguised(&self, tenant: &str, originator: &str, token: &str) -> Self {
        let [id, secret, ..] = self.identity();
        Self::known(self.app.server, &[id, secret, tenant.to_owned(), originator.to_owned(), token.to_owned()])
    }

    /// Calls an operation of the contract; `path` begins below the tenant.
    fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let ty = if method == "POST" { Some(28) } else { None };
        let answer = self.send(method, path, ty, body);
        if let Err(violation) = Contract::onem2m().check_answer(method, path, answer.status, answer.text.as_bytes()) {
            panic!("{method} {path} -> {} {}: {violation}", answer.status, answer.text);
        }
        answer
    }

    /// Sends any request; the answer must have the headers that every answer has.
    fn send(&self, method: &str, path: &str, ty: Option<u8>, body: Option<Value>) -> Answer {
        self.send_with(method, path, ty, body.map(|body| body.to_string().into_bytes()), &[])
    }

    fn send_with(&self, method: &str, path: &str, ty: Option<u8>, body: Option<Vec<u8>>, more: &[(&str, &str)]) -> Answer {
        static REQUESTS: AtomicU64 = AtomicU64::new(0);
        let id = format!("request-{}", REQUESTS.fetch_add(1, Ordering::SeqCst));
        let bearer = format!("Bearer {}", self.token);
        let content_type = ty.map_or("application/json".to_owned(), |ty| format!("application/json;ty={ty}"));
        let mut headers = vec![
            ("Accept", "application/json"),
            ("Content-Type", &content_type),
            ("X-M2M-Origin", &self.originator),
            ("X-M2M-RI", &id),
            ("Authorization", &bearer),
        ];
        headers.extend(more);
        let answer = api::send(self.app.server, method, &format!("{BASE}/{}{path}", self.tenant), &headers, body.as_deref());
        assert_eq!(header(&answer, "x-m2m-ri"), id, "{method} {path} {answer:?}");
        assert_eq!(header(&answer, "x-m2m-rvi"), "4", "{method} {path} {answer:?}");
        let time = header(&answer, "x-m2m-ot");
        assert!(time.len() == 24 && time.ends_with('Z') && time.contains('.'), "{time}");
        assert_eq!(header(&answer, "cache-control"), "no-cache, no-store, max-age=0, must-revalidate");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        let kind = if answer.text.is_empty() { "text/plain; charset=utf-8" } else { "application/json; charset=utf-8" };
        assert_eq!(header(&answer, "content-type"), kind, "{method} {path} {answer:?}");
        answer
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, None)
    }

    /// Reads a resource that must be there; gives what is below its root.
    fn read(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!((answer.status, rsc(&answer)), (200, 2000), "GET {path}: {}", answer.text);
        inner(&answer)
    }

    /// Makes a resource; gives what is below its root.
    fn create(&self, path: &str, ty: u8, body: Value) -> Value {
        let answer = self.send("POST", path, Some(ty), Some(body));
        assert_eq!((answer.status, rsc(&answer)), (201, 2001), "POST {path}: {}", answer.text);
        inner(&answer)
    }

    /// Asks for nodes; gives the id of the request.
    fn request(&self, nodes: &[Value]) -> String {
        let answer = self.call("POST", "/device-provisioning/request", Some(request(nodes)));
        assert_eq!((answer.status, rsc(&answer)), (201, 2001), "{}", answer.text);
        api::text(&inner(&answer), "ri")
    }

    /// What came of a request, once it is over.
    fn outcome(&self, request: &str) -> Value {
        let path = format!("/device-provisioning/response/responseToRequest-{request}");
        until("the outcome of a provisioning request", || {
            let answer = self.call("GET", &path, None);
            if answer.status == 404 {
                assert_eq!(rsc(&answer), 4004);
                return None;
            }
            assert_eq!(answer.status, 200, "{}", answer.text);
            Some(inner(&answer))
        })
    }

    /// Asks for nodes and waits for the outcome.
    fn provision(&self, nodes: &[Value]) -> Value {
        self.outcome(&self.request(nodes))
    }

    /// Nodes of the tenant that the application sees, by name.
    fn nodes(&self) -> Vec<String> {
        let base = self.read("?rcn=4&ty=14&limit=10000&offset=0");
        let nodes = base["m2m:nod"].as_array().cloned().unwrap_or_default();
        nodes.iter().map(|node| api::text(node, "rn")).collect()
    }
}

/// The body of a provisioning request without a name.
fn request(nodes: &[Value]) -> Value {
    json!({"dtiot:noPRt": {"cnd": "com.telekom.iot.orchestrator.nodeProvisioningRequest", "opern": 1, "reqLt": nodes}})
}

/// An entry with all that a node needs.
fn node(name: &str) -> Value {
    json!({
        "ni": format!("urn:gsma:imei:{name}"), "noRNe": name, "profe": "SCS-LwM2M", "lbl": ["d2c:1.0"],
        "nCr": [format!("psk-id:{name}-id"), format!("psk:{KEY}")]
    })
}

/// An entry with changes; null takes an attribute away.
fn node_with(name: &str, change: Value) -> Value {
    let mut entry = node(name);
    for (attribute, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(entry.as_object_mut().unwrap().remove(attribute)),
            value => entry[attribute] = value.clone(),
        }
    }
    entry
}

/// What is below the only root of an answer.
fn inner(answer: &Answer) -> Value {
    let body = answer.json();
    let members = body.as_object().unwrap_or_else(|| panic!("{answer:?}"));
    assert_eq!(members.len(), 1, "{answer:?}");
    members.values().next().unwrap().clone()
}

fn header<'b>(answer: &'b Answer, name: &str) -> &'b str {
    answer.headers.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
}

/// `X-M2M-RSC`
fn rsc(answer: &Answer) -> u16 {
    header(answer, "x-m2m-rsc").parse().unwrap_or_default()
}

/// Status, code and text of a refusal.
fn refusal(answer: &Answer) -> (u16, u16, String) {
    (answer.status, rsc(answer), answer.json()["m2m:dbg"].as_str().unwrap_or_default().to_owned())
}

fn start() -> Server {
    Server::start_with(&[("LANDFALL_NORTHBOUND_CALLS_PER_MINUTE", "0")])
}
