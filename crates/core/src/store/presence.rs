//! What is kept of connections: registrations and sessions.

use async_trait::async_trait;
use landfall_model::{DeviceId, Registration, Result, SecureSession, StoredSession, Time};

/// Registrations and sessions.
#[async_trait]
pub trait PresenceStore: Send + Sync {
    /// The kept session of a device.
    async fn session(&self, device: DeviceId) -> Result<Option<StoredSession>>;
    /// The registration of a device.
    async fn registration(&self, device: DeviceId) -> Result<Option<Registration>>;
    /// Registrations by device after `after`, at most `limit`.
    async fn registrations(&self, after: Option<DeviceId>, limit: u32) -> Result<Vec<Registration>>;
    /// Registrations whose lifetime is over, at most `limit`.
    async fn expired_registrations(&self, now: Time, limit: u32) -> Result<Vec<Registration>>;
    /// Secure sessions by number after `after`, at most `limit`.
    async fn secure_sessions(&self, after: Option<u64>, limit: u32) -> Result<Vec<SecureSession>>;
}
