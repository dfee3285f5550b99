//! Groups of devices: made, described and deleted by who may, and who is in which.
//!
//! A group may have a million devices, so they are read and changed in slices and never all at once. Absent: groups of groups, and what a
//! dialect keeps beside a group, which is an extension's.

pub(crate) mod marks;
pub(crate) mod members;

use crate::{Core, Scope, account::check_name, batch, extension::GroupEvent, turns::Record};
use landfall_model::{AccountId, AppId, Batch, Cause, DeviceId, Error, Group, GroupId, Page, PageRequest, Result, Write};
use members::{each_once, moved};
use std::sync::Arc;

/// Characters of a name, and of a description.
const NAME: usize = 256;
const DESCRIPTION: usize = 1_024;
/// Groups of an application that go with one commit.
const AT_ONCE: u32 = 50;

/// A group to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewGroup {
    /// 1 to 256 characters, unique among the groups of its owner.
    pub name: String,
    /// For people, at most 1,024 characters.
    pub description: Option<String>,
    /// Devices that it may have; 0: any number.
    pub max_members: u32,
    /// Its first devices; one that is named twice counts once.
    pub devices: Vec<DeviceId>,
}

/// Changes of a group; `None` leaves what there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupChange {
    /// New name.
    pub name: Option<String>,
    /// New description, or none.
    pub description: Option<Option<String>>,
    /// Devices that it may have now; 0: any number.
    pub max_members: Option<u32>,
}

impl Core {
    /// Makes a group of the scope's application, or of the account itself, with its first devices: all of it or nothing.
    ///
    /// `InvalidField`, `NameTaken`, `TooMany`; of the devices as [`Core::join_group`].
    pub async fn create_group(&self, scope: &Scope, new: NewGroup) -> Result<Arc<Group>> {
        check_description(new.description.as_deref())?;
        let id = GroupId::new(self.now(), self.random_16());
        let group = self.new_group(id, scope, &new.name).await?;
        let group = Group { description: new.description, max_members: new.max_members, ..group };
        let devices = each_once(&new.devices);
        self.check_joining(scope, group.owner, &devices).await?;
        let mut whole = batch(vec![Write::Group(Box::new(group.clone()))], vec![]);
        whole.writes.extend(moved(id, &[], &devices));
        whole.merge(self.group_followed(GroupEvent::Made, &group).await?);
        self.store.commit(whole).await?;
        Ok(Arc::new(group))
    }

    /// A group as it is to be written. `InvalidField`, `TooMany`.
    pub(crate) async fn new_group(&self, id: GroupId, scope: &Scope, name: &str) -> Result<Group> {
        check_name(name, NAME)?;
        let total = self.store.groups(scope.account, None, None, PageRequest { no: 0, size: 1 }).await?.total;
        if total >= self.settings.groups {
            return Err(Error::new(Cause::TooMany, "the account has as many groups as it may"));
        }
        let creator = match scope.by.or(scope.app) {
            Some(app) => self.store.app(app).await?.map(|app| app.name.clone()).unwrap_or_default(),
            None => String::new(),
        };
        let (account, created_at) = (scope.account, self.now());
        let (name, owner, description, max_members) = (name.to_owned(), scope.app, None, 0);
        Ok(Group { id, account, version: 1, name, description, owner, max_members, creator, created_at })
    }

    /// One group of the scope. `ResourceNotFound`.
    pub async fn group(&self, scope: &Scope, id: GroupId) -> Result<Arc<Group>> {
        let found = self.store.group(id).await?.filter(|found| scope.covers_name(found.account, found.owner));
        found.ok_or_else(|| Error::new(Cause::ResourceNotFound, "there is no such group"))
    }

    /// The groups of the scope by name, all or those of one name.
    pub async fn groups(&self, scope: &Scope, name: Option<&str>, page: PageRequest) -> Result<Page<Arc<Group>>> {
        self.store.groups(scope.account, scope.app, name, page).await
    }

    /// Renames or describes a group, or bounds it. `ResourceNotFound`, `InvalidField`, `NameTaken`, `GroupFull` where it has more devices than it
    /// then may.
    pub async fn change_group(&self, scope: &Scope, id: GroupId, change: GroupChange) -> Result<Arc<Group>> {
        change.name.as_deref().map_or(Ok(()), |name| check_name(name, NAME))?;
        check_description(change.description.as_ref().and_then(Option::as_deref))?;
        self.decide(&[Record::Group(id)], || {
            Box::pin(async {
                let mut next = (*self.group(scope, id).await?).clone();
                next.version += 1;
                next.name = change.name.clone().unwrap_or(next.name);
                next.description = change.description.clone().unwrap_or(next.description);
                next.max_members = change.max_members.unwrap_or(next.max_members);
                let mut whole = batch(vec![Write::Group(Box::new(next.clone()))], vec![]);
                whole.merge(self.group_followed(GroupEvent::Renamed, &next).await?);
                Ok((whole, Arc::new(next)))
            })
        })
        .await
    }

    /// Deletes a group; its devices stay. `ResourceNotFound`.
    pub async fn delete_group(&self, scope: &Scope, id: GroupId) -> Result<()> {
        let group = self.group(scope, id).await?;
        self.store.commit(self.gone(&group).await?).await.map(|_| ())
    }

    /// Deletes the groups of an application that goes; their devices stay.
    pub(crate) async fn delete_groups_of(&self, account: AccountId, app: AppId) -> Result<()> {
        loop {
            let some = self.store.groups(account, Some(app), None, PageRequest { no: 0, size: AT_ONCE }).await?.items;
            if some.is_empty() {
                return Ok(());
            }
            let mut whole = Batch::default();
            for group in &some {
                whole.merge(self.gone(group).await?);
            }
            self.store.commit(whole).await?;
        }
    }

    /// The batch of a group that goes.
    pub(crate) async fn gone(&self, group: &Group) -> Result<Batch> {
        let mut whole = batch(vec![Write::DeleteGroup(group.id)], vec![]);
        whole.merge(self.group_followed(GroupEvent::Gone, group).await?);
        Ok(whole)
    }
}

fn check_description(description: Option<&str>) -> Result<()> {
    if description.is_some_and(|text| text.chars().count() > DESCRIPTION) {
        return Err(Error::invalid("description", format!("must be at most {DESCRIPTION} characters")));
    }
    Ok(())
}
