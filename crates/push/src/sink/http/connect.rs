//! Connections to receivers: resolve, judge every address, connect to a judged one, TLS.
//!
//! The name is resolved once per connection and the socket goes to the very address that was judged, so a name cannot be rebound in between.

use super::target::{Host, Policy, Target};
use crate::config::Trust;
use crate::sink::Failure;
use futures_util::future::BoxFuture;
use landfall_model::{Cause, Error, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Addresses of one name that are tried.
const ADDRESSES_TRIED: usize = 4;

/// A byte stream to a receiver.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Opens streams; tests open them in memory.
pub(crate) trait Dial: Send + Sync {
    /// A stream on which HTTP can begin. The caller bounds the time.
    fn dial<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, std::result::Result<Box<dyn Stream>, Failure>>;
}

/// A stream to the target, in time.
pub(super) async fn dial(dial: &dyn Dial, target: &Target, limit: Duration) -> std::result::Result<Box<dyn Stream>, Failure> {
    let in_time = timeout(limit, dial.dial(target)).await;
    in_time.map_err(|_| Failure::new(format!("no connection within {} ms", limit.as_millis())))?
}

/// The dialer over TCP and TLS.
pub(crate) struct Network {
    policy: Policy,
    tls: TlsConnector,
}

impl Network {
    /// Reads the trusted certificates.
    pub fn new(policy: Policy, trust: &Trust) -> Result<Self> {
        Ok(Self { policy, tls: TlsConnector::from(Arc::new(client_config(trust)?)) })
    }

    async fn connect(&self, target: &Target) -> std::result::Result<Box<dyn Stream>, Failure> {
        let tcp = self.connect_tcp(target).await?;
        if tcp.set_nodelay(true).is_err() {
            return Err(Failure::new("the connection was closed at once"));
        }
        if !target.tls {
            return Ok(Box::new(tcp));
        }
        let name = match &target.host {
            Host::Address(ip) => ServerName::from(*ip),
            Host::Name(name) => {
                ServerName::try_from(name.clone()).map_err(|_| Failure::new("the host name is not valid for TLS"))?
            }
        };
        let tls = self.tls.connect(name, tcp).await.map_err(|e| Failure::new(format!("TLS: {e}")))?;
        Ok(Box::new(tls))
    }

    async fn connect_tcp(&self, target: &Target) -> std::result::Result<TcpStream, Failure> {
        let addresses: Vec<SocketAddr> = match &target.host {
            Host::Address(ip) => vec![SocketAddr::new(*ip, target.port)],
            Host::Name(name) => lookup_host((name.as_str(), target.port))
                .await
                .map_err(|e| Failure::new(format!("{name} does not resolve: {e}")))?
                .collect(),
        };
        let mut failure = Failure::new(format!("{} has no address", target.host));
        let mut tried = 0;
        for address in addresses {
            if !self.policy.permits(&target.host, address.ip()) {
                failure = not_permitted(&target.host, address.ip());
                continue;
            }
            tried += 1;
            if tried > ADDRESSES_TRIED {
                break;
            }
            match TcpStream::connect(address).await {
                Ok(tcp) => return Ok(tcp),
                Err(e) => failure = Failure::new(format!("connecting to {address}: {e}")),
            }
        }
        Err(failure)
    }
}

impl Dial for Network {
    fn dial<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, std::result::Result<Box<dyn Stream>, Failure>> {
        Box::pin(self.connect(target))
    }
}

fn not_permitted(host: &Host, ip: IpAddr) -> Failure {
    Failure::new(format!("{host} is at {ip}, which is not a public address and not allowed by the configuration"))
}

fn client_config(trust: &Trust) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &trust.bundle {
        Some(path) if path.exists() => {
            // A platform bundle may hold certificates that are too old to parse; the others still count.
            roots.add_parsable_certificates(read_certificates(path)?);
        }
        Some(path) => tracing::warn!(path = %path.display(), "no certificate bundle: only extra authorities are trusted"),
        None => {}
    }
    for path in &trust.extra {
        for certificate in read_certificates(path)? {
            roots.add(certificate).map_err(|e| unusable(path, &e))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(Cause::Internal, format!("TLS: {e}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = std::fs::read(path).map_err(|e| unusable(path, &e))?;
    CertificateDer::pem_slice_iter(&bytes).collect::<std::result::Result<_, _>>().map_err(|e| unusable(path, &e))
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::invalid(path.display().to_string(), format!("certificates cannot be read: {why}"))
}
