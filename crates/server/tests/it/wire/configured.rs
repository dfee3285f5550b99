//! What an operator may set: flow control of one application, dialects that are off, and a certificate of their own.

use super::{
    api::{self, App, admin},
    receiver::Receiver,
    server::{Server, until},
};
use landfall_north::{dialect::Dialect, dialects::DIALECTS};
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

/// What each dialect answers to a path that it does not have, wherever the server is.
fn unknown(server: &Server) -> Vec<(&'static str, u16, String)> {
    let asked = |dialect: &Dialect| {
        let answer = api::send(server, "GET", &format!("{}/no/such/path", dialect.prefixes[0]), &[], None);
        (dialect.name, answer.status, answer.text.replace(&server.url(), ""))
    };
    DIALECTS.iter().map(asked).collect()
}

#[test]
fn a_dialect_that_is_off_is_unknown_and_the_others_go_on() {
    let server = Server::start();
    let said = unknown(&server);
    assert!(said.iter().all(|(_, status, text)| *status >= 400 && text.starts_with('{')), "each in its own words: {said:?}");
    for dialect in DIALECTS {
        let variable = format!("LANDFALL_{}_ENABLED", dialect.name.to_uppercase());
        let server = Server::start_with(&[(&variable, "false")]);
        for (of, before) in unknown(&server).into_iter().zip(&said) {
            let expected = if of.0 == dialect.name { (of.0, 404, String::new()) } else { before.clone() };
            assert_eq!(of, expected, "without {}", dialect.name);
        }
        assert_eq!(admin(&server, "GET", "/status", None).status, 200);
    }
}

#[test]
fn subscribers_of_a_dialect_that_is_off_get_all_once_it_is_on_again() {
    let mut server = Server::start();
    let account = api::account(&server, "off");
    let (product, receiver) = (api::thermometer(&server, &account), Receiver::start());
    let subscription = App::create(&server, &account, "app").subscribe("deviceAdded", &receiver.url);
    assert!(server.stop());
    server.set(&[("LANDFALL_OCEANCONNECT_ENABLED", "false")]);
    server.resume();
    let login = api::send(&server, "POST", "/iocm/app/sec/v1.1.0/login", &[], None);
    assert_eq!((login.status, login.text.as_str()), (404, ""));
    let device = json!({"nodeId": "n", "product": product});
    let made = admin(&server, "POST", &format!("/devices?account={account}"), Some(device));
    assert_eq!(made.status, 201, "{}", made.text);
    let shown = admin(&server, "GET", &format!("/subscriptions/{subscription}?account={account}"), None);
    assert_eq!(shown.status, 200, "it is kept: {}", shown.text);
    assert!(server.stop());
    assert!(receiver.pushes().is_empty());
    server.set(&[]);
    server.resume();
    until("what happened meanwhile", || (receiver.confirmed().len() == 1).then_some(()));
    assert_eq!(receiver.confirmed()[0].body["notifyType"], "deviceAdded");
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
