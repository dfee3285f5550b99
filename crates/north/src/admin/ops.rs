//! What the admin API asks of the running server beyond the core: deliveries, requests to devices, readiness and numbers.

use async_trait::async_trait;
use landfall_core::Metric;
use landfall_model::{DeviceId, Result, Seq, SubscriptionId, Time};
use serde_json::Value;

/// The running server. Every method but `manage` answers from memory or with one read; that one waits for a device.
#[async_trait]
pub trait Operations: Send + Sync {
    /// How far a subscription was served; `None` while nothing is known of it.
    async fn delivery(&self, id: SubscriptionId) -> Option<Delivery>;
    /// Sends a subscription everything again that happened from `from` on; returns the place before the first such event.
    async fn replay(&self, id: SubscriptionId, from: Time) -> Result<Seq>;
    /// Asks a registered device and returns its answer. Whether the caller may do that is decided before.
    async fn manage(&self, device: DeviceId, request: DeviceRequest) -> Result<Value>;
    /// Whether all listeners are up and no shutdown has begun; the error says what is missing.
    fn ready(&self) -> Result<()>;
    /// Numbers for /metrics.
    fn metrics(&self) -> Snapshot;
    /// What is running.
    fn status(&self) -> Status;
}

/// One operation at a device, in plain words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceRequest {
    /// A word such as `read`.
    pub operation: String,
    /// What it is about.
    pub paths: Vec<String>,
    /// Values by path.
    pub values: Vec<(String, Value)>,
    /// Arguments of an execution, as the device reads them.
    pub arguments: String,
    /// Attributes that are set, or taken away where there is no value.
    pub attributes: Vec<(String, Option<String>)>,
    /// Levels that a discovery goes down.
    pub depth: Option<u8>,
    /// Format of the payload by name.
    pub format: Option<String>,
    /// Seconds to wait for the device and its answer.
    pub wait_s: u32,
}

/// Delivery state of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// `delivering`, `retrying` or another word of the push; `suspended: ` and the reason while nothing goes out.
    pub state: String,
    /// Events that were read and not confirmed yet.
    pub open_events: u64,
    /// Events between the cursor and the newest place of the stream; they need not all concern the subscription.
    pub behind: u64,
    /// The newest failure.
    pub last_error: Option<DeliveryError>,
    /// When the receiver last answered 2xx.
    pub last_success_at: Option<Time>,
    /// The oldest event that waits.
    pub oldest_undelivered: Option<Undelivered>,
    /// Pushes confirmed since the start.
    pub delivered: u64,
    /// Attempts that failed since the start.
    pub failed_attempts: u64,
    /// Events given up because the retention was over, since the start.
    pub expired: u64,
    /// Events passed over because the subscriber might not be told, since the start.
    pub withheld: u64,
    /// When and why a notice was last not made.
    pub withheld_because: Option<(Time, String)>,
}

/// A failed delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryError {
    /// When.
    pub at: Time,
    /// What happened.
    pub text: String,
    /// HTTP status, when the receiver answered.
    pub status: Option<u16>,
}

/// An event that waits for its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Its place.
    pub seq: Seq,
    /// When it happened.
    pub at: Time,
    /// The device it is about.
    pub device: Option<DeviceId>,
}

/// Numbers of the running process. Counters count from the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// What device protocols count, in their order.
    pub accesses: Vec<Metric>,
    /// Pushes confirmed by a 2xx.
    pub pushes_delivered: u64,
    /// Attempts to push that failed.
    pub pushes_failed: u64,
    /// Events passed over because their subscription was suspended.
    pub pushes_withheld: u64,
    /// Codec runs.
    pub codec_runs: u64,
    /// Codec runs that failed.
    pub codec_failures: u64,
    /// Codec runs refused: the codec rests after time-outs, or too many wait.
    pub codec_refused: u64,
    /// TLS certificates in use.
    pub certificates: Vec<Certificate>,
    /// Resident memory of the process in bytes.
    pub memory_bytes: u64,
    /// CPU time of the process in seconds.
    pub cpu_s: f64,
}

/// A TLS certificate in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// `server`, `rsa` or `ca`.
    pub name: &'static str,
    /// When it ends; of the CA, when it signs no more.
    pub until: Time,
    /// Whether that is less than a month away.
    pub ends_soon: bool,
}

/// What is running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// When it started.
    pub started_at: Time,
    /// `sqlite` or `postgresql`.
    pub store: String,
    /// Listeners: name as in ports.json, host, port.
    pub listeners: Vec<(String, String, u16)>,
    /// TLS certificates in use.
    pub certificates: Vec<Certificate>,
}
