//! What oneM2M applications see of an account: the tree over its devices, originators and provisioning lists.

pub(crate) mod edit;
pub(crate) mod extension;
pub(crate) mod fault;
pub(crate) mod group;
pub(crate) mod made;
pub(crate) mod message;
pub(crate) mod node;
pub(crate) mod originator;
pub(crate) mod provisioning;
pub(crate) mod store;
pub(crate) mod tree;

pub use edit::{InfoChange, SelfDescription, VERSION_LABEL, known_attributes};
pub use fault::NodeFault;
pub use group::{GROUP_DEFINITION, is_device_group};
pub use originator::OriginCaller;
pub use provisioning::{FailedNode, PROVISIONING_NODES, Provisioning, ProvisioningRequest, Refusal};
pub use store::{Claim, InstanceStore, NodeStore, ResourceFilter, ResourceStore, TakenNames};
pub use tree::{
    ContainerLimits, Criteria, DEVICE_INFO, Discovered, NewInstance, NewResource, OUTCOME_PREFIX, ResourceChange, Right, Target,
    Withheld, info_of, node_name,
};

use parking_lot::Mutex;

/// The tree of an account.
pub(crate) struct Tree;

/// What is kept of the tree in memory alone.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) discoveries: tree::Discoveries,
    pub(crate) provisioned: provisioning::Provisioned,
    pub(crate) leaving: Mutex<tree::Leaving>,
    pub(crate) withholding: Mutex<tree::Withholding>,
}
