//! What keeps a store well.

use async_trait::async_trait;
use landfall_model::{JobCounts, Result, Time};

/// Retention, and what operators see.
#[async_trait]
pub trait UpkeepStore: Send + Sync {
    /// Deletes what retention no longer keeps, in batches of at most a few thousand rows, and returns whether more is left.
    async fn prune(&self, now: Time) -> Result<bool>;
    /// Writes something, to show that it can be done. `Overloaded` with the reason: a full disk, a database that is gone or does not answer.
    async fn probe(&self) -> Result<()>;
    /// Numbers for operators.
    async fn stats(&self) -> Result<StoreStats>;
}

/// Numbers for operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Registered devices.
    pub devices: u64,
    /// Points that wait in memory to be cut into chunks; they are durable in the stream already.
    pub pending_points: u64,
    /// Batches committed since the start.
    pub batches: u64,
    /// Transactions that carried them.
    pub commits: u64,
    /// The oldest event that is still kept.
    pub oldest_seq: u64,
    /// Bytes in use in the write-ahead log of SQLite.
    pub wal_bytes: u64,
    /// Lists that were ended by their deadline since the start.
    pub overdue_lists: u64,
    /// Targets of jobs that were begun since the start.
    pub targets_begun: u64,
    /// Targets that ended since the start, by outcome; those that are under way are not counted.
    pub targets_ended: JobCounts,
}
