//! TLS of the listeners (1.2 and 1.3): which certificate they show, which is renewed and reloaded while they run, and their sessions.
//!
//! The certificate is the operator's own or one of Landfall's own CA (`authority`); beside it there may be one with an RSA key, for clients that know
//! nothing else. Files are looked at once a minute and on SIGHUP; what is wrong with new ones is told, and the old ones stay.

mod authority;
mod certificate;
mod tickets;

use crate::config;
use authority::Authority;
use certificate::{Loaded, Pair};
use landfall_core::World;
use landfall_model::Time;
use parking_lot::{Mutex, RwLock};
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use std::{fs, path::Path, sync::Arc, time::Duration};
use tickets::Tickets;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Seconds between looks at the files.
const LOOK_S: u64 = 60;
/// Seconds before the end of a certificate from when on it is warned of, and between warnings.
const WARN_S: i64 = 30 * 86_400;
const WARN_AGAIN_S: i64 = 86_400;
/// Sessions kept for clients of TLS 1.2 that take no tickets.
const SESSIONS: usize = 20_000;

/// When a certificate ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// `server`, `rsa` or `ca`.
    pub name: &'static str,
    /// The end; of the CA, when it signs no more.
    pub until: Time,
    /// Whether it is less than a month away.
    pub is_near: bool,
}

/// What all TLS listeners share.
pub struct Tls {
    world: Arc<dyn World>,
    own: Option<Authority>,
    shown: Arc<Shown>,
    tickets: Arc<Tickets>,
    looked: Mutex<Looked>,
}

/// What was found at the last look.
#[derive(Default)]
struct Looked {
    sources: Vec<Source>,
    ca_until: Option<Time>,
    warned: Option<Time>,
    /// What went wrong; told when it changes.
    troubles: Vec<String>,
}

/// A certificate that is shown.
struct Source {
    name: &'static str,
    pair: Pair,
    /// What is shown of it: a digest of its files, and its end.
    loaded: Option<([u8; 32], Time)>,
}

impl Tls {
    /// Makes what is missing and loads everything. `forget`: clients must shake hands anew.
    pub fn start(data: &Path, config: &config::Tls, world: Arc<dyn World>, forget: bool) -> Result<Arc<Self>, String> {
        let pair = |certificate: &str, key: &str| Pair { certificate: certificate.into(), key: key.into() };
        let own = config.certificate.is_empty().then(|| Authority::new(data, names(config)));
        let first = own.as_ref().map_or_else(|| pair(&config.certificate, &config.key), Authority::pair);
        let mut sources = vec![Source { name: "server", pair: first, loaded: None }];
        if !config.rsa_certificate.is_empty() {
            sources.push(Source { name: "rsa", pair: pair(&config.rsa_certificate, &config.rsa_key), loaded: None });
        }
        let tickets = Arc::new(Tickets::open(&data.join("tls.tickets"), world.clone(), forget)?);
        let looked = Mutex::new(Looked { sources, ..Looked::default() });
        let tls = Self { world, own, shown: Arc::default(), tickets, looked };
        let troubles = tls.look();
        if tls.looked.lock().sources.iter().any(|source| source.loaded.is_none()) {
            return Err(troubles.join("; "));
        }
        Ok(Arc::new(tls))
    }

    /// The configuration of a listener.
    pub fn listener(&self, alpn: &[&[u8]]) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(self.shown.clone());
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config.ticketer = self.tickets.clone();
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        Arc::new(config)
    }

    /// When the certificates end.
    pub fn expiries(&self) -> Vec<Expiry> {
        let (now, looked) = (self.world.bounds().earliest, self.looked.lock());
        let shown = looked.sources.iter().filter_map(|source| Some((source.name, source.loaded.as_ref()?.1)));
        let all = shown.chain(looked.ca_until.map(|until| ("ca", until)));
        all.map(|(name, until)| Expiry { name, until, is_near: until.unix_s() - now.unix_s() < WARN_S }).collect()
    }

    /// Looks at the files until the server stops.
    pub async fn watch(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let mut hangups =
            signal(SignalKind::hangup()).inspect_err(|error| tracing::warn!(%error, "SIGHUP will not be heard")).ok();
        loop {
            let told = async {
                match &mut hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(LOOK_S)) => {}
                _ = told => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            self.look();
        }
    }

    /// Renews what is due, loads what changed, and warns; returns what went wrong.
    fn look(&self) -> Vec<String> {
        let bounds = self.world.bounds();
        let now = bounds.earliest;
        let mut troubles = vec![];
        let mut looked = self.looked.lock();
        match self.own.as_ref().map(|own| own.keep(bounds)) {
            Some(Ok(until)) => looked.ca_until = Some(until),
            Some(Err(error)) => troubles.push(error),
            None => {}
        }
        troubles.extend(self.tickets.rotate().err());
        for (place, source) in looked.sources.iter_mut().enumerate() {
            match source.reload(now) {
                Ok(Some(key)) => self.shown.show(place, key),
                Ok(None) => {}
                Err(error) => troubles.push(error),
            }
        }
        for trouble in troubles.iter().filter(|trouble| !looked.troubles.contains(trouble)) {
            tracing::error!("TLS: {trouble}; what was good before stays in use");
        }
        looked.troubles.clone_from(&troubles);
        let due = looked.warned.is_none_or(|at| !(0..WARN_AGAIN_S).contains(&(now.unix_s() - at.unix_s())));
        drop(looked);
        if due {
            self.warn(now);
        }
        troubles
    }

    fn warn(&self, now: Time) {
        let near: Vec<_> = self.expiries().into_iter().filter(|expiry| expiry.is_near).collect();
        for Expiry { name, until, .. } in &near {
            tracing::warn!("TLS: the certificate {name:?} ends at {}", until.iso());
        }
        self.looked.lock().warned = (!near.is_empty()).then_some(now);
    }
}

impl Source {
    /// What is to be shown instead of what was, if its files have changed.
    fn reload(&mut self, now: Time) -> Result<Option<Arc<CertifiedKey>>, String> {
        let files = self.pair.read()?;
        let digest = Sha256::new().chain_update(&files.0).chain_update([0]).chain_update(&files.1).finalize().into();
        if self.loaded.is_some_and(|(shown, _)| shown == digest) {
            return Ok(None);
        }
        let Loaded { key, until } = self.pair.load(&files)?;
        let (file, end) = (self.pair.certificate.display(), until.iso());
        if self.loaded.is_some() && until <= now {
            return Err(format!("{file}: ended at {end}"));
        }
        if self.loaded.is_some() {
            tracing::info!("TLS: {file} is shown from now on, until {end}");
        }
        self.loaded = Some((digest, until));
        Ok(Some(key))
    }
}

/// The certificates that are shown, the preferred one first.
#[derive(Debug, Default)]
struct Shown(RwLock<Vec<Arc<CertifiedKey>>>);

impl Shown {
    fn show(&self, place: usize, key: Arc<CertifiedKey>) {
        let mut all = self.0.write();
        match all.get_mut(place) {
            Some(shown) => *shown = key,
            None => all.push(key),
        }
    }
}

impl ResolvesServerCert for Shown {
    /// The first whose signature the client knows; where it knows none, the handshake fails with the alert for that.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let all = self.0.read();
        let fits = |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(hello.signature_schemes()).is_some();
        all.iter().find(fits).or(all.first()).cloned()
    }
}

fn names(tls: &config::Tls) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    names.extend(Some(host.trim().to_owned()).filter(|name| !name.is_empty() && name != "localhost"));
    names.extend(tls.names.iter().cloned());
    names
}

#[cfg(test)]
mod tests;
