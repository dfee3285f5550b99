//! What the domain asks of a store, a trait a noun. Implementations: `landfall-store` (SQLite and PostgreSQL), held to one conformance suite.
//!
//! Who needs little takes the traits of its nouns; [`Store`] is all of them. What is of the oneM2M tree stands with it.

mod account;
mod alarm;
mod command;
mod device;
mod fleet;
mod group;
mod history;
mod job;
mod object;
mod presence;
mod product;
mod stream;
mod subscription;
mod upkeep;
mod user;

pub use crate::onem2m::{Claim, InstanceStore, NodeStore, ResourceFilter, ResourceStore, TakenNames};
pub use account::{AccountStore, AppStore};
pub use alarm::{AlarmFilter, AlarmStore, DeviceEventFilter};
pub use command::{CallStore, CommandFilter, CommandStore, OperationFilter, RevokeFilter, SettingFilter, ShadowStore};
pub use device::{DeviceFilter, DeviceListStore, DeviceState, DeviceStore, Due, NameClash};
pub use fleet::{Addressee, Fleet, FleetOf, FleetStore};
pub use group::{GroupStore, Member, MemberSlice, MemberStore, MembersFrom};
pub use history::{FramePage, FrameQuery, HistoryOf, HistoryQuery, HistoryStore, PointQuery, PointSlice};
pub use job::{JobFilter, JobStore, TargetFilter};
pub use object::{BinaryStore, Listed, ObjectFilter, ObjectStore};
pub use presence::PresenceStore;
pub use product::ProductStore;
pub use stream::EventStore;
pub use subscription::{SubscriptionFilter, SubscriptionStore};
pub use upkeep::{StoreStats, UpkeepStore};
pub use user::{DeviceRequestStore, UserStore};

use async_trait::async_trait;
use landfall_model::{Batch, Result, Seq};

/// Declares [`Store`] as the sum of the traits.
macro_rules! sum {
    ($(#[$doc:meta])* $name:ident: $($part:ident)*) => {
        $(#[$doc])*
        pub trait $name: $($part +)* {}

        impl<S: $($part +)* ?Sized> $name for S {}
    };
}

sum! {
    /// The registry, the history and the event stream.
    ///
    /// Everything is written by [`Commit::commit`] alone. Reads see every commit that was answered before they began.
    /// Errors: `Internal` for a broken database, `Overloaded` for a full queue, `Stopping` after shutdown began.
    Store: Commit AccountStore AppStore ProductStore DeviceStore DeviceListStore FleetStore GroupStore MemberStore HistoryStore SubscriptionStore CallStore CommandStore
        ShadowStore PresenceStore EventStore UpkeepStore ResourceStore InstanceStore NodeStore JobStore AlarmStore DeviceRequestStore ObjectStore UserStore BinaryStore
}

/// The only way to write.
#[async_trait]
pub trait Commit: Send + Sync {
    /// Applies a batch durably, whole or not at all; many batches share one sync.
    ///
    /// `Conflict`: `Stale` for a version that moved, `NodeIdTaken` (a name of a device means the same as one of another), `NameTaken`,
    /// `ProductExists`, `SubscriptionExists`, `ResourceExists` for what must be unique. `ResourceNotFound` for what has lost its parent. An event
    /// for an address of a call or command that is gone, and an address that another batch has made, are `Stale`.
    /// Batches are applied in the order in which these futures were first polled.
    async fn commit(&self, batch: Batch) -> Result<Committed>;
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The place of its last event, or the newest place.
    pub seq: Seq,
    /// `st` of the instances that were appended, in their order.
    pub states: Vec<u64>,
}
