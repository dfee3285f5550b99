//! Handshakes in memory, over files that change.

use super::*;
use landfall_testkit::World as VirtualWorld;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, HandshakeKind, ServerConnection, SignatureScheme, SupportedCipherSuite,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    version::{TLS12, TLS13},
};
use std::io::Read;

const RSA: (&str, &str) = (include_str!("tests/rsa.pem"), include_str!("tests/rsa.key"));

struct Ground {
    data: tempfile::TempDir,
    world: Arc<VirtualWorld>,
    config: config::Tls,
}

impl Ground {
    fn new() -> Self {
        let _ = ring::default_provider().install_default();
        let config = config::Tls::default();
        Self { data: tempfile::tempdir().unwrap(), world: Arc::new(VirtualWorld::new(1)), config }
    }

    fn path(&self, name: &str) -> String {
        self.data.path().join(name).to_str().unwrap().to_owned()
    }

    fn put(&self, name: &str, content: &str) -> String {
        fs::write(self.data.path().join(name), content).unwrap();
        self.path(name)
    }

    /// With the operator's own certificate.
    fn operators() -> Self {
        let mut ground = Self::new();
        ground.config.certificate = ground.path("own.pem");
        ground.config.key = ground.path("own.key");
        ground.certify(90);
        ground
    }

    /// Another certificate of the operator, valid for so many days.
    fn certify(&self, days: i64) -> Vec<u8> {
        let (certificate, key) = self.made(days);
        self.put("own.key", &key);
        self.put("own.pem", &certificate);
        CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap().to_vec()
    }

    fn made(&self, days: i64) -> (String, String) {
        let at = |day: i64| time::OffsetDateTime::from_unix_timestamp(self.world.now().unix_s() + day * 86_400).unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (at(-days), at(days));
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn start(&self) -> Arc<Tls> {
        Tls::start(self.data.path(), &self.config, self.world.clone(), false).unwrap()
    }

    fn pass_days(&self, days: u32) {
        for _ in 0..days {
            self.world.advance_s(86_400);
        }
    }
}

/// Trusts everybody; the tests look at what they are shown.
#[derive(Debug)]
struct Trusting(Vec<SignatureScheme>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

const BOTH: [SignatureScheme; 3] =
    [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::RSA_PSS_SHA256];

fn client(version: &'static rustls::SupportedProtocolVersion, schemes: &[SignatureScheme]) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_protocol_versions(&[version]).dangerous();
    Arc::new(config.with_custom_certificate_verifier(Arc::new(Trusting(schemes.to_vec()))).with_no_client_auth())
}

/// Shakes hands and lets the tickets go over; the certificate shown, and how it went.
fn shaken(tls: &Tls, client: &Arc<ClientConfig>) -> Result<(Vec<u8>, HandshakeKind, CipherSuite), rustls::Error> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let mut server = ServerConnection::new(tls.listener(&[])).unwrap();
    for _ in 0..8 {
        let mut bytes = vec![];
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = vec![];
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
        let _ = client.reader().read(&mut [0; 1]);
    }
    let suite = client.negotiated_cipher_suite().map(|suite: SupportedCipherSuite| suite.suite()).unwrap();
    Ok((client.peer_certificates().unwrap()[0].to_vec(), client.handshake_kind().unwrap(), suite))
}

#[test]
fn an_own_certificate_is_renewed_while_the_server_runs() {
    let ground = Ground::new();
    let tls = ground.start();
    let client = client(&TLS13, &BOTH);
    let (first, ..) = shaken(&tls, &client).unwrap();
    ground.pass_days(264);
    assert_eq!(tls.look(), [""; 0]);
    assert_eq!(shaken(&tls, &client).unwrap().0, first);
    ground.pass_days(1);
    assert_eq!(tls.look(), [""; 0]);
    assert_ne!(shaken(&tls, &client).unwrap().0, first);
    let names: Vec<_> = tls.expiries().iter().map(|expiry| expiry.name).collect();
    assert_eq!(names, ["server", "ca"]);
}

#[test]
fn the_operators_files_are_reloaded_and_bad_ones_are_not() {
    let ground = Ground::operators();
    let tls = ground.start();
    let client = client(&TLS13, &BOTH);
    let good = ground.certify(90);
    assert!(tls.look().is_empty());
    assert_eq!(shaken(&tls, &client).unwrap().0, good);
    let foreign = ground.made(90);
    for (name, content, told) in [
        ("own.pem", "no certificate", "own.pem"),
        ("own.pem", foreign.0.as_str(), "own.key"),
        ("own.key", "", "own.key"),
        ("own.pem", "", "own.pem"),
    ] {
        let kept = [fs::read_to_string(ground.path("own.pem")).unwrap(), fs::read_to_string(ground.path("own.key")).unwrap()];
        ground.put(name, content);
        let troubles = tls.look();
        assert!(troubles.len() == 1 && troubles[0].contains(told), "{troubles:?}");
        assert_eq!(shaken(&tls, &client).unwrap().0, good);
        ground.put("own.pem", &kept[0]);
        ground.put("own.key", &kept[1]);
        assert!(tls.look().is_empty());
    }
    ground.certify(0);
    assert!(tls.look()[0].contains("ended"));
    assert_eq!(shaken(&tls, &client).unwrap().0, good);
    fs::remove_file(ground.path("own.key")).unwrap();
    assert!(tls.look()[0].contains("own.key"));
    assert!(Tls::start(ground.data.path(), &ground.config, ground.world.clone(), false).is_err());
}

#[test]
fn an_end_is_near_for_a_month() {
    let ground = Ground::operators();
    let tls = ground.start();
    ground.pass_days(59);
    let near = || tls.expiries().iter().map(|expiry| expiry.is_near).collect::<Vec<_>>();
    assert_eq!(near(), [false]);
    ground.pass_days(2);
    tls.look();
    assert_eq!(near(), [true]);
    assert!(tls.looked.lock().warned.is_some());
    ground.certify(90);
    tls.look();
    assert_eq!(near(), [false]);
}

#[test]
fn a_client_gets_the_certificate_whose_signature_it_knows() {
    let mut ground = Ground::operators();
    ground.config.rsa_certificate = ground.put("rsa.pem", RSA.0);
    ground.config.rsa_key = ground.put("rsa.key", RSA.1);
    let own = ground.certify(90);
    let rsa = CertificateDer::from_pem_slice(RSA.0.as_bytes()).unwrap().to_vec();
    let tls = ground.start();
    for version in [&TLS12, &TLS13] {
        assert_eq!(shaken(&tls, &client(version, &BOTH)).unwrap().0, own);
        assert_eq!(shaken(&tls, &client(version, &BOTH[1..])).unwrap().0, rsa);
        assert_eq!(shaken(&tls, &client(version, &BOTH[..1])).unwrap().0, own);
    }
    ground.config.rsa_certificate.clear();
    let refused = shaken(&ground.start(), &client(&TLS12, &BOTH[1..]));
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn sessions_go_on_after_a_restart_for_less_than_a_day() {
    let ground = Ground::new();
    for version in [&TLS12, &TLS13] {
        let client = client(version, &BOTH);
        let tls = ground.start();
        assert_eq!(shaken(&tls, &client).unwrap().1, HandshakeKind::Full);
        assert_eq!(shaken(&tls, &client).unwrap().1, HandshakeKind::Resumed);
        drop(tls);
        let tls = ground.start();
        assert_eq!(shaken(&tls, &client).unwrap().1, HandshakeKind::Resumed);
        ground.world.advance_s(24 * 3_600);
        assert_eq!(tls.look(), [""; 0]);
        assert_eq!(shaken(&tls, &client).unwrap().1, HandshakeKind::Full);
        let forgets = Tls::start(ground.data.path(), &ground.config, ground.world.clone(), true).unwrap();
        assert_eq!(shaken(&forgets, &client).unwrap().1, HandshakeKind::Full);
    }
}

/// What docs/devices.md says of suites is what the listeners have.
#[test]
fn the_suites_stand_in_the_documentation() {
    let text = include_str!("../../../../docs/devices.md");
    for suite in ring::default_provider().cipher_suites {
        let name = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
        assert!(text.contains(&name), "{name} is missing");
    }
}
