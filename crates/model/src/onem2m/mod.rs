//! The vocabulary of the oneM2M tree.

mod node;
mod notice;
mod originator;
mod provisioning;
mod resource;
mod time;

pub use node::{Managed, ManagedKind, Node, NodeInfo, NodeObservation};
pub use notice::{Changed, Notice, NoticeBatch};
pub use originator::Originator;
pub use provisioning::NodeRequest;
pub use resource::{
    AccountPart, Append, ContainerChange, ContainerState, DevicePart, IdKind, Instance, MessageBox, NODE_INFOS, NotAResourceId,
    Resource, ResourceId, ResourceKind,
};
pub use time::parse_duration_s;
