//! What devices reported, and the frames that it came in.

use async_trait::async_trait;
use landfall_model::{AppId, DeviceId, HistoryPoint, KeptFrame, Page, PageRequest, Result, Seq, Sort, Time};

/// History and frames.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// History, newest arrival first.
    async fn history(&self, query: &HistoryQuery, page: PageRequest) -> Result<Page<HistoryPoint>>;
    /// The next points of a device in the order of their reports, whole reports at a time.
    async fn points(&self, query: &PointQuery) -> Result<PointSlice>;
    /// Frames that were kept with the history of a device, by their places, with the points that came from each. What waits in memory is
    /// made ready first.
    async fn frames(&self, query: &FrameQuery) -> Result<FramePage>;
}

/// Whose history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryOf {
    /// Of this device.
    Device(DeviceId),
    /// Of this gateway, and what devices did while they were behind it that are still there and that the application, where one is given,
    /// sees.
    Gateway(DeviceId, Option<AppId>),
}

impl HistoryOf {
    /// The device, or the gateway.
    pub fn id(self) -> DeviceId {
        match self {
            Self::Device(id) | Self::Gateway(id, _) => id,
        }
    }
}

/// Which points of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Whose.
    pub of: HistoryOf,
    /// Measured later than.
    pub after: Option<Time>,
    /// Measured earlier than.
    pub before: Option<Time>,
    /// The time at which the history of a device must not have aged (`data_aging_days`, counted from the receipt of its points).
    pub now: Time,
}

/// Which points of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointQuery {
    /// Of this device.
    pub device: DeviceId,
    /// Measured at this time or later.
    pub from: Option<Time>,
    /// Measured before this time.
    pub to: Option<Time>,
    /// Beyond the report of this place.
    pub beyond: Option<Seq>,
    /// By arrival.
    pub sort: Sort,
    /// As in [`HistoryQuery`].
    pub now: Time,
    /// Points after which a slice ends with its report; a store may give fewer, to bound the bytes.
    pub limit: u32,
}

/// Some points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointSlice {
    /// In their order.
    pub points: Vec<HistoryPoint>,
    /// There may be more after the last of them.
    pub more: bool,
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
