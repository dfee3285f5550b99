//! The oneM2M tree.

pub(crate) mod access_points;
pub(crate) mod claims;
pub(crate) mod grouped;
pub(crate) mod instances;
pub(crate) mod labels;
pub(crate) mod notices;
mod older;
pub(crate) mod provisioned;
mod read;
pub(crate) mod resources;
pub(crate) mod subscribers;
pub(crate) mod telling;
pub(crate) mod unlinked;

use crate::engine::sql::{Sql, SqlResult};
use landfall_model::{ResourceId, Time};

/// Resources that are over, at once; each goes with what is below it.
const RESOURCES: i64 = 50;

/// Deletes instances and resources that are over; true when more may be left.
pub(crate) fn prune(sql: &mut dyn Sql, now: Time, limit: i64, dropped: &mut Vec<ResourceId>) -> SqlResult<bool> {
    let mut more = instances::prune(sql, now, limit)? >= limit.unsigned_abs();
    more |= resources::prune(sql, now, RESOURCES, dropped)?;
    Ok(more)
}
