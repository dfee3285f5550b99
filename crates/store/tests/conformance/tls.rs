//! TLS to PostgreSQL, with a certificate that the test makes for the server.

use crate::place::*;
use landfall_store::Options;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::{
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Gives the server a certificate of this authority for a name.
fn certify(admin: &str, authority: &CertifiedIssuer<'static, KeyPair>, name: &str) {
    let mut client = postgres::Client::connect(admin, postgres::NoTls).unwrap();
    let data: String = client.query_one("SHOW data_directory", &[]).unwrap().get(0);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let owner = std::fs::metadata(&data).unwrap();
    for (file, content) in [("test.pem", certificate.pem()), ("test.key", key.serialize_pem())] {
        let path = Path::new(&data).join(file);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    for set in ["ssl_cert_file = 'test.pem'", "ssl_key_file = 'test.key'", "ssl = on"] {
        client.batch_execute(&format!("ALTER SYSTEM SET {set}")).unwrap();
    }
    client.batch_execute("SELECT pg_reload_conf()").unwrap();
}

/// How many of the stores' connections are under TLS.
fn under_tls(admin: &str) -> i64 {
    let text =
        "SELECT COUNT(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE s.ssl AND a.application_name = 'landfall'";
    postgres::Client::connect(admin, postgres::NoTls).unwrap().query_one(text, &[]).unwrap().get(0)
}

/// A server takes its new configuration a moment after it was told to.
fn soon<T>(mut done: impl FnMut() -> Option<T>) -> T {
    (0..5_000).find_map(|_| done()).expect("the server takes its new certificate")
}

pub async fn certificates_of_the_database_are_checked(place: Place) {
    let At::Postgres { admin, url, .. } = &place.at else { return };
    let (admin, url, clock) = (admin.clone(), url.clone(), place.world.clone());
    let test = move || {
        let place = At::sqlite();
        let folder = place.folder().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        let (ours, theirs) = (authority(), authority());
        let (right, wrong) = (folder.join("right.pem"), folder.join("wrong.pem"));
        std::fs::write(&right, ours.as_ref().pem()).unwrap();
        std::fs::write(&wrong, theirs.as_ref().pem()).unwrap();
        let open = |mode: &str, ca_file: Option<&PathBuf>| {
            let options = Options { ca_file: ca_file.cloned(), ..Options::default() };
            landfall_store::open(&format!("{url}&sslmode={mode}"), options, clock.clone())
        };
        certify(&admin, &ours, "127.0.0.1");
        let store = soon(|| open("verify-full", Some(&right)).ok());
        assert!(under_tls(&admin) > 0);
        drop(store);
        assert!(open("verify-full", Some(&wrong)).unwrap_err().detail.contains("certificate"));
        assert!(open("verify-full", None).unwrap_err().detail.contains("store.ca_file"));
        certify(&admin, &ours, "elsewhere.example");
        let error = soon(|| open("verify-full", Some(&right)).err());
        assert!(error.detail.contains("not valid for name"), "{error}");
        drop(open("require", None).unwrap());
        assert_eq!(under_tls(&admin), 0);
        drop(open("disable", None).unwrap());
    };
    tokio::task::spawn_blocking(test).await.unwrap();
}
