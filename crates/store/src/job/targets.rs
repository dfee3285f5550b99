//! Targets that were begun, and how many of a job are in which state.
//!
//! The writer keeps the counts in the transaction that changes the rows: changes gather in memory and are written once a group, so that the
//! ends of a million targets neither conflict with the writes of their job nor repeat them.

use crate::{
    effects::{Changes, Done},
    engine::sql::{Row, Sql, SqlResult, Value, insert_new, query_one, to_db},
    job::check,
    stream::{record::Malformed, replay::id},
    versioned::stale,
};
use landfall_model::{CommandId, DeviceId, JobCounts, JobId, JobTarget, TargetEnd, TargetState};

/// What is selected of a target.
pub(super) const COLUMNS: &str = "place, state, device, command, detail";

/// Targets since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) begun: u64,
    pub(crate) ended: JobCounts,
}

impl Tally {
    /// Counts what a batch changed. A target that ends leaves another state, so that only its beginning counts in the sum.
    pub(crate) fn count(&mut self, changes: &[(TargetState, i64)]) {
        self.begun = self.begun.saturating_add_signed(changes.iter().map(|(_, n)| n).sum());
        for (state, n) in changes.iter().filter(|(state, _)| state.is_over()) {
            self.ended.add(*state, *n);
        }
    }
}

/// Changes of counts that are not written yet.
pub(crate) type JobCounters = Changes<(JobId, TargetState)>;

pub(crate) fn begin(sql: &mut dyn Sql, targets: &[JobTarget], counters: &mut JobCounters) -> Done {
    for part in targets.chunk_by(|a, b| a.job == b.job) {
        check(sql, part[0].job, part.len())?;
    }
    let rows: Vec<_> = targets.iter().map(row).collect();
    if insert_new(sql, "job_target (job, place, state, device, command, detail)", &rows)? < rows.len() as u64 {
        return Err(stale());
    }
    targets.iter().for_each(|target| counters.add((target.job, target.state), 1));
    Ok(())
}

fn row(target: &JobTarget) -> Vec<Value<'_>> {
    vec![
        Value::Bytes(target.job.0.as_bytes()),
        Value::Int(to_db(target.place)),
        Value::Text(target.state.as_str()),
        Value::opt_bytes(target.device.as_ref().map(|id| &id.0.as_bytes()[..])),
        Value::opt_bytes(target.command.as_ref().map(|id| &id.0.as_bytes()[..])),
        Value::opt_bytes(target.detail.as_deref().map(kept)),
    ]
}

pub(crate) fn end(sql: &mut dyn Sql, end: &TargetEnd, counters: &mut JobCounters) -> Done {
    const TEXT: &str = "UPDATE job_target SET state = ?3, detail = COALESCE(?4, detail) WHERE job = ?1 AND place = ?2 AND state = 'running' \
                        AND EXISTS (SELECT 1 FROM job WHERE id = ?1)";
    let params = [
        Value::Bytes(end.job.0.as_bytes()),
        Value::Int(to_db(end.place)),
        Value::Text(end.state.as_str()),
        Value::opt_bytes(end.detail.as_deref().map(kept)),
    ];
    if sql.execute(TEXT, &params)? > 0 {
        counters.add((end.job, TargetState::Running), -1);
        counters.add((end.job, end.state), 1);
    }
    Ok(())
}

/// Writes the changes of a group.
pub(crate) fn count(counters: JobCounters, sql: &mut dyn Sql) -> SqlResult<()> {
    for ((job, state), n) in counters.into_changes() {
        let Some(column) = column(state) else { continue };
        let text = format!("UPDATE job SET {column} = {column} + ?2 WHERE id = ?1");
        sql.execute(&text, &[Value::Bytes(job.0.as_bytes()), Value::Int(n)])?;
    }
    Ok(())
}

/// The column that counts the targets in a state; those that are not begun are not counted.
fn column(state: TargetState) -> Option<&'static str> {
    match state {
        TargetState::Waiting => None,
        TargetState::Running => Some("running"),
        TargetState::Succeeded => Some("succeeded"),
        TargetState::Failed => Some("failed"),
        TargetState::TimedOut => Some("timed_out"),
        TargetState::Expired => Some("expired"),
        TargetState::Stopped => Some("stopped"),
    }
}

/// What is kept of a detail. As bytes, because not every database takes every character.
fn kept(detail: &str) -> &[u8] {
    &detail.as_bytes()[..detail.floor_char_boundary(JobTarget::DETAIL)]
}

/// The target at a place, if it was begun.
pub(super) fn at(sql: &mut dyn Sql, job: JobId, place: u64) -> SqlResult<Option<JobTarget>> {
    let text = format!("SELECT {COLUMNS} FROM job_target WHERE job = ?1 AND place = ?2");
    query_one(sql, &text, &[Value::Bytes(job.0.as_bytes()), Value::Int(to_db(place))], |row| read(job, row))
}

/// A row of [`COLUMNS`].
pub(super) fn read(job: JobId, row: &dyn Row) -> SqlResult<JobTarget> {
    let state = row.text(1)?;
    let state = TargetState::ALL.into_iter().find(|one| one.as_str() == state).ok_or(Malformed)?;
    let detail = row.opt_bytes(4)?.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Ok(JobTarget {
        job,
        place: row.seq(0)?,
        state,
        device: row.opt_bytes(2)?.map(id).transpose()?.map(DeviceId),
        command: row.opt_bytes(3)?.map(id).transpose()?.map(CommandId),
        detail,
    })
}
