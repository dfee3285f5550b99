//! TLS of the real program: sessions over a restart, certificates that change while it runs.

use super::server::{Server, until};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

fn client(trusted: &Path, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(trusted).unwrap().map(Result::unwrap));
    Arc::new(ClientConfig::builder_with_protocol_versions(&[version]).with_root_certificates(roots).with_no_client_auth())
}

/// One request; how hands were shaken, and what was shown.
fn asked(server: &Server, client: &Arc<ClientConfig>) -> std::io::Result<(HandshakeKind, Vec<u8>)> {
    let mut tls = ClientConnection::new(client.clone(), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut tcp = TcpStream::connect(("127.0.0.1", server.port("https"))).unwrap();
    let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    Ok((tls.handshake_kind().unwrap(), tls.peer_certificates().unwrap()[0].to_vec()))
}

#[test]
fn sessions_go_on_after_a_restart_and_a_kill() {
    let mut server = Server::start();
    let clients = [&TLS12, &TLS13].map(|version| client(&server.data().join("ca.pem"), version));
    let kinds = |server: &Server| clients.each_ref().map(|client| asked(server, client).unwrap().0);
    assert_eq!(kinds(&server), [HandshakeKind::Full; 2]);
    assert_eq!(kinds(&server), [HandshakeKind::Resumed; 2]);
    server.stop();
    server.resume();
    assert_eq!(kinds(&server), [HandshakeKind::Resumed; 2]);
    server.kill();
    server.resume();
    assert_eq!(kinds(&server), [HandshakeKind::Resumed; 2]);
}

#[test]
fn the_operators_certificate_is_reloaded_on_sighup_and_shown_in_status() {
    let files = tempfile::tempdir().unwrap();
    let (certificate, key) = (files.path().join("own.pem"), files.path().join("own.key"));
    let certify = || {
        let made = KeyPair::generate().unwrap();
        std::fs::write(&key, made.serialize_pem()).unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&certificate, params.self_signed(&made).unwrap().pem()).unwrap();
        client(&certificate, &TLS13)
    };
    let first = certify();
    let server = Server::start_with(&[
        ("LANDFALL_TLS_CERTIFICATE", certificate.to_str().unwrap()),
        ("LANDFALL_TLS_KEY", key.to_str().unwrap()),
    ]);
    asked(&server, &first).unwrap();
    let second = certify();
    assert!(asked(&server, &second).is_err());
    server.signal("-HUP");
    until("the new certificate", || asked(&server, &second).ok());
    let (good, status, _) = server.cli(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert!(good);
    // rcgen's own default, the year 4096.
    assert_eq!(status["certificates"][0]["name"], "server");
    assert_eq!(status["certificates"][0]["endsSoon"], false);
}
