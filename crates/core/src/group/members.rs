//! Who is in a group: devices join and leave all or none, and are read in slices or by pages.
//!
//! A device joins only where the owner of the group sees it; what it does not see any more is not shown, though it is in the group.

use super::marks::Mark;
use crate::{
    Core, Scope, batch,
    store::{MemberSlice, MembersFrom},
};
use landfall_model::{AppId, Cause, DeviceId, Error, Group, GroupId, Page, PageRequest, Principals, Result, Write};
use std::collections::BTreeSet;

/// Some devices of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Those that the caller sees, by id.
    pub devices: Vec<DeviceId>,
    /// The device after which the others come; none: these were the last.
    pub next: Option<DeviceId>,
}

impl Core {
    /// Adds devices to a group, at most [`Group::SLICE`]; those that are in it stay. All or none.
    ///
    /// `ResourceNotFound`; `DeviceNotFound`, `DeviceForeign` for a device that is not within the scope or that the owner of the group does not
    /// see; `GroupFull` where it would have more devices than it may; `TooMany`.
    pub async fn join_group(&self, scope: &Scope, id: GroupId, devices: &[DeviceId]) -> Result<()> {
        let group = self.group(scope, id).await?;
        check_slice(devices)?;
        self.check_joining(scope, group.owner, devices).await?;
        self.store.commit(batch(vec![Write::Join(id, devices.to_vec())], vec![])).await.map(|_| ())
    }

    /// Refuses devices of which one may not join a group of this owner.
    pub(super) async fn check_joining(&self, scope: &Scope, owner: Option<AppId>, devices: &[DeviceId]) -> Result<()> {
        for some in devices.chunks(Group::SLICE) {
            for (id, seen_by) in some.iter().zip(self.store.seen_by(scope.account, some).await?) {
                let seen_by = seen_by.ok_or_else(|| unknown(*id))?;
                if !scope.covers_seen(&seen_by) || !self.may_be_in(owner, &seen_by).await? {
                    return Err(foreign(*id));
                }
            }
        }
        Ok(())
    }

    /// Whether the owner of a group sees a device of its account.
    pub(crate) async fn may_be_in(&self, owner: Option<AppId>, seen_by: &Principals) -> Result<bool> {
        match owner {
            Some(app) => self.shares(app, seen_by).await,
            None => Ok(true),
        }
    }

    /// Takes devices out of a group, at most [`Group::SLICE`]; those that are not in it are passed over. All or none.
    ///
    /// `ResourceNotFound`; `DeviceNotFound`, `DeviceForeign` for a device that is neither within the scope nor in the group; `TooMany`.
    pub async fn leave_group(&self, scope: &Scope, id: GroupId, devices: &[DeviceId]) -> Result<()> {
        self.group(scope, id).await?;
        check_slice(devices)?;
        for (device, seen_by) in devices.iter().zip(self.store.seen_by(scope.account, devices).await?) {
            let seen_by = seen_by.ok_or_else(|| unknown(*device))?;
            if !scope.covers_seen(&seen_by) && !self.store.is_member(id, *device).await? {
                return Err(foreign(*device));
            }
        }
        self.store.commit(batch(vec![Write::Leave(id, devices.to_vec())], vec![])).await.map(|_| ())
    }

    /// Devices of a group after `after`; looks at most at `limit` and at [`Group::SLICE`] of them. `ResourceNotFound`.
    pub async fn group_members(&self, scope: &Scope, id: GroupId, after: Option<DeviceId>, limit: u32) -> Result<Members> {
        self.group(scope, id).await?;
        let found = self.store.member_ids(id, MembersFrom::After(after), limit.clamp(1, Group::SLICE as u32)).await?;
        let next = found.last.filter(|_| found.more);
        Ok(Members { devices: shown(scope, found), next })
    }

    /// A page of devices of a group by id, of at most [`Group::SLICE`], and how many are in it. `ResourceNotFound`.
    ///
    /// A page goes on where the one before it ended, if the same application read that within a minute: who reads all pages misses nobody that
    /// stays, though others leave meanwhile. Members that the caller does not see are counted, and missing in their page.
    pub async fn group_page(&self, scope: &Scope, id: GroupId, page: PageRequest) -> Result<Page<DeviceId>> {
        self.group(scope, id).await?;
        let page = PageRequest { size: page.size.clamp(1, Group::SLICE as u32), ..page };
        let total = self.store.member_count(id).await?;
        let reader = scope.by.or(scope.app).map_or(scope.account.0, |app| app.0);
        let mark = Mark { reader, group: id, size: page.size, no: page.no };
        let from = match self.group_marks.find(&mark, self.now()) {
            Some(last) => MembersFrom::After(Some(last)),
            None if page.no == 0 => MembersFrom::After(None),
            None if page.offset() >= total => return Ok(Page { total, items: vec![] }),
            None => MembersFrom::Place(page.offset()),
        };
        let found = self.store.member_ids(id, from, page.size).await?;
        if let Some(last) = found.last.filter(|_| found.more) {
            self.group_marks.set(Mark { no: page.no.saturating_add(1), ..mark }, last, self.now());
        }
        Ok(Page { total, items: shown(scope, found) })
    }

    /// How many devices are in a group. `ResourceNotFound`.
    pub async fn group_size(&self, scope: &Scope, id: GroupId) -> Result<u64> {
        self.group(scope, id).await?;
        self.store.member_count(id).await
    }

    /// The same of each of these groups of the scope.
    pub async fn group_sizes(&self, scope: &Scope, groups: &[GroupId]) -> Result<Vec<u64>> {
        self.store.member_counts(scope.account, groups).await
    }
}

fn shown(scope: &Scope, found: MemberSlice) -> Vec<DeviceId> {
    let seen = found.members.into_iter().filter(|member| scope.covers_seen(&member.principals));
    seen.map(|member| member.device).collect()
}

/// Each device once, by id.
pub(super) fn each_once(devices: &[DeviceId]) -> Vec<DeviceId> {
    devices.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
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

fn unknown(device: DeviceId) -> Error {
    Error::new(Cause::DeviceNotFound, format!("there is no device {device}"))
}

fn foreign(device: DeviceId) -> Error {
    Error::new(Cause::DeviceForeign, format!("the device {device} is of another application"))
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
