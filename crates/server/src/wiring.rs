//! What joins crates that must not see each other: the sandbox as the core's codec, the push's rules as the
//! core's callback policy, and the running parts as the admin API's operations.

use crate::tls::{Expiry, Tls};
use async_trait::async_trait;
use landfall_codec::{CodecError, Sandbox, Script};
use landfall_core::{CallbackPolicy, CodecRun, DeviceCaller, PayloadCodec};
use landfall_model::{AccountId, Cause, DeviceId, Error, Result, Seq, SubscriptionId, Time};
use landfall_north::{
    admin::{self, Delivery, DeviceRequest, Operations, Snapshot, Status},
    bind::DeviceAuthenticator,
};
use landfall_push::{DeliveryState, DeliveryStatus, Push, Verifier};
use landfall_south::{
    Access,
    lwm2m::{Desk, Direct},
    mqtt::Mqtt,
};
use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// The sandbox, with counts for operators.
pub struct Codecs {
    sandbox: Sandbox,
    runs: AtomicU64,
    failures: AtomicU64,
    refused: AtomicU64,
}

impl Codecs {
    /// Wraps a sandbox.
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox, runs: AtomicU64::new(0), failures: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    fn counted<T>(&self, outcome: std::result::Result<T, CodecError>) -> Result<T> {
        let not_run = matches!(outcome, Err(CodecError::Busy | CodecError::Resting { .. }));
        if not_run {
            self.refused.fetch_add(1, Ordering::Relaxed);
        } else {
            self.runs.fetch_add(1, Ordering::Relaxed);
        }
        outcome.map_err(|error| {
            self.failures.fetch_add(u64::from(!not_run), Ordering::Relaxed);
            let cause = if matches!(error, CodecError::Busy) { Cause::Overloaded } else { Cause::CodecFailed };
            Error::new(cause, error.to_string())
        })
    }
}

#[async_trait]
impl PayloadCodec for Codecs {
    async fn decode(&self, run: CodecRun<'_>, bytes: &[u8], meta: &str) -> Result<String> {
        self.counted(self.sandbox.decode(&script(run), bytes, meta).await)
    }

    async fn encode(&self, run: CodecRun<'_>, command: &str) -> Result<Vec<u8>> {
        self.counted(self.sandbox.encode(&script(run), command).await)
    }
}

fn script(CodecRun { account, product, codec, trial }: CodecRun<'_>) -> Script {
    let (account, id) = (account.0.as_u128(), product.0.as_u128());
    Script { account, id, version: codec.version, source: codec.source.clone(), trial }
}

/// Rules for callback addresses.
pub struct Callbacks(pub Verifier);

#[async_trait]
impl CallbackPolicy for Callbacks {
    fn check(&self, url: &str) -> Result<()> {
        self.0.check(url)
    }

    async fn verify(&self, account: AccountId, url: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<()> {
        self.0.verify(account, url, headers, body).await
    }
}

/// MQTT logins as the credentials of the device API: one verifier for both (device-side section 8).
pub struct DeviceLogins(pub Arc<Mqtt>);

#[async_trait]
impl DeviceAuthenticator for DeviceLogins {
    async fn authenticate(&self, peer: Option<SocketAddr>, client_id: &str, password: &str) -> Result<DeviceCaller> {
        self.0.authenticate(peer, client_id, password).await
    }
}

/// The running parts, as operators see them.
pub struct Running {
    /// Pushes.
    pub push: Arc<Push>,
    /// Access of devices, by protocol.
    pub accesses: Vec<Arc<dyn Access>>,
    /// Direct requests to devices.
    pub desk: Option<Arc<Desk>>,
    /// Codecs.
    pub codecs: Arc<Codecs>,
    /// `sqlite` or `postgresql`.
    pub store: &'static str,
    /// When it started.
    pub started_at: Time,
    /// Name, host and port of each listener.
    pub listeners: Vec<(String, String, u16)>,
    /// Certificates.
    pub tls: Arc<Tls>,
    /// Set once all listeners are up, cleared when the end begins.
    pub ready: Arc<AtomicBool>,
}

impl Running {
    fn certificates(&self) -> Vec<admin::Certificate> {
        let shown = |expiry: Expiry| admin::Certificate { name: expiry.name, until: expiry.until, ends_soon: expiry.is_near };
        self.tls.expiries().into_iter().map(shown).collect()
    }
}

#[async_trait]
impl Operations for Running {
    async fn delivery(&self, id: SubscriptionId) -> Option<Delivery> {
        self.push.status(id).map(delivery)
    }

    async fn replay(&self, id: SubscriptionId, from: Time) -> Result<Seq> {
        self.push.replay(id, from).await
    }

    async fn manage(&self, device: DeviceId, request: DeviceRequest) -> Result<Value> {
        let DeviceRequest { operation, paths, values, arguments, attributes, depth, format, wait_s } = request;
        let direct = Direct { operation, paths, values, arguments, attributes, depth, format, wait_s };
        let desk = self.desk.as_ref().ok_or_else(|| Error::new(Cause::DeviceOffline, "no protocol takes direct requests"))?;
        desk.request(device, direct).await
    }

    fn ready(&self) -> Result<()> {
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Error::new(Cause::Stopping, "the server is starting or stopping"))
    }

    fn metrics(&self) -> Snapshot {
        let push = self.push.totals();
        let (memory_bytes, cpu_s) = process();
        Snapshot {
            accesses: self.accesses.iter().flat_map(|access| access.counters()).collect(),
            pushes_delivered: push.delivered_total,
            pushes_failed: push.failed_attempts_total,
            pushes_withheld: push.withheld_total,
            codec_runs: self.codecs.runs.load(Ordering::Relaxed),
            codec_failures: self.codecs.failures.load(Ordering::Relaxed),
            codec_refused: self.codecs.refused.load(Ordering::Relaxed),
            certificates: self.certificates(),
            memory_bytes,
            cpu_s,
        }
    }

    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: self.started_at,
            store: self.store.into(),
            listeners: self.listeners.clone(),
            certificates: self.certificates(),
        }
    }
}

fn delivery(status: DeliveryStatus) -> Delivery {
    let state = match status.state {
        DeliveryState::Delivering => "delivering".to_owned(),
        DeliveryState::BackingOff { until } => format!("retrying, next at {}", until.iso()),
        DeliveryState::Away { until } => format!("waiting for the client, at {} at the latest", until.iso()),
        DeliveryState::Probing { until } => format!("probing, next at {}", until.iso()),
    };
    Delivery {
        state,
        open_events: status.backlog_open,
        behind: status.behind,
        last_error: status.last_error.map(|e| admin::DeliveryError { at: e.at, text: e.text, status: e.status }),
        last_success_at: status.last_success_at,
        oldest_undelivered: status.oldest_undelivered.map(|o| admin::Undelivered { seq: o.seq, at: o.at, device: o.device }),
        delivered: status.delivered_total,
        failed_attempts: status.failed_attempts_total,
        expired: status.expired_total,
        withheld: status.withheld_total,
        withheld_because: None,
    }
}

/// Resident memory in bytes and CPU time in seconds, from /proc (zero where there is none).
fn process() -> (u64, f64) {
    let field = |text: &str, n: usize| text.split_whitespace().nth(n).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = field(after_name, 11) + field(after_name, 12);
    (field(&statm, 1) * 4096, ticks as f64 / 100.0)
}
