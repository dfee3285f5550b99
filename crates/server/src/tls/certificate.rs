//! Certificates as files hold them: when they are valid, whose key they have, and chain and key as a listener takes them.

use landfall_model::Time;
use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use std::{fs, path::PathBuf, sync::Arc};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

const END: &str = "-----END CERTIFICATE-----";

/// A certificate and what is asked of it.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Its PEM text with a final line end.
    pub text: String,
    /// When it begins to be valid.
    pub from: Time,
    /// When it ends.
    pub until: Time,
    /// SubjectPublicKeyInfo, DER.
    pub key: Vec<u8>,
}

impl Certificate {
    /// All of a PEM text, in its order.
    pub fn all(text: &str) -> Result<Vec<Self>, String> {
        let parts = text
            .split_inclusive(END)
            .filter_map(|part| Some(part.get(part.find("-----BEGIN CERTIFICATE-----")?..)?.to_owned() + "\n"));
        parts.map(Self::read).collect()
    }

    fn read(text: String) -> Result<Self, String> {
        let der = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|e| e.to_string())?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|e| e.to_string())?;
        let at = |moment: x509_parser::time::ASN1Time| Time(moment.timestamp().saturating_mul(1_000));
        let (from, until) = (at(parsed.validity().not_before), at(parsed.validity().not_after));
        let key = parsed.public_key().raw.to_vec();
        Ok(Self { text, from, until, key })
    }
}

/// Where a chain and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// PEM file of the chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// PEM file of the key.
    pub key: PathBuf,
}

/// The bytes of a pair's files.
pub type Files = (Vec<u8>, Vec<u8>);

/// A pair as it stood in its files.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// For the listeners.
    pub key: Arc<CertifiedKey>,
    /// When its first end comes, of the whole chain.
    pub until: Time,
}

impl Pair {
    /// What the files hold.
    pub fn read(&self) -> Result<Files, String> {
        let read = |path: &PathBuf| fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
        Ok((read(&self.certificate)?, read(&self.key)?))
    }

    /// Makes of it what listeners take. The error names the file.
    pub fn load(&self, (chain, key): &Files) -> Result<Loaded, String> {
        let in_chain = |e: &dyn std::fmt::Display| format!("{}: {e}", self.certificate.display());
        let certificates = Certificate::all(&String::from_utf8_lossy(chain)).map_err(|e| in_chain(&e))?;
        let until =
            certificates.iter().map(|certificate| certificate.until).min().ok_or_else(|| in_chain(&"holds no certificate"))?;
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>().map_err(|e| in_chain(&e))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| format!("{}: {e}", self.key.display()))?;
        let provider = CryptoProvider::get_default().ok_or("no cryptography was chosen")?;
        let key = CertifiedKey::from_der(chain, key, provider)
            .map_err(|e| format!("{} with {}: {e}", self.certificate.display(), self.key.display()))?;
        Ok(Loaded { key: Arc::new(key), until })
    }
}
