//! Who is turned away at a listener or at its login, from which address, and what is left of it.

use super::{
    api::{self, App, admin, text},
    device::{Device, STAMP, Via, password},
    server::{Server, until},
};
use rumqttc::{Client, MqttOptions, TlsConfiguration, Transport};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

const OWNER: &str = "127.0.0.1";
const STRANGER: &str = "127.0.0.2";

/// A connection from an address of the loopback.
fn connect_from(source: &str, port: u16) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let connected = async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
        socket.connect(([127, 0, 0, 1], port).into()).await.unwrap().into_std().unwrap()
    };
    let stream = runtime.block_on(connected);
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Binds over HTTPS.
fn bind_as(server: &Server, source: &str, before: (&str, &str), node_id: &str, code: &str) -> (u16, Value) {
    let body = json!({"verifyCode": code, "deviceInfo": {"nodeId": node_id}});
    device_call(server, source, before, "POST /iota/device/v1/bind", Some(&body))
}

/// A call of the device API over HTTPS; `first` goes before TLS, `headers` into the request. Gives status and body.
pub fn device_call(
    server: &Server,
    source: &str,
    (first, headers): (&str, &str),
    call: &str,
    body: Option<&Value>,
) -> (u16, Value) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server.data().join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let mut stream = connect_from(source, server.port("bind"));
    stream.write_all(first.as_bytes()).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap(), stream);
    let body = body.map_or_else(String::new, Value::to_string);
    let head = format!("{call} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}");
    write!(stream, "{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = vec![];
    // The server may close without a word of TLS.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

fn bind(server: &Server, source: &str, node_id: &str, code: &str) -> u16 {
    bind_as(server, source, ("", ""), node_id, code).0
}

/// A device that waits for its code; gives its id and code.
fn waiting(app: &App<'_>, node_id: &str, code: Option<&str>) -> (String, String) {
    let mut body = json!({"nodeId": node_id, "timeout": 0});
    if let Some(code) = code {
        body["verifyCode"] = json!(code);
    }
    let answer = app.call("POST", "/iocm/app/reg/v1.1.0/deviceCredentials", Some(body));
    assert_eq!(answer.status, 200, "{}", answer.text);
    (text(&answer.json(), "deviceId"), text(&answer.json(), "verifyCode"))
}

fn checks(answer: &api::Answer) -> Vec<(String, String, String)> {
    let of = |why: &Value| (text(why, "step"), text(why, "check"), why["peer"].as_str().unwrap_or_default().to_owned());
    answer.json()["items"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn a_stranger_who_guesses_codes_shuts_out_neither_the_owner_nor_neighbours() {
    let server = Server::start();
    let account = api::account(&server, "bind");
    let app = App::create(&server, &account, "app");
    let ((id, _), (_, made)) = (waiting(&app, "guessed", Some("1234")), waiting(&app, "made", None));
    waiting(&app, "neighbour", Some("5678"));
    let tried = [(); 12].map(|()| bind(&server, STRANGER, "guessed", "0000"));
    assert_eq!(tried, [404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 429, 429]);
    assert_eq!(bind(&server, STRANGER, "guessed", "1234"), 429, "a code that people chose is not looked at there any more");
    assert_eq!(bind(&server, STRANGER, "neighbour", "5678"), 200, "another device behind the same address");
    assert_eq!(bind(&server, OWNER, "guessed", "1234"), 200, "the owner's address is clean");
    let why = checks(&admin(&server, "GET", &format!("/devices/{id}/why?account={account}"), None));
    let steps: Vec<&str> = why.iter().map(|(_, check, _)| check.as_str()).collect();
    assert_eq!((steps.len(), steps[0], steps[10]), (11, "identity.throttled", "code.wrong"), "{why:?}");
    let metrics = admin_metrics(&server);
    let counted = "landfall_refusals_by_check_total{step=\"bind.code\",check=\"identity.throttled\"} 3";
    assert!(metrics.contains(counted), "{metrics}");
    let tried = [(); 12].map(|()| bind(&server, STRANGER, "made", "0000"));
    assert_eq!(tried[11], 429);
    assert_eq!(bind(&server, STRANGER, "made", &made), 200, "nobody guesses a generated code");
}

fn admin_metrics(server: &Server) -> String {
    let token = format!("Bearer {}", server.admin_token());
    api::send(server, "GET", "/metrics", &[("Authorization", token.as_str())], None).text
}

#[test]
fn one_bad_device_does_not_shut_out_its_neighbours_over_mqtt() {
    let server = Server::start_with(&[("LANDFALL_MQTT_FAILURES_PER_MINUTE", "2")]);
    let account = api::account(&server, "nat");
    let product = api::thermometer(&server, &account);
    let app = App::create(&server, &account, "app");
    let (bad, (good, secret)) = (app.register("bad", &product), app.register("good", &product));
    let connect = |id: &str, secret: &str| {
        Device::connect(&server, Via::Tcp, id, &format!("{id}_0_0_{STAMP}"), &password(secret), true).map(Device::close)
    };
    for code in ["BadUserNamePassword", "BadUserNamePassword", "ServiceUnavailable", "ServiceUnavailable"] {
        let error = connect(&bad.0, "guess").unwrap_err();
        assert!(error.contains(code), "{error}, expected {code}");
    }
    connect(&good, &secret).unwrap();
    connect(&bad.0, &bad.1).unwrap();
    let why = checks(&admin(&server, "GET", &format!("/devices/{}/why?account={account}", bad.0), None));
    let checks: Vec<&str> = why.iter().map(|(_, check, _)| check.as_str()).collect();
    assert_eq!(checks, ["identity.throttled", "password.wrong", "password.wrong"]);
}

#[test]
fn those_who_fail_at_tls_leave_word() {
    let (server, other) = (Server::start(), Server::start());
    let unknown = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap().cert.pem();
    for ca in [unknown.into_bytes(), std::fs::read(other.data().join("ca.pem")).unwrap()] {
        let mut options = MqttOptions::new("x", "localhost", server.port("mqtts"));
        options.set_transport(Transport::Tls(TlsConfiguration::Simple { ca, alpn: None, client_auth: None }));
        let (_client, mut connection) = Client::new(options, 10);
        assert!(connection.recv_timeout(Duration::from_secs(20)).unwrap().is_err());
    }
    for (port, bytes) in [
        ("mqtts", &b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0"[..]),
        ("bind", b"GET / HTTP/1.1\r\n\r\n"),
        ("https", b"\x16\x03\x01\0\x05hello"),
    ] {
        let mut stream = connect_from(STRANGER, server.port(port));
        stream.write_all(bytes).unwrap();
        let _ = stream.read_to_end(&mut vec![]);
    }
    let expected = [
        ("mqtt.tls", "tls.unknown-ca"),
        ("mqtt.tls", "tls.wrong-ca"),
        ("mqtt.tls", "tls.plain-mqtt"),
        ("bind", "tls.plain-http"),
        ("https", "tls.malformed"),
    ];
    let found = until("the why records", || {
        let found = checks(&admin(&server, "GET", "/why", None));
        (found.len() >= expected.len()).then_some(found)
    });
    for (step, check) in expected {
        assert!(
            found.iter().any(|(s, c, peer)| (s.as_str(), c.as_str()) == (step, check) && !peer.is_empty()),
            "{check}: {found:?}"
        );
    }
    assert!(admin_metrics(&server).contains("landfall_refusals_by_check_total{step=\"bind\",check=\"tls.plain-http\"} 1"));
}

#[test]
fn what_the_http_listeners_refuse_leaves_word() {
    let server = Server::start();
    let large = format!("Host: a\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n{}", "x".repeat(2_000_000));
    let cases = [
        ("\r\n", "400", "host.missing"),
        ("Host: a\r\nHost: a\r\n\r\n", "400", "host.twice"),
        ("Host\r\n\r\n", "400", "head.malformed"),
        (&large, "400", "body.too-large"),
    ];
    for (rest, status, check) in cases {
        let mut stream = connect_from(STRANGER, server.port("http"));
        write!(stream, "POST /iocm/app/sec/v1.1.0/refreshToken HTTP/1.1\r\n{rest}").unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(std::str::from_utf8(&head), Ok(&*format!("HTTP/1.1 {status}")), "{check}");
        let peer = stream.local_addr().unwrap().to_string();
        let expected = ("http".to_owned(), check.to_owned(), peer);
        until(check, || checks(&admin(&server, "GET", "/why", None)).contains(&expected).then_some(()));
        let counted = format!("landfall_refusals_by_check_total{{step=\"http\",check=\"{check}\"}} 1\n");
        assert!(admin_metrics(&server).contains(&counted), "{check}");
    }
}

#[test]
fn proxies_name_their_clients() {
    let server = Server::start_with(&[
        ("LANDFALL_PROXY_PROTOCOL_FROM", "['127.0.0.1']"),
        ("LANDFALL_PROXY_PROTOCOL_ON", "['mqtt', 'bind']"),
        ("LANDFALL_PROXY_FORWARDED_FOR_FROM", "['127.0.0.1', '203.0.113.0/24']"),
    ]);
    let announce = |source: &str| format!("PROXY TCP4 {source} 127.0.0.1 4711 80\r\n");
    let forwarded = "X-Forwarded-For: 192.0.2.66, 198.51.100.9\r\n";
    assert_eq!(bind_as(&server, OWNER, (&announce("203.0.113.7"), forwarded), "nobody", "x").0, 404);
    assert_eq!(bind_as(&server, OWNER, (&announce("192.0.2.1"), forwarded), "nobody", "x").0, 404);
    assert_eq!(bind_as(&server, STRANGER, ("", forwarded), "nobody", "x").0, 404, "no proxy, so its word does not count");
    for first in [announce("203.0.113.8"), String::new()] {
        let mut stream = connect_from(OWNER, server.port("mqtt"));
        stream.write_all(first.as_bytes()).unwrap();
        stream.write_all(b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0").unwrap();
        let _ = stream.read_to_end(&mut vec![]);
    }
    let mut found = checks(&admin(&server, "GET", "/why", None));
    found.reverse();
    let bare: Vec<(&str, &str, &str)> = found
        .iter()
        .map(|(step, check, peer)| (step.as_str(), check.as_str(), peer.rsplit_once(':').map_or("", |(address, _)| address)))
        .collect();
    let expected = [
        ("bind.code", "device.unknown", "198.51.100.9"),
        ("bind.code", "device.unknown", "192.0.2.1"),
        ("bind.code", "device.unknown", STRANGER),
        ("mqtt.connect", "client-id.form", "203.0.113.8"),
        ("mqtt.tcp", "proxy.header", OWNER),
    ];
    assert_eq!(bare, expected);
}
