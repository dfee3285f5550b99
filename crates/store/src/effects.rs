//! What became of a write, and what a batch did that its writes alone do not tell.

use crate::{
    device::counts::Counts,
    engine::sql::{Sql, SqlError, Value},
};
use landfall_model::{ContainerState, DeviceId, Error, Event, Resource, ResourceId};
use std::sync::Arc;

/// Why a step was not done.
pub(crate) enum Refused {
    /// Its batch is refused.
    Batch(Error),
    /// The database failed.
    Group(SqlError),
}

impl From<SqlError> for Refused {
    fn from(error: SqlError) -> Self {
        Self::Group(error)
    }
}

pub(crate) type Done = std::result::Result<(), Refused>;

/// What became of a notice of a subscription that allows so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// More may come.
    Sent,
    /// It was the last one.
    Last,
    /// The subscription was over already.
    Over,
}

/// What a batch did that its writes alone do not tell.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// What the containers held after each append and change, in their order.
    pub(crate) held: Vec<ContainerState>,
    /// Events that say more than they were handed over with, with their encoded length in bytes.
    pub(crate) told: Option<Vec<(Arc<Event>, u32)>>,
    /// What became of each notice that was counted, in their order.
    pub(crate) counted: Vec<(ResourceId, Counted)>,
    /// Resources that were written besides those of the batch.
    pub(crate) resources: Vec<Arc<Resource>>,
    /// Resources that went with another record.
    pub(crate) dropped: Vec<ResourceId>,
    /// Devices whose outgoing messages changed.
    pub(crate) outgoing: Vec<DeviceId>,
    /// Counters of devices that changed, also by earlier batches of the group.
    pub(crate) counts: Counts,
}

pub(crate) fn delete(sql: &mut dyn Sql, text: &str, id: &[u8]) -> Done {
    sql.execute(text, &[Value::Bytes(id)])?;
    Ok(())
}
