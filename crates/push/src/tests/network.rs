//! The real dialer against sockets of this machine.

use super::*;
use crate::sink::http::connect::Network;
use crate::sink::http::target::Target;
use tokio::net::TcpListener;

fn trust() -> Trust {
    Trust { bundle: None, extra: Vec::new() }
}

#[tokio::test]
async fn addresses_are_judged_when_connecting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let closed = Network::new(Policy::default(), &trust()).unwrap();
    let open = Network::new(Policy { allow: vec![Allow::parse("127.0.0.0/8").unwrap()], ..Policy::default() }, &trust()).unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let target = Target::parse(&format!("http://{host}:{port}/")).unwrap();
        let refused = closed.dial(&target).await.err().unwrap();
        assert!(refused.text.contains("not a public address"), "{host}: {}", refused.text);
        assert!(open.dial(&target).await.is_ok(), "{host}");
    }
}

#[tokio::test]
async fn a_verification_is_judged_when_connecting_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("http://localhost:{port}/");
    let verifier = |policy| Verifier::new(&Config { policy, trust: trust(), ..Config::default() }).unwrap();
    let refused = verifier(Policy::default()).verify(account(), &url, &[], Vec::new()).await.unwrap_err();
    assert_eq!(refused.cause, Cause::VerificationFailed);
    assert!(refused.detail.contains("not a public address"), "{}", refused.detail);
    drop(listener);
    let open = verifier(Policy { allow_private: true, ..Policy::default() });
    let refused = open.verify(account(), &url, &[], Vec::new()).await.unwrap_err();
    assert!(refused.detail.starts_with("connecting to "), "{}", refused.detail);
}

#[tokio::test]
async fn tls_receivers_need_a_trusted_certificate() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let dir = std::env::temp_dir().join(format!("landfall-push-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let pem = dir.join("receiver.pem");
    std::fs::write(&pem, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let _tls = acceptor.accept(tcp).await;
        }
    });
    let policy = Policy { allow_private: true, ..Policy::default() };
    let target = Target::parse(&format!("https://localhost:{port}/")).unwrap();
    let strict = Network::new(policy.clone(), &trust()).unwrap();
    assert!(strict.dial(&target).await.err().unwrap().text.starts_with("TLS: "));
    let trusting = Network::new(policy.clone(), &Trust { bundle: None, extra: vec![pem] }).unwrap();
    assert!(trusting.dial(&target).await.is_ok());
    let other = Target::parse(&format!("https://127.0.0.1:{port}/")).unwrap();
    assert!(trusting.dial(&other).await.err().unwrap().text.starts_with("TLS: "), "the name must match");
    let missing = Trust { bundle: None, extra: vec![dir.join("missing.pem")] };
    assert_eq!(Network::new(policy, &missing).err().unwrap().cause, Cause::InvalidField);
    std::fs::remove_dir_all(&dir).unwrap();
}
