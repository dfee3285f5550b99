//! Certificates: the operator's own, or those of a CA that the first start makes in the data directory.

use crate::config::Tls;
use landfall_model::Time;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

const CA_DAYS: i64 = 3650;
const SERVER_DAYS: i64 = 397;
const RENEW_DAYS: i64 = 30;

/// Files of the server's certificate.
#[derive(Clone, Debug)]
pub struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// Finds or makes the certificates. A made certificate is renewed 30 days before its end, or when the names asked for changed.
pub fn prepare(data: &Path, tls: &Tls, now: Time) -> Result<Files, String> {
    if !tls.certificate.is_empty() {
        return Ok(Files { certificate: tls.certificate.clone().into(), key: tls.key.clone().into() });
    }
    let (ca, ca_key) = (data.join("ca.pem"), data.join("ca.key"));
    if !ca.exists() || !ca_key.exists() {
        make_ca(&ca, &ca_key, now)?;
    }
    let files = Files { certificate: data.join("server.pem"), key: data.join("server.key") };
    let names = names(tls);
    let stamp = data.join("server.names");
    let until = fs::read_to_string(&stamp).ok().and_then(|text| valid_until(&text, &names));
    if !files.certificate.exists() || !files.key.exists() || until.is_none_or(|end| now.unix_s() + RENEW_DAYS * 86_400 > end) {
        make_server(&ca, &ca_key, &files, &names, now)?;
        let end = now.unix_s() + SERVER_DAYS * 86_400;
        fs::write(&stamp, format!("{end}\n{}\n", names.join("\n"))).map_err(|e| format!("{}: {e}", stamp.display()))?;
    }
    Ok(files)
}

/// The configuration of a TLS listener (1.2 and 1.3).
pub fn server_config(files: &Files, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, String> {
    let named = |path: &Path, e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|e| named(&files.certificate, &e))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| named(&files.key, &e))?;
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).map_err(|e| named(&files.certificate, &e))?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

fn valid_until(stamp: &str, names: &[String]) -> Option<i64> {
    let mut lines = stamp.lines();
    let end = lines.next()?.parse().ok()?;
    lines.eq(names.iter().map(String::as_str)).then_some(end)
}

fn names(tls: &Tls) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    names.extend(Some(host.trim().to_owned()).filter(|name| !name.is_empty() && name != "localhost"));
    names.extend(tls.names.iter().cloned());
    names
}

fn make_ca(ca: &Path, ca_key: &Path, now: Time) -> Result<(), String> {
    let key = KeyPair::generate().map_err(text)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Landfall CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now, CA_DAYS);
    let certificate = params.self_signed(&key).map_err(text)?;
    write_private(ca_key, &key.serialize_pem())?;
    fs::write(ca, certificate.pem()).map_err(|e| format!("{}: {e}", ca.display()))
}

fn make_server(ca: &Path, ca_key: &Path, files: &Files, names: &[String], now: Time) -> Result<(), String> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()));
    let issuer_key = KeyPair::from_pem(&read(ca_key)?).map_err(text)?;
    let mut issuer_params = CertificateParams::default();
    issuer_params.distinguished_name.push(DnType::CommonName, "Landfall CA");
    issuer_params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = Issuer::from_params(&issuer_params, &issuer_key);
    let key = KeyPair::generate().map_err(text)?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(text)?;
    params.distinguished_name.push(DnType::CommonName, "Landfall");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, SERVER_DAYS);
    let certificate = params.signed_by(&key, &issuer).map_err(text)?;
    write_private(&files.key, &key.serialize_pem())?;
    let chain = format!("{}{}", certificate.pem(), read(ca)?);
    fs::write(&files.certificate, chain).map_err(|e| format!("{}: {e}", files.certificate.display()))
}

fn set_validity(params: &mut CertificateParams, now: Time, days: i64) {
    let at = |offset_days: i64| {
        let moment = time::OffsetDateTime::from_unix_timestamp(now.unix_s()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        moment.saturating_add(time::Duration::days(offset_days))
    };
    params.not_before = at(-1);
    params.not_after = at(days);
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, content: &str) -> Result<(), String> {
    let named = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(named)?;
    file.write_all(content.as_bytes()).map_err(named)
}

fn text(error: rcgen::Error) -> String {
    error.to_string()
}
