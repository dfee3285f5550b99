//! Tables that a dialect has beside the records of devices: the one list through which the rest of the store reaches them.

pub(crate) use crate::onem2m::{subscribers::Subscribers, telling::Telling};

use crate::{
    effects::Effects,
    engine::{
        queue::Job,
        sql::{Sql, SqlResult},
    },
    onem2m,
};
use landfall_model::{ResourceId, Time};

/// Writes the events of a batch into a stream row where they are to say more than they were handed over with: what the batch did. False: they
/// are not.
pub(crate) fn complete(job: &Job, effects: &mut Effects, blob: &mut Vec<u8>) -> bool {
    onem2m::notices::complete(job, effects, blob)
}

/// Deletes what is over, about `limit` rows of each kind; true when more may be left. Adds resources that went to `dropped`.
pub(crate) fn prune(sql: &mut dyn Sql, now: Time, limit: i64, dropped: &mut Vec<ResourceId>) -> SqlResult<bool> {
    onem2m::prune(sql, now, limit, dropped)
}

/// Deletes about `limit` rows of a device that is gone; returns how many.
pub(crate) fn delete_of_device(sql: &mut dyn Sql, device: &[u8], limit: i64, dropped: &mut Vec<ResourceId>) -> SqlResult<i64> {
    onem2m::unlinked::delete_of_device(sql, device, limit, dropped)
}

/// Deletes about `limit` rows of another owner that is unlinked; returns how many.
pub(crate) fn delete_of_owner(sql: &mut dyn Sql, owner: &[u8], limit: i64, dropped: &mut Vec<ResourceId>) -> SqlResult<i64> {
    onem2m::unlinked::delete_of_resource(sql, owner, limit, dropped)
}
