//! The event stream.

use async_trait::async_trait;
use landfall_model::{Result, Seq, StoredEvent, Time};

/// Events in the order of their commits.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Events after `after`, at most `limit`, in order. Events beyond the retention are gone.
    async fn events_after(&self, after: Seq, limit: u32) -> Result<Vec<StoredEvent>>;
    /// These events, in order; those that are gone are left out. `seqs` is ascending, at most 1,000.
    async fn events_at(&self, seqs: &[Seq]) -> Result<Vec<StoredEvent>>;
    /// The last place before `at`: a cursor there sees everything since.
    async fn seq_before(&self, at: Time) -> Result<Seq>;
    /// The newest place.
    fn newest(&self) -> Seq;
    /// Returns once the newest place is beyond `seq`.
    async fn wait_after(&self, seq: Seq);
}
