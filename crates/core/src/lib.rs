//! The domain of Landfall: one registry, one event stream, pure decisions.
//!
//! Each noun has a file with its verbs on [`Core`] and its pure `decide` functions beside them. The core awaits nothing but [`Store`]
//! and [`PayloadCodec`]; it names no socket, no database, no protocol, and reads neither clock nor randomness except through [`World`].

mod store;
mod world;

pub use store::{DeviceFilter, DeviceState, Due, HistoryQuery, Store, StoreStats, SubscriptionFilter};
pub use world::{CloseCause, Downlink, Live, PayloadCodec, World};
