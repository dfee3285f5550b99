//! Groups of devices: made, described and deleted by who may, and who is in which.
//!
//! A group may have a million devices, so they are read and changed in slices and never all at once. Absent: groups of groups, and what a
//! dialect keeps beside a group, which is an extension's.

use crate::{Core, Scope, account::check_name, batch, extension::GroupEvent, turns::Record};
use landfall_model::{AccountId, AppId, Batch, Cause, Device, DeviceId, Error, Group, GroupId, Page, PageRequest, Result, Write};
use std::sync::Arc;

/// Characters of a name, and of a description.
const NAME: usize = 256;
const DESCRIPTION: usize = 1_024;
/// Groups of an application that go with one commit.
const AT_ONCE: u32 = 50;

/// A group to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGroup {
    /// 1 to 256 characters, unique among the groups of its owner.
    pub name: String,
    /// For people, at most 1,024 characters.
    pub description: Option<String>,
}

/// Changes of a group; `None` leaves what there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupChange {
    /// New name.
    pub name: Option<String>,
    /// New description, or none.
    pub description: Option<Option<String>>,
}

/// Some devices of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    /// Those that the caller sees, by id.
    pub devices: Vec<Arc<Device>>,
    /// The device after which the others come; none: these were the last.
    pub next: Option<DeviceId>,
}

impl Core {
    /// Makes a group of the scope's application, or of the account itself. `InvalidField`, `NameTaken`, `TooMany`.
    pub async fn create_group(&self, scope: &Scope, new: NewGroup) -> Result<Arc<Group>> {
        check_description(new.description.as_deref())?;
        let id = GroupId::new(self.now(), self.random_16());
        let group = self.new_group(id, scope, &new.name).await?;
        let group = Group { description: new.description, ..group };
        let mut whole = batch(vec![Write::Group(Box::new(group.clone()))], vec![]);
        whole.merge(self.group_followed(GroupEvent::Made, &group).await?);
        self.store.commit(whole).await?;
        Ok(Arc::new(group))
    }

    /// A group as it is to be written. `InvalidField`, `TooMany`.
    pub(crate) async fn new_group(&self, id: GroupId, scope: &Scope, name: &str) -> Result<Group> {
        check_name(name, NAME)?;
        let total = self.store.groups(scope.account, None, PageRequest { no: 0, size: 1 }).await?.total;
        if total >= self.settings.groups {
            return Err(Error::new(Cause::TooMany, "the account has as many groups as it may"));
        }
        let (account, created_at) = (scope.account, self.now());
        Ok(Group { id, account, version: 1, name: name.to_owned(), description: None, owner: scope.app, created_at })
    }

    /// One group of the scope. `ResourceNotFound`.
    pub async fn group(&self, scope: &Scope, id: GroupId) -> Result<Arc<Group>> {
        let found = self.store.group(id).await?.filter(|found| scope.covers_name(found.account, found.owner));
        found.ok_or_else(|| Error::new(Cause::ResourceNotFound, "there is no such group"))
    }

    /// The groups of the scope by name.
    pub async fn groups(&self, scope: &Scope, page: PageRequest) -> Result<Page<Arc<Group>>> {
        self.store.groups(scope.account, scope.app, page).await
    }

    /// Renames or describes a group. `ResourceNotFound`, `InvalidField`, `NameTaken`.
    pub async fn change_group(&self, scope: &Scope, id: GroupId, change: GroupChange) -> Result<Arc<Group>> {
        change.name.as_deref().map_or(Ok(()), |name| check_name(name, NAME))?;
        check_description(change.description.as_ref().and_then(Option::as_deref))?;
        self.decide(&[Record::Group(id)], || {
            Box::pin(async {
                let mut next = (*self.group(scope, id).await?).clone();
                next.version += 1;
                next.name = change.name.clone().unwrap_or(next.name);
                next.description = change.description.clone().unwrap_or(next.description);
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
            let some = self.store.groups(account, Some(app), PageRequest { no: 0, size: AT_ONCE }).await?.items;
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

    async fn gone(&self, group: &Group) -> Result<Batch> {
        let mut whole = batch(vec![Write::DeleteGroup(group.id)], vec![]);
        whole.merge(self.group_followed(GroupEvent::Gone, group).await?);
        Ok(whole)
    }

    /// Adds devices to a group, at most [`Group::SLICE`]; those that are in it stay. All or none.
    ///
    /// `ResourceNotFound`; `DeviceNotFound`, `DeviceForeign` for a device that is not within the scope; `TooMany`.
    pub async fn join_group(&self, scope: &Scope, id: GroupId, devices: &[DeviceId]) -> Result<()> {
        self.group(scope, id).await?;
        check_slice(devices)?;
        for device in devices {
            self.device(scope, *device).await?;
        }
        self.store.commit(batch(vec![Write::Join(id, devices.to_vec())], vec![])).await.map(|_| ())
    }

    /// Takes devices out of a group, at most [`Group::SLICE`]; those that are not in it are passed over. `ResourceNotFound`, `TooMany`.
    pub async fn leave_group(&self, scope: &Scope, id: GroupId, devices: &[DeviceId]) -> Result<()> {
        self.group(scope, id).await?;
        check_slice(devices)?;
        self.store.commit(batch(vec![Write::Leave(id, devices.to_vec())], vec![])).await.map(|_| ())
    }

    /// Devices of a group after `after`; looks at most at `limit` and at [`Group::SLICE`] of them. `ResourceNotFound`.
    pub async fn group_members(&self, scope: &Scope, id: GroupId, after: Option<DeviceId>, limit: u32) -> Result<Members> {
        self.group(scope, id).await?;
        let limit = limit.clamp(1, Group::SLICE as u32);
        let mut devices = self.store.members(id, after, limit).await?;
        let next = devices.last().filter(|_| devices.len() as u32 == limit).map(|last| last.id);
        devices.retain(|device| scope.covers(device));
        Ok(Members { devices, next })
    }

    /// How many devices are in a group. `ResourceNotFound`.
    pub async fn group_size(&self, scope: &Scope, id: GroupId) -> Result<u64> {
        self.group(scope, id).await?;
        self.store.member_count(id).await
    }
}

/// The writes that bring a group from some devices to others, both ascending, in slices.
pub(crate) fn moved(group: GroupId, before: &[DeviceId], after: &[DeviceId]) -> Vec<Write> {
    let missing = |of: &[DeviceId], among: &[DeviceId]| -> Vec<DeviceId> {
        of.iter().copied().filter(|one| among.binary_search(one).is_err()).collect()
    };
    let (left, joined) = (missing(before, after), missing(after, before));
    let leave = left.chunks(Group::SLICE).map(|some| Write::Leave(group, some.to_vec()));
    leave.chain(joined.chunks(Group::SLICE).map(|some| Write::Join(group, some.to_vec()))).collect()
}

fn check_slice(devices: &[DeviceId]) -> Result<()> {
    if devices.len() > Group::SLICE {
        return Err(Error::new(Cause::TooMany, "at most 1000 devices join or leave a group at once"));
    }
    Ok(())
}

fn check_description(description: Option<&str>) -> Result<()> {
    if description.is_some_and(|text| text.chars().count() > DESCRIPTION) {
        return Err(Error::invalid("description", format!("must be at most {DESCRIPTION} characters")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::Time;

    #[test]
    fn a_group_moves_in_slices() {
        let device = |n: usize| DeviceId::from_random([n as u8, (n >> 8) as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let group = GroupId::new(Time(1), [0; 16]);
        let mut all: Vec<DeviceId> = (0..2_500).map(device).collect();
        all.sort();
        let sizes = |before: &[DeviceId], after: &[DeviceId]| -> Vec<i64> {
            let size = |write: &Write| match write {
                Write::Join(of, some) if *of == group => some.len() as i64,
                Write::Leave(of, some) if *of == group => -(some.len() as i64),
                other => panic!("{other:?}"),
            };
            moved(group, before, after).iter().map(size).collect()
        };
        for (before, after, expected) in [
            (&all[..0], &all[..], vec![1_000, 1_000, 500]),
            (&all[..], &all[..0], vec![-1_000, -1_000, -500]),
            (&all[..3], &all[1..5], vec![-1, 2]),
            (&all[..], &all[..], vec![]),
        ] {
            assert_eq!(sizes(before, after), expected);
        }
    }
}
