//! The inventory.

use async_trait::async_trait;
use landfall_model::{
    AccountId, Binary, BinaryId, BinaryOf, ChildKind, Device, ExternalId, GroupId, Object, ObjectId, Page, PageRequest, Result,
};
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
    /// The object of a group; it may have none.
    async fn object_of_group(&self, group: GroupId) -> Result<Option<Arc<Object>>>;
    /// The group of this name below another one as an asset, or below nothing; of several the oldest.
    async fn group_below(&self, account: AccountId, parent: Option<ObjectId>, name: &str) -> Result<Option<Arc<Object>>>;
    /// Objects that match: first those with a record that are asked for by what only records have, or that are no devices; then devices by the
    /// time of their registration.
    async fn objects(&self, filter: &ObjectFilter, page: PageRequest) -> Result<Page<Listed>>;
    /// What is below an object: linked, by id; then the devices behind a device, or the members of a group that is asked for its assets.
    async fn children(&self, parent: ObjectId, kind: ChildKind, page: PageRequest) -> Result<Page<ObjectId>>;
    /// Whether one object is below another so.
    async fn is_child(&self, parent: ObjectId, kind: ChildKind, child: ObjectId) -> Result<bool>;
    /// What an object is below in these ways, with the kind of link, at most `limit`.
    async fn parents(&self, child: ObjectId, limit: u32) -> Result<Vec<(ObjectId, ChildKind)>>;
    /// The object that has this name.
    async fn object_named(&self, name: &ExternalId) -> Result<Option<ObjectId>>;
    /// The object that has each of these names.
    async fn objects_named(&self, names: Vec<ExternalId>) -> Result<Vec<Option<ObjectId>>>;
    /// The other names of an object, by kind; at most [`ExternalId::MOST`].
    async fn external_ids(&self, object: ObjectId) -> Result<Vec<ExternalId>>;
}

/// An object of a list: a record, a device, or a device with its record.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The record.
    pub object: Option<Arc<Object>>,
    /// The device.
    pub device: Option<Arc<Device>>,
}

/// Which objects; what is absent does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFilter {
    /// Of this account.
    pub account: AccountId,
    /// Of this type.
    pub kind: Option<String>,
    /// With fragments of these names at the top, as far as they are in records.
    pub fragments: Vec<String>,
    /// Of this owner.
    pub owner: Option<String>,
    /// Of this name.
    pub name: Option<String>,
    /// Whose name begins so.
    pub prefix: Option<String>,
    /// Whether what is below something is left out.
    pub roots: bool,
    /// Devices among others (none), only, or not at all.
    pub devices: Option<bool>,
}

impl ObjectFilter {
    /// All objects of an account.
    pub fn of(account: AccountId) -> Self {
        let (kind, fragments, owner, name, prefix, roots, devices) = (None, vec![], None, None, None, false, None);
        Self { account, kind, fragments, owner, name, prefix, roots, devices }
    }

    /// Whether it asks for what only records have.
    pub fn needs_record(&self) -> bool {
        self.kind.is_some() || !self.fragments.is_empty() || self.owner.is_some()
    }
}

/// Files that are kept with objects and events.
#[async_trait]
pub trait BinaryStore: Send + Sync {
    /// The whole file that is kept with something.
    async fn binary_of(&self, of: BinaryOf) -> Result<Option<Binary>>;
    /// The bytes of a part.
    async fn binary_part(&self, id: BinaryId, no: u32) -> Result<Option<Vec<u8>>>;
    /// Files of an account and their bytes together.
    async fn binary_usage(&self, account: AccountId) -> Result<(u64, u64)>;
}
