//! The inventory.

use async_trait::async_trait;
use landfall_model::{AccountId, ChildKind, Device, ExternalId, Object, ObjectId, Page, PageRequest, Result};
use std::sync::Arc;

/// Objects, their links and their other names.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// The record of one object; a device may have none.
    async fn object(&self, id: ObjectId) -> Result<Option<Arc<Object>>>;
    /// The records of some objects, in the order of their ids.
    async fn objects_of(&self, ids: &[ObjectId]) -> Result<Vec<Arc<Object>>>;
    /// The device of the account whose object has this id. `Conflict` where two have.
    async fn device_of_object(&self, account: AccountId, id: ObjectId) -> Result<Option<Arc<Device>>>;
    /// Records that match, by id.
    async fn objects(&self, filter: &ObjectFilter, page: PageRequest) -> Result<Page<Arc<Object>>>;
    /// What is below an object by record of this kind of link, by id. The devices in a group are its members ([`super::MemberStore`]).
    async fn children(&self, parent: ObjectId, kind: ChildKind, page: PageRequest) -> Result<Page<ObjectId>>;
    /// What an object is below, with the kind of link, at most `limit`.
    async fn parents(&self, child: ObjectId, limit: u32) -> Result<Vec<(ObjectId, ChildKind)>>;
    /// The object that has this name.
    async fn object_named(&self, name: &ExternalId) -> Result<Option<ObjectId>>;
    /// The other names of an object, by kind; at most 100.
    async fn external_ids(&self, object: ObjectId) -> Result<Vec<ExternalId>>;
}

/// Which objects; what is absent does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFilter {
    /// Of this account.
    pub account: AccountId,
    /// Of this type.
    pub kind: Option<String>,
    /// With a fragment of this name at the top.
    pub fragment: Option<String>,
    /// Of this owner.
    pub owner: Option<String>,
    /// Whether devices are among them.
    pub devices: bool,
}
