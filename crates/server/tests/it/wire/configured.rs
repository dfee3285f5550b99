//! What an operator may set: flow control of one application, and a certificate of their own.

use super::{
    api::{self, App, admin},
    server::Server,
};
use serde_json::json;

#[test]
fn flow_control_is_for_each_application_and_operation_and_can_be_switched_off() {
    let server = Server::start_with(&[("LANDFALL_NORTHBOUND_CALLS_PER_MINUTE", "2")]);
    let account = api::account(&server, "flow");
    let app = App::create(&server, &account, "app");
    let list = "/iocm/app/dm/v1.4.0/devices?pageNo=0";
    assert_eq!([(); 3].map(|()| app.call("GET", list, None).status), [200, 200, 403]);
    let throttled = app.call("GET", list, None);
    assert_eq!(throttled.text, r#"{"error_code":"1010009","error_desc":"app throttle exceed."}"#);
    assert_eq!(app.call("GET", "/iocm/app/sub/v1.2.0/subscriptions", None).status, 200, "another operation");
    assert_eq!(App::create(&server, &account, "other").call("GET", list, None).status, 200, "another application");
    let path = format!("/apps/{}?account={account}", app.id);
    let off = admin(&server, "PATCH", &path, Some(json!({"limits": {"callsPerMinute": 0}})));
    assert_eq!(off.status, 200, "{}", off.text);
    assert_eq!([(); 5].map(|()| app.call("GET", list, None).status), [200; 5]);
}

#[test]
fn an_operator_may_bring_their_own_certificate() {
    let issuer = Server::start();
    let file = |name: &str| issuer.data().join(name).display().to_string();
    let (certificate, key) = (file("server.pem"), file("server.key"));
    let server = Server::start_with(&[("LANDFALL_TLS_CERTIFICATE", &certificate), ("LANDFALL_TLS_KEY", &key)]);
    assert!(!server.data().join("ca.pem").exists(), "no authority is made");
    std::fs::copy(issuer.data().join("ca.pem"), server.data().join("ca.pem")).unwrap();
    let account = api::account(&server, "own");
    let product = api::thermometer(&server, &account);
    let (id, secret) = App::create(&server, &account, "app").register("n", &product);
    super::device::Device::login(&server, &id, &secret).close();
}
