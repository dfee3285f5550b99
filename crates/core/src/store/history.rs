//! What devices reported, and the frames that it came in.

use async_trait::async_trait;
use landfall_model::{DeviceId, HistoryPoint, KeptFrame, Page, PageRequest, Result, Seq, Time};

/// History and frames.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// History, newest arrival first.
    async fn history(&self, query: &HistoryQuery, page: PageRequest) -> Result<Page<HistoryPoint>>;
    /// Frames that were kept with the history of a device, by their places, with the points that came from each. What waits in memory is
    /// made ready first.
    async fn frames(&self, query: &FrameQuery) -> Result<FramePage>;
}

/// Which points of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of these devices, at most 1,000.
    pub devices: Vec<DeviceId>,
    /// Measured later than.
    pub after: Option<Time>,
    /// Measured earlier than.
    pub before: Option<Time>,
}

/// Which frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameQuery {
    /// Of this device.
    pub device: DeviceId,
    /// With a later place than this one.
    pub after: Seq,
    /// Received at this time or later.
    pub from: Option<Time>,
    /// Received at this time or earlier.
    pub to: Option<Time>,
    /// At most so many; a store may give fewer, to bound the bytes.
    pub limit: u32,
}

/// Some frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FramePage {
    /// Ascending by place.
    pub frames: Vec<KeptFrame>,
    /// There may be more after the last of them.
    pub more: bool,
}
