//! Who is in a group: joined and left with one write, and counted with it.
//!
//! The counter of a group is the number of its rows. What a deleted device leaves behind is counted until its slice.

use crate::{
    device::{
        counts::{Counts, in_group},
        unlinked,
    },
    effects::{Done, Refused},
    engine::{
        documents::{id_value, parse},
        sql::{Sql, SqlResult, Value, execute_in, query_all, query_one, to_db},
    },
    stream::replay::id,
};
use landfall_core::store::{Member, MemberSlice, MembersFrom};
use landfall_model::{AccountId, AppId, Cause, Device, DeviceId, Error, Group, GroupId, Principals};
use std::{collections::BTreeSet, sync::Arc};

/// Groups that a device leaves with its deletion; the rows of more go in slices.
const AT_ONCE: i64 = 200;

/// Devices join a group, all of them or, where it would have more than it may, none.
pub(crate) fn join(sql: &mut dyn Sql, group: GroupId, devices: &[DeviceId], counts: &mut Counts) -> Done {
    /// Of two indexes, that of the ids.
    const JOIN: &str = "INSERT INTO group_member (member_of, device) SELECT ?1, id FROM device \
                        WHERE COALESCE(account, account) = ?2 AND id IN @keys ON CONFLICT DO NOTHING";
    check_slice(devices)?;
    let Some((account, most)) = of(sql, group)? else {
        return Err(Refused::Batch(Error::new(Cause::ResourceNotFound, "the group is gone")));
    };
    if most > 0 {
        let present = counts.total(sql, account, group.0)?;
        // Looked at one by one only where not all of them fit.
        if present + devices.len() as u64 > most && present + newcomers(sql, account, group, devices)? > most {
            return Err(full(most));
        }
    }
    let ids: Vec<_> = devices.iter().map(|device| id_value(&device.0)).collect();
    let joined = execute_in(sql, JOIN, &[id_value(&group.0), id_value(&account.0)], &ids)?;
    counts.change_group(account, group, to_db(joined));
    Ok(())
}

/// How many of the devices would join.
fn newcomers(sql: &mut dyn Sql, account: AccountId, group: GroupId, devices: &[DeviceId]) -> SqlResult<u64> {
    const NEW: &str = "SELECT 1 FROM device WHERE id = ?2 AND account = ?3 \
                       AND NOT EXISTS (SELECT 1 FROM group_member WHERE member_of = ?1 AND device = ?2)";
    let mut found = 0;
    for device in devices.iter().collect::<BTreeSet<_>>() {
        let params = [id_value(&group.0), id_value(&device.0), id_value(&account.0)];
        found += u64::from(query_one(sql, NEW, &params, |_| Ok(()))?.is_some());
    }
    Ok(found)
}

/// Devices leave a group. The rows of one that is gone go in slices.
pub(crate) fn leave(sql: &mut dyn Sql, group: GroupId, devices: &[DeviceId], counts: &mut Counts) -> Done {
    check_slice(devices)?;
    let Some((account, _)) = of(sql, group)? else { return Ok(()) };
    let mut left = 0;
    for device in devices {
        left += sql.execute(LEAVE, &[id_value(&group.0), id_value(&device.0)])?;
    }
    counts.change_group(account, group, -to_db(left));
    Ok(())
}

const LEAVE: &str = "DELETE FROM group_member WHERE member_of = ?1 AND device = ?2";

/// A device that is deleted leaves its groups, if they are not more than usual.
pub(crate) fn device_gone(sql: &mut dyn Sql, device: DeviceId, counts: &mut Counts) -> SqlResult<()> {
    leave_groups(sql, device.0.as_bytes(), AT_ONCE, counts).map(|_| ())
}

/// A device that is gone leaves at most `limit` groups more; returns how many they were.
pub(crate) fn slice_of_device(sql: &mut dyn Sql, device: &[u8], limit: i64) -> SqlResult<i64> {
    let mut counts = Counts::default();
    let left = leave_groups(sql, device, limit, &mut counts)?;
    counts.end(true);
    counts.write(sql)?;
    Ok(left)
}

fn leave_groups(sql: &mut dyn Sql, device: &[u8], limit: i64, counts: &mut Counts) -> SqlResult<i64> {
    const OF_DEVICE: &str = "SELECT m.member_of, g.account FROM group_member m LEFT JOIN device_group g ON g.id = m.member_of \
                             WHERE m.device = ?1 LIMIT ?2";
    let groups = query_all(sql, OF_DEVICE, &[Value::Bytes(device), Value::Int(limit)], |row| {
        Ok((GroupId(id(row.bytes(0)?)?), row.opt_bytes(1)?.map(id).transpose()?.map(AccountId)))
    })?;
    for (group, account) in &groups {
        sql.execute(LEAVE, &[id_value(&group.0), Value::Bytes(device)])?;
        // The rows of a group that is gone are counted no more.
        if let Some(account) = account {
            counts.change_group(*account, *group, -1);
        }
    }
    Ok(groups.len() as i64)
}

/// All leave a group that is deleted: at once for readers, their rows in slices.
pub(crate) fn group_gone(sql: &mut dyn Sql, account: AccountId, group: GroupId, counts: &mut Counts) -> SqlResult<()> {
    let present = counts.total(sql, account, group.0)?;
    counts.change_group(account, group, -to_db(present));
    unlinked::put_group(sql, group)
}

/// Refuses a group that may have fewer members than it has.
pub(crate) fn check_room(sql: &mut dyn Sql, group: &Group, counts: &Counts) -> Done {
    let most = u64::from(group.max_members);
    if most > 0 && counts.total(sql, group.account, group.id.0)? > most {
        return Err(full(most));
    }
    Ok(())
}

fn full(most: u64) -> Refused {
    Refused::Batch(Error::new(Cause::GroupFull, format!("the group may have at most {most} devices")))
}

fn check_slice(devices: &[DeviceId]) -> Done {
    if devices.len() > Group::SLICE {
        return Err(Refused::Batch(Error::new(Cause::TooMany, "at most 1000 devices join or leave a group at once")));
    }
    Ok(())
}

/// Account of a group, and how many devices it may have.
fn of(sql: &mut dyn Sql, group: GroupId) -> SqlResult<Option<(AccountId, u64)>> {
    query_one(sql, "SELECT account, max_members FROM device_group WHERE id = ?1", &[id_value(&group.0)], |row| {
        Ok((AccountId(id(row.bytes(0)?)?), row.seq(1)?))
    })
}

/// Some members with those who see them.
pub(crate) fn slice(sql: &mut dyn Sql, group: GroupId, from: MembersFrom, limit: u32) -> SqlResult<MemberSlice> {
    // The inner query walks the index alone.
    const TEXT: &str = "SELECT m.device, d.principals FROM (SELECT device FROM group_member WHERE member_of = ?1 AND device > ?2 \
                        ORDER BY device LIMIT ?3 OFFSET ?4) m LEFT JOIN device d ON d.id = m.device ORDER BY m.device";
    let (after, offset) = match &from {
        MembersFrom::After(id) => (id.as_ref().map_or(&[][..], |id| id.0.as_bytes()), 0),
        MembersFrom::Place(place) => (&[][..], *place),
    };
    let params = [id_value(&group.0), Value::Bytes(after), Value::Int(i64::from(limit)), Value::Int(to_db(offset))];
    let rows =
        query_all(sql, TEXT, &params, |row| Ok((DeviceId(id(row.bytes(0)?)?), row.opt_bytes(1)?.map(principals).transpose()?)))?;
    let last = rows.last().map(|(device, _)| *device);
    let more = rows.len() as u64 == u64::from(limit);
    let member = |(device, principals): (DeviceId, Option<Principals>)| Some(Member { device, principals: principals? });
    Ok(MemberSlice { members: rows.into_iter().filter_map(member).collect(), last, more })
}

/// Who sees each of these devices; none where the account has no such device.
pub(crate) fn seen_by(sql: &mut dyn Sql, account: AccountId, devices: &[DeviceId]) -> SqlResult<Vec<Option<Principals>>> {
    const TEXT: &str = "SELECT principals FROM device WHERE id = ?1 AND account = ?2";
    let one =
        |device: &DeviceId| query_one(sql, TEXT, &[id_value(&device.0), id_value(&account.0)], |row| principals(row.bytes(0)?));
    devices.iter().map(one).collect()
}

fn principals(bytes: &[u8]) -> SqlResult<Principals> {
    super::principals::each(bytes).map(|app| id(app).map(AppId)).collect()
}

/// Devices of a group after one of them.
pub(crate) fn devices(sql: &mut dyn Sql, group: GroupId, after: Option<DeviceId>, limit: u32) -> SqlResult<Vec<Arc<Device>>> {
    const TEXT: &str = "SELECT d.doc FROM group_member m JOIN device d ON d.id = m.device WHERE m.member_of = ?1 AND m.device > ?2 \
                        AND EXISTS (SELECT 1 FROM device_group g WHERE g.id = ?1) ORDER BY m.device LIMIT ?3";
    let after = after.as_ref().map_or(&[][..], |id| id.0.as_bytes());
    let params = [id_value(&group.0), Value::Bytes(after), Value::Int(i64::from(limit))];
    query_all(sql, TEXT, &params, |row| parse(row, 0).map(Arc::new))
}

/// How many devices are in each of these groups of an account.
pub(crate) fn counts(sql: &mut dyn Sql, account: AccountId, groups: &[GroupId]) -> SqlResult<Vec<u64>> {
    groups.iter().map(|group| in_group(sql, account, *group)).collect()
}
