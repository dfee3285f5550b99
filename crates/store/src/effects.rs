//! What became of a write, and what a batch did that its writes alone do not tell.

use crate::{
    device::counts::Counts,
    engine::sql::{Sql, SqlError, SqlResult, Value},
    job::targets::{self, JobCounters},
};
use landfall_model::{ContainerState, DeviceId, Error, Event, Resource, ResourceId, TargetState};
use std::{collections::BTreeMap, sync::Arc};

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
    /// How many more targets of jobs are in which state.
    pub(crate) targets: Vec<(TargetState, i64)>,
    /// Counters that changed, also by earlier batches of the group.
    pub(crate) counters: Counters,
}

/// What the writer counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) devices: Counts,
    pub(crate) jobs: JobCounters,
}

impl Counters {
    /// The batch at hand is over; refused, it counts nothing.
    pub(crate) fn end(&mut self, taken: bool) {
        self.devices.end(taken);
        self.jobs.end(taken);
    }

    /// Writes the changes of the group.
    pub(crate) fn write(self, sql: &mut dyn Sql) -> SqlResult<()> {
        self.devices.write(sql)?;
        targets::count(self.jobs, sql)
    }
}

/// Changes of counters that are not written yet: those of the group, and those of the batch at hand.
#[derive(Debug)]
pub(crate) struct Changes<K> {
    group: BTreeMap<K, i64>,
    batch: BTreeMap<K, i64>,
}

impl<K> Default for Changes<K> {
    fn default() -> Self {
        Self { group: BTreeMap::new(), batch: BTreeMap::new() }
    }
}

impl<K: Ord> Changes<K> {
    pub(crate) fn add(&mut self, key: K, n: i64) {
        *self.batch.entry(key).or_default() += n;
    }

    /// The batch at hand is over; refused, it counts nothing.
    pub(crate) fn end(&mut self, taken: bool) {
        for (key, n) in std::mem::take(&mut self.batch) {
            if taken {
                *self.group.entry(key).or_default() += n;
            }
        }
    }

    /// The changes of the batch at hand.
    pub(crate) fn at_hand(&self) -> impl Iterator<Item = (&K, i64)> {
        self.batch.iter().map(|(key, n)| (key, *n))
    }

    /// The sum of those from a key on, as long as they are `of` the same.
    pub(crate) fn sum(&self, from: &K, of: impl Fn(&K) -> bool) -> i64 {
        let part = |changes: &BTreeMap<K, i64>| changes.range(from..).take_while(|(key, _)| of(key)).map(|(_, n)| n).sum::<i64>();
        part(&self.group) + part(&self.batch)
    }

    /// The changes of the group.
    pub(crate) fn into_changes(self) -> impl Iterator<Item = (K, i64)> {
        self.group.into_iter().filter(|(_, n)| *n != 0)
    }
}

pub(crate) fn delete(sql: &mut dyn Sql, text: &str, id: &[u8]) -> Done {
    sql.execute(text, &[Value::Bytes(id)])?;
    Ok(())
}
